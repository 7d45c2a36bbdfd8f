"""Rules on what can be trained and scored, by the task table. Unknown tasks are another's. Pure."""

from collections.abc import Iterator, Mapping

from xlbench_specs.errors import Problem
from xlbench_specs.experiment import TARGET, Experiment
from xlbench_specs.languages import ENGLISH, GROUPS
from xlbench_specs.suggestions import listed, unknown
from xlbench_specs.tasks import Task

from xlbench_operator.checks.rules import Rule, Tasks, refs


def _targets_have_scores(spec: Experiment, tasks: Tasks) -> Iterator[Problem]:
    scored = [name for name, task in tasks.items() if _is_scored(task)]
    for number, target in enumerate(spec.targets):
        if target.task in tasks and not _is_scored(tasks[target.task]):
            message = f"has no test data to be scored on; valid: {listed(scored)}"
            yield Problem(f"spec.targets[{number}].task", target.task, message)


def _is_scored(task: Task) -> bool:
    return task.metric is not None and bool(task.languages("test"))


def _evaluated_on_like_tasks(spec: Experiment, tasks: Tasks) -> Iterator[Problem]:
    """A target's head can only be scored on a task of its kind whose labels it has, or can read."""
    for row, target in enumerate(spec.targets):
        own = tasks.get(target.task)
        if own is None:
            continue
        like = [name for name, task in tasks.items() if _scores_with(own, task)]
        for column, name in enumerate(target.evaluate_on or ()):
            if name in tasks and name not in like:
                path = f"spec.targets[{row}].evaluateOn[{column}]"
                message = (
                    f"not a {own.kind} task with the labels of {own.name}; valid: {listed(like)}"
                )
                yield Problem(path, name, message)


def _scores_with(own: Task, other: Task) -> bool:
    read = {other.read_as(label, own) for label in other.labels}
    fits = own.kind == "choice" or read <= set(own.labels)
    return _is_scored(other) and other.kind == own.kind and fits


def _splits(spec: Experiment, tasks: Tasks) -> Iterator[Problem]:
    """Only training data may be trained on: test data would be leaked into every score."""
    for path, ref in refs(spec):
        task = tasks.get(ref.task)
        if ref.split is not None and task is not None:
            valid = sorted(set(task.sizes) - {"test"})
            if ref.split not in valid:
                yield Problem(f"{path}.split", ref.split, unknown("split", ref.split, valid))


def _shots(spec: Experiment, tasks: Tasks) -> Iterator[Problem]:
    targets = [target.task for target in spec.targets]
    for path, ref in refs(spec):
        for name in targets if ref.task == TARGET else [ref.task]:
            for code in ref.languages or [ENGLISH]:
                size = _size(tasks, name, ref.split or "train", code)
                if ref.shots is not None and size and ref.shots > size:
                    message = f"{name} has {size} examples in {code}; valid: 1 to {size}"
                    yield Problem(f"{path}.shots", ref.shots, message)


def _size(tasks: Tasks, name: str, split: str, code: str) -> int | None:
    return tasks[name].sizes.get(split, {}).get(code) if name in tasks else None


def _probes(spec: Experiment, tasks: Tasks) -> Iterator[Problem]:
    for number, name in enumerate(spec.probes):
        if name in tasks and tasks[name].kind != "retrieval":
            message = f"not an untrained retrieval task; valid: {listed(_probes_of(tasks))}"
            yield Problem(f"spec.probes[{number}]", name, message)


def _probes_have_scores(spec: Experiment, tasks: Tasks) -> Iterator[Problem]:
    """A probe is scored in the languages of the experiment, as far as it has them."""
    tested = _tested(spec, tasks)
    valid = [name for name, codes in _probes_of(tasks).items() if tested & codes]
    for number, name in enumerate(spec.probes):
        if name not in tasks or tasks[name].kind != "retrieval":
            continue
        codes = tasks[name].languages("test")
        if not codes:
            message = f"has no test data to be scored on; valid: {listed(_probes_of(tasks))}"
            yield Problem(f"spec.probes[{number}]", name, message)
        elif tested and not tested & set(codes):
            message = (
                f"has data in {listed(codes)}, which this experiment does not test; valid: "
                f"{listed(valid) or 'none'}"
            )
            yield Problem(f"spec.probes[{number}]", name, message)


def _probes_of(tasks: Tasks) -> dict[str, set[str]]:
    """The probes that can be scored, and their languages."""
    return {
        name: set(task.languages("test"))
        for name, task in tasks.items()
        if task.kind == "retrieval" and _is_scored(task)
    }


def _tested(spec: Experiment, tasks: Tasks) -> set[str]:
    """The languages that the plan will test; those that no table knows are another rule's."""
    names = [name for target in spec.targets for name in target.tests if name in tasks]
    have = {code for name in names for code in tasks[name].languages("test")} - {ENGLISH}
    if spec.languages.codes is not None:
        return have & set(spec.languages.codes)
    if spec.languages.group is not None:
        known = GROUPS.get(spec.languages.group)
        return have & set(known.languages) if known else set()
    return have


def _endpoint_metric(spec: Experiment, tasks: Tasks) -> Iterator[Problem]:
    metric = spec.analysis.endpoint.metric
    for target in spec.targets:
        task = tasks.get(target.task)
        if metric is not None and task is not None and metric not in task.metrics:
            what = f"metric of target {task.name}"
            message = unknown(what, metric, task.metrics)
            yield Problem("spec.analysis.endpoint.metric", metric, message)


SCORES: Mapping[str, Rule] = {
    "targets-have-scores": _targets_have_scores,
    "evaluated-tasks-are-alike": _evaluated_on_like_tasks,
    "splits-are-for-training": _splits,
    "shots-are-there": _shots,
    "probes-are-retrieval": _probes,
    "probes-have-scores": _probes_have_scores,
    "metric-is-of-every-target": _endpoint_metric,
}
"""Rules by name."""
