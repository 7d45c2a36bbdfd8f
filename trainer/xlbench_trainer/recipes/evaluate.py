"""Recipe `evaluate`: one model on one test set; every example's outcome is kept.

The test sets that one process scores a model on are read together: a stage's work may have been
done by the stage before it. What it says does not depend on that (but for the last bits of sums).
"""

from contextlib import suppress
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from numpy.typing import NDArray
from xlbench_specs.manifests import EvaluateRecord
from xlbench_specs.outcomes import OUTCOME_COLUMNS, OUTCOMES_FILE, OutcomeRow
from xlbench_specs.stages import METRICS, EvaluateParams, Stage
from xlbench_specs.store import CorruptError, NotFoundError, finished
from xlbench_specs.tasks import task_table

from xlbench_trainer.encoders import MIDDLE_LAYERS, MINING_LAYERS, middle_layer
from xlbench_trainer.errors import BadTaskError
from xlbench_trainer.judging import Case, outcomes, scores
from xlbench_trainer.phases import set_arithmetic
from xlbench_trainer.predicting import Question, said
from xlbench_trainer.workshop import MissingInputError, Model, Workshop

STREAM_TOKENS = 2**18
"""Sets are read together up to so many tokens: what an interruption can cost is bounded."""


def run(stage: Stage, workshop: Workshop, payload: Path) -> EvaluateRecord:
    """Write the outcome rows of a model on a prepared set; its scores.

    The stages of the same model that this process has yet to run go through the encoder together
    with this one, in one stream of packs, and what it says of them is remembered.

    Raises: `BadTaskError` if the plan fixed another version of the metrics.
    """
    params = _params(stage)
    if params.metrics != METRICS:
        raise BadTaskError(f"metrics = {params.metrics}: this trainer knows {METRICS} alone")
    if stage.key not in workshop.answers:
        workshop.answers |= _answers(stage, workshop)
    numbers = workshop.answers.pop(stage.key)
    prepared = workshop.prepared(workshop.manifest(stage, "data"))
    task = task_table()[params.task]
    spoken_by = task_table()[params.head or params.task]
    rows = outcomes(Case(task, prepared, numbers, spoken_by, params.language), stage.key)
    write(payload / OUTCOMES_FILE, rows)
    return EvaluateRecord(examples=prepared.size, scores=scores(task, rows))


def _params(stage: Stage) -> EvaluateParams:
    if not isinstance(stage.params, EvaluateParams):
        raise TypeError(stage.kind)
    return stage.params


def _answers(stage: Stage, workshop: Workshop) -> dict[str, NDArray[np.float32]]:
    """Stage key to what the stage's model says of its data: of this one and some beside it."""
    params = _params(stage)
    set_arithmetic(params.threads, tf32=False)
    model = workshop.model(workshop.manifest(stage, "model"))
    depth = model.frozen_depth(len(model.encoder.layers))
    asked = {stage.key: _question(stage, model, depth, workshop)}
    tokens = len(asked[stage.key].prepared.ids)
    for other in workshop.stages:
        if tokens >= STREAM_TOKENS or not _alike(stage, other):
            continue
        if finished(workshop.store, "evaluate", other.key) is None:
            # One whose data or head is missing fails when its own turn comes, and alone.
            with suppress(BadTaskError, MissingInputError, NotFoundError, CorruptError, KeyError):
                asked[other.key] = _question(other, model, depth, workshop)
                tokens += len(asked[other.key].prepared.ids)
    model.heads.eval()
    enabled = params.precision == "bf16"
    with torch.autocast(model.encoder.device.type, torch.bfloat16, enabled=enabled):
        return dict(zip(asked, said(model.encoder, depth, list(asked.values())), strict=True))


def _alike(stage: Stage, other: Stage) -> bool:
    """Whether two stages ask one model in one arithmetic."""
    one, two = stage.params, other.params
    return (
        isinstance(one, EvaluateParams)
        and isinstance(two, EvaluateParams)
        and stage.inputs["model"] == other.inputs["model"]
        and (one.precision, one.threads) == (two.precision, two.threads)
    )


def _question(stage: Stage, model: Model, depth: int, workshop: Workshop) -> Question:
    params, data = _params(stage), workshop.manifest(stage, "data")
    head = None if params.head is None else model.heads.get(params.head)
    prepared, task = workshop.prepared(data), task_table()[params.task]
    kind = task.kind
    if head is None and kind != "retrieval":
        raise BadTaskError(f"task {params.task}: head is not set: a {kind} task needs its target's")
    if kind == "retrieval" and model.encoder.family.searched == "middle":
        layers = MINING_LAYERS if task.metric == "mining_f1" else MIDDLE_LAYERS
        return Question(kind, head, prepared, None, middle_layer(model.encoder, layers))
    kept = workshop.outputs(model, depth, prepared, [data.key])
    return Question(kind, head, prepared, kept)


def write(path: Path, rows: list[OutcomeRow]) -> None:
    """Write outcome rows as parquet, columns as the contract has them."""
    columns = list(zip(*rows, strict=True)) if rows else [()] * len(OUTCOME_COLUMNS)
    kinds = {str: pa.string(), int: pa.int64()}
    arrays = {
        name: pa.array(column, kinds[kind])
        for (name, kind), column in zip(OUTCOME_COLUMNS, columns, strict=True)
    }
    pq.write_table(pa.table(arrays), path)
