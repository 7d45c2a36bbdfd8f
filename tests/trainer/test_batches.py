"""Batches: exact doses, and the same sequence in any interleaving."""

from collections import Counter
from types import SimpleNamespace

from hypothesis import given
from hypothesis import strategies as st
from made_up import train_params
from xlbench_trainer.batches import drawn, examples_of, updates


def params(doses, batches="homogeneous", batch_size=4, seed=1):
    return train_params(doses, batches=batches, batch_size=batch_size, seed=seed)


DOSES = st.dictionaries(st.sampled_from("abcd"), st.integers(1, 9), min_size=1)


@given(doses=DOSES, batches=st.sampled_from(["homogeneous", "mixed"]), size=st.integers(1, 6))
def test_every_task_gets_exactly_its_dose_of_its_own_stream(doses, batches, size):
    plan = updates(params(doses, batches, size))
    assert len(plan) == sum(doses.values())
    assert {sum(part.last - part.first for part in update) for update in plan} == {size}
    taken = Counter()
    for update in plan:
        assert len({part.task for part in update}) == len(update)
        for part in update:
            assert part.first == taken[part.task] < part.last
            taken[part.task] = part.last
    assert taken == {name: count * size for name, count in doses.items()}


@given(doses=DOSES, size=st.integers(1, 60))
def test_what_a_phase_draws_is_what_its_updates_take(doses, size):
    facts, sets = params(doses), dict.fromkeys(doses, SimpleNamespace(size=size))
    for task in doses:
        parts = [part for update in updates(facts) for part in update if part.task == task]
        taken = {number for part in parts for number in examples_of(part, facts, sets).tolist()}
        assert drawn(task, facts, sets[task]).tolist() == sorted(taken)


@given(doses=DOSES)
def test_a_homogeneous_update_is_one_task(doses):
    assert all(len(update) == 1 for update in updates(params(doses)))


def test_a_mixed_phase_does_mix_and_seeds_differ():
    doses = {"a": 10, "b": 10}
    mixed = updates(params(doses, "mixed"))
    assert sum(len(update) == 2 for update in mixed) > 10
    orders = {
        tuple(update[0].task for update in updates(params(doses, seed=seed))) for seed in range(5)
    }
    assert len(orders) == 5


def test_the_order_of_a_phase_does_not_depend_on_the_order_of_its_map():
    assert updates(params({"a": 3, "b": 4})) == updates(params({"b": 4, "a": 3}))
