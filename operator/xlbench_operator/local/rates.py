"""How long stages take: a prior by size, then what was measured on this machine.

Decides the order of work and the time left that is shown, never a result. Pure but for what it is
told. Called by `execute`.
"""

from collections.abc import Mapping

from xlbench_specs.encoders import BUILTIN, BUILTIN_ENCODERS, DEFAULT_SHAPE, EncoderShape
from xlbench_specs.stages import EncoderParams, Kind, Stage, TrainParams

from xlbench_operator.local.graph import Graph

PRIOR_S: Mapping[Kind, float] = {
    "encoder": 3.0,
    "prepare": 1.0,
    "train": 0.25,
    "evaluate": 1.0,
    "report": 15.0,
}
"""Seconds of a stage, of an update for `train`, with builtin/e5-small-q4 on one slow core."""
_UNIT = BUILTIN_ENCODERS["e5-small-q4"].shape


class Rates:
    """Seconds per piece of work, for each kind of stage and encoder."""

    def __init__(self, graph: Graph) -> None:
        """Nothing is measured yet."""
        self._graph = graph
        self._seen: dict[tuple[Kind, str], tuple[float, float]] = {}

    def observe(self, key: str, seconds: float) -> None:
        """A stage took so long."""
        stage = self._graph.stages[key]
        where = (stage.kind, self._graph.encoder[key])
        time_s, work = self._seen.get(where, (0.0, 0.0))
        self._seen[where] = (time_s + seconds, work + _work(stage))

    def cost_s(self, key: str) -> float:
        """Seconds that a stage will take, as far as is known."""
        stage = self._graph.stages[key]
        encoder = self._graph.encoder[key]
        if (stage.kind, encoder) in self._seen:
            time_s, work = self._seen[stage.kind, encoder]
            return _work(stage) * time_s / work
        heavy = stage.kind in {"train", "evaluate"}
        scale = _size(self._graph.stages[encoder]) / _volume(_UNIT) if heavy else 1.0
        return PRIOR_S[stage.kind] * _work(stage) * scale


def _work(stage: Stage) -> float:
    return float(stage.params.updates) if isinstance(stage.params, TrainParams) else 1.0


def _size(encoder: Stage) -> float:
    model = encoder.params.model if isinstance(encoder.params, EncoderParams) else ""
    builtin = BUILTIN_ENCODERS.get(model.removeprefix(BUILTIN))
    return _volume(builtin.shape if builtin else DEFAULT_SHAPE)


def _volume(shape: EncoderShape) -> float:
    return shape.layers * shape.hidden * (4 * shape.hidden + 2 * shape.feed_forward)
