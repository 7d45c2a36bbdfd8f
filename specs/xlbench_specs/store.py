"""The object store: one small interface, the folder implementation, and the commit protocol.

On S3 it is `s3.S3Store`, which `open_store` imports when an address asks for it.

Payload first, manifest last and conditionally; the first manifest wins and nothing is
overwritten. The trainer and the operator both speak to the store through this module only.
"""

import fcntl
import hashlib
import os
import shutil
import uuid
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from enum import Enum
from pathlib import Path, PurePosixPath
from typing import NamedTuple, Protocol

from pydantic import ValidationError

from xlbench_specs import layout
from xlbench_specs.manifests import Manifest
from xlbench_specs.stages import Kind, Stage

_PARTIAL = ".partial-"
_LOOKUPS = 32
"""Manifests looked up at a time."""


class NotFoundError(LookupError):
    """Nothing is stored under a path."""


class CorruptError(RuntimeError):
    """Stored content is not what was written, or not what its manifest names.

    `etag` is the tag of the object if it is one that can be replaced, else empty.
    """

    def __init__(self, message: str, etag: str = "") -> None:
        """Say what is corrupt."""
        super().__init__(message)
        self.etag = etag


class UnavailableError(RuntimeError):
    """The store gave no answer in time. Later it may."""


class RefusedError(RuntimeError):
    """The store refuses, or cannot keep what xlbench asks of one. Trying again does not help."""


class Stored(NamedTuple):
    """A stored object and the tag that a conditional replacement must name."""

    data: bytes
    etag: str


class Store(Protocol):
    """What xlbench asks of an object store. Paths are relative, with forward slashes.

    Each call may raise `UnavailableError` or `RefusedError`.
    """

    def read(self, path: str) -> Stored:
        """The object; raises `NotFoundError`, `CorruptError`."""
        ...

    def create(self, path: str, data: bytes) -> bool:
        """Write only if nothing is there (If-None-Match: *); False if something is."""
        ...

    def replace(self, path: str, data: bytes, etag: str) -> bool:
        """Write only if the object still has this tag (If-Match); False if it has not."""
        ...

    def put(self, path: str, data: bytes) -> None:
        """Write, whatever is there. For paths that only one writer knows."""
        ...

    def upload(self, path: str, source: Path) -> None:
        """Store a local file, whatever is there; the local one may be moved."""
        ...

    def local(self, path: str) -> Path:
        """A local, read-only copy of the object; raises `NotFoundError`."""
        ...

    def list(self, prefix: str) -> list[str]:
        """Paths of all objects in the folder `prefix` and below, sorted."""
        ...

    def delete(self, prefix: str) -> None:
        """Remove the folder `prefix` and everything below; nothing there is no error."""
        ...


class FileStore:
    """A folder as a store. Safe for many processes on one machine."""

    def __init__(self, root: Path) -> None:
        """Use `root`, which is made when something is written."""
        self.root = root

    @property
    def url(self) -> str:
        """The address at which `open_store` opens this folder."""
        return f"file://{self.root.absolute()}"

    def read(self, path: str) -> Stored:
        """The object; raises `NotFoundError`."""
        data = self.local(path).read_bytes()
        return Stored(data, hashlib.sha256(data).hexdigest())

    def create(self, path: str, data: bytes) -> bool:
        """Write only if nothing is there; a hard link fails if its name exists."""
        target = self._path(path)
        with _partial_of(target) as partial:
            _write(partial, data)
            try:
                os.link(partial, target)
            except FileExistsError:
                return False
        _sync_folder(target.parent)
        return True

    def replace(self, path: str, data: bytes, etag: str) -> bool:
        """Write only if the object still has this tag."""
        with self._lock(path):
            try:
                current = self.read(path)
            except NotFoundError:
                return False
            if current.etag != etag:
                return False
            self.put(path, data)
            return True

    def put(self, path: str, data: bytes) -> None:
        """Write, whatever is there; readers see the old or the new content, never a part."""
        target = self._path(path)
        with _partial_of(target) as partial:
            _write(partial, data)
            partial.replace(target)
        _sync_folder(target.parent)

    def upload(self, path: str, source: Path) -> None:
        """Move a local file into the store."""
        target = self._path(path)
        with _partial_of(target) as partial:
            shutil.move(source, partial)
            _sync_file(partial)
            partial.replace(target)
        _sync_folder(target.parent)

    def local(self, path: str) -> Path:
        """The file itself; raises `NotFoundError`."""
        target = self._path(path)
        if not target.is_file():
            message = f"nothing is stored under {path!r} in {self.root}"
            raise NotFoundError(message)
        return target

    def list(self, prefix: str) -> list[str]:
        """Paths of all objects in the folder `prefix` and below, sorted."""
        # os.walk passes over folders that another process deletes meanwhile; Path.rglob raises.
        return sorted(
            Path(folder, name).relative_to(self.root).as_posix()
            for folder, _, names in os.walk(self._path(prefix))
            for name in names
            if not name.startswith(_PARTIAL)
        )

    def delete(self, prefix: str) -> None:
        """Remove the folder `prefix` and everything below."""
        shutil.rmtree(self._path(prefix), ignore_errors=True)

    def _path(self, path: str) -> Path:
        return self.root / checked_path(path)

    @contextmanager
    def _lock(self, path: str) -> Iterator[None]:
        lock = self._path(path).parent / f"{_PARTIAL}lock"
        lock.parent.mkdir(parents=True, exist_ok=True)
        with lock.open("w") as handle:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield


def checked_path(path: str) -> str:
    """The path without empty parts.

    Raises: `ValueError` if it is absolute, leaves the root or is the root.
    """
    parts = PurePosixPath(path).parts
    if not parts or ".." in parts or path.startswith("/"):
        message = f"a store path must be relative and stay below the root, not {path!r}"
        raise ValueError(message)
    return "/".join(parts)


def open_store(url: str) -> Store:
    """The store at `file:///folder` or `s3://bucket/prefix`.

    The folder is written as it is, no character escaped: charts and settings name it so too.

    Raises: `ValueError` for any other address, and for a setting of S3 that is none.
    """
    scheme, separator, rest = url.partition("://")
    if separator and scheme == "s3":
        # Here and not above: who works on folders neither has boto3 nor waits for its import.
        from xlbench_specs import s3, s3_requests  # noqa: PLC0415

        return s3.S3Store(url, s3_requests.Settings.of(os.environ))
    if not separator or scheme != "file" or not rest.startswith("/"):
        message = f"store = {url!r}: must be file:///an/absolute/folder or s3://bucket/prefix"
        raise ValueError(message)
    return FileStore(Path(rest))


def check(store: Store) -> None:
    """Try what the commit protocol stands on. Whoever starts work on a store calls it first.

    Raises: `RefusedError` if the store writes where a condition forbids it, or cannot be written.
    """
    folder = f"probes/{uuid.uuid4().hex}"
    path = f"{folder}/probe"
    try:
        answers = {
            "create where nothing is": store.create(path, b"1"),
            "create where something is": not store.create(path, b"2"),
            "replace under another tag": not store.replace(path, b"3", '"0"'),
            "replace under its own tag": store.replace(path, b"4", store.read(path).etag),
        }
    finally:
        store.delete(folder)
    wrong = [asked for asked, right in answers.items() if not right]
    if wrong:
        message = (
            "the store does not keep conditional writes (If-None-Match and If-Match on PUT): "
            f"wrong answer to {', '.join(wrong)}"
        )
        raise RefusedError(message)


class Commit(Enum):
    """How writing a manifest ended. All three mean that the stage is done."""

    WON = "won"
    """This attempt's manifest is the stage's."""
    LOST = "lost"
    """Another attempt's valid manifest was there first."""
    REPAIRED = "repaired"
    """A corrupt manifest was there and was replaced."""


def commit(store: Store, manifest: Manifest, tries: int = 5) -> Commit:
    """Write the manifest, unless a valid one is there.

    Raises: `CorruptError` if a corrupt manifest keeps changing under us.
    """
    path = layout.manifest(manifest.stage.kind, manifest.key)
    data = manifest.text().encode()
    for _ in range(tries):
        if store.create(path, data):
            return Commit.WON
        found, etag = _present(store, path, manifest.key)
        if found is not None:
            # A retried request whose first answer was lost meets its own manifest.
            return Commit.WON if found.attempt == manifest.attempt else Commit.LOST
        if store.replace(path, data, etag):
            return Commit.REPAIRED
    message = f"{path}: a corrupt manifest changed {tries} times while it was being repaired"
    raise CorruptError(message)


def finished(store: Store, kind: Kind, key: str) -> Manifest | None:
    """The manifest of a finished stage; None if there is none or it is corrupt."""
    try:
        return _present(store, layout.manifest(kind, key), key)[0]
    except NotFoundError:
        return None


def finished_many(store: Store, stages: Iterable[Stage]) -> dict[str, Manifest]:
    """Key to manifest of those stages that are finished, looked up many at a time.

    A manifest that is once there stays what it is: who comes again asks for the others only.
    """
    with ThreadPoolExecutor(_LOOKUPS) as pool:
        found = list(pool.map(lambda stage: finished(store, stage.kind, stage.key), stages))
    return {manifest.key: manifest for manifest in found if manifest is not None}


def payload_file(store: Store, manifest: Manifest, name: str) -> Path:
    """A local copy of one payload file, its checksum verified.

    Raises: `CorruptError` if size or sha256 differ from the manifest's, `NotFoundError`.
    """
    entry = next((entry for entry in manifest.files if entry.path == name), None)
    folder = layout.payload(manifest.stage.kind, manifest.key, manifest.attempt)
    if entry is None:
        message = f"{folder}: the manifest names no file {name!r}"
        raise NotFoundError(message)
    path = store.local(f"{folder}/{name}")
    size, sha256 = path.stat().st_size, sha256_of(path)
    if (size, sha256) != (entry.size_bytes, entry.sha256):
        message = (
            f"{folder}/{name}: {size} bytes, sha256 {sha256}; "
            f"its manifest says {entry.size_bytes} bytes, {entry.sha256}"
        )
        raise CorruptError(message)
    return path


def payload_folder(
    store: Store, manifest: Manifest, folder: Path, *, names: Iterable[str] | None = None
) -> Path:
    """The payload as `folder`: links to local copies by the files' names, their checksums verified.

    `names`: files that are wanted; None for all. The others are neither read nor fetched.

    Raises: as `payload_file`.
    """
    for name in [entry.path for entry in manifest.files] if names is None else names:
        copy = payload_file(store, manifest, name)
        link = folder / name
        link.parent.mkdir(parents=True, exist_ok=True)
        partial = link.with_name(_PARTIAL + uuid.uuid4().hex)
        partial.symlink_to(copy)
        partial.replace(link)  # in one step: another process may make the same folder
    return folder


def sha256_of(path: Path) -> str:
    """sha256 of a file's content."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def folder_hash(folder: Path) -> str:
    """`sha256:<64 hex>` over names and contents of all files of a local encoder."""
    total = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            content = hashlib.sha256(path.read_bytes()).hexdigest()
            total.update(f"{path.relative_to(folder).as_posix()}\0{content}\n".encode())
    return f"sha256:{total.hexdigest()}"


def _present(store: Store, path: str, key: str) -> tuple[Manifest | None, str]:
    """What is under a manifest's path, None if it is no valid manifest, and its tag."""
    try:
        stored = store.read(path)
    except CorruptError as error:
        return None, error.etag
    return _valid(stored.data, key), stored.etag


def _valid(data: bytes, key: str) -> Manifest | None:
    try:
        manifest = Manifest.model_validate_json(data)
    except ValidationError:
        return None
    return manifest if manifest.key == key == manifest.stage.key else None


@contextmanager
def _partial_of(target: Path) -> Iterator[Path]:
    """A name beside `target` for what becomes it; a write that fails leaves nothing there."""
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(_PARTIAL + uuid.uuid4().hex)
    try:
        yield partial
    finally:
        partial.unlink(missing_ok=True)


def _write(path: Path, data: bytes) -> None:
    path.write_bytes(data)
    _sync_file(path)


def _sync_file(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())


def _sync_folder(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
