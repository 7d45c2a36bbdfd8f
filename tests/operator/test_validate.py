import json
from pathlib import Path

import pytest
from typer.testing import CliRunner
from xlbench_operator.cli import app
from xlbench_operator.commands.validate import load_spec, nearest_line
from xlbench_specs.errors import SpecError

BAD = Path(__file__).parent.parent / "bad_specs"
GOOD = BAD / "good.yaml.txt"


def validate(*arguments):
    return CliRunner().invoke(app, ["validate", *map(str, arguments)])


def test_a_good_file_is_ok():
    result = validate(GOOD)
    assert result.exit_code == 0
    assert result.stdout == f"{GOOD}: ok\n"


def test_every_bad_spec_at_once_exits_2_without_a_traceback():
    files = sorted(BAD.glob("*.yaml"))
    assert len(files) >= 60
    result = validate(*files)
    assert result.exit_code == 2
    assert isinstance(result.exception, SystemExit)
    blocks = [line for line in result.stdout.splitlines() if not line.startswith("  ")]
    assert len(blocks) == len(files)
    assert not [block for block in blocks if block.endswith("ok")]


def test_one_bad_file_among_good_ones_exits_2():
    result = validate(GOOD, BAD / "306-seed-twice.yaml", GOOD)
    assert result.exit_code == 2
    assert result.stdout.splitlines() == [
        f"{GOOD}: ok",
        f"{BAD / '306-seed-twice.yaml'}: 1 problem",
        "  line 11: spec.seeds[2] = 1: stands twice; it is spec.seeds[0] already",
        f"{GOOD}: ok",
    ]


def test_all_problems_of_a_file_are_told_sorted_by_path(tmp_path):
    text = GOOD.read_text().replace("[1, 2, 3]", "[1, 1, 1]").replace("e5-small-q4", "e6")
    (tmp_path / "spec.yaml").write_text(text)
    lines = validate(tmp_path / "spec.yaml").stdout.splitlines()
    assert lines[0].endswith("3 problems")
    assert [line.split(": ")[1].split(" = ")[0] for line in lines[1:]] == [
        "spec.encoders[0].model",
        "spec.seeds[1]",
        "spec.seeds[2]",
    ]


def test_json_is_for_programs():
    result = validate("--json", GOOD, BAD / "207-no-budget.yaml")
    good, bad = json.loads(result.stdout)
    assert result.exit_code == 2
    assert good == {"file": str(GOOD), "ok": True, "problems": []}
    assert bad["problems"] == [
        {
            "path": "spec.budget",
            "value": None,
            "message": "required, and not there: How much every arm may train.",
            "line": 8,
        }
    ]


@pytest.mark.parametrize("name", ["nothing.yaml", "."], ids=["no such file", "a folder"])
def test_what_cannot_be_read_is_a_problem_of_the_file(tmp_path, name):
    result = validate(tmp_path / name)
    assert result.exit_code == 2
    assert "the file: cannot be read: " in result.stdout


def test_no_file_at_all_is_wrong_words():
    assert validate().exit_code == 2


def test_load_spec_gives_the_spec_or_its_problems():
    assert load_spec(GOOD).metadata.name == "example"
    with pytest.raises(SpecError, match="stands twice"):
        load_spec(BAD / "306-seed-twice.yaml")


@pytest.mark.parametrize(
    ("path", "line"),
    [("spec.seeds[3]", 2), ("spec.a.b", 1), ("spec", 1), ("other", None), ("the file", None)],
    ids=["an item past the end", "a field that is not there", "itself", "no parent", "no path"],
)
def test_what_is_not_there_has_the_line_of_what_should_hold_it(path, line):
    assert nearest_line(path, {"spec": 1, "spec.seeds": 2}) == line
