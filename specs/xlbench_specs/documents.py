"""How every document of the contract is written down: field names, strictness, canonical bytes.

All models of this distribution inherit `Document`. `canonical_json` is the only serialisation
that is ever hashed; its bytes are pinned by a golden test, because keys are for ever.
"""

import hashlib
import json
from typing import Self

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel


class Document(BaseModel):
    """Frozen, strict, camelCase on the outside; an unknown field is an error."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        populate_by_name=True,
        extra="forbid",
        frozen=True,
        strict=True,
        use_attribute_docstrings=True,
        ser_json_inf_nan="strings",
        allow_inf_nan=False,
    )

    @classmethod
    def parse(cls, data: object) -> Self:
        """Validate plain data, in its outside spelling, as if it had come as JSON.

        Raises: `pydantic.ValidationError` on a bad document, `ValueError` on NaN or infinity.
        """
        text = json.dumps(data, allow_nan=False)
        return cls.model_validate_json(text, by_alias=True, by_name=False)

    def plain(self) -> dict[str, object]:
        """The document as plain data, in its outside spelling, None left out."""
        plain: dict[str, object] = self.model_dump(mode="json", by_alias=True, exclude_none=True)
        return plain

    def text(self) -> str:
        """The document as it is stored: sorted, indented JSON that ends in a newline."""
        return json.dumps(self.plain(), sort_keys=True, indent=1, ensure_ascii=False) + "\n"


def canonical_json(value: object) -> bytes:
    """The bytes of a value that go into a hash.

    Maps are sorted by key and lose their None values, so that a field added later, None by
    default, leaves old keys valid. 1 and 1.0 differ; a float is written as Python's repr.

    Raises: `TypeError` on a type that has no canonical form (a set, bytes, a model, a None in a
    list), `ValueError` on NaN or infinity.
    """
    return json.dumps(
        _canonical(value),
        sort_keys=True,
        separators=(",", ":"),
        ensure_ascii=False,
        allow_nan=False,
    ).encode()


def digest(value: object) -> str:
    """sha256 of the canonical JSON of `value`, 64 hex digits."""
    return hashlib.sha256(canonical_json(value)).hexdigest()


def _canonical(value: object) -> object:
    match value:
        case dict():
            for key in value:
                if not isinstance(key, str):
                    message = f"a map key must be a string, not {key!r}"
                    raise TypeError(message)
            return {key: _canonical(item) for key, item in value.items() if item is not None}
        case list() | tuple():
            return [_canonical(item) for item in value]
        case float():
            return value + 0.0  # -0.0 and 0.0 are one number and must be one key
        case bool() | int() | str():
            return value
        case _:
            message = f"{type(value).__name__} has no canonical form: {value!r}"
            raise TypeError(message)
