"""A laboratory for the trainer's shell: a tiny random encoder, made-up tasks, a store of its own.

The recipes, the store and the checkpoints are the real ones; only the task table and the loader
of texts are replaced, so that a whole chain of stages runs in a tenth of a second.
"""

import os
import random
import sys
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import torch
from made_up import task_row, train_params
from safetensors.torch import load_file
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import BertConfig, BertModel, PreTrainedTokenizerFast
from xlbench_specs.experiment import Trainable
from xlbench_specs.pinned_files import MIRROR_SETTING
from xlbench_specs.stages import (
    RECIPES,
    EncoderParams,
    EvaluateParams,
    PrepareParams,
    Stage,
    StageFile,
    StageRuntime,
)
from xlbench_specs.store import FileStore, finished, folder_hash, payload_file
from xlbench_trainer.recipes import evaluate, prepare, train
from xlbench_trainer.running import run_file
from xlbench_trainer.tasks.examples import example
from xlbench_trainer.workshop import Workshop

SPECIALS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
WORDS = [f"w{number}" for number in range(150)]
TOPICS = ["art", "law", "sea", "war"]
TAGS = ["O", "B-city", "I-city", "B-date", "I-date"]
SIZES = {"train": 32, "dev": 12, "test": 18}
LANGUAGES = ["en", "sw", "yo"]
EXPERIMENT = "experiments/lab/1"


@pytest.fixture(autouse=True)
def _offline_and_single_threaded(monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    torch.set_num_threads(1)


def words_tokeniser(*, types=False):
    """Words are tokens; with `types`, the second text of a pair has a type of its own."""
    vocabulary = {word: place for place, word in enumerate(SPECIALS + WORDS)}
    inner = Tokenizer(models.WordLevel(vocabulary, unk_token=SPECIALS[1]))
    inner.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    inner.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1" if types else "[CLS] $A [SEP] $B [SEP]",
        special_tokens=[("[CLS]", 2), ("[SEP]", 3)],
    )
    names = ["pad_token", "unk_token", "cls_token", "sep_token", "mask_token"]
    return PreTrainedTokenizerFast(
        tokenizer_object=inner, **dict(zip(names, SPECIALS, strict=True))
    )


@pytest.fixture(scope="session")
def mirror():
    """The folder of original data files; a test that needs it fails where it is not."""
    folder = os.environ.get(MIRROR_SETTING)
    if not folder or not Path(folder).is_dir():
        pytest.fail(f"{MIRROR_SETTING} = {folder!r}: must name a folder of original data files")
    return Path(folder)


@pytest.fixture(scope="session")
def words():
    """Makes a tokeniser whose tokens are words."""
    return words_tokeniser


@pytest.fixture(scope="session")
def save_encoder():
    """Writes a model with a 155-word tokeniser as a Hugging Face folder."""

    def save(folder, model):
        model.save_pretrained(folder)
        words_tokeniser().save_pretrained(folder)
        return folder

    return save


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory, save_encoder):
    """Two layers of width 16 with random weights."""
    config = BertConfig(
        vocab_size=len(SPECIALS) + len(WORDS),
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=40,
        pad_token_id=0,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(7)
        model = BertModel(config, add_pooling_layer=False)
    return save_encoder(tmp_path_factory.mktemp("tiny"), model)


def task(name, kind, metrics=(), labels=()):
    languages = {"train": LANGUAGES, "dev": ["en"], "test": LANGUAGES}
    sizes = {split: dict.fromkeys(codes, SIZES[split]) for split, codes in languages.items()}
    return task_row(kind, metrics, labels, name=name, revision="lab-1", sizes=sizes)


def lab_tasks():
    spans = ["span_f1", "span_precision", "span_recall", "accuracy"]
    return {
        each.name: each
        for each in (
            task("topic", "classification", ["macro_f1", "accuracy"], TOPICS),
            # A part of topic's labels in another order: what `evaluateOn` may name.
            task("topic-few", "classification", ["macro_f1", "accuracy"], TOPICS[2::-1]),
            task("same", "classification", ["accuracy"], ["no", "yes"]),
            task("spans", "tagging", spans, TAGS),
            task("pick", "choice", ["accuracy"], ["1", "2", "3"]),
            task("ask", "span", ["squad_f1", "squad_em"]),
            task("fill", "mlm"),
            task("match", "retrieval", ["accuracy_at_1"]),
        )
    }


def lab_examples(name, split, language, *_):
    """Examples of a task; each label has words of its own, so that it can be learnt."""
    draw = random.Random(f"{name}/{split}/{language}")  # noqa: S311 - not a secret
    made = [_draw_example(name, draw, number) for number in range(SIZES[split])]
    return [
        example(
            [*segments],
            labels,
            language=language,
            cluster_id=f"c{number // 3}",
            parallel_id=f"{split}-{number}",
            answers=_answers(segments) if name == "ask" else (),
        )
        for number, (segments, labels) in enumerate(made)
    ]


def _answers(segments):
    """The two words after the one that is asked for."""
    words, start = segments[1].split(), segments[1].index("w80")
    place = words.index("w80")
    return [(" ".join(words[place : place + 2]), start)]


def _draw_example(name, draw, number):
    words = draw.choices(WORDS[100:], k=draw.randint(2, 9))
    match name:
        case "topic" | "topic-few":
            place = number % (4 if name == "topic" else 3)
            marks = draw.choices(WORDS[10 * place : 10 * place + 10], k=3)
            return [" ".join([*words, *marks])], [TOPICS[place]]
        case "same":
            other = draw.choices(WORDS[100:], k=len(words))
            yes = number % 2
            return [" ".join([*words, "w50" if yes else "w51"]), " ".join(other)], [
                ["no", "yes"][yes]
            ]
        case "spans":
            city, date = draw.choices(WORDS[60:70], k=2), draw.choices(WORDS[70:80], k=1)
            tags = ["O"] * len(words) + ["B-city", "I-city", "O", "B-date"]
            return [*words, *city, "w90", *date], tags
        case "pick" | "ask":
            return _draw_question(name, draw, words, number)
        case "match":
            return [" ".join(words), " ".join(reversed(words))], []
        case _:
            return [" ".join(words)], []


def _draw_question(name, draw, words, number):
    if name == "pick":
        options = [" ".join(draw.choices(WORDS[100:], k=3)) for _ in range(3)]
        options[number % 3] += " w50"
        return [" ".join(words), *options], [str(number % 3 + 1)]
    # Some texts need two windows of the laboratory's 16 tokens.
    before, after = (draw.choices(WORDS[100:], k=draw.randint(0, 9)) for _ in "ab")
    return ["w90 w80", " ".join([*before, "w80", "w81", *after])], []


@dataclass
class Told:
    """A progress that writes down what it is told, and stops after so many steps."""

    stop_after: int | None = None
    events: list = field(default_factory=list)
    steps: int = 0

    @property
    def stopping(self):
        return self.stop_after is not None and self.steps >= self.stop_after

    def begin(self, key):
        self.events.append(("begin", key))

    def step(self, _done, _total):
        self.steps += 1

    def say(self, event, **facts):
        self.events.append((event, facts))

    @property
    def ends(self):
        return [event for event, _ in self.events if event != "begin"]


@pytest.fixture
def told():
    """A progress that writes down what it is told."""
    return Told()


def make_up_world(replace=setattr):
    """Put the made-up tasks in the place of the real ones; the table of them."""
    table = lab_tasks()
    for recipe in (prepare, train, evaluate):
        replace(recipe, "task_table", lambda: table)
    replace(prepare, "load", lab_examples)
    return table


class Lab:
    """Makes stages on the tiny encoder and runs them."""

    experiment = EXPERIMENT
    Told = Told

    def __init__(self, folder: Path, store: Path, scratch: Path | None = None):
        self.store = FileStore(store)
        self.revision = folder_hash(folder)
        self.runtime = StageRuntime(
            encoder_folders={self.revision: str(folder)},
            scratch=str(scratch) if scratch else None,
        )
        self.opened: list[Workshop] = []
        self.encoder = self.stage(EncoderParams(model="folder", revision=self.revision))

    @staticmethod
    def stage(params, **inputs):
        roles = {role: stage.key for role, stage in inputs.items()}
        return Stage(params=params, recipe=RECIPES[params.kind], inputs=roles)

    def prepare(self, name, split="train", language="en", **more):
        given = {"revision": "lab-1", "max_length": 16} | more
        params = PrepareParams(task=name, split=split, language=language, **given)
        return self.stage(params, tokeniser=self.encoder)

    def train(self, init, tasks, *, languages=("en",), earlier=(), trainable=None, **more):
        """A train stage: `tasks` to updates or to a dose; `earlier` ones add dev sets."""
        given = {"learning_rate": 1e-2, "weight_decay": 0.01} | more
        params = train_params(tasks, trainable=trainable or Trainable(), **given)
        inputs = {"init": init}
        for name in tasks:
            for language in languages:
                role = f"train/{name}" if languages == ("en",) else f"train/{name}/{language}"
                inputs[role] = self.prepare(name, "train", language)
        for name in [*tasks, *earlier]:
            inputs[f"dev/{name}"] = self.prepare(name, "dev")
        return self.stage(params, **inputs)

    def evaluate(self, model, name, head=None, language="en", **more):
        given = {"precision": "fp32", "threads": 1} | more
        params = EvaluateParams(task=name, head=head, language=language, **given)
        return self.stage(params, model=model, data=self.prepare(name, "test", language))

    def prepared(self, *stages):
        """The encoder and every prepare stage that some stages read."""
        keys = {key for stage in stages for key in stage.inputs.values()}
        made = [
            self.prepare(name, split, language)
            for name in lab_tasks()
            for split in SIZES
            for language in LANGUAGES
        ]
        return [self.encoder, *(stage for stage in made if stage.key in keys)]

    def run(self, *stages, progress=None, runtime=None, inputs=True):
        """Run stages, after what they read of data; the exit code."""
        file = StageFile(
            experiment=EXPERIMENT,
            stages=[*(self.prepared(*stages) if inputs else ()), *stages],
            runtime=runtime or self.runtime,
        )
        return run_file(file, self.store, progress or Told())

    def manifest(self, stage):
        return finished(self.store, stage.kind, stage.key)

    def record(self, stage):
        return self.manifest(stage).record

    def tensors(self, stage, name="weights.safetensors"):
        return load_file(payload_file(self.store, self.manifest(stage), name))

    def rows(self, stage):
        path = payload_file(self.store, self.manifest(stage), "outcomes.parquet")
        return pq.read_table(path).to_pylist()

    def python(self, text):
        """The command for a process of its own that runs a program in the same world."""
        folders = [str(Path(__file__).parent), str(Path(__file__).parents[1] / "samples")]
        begin = f"import sys\nsys.path[:0] = {folders}\nimport conftest\nconftest.make_up_world()"
        return [sys.executable, "-c", f"{begin}\n{text}"]

    def workshop(self):
        """A workshop of its own, closed when the test ends."""
        self.opened.append(Workshop(self.store, self.runtime))
        return self.opened[-1]

    def close(self):
        for workshop in self.opened:
            workshop.close()


@pytest.fixture
def lab_world(monkeypatch):
    """The made-up tasks in the place of the real ones."""
    return make_up_world(monkeypatch.setattr)


@pytest.fixture
def new_lab(lab_world, tiny_folder, tmp_path):  # noqa: ARG001 - the world it works in
    """Makes laboratories, each with a store of its own."""
    with ExitStack() as stack:

        def make(name, folder=tiny_folder, scratch=None):
            return stack.enter_context(closing(Lab(folder, tmp_path / name, scratch)))

        yield make


@pytest.fixture
def lab(new_lab):
    """A laboratory with an empty store."""
    return new_lab("store")
