"""Whether a spec is one that can be run: what neither its shape nor one field alone can tell.

`accept` is the one door for specs: of a file, and of an object from the API server. Each rule is
a small function in a table, so that a test can hold every rule to a file that only it refuses.
All problems of a spec are reported at once. What only shows once phases, orders and targets are
laid out is refused by `planning`, which `accept` asks last.
"""

from collections.abc import Iterator, Mapping

from pydantic import ValidationError
from xlbench_specs.errors import Problem, SpecError
from xlbench_specs.experiment import ExperimentSpec
from xlbench_specs.tasks import Task, task_table

from xlbench_operator.checks.consistency import CONSISTENCY
from xlbench_operator.checks.names import NAMES
from xlbench_operator.checks.pods import PODS
from xlbench_operator.checks.reserved import RESERVED
from xlbench_operator.checks.rules import Rule
from xlbench_operator.checks.scores import SCORES
from xlbench_operator.loading import Origin
from xlbench_operator.planning.plan import make_plan
from xlbench_operator.wording import problems_of

RULES: Mapping[str, Rule] = {**CONSISTENCY, **NAMES, **SCORES, **RESERVED, **PODS}
"""Every rule by its name."""

SOME_DIGEST = "0" * 64
"""Stands for the digests that a plan which nobody runs does not need."""


def accept(
    data: object,
    origins: Mapping[str, Origin] | None = None,
    *,
    tasks: Mapping[str, Task] | None = None,
    rules: Mapping[str, Rule] = RULES,
) -> ExperimentSpec:
    """The spec that plain data holds; `origins` tell what stands in the file it came from.

    Raises: `SpecError` with all problems of its shape; else of the rules; else of its plan.
    """
    table = task_table() if tasks is None else tasks
    document = parse(data, origins)
    problems = list(_broken(document, table, rules))
    if problems:
        raise SpecError(problems)
    make_plan(document, table, uid=SOME_DIGEST, trainer_build=SOME_DIGEST)
    return document


def parse(data: object, origins: Mapping[str, Origin] | None = None) -> ExperimentSpec:
    """The spec that plain data holds, its shape checked and nothing else.

    Raises: `SpecError` with all problems of its shape.
    """
    try:
        return ExperimentSpec.parse(data)
    except ValidationError as error:
        raise SpecError(problems_of(error, origins or {})) from error


def _broken(
    document: ExperimentSpec, tasks: Mapping[str, Task], rules: Mapping[str, Rule]
) -> Iterator[Problem]:
    for rule in rules.values():
        yield from rule(document.spec, tasks)
