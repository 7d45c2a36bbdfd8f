"""Finds the log of a Job or of a stage: its pod's while there is one, else the store's copy.

The API server knows Jobs by name only; which of them carries a stage stands in the plan, in the
store. So a Job's name always does, and a stage's key needs access to the store. Called by
`xlbench logs`.
"""

import re
from collections.abc import Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Literal, NamedTuple

from pydantic import ValidationError
from xlbench_specs import layout
from xlbench_specs.plans import Plan
from xlbench_specs.store import (
    CorruptError,
    NotFoundError,
    RefusedError,
    Store,
    UnavailableError,
    open_store,
)

from xlbench_operator.operating.names import UID_DIGITS, number_of
from xlbench_operator.operating.observed import Subject, subject_of
from xlbench_operator.planning.bundles import bundle_of
from xlbench_operator.remote.experiments import Experiments

_KEY = re.compile(r"[0-9a-f]{6,64}")
"""A stage's key or enough of its beginning."""
_WHOLE = 64
_LANES = 32
"""Plans that are read at a time."""


class Log(NamedTuple):
    """What was found."""

    job: str
    text: str
    source: Literal["pod", "store"]


class NoLogError(LookupError):
    """There is no such log; says where it was looked for."""


def find_log(experiments: Experiments, wanted: str) -> Log:
    """The log of a Job, or of the last attempt at a stage that is named by its key.

    Raises: `NoLogError`; `ApiError`; what the store raises, if it must be asked.
    """
    live = [str(job["metadata"]["name"]) for job in experiments.jobs()]
    if wanted in live and (text := experiments.log(wanted)) is not None:
        return Log(wanted, text, "pod")
    subjects = [subject_of(each) for each in experiments.every()]
    places = [place for each in subjects if (place := _place(each))]
    if _KEY.fullmatch(wanted):
        return _of_stage(experiments, wanted, live, places)
    owned = [each for each in places if _mark(each.subject) in wanted]
    for place in owned:
        if (text := place.log(wanted)) is not None:
            return Log(wanted, text, "store")
    if wanted in live:
        raise NoLogError(
            f"Job {wanted} has no pod that began yet; see: kubectl describe pods "
            f"--namespace {experiments.namespace} --selector job-name={wanted}"
        )
    where = f"namespace {experiments.namespace}"
    raise NoLogError(
        f"{wanted}: no Job of {where} has this name and no log is stored under it; "
        "valid: the name of a Job, or 6 or more digits of a stage's key"
    )


class _Place(NamedTuple):
    """Where an experiment leaves what outlives its Jobs."""

    subject: Subject
    store: Store
    folder: str

    def log(self, job: str) -> str | None:
        try:
            return self.store.read(layout.log(self.folder, job)).data.decode(errors="replace")
        except NotFoundError:
            return None

    def plan(self) -> Plan | str:
        """What its stages are, or why that cannot be told."""
        try:
            return Plan.model_validate_json(self.store.read(layout.plan(self.folder)).data)
        except ValidationError as error:
            first = error.errors()[0]
            return self._unread(": ".join([*map(str, first["loc"][:1]), first["msg"]]))
        except (NotFoundError, CorruptError, RefusedError, UnavailableError) as error:
            return self._unread(str(error))

    def _unread(self, why: str) -> str:
        address = self.subject.status.links.plan if self.subject.status else None
        return (
            f"{self.subject.name}: what its stages are is in {address}, which cannot be read from "
            f"here ({why}); name the Job instead, see: kubectl get jobs --selector "
            f"xlbench.dev/experiment={self.subject.uid}"
        )

    def logged(self) -> list[str]:
        """Jobs whose log is stored."""
        paths = self.store.list(f"{self.folder}/logs")
        return [path.rpartition("/")[2].removesuffix(".log") for path in paths]


def _place(subject: Subject) -> _Place | None:
    """Where an accepted experiment's folder is, by the address of its plan."""
    folder = layout.experiment(subject.name, subject.uid)
    address = (subject.status.links.plan if subject.status else None) or ""
    root, found, _ = address.partition(f"/{layout.plan(folder)}")
    return _Place(subject, open_store(root), folder) if found else None


def _mark(subject: Subject) -> str:
    """What the names of all Jobs of an experiment hold."""
    return f"-{subject.uid.replace('-', '')[:UID_DIGITS]}-"


def _of_stage(experiments: Experiments, key: str, live: list[str], places: list[_Place]) -> Log:
    with ThreadPoolExecutor(_LANES) as pool:  # each may take long to say that it is not there
        plans = list(zip(places, pool.map(_Place.plan, places), strict=True))
    carriers = [
        carrier
        for place, plan in plans
        if isinstance(plan, Plan)
        for carrier in _carriers(place, plan, key)
    ]
    unread = [plan for _, plan in plans if isinstance(plan, str)]
    _check_only_one(key, {carrier.stage for carrier in carriers})
    for _, place, prefix in carriers:
        jobs = {job for job in [*live, *place.logged()] if job.startswith(prefix)}
        for job in sorted(jobs, key=number_of, reverse=True):
            if job in live and (text := experiments.log(job)) is not None:
                return Log(job, text, "pod")
            if (text := place.log(job)) is not None:
                return Log(job, text, "store")
    if carriers:
        said = f"{key}: no Job of this stage has begun, or its result was there before"
    else:
        where = f"an experiment in namespace {experiments.namespace}"
        said = f"{key}: no stage of {where} has a key that begins so"
    raise NoLogError("\n".join([said, *unread]))


def _check_only_one(key: str, stages: Collection[str]) -> None:
    if len(stages) > 1:
        said = f"{key}: the keys of {len(stages)} stages begin so; give more digits of one:"
        raise NoLogError("\n".join([said, *sorted(stages)]))


class _Carrier(NamedTuple):
    """Jobs that may carry a stage, all attempts alike."""

    stage: str
    """Its whole key."""
    place: _Place
    prefix: str
    """What their names begin with."""


def _carriers(place: _Place, plan: Plan, key: str) -> Iterator[_Carrier]:
    """Who may carry the stages of an experiment whose keys begin so."""
    mark = _mark(place.subject)
    for bundle in plan.bundles:
        for stage in bundle.stages:
            if stage.startswith(key):
                yield _Carrier(stage, place, f"{bundle.name}{mark}")
    if len(key) == _WHOLE:  # a report's key is known, to no plan, once all else has ended
        yield _Carrier(key, place, f"{bundle_of('report', [key]).name}{mark}")
