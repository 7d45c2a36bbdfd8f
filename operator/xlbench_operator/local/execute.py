"""The executor: starts trainers, listens to them, keeps the board, until nothing is left to do.

The thin shell around `schedule` and `board`: processes, pipes, signals, the clock. One thread, one
loop. What a stage's end means is for the board to say; "done" is the manifest in the store and
nothing else. Called by `xlbench run`.
"""

import json
import os
import selectors
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from pydantic import ValidationError
from xlbench_specs import layout
from xlbench_specs.documents import digest
from xlbench_specs.exits import UNCOUNTED, TrainerExit
from xlbench_specs.manifests import Failure, Manifest
from xlbench_specs.plans import Plan
from xlbench_specs.stages import KINDS, Kind, StageFile, StageRuntime
from xlbench_specs.store import FileStore, NotFoundError, finished
from xlbench_specs.tasks import task_table

from xlbench_operator.local.board import Board, State
from xlbench_operator.local.graph import graph_of
from xlbench_operator.local.rates import Rates
from xlbench_operator.local.schedule import backwards, left_s, next_batch
from xlbench_operator.local.trainer import start

TICK_S = 0.25
"""How often the display is drawn, and signals and dead trainers are looked for, in silence."""
PIPE_BYTES = 1 << 16
"""What a pipe holds at most: one read gets all that a dead trainer has said."""
LAST_LINES = 12
NAME_DIGITS = 12
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
Reason = Literal["task-is-wrong", "wrong-recipe", "error", "no-manifest"]


@dataclass(frozen=True, slots=True)
class Settings:
    """How to run a plan on this machine."""

    trainer: Path
    jobs: int
    threads: int
    runtime: StageRuntime


@dataclass(frozen=True, slots=True)
class Running:
    """A stage that a trainer works on."""

    name: str
    done: int
    total: int


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What a display may show."""

    counts: dict[Kind, dict[State, int]]
    running: list[Running]
    starting: int
    """Trainers that have not begun a stage yet."""
    elapsed_s: float
    left_s: float
    stopping: bool


class Display(Protocol):
    """Who shows a run."""

    def update(self, snapshot: Snapshot) -> None:
        """This is how things stand."""
        ...

    def ended(self, name: str, state: State, seconds: float) -> None:
        """A stage was finished, in so many seconds."""
        ...

    def tell(self, line: str) -> None:
        """Something that must be read."""
        ...


@dataclass(slots=True)
class _Process:
    """A trainer and what it was given."""

    popen: subprocess.Popen[bytes]
    name: str
    keys: list[str]
    backwards: bool
    """Whether it scores its sets from the last to the first, as not all should begin at one end."""
    rest: bytes = b""
    current: str | None = None
    steps: tuple[int, int] = (0, 0)
    failed: bool = False


class Execution:
    """One run of a plan in a folder."""

    def __init__(self, plan: Plan, store: FileStore, settings: Settings, display: Display) -> None:
        """Look what is finished; nothing is started yet."""
        self._store = store
        self._settings = settings
        self._display = display
        self._graph = graph_of(plan)
        self._folder = layout.experiment(plan.name, plan.uid)
        self._rates = Rates(plan, self._graph, task_table())
        self._processes: dict[int, _Process] = {}
        self._stops = self._stops_sent = 0
        self._moved = True
        self._began = time.monotonic()
        self.board = Board(self._graph, self._look())

    @property
    def interrupted(self) -> bool:
        """Whether a signal ended it before its time."""
        return self._stops > 0

    def run(self) -> None:
        """Run what is left of the plan, or as much of it as signals and failures allow."""
        drawn = 0.0
        with self._signals(), selectors.DefaultSelector() as selector:
            self._fill(selector)
            while self._processes:
                for ready, _ in selector.select(TICK_S):
                    self._listen(selector, ready.fd)
                self._bury_the_dead(selector)
                self._stop_if_asked()
                if self._moved:
                    self._fill(selector)
                if time.monotonic() - drawn >= TICK_S:
                    self._display.update(self.snapshot())
                    drawn = time.monotonic()

    def snapshot(self) -> Snapshot:
        """How things stand."""
        busy = [process for process in self._processes.values() if process.current]
        parts = {
            process.current or "": process.steps[0] / max(1, process.steps[1]) for process in busy
        }
        return Snapshot(
            counts={kind: dict(self.board.counts(kind)) for kind in KINDS if kind != "report"},
            running=[
                Running(self._graph.names[process.current or ""], *process.steps)
                for process in busy
            ],
            starting=len(self._processes) - len(busy),
            elapsed_s=time.monotonic() - self._began,
            left_s=left_s(self.board, self._rates.cost_s, self._settings.jobs, parts),
            stopping=self._stops > 0,
        )

    def _look(self) -> set[str]:
        """Stages that have a manifest; how long they took is the first measurement."""
        found = set()
        for key in self._graph.stages:
            if (manifest := self._manifest(key)) is not None:
                found.add(key)
                self._rates.observe(key, manifest.provenance.wall_s)
        return found

    def _fill(self, selector: selectors.BaseSelector) -> None:
        """Start trainers while there are free places and something can start."""
        self._moved = False
        jobs = self._settings.jobs
        while not self._stops and (idle := jobs - len(self._processes)):
            batch = next_batch(self.board, self._rates.cost_s, jobs, idle)
            if not batch:
                return
            there = {key for key in batch if self._manifest(key)}  # by another run meanwhile
            for key in there:
                self.board.finish(key, reused=True)
            keys = [key for key in batch if key not in there]
            if keys:
                self._start(selector, keys)

    def _start(self, selector: selectors.BaseSelector, keys: list[str]) -> None:
        others = Counter(process.backwards for process in self._processes.values())
        turned = others[False] > others[True]
        if turned:
            keys = backwards(self._graph.stages, keys)
        stages = [self._graph.stages[key] for key in keys]
        name = f"{stages[-1].kind}-{digest(sorted(keys))[:NAME_DIGITS]}"
        file = StageFile(experiment=self._folder, stages=stages, runtime=self._settings.runtime)
        path = layout.job(self._folder, name)
        self._store.put(path, file.text().encode())
        log = self._log(name)
        log.parent.mkdir(parents=True, exist_ok=True)
        arguments = [str(self._settings.trainer), "--store", self._store.url, path]
        process = _Process(start(arguments, log, self._settings.threads), name, keys, turned)
        pipe = process.popen.stdout
        assert pipe is not None  # noqa: S101 - we asked for a pipe
        os.set_blocking(pipe.fileno(), False)
        selector.register(pipe, selectors.EVENT_READ)
        self._processes[pipe.fileno()] = process
        self.board.claim(keys)

    def _listen(self, selector: selectors.BaseSelector, descriptor: int) -> None:
        """Read what a trainer said. At the end of its pipe it dies this moment, or is mute."""
        process = self._processes[descriptor]
        if not self._read(process, descriptor):
            selector.unregister(descriptor)
            with suppress(subprocess.TimeoutExpired):
                process.popen.wait(TICK_S)

    def _bury_the_dead(self, selector: selectors.BaseSelector) -> None:
        """Take leave of trainers that have ended; a process of theirs may still hold the pipe."""
        for descriptor, process in list(self._processes.items()):
            code = process.popen.poll()
            if code is None:
                continue
            self._read(process, descriptor)
            if descriptor in selector.get_map():
                selector.unregister(descriptor)
            del self._processes[descriptor]
            assert process.popen.stdout is not None  # noqa: S101 - we asked for a pipe
            process.popen.stdout.close()
            self._bury(process, code)

    def _read(self, process: _Process, descriptor: int) -> bool:
        """Take in what a trainer said meanwhile; False at the end of its pipe."""
        try:
            data = os.read(descriptor, PIPE_BYTES)
        except BlockingIOError:
            return True
        *lines, process.rest = (process.rest + data).split(b"\n")
        for line in lines:
            self._hear(process, line)
        return bool(data)

    def _hear(self, process: _Process, line: bytes) -> None:
        """Take in one event; what is none is passed over, as a library may print too."""
        try:
            event = json.loads(line)
            name, key = event["event"], event["stage"]
        except (ValueError, TypeError, KeyError):
            return
        if key not in self._graph.stages:
            return
        match name:
            case "begin":
                process.current, process.steps = key, (0, 0)
            case "step":
                process.steps = (int(event["done"]), int(event["total"]))
            case "done" | "reused" if (manifest := self._manifest(key)) is not None:
                self._finish(process, manifest, reused=name == "reused")
            case "failed":
                process.current, process.failed = None, True
                process.keys.remove(key)  # it is no longer this process's: another may take it
                self._fail(process, key, self._recorded(key))
            case "skipped":
                process.current = None

    def _finish(self, process: _Process, manifest: Manifest, *, reused: bool) -> None:
        """Note a finished stage. How long it took its manifest says, whoever wrote that."""
        self._moved = True
        key, seconds = manifest.key, manifest.provenance.wall_s
        if process.current == key:
            process.current = None
        self.board.finish(key, reused=reused)
        self._rates.observe(key, seconds)
        if not reused:
            self._display.ended(self._graph.names[key], State.DONE, seconds)

    def _bury(self, process: _Process, code: int) -> None:
        """Sort what a trainer that ended leaves: finished, to be run by others, or failed."""
        self._moved = True
        rest = []
        for key in process.keys:
            if self.board.states[key] is not State.CLAIMED:
                continue
            if (manifest := self._manifest(key)) is not None:
                # Killed before it could say so; what it never began another run finished.
                self._finish(process, manifest, reused=key != process.current)
            else:
                rest.append(key)
                self.board.release(key)
        orderly = process.failed and process.current is None  # the rest waits for what failed
        if rest and not (orderly or self._stops or code in UNCOUNTED):
            culprit = process.current if process.current in rest else rest[0]
            self._fail(process, culprit, self._crash(process, culprit, code))

    def _fail(self, process: _Process, key: str, failure: Failure) -> None:
        """Note a failure; record and show it if it is final."""
        self._moved = True
        name = self._graph.names[key]
        log = self._log(process.name)
        last = "\n".join(f"    {line}" for line in failure.message.splitlines()[-LAST_LINES:])
        if not self.board.fail(key, retryable=failure.retryable):
            reason = (failure.message.splitlines() or [failure.reason])[-1]
            self._display.tell(f"will try again: {name}: {reason}")
            return
        self._store.put(layout.failure(self._folder, key), failure.text().encode())
        self._display.tell(f"failed: {name}\n{last}\n    log: {log}")

    def _recorded(self, key: str) -> Failure:
        """The failure that a trainer recorded in the store."""
        try:
            data = self._store.read(layout.failure(self._folder, key)).data
            return Failure.model_validate_json(data)
        except (NotFoundError, ValidationError):
            return self._failure(key, "error", "the trainer recorded no reason", retryable=True)

    def _crash(self, process: _Process, key: str, code: int) -> Failure:
        """The failure of a trainer that ended without a word about its stage."""
        text = self._log(process.name).read_text(encoding="utf-8", errors="replace")
        said = text.strip().splitlines()[-LAST_LINES:]
        how = f"killed by signal {-code}" if code < 0 else f"ended with exit code {code}"
        reasons: dict[int, Reason] = {
            TrainerExit.DONE: "no-manifest",
            TrainerExit.BAD_TASK: "task-is-wrong",
            TrainerExit.WRONG_RECIPE: "wrong-recipe",
        }
        message = "\n".join([*said, f"the trainer {how} and left no manifest"])
        hopeless = code in {TrainerExit.BAD_TASK, TrainerExit.WRONG_RECIPE}
        return self._failure(key, reasons.get(code, "error"), message, retryable=not hopeless)

    def _failure(self, key: str, reason: Reason, message: str, *, retryable: bool) -> Failure:
        kind = self._graph.stages[key].kind
        return Failure(key=key, kind=kind, reason=reason, message=message, retryable=retryable)

    def _manifest(self, key: str) -> Manifest | None:
        return finished(self._store, self._graph.stages[key].kind, key)

    def _log(self, name: str) -> Path:
        return self._store.root / layout.log(self._folder, name)

    @contextmanager
    def _signals(self) -> Iterator[None]:
        """Count stop signals while inside; no trainer outlives an exception."""

        def count(*_: object) -> None:
            self._stops += 1

        before = {number: signal.signal(number, count) for number in STOP_SIGNALS}
        try:
            yield
        finally:
            self._send(signal.SIGKILL)
            for number, handler in before.items():
                signal.signal(number, handler)

    def _stop_if_asked(self) -> None:
        """Ask trainers to checkpoint and end; the second time, end them."""
        if self._stops > self._stops_sent:
            self._stops_sent = self._stops
            self._send(signal.SIGTERM if self._stops == 1 else signal.SIGKILL)

    def _send(self, number: signal.Signals) -> None:
        for process in self._processes.values():
            process.popen.send_signal(number)
