"""Recipe `train`: one phase, from the state before it to the state after it.

Killed at any moment it goes on from its newest checkpoint and ends with the same bits on a CPU:
every random choice is derived from (seed, purpose, task, occurrence, update).
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from xlbench_specs import drill
from xlbench_specs.languages import ENGLISH
from xlbench_specs.manifests import Manifest, TrainRecord
from xlbench_specs.stages import Stage, TrainParams
from xlbench_specs.tasks import Task, task_table

from xlbench_trainer.batches import Part, drawn, updates
from xlbench_trainer.checkpoints import Checkpoint, Checkpoints
from xlbench_trainer.encoders import set_dropout
from xlbench_trainer.errors import Interrupted
from xlbench_trainer.exposures import exposure, means
from xlbench_trainer.feeding import Feeder, Lesson, MicroBatch, loss_of
from xlbench_trainer.judging import Case, outcomes, scores
from xlbench_trainer.models import Head, HeadShape
from xlbench_trainer.phases import (
    learning_rate_factor,
    make_optimizer,
    optimizer_tensors,
    restore_optimizer,
    seed_dropout,
    set_arithmetic,
    set_modes,
    trained_names,
)
from xlbench_trainer.predicting import Question, said
from xlbench_trainer.progress import Progress
from xlbench_trainer.tokens import join
from xlbench_trainer.trimming import TrimmedVocabulary, widened
from xlbench_trainer.workshop import OPTIMIZER_FILE, Model, Workshop, save_model

TENTHS = 10
"""Losses are recorded, and English dev looked at for the best state, ten times a phase."""
WEIGHT, MOMENT, BEST = "weight/", "moment/", "best/"


@dataclass(slots=True)
class _Phase:
    """What is loaded for one phase, and how far it is."""

    params: TrainParams
    model: Model
    frozen: int
    """So many of the lowest layers are frozen, and the embeddings with them."""
    vocabulary: TrimmedVocabulary | None
    """The token embeddings that are trained, where they are trimmed."""
    named: dict[str, nn.Parameter]
    """What is trained, by name: `encoder.` and `head.` ones."""
    optimizer: torch.optim.AdamW
    lessons: dict[str, Lesson]
    dev: dict[str, Question]
    plan: list[list[Part]]
    feeder: Feeder
    losses: Tensor
    """`[updates]` on the device, so that reading one waits for nothing."""
    update: int = 0
    """So many updates are done."""
    best: dict[str, Tensor] = field(default_factory=dict)
    """The best state so far, where English dev decides."""
    best_at: tuple[float, int] | None = None
    """Its score and its update."""

    @property
    def device(self) -> torch.device:
        return self.model.encoder.device

    def close(self) -> None:
        """Leave the encoder whole and without gradients: other stages of this process use it."""
        self.optimizer.zero_grad(set_to_none=True)
        if self.vocabulary is not None:
            self.vocabulary.undo()


def run(
    stage: Stage, workshop: Workshop, payload: Path, checkpoints: Checkpoints, progress: Progress
) -> tuple[TrainRecord, int | None]:
    """Train the phase, write its payload; its record and the update it was resumed from.

    Raises: `Interrupted` after a checkpoint, when `progress` says to stop.
    """
    with _trained(stage, workshop, checkpoints, progress) as (phase, resumed_from):
        return _finish(phase, payload, workshop), resumed_from


def follow(stage: Stage, workshop: Workshop, checkpoints: Checkpoints, progress: Progress) -> None:
    """Train the phase beside the process that runs it, and write nothing."""
    with _trained(stage, workshop, checkpoints, progress):
        return


@contextmanager
def _trained(
    stage: Stage, workshop: Workshop, checkpoints: Checkpoints, progress: Progress
) -> Iterator[tuple[_Phase, int | None]]:
    """The phase after its last update, and the update it was resumed from."""
    params = _params(stage)
    set_arithmetic(params.threads, tf32=False)  # what is kept of frozen layers knows no phase
    with closing(_load(stage, params, workshop)) as phase:
        set_arithmetic(params.threads, tf32=params.tf32)
        resumed_from = _resume(phase, checkpoints.newest())
        workshop.devices.agree(f"train stage {stage.key}: updates done before", phase.update)
        _train(phase, workshop, checkpoints, progress)
        yield phase, resumed_from


def _train(phase: _Phase, workshop: Workshop, checkpoints: Checkpoints, progress: Progress) -> None:
    """Every update that is left of the phase. Nothing in here waits for an accelerator."""
    params, optimizer, count = phase.params, phase.optimizer, len(phase.plan)
    devices, checkpoint_every_s = workshop.devices, workshop.runtime.checkpoint_every_s
    rate = learning_rate_factor(params)
    tenth = max(1, count // TENTHS)
    saved_at = time.monotonic()
    set_modes(phase.model.encoder, phase.model.heads, params.trainable)
    for batches in phase.feeder.updates(phase.plan[phase.update :]):
        drill.point("update")
        for group in optimizer.param_groups:
            group["lr"] = params.learning_rate * rate(phase.update)
        seed_dropout(params, phase.update, devices.rank)
        for batch in batches:
            phase.losses[phase.update] += _learn(phase, batch)
        devices.sum_gradients(phase.named.values())
        devices.total(phase.losses[phase.update : phase.update + 1])
        nn.utils.clip_grad_norm_(phase.named.values(), params.clip)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        phase.update += 1
        progress.step(phase.update, count)
        stopping = devices.any(said=progress.stopping)
        if not devices.first:
            if stopping:
                raise Interrupted
            continue
        if params.checkpoint == "best-english-dev" and (
            phase.update % tenth == 0 or phase.update == count
        ):
            _keep_best(phase)
            set_modes(phase.model.encoder, phase.model.heads, params.trainable)
        due = time.monotonic() - saved_at >= checkpoint_every_s
        if stopping or (due and phase.update < count):
            checkpoints.save(_checkpoint(phase))
            saved_at = time.monotonic()
        if stopping:
            raise Interrupted


def _learn(phase: _Phase, batch: MicroBatch) -> Tensor:
    """Add a micro-batch's part to the gradient of an update; its part of the loss."""
    model, enabled = phase.model, phase.params.precision == "bf16"
    with torch.autocast(phase.device.type, torch.bfloat16, enabled=enabled):
        loss = loss_of(model.encoder, model.heads, batch, phase.frozen)
    loss.backward()
    return loss.detach()


def _finish(phase: _Phase, payload: Path, workshop: Workshop) -> TrainRecord:
    """Write the payload; what the phase did."""
    params, model = phase.params, phase.model
    kept = len(phase.plan)
    if phase.best_at is not None:
        kept = phase.best_at[1]
        _put(phase.named, phase.best)
    dev = _dev_scores(phase, sorted(phase.dev))
    optimized = optimizer_tensors(phase.optimizer, phase.named)
    if phase.vocabulary is not None:
        optimized |= phase.vocabulary.index(optimized)
        rate = learning_rate_factor(params)
        decay = params.learning_rate * params.weight_decay
        phase.vocabulary.put_back([1 - decay * rate(update) for update in range(kept)])
    save_model(payload, model, workshop.snapshot(model.encoder_key))
    drill.point("payload")
    if params.keep_optimizer:
        save_file(optimized, payload / OPTIMIZER_FILE)
    losses = phase.losses.tolist()
    return TrainRecord(
        exposure={
            task: exposure(task, phase.plan, params, lesson.prepared)
            for task, lesson in sorted(phase.lessons.items())
        },
        dev=dev,
        losses=means(losses, TENTHS),
        kept_update=kept,
    )


def _params(stage: Stage) -> TrainParams:
    if not isinstance(stage.params, TrainParams):
        raise TypeError(stage.kind)
    return stage.params


def _load(stage: Stage, params: TrainParams, workshop: Workshop) -> _Phase:
    model = workshop.model(workshop.manifest(stage, "init"))
    encoder = model.encoder
    names = trained_names(encoder, params.trainable)
    wanted = 0 if params.trainable.embeddings else params.trainable.lowest_layer
    frozen = model.frozen_depth(wanted)
    workshop.touched(model.encoder_key, frozenset(names))
    model = replace(model, changed=model.changed | frozenset(names))
    encoder.model.requires_grad_(requires_grad=False)
    for name, parameter in encoder.model.named_parameters():
        parameter.requires_grad_(name in names)

    manifests = _data(stage, workshop)
    trained = {_head_of(params, task) for kind, task in manifests if kind == "train"}
    looked_at = {task for kind, task in manifests if kind == "dev"}
    for task in sorted((trained | looked_at) - model.heads.shapes.keys()):
        shape = HeadShape(_task(task).kind, len(_task(task).labels))
        head = Head(shape, encoder, params.dropout)
        head.initialise(params.seed, task)
        model.heads.put(task, head)
    model.heads.to(encoder.device)
    set_dropout(encoder.model, params.dropout)
    set_dropout(model.heads, params.dropout)

    def read(role: str) -> dict[str, Lesson]:
        found = {}
        for (kind, task), group in manifests.items():
            if kind == role:
                prepared = join([workshop.prepared(each) for each in group])
                asked = drawn(task, params, prepared) if role == "train" else None
                keys = [each.key for each in group]
                depth = 0 if _task(task).kind == "mlm" else frozen  # MLM hides tokens anew
                kept = workshop.outputs(model, depth, prepared, keys, asked)
                found[task] = Lesson(_task(task).kind, prepared, kept)
        return found

    lessons, dev = read("train"), read("dev")
    carried = {}
    if params.optimizer == "carry":
        carried = workshop.optimizer(workshop.manifest(stage, "init"))
    vocabulary = None
    if params.trainable.embeddings and "mlm" not in {each.kind for each in lessons.values()}:
        sets = [each.prepared for each in (*lessons.values(), *dev.values())]
        vocabulary = TrimmedVocabulary(encoder, sets, carried)
    named = {
        f"encoder.{name}": parameter
        for name, parameter in encoder.model.named_parameters()
        if name in names
    }
    for task in sorted(trained):
        for name, parameter in model.heads.get(task).named_parameters():
            named[f"head.{task}.{name}"] = parameter
    optimizer = make_optimizer(named, params)
    size = encoder.vocabulary.shape[0]
    state = vocabulary.fitted(carried) if vocabulary else widened(carried, size)
    restore_optimizer(optimizer, named, state)
    plan = updates(params)
    numbers = vocabulary.numbers if vocabulary else None
    return _Phase(
        params=params,
        model=model,
        frozen=frozen,
        vocabulary=vocabulary,
        named=named,
        optimizer=optimizer,
        lessons=lessons,
        dev={
            task: Question(each.kind, model.heads.get(task), *each[1:])
            for task, each in dev.items()
        },
        plan=plan,
        feeder=Feeder(params, encoder, lessons, numbers, workshop.devices),
        losses=torch.zeros(len(plan), dtype=torch.float64, device=encoder.device),
    )


def _data(stage: Stage, workshop: Workshop) -> dict[tuple[str, str], list[Manifest]]:
    """(train or dev, task) to the manifests of its prepared sets."""
    found: dict[tuple[str, str], list[Manifest]] = {}
    for role in sorted(stage.inputs):  # as the key has them: a map has no order
        kind, _, rest = role.partition("/")
        if rest:
            found.setdefault((kind, rest.split("/")[0]), []).append(workshop.manifest(stage, role))
    return found


def _task(name: str) -> Task:
    return task_table()[name]


def _head_of(params: TrainParams, task: str) -> str:
    """The task whose head a task's data trains: its own, or that of the recipe it is a step of."""
    dose = params.tasks.get(task)
    return dose.head if dose is not None and dose.head is not None else task


def _dev_scores(phase: _Phase, tasks: Sequence[str]) -> dict[str, dict[str, float]]:
    """Task to metric to score on English dev."""
    phase.model.heads.eval()
    numbers = phase.vocabulary.numbers if phase.vocabulary else None
    questions = [phase.dev[task] for task in tasks]
    answers = said(phase.model.encoder, phase.frozen, questions, numbers)
    found = {}
    for task, question, answer in zip(tasks, questions, answers, strict=True):
        case = Case(_task(task), question.prepared, answer, _task(task), ENGLISH)
        values = scores(_task(task), outcomes(case, ""))
        found[task] = {metric: value for metric, value in values.items() if value is not None}
    return found


def _keep_best(phase: _Phase) -> None:
    """Look at English dev; keep the state if the mean of the phase's tasks is the best so far.

    Where no task of the phase has a score (MLM), the last state is kept.
    """
    tasks = sorted({_head_of(phase.params, task) for task in phase.lessons})
    metrics = {task: _task(task).metric for task in tasks if task in phase.dev}
    scored = {task: metric for task, metric in metrics.items() if metric is not None}
    if not scored:
        return
    found = _dev_scores(phase, list(scored))
    score = sum(found[task].get(metric, 0.0) for task, metric in scored.items()) / len(scored)
    if phase.best_at is None or score > phase.best_at[0]:
        phase.best = {name: parameter.detach().clone() for name, parameter in phase.named.items()}
        phase.best_at = (score, phase.update)


def _checkpoint(phase: _Phase) -> Checkpoint:
    tensors = {WEIGHT + name: each.detach().cpu() for name, each in phase.named.items()}
    for key, value in optimizer_tensors(phase.optimizer, phase.named).items():
        tensors[MOMENT + key] = value
    tensors.update({BEST + name: each.cpu() for name, each in phase.best.items()})
    losses = phase.losses[: phase.update].tolist()
    return Checkpoint(phase.update, tensors, losses, phase.best_at)


def _resume(phase: _Phase, found: Checkpoint | None) -> int | None:
    """Go on from a checkpoint; its update."""
    if found is None:
        return None
    _put(phase.named, _under(found.tensors, WEIGHT))
    restore_optimizer(phase.optimizer, phase.named, _under(found.tensors, MOMENT))
    phase.best = _under(found.tensors, BEST)
    phase.best_at, phase.update = found.best, found.update
    phase.losses[: found.update] = torch.tensor(found.losses, dtype=torch.float64)
    return found.update


def _put(named: Mapping[str, nn.Parameter], tensors: Mapping[str, Tensor]) -> None:
    with torch.no_grad():
        for name, tensor in tensors.items():
            named[name].copy_(tensor)


def _under(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {
        name.removeprefix(prefix): each for name, each in tensors.items() if name.startswith(prefix)
    }
