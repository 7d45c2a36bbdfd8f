"""Sequences of every kind of task on a 155-word tokeniser: what is cut, and what bears labels."""

import json

import numpy as np
import pytest
from made_up import task_row
from xlbench_trainer.encoders import load_tokeniser
from xlbench_trainer.tasks.examples import Candidate, example
from xlbench_trainer.tokenising import Tokeniser, tokenised

CLS, SEP = 2, 3


def word(number):
    return 5 + number


def words(*numbers):
    return [word(number) for number in numbers]


def task(kind, labels=()):
    return task_row(kind, ["accuracy"], labels)


def made(segments, labels=(), answers=()):
    return example(segments, labels, language="en", cluster_id="c", answers=answers)


def rows_of(prepared):
    edges = zip(prepared.offsets, prepared.offsets[1:], strict=False)
    return [prepared.ids[start:stop].tolist() for start, stop in edges]


@pytest.fixture
def sequences(tiny_folder):
    """Sequences of examples, and how many were cut."""

    def run(row, examples, *, pool=(), prefix="", max_length=16):
        return tokenised(
            row, examples, pool, Tokeniser(load_tokeniser(tiny_folder), prefix, max_length)
        )

    return run


def test_an_option_is_a_sequence_with_what_is_asked(sequences):
    given = [made(["w1 w2", "w3", "w4", "w5"], ["3"]), made(["w1", "w6", "w7"], ["1"])]
    found, truncated = sequences(task("choice", "123"), given, prefix="w9 ")
    assert rows_of(found) == [
        [CLS, *words(9, 1, 2), SEP, word(3), SEP],
        [CLS, *words(9, 1, 2), SEP, word(4), SEP],
        [CLS, *words(9, 1, 2), SEP, word(5), SEP],
        [CLS, *words(9, 1), SEP, word(6), SEP],
        [CLS, *words(9, 1), SEP, word(7), SEP],
    ]
    assert found.firsts.tolist() == [0, 3, 5]
    assert found.labels.tolist() == [2, 0]
    assert truncated == 0


def test_a_short_text_is_one_window_with_its_answer(sequences):
    given = [made(["w1 w2", "w3 w4 w5"], answers=[("w4 w5", 3), ("w5", 6)])]
    found, truncated = sequences(task("span"), given)
    assert rows_of(found) == [[CLS, *words(1, 2), SEP, *words(3, 4, 5), SEP]]
    assert found.labels.tolist() == [5, 6]
    assert found.contexts.texts == ["w3 w4 w5"]
    none = [-1, -1]
    assert found.contexts.places.tolist() == [none] * 4 + [[0, 2], [3, 5], [6, 8]] + [none]
    assert json.loads(found.items.gold[0]) == ["w4 w5", "w5"]
    assert truncated == 0


def test_a_long_text_is_windows_that_overlap_and_only_those_with_all_of_the_answer_bear_it(
    sequences,
):
    # 10 tokens a window, 1 of the question, 3 special: room for 6, and 3 further each time.
    text = " ".join(f"w{number}" for number in range(10, 22))
    given = [
        made(["w1", text], answers=[("w15 w16", text.index("w15"))]),
        made(["w2", "w3"], answers=[("w3", 0)]),
    ]
    found, truncated = sequences(task("span"), given, max_length=10)
    assert rows_of(found) == [
        [CLS, word(1), SEP, *words(*range(10, 16)), SEP],
        [CLS, word(1), SEP, *words(*range(13, 19)), SEP],
        [CLS, word(1), SEP, *words(*range(16, 22)), SEP],
        [CLS, word(2), SEP, word(3), SEP],
    ]
    assert found.firsts.tolist() == [0, 3, 4]
    assert found.labels.reshape(-1, 2).tolist() == [[0, 0], [5, 6], [0, 0], [3, 3]]
    assert truncated == 0
    inside = found.contexts.places[:, 0] >= 0
    told = [text[start:stop] for start, stop in found.contexts.places[inside][:18]]
    assert told == text.split()[0:6] + text.split()[3:9] + text.split()[6:12]


def test_an_answer_that_no_window_holds_counts_as_cut(sequences):
    text = " ".join(f"w{number}" for number in range(10, 22))
    found, truncated = sequences(
        task("span"), [made(["w1", text], answers=[(text, 0)])], max_length=10
    )
    assert not found.labels.any()
    assert truncated == 1


def test_a_part_of_a_token_is_answered_by_the_token(sequences):
    found, _ = sequences(task("span"), [made(["w1", "w10 w11"], answers=[("11", 5)])])
    assert found.labels.tolist() == [4, 4]


def test_a_question_leaves_half_of_the_window_to_the_text(sequences):
    given = [made([" ".join(f"w{number}" for number in range(9)), "w20 w21"], answers=[("w21", 4)])]
    found, _ = sequences(task("span"), given, max_length=10)
    assert rows_of(found) == [
        [CLS, *words(0, 1, 2, 3, 4), SEP, *words(20, 21), SEP],
    ]


def test_a_pool_stands_after_the_texts_that_are_searched_for(sequences):
    pool = [Candidate("a", ("w3", "w3 w4")), Candidate("b", ("w4", "w3 w4"))]
    given = [example(["w1 w2"], language="en", cluster_id="c", answers=[("b", 0)])]
    found, _ = sequences(task("retrieval"), given, pool=pool, prefix="w9 ")
    assert rows_of(found) == [
        [CLS, *words(9, 1, 2), SEP],
        [CLS, *words(9, 3), SEP, *words(3, 4), SEP],
        [CLS, *words(9, 4), SEP, *words(3, 4), SEP],
    ]
    assert found.firsts.tolist() == [0, 1]
    assert found.size == 1
    assert found.label_names == ["a", "b"]
    assert found.items.gold == ["b"]
    assert not len(np.asarray(found.labels))
