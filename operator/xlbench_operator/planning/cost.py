"""What a plan costs, by a simple model, and what sharing saves. Pure.

The model is stated in words by `MODEL`, so that nobody takes an estimate for a measurement. Called
by `xlbench plan`.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from xlbench_specs.encoders import BUILTIN, BUILTIN_ENCODERS, DEFAULT_SHAPE, EncoderShape
from xlbench_specs.plans import Plan
from xlbench_specs.stages import EncoderParams, EvaluateParams, TrainParams

from xlbench_operator.planning.doses import Tasks

GFLOPS = 40.0
"""GFLOP/s assumed of one trainer process: about one CPU core; a run shows the real number."""
FORWARD_AND_BACKWARD = 3
"""Passes worth of work in an update of a trained layer; a frozen one has the forward pass only."""
MODEL = (
    "forward FLOPs of a token = layers x (2 x (4 H^2 + 2 H F) + 4 L H), with width H, feed-forward "
    "width F and the task's mean length L in tokens; training takes 3 x in trained layers and 1 x "
    "in frozen ones, evaluation 1 x; embeddings, heads, tokenising and starting are not counted"
)


@dataclass(frozen=True, slots=True)
class Cost:
    """Estimated work of a plan."""

    train_flops: float
    """All train stages."""
    evaluate_flops: float
    """All evaluate stages."""
    tokens: int
    """Tokens that train stages see, shared training counted once."""
    assumed: tuple[str, ...]
    """Encoders whose shape is not known and taken for XLM-R base's."""

    def seconds(self, gflops: float) -> float:
        """Time of one process that computes so fast."""
        return (self.train_flops + self.evaluate_flops) / (gflops * 1e9)


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
    encoders = _encoder_of_stages(plan)
    train = evaluate = 0.0
    tokens = 0
    for key, stage in plan.stages.items():
        shape = shape_of(encoders[key]) or DEFAULT_SHAPE
        match stage.params:
            case TrainParams() as params:
                passes = _passes(params, shape)
                for task, dose in params.tasks.items():
                    length = _length(plan, tasks, task)
                    seen = dose.updates * params.batch_size * length
                    tokens += round(seen)
                    train += seen * passes * layer_flops(shape, length)
            case EvaluateParams() as params:
                length = _length(plan, tasks, params.task)
                seen = tasks[params.task].size("test", params.language) * length
                evaluate += seen * shape.layers * layer_flops(shape, length)
            case _:
                pass
    unknown = {each.model for each in encoders.values() if shape_of(each) is None}
    return Cost(train, evaluate, tokens, tuple(sorted(unknown)))


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


def _passes(params: TrainParams, shape: EncoderShape) -> int:
    """Layers that a token goes through, each counted as often as it costs a forward pass."""
    frozen = min(params.trainable.lowest_layer, shape.layers)
    return frozen + FORWARD_AND_BACKWARD * (shape.layers - frozen)


def _length(plan: Plan, tasks: Tasks, task: str) -> float:
    return min(tasks[task].tokens_per_example, plan.spec.spec.training.max_length)


def _encoder_of_stages(plan: Plan) -> Mapping[str, EncoderParams]:
    """Stage to the encoder that it starts from or tokenises for."""
    roles = {"prepare": "tokeniser", "train": "init", "evaluate": "model"}
    encoders: dict[str, EncoderParams] = {}
    for key, stage in plan.stages.items():
        if isinstance(stage.params, EncoderParams):
            encoders[key] = stage.params
        else:
            encoders[key] = encoders[stage.inputs[roles[stage.kind]]]
    return encoders


def _plus(first: Trainings, second: Trainings) -> Trainings:
    return Trainings(first.count + second.count, first.updates + second.updates)
