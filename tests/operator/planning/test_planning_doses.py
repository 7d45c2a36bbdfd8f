import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from xlbench_operator.planning.doses import (
    largest_remainder,
    schedule_doses,
    share_weights,
    training_examples,
)
from xlbench_specs.errors import SpecError
from xlbench_specs.experiment import ExperimentSpec, Shares, TaskRef

deterministic = settings(derandomize=True, deadline=None, max_examples=200)

T, A, B = {"task": "$target"}, {"task": "ha-slots"}, {"task": "cldr-names"}

REMAINDERS = {
    # quotas 43.75, 31.25, 25: floors 43, 31, 25 leave one, which goes to .75
    "the largest remainder gets what is left": (
        100,
        {"a": 7, "b": 5, "c": 4},
        {"a": 44, "b": 31, "c": 25},
    ),
    # 33.33 each: equal remainders, one left, and b comes before c and d
    "a tie goes by name": (100, {"d": 1, "c": 1, "b": 1}, {"b": 34, "c": 33, "d": 33}),
    # quotas 1.2, 2.4, 8.4: equal remainders of .4, though not in floating point
    "a tie is a tie though its floats differ": (
        12,
        {"z": 0.1, "y": 0.2, "x": 0.7},
        {"z": 1, "y": 2, "x": 9},
    ),
    "shares that divide evenly": (120, {"a": 1.0, "b": 1.0}, {"a": 60, "b": 60}),
    "one task gets all": (7, {"a": 0.001}, {"a": 7}),
    "more tasks than updates leave some with none": (
        2,
        {"a": 1, "b": 1, "c": 1},
        {"a": 1, "b": 1, "c": 0},
    ),
    # 0.3 + 0.6 + 0.1 is no 1.0 in floating point; 3, 6 and 1 of ten exactly
    "decimals count as they are written": (
        10,
        {"a": 0.3, "b": 0.6, "c": 0.1},
        {"a": 3, "b": 6, "c": 1},
    ),
}


@pytest.mark.parametrize(("total", "weights", "parts"), REMAINDERS.values(), ids=REMAINDERS)
def test_whole_parts_by_largest_remainder(total, weights, parts):
    assert largest_remainder(total, weights) == parts


weights = st.dictionaries(
    st.text("abcdefgh", min_size=1, max_size=2),
    st.floats(1e-3, 1e6) | st.integers(1, 10**9).map(float),
    min_size=1,
    max_size=8,
)


@deterministic
@given(st.integers(1, 10**6), weights)
def test_the_parts_make_up_the_whole_and_none_is_a_full_update_off(total, shares):
    parts = largest_remainder(total, shares)
    assert sum(parts.values()) == total
    whole = sum(shares.values())
    assert all(abs(parts[name] - total * shares[name] / whole) < 1 + 1e-6 for name in shares)


@deterministic
@given(st.integers(1, 10**6), weights, st.randoms())
def test_the_parts_do_not_depend_on_the_order_of_the_tasks(total, shares, random):
    items = list(shares.items())
    random.shuffle(items)
    assert largest_remainder(total, dict(items)) == largest_remainder(total, shares)


# ha-slots has 1,000 English examples, cldr-names 4,000.
SHARES = {
    "uniform": ({"strategy": "uniform"}, {"ha-slots": 60, "cldr-names": 60}),
    "by size": ({"strategy": "proportional"}, {"ha-slots": 24, "cldr-names": 96}),
    "by size, up to a cap": (
        {"strategy": "proportional", "cap": 2000},
        {"ha-slots": 40, "cldr-names": 80},
    ),
    # 1000 ** .5 : 4000 ** .5 = 1 : 2
    "temperature 2": (
        {"strategy": "temperature", "temperature": 2.0},
        {"ha-slots": 40, "cldr-names": 80},
    ),
    "temperature 1 is by size": (
        {"strategy": "temperature", "temperature": 1.0},
        {"ha-slots": 24, "cldr-names": 96},
    ),
    # 1000 ** .5 : 1500 ** .5 = 1 : 1.22474, of 120: 53.94 and 66.06
    "temperature 2, up to a cap": (
        {"strategy": "temperature", "temperature": 2.0, "cap": 1500},
        {"ha-slots": 54, "cldr-names": 66},
    ),
    "a cap below every size is uniform": (
        {"strategy": "proportional", "cap": 7},
        {"ha-slots": 60, "cldr-names": 60},
    ),
    "by weight": (
        {"strategy": "weights", "weights": {"ha-slots": 3, "cldr-names": 1}},
        {"ha-slots": 90, "cldr-names": 30},
    ),
}


@pytest.mark.parametrize(("shares", "doses"), SHARES.values(), ids=SHARES)
def test_the_intermediate_budget_is_shared(lab, shares, doses):
    document = lab.golden()
    document["spec"]["budget"]["shares"] = shares
    ledger = {(row.schedule, row.task): row.updates for row in lab.plan_of(document).ledger}
    for arm in ("simultaneous", "sequential"):
        assert {task: ledger[arm, task] for task in doses} == doses


def test_a_weight_does_not_hang_on_the_last_bits_of_a_power(lab):
    shares = Shares(strategy="temperature", temperature=3.0)
    assert share_weights(shares, ["ha-slots", "cldr-names"], lab.tasks) == {
        "ha-slots": 10.0,  # 1000 ** (1 / 3) is 9.999999999999998 in floating point
        "cldr-names": 15.8740105197,
    }


SETS = {
    "English by default": ({}, 1000),
    "the languages named": ({"languages": ["de"]}, 100),
    "several languages together": ({"languages": ["en", "de"]}, 1100),
    "few shots of each language": ({"languages": ["en", "de"], "shots": 400}, 500),
    "more shots than there are": ({"shots": 5000}, 1000),
    "another split": ({"split": "dev"}, 200),
}


@pytest.mark.parametrize(("ref", "size"), SETS.values(), ids=SETS)
def test_a_phase_can_see_so_many_examples(lab, ref, size):
    assert (
        training_examples(lab.tasks["ha-slots"], TaskRef.parse({"task": "ha-slots"} | ref)) == size
    )


SPLITS = {
    # Phases, then the doses of each: A and B have 60 updates each, the target 60.
    "the target in two phases": (
        [[T], [A], [B], [T]],
        [{"T": 30}, {"A": 60}, {"B": 60}, {"T": 30}],
    ),
    "a task in three phases, equally": (
        [[A], [A, B], [A], [T]],
        [{"A": 20}, {"A": 20, "B": 60}, {"A": 20}, {"T": 60}],
    ),
    "a task in two phases, three to one": (
        [[A | {"share": 3.0}], [B], [A], [T]],
        [{"A": 45}, {"B": 60}, {"A": 15}, {"T": 60}],
    ),
    "the target beside replay": (
        [[A, B], [T, A | {"share": 0.5}]],
        [{"A": 40, "B": 60}, {"T": 60, "A": 20}],
    ),
    # 60 by weights 1, 1, 5: quotas 8.57, 8.57, 42.86; floors leave two: 42.86 first, then phase 0
    "a tie goes to the earlier phase": (
        [[A], [A], [A | {"share": 5.0}], [B], [T]],
        [{"A": 9}, {"A": 8}, {"A": 43}, {"B": 60}, {"T": 60}],
    ),
}
NAMES = {"T": "ha-intent", "A": "ha-slots", "B": "cldr-names"}


@pytest.mark.parametrize(("phases", "doses"), SPLITS.values(), ids=SPLITS)
def test_a_dose_is_split_among_its_phases(lab, phases, doses):
    document = lab.arms(*({"tasks": tasks} for tasks in phases))
    spec = ExperimentSpec.parse(document).spec
    expected = tuple({NAMES[letter]: count for letter, count in each.items()} for each in doses)
    assert schedule_doses(spec, spec.schedules[0], "ha-intent", lab.tasks) == expected


def doses_of(lab, document, name, target="ha-intent"):
    spec = ExperimentSpec.parse(document).spec
    schedule = next(each for each in spec.schedules if each.name == name)
    return schedule_doses(spec, schedule, target, lab.tasks)


def with_control(lab, *phases):
    document = lab.golden()
    document["spec"]["schedules"].append(
        {"name": "extra", "role": "control", "phases": list(phases)}
    )
    return document


CONTROLS = {
    "has the arms' doses of the tasks it has": (
        [{"tasks": [A]}, {"tasks": [T]}],
        ({"ha-slots": 60}, {"ha-intent": 60}),
    ),
    "has what its own updates say": (
        [{"tasks": [A], "updates": 7}, {"tasks": [T], "updates": 9}],
        ({"ha-slots": 7}, {"ha-intent": 9}),
    ),
    "splits its own updates as the doses are": (
        [{"tasks": [A | {"share": 2.0}, B], "updates": 90}, {"tasks": [A]}, {"tasks": [T]}],
        # planned 40 and 60 in the first phase: 90 by 2 to 3
        ({"ha-slots": 36, "cldr-names": 54}, {"ha-slots": 20}, {"ha-intent": 60}),
    ),
    "may train what no arm does, if it says how long": (
        [{"tasks": [{"task": "mlm"}], "updates": 11}, {"tasks": [T]}],
        ({"mlm": 11}, {"ha-intent": 60}),
    ),
    "shares equally where a task of the phase has no dose": (
        [{"tasks": [{"task": "mlm"}, A], "updates": 11}, {"tasks": [T]}],
        ({"mlm": 5, "ha-slots": 6}, {"ha-intent": 60}),
    ),
}


@pytest.mark.parametrize(("phases", "doses"), CONTROLS.values(), ids=CONTROLS)
def test_a_control(lab, phases, doses):
    assert doses_of(lab, with_control(lab, *phases), "extra") == doses


def test_mixing_divides_a_phase_of_its_own(lab):
    document = lab.arms(
        {"tasks": [A, B], "mixing": {"strategy": "proportional"}},
        {"tasks": [T, A], "mixing": {"strategy": "uniform"}, "updates": 10},
    )
    document["spec"]["budget"]["match"] = "none"
    # A's 60 updates are split over its two phases; the first phase has 30 + 60 of 1 : 4
    assert doses_of(lab, document, "arm") == (
        {"ha-slots": 18, "cldr-names": 72},
        {"ha-intent": 5, "ha-slots": 5},
    )


def test_a_task_that_is_left_out_for_a_target_keeps_its_dose_for_the_others(lab):
    document = lab.arms(
        {"tasks": [A | {"exceptFor": ["ha-intent"]}]}, {"tasks": [B]}, {"tasks": [T]}
    )
    document["spec"]["targets"].append({"task": "other-intent"})
    assert doses_of(lab, document, "arm") == ({}, {"cldr-names": 60}, {"ha-intent": 60})
    assert doses_of(lab, document, "arm", "other-intent") == (
        {"ha-slots": 60},
        {"cldr-names": 60},
        {"other-intent": 60},
    )


def test_under_matched_updates_each_arm_spends_the_whole_budget(lab):
    document = lab.golden()
    document["spec"]["budget"]["match"] = "updates"
    document["spec"]["schedules"][2]["phases"][0]["tasks"] = [A]
    assert doses_of(lab, document, "simultaneous") == ({"ha-slots": 120}, {"ha-intent": 60})
    assert lab.plan_of(document)


NO_DOSE = {
    "no intermediate budget": (lambda spec: spec["budget"].pop("intermediate"), 2, 0, "ha-slots"),
    "a budget smaller than its tasks": (
        lambda spec: spec["budget"].update(intermediate=1),
        2,
        0,
        "ha-slots",
    ),
    "a control's task that no arm trains": (
        lambda spec: spec["schedules"][1].update(
            phases=[{"tasks": [{"task": "mlm"}]}, {"tasks": [T]}]
        ),
        1,
        0,
        "mlm",
    ),
}


@pytest.mark.parametrize(("change", "schedule", "phase", "task"), NO_DOSE.values(), ids=NO_DOSE)
def test_a_task_without_an_update_is_refused(lab, change, schedule, phase, task):
    document = lab.golden()
    change(document["spec"])
    with pytest.raises(SpecError) as caught:
        lab.plan_of(document)
    found = [(problem.path, problem.value) for problem in caught.value.problems]
    assert (f"spec.schedules[{schedule}].phases[{phase}]", task) in found


UNEQUAL = {
    "another dose": (
        lambda arm: arm["phases"][0].update(updates=100),
        "exposure",
        r"\(cldr-names 1600, ha-intent 1920, ha-slots 1600\) differ from simultaneous's",
    ),
    "a task less": (
        lambda arm: arm["phases"][0].update(tasks=[A]),
        "exposure",
        r"\(ha-intent 1920, ha-slots 1920\) differ from simultaneous's",
    ),
    "another batch": (
        lambda arm: arm["phases"][0].update(training={"batchSize": 64}),
        "exposure",
        "ha-slots 3840",
    ),
    "other data": (
        lambda arm: arm["phases"][0].update(tasks=[A | {"shots": 10}, B]),
        "exposure",
        r"training data .*ha-slots shots 10",
    ),
    "other languages": (
        lambda arm: arm["phases"][0].update(tasks=[A | {"languages": ["en", "de"]}, B]),
        "exposure",
        r"ha-slots languages \['en', 'de'\]",
    ),
    "another number of updates": (
        lambda arm: arm["phases"][0].update(updates=100),
        "updates",
        "160 updates differ from simultaneous's 180",
    ),
}


def with_another_arm(lab, change, match):
    document = lab.golden()
    arm = {"name": "third", "phases": [{"tasks": [A, B]}, {"tasks": [T]}]}
    change(arm)
    document["spec"]["schedules"].append(arm)
    document["spec"]["budget"]["match"] = match
    return document


@pytest.mark.parametrize(("change", "match", "words"), UNEQUAL.values(), ids=UNEQUAL)
def test_an_arm_that_differs_is_refused_where_arms_are_matched(lab, change, match, words):
    with pytest.raises(SpecError, match=words) as caught:
        lab.plan_of(with_another_arm(lab, change, match))
    assert [(each.path, each.value) for each in caught.value.problems] == [
        ("spec.schedules[4]", "third")
    ]


@pytest.mark.parametrize(("change", "match", "words"), UNEQUAL.values(), ids=UNEQUAL)
def test_an_arm_may_differ_where_nothing_is_matched(lab, change, match, words):  # noqa: ARG001
    assert lab.plan_of(with_another_arm(lab, change, "none"))


@pytest.mark.parametrize(("change", "match", "words"), UNEQUAL.values(), ids=UNEQUAL)
def test_a_control_may_differ(lab, change, match, words):  # noqa: ARG001
    document = with_another_arm(lab, change, match)
    document["spec"]["schedules"][4]["role"] = "control"
    assert lab.plan_of(document)


def test_arms_are_matched_for_every_target(lab):
    def for_one_target_only(arm):
        arm["phases"][0].update(tasks=[A, B | {"exceptFor": ["other-intent"]}])

    document = with_another_arm(lab, for_one_target_only, "exposure")
    assert lab.plan_of(document)
    document["spec"]["targets"].append({"task": "other-intent"})
    with pytest.raises(SpecError, match="other-intent") as caught:
        lab.plan_of(document)
    assert {each.path for each in caught.value.problems} == {"spec.schedules[4]"}
