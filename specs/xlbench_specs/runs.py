"""What a finished experiment says of its runs: doses, dev scores, overlaps, places and cost.

Parts of `summary.json`, whose rest is in `results`, and all of `provenance.json`, which alone holds
what differs between two equal runs. Written by the analysis; read by the report.
"""

from typing import Literal

from xlbench_specs.documents import Document
from xlbench_specs.manifests import Provenance
from xlbench_specs.plans import Role


class LedgerSummary(Document):
    """What one schedule trained of one task: planned, then recorded."""

    encoder: str
    """Encoder name."""
    schedule: str
    """Schedule."""
    role: Role
    """What it is for."""
    target: str
    """Target task."""
    task: str
    """Task that was trained."""
    updates_planned: int
    """Updates of one seed, planned."""
    updates: float | None = None
    """Mean over seeds of the recorded updates; None where nothing is recorded."""
    examples_planned: int
    """Examples of one seed, planned."""
    examples: float | None = None
    """Mean over seeds of the recorded examples."""
    unique_examples: float | None = None
    """Mean over seeds of the different examples seen."""
    epochs: float | None = None
    """Mean over seeds of examples over set size."""
    tokens: float | None = None
    """Mean over seeds of the recorded tokens."""
    same_sequence: bool | None = None
    """Whether all arms saw the same examples of the task in the same order, in every seed."""


class DevScore(Document):
    """English dev score of one task after one phase."""

    encoder: str
    """Encoder name."""
    schedule: str
    """Schedule."""
    target: str
    """Target task."""
    seed: int
    """Seed."""
    chain: int = 0
    """Number of the order."""
    phase: int
    """Number of the phase, from 1."""
    trained: list[str]
    """Tasks of the phase."""
    task: str
    """Task that is scored."""
    metric: str
    """Its metric."""
    score: float
    """The score."""


class Collapse(Document):
    """A run that learnt nothing: counted, kept and named."""

    encoder: str
    """Encoder name."""
    schedule: str
    """Schedule."""
    role: Role
    """What it is for."""
    target: str
    """Target task."""
    seed: int
    """Seed."""
    chain: int = 0
    """Number of the order."""
    metric: str
    """Metric of the English dev score."""
    score: float
    """English dev score."""
    threshold: float
    """Majority plus two binomial standard errors."""


class Overlap(Document):
    """Test items that a training set holds."""

    train_task: str
    """Task that is trained."""
    test_task: str
    """Task that is scored."""
    language: str
    """Language of the test set."""
    examples: int
    """Test items."""
    same_text: int
    """Test items with a text that the training set holds as a whole."""
    same_gram: int
    """Test items that share eight words in a row with the training set."""


class StageProvenance(Document):
    """Where one stage was run."""

    key: str
    """The stage."""
    kind: str
    """Kind of stage."""
    attempt: str
    """The attempt whose manifest won."""
    provenance: Provenance
    """Where and how."""


class Cost(Document):
    """What something took."""

    stages: int
    """Stages with a manifest."""
    wall_s: float
    """Seconds from start to commit, added up."""
    cpu_s: float
    """CPU seconds, added up."""


class ScheduleCost(Document):
    """What the training of a schedule took, shared stages counted in full for each sharer."""

    encoder: str
    """Encoder name."""
    schedule: str
    """Schedule."""
    train: Cost
    """Its train stages, all targets and seeds."""


class ReportProvenance(Document):
    """Where the numbers of a report were made."""

    schema_version: Literal[1] = 1
    """Version of this shape."""
    plan: str
    """Digest of the plan."""
    analysis: str
    """Digest of the analysis."""
    kinds: dict[str, Cost]
    """What each kind of stage took, every stage counted once."""
    schedules: list[ScheduleCost]
    """What each schedule took."""
    warnings: list[str]
    """Libraries, builds or hardware that differ between stages."""
    stages: list[StageProvenance]
    """Every finished stage."""
