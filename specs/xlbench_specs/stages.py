"""Stages and their identity: what bears on a result is in `StageParams` and is hashed whole.

A stage's key is for ever. Fields may be added here only with a default of None that means "as
before"; anything else raises the recipe version of its kind. How a stage is run (GPUs, node,
folders, packing) is `StageRuntime`, in no key. The trainer gets a `StageFile`: a list of stages.
"""

from typing import Annotated, Literal

from pydantic import Field

from xlbench_specs.documents import Document, digest
from xlbench_specs.experiment import Analysis, Trainable

STAGE_TYPE = "xlbench.dev/stage/v1"
Kind = Literal["encoder", "prepare", "train", "evaluate", "report"]
KINDS: tuple[Kind, ...] = ("encoder", "prepare", "train", "evaluate", "report")

RECIPES: dict[Kind, int] = {"encoder": 1, "prepare": 1, "train": 3, "evaluate": 3, "report": 1}
"""Recipe version of each kind; raised by hand when results of equal parameters would change."""

METRICS = 1
"""Version of the metrics; raised by hand when scores of equal outcomes would change."""

DROPOUT = 0.1
"""Dropout that the trainer puts in force in trained layers, hidden and attention alike."""

Key = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Role = Annotated[str, Field(pattern=r"^(init|tokeniser|model|data|(train|dev)/[^ ]+)$")]


class EncoderParams(Document):
    """Identity of an encoder snapshot."""

    kind: Literal["encoder"] = "encoder"
    """Kind of stage."""
    model: str
    """`builtin/<name>`, hub id, or `folder` for a local one (its hash is the revision)."""
    revision: str
    """Pinned commit, folder hash, or package version and file hash of a built-in encoder."""


class PrepareParams(Document):
    """Identity of one tokenised (task, split, language); role `tokeniser` is an encoder."""

    kind: Literal["prepare"] = "prepare"
    """Kind of stage."""
    task: str
    """Task name."""
    revision: str
    """Pinned revision of the task's data."""
    split: str
    """Split of the task."""
    language: str
    """BCP-47 code."""
    max_length: int
    """Longest input in tokens."""
    shots: int | None = None
    """Number of examples; None for all."""
    view: str | None = None
    """Transformed copy of the data; None for the data as published."""


class TaskDose(Document):
    """What one phase trains of one task."""

    updates: Annotated[int, Field(ge=1)]
    """Updates on this task in this phase."""
    occurrence: Annotated[int, Field(ge=0)] = 0
    """How many phases of the chain trained this task before."""
    loss_weight: float = 1.0
    """Factor of the task's mean loss."""
    head: str | None = None
    """Task whose head is trained, by its recipe, on this one's data; None: the task's own."""


class TrainParams(Document):
    """Identity of one phase; roles `init`, `train/<task>`, `dev/<task>`."""

    kind: Literal["train"] = "train"
    """Kind of stage."""
    tasks: dict[str, TaskDose]
    """Dose of each task."""
    seed: int
    """Seed of all streams of the phase."""
    batch_size: int
    """Examples in an update."""
    learning_rate: float
    """Peak learning rate."""
    warmup: float
    """Part of the updates over which the learning rate rises."""
    weight_decay: float
    """AdamW's weight decay."""
    clip: float
    """Largest norm of the gradient."""
    checkpoint: Literal["last", "best-english-dev"]
    """Which state is kept."""
    precision: Literal["fp32", "bf16"]
    """Arithmetic."""
    tf32: bool
    """Whether TensorFloat-32 may be used."""
    threads: int
    """CPU threads."""
    dropout: float = DROPOUT
    """Dropout in force in trained layers and before heads."""
    batches: Literal["homogeneous", "mixed"]
    """Composition of updates."""
    optimizer: Literal["reset", "carry"]
    """Optimiser state at the start."""
    objective: Literal["erm"] = "erm"
    """Training objective."""
    trainable: Trainable
    """Trained parts of the encoder."""
    first_update: int | None = None
    """Position of this phase in a learning-rate schedule that spans phases; None: its own."""
    keep_optimizer: Literal[True] | None = None
    """Whether a later phase carries this one's optimiser state; None: no."""
    total_updates: int | None = None
    """Length of the learning-rate schedule that spans phases; None: its own."""

    @property
    def updates(self) -> int:
        """Updates of the phase."""
        return sum(dose.updates for dose in self.tasks.values())


class EvaluateParams(Document):
    """Identity of one score; roles `model` (a train or encoder key) and `data`."""

    kind: Literal["evaluate"] = "evaluate"
    """Kind of stage."""
    task: str
    """Task whose test set is scored."""
    head: str | None = None
    """Target whose head predicts; None for retrieval."""
    language: str
    """BCP-47 code."""
    metrics: int = METRICS
    """Version of the metrics."""
    precision: Literal["fp32", "bf16"]
    """Arithmetic."""
    threads: int
    """CPU threads."""


class ReportParams(Document):
    """Identity of a report: the plan, the analysis, and how every evaluate stage ended."""

    kind: Literal["report"] = "report"
    """Kind of stage."""
    plan: str
    """Digest of the plan."""
    analysis: str
    """Digest of the analysis."""
    outcomes: str
    """Digest of the map from evaluate key to done, failed or skipped."""


StageParams = Annotated[
    EncoderParams | PrepareParams | TrainParams | EvaluateParams | ReportParams,
    Field(discriminator="kind"),
]


class Stage(Document):
    """A unit of work with an identity."""

    params: StageParams
    """What bears on the result."""
    recipe: Annotated[int, Field(ge=1)]
    """Recipe version of the kind."""
    inputs: dict[Role, Key] = {}
    """Role to key of the stage that fills it."""
    salt: str | None = None
    """Digest of the trainer build or uid of the experiment, where `reuse` asks for it."""

    @property
    def kind(self) -> Kind:
        """Kind of stage."""
        return self.params.kind

    @property
    def key(self) -> str:
        """sha256 over type tag, kind, recipe, parameters, inputs and salt: 64 hex digits."""
        return digest(self.preimage)

    @property
    def preimage(self) -> dict[str, object]:
        """What the key is the hash of."""
        params = self.params.plain()
        del params["kind"]
        return {
            "type": STAGE_TYPE,
            "kind": self.kind,
            "recipe": self.recipe,
            "params": params,
            "inputs": dict(self.inputs),
            "salt": self.salt,
        }


class StageRuntime(Document):
    """How stages are run; never hashed."""

    scratch: str | None = None
    """Folder for what may be lost at any time, such as frozen layers' outputs; shared by runs."""
    scratch_bytes: Annotated[int, Field(ge=0)] = 8 * 1024**3
    """Upper bound of what is kept there."""
    checkpoint_every_s: Annotated[float, Field(ge=0)] = 120.0
    """Seconds between checkpoints."""
    encoder_folders: dict[str, str] = {}
    """Folder of each encoder that is a local one, by its revision."""
    mirror: str | None = None
    """Folder of data files that is looked at before the network: `<owner>/<repo>/<path>`."""
    trainer_build: str | None = None
    """Digest of the trainer build, recorded in manifests."""


class StageFile(Document):
    """What a Job is given: stages in an order that respects their inputs."""

    schema_version: Literal[1] = 1
    """Version of this shape."""
    experiment: str
    """`experiments/<name>/<uid>`: where failures of these stages are recorded."""
    stages: Annotated[list[Stage], Field(min_length=1)]
    """The stages to run, first to last; those that have a manifest are passed over."""
    runtime: StageRuntime = StageRuntime()
    """How to run them."""
    job: str | None = None
    """Name of the Job, on a cluster; failures of these stages are recorded under it."""
    analysis: Analysis | None = None
    """What a report stage compares; its digest is in the stage."""
