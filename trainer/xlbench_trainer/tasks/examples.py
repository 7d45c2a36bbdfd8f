"""The one shape that every task's data has, from a two-text classification to a tagged sentence.

It holds no text of its own and reads nothing. Each file of this folder makes these; `prepare`
turns them into tokens; outcome rows carry the three ids on to the report.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from xlbench_specs.languages import ENGLISH
from xlbench_specs.tasks import TaskKind

from xlbench_trainer.tasks.streams import digest


@dataclass(frozen=True, slots=True)
class Example:
    """One item of one task in one language.

    What `segments` and `labels` hold depends on the kind of task:
    classification: one or two texts, and one label;
    tagging: the words, and as many tags;
    choice: what is asked, each option, and the label of the right one: the task's first label
    stands for the first option;
    span: the question and the text that holds the answer, and no label but `answers`;
    retrieval: the text and its English translation, and no label; or, where the task file has a
    `pool`, the text alone, and in `answers` which candidates are right;
    mlm: one text, and no label.
    """

    example_id: str
    """Unique within (task, split, language); its source's id, or a function of its content."""
    segments: tuple[str, ...]
    """Texts, or words (tagging)."""
    labels: tuple[str, ...]
    """Gold labels, from the task's fixed set."""
    parallel_id: str
    """Equal for the same item in other languages; `<language>:<example_id>` where there is none."""
    cluster_id: str
    """Equal for items that are not independent, such as sentences of one template."""
    answers: tuple[str, ...] = field(default=(), repr=False)
    """Texts of the right answers (span) or ids of the right candidates (retrieval)."""
    starts: tuple[int, ...] = field(default=(), repr=False)
    """Where each answer begins in the text, in characters (span)."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """One text of the pool that a retrieval task is searched in."""

    candidate_id: str
    """Unique in the pool; without blanks."""
    segments: tuple[str, ...]
    """The text, or the text and what stands around it."""
    language: str = ENGLISH
    """Language of the text."""


def example(
    segments: Sequence[str],
    labels: Sequence[str] = (),
    *,
    language: str,
    cluster_id: str,
    example_id: str | None = None,
    parallel_id: str | None = None,
    answers: Sequence[tuple[str, int]] = (),
) -> Example:
    """An example whose id, unless its source has one, is a hash of its content.

    `answers`: each with the character at which it begins in the text.
    """
    example_id = example_id or digest("\x1f".join([*segments, "", *labels]))[:16]
    return Example(
        example_id=example_id,
        segments=tuple(segments),
        labels=tuple(labels),
        parallel_id=parallel_id or f"{language}:{example_id}",
        cluster_id=cluster_id,
        answers=tuple(text for text, _ in answers),
        starts=tuple(start for _, start in answers),
    )


def marked_texts(item: Example, kind: TaskKind) -> tuple[str, ...]:
    """The texts that a copy of an example is known by, which its fingerprints are made of.

    The words of a tagged sentence are one text; the options of a choice are short, and tell none.
    """
    match kind:
        case "tagging":
            return (" ".join(item.segments),)
        case "choice":
            return item.segments[:1]
        case _:
            return item.segments
