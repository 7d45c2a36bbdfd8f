"""Every set of every task of a mirror, prepared in one go: `make prepare-all`.

The trainer's own stages, one set after the other in one process, into a store that is removed
afterwards. Nothing is judged here: the table goes to docs/results. That each set has as many
examples as the task table says is the recipe's own check, and a set that has not ends the run.
"""

import argparse
import os
import platform
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from multiprocessing import get_context
from pathlib import Path

from xlbench_specs.encoders import BUILTIN_ENCODERS
from xlbench_specs.exits import TrainerExit
from xlbench_specs.pinned_files import MIRROR_SETTING
from xlbench_specs.stages import (
    RECIPES,
    EncoderParams,
    PrepareParams,
    Stage,
    StageFile,
    StageRuntime,
)
from xlbench_specs.store import FileStore, finished
from xlbench_specs.tasks import FileSource, Task, task_table
from xlbench_trainer.running import run_file

ENCODER = "e5-small-q4"
ENCODER_S = 600
"""An encoder that takes longer to write has hung."""
MAX_LENGTH = 128
VERSIONS = ("tokenizers", "transformers", "numpy")
COLUMNS = ("sets", "languages", "examples", "tokens", "cut", "MB", "wall s", "CPU s", "peak MiB")
MIB = 2**20


class Deaf:
    """A progress that says nothing."""

    stopping = False

    def begin(self, key):
        """Nothing."""

    def say(self, event, **facts):
        """Nothing."""


@dataclass(frozen=True)
class Row:
    """What preparing a task gave and took."""

    task: str
    sets: int
    languages: int
    examples: int
    tokens: int
    truncated: int
    written_bytes: int
    wall_s: float
    cpu_s: float
    peak_bytes: int

    def cells(self) -> list[str]:
        """As `COLUMNS` has them."""
        counts = (self.sets, self.languages, self.examples, self.tokens, self.truncated)
        return [
            *(f"{count:,}" for count in counts),
            f"{self.written_bytes / 1e6:.1f}",
            f"{self.wall_s:.1f}",
            f"{self.cpu_s:.1f}",
            f"{self.peak_bytes / MIB:,.0f}",
        ]


def main():
    """Prepare what the arguments ask for and write the page."""
    asked = _arguments()
    mirror = os.environ.get(MIRROR_SETTING)
    if not mirror or not Path(mirror).is_dir():
        raise SystemExit(f"{MIRROR_SETTING} = {mirror!r}: must name a folder of data files")
    asked.scratch.mkdir(parents=True, exist_ok=True)
    before = os.getloadavg()[0]
    with tempfile.TemporaryDirectory(prefix="xlbench-", dir=asked.scratch) as folder:
        room = Room(Path(folder), mirror)
        rows = []
        for task in asked.tasks or _tasks():
            rows.append(room.prepare(task_table()[task]))
            sys.stderr.write(f"{task}: {' | '.join(rows[-1].cells())}\n")
    text = page(rows, room, (before, os.getloadavg()[0]))
    asked.out.write_text(text, "utf-8")


def _arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="page to write")
    parser.add_argument(
        "--scratch", type=Path, default=Path(tempfile.gettempdir()), help="has room for the store"
    )
    parser.add_argument("--tasks", nargs="+", choices=_tasks(), help="default: all")
    return parser.parse_args()


def _tasks() -> list[str]:
    """Tasks whose data are files of public repositories, and that have any."""
    return [
        name
        for name, row in task_table().items()
        if isinstance(row.source, FileSource) and any(row.sizes.values())
    ]


class Room:
    """A store with the encoder in it, and what it takes to prepare one task more."""

    def __init__(self, folder: Path, mirror: str):
        self.store = FileStore(folder / "store")
        self.runtime = StageRuntime(scratch=str(folder / "scratch"), mirror=mirror)
        revision = BUILTIN_ENCODERS[ENCODER].revision
        self.encoder = stage(EncoderParams(model=f"builtin/{ENCODER}", revision=revision))
        task = task_table()[_tasks()[0]]
        name = next((split, code) for split, sizes in task.sizes.items() for code in sizes)
        with ProcessPoolExecutor(1, get_context("spawn")) as apart:  # a model is large
            apart.submit(run, [self.encoder], self.store, self.runtime).result(ENCODER_S)
        run([self._stage(task, *name, shots=1)], self.store, self.runtime)  # loads the tokeniser
        self.loaded_bytes = _resident("VmRSS")

    def prepare(self, task: Task) -> Row:
        """Every split in every language of a task; what it gave and took."""
        names = [(split, code) for split, sizes in task.sizes.items() for code in sizes]
        stages = [self._stage(task, *name) for name in names]
        _forget_peak()
        wall, cpu = time.monotonic(), time.process_time()
        run(stages, self.store, self.runtime)
        wall, cpu, peak = time.monotonic() - wall, time.process_time() - cpu, _resident("VmHWM")
        made = [finished(self.store, "prepare", each.key) for each in stages]
        return Row(
            task=task.name,
            sets=len(names),
            languages=len({code for _, code in names}),
            examples=sum(each.record.examples for each in made),
            tokens=sum(each.record.tokens for each in made),
            truncated=sum(each.record.truncated for each in made),
            written_bytes=sum(file.size_bytes for each in made for file in each.files),
            wall_s=wall,
            cpu_s=cpu,
            peak_bytes=peak,
        )

    def _stage(self, task: Task, split: str, language: str, shots: int | None = None) -> Stage:
        params = PrepareParams(
            task=task.name,
            revision=task.revision,
            split=split,
            language=language,
            max_length=MAX_LENGTH,
            shots=shots,
        )
        return stage(params, tokeniser=self.encoder.key)


def run(stages: list[Stage], store: FileStore, runtime: StageRuntime) -> None:
    """Run stages; raises if one of them has no manifest then."""
    file = StageFile(experiment="experiments/all/1", stages=stages, runtime=runtime)
    code = run_file(file, store, Deaf())
    if code is not TrainerExit.DONE:
        raise RuntimeError(f"preparing ended with {code!r}; see the log above")


def stage(params: EncoderParams | PrepareParams, **inputs: str) -> Stage:
    """A stage of the recipe version that is installed."""
    return Stage(params=params, recipe=RECIPES[params.kind], inputs=inputs)


def _forget_peak() -> None:
    """Begin the peak of this process's resident set anew. Source: Linux, `man 5 proc`."""
    Path("/proc/self/clear_refs").write_text("5", "ascii")


def _resident(name: str) -> int:
    """Bytes of this process that are resident now (VmRSS), or were at most (VmHWM)."""
    lines = Path("/proc/self/status").read_text("ascii").splitlines()
    (line,) = (line for line in lines if line.startswith(f"{name}:"))
    return int(line.split()[1]) * 1024


def page(rows: list[Row], room: Room, loads: tuple[float, float]) -> str:
    """The measurements as Markdown."""
    return "\n".join(_lines(rows, room.loaded_bytes, loads)) + "\n"


def _lines(rows: list[Row], loaded_bytes: int, loads: tuple[float, float]) -> Iterator[str]:
    codes = {
        code for row in rows for sizes in task_table()[row.task].sizes.values() for code in sizes
    }
    total = Row(
        task="all",
        sets=sum(row.sets for row in rows),
        languages=len(codes),
        examples=sum(row.examples for row in rows),
        tokens=sum(row.tokens for row in rows),
        truncated=sum(row.truncated for row in rows),
        written_bytes=sum(row.written_bytes for row in rows),
        wall_s=sum(row.wall_s for row in rows),
        cpu_s=sum(row.cpu_s for row in rows),
        peak_bytes=max(row.peak_bytes for row in rows),
    )
    yield "# Everything prepared in one go\n"
    yield WORDS
    versions = ", ".join(f"{name} {version(name)}" for name in VERSIONS)
    yield (
        f"Machine: {_processor()}, {os.cpu_count()} cores, {platform.system()}, Python "
        f"{platform.python_version()}, {versions}, on {datetime.now(UTC):%Y-%m-%d}; other work ran "
        f"beside it (load average {loads[0]:.1f} before, {loads[1]:.1f} after, this process among "
        f"it). Before the first task {loaded_bytes / MIB:,.0f} MiB are resident: the libraries and "
        "the tokeniser.\n"
    )
    yield f"| task | {' | '.join(COLUMNS)} |"
    yield f"|---|{'---:|' * len(COLUMNS)}"
    for row in rows:
        yield f"| {row.task} | {' | '.join(row.cells())} |"
    yield f"| **all** | {' | '.join(f'**{cell}**' for cell in total.cells())} |"


WORDS = f"""`make prepare-all` (`tests/bench/prepare_all.py`): every split in every language of
every task whose data are files of public repositories, from the mirror folder that XLBENCH_MIRROR
names. Each set is read and its files checked against their sha256, parsed, counted against the
task table, tokenised to at most {MAX_LENGTH} tokens (`builtin/{ENCODER}`), fingerprinted and stored
with a manifest, by the trainer's own prepare stages: one process, one set after the other. The
store is removed afterwards.

*cut*: sequences that were longer. *MB*: files of the stored sets. *peak*: largest resident set
while this task was prepared. A span task's tokens are those of all its windows, each with the
question; each of LAReQA's sets holds its whole pool of nine languages, tokenised and stored nine
times. Not here: tasks from packages (`ha-*`, `cldr-names`, ...), `squad`, which is read from a
hub, and `mewsli-x` and the `xglue-*` tasks, whose files are in no public repository.
"""


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0]


if __name__ == "__main__":
    main()
