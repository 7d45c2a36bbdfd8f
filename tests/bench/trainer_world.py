"""What the trainer's benchmark runs on: two encoders with random weights, real texts, one store.

Everything is made by the product's own stages, so that a rival and the product read the same
tokens. Called by `trainer_speed`, which makes the world once, and by each `trainer_turn`.
"""

import os
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path

import torch
from transformers import XLMRobertaConfig, XLMRobertaModel
from xlbench_specs.exits import TrainerExit
from xlbench_specs.experiment import Trainable
from xlbench_specs.stages import (
    RECIPES,
    EncoderParams,
    EvaluateParams,
    PrepareParams,
    Stage,
    StageFile,
    StageParams,
    StageRuntime,
    TaskDose,
    TrainParams,
)
from xlbench_specs.store import FileStore, finished, folder_hash
from xlbench_specs.tasks import task_table
from xlbench_trainer.batches import examples_of, updates
from xlbench_trainer.builtin.e5_small import load_tokenizer
from xlbench_trainer.running import run_file
from xlbench_trainer.workshop import Workshop

BATCH = 32
MAX_LENGTH = 128
MEGA_BATCHES = 50
"""Batches that the Trainer's `group_by_length` sorts together."""


@dataclass(frozen=True)
class Shape:
    """Size of an encoder; the vocabulary is that of XLM-R, 250,002 pieces."""

    layers: int
    hidden: int
    per_language: int
    """Examples of each test set that are evaluated."""

    def forward_flops(self, lengths) -> float:
        """Of sequences of these lengths: matrix products of the layers, nothing else."""
        projections = 2 * (4 * self.hidden**2 + 2 * self.hidden * 4 * self.hidden)
        return self.layers * sum(
            length * projections + 4 * length**2 * self.hidden for length in map(int, lengths)
        )


SHAPES = {"base": Shape(12, 768, per_language=8), "small": Shape(4, 256, per_language=96)}


@dataclass(frozen=True)
class Case:
    """Which texts are trained on and evaluated."""

    train: str
    test: str


LANGUAGES = 15
"""So many languages of a test are evaluated."""
CASES = {
    "ha": Case("ha-intent", "ha-intent"),
    "xnli": Case("mnli-dev20k", "xnli"),
    "udpos": Case("udpos", "udpos"),
}


def training_of(task, updates, seed, learning_rate, trainable):
    """How a loop of the benchmark trains one task."""
    return TrainParams(
        tasks={task: TaskDose(updates=updates)},
        seed=seed,
        batch_size=BATCH,
        learning_rate=learning_rate,
        warmup=0.1,
        weight_decay=0.0,
        clip=1.0,
        checkpoint="last",
        precision="fp32",
        tf32=False,
        threads=1,
        batches="homogeneous",
        optimizer="reset",
        trainable=trainable,
    )


class Deaf:
    """A progress that says nothing."""

    stopping = False

    def begin(self, key):
        """Nothing."""

    def step(self, done, total):
        """Nothing."""

    def say(self, event, **facts):
        """Nothing."""


class World:
    """The stages of one (shape, case) and the store that holds what they left."""

    def __init__(self, folder: Path, shape: str, case: str):
        folder = folder.resolve()  # a store's links name whole paths
        self.shape, self.case = SHAPES[shape], CASES[case]
        self.folder = folder / f"encoder-{shape}"
        self.store = FileStore(folder / "store")
        if not self.folder.is_dir():
            _save_encoder(self.folder, self.shape)
        revision = folder / f"encoder-{shape}.revision"
        if not revision.is_file():
            revision.write_text(folder_hash(self.folder))
        self.runtime = StageRuntime(
            encoder_folders={revision.read_text(): str(self.folder)},
            scratch=str(folder / "scratch"),
            mirror=os.environ.get("XLBENCH_MIRROR"),
        )
        self.encoder = stage(EncoderParams(model="folder", revision=revision.read_text()))

    def make(self):
        """Run everything that a turn reads."""
        self.run([self.encoder, self.training_set, *self.test_sets, self.training(0, count=1)])

    def run(self, stages, progress=None):
        """Run stages; raises if one of them has no manifest then."""
        file = StageFile(experiment="experiments/bench/1", stages=stages, runtime=self.runtime)
        code = run_file(file, self.store, progress or Deaf())
        if code is not TrainerExit.DONE:
            raise RuntimeError(f"stages of the benchmark ended with {code!r}; see the log above")

    @property
    def training_set(self):
        """Prepares all English texts of the training task."""
        return self._prepare(self.case.train, "train", "en")

    @cached_property
    def test_sets(self):
        """Prepares some test texts of several languages, English among them or not."""
        codes = sorted(task_table()[self.case.test].sizes["test"])
        chosen = codes[:: max(1, len(codes) // LANGUAGES)][:LANGUAGES]
        count = self.shape.per_language
        return [self._prepare(self.case.test, "test", code, count) for code in chosen]

    def _prepare(self, task, split, language, shots=None):
        return stage(
            PrepareParams(
                task=task,
                revision=task_table()[task].revision,
                split=split,
                language=language,
                max_length=MAX_LENGTH,
                shots=shots,
            ),
            tokeniser=self.encoder,
        )

    def training(self, seed, *, count=1000):
        """The train stage; of its updates a turn runs the first few."""
        params = training_of(self.case.train, count, seed, 2e-5, Trainable())
        train = f"train/{self.case.train}"
        return stage(params, init=self.encoder, **{train: self.training_set})

    def evaluations(self, salt):
        """The evaluate stages of all test sets; another salt makes them anew."""
        model = self.training(0, count=1)
        return [
            stage(
                EvaluateParams(
                    task=self.case.test,
                    head=self.case.train,
                    language=data.params.language,
                    precision="fp32",
                    threads=1,
                ),
                salt,
                model=model,
                data=data,
            )
            for data in self.test_sets
        ]

    def prepared(self, made):
        """The prepared set that a prepare stage left."""
        with closing(Workshop(self.store, self.runtime)) as workshop:
            return workshop.prepared(finished(self.store, "prepare", made.key))

    def batches(self, seed, count):
        """The examples of the first updates of `training(seed)`, as the product draws them."""
        made = self.training(seed)
        sets = {self.case.train: self.prepared(self.training_set)}
        plan = islice(updates(made.params), count)
        return [examples_of(part, made.params, sets) for parts in plan for part in parts]

    @property
    def kind(self):
        """Kind of the training task: classification or tagging."""
        return task_table()[self.case.train].kind

    @property
    def labels(self):
        """Number of labels."""
        return len(task_table()[self.case.train].labels)


def stage(params: StageParams, salt=None, **inputs: Stage) -> Stage:
    """A stage of the recipe version that is installed."""
    roles = {role: made.key for role, made in inputs.items()}
    return Stage(params=params, recipe=RECIPES[params.kind], inputs=roles, salt=salt)


def _save_encoder(folder, shape):
    config = XLMRobertaConfig(
        vocab_size=250_002,
        hidden_size=shape.hidden,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.hidden // 64,
        intermediate_size=4 * shape.hidden,
        max_position_embeddings=514,
        type_vocab_size=1,
        layer_norm_eps=1e-5,
    )
    torch.manual_seed(1)
    model = XLMRobertaModel(config, add_pooling_layer=False)
    partial = folder.with_name(f"{folder.name}-partial")
    model.save_pretrained(partial)
    load_tokenizer().save_pretrained(partial)
    partial.rename(folder)
