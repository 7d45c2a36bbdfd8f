import json

import pytest
from typer.testing import CliRunner
from xlbench_operator.cli import app
from xlbench_specs.tasks import FileSource, task_table

NAMES = list(task_table())


def said(*words, code=0, env=None):
    result = CliRunner().invoke(app, ["tasks", *words], env={"COLUMNS": "120"} | (env or {}))
    assert result.exit_code == code, result.output
    return result


def test_every_task_has_a_line_with_its_sizes():
    lines = {line.split()[0]: line.split() for line in said().stdout.splitlines() if line.strip()}
    assert set(lines) == {"task", *NAMES}
    assert lines["sib200"] == ["sib200", "classification", "accuracy", "205", "701", "99", "204"]
    assert lines["xcopa"] == ["xcopa", "choice", "accuracy", "12", "recipe", "100", "500"]
    assert lines["xnli"][-1] == "non-commercial"


def test_nothing_is_cut_where_the_terminal_is_narrow_or_there_is_none():
    lines = said(env={"COLUMNS": "40"}).stdout.splitlines()
    assert lines == said().stdout.splitlines()
    assert not [line for line in lines if "…" in line]


@pytest.mark.parametrize("name", NAMES)
def test_a_task_says_all_that_is_known_of_it(name):
    row, text = task_table()[name], said(name).stdout
    for known in (row.description, row.licence, row.revision, row.train_source, *row.metrics):
        assert known in text
    assert ("non-commercial" in text) == row.non_commercial
    assert (row.protocol or "") in text


def test_where_data_would_come_from(tmp_path):
    row = task_table()["nusax"]
    assert isinstance(row.source, FileSource)
    first = next(row.source.files())
    (tmp_path / first.name).parent.mkdir(parents=True)
    (tmp_path / first.name).write_bytes(b"")
    assert "XLBENCH_MIRROR names no folder" in said("nusax", env={"XLBENCH_MIRROR": ""}).stdout
    text = said("nusax", env={"XLBENCH_MIRROR": str(tmp_path)}).stdout
    assert f"1 of 14 files are in {tmp_path}" in text
    assert "14 files (0.9 MB) of https://github.com/IndoNLP/nusax at 75b0be5d" in text


def test_an_embedded_task_names_its_packages():
    assert "package babel" in said("cldr-names").stdout


def test_rows_for_programs_are_those_of_the_table():
    (row,) = json.loads(said("xcopa", "--json").stdout)
    assert row == task_table()["xcopa"].plain()
    assert [each["name"] for each in json.loads(said("--json").stdout)] == NAMES


def test_an_unknown_name_is_refused_with_what_there_is():
    result = said("xcoppa", code=2)
    assert result.stderr.startswith("xcoppa: unknown task (did you mean 'xcopa'?); valid: ")
