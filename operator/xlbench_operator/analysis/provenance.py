"""Where the numbers of a report were made, and what making them took.

Pure. Everything that may differ between two equal runs is here and not in the summary. Called by
`xlbench_operator.analysis.report`.
"""

from collections.abc import Iterable, Iterator

from xlbench_specs.manifests import Manifest
from xlbench_specs.runs import Cost, ReportProvenance, ScheduleCost, StageProvenance

from xlbench_operator.analysis.evidence import KINDS, Evidence

SHORT = 12
"""Digits of a build's digest that people are shown."""


def provenance_of(evidence: Evidence, analysis: str) -> ReportProvenance:
    """Times, hosts and versions of every finished stage; `analysis` is the analysis' digest."""
    manifests = [
        evidence.manifests[key] for key in evidence.plan.stages if key in evidence.manifests
    ]
    return ReportProvenance(
        plan=evidence.plan.digest,
        analysis=analysis,
        kinds={
            kind: _cost(each for each in manifests if each.stage.kind == kind) for kind in KINDS
        },
        schedules=list(_schedule_costs(evidence)),
        warnings=list(_differences(manifests)),
        stages=[
            StageProvenance(
                key=each.key,
                kind=each.stage.kind,
                attempt=each.attempt,
                provenance=each.provenance,
            )
            for each in manifests
        ],
    )


def _cost(manifests: Iterable[Manifest]) -> Cost:
    """What stages took together."""
    parts = [each.provenance for each in manifests]
    return Cost(
        stages=len(parts),
        wall_s=round(sum(part.wall_s for part in parts), 3),
        cpu_s=round(sum(part.cpu_s for part in parts), 3),
    )


def _schedule_costs(evidence: Evidence) -> Iterator[ScheduleCost]:
    """What the training of each schedule took on each encoder."""
    keys: dict[tuple[str, str], dict[str, None]] = {}
    for model in evidence.plan.models:
        keys.setdefault((model.encoder, model.schedule), {}).update(dict.fromkeys(model.train))
    for (encoder, schedule), train in keys.items():
        done = [evidence.manifests[key] for key in train if key in evidence.manifests]
        yield ScheduleCost(encoder=encoder, schedule=schedule, train=_cost(done))


def _differences(manifests: Iterable[Manifest]) -> Iterator[str]:
    """What is not the same in all stages: builds, hardware, library versions."""
    seen: dict[str, set[str]] = {}
    for each in manifests:
        made = each.provenance
        seen.setdefault("trainer build", set()).add((made.trainer_build or "unknown")[:SHORT])
        seen.setdefault("hardware", set()).add(made.hardware)
        for library, version in made.versions.items():
            seen.setdefault(library, set()).add(version)
    for name, values in sorted(seen.items()):
        if len(values) > 1:
            yield f"stages differ in {name}: {', '.join(sorted(values))}"
