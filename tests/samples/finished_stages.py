"""What is left of a stage that was not really run: a manifest or a failure.

Whatever plays a trainer in a test writes these: into memory, a folder, S3 or a cluster's store.
"""

from xlbench_specs.manifests import (
    EncoderRecord,
    EvaluateRecord,
    Failure,
    Manifest,
    PrepareRecord,
    Provenance,
    ReportRecord,
    TrainRecord,
)

RECORDS = {
    "encoder": EncoderRecord(layers=2, hidden=64, parameters=1),
    "prepare": PrepareRecord(examples=1, tokens=1, truncated=0),
    "train": TrainRecord(exposure={}, dev={}, losses=[], kept_update=1),
    "evaluate": EvaluateRecord(examples=1, scores={}),
    "report": ReportRecord(verdict="inconclusive"),
}
PROVENANCE = Provenance(
    started="2026-01-01T00:00:00+00:00",
    wall_s=0.1,
    cpu_s=0.1,
    peak_rss_bytes=1,
    host="here",
    hardware="none",
    versions={},
)


def manifest_of(stage, attempt):
    """The manifest of a stage without a payload."""
    return Manifest(
        key=stage.key,
        stage=stage,
        attempt=attempt,
        files=[],
        record=RECORDS[stage.kind],
        provenance=PROVENANCE,
    )


def failure_of(stage, *, retryable, message="it broke", job=None):
    """How a stage failed: of itself, or because its task is wrong."""
    return Failure(
        key=stage.key,
        kind=stage.kind,
        reason="error" if retryable else "task-is-wrong",
        message=message,
        retryable=retryable,
        job=job,
    )
