"""What a finished experiment says: result rows and the summary.

`results.parquet` holds every score of every model; `summary.json` what follows from them, and
nothing that differs between two equal runs (no times, keys, attempts or paths); `provenance.json`
the rest. What is said of the runs themselves is in `runs`. Scores and differences are fractions of
one, rounded to `DIGITS` digits; the report shows points. Written by the analysis; read by the
report, the gate, the metrics and people's notebooks.
"""

from typing import Literal, NamedTuple

from xlbench_specs.documents import Document
from xlbench_specs.plans import PlanWarning, Role
from xlbench_specs.runs import Collapse, DevScore, LedgerSummary, Overlap

RESULTS_FILE = "results.parquet"
SUMMARY_FILE = "summary.json"
PROVENANCE_FILE = "provenance.json"
REPORT_FILES = ("report.md", "report.html")
MAJORITY = "majority"
"""Name of the constant prediction among the baselines."""
DIGITS = 6
"""Digits after the point of every number in the summary: far below any standard error."""

Status = Literal["done", "failed", "skipped", "missing", "absent"]
"""How a score came out: there; its stage failed; a stage it needs failed; not run; no data."""
VerdictWord = Literal["better", "worse", "equivalent", "inconclusive"]


def rounded(value: float) -> float:
    """A number as the summary holds it; never a negative zero."""
    return round(value, DIGITS) + 0.0


class ResultRow(NamedTuple):
    """One row of `results.parquet`: one metric of one model on one (task, language)."""

    schema_version: int
    """Version of this shape: 1."""
    experiment: str
    """Name of the experiment."""
    encoder: str
    """Encoder name."""
    schedule: str | None
    """Schedule or baseline; None for the bare encoder, in probes."""
    role: str
    """arm, control, baseline or probe."""
    target: str | None
    """Target that the model was trained for."""
    seed: int | None
    """Seed of the model."""
    chain: int | None
    """Number of the order, where a seed has several."""
    task: str
    """Task whose test set is scored."""
    language: str
    """BCP-47 code."""
    split: str
    """Split that is scored."""
    metric: str
    """Metric name."""
    metric_version: int
    """Version of the metrics."""
    primary: bool
    """Whether this is the metric that the analysis uses in this cell."""
    score: float | None
    """The score; None where there is none."""
    majority: float | None
    """What predicting the most frequent gold class would score; for retrieval, chance."""
    examples: int
    """Items that were scored."""
    examples_expected: int
    """Items that the task table says there are."""
    status: str
    """See `Status`."""


class SeedScore(Document):
    """The score of one model."""

    seed: int
    """Seed."""
    chain: int = 0
    """Number of the order, where a seed has several."""
    score: float | None = None
    """The score; None unless done."""
    status: Status
    """How it came out."""


class ScheduleScores(Document):
    """A schedule's scores in one cell, every seed."""

    schedule: str
    """Schedule or baseline."""
    role: Role
    """What it is for."""
    mean: float | None = None
    """Mean over the seeds that are done."""
    sd: float | None = None
    """Sample standard deviation over them; None for fewer than two."""
    seeds: list[SeedScore]
    """Every planned model."""
    other_metrics: dict[str, float] = {}
    """Mean over seeds of the task's other metrics."""


class CellScores(Document):
    """Everything known of one (encoder, target, task, language)."""

    encoder: str
    """Encoder name."""
    target: str
    """Target task."""
    task: str
    """Task whose test set is scored."""
    language: str
    """BCP-47 code."""
    metric: str
    """Metric of the scores."""
    in_endpoint: bool
    """Whether the cell belongs to the primary endpoint."""
    absent: str | None = None
    """Why there is no data; None where there is."""
    contaminated: str | None = None
    """Intermediate tasks of the target's own origin; keeps the cell out of the endpoint."""
    examples: int
    """Test items."""
    units: int
    """Independent units among them, as resampled; 0 where items are not resampled."""
    majority: float | None = None
    """What the most frequent gold class scores; for retrieval, chance."""
    other_majority: dict[str, float] = {}
    """The same by the task's other metrics."""
    schedules: list[ScheduleScores]
    """Scores by schedule, in the order of the spec, baselines last."""


class SeedDifference(Document):
    """The paired difference of one seed."""

    seed: int
    """Seed."""
    difference: float
    """First schedule minus second."""


class Contrast(Document):
    """The difference between two schedules over some cells, and what may be said of it."""

    encoder: str
    """Encoder name."""
    first: str
    """Schedule that is compared."""
    second: str
    """Schedule that it is compared with."""
    scope: Literal["endpoint", "english", "gap", "task", "without-target", "cell"]
    """The endpoint; the same in English; endpoint minus English; the endpoint's cells of one
    task; the endpoint without one target; one cell."""
    target: str | None = None
    """Target of the scope (of `without-target`: the one left out)."""
    task: str | None = None
    """Task of the scope."""
    language: str | None = None
    """Language of the scope."""
    cells: int
    """Cells that entered."""
    cells_missing: int = 0
    """Cells that should have entered and have no seed with both schedules."""
    seeds_missing: list[int] = []
    """Seeds left out, because a score of theirs is missing."""
    differences: list[SeedDifference]
    """The paired differences."""
    estimate: float | None = None
    """Their mean."""
    low: float | None = None
    """Lower end of the interval."""
    high: float | None = None
    """Upper end of the interval."""
    standard_error: float | None = None
    """Of the estimate, over seeds and test items."""
    seed_sd: float | None = None
    """Standard deviation of the differences over seeds."""
    item_se: float | None = None
    """Part of the standard error that comes from the test items."""
    units: int = 0
    """Test units resampled; 0: the items' variance is not in the interval."""
    degrees_of_freedom: float | None = None
    """Satterthwaite degrees of freedom."""
    p: float | None = None
    """Two-sided p value."""
    p_equivalence: float | None = None
    """p value of the two one-sided tests against the margin."""
    p_holm: float | None = None
    """p value adjusted by Holm over its family; None where it stands alone."""
    p_equivalence_holm: float | None = None
    """p value of equivalence, adjusted alike."""
    verdict: VerdictWord | None = None
    """What may be said, by the adjusted p values in a family; None where nothing is inferred."""
    seeds_to_settle: int | None = None
    """Seeds with 80 % power at the margin; None where not asked or no number is enough."""
    limit: float | None = None
    """Smallest true difference that these test items show with 80 % power, however many seeds;
    None unless no number of seeds is enough for the margin."""
    note: str | None = None
    """Why nothing is inferred, or what to mind."""


class Answer(Document):
    """The answer on one encoder."""

    encoder: str
    """Encoder name."""
    sentence: str
    """The answer and how sure it is, in one sentence."""
    contrast: Contrast | None = None
    """The primary contrast; None where the spec compares nothing."""


class Mean(Document):
    """A mean over seeds."""

    mean: float | None = None
    """The mean; None where no seed has all scores."""
    sd: float | None = None
    """Sample standard deviation; None for fewer than two."""
    seeds: int
    """Seeds that entered."""


class ScheduleSummary(Document):
    """A schedule on one encoder, in the endpoint and in English."""

    encoder: str
    """Encoder name."""
    schedule: str
    """Schedule or baseline; `majority` for the constant prediction."""
    role: Role
    """What it is for."""
    endpoint: Mean
    """Score over the endpoint's cells."""
    english: Mean
    """Score in English."""
    other_metrics: dict[str, float] = {}
    """Endpoint means of the other metrics."""
    updates: int = 0
    """Updates of one seed, over all targets."""
    tokens: int = 0
    """Tokens of one seed, over all targets, as recorded (as planned where nothing is)."""


class MissingScore(Document):
    """A planned score that is not there."""

    encoder: str
    """Encoder name."""
    schedule: str | None = None
    """Schedule; None for a probe of the bare encoder."""
    target: str | None = None
    """Target task."""
    task: str
    """Task whose test set was to be scored."""
    language: str
    """BCP-47 code."""
    seed: int | None = None
    """Seed."""
    status: Status
    """How it came out."""
    reason: str
    """Class of the failure."""


class BenchmarkMean(Document):
    """A mean as a published benchmark takes it, of a task's languages or of a group's tasks."""

    encoder: str
    """Encoder name."""
    schedule: str
    """Schedule or baseline."""
    name: str
    """Task or group, as the benchmark calls it."""
    value: float | None
    """The mean; None for a group of which a task is missing."""
    scored: int
    """Languages, or tasks, that are in it."""
    planned: int
    """Languages, or tasks, that the benchmark has."""
    differs: list[str] = []
    """What makes the value another than the benchmark's."""
    missing: list[str] = []
    """Tasks of the group without a score."""


class ProbeScore(Document):
    """Retrieval without training for it: conditional on its pool, without an interval."""

    encoder: str
    """Encoder name."""
    schedule: str | None = None
    """Schedule of the probed model; None for the bare encoder."""
    target: str | None = None
    """Its target."""
    seed: int | None = None
    """Its seed."""
    task: str
    """Retrieval task."""
    language: str
    """BCP-47 code."""
    metric: str
    """Metric."""
    score: float | None = None
    """The score; None unless done."""
    chance: float | None = None
    """Score of a random choice from the pool."""
    examples: int
    """Queries."""
    status: Status
    """How it came out."""


class Design(Document):
    """What was asked."""

    contrast: list[str]
    """Two schedules, first minus second."""
    group: str
    """Language group of the endpoint; `experiment` for the spec's own languages."""
    group_version: int
    """Version of the group."""
    languages: list[str]
    """Languages of the endpoint."""
    low_resource: int
    """How many of them are of Joshi class 2 or less."""
    targets: list[str]
    """Target tasks."""
    seeds: list[int]
    """Seeds."""
    metrics: dict[str, str]
    """Test task to the metric of its scores."""
    averaging: str
    """How cells make the endpoint."""
    margin: float
    """Differences smaller than this count as none."""
    confidence: float
    """Level of the intervals."""
    reference: str | None = None
    """The schedule that gains are measured from."""
    resamples: int
    """Resamples of the test items."""
    post_hoc: bool
    """Whether the analysis was changed after the experiment was accepted."""


class Summary(Document):
    """What the experiment says. Equal runs write equal bytes."""

    schema_version: Literal[1] = 1
    """Version of this shape."""
    experiment: str
    """Name of the experiment."""
    complete: bool
    """Whether every planned score is there."""
    scores_done: int
    """Planned scores that are there, probes included."""
    scores_planned: int
    """Planned scores."""
    design: Design
    """What was asked."""
    answers: list[Answer]
    """The answer on each encoder."""
    schedules: list[ScheduleSummary]
    """Every schedule and baseline on every encoder."""
    gains: list[Contrast]
    """Every schedule against the reference, in the endpoint and in English."""
    contrasts: list[Contrast]
    """The primary contrast in every other scope: English, gap, tasks, leave-one-out, cells."""
    cells: list[CellScores]
    """Every cell."""
    probes: list[ProbeScore]
    """Every probe."""
    xtreme_r: list[BenchmarkMean] = []
    """Means of the tasks and groups of XTREME-R that are here; never XTREME-R's own score."""
    ledger: list[LedgerSummary]
    """What was trained."""
    forgetting: list[DevScore]
    """English dev scores of all tasks of a chain after each of its phases."""
    collapsed: list[Collapse]
    """Runs that learnt nothing."""
    missing: list[MissingScore]
    """Planned scores that are not there."""
    contamination: list[Overlap]
    """Every training set against every test set of the plan; those without overlap too."""
    contamination_recorded: bool
    """Whether all sets left the fingerprints that this needs."""
    warnings: list[PlanWarning]
    """What the planner objected to."""
