"""Bundles: which stages share a Job. Packing is runtime: it is in no key. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

from xlbench_specs.documents import digest
from xlbench_specs.plans import Bundle, PlannedModel, PlannedProbe
from xlbench_specs.stages import Kind, Stage

NAME_DIGITS = 12
Packing = Literal["language", "model"]


def bundles_of(
    stages: Mapping[str, Stage],
    models: Sequence[PlannedModel],
    probes: Sequence[PlannedProbe],
    packing: Packing,
) -> list[Bundle]:
    """One bundle for each stage that is no evaluation, then the evaluations as `packing` says.

    An evaluate stage that several schedules share belongs to the first in spec order.
    """
    single = [
        bundle_of(stage.kind, [key]) for key, stage in stages.items() if stage.kind != "evaluate"
    ]
    groups: dict[tuple[str, ...], list[str]] = {}
    placed: set[str] = set()
    for group, key in _evaluations(models, probes, packing):
        if key not in placed:
            placed.add(key)
            groups.setdefault(group, []).append(key)
    return single + [bundle_of("evaluate", keys) for keys in groups.values()]


def _evaluations(
    models: Sequence[PlannedModel], probes: Sequence[PlannedProbe], packing: Packing
) -> Iterator[tuple[tuple[str, ...], str]]:
    scored: list[PlannedModel | PlannedProbe] = [*models, *probes]
    for each in scored:
        model: tuple[str, ...] = (each.encoder, each.schedule or "")
        if packing == "model":
            chain = each.chain if isinstance(each, PlannedModel) else 0
            model += (each.target or "", str(each.seed), str(chain))
        for evaluation in each.evaluations:
            tail = (evaluation.language,) if packing == "language" else ()
            yield (*model, *tail), evaluation.key


def bundle_of(kind: Kind, keys: list[str]) -> Bundle:
    """Stages of one kind that share a Job, named after kind and keys."""
    return Bundle(name=f"{kind}-{digest(sorted(keys))[:NAME_DIGITS]}", kind=kind, stages=keys)
