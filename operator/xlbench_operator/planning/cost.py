"""What a plan costs, by a simple model, and what sharing saves. Pure.

The model is stated in words by `MODEL`, so that nobody takes an estimate for a measurement. Called
by `xlbench plan`, and by a run that says how much time is left.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from xlbench_specs.encoders import BUILTIN, BUILTIN_ENCODERS, DEFAULT_SHAPE, EncoderShape
from xlbench_specs.plans import Plan
from xlbench_specs.stages import (
    EncoderParams,
    EvaluateParams,
    PrepareParams,
    Stage,
    TrainParams,
)
from xlbench_specs.tasks import TaskKind

from xlbench_operator.planning.doses import Tasks

GFLOPS = 40.0
"""GFLOP/s assumed of one trainer process: about one CPU core; a run shows the real number."""
FORWARD_AND_BACKWARD = 3
"""Passes worth of work in an update of a trained layer; a frozen one has the forward pass only."""
UNCUT: tuple[TaskKind, ...] = ("choice", "span")
"""Kinds whose examples are several sequences, an option or a window each, however long."""
MODEL = (
    "forward FLOPs of a token = layers x (2 x (4 H^2 + 2 H F) + 4 L H), with width H, feed-forward "
    "width F and the task's mean length L in tokens; training takes 3 x in trained layers, and 1 x "
    "in frozen ones, where each example counts once; evaluation and a phase's look at its dev sets "
    "take 1 x; embeddings, heads, tokenising and starting are not counted"
)
KEPT = (
    "frozen layers on texts that they have seen for another stage; a local run keeps what they "
    "said, as far as its scratch space goes, and pods compute it again"
)


class Work(NamedTuple):
    """What a stage has to compute on one set of texts."""

    texts: tuple[object, ...]
    """What tells the texts from others."""
    tokens: float
    """Tokens that the encoder sees."""
    trained: bool
    """Whether they are trained on."""
    trained_flops: float
    """In layers that the model's chain trains."""
    frozen_flops: float
    """In layers that it never trains: the same for every model that leaves as many alone."""

    @property
    def flops(self) -> float:
        """All of it."""
        return self.trained_flops + self.frozen_flops


@dataclass(frozen=True, slots=True)
class Cost:
    """Estimated work of a plan."""

    train_flops: float
    """All train stages, the dev sets that they are looked at by among them."""
    evaluate_flops: float
    """All evaluate stages."""
    kept_flops: float
    """The part of both that frozen layers computed for another stage before, on the same texts."""
    tokens: int
    """Tokens that are trained on, shared training counted once."""
    assumed: tuple[str, ...]
    """Encoders whose shape is not known and taken for XLM-R base's."""


@dataclass(frozen=True, slots=True)
class Trainings:
    """A number of trainings, and their updates together."""

    count: int
    """Train stages, or the phases that would be trained."""
    updates: int
    """Updates of all of them."""


@dataclass(frozen=True, slots=True)
class Sharing:
    """How often this question would have to train, and how often it does."""

    grid: Trainings
    """Every phase for each schedule, target, seed and language."""
    unshared: Trainings
    """Every phase for each schedule, target and seed."""
    planned: Trainings
    """What the plan trains."""


def sharing_of(plan: Plan) -> Sharing:
    """What it saves that evaluation needs no training, and that equal prefixes are one stage."""
    updates = {
        key: stage.params.updates
        for key, stage in plan.stages.items()
        if isinstance(stage.params, TrainParams)
    }
    grid = unshared = Trainings(0, 0)
    for model in plan.models:
        phases = Trainings(len(model.train), sum(updates[key] for key in model.train))
        unshared = _plus(unshared, phases)
        for _ in model.evaluations:
            grid = _plus(grid, phases)
    return Sharing(grid, unshared, Trainings(len(updates), sum(updates.values())))


def cost_of(plan: Plan, tasks: Tasks) -> Cost:
    """The work of a plan by the model that `MODEL` states."""
    flops = dict.fromkeys(("train", "evaluate"), 0.0)
    tokens, kept = 0, 0.0
    said: set[object] = set()
    for key, works in works_of(plan, tasks).items():
        for work in works:
            flops[plan.stages[key].kind] += work.flops
            tokens += round(work.tokens) if work.trained else 0
            kept += work.frozen_flops if work.texts in said else 0.0
            said.add(work.texts)
    unknown = {
        each.params.model
        for each in plan.stages.values()
        if isinstance(each.params, EncoderParams) and shape_of(each.params) is None
    }
    return Cost(flops["train"], flops["evaluate"], kept, tokens, tuple(sorted(unknown)))


def works_of(plan: Plan, tasks: Tasks) -> Mapping[str, list[Work]]:
    """Train and evaluate stages by key: what they compute on each of their sets of texts."""

    def length(task: str) -> float:
        tokens = tasks[task].tokens_per_example
        if tasks[task].kind in UNCUT:
            return tokens
        return min(tokens, plan.spec.spec.training.max_length)

    layers: dict[str, _Layers] = {}
    works: dict[str, list[Work]] = {}
    for key, stage in plan.stages.items():
        match stage.params:
            case EncoderParams() as params:
                shape = shape_of(params) or DEFAULT_SHAPE
                layers[key] = _Layers(shape, shape.layers)
            case TrainParams() as params:
                below = layers[stage.inputs["init"]]
                layers[key] = below._replace(frozen=min(below.frozen, _lowest_trained(params)))
                works[key] = [
                    _work(layers[key], drawn, length(task), trained=True)
                    for task, drawn in _drawn(plan, stage, params, tasks)
                ] + [
                    _work(layers[key], dev, length(task), trained=False)
                    for task, dev in _dev_sets(plan, stage, tasks)
                ]
            case EvaluateParams() as params:
                size = tasks[params.task].size("test", params.language)
                asked = _Texts((stage.inputs["data"],), size, size)
                model = layers[stage.inputs["model"]]
                works[key] = [_work(model, asked, length(params.task), trained=False)]
            case _:
                pass
    return works


class _Layers(NamedTuple):
    """An encoder, and how many of its lowest layers a chain has not trained."""

    shape: EncoderShape
    frozen: int


class _Texts(NamedTuple):
    """Examples, and what tells them from others."""

    identity: tuple[object, ...]
    examples: int
    """As often as they are seen."""
    different: int
    """Frozen layers see each once."""


def _drawn(
    plan: Plan, stage: Stage, params: TrainParams, tasks: Tasks
) -> Iterator[tuple[str, _Texts]]:
    """What a phase draws of each task."""
    for task, dose in params.tasks.items():
        sets = dict(_sets(plan, stage, f"train/{task}", tasks))
        examples = dose.updates * params.batch_size
        identity = (*sets, params.seed, dose.occurrence, examples)
        yield task, _Texts(identity, examples, min(examples, sum(sets.values())))


def _dev_sets(plan: Plan, stage: Stage, tasks: Tasks) -> Iterator[tuple[str, _Texts]]:
    """What a phase is looked at by, of each task."""
    for role in stage.inputs:
        if role.startswith("dev/"):
            for key, size in _sets(plan, stage, role, tasks):
                yield role.split("/")[1], _Texts((key,), size, size)


def _sets(plan: Plan, stage: Stage, role: str, tasks: Tasks) -> Iterator[tuple[str, int]]:
    """The prepared sets in a role, one or one a language: key and examples."""
    for name, key in stage.inputs.items():
        params = plan.stages[key].params
        if f"{name}/".startswith(f"{role}/") and isinstance(params, PrepareParams):
            yield key, params.shots or tasks[params.task].size(params.split, params.language)


def _work(layers: _Layers, texts: _Texts, length: float, *, trained: bool) -> Work:
    layer = length * layer_flops(layers.shape, length)
    above = layers.shape.layers - layers.frozen
    passes = FORWARD_AND_BACKWARD if trained else 1
    return Work(
        texts=(layers, *texts.identity),
        tokens=texts.examples * length,
        trained=trained,
        trained_flops=passes * above * texts.examples * layer,
        frozen_flops=layers.frozen * texts.different * layer,
    )


def layer_flops(shape: EncoderShape, length: float) -> float:
    """Forward FLOPs of one token in one layer, in texts of so many tokens.

    Counts 2 for a multiplication and an addition: four projections H x H, two of H x F, and the
    attention's scores and sums over `length` tokens.
    """
    projections = 4 * shape.hidden**2 + 2 * shape.hidden * shape.feed_forward
    return 2 * projections + 4 * length * shape.hidden


def shape_of(encoder: EncoderParams) -> EncoderShape | None:
    """Size of an encoder; None where only the model itself could tell."""
    if not encoder.model.startswith(BUILTIN):
        return None
    return BUILTIN_ENCODERS[encoder.model.removeprefix(BUILTIN)].shape


def _lowest_trained(params: TrainParams) -> int:
    """Number of the lowest layer that a phase trains; below trained embeddings none is frozen."""
    return 0 if params.trainable.embeddings else params.trainable.lowest_layer


def _plus(first: Trainings, second: Trainings) -> Trainings:
    return Trainings(first.count + second.count, first.updates + second.updates)
