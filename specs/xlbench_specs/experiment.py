"""The ExperimentSpec: what a user writes, field by field.

Only what can be told from the file alone is checked here; what needs the task, language or
encoder tables is checked by the operator. The CRD is generated from these models.
"""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from xlbench_specs.documents import Document
from xlbench_specs.pods import PodSettings

API_VERSION = "xlbench.dev/v1alpha1"
TARGET = "$target"

Name = Annotated[
    str,
    StringConstraints(pattern=r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$", min_length=1, max_length=52),
]
ExperimentName = Annotated[
    str, StringConstraints(pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", min_length=1, max_length=52)
]
TaskName = Annotated[
    str, StringConstraints(pattern=r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$", min_length=1, max_length=40)
]
TaskOrTarget = Annotated[
    str,
    StringConstraints(
        pattern=r"^(\$target|[a-z0-9]([-a-z0-9.]*[a-z0-9])?)$", min_length=1, max_length=40
    ),
]
LanguageCode = Annotated[
    str, StringConstraints(pattern=r"^[a-z]{2,3}(-[A-Z][a-z]{3})?$", min_length=2, max_length=8)
]
Updates = Annotated[int, Field(ge=1, le=10_000_000)]
Weight = Annotated[float, Field(gt=0, le=1e6)]
Fraction = Annotated[float, Field(ge=0, le=1)]
ShortText = Annotated[str, StringConstraints(min_length=1, max_length=253)]
QueueName = Annotated[
    str,
    StringConstraints(
        pattern=r"^[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$", min_length=1, max_length=63
    ),
]
Quantity = Annotated[
    str, StringConstraints(pattern=r"^[0-9]+(\.[0-9]+)?(m|k|M|G|T|Ki|Mi|Gi|Ti)?$", max_length=16)
]


class EncoderRef(Document):
    """A pre-trained encoder at a pinned revision."""

    name: Name
    """What the encoder is called in results."""
    model: ShortText
    """`builtin/<name>`, a hub id `<owner>/<name>`, or a folder that starts with `/` or `.`."""
    revision: Annotated[str, StringConstraints(min_length=1, max_length=71)] | None = None
    """The commit (40 hex) of a hub model, `sha256:<64 hex>` of a folder; none for `builtin/*`."""

    @property
    def is_folder(self) -> bool:
        """Whether it is a folder of the machine that runs the experiment."""
        return self.model.startswith(("/", "."))


class TargetRef(Document):
    """A task that models are trained for in English and tested on in every language."""

    task: TaskName
    """The task whose English training data ends every schedule that names `$target`."""
    evaluate_on: Annotated[list[TaskName], Field(min_length=1, max_length=16)] | None = None
    """Tasks whose test sets score this target's models; default: the task itself."""

    @property
    def tests(self) -> list[str]:
        """Tasks whose test sets score this target's models."""
        return self.evaluate_on or [self.task]


class Languages(Document):
    """The languages of the experiment: exactly one of the three ways to say it."""

    codes: Annotated[list[LanguageCode], Field(min_length=1, max_length=400)] | None = None
    """BCP-47 codes; quote "no" (Norwegian), a bare one is false in YAML."""
    group: ShortText | None = None
    """The name of a frozen language group, such as `low-resource`."""
    all: Literal[True] | None = None
    """Every language that any target has."""


class TaskRef(Document):
    """A task as one phase trains it."""

    task: TaskOrTarget
    """The task's name, or `$target`."""
    languages: Annotated[list[LanguageCode], Field(min_length=1, max_length=64)] | None = None
    """Languages to train in; default: English."""
    split: Annotated[str, StringConstraints(pattern=r"^[a-z0-9-]+$", max_length=32)] | None = None
    """The split to train on; default: train."""
    shots: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    """Train on so many examples only; default: all."""
    view: Annotated[str, StringConstraints(pattern=r"^[a-z0-9-]+$", max_length=32)] | None = None
    """A transformed copy of the data, such as `rs-da`; default: as published."""
    share: Weight | None = None
    """This occurrence's part of the task's dose, relative to its other occurrences; default: 1."""
    loss_weight: Weight | None = None
    """Factor of this task's mean loss in the sum; default: 1."""
    except_for: Annotated[list[TaskName], Field(min_length=1, max_length=16)] | None = None
    """Targets in whose schedules this task is left out."""


class Shares(Document):
    """How a budget is divided among tasks."""

    strategy: Literal["uniform", "proportional", "temperature", "weights"] = "uniform"
    """Equal; by training set size; by size to the power 1/temperature; or as `weights` says."""
    temperature: Annotated[float, Field(gt=0, le=1000)] | None = None
    """The temperature of the strategy `temperature`."""
    cap: Annotated[int, Field(ge=1, le=1_000_000_000)] | None = None
    """Sizes count up to this many examples (`proportional` and `temperature`)."""
    weights: Annotated[dict[TaskName, Weight], Field(min_length=1, max_length=64)] | None = None
    """Relative weight of each task, for the strategy `weights`."""


class Trainable(Document):
    """Which parts of the encoder are trained; frozen layers run in eval mode."""

    lowest_layer: Annotated[int, Field(ge=0, le=200)] = 0
    """Layers below this one are frozen; the number of layers freezes them all."""
    embeddings: bool = True
    """Whether the embeddings are trained; false where layers below are frozen makes sense."""


class TrainingOverrides(Document):
    """A phase's own training settings; what is left out comes from `spec.training`."""

    batch_size: Annotated[int, Field(ge=1, le=65_536)] | None = None
    """Examples (questions, for QA) in an update."""
    learning_rate: Annotated[float, Field(gt=0, le=1)] | None = None
    """Peak learning rate."""
    warmup: Fraction | None = None
    """Part of the updates over which the learning rate rises."""
    weight_decay: Annotated[float, Field(ge=0, le=1)] | None = None
    """AdamW's decoupled weight decay."""
    clip: Annotated[float, Field(gt=0, le=1e6)] | None = None
    """Largest norm of the gradient."""


class Training(Document):
    """How every phase is trained, unless it says otherwise."""

    batch_size: Annotated[int, Field(ge=1, le=65_536)] = 32
    """Examples (questions, for QA) in an update."""
    learning_rate: Annotated[float, Field(gt=0, le=1)] = 2e-5
    """Peak learning rate."""
    max_length: Annotated[int, Field(ge=8, le=8192)] = 128
    """Longest input in tokens; longer ones are cut."""
    warmup: Fraction = 0.1
    """Part of a phase's updates over which the learning rate rises."""
    weight_decay: Annotated[float, Field(ge=0, le=1)] = 0.0
    """AdamW's decoupled weight decay."""
    clip: Annotated[float, Field(gt=0, le=1e6)] = 1.0
    """Largest norm of the gradient."""
    lr_schedule: Literal["per-phase", "intermediate"] = "per-phase"
    """One warm-up and decay per phase, or one across all intermediate phases."""
    checkpoint: Literal["last", "best-english-dev"] = "last"
    """Which state of a phase is kept."""
    precision: Literal["fp32", "bf16"] = "fp32"
    """Arithmetic of training and evaluation."""
    tf32: bool = False
    """Whether matrix products may use TensorFloat-32 on GPUs that have it."""
    threads: Annotated[int, Field(ge=1, le=256)] = 1
    """CPU threads; results depend on it, so it is part of a stage's identity."""
    trainable: Trainable = Trainable()
    """Which parts of the encoder are trained."""


class Lora(Document):
    """Low-rank adapters (reserved)."""

    rank: Annotated[int, Field(ge=1, le=1024)] = 8
    """Rank of the update matrices."""


class Stop(Document):
    """A rule that ends a phase early (reserved)."""

    patience: Annotated[int, Field(ge=1, le=10_000)]
    """Dev scores without improvement before the phase ends."""


class Phase(Document):
    """A set of tasks trained together by one optimiser run."""

    name: Name | None = None
    """A name that later phases can use in `from`."""
    tasks: Annotated[list[TaskRef], Field(min_length=1, max_length=32)]
    """The tasks trained together."""
    from_: Annotated[Name | None, Field(alias="from")] = None
    """The phase that this one starts from, or `encoder`; default: the phase before."""
    merge: Annotated[list[Name], Field(min_length=1, max_length=32)] | None = None
    """Phases whose weights are averaged (reserved)."""
    updates: Updates | None = None
    """Updates of this phase; default: what the budget gives its tasks."""
    mixing: Shares | None = None
    """How this phase's updates are divided among its tasks; needs `match: none`."""
    batches: Literal["homogeneous", "mixed"] = "homogeneous"
    """One task in each update, or all tasks of the phase in every update."""
    trainable: Trainable | None = None
    """Which parts of the encoder this phase trains; default: `spec.training.trainable`."""
    lora: Lora | None = None
    """Train low-rank adapters (reserved)."""
    optimizer: Literal["reset", "carry"] = "reset"
    """A new optimiser state, or the state of the phase before."""
    objective: Literal["erm", "at", "rs-rp", "rs-da"] = "erm"
    """Empirical risk; the robust objectives are reserved."""
    training: TrainingOverrides | None = None
    """Training settings of this phase alone."""
    stop: Stop | None = None
    """A rule that ends the phase early (reserved)."""


class Orders(Document):
    """Which orders of a schedule's intermediate phases are run."""

    mode: Literal["listed", "per-seed", "permutations"] = "listed"
    """As listed; one balanced permutation per seed; or `count` permutations for every seed."""
    count: Annotated[int, Field(ge=2, le=120)] | None = None
    """Number of permutations of mode `permutations`."""


class Schedule(Document):
    """An ordered list of phases: one way to get from an encoder to models of the targets."""

    name: Name
    """The schedule's name in results."""
    role: Literal["arm", "control"] = "arm"
    """Compared with others at an equal budget, or shown to tell what a difference is worth."""
    orders: Orders = Orders()
    """Which orders of the intermediate phases are run."""
    phases: Annotated[list[Phase], Field(min_length=1, max_length=32)]
    """The phases, first to last."""


class Budget(Document):
    """How much every arm may train."""

    match: Literal["exposure", "updates", "tokens", "none"] = "exposure"
    """What is equal between arms: examples of each task, updates, tokens (reserved), nothing."""
    intermediate: Updates | None = None
    """Updates of all intermediate phases of an arm together."""
    target: Updates
    """Updates on the target."""
    shares: Shares = Shares()
    """How the intermediate budget is divided among tasks."""


class Endpoint(Document):
    """The one number that the contrast is about."""

    group: ShortText | None = None
    """Language group of the endpoint; default: all languages of the experiment but English."""
    metric: Annotated[str, StringConstraints(pattern=r"^[a-z0-9_]+$", max_length=40)] | None = None
    """Metric of the endpoint; default: each target's own."""
    averaging: Literal["task-balanced", "cells"] = "task-balanced"
    """Mean over targets of the mean over languages, or plain mean over cells."""


class Analysis(Document):
    """What is compared, declared before the results are seen."""

    contrast: Annotated[list[Name], Field(min_length=2, max_length=2)] | None = None
    """Two arms, first minus second; default: the first two arms as listed."""
    endpoint: Endpoint = Endpoint()
    """The number that is compared."""
    equivalence_margin: Annotated[float, Field(gt=0, le=100)] = 1.0
    """Differences smaller than so many points count as none."""
    confidence: Annotated[float, Field(ge=0.5, lt=1)] = 0.95
    """Level of the intervals."""


class StageResources(Document):
    """Resources of the Jobs of one kind of stage."""

    gpus: Annotated[int, Field(ge=0, le=64)] | None = None
    """GPUs of a Job; default: one to train and to evaluate, else none."""
    cpu: Quantity | None = None
    """CPU request, as Kubernetes writes it."""
    memory: Quantity | None = None
    """Memory request and limit, as Kubernetes writes it."""


class Resources(Document):
    """Resources for each kind of stage."""

    encoder: StageResources | None = None
    """Resources of Jobs that fetch encoders."""
    prepare: StageResources | None = None
    """Resources of Jobs that tokenise."""
    train: StageResources | None = None
    """Resources of Jobs that train."""
    evaluate: StageResources | None = None
    """Resources of Jobs that evaluate."""
    report: StageResources | None = None
    """Resources of the Job that reports."""


class Execution(Document):
    """How the plan is run; bears on no result and may change at any time."""

    parallelism: Annotated[int, Field(ge=1, le=10_000)] = 8
    """Unfinished Jobs of this experiment at once."""
    queue: QueueName | None = None
    """Kueue's local queue; becomes a label of every Job."""
    packing: Literal["language", "model"] = "language"
    """Evaluation Jobs for each (encoder, schedule, language) or for each model; fixed at start."""
    resources: Resources = Resources()
    """Resources of Jobs, by kind of stage."""
    pod: PodSettings | None = None
    """What is added to the pods of all Jobs."""
    retry_failed: Annotated[int, Field(ge=0, le=1000)] = 0
    """Raise by one to try failed stages again."""
    ttl_seconds_after_finished: Annotated[int, Field(ge=0, le=315_360_000)] | None = None
    """How long the object stays after its end, with its Jobs; results stay. Default: for ever."""


class Baseline(Document):
    """A stored result that this one must not fall behind (reserved)."""

    results: ShortText
    """Address of the stored summary.json."""
    margin: Annotated[float, Field(gt=0, le=100)] = 0.5
    """A loss smaller than so many points passes."""


class Experiment(Document):
    """The question: encoders, targets, languages, seeds, schedules, budget, and how to answer."""

    encoders: Annotated[list[EncoderRef], Field(min_length=1, max_length=32)]
    """The encoders to compare schedules on."""
    targets: Annotated[list[TargetRef], Field(min_length=1, max_length=32)]
    """The tasks that are tested in many languages."""
    languages: Languages
    """The languages to test in; English is always added."""
    seeds: Annotated[
        list[Annotated[int, Field(ge=0, le=2_147_483_647)]], Field(min_length=1, max_length=100)
    ]
    """Seeds of every chain; the same list for every schedule."""
    schedules: Annotated[list[Schedule], Field(min_length=1, max_length=64)]
    """The schedules to compare."""
    budget: Budget
    """How much every arm may train."""
    training: Training = Training()
    """How phases are trained."""
    probes: Annotated[list[TaskName], Field(max_length=16)] = []
    """Untrained retrieval tasks, scored on the bare encoder and on trained models."""
    baselines: Annotated[
        list[Literal["majority", "random-encoder", "frozen-probe"]], Field(max_length=3)
    ] = []
    """Baselines shown beside every score."""
    reuse: Literal["always", "sameTrainer", "never"] = "always"
    """Which finished stages may be used again."""
    analysis: Analysis = Analysis()
    """What is compared."""
    execution: Execution = Execution()
    """How the plan is run."""
    suspend: bool = False
    """Hold the experiment: live Jobs are stopped, none is made."""
    baseline: Baseline | None = None
    """A stored result to compare with (reserved)."""


MUTABLE = frozenset({"analysis", "execution", "suspend", "baseline"})
"""Fields of `spec` that may change once an experiment is accepted; all others bear on results."""


class Metadata(Document):
    """The object's name and what Kubernetes users attach to it."""

    name: ExperimentName
    """The experiment's name, at most 52 characters; no dot, as it becomes part of Job names."""
    namespace: ShortText | None = None
    """The namespace; in no key, ignored by the local run."""
    labels: Annotated[dict[str, str], Field(max_length=64)] | None = None
    """Labels; in no key."""
    annotations: Annotated[dict[str, str], Field(max_length=64)] | None = None
    """Annotations; in no key."""


class ExperimentSpec(Document):
    """One question about training schedules, as a Kubernetes object."""

    api_version: Literal["xlbench.dev/v1alpha1"]
    """The version of this shape."""
    kind: Literal["ExperimentSpec"]
    """Always ExperimentSpec."""
    metadata: Metadata
    """The object's name."""
    spec: Experiment
    """The question."""

    def result_bearing(self) -> dict[str, object]:
        """The part of the spec that bears on results, as plain data: what a local uid hashes."""
        plain = self.spec.plain()
        return {field: value for field, value in plain.items() if field not in MUTABLE}
