import hashlib
import os
from functools import partial

import pytest
from typer.testing import CliRunner
from xlbench_operator.cli import app
from xlbench_operator.commands import data as command
from xlbench_specs.pinned_files import find
from xlbench_specs.tasks import FileSource, task_table

SPEC = """
apiVersion: xlbench.dev/v1alpha1
kind: ExperimentSpec
metadata: {name: example}
spec:
  encoders: [{name: e5, model: builtin/e5-small-q4}]
  targets: [{task: nusax}, {task: xcopa}]
  languages: {codes: [jv, qu]}
  seeds: [1, 2, 3]
  schedules: [{name: target-only, phases: [{tasks: [{task: $target}]}]}]
  budget: {target: 1000}
"""
FILES = {
    "IndoNLP/nusax/datasets/sentiment/english/train.csv",
    "IndoNLP/nusax/datasets/sentiment/english/valid.csv",
    "IndoNLP/nusax/datasets/sentiment/english/test.csv",
    "IndoNLP/nusax/datasets/sentiment/javanese/test.csv",
    "GautamGupta17/MESH/data/xcopa/train-en.jsonl",
    "GautamGupta17/MESH/data/xcopa/val-en.jsonl",
    "GautamGupta17/MESH/data/xcopa/test-en.jsonl",
    "cambridgeltl/xcopa/data/et/val.et.jsonl",
    "cambridgeltl/xcopa/data/et/test.et.jsonl",
    "cambridgeltl/xcopa/data/qu/test.qu.jsonl",
    "kashrest/socialiqa-nlp244/socialiqa-train-dev.zip",
}
"""What the spec reads, and nothing of other languages; English dev of XCOPA needs Estonian's."""


@pytest.fixture
def spec(tmp_path):
    path = tmp_path / "spec.yaml"
    path.write_text(SPEC)
    return str(path)


@pytest.fixture
def small_files(monkeypatch):
    """A task table whose files hold their own names, and a network that has them."""
    table = {
        name: task.model_copy(update={"source": _renamed(task.source)})
        for name, task in task_table().items()
    }
    monkeypatch.setattr(command, "task_table", lambda: table)
    asked = []

    def fetch(file):
        asked.append(file.name)
        return file.name.encode()

    monkeypatch.setattr(command, "find", partial(find, fetch=fetch))
    return asked


def _renamed(source):
    if not isinstance(source, FileSource):
        return source
    repositories = [
        each.model_copy(
            update={
                "files": [
                    file.model_copy(
                        update={
                            "sha256": hashlib.sha256(
                                f"{each.name}/{file.path}".encode()
                            ).hexdigest()
                        }
                    )
                    for file in each.files
                ]
            }
        )
        for each in source.repositories
    ]
    return source.model_copy(update={"repositories": repositories})


def fetch(spec, folder, *words, code=0):
    result = CliRunner().invoke(app, ["data", "fetch", spec, "--to", str(folder), *words])
    assert result.exit_code == code, result.output
    return result


def test_the_files_of_the_plan_are_put_where_a_mirror_has_them(spec, tmp_path, small_files):
    folder = tmp_path / "mirror"
    result = fetch(spec, folder)
    there = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert there == FILES == set(result.stdout.split()) == set(small_files)
    assert "nusax: CC-BY-SA-4.0" in result.stderr
    assert fetch(spec, folder).stdout == ""
    assert len(small_files) == len(FILES)


def test_a_dry_run_fetches_nothing(spec, tmp_path, small_files):
    result = fetch(spec, tmp_path / "mirror", "--dry-run")
    assert set(result.stdout.split()) == FILES
    assert small_files == []
    assert not (tmp_path / "mirror").exists()


def test_another_file_in_a_place_is_named_and_the_rest_is_fetched(spec, tmp_path, small_files):
    name = min(FILES)
    (tmp_path / name).parent.mkdir(parents=True)
    (tmp_path / name).write_text("other")
    result = fetch(spec, tmp_path, code=1)
    assert name in result.stderr
    assert f"1 of {len(FILES)} files are not there" in result.stderr
    assert set(small_files) == FILES - {name}
    assert (tmp_path / name).read_text() == "other"


def test_a_file_that_cannot_be_had_fails_the_command(spec, tmp_path, monkeypatch):
    def unreachable(_):
        raise OSError("no network")

    monkeypatch.setattr(command, "find", partial(find, fetch=unreachable))
    result = fetch(spec, tmp_path / "mirror", code=1)
    assert "no network" in result.stderr


@pytest.mark.parametrize("words", [(), ("--dry-run",)], ids=["fetch", "dry run"])
@pytest.mark.parametrize("name", ["afile", "afile/below"])
def test_a_place_that_cannot_be_a_folder_is_told_before_anything_is_fetched(
    spec, tmp_path, small_files, words, name
):
    (tmp_path / "afile").write_text("")
    result = fetch(spec, tmp_path / name, *words, code=2)
    assert result.stderr == f"--to = '{tmp_path}/{name}': {tmp_path}/afile is not a folder\n"
    assert small_files == []


def test_a_folder_that_may_not_be_written_is_told(spec, tmp_path, small_files, monkeypatch):
    monkeypatch.setattr(os, "access", lambda _, mode: mode == os.R_OK)  # root may write anywhere
    result = fetch(spec, tmp_path / "mirror", code=2)
    assert result.stderr.endswith(f"{tmp_path} may not be written in\n")
    assert small_files == []


@pytest.mark.usefixtures("small_files")
def test_a_file_that_cannot_be_written_is_told_in_a_line(spec, tmp_path):
    (tmp_path / "IndoNLP").write_text("a file in the way")
    result = fetch(spec, tmp_path, code=2)
    last = result.stderr.splitlines()[-1]
    assert last.startswith(f"--to = '{tmp_path}': ")
    assert "IndoNLP" in last


def test_a_bad_spec_is_refused(tmp_path):
    path = tmp_path / "spec.yaml"
    path.write_text(SPEC.replace("xcopa", "xcoppa"))
    assert "xcoppa" in fetch(str(path), tmp_path, code=2).stderr
