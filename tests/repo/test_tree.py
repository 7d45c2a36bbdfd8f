"""Guards over the tracked files: names, places and words that have bitten before."""

import re
import subprocess
import sys
import tomllib
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("specs/xlbench_specs", "operator/xlbench_operator", "trainer/xlbench_trainer")
EMPTY_NAMES = {"utils", "util", "helpers", "helper", "common", "manager", "base", "misc"}
MACHINE_PATHS = re.compile(r"(?<![\w.$])/(?:work|root|home/\w+|Users/\w+)/")
MAKE_COMMAND = re.compile(r"`(?:make ([a-z-]+))[^`]*`|^make ([a-z-]+)", re.MULTILINE)


def tracked_files() -> list[str]:
    listing = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True
    )
    return [name for name in listing.stdout.split("\0") if (ROOT / name).is_file()]


def shadowing_inits(files: Iterable[str]) -> list[str]:
    """`operator/` or `tests/operator/` as a package hides Python's own `operator` module."""
    return [
        name
        for name in files
        if name.endswith("__init__.py") and (name.startswith("tests/") or name.count("/") == 1)
    ]


def dependency_names() -> set[str]:
    """What the three distributions depend on, by import name (only pyyaml's is not its own)."""
    names = {"kubernetes", "yaml"}
    for folder in ("specs", "operator", "trainer"):
        project = tomllib.loads((ROOT / folder / "pyproject.toml").read_text())["project"]
        extras = project.get("optional-dependencies", {}).values()
        for requirement in chain(project["dependencies"], *extras):
            names.add(re.match(r"[\w-]+", requirement)[0].replace("-", "_"))
    return names


def badly_named(files: Iterable[str]) -> Iterator[str]:
    """Modules that say nothing about what they hold, or bear another module's name."""
    taken = EMPTY_NAMES | dependency_names() | sys.stdlib_module_names
    for name in files:
        if name.startswith(PACKAGES) and name.endswith(".py") and Path(name).stem in taken:
            yield name


def machine_paths(text: str) -> list[str]:
    return MACHINE_PATHS.findall(text)


def make_commands(text: str) -> set[str]:
    return {inline or line for inline, line in MAKE_COMMAND.findall(text)}


def make_targets(makefile: str) -> set[str]:
    return set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))


def misnumbered(decisions: dict[str, str]) -> list[str]:
    """Decision pages, file name to text, whose number another has or whose title says another."""
    numbers = Counter(name[:4] for name in decisions)
    return [
        name
        for name, text in decisions.items()
        if numbers[name[:4]] > 1 or not text.startswith(f"# {name[:4]}")
    ]


def test_each_decision_has_a_number_of_its_own() -> None:
    folder = ROOT / "docs/decisions"
    pages = {path.name: path.read_text() for path in folder.glob("*.md")}
    pages.pop("0000-template.md")
    assert misnumbered(pages) == []


def test_a_decision_that_is_misnumbered_is_noticed() -> None:
    pages = {"0001-a.md": "# 0001: A", "0002-b.md": "# 0001: B", "0003-c.md": "# 0003 C"}
    assert misnumbered(pages) == ["0002-b.md"]
    assert misnumbered(pages | {"0003-d.md": "# 0003: D"}) == [
        "0002-b.md",
        "0003-c.md",
        "0003-d.md",
    ]


def test_no_package_shadows_the_standard_library() -> None:
    assert shadowing_inits(tracked_files()) == []


@pytest.mark.parametrize("name", ["operator/__init__.py", "tests/operator/__init__.py"])
def test_a_shadowing_package_is_noticed(name: str) -> None:
    assert shadowing_inits([name, "operator/xlbench_operator/__init__.py"]) == [name]


def test_modules_are_named_for_what_they_hold() -> None:
    assert list(badly_named(tracked_files())) == []


@pytest.mark.parametrize("stem", ["utils", "logging", "datasets"])
def test_a_bad_module_name_is_noticed(stem: str) -> None:
    name = f"trainer/xlbench_trainer/{stem}.py"
    assert list(badly_named([name, "trainer/xlbench_trainer/batches.py"])) == [name]


@pytest.mark.parametrize("package", PACKAGES)
def test_each_package_is_typed(package: str) -> None:
    assert (ROOT / package / "py.typed").is_file()


def test_no_tracked_file_names_a_machine() -> None:
    suspects = {
        name: found
        for name in tracked_files()
        if name != "tests/repo/test_tree.py"
        and (found := machine_paths((ROOT / name).read_text(errors="replace")))
    }
    assert suspects == {}


@pytest.mark.parametrize("text", ["cd /work/x/y", '"/root/x"', "/home/me/a"])
def test_a_machine_path_is_noticed(text: str) -> None:
    assert machine_paths(text)


@pytest.mark.parametrize("text", ["s3://b/work/x", "a/root/b", "$HOME/root/x"])
def test_other_paths_are_not_taken_for_machine_paths(text: str) -> None:
    assert not machine_paths(text)


def test_readme_names_only_commands_that_exist() -> None:
    commands = make_commands((ROOT / "README.md").read_text())
    assert {"demo", "test"} <= commands <= make_targets((ROOT / "Makefile").read_text())


def test_a_command_that_does_not_exist_is_noticed() -> None:
    assert make_commands("run `make tea`\nmake coffee  # now") == {"tea", "coffee"}


def test_ci_runs_only_what_readme_names() -> None:
    steps = re.findall(r"^step make ([a-z-]+)", (ROOT / ".ci/run").read_text(), re.MULTILINE)
    assert {"check", "demo", "test"} <= set(steps)
    assert set(steps) <= make_commands((ROOT / "README.md").read_text())


def test_all_distributions_and_the_chart_have_one_version() -> None:
    versions = {
        folder: tomllib.loads((ROOT / folder / "pyproject.toml").read_text())["project"]["version"]
        for folder in ("specs", "operator", "trainer")
    }
    chart = (ROOT / "charts/xlbench/Chart.yaml").read_text()
    versions["chart"] = re.search(r"^version: (\S+)$", chart, re.MULTILINE)[1]
    versions["app"] = re.search(r"^appVersion: (\S+)$", chart, re.MULTILINE)[1]
    assert len(set(versions.values())) == 1, versions


@pytest.mark.parametrize("folder", ["operator", "trainer"])
def test_each_side_asks_for_this_version_of_the_contract(folder: str) -> None:
    project = tomllib.loads((ROOT / folder / "pyproject.toml").read_text())["project"]
    assert f"xlbench-specs[s3]=={project['version']}" in project["dependencies"]
