"""The values of the chart and their schema, without helm."""

import json
import re
from pathlib import Path

import pytest
import yaml
from jsonschema import Draft7Validator, ValidationError, validate
from xlbench_operator.operating.environment import VARIABLES

ROOT = Path(__file__).parents[2]


@pytest.fixture
def schema(chart):
    return json.loads((chart / "values.schema.json").read_text(encoding="utf-8"))


@pytest.fixture
def values(chart):
    return yaml.safe_load((chart / "values.yaml").read_text(encoding="utf-8"))


def nodes(node):
    """A schema and all below it."""
    yield node
    for each in [*node.get("properties", {}).values(), *node.get("definitions", {}).values()]:
        yield from nodes(each)
    if isinstance(node.get("items"), dict):
        yield from nodes(node["items"])


def test_the_schema_is_one(schema):
    Draft7Validator.check_schema(schema)


def test_the_defaults_fit_it_once_the_store_is_said(schema, values):
    with pytest.raises(ValidationError, match=r"\[store\]|address|does not match"):
        validate(values, schema)
    values["store"]["address"] = "s3://bench/results"
    validate(values, schema)


def merged(below, above):
    """Values as helm merges them."""
    if not isinstance(below, dict) or not isinstance(above, dict):
        return above
    return {
        **below,
        **{name: merged(below.get(name), value) for name, value in above.items()},
    }


def test_the_values_of_the_install_page_are_valid(schema, values):
    page = (ROOT / "docs/how-to/install.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```yaml\n# values.yaml\n(.*?)```", page, re.DOTALL)
    assert len(blocks) > 5
    values["store"]["address"] = "s3://bench/results"
    for block in blocks:
        validate(merged(values, yaml.safe_load(block)), schema)


def test_every_field_has_a_default_and_the_other_way_round(schema, values):
    def fields(node):
        return {
            name: fields(field) if field.get("properties") else None
            for name, field in node["properties"].items()
            if name != "global"
        }

    def said(node, like):
        return {
            name: said(value, like[name]) if like.get(name) else None
            for name, value in node.items()
        }

    assert said(values, fields(schema)) == fields(schema)


def test_an_unknown_field_is_refused_wherever_fields_are_listed(schema):
    listed = [node for node in nodes(schema) if "properties" in node]
    assert len(listed) > 10
    assert all(node["additionalProperties"] is False for node in listed)


def test_every_field_is_explained(schema):
    fields = [field for node in nodes(schema) for field in node.get("properties", {}).values()]
    assert all(field.get("description") for field in fields if "$ref" not in field)


@pytest.mark.parametrize("holder", ["operator", "store"])
def test_variables_that_the_chart_sets_are_not_set_beside_it(schema, holder):
    names = schema["properties"][holder]["properties"]["env"]["propertyNames"]["not"]["enum"]
    free = {"XLBENCH_WORKERS"}
    assert set(names) == {variable.name for variable in VARIABLES.values()} - free


@pytest.mark.parametrize(
    ("path", "value"),
    [
        pytest.param("store.address", "bench/results", id="a store of no kind"),
        pytest.param("store.endpoint", "s3.example.org", id="an endpoint without scheme"),
        pytest.param("store.secret", "AKIA/secret", id="a secret itself, not its name"),
        pytest.param("images.trainer.digest", "sha256:abc", id="half a digest"),
        pytest.param("scope", "namespaced", id="an unknown scope"),
        pytest.param("limits.jobs", -1, id="less than no Jobs"),
        pytest.param("allowed.sources", ["hostPath"], id="an unknown kind of volume"),
        pytest.param("crd.install", True, id="yes is no way to install"),
        pytest.param("jobs", {"hostNetwork": True}, id="what no spec may ask for"),
        pytest.param("operator.env", {"XLBENCH_S3_DEADLINE_S": 60}, id="a number as a variable"),
        pytest.param("operator.env", {"XLBENCH_HTTP_PORT": "80"}, id="the port, which is fixed"),
        pytest.param("store.env", {"XLBENCH_NAMESPACE": "b"}, id="a variable of another value"),
        pytest.param("operator.envFrom", [{"secret": "a", "configMap": "b"}], id="two sources"),
    ],
)
def test_a_bad_value_is_refused(schema, values, path, value):
    values["store"]["address"] = "s3://bench/results"
    *parents, last = path.split(".")
    holder = values
    for parent in parents:
        holder = holder[parent]
    holder[last] = value
    with pytest.raises(ValidationError):
        validate(values, schema)
