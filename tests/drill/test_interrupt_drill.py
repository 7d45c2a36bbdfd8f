"""The interrupt drill: a run that is killed anywhere ends with the bytes of one that was not.

Real trainers, real runs of `interrupt.yaml`. A run is killed at each named point (the process kills
itself there, see `xlbench_specs.drill`; then the whole run is killed too, or left to mend itself),
and at twenty moments drawn from a fixed seed, by SIGKILL and SIGTERM in turn.
"""

import json
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from random import Random

import pytest
from xlbench_specs.drill import KILL_AT, KILL_MARK

pytestmark = pytest.mark.slow

SPEC = Path(__file__).with_name("interrupt.yaml")
XLBENCH = Path(sys.executable).with_name("xlbench")
PATIENCE_S = 300.0

POINTS = {
    "while preparing": "prepare:3",
    "in mid-update": "update:45",
    "in mid-checkpoint": "checkpoint:3",
    "between two files of a model": "payload:2",
    "in mid-payload": "upload:20",
    "between payload and manifest": "manifest:9",
    "while evaluating": "evaluate:4",
    "while reporting": "report:1",
    "between a report's copies and its manifest": "copies:1",
}
"""Where to kill: a point, and the how manieth time it is passed."""
TRAINER_ALONE = {"in mid-update", "in mid-payload", "while evaluating"}
"""Here only the trainer dies, and the run that started it must mend that by itself."""
MUST_RESUME = {"in mid-update", "in mid-checkpoint"}
"""Here a train stage must have gone on from a checkpoint."""
MOMENTS, LIVES = 20, 4
"""So many kills at random moments, shared by so many runs."""


def start(folder, **environment):
    """A run of the spec that checkpoints as often as it can."""
    folder.mkdir(parents=True, exist_ok=True)
    command = [XLBENCH, "run", SPEC, "--out", folder, "--jobs", "1", "--checkpoint-every-s", "0"]
    with (folder / "said.txt").open("ab") as said:
        return subprocess.Popen(
            command, stdout=said, stderr=said, env=os.environ | environment, start_new_session=True
        )


def finish(folder, **environment):
    run = start(folder, **environment)
    code = run.wait(PATIENCE_S)
    assert code == 0, (folder / "said.txt").read_text()


def manifests(folder):
    return [json.loads(path.read_text()) for path in sorted(folder.glob("manifests/*/*.json"))]


def contents(folder):
    """The summary's bytes, and the checksums of every payload but the report's."""
    (summary,) = folder.glob("experiments/*/*/summary.json")
    payloads = {
        each["key"]: each["files"]
        for each in manifests(folder)
        if each["stage"]["params"]["kind"] != "report"
    }
    return summary.read_bytes(), payloads


def resumed(folder):
    """Updates from which train stages went on."""
    found = (each["provenance"].get("resumedUpdate") for each in manifests(folder))
    return [update for update in found if update]


@dataclass(frozen=True)
class Drills:
    """All drills, two at a time: each is a single thread and waits for libraries to load."""

    uninterrupted: Path
    took_s: float
    ends: dict

    def end(self, name):
        return self.ends[name].result()


@pytest.fixture(scope="module")
def drills(tmp_path_factory):
    root = tmp_path_factory.mktemp("drills")
    began = time.monotonic()
    finish(root / "uninterrupted")
    took_s = time.monotonic() - began
    with ThreadPoolExecutor(2) as pool:
        ends = {
            name: pool.submit(killed_at, root / name.replace(" ", "-"), name) for name in POINTS
        }
        for life in range(LIVES):
            folder = root / f"life-{life}"
            ends[folder.name] = pool.submit(killed_at_random, folder, life, took_s)
        yield Drills(root / "uninterrupted", took_s, ends)
        pool.shutdown(cancel_futures=True)


def killed_at(folder, name):
    """A run that is killed at a point, and run again."""
    mark = folder / "mark"
    environment = {KILL_AT: POINTS[name], KILL_MARK: str(mark)}
    run = start(folder, **environment)
    if name not in TRAINER_ALONE:
        while not mark.exists() and run.poll() is None:
            time.sleep(0.01)
        run.kill()
    run.wait(PATIENCE_S)
    hit = mark.read_text() if mark.exists() else "never"
    finish(folder, **environment)
    return folder, hit


def killed_at_random(root, life, took_s):
    """Runs that are killed at random moments and run again, anew where one came to its end."""
    random = Random(life)  # noqa: S311 - the same moments in every drill
    folders = [root / "run-0"]
    kills = 0
    while kills < MOMENTS // LIVES:
        run = start(folders[-1])
        try:
            code = run.wait(random.uniform(0.05, 0.9) * took_s)
            assert code == 0, (folders[-1] / "said.txt").read_text()
            folders.append(root / f"run-{len(folders)}")
        except subprocess.TimeoutExpired:
            kills += 1
            run.send_signal(signal.SIGTERM if kills % 2 else signal.SIGKILL)
            assert run.wait(PATIENCE_S) != 0
    finish(folders[-1])
    return folders


@pytest.mark.parametrize("name", POINTS)
def test_a_run_killed_at_a_named_point_ends_with_the_same_bytes(drills, name):
    folder, hit = drills.end(name)
    point, _, number = POINTS[name].partition(":")
    assert hit == f"{point} {number}\n"
    assert contents(folder) == contents(drills.uninterrupted)
    assert resumed(folder) or name not in MUST_RESUME


@pytest.mark.parametrize("life", range(LIVES))
def test_runs_killed_at_random_moments_end_with_the_same_bytes(drills, life):
    for folder in drills.end(f"life-{life}"):
        assert contents(folder) == contents(drills.uninterrupted)


def test_the_uninterrupted_run_resumed_nothing(drills):
    assert not resumed(drills.uninterrupted)


def test_a_finished_run_has_nothing_to_do(drills):
    folder = drills.uninterrupted
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}
    finish(folder)
    said = folder / "said.txt"
    after = {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}
    assert before | {said: 0} == after | {said: 0}
    assert f"all {len(manifests(folder)) - 1} stages were there" in said.read_text()
