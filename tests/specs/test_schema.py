from typing import Annotated

import pytest
from pydantic import Field
from xlbench_specs.documents import Document
from xlbench_specs.experiment import ExperimentSpec
from xlbench_specs.schema import schema_at, structural_schema


class Inner(Document):
    a_number: Annotated[float, Field(gt=0, lt=1)] = 0.5
    """Between."""
    nothing: int | None = None
    """Or a whole one."""


class Outer(Document):
    inner: Inner = Inner()
    """One of them."""
    many: Annotated[list[Inner], Field(max_length=3)]
    """Some."""
    by_name: dict[Annotated[str, Field(pattern="^[a-z]+$")], int]
    """By name."""
    loose: dict[str, bool]
    """By any name."""


INNER = {
    "type": "object",
    "properties": {
        "aNumber": {
            "type": "number",
            "description": "Between.",
            "default": 0.5,
            "minimum": 0,
            "exclusiveMinimum": True,
            "maximum": 1,
            "exclusiveMaximum": True,
        },
        "nothing": {"type": "integer", "description": "Or a whole one."},
    },
}


def test_references_unions_with_null_and_exclusive_bounds_are_written_out():
    assert structural_schema(Outer) == {
        "type": "object",
        "required": ["many", "byName", "loose"],
        "properties": {
            "inner": {**INNER, "description": "One of them.", "default": {"aNumber": 0.5}},
            "many": {"type": "array", "description": "Some.", "maxItems": 3, "items": INNER},
            "byName": {
                "type": "object",
                "description": "By name.",
                "additionalProperties": {"type": "integer"},
            },
            "loose": {
                "type": "object",
                "description": "By any name.",
                "additionalProperties": {"type": "boolean"},
            },
        },
    }


class TwoTypes(Document):
    either: int | str
    """One or the other."""


class NoType(Document):
    whatever: object
    """Anything."""


@pytest.mark.parametrize("model", [TwoTypes, NoType])
def test_a_field_without_one_type_is_refused(model):
    with pytest.raises(TypeError, match="a field needs one type"):
        structural_schema(model)


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("spec", "object"),
        ("spec.seeds", "array"),
        ("spec.seeds[3]", "integer"),
        ("spec.schedules[0].phases[1].tasks[0].exceptFor[2]", "string"),
        ("spec.budget.shares.weights.ha-slots", "number"),
        ("spec.nothing", None),
        ("spec.nothing.at.all", None),
        ("spec.suspend[0]", None),
    ],
)
def test_a_node_is_found_by_the_path_a_user_reads(path, kind):
    node = schema_at(structural_schema(ExperimentSpec), path)
    assert (node and node["type"]) == kind
