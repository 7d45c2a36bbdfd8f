"""Turns what pydantic says of a bad spec into words for its author: path, value, what is valid.

What would be valid is read off the same schema that the CRD is made of, so it cannot go stale.
Called by `checks.accept`; knows no rule of its own.
"""

from collections.abc import Mapping
from functools import cache

from pydantic import ValidationError
from pydantic_core import ErrorDetails
from xlbench_specs.errors import Problem
from xlbench_specs.experiment import ExperimentSpec
from xlbench_specs.schema import Schema, schema_at, structural_schema
from xlbench_specs.suggestions import unknown

from xlbench_operator.loading import FILE, Origin
from xlbench_operator.scalars import FLOAT

KEY = "[key]"
"""Pydantic's mark of an error in a map's key."""


def problems_of(error: ValidationError, origins: Mapping[str, Origin]) -> list[Problem]:
    """One problem for each error, in the spelling of the user's file."""
    return [_problem(detail, origins) for detail in error.errors(include_url=False)]


def path_of(location: tuple[int | str, ...]) -> str:
    """`("spec", "seeds", 3)` as `spec.seeds[3]`."""
    parts = [f"[{part}]" if isinstance(part, int) else f".{part}" for part in location]
    return "".join(part for part in parts if part != f".{KEY}").removeprefix(".") or FILE


def valid_words(node: Schema) -> str:  # noqa: PLR0911 - one return for each type
    """What a node of the schema allows, in words."""
    if "enum" in node:
        return ", ".join(str(value).lower() for value in node["enum"])
    match node["type"]:
        case "integer":
            return f"a whole number {_range(node)}".rstrip()
        case "number":
            return f"a number {_range(node)}".rstrip()
        case "boolean":
            return "true, false"
        case "array":
            return f"a list of {_count(node, 'Items')} items"
        case "string":
            return f"text of {_count(node, 'Length')} characters{_pattern(node)}"
        case _ if "properties" in node:
            return f"an object with {', '.join(node['properties'])}"
        case _:
            return f"an object with {_count(node, 'Properties')} fields"


@cache
def _schema() -> Schema:
    return structural_schema(ExperimentSpec)


def _node(location: tuple[int | str, ...]) -> Schema | None:
    return schema_at(_schema(), path_of(location)) if location else _schema()


def _problem(detail: ErrorDetails, origins: Mapping[str, Origin]) -> Problem:
    location = detail["loc"]
    path, value = path_of(location), detail["input"]
    if location and location[-1] == KEY:
        return Problem(path, location[-2], f"a name that is not valid here: {detail['msg']}")
    node = _node(location)
    match detail["type"]:
        case "extra_forbidden":
            fields = (_node(location[:-1]) or {}).get("properties", {})
            return Problem(path, value, unknown("field", str(location[-1]), fields))
        case "missing":
            what = f": {node['description']}" if node and "description" in node else ""
            return Problem(path, None, f"required, and not there{what}")
        case "literal_error" if node and isinstance(value, str):
            return Problem(path, value, unknown("value", value, map(str, node.get("enum", ()))))
        case _ if node:
            hint = _hint(node, value, origins.get(path))
            return Problem(path, value, f"{hint}valid: {valid_words(node)}")
        case _:
            return Problem(path, value, detail["msg"])


def _hint(  # noqa: PLR0911 - one return for each mistake
    node: Schema, value: object, origin: Origin | None
) -> str:
    """What may have gone wrong, where YAML or a missing bracket is the likely cause."""
    written = origin.text if origin else None
    match node["type"], value:
        case "string", bool():
            bare = written or "no, on or y"
            return f'a bare {bare} is a boolean in YAML; write "{written or "no"}" in quotes; '
        case "string", int() | float():
            return f'a number, not text; write "{written or value}" in quotes; '
        case "integer" | "number", str() if written is None and FLOAT.fullmatch(value):
            return "text, because it is quoted; remove the quotes; "
        case "integer" | "number", str() if FLOAT.fullmatch(value):
            return "too large for a number; "
        case "boolean", str() if written is None and value in {"true", "false"}:
            return "text, because it is quoted; remove the quotes; "
        case "array", str() | int() | float() | bool():
            return f"not a list; write [{written or value}]; "
        case _:
            return ""


def _range(node: Schema) -> str:
    low, high = node.get("minimum"), node.get("maximum")
    words = []
    if low is not None:
        words.append(f"above {low:g}" if node.get("exclusiveMinimum") else f"from {low}")
    if high is not None:
        words.append(f"below {high:g}" if node.get("exclusiveMaximum") else f"to {high}")
    return " ".join(words)


def _count(node: Schema, unit: str) -> str:
    low, high = node.get(f"min{unit}", 0), node.get(f"max{unit}")
    if high is None:
        return f"{low} or more"
    return str(low) if low == high else f"{low} to {high}"


def _pattern(node: Schema) -> str:
    return f" that match {node['pattern']}" if "pattern" in node else ""
