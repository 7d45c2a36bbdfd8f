"""The trainer's executable: where it is, what it is given, how a process of it is started.

Called by `execute` and `xlbench run`; knows nothing of plans.
"""

import ctypes
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from xlbench_specs.errors import SpecError

TRAINER = "xlbench-trainer"
TRAINER_VARIABLE = "XLBENCH_TRAINER"
THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "RAYON_NUM_THREADS",
)
DIGEST = re.compile("[0-9a-f]{64}")
_SET_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG of <linux/prctl.h>


class NoTrainerError(RuntimeError):
    """There is no trainer to start, or it does not answer."""


def find_trainer(wanted: Path | None, environment: Mapping[str, str]) -> Path:
    """The trainer to start: `wanted`, else `XLBENCH_TRAINER`, else a neighbour, else on PATH.

    A neighbour is `.venv-trainer` beside the environment that runs this command, as `make setup`
    lays them out.

    Raises: `NoTrainerError` if there is none.
    """
    named = wanted or environment.get(TRAINER_VARIABLE)
    if named:
        found = shutil.which(named)
        if found is None:
            source = "--trainer" if wanted else TRAINER_VARIABLE
            raise NoTrainerError(f"{source} = {str(named)!r}: no such executable")
        return Path(found).absolute()
    beside = Path(sys.prefix).parent / ".venv-trainer" / "bin" / TRAINER
    found = shutil.which(beside) or shutil.which(TRAINER, path=environment.get("PATH"))
    if found is None:
        raise NoTrainerError(
            f"no trainer: neither {beside} nor {TRAINER} on PATH; run `make setup`, or name it "
            f"by --trainer or {TRAINER_VARIABLE}"
        )
    return Path(found).absolute()


def build_of(trainer: Path) -> str:
    """Digest of the trainer's build, which salts keys where `reuse` is sameTrainer.

    Raises: `SpecError` if the trainer does not tell, or what it tells is no digest.
    """
    try:
        answer = subprocess.run([trainer, "build"], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        message = f"`{trainer} build` does not tell its digest: {error}"
        raise SpecError.at("spec.reuse", "sameTrainer", message) from error
    digest = answer.stdout.strip()
    if not DIGEST.fullmatch(digest):
        message = f"`{trainer} build` says {digest[:80]!r}; a digest is 64 hex digits"
        raise SpecError.at("spec.reuse", "sameTrainer", message)
    return digest


def start(arguments: list[str], log: Path, threads: int) -> subprocess.Popen[bytes]:
    """Start a trainer: its events on a pipe, its words appended to `log`.

    It is a process group of its own, so that Ctrl-C reaches it through us alone, and it dies with
    us on Linux; elsewhere it ends when it next says something.

    Raises: `OSError` if it cannot be started.
    """
    environment = os.environ | dict.fromkeys(THREAD_VARIABLES, str(threads))
    parent = os.getpid()
    with log.open("ab") as words:
        return subprocess.Popen(
            arguments,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=words,
            env=environment | {"TOKENIZERS_PARALLELISM": "false"},
            process_group=0,
            preexec_fn=lambda: _die_with(parent),  # noqa: PLW1509 - no thread runs beside us
        )


def _die_with(parent: int) -> None:
    """Have the kernel kill this process when its parent dies; Linux only."""
    if sys.platform != "linux":
        return
    ctypes.CDLL(None).prctl(_SET_DEATH_SIGNAL, signal.SIGKILL)
    if os.getppid() != parent:  # it died before we asked
        os._exit(1)
