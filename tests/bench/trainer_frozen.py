"""What keeping the outputs of frozen layers brings to the quickstart: run by hand, prints a table.

    .venv-trainer/bin/python tests/bench/trainer_frozen.py --rounds 5

The quickstart's encoder, target and settings, some updates of a train stage three ways: lower
layers frozen and their outputs kept, frozen and computed anew, and everything trained. One process,
one thread, all three in turn each round; CPU seconds.
"""

import argparse
import statistics
import sys
import tempfile
import time
from contextlib import closing
from itertools import pairwise
from pathlib import Path
from unittest import mock

import torch
from trainer_turn import Marks, NoCheckpoints
from trainer_world import Deaf, stage, training_of
from xlbench_specs.encoders import BUILTIN_ENCODERS
from xlbench_specs.exits import TrainerExit
from xlbench_specs.experiment import Trainable
from xlbench_specs.stages import EncoderParams, PrepareParams, StageFile, StageRuntime
from xlbench_specs.store import FileStore
from xlbench_specs.tasks import task_table
from xlbench_trainer import frozen
from xlbench_trainer.errors import Interrupted
from xlbench_trainer.recipes import train
from xlbench_trainer.running import run_file
from xlbench_trainer.workshop import Workshop

ENCODER, TASK = "e5-small-q4", "ha-intent"
DOSE = 100
"""Updates that the quickstart gives its target."""
LOWER = Trainable(lowest_layer=8, embeddings=False)
WAYS = {
    "frozen, outputs kept": (LOWER, frozen.KEPT_BYTES),
    "frozen, computed anew": (LOWER, 0),
    "everything trained": (Trainable(), 0),
}


def main():
    """Measure, and print the median CPU time of an update each way."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory(prefix="xlbench-") as folder:
        quickstart = Quickstart(Path(folder))
        found = {way: [] for way in WAYS}
        for number in range(rounds):
            for way, (trainable, kept_bytes) in WAYS.items():
                with mock.patch.object(frozen, "KEPT_BYTES", kept_bytes):
                    times = quickstart.trained(trainable, seed=1)
                if number == 0:
                    sys.stdout.write(f"{way}: {times[0]:.2f} s to the end of the first update\n")
                found[way].append(statistics.median(times[1:]))
    base = found["frozen, outputs kept"]
    for way, times in found.items():
        ratios = sorted(time / least for time, least in zip(times, base, strict=True))
        sys.stdout.write(
            f"{way}: {statistics.median(times):.4f} s an update, "
            f"{statistics.median(ratios):.2f} ({ratios[0]:.2f}-{ratios[-1]:.2f}) times the first\n"
        )


class Quickstart:
    """The quickstart's encoder and English texts, in a store of their own."""

    def __init__(self, folder):
        self._folder = folder
        self._store = FileStore(folder / "store")
        self._runtime = StageRuntime(scratch=str(folder / "scratch"))
        revision = BUILTIN_ENCODERS[ENCODER].revision
        self._encoder = stage(EncoderParams(model=f"builtin/{ENCODER}", revision=revision))
        self._data = stage(
            PrepareParams(
                task=TASK,
                revision=task_table()[TASK].revision,
                split="train",
                language="en",
                max_length=64,
            ),
            tokeniser=self._encoder,
        )
        stages = [self._encoder, self._data]
        file = StageFile(experiment="experiments/bench/1", stages=stages, runtime=self._runtime)
        if run_file(file, self._store, Deaf()) is not TrainerExit.DONE:
            raise RuntimeError("the quickstart's texts were not prepared; see the log above")

    def trained(self, trainable, seed, count=30):
        """CPU time of each of the first updates; that of the first holds all that precedes it."""
        params = training_of(TASK, DOSE, seed, 5e-4, trainable)
        made = stage(params, init=self._encoder, **{f"train/{TASK}": self._data})
        marks, began = Marks(count), time.process_time()
        with closing(Workshop(self._store, self._runtime)) as workshop:
            try:
                train.run(made, workshop, self._folder, NoCheckpoints(), marks)
            except Interrupted:
                ends = [began, *marks.times]
                return [later - sooner for sooner, later in pairwise(ends)]
        raise RuntimeError("the phase was shorter than the turn")


if __name__ == "__main__":
    main()
