"""How long stages take: expected from their work, corrected by what was measured on this machine.

Decides the order of work and the time left that is shown, never a result. Pure but for what it is
told. Called by `execute`.
"""

from collections import Counter
from collections.abc import Mapping

from xlbench_specs.plans import Plan
from xlbench_specs.stages import Kind, PrepareParams, Stage, TrainParams

from xlbench_operator.local.graph import Graph
from xlbench_operator.planning.cost import GFLOPS, works_of
from xlbench_operator.planning.doses import Tasks

FIXED_S: Mapping[Kind, float] = {
    "encoder": 3.0,
    "prepare": 0.5,
    "train": 1.0,
    "evaluate": 0.5,
    "report": 15.0,
}
"""Seconds of a stage beside what depends on its size."""
UPDATE_S = 0.02
"""Seconds of an update beside its arithmetic."""
TOKENISED_PER_S = 150_000
"""Tokens that one core prepares in a second; measured: docs/results/prepared.md."""


class Rates:
    """Seconds that stages take, a factor on what is expected for each kind and encoder.

    What frozen layers say of texts is computed by the first stage that asks, and kept. Until then
    each stage that will ask is taken to bear an equal part of it.
    """

    def __init__(self, plan: Plan, graph: Graph, tasks: Tasks) -> None:
        """Nothing is measured yet."""
        self._graph = graph
        self._works = works_of(plan, tasks)
        self._beside_s = {
            key: FIXED_S[stage.kind] + _by_size_s(stage, tasks)
            for key, stage in plan.stages.items()
        }
        self._asking = Counter(work.texts for works in self._works.values() for work in works)
        self._kept: set[object] = set()
        self._seen: dict[tuple[Kind, str], tuple[float, float]] = {}
        self._costs: dict[str, float] = {}

    def observe(self, key: str, seconds: float) -> None:
        """A stage took so long."""
        where = self._where(key)
        time_s, expected_s = self._seen.get(where, (0.0, 0.0))
        self._seen[where] = (time_s + seconds, expected_s + self._expected_s(key, alone=True))
        for work in self._works.get(key, []):
            self._asking[work.texts] -= 1
            self._kept.add(work.texts)
        self._costs.clear()

    def cost_s(self, key: str) -> float:
        """Seconds that a stage will take, as far as is known."""
        if key not in self._costs:
            time_s, expected_s = self._seen.get(self._where(key), (1.0, 1.0))
            self._costs[key] = self._expected_s(key, alone=False) * time_s / expected_s
        return self._costs[key]

    def _where(self, key: str) -> tuple[Kind, str]:
        return self._graph.stages[key].kind, self._graph.encoder[key]

    def _expected_s(self, key: str, *, alone: bool) -> float:
        """Seconds by the model; `alone`: it bears all that was not kept before, not a part."""
        flops = 0.0
        for work in self._works.get(key, []):
            flops += work.trained_flops
            if work.texts not in self._kept:
                flops += work.frozen_flops / (1 if alone else self._asking[work.texts])
        return self._beside_s[key] + flops / (GFLOPS * 1e9)


def _by_size_s(stage: Stage, tasks: Tasks) -> float:
    """What grows with a stage and is no arithmetic of the encoder."""
    match stage.params:
        case TrainParams() as params:
            return params.updates * UPDATE_S
        case PrepareParams() as params:
            task = tasks[params.task]
            examples = task.size(params.split, params.language)
            return examples * task.tokens_per_example / TOKENISED_PER_S
        case _:
            return 0.0
