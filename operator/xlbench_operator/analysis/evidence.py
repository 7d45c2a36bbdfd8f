"""What the stages of a plan left: manifests, outcomes, failures, fingerprints, read once.

The only module of the analysis that reads the store; everything after it is a pure function of an
`Evidence`. Called by `xlbench_operator.analysis.report`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq
from pydantic import ValidationError
from xlbench_specs import layout
from xlbench_specs.fingerprints import FINGERPRINTS_FILE
from xlbench_specs.manifests import Failure, Manifest
from xlbench_specs.outcomes import OUTCOMES_FILE
from xlbench_specs.plans import Plan
from xlbench_specs.results import Status
from xlbench_specs.stages import Kind
from xlbench_specs.store import NotFoundError, Store, finished_many, payload_file

from xlbench_operator.analysis.scores import Items

Fingerprints = npt.NDArray[np.uint64]
"""``[prints, 2]``: (2 * example + kind, hash), as `xlbench_specs.fingerprints` says."""

KINDS: tuple[Kind, ...] = ("encoder", "prepare", "train", "evaluate")


@dataclass(frozen=True)
class Evidence:
    """Everything the analysis may look at."""

    plan: Plan
    manifests: Mapping[str, Manifest]
    """Key to manifest, of the stages that are done."""
    outcomes: Mapping[str, Items]
    """Key to outcomes, of the evaluate stages that are done."""
    failures: Mapping[str, Failure]
    """Key to failure, of the stages that failed and are not done."""
    fingerprints: Mapping[str, Fingerprints]
    """Key to fingerprints, of the prepare stages that left some."""

    @cached_property
    def statuses(self) -> dict[str, Status]:
        """How every stage of the plan came out."""
        known: dict[str, Status] = dict.fromkeys(self.manifests, "done")
        known |= dict.fromkeys(self.failures, "failed")
        return {key: self._status(key, known) for key in self.plan.stages}

    def _status(self, key: str, known: dict[str, Status]) -> Status:
        """How a stage came out, from how those it needs did; `known` is added to."""
        if key not in known:
            needs = [self._status(need, known) for need in self.plan.stages[key].inputs.values()]
            blocked = any(status in {"failed", "skipped"} for status in needs)
            known[key] = "skipped" if blocked else "missing"
        return known[key]

    def reason(self, key: str) -> str:
        """Why a stage is not done: its own failure's class, or that of a stage it needs."""
        if key in self.failures:
            return self.failures[key].reason
        for need in self.plan.stages[key].inputs.values():
            if self.statuses[need] in {"failed", "skipped"}:
                return f"{self.plan.stages[need].kind}: {self.reason(need)}"
        return "not run"


def read_evidence(store: Store, plan: Plan) -> Evidence:
    """Read what the plan's stages left in the store.

    Raises:
        CorruptError: A payload file is not the one its manifest names.
    """
    manifests = finished_many(store, plan.stages.values())
    evaluated = [key for key in plan.stages_of("evaluate") if key in manifests]
    prepared = [key for key in plan.stages_of("prepare") if key in manifests]
    return Evidence(
        plan=plan,
        manifests=manifests,
        outcomes={key: _outcomes(store, manifests[key]) for key in evaluated},
        failures=_failures(store, plan, manifests),
        fingerprints=_fingerprints(store, (manifests[key] for key in prepared)),
    )


def _outcomes(store: Store, manifest: Manifest) -> Items:
    """The kept outcomes of an evaluate stage."""
    return Items.of(pq.read_table(payload_file(store, manifest, OUTCOMES_FILE)))


def _failures(store: Store, plan: Plan, manifests: Mapping[str, Manifest]) -> dict[str, Failure]:
    """The recorded failures of stages that have no manifest; an unreadable record is none."""
    folder = layout.experiment(plan.name, plan.uid)
    failures: dict[str, Failure] = {}
    for key in plan.stages:
        if key in manifests:
            continue
        try:
            data = store.read(layout.failure(folder, key)).data
            failures[key] = Failure.model_validate_json(data)
        except (NotFoundError, ValidationError):
            continue
    return failures


def _fingerprints(store: Store, manifests: Iterable[Manifest]) -> dict[str, Fingerprints]:
    """The fingerprints of the prepared sets that left some."""
    found: dict[str, Fingerprints] = {}
    for manifest in manifests:
        if any(entry.path == FINGERPRINTS_FILE for entry in manifest.files):
            path = payload_file(store, manifest, FINGERPRINTS_FILE)
            found[manifest.key] = np.fromfile(path, dtype="<u8").reshape(-1, 2)
    return found
