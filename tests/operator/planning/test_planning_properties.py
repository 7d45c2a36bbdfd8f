"""What holds for any spec, not only for the golden one; derandomised, so that CI cannot flake."""

import copy
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

deterministic = settings(derandomize=True, deadline=None, max_examples=40)

INTERMEDIATES = ("ha-slots", "cldr-names", "mlm", "like-slots")
TARGET = {"task": "$target"}


@st.composite
def arms(draw, names, tasks):
    """A schedule that trains all the tasks, each in one to three phases, then the target."""
    phases = [[] for _ in range(draw(st.integers(1, 4)))]
    for task in tasks:
        places = draw(
            st.lists(st.integers(0, len(phases) - 1), min_size=1, max_size=3, unique=True)
        )
        for place in places:
            phases[place].append({"task": task, "share": draw(st.sampled_from([1.0, 2.0, 0.5]))})
    kept = [{"tasks": phase} for phase in phases if phase]
    modes = ["listed", "per-seed"] if len(kept) > 1 else ["listed"]
    mode = draw(st.sampled_from(modes))
    role = draw(st.sampled_from(["arm", "arm", "control"])) if names else "arm"
    return {
        "name": f"schedule-{names}",
        "role": role,
        "orders": {"mode": mode},
        "phases": [
            *kept,
            {"tasks": [TARGET], "batches": draw(st.sampled_from(["homogeneous", "mixed"]))},
        ],
    }


@st.composite
def documents(draw, lab):
    """A spec that means a plan."""
    tasks = draw(st.lists(st.sampled_from(INTERMEDIATES), min_size=1, unique=True))
    document = lab.golden(seeds=draw(st.integers(1, 3)), languages=draw(st.integers(1, 6)))
    spec = document["spec"]
    count = draw(st.integers(1, 3))
    spec["schedules"] = [draw(arms(number, tasks)) for number in range(count)]
    targets = draw(st.sampled_from([["ha-intent"], ["ha-intent", "other-intent"]]))
    spec["targets"] = [{"task": target} for target in targets]
    strategy = draw(st.sampled_from(["uniform", "proportional", "temperature"]))
    shares = {"strategy": strategy} | ({"temperature": 2.0} if strategy == "temperature" else {})
    spec["budget"] = {"intermediate": draw(st.integers(200, 2000)), "target": 60, "shares": shares}
    spec["training"] = {
        "lrSchedule": draw(st.sampled_from(["per-phase", "intermediate"])),
        "learningRate": draw(st.sampled_from([2e-5, 1e-4])),
    }
    spec["probes"] = draw(st.sampled_from([[], ["django-messages"]]))
    spec["baselines"] = draw(st.sampled_from([[], ["frozen-probe", "random-encoder"]]))
    spec["execution"] = {"packing": draw(st.sampled_from(["language", "model"]))}
    return document


def shuffled(value, random):
    """The same plain data, its maps filled in another order."""
    if isinstance(value, dict):
        items = [(key, shuffled(item, random)) for key, item in value.items()]
        random.shuffle(items)
        return dict(items)
    return [shuffled(item, random) for item in value] if isinstance(value, list) else value


def below(plan, chosen):
    """Keys of the chosen stages and of all that depend on them, in plan order."""
    found = set()
    for key, stage in plan.stages.items():
        if chosen(stage) or found.intersection(stage.inputs.values()):
            found.add(key)
    return found


@deterministic
@given(st.data(), st.randoms())
def test_the_order_of_maps_is_in_no_key(lab, data, random):
    document = data.draw(documents(lab))
    one, other = lab.plan_of(document), lab.plan_of(shuffled(document, random))
    assert list(one.stages) == list(other.stages)
    assert one.uid == other.uid
    assert one.text() == other.text()


@deterministic
@given(st.data())
def test_every_input_is_a_stage_that_comes_before(lab, data):
    plan = lab.plan_of(data.draw(documents(lab)))
    seen = set()
    for key, stage in plan.stages.items():
        assert seen.issuperset(stage.inputs.values())
        assert key == stage.key
        seen.add(key)
    named = {key for model in plan.models for key in model.train}
    named |= {each.key for scored in (*plan.models, *plan.probes) for each in scored.evaluations}
    assert named <= seen
    used = {key for stage in plan.stages.values() for key in stage.inputs.values()}
    assert seen == named | used


@deterministic
@given(st.data())
def test_every_stage_is_in_one_bundle_and_no_bundle_waits_for_itself(lab, data):
    plan = lab.plan_of(data.draw(documents(lab)))
    carried = Counter(key for bundle in plan.bundles for key in bundle.stages)
    assert carried == dict.fromkeys(plan.stages, 1)
    assert len({bundle.name for bundle in plan.bundles}) == len(plan.bundles)
    for bundle in plan.bundles:
        assert {plan.stages[key].kind for key in bundle.stages} == {bundle.kind}


@deterministic
@given(st.data())
def test_no_two_stages_write_one_product(lab, data):
    plan = lab.plan_of(data.draw(documents(lab)))
    identities = Counter(
        (stage.params.model_dump_json(), tuple(sorted(stage.inputs.items())))
        for stage in plan.stages.values()
    )
    assert set(identities.values()) == {1}
    scores = Counter(
        (
            model.encoder,
            model.schedule,
            model.target,
            model.seed,
            model.chain,
            each.task,
            each.language,
        )
        for model in plan.models
        for each in model.evaluations
    )
    assert set(scores.values()) == {1}


@deterministic
@given(st.data())
def test_adding_a_language_adds_keys_and_changes_none(lab, data):
    document = data.draw(documents(lab))
    more = copy.deepcopy(document)
    more["spec"]["languages"]["codes"].append(lab.codes[7])
    before, after = lab.plan_of(document), lab.plan_of(more)
    assert before.stages.items() <= after.stages.items()
    added = [stage.kind for key, stage in after.stages.items() if key not in before.stages]
    assert set(added) == {"prepare", "evaluate"}


@deterministic
@given(st.data())
def test_arms_matched_by_exposure_have_equal_ledgers(lab, data):
    plan = lab.plan_of(data.draw(documents(lab)))
    ledgers = {}
    for row in plan.ledger:
        if row.role == "arm":
            seen = ledgers.setdefault((row.target, row.schedule), {})
            seen[row.task] = (row.updates, row.examples, row.unique_examples, row.tokens)
    for target in {target for target, _ in ledgers}:
        mine = [ledger for (each, _), ledger in ledgers.items() if each == target]
        assert all(ledger == mine[0] for ledger in mine)


@deterministic
@given(st.data())
def test_what_a_chain_trains_is_what_its_ledger_says(lab, data):
    plan = lab.plan_of(data.draw(documents(lab)))
    rows = {(row.schedule, row.target, row.task): row.updates for row in plan.ledger}
    for model in plan.models:
        trained = Counter()
        for key in model.train:
            for task, dose in plan.stages[key].params.tasks.items():
                trained[task] += dose.updates
        expected = {
            task: updates
            for (schedule, target, task), updates in rows.items()
            if (schedule, target) == (model.schedule, model.target)
        }
        assert trained == expected


def of_kind(*kinds):
    return lambda stage, _: stage.kind in kinds


# What is changed in a spec or in the task table, and the stages that hold it themselves.
CHANGES = {
    "the revision of a task's data": (
        lambda _, tasks: tasks.update(
            {"ha-intent": tasks["ha-intent"].model_copy(update={"revision": "another"})}
        ),
        lambda stage, _: stage.kind == "prepare" and stage.params.task == "ha-intent",
    ),
    "the encoder's revision": (
        lambda spec, _: spec["encoders"][0].update(revision="f" * 40),
        lambda stage, _: stage.kind == "encoder" and stage.params.model != "builtin/random-tiny",
    ),
    "the learning rate": (
        lambda spec, _: spec["training"].update(learningRate=3e-5),
        # The frozen probe has one of its own.
        lambda stage, _: stage.kind == "train" and stage.params.learning_rate < 1e-3,
    ),
    "the target's dose": (
        lambda spec, _: spec["budget"].update(target=61),
        lambda stage, spec: (
            stage.kind == "train"
            and any(target["task"] in stage.params.tasks for target in spec["targets"])
        ),
    ),
    "the last seed": (
        lambda spec, _: spec["seeds"].__setitem__(-1, 99),
        lambda stage, spec: stage.kind == "train" and stage.params.seed == spec["seeds"][-1],
    ),
    "the longest input": (
        lambda spec, _: spec["training"].update(maxLength=64),
        of_kind("prepare"),
    ),
    "the precision": (
        lambda spec, _: spec["training"].update(precision="bf16"),
        of_kind("train", "evaluate"),
    ),
    "the threads": (
        lambda spec, _: spec["training"].update(threads=2),
        of_kind("train", "evaluate"),
    ),
    "the salt": (
        lambda spec, _: spec.update(reuse="never"),
        of_kind("prepare", "train", "evaluate"),
    ),
}


@pytest.mark.parametrize(("change", "holds"), CHANGES.values(), ids=CHANGES)
@deterministic
@given(data=st.data())
def test_exactly_the_keys_downstream_change_with(lab, change, holds, data):
    document = data.draw(documents(lab))
    changed, tasks = copy.deepcopy(document), dict(lab.tasks)
    change(changed["spec"], tasks)
    before, after = lab.plan_of(document), lab.plan_of(changed, tasks=tasks)
    gone = set(before.stages) - set(after.stages)
    assert gone == below(before, lambda stage: holds(stage, document["spec"]))
    assert len(after.stages) == len(before.stages)
