"""Caps on live Jobs: never passed, and what is free goes to who has least."""

import random
import threading
from collections import Counter
from dataclasses import replace
from functools import partial

import pytest
from xlbench_operator.operating.admission import Admission, owner_of, share
from xlbench_operator.operating.decide import decide
from xlbench_operator.operating.names import MANAGED_BY, MANAGER
from xlbench_operator.operating.reconcile import Key
from xlbench_operator.operating.settings import Caps

A, B, C = Key("one", "a"), Key("one", "b"), Key("two", "c")


def job(key, uid, *, live=True):
    ended = {"type": "Complete", "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"}
    return {
        "metadata": {
            "namespace": key.namespace,
            "name": f"train-{uid}",
            "uid": uid,
            "labels": {MANAGED_BY: MANAGER},
            "creationTimestamp": "2026-01-01T00:00:00Z",
            "ownerReferences": [{"name": key.name, "uid": key.name, "controller": True}],
        },
        "status": {"conditions": [] if live else [ended]},
    }


def jobs(numbers):
    return [job(key, f"{key.name}{n}") for key, number in numbers.items() for n in range(number)]


@pytest.mark.parametrize(
    ("live", "hungry", "caps", "room"),
    [
        pytest.param({}, [], Caps(all=8), 8, id="alone it gets all"),
        pytest.param({A: 3}, [], Caps(all=8), 5, id="alone it gets the rest"),
        pytest.param({A: 9}, [], Caps(all=8), 0, id="above a cap that was lowered"),
        pytest.param({}, [B], Caps(all=8), 4, id="half of it beside another"),
        pytest.param({B: 8}, [B], Caps(all=8), 0, id="nothing is free"),
        pytest.param({B: 6}, [B], Caps(all=8), 2, id="who has none goes first"),
        pytest.param({A: 6}, [B], Caps(all=8), 0, id="who has most goes last"),
        pytest.param({A: 1}, [B, C], Caps(all=9), 2, id="equal in the end"),
        pytest.param({B: 3}, [], Caps(namespace=4), 1, id="a namespace's cap"),
        pytest.param({C: 3}, [C], Caps(namespace=4), 4, id="of another namespace's no matter"),
        pytest.param({B: 4}, [C], Caps(all=6, namespace=4), 0, id="its namespace is full"),
        pytest.param({C: 4}, [C], Caps(all=6, namespace=4), 2, id="the other's is full"),
    ],
)
def test_share(live, hungry, caps, room):
    assert share(A, live, hungry, caps) == room


def test_without_caps_there_is_room_for_any_number():
    assert Admission(Caps()).enter(A, lambda: jobs({A: 1000})) is None


def test_ended_jobs_take_no_room():
    admission = Admission(Caps(all=2))
    assert admission.enter(A, lambda: [job(A, "1", live=False), job(A, "2")]) == 1


def test_what_is_granted_to_one_is_not_granted_to_another():
    admission = Admission(Caps(all=4))
    assert admission.enter(A, list) == 4
    assert admission.enter(B, list) == 0
    assert admission.leave(B, used=0, held=3) == set()
    assert admission.leave(A, used=1, held=0) == {B}, "B may have what A left"
    assert admission.enter(B, lambda: jobs({A: 1})) == 3


def test_a_job_made_while_another_asks_is_counted():
    admission, live = Admission(Caps(all=1)), Counter()
    assert admission.enter(A, lambda: jobs(live)) == 1

    def make_and_leave():
        live[A] = 1
        admission.leave(A, used=1, held=0)

    made = threading.Thread(target=make_and_leave)

    def listed():
        found = jobs(live)
        made.start()
        made.join(0.2)  # all that it takes, unless it waits for who asks
        return found

    assert admission.enter(B, listed) == 0
    made.join()


def test_a_job_without_controller_is_nobodys():
    raw = job(A, "1")
    raw["metadata"]["ownerReferences"] = []
    assert owner_of(raw) is None


@pytest.mark.parametrize("seed", range(20))
def test_no_cap_is_ever_passed_and_nobody_starves(seed):
    chance = random.Random(seed)  # noqa: S311 - who looks when
    caps = Caps(all=7, namespace=5)
    admission, live, inside = Admission(caps), Counter(), {}
    ran = Counter()
    for _ in range(2000):
        key = chance.choice([A, B, C])
        if key in inside:
            room = inside.pop(key)
            wants = 6 - live[key]
            used = min(room, wants)
            live[key] += used
            ran[key] += used
            admission.leave(key, used=used, held=wants - used)
        else:
            inside[key] = admission.enter(key, partial(jobs, live))
        ends = chance.choice([A, B, C])
        if live[ends] and chance.random() < 0.3:
            live[ends] -= 1
        assert sum(live.values()) <= caps.all
        assert live[A] + live[B] <= caps.namespace
    assert min(ran.values()) > 0.5 * max(ran[A], ran[B])


def test_the_deployments_room_bounds_what_is_started(lab):
    lab.apply()
    lab.settle()
    lab.work(lab.cluster.live()[0])
    lab.shell = replace(lab.shell, room=2)
    lab.settle()
    assert len(lab.cluster.live()) == 2
    situation = lab.situation()
    free = decide(situation)
    held = decide(replace(situation, room=0))
    assert (len(free.start), free.held) == (1, 0)
    assert (len(held.start), held.held) == (0, 1)
