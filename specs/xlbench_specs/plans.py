"""The plan: the stages that a spec means, fixed once as `plan.json` and read from there after.

Written by the operator or the local run; read by them and by the analysis. Everything the
analysis needs to know about the design is here, so that it never plans again.
"""

import json
from collections.abc import Mapping
from typing import Literal

from xlbench_specs.documents import Document, digest
from xlbench_specs.experiment import Analysis, ExperimentSpec
from xlbench_specs.stages import RECIPES, Key, Kind, ReportParams, Stage

Role = Literal["arm", "control", "baseline"]
"""What a schedule, or what stands for one, is for."""


class PlanWarning(Document):
    """Something a reviewer would object to."""

    code: str
    """Stable name of the objection."""
    path: str
    """The field of the spec it is about."""
    message: str
    """The objection and what would answer it."""


class LedgerRow(Document):
    """What one schedule trains of one task for one target and one seed, as planned."""

    schedule: str
    """Schedule name."""
    role: Role
    """Whether the schedule is compared at an equal budget."""
    target: str
    """Target task."""
    task: str
    """Task that is trained."""
    updates: int
    """Updates in all phases together, for one seed."""
    examples: int
    """Examples, repeats included."""
    unique_examples: int
    """Different examples."""
    epochs: float
    """Examples over the size of the set."""
    tokens: int
    """Tokens, estimated from the task table."""


class PlannedEvaluation(Document):
    """One score of one model."""

    task: str
    """Task whose test set is scored."""
    language: str
    """BCP-47 code."""
    key: Key
    """The evaluate stage."""


class PlannedModel(Document):
    """What one chain of train stages ends in."""

    encoder: str
    """Encoder name."""
    schedule: str
    """Schedule name, or the baseline's."""
    role: Role
    """What the schedule is for."""
    target: str
    """Target task."""
    seed: int
    """Seed."""
    chain: int = 0
    """Number of the order, where a seed has several."""
    order: list[list[str]]
    """Tasks of each phase, first to last, as run."""
    train: list[Key]
    """Train stages, first to last."""
    evaluations: list[PlannedEvaluation]
    """Scores of the final model."""


class PlannedProbe(Document):
    """An untrained retrieval score."""

    encoder: str
    """Encoder name."""
    schedule: str | None = None
    """Schedule whose model is probed; None for the bare encoder."""
    target: str | None = None
    """Target of the probed model."""
    seed: int | None = None
    """Seed of the probed model."""
    evaluations: list[PlannedEvaluation]
    """The scores."""


class Cell(Document):
    """A (target, task, language) where a score lives."""

    target: str
    """Target task."""
    task: str
    """Task whose test set is scored."""
    language: str
    """BCP-47 code."""
    absent: str | None = None
    """Why there is no score; None where there is one."""
    contaminated: str | None = None
    """Intermediate tasks that share the target's train_source; kept out of the endpoint."""
    examples: int = 0
    """Number of test items."""


class Bundle(Document):
    """Stages that one Job carries."""

    name: str
    """Name of the bundle: kind and short hash of its sorted stage keys."""
    kind: Kind
    """Kind of its stages."""
    stages: list[Key]
    """The stages, in an order that respects inputs."""


class ResolvedLanguages(Document):
    """The languages of the experiment."""

    codes: list[str]
    """Languages to test in, English excluded."""
    english: str = "en"
    """Always evaluated, in no group mean."""


class ResolvedEndpoint(Document):
    """The primary endpoint, resolved."""

    contrast: list[str]
    """Two schedules, first minus second; empty where nothing is compared."""
    group: str
    """Name of the language group; `experiment` for the spec's own languages."""
    group_version: int
    """Version of the group."""
    languages: list[str]
    """Languages of the endpoint."""
    low_resource: int
    """How many of them are of Joshi class 2 or less."""


class Plan(Document):
    """The DAG of stages that a spec means, and the design they come from."""

    schema_version: Literal[1] = 1
    """Version of this shape."""
    name: str
    """Name of the experiment."""
    uid: str
    """Uid of the object, or the hash of the spec's result-bearing part for a local run."""
    spec: ExperimentSpec
    """The spec as accepted, defaults filled in."""
    languages: ResolvedLanguages
    """Languages to test in."""
    endpoint: ResolvedEndpoint
    """Primary endpoint at submission."""
    analysis: str
    """Digest of the analysis at submission; a later change is labelled post hoc."""
    revisions: dict[str, str]
    """Task to pinned revision of its data."""
    stages: dict[Key, Stage]
    """All stages but the report, in an order that respects inputs."""
    models: list[PlannedModel]
    """All models."""
    probes: list[PlannedProbe]
    """All probes."""
    cells: list[Cell]
    """All cells, absent ones too."""
    ledger: list[LedgerRow]
    """What every schedule trains."""
    bundles: list[Bundle]
    """What each Job carries, the report's left out."""
    warnings: list[PlanWarning]
    """What a reviewer would object to."""

    @property
    def digest(self) -> str:
        """Identity of the plan, for the report's key."""
        return digest({"uid": self.uid, "stages": sorted(self.stages)})

    @property
    def trainer_build(self) -> str | None:
        """The trainer's build that salts the keys, where `reuse` is sameTrainer."""
        if self.spec.spec.reuse != "sameTrainer":
            return None
        return next((stage.salt for stage in self.stages.values() if stage.salt), None)

    def text(self) -> str:
        """The document as it is stored; not sorted, as the order of stages means something."""
        return json.dumps(self.plain(), indent=1, ensure_ascii=False) + "\n"

    def stages_of(self, kind: Kind) -> dict[str, Stage]:
        """Stages of one kind by key, in plan order."""
        return {key: stage for key, stage in self.stages.items() if stage.kind == kind}

    def report_stage(self, analysis: Analysis, outcomes: Mapping[str, str]) -> Stage:
        """The report stage of an analysis; `outcomes` says how every evaluate key ended."""
        params = ReportParams(
            plan=self.digest, analysis=digest(analysis.plain()), outcomes=digest(dict(outcomes))
        )
        return Stage(params=params, recipe=RECIPES["report"])
