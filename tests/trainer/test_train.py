"""Recipe `train`, really run on a tiny encoder: exposure, gradients, freezing, resuming, losses."""

import hashlib
import math
import os
import signal
import subprocess

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from xlbench_specs import layout
from xlbench_specs.exits import TrainerExit
from xlbench_specs.experiment import Trainable
from xlbench_specs.stages import TaskDose
from xlbench_trainer import feeding
from xlbench_trainer.recipes import train
from xlbench_trainer.trimming import widened


def same_result(one, two):
    """Whether two (lab, stage) left the same tensors and the same record, bit for bit."""
    (lab, stage), (other, again) = one, two
    left, right = lab.tensors(stage), other.tensors(again)
    assert left.keys() == right.keys()
    assert [name for name in left if not torch.equal(left[name], right[name])] == []
    assert lab.record(stage) == other.record(again)


def test_joint_and_chain_show_every_task_the_same_examples_in_the_same_order(lab):
    doses = {"topic": 9, "spans": 5, "same": 7}
    joint = lab.train(lab.encoder, doses)
    mixed = lab.train(lab.encoder, doses, batches="mixed")
    chain, before = [], lab.encoder
    for number, name in enumerate(["spans", "topic", "same"]):
        before = lab.train(before, {name: doses[name]}, earlier=["spans", "topic"][:number])
        chain.append(before)
    assert lab.run(joint, mixed, *chain) == TrainerExit.DONE
    in_chain = {name: seen for each in chain for name, seen in lab.record(each).exposure.items()}
    assert lab.record(joint).exposure == in_chain
    for name, seen in lab.record(joint).exposure.items():
        assert (seen.updates, seen.examples) == (doses[name], doses[name] * 4)
        assert lab.record(mixed).exposure[name].sequence == seen.sequence
        assert lab.record(mixed).exposure[name].examples == seen.examples


def test_the_sequence_is_what_was_really_read(lab, monkeypatch):
    read = []
    examples_of = feeding.examples_of

    def spied(part, params, sets):
        numbers = examples_of(part, params, sets)
        read.extend(sets["topic"].items.example_id[number] for number in numbers)
        return numbers

    monkeypatch.setattr(feeding, "examples_of", spied)
    stage = lab.train(lab.encoder, {"topic": 20})
    lab.run(stage)
    seen = lab.record(stage).exposure["topic"]
    text = "".join(f"{name}\n" for name in read)
    assert seen.sequence == hashlib.sha256(text.encode()).hexdigest()
    assert (seen.examples, seen.unique_examples, seen.epochs) == (80, len(set(read)), 80 / 32)


def test_a_second_occurrence_of_a_task_has_a_stream_of_its_own(lab):
    first = lab.train(lab.encoder, {"topic": 3})
    second = lab.train(first, {"topic": TaskDose(updates=3, occurrence=1)})
    lab.run(first, second)
    one, two = (lab.record(each).exposure["topic"].sequence for each in (first, second))
    assert one != two


def test_the_target_phase_is_the_same_in_every_arm(lab, monkeypatch):
    begun = []
    make = train.make_optimizer

    def spied(named, params):
        head = {name: each.detach().clone() for name, each in named.items() if "head" in name}
        begun.append(head)
        return make(named, params)

    monkeypatch.setattr(train, "make_optimizer", spied)
    before = lab.train(lab.encoder, {"spans": 3, "same": 2})
    arms = [
        lab.train(lab.encoder, {"topic": 6}),
        lab.train(before, {"topic": 6}, earlier=["spans", "same"]),
    ]
    lab.run(before, *arms)
    alone, after = begun[1:]
    assert alone.keys() == after.keys() == {"head.topic.output.weight", "head.topic.output.bias"}
    assert all(torch.equal(alone[name], after[name]) for name in alone)
    one, two = (lab.record(arm).exposure["topic"] for arm in arms)
    assert one == two


def test_heads_of_the_chain_stay_and_untrained_ones_do_not_move(lab):
    first = lab.train(lab.encoder, {"spans": 3})
    second = lab.train(first, {"topic": 3}, earlier=["spans"])
    lab.run(first, second)
    before, after = lab.tensors(first), lab.tensors(second)
    names = [name for name in after if name.startswith("head.spans/")]
    assert len(names) == 2
    assert all(torch.equal(before[name], after[name]) for name in names)
    assert lab.record(second).dev.keys() == {"spans", "topic"}


def test_a_head_that_was_not_sampled_gets_no_gradient(lab, monkeypatch):
    seen = []
    step = torch.optim.AdamW.step

    def spied(optimizer):
        heads = [each for group in optimizer.param_groups for each in group["params"]]
        seen.append({tuple(each.shape): each.grad is not None for each in heads})
        return step(optimizer)

    monkeypatch.setattr(torch.optim.AdamW, "step", spied)
    lab.run(lab.train(lab.encoder, {"topic": 3, "spans": 2}))
    topic, spans = (4, 16), (5, 16)
    assert (
        sorted((each[topic], each[spans]) for each in seen)
        == [(False, True)] * 2 + [(True, False)] * 3
    )


class NoReading(TorchDispatchMode):
    """Refuses whatever would make a loop wait for an accelerator: a tensor read by the host."""

    def __torch_dispatch__(self, operator, _types, args=(), kwargs=None):
        if operator.name() in {"aten::_local_scalar_dense", "aten::nonzero"}:
            raise AssertionError(f"the host reads a tensor: {operator}")
        return operator(*args, **(kwargs or {}))


@pytest.fixture
def unread(monkeypatch):
    """The loop of a phase runs where no tensor may be read."""
    loop = train._train  # noqa: SLF001 - watched, not changed

    def watched(*arguments):
        with NoReading():
            return loop(*arguments)

    monkeypatch.setattr(train, "_train", watched)


@pytest.mark.usefixtures("unread")
def test_the_loop_reads_no_tensor(lab):
    doses = {"topic": 2, "spans": 2, "fill": 1}
    assert lab.run(lab.train(lab.encoder, doses, batches="mixed")) == TrainerExit.DONE


@pytest.mark.usefixtures("unread")
def test_a_loop_that_reads_a_loss_is_found_out(lab, monkeypatch):
    learn = train._learn  # noqa: SLF001 - wrapped
    monkeypatch.setattr(train, "_learn", lambda *arguments: learn(*arguments).item())
    assert lab.run(lab.train(lab.encoder, {"topic": 1})) == TrainerExit.PARTIAL


FREEZING = {
    "all of it trains": (Trainable(), set()),
    "frozen embeddings": (Trainable(embeddings=False), {"embeddings."}),
    "frozen embeddings and first layer": (
        Trainable(lowest_layer=1, embeddings=False),
        {"embeddings.", "encoder.layer.0."},
    ),
    "frozen encoder": (
        Trainable(lowest_layer=2, embeddings=False),
        {"embeddings.", "encoder.layer."},
    ),
}


@pytest.mark.parametrize(("trainable", "frozen"), FREEZING.values(), ids=FREEZING)
def test_what_is_frozen_is_not_in_the_payload_and_did_not_change(lab, trainable, frozen):
    stage = lab.train(lab.encoder, {"topic": 4}, trainable=trainable)
    lab.run(stage)
    workshop = lab.workshop()
    model = workshop.model(lab.manifest(stage))
    snapshot = workshop.snapshot(lab.encoder.key)
    changed = {
        name
        for name, parameter in model.encoder.model.named_parameters()
        if not torch.equal(parameter, snapshot[name])
    }
    assert changed == set(model.changed)
    assert not [name for name in changed if name.startswith(tuple(frozen))]
    # A key's bias adds the same to every score of a row: its gradient is noise, or nothing.
    kept = [name for name in snapshot if not name.startswith(tuple(frozen) or ("none",))]
    assert {name for name in kept if "key.bias" not in name} <= changed


@pytest.mark.parametrize("batches", ["homogeneous", "mixed"])
def test_frozen_layers_run_in_eval_mode_and_trained_ones_do_not(lab, monkeypatch, batches):
    modes = set()
    loss_of = train.loss_of

    def spied(encoder, heads, batch, frozen):
        layers = encoder.layers
        modes.add((layers[0].training, layers[1].training, heads.training))
        return loss_of(encoder, heads, batch, frozen)

    monkeypatch.setattr(train, "loss_of", spied)
    trainable = Trainable(lowest_layer=1, embeddings=False)
    stage = lab.train(
        lab.encoder,
        {"topic": 3},
        trainable=trainable,
        batches=batches,
        checkpoint="best-english-dev",  # looking at dev in between puts all of it into eval mode
    )
    assert lab.run(stage) == TrainerExit.DONE
    assert modes == {(False, True, True)}


RESUMED = {
    "homogeneous": {"tasks": {"topic": 4, "spans": 3}},
    "mixed": {"tasks": {"topic": 4, "spans": 3}, "batches": "mixed"},
    "mlm beside a task": {"tasks": {"fill": 3, "topic": 4}, "batches": "mixed"},
    "best on English dev": {"tasks": {"topic": 7}, "checkpoint": "best-english-dev"},
    "frozen below": {
        "tasks": {"topic": 7},
        "trainable": Trainable(lowest_layer=1, embeddings=False),
    },
    "optimiser carried": {
        "tasks": {"topic": 7},
        "optimizer": "carry",
        "keep_optimizer": True,
        "first_update": 2,
        "total_updates": 9,
    },
}


def two_phases(lab, settings):
    """A phase to begin from, and the phase that is killed."""
    before = lab.train(
        lab.encoder, {"same": 2}, keep_optimizer=True, first_update=0, total_updates=9
    )
    return before, lab.train(before, **settings, earlier=["same"])


@pytest.mark.parametrize("settings", RESUMED.values(), ids=RESUMED)
def test_a_phase_stopped_after_every_update_ends_with_the_same_bits(new_lab, settings):
    whole, lab = new_lab("whole"), new_lab("stopped")
    before, stage = two_phases(whole, settings)
    assert whole.run(before, stage) == TrainerExit.DONE
    assert lab.run(*lab.prepared(stage), before) == TrainerExit.DONE
    for update in range(1, 8):
        told = lab.Told(stop_after=1)
        assert lab.run(stage, progress=told, inputs=False) == TrainerExit.INTERRUPTED
        assert [path.split("/")[-2:] for path in checkpoints_of(lab, stage)] == [
            [f"{update:08d}", "checkpoint.json"]
        ]
    assert lab.run(stage, inputs=False) == TrainerExit.DONE
    assert lab.manifest(stage).provenance.resumed_update == 7
    assert lab.store.list(layout.checkpoints(stage.key)) == []
    same_result((whole, stage), (lab, stage))
    if settings.get("keep_optimizer"):
        left, right = (each.tensors(stage, "optimizer.safetensors") for each in (whole, lab))
        assert left.keys() == right.keys()
        assert all(torch.equal(left[key], right[key]) for key in left)


def checkpoints_of(lab, stage):
    paths = lab.store.list(layout.checkpoints(stage.key))
    return [path for path in paths if path.endswith("checkpoint.json")]


def test_checkpoints_at_every_update_change_nothing_and_leave_one(new_lab, monkeypatch):
    whole, often = new_lab("whole"), new_lab("often")
    stage = whole.train(whole.encoder, {"topic": 6})
    whole.run(stage)
    counts = []
    save = train.Checkpoints.save

    def spied(checkpoints, checkpoint):
        save(checkpoints, checkpoint)
        counts.append(len(checkpoints_of(often, stage)))

    monkeypatch.setattr(train.Checkpoints, "save", spied)
    runtime = often.runtime.model_copy(update={"checkpoint_every_s": 0.0})
    assert often.run(stage, runtime=runtime) == TrainerExit.DONE
    assert counts == [1] * 5
    same_result((whole, stage), (often, stage))


KILLED = """
from pathlib import Path
lab = conftest.Lab(Path({folder!r}), Path({store!r}))
stage = lab.train(lab.encoder, {{"topic": 6}})
runtime = lab.runtime.model_copy(update={{"checkpoint_every_s": 0.0}})
sys.exit(lab.run(stage, runtime=runtime))
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    "point", ["update:4", "checkpoint:1", "checkpoint:3", "payload", "upload:17", "manifest:4"]
)
def test_a_killed_process_is_resumed_and_ends_with_the_same_bits(
    new_lab, tiny_folder, tmp_path, point
):
    whole = new_lab("whole")
    stage = whole.train(whole.encoder, {"topic": 6})
    whole.run(stage)
    killed, mark = new_lab("killed"), tmp_path / "mark"
    script = KILLED.format(folder=str(tiny_folder), store=str(killed.store.root))
    environment = os.environ | {"XLBENCH_KILL_AT": point, "XLBENCH_KILL_MARK": str(mark)}
    ends = [
        subprocess.run(killed.python(script), env=environment, check=False).returncode
        for _ in range(2)
    ]
    assert ends == [-signal.SIGKILL, TrainerExit.DONE]
    assert mark.exists()
    same_result((whole, stage), (killed, stage))
    assert killed.store.list(layout.checkpoints(stage.key)) == []


def test_best_on_english_dev_keeps_the_best_state_not_the_last(lab, monkeypatch):
    looked = iter([0.2, 0.9, 0.5, 0.9] + [0.1] * 6)
    real = train._dev_scores  # noqa: SLF001 - replaced while the phase runs
    monkeypatch.setattr(
        train, "_dev_scores", lambda *_: {"topic": {"macro_f1": next(looked, None) or 0.0}}
    )
    best = lab.train(lab.encoder, {"topic": 10}, checkpoint="best-english-dev")
    lab.run(best)
    monkeypatch.setattr(train, "_dev_scores", real)
    assert lab.record(best).kept_update == 2
    stopped = lab.train(lab.encoder, {"topic": 2}, first_update=0, total_updates=10)
    lab.run(stopped)
    one, two = lab.tensors(best), lab.tensors(stopped)
    # The dropout of an update is seeded by the phase's tasks, not by how long the phase is.
    assert all(torch.equal(one[name], two[name]) for name in one)


def test_a_phase_without_a_score_keeps_its_last_state(lab):
    stage = lab.train(lab.encoder, {"fill": 10}, checkpoint="best-english-dev")
    lab.run(stage)
    assert lab.record(stage).kept_update == 10
    assert lab.record(stage).dev == {"fill": {}}


def test_a_carried_optimiser_goes_on_where_the_phase_before_it_ended(lab, monkeypatch):
    begun = []
    real = train._resume  # noqa: SLF001 - looked at, not changed

    def spied(phase, found):
        tensors = train.optimizer_tensors(phase.optimizer, phase.named)
        if phase.vocabulary:
            tensors |= phase.vocabulary.index(tensors)
        begun.append({key: each.clone() for key, each in widened(tensors, 155).items()})
        return real(phase, found)

    monkeypatch.setattr(train, "_resume", spied)
    first = lab.train(lab.encoder, {"spans": 3}, keep_optimizer=True)
    second = lab.train(first, {"topic": 3}, earlier=["spans"], optimizer="carry")
    lab.run(first, second)
    left = lab.tensors(first, "optimizer.safetensors")
    own = widened({key: each for key, each in left.items() if not key.startswith("head.")}, 155)
    assert begun[1].keys() == own.keys()
    assert all(torch.equal(begun[1][key], own[key]) for key in own)
    assert begun[1]["encoder.embeddings.LayerNorm.weight|step"].item() == 3.0


def test_mlm_ties_its_outputs_to_the_embeddings_and_trains_them(lab):
    stage = lab.train(lab.encoder, {"fill": 4})
    lab.run(stage)
    tensors = lab.tensors(stage)
    assert {name for name in tensors if name.startswith("head.")} == {
        f"head.fill/{name}"
        for name in ("transform.weight", "transform.bias", "norm.weight", "norm.bias")
    }
    # The softmax over the vocabulary moves every word; a classifier moves those that it read.
    assert tensors["encoder.embeddings.word_embeddings.weight@index"].numel() > 150


def test_several_training_languages_are_one_set_in_the_order_of_the_key(new_lab):
    lab, other = new_lab("one"), new_lab("two")
    one = lab.train(lab.encoder, {"topic": 12}, languages=("en", "sw", "yo"))
    two = lab.train(lab.encoder, {"topic": 12}, languages=("yo", "en", "sw"))
    assert one.key == two.key
    lab.run(one)
    other.run(two)
    assert lab.record(one).exposure["topic"].epochs == 48 / 96
    same_result((lab, one), (other, two))


@pytest.mark.parametrize("scratch", ["none", "shared"])
def test_kept_outputs_change_no_bit_wherever_they_are_kept(new_lab, tmp_path, scratch):
    frozen = Trainable(lowest_layer=1, embeddings=False)
    own, other = (
        new_lab("own"),
        new_lab("other", scratch=tmp_path / "scratch" if scratch == "shared" else None),
    )
    stage = own.train(own.encoder, {"topic": 5}, trainable=frozen)
    own.run(stage)
    other.run(other.train(other.encoder, {"topic": 3}, trainable=frozen), stage)
    same_result((own, stage), (other, stage))


def test_bf16_and_tf32_are_choices_of_a_stage_and_end_with_it(lab):
    plain = lab.train(lab.encoder, {"topic": 4})
    coarse = lab.train(lab.encoder, {"topic": 4}, precision="bf16", tf32=True)
    score = lab.evaluate(plain, "topic", "topic")
    assert plain.key != coarse.key
    assert lab.run(coarse, plain, score) == TrainerExit.DONE
    assert lab.record(plain).losses != lab.record(coarse).losses
    assert lab.record(plain).losses == pytest.approx(lab.record(coarse).losses, abs=0.05)
    assert not torch.backends.cuda.matmul.allow_tf32


def test_what_is_kept_of_frozen_layers_knows_nothing_of_a_phases_tf32(lab, monkeypatch):
    seen = []
    outputs = train.Workshop.outputs

    def spied(*arguments):
        seen.append(torch.backends.cuda.matmul.allow_tf32)
        return outputs(*arguments)

    monkeypatch.setattr(train.Workshop, "outputs", spied)
    frozen = Trainable(lowest_layer=1, embeddings=False)
    stages = [
        lab.train(lab.encoder, {"topic": 1}, tf32=True, seed=n, trainable=frozen) for n in (1, 2)
    ]
    assert lab.run(*stages) == TrainerExit.DONE
    assert seen == [False] * 4  # a train and a dev set each


def test_the_dropout_of_the_key_is_in_force_and_ends_with_its_stage(new_lab):
    alone, beside = new_lab("alone"), new_lab("beside")
    dry, wet = (alone.train(alone.encoder, {"topic": 4}, dropout=each) for each in (0.0, 0.5))
    alone.run(dry)
    beside.run(wet, dry)
    same_result((alone, dry), (beside, dry))
    assert beside.record(wet).losses != beside.record(dry).losses


GOLDEN = {
    "topic": [1.3769, 1.3436, 1.4055, 1.4712, 1.3698, 1.4044, 1.4472, 1.3281, 1.3910, 1.4013],
    "same": [0.6940, 0.6917, 0.6619, 0.7190, 0.9255, 0.7539, 0.6872, 0.6362, 0.6736, 0.6892],
    "spans": [1.5880, 1.4502, 1.3562, 1.2917, 1.2505, 1.1477, 1.0675, 0.8762, 1.0319, 0.8663],
    "fill": [4.9208, 5.0609, 4.8995, 4.9088, 5.0641, 4.6541, 4.7658, 4.1117, 5.0739, 4.9447],
}


@pytest.mark.parametrize("name", GOLDEN)
def test_ten_updates_have_these_losses(lab, name):
    stage = lab.train(lab.encoder, {name: 10})
    lab.run(stage)
    assert lab.record(stage).losses == pytest.approx(GOLDEN[name], abs=1e-4)


ENTROPY = {"topic": math.log(4), "same": math.log(2), "spans": 1.1, "fill": math.log(50)}
"""Of the gold labels, in nats: what a constant prediction can reach at best."""


@pytest.mark.parametrize(
    "name", ["topic", "same", "spans", pytest.param("fill", marks=pytest.mark.slow)]
)
def test_it_learns_32_examples_to_far_below_the_entropy_of_their_labels(lab, name):
    updates = {"fill": 400}.get(name, 80)
    stage = lab.train(lab.encoder, {name: updates}, batch_size=16)
    lab.run(stage)
    share = 0.9 if name == "fill" else 0.5
    assert lab.record(stage).losses[-1] < share * ENTROPY[name]


def test_a_training_that_diverges_is_a_result_like_any_other(lab):
    stage = lab.train(lab.encoder, {"topic": 20, "spans": 20}, learning_rate=1e30)
    judged = [lab.evaluate(stage, each, head=each) for each in ("topic", "spans")]
    judged.append(lab.evaluate(stage, "match"))
    assert lab.run(stage, *judged) == TrainerExit.DONE
    assert lab.record(stage).losses[-1] is None
    assert all(lab.record(each).examples > 0 for each in judged)
