"""One request to S3 at a time: settings, retries under a deadline, what an answer means.

Endpoint, region, credentials, proxy and private CA come from where every AWS tool takes them
(`AWS_ENDPOINT_URL`, `AWS_CA_BUNDLE`, ...); what is xlbench's own stands in `Settings`. The
only module that imports boto3; `s3` calls it, nobody else. Why it retries by itself:
docs/decisions/0005.
"""

import random
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal, Self

import boto3
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionError,  # noqa: A004 - botocore's own, which is no OSError
    HTTPClientError,
    IncompleteReadError,
)
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from xlbench_specs.store import NotFoundError, RefusedError, UnavailableError
from xlbench_specs.suggestions import unknown

_MIB = 2**20
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.1, 10.0
_BROKEN = (ConnectionError, HTTPClientError, IncompleteReadError)
_AGAIN_STATUS = {429, 500, 502, 503, 504}
_AGAIN_CODES = {
    "BadDigest",  # the content was damaged on its way
    "ConditionalRequestConflict",  # another conditional write to this key is under way
    "InternalError",
    "OperationAborted",
    "RequestTimeout",
    "ServiceUnavailable",
    "SlowDown",
}


class Settings(BaseModel):
    """How to speak to S3, from environment variables that begin with `XLBENCH_S3_`."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", alias_generator=lambda name: f"XLBENCH_S3_{name.upper()}"
    )

    addressing: Literal["auto", "path", "virtual"] = "auto"
    """Bucket in the path or in the host name; `auto` is the path for endpoints that are not AWS."""
    sse: Literal["AES256", "aws:kms"] | None = None
    """Server-side encryption asked for on each write; None leaves it to the bucket's default."""
    sse_kms_key_id: str | None = None
    """The key for `aws:kms`; None is the account's default key."""
    connect_timeout_s: float = Field(default=10.0, gt=0)
    """Seconds for a connection to be made."""
    read_timeout_s: float = Field(default=60.0, gt=0)
    """Seconds of silence after which an answer is given up and asked for again."""
    deadline_s: float = Field(default=300.0, gt=0)
    """Seconds after which a request that keeps failing is not tried again; a part is a request."""
    part_bytes: int = Field(default=16 * _MIB, ge=5 * _MIB)
    """Files above this size are written in parts of it. 5 MiB is the least that S3 takes."""
    cache: Path = Path("~/.cache/xlbench/s3")
    """Folder for local copies."""
    cache_bytes: int = Field(default=20 * 1024 * _MIB, ge=0)
    """Size above which the longest unused copies go."""

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> Self:
        """The settings that an environment holds; an empty variable is as none.

        Raises: `ValueError` naming the variable, its value and what is wrong with it.
        """
        prefix = "XLBENCH_S3_"
        given = {name: v for name, v in environment.items() if name.startswith(prefix) and v}
        try:
            return cls.model_validate(given)
        except ValidationError as error:
            first = error.errors()[0]
            name, words = str(first["loc"][0]), first["msg"]
            if first["type"] == "extra_forbidden":
                valid = (field.alias or "" for field in cls.model_fields.values())
                words = unknown("setting", name, valid)
            raise ValueError(f"{name}={first['input']!r}: {words}") from error


class PreconditionError(RuntimeError):
    """If-None-Match or If-Match did not hold."""


class ForgottenError(RuntimeError):
    """The store does not know an upload in parts."""


class Requests:
    """The requests to one bucket. Safe for many threads."""

    def __init__(self, bucket: str, settings: Settings) -> None:
        """Nothing is asked of the endpoint yet."""
        self._bucket = bucket
        self._deadline_s = settings.deadline_s
        self._client = boto3.session.Session().client("s3", config=_config(settings))

    def ask(self, operation: str, **arguments: Any) -> dict[str, Any]:
        """One request, repeated while a repetition may help; a body comes as bytes.

        Raises: `NotFoundError`, `PreconditionError`, `ForgottenError`, `RefusedError`, and
            `UnavailableError` at the deadline.
        """
        place = arguments.get("Key", arguments.get("Prefix", ""))
        request = f"{operation} s3://{self._bucket}/{place}"
        began_s, tries = time.monotonic(), 0
        while True:
            tries += 1
            try:
                return self._once(operation, arguments)
            except _BROKEN as error:
                cause: Exception = error
                said = str(error)
            except ClientError as error:
                if not _may_repeat(error):
                    raise _meaning(error, request) from error
                cause, said = error, _said(error)
            except BotoCoreError as error:  # no credentials, an endpoint that is no address, ...
                raise RefusedError(f"{request}: {error}") from error
            pause_s = min(_LONGEST_PAUSE_S, _FIRST_PAUSE_S * 2 ** (tries - 1))
            pause_s *= random.uniform(0.5, 1)  # noqa: S311 - it only spreads writers that collided
            waited_s = time.monotonic() - began_s
            if waited_s + pause_s > self._deadline_s:
                raise UnavailableError(
                    f"{request}: no answer in {waited_s:.1f} s and {tries} tries "
                    f"(deadline {self._deadline_s:g} s); the last said: {said}"
                ) from cause
            time.sleep(pause_s)

    def abort(self, key: str, upload: str) -> None:
        """Free the parts of an upload by one try; else the bucket's lifecycle rule will."""
        with suppress(BotoCoreError, ClientError):
            self._client.abort_multipart_upload(Bucket=self._bucket, Key=key, UploadId=upload)

    def _once(self, operation: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        answer: dict[str, Any] = getattr(self._client, operation)(Bucket=self._bucket, **arguments)
        if "Body" in answer:
            answer["Body"] = answer["Body"].read()
        return answer


def _config(settings: Settings) -> Config:
    return Config(
        connect_timeout=settings.connect_timeout_s,
        read_timeout=settings.read_timeout_s,
        retries={"total_max_attempts": 1, "mode": "standard"},
        max_pool_connections=40,  # the operator looks up 32 manifests at a time
        s3={"addressing_style": settings.addressing},
        # Checksums are given and verified here: older endpoints know none of botocore's own.
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
    )


def may_repeat(code: str) -> bool:
    """Whether an error of this code passes."""
    return code in _AGAIN_CODES


def _may_repeat(error: ClientError) -> bool:
    return _status(error) in _AGAIN_STATUS or may_repeat(_code(error))


def _meaning(error: ClientError, request: str) -> Exception:
    """What an answer that is neither success nor worth a repetition means."""
    message = f"{request}: {_said(error)}"
    if _code(error) in ("PreconditionFailed", "412"):
        return PreconditionError(message)
    if _code(error) == "NoSuchUpload":
        return ForgottenError(message)
    if _code(error) in ("NoSuchKey", "404"):
        return NotFoundError(message)
    if _code(error) == "AccessDenied":
        message += " (without s3:ListBucket a store says so of objects that do not exist, too)"
    return RefusedError(message)


def _said(error: ClientError) -> str:
    return f"{_status(error)} {_code(error)}: {error.response.get('Error', {}).get('Message', '')}"


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))


def _status(error: ClientError) -> int:
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
