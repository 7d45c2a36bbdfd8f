from typer.testing import CliRunner
from xlbench_operator.loading import parse_yaml
from xlbench_operator.main import app, yaml_text
from xlbench_specs.crd import custom_resource_definition


def test_crd_prints_the_definition_as_kubectl_reads_it():
    printed = CliRunner().invoke(app, ["crd"])
    assert printed.exit_code == 0
    assert printed.stdout.startswith("# Made from")
    assert parse_yaml(printed.stdout.encode()).data == custom_resource_definition()


def test_what_stands_twice_is_written_twice():
    shared = {"a": [1]}
    assert yaml_text({"x": shared, "z": shared}) == "x:\n  a:\n  - 1\nz:\n  a:\n  - 1\n"


def test_without_a_verb_the_help_is_shown():
    assert "crd" in CliRunner().invoke(app, []).output
