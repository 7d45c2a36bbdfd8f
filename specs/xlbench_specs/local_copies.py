"""Local copies of stored objects in a folder of bounded size.

For stores whose objects are elsewhere: whoever reads the same weights for each of many stages
fetches them once. Knows no store; `s3` calls it. Safe for many processes on one folder.
"""

import hashlib
import os
import time
import uuid
from collections.abc import Callable
from pathlib import Path

GRACE_S = 600.0
"""A copy is not removed so soon after its last use: whoever asked for it may not have opened it."""


class LocalCopies:
    """Read-only copies, the least recently used of which go when there are too many."""

    def __init__(self, folder: Path, limit_bytes: int) -> None:
        """Use `folder`, which is made when something is fetched."""
        self._folder = folder
        self._limit_bytes = limit_bytes

    def get(self, identity: str, name: str, fetch: Callable[[Path], None]) -> Path:
        """The copy of the content that `identity` means; `fetch` writes it if it is not here.

        Args:
            identity: address and tag: another content must have another identity.
            name: what the file's own name ends in.
            fetch: writes the content to the path it is given; what it raises, this raises.
        """
        target = self._folder / f"{hashlib.sha256(identity.encode()).hexdigest()}-{name[-100:]}"
        try:
            os.utime(target)
        except FileNotFoundError:
            self._fetch(target, fetch)
            self._trim()
        return target

    def _fetch(self, target: Path, fetch: Callable[[Path], None]) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        partial = target.with_name(f".partial-{uuid.uuid4().hex}")
        try:
            fetch(partial)
            partial.chmod(0o444)
            partial.replace(target)
        finally:
            partial.unlink(missing_ok=True)

    def _trim(self) -> None:
        """Remove the longest unused files until the limit holds: whole copies and torn ones."""
        now = time.time()
        files = sorted(self._files())
        excess = sum(size for _, size, _ in files) - self._limit_bytes
        for used, size, path in files:
            if excess <= 0 or used > now - GRACE_S:
                return
            path.unlink(missing_ok=True)
            excess -= size

    def _files(self) -> list[tuple[float, int, Path]]:
        """Time of last use, size and path of every file; others may remove some meanwhile."""
        found = []
        for path in self._folder.iterdir():
            try:
                stat = path.stat()
            except FileNotFoundError:
                continue
            found.append((stat.st_mtime, stat.st_size, path))
        return found
