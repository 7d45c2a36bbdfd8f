"""Recipe `prepare`: tokenise one split of one task in one language, once.

Writes the prepared set and the fingerprints of its texts. Needs no accelerator.
"""

import hashlib
import logging
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from xlbench_specs.fingerprints import FINGERPRINTS_FILE, fingerprints
from xlbench_specs.languages import ENGLISH
from xlbench_specs.manifests import PrepareRecord
from xlbench_specs.stages import PrepareParams
from xlbench_specs.store import Store
from xlbench_specs.tasks import Task, task_table

from xlbench_trainer import tokens
from xlbench_trainer.encoders import (
    config_of,
    family_in,
    language_numbers,
    load_tokeniser,
    longest_text,
)
from xlbench_trainer.errors import BadTaskError
from xlbench_trainer.sources import SourceFiles
from xlbench_trainer.tasks.examples import Example, marked_texts
from xlbench_trainer.tasks.loaders import TaskError, load, pool
from xlbench_trainer.tasks.pinned import Files
from xlbench_trainer.tokenising import Tokeniser, languages, tokenised

LOG = logging.getLogger("xlbench.trainer")


def run(
    params: PrepareParams,
    encoder: Path,
    model: str,
    payload: Path,
    *,
    store: Store | None = None,
    mirror: str | None = None,
) -> PrepareRecord:
    """Write the prepared set of a task's split in one language.

    `encoder`: folder of the snapshot whose tokeniser is used; `model`: its name in its key, which
    tells the family; `store`, `mirror`: where files of pinned tasks are looked for.

    Raises: `BadTaskError` if the data is not what the task table says, or a sequence may be longer
    than the encoder's positions.
    """
    config = config_of(encoder)
    family = family_in(config, model)
    longest = longest_text(config, family)
    if longest is not None and params.max_length > longest:
        raise BadTaskError(
            f"training.maxLength = {params.max_length}: encoder {model} has {longest} positions"
        )
    task = _task(params.task)
    files = SourceFiles(task, store, mirror)
    examples = _examples(params, task, files)
    candidates = pool(params.task, params.split, params.language, files)
    tokeniser = Tokeniser(load_tokeniser(encoder), family.prefix, params.max_length)
    prepared, truncated = tokenised(task, examples, candidates, tokeniser)
    if numbers := language_numbers(config, family):
        told = languages(task, prepared, candidates, params.language)
        prepared = replace(prepared, languages=_numbered(told, numbers, model))
    tokens.write(payload, prepared)
    marks = fingerprints(marked_texts(each, task.kind) for each in examples)
    (payload / FINGERPRINTS_FILE).write_bytes(marks)
    return PrepareRecord(
        examples=prepared.size,
        tokens=len(prepared.ids),
        truncated=truncated,
        labels=dict(sorted(Counter(label for each in examples for label in each.labels).items())),
    )


def _numbered(told: list[str], numbers: Mapping[str, int], model: str) -> NDArray[np.int32]:
    """`[sequences]`: the encoder's number of each one's language, English's for unknown ones."""
    if unknown := sorted(set(told) - numbers.keys()):
        LOG.warning("encoder %s does not know %s: told as English", model, ", ".join(unknown))
    return np.array([numbers.get(code, numbers[ENGLISH]) for code in told], np.int32)


def _task(name: str) -> Task:
    if name not in task_table():
        raise BadTaskError(f"task = {name!r}: valid: {', '.join(task_table())}")
    return task_table()[name]


def _examples(params: PrepareParams, task: Task, files: Files) -> list[Example]:
    if params.revision != task.revision:
        message = (
            f"task {task.name}: revision {params.revision} is planned, {task.revision} is here"
        )
        raise BadTaskError(message)
    if params.view is not None:
        raise BadTaskError(f"task {task.name}: view = {params.view!r}: there are no views of it")
    try:
        examples = load(params.task, params.split, params.language, files)
    except TaskError as error:
        raise BadTaskError(str(error)) from error
    expected = task.size(params.split, params.language)
    if len(examples) != expected:
        message = (
            f"task {task.name}, split {params.split}, language {params.language}: "
            f"{len(examples)} examples, but the task table says {expected}"
        )
        raise BadTaskError(message)
    if unknown := {label for each in examples for label in each.labels} - set(task.labels):
        message = f"task {task.name}: labels {sorted(unknown)} are not in the task table"
        raise BadTaskError(message)
    return examples if params.shots is None else _shots(examples, params.shots)


def _shots(examples: list[Example], shots: int) -> list[Example]:
    """So many examples, chosen by a hash of their ids, in their order."""
    chosen = sorted(examples, key=lambda each: hashlib.sha256(each.example_id.encode()).digest())
    kept = {each.example_id for each in chosen[:shots]}
    return [each for each in examples if each.example_id in kept]
