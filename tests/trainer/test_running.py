"""Running a stage file: exit codes, failures in the store, skipped dependents, lost races."""

import json

import pytest
from xlbench_specs import layout
from xlbench_specs.exits import TrainerExit
from xlbench_specs.stages import ReportParams, StageRuntime
from xlbench_trainer import running
from xlbench_trainer.builds import installed_build
from xlbench_trainer.checkpoints import Checkpoint, Checkpoints
from xlbench_trainer.recipes import train


def failure(lab, stage):
    return json.loads(lab.store.read(layout.failure(lab.experiment, stage.key)).data)


def other_recipe(stage):
    return stage.model_copy(update={"recipe": 99})


def test_a_file_whose_stages_all_have_manifests_is_done_and_done_again(lab):
    stage = lab.train(lab.encoder, {"topic": 2})
    first, second = lab.Told(), lab.Told()
    assert lab.run(stage, progress=first) == TrainerExit.DONE
    before = lab.store.list("payloads")
    assert lab.run(stage, progress=second) == TrainerExit.DONE
    assert first.ends == ["done"] * 4
    assert second.ends == ["reused"] * 4
    assert lab.store.list("payloads") == before


def test_the_manifest_lists_the_payload_and_says_where_it_was_made(lab):
    stage = lab.train(lab.encoder, {"topic": 2})
    lab.run(stage)
    manifest = lab.manifest(stage)
    assert [entry.path for entry in manifest.files] == ["model.json", "weights.safetensors"]
    assert manifest.stage == stage
    assert manifest.provenance.trainer_build == installed_build()
    assert {"python", "torch", "transformers"} <= manifest.provenance.versions.keys()
    assert manifest.provenance.resumed_update is None


def test_the_build_that_the_plan_fixed_is_recorded(lab):
    runtime = lab.runtime.model_copy(update={"trainer_build": "b" * 64})
    lab.run(lab.encoder, runtime=runtime, inputs=False)
    assert lab.manifest(lab.encoder).provenance.trainer_build == "b" * 64


def test_another_recipe_version_is_not_run(lab):
    stage = other_recipe(lab.encoder)
    assert lab.run(stage, inputs=False) == TrainerExit.WRONG_RECIPE
    assert failure(lab, stage)["reason"] == "wrong-recipe"
    assert "the plan fixed recipe 99" in failure(lab, stage)["message"]


def test_a_stage_whose_input_is_missing_may_be_tried_again(lab):
    stage = lab.prepare("topic")
    assert lab.run(stage, inputs=False) == TrainerExit.FAILED
    assert (failure(lab, stage)["reason"], failure(lab, stage)["retryable"]) == ("lost", True)


def test_a_report_is_not_the_trainers(lab):
    stage = lab.stage(ReportParams(plan="p", analysis="a", outcomes="o"))
    assert lab.run(stage, inputs=False) == TrainerExit.BAD_TASK


@pytest.fixture
def broken(lab, monkeypatch):
    """One training that fails; what follows from it, and a sibling that does not."""
    bad = lab.train(lab.encoder, {"topic": 2}, seed=1)
    after = lab.train(bad, {"spans": 2}, earlier=["topic"])
    score = lab.evaluate(after, "spans", "spans")
    sibling = lab.train(lab.encoder, {"topic": 2}, seed=2)
    run = train.run

    def fails(stage, *rest):
        if stage.key == bad.key:
            raise RuntimeError("out of luck")
        return run(stage, *rest)

    monkeypatch.setattr(train, "run", fails)
    return bad, after, score, sibling


def test_siblings_of_a_failed_stage_go_on_and_dependents_are_skipped(lab, broken):
    told = lab.Told()
    assert lab.run(*broken, progress=told) == TrainerExit.PARTIAL
    bad, after, score, sibling = broken
    assert told.ends[-4:] == ["failed", "skipped", "skipped", "done"]
    assert lab.manifest(sibling) is not None
    assert [lab.manifest(each) for each in (bad, after, score)] == [None] * 3
    assert lab.store.list(f"{lab.experiment}/failures") == [layout.failure(lab.experiment, bad.key)]
    assert "RuntimeError: out of luck" in failure(lab, bad)["message"]


def test_a_file_of_which_nothing_is_done_says_why(lab, broken):
    bad, after, *_ = broken
    lab.run(*lab.prepared(bad, after), inputs=False)
    assert lab.run(bad, after, inputs=False) == TrainerExit.FAILED
    wrong = other_recipe(lab.prepare("same"))
    assert lab.run(wrong, bad, inputs=False) == TrainerExit.FAILED
    assert lab.run(wrong, inputs=False) == TrainerExit.WRONG_RECIPE


def test_it_stops_between_stages_too_and_an_end_is_no_interruption(lab):
    one, two = lab.train(lab.encoder, {"topic": 2}), lab.train(lab.encoder, {"spans": 2})
    lab.run(*lab.prepared(one, two), inputs=False)
    assert lab.run(one, progress=lab.Told(stop_after=0), inputs=False) == TrainerExit.INTERRUPTED
    assert lab.store.list("checkpoints") == []
    assert lab.run(one, progress=lab.Told(stop_after=2), inputs=False) == TrainerExit.INTERRUPTED
    assert lab.run(one, two, progress=lab.Told(stop_after=9), inputs=False) == TrainerExit.DONE


def test_a_signal_after_the_last_stage_began_its_payload_does_not_undo_it(lab, monkeypatch):
    stage = lab.train(lab.encoder, {"topic": 2})
    lab.run(*lab.prepared(stage), inputs=False)
    told = lab.Told()
    save = train.save_model

    def signalled(*arguments):
        told.stop_after = 0
        return save(*arguments)

    monkeypatch.setattr(train, "save_model", signalled)
    assert lab.run(stage, progress=told, inputs=False) == TrainerExit.DONE


def test_a_lost_race_is_success_and_the_first_manifest_stays(lab, monkeypatch):
    stage = lab.train(lab.encoder, {"topic": 2})
    lab.run(*lab.prepared(stage), inputs=False)
    run, winner = train.run, []

    def overtaken(*arguments):
        result = run(*arguments)
        if not winner:
            winner.append(None)
            assert lab.run(stage, inputs=False) == TrainerExit.DONE
            winner[0] = lab.manifest(stage)
        return result

    monkeypatch.setattr(train, "run", overtaken)
    told = lab.Told()
    assert lab.run(stage, progress=told, inputs=False) == TrainerExit.DONE
    assert told.ends == ["done"]
    assert lab.manifest(stage) == winner[0]


def test_a_failure_after_another_attempt_has_finished_is_none(lab, monkeypatch):
    stage = lab.train(lab.encoder, {"topic": 2})
    lab.run(*lab.prepared(stage), inputs=False)
    run = train.run

    def disturbed(*_):
        monkeypatch.setattr(train, "run", run)
        lab.run(stage, inputs=False)  # its end removes the checkpoints of all attempts
        raise FileNotFoundError("a checkpoint's folder is gone")

    monkeypatch.setattr(train, "run", disturbed)
    assert lab.run(stage, inputs=False) == TrainerExit.DONE
    assert lab.store.list(f"{lab.experiment}/failures") == []


def test_a_corrupt_manifest_is_not_taken_for_done_and_is_repaired(lab):
    stage = lab.prepare("topic")
    lab.run(lab.encoder, stage, inputs=False)
    path = layout.manifest("prepare", stage.key)
    lab.store.put(path, lab.store.read(path).data[:100])
    told = lab.Told()
    assert lab.run(lab.encoder, stage, progress=told, inputs=False) == TrainerExit.DONE
    assert told.ends == ["reused", "done"]
    assert lab.manifest(stage) is not None


def test_a_payload_that_is_not_its_manifests_is_no_input(lab):
    data, stage = lab.prepare("topic"), lab.train(lab.encoder, {"topic": 2})
    lab.run(*lab.prepared(stage), inputs=False)
    ids = next((lab.store.root / f"payloads/prepare/{data.key}").glob("*/ids.i32"))
    ids.write_bytes(ids.read_bytes()[:-4] + b"\x07\0\0\0")
    assert lab.run(stage, inputs=False) == TrainerExit.FAILED
    assert "its manifest says" in failure(lab, stage)["message"]


@pytest.mark.parametrize(
    ("spoilt", "ends"),
    [("model.safetensors", TrainerExit.DONE), ("tokenizer.json", TrainerExit.FAILED)],
    ids=["weights", "tokeniser"],
)
def test_preparing_reads_the_tokeniser_and_not_the_weights(lab, spoilt, ends):
    lab.run(lab.encoder, inputs=False)
    next((lab.store.root / f"payloads/encoder/{lab.encoder.key}").glob(f"*/{spoilt}")).write_bytes(
        b"other"
    )
    assert lab.run(lab.prepare("topic"), inputs=False) == ends


def test_checkpoints_of_a_stage_that_was_killed_after_its_manifest_go(lab):
    stage = lab.train(lab.encoder, {"topic": 2})
    lab.run(stage)
    Checkpoints(lab.store, stage.key, "killed").save(Checkpoint(1, {}, [0.5], None))
    assert lab.run(stage) == TrainerExit.DONE
    assert lab.store.list("checkpoints") == []


def test_without_a_scratch_folder_nothing_is_left_behind(lab, monkeypatch):
    made = []
    workshop = running.Workshop

    def spied(*arguments):
        made.append(workshop(*arguments))
        return made[-1]

    monkeypatch.setattr(running, "Workshop", spied)
    lab.run(lab.encoder, runtime=StageRuntime(encoder_folders=lab.runtime.encoder_folders))
    assert made
    assert not made[0].scratch.exists()
