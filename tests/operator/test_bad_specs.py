"""Every file of `tests/bad_specs` is refused where its header says, and by the rule it names.

A header has `# rule:`, `# path:`, `# says:` and, where the API server cannot refuse the object or
never gets it, `# offline-only: <why>`. A rule without a file and a file without its rule fail.
"""

import re
from pathlib import Path
from typing import NamedTuple

import pytest
from pydantic import ValidationError
from xlbench_operator.checks import RULES, accept
from xlbench_operator.commands.validate import verdict_on
from xlbench_operator.loading import parse_yaml, read_spec_file
from xlbench_operator.planning.refusals import REFUSALS
from xlbench_specs.errors import SpecError
from xlbench_specs.experiment import ExperimentSpec
from xlbench_specs.tasks import task_table

FOLDER = Path(__file__).parent.parent / "bad_specs"
HEADER = re.compile(rb"^# (rule|path|says|offline-only): (.+)$", re.MULTILINE)


class BadSpec(NamedTuple):
    file: Path
    rule: str
    path: str
    says: str
    offline_only: str | None


def bad_spec(file: Path) -> BadSpec:
    head = {key.decode(): value.decode() for key, value in HEADER.findall(file.read_bytes())}
    return BadSpec(file, head["rule"], head["path"], head["says"], head.get("offline-only"))


CORPUS = [bad_spec(file) for file in sorted(FOLDER.glob("*.yaml"))]
each_bad_spec = pytest.mark.parametrize("bad", CORPUS, ids=lambda bad: bad.file.stem)


def by_rule(prefix: str) -> list[BadSpec]:
    return [bad for bad in CORPUS if bad.rule.startswith(prefix)]


@each_bad_spec
def test_it_is_refused_where_and_with_the_words_its_header_gives(bad):
    found = [(problem.path, problem.message) for problem in verdict_on(bad.file).problems]
    assert any(path == bad.path and bad.says in message for path, message in found), found


@each_bad_spec
def test_it_has_one_thing_wrong_with_it(bad):
    # A mistake may show at two places (a training language twice), never under two rules.
    assert 1 <= len(verdict_on(bad.file).problems) <= 2


@pytest.mark.parametrize("bad", by_rule("yaml/"), ids=lambda bad: bad.file.stem)
def test_a_file_that_is_no_plain_yaml_is_refused_before_the_model(bad):
    with pytest.raises(SpecError):
        read_spec_file(bad.file)


@pytest.mark.parametrize("bad", by_rule("shape/"), ids=lambda bad: bad.file.stem)
def test_a_wrong_shape_is_refused_by_the_constraint_the_header_names(bad):
    with pytest.raises(ValidationError) as caught:
        ExperimentSpec.parse(read_spec_file(bad.file).data)
    (error,) = caught.value.errors()
    assert bad.rule == ("shape/key" if "[key]" in error["loc"] else f"shape/{error['type']}")


@pytest.mark.parametrize("rule", RULES)
def test_without_the_rule_its_file_would_pass(rule):
    files = [bad for bad in CORPUS if bad.rule == rule]
    assert files, f"tests/bad_specs has no file for {rule}"
    others = {name: check for name, check in RULES.items() if name != rule}
    for bad in files:
        assert problems(bad, RULES)
        assert problems(bad, others) != problems(bad, RULES)


# Rules of the planner that no spec reaches through `accept`: another rule, or today's task table,
# stands before them. They have cases of their own beside the planner.
OUT_OF_REACH = {"twice-in-a-phase", "dev-score-of-nothing"}


@pytest.mark.parametrize("refusal", REFUSALS, ids=lambda refusal: refusal.__name__)
def test_every_refusal_of_the_planner_has_a_file(refusal):
    name = refusal.__name__.strip("_").replace("_", "-")
    files = by_rule(f"plan/{name}")
    assert bool(files) != (name in OUT_OF_REACH)
    for bad in files:
        spec = ExperimentSpec.parse(read_spec_file(bad.file).data).spec
        found = {(problem.path, problem.message) for problem in refusal(spec, task_table())}
        assert any(path == bad.path and bad.says in message for path, message in found), found


def problems(bad: BadSpec, rules) -> list[object]:
    """What a table of rules finds; no plan is asked for."""
    document = ExperimentSpec.parse(read_spec_file(bad.file).data)
    return [each for rule in rules.values() for each in rule(document.spec, task_table())]


def test_numbers_are_given_once():
    numbers = [bad.file.stem[:3] for bad in CORPUS]
    assert len(numbers) == len(set(numbers))


def test_the_good_spec_that_they_are_made_from_is_accepted():
    file = parse_yaml((FOLDER / "good.yaml.txt").read_bytes())
    assert accept(file.data, file.origins).metadata.name == "example"
