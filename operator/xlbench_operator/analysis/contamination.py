"""Whether a training set holds items of a test set: fingerprints of each, joined.

Pure. Exact texts and shared runs of eight words find copies, not paraphrases or translations.
Called by `xlbench_operator.analysis.summary`.
"""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
from xlbench_specs.fingerprints import GRAM, TEXT
from xlbench_specs.runs import Overlap
from xlbench_specs.stages import PrepareParams

from xlbench_operator.analysis.evidence import Evidence, Fingerprints


def overlaps(evidence: Evidence) -> list[Overlap]:
    """Every training set of the plan against every test set that left fingerprints, sorted."""
    train, test = _keys(evidence, "train/"), _keys(evidence, "data")
    seen = {
        task: _hashes([evidence.fingerprints[key] for key in keys])
        for task, keys in _by_task(evidence, train).items()
    }
    found = {
        (train_task, params.task, params.language): Overlap(
            train_task=train_task,
            test_task=params.task,
            language=params.language,
            examples=_examples(evidence, key),
            same_text=_hits(evidence.fingerprints[key], TEXT, texts),
            same_gram=_hits(evidence.fingerprints[key], GRAM, grams),
        )
        for key, params in _sets(evidence, test)
        for train_task, (texts, grams) in seen.items()
    }
    return [found[at] for at in sorted(found)]


def recorded(evidence: Evidence) -> bool:
    """Whether every training and test set of the plan left fingerprints."""
    wanted = [*_keys(evidence, "train/"), *_keys(evidence, "data")]
    return bool(wanted) and all(key in evidence.fingerprints for key in wanted)


def _keys(evidence: Evidence, role: str) -> list[str]:
    """Keys of the prepared sets that fill a role, in plan order."""
    keys = (
        key
        for stage in evidence.plan.stages.values()
        for name, key in stage.inputs.items()
        if name.startswith(role)
    )
    return list(dict.fromkeys(keys))


def _sets(evidence: Evidence, keys: list[str]) -> Iterator[tuple[str, PrepareParams]]:
    """The sets that left fingerprints, with what they are."""
    for key in keys:
        params = evidence.plan.stages[key].params
        if key in evidence.fingerprints and isinstance(params, PrepareParams):
            yield key, params


def _by_task(evidence: Evidence, keys: list[str]) -> dict[str, list[str]]:
    tasks: dict[str, list[str]] = {}
    for key, params in _sets(evidence, keys):
        tasks.setdefault(params.task, []).append(key)
    return tasks


def _hashes(prints: list[Fingerprints]) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.uint64]]:
    """The different hashes of texts and of grams."""
    rows = np.concatenate(prints)
    texts, grams = (np.unique(rows[rows[:, 0] % 2 == kind, 1]) for kind in (TEXT, GRAM))
    return texts, grams


def _hits(prints: Fingerprints, kind: int, hashes: npt.NDArray[np.uint64]) -> int:
    """Examples with at least one hash of a kind among `hashes`."""
    rows = prints[prints[:, 0] % 2 == kind]
    return int(np.unique(rows[np.isin(rows[:, 1], hashes), 0] // 2).size)


def _examples(evidence: Evidence, key: str) -> int:
    """Examples of a prepared set."""
    prints = evidence.fingerprints[key]
    return int(prints[:, 0].max() // 2) + 1 if prints.size else 0
