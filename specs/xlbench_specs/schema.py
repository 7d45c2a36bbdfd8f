"""A model as a structural OpenAPI v3 schema: what the API server understands of JSON Schema.

Pydantic writes references, unions with null and exclusive bounds as numbers; a structural schema
knows none of these. Called by `crd`, and by whoever has to say what would be valid at a path.
"""

import re
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

Schema = dict[str, Any]
"""One node of a structural schema."""

KEPT = (
    "type",
    "description",
    "default",
    "enum",
    "pattern",
    "minLength",
    "maxLength",
    "minItems",
    "maxItems",
    "minProperties",
    "maxProperties",
    "minimum",
    "maximum",
    "required",
)
"""Keywords that mean the same in both dialects."""

PATH_PART = re.compile(r"\[\d+\]|[^.\[\]]+")


def structural_schema(model: type[BaseModel]) -> Schema:
    """The schema of a model, every reference written out, one type to a node.

    A field that may be None is an optional field: the API server has no null of its own.

    Raises: `TypeError` on a field of more than one type, which no structural schema can say.
    """
    schema = model.model_json_schema(by_alias=True, mode="validation")
    return _node(schema, schema.get("$defs", {}))


def schema_at(schema: Schema, path: str) -> Schema | None:
    """The node that describes what stands at a path such as `spec.seeds[3]`; None if none does."""
    node: Schema | None = schema
    for part in PATH_PART.findall(path):
        if node is None:
            return None
        if part.startswith("["):
            node = node.get("items")
        else:
            node = node.get("properties", {}).get(part, node.get("additionalProperties"))
    return node


def _node(written: Mapping[str, Any], definitions: Mapping[str, Any]) -> Schema:
    source = _resolved(written, definitions)
    node = {keyword: source[keyword] for keyword in KEPT if keyword in source}
    if "type" not in node:
        raise TypeError(f"a field needs one type, this has none: {written}")
    if "const" in source:
        node["enum"] = [source["const"]]
    for bound, keyword in (("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum")):
        if keyword in source:
            node |= {bound: source[keyword], keyword: True}
    if node.get("default", ...) is None:
        del node["default"]
    if "default" in node:
        node["default"] = _without_none(node["default"])
    if "properties" in source:
        node["properties"] = {
            name: _node(field, definitions) for name, field in source["properties"].items()
        }
    elif node["type"] == "object":
        node["additionalProperties"] = _node(_values(source), definitions)
    if "items" in source:
        node["items"] = _node(source["items"], definitions)
    return node


def _resolved(written: Mapping[str, Any], definitions: Mapping[str, Any]) -> dict[str, Any]:
    """The node without its reference and without the null of an optional field."""
    source = dict(written)
    if reference := source.pop("$ref", None):
        definition = definitions[reference.removeprefix("#/$defs/")]
        return _resolved({**definition, **source}, definitions)
    if union := source.pop("anyOf", None):
        kinds = [kind for kind in union if kind.get("type") != "null"]
        if len(kinds) != 1:
            raise TypeError(f"a field needs one type, this has {len(kinds)}: {written}")
        return _resolved({**kinds[0], **source}, definitions)
    return source


def _without_none(value: Any) -> Any:
    """A default as an object has it: a field that is None is not there."""
    if isinstance(value, dict):
        return {name: _without_none(item) for name, item in value.items() if item is not None}
    return value


def _values(source: Mapping[str, Any]) -> Mapping[str, Any]:
    """What a map holds; a pattern of its keys cannot be said here (a rule has to)."""
    patterns = source.get("patternProperties")
    values: Mapping[str, Any] = (
        next(iter(patterns.values())) if patterns else source["additionalProperties"]
    )
    return values
