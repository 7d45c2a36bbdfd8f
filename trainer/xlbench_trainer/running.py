"""Running a stage file: each stage in turn, its payload first and its manifest last.

The one place that turns exceptions into outcomes: a failed stage is recorded in the store and
the others go on; a stage whose input failed is skipped.
"""

import logging
import os
import platform
import resource
import tempfile
import time
import traceback
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import distributions
from pathlib import Path
from typing import Literal, assert_never

import torch
from xlbench_specs import drill, layout
from xlbench_specs.exits import TrainerExit
from xlbench_specs.manifests import Failure, FileEntry, Manifest, Provenance, Record
from xlbench_specs.pinned_files import MIRROR_SETTING
from xlbench_specs.stages import (
    RECIPES,
    EncoderParams,
    EvaluateParams,
    PrepareParams,
    ReportParams,
    Stage,
    StageFile,
    TrainParams,
)
from xlbench_specs.store import Store, commit, finished, payload_folder, sha256_of

from xlbench_trainer.builds import installed_build
from xlbench_trainer.checkpoints import Checkpoints
from xlbench_trainer.devices import ALONE, Devices
from xlbench_trainer.errors import BadTaskError, Interrupted
from xlbench_trainer.following import call
from xlbench_trainer.progress import JsonLines
from xlbench_trainer.recipes import encoder, evaluate, prepare, train
from xlbench_trainer.workshop import MissingInputError, Workshop

LOG = logging.getLogger("xlbench.trainer")
LAST_LINES = 4000
"""Characters of a traceback that are kept in a failure's record."""
NAMED = ("torch", "transformers", "tokenizers", "datasets", "numpy", "xlbench-trainer")


@dataclass(slots=True)
class _Tally:
    """How the stages of a file ended."""

    done: set[str] = field(default_factory=set)
    lost: dict[str, TrainerExit] = field(default_factory=dict)


def run_file(
    file: StageFile, store: Store, progress: JsonLines, devices: Devices = ALONE
) -> TrainerExit:
    """Run all stages of a file; the exit code that says how they ended.

    `devices`: the processes that train together, of which this is the first.
    """
    with closing(Workshop(store, file.runtime, file.stages, devices)) as workshop:
        return _run_all(file, workshop, progress)


def _run_all(file: StageFile, workshop: Workshop, progress: JsonLines) -> TrainerExit:
    attempt = os.environ.get("XLBENCH_ATTEMPT") or uuid.uuid4().hex  # a Job's pod says its uid
    store, tally = workshop.store, _Tally()
    for stage in file.stages:
        progress.begin(stage.key)
        if finished(store, stage.kind, stage.key) is not None:
            if stage.kind == "train":  # an attempt may have been killed right after its manifest
                Checkpoints(store, stage.key, attempt).clear()
            tally.done.add(stage.key)
            progress.say("reused")
            continue
        if lost := sorted(set(stage.inputs.values()) & tally.lost.keys()):
            tally.lost[stage.key] = tally.lost[lost[0]]
            progress.say("skipped", because=lost[0])
            continue
        if progress.stopping:
            progress.say("interrupted")
            return TrainerExit.INTERRUPTED
        try:
            call(file, stage, workshop.devices)
            _run(stage, workshop, attempt, progress)
        except Interrupted:
            progress.say("interrupted")
            return TrainerExit.INTERRUPTED
        except Exception as error:  # the one place where a stage's failure becomes an outcome
            if finished(store, stage.kind, stage.key) is not None:  # another attempt was faster
                tally.done.add(stage.key)
                progress.say("done")
                continue
            LOG.exception("%s stage %s failed", stage.kind, stage.key)
            tally.lost[stage.key] = _record_failure(store, file, stage, error)
            progress.say("failed", message=str(error))
            if workshop.devices.count > 1:  # the others stand in the stage that failed
                break
            continue
        tally.done.add(stage.key)
        progress.say("done")
    return _verdict(tally)


def _verdict(tally: _Tally) -> TrainerExit:
    """One code for the file: done, partly done, or the one reason why nothing is."""
    if not tally.lost:
        return TrainerExit.DONE
    if tally.done:
        return TrainerExit.PARTIAL
    reasons = set(tally.lost.values())
    return reasons.pop() if len(reasons) == 1 else TrainerExit.FAILED


def _run(stage: Stage, workshop: Workshop, attempt: str, progress: JsonLines) -> None:
    """Run one stage and commit it."""
    started, wall, cpu = datetime.now(UTC), time.monotonic(), time.process_time()
    store = workshop.store
    if stage.recipe != RECIPES[stage.kind]:
        raise WrongRecipeError(stage)
    checkpoints = Checkpoints(store, stage.key, attempt)
    with tempfile.TemporaryDirectory(prefix="xlbench-") as folder:
        payload = Path(folder)
        record, resumed = _record(stage, workshop, payload, checkpoints, progress)
        files = _upload(store, stage, attempt, payload)
    drill.point("manifest")
    provenance = Provenance(
        started=started.isoformat(timespec="seconds"),
        wall_s=round(time.monotonic() - wall, 3),
        cpu_s=round(time.process_time() - cpu, 3),
        peak_rss_bytes=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        host=platform.node(),
        hardware=_hardware(workshop.devices.count if stage.kind == "train" else 1),
        versions=_versions(),
        trainer_build=workshop.runtime.trainer_build or installed_build(),
        resumed_update=resumed,
    )
    manifest = Manifest(
        key=stage.key,
        stage=stage,
        attempt=attempt,
        files=files,
        record=record,
        provenance=provenance,
    )
    ended = commit(store, manifest)
    LOG.info("%s stage %s: %s", stage.kind, stage.key, ended.value)
    if stage.kind == "train":
        checkpoints.clear()


def _record(
    stage: Stage,
    workshop: Workshop,
    payload: Path,
    checkpoints: Checkpoints,
    progress: JsonLines,
) -> tuple[Record, int | None]:
    """Run the recipe of the stage's kind."""
    match stage.params:
        case EncoderParams() as params:
            return encoder.run(params, workshop.runtime, payload), None
        case PrepareParams() as params:
            drill.point("prepare")
            source = workshop.manifest(stage, "tokeniser")
            if not isinstance(source.stage.params, EncoderParams):
                raise BadTaskError(f"role tokeniser = {source.key}: must be an encoder stage")
            model, folder = source.stage.params.model, _tokeniser_folder(source, workshop)
            mirror = workshop.runtime.mirror or os.environ.get(MIRROR_SETTING)  # a pod's own mount
            record = prepare.run(
                params, folder, model, payload, store=workshop.store, mirror=mirror
            )
            return record, None
        case TrainParams():
            return train.run(stage, workshop, payload, checkpoints, progress)
        case EvaluateParams():
            drill.point("evaluate")
            return evaluate.run(stage, workshop, payload), None
        case ReportParams():
            raise BadTaskError("report stages are run by the operator, not by the trainer")
        case never:
            assert_never(never)


def _tokeniser_folder(source: Manifest, workshop: Workshop) -> Path:
    """An encoder's snapshot without its weights, which every set would fetch and verify."""
    names = [file.path for file in source.files if not file.path.endswith(".safetensors")]
    folder = workshop.scratch / f"tokeniser-{source.key}"
    return payload_folder(workshop.store, source, folder, names=names)


def _upload(store: Store, stage: Stage, attempt: str, payload: Path) -> list[FileEntry]:
    """Store every file of the payload; their entries, sorted by path."""
    folder = layout.payload(stage.kind, stage.key, attempt)
    entries = []
    for path in sorted(file for file in payload.rglob("*") if file.is_file()):
        name = path.relative_to(payload).as_posix()
        entries.append(FileEntry(path=name, size_bytes=path.stat().st_size, sha256=sha256_of(path)))
        store.upload(f"{folder}/{name}", path)
        drill.point("upload")
    return entries


class WrongRecipeError(Exception):
    """The plan fixed a recipe version that this trainer does not speak."""

    def __init__(self, stage: Stage) -> None:
        """Name both versions."""
        super().__init__(
            f"{stage.kind} stage {stage.key}: the plan fixed recipe {stage.recipe}, this trainer "
            f"speaks {RECIPES[stage.kind]}: use the trainer image that the plan was made with"
        )


def _record_failure(store: Store, file: StageFile, stage: Stage, error: Exception) -> TrainerExit:
    reason: Literal["task-is-wrong", "wrong-recipe", "error", "lost"]
    match error:
        case BadTaskError():
            reason, code = "task-is-wrong", TrainerExit.BAD_TASK
        case WrongRecipeError():
            reason, code = "wrong-recipe", TrainerExit.WRONG_RECIPE
        case MissingInputError():
            reason, code = "lost", TrainerExit.FAILED
        case _:
            reason, code = "error", TrainerExit.FAILED
    failure = Failure(
        key=stage.key,
        kind=stage.kind,
        reason=reason,
        message="".join(traceback.format_exception(error))[-LAST_LINES:],
        retryable=code is TrainerExit.FAILED,
        job=file.job,
    )
    store.put(layout.failure(file.experiment, stage.key), failure.text().encode())
    return code


@cache
def _versions() -> dict[str, str]:
    found = {each.metadata["Name"].lower(): each.version for each in distributions()}
    return {"python": platform.python_version()} | {
        name: found[name] for name in NAMED if name in found
    }


@cache
def _hardware(devices: int) -> str:
    """What the stage ran on: the name of the GPU, before it their number if it is not one."""
    if torch.cuda.is_available():
        several = f"{devices} x " if devices > 1 else ""
        return f"{several}{torch.cuda.get_device_name()}"
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.is_file() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.processor() or platform.machine()


@contextmanager
def quiet() -> Iterator[None]:
    """Keep libraries from drawing progress bars on the trainer's streams."""
    from transformers.utils import logging as transformers_logging  # noqa: PLC0415 - slow

    transformers_logging.disable_progress_bar()
    transformers_logging.set_verbosity_error()
    yield
