"""Rules that the file alone can tell: what is said twice, or two fields that contradict.

The API server holds most of them too, as lists with keys and CEL rules in the CRD.
"""

from collections.abc import Iterator, Mapping

from xlbench_specs.errors import Problem
from xlbench_specs.experiment import TARGET, Experiment, Shares
from xlbench_specs.suggestions import listed, unknown

from xlbench_operator.checks.rules import Rule, Tasks, phases, refs, repeats


def _encoder_names(spec: Experiment, _: Tasks) -> Iterator[Problem]:
    yield from repeats("spec.encoders", [encoder.name for encoder in spec.encoders], ".name")


def _schedule_names(spec: Experiment, _: Tasks) -> Iterator[Problem]:
    yield from repeats("spec.schedules", [each.name for each in spec.schedules], ".name")


def _phase_names(spec: Experiment, _: Tasks) -> Iterator[Problem]:
    for number, schedule in enumerate(spec.schedules):
        path = f"spec.schedules[{number}].phases"
        yield from repeats(path, [phase.name for phase in schedule.phases], ".name")


def _target_tasks(spec: Experiment, _: Tasks) -> Iterator[Problem]:
    yield from repeats("spec.targets", [target.task for target in spec.targets], ".task")


def _evaluated_tasks(spec: Experiment, _: Tasks) -> Iterator[Problem]:
    for number, target in enumerate(spec.targets):
        yield from repeats(f"spec.targets[{number}].evaluateOn", target.evaluate_on or [])


def _seeds(spec: Experiment, _: Tasks) -> Iterator[Problem]:
    yield from repeats("spec.seeds", spec.seeds)


def _language_codes(spec: Experiment, _: Tasks) -> Iterator[Problem]:
    yield from repeats("spec.languages.codes", spec.languages.codes or [])
    for path, ref in refs(spec):
        yield from repeats(f"{path}.languages", ref.languages or [])


def _probes(spec: Experiment, _: Tasks) -> Iterator[Problem]:
    yield from repeats("spec.probes", spec.probes)


def _baselines(spec: Experiment, _: Tasks) -> Iterator[Problem]:
    yield from repeats("spec.baselines", spec.baselines)


def _tasks_of_a_phase(spec: Experiment, _: Tasks) -> Iterator[Problem]:
    for path, _schedule, phase in phases(spec):
        yield from repeats(f"{path}.tasks", [ref.task for ref in phase.tasks], ".task")


def _ways_to_say_languages(spec: Experiment, _: Tasks) -> Iterator[Problem]:
    said = spec.languages.plain()
    if len(said) != 1:
        found = f"found {' and '.join(said)}" if said else "found none"
        yield Problem("spec.languages", said, f"give exactly one of codes, group, all; {found}")


def _shares(spec: Experiment) -> Iterator[tuple[str, Shares]]:
    yield "spec.budget.shares", spec.budget.shares
    for path, _, phase in phases(spec):
        if phase.mixing:
            yield f"{path}.mixing", phase.mixing


def _settings_of_a_strategy(spec: Experiment, _: Tasks) -> Iterator[Problem]:
    """Each strategy has its own settings: needed, and out of place with another."""
    for path, shares in _shares(spec):
        for field, value, strategies in (
            ("temperature", shares.temperature, ("temperature",)),
            ("weights", shares.weights, ("weights",)),
            ("cap", shares.cap, ("proportional", "temperature")),
        ):
            if value is not None and shares.strategy not in strategies:
                message = f"only with strategy {' or '.join(strategies)}, not {shares.strategy}"
                yield Problem(f"{path}.{field}", value, message)
            elif value is None and strategies == (shares.strategy,):
                message = f"required with strategy {shares.strategy}, and not there"
                yield Problem(f"{path}.{field}", None, message)


def _mixing_of_matched_arms(spec: Experiment, _: Tasks) -> Iterator[Problem]:
    for path, _schedule, phase in phases(spec):
        if phase.mixing and spec.budget.match != "none":
            yield Problem(
                f"{path}.mixing",
                phase.mixing.strategy,
                f"needs budget.match: none, not {spec.budget.match}; the shares of matched arms "
                "are budget.shares",
            )


def _orders_count(spec: Experiment, _: Tasks) -> Iterator[Problem]:
    for number, schedule in enumerate(spec.schedules):
        mode, count = schedule.orders.mode, schedule.orders.count
        if count is not None and mode != "permutations":
            path = f"spec.schedules[{number}].orders.count"
            yield Problem(path, count, f"only with mode permutations, not {mode}")


def _unspent_budget(spec: Experiment, _: Tasks) -> Iterator[Problem]:
    arms = [schedule for schedule in spec.schedules if schedule.role == "arm"]
    spent = any(ref.task != TARGET for arm in arms for phase in arm.phases for ref in phase.tasks)
    if spec.budget.intermediate is not None and not spent:
        message = "no arm trains an intermediate task to spend it on; leave it out"
        yield Problem("spec.budget.intermediate", spec.budget.intermediate, message)


def _no_arm(spec: Experiment, _: Tasks) -> Iterator[Problem]:
    if all(schedule.role == "control" for schedule in spec.schedules):
        yield Problem("spec.schedules", None, "all are controls; at least one must be an arm")


def _contrast(spec: Experiment, _: Tasks) -> Iterator[Problem]:
    roles = {schedule.name: schedule.role for schedule in spec.schedules}
    arms = [name for name, role in roles.items() if role == "arm"]
    contrast = spec.analysis.contrast or []
    for number, name in enumerate(contrast):
        path = f"spec.analysis.contrast[{number}]"
        if name not in roles:
            yield Problem(path, name, unknown("schedule", name, arms))
        elif roles[name] == "control":
            yield Problem(path, name, f"a control, not held to the budget; valid: {listed(arms)}")
    yield from repeats("spec.analysis.contrast", contrast)


def _excepted_targets(spec: Experiment, _: Tasks) -> Iterator[Problem]:
    targets = [target.task for target in spec.targets]
    for path, ref in refs(spec):
        for number, name in enumerate(ref.except_for or ()):
            if name not in targets:
                message = unknown("target of this spec", name, targets)
                yield Problem(f"{path}.exceptFor[{number}]", name, message)
        yield from repeats(f"{path}.exceptFor", ref.except_for or [])


CONSISTENCY: Mapping[str, Rule] = {
    "encoder-names-differ": _encoder_names,
    "schedule-names-differ": _schedule_names,
    "phase-names-differ": _phase_names,
    "targets-differ": _target_tasks,
    "evaluated-tasks-differ": _evaluated_tasks,
    "seeds-differ": _seeds,
    "language-codes-differ": _language_codes,
    "probes-differ": _probes,
    "baselines-differ": _baselines,
    "tasks-of-a-phase-differ": _tasks_of_a_phase,
    "languages-said-one-way": _ways_to_say_languages,
    "settings-fit-the-strategy": _settings_of_a_strategy,
    "mixing-needs-unmatched-arms": _mixing_of_matched_arms,
    "count-needs-permutations": _orders_count,
    "intermediate-budget-is-spent": _unspent_budget,
    "one-schedule-is-an-arm": _no_arm,
    "contrast-names-two-arms": _contrast,
    "excepted-tasks-are-targets": _excepted_targets,
}
"""Rules by name."""
