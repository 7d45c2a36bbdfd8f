"""Chains: a schedule for one encoder, target and seed becomes a list of train stages.

A stage's inputs are the keys of what it starts from and of the data it reads, so schedules that
share a prefix share its training by themselves. Called by `plan`; pure.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import compress

from xlbench_specs.encoders import BUILTIN, BUILTIN_ENCODERS
from xlbench_specs.experiment import EncoderRef, Experiment, Schedule, TaskRef, Trainable
from xlbench_specs.languages import ENGLISH
from xlbench_specs.stages import (
    RECIPES,
    EncoderParams,
    PrepareParams,
    Stage,
    StageParams,
    TaskDose,
    TrainParams,
)

from xlbench_operator.planning.doses import (
    PartDose,
    PhaseDoses,
    Tasks,
    is_intermediate,
    parts_of,
    tasks_of,
)
from xlbench_operator.planning.orders import Order

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

    def tasks(self, number: int) -> dict[str, TaskRef]:
        """The tasks of a phase, by its position in the schedule."""
        return tasks_of(self.schedule.phases[number], self.target)


@dataclass(slots=True)
class _Walk:
    """Where a chain stands."""

    init: str
    read: list[str] = field(default_factory=list)
    """Tasks whose data was trained on, as often as it was."""
    heads: list[str] = field(default_factory=list)
    """Tasks whose heads were trained."""
    keys: list[str] = field(default_factory=list)
    tasks: list[list[str]] = field(default_factory=list)


def encoder_params(encoder: EncoderRef) -> EncoderParams:
    """Identity of an encoder: built-in ones from the table, folders by their hash alone."""
    if encoder.model.startswith(BUILTIN):
        builtin = BUILTIN_ENCODERS[encoder.model.removeprefix(BUILTIN)]
        return EncoderParams(model=encoder.model, revision=builtin.revision)
    model = "folder" if encoder.is_folder else encoder.model
    return EncoderParams(model=model, revision=encoder.revision or "")


def lay_out(graph: Graph, chain: Chain) -> tuple[list[str], list[list[str]]]:
    """Add a chain's train stages; their keys and the tasks whose data each reads, as run.

    Each phase starts from the one before, which is all that `from` may say until `merge` is
    built. A phase that `exceptFor` leaves without tasks is passed over.
    """
    walk = _Walk(init=chain.encoder)
    run = [number for number in chain.order if chain.tasks(number)]
    for number, spanning in zip(run, _spanning(chain, run), strict=True):
        parts = parts_of(chain.doses[number], graph.tasks)
        for place, part in enumerate(parts):
            tie = dict(spanning)
            if place > 0:
                tie["optimizer"] = "reset"
            if place < len(parts) - 1:
                tie["keep_optimizer"] = None
            _add_stage(graph, chain, walk, number, part=part, tie=tie)
    return walk.keys, walk.tasks


def _add_stage(
    graph: Graph,
    chain: Chain,
    walk: _Walk,
    number: int,
    *,
    part: Mapping[str, PartDose],
    tie: Mapping[str, object],
) -> None:
    """Add one train stage, the whole of a phase or a step of a recipe, and walk on to it."""
    params = _train_params(chain, walk, number, part, tie)
    walk.read.extend(part)
    walk.heads.extend(dose.head for dose in part.values())
    refs = {task: _ref_of(chain, number, task, dose) for task, dose in part.items()}
    inputs = {"init": walk.init, **_data_inputs(graph, chain, walk.heads, refs)}
    walk.init = graph.add(params, inputs)
    walk.keys.append(walk.init)
    walk.tasks.append(list(part))


def _ref_of(chain: Chain, number: int, task: str, dose: PartDose) -> TaskRef:
    """How a phase refers to a task; a step of a recipe takes all English training data."""
    return chain.tasks(number)[task] if dose.head == task else TaskRef(task=task)


def _spanning(chain: Chain, run: Sequence[int]) -> Iterator[dict[str, object]]:
    """For each phase that runs, what ties it to its neighbours: optimiser state, learning rate."""
    spans = chain.spec.training.lr_schedule == "intermediate"
    inside = [spans and is_intermediate(chain.schedule.phases[number]) for number in run]
    carries = [
        place > 0
        and (
            chain.schedule.phases[number].optimizer == "carry" or all(inside[place - 1 : place + 1])
        )
        for place, number in enumerate(run)
    ]
    updates = [sum(chain.doses[number].values()) for number in run]
    total = sum(compress(updates, inside))
    for place, within in enumerate(inside):
        yield {
            "optimizer": "carry" if carries[place] else "reset",
            "keep_optimizer": True if any(carries[place + 1 : place + 2]) else None,
            "first_update": sum(compress(updates[:place], inside)) if within else None,
            "total_updates": total if within else None,
        }


def _train_params(
    chain: Chain,
    walk: _Walk,
    number: int,
    part: Mapping[str, PartDose],
    tie: Mapping[str, object],
) -> TrainParams:
    phase, training = chain.schedule.phases[number], chain.spec.training
    refs = chain.tasks(number)
    own = phase.training.model_dump(exclude_none=True) if phase.training else {}
    trainable: Trainable = phase.trainable or training.trainable
    return TrainParams.model_validate(
        {
            "tasks": {
                task: TaskDose(
                    updates=dose.updates,
                    occurrence=walk.read.count(task),
                    loss_weight=refs[dose.head].loss_weight or 1.0,
                    head=None if dose.head == task else dose.head,
                )
                for task, dose in part.items()
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
            "objective": phase.objective,
            "trainable": trainable,
            **tie,
            **own,
        }
    )


def _data_inputs(
    graph: Graph, chain: Chain, heads: Sequence[str], refs: Mapping[str, TaskRef]
) -> dict[str, str]:
    """Roles of the data a stage reads: its training sets, and dev sets of all heads so far."""
    max_length = chain.spec.training.max_length
    inputs: dict[str, str] = {}
    for task, ref in refs.items():
        languages = ref.languages or [ENGLISH]
        for language in languages:
            role = f"train/{task}" if languages == [ENGLISH] else f"train/{task}/{language}"
            inputs[role] = graph.prepare(
                task,
                ref.split or "train",
                language,
                tokeniser=chain.encoder,
                max_length=max_length,
                ref=ref,
            )
    for task in dict.fromkeys(heads):
        if ENGLISH in graph.tasks[task].sizes.get("dev", {}):
            inputs[f"dev/{task}"] = graph.prepare(
                task, "dev", ENGLISH, tokeniser=chain.encoder, max_length=max_length
            )
    return inputs
