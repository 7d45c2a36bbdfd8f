"""The model: one encoder, a head for each task of its chain, and the losses of a batch.

A head is made of its kind, never of its task; its first weights are a function of (seed, task),
so that every arm starts a task from the same head. Called by the recipes `train` and `evaluate`.
"""

from dataclasses import dataclass
from typing import assert_never

import torch
from torch import Tensor, nn
from torch.nn import functional
from xlbench_specs.tasks import TaskKind

from xlbench_trainer.encoders import Encoder
from xlbench_trainer.randomness import derive, generator
from xlbench_trainer.tokens import IGNORED

INITIAL_SCALE = 0.02
"""Standard deviation of a head's first weights. Source: BERT, `initializer_range`."""


@dataclass(frozen=True, slots=True)
class HeadShape:
    """What a head is made from."""

    kind: TaskKind
    labels: int
    """Number of outputs; unused for MLM, whose outputs are the vocabulary."""


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
            self.output = nn.Linear(hidden, shape.labels)

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


def pooled(encoder: Encoder, hidden: Tensor, mask: Tensor) -> Tensor:
    """`[batch, hidden]`: a text's feature, as the encoder's family has it."""
    match encoder.family.pooling:
        case "first":
            return hidden[:, 0]
        case "mean":
            weights = mask.to(hidden.dtype)[:, :, None]
            return (hidden * weights).sum(1) / weights.sum(1)
        case never:
            assert_never(never)


def features(encoder: Encoder, kind: TaskKind, hidden: Tensor, mask: Tensor) -> Tensor:
    """`[items, hidden]`: what a head of this kind reads.

    A text for classification and retrieval; a token, padding included, for tagging and MLM.
    """
    match kind:
        case "classification" | "retrieval":
            return pooled(encoder, hidden, mask)
        case "tagging" | "mlm":
            return hidden.reshape(-1, hidden.shape[-1])
        case never:
            assert_never(never)


def mean_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Mean cross entropy over the items that have a label.

    `logits`: `[items, outputs]`; `labels`: `[items]`, those that are `IGNORED` are left out of
    the mean. Zero, with a gradient of zero, if none is left.
    """
    scored = labels != IGNORED
    if not bool(scored.any()):
        return logits.sum() * 0.0
    return functional.cross_entropy(logits[scored].float(), labels[scored])
