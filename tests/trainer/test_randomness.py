"""Seeded streams: the same on every machine, whatever was asked for before."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from xlbench_trainer.randomness import derive, examples, permutation, shuffled


def test_streams_and_permutations_are_for_ever():
    assert derive(1, "examples", "topic", 0, 0) == 7828938928757930661
    assert permutation(8, 1).tolist() == [3, 5, 2, 7, 0, 6, 1, 4]


def test_streams_of_other_names_are_others():
    names = [(1, "a", "b", "c"), (1, "a", "bc"), (1, "ab", "c"), (2, "a", "b", "c"), (1, "a", "c")]
    assert len({derive(seed, *rest) for seed, *rest in names}) == len(names)


@given(
    size=st.integers(1, 40),
    cuts=st.lists(st.integers(0, 120), min_size=1, max_size=6).map(sorted),
    occurrence=st.integers(0, 2),
)
def test_a_stream_read_in_pieces_is_the_stream_and_its_epochs_are_permutations(
    size, cuts, occurrence
):
    whole = examples(size, 3, "topic", occurrence, (0, cuts[-1]))
    edges = [0, *cuts]
    pieces = [
        examples(size, 3, "topic", occurrence, span) for span in zip(edges, cuts, strict=False)
    ]
    assert np.concatenate(pieces).tolist() == whole.tolist()
    for start in range(0, len(whole), size):
        epoch = whole[start : start + size].tolist()
        assert len(set(epoch)) == len(epoch)
        assert set(epoch) <= set(range(size))
        if len(epoch) == size:
            assert sorted(epoch) == list(range(size))


def test_epochs_occurrences_tasks_and_seeds_have_orders_of_their_own():
    orders = [
        examples(30, 1, "topic", 0, (0, 30)),
        examples(30, 1, "topic", 0, (30, 60)),
        examples(30, 1, "topic", 1, (0, 30)),
        examples(30, 1, "spans", 0, (0, 30)),
        examples(30, 2, "topic", 0, (0, 30)),
    ]
    assert len({tuple(order.tolist()) for order in orders}) == len(orders)


def test_what_is_kept_of_an_epoch_cannot_be_changed():
    order = examples(5, 1, "topic", 0, (0, 5))
    again = examples(5, 1, "topic", 0, (0, 5))
    order[:] = 0
    assert sorted(examples(5, 1, "topic", 0, (0, 5)).tolist()) == sorted(again.tolist())


@pytest.mark.parametrize("names", [[], ["a"], ["a", "b", "b", "c"]], ids=len)
def test_shuffling_loses_nothing(names):
    assert sorted(shuffled(names, 5)) == names
