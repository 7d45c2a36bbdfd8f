"""The store on S3: any endpoint with conditional PUT.

What each call of the store means in requests, and that content is whole; `s3_requests` sends them.
`open_store` alone imports this module, when an `s3://` address is opened: it needs boto3.
"""

import base64
import hashlib
import os
import re
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePosixPath
from typing import Any

from xlbench_specs.local_copies import LocalCopies
from xlbench_specs.s3_requests import (
    ForgottenError,
    PreconditionError,
    Requests,
    Settings,
    may_repeat,
)
from xlbench_specs.store import (
    CorruptError,
    NotFoundError,
    RefusedError,
    Stored,
    UnavailableError,
    checked_path,
    sha256_of,
)

_SHA256 = "xlbench-sha256"
"""Metadata of every object written here: sha256 of the whole content."""
_LANES = 4
"""Parts of one file under way at a time."""
_MOST_PARTS = 10_000
_MOST_DELETED = 1_000
"""S3's own limits, of an upload and of one request."""
_UPLOADS = 3
"""Times that an upload in parts is begun when the store keeps forgetting it."""
_ADDRESS = re.compile(r"s3://(?P<bucket>[a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:/(?P<prefix>.*))?")


class S3Store:
    """A prefix of a bucket as a store. Safe for many threads, processes and machines."""

    def __init__(self, address: str, settings: Settings) -> None:
        """Use `s3://bucket/prefix`; nothing is asked of the endpoint yet.

        Raises: `ValueError` if the address is none.
        """
        match = _ADDRESS.fullmatch(address)
        if match is None:
            raise ValueError(f"store = {address!r}: must be s3://bucket/prefix")
        prefix = (match["prefix"] or "").rstrip("/")
        self._root = f"{checked_path(prefix)}/" if prefix else ""
        self._part_bytes = settings.part_bytes
        self._copies = LocalCopies(settings.cache.expanduser(), settings.cache_bytes)
        encryption = {"ServerSideEncryption": settings.sse, "SSEKMSKeyId": settings.sse_kms_key_id}
        self._encryption = {name: value for name, value in encryption.items() if value}
        self._requests = Requests(match["bucket"], settings)

    def read(self, path: str) -> Stored:
        """The object, its checksum verified."""
        answer = self._requests.ask("get_object", Key=self._key(path))
        data: bytes = answer["Body"]
        _verify(path, hashlib.sha256(data).hexdigest(), answer)
        return Stored(data, answer["ETag"])

    def create(self, path: str, data: bytes) -> bool:
        """Write only if nothing is there.

        A request whose answer was lost is repeated and then meets its own object: False, as if it
        were another's. Who must tell the two apart compares the content, as `commit` does.
        """
        return self._write(path, data, IfNoneMatch="*")

    def replace(self, path: str, data: bytes, etag: str) -> bool:
        """Write only if the object still has this tag."""
        return self._write(path, data, IfMatch=etag)

    def put(self, path: str, data: bytes) -> None:
        """Write, whatever is there."""
        self._write(path, data)

    def upload(self, path: str, source: Path) -> None:
        """Store a local file, which stays; a large one in parts, so that a cut costs a part."""
        size_bytes = source.stat().st_size
        if size_bytes <= self._part_bytes:
            self.put(path, source.read_bytes())
        else:
            self._upload_in_parts(self._key(path), source, size_bytes)

    def local(self, path: str) -> Path:
        """A read-only copy in the cache folder, its checksum verified when it was fetched."""
        head = self._requests.ask("head_object", Key=self._key(path))
        identity = f"{self._key(path)} {head['ETag']}"
        name = PurePosixPath(path).name
        return self._copies.get(identity, name, lambda target: self._fetch(path, head, target))

    def list(self, prefix: str) -> list[str]:
        """Paths of all objects in the folder `prefix` and below, sorted."""
        keys: list[str] = []
        page: dict[str, Any] = {"IsTruncated": True}
        more: dict[str, str] = {}
        while page["IsTruncated"]:
            page = self._requests.ask("list_objects_v2", Prefix=f"{self._key(prefix)}/", **more)
            keys += [entry["Key"] for entry in page.get("Contents", [])]
            more = {"ContinuationToken": page.get("NextContinuationToken", "")}
        # Consoles and gateways make empty objects that end in a slash, to show a folder.
        return sorted(key.removeprefix(self._root) for key in keys if not key.endswith("/"))

    def delete(self, prefix: str) -> None:
        """Remove the folder `prefix` and everything below."""
        keys = [{"Key": self._key(path)} for path in self.list(prefix)]
        for start in range(0, len(keys), _MOST_DELETED):
            batch = {"Objects": keys[start : start + _MOST_DELETED], "Quiet": True}
            answer = self._requests.ask("delete_objects", Delete=batch)
            for left in answer.get("Errors", []):
                passing = may_repeat(left["Code"])
                kind = UnavailableError if passing else RefusedError
                raise kind(f"delete_objects {left['Key']}: {left['Code']}")

    def _fetch(self, path: str, head: Mapping[str, Any], target: Path) -> None:
        """Write an object's content to a file, in parts, so that a cut costs a part."""
        key, etag, size_bytes = self._key(path), head["ETag"], head["ContentLength"]
        with target.open("wb") as file, ThreadPoolExecutor(_LANES) as pool:

            def fetch(start: int) -> None:
                span = f"bytes={start}-{min(start + self._part_bytes, size_bytes) - 1}"
                answer = self._requests.ask("get_object", Key=key, Range=span, IfMatch=etag)
                os.pwrite(file.fileno(), answer["Body"], start)

            try:
                list(pool.map(fetch, range(0, size_bytes, self._part_bytes)))
            except PreconditionError as error:
                message = f"{path}: another object took its place while it was fetched"
                raise CorruptError(message) from error
            os.fsync(file.fileno())
        _verify(path, sha256_of(target), head)

    def _write(self, path: str, data: bytes, **condition: str) -> bool:
        """Write under a condition; False if it did not hold.

        One request, whatever the size: endpoints that keep conditions on PUT are known to ignore
        them where an upload in parts is completed.
        """
        digest = hashlib.sha256(data)
        try:
            self._requests.ask(
                "put_object",
                Key=self._key(path),
                Body=data,
                ChecksumSHA256=_base64(digest.digest()),
                Metadata={_SHA256: digest.hexdigest()},
                **condition,
                **self._encryption,
            )
        except (PreconditionError, NotFoundError):  # not found: nothing is there to be replaced
            return False
        return True

    def _upload_in_parts(self, key: str, source: Path, size_bytes: int) -> None:
        sha256 = sha256_of(source)
        starts = range(0, size_bytes, max(self._part_bytes, -(-size_bytes // _MOST_PARTS)))
        for _ in range(_UPLOADS):
            upload = self._begin_upload(key, sha256)
            try:
                parts = {"Parts": self._upload_parts(key, upload, source, starts)}
                self._requests.ask(
                    "complete_multipart_upload", Key=key, UploadId=upload, MultipartUpload=parts
                )
            except ForgottenError:
                # Completed, and the answer was lost; else somebody aborted it: begin again.
                if self._holds(key, sha256):
                    return
            except BaseException:
                self._requests.abort(key, upload)
                raise
            else:
                return
        raise UnavailableError(f"{key}: the store forgot an upload in parts {_UPLOADS} times")

    def _begin_upload(self, key: str, sha256: str) -> str:
        upload: str = self._requests.ask(
            "create_multipart_upload",
            Key=key,
            ChecksumAlgorithm="SHA256",
            Metadata={_SHA256: sha256},
            **self._encryption,
        )["UploadId"]
        return upload

    def _upload_parts(
        self, key: str, upload: str, source: Path, starts: range
    ) -> tuple[dict[str, Any], ...]:
        """What the completion must name of each part."""

        def send(index: int) -> dict[str, Any]:
            with source.open("rb") as file:
                file.seek(starts[index])
                data = file.read(starts.step)
            checksum = _base64(hashlib.sha256(data).digest())
            part = {"PartNumber": index + 1, "ChecksumSHA256": checksum}
            answer = self._requests.ask("upload_part", Key=key, UploadId=upload, Body=data, **part)
            return {**part, "ETag": answer["ETag"]}

        with ThreadPoolExecutor(_LANES) as pool:
            return tuple(pool.map(send, range(len(starts))))

    def _holds(self, key: str, sha256: str) -> bool:
        try:
            head = self._requests.ask("head_object", Key=key)
        except NotFoundError:
            return False
        return _recorded(head) == sha256

    def _key(self, path: str) -> str:
        return self._root + checked_path(path)


def _verify(path: str, sha256: str, answer: Mapping[str, Any]) -> None:
    recorded = _recorded(answer)
    if recorded not in (None, sha256):
        message = f"{path}: sha256 {sha256}; it was written with {recorded}"
        raise CorruptError(message, answer["ETag"])


def _recorded(answer: Mapping[str, Any]) -> str | None:
    """The checksum with which an object was written; None if another tool wrote it."""
    recorded: str | None = answer["Metadata"].get(_SHA256)
    return recorded


def _base64(digest: bytes) -> str:
    return base64.b64encode(digest).decode()
