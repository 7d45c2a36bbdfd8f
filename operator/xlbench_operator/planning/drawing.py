"""The plan as a Mermaid flow chart that stays readable: equal work is one box. Pure.

A small plan is drawn stage by stage, a larger one in ever coarser groups. Called by `xlbench plan`.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from xlbench_specs.plans import Plan
from xlbench_specs.stages import (
    KINDS,
    EncoderParams,
    EvaluateParams,
    PrepareParams,
    Stage,
    TrainParams,
)

MAX_BOXES = 60
"""More boxes than this are drawn in coarser groups."""
MAX_NAMES = 3
"""So many schedules are named in a box; of more only the number."""


@dataclass(frozen=True, slots=True)
class _Drawn:
    """A stage as it may be labelled."""

    stage: Stage
    schedules: tuple[str, ...]
    """Schedules that need it, in the order of the spec."""
    place: int
    """Number of a train stage in its chain; it keeps orders that run A-B and B-A apart."""


Labelling = Callable[[_Drawn], str]
"""What is written into a stage's box; stages with equal labels share one."""


def mermaid_of(plan: Plan, most: int = MAX_BOXES) -> str:
    """The plan as a Mermaid flow chart of at most `most` boxes."""
    users = _schedules_of_stages(plan)
    places: dict[str, int] = {}
    for key, stage in plan.stages.items():
        places[key] = places.get(stage.inputs.get("init", ""), 0) + (stage.kind == "train")
    drawn = {key: _Drawn(each, users[key], places[key]) for key, each in plan.stages.items()}
    for labelling in (_stage_label, _phase_label, _schedule_label, _kind_label):
        labels = {key: labelling(each) for key, each in drawn.items()}
        if len(set(labels.values())) <= most:
            break
    return _chart(plan, labels)


def _chart(plan: Plan, labels: Mapping[str, str]) -> str:
    counts = Counter(labels.values())
    numbers = {label: f"n{number}" for number, label in enumerate(counts)}
    boxes = [
        f'  {numbers[label]}["{label}{f"<br/>x {count}" if count > 1 else ""}"]'
        for label, count in counts.items()
    ]
    arrows = dict.fromkeys(
        f"  {numbers[labels[source]]} --> {numbers[labels[key]]}"
        for key, stage in plan.stages.items()
        for source in stage.inputs.values()
        if labels[source] != labels[key]
    )
    report = ["  report[report]"]
    last = dict.fromkeys(labels[key] for key in plan.stages_of("evaluate"))
    ends = [f"  {numbers[label]} --> report" for label in last]
    return "\n".join(["flowchart LR", *boxes, *report, *arrows, *ends]) + "\n"


def _schedules_of_stages(plan: Plan) -> Mapping[str, tuple[str, ...]]:
    """Stage to the schedules whose models need it."""
    found: dict[str, dict[str, None]] = {key: {} for key in plan.stages}
    for model in plan.models:
        for key in (*model.train, *(each.key for each in model.evaluations)):
            found[key][model.schedule] = None
    for probe in plan.probes:
        for each in probe.evaluations:
            found[each.key][probe.schedule or "no schedule"] = None
    return {key: tuple(names) for key, names in found.items()}


def _stage_label(each: _Drawn) -> str:
    match each.stage.params:
        case PrepareParams() as params:
            return f"prepare {params.task}<br/>{params.split} {params.language}"
        case TrainParams() as params:
            return f"{_phase_label(each)}<br/>seed {params.seed}"
        case EvaluateParams() as params:
            # A key's first digits: models of one schedule and language differ in nothing else here.
            return f"{_phase_label(each)}<br/>{params.language} {each.stage.key[:6]}"
        case _:
            return _phase_label(each)


def _phase_label(each: _Drawn) -> str:
    match each.stage.params:
        case EncoderParams() as params:
            return f"encoder<br/>{params.model}".replace('"', "'")
        case PrepareParams() as params:
            return f"prepare {params.task}<br/>{params.split}"
        case TrainParams() as params:
            doses = " + ".join(f"{task} {dose.updates}" for task, dose in params.tasks.items())
            return f"train {each.place}: {doses}<br/>{_names(each.schedules)}"
        case EvaluateParams() as params:
            return f"evaluate {params.task}<br/>{_names(each.schedules)}"
        case _:
            return each.stage.kind


def _schedule_label(each: _Drawn) -> str:
    if each.stage.kind in {"encoder", "prepare"}:
        return each.stage.kind
    return f"{each.stage.kind}<br/>{_names(each.schedules)}"


def _kind_label(each: _Drawn) -> str:
    return f"{KINDS.index(each.stage.kind) + 1}. {each.stage.kind}"


def _names(schedules: tuple[str, ...]) -> str:
    return ", ".join(schedules) if len(schedules) <= MAX_NAMES else f"{len(schedules)} schedules"
