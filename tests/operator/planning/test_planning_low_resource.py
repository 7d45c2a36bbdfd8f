"""The real experiment's specs mean what they say: real cells, matched arms, trainings shared."""

from pathlib import Path

import pytest
from xlbench_operator.commands.validate import load_spec
from xlbench_operator.planning.plan import local_uid, make_plan
from xlbench_specs.languages import group
from xlbench_specs.tasks import task_table

FOLDER = Path(__file__).parents[3] / "specs/examples"
XTREME_R = {
    "udpos": {"te", "mr", "yo", "wo"},
    "wikiann": {"sw", "te", "mr", "yo", "jv", "ml", "my", "az", "gu", "pa", "qu"},
    "xcopa": {"sw", "qu", "ht"},
}
"""XTREME-R's low-resource cells of the targets (Joshi class 2 and below)."""
TATOEBA = {"az", "jv", "ml", "mr", "sw", "te"}
"""Those of the probe. 24 of 27 in all: XNLI's sw and TyDi QA's sw and te are not asked for."""


def plan_of(name):
    document = load_spec(FOLDER / f"{name}.yaml")
    return make_plan(document, task_table(), uid=local_uid(document), trainer_build="0" * 64)


@pytest.fixture(scope="module")
def plan():
    return plan_of("low-resource")


@pytest.fixture(scope="module")
def everywhere():
    return plan_of("low-resource-all")


def cells(plan, task):
    return {cell.language for cell in plan.cells if cell.task == task and not cell.absent}


@pytest.mark.parametrize("task", XTREME_R)
def test_the_low_resource_cells_of_xtreme_r_and_english_are_scored(plan, task):
    assert cells(plan, task) == XTREME_R[task] | {"en"}


def test_the_probe_is_scored_in_xtreme_rs_low_resource_languages(plan):
    scored = [{score.language for score in probe.evaluations} for probe in plan.probes]
    assert scored[0] == TATOEBA, "the bare encoder"
    assert all(languages == TATOEBA for languages in scored)


def test_other_test_sets_of_the_same_languages_stand_beside_them(plan):
    endpoint = set(group("xtreme-r-low-resource").languages)
    assert cells(plan, "sib200") == endpoint | {"en"}
    assert cells(plan, "masakhaner") == {"sw", "wo", "yo"}


def test_no_cell_is_contaminated_by_an_intermediate(plan):
    assert [cell for cell in plan.cells if cell.contaminated] == []


def test_the_arms_see_the_same_of_every_task(plan):
    rows = {}
    for row in plan.ledger:
        if row.role == "arm":
            rows.setdefault((row.target, row.task), set()).add((row.updates, row.examples))
    assert all(len(seen) == 1 for seen in rows.values())


def test_every_dose_of_an_arm_is_of_150_updates(plan):
    doses = {
        (row.target, row.task): row.updates
        for row in plan.ledger
        if row.role == "arm" and row.target != "xcopa"
    }
    assert len(doses) == 3 * 4
    assert set(doses.values()) == {150}


def test_xcopa_trains_on_siqa_then_copa_and_on_siqa_only_so(plan):
    orders = [model.order for model in plan.models if model.target == "xcopa"]
    assert {tuple(order[-2:][0] + order[-2:][1]) for order in orders} == {("siqa", "copa")}
    assert all(["siqa"] not in order[:-2] for order in orders)


def test_copa_gets_half_of_what_xcopa_trains(plan):
    doses = {
        row.task: row.updates
        for row in plan.ledger
        if (row.schedule, row.target) == ("target-only", "xcopa")
    }
    assert doses == {"siqa": 75, "copa": 75}


def test_what_a_reviewer_would_say_is_known(plan):
    assert {warning.code for warning in plan.warnings} == {
        "few-seeds",
        "unbalanced-orders",
        "several-warmups",
        "absent-cells",
    }


def test_the_run_in_all_languages_trains_what_the_first_seed_trained(plan, everywhere):
    held = {(model.schedule, model.target): model.train for model in plan.models if model.seed == 1}
    assert len(everywhere.models) == 12
    for model in everywhere.models:
        assert model.train == held[model.schedule, model.target]


def test_the_run_in_all_languages_repeats_no_evaluation_of_the_first(plan, everywhere):
    asked = {*plan.languages.codes, "en"}
    evaluated = {
        score.key
        for model in everywhere.models
        for score in model.evaluations
        if score.language in asked
    }
    assert len(evaluated) == 3 * (5 + 12 + 3 + 4 + 14), "the cells of each schedule"
    assert evaluated <= set(plan.stages)


@pytest.mark.parametrize(
    ("task", "languages"),
    [("udpos", 38), ("wikiann", 48), ("masakhaner", 21), ("xcopa", 12), ("sib200", 205)],
)
def test_the_run_in_all_languages_scores_every_test_set_whole(everywhere, task, languages):
    assert len(cells(everywhere, task)) == languages == len(task_table()[task].sizes["test"])
