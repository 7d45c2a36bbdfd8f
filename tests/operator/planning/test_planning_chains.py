"""How a schedule becomes train stages: what starts from what, on which data, sharing what."""

import pytest
from xlbench_specs.experiment import Trainable, Training

T, A, B, M = ({"task": name} for name in ("$target", "ha-slots", "cldr-names", "mlm"))


def chain_of(plan, schedule="arm", seed=1, target="ha-intent"):
    """The train stages of a model, first to last."""
    (model,) = (
        model
        for model in plan.models
        if (model.schedule, model.seed, model.target, model.chain) == (schedule, seed, target, 0)
    )
    return [plan.stages[key] for key in model.train]


def phases(*tasks):
    return [{"tasks": each} for each in tasks]


def inputs_by_role(plan, stage):
    """Role to (task, split, language) of the data that a stage reads."""
    params = {role: plan.stages[key].params for role, key in stage.inputs.items() if role != "init"}
    return {role: (each.task, each.split, each.language) for role, each in params.items()}


def test_each_phase_starts_from_the_one_before_and_the_first_from_the_encoder(lab):
    plan = lab.plan_of(lab.arms(*phases([A], [B], [T])))
    first, second, third = chain_of(plan)
    (encoder,) = plan.stages_of("encoder")
    assert [first.inputs["init"], second.inputs["init"], third.inputs["init"]] == [
        encoder,
        first.key,
        second.key,
    ]


def test_a_phase_reads_its_training_sets_and_the_dev_sets_of_all_tasks_so_far(lab):
    plan = lab.plan_of(lab.arms(*phases([A], [M], [T])))
    seen = [inputs_by_role(plan, stage) for stage in chain_of(plan)]
    slots = {"dev/ha-slots": ("ha-slots", "dev", "en")}
    assert seen == [
        {"train/ha-slots": ("ha-slots", "train", "en")} | slots,
        {"train/mlm": ("mlm", "train", "en")} | slots,
        {"train/ha-intent": ("ha-intent", "train", "en")}
        | slots
        | {"dev/ha-intent": ("ha-intent", "dev", "en")},
    ]


LANGUAGES = {
    "none named": ({}, {"train/ha-slots"}),
    "English named": ({"languages": ["en"]}, {"train/ha-slots"}),
    "another": ({"languages": ["de"]}, {"train/ha-slots/de"}),
    "two": ({"languages": ["en", "de"]}, {"train/ha-slots/en", "train/ha-slots/de"}),
}


@pytest.mark.parametrize(("ref", "roles"), LANGUAGES.values(), ids=LANGUAGES)
def test_the_roles_of_training_data_with_languages(lab, ref, roles):
    stage = chain_of(lab.plan_of(lab.arms(*phases([A | ref], [T]))))[0]
    assert {role for role in stage.inputs if role.startswith("train/")} == roles


def test_naming_the_default_changes_no_key(lab):
    said = lab.arms(
        {"tasks": [A | {"languages": ["en"], "split": "train", "lossWeight": 1, "share": 1}]},
        {"tasks": [T], "from": "first", "optimizer": "reset", "batches": "homogeneous"},
    )
    said["spec"]["schedules"][0]["phases"][0]["name"] = "first"
    plain = lab.plan_of(lab.arms(*phases([A], [T])))
    assert lab.plan_of(said).stages == plain.stages


REFS = {
    "shots": {"shots": 10},
    "another split": {"split": "dev"},
    "another language": {"languages": ["de"]},
    "a view": {"view": "mirrored"},
    "a loss weight": {"lossWeight": 2.0},
}


@pytest.mark.parametrize("ref", REFS.values(), ids=REFS)
def test_another_key_comes_of(lab, ref):
    plain = chain_of(lab.plan_of(lab.arms(*phases([A], [T]))))
    changed = chain_of(lab.plan_of(lab.arms(*phases([A | ref], [T]))))
    assert all(one.key != other.key for one, other in zip(plain, changed, strict=True))


def test_the_order_of_tasks_in_a_phase_is_in_no_key(lab):
    one = lab.plan_of(lab.arms(*phases([A, B], [T])))
    other = lab.plan_of(lab.arms(*phases([B, A], [T])))
    assert one.stages == other.stages


def test_a_task_counts_its_occurrences_in_the_order_it_is_run(lab):
    plan = lab.plan_of(lab.arms(*phases([A], [A, T], [A], [T])))
    doses = [stage.params.tasks for stage in chain_of(plan)]
    assert [each["ha-slots"].occurrence for each in doses[:3]] == [0, 1, 2]
    assert [doses[1]["ha-intent"].occurrence, doses[3]["ha-intent"].occurrence] == [0, 1]


def test_a_phase_trains_as_the_spec_says_but_for_its_own_words(lab):
    own = {
        "training": {
            "learningRate": 1e-3,
            "batchSize": 4,
            "warmup": 0.5,
            "weightDecay": 0.1,
            "clip": 2,
        },
        "trainable": {"lowestLayer": 6, "embeddings": False},
        "batches": "mixed",
    }
    document = lab.arms({"tasks": [A, B]} | own, {"tasks": [T]})
    document["spec"]["training"] = {"learningRate": 1e-4, "precision": "bf16", "threads": 2}
    first, last = (stage.params for stage in chain_of(lab.plan_of(document)))
    assert (first.learning_rate, first.batch_size, first.warmup) == (1e-3, 4, 0.5)
    assert (first.weight_decay, first.clip, first.batches) == (0.1, 2.0, "mixed")
    assert first.trainable == Trainable(lowest_layer=6, embeddings=False)
    assert (last.learning_rate, last.batch_size, last.batches) == (1e-4, 32, "homogeneous")
    assert last.trainable == Trainable()
    assert {(each.precision, each.threads) for each in (first, last)} == {("bf16", 2)}


SETTINGS = {
    # field of spec.training, another value than its default, field of the stage
    "batchSize": (8, "batch_size"),
    "learningRate": (1e-3, "learning_rate"),
    "warmup": (0.5, "warmup"),
    "weightDecay": (0.1, "weight_decay"),
    "clip": (2.0, "clip"),
    "checkpoint": ("best-english-dev", "checkpoint"),
    "precision": ("bf16", "precision"),
    "tf32": (True, "tf32"),
    "threads": (2, "threads"),
}


@pytest.mark.parametrize("field", SETTINGS)
def test_a_training_setting_is_that_of_every_phase_and_in_its_key(lab, field):
    value, name = SETTINGS[field]
    document = lab.arms(*phases([A], [T]))
    plain = chain_of(lab.plan_of(document))
    document["spec"]["training"] = {field: value}
    changed = chain_of(lab.plan_of(document))
    assert [getattr(stage.params, name) for stage in changed] == [value, value]
    assert all(one.key != other.key for one, other in zip(plain, changed, strict=True))


def test_every_training_setting_has_its_case():
    # The others are not copied as they are: into prepared sets, across phases, phase by phase.
    elsewhere = {"max_length", "lr_schedule", "trainable"}
    assert {name for _, name in SETTINGS.values()} == set(Training.model_fields) - elsewhere


SHARED = {
    # schedule, and how many of its phases it shares with A, B, target
    "the same": ([[A], [B], [T]], 3),
    "another last phase": ([[A], [B], [T, M]], 2),
    "a first phase alone": ([[A], [T]], 1),
    "another order": ([[B], [A], [T]], 0),
    "both at once": ([[A, B], [T]], 0),
}


@pytest.mark.parametrize(("tasks", "shared"), SHARED.values(), ids=SHARED)
def test_schedules_share_the_training_of_the_phases_they_begin_with(lab, tasks, shared):
    document = lab.arms(*phases([A], [B], [T]))
    document["spec"]["schedules"].append(
        {"name": "control", "role": "control", "phases": phases(*tasks)}
    )
    if [T, M] in tasks:
        document["spec"]["schedules"][1]["phases"][2]["updates"] = 60
    plan = lab.plan_of(document)
    one, other = ([stage.key for stage in chain_of(plan, name)] for name in ("arm", "control"))
    assert [a == b for a, b in zip(one, other, strict=False)].count(True) == shared


def test_targets_share_intermediate_training_and_nothing_after(lab):
    document = lab.arms(
        *phases([A], [T]), targets=[{"task": "ha-intent"}, {"task": "other-intent"}]
    )
    plan = lab.plan_of(document)
    one = chain_of(plan, target="ha-intent")
    other = chain_of(plan, target="other-intent")
    assert one[0].key == other[0].key
    assert one[1].key != other[1].key


def test_a_phase_left_without_tasks_for_a_target_is_passed_over(lab):
    targets = [{"task": "ha-intent"}, {"task": "other-intent"}]
    skipped = [A | {"exceptFor": ["ha-intent"]}]
    plan = lab.plan_of(lab.arms(*phases(skipped, [B], [T]), targets=targets))
    models = {(model.target, model.seed): model.order for model in plan.models}
    assert models["ha-intent", 1] == [["cldr-names"], ["ha-intent"]]
    assert models["other-intent", 1] == [["ha-slots"], ["cldr-names"], ["other-intent"]]
    (encoder,) = plan.stages_of("encoder")
    assert chain_of(plan)[0].inputs["init"] == encoder


def test_a_target_may_be_trained_explicitly_for_the_other_targets(lab):
    targets = [{"task": "ha-intent"}, {"task": "other-intent"}]
    tasks = [A, {"task": "other-intent", "exceptFor": ["other-intent"]}]
    plan = lab.plan_of(lab.arms(*phases(tasks, [T]), targets=targets))
    orders = {model.target: model.order for model in plan.models}
    assert orders["ha-intent"] == [["ha-slots", "other-intent"], ["ha-intent"]]
    assert orders["other-intent"] == [["ha-slots"], ["other-intent"]]


def ties(plan, **which):
    """Optimiser at the start, whether it is kept, and the place in the learning-rate schedule."""
    return [
        (
            each.params.optimizer,
            each.params.keep_optimizer,
            each.params.first_update,
            each.params.total_updates,
        )
        for each in chain_of(plan, **which)
    ]


def test_each_phase_is_its_own_optimiser_run_by_default(lab):
    assert set(ties(lab.plan_of(lab.arms(*phases([A], [B], [T]))))) == {("reset", None, None, None)}


def test_a_phase_that_carries_makes_the_one_before_keep_its_optimiser(lab):
    document = lab.arms({"tasks": [A]}, {"tasks": [B], "optimizer": "carry"}, {"tasks": [T]})
    assert ties(lab.plan_of(document)) == [
        ("reset", True, None, None),
        ("carry", None, None, None),
        ("reset", None, None, None),
    ]


def test_one_learning_rate_schedule_may_span_the_intermediate_phases(lab):
    document = lab.arms(*phases([A], [B], [A], [T]), training={"lrSchedule": "intermediate"})
    assert ties(lab.plan_of(document)) == [
        ("reset", True, 0, 120),
        ("carry", True, 30, 120),
        ("carry", None, 90, 120),
        ("reset", None, None, None),
    ]


def test_a_spanning_schedule_follows_the_order_that_is_run(lab):
    document = lab.golden()
    document["spec"]["training"] = {"lrSchedule": "intermediate"}
    document["spec"]["budget"]["shares"] = {
        "strategy": "weights",
        "weights": {"ha-slots": 3, "cldr-names": 1},
    }
    plan = lab.plan_of(document)
    assert [each[2] for each in ties(plan, schedule="sequential", seed=1)] == [0, 90, None]
    assert [each[2] for each in ties(plan, schedule="sequential", seed=2)] == [0, 30, None]
    assert ties(plan, schedule="simultaneous")[0] == ("reset", None, 0, 120)


def test_a_spanning_schedule_begins_anew_after_a_target_phase(lab):
    document = lab.arms(*phases([T], [A], [B], [T]), training={"lrSchedule": "intermediate"})
    assert ties(lab.plan_of(document)) == [
        ("reset", None, None, None),
        ("reset", True, 0, 120),
        ("carry", None, 60, 120),
        ("reset", None, None, None),
    ]


def test_permutations_give_several_chains_a_seed(lab):
    document = lab.golden()
    document["spec"]["schedules"][3]["orders"] = {"mode": "permutations", "count": 2}
    models = [m for m in lab.plan_of(document).models if (m.schedule, m.seed) == ("sequential", 2)]
    assert [model.chain for model in models] == [0, 1]
    assert [model.order[0] for model in models] == [["ha-slots"], ["cldr-names"]]


def test_a_retrieval_target_may_stay_untrained(lab):
    document = lab.arms(
        *phases([A]), targets=[{"task": "django-messages"}], budget={"intermediate": 9, "target": 1}
    )
    document["spec"]["languages"] = {"all": True}
    plan = lab.plan_of(document)
    model = plan.models[0]
    assert model.order == [["ha-slots"]]
    stage = plan.stages[model.evaluations[0].key]
    assert (stage.params.head, stage.inputs["model"]) == (None, model.train[-1])


def test_a_retrieval_target_without_any_phase_left_is_scored_on_the_encoder(lab):
    tasks = [A | {"exceptFor": ["django-messages"]}]
    document = lab.arms(
        *phases(tasks), targets=[{"task": "django-messages"}], languages={"all": True}
    )
    plan = lab.plan_of(document)
    (encoder,) = plan.stages_of("encoder")
    assert plan.models[0].train == []
    assert {plan.stages[each.key].inputs["model"] for each in plan.models[0].evaluations} == {
        encoder
    }


ENCODERS = {
    "a hub model": (
        {"model": "FacebookAI/xlm-roberta-base", "revision": "e" * 40},
        ("FacebookAI/xlm-roberta-base", "e" * 40),
    ),
    "a folder, which is its content alone": (
        {"model": "/models/mine", "revision": "sha256:" + "0" * 64},
        ("folder", "sha256:" + "0" * 64),
    ),
    "a built-in one, pinned by the table": (
        {"model": "builtin/random-tiny"},
        ("builtin/random-tiny", "random-tiny-1"),
    ),
}


@pytest.mark.parametrize(("encoder", "identity"), ENCODERS.values(), ids=ENCODERS)
def test_the_identity_of_an_encoder(lab, encoder, identity):
    plan = lab.plan_of(lab.arms(*phases([T]), encoders=[{"name": "mine"} | encoder]))
    (stage,) = plan.stages_of("encoder").values()
    assert (stage.params.model, stage.params.revision) == identity


def test_what_an_encoder_is_called_is_in_no_key(lab):
    one, other = lab.golden(), lab.golden()
    other["spec"]["encoders"][0]["name"] = "renamed"
    assert lab.plan_of(one).stages == lab.plan_of(other).stages
