"""Guards over imports that the import contracts cannot say: what the contract may stand on."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

SPECS = Path(__file__).parents[2] / "specs" / "xlbench_specs"
ALLOWED = sys.stdlib_module_names | {"pydantic", "xlbench_specs"}
EXTRAS = {"s3_requests": {"boto3", "botocore"}}


def imported_packages(source: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.partition(".")[0]


@pytest.mark.parametrize("path", sorted(SPECS.rglob("*.py")), ids=lambda path: path.stem)
def test_the_contract_needs_pydantic_and_the_standard_library_only(path: Path) -> None:
    allowed = ALLOWED | EXTRAS.get(path.stem, set())
    assert set(imported_packages(path.read_text())) <= allowed


def test_whoever_works_on_folders_does_not_wait_for_boto3() -> None:
    program = "import sys, xlbench_specs.store; assert not {'boto3', 'botocore'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", program], check=True)


def test_a_foreign_import_is_noticed() -> None:
    source = "import json\ndef f():\n    from numpy.random import default_rng\n"
    assert set(imported_packages(source)) - ALLOWED == {"numpy"}
