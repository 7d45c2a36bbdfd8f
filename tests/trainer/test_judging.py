"""Outcomes and scores of every kind of task, worked by hand; the metrics are tested by scoring."""

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_up import task_row
from seqeval.metrics import f1_score, precision_score, recall_score
from xlbench_specs.outcomes import PARTS, OutcomeRow
from xlbench_trainer.judging import Case, outcomes, scores
from xlbench_trainer.tokens import IGNORED, Contexts, Items, PreparedSet, evenly

TAGS = ["O", "B-city", "I-city", "B-date", "I-date"]
SPANS = ["span_f1", "span_precision", "span_recall", "accuracy"]


def row(name, numerator, denominator):
    return OutcomeRow("", "x", "x", "x", "", "", name, "", numerator, denominator)


def judged(row, prepared, said, head=None, language="en"):
    return outcomes(Case(row, prepared, said, head or row, language), "key")


def test_a_score_is_a_sum_of_counts_and_none_where_there_is_none():
    rows = [row("accuracy", 1, 1), row("accuracy", 0, 1), row("other", 5, 5)]
    assert scores(task_row("tagging", ["accuracy", "span_f1"]), rows) == {
        "accuracy": 0.5,
        "span_f1": None,
    }


def made(lengths, labels, gold, each=1, firsts=None):
    """A prepared set of so many tokens a sequence."""
    count = len(gold)
    return PreparedSet(
        ids=np.zeros(sum(lengths), np.int32),
        offsets=np.cumsum([0, *lengths]),
        labels=np.array(labels, np.int32),
        items=Items([f"x{number}" for number in range(count)], ["p"] * count, ["c"] * count, gold),
        firsts=evenly(count, each) if firsts is None else np.array(firsts),
        label_names=["wrong"] * 9,
    )


def one_hot(*places):
    return np.eye(3, dtype=np.float32)[list(places)]


def test_every_item_has_an_outcome_in_the_order_of_the_set_with_the_labels_of_the_head():
    prepared = made([1, 3, 2], [0, 0, 0], ["a", "b", "c"])
    topic = task_row("classification", ["accuracy", "macro_f1"], "abc")
    rows = judged(topic, prepared, one_hot(0, 2, 2))
    assert [(each.example_id, each.gold, each.predicted, each.numerator) for each in rows] == [
        ("x0", "a", "a", 1),
        ("x1", "b", "c", 0),
        ("x2", "c", "c", 1),
    ]
    assert {each.stage_key for each in rows} == {"key"}
    assert scores(topic, rows) == {
        "accuracy": pytest.approx(2 / 3),
        "macro_f1": pytest.approx((1 + 0 + 2 / 3) / 3),
    }


def test_a_label_that_the_head_does_not_know_counts_as_the_table_says():
    prepared = made([1, 1], [0, 0], ["mixed", "good"])
    fine = task_row(
        "classification", ["accuracy"], ["bad", "good", "mixed"], label_map={"mixed": "bad"}
    )
    coarse = task_row("classification", ["accuracy"], ["good", "bad"])
    rows = judged(fine, prepared, one_hot(1, 1), head=coarse)
    assert [(each.gold, each.predicted, each.numerator) for each in rows] == [
        ("bad", "bad", 1),
        ("good", "bad", 0),
    ]


def tagged(pairs):
    """A set of sentences, and logits that say the second tags of each pair."""
    lengths = [len(pair) for pair in pairs]
    gold = [" ".join(true for true, _ in pair) for pair in pairs]
    said = np.eye(len(TAGS), dtype=np.float32)[
        [TAGS.index(out) for pair in pairs for _, out in pair]
    ]
    return made(lengths, [0] * sum(lengths), gold), said


PAIRS = st.lists(st.tuples(*[st.sampled_from(TAGS)] * 2), min_size=1, max_size=8)


@given(st.lists(PAIRS, min_size=1, max_size=5))
def test_span_scores_are_seqevals(pairs):
    slots = task_row("tagging", SPANS, TAGS)
    found = scores(slots, judged(slots, *tagged(pairs)))
    gold, said = ([[tags[side] for tags in pair] for pair in pairs] for side in (0, 1))
    published = {
        "span_f1": f1_score(gold, said, zero_division=0),
        "span_precision": precision_score(gold, said, zero_division=0),
        "span_recall": recall_score(gold, said, zero_division=0),
    }
    for metric, value in published.items():
        # seqeval says 0 of what is not defined.
        assert (found[metric] or 0.0) == pytest.approx(value)


def test_the_parts_of_a_long_sentence_are_judged_as_one():
    # Two sentences; the first in two sequences of [CLS] and its words, the second in one.
    labels = [IGNORED, 1, 2, IGNORED, 2, IGNORED, 0]
    prepared = made([3, 2, 2], labels, ["B-x I-x I-x", "O"], firsts=[0, 2, 3])
    slots = task_row("tagging", ["span_f1", "accuracy"], ["O", "B-x", "I-x"])
    rows = judged(slots, prepared, one_hot(0, 1, 2, 0, 2, 0, 1))
    assert list(dict.fromkeys(each.predicted for each in rows)) == ["B-x I-x I-x", "B-x"]
    assert scores(slots, rows) == {"span_f1": pytest.approx(2 / 3), "accuracy": 3 / 4}


def test_a_sentence_without_spans_is_kept_and_weighs_nothing():
    prepared = made([2], [IGNORED, 0], ["O"])
    slots = task_row("tagging", ["span_f1", "span_recall", "accuracy"], ["O", "B-x", "I-x"])
    rows = judged(slots, prepared, one_hot(0, 0))
    assert [(each.name, each.denominator) for each in rows] == [("span_f1", 0), ("accuracy", 1)]
    assert scores(slots, rows) == {"span_f1": None, "span_recall": None, "accuracy": 1.0}


def test_types_that_only_one_side_knows_are_outside_for_both():
    # The test set marks dates, the head does not; the head knows MISC, the test set does not.
    prepared = made([3], [0, 0, 0], ["B-DATE B-LOC O"])
    names = task_row("tagging", ["span_f1"], ["O", "B-LOC", "B-DATE"], label_map={"B-DATE": "O"})
    head = task_row("tagging", ["span_f1"], ["O", "B-LOC", "B-MISC"])
    (entity, _, _, _) = rows = judged(names, prepared, one_hot(0, 1, 2), head=head)
    assert (entity.gold, entity.predicted) == ("O B-LOC O", "O B-LOC O")
    assert scores(names, rows) == {"span_f1": 1.0}


def test_parts_of_speech_have_accuracy_and_xtremes_f1():
    # Said NOUN NOUN ADV for NOUN VERB ADV: 2 of 3 words; of runs of equal tags two said, three
    # gold, and of these ADV alone is right.
    prepared = made([4], [IGNORED, 0, 1, 2], ["NOUN VERB ADV"])
    parts = task_row("tagging", ["accuracy", "xtreme_f1"], ["NOUN", "VERB", "ADV"])
    rows = judged(parts, prepared, one_hot(0, 0, 0, 2))
    assert {each.predicted for each in rows} == {"NOUN NOUN ADV"}
    assert scores(parts, rows) == {
        "accuracy": pytest.approx(2 / 3),
        "xtreme_f1": pytest.approx(2 / 5),
    }


def test_the_option_with_the_largest_logit_is_chosen():
    prepared = replace(made([2] * 5, [1, 0], ["2", "1"]), firsts=np.array([0, 3, 5]))
    prepared = replace(prepared, items=Items(["x0", "x1"], ["p"] * 2, ["c"] * 2, ["2", "1"]))
    choice = task_row("choice", ["accuracy"], "123")
    rows = judged(choice, prepared, np.array([[1], [3], [2], [0], [5]], np.float32))
    assert [(each.predicted, each.numerator) for each in rows] == [("2", 1), ("2", 0)]


def asked(texts, windows, gold):
    """Questions on texts, each with windows of (first character, one after the last) or None."""
    lengths = [len(window) for group in windows for window in group]
    places = [place or (-1, -1) for group in windows for window in group for place in window]
    prepared = made(lengths, [0] * (2 * len(lengths)), [json.dumps(each) for each in gold])
    items = Items(*[[f"x{number}" for number in range(len(texts))]] * 3, prepared.items.gold)
    return replace(
        prepared,
        items=items,
        firsts=np.cumsum([0, *map(len, windows)]),
        contexts=Contexts(texts, np.array(places, np.int32)),
    )


def test_an_answer_is_the_best_span_of_all_windows():
    # Two windows of "in Berlin now": [CLS] in Berlin; [CLS] Berlin now. The logits of [CLS] are the
    # largest, but it stands for no text. Best: "Berlin" of the second window, 3 + 3.
    windows = [[[None, (0, 2), (3, 9)], [None, (3, 9), (10, 13)]]]
    prepared = asked(["in Berlin now"], windows, [["Berlin", "now"]])
    said = np.array([[9, 9], [2, 0], [0, 2], [9, 9], [3, 3], [0, 0]], np.float32)
    squad = task_row("span", ["squad_f1", "squad_em"])
    rows = judged(squad, prepared, said)
    assert [(each.name, each.predicted) for each in rows] == [
        ("squad_f1", "Berlin"),
        ("squad_em", "Berlin"),
    ]
    assert rows[0].denominator == PARTS
    assert scores(squad, rows) == {"squad_f1": 1.0, "squad_em": 1.0}


def test_f1_of_answers_is_a_mean_over_questions():
    # 2 shared of 3 and 2 tokens: 4/5. And nothing shared: 0.
    prepared = asked(["a b c d", "e f"], [[[(0, 7)]], [[(0, 1)]]], [["b c"], ["f"]])
    squad = task_row("span", ["squad_f1", "squad_em"])
    found = scores(squad, judged(squad, prepared, np.zeros((2, 2), np.float32)))
    # "a" is an article: "b c d" against "b c".
    assert found == {"squad_f1": pytest.approx((4 / 5 + 0) / 2), "squad_em": 0.0}


def test_mlqas_scores_know_the_language():
    prepared = asked(["ein Haus"], [[[(0, 8)]]], [["Haus"]])
    mlqa = task_row("span", ["mlqa_f1", "mlqa_em"])
    said = np.zeros((1, 2), np.float32)
    german = scores(mlqa, judged(mlqa, prepared, said, language="de"))
    english = scores(mlqa, judged(mlqa, prepared, said, language="en"))
    assert (german["mlqa_em"], english["mlqa_em"]) == (1.0, 0.0)


def test_a_window_without_text_answers_nothing():
    prepared = asked(["x"], [[[None]]], [["x"]])
    squad = task_row("span", ["squad_f1", "squad_em"])
    rows = judged(squad, prepared, np.zeros((1, 2), np.float32))
    assert [(each.predicted, each.numerator) for each in rows] == [("", 0), ("", 0)]


def test_a_span_set_without_its_texts_is_refused():
    prepared = replace(asked(["x"], [[[None]]], [["x"]]), contexts=None)
    with pytest.raises(ValueError, match="span-task: the prepared set does not hold its texts"):
        judged(task_row("span", ["squad_f1"]), prepared, np.zeros((1, 2), np.float32))


def test_retrieval_worked_by_hand():
    texts = [[1.0, 0.2], [2.0, 0.0], [0.9, 1.0], [0.0, 5.0], [0.0, 1.0], [-1.0, 0.0]]
    # Cosines: x0 nearest English x0; x1 (0.9, 1.0) nearest x1; x2 (0, 1) nearest x1, not x2.
    # The other way round, as XTREME asks: English x0 nearest x0, x1 (0, 1) nearest x2, x2 x2.
    prepared = replace(made([1] * 6, [], [""] * 3, each=2), label_names=[])
    match = task_row("retrieval", ["accuracy_from_english", "accuracy_at_1"])
    rows = judged(match, prepared, np.array(texts, np.float32))
    said = [(each.name, each.gold, each.predicted, each.numerator) for each in rows]
    assert said == [
        ("accuracy_at_1", "x0", "x0", 1),
        ("accuracy_at_1", "x1", "x1", 1),
        ("accuracy_at_1", "x2", "x1", 0),
        ("accuracy_from_english", "x0", "x0", 1),
        ("accuracy_from_english", "x1", "x2", 0),
        ("accuracy_from_english", "x2", "x2", 1),
    ]
    assert scores(match, rows) == {
        "accuracy_from_english": pytest.approx(2 / 3),
        "accuracy_at_1": pytest.approx(2 / 3),
    }


def test_what_diverged_finds_nothing_and_stops_nothing():
    prepared = replace(made([1] * 4, [], [""] * 2, each=2), label_names=[])
    match = task_row("retrieval", ["accuracy_at_1"])
    rows = judged(match, prepared, np.full((4, 2), np.nan, np.float32))
    assert [each.predicted for each in rows] == ["x0", "x0"]


def pooled(queries, pool, gold):
    """Queries that are searched for in a pool, and their vectors."""
    prepared = made([1] * (len(queries) + len(pool)), [], gold)
    count = len(queries)
    items = Items(*[[f"x{number}" for number in range(count)]] * 3, gold)
    names = [f"c{number}" for number in range(len(pool))]
    vectors = np.array([*queries, *pool], np.float32)
    return replace(prepared, items=items, firsts=evenly(count, 1), label_names=names), vectors


def test_a_pool_has_several_right_candidates():
    # By cosine with (1, 0): c1 1, c0 .6, c2 0. Right c0 and c2: (1/2 + 2/3) / 2.
    prepared, vectors = pooled([[1, 0]], [[3, 4], [2, 0], [0, 1]], ["c0 c2"])
    answers = task_row("retrieval", ["map_at_20", "accuracy_at_1"])
    (first, mean) = judged(answers, prepared, vectors)
    assert (first.predicted, first.numerator) == ("c1", 0)
    assert scores(answers, [first, mean]) == {
        "map_at_20": pytest.approx(7 / 12, abs=1 / PARTS),
        "accuracy_at_1": 0.0,
    }


def test_mined_pairs_are_scored_together():
    # x0 with c0 and x1 with c1 are mined (test_scoring_ranking works the margins); gold is x0 with
    # c0 and x2 with c1. Best threshold: x0c0 alone, F1 2 * 1 / (1 + 2).
    queries = [[1, 0], [0, 1], [0.6, 0.8]]
    prepared, vectors = pooled(queries, [[2, 0], [0.6, 0.8]], ["c0", "", "c1"])
    mining = task_row("retrieval", ["mining_f1"])
    rows = judged(mining, prepared, vectors)
    assert [(each.predicted, each.numerator, each.denominator) for each in rows] == [
        ("c0", 2, 2),
        (None, 0, 0),
        (None, 0, 1),
    ]
    assert scores(mining, rows) == {"mining_f1": pytest.approx(2 / 3)}
