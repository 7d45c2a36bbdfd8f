"""What a finished stage leaves: its manifest, written last, alone means "done".

`record` holds what is the same in two equal runs; times, hosts and versions are `provenance`.
"""

from typing import Annotated, Literal

from pydantic import Field

from xlbench_specs.documents import Document
from xlbench_specs.stages import Key, Kind, Stage


class FileEntry(Document):
    """A file of the payload."""

    path: str
    """Path below the attempt's folder."""
    size_bytes: Annotated[int, Field(ge=0)]
    """Size."""
    sha256: Key
    """sha256 of the content."""


class EncoderRecord(Document):
    """What an encoder stage stored."""

    kind: Literal["encoder"] = "encoder"
    """Kind of stage."""
    layers: int
    """Number of layers."""
    hidden: int
    """Width."""
    parameters: int
    """Number of parameters."""


class PrepareRecord(Document):
    """What a prepare stage stored."""

    kind: Literal["prepare"] = "prepare"
    """Kind of stage."""
    examples: int
    """Number of examples."""
    tokens: int
    """Number of tokens, special ones included."""
    truncated: int
    """Examples that were cut at the longest length."""
    labels: dict[str, int] = {}
    """Gold label to its number of items; what a constant prediction would get."""


class Exposure(Document):
    """What a phase really trained of one task."""

    updates: int
    """Updates in which the task took part."""
    examples: int
    """Examples seen, repeats included."""
    unique_examples: int
    """Different examples seen."""
    epochs: float
    """Examples seen over the size of the set."""
    tokens: int
    """Tokens seen."""
    sequence: Key
    """sha256 over the example ids in the order in which they were seen."""


class TrainRecord(Document):
    """What a train stage did."""

    kind: Literal["train"] = "train"
    """Kind of stage."""
    exposure: dict[str, Exposure]
    """Task to what was seen of it."""
    dev: dict[str, dict[str, float]]
    """Task to metric to English dev score, for all tasks of the chain so far."""
    losses: list[float | None]
    """Mean loss of each tenth of the updates; None where it is no finite number."""
    kept_update: int
    """The update whose state was kept."""


class EvaluateRecord(Document):
    """What an evaluate stage found."""

    kind: Literal["evaluate"] = "evaluate"
    """Kind of stage."""
    examples: int
    """Number of outcomes."""
    scores: dict[str, float | None]
    """Metric to score in [0, 1]; None where it is not defined."""


class ReportRecord(Document):
    """What a report stage found."""

    kind: Literal["report"] = "report"
    """Kind of stage."""
    verdict: str
    """The answer in one line."""


Record = Annotated[
    EncoderRecord | PrepareRecord | TrainRecord | EvaluateRecord | ReportRecord,
    Field(discriminator="kind"),
]


class Provenance(Document):
    """Where and how a stage was run; a difference warns and invalidates nothing."""

    started: str
    """Start, ISO 8601 in UTC."""
    wall_s: float
    """Seconds from start to commit."""
    cpu_s: float
    """CPU seconds of the process."""
    peak_rss_bytes: int
    """Largest resident set of the process."""
    host: str
    """Machine or pod."""
    hardware: str
    """Processor or accelerator."""
    versions: dict[str, str]
    """Library to version."""
    trainer_build: str | None = None
    """Digest of the trainer build."""
    resumed_update: int | None = None
    """Update of the checkpoint that a train stage went on from."""


class Manifest(Document):
    """A finished stage."""

    schema_version: Literal[1] = 1
    """Version of this shape."""
    key: Key
    """The stage's key."""
    stage: Stage
    """The stage itself: the key's preimage."""
    attempt: str
    """The attempt whose payload this is."""
    files: list[FileEntry]
    """Every file of the payload, sorted by path."""
    record: Record
    """What the stage found, the same in equal runs."""
    provenance: Provenance
    """Where and how it was run."""


class Failure(Document):
    """A failed stage, recorded in the store."""

    schema_version: Literal[1] = 1
    """Version of this shape."""
    key: Key
    """The stage's key."""
    kind: Kind
    """Kind of stage."""
    reason: Literal["task-is-wrong", "wrong-recipe", "error", "no-manifest", "lost"]
    """Class of the failure."""
    message: str
    """Last lines of what the stage said."""
    retryable: bool
    """Whether another attempt may help."""
    job: str | None = None
    """Job in which it failed, on a cluster; tells this failure from one of an earlier attempt."""


class Attempt(Document):
    """A Job that ended and left stages without a manifest: written once, before the Job may go."""

    schema_version: Literal[1] = 1
    """Version of this shape."""
    job: str
    """Name of the Job."""
    bundle: Key
    """The bundle that it carried."""
    number: Annotated[int, Field(ge=1)]
    """Number of the attempt at this bundle."""
    retries: Annotated[int, Field(ge=0)]
    """`execution.retryFailed` when it ended; a higher one tries its failures again."""
    ended: float
    """When it ended, seconds since 1970."""
    failures: Annotated[list[Failure], Field(min_length=1)]
    """The stages that it failed at; those that it never came to are not blamed."""
    reached: dict[Key, int] = {}
    """Update of the newest checkpoint of the train stages among them."""
