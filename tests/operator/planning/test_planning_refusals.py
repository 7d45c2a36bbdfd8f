"""Every rule of `REFUSALS` refuses something, there alone and with a path by index."""

import pytest
from xlbench_operator.planning.refusals import REFUSALS
from xlbench_specs.errors import SpecError
from xlbench_specs.experiment import ExperimentSpec

T, A, B = {"task": "$target"}, {"task": "ha-slots"}, {"task": "cldr-names"}
P = "spec.schedules[0].phases"
MATCH_NONE = {"intermediate": 120, "target": 60, "match": "none"}
BASE = [{"tasks": [A]}, {"tasks": [B]}, {"tasks": [T]}]


def case(rule, *phases, problems, orders=None, **spec):
    return rule, list(phases), orders, spec, problems


CASES = {
    "a target trained under its own name": case(
        "_target_as_intermediate",
        {"tasks": [A, {"task": "ha-intent"}]},
        BASE[2],
        problems=[(f"{P}[0].tasks[1].task", "ha-intent")],
    ),
    "a target under its own name, left out for another": case(
        "_target_as_intermediate",
        {"tasks": [A, {"task": "ha-intent", "exceptFor": ["other-intent"]}]},
        BASE[2],
        targets=[{"task": "ha-intent"}, {"task": "other-intent"}],
        problems=[(f"{P}[0].tasks[1].task", "ha-intent")],
    ),
    "a recipe that is no target's": case(
        "_recipes",
        {"tasks": [{"task": "two-step"}]},
        BASE[2],
        problems=[(f"{P}[0].tasks[0].task", "two-step")],
    ),
    "a step of a recipe beside it": case(
        "_recipes",
        {"tasks": [T, B]},
        targets=[{"task": "two-step"}],
        problems=[(f"{P}[0].tasks", "cldr-names")],
    ),
    "a few examples of a recipe": case(
        "_recipes",
        {"tasks": [T | {"shots": 3}]},
        targets=[{"task": "two-step"}],
        problems=[(f"{P}[0].tasks", {"shots": 3})],
    ),
    "a task that can only be scored": case(
        "_without_training_data",
        {"tasks": [{"task": "django-messages"}]},
        BASE[2],
        problems=[(f"{P}[0].tasks[0].task", "django-messages")],
    ),
    "a target that can only be scored": case(
        "_without_training_data",
        {"tasks": [A]},
        {"tasks": [T]},
        targets=[{"task": "ha-intent"}, {"task": "django-messages"}],
        problems=[(f"{P}[1].tasks[0].task", "$target")],
    ),
    "a language without training data": case(
        "_without_training_data",
        {"tasks": [A | {"languages": ["de", "sw", "en", "yo"]}]},
        BASE[2],
        problems=[(f"{P}[0].tasks[0].languages[1]", "sw"), (f"{P}[0].tasks[0].languages[3]", "yo")],
    ),
    "a target that no phase trains": case(
        "_target_never_trained", {"tasks": [A]}, problems=[("spec.schedules[0].phases", "arm")]
    ),
    "a target whose phase leaves it out": case(
        "_target_never_trained",
        {"tasks": [A]},
        {"tasks": [T | {"exceptFor": ["ha-intent"]}]},
        targets=[{"task": "ha-intent"}, {"task": "other-intent"}],
        problems=[("spec.schedules[0].phases", "arm")],
    ),
    "a phase that starts before the one before": case(
        "_from_another_phase",
        {"tasks": [A], "name": "first"},
        {"tasks": [B], "name": "second"},
        {"tasks": [T], "from": "first"},
        problems=[(f"{P}[2].from", "first")],
    ),
    "a later phase that starts from the encoder": case(
        "_from_another_phase",
        {"tasks": [A]},
        {"tasks": [T], "from": "encoder"},
        problems=[(f"{P}[1].from", "encoder")],
    ),
    "from beside orders": case(
        "_from_another_phase",
        {"tasks": [A], "name": "first"},
        {"tasks": [B], "from": "first"},
        BASE[2],
        orders={"mode": "per-seed"},
        problems=[(f"{P}[1].from", "first")],
    ),
    "a first phase that carries an optimiser": case(
        "_first_phase_carries",
        {"tasks": [A], "optimizer": "carry"},
        BASE[2],
        problems=[(f"{P}[0].optimizer", "carry")],
    ),
    "a phase that carries and is the first of some order": case(
        "_first_phase_carries",
        {"tasks": [A]},
        {"tasks": [B], "optimizer": "carry"},
        BASE[2],
        orders={"mode": "per-seed"},
        problems=[(f"{P}[1].optimizer", "carry")],
    ),
    "a phase that carries and is the first for a target": case(
        "_first_phase_carries",
        {"tasks": [A | {"exceptFor": ["ha-intent"]}]},
        {"tasks": [B], "optimizer": "carry"},
        BASE[2],
        problems=[(f"{P}[1].optimizer", "carry")],
    ),
    "a learning-rate schedule across a target phase": case(
        "_schedule_spans_a_gap",
        {"tasks": [A]},
        {"tasks": [T]},
        {"tasks": [B]},
        {"tasks": [T]},
        training={"lrSchedule": "intermediate"},
        problems=[("spec.schedules[0].phases", "arm")],
    ),
    "more orders than the phases have": case(
        "_too_many_orders",
        *BASE,
        orders={"mode": "permutations", "count": 3},
        problems=[("spec.schedules[0].orders.count", 3)],
    ),
    "all orders of too many phases": case(
        "_too_many_orders",
        *({"tasks": [A]} for _ in range(6)),
        BASE[2],
        orders={"mode": "permutations"},
        problems=[("spec.schedules[0].orders.count", None)],
    ),
    "a task without a weight": case(
        "_weights_without_a_task",
        *BASE,
        budget={
            "intermediate": 9,
            "target": 9,
            "shares": {"strategy": "weights", "weights": {"ha-slots": 1}},
        },
        problems=[("spec.budget.shares.weights", {"ha-slots": 1.0})],
    ),
    "a task without a weight in its phase": case(
        "_weights_without_a_task",
        {"tasks": [A, B], "mixing": {"strategy": "weights", "weights": {"cldr-names": 2}}},
        BASE[2],
        budget=MATCH_NONE,
        problems=[(f"{P}[0].mixing.weights", {"cldr-names": 2.0})],
    ),
    "the best checkpoint of a phase without dev data": case(
        "_dev_score_of_nothing",
        {"tasks": [{"task": "mlm"}]},
        BASE[2],
        training={"checkpoint": "best-english-dev"},
        problems=[("spec.training.checkpoint", "best-english-dev")],
    ),
    "more scores than a plan holds": case(
        "_too_large",
        *BASE,
        seeds=list(range(100)),
        encoders=[{"name": f"e{n}", "model": "builtin/random-tiny"} for n in range(32)],
        orders={"mode": "permutations", "count": 2},
        targets=[{"task": "ha-intent"}, {"task": "other-intent"}],
        languages={"all": True},
        problems=[("spec", None)],
    ),
}
BY_RULE = {rule.__name__: rule for rule in REFUSALS}


def document_of(lab, phases, orders, spec):
    document = lab.arms(*phases, **spec)
    document["spec"]["schedules"][0] |= {"orders": orders} if orders else {}
    return document


@pytest.mark.parametrize(
    ("rule", "phases", "orders", "spec", "problems"), CASES.values(), ids=CASES
)
def test_it_is_refused(lab, rule, phases, orders, spec, problems):  # noqa: PLR0917
    document = document_of(lab, phases, orders, spec)
    with pytest.raises(SpecError) as caught:
        lab.plan_of(document)
    assert [(each.path, each.value) for each in caught.value.problems] == problems
    parsed = ExperimentSpec.parse(document).spec
    assert [name for name, check in BY_RULE.items() if list(check(parsed, lab.tasks))] == [rule]


def test_a_schedule_named_like_a_baseline_that_is_asked_for_is_refused(lab):
    document = lab.arms(*BASE, baselines=["frozen-probe"])
    document["spec"]["schedules"][0]["name"] = "frozen-probe"
    with pytest.raises(SpecError, match="name of a baseline") as caught:
        lab.plan_of(document)
    assert caught.value.problems[0].path == "spec.schedules[0].name"
    document["spec"]["baselines"] = ["random-encoder"]
    assert lab.plan_of(document)


def test_every_rule_has_a_case():
    refused = {rule for rule, *_ in CASES.values()} | {"_name_of_a_baseline"}
    assert refused == set(BY_RULE)


def test_all_problems_are_told_at_once_each_once(lab):
    document = lab.arms({"tasks": [A, {"task": "two-step"}], "optimizer": "carry"}, {"tasks": [B]})
    document["spec"]["targets"].append({"task": "other-intent"})
    with pytest.raises(SpecError) as caught:
        lab.plan_of(document)
    assert [each.path for each in caught.value.problems] == [
        "spec.schedules[0].phases",
        "spec.schedules[0].phases",
        f"{P}[0].optimizer",
        f"{P}[0].tasks[1].task",
    ]


ACCEPTED = {
    "from the phase before": [{"tasks": [A], "name": "first"}, {"tasks": [T], "from": "first"}],
    "from the encoder at the start": [{"tasks": [A], "from": "encoder"}, {"tasks": [T]}],
    "carry in the second phase": [
        {"tasks": [A]},
        {"tasks": [B], "optimizer": "carry"},
        {"tasks": [T]},
    ],
    "the target in a phase with others": [{"tasks": [A, T]}, {"tasks": [T]}],
    "a target phase first": [{"tasks": [T]}, {"tasks": [A]}, {"tasks": [T]}],
}


@pytest.mark.parametrize("phases", ACCEPTED.values(), ids=ACCEPTED)
def test_it_is_planned(lab, phases):
    assert lab.plan_of(lab.arms(*phases)).models


def test_as_many_orders_as_there_are_may_be_asked_for(lab):
    document = lab.arms(*BASE)
    for count in (2, None):
        document["spec"]["schedules"][0]["orders"] = {"mode": "permutations"} | (
            {"count": count} if count else {}
        )
        assert len(lab.plan_of(document).models) == 6
