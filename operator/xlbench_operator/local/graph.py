"""A plan as the local run sees it: who needs whom, what belongs together, what to call it.

Pure: computed once from the plan. Called by `schedule`, `board` and `execute`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import assert_never

from xlbench_specs.plans import Plan
from xlbench_specs.stages import (
    EncoderParams,
    EvaluateParams,
    PrepareParams,
    ReportParams,
    Stage,
    TrainParams,
)


@dataclass(frozen=True, slots=True)
class Graph:
    """The stages of a plan but its report, in an order that respects inputs."""

    stages: Mapping[str, Stage]
    dependents: Mapping[str, tuple[str, ...]]
    """Stages that read a stage's product."""
    encoder: Mapping[str, str]
    """Encoder that a stage stands on; an encoder stands on itself."""
    groups: tuple[tuple[str, ...], ...]
    """Stages that one process should run in one go, as they share what is loaded."""
    names: Mapping[str, str]
    """What to call a stage on a terminal."""


def graph_of(plan: Plan) -> Graph:
    """The graph of a plan."""
    dependents: dict[str, list[str]] = {key: [] for key in plan.stages}
    encoder: dict[str, str] = {}
    for key, stage in plan.stages.items():
        sources = list(stage.inputs.values())
        for source in dict.fromkeys(sources):
            dependents[source].append(key)
        encoder[key] = encoder[sources[0]] if sources else key
    return Graph(
        stages=plan.stages,
        dependents={key: tuple(keys) for key, keys in dependents.items()},
        encoder=encoder,
        groups=_groups(plan),
        names=_names(plan),
    )


def _groups(plan: Plan) -> tuple[tuple[str, ...], ...]:
    """A model's chain and everything that scores it; every other stage by itself.

    A train stage that several models share is the first one's, and so are its own scores.
    """
    owner: dict[str, str] = {}
    for model in plan.models:
        for key in model.train:
            owner.setdefault(key, model.train[-1])
    groups: dict[str, list[str]] = {}
    for key, stage in plan.stages.items():
        trained = key if stage.kind == "train" else stage.inputs.get("model", key)
        groups.setdefault(owner.get(trained, key), []).append(key)
    return tuple(tuple(keys) for keys in groups.values())


def _names(plan: Plan) -> dict[str, str]:
    models: dict[str, str] = {}
    for model in plan.models:
        name = f"{model.schedule}, seed {model.seed}"
        several = len({each.target for each in plan.models}) > 1
        for key in model.train:
            models.setdefault(key, f"{name}, {model.target}" if several else name)
    return {key: _name(stage, models, key) for key, stage in plan.stages.items()}


def _name(stage: Stage, models: Mapping[str, str], key: str) -> str:
    match stage.params:
        case EncoderParams() as params:
            return f"encoder {params.model}"
        case PrepareParams() as params:
            return f"prepare {params.task} {params.split} {params.language}"
        case TrainParams() as params:
            return f"train {models.get(key, key[:12])}: {' + '.join(sorted(params.tasks))}"
        case EvaluateParams() as params:
            model = models.get(stage.inputs["model"], "encoder as it is")
            return f"evaluate {model}: {params.task} {params.language}"
        case ReportParams():
            return "report"
        case never:
            assert_never(never)
