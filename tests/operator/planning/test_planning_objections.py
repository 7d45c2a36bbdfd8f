"""Every objection is raised by a spec that deserves it and by none that answers it."""

import inspect

import pytest
from xlbench_operator.planning import objections
from xlbench_specs.encoders import BUILTIN_ENCODERS
from xlbench_specs.languages import GROUPS

T, A, B = {"task": "$target"}, {"task": "ha-slots"}, {"task": "cldr-names"}


def warnings_of(lab, change, **options):
    document = lab.golden(seeds=6)
    change(document["spec"])
    return {warning.code: warning for warning in lab.plan_of(document, **options).warnings}


def nothing(_):
    return None


def listed(spec):
    spec["schedules"][3]["orders"] = {"mode": "listed"}


def without(position):
    def change(spec):
        del spec["schedules"][position]

    return change


def short_control(spec):
    spec["schedules"][1]["phases"][0]["updates"] = 179


def mixed_control(spec):
    for position in (0, 1):
        spec["schedules"][position]["phases"] = [{"tasks": [T, A]}]


def seeds(count):
    return lambda spec: spec.update(seeds=list(range(count)))


def match(value):
    return lambda spec: spec["budget"].update(match=value)


def spanning(spec):
    spec["training"] = {"lrSchedule": "intermediate"}


def contaminated_target(spec):
    spec["targets"] = [{"task": "ha-intent"}, {"task": "like-slots"}]


def contaminated_target_alone(spec):
    spec["targets"] = [{"task": "like-slots"}]


def clean_target(spec):
    contaminated_target(spec)
    for schedule in spec["schedules"]:
        for phase in schedule["phases"]:
            phase["tasks"] = [
                task | {"exceptFor": ["like-slots"]} if task["task"] == "ha-slots" else task
                for task in phase["tasks"]
            ]


def some_absent(spec):
    spec["targets"] = [{"task": "ha-intent"}, {"task": "other-intent"}]


def endpoint(group):
    return lambda spec: spec.update(analysis={"endpoint": {"group": group}})


def singles(*tasks):
    def change(spec):
        for task in tasks:
            phases = [{"tasks": [{"task": task}]}, {"tasks": [T]}]
            spec["schedules"].append({"name": f"only-{task}", "role": "control", "phases": phases})

    return change


def one_intermediate(spec):
    for schedule in spec["schedules"][2:]:
        schedule["phases"] = [{"tasks": [A]}, {"tasks": [T]}]


def no_intermediates(spec):
    spec["schedules"] = [{"name": "arm", "phases": [{"tasks": [T]}]}]
    del spec["budget"]["intermediate"]


def arms(*phases, orders=("listed", "listed")):
    def change(spec):
        each = zip(("one", "two"), phases, orders, strict=True)
        spec["schedules"] = [
            {"name": name, "phases": listed, "orders": {"mode": mode}}
            for name, listed, mode in each
        ]

    return change


JOINT = [{"tasks": [A, B]}, {"tasks": [T]}]
CHAIN = [{"tasks": [A]}, {"tasks": [B]}, {"tasks": [T]}]
LEFT_OUT = [{"tasks": [A]}, {"tasks": [B], "name": "b"}, {"tasks": [T]}]


CASES = {
    # what is done to the golden spec with six seeds, the code raised or not
    "the golden spec has warm-ups that differ": (nothing, "several-warmups", True),
    "one learning-rate schedule for all": (spanning, "several-warmups", False),
    "arms of equally many phases": (without(3), "several-warmups", False),
    "two seeds": (seeds(2), "few-seeds", True),
    "four seeds": (seeds(4), "few-seeds", True),
    "five seeds": (seeds(5), "few-seeds", False),
    "three seeds and two orders": (seeds(3), "unbalanced-orders", True),
    "six seeds and two orders": (seeds(6), "unbalanced-orders", False),
    "three seeds in the listed order": (
        lambda spec: (seeds(3)(spec), listed(spec)),
        "unbalanced-orders",
        False,
    ),
    "the listed order only": (listed, "single-order", True),
    "an order per seed": (nothing, "single-order", False),
    "no control": (
        lambda spec: (without(0)(spec), without(0)(spec)),
        "no-target-only-control",
        True,
    ),
    "controls that train more than the target": (mixed_control, "no-target-only-control", True),
    "both controls": (nothing, "no-target-only-control", False),
    "no long control": (without(1), "no-long-control", True),
    "a long control that is an update too short": (short_control, "no-long-control", True),
    "a long control": (nothing, "no-long-control", False),
    "no intermediates, no controls": (no_intermediates, "no-target-only-control", False),
    "two intermediates, no control with one": (nothing, "no-single-control", True),
    "a control with one of two": (singles("ha-slots"), "no-single-control", True),
    "a control with each": (singles("ha-slots", "cldr-names"), "no-single-control", False),
    "one intermediate": (one_intermediate, "no-single-control", False),
    "nothing matched": (match("none"), "unmatched-budget", True),
    "updates matched": (match("updates"), "unequal-exposure", True),
    "exposure matched": (match("exposure"), "unmatched-budget", False),
    "a target of an intermediate's source": (contaminated_target, "shared-train-source", True),
    "the same, left out for that target": (clean_target, "shared-train-source", False),
    "only targets of an intermediate's source": (contaminated_target_alone, "empty-endpoint", True),
    "one target of an intermediate's source": (contaminated_target, "empty-endpoint", False),
    "a language that a target lacks": (some_absent, "absent-cells", True),
    "languages that all targets have": (nothing, "absent-cells", False),
    "two arms of the same phases": (arms(JOINT, JOINT), "same-arms", True),
    "the same but for a phase's name": (arms(CHAIN, LEFT_OUT), "same-arms", True),
    "the same but for the order in a phase": (
        arms(JOINT, [{"tasks": [B, A]}, {"tasks": [T]}]),
        "same-arms",
        True,
    ),
    "the same phases in other orders": (
        arms(CHAIN, CHAIN, orders=("listed", "per-seed")),
        "same-arms",
        False,
    ),
    "the same tasks in other phases": (arms(JOINT, CHAIN), "same-arms", False),
    "one arm": (no_intermediates, "same-arms", False),
    "an endpoint group with languages that are not tested": (
        endpoint("low-resource"),
        "endpoint-not-covered",
        True,
    ),
    "no endpoint group": (nothing, "endpoint-not-covered", False),
}


@pytest.mark.parametrize(("change", "code", "raised"), CASES.values(), ids=CASES)
def test_whether_a_reviewer_would_object_to(lab, change, code, raised):
    assert (code in warnings_of(lab, change)) is raised


def test_an_encoder_that_has_seen_the_tasks_text_is_named(lab, monkeypatch):
    seen = BUILTIN_ENCODERS["random-tiny"].model_copy(update={"seen_tasks": ("block-b",)})
    monkeypatch.setattr(objections, "BUILTIN_ENCODERS", {"random-tiny": seen})

    def change(spec):
        spec["encoders"].append({"name": "tiny", "model": "builtin/random-tiny"})

    warning = warnings_of(lab, change)["contaminated-encoder"]
    assert warning.path == "spec.encoders[1].model"
    assert warning.message.endswith("ha-intent")
    assert "contaminated-encoder" not in warnings_of(lab, nothing)


def test_an_encoder_that_has_seen_a_probes_text_is_named_too(lab, monkeypatch):
    seen = BUILTIN_ENCODERS["random-tiny"].model_copy(update={"seen_tasks": ("django",)})
    monkeypatch.setattr(objections, "BUILTIN_ENCODERS", {"random-tiny": seen})

    def change(spec):
        spec["encoders"] = [{"name": "tiny", "model": "builtin/random-tiny"}]
        spec["probes"] = ["django-messages"]

    assert "django-messages" in warnings_of(lab, change)["contaminated-encoder"].message


def test_every_objection_has_a_case_that_raises_it():
    source = inspect.getsource(objections)
    codes = {line.split('"')[1] for line in source.splitlines() if line.strip().startswith("code=")}
    raised = {code for _, code, raises in CASES.values() if raises} | {"contaminated-encoder"}
    assert raised == codes


def test_an_objection_names_the_field_and_what_would_answer_it(lab):
    warning = warnings_of(lab, contaminated_target)["shared-train-source"]
    assert warning.path == "spec.targets[1].task"
    assert "ha-slots" in warning.message
    assert "exceptFor: [like-slots]" in warning.message


def test_orders_are_counted_for_each_target(lab):
    # like-slots is trained without ha-slots: one order, which divides any number of seeds
    def change(spec):
        clean_target(spec)
        spec["seeds"] = [1, 2, 3]

    assert "2 orders do not divide 3 seeds" in warnings_of(lab, change)["unbalanced-orders"].message


def test_languages_of_an_endpoint_that_no_score_has_are_named(lab):
    warning = warnings_of(lab, endpoint("low-resource"))["endpoint-not-covered"]
    assert warning.path == "spec.analysis.endpoint.group"
    missing = set(GROUPS["low-resource"].languages) - set(lab.codes[:16])
    assert set(warning.message.split(": ")[1].split(", ")) == missing
