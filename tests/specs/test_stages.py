import pytest
from pydantic import ValidationError
from xlbench_specs import stages
from xlbench_specs.documents import canonical_json
from xlbench_specs.experiment import Trainable
from xlbench_specs.stages import (
    EncoderParams,
    EvaluateParams,
    PrepareParams,
    ReportParams,
    Stage,
    StageFile,
    StageRuntime,
    TaskDose,
    TrainParams,
)

A, B, C, D = ("a" * 64, "b" * 64, "c" * 64, "d" * 64)

ENCODER = Stage(
    params=EncoderParams(
        model="FacebookAI/xlm-roberta-base", revision="e73636d4f797dec63c3081bb6ed5c7b0bb3f2089"
    ),
    recipe=1,
)
PREPARE = Stage(
    params=PrepareParams(
        task="ha-intent", revision="ha-1+sampler-1", split="train", language="en", max_length=64
    ),
    recipe=1,
    inputs={"tokeniser": A},
)
TRAIN = Stage(
    params=TrainParams(
        tasks={
            "ha-slots": TaskDose(updates=60),
            "cldr-names": TaskDose(updates=40, occurrence=1, loss_weight=0.5),
        },
        seed=3,
        batch_size=32,
        learning_rate=2e-5,
        warmup=0.1,
        weight_decay=0.0,
        clip=1.0,
        checkpoint="last",
        precision="fp32",
        tf32=False,
        threads=1,
        batches="homogeneous",
        optimizer="reset",
        trainable=Trainable(lowest_layer=8, embeddings=False),
    ),
    recipe=1,
    inputs={"init": A, "train/ha-slots": B, "train/cldr-names": C, "dev/ha-slots": D},
)
EVALUATE = Stage(
    params=EvaluateParams(
        task="ha-intent", head="ha-intent", language="sw", precision="fp32", threads=1
    ),
    recipe=1,
    inputs={"model": A, "data": B},
)
REPORT = Stage(params=ReportParams(plan=A, analysis=B, outcomes=C), recipe=1)

GOLDEN = {
    "an encoder": (
        ENCODER,
        (
            '{"inputs":{},"kind":"encoder","params":{"model":"FacebookAI/xlm-roberta-base",'
            '"revision":"e73636d4f797dec63c3081bb6ed5c7b0bb3f2089"},"recipe":1,'
            '"type":"xlbench.dev/stage/v1"}'
        ),
        "044c2654819c624b73d49fa4f9277aea2fb32dc74c3acb00927a19575d035637",
    ),
    "a prepared set": (
        PREPARE,
        (
            f'{{"inputs":{{"tokeniser":"{A}"}},"kind":"prepare","params":{{"language":"en",'
            '"maxLength":64,"revision":"ha-1+sampler-1","split":"train","task":"ha-intent"},'
            '"recipe":1,"type":"xlbench.dev/stage/v1"}'
        ),
        "5cf6250bb761111968f653530b18620675d6748435c728fa582376aeba052412",
    ),
    "a prepared set of few examples in a view, salted": (
        PREPARE.model_copy(
            update={
                "params": PREPARE.params.model_copy(update={"shots": 10, "view": "rs-da"}),
                "salt": "sha256:0",
            }
        ),
        (
            f'{{"inputs":{{"tokeniser":"{A}"}},"kind":"prepare","params":{{"language":"en",'
            '"maxLength":64,"revision":"ha-1+sampler-1","shots":10,"split":"train",'
            '"task":"ha-intent","view":"rs-da"},"recipe":1,"salt":"sha256:0",'
            '"type":"xlbench.dev/stage/v1"}'
        ),
        "738828fd7d55c660fef24a381997cb9b8e7eb5fdc2f6f0701e2c6510f1330f1c",
    ),
    "a phase": (
        TRAIN,
        (
            f'{{"inputs":{{"dev/ha-slots":"{D}","init":"{A}","train/cldr-names":"{C}",'
            f'"train/ha-slots":"{B}"}},"kind":"train","params":{{"batchSize":32,'
            '"batches":"homogeneous","checkpoint":"last","clip":1.0,"dropout":0.1,'
            '"learningRate":2e-05,"objective":"erm","optimizer":"reset","precision":"fp32","seed":3,'
            '"tasks":{"cldr-names":{"lossWeight":0.5,"occurrence":1,"updates":40},'
            '"ha-slots":{"lossWeight":1.0,"occurrence":0,"updates":60}},"tf32":false,"threads":1,'
            '"trainable":{"embeddings":false,"lowestLayer":8},"warmup":0.1,"weightDecay":0.0},'
            '"recipe":1,"type":"xlbench.dev/stage/v1"}'
        ),
        "3024329aea0e2dd0d852b5b218f922f8d7b67fb7131a54d7ad3103ee4057556e",
    ),
    "a phase inside a learning-rate schedule that spans phases": (
        TRAIN.model_copy(
            update={
                "params": TRAIN.params.model_copy(
                    update={"first_update": 0, "total_updates": 220, "optimizer": "carry"}
                )
            }
        ),
        (
            f'{{"inputs":{{"dev/ha-slots":"{D}","init":"{A}","train/cldr-names":"{C}",'
            f'"train/ha-slots":"{B}"}},"kind":"train","params":{{"batchSize":32,'
            '"batches":"homogeneous","checkpoint":"last","clip":1.0,"dropout":0.1,"firstUpdate":0,'
            '"learningRate":2e-05,"objective":"erm","optimizer":"carry","precision":"fp32","seed":3,'
            '"tasks":{"cldr-names":{"lossWeight":0.5,"occurrence":1,"updates":40},'
            '"ha-slots":{"lossWeight":1.0,"occurrence":0,"updates":60}},"tf32":false,"threads":1,'
            '"totalUpdates":220,"trainable":{"embeddings":false,"lowestLayer":8},"warmup":0.1,'
            '"weightDecay":0.0},"recipe":1,"type":"xlbench.dev/stage/v1"}'
        ),
        "b621766338288d6f06e7829e02c3e2a7209ce85404a9d59128645c1bd696d254",
    ),
    "a phase whose optimiser a later one carries": (
        TRAIN.model_copy(
            update={"params": TRAIN.params.model_copy(update={"keep_optimizer": True})}
        ),
        (
            f'{{"inputs":{{"dev/ha-slots":"{D}","init":"{A}","train/cldr-names":"{C}",'
            f'"train/ha-slots":"{B}"}},"kind":"train","params":{{"batchSize":32,'
            '"batches":"homogeneous","checkpoint":"last","clip":1.0,"dropout":0.1,'
            '"keepOptimizer":true,"learningRate":2e-05,"objective":"erm","optimizer":"reset",'
            '"precision":"fp32","seed":3,"tasks":{"cldr-names":{"lossWeight":0.5,"occurrence":1,'
            '"updates":40},"ha-slots":{"lossWeight":1.0,"occurrence":0,"updates":60}},'
            '"tf32":false,"threads":1,"trainable":{"embeddings":false,"lowestLayer":8},'
            '"warmup":0.1,"weightDecay":0.0},"recipe":1,"type":"xlbench.dev/stage/v1"}'
        ),
        "b9c6368a9be649f9c7fca4dd29a9cf3c8f1e7a2f81703a4258f22a97fcd3e1e1",
    ),
    "a score": (
        EVALUATE,
        (
            f'{{"inputs":{{"data":"{B}","model":"{A}"}},"kind":"evaluate","params":{{'
            '"head":"ha-intent","language":"sw","metrics":1,"precision":"fp32","task":"ha-intent",'
            '"threads":1},"recipe":1,"type":"xlbench.dev/stage/v1"}'
        ),
        "cbd777c220956f649ee18d5b6844333b9cee193a8081e1b5360fb77368103ca5",
    ),
    "a report": (
        REPORT,
        (
            f'{{"inputs":{{}},"kind":"report","params":{{"analysis":"{B}","outcomes":"{C}",'
            f'"plan":"{A}"}},"recipe":1,"type":"xlbench.dev/stage/v1"}}'
        ),
        "38708efbe338439597d5622bcd611240d4395bba5ca769ed79ae7f1b8faedcff",
    ),
}
GOLDEN_PARAMS = pytest.mark.parametrize(("stage", "preimage", "key"), GOLDEN.values(), ids=GOLDEN)


@GOLDEN_PARAMS
def test_the_preimage_of(stage, preimage, key):  # noqa: ARG001
    assert canonical_json(stage.preimage).decode() == preimage


@GOLDEN_PARAMS
def test_the_key_of(stage, preimage, key):  # noqa: ARG001
    assert stage.key == key


@GOLDEN_PARAMS
def test_a_stored_stage_keeps_its_key(stage, preimage, key):  # noqa: ARG001
    assert Stage.model_validate_json(stage.text()).key == key


def test_the_key_of_a_changed_copy_is_its_own():
    assert len(ENCODER.key) == 64
    copy = ENCODER.model_copy(update={"recipe": 2})
    assert copy.key == Stage.model_validate_json(copy.text()).key != ENCODER.key


HASHED = {
    "a parameter": {"params": EVALUATE.params.model_copy(update={"threads": 2})},
    "the recipe's version": {"recipe": 2},
    "an input": {"inputs": {"model": A, "data": C}},
    "the roles of its inputs": {"inputs": {"model": B, "data": A}},
    "the salt": {"salt": "sha256:0"},
}


@pytest.mark.parametrize("update", HASHED.values(), ids=HASHED)
def test_a_key_depends_on(update):
    assert Stage.model_validate(dict(EVALUATE) | update).key != EVALUATE.key


def test_kinds_with_equal_parameters_have_different_keys():
    # The reverse cannot be written down with the models there are, so the preimages are compared.
    kinds = {stage.preimage["kind"] for stage in (ENCODER, PREPARE, TRAIN, EVALUATE, REPORT)}
    assert kinds == set(stages.KINDS)


def test_the_versions_that_keys_hold_are_raised_by_hand_only():
    raised = {"train": 3, "evaluate": 3}
    assert {kind: raised.get(kind, 1) for kind in stages.KINDS} == stages.RECIPES
    assert (stages.METRICS, stages.DROPOUT, stages.STAGE_TYPE) == (1, 0.1, "xlbench.dev/stage/v1")


def test_how_a_stage_is_run_is_in_no_key():
    assert not set(StageRuntime.model_fields) & set(Stage.model_fields)
    hashed = {
        name for stage in (PREPARE, TRAIN, EVALUATE) for name in type(stage.params).model_fields
    }
    assert not hashed & {"gpus", "device", "image", "packing", "attempt", "scratch"}


BAD = {
    "a role that no recipe has": {"inputs": {"teacher": A}},
    "an input that is no key": {"inputs": {"model": "a" * 63}},
    "a recipe of version 0": {"recipe": 0},
    "a kind that is not there": {"params": {"kind": "merge"}},
    "an unknown field": {"gpus": 1},
}


@pytest.mark.parametrize("update", BAD.values(), ids=BAD)
def test_a_stage_refuses(update):
    with pytest.raises(ValidationError):
        Stage.parse(EVALUATE.plain() | update)


def test_a_dose_is_at_least_one_update():
    with pytest.raises(ValidationError, match="greater than or equal to 1"):
        TaskDose(updates=0)


def test_a_phase_is_as_long_as_its_doses():
    assert TRAIN.params.updates == 100


def test_a_stage_file_gives_itself_back_and_is_never_empty():
    file = StageFile(experiment="experiments/a/b", stages=[ENCODER, TRAIN])
    assert StageFile.model_validate_json(file.text()) == file
    with pytest.raises(ValidationError, match="at least 1 item"):
        StageFile(experiment="experiments/a/b", stages=[])
