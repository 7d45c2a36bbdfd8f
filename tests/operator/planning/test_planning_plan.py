"""Cells, probes, baselines, endpoint, salts and bundles: all of a plan but its chains."""

from collections import Counter

import pytest
from xlbench_operator.planning.plan import local_uid
from xlbench_specs.documents import digest
from xlbench_specs.errors import SpecError
from xlbench_specs.experiment import ExperimentSpec
from xlbench_specs.languages import GROUPS

T, A, B = {"task": "$target"}, {"task": "ha-slots"}, {"task": "cldr-names"}


def golden(lab, **spec):
    document = lab.golden()
    document["spec"] |= spec
    return document


def refusal(lab, document):
    with pytest.raises(SpecError) as caught:
        lab.plan_of(document)
    return [(problem.path, problem.value) for problem in caught.value.problems]


# Languages and cells ------------------------------------------------------------------------------


def test_languages_are_those_named_each_once_and_never_english(lab):
    codes = [lab.codes[2], "en", lab.codes[0], lab.codes[2]]
    plan = lab.plan_of(golden(lab, languages={"codes": codes}))
    assert plan.languages.codes == [lab.codes[2], lab.codes[0]]


def test_all_languages_are_those_that_any_target_has(lab):
    targets = [{"task": "other-intent"}, {"task": "django-messages"}]
    document = lab.arms(
        {"tasks": [A]}, {"tasks": [T | {"exceptFor": ["django-messages"]}]}, targets=targets
    )
    document["spec"]["languages"] = {"all": True}
    assert lab.plan_of(document).languages.codes == lab.codes[:8]


def test_a_group_is_resolved_to_those_of_its_languages_that_a_target_has(lab):
    plan = lab.plan_of(golden(lab, languages={"group": "low-resource"}))
    members = set(GROUPS["low-resource"].languages)
    assert plan.languages.codes == [code for code in lab.codes if code in members]
    assert len(plan.languages.codes) < len(members)
    assert [(w.code, w.path) for w in plan.warnings][-1] == (
        "endpoint-not-covered",
        "spec.languages.group",
    )


def test_a_language_that_no_target_has_is_refused(lab):
    codes = [lab.codes[0], "zu", "xh"]
    assert refusal(lab, golden(lab, languages={"codes": codes})) == [
        ("spec.languages.codes[1]", "zu"),
        ("spec.languages.codes[2]", "xh"),
    ]


def test_no_language_but_english_is_refused(lab):
    document = golden(lab, languages={"codes": ["en"]})
    assert refusal(lab, document) == [("spec.languages", {"codes": ["en"]})]


def test_a_group_of_which_no_target_has_a_language_is_refused(lab):
    row = lab.row("ha-intent", "classification", "block-b", {"en": 9}, test=("en", "fr"))
    document = golden(lab, languages={"group": "scarce-12"})
    with pytest.raises(SpecError, match="no target has any of these languages; valid: fr"):
        lab.plan_of(document, tasks={**lab.tasks, "ha-intent": row})


def test_a_language_that_some_targets_lack_is_an_absent_cell_without_a_score(lab):
    targets = [{"task": "ha-intent"}, {"task": "other-intent"}]
    plan = lab.plan_of(golden(lab, targets=targets, languages={"codes": lab.codes[4:6]}))
    cells = {(cell.target, cell.language): (cell.absent, cell.examples) for cell in plan.cells}
    assert cells["ha-intent", lab.codes[5]] == (None, 100)
    assert cells["other-intent", lab.codes[4]] == (None, 100)
    assert cells["other-intent", lab.codes[5]] == ("no data", 0)
    scored = Counter(len(model.evaluations) for model in plan.models)
    assert scored == {3: 12, 2: 12}
    (warning,) = (each for each in plan.warnings if each.code == "absent-cells")
    assert f"other-intent {lab.codes[5]}" in warning.message


def test_an_absent_cell_says_why_the_task_leaves_the_language_out(lab):
    row = lab.tasks["other-intent"].model_copy(update={"excluded": {lab.codes[5]: "3 intents"}})
    targets = [{"task": "ha-intent"}, {"task": "other-intent"}]
    document = golden(lab, targets=targets, languages={"codes": [lab.codes[5]]})
    plan = lab.plan_of(document, tasks={**lab.tasks, "other-intent": row})
    assert [cell.absent for cell in plan.cells if cell.absent] == ["3 intents"]


def test_other_tasks_score_a_targets_models_with_its_head_and_without_training(lab):
    plain = lab.plan_of(lab.golden())
    plan = lab.plan_of(
        golden(lab, targets=[{"task": "ha-intent", "evaluateOn": ["ha-intent", "other-intent"]}])
    )
    assert plan.stages_of("train") == plain.stages_of("train")
    assert plain.stages.items() <= plan.stages.items()
    added = [stage.params for key, stage in plan.stages.items() if key not in plain.stages]
    scores = [params for params in added if params.kind == "evaluate"]
    assert {(params.task, params.head) for params in scores} == {("other-intent", "ha-intent")}
    assert len(scores) == 12 * 6


def test_a_cell_is_contaminated_by_intermediates_of_the_targets_source(lab):
    document = golden(lab, targets=[{"task": "like-slots"}, {"task": "ha-intent"}])
    plan = lab.plan_of(document)
    found = {(cell.target, cell.contaminated) for cell in plan.cells}
    assert found == {("like-slots", "ha-slots"), ("ha-intent", None)}
    assert [w.path for w in plan.warnings if w.code == "shared-train-source"] == [
        "spec.targets[0].task"
    ]


def test_a_cell_is_contaminated_by_intermediates_of_its_tests_source(lab):
    document = golden(
        lab, targets=[{"task": "ha-intent", "evaluateOn": ["ha-intent", "like-slots"]}]
    )
    found = {(cell.task, cell.contaminated) for cell in lab.plan_of(document).cells}
    assert found == {("like-slots", "ha-slots"), ("ha-intent", None)}


def test_leaving_the_intermediate_out_for_the_target_keeps_its_cells_clean(lab):
    document = lab.arms(
        {"tasks": [A | {"exceptFor": ["like-slots"]}, B]},
        {"tasks": [T]},
        targets=[{"task": "like-slots"}, {"task": "ha-intent"}],
    )
    assert {cell.contaminated for cell in lab.plan_of(document).cells} == {None}


# The endpoint -------------------------------------------------------------------------------------


def test_the_endpoint_is_the_first_two_arms_over_the_experiments_languages_by_default(lab):
    endpoint = lab.plan_of(lab.golden()).endpoint
    assert endpoint.contrast == ["simultaneous", "sequential"]
    assert (endpoint.group, endpoint.languages) == ("experiment", lab.codes[:16])


def test_the_endpoint_may_be_another_contrast_over_a_group(lab):
    analysis = {"contrast": ["sequential", "simultaneous"], "endpoint": {"group": "low-resource"}}
    document = golden(lab, analysis=analysis)
    plan = lab.plan_of(document)
    group = GROUPS["low-resource"]
    assert plan.endpoint.contrast == ["sequential", "simultaneous"]
    assert plan.endpoint.languages == [code for code in lab.codes[:16] if code in group.languages]
    assert plan.endpoint.low_resource == len(plan.endpoint.languages)
    assert (plan.endpoint.group, plan.endpoint.group_version) == ("low-resource", group.version)
    assert plan.stages == lab.plan_of(lab.golden()).stages


def test_an_endpoint_without_a_language_is_refused(lab):
    low = set(GROUPS["low-resource"].languages)
    codes = [code for code in lab.codes if code not in low][:3]
    document = golden(
        lab, languages={"codes": codes}, analysis={"endpoint": {"group": "low-resource"}}
    )
    assert refusal(lab, document) == [("spec.analysis.endpoint.group", "low-resource")]


def test_one_arm_has_no_contrast(lab):
    assert lab.plan_of(lab.arms({"tasks": [T]})).endpoint.contrast == []


# Probes and baselines -----------------------------------------------------------------------------


def test_probes_score_the_bare_encoder_and_the_first_seed_of_each_arm(lab):
    plain, plan = lab.plan_of(lab.golden()), lab.plan_of(golden(lab, probes=["django-messages"]))
    assert [(probe.schedule, probe.target, probe.seed) for probe in plan.probes] == [
        (None, None, None),
        ("simultaneous", "ha-intent", 1),
        ("sequential", "ha-intent", 1),
    ]
    codes = [each.language for each in plan.probes[0].evaluations]
    assert codes == lab.codes[:8]
    (encoder,) = plan.stages_of("encoder")
    last = {(model.schedule, model.seed): model.train[-1] for model in plan.models}
    scored = [plan.stages[probe.evaluations[0].key] for probe in plan.probes]
    assert [stage.inputs["model"] for stage in scored] == [
        encoder,
        last["simultaneous", 1],
        last["sequential", 1],
    ]
    assert {stage.params.head for stage in scored} == {None}
    assert plain.stages.items() <= plan.stages.items()
    added = Counter(stage.kind for key, stage in plan.stages.items() if key not in plain.stages)
    assert added == {"prepare": 8, "evaluate": 24}


def test_of_several_orders_a_probe_scores_the_first(lab):
    document = golden(lab, probes=["django-messages"])
    document["spec"]["schedules"][3]["orders"] = {"mode": "permutations"}
    plan = lab.plan_of(document)
    (probe,) = (each for each in plan.probes if each.schedule == "sequential")
    chains = [each for each in plan.models if (each.schedule, each.seed) == ("sequential", 1)]
    assert [model.chain for model in chains] == [0, 1]
    assert plan.stages[probe.evaluations[0].key].inputs["model"] == chains[0].train[-1]


def test_baselines_are_a_target_chain_each_at_the_targets_dose_for_every_seed(lab):
    plain = lab.plan_of(lab.golden())
    plan = lab.plan_of(golden(lab, baselines=["majority", "random-encoder", "frozen-probe"]))
    models = [model for model in plan.models if model.role == "baseline"]
    assert [(model.schedule, model.encoder, model.seed) for model in models] == [
        *(("frozen-probe", "base", seed) for seed in (1, 2, 3)),
        *(("random-encoder", "random-tiny", seed) for seed in (1, 2, 3)),
    ]
    params = {model.schedule: plan.stages[model.train[0]].params for model in models}
    assert {each.updates for each in params.values()} == {60}
    assert not params["frozen-probe"].trainable.embeddings
    assert params["frozen-probe"].trainable.lowest_layer == 200
    assert params["random-encoder"].trainable.embeddings
    rows = {(row.schedule, row.role, row.task): row.updates for row in plan.ledger}
    assert rows["frozen-probe", "baseline", "ha-intent"] == 60
    assert plain.stages.items() <= plan.stages.items()


def test_the_rate_of_the_frozen_probe_stands_in_keys(lab):
    plan = lab.plan_of(golden(lab, baselines=["frozen-probe"]))
    probes = [model for model in plan.models if model.schedule == "frozen-probe"]
    assert {plan.stages[model.train[0]].params.learning_rate for model in probes} == {0.05}


def test_the_majority_needs_no_stage(lab):
    assert (
        lab.plan_of(golden(lab, baselines=["majority"])).stages == lab.plan_of(lab.golden()).stages
    )


def test_a_target_without_training_data_has_no_baseline_to_train(lab):
    tasks = [T | {"exceptFor": ["django-messages"]}]
    targets = [{"task": "django-messages"}, {"task": "ha-intent"}]
    document = lab.arms(
        {"tasks": [A]}, {"tasks": tasks}, targets=targets, baselines=["frozen-probe"]
    )
    trained = {model.target for model in lab.plan_of(document).models if model.role == "baseline"}
    assert trained == {"ha-intent"}


# The ledger ---------------------------------------------------------------------------------------


def test_the_ledger_counts_examples_epochs_and_tokens(lab):
    document = lab.arms(
        {"tasks": [A], "training": {"batchSize": 16}},
        {"tasks": [B | {"shots": 100}]},
        {"tasks": [T]},
    )
    rows = {row.task: row for row in lab.plan_of(document).ledger}
    # 60 updates of 16 out of 1,000; 60 of 32 out of 100; 10 tokens an example
    slots, names = rows["ha-slots"], rows["cldr-names"]
    assert (slots.examples, slots.unique_examples, slots.epochs, slots.tokens) == (
        960,
        960,
        0.96,
        9600,
    )
    assert (names.examples, names.unique_examples, names.epochs, names.tokens) == (
        1920,
        100,
        19.2,
        19200,
    )


def test_the_ledger_has_a_row_for_every_target_and_none_for_a_second_encoder(lab):
    document = golden(lab, targets=[{"task": "ha-intent"}, {"task": "other-intent"}])
    document["spec"]["encoders"].append({"name": "tiny", "model": "builtin/random-tiny"})
    rows = Counter((row.target, row.schedule) for row in lab.plan_of(document).ledger)
    assert set(rows) == {
        (target, schedule)
        for target in ("ha-intent", "other-intent")
        for schedule in ("target-only", "target-only-long", "simultaneous", "sequential")
    }
    assert rows["other-intent", "sequential"] == 3


# Identity -----------------------------------------------------------------------------------------

SALTED = {
    "always": (None, {"encoder": None, "prepare": None, "train": None, "evaluate": None}),
    "sameTrainer": (
        "sha256:build",
        {"encoder": None} | dict.fromkeys(("prepare", "train", "evaluate"), "sha256:build"),
    ),
    "never": (None, {"encoder": None} | dict.fromkeys(("prepare", "train", "evaluate"), "my-uid")),
}


@pytest.mark.parametrize("reuse", SALTED)
def test_the_salt_of(lab, reuse):
    build, salts = SALTED[reuse]
    plan = lab.plan_of(golden(lab, reuse=reuse), uid="my-uid", trainer_build=build)
    assert {stage.kind: stage.salt for stage in plan.stages.values()} == salts


def test_a_build_salts_nothing_that_may_always_be_reused(lab):
    salted = lab.plan_of(lab.golden(), trainer_build="sha256:build")
    assert salted.stages == lab.plan_of(lab.golden()).stages


def test_the_same_trainer_must_be_known(lab):
    assert refusal(lab, golden(lab, reuse="sameTrainer")) == [("spec.reuse", "sameTrainer")]


UIDS = {
    "the languages": ({"languages": {"all": True}}, False),
    "the seeds": ({"seeds": [1]}, False),
    "the reuse": ({"reuse": "never"}, False),
    "the analysis": ({"analysis": {"equivalenceMargin": 2.0}}, True),
    "the execution": ({"execution": {"packing": "model", "parallelism": 3}}, True),
    "the pause": ({"suspend": True}, True),
    "a default, said": ({"training": {"batchSize": 32, "learningRate": 2.0e-5}}, True),
}


@pytest.mark.parametrize(("change", "same"), UIDS.values(), ids=UIDS)
def test_whether_an_experiment_is_the_same_after_a_change_of(lab, change, same):
    before, after = (ExperimentSpec.parse(each) for each in (lab.golden(), golden(lab, **change)))
    assert (local_uid(before) == local_uid(after)) is same


def test_the_name_and_namespace_are_in_no_uid_and_in_no_key(lab):
    document = lab.golden()
    document["metadata"] = {"name": "another", "namespace": "team", "labels": {"a": "b"}}
    one, other = lab.plan_of(lab.golden()), lab.plan_of(document)
    assert one.uid == other.uid
    assert one.stages == other.stages


def test_a_plan_says_which_data_and_which_analysis_it_was_made_for(lab):
    plan = lab.plan_of(lab.golden())
    assert plan.revisions == {name: f"{name}-1" for name in ("ha-intent", "ha-slots", "cldr-names")}
    assert plan.analysis == digest(plan.spec.spec.analysis.plain())
    assert plan.digest != lab.plan_of(lab.golden(), uid="another").digest


# Bundles ------------------------------------------------------------------------------------------


def evaluation_bundles(plan):
    return [bundle for bundle in plan.bundles if bundle.kind == "evaluate"]


def test_a_bundle_carries_the_targets_and_seeds_of_one_schedule_and_language(lab):
    targets = [{"task": "ha-intent"}, {"task": "other-intent"}]
    plan = lab.plan_of(golden(lab, targets=targets, languages={"codes": lab.codes[:3]}))
    found = evaluation_bundles(plan)
    assert len(found) == 4 * 4
    for bundle in found:
        params = [plan.stages[key].params for key in bundle.stages]
        assert len({each.language for each in params}) == 1
        assert Counter(each.task for each in params) == {"ha-intent": 3, "other-intent": 3}


def test_a_bundle_of_a_model_carries_all_its_languages(lab):
    plan = lab.plan_of(golden(lab, execution={"packing": "model"}))
    found = evaluation_bundles(plan)
    assert len(found) == 12
    for bundle in found:
        stages = [plan.stages[key] for key in bundle.stages]
        assert len({stage.inputs["model"] for stage in stages}) == 1
        assert len({stage.params.language for stage in stages}) == 17


@pytest.mark.parametrize("packing", ["language", "model"])
def test_a_score_that_schedules_share_is_carried_once_by_the_first(lab, packing):
    document = golden(lab, execution={"packing": packing})
    twin = dict(document["spec"]["schedules"][2], name="twin", role="control")
    document["spec"]["schedules"].append(twin)
    one, plan = lab.plan_of(golden(lab, execution={"packing": packing})), lab.plan_of(document)
    assert plan.stages == one.stages
    assert plan.bundles == one.bundles


def test_a_bundle_is_named_by_its_kind_and_stages(lab):
    bundles = lab.plan_of(lab.golden()).bundles
    assert all(
        bundle.name == f"{bundle.kind}-{digest(sorted(bundle.stages))[:12]}" for bundle in bundles
    )
    assert len({bundle.name for bundle in bundles}) == len(bundles)
