"""Exposures: what a phase saw of each task, for the ledger that shows arms to be matched.

Pure, and counted from the plan of updates alone: a resumed phase has the exposure of one that ran
at a stretch. Called by the recipe `train`.
"""

import hashlib
from collections.abc import Sequence
from itertools import pairwise
from math import isfinite

from xlbench_specs.manifests import Exposure
from xlbench_specs.stages import TrainParams

from xlbench_trainer.batches import Part, examples_of
from xlbench_trainer.tokens import PreparedSet


def exposure(
    task: str, plan: Sequence[Sequence[Part]], params: TrainParams, prepared: PreparedSet
) -> Exposure:
    """What a phase saw of a task, and a hash over the ids of its examples in order."""
    sequence, seen, tokens, examples = hashlib.sha256(), set[int](), 0, 0
    parts = [part for update in plan for part in update if part.task == task]
    for part in parts:
        numbers = examples_of(part, params, {task: prepared})
        for number in numbers:
            sequence.update(f"{prepared.items.example_id[number]}\n".encode())
        seen.update(numbers.tolist())
        examples += len(numbers)
        tokens += int(prepared.lengths[prepared.sequences_of(numbers)].sum())
    return Exposure(
        updates=len(parts),
        examples=examples,
        unique_examples=len(seen),
        epochs=examples / prepared.size,
        tokens=tokens,
        sequence=sequence.hexdigest(),
    )


def means(losses: Sequence[float], runs: int) -> list[float | None]:
    """Mean loss of each of `runs` runs of updates, nearly equal in length; None if it diverged.

    There are fewer runs where there are fewer updates.
    """
    count = min(runs, len(losses))
    edges = [round(place * len(losses) / count) for place in range(count + 1)]
    found = (sum(losses[first:last]) / (last - first) for first, last in pairwise(edges))
    return [mean if isfinite(mean) else None for mean in found]
