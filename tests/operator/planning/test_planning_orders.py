import math
from itertools import islice

import pytest
from xlbench_operator.planning.orders import balanced_permutations, orders_for
from xlbench_specs.experiment import Schedule

LISTS = {
    1: ["A"],
    2: ["AB", "BA"],
    # the rotations, those reversed, and there are no more
    3: ["ABC", "BCA", "CAB", "CBA", "ACB", "BAC"],
}


@pytest.mark.parametrize("length", LISTS)
def test_all_orders_of_a_short_list(length):
    assert ["".join("ABC"[n] for n in order) for order in balanced_permutations(length)] == LISTS[
        length
    ]


def test_four_phases_start_with_rotations_then_those_reversed_then_the_rest_by_name():
    orders = ["".join("ABCD"[n] for n in order) for order in balanced_permutations(4)]
    assert orders[:8] == ["ABCD", "BCDA", "CDAB", "DABC", "DCBA", "ADCB", "BADC", "CBAD"]
    assert orders[8:] == sorted(orders[8:])


@pytest.mark.parametrize("length", range(1, 7))
def test_every_order_comes_once(length):
    orders = list(balanced_permutations(length))
    assert len(orders) == len(set(orders)) == math.factorial(length)


@pytest.mark.parametrize("length", range(2, 7))
def test_among_the_first_k_orders_every_task_stands_once_at_every_place(length):
    first = list(islice(balanced_permutations(length), length))
    assert all(len({order[place] for order in first}) == length for place in range(length))


def test_many_phases_are_not_all_permuted():
    assert len(list(islice(balanced_permutations(32), 100))) == 100


def schedule(mode, phases=3, count=None):
    orders = {"mode": mode} | ({"count": count} if count else {})
    tasks = [[{"task": f"task-{number}"}] for number in range(phases)] + [[{"task": "$target"}]]
    return Schedule.parse(
        {"name": "a", "orders": orders, "phases": [{"tasks": each} for each in tasks]}
    )


def test_a_seed_at_a_place_of_the_list_takes_the_order_at_that_place():
    every = schedule("per-seed")
    taken = [orders_for(every, [0, 1, 2], place) for place in range(12)]
    assert all(len(orders) == 1 for orders in taken)
    assert [orders[0][:3] for orders in taken] == list(balanced_permutations(3)) * 2


def test_the_listed_order_is_the_same_for_every_seed():
    assert {tuple(orders_for(schedule("listed"), [0, 1, 2], place)) for place in range(4)} == {
        ((0, 1, 2, 3),)
    }


@pytest.mark.parametrize(("count", "number"), [(2, 2), (6, 6), (None, 6)])
def test_permutations_give_so_many_orders_to_every_seed(count, number):
    orders = orders_for(schedule("permutations", count=count), [0, 1, 2], 5)
    assert [order[:3] for order in orders] == list(islice(balanced_permutations(3), number))


def test_phases_that_are_not_permuted_keep_their_place():
    assert orders_for(schedule("per-seed", phases=4), [0, 2], 1) == [(2, 1, 0, 3, 4)]


def test_nothing_to_permute_is_one_order():
    for mode in ("listed", "per-seed", "permutations"):
        assert orders_for(schedule(mode, phases=0), [], 3) == [(0,)]
