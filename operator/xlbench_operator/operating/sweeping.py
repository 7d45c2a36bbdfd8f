"""Which Jobs are deleted: those nobody needs any more, and recorded ones after a while.

Pure. Pods of a deleted Job get SIGTERM and checkpoint. Called by `decide`.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from xlbench_operator.operating.names import bundle_key
from xlbench_operator.operating.observed import Job, World, seniority
from xlbench_operator.operating.situation import Situation
from xlbench_operator.operating.standing import Standing

KEPT_S = 600.0
"""How long a recorded Job is kept, for people to look at."""
KEPT_JOBS = 200
"""How many of them are kept at most."""


class Doomed(NamedTuple):
    """A Job to delete: this one, not a later one of its name."""

    name: str
    uid: str


def deletions(situation: Situation, standing: Standing) -> Iterator[Doomed]:
    """Jobs to delete of an experiment that goes on."""
    world = situation.world
    if situation.spec.suspend or standing.ended:
        yield from doomed(live_children(world))
    else:
        wanted = {bundle_key(bundle) for bundle in standing.bundles(situation.plan)}
        yield from doomed(
            job
            for job in world.own
            if job.live and (job.bundle not in wanted or _junior(world, job))
        )
    yield from doomed(outdated(recorded_jobs(situation), situation.now))


def live_children(world: World) -> Iterator[Job]:
    """Every child that may still have pods."""
    return (job for job in world.children if job.live)


def recorded_jobs(situation: Situation) -> list[Job]:
    """Ended Jobs of which all is known that will ever be asked."""
    own = situation.world.own
    return [job for job in own if not job.live and not situation.unrecorded(job)]


def outdated(jobs: Iterable[Job], now: float) -> Iterator[Job]:
    """Of recorded Jobs, those that ended long ago or beyond the newest few."""
    newest = sorted(jobs, key=lambda job: (-job.ended, job.name))
    yield from (
        job for rank, job in enumerate(newest) if rank >= KEPT_JOBS or now >= job.ended + KEPT_S
    )


def doomed(jobs: Iterable[Job]) -> Iterator[Doomed]:
    """Jobs to delete, but those that are being deleted."""
    return (Doomed(job.name, job.uid) for job in jobs if not job.terminating)


def next_sweep(jobs: Sequence[Job]) -> list[float]:
    """When recorded Jobs are due to go."""
    return [job.ended + KEPT_S for job in jobs if not job.terminating]


def _junior(world: World, job: Job) -> bool:
    """Whether another experiment has an older Job for the same: two that started at one moment."""
    other = world.foreign.get(job.bundle)
    return other is not None and seniority(other) < seniority(job)
