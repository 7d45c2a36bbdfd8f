"""Fields that have their place in the contract and are refused until they work. Pure.

Deleting a line here is the last step of building what it names.
"""

from collections.abc import Iterator, Mapping

from xlbench_specs.errors import Problem
from xlbench_specs.experiment import Experiment

from xlbench_operator.checks.rules import Rule, Tasks, phases, refs

LATER = "reserved for a later version; leave it out"


def _merge(spec: Experiment, _: Tasks) -> Iterator[Problem]:
    for path, _schedule, phase in phases(spec):
        if phase.merge is not None:
            yield Problem(f"{path}.merge", phase.merge, LATER)


def _lora(spec: Experiment, _: Tasks) -> Iterator[Problem]:
    for path, _schedule, phase in phases(spec):
        if phase.lora is not None:
            yield Problem(f"{path}.lora", phase.lora.plain(), LATER)


def _stop(spec: Experiment, _: Tasks) -> Iterator[Problem]:
    for path, _schedule, phase in phases(spec):
        if phase.stop is not None:
            yield Problem(f"{path}.stop", phase.stop.plain(), LATER)


def _objective(spec: Experiment, _: Tasks) -> Iterator[Problem]:
    for path, _schedule, phase in phases(spec):
        if phase.objective != "erm":
            message = "reserved for a later version; valid: erm"
            yield Problem(f"{path}.objective", phase.objective, message)


def _view(spec: Experiment, _: Tasks) -> Iterator[Problem]:
    for path, ref in refs(spec):
        if ref.view is not None:
            yield Problem(f"{path}.view", ref.view, LATER)


def _match_tokens(spec: Experiment, _: Tasks) -> Iterator[Problem]:
    if spec.budget.match == "tokens":
        message = "reserved for a later version; valid: exposure, updates, none"
        yield Problem("spec.budget.match", "tokens", message)


def _baseline(spec: Experiment, _: Tasks) -> Iterator[Problem]:
    if spec.baseline is not None:
        yield Problem("spec.baseline", spec.baseline.results, LATER)


RESERVED: Mapping[str, Rule] = {
    "reserved-merge": _merge,
    "reserved-lora": _lora,
    "reserved-stop": _stop,
    "reserved-objective": _objective,
    "reserved-view": _view,
    "reserved-match-tokens": _match_tokens,
    "reserved-baseline": _baseline,
}
"""Rules by name."""
