"""Predicting: what a model says of every item of prepared sets, as numbers.

All sets that are asked for go through the encoder in one stream of packs, sorted by length. What
the numbers mean, and whether they are right, is `judging`'s.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from xlbench_specs.tasks import TaskKind

from xlbench_trainer.encoders import Encoder, hidden_after, last_hidden
from xlbench_trainer.layouts import sent
from xlbench_trainer.models import Head, of_texts, pooled, token_means
from xlbench_trainer.packing import PACK_TOKENS, Pack, Packer, Source, divided, source_of
from xlbench_trainer.tokens import PreparedSet, ranges


class Question(NamedTuple):
    """A prepared set of which a model shall say something."""

    kind: TaskKind
    head: Head | None
    """None for retrieval, which compares what the encoder alone says."""
    prepared: PreparedSet
    kept: Source | None
    """Outputs of the frozen layers; None to compute them."""
    layer: int | None = None
    """What is said is the mean over tokens after so many layers; None: after all, as features."""

    @property
    def items(self) -> int:
        """How many sequences or tokens something is said of."""
        texts = len(self.prepared.lengths)
        return 0 if self.kind == "mlm" else texts if of_texts(self.kind) else len(self.prepared.ids)


def said(
    encoder: Encoder,
    frozen: int,
    questions: Sequence[Question],
    numbers: NDArray[np.int64] | None = None,
) -> list[NDArray[np.float32]]:
    """What a model says of whole prepared sets, each in its own order.

    `[sequences, outputs]` logits for classification and choice, `[tokens, outputs]` for tagging
    and span, `[sequences, hidden]` text vectors for retrieval, nothing for MLM. `frozen`: so many
    of the lowest layers are frozen; `numbers`: of the token ids, where the vocabulary is trimmed.

    Raises: `ValueError` if a kind needs a head and there is none.
    """
    found = [np.empty((each.items, _outputs(each, encoder)), np.float32) for each in questions]
    alike: dict[tuple[bool, int | None], list[int]] = {}
    for number, each in enumerate(questions):
        if each.items:
            alike.setdefault((each.kept is not None, each.layer), []).append(number)
    for some in alike.values():
        stream = _Stream(encoder, frozen, [questions[n] for n in some], numbers)
        stream.write([found[n] for n in some])
    return found


class _Stream:
    """Some sets, all with kept outputs or all without, all after the same layer, as one."""

    def __init__(
        self,
        encoder: Encoder,
        frozen: int,
        questions: list[Question],
        numbers: NDArray[np.int64] | None,
    ) -> None:
        self._encoder = encoder
        self._frozen = frozen
        self._questions = questions
        self._sources = [source_of(each.prepared, each.kept) for each in questions]
        self._packer = Packer(encoder.device, encoder.separator, numbers)

    def write(self, found: list[NDArray[np.float32]]) -> None:
        """Write what the model says of each set into its place."""
        lengths = [each.prepared.lengths for each in self._questions]
        sizes = np.concatenate(lengths)
        owners = np.repeat(np.arange(len(lengths)), [len(each) for each in lengths])
        sequences = np.concatenate([np.arange(len(each)) for each in lengths])
        self._encoder.model.eval()
        with torch.no_grad():
            for chosen in divided(sizes, np.arange(len(sizes)), PACK_TOKENS):
                pack = self._packer.pack(self._sources, owners[chosen], sequences[chosen])
                hidden = self._hidden(pack)
                for owner in np.unique(owners[chosen]):
                    places = np.flatnonzero(owners[chosen] == owner)
                    own = sequences[chosen[places]]
                    question = self._questions[owner]
                    if not of_texts(question.kind):
                        own = question.prepared.tokens_of(own)
                    found[owner][own] = self._numbers(question, pack, hidden, places)

    def _hidden(self, pack: Pack) -> Tensor:
        layer = self._questions[0].layer
        if layer is not None:
            return hidden_after(self._encoder, pack, layer)
        return last_hidden(self._encoder, pack, self._frozen)

    def _numbers(
        self, question: Question, pack: Pack, hidden: Tensor, places: NDArray[np.int64]
    ) -> NDArray[np.float32]:
        """What is said of the sequences at some places of a pack."""
        starts = np.concatenate([[0], np.cumsum(pack.layout.sizes)])
        tokens = sent(ranges(starts[places], starts[places + 1]), hidden.device)
        features = hidden[tokens]
        if of_texts(question.kind):
            lengths = pack.layout.lengths[sent(places, hidden.device)]
            own = question.layer is None
            features = (
                pooled(self._encoder, features, lengths) if own else token_means(features, lengths)
            )
        logits = features if question.head is None else question.head(features, _none(features))
        return np.asarray(logits.float().cpu().numpy())


def _outputs(question: Question, encoder: Encoder) -> int:
    if question.head is not None:
        return question.head.shape.outputs
    if question.kind not in {"retrieval", "mlm"}:
        raise ValueError(f"a {question.kind} task needs its target's head")
    return encoder.hidden


def _none(like: Tensor) -> Tensor:
    """What a head that is tied to no embedding gets in its place."""
    return like.new_empty(0)
