"""Chains: a schedule for one encoder, target and seed becomes a list of train stages.

A stage's inputs are the keys of what it starts from and of the data it reads, so schedules that
share a prefix share its training by themselves. Called by `plan`; pure.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from xlbench_specs.encoders import BUILTIN, BUILTIN_ENCODERS
from xlbench_specs.errors import SpecError
from xlbench_specs.experiment import EncoderRef, Experiment, Phase, Schedule, TaskRef, Trainable
from xlbench_specs.stages import (
    RECIPES,
    EncoderParams,
    PrepareParams,
    Stage,
    StageParams,
    TaskDose,
    TrainParams,
)

from xlbench_operator.planning.doses import PhaseDoses, Tasks, is_intermediate, tasks_of
from xlbench_operator.planning.orders import Order

ENGLISH = "en"
SALTED = frozenset({"prepare", "train", "evaluate"})


@dataclass(slots=True)
class Graph:
    """The stages found so far, by key, in an order that respects inputs."""

    tasks: Tasks
    salt: str | None
    stages: dict[str, Stage] = field(default_factory=dict)
    prepared: dict[tuple[object, ...], str] = field(default_factory=dict)

    def add(self, params: StageParams, inputs: Mapping[str, str] | None = None) -> str:
        """Key of the stage with these parameters and inputs, added if it is new."""
        stage = Stage.model_construct(
            params=params,
            recipe=RECIPES[params.kind],
            inputs=dict(inputs or {}),
            salt=self.salt if params.kind in SALTED else None,
        )
        key = stage.key
        self.stages.setdefault(key, stage)
        return key

    def prepare(
        self,
        task: str,
        split: str,
        language: str,
        *,
        tokeniser: str,
        max_length: int,
        ref: TaskRef | None = None,
    ) -> str:
        """Key of a task's tokenised split in one language."""
        shots, view = (ref.shots, ref.view) if ref else (None, None)
        identity = (task, split, language, tokeniser, max_length, shots, view)
        if identity not in self.prepared:
            params = PrepareParams(
                task=task,
                revision=self.tasks[task].revision,
                split=split,
                language=language,
                max_length=max_length,
                shots=shots,
                view=view,
            )
            self.prepared[identity] = self.add(params, {"tokeniser": tokeniser})
        return self.prepared[identity]


@dataclass(frozen=True, slots=True)
class Chain:
    """What is needed to lay out the phases of one model."""

    spec: Experiment
    encoder: str
    schedule: Schedule
    target: str
    seed: int
    order: Order
    doses: PhaseDoses


@dataclass(slots=True)
class _Walk:
    """Where a chain stands."""

    init: str
    trained: list[str] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    tasks: list[list[str]] = field(default_factory=list)
    by_name: dict[str, str] = field(default_factory=dict)
    intermediate_done: int = 0


def encoder_params(encoder: EncoderRef) -> EncoderParams:
    """Identity of an encoder: built-in ones from the table, folders by their hash alone."""
    if encoder.model.startswith(BUILTIN):
        builtin = BUILTIN_ENCODERS[encoder.model.removeprefix(BUILTIN)]
        return EncoderParams(model=encoder.model, revision=builtin.revision)
    model = "folder" if encoder.model.startswith(("/", ".")) else encoder.model
    return EncoderParams(model=model, revision=encoder.revision or "")


def lay_out(graph: Graph, chain: Chain) -> tuple[list[str], list[list[str]]]:
    """Add a chain's train stages; their keys and the tasks of each phase, as run.

    A phase that `exceptFor` leaves without tasks is passed over.

    Raises: `SpecError` if a phase carries an optimiser that nothing left.
    """
    walk = _Walk(init=chain.encoder)
    total = sum(
        sum(chain.doses[number].values())
        for number, phase in enumerate(chain.schedule.phases)
        if is_intermediate(phase)
    )
    for number in chain.order:
        phase = chain.schedule.phases[number]
        refs = tasks_of(phase, chain.target)
        if refs:
            _step(graph, chain, walk, number, total)
    return walk.keys, walk.tasks


def _step(graph: Graph, chain: Chain, walk: _Walk, number: int, total: int) -> None:
    phase = chain.schedule.phases[number]
    refs = tasks_of(phase, chain.target)
    spans = chain.spec.training.lr_schedule == "intermediate" and is_intermediate(phase)
    init = _start_of(chain, walk, phase)
    carries = phase.optimizer == "carry" or (spans and walk.intermediate_done > 0)
    if carries and init == chain.encoder:
        raise SpecError.at(
            f"spec.schedules[{chain.schedule.name}].phases[{number}].optimizer",
            "carry",
            "this phase starts from the encoder, which has no optimiser state: use reset",
        )
    params = _train_params(chain, walk, number, optimizer="carry" if carries else "reset")
    if spans:
        update = {"first_update": walk.intermediate_done, "total_updates": total}
        params = params.model_copy(update=update)
        walk.intermediate_done += params.updates
    walk.trained.extend(refs)
    inputs = {"init": init, **_data_inputs(graph, chain, walk.trained, refs)}
    key = graph.add(params, inputs)
    walk.keys.append(key)
    walk.tasks.append(list(refs))
    walk.init = key
    if phase.name:
        walk.by_name[phase.name] = key


def _start_of(chain: Chain, walk: _Walk, phase: Phase) -> str:
    if phase.from_ is None:
        return walk.init
    return chain.encoder if phase.from_ == "encoder" else walk.by_name[phase.from_]


def _train_params(chain: Chain, walk: _Walk, number: int, *, optimizer: str) -> TrainParams:
    phase, training = chain.schedule.phases[number], chain.spec.training
    refs = tasks_of(phase, chain.target)
    own = phase.training.model_dump(exclude_none=True) if phase.training else {}
    trainable: Trainable = phase.trainable or training.trainable
    return TrainParams.model_validate(
        {
            "tasks": {
                task: TaskDose(
                    updates=chain.doses[number][task],
                    occurrence=walk.trained.count(task),
                    loss_weight=ref.loss_weight or 1.0,
                )
                for task, ref in refs.items()
            },
            "seed": chain.seed,
            "batch_size": training.batch_size,
            "learning_rate": training.learning_rate,
            "warmup": training.warmup,
            "weight_decay": training.weight_decay,
            "clip": training.clip,
            "checkpoint": training.checkpoint,
            "precision": training.precision,
            "tf32": training.tf32,
            "threads": training.threads,
            "batches": phase.batches,
            "optimizer": optimizer,
            "objective": phase.objective,
            "trainable": trainable,
            **own,
        }
    )


def _data_inputs(
    graph: Graph, chain: Chain, trained: Sequence[str], refs: Mapping[str, TaskRef]
) -> dict[str, str]:
    """Roles of the data a phase reads: its training sets, and dev sets of all tasks so far."""
    max_length = chain.spec.training.max_length
    inputs: dict[str, str] = {}
    for task, ref in refs.items():
        for language in ref.languages or [ENGLISH]:
            role = f"train/{task}" if ref.languages is None else f"train/{task}/{language}"
            inputs[role] = graph.prepare(
                task,
                ref.split or "train",
                language,
                tokeniser=chain.encoder,
                max_length=max_length,
                ref=ref,
            )
    for task in dict.fromkeys(trained):
        if ENGLISH in graph.tasks[task].sizes.get("dev", {}):
            inputs[f"dev/{task}"] = graph.prepare(
                task, "dev", ENGLISH, tokeniser=chain.encoder, max_length=max_length
            )
    return inputs
