"""The store as the operator reads it: what never changes once written is read once.

Manifests, plans, stage files and records of attempts are write-once, so this cache cannot hold
ghosts. Called by `reconcile`; one of these serves one namespace.
"""

from collections.abc import Collection, Iterable, Mapping

from pydantic import ValidationError
from xlbench_specs import layout
from xlbench_specs.manifests import Attempt, Failure
from xlbench_specs.plans import Plan
from xlbench_specs.stages import Stage, StageFile
from xlbench_specs.store import NotFoundError, Store, finished_many

KEPT_PLANS = 64


class Results:
    """What the experiments of a namespace have left so far."""

    def __init__(self, store: Store) -> None:
        """Nothing is read yet."""
        self.store = store
        self._finished: set[str] = set()
        self._plans: dict[str, Plan] = {}

    def plan(self, folder: str) -> Plan | None:
        """The plan of an experiment; None if it was never accepted."""
        if folder not in self._plans:
            try:
                data = self.store.read(layout.plan(folder)).data
            except NotFoundError:
                return None
            while len(self._plans) >= KEPT_PLANS:
                del self._plans[next(iter(self._plans))]
            self._plans[folder] = Plan.model_validate_json(data)
        return self._plans[folder]

    def fix(self, folder: str, plan: Plan) -> Plan:
        """Write the plan, unless one is there; the one that is."""
        self.store.create(layout.plan(folder), plan.text().encode())
        fixed = self.plan(folder)
        if fixed is None:
            raise NotFoundError(f"{layout.plan(folder)}: written, and not there")
        return fixed

    def finished(self, stages: Mapping[str, Stage]) -> frozenset[str]:
        """Those of the stages that have a manifest."""
        unseen = (stage for key, stage in stages.items() if key not in self._finished)
        self._finished.update(finished_many(self.store, unseen))
        return frozenset(stages.keys() & self._finished)

    def attempts(self, folder: str) -> tuple[Attempt, ...]:
        """Jobs that ended and left stages without a manifest."""
        paths = self.store.list(layout.attempts(folder))
        return tuple(Attempt.model_validate_json(self.store.read(path).data) for path in paths)

    def carried(self, folder: str, jobs: Iterable[str]) -> dict[str, tuple[str, ...]]:
        """Stages of the stage files of Jobs; a Job without one carried nothing."""
        found = {}
        for job in jobs:
            try:
                data = self.store.read(layout.job(folder, job)).data
            except NotFoundError:
                continue
            file = StageFile.model_validate_json(data)
            found[job] = tuple(stage.key for stage in file.stages)
        return found

    def failures(self, folder: str, keys: Collection[str]) -> dict[str, Failure]:
        """What was last said of failed stages; what cannot be read says nothing."""
        found = {}
        for key in keys:
            try:
                data = self.store.read(layout.failure(folder, key)).data
                found[key] = Failure.model_validate_json(data)
            except (NotFoundError, ValidationError):
                continue
        return found

    def reached(self, keys: Collection[str]) -> dict[str, int]:
        """Update of the newest checkpoint of each stage that has one."""
        found = {}
        for key in keys:
            updates = map(layout.checkpoint_update, self.store.list(layout.checkpoints(key)))
            if (newest := max(updates, default=0)) > 0:
                found[key] = newest
        return found
