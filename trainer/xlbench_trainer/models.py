"""The model: one encoder, a head for each task of its chain, and the losses of a batch.

A head is made of its kind, never of its task; its first weights are a function of (seed, task),
so that every arm starts a task from the same head. Called by the recipes `train` and `evaluate`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import assert_never, cast

import torch
from torch import Tensor, nn
from torch.nn import functional
from xlbench_specs.tasks import TaskKind

from xlbench_trainer.encoders import Encoder
from xlbench_trainer.randomness import derive, generator

INITIAL_SCALE = 0.02
"""Standard deviation of a head's first weights. Source: BERT, `initializer_range`."""


@dataclass(frozen=True, slots=True)
class HeadShape:
    """What a head is made from."""

    kind: TaskKind
    labels: int
    """Number of the task's labels."""

    @property
    def outputs(self) -> int:
        """Numbers that the head says of an item; MLM's are the vocabulary."""
        match self.kind:
            case "choice":
                return 1
            case "span":  # whether the answer begins here, and whether it ends here
                return 2
            case _:
                return self.labels


class Head(nn.Module):
    """Logits of one task from features `[items, hidden]`."""

    def __init__(self, shape: HeadShape, encoder: Encoder, dropout: float) -> None:
        """Make the layers; `initialise` gives them their weights."""
        super().__init__()
        self.shape = shape
        self.dropout = nn.Dropout(dropout)
        hidden = encoder.hidden
        if shape.kind == "mlm":
            width = encoder.vocabulary.shape[1]  # ELECTRA's embeddings are narrower than its layers
            self.transform = nn.Linear(hidden, width)
            self.norm = nn.LayerNorm(width)
        else:
            self.output = nn.Linear(hidden, shape.outputs)

    def initialise(self, seed: int, task: str) -> None:
        """First weights, by (seed, task) alone."""
        random = generator(derive(seed, "head", task))
        for name, parameter in self.named_parameters():
            with torch.no_grad():
                if parameter.dim() > 1:
                    parameter.normal_(0.0, INITIAL_SCALE, generator=random)
                else:
                    parameter.fill_(1.0 if name == "norm.weight" else 0.0)

    def forward(self, features: Tensor, embeddings: Tensor) -> Tensor:
        """Logits `[items, outputs]`.

        `embeddings`: `[vocabulary, hidden]`, the encoder's own, which MLM's outputs are tied to.
        """
        if self.shape.kind != "mlm":
            logits: Tensor = self.output(self.dropout(features))
            return logits
        transformed = self.norm(functional.gelu(self.transform(features)))
        return functional.linear(transformed, embeddings)


class Heads(nn.ModuleDict):
    """The heads of a chain, by task; a task name may hold a dot, which a module name may not."""

    def __init__(self) -> None:
        """No head yet."""
        super().__init__()
        self.shapes: dict[str, HeadShape] = {}

    def get(self, task: str) -> Head:
        """The head of a task; raises `KeyError`."""
        head = self[task.replace(".", "_")]
        if not isinstance(head, Head):
            raise TypeError(task)
        return head

    def put(self, task: str, head: Head) -> None:
        """Add the head of a task."""
        self.shapes[task] = head.shape
        self[task.replace(".", "_")] = head


def of_texts(kind: TaskKind) -> bool:
    """Whether a head of this kind reads whole sequences; else it reads tokens."""
    match kind:
        case "classification" | "choice" | "retrieval":
            return True
        case "tagging" | "span" | "mlm":
            return False
        case never:
            assert_never(never)


def pooled(encoder: Encoder, hidden: Tensor, lengths: Tensor) -> Tensor:
    """`[sequences, hidden]`: a text's feature, as the encoder's family has it.

    `hidden`: `[tokens, hidden]` of sequences one after another; `lengths`: `[sequences]`.
    """
    match encoder.family.pooling:
        case "first":
            return hidden[lengths.cumsum(0) - lengths]
        case "mean":
            return token_means(hidden, lengths)
        case "last":
            return hidden[lengths.cumsum(0) - 1]
        case "pooler":
            firsts = hidden[lengths.cumsum(0) - lengths]
            return cast("Tensor", cast("nn.Module", encoder.model.pooler)(firsts[:, None]))
        case never:
            assert_never(never)


def token_means(hidden: Tensor, lengths: Tensor) -> Tensor:
    """`[sequences, hidden]`: the mean over each sequence's tokens, special ones included."""
    owners = torch.arange(len(lengths), device=hidden.device)
    owners = owners.repeat_interleave(lengths, output_size=len(hidden))
    sums = hidden.new_zeros(len(lengths), hidden.shape[1]).index_add(0, owners, hidden)
    return sums / lengths[:, None]


def loss_sum(kind: TaskKind, logits: Tensor, labels: Tensor, lengths: Sequence[int]) -> Tensor:
    """Summed cross entropy of some items; the caller divides by their number.

    `logits`, in float32 or wider: `[items, outputs]` for labels `[items]`; choice:
    `[sequences, 1]`, where `lengths` says how many options each example has, for labels
    `[examples]`; span: `[tokens, 2]`, where `lengths` says how many tokens each window has, for
    labels `[windows, 2]`, and the loss is the mean over first and last token.
    """
    logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
    match kind:
        case "choice":
            return _summed(_rows(logits[:, 0], lengths), labels)
        case "span":
            first, last = (_summed(_rows(logits[:, n], lengths), labels[:, n]) for n in (0, 1))
            return (first + last) / 2
        case _:
            return _summed(logits, labels)


def _summed(logits: Tensor, labels: Tensor) -> Tensor:
    return functional.cross_entropy(logits, labels, reduction="sum")


def _rows(values: Tensor, lengths: Sequence[int]) -> Tensor:
    """`[rows, longest]`: values of rows one after another, each filled with minus infinity."""
    rows = values.split(list(lengths))
    return nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=-torch.inf)
