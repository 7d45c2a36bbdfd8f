"""F1 over labels, worked by hand and against scikit-learn."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import f1_score
from xlbench_trainer.scoring.labels import macro_f1, weighted_f1


def test_macro_f1_worked_by_hand():
    gold, said = ["a", "a", "a", "b", "b", "c"], ["a", "a", "b", "b", "c", None]
    # a: 2 hits of 3 gold and 2 said; b: 1 of 2 and 2; c: 0 of 1 and 1.
    assert macro_f1(gold, said) == pytest.approx((4 / 5 + 2 / 4 + 0) / 3)
    assert macro_f1([], []) is None
    assert weighted_f1(gold, said) == pytest.approx((3 * 4 / 5 + 2 * 2 / 4 + 0) / 6)
    assert weighted_f1([], []) is None


def test_a_label_that_no_item_has_is_left_out():
    assert macro_f1(["a", "a"], ["a", "z"]) == pytest.approx(2 / 3)


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("abcd")), min_size=1))
def test_f1_is_sklearns_over_the_labels_that_occur(pairs):
    gold, said = (list(column) for column in zip(*pairs, strict=True))
    expected = f1_score(gold, said, labels=sorted(set(gold)), average="macro", zero_division=0.0)
    assert macro_f1(gold, said) == pytest.approx(expected)
    expected = f1_score(gold, said, average="weighted", zero_division=0.0)
    assert weighted_f1(gold, said) == pytest.approx(expected)
