"""The trainer's build: a digest of the code that is installed here.

`reuse: sameTrainer` salts keys with it, so that another trainer's results are not taken for this
one's. Printed by `xlbench-trainer build`; must not import torch, because a command waits for it.
"""

import hashlib
from functools import cache
from importlib.util import find_spec
from pathlib import Path

PACKAGES = ("xlbench_specs", "xlbench_trainer")
CACHES = "__pycache__"


@cache
def installed_build() -> str:
    """sha256 over names and contents of the installed packages' files, 64 hex digits."""
    return digest_of([_folder(package) for package in PACKAGES])


def digest_of(folders: list[Path]) -> str:
    """sha256 over the files of package folders; compiled files, which are made from them, apart."""
    total = hashlib.sha256()
    for folder in folders:
        for path in sorted(folder.rglob("*")):
            if path.is_file() and CACHES not in path.parts:
                name = path.relative_to(folder.parent).as_posix()
                content = hashlib.sha256(path.read_bytes()).hexdigest()
                total.update(f"{name}\0{content}\n".encode())
    return total.hexdigest()


def _folder(package: str) -> Path:
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise ModuleNotFoundError(package)
    return Path(spec.submodule_search_locations[0])
