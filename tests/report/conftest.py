"""A finished experiment without training: a real plan and a store filled with made-up outcomes."""

import hashlib
import io
import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from xlbench_operator.planning.plan import local_uid, make_plan
from xlbench_specs import layout
from xlbench_specs.experiment import ExperimentSpec
from xlbench_specs.fingerprints import FINGERPRINTS_FILE, fingerprints
from xlbench_specs.manifests import (
    EncoderRecord,
    EvaluateRecord,
    Exposure,
    Failure,
    FileEntry,
    Manifest,
    PrepareRecord,
    Provenance,
    Record,
    TrainRecord,
)
from xlbench_specs.outcomes import OUTCOME_COLUMNS, OUTCOMES_FILE
from xlbench_specs.plans import Plan
from xlbench_specs.stages import EvaluateParams, PrepareParams, Stage, TrainParams
from xlbench_specs.store import FileStore, Store, commit
from xlbench_specs.tasks import Task, task_table

Skill = Callable[[str, str, int], float]
"""Chance that a model of (schedule, seed) is right on an item of a language."""

TARGET_ONLY = {"tasks": [{"task": "$target"}]}
A_PHASE = {"tasks": [{"task": "ha-slots"}]}
B_PHASE = {"tasks": [{"task": "cldr-names"}]}
JOINT_PHASE = {"tasks": [{"task": "ha-slots"}, {"task": "cldr-names"}]}
GROUP_OF_TWELVE = "scarce-12"
SIXTEEN = "af bn cy el eu ga gl gu he hy is lb ml ne ru vi".split()  # noqa: SIM905


SMALL = {"languages": {"codes": ["af", "cy", "hy"]}, "probes": [], "baselines": [], "analysis": {}}
"""What makes an experiment small enough to vary it in every test."""


def spec(**changes: object) -> ExperimentSpec:
    """The quickstart's shape; `changes` replace fields of `spec`."""
    fields: dict[str, object] = {
        "encoders": [{"name": "e5-small", "model": "builtin/e5-small-q4"}],
        "targets": [{"task": "ha-intent"}],
        "languages": {"codes": SIXTEEN},
        "seeds": [1, 2, 3, 4],
        "schedules": [
            {"name": "simultaneous", "phases": [JOINT_PHASE, TARGET_ONLY]},
            {
                "name": "sequential",
                "orders": {"mode": "per-seed"},
                "phases": [A_PHASE, B_PHASE, TARGET_ONLY],
            },
            {"name": "target-only", "role": "control", "phases": [TARGET_ONLY]},
            {
                "name": "target-only-long",
                "role": "control",
                "phases": [{**TARGET_ONLY, "updates": 180}],
            },
        ],
        "budget": {"intermediate": 120, "target": 60},
        "probes": ["django-messages"],
        "baselines": ["majority", "random-encoder", "frozen-probe"],
        "analysis": {"endpoint": {"group": GROUP_OF_TWELVE}},
        **changes,
    }
    return ExperimentSpec.parse(
        {
            "apiVersion": "xlbench.dev/v1alpha1",
            "kind": "ExperimentSpec",
            "metadata": {"name": "joint-vs-chain"},
            "spec": fields,
        }
    )


def default_skill(schedule: str, language: str, seed: int) -> float:
    """Arms that differ by two points, languages by up to thirty, seeds by one or two."""
    base = {
        "simultaneous": 0.62,
        "sequential": 0.60,
        "target-only": 0.55,
        "target-only-long": 0.57,
        "frozen-probe": 0.42,
        "random-encoder": 0.06,
    }[schedule]
    hard = _stream("language", language).uniform(-0.15, 0.15)
    return base + (0.3 if language == "en" else hard) + _stream(schedule, seed).gauss(0, 0.012)


class Finished:
    """A store in which every stage of a plan is done, unless told otherwise."""

    def __init__(
        self,
        root: Path,
        document: ExperimentSpec,
        skill: Skill = default_skill,
        *,
        collapsed: frozenset[tuple[str, int]] = frozenset(),
        run: str = "",
    ) -> None:
        """Plan the document and make an empty store.

        `collapsed` names the (schedule, seed) whose last phase learnt nothing; `run` changes
        attempts and provenance and no result.
        """
        self.collapsed = collapsed
        self.run = run
        self.store: Store = FileStore(root)
        self.tasks = task_table()
        self.plan: Plan = make_plan(document, self.tasks, uid=local_uid(document))
        self.skill = skill
        self.owners = {
            model.train[-1]: (model.schedule, model.seed)
            for model in self.plan.models
            if model.train
        }
        self.folder = layout.experiment(self.plan.name, self.plan.uid)

    def fill(self, *, without: frozenset[str] = frozenset()) -> "Finished":
        """Finish every stage but those of `without` and what depends on them."""
        self.store.put(layout.plan(self.folder), self.plan.text().encode())
        lacking = set(without)
        for key, stage in self.plan.stages.items():
            if key in lacking or lacking & set(stage.inputs.values()):
                lacking.add(key)
            else:
                self._finish(key, stage)
        return self

    def fail(self, key: str) -> None:
        """Record the failure of a stage."""
        failure = Failure(
            key=key,
            kind=self.plan.stages[key].kind,
            reason="error",
            message="out of memory",
            retryable=True,
        )
        self.store.put(layout.failure(self.folder, key), failure.text().encode())

    def evaluations(self, schedule: str, language: str, seed: int) -> Iterator[str]:
        """Keys of the evaluate stages of one model in one language."""
        for model in self.plan.models:
            if (model.schedule, model.seed) == (schedule, seed):
                yield from (each.key for each in model.evaluations if each.language == language)

    def _finish(self, key: str, stage: Stage) -> None:
        record, files = self._product(key, stage)
        attempt = _digest(self.run, key)[:12]
        folder = layout.payload(stage.kind, key, attempt)
        for name, data in files.items():
            self.store.put(f"{folder}/{name}", data)
        entries = [
            FileEntry(path=name, size_bytes=len(data), sha256=hashlib.sha256(data).hexdigest())
            for name, data in sorted(files.items())
        ]
        commit(
            self.store,
            Manifest(
                key=key,
                stage=stage,
                attempt=attempt,
                files=entries,
                record=record,
                provenance=_provenance(self.run + key),
            ),
        )

    def _product(self, key: str, stage: Stage) -> tuple[Record, dict[str, bytes]]:
        match stage.params:
            case PrepareParams() as params:
                return self._prepared(params)
            case TrainParams() as params:
                return self._trained(key, stage, params), {}
            case EvaluateParams() as params:
                return self._evaluated(key, stage, params)
            case _:
                return EncoderRecord(layers=12, hidden=384, parameters=117_500_000), {}

    def _prepared(self, params: PrepareParams) -> tuple[Record, dict[str, bytes]]:
        task = self.tasks[params.task]
        size = task.sizes[params.split][params.language]
        same = params.task == "ha-intent" and params.language == "en" and params.split == "test"
        texts = [
            # one English test item is a text of the slots' training set
            (_sentence("ha-slots train en" if same and n == 7 else _set_name(params), n),)
            for n in range(size)
        ]
        labels = {label: 1 + size // (2 + n) for n, label in enumerate(task.labels)}
        record = PrepareRecord(examples=size, tokens=12 * size, truncated=0, labels=labels)
        return record, {FINGERPRINTS_FILE: fingerprints(texts)}

    def _trained(self, key: str, stage: Stage, params: TrainParams) -> TrainRecord:
        dev = [role.removeprefix("dev/") for role in stage.inputs if role.startswith("dev/")]
        exposure = {}
        for task, dose in params.tasks.items():
            examples = dose.updates * params.batch_size
            size = self.tasks[task].size("train", "en")
            exposure[task] = Exposure(
                updates=dose.updates,
                examples=examples,
                unique_examples=min(size, examples),
                epochs=examples / size,
                tokens=round(examples * self.tasks[task].tokens_per_example),
                sequence=_digest(task, params.seed, dose.updates, dose.occurrence),
            )
        return TrainRecord(
            exposure=exposure,
            dev={task: self._dev(key, task, params) for task in dev},
            losses=[2.0 / (n + 1) for n in range(10)],
            kept_update=params.updates,
        )

    def _dev(self, key: str, task: str, params: TrainParams) -> dict[str, float]:
        """Well learnt after its own phase, partly forgotten after another's."""
        if self.owners.get(key) in self.collapsed:
            return dict.fromkeys(self.tasks[task].metrics, 0.01)
        level = (0.9 if task in params.tasks else 0.72) + _stream(task, params.seed).gauss(0, 0.02)
        return {name: min(level + 0.02 * n, 1.0) for n, name in enumerate(self.tasks[task].metrics)}

    def _evaluated(
        self, key: str, stage: Stage, params: EvaluateParams
    ) -> tuple[Record, dict[str, bytes]]:
        task = self.tasks[params.task]
        size = task.sizes["test"][params.language]
        schedule, seed = self.owners.get(stage.inputs["model"], ("", 0))
        chance = self.skill(schedule, params.language, seed) if schedule else 0.5
        if task.kind == "retrieval":
            chance = 0.7
        rows = [
            _outcome(task, params.language, n, chance, _stream(schedule, seed, params.language, n))
            for n in range(size)
        ]
        columns = {name: [(key, *row)[at] for row in rows] for at, (name, _) in _columns()}
        table = pa.table(columns)
        buffer = io.BytesIO()
        pq.write_table(table, buffer)
        score = sum(row[-2] for row in rows) / size
        return EvaluateRecord(examples=size, scores={task.metrics[0]: score}), {
            OUTCOMES_FILE: buffer.getvalue()
        }


def _columns() -> list[tuple[int, tuple[str, type]]]:
    return list(enumerate(OUTCOME_COLUMNS))


def _outcome(
    task: Task, language: str, number: int, chance: float, model: random.Random
) -> tuple[str, str, str, str, str | None, str, str, int, int]:
    """An item of a fixed test set, and what a model with this chance says of it.

    Every item has a difficulty of its own, the same for all models.
    """
    item = _stream(task.name, language, number)
    labels = task.labels or [str(n) for n in range(300)]
    gold = item.choice(labels[: max(5, int(len(labels) * 0.7))])
    right = model.random() < chance + item.uniform(-0.25, 0.25)
    said = gold if right else model.choice(labels)
    name = "accuracy_at_1" if task.kind == "retrieval" else "accuracy"
    return (
        str(number),
        f"{language}:{number}",
        f"{language}:block-{number % 60}",
        gold,
        said,
        name,
        "",
        int(said == gold),
        1,
    )


def _stream(*parts: object) -> random.Random:
    return random.Random("/".join(map(str, parts)))  # noqa: S311


def _digest(*parts: object) -> str:
    return hashlib.sha256("/".join(map(str, parts)).encode()).hexdigest()


def _sentence(name: str, number: int) -> str:
    """Nine words that no other example has."""
    return " ".join(f"{name}-{number}-{word}".replace(" ", "-") for word in range(9))


def _set_name(params: PrepareParams) -> str:
    return f"{params.task} {params.split} {params.language}"


def _provenance(key: str) -> Provenance:
    seconds = _stream(key).uniform(1, 40)
    return Provenance(
        started="2026-11-22T12:00:00Z",
        wall_s=seconds,
        cpu_s=seconds * 0.98,
        peak_rss_bytes=900_000_000,
        host="laptop",
        hardware="cpu, 2 cores",
        versions={"torch": "2.13.0"},
        trainer_build=_digest("build", _stream(key).random() < 0.5),
    )


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """A complete experiment of the quickstart's shape."""
    return Finished(tmp_path_factory.mktemp("finished"), spec()).fill()


@pytest.fixture
def experiment(tmp_path: Path) -> Callable[..., Finished]:
    """Make a small experiment, or one of another shape: `experiment(seeds=[1, 2])`."""

    def make(
        skill: Skill = default_skill,
        *,
        collapsed: frozenset[tuple[str, int]] = frozenset(),
        run: str = "",
        **changes: object,
    ) -> Finished:
        document = spec(**{**SMALL, **changes})
        return Finished(tmp_path / (run or "one"), document, skill, collapsed=collapsed, run=run)

    return make
