"""The scripts that the Makefile stands on."""

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CRD = "charts/xlbench/crds/experimentspecs.yaml"


def run(tree: Path, *command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=tree, check=False, capture_output=True, text=True)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A checkout whose generators write one line each."""
    shutil.copytree(ROOT / "tools", tmp_path / "tools")
    for name in ("xlbench-operator", "python"):
        generator = tmp_path / ".venv/bin" / name
        generator.parent.mkdir(parents=True, exist_ok=True)
        generator.write_text("#!/bin/sh\necho generated\n")
        generator.chmod(0o755)
    return tmp_path


def test_generated_files_that_are_up_to_date_pass(tree: Path) -> None:
    assert run(tree, "tools/generate").returncode == 0
    assert (tree / CRD).read_text() == "generated\n"
    assert run(tree, "tools/generate", "--check").returncode == 0


@pytest.mark.parametrize("edit", ["by hand\n", None], ids=["edited by hand", "never written"])
def test_a_stale_generated_file_is_noticed_and_left_alone(tree: Path, edit: str | None) -> None:
    run(tree, "tools/generate")
    if edit is None:
        (tree / CRD).unlink()
    else:
        (tree / CRD).write_text(edit)
    answer = run(tree, "tools/generate", "--check")
    assert answer.returncode == 1
    assert "run 'make generate'" in answer.stderr
    assert edit is None or (tree / CRD).read_text() == edit


def test_retry_tries_again_until_it_works(tree: Path) -> None:
    answer = run(tree, "tools/retry", "30", "sh", "-c", "[ -e seen ] || { touch seen; false; }")
    assert answer.returncode == 0
    assert "failed (exit 1)" in answer.stderr


def test_retry_gives_up_at_the_deadline_with_the_commands_own_status(tree: Path) -> None:
    answer = run(tree, "tools/retry", "0", "sh", "-c", "exit 7")
    assert answer.returncode == 7
    assert "gave up" in answer.stderr


@pytest.mark.parametrize(("status", "expected"), [(0, 0), (1, 1), (5, 0)])
def test_only_an_empty_selection_of_tests_is_excused(
    tree: Path, status: int, expected: int
) -> None:
    assert run(tree, "tools/some-tests", "sh", "-c", f"exit {status}").returncode == expected
