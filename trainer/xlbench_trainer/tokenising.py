"""Tokenising: from the examples of a task to the sequences of a prepared set, by kind of task.

Decides what goes into one sequence, what is cut, and which token bears which label. Called by the
recipe `prepare`; nothing here reads or writes a file.
"""

import itertools
import json
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from transformers import BatchEncoding, PreTrainedTokenizerFast
from xlbench_specs.languages import ENGLISH
from xlbench_specs.tasks import Task

from xlbench_trainer.tasks.examples import Candidate, Example
from xlbench_trainer.tokens import IGNORED, Contexts, Items, PreparedSet, edges_of, evenly

QUESTION_TOKENS = 64
"""Longest question; what is longer is cut. Source: XTREME's `third_party/run_squad.py`."""
WINDOW_STEP = 128
"""Most tokens from one window of a text to the next. Source: the same, at 384 tokens a window."""
_CHUNK = 1_000
"""Texts that the tokeniser is given at a time: it keeps ten times the memory of their ids."""


@dataclass(frozen=True, slots=True)
class Tokeniser:
    """How an encoder's tokeniser is used."""

    inner: PreTrainedTokenizerFast
    prefix: str
    """What the encoder's family puts before every input."""
    max_length: int
    """Longest sequence, special tokens included."""

    def cut(
        self, first: Sequence[str], second: Sequence[str] | None
    ) -> tuple[list[list[int]], int]:
        """Token ids of texts or text pairs, and how many of them were cut."""
        rows: list[list[int]] = []
        truncated = 0
        for start in range(0, len(first), _CHUNK):
            part = slice(start, start + _CHUNK)
            prefixed = [self.prefix + text for text in first[part]]
            found, cut = self._cut(prefixed, second[part] if second else None)
            rows += found
            truncated += cut
        return rows, truncated

    def _cut(
        self, first: Sequence[str], second: Sequence[str] | None
    ) -> tuple[list[list[int]], int]:
        rows: list[list[int]] = self.inner(first, second)["input_ids"]
        long = [number for number, row in enumerate(rows) if len(row) > self.max_length]
        if long:
            again = self.inner(
                [first[number] for number in long],
                [second[number] for number in long] if second else None,
                truncation=True,
                max_length=self.max_length,
            )["input_ids"]
            for number, row in zip(long, again, strict=True):
                rows[number] = row
        return rows, len(long)


@dataclass(frozen=True, slots=True)
class _Sequences:
    """What a kind of task makes of its examples."""

    rows: list[list[int]]
    firsts: NDArray[np.int64]
    truncated: int
    labels: Sequence[int] = ()
    contexts: Contexts | None = None


def tokenised(
    task: Task, examples: Sequence[Example], pool: Sequence[Candidate], tokeniser: Tokeniser
) -> tuple[PreparedSet, int]:
    """The prepared set of some examples, and how many of them were cut.

    Of plain texts, options and candidates it is the sequences that are counted. `pool`: what a
    retrieval task is searched in, if that is more than its examples' second texts.
    """
    number = {name: place for place, name in enumerate(task.labels)}
    match task.kind:
        case "tagging":
            found = _tagged(examples, number, tokeniser)
        case "choice":
            found = _choices(examples, number, tokeniser)
        case "span":
            found = _windows(examples, tokeniser)
        case "retrieval":
            found = _searched(examples, pool, tokeniser)
        case "classification" | "mlm":
            found = _plain(examples, number, tokeniser)
    lengths = [len(row) for row in found.rows]
    prepared = PreparedSet(
        ids=np.array([token for row in found.rows for token in row], np.int32),
        offsets=edges_of(lengths),
        labels=np.array(found.labels, np.int32),
        items=Items(
            example_id=[each.example_id for each in examples],
            parallel_id=[each.parallel_id for each in examples],
            cluster_id=[each.cluster_id for each in examples],
            gold=[_gold(each, task) for each in examples],
        ),
        firsts=found.firsts,
        label_names=[each.candidate_id for each in pool] or task.labels,
        contexts=found.contexts,
    )
    return prepared, found.truncated


def languages(
    task: Task, prepared: PreparedSet, pool: Sequence[Candidate], language: str
) -> list[str]:
    """The language of each sequence of a prepared set: the set's own, but for what is searched."""
    sequences = len(prepared.lengths)
    if task.kind != "retrieval":
        return [language] * sequences
    if pool:
        return [language] * prepared.size + [each.language for each in pool]
    return [language, ENGLISH] * prepared.size


def _gold(example: Example, task: Task) -> str:
    if task.kind == "span":
        return json.dumps(example.answers, ensure_ascii=False)
    return " ".join(example.labels or example.answers)


def _plain(examples: Sequence[Example], number: dict[str, int], tokeniser: Tokeniser) -> _Sequences:
    """One sequence a text or text pair."""
    segments = [each.segments for each in examples]
    second = [texts[1] for texts in segments] if len(segments[0]) > 1 else None
    rows, truncated = tokeniser.cut([texts[0] for texts in segments], second)
    labels = [number[label] for each in examples for label in each.labels]
    return _Sequences(rows, evenly(len(examples), 1), truncated, labels)


def _choices(
    examples: Sequence[Example], number: dict[str, int], tokeniser: Tokeniser
) -> _Sequences:
    """One sequence an option: what is asked, and the option."""
    asked = [each.segments[0] for each in examples for _ in each.segments[1:]]
    options = [option for each in examples for option in each.segments[1:]]
    rows, truncated = tokeniser.cut(asked, options)
    counts = [len(each.segments) - 1 for each in examples]
    firsts = edges_of(counts)
    return _Sequences(rows, firsts, truncated, [number[each.labels[0]] for each in examples])


def _searched(
    examples: Sequence[Example], pool: Sequence[Candidate], tokeniser: Tokeniser
) -> _Sequences:
    """A text and its translation each; or each text alone, and the pool after all of them."""
    if not pool:
        texts = [text for each in examples for text in each.segments]
        rows, truncated = tokeniser.cut(texts, None)
        return _Sequences(rows, evenly(len(examples), 2), truncated)
    rows, truncated = tokeniser.cut([each.segments[0] for each in examples], None)
    second = [each.segments[1] for each in pool] if len(pool[0].segments) > 1 else None
    more, cut = tokeniser.cut([each.segments[0] for each in pool], second)
    return _Sequences(rows + more, evenly(len(examples), 1), truncated + cut)


def _tagged(
    examples: Sequence[Example], number: dict[str, int], tokeniser: Tokeniser
) -> _Sequences:
    """As many sequences a sentence as it needs; the first token of each word bears its tag.

    A sentence that is too long goes on in another sequence, from the first word that does not fit:
    every word is tagged. A sentence counts as cut where one of its words alone does not fit.

    Source: google-research/xtreme 09182488, `udpos_tokenize_preprocess` in `utils_preprocess.py`;
    there an unknown token stands for such a word, here its first tokens do.
    """
    before = tokeniser.prefix.split()
    spaced = _wants_spaces(tokeniser.inner)
    rows: list[list[int]] = []
    labels: list[int] = []
    counts, truncated = [], 0
    for each in examples:
        words = [*before, *(_visible(word, tokeniser.inner) for word in each.segments)]
        if spaced:
            words[1:] = [f" {word}" for word in words[1:]]
        encoded = tokeniser.inner(words, is_split_into_words=True)
        ids, edges = encoded["input_ids"], _edges(encoded.word_ids(), len(before))
        head, tail = ids[: edges[0]], ids[edges[-1] :]
        room = max(1, tokeniser.max_length - len(head) - len(tail))
        parts = _parts(edges, room)
        for start, stop in parts:
            row = [*head, *ids[edges[start] : edges[stop]][:room], *tail]
            tags = [IGNORED] * len(row)
            for word in range(start, stop):
                tags[edges[word] - edges[start] + len(head)] = number[each.labels[word]]
            rows.append(row)
            labels += tags
        counts.append(len(parts))
        truncated += any(stop - start > room for start, stop in itertools.pairwise(edges))
    firsts = edges_of(counts)
    return _Sequences(rows, firsts, truncated, labels)


def _edges(word_ids: Sequence[int | None], before: int) -> list[int]:
    """The first token of each word after the `before` first ones, and where the last one ends."""
    pairs = itertools.pairwise([None, *word_ids])
    firsts = [
        place
        for place, (last, word) in enumerate(pairs)
        if word is not None and word >= before and word != last
    ]
    return [*firsts, 1 + max(place for place, word in enumerate(word_ids) if word is not None)]


def _parts(edges: Sequence[int], room: int) -> list[tuple[int, int]]:
    """Words of each sequence, from one up to another, as many as there is room for tokens."""
    starts = [0]
    for word in range(1, len(edges) - 1):
        if edges[word + 1] - edges[starts[-1]] > room:
            starts.append(word)
    return list(itertools.pairwise([*starts, len(edges) - 1]))


def _wants_spaces(inner: PreTrainedTokenizerFast) -> bool:
    """Whether words are the tokens they are in a text only with the blank before them.

    So it is with tokenisers of decoders, and Gemma's, which mmBERT has: a word without its blank
    is to them the end of another.
    """
    text = inner("w b", add_special_tokens=False)["input_ids"]
    plain, spaced = (
        inner(words, is_split_into_words=True, add_special_tokens=False)["input_ids"]
        for words in (["w", "b"], ["w", " b"])
    )
    return bool(plain != text == spaced)


def _visible(word: str, inner: PreTrainedTokenizerFast) -> str:
    """The word, or the unknown token for one that the tokeniser would swallow."""
    return word if inner.tokenize(word) else str(inner.unk_token)


def _windows(examples: Sequence[Example], tokeniser: Tokeniser) -> _Sequences:
    """As many sequences a question as its text needs: the question, and a window of the text.

    A window is labelled with its first and last token of the answer if all of it stands there,
    else with token 0 twice. A question whose training answer stands whole in no window counts as
    cut.
    """
    rows: list[list[int]] = []
    labels: list[int] = []
    places: list[NDArray[np.int32]] = []
    counts, truncated = [], 0
    for each in examples:
        encoded = _encoded(each, tokeniser)
        found = [_places(encoded, row) for row in range(len(encoded["input_ids"]))]
        spans = [_answer(each, window) for window in found]
        truncated += bool(each.starts) and not any(spans)
        rows.extend(encoded["input_ids"])
        labels.extend(edge for span in spans for edge in span or (0, 0))
        places.extend(found)
        counts.append(len(found))
    firsts = edges_of(counts)
    contexts = Contexts([each.segments[1] for each in examples], np.concatenate(places))
    return _Sequences(rows, firsts, truncated, labels, contexts)


def _encoded(example: Example, tokeniser: Tokeniser) -> BatchEncoding:
    """The windows of an example's text."""
    inner, longest = tokeniser.inner, tokeniser.max_length
    question = _shortened(tokeniser.prefix + example.segments[0], inner, longest // 2)
    asked = len(inner(question, add_special_tokens=False)["input_ids"])
    room = longest - asked - inner.num_special_tokens_to_add(pair=True)
    step = min(WINDOW_STEP, max(1, room // 2))
    encoded: BatchEncoding = inner(
        question,
        example.segments[1],
        truncation="only_second",
        max_length=longest,
        stride=room - step,
        return_overflowing_tokens=True,
        return_offsets_mapping=True,
    )
    return encoded


def _shortened(question: str, inner: PreTrainedTokenizerFast, most: int) -> str:
    offsets = inner(question, add_special_tokens=False, return_offsets_mapping=True)[
        "offset_mapping"
    ]
    allowed = min(QUESTION_TOKENS, most)
    return question if len(offsets) <= allowed else question[: offsets[allowed - 1][1]]


def _places(encoded: BatchEncoding, row: int) -> NDArray[np.int32]:
    """`[tokens, 2]`: first character of each token in the text and the one after its last."""
    found = np.full((len(encoded["input_ids"][row]), 2), -1, np.int32)
    for token, segment in enumerate(encoded.sequence_ids(row)):
        if segment == 1:
            found[token] = encoded["offset_mapping"][row][token]
    return found


def _answer(example: Example, places: NDArray[np.int32]) -> tuple[int, int] | None:
    """First and last token of the first answer in a window; None if it is not all there."""
    if not example.starts:
        return None
    start = example.starts[0]
    stop = start + len(example.answers[0])
    inside = np.flatnonzero(places[:, 0] >= 0)
    if not inside.size or places[inside[0], 0] > start or places[inside[-1], 1] < stop:
        return None
    touched = np.flatnonzero((places[:, 0] < stop) & (places[:, 1] > start))
    return (int(touched[0]), int(touched[-1])) if touched.size else None
