"""Feeding: every update of a phase as packs on the device, with what each head reads of them.

All that needs the host is done here, one update ahead of the one that is computed: which examples,
in which packs, which labels. The loop of `recipes.train` then only computes.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, assert_never

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from xlbench_specs.stages import TrainParams
from xlbench_specs.tasks import TaskKind

from xlbench_trainer.batches import Part, examples_of
from xlbench_trainer.devices import ALONE, Devices
from xlbench_trainer.encoders import Encoder, last_hidden
from xlbench_trainer.layouts import sent
from xlbench_trainer.models import Heads, loss_sum, of_texts, pooled
from xlbench_trainer.packing import PACK_TOKENS, Pack, Packer, Source, divided, source_of
from xlbench_trainer.phases import masked
from xlbench_trainer.randomness import derive
from xlbench_trainer.tokens import IGNORED, PreparedSet, ranges


class Lesson(NamedTuple):
    """A task of a phase: its training set, and what is kept of it."""

    kind: TaskKind
    prepared: PreparedSet
    kept: Source | None
    """Outputs of the frozen layers on all that the phase draws; None to compute them."""


@dataclass(frozen=True, slots=True)
class Share:
    """What one task's head reads of a pack, and what it should say."""

    head: str
    """The task whose head it is: the task itself, or the one whose recipe it is a step of."""
    kind: TaskKind
    items: Tensor
    """Numbers of the pack's sequences (text kinds) or tokens that it reads."""
    labels: Tensor
    rows: tuple[int, ...]
    """Options of each example (choice) or tokens of each window (span); else empty."""
    factor: float
    """Of the sum of losses: the task's weight over its number of items in the whole update."""


@dataclass(frozen=True, slots=True)
class MicroBatch:
    """A pack and the tasks that learn from it."""

    pack: Pack
    shares: tuple[Share, ...]


def loss_of(encoder: Encoder, heads: Heads, batch: MicroBatch, frozen: int) -> Tensor:
    """A micro-batch's part of the loss of its update; `frozen` lowest layers get no gradient.

    The parts of an update add up to the sum over tasks of weight x mean over the task's items. A
    head that has no item in the update is not touched.
    """
    hidden = last_hidden(encoder, batch.pack, frozen)
    texts = None
    if any(of_texts(share.kind) for share in batch.shares):
        texts = pooled(encoder, hidden, batch.pack.layout.lengths)
    losses = []
    for share in batch.shares:
        features = hidden if texts is None or not of_texts(share.kind) else texts
        logits = heads.get(share.head)(features[share.items], encoder.vocabulary)
        losses.append(share.factor * loss_sum(share.kind, logits, share.labels, share.rows))
    return torch.stack(losses).sum()


class _Taken(NamedTuple):
    """What an update takes of one task."""

    head: str
    kind: TaskKind
    source: Source
    sequences: NDArray[np.int64]
    units: NDArray[np.int64]
    """`[sequences]`: which of them go together, numbered from 0."""
    labels: NDArray[np.int64]
    """`[units]` of texts, `[tokens]` with `IGNORED`, `[sequences, 2]` of windows."""
    factor: float


class Feeder:
    """Makes the micro-batches of a phase."""

    def __init__(
        self,
        params: TrainParams,
        encoder: Encoder,
        lessons: Mapping[str, Lesson],
        numbers: NDArray[np.int64] | None = None,
        devices: Devices = ALONE,
    ) -> None:
        """`numbers`: those of the token ids where the vocabulary is trimmed.

        `devices`: the processes that share each update; an update's factors are those of all of it.
        """
        self._params = params
        self._encoder = encoder
        self._lessons = lessons
        self._devices = devices
        self._sets = {task: lesson.prepared for task, lesson in lessons.items()}
        self._packer = Packer(encoder.device, encoder.separator, numbers)

    def updates(self, plan: Sequence[list[Part]]) -> Iterator[list[MicroBatch]]:
        """The micro-batches of each update, one update ahead of what is asked for."""
        return _ahead(self.update(parts) for parts in plan)

    def update(self, parts: Sequence[Part]) -> list[MicroBatch]:
        """The micro-batches of one update, of which this process may have none."""
        kept = all(self._lessons[part.task].kept is not None for part in parts)
        taken = [self._taken(part, kept=kept) for part in parts]
        counts = [len(each.sequences) for each in taken]
        owners = np.repeat(np.arange(len(taken)), counts)
        numbers = np.concatenate([np.arange(count) for count in counts])
        sequences = np.concatenate([each.sequences for each in taken])
        shifts = np.cumsum([0, *(int(each.units.max()) + 1 for each in taken[:-1])])
        units = np.concatenate([each.units for each in taken]) + np.repeat(shifts, counts)
        sizes = np.concatenate([_sizes(each) for each in taken])
        made = []
        weights = np.bincount(units, sizes).astype(np.int64)
        mine = np.flatnonzero(self._devices.dealt(weights)[units])
        _, own_units = np.unique(units[mine], return_inverse=True)
        for dealt in divided(sizes[mine], own_units, PACK_TOKENS):
            chosen = mine[dealt]
            sources = [each.source for each in taken]
            pack = self._packer.pack(sources, owners[chosen], sequences[chosen])
            places = [np.flatnonzero(owners[chosen] == owner) for owner in range(len(taken))]
            shares = (
                self._share(each, pack, where, numbers[chosen][where])
                for each, where in zip(taken, places, strict=True)
                if len(where)
            )
            made.append(MicroBatch(pack, tuple(shares)))
        return made

    def _taken(self, part: Part, *, kept: bool) -> _Taken:
        lesson, dose = self._lessons[part.task], self._params.tasks[part.task]
        prepared = lesson.prepared
        examples = examples_of(part, self._params, self._sets)
        labels: NDArray[np.int32] | NDArray[np.int64]
        sequences = prepared.sequences_of(examples)
        units, source = (
            np.arange(len(sequences)),
            source_of(prepared, lesson.kept if kept else None),
        )
        match lesson.kind:
            case "classification":
                labels = prepared.labels[examples]
                count = len(labels)
            case "choice":
                labels = prepared.labels[examples]
                units = np.repeat(np.arange(len(examples)), np.diff(prepared.firsts)[examples])
                count = len(labels)
            case "span":  # a window is an item, as in the published scripts
                labels = prepared.labels.reshape(-1, 2)[sequences]
                count = len(labels)
            case "tagging":
                labels = prepared.labels[prepared.tokens_of(sequences)]
                count = int((labels != IGNORED).sum())
            case "mlm":
                source, labels = self._masked(part, sequences)
                sequences = units
                count = int((labels != IGNORED).sum())
            case "retrieval":
                raise ValueError(f"task {part.task}: retrieval is not trained")
            case never:
                assert_never(never)
        factor = dose.loss_weight / max(1, count)
        labels = labels.astype(np.int64)
        return _Taken(dose.head or part.task, lesson.kind, source, sequences, units, labels, factor)

    def _masked(self, part: Part, sequences: NDArray[np.int64]) -> tuple[Source, NDArray[np.int64]]:
        """Sequences of an MLM task with some tokens hidden, and those tokens."""
        prepared, encoder = self._sets[part.task], self._encoder
        occurrence = self._params.tasks[part.task].occurrence
        ids, labels = masked(
            torch.from_numpy(prepared.ids[prepared.tokens_of(sequences)].astype(np.int64)),
            derive(self._params.seed, "mask", part.task, occurrence, part.first),
            mask_token=encoder.mask if encoder.mask is not None else encoder.unknown,
            vocabulary=encoder.vocabulary.shape[0],
            specials=encoder.specials,
        )
        offsets = np.concatenate([[0], np.cumsum(prepared.lengths[sequences])])
        languages = None if prepared.languages is None else prepared.languages[sequences]
        return Source(ids.numpy().astype(np.int32), offsets, languages), labels.numpy()

    def _share(
        self, taken: _Taken, pack: Pack, places: NDArray[np.int64], numbers: NDArray[np.int64]
    ) -> Share:
        """The share of the sequences `numbers` of what was taken, which lie at `places`."""
        order = np.argsort(numbers)
        numbers, items = numbers[order], places[order]
        rows: tuple[int, ...] = ()
        if taken.kind == "choice":
            examples, counts = np.unique(taken.units[numbers], return_counts=True)
            labels, rows = taken.labels[examples], tuple(counts.tolist())
        elif of_texts(taken.kind):
            labels = taken.labels[numbers]
        else:
            starts = np.concatenate([[0], np.cumsum(pack.layout.sizes)])
            rows = tuple((starts[items + 1] - starts[items]).tolist())
            items = ranges(starts[items], starts[items + 1])
            if taken.kind == "span":
                labels = taken.labels[numbers]
            else:  # only what is scored goes through the head
                own = np.concatenate([[0], np.cumsum(_sizes(taken))])
                labels = taken.labels[ranges(own[numbers], own[numbers + 1])]
                items, labels = items[labels != IGNORED], labels[labels != IGNORED]
        device = self._packer.device
        sent_labels = sent(labels, device)
        return Share(taken.head, taken.kind, sent(items, device), sent_labels, rows, taken.factor)


def _sizes(taken: _Taken) -> NDArray[np.int64]:
    """`[sequences]`: tokens of what was taken."""
    offsets = taken.source.offsets
    return offsets[taken.sequences + 1] - offsets[taken.sequences]


def _ahead(updates: Iterable[list[MicroBatch]]) -> Iterator[list[MicroBatch]]:
    """The same, each made before the one before it is asked for: copies overlap with computing."""
    before: list[MicroBatch] | None = None
    for each in updates:
        if before is not None:
            yield before
        before = each
    if before is not None:
        yield before
