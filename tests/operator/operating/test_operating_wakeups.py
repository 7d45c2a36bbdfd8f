"""The set of keys that are to be looked at: nobody twice at a time, nobody forgotten."""

import threading
import time

import pytest
from xlbench_operator.operating.reconcile import Key
from xlbench_operator.operating.wakeups import Wakeups

A, B = Key("one", "a"), Key("one", "b")


@pytest.fixture
def wakeups():
    made = Wakeups()
    yield made
    made.close()


def taken_within(wakeups, seconds):
    """The key that is taken in so many seconds; None if there is none."""
    found = []
    thread = threading.Thread(target=lambda: found.append(wakeups.take()), daemon=True)
    thread.start()
    thread.join(seconds)
    return found[0].key if found and found[0] else None


def test_who_was_woken_first_comes_first(wakeups):
    wakeups.wake([B])
    wakeups.wake([A])
    assert [wakeups.take().key, wakeups.take().key] == [B, A]


def test_who_is_woken_twice_comes_once_and_is_seen_as_of_the_last(wakeups):
    wakeups.wake([A])
    between = time.monotonic()
    wakeups.wake([A, B])
    first = wakeups.take()
    assert first.key == A
    assert first.since >= between
    assert wakeups.take().key == B


def test_a_key_is_in_one_hand_at_a_time_and_comes_back_if_woken_meanwhile(wakeups):
    wakeups.wake([A])
    wakeups.take()
    wakeups.wake([A])
    wakeups.wake([B])
    assert wakeups.take().key == B
    wakeups.done(A, None)
    assert wakeups.take().key == A


@pytest.mark.parametrize(
    ("again_after_s", "comes"), [(0.0, A), (0.05, A), (60.0, None), (None, None)]
)
def test_a_key_comes_again_when_it_asked_to(wakeups, again_after_s, comes):
    wakeups.wake([A])
    wakeups.take()
    wakeups.done(A, again_after_s)
    assert taken_within(wakeups, 5 if comes else 0.1) == comes


def test_waking_brings_forward_what_is_due_later(wakeups):
    wakeups.wake([A])
    wakeups.take()
    wakeups.done(A, 3600.0)
    wakeups.wake([A])
    assert taken_within(wakeups, 5) == A


@pytest.mark.parametrize(
    ("put_off", "comes"), [(False, A), (True, None)], ids=["due later", "put off"]
)
def test_a_reminder_brings_forward_only_who_was_not_put_off(wakeups, put_off, comes):
    wakeups.remind([A])
    wakeups.take()
    wakeups.done(A, 3600.0, put_off=put_off)
    wakeups.remind([A])
    assert taken_within(wakeups, 5 if comes else 0.1) == comes


def test_waking_brings_forward_also_who_was_put_off(wakeups):
    wakeups.wake([A])
    wakeups.take()
    wakeups.done(A, 3600.0, put_off=True)
    wakeups.wake([A])
    assert taken_within(wakeups, 5) == A


@pytest.mark.parametrize(
    ("put_off", "comes"), [(False, A), (True, None)], ids=["all went well", "put off"]
)
def test_a_key_that_is_reminded_of_while_looked_at(wakeups, put_off, comes):
    wakeups.wake([A])
    wakeups.take()
    wakeups.remind([A])
    reminded = time.monotonic()
    wakeups.wake([B])
    wakeups.done(A, 3600.0 if put_off else None, put_off=put_off)
    found = [wakeups.take(), wakeups.take()] if comes else [wakeups.take()]
    assert [each.key for each in found] == ([B, A] if comes else [B])
    assert all(each.since >= reminded for each in found)


def test_who_was_put_off_once_is_reminded_again_when_it_goes_well(wakeups):
    wakeups.wake([A])
    wakeups.take()
    wakeups.done(A, 0.0, put_off=True)
    wakeups.take()
    wakeups.done(A, 3600.0)
    wakeups.remind([A])
    assert taken_within(wakeups, 5) == A


def test_what_is_seen_of_a_key_that_is_due_later_is_no_older_than_that(wakeups):
    wakeups.wake([A])
    wakeups.take()
    due = time.monotonic() + 0.05
    wakeups.done(A, 0.05)
    assert wakeups.take().since >= due


def test_closing_lets_waiting_workers_go(wakeups):
    found = []
    threads = [threading.Thread(target=lambda: found.append(wakeups.take())) for _ in range(3)]
    for thread in threads:
        thread.start()
    wakeups.close()
    for thread in threads:
        thread.join(5)
    assert found == [None, None, None]


def test_many_workers_never_share_a_key(wakeups):
    keys = [Key("one", str(number)) for number in range(20)]
    inside, shared, looks = set(), [], []

    def work():
        while (wakeup := wakeups.take()) is not None:
            if wakeup.key in inside:
                shared.append(wakeup.key)
            inside.add(wakeup.key)
            looks.append(wakeup.key)
            time.sleep(0.001)
            inside.discard(wakeup.key)
            wakeups.done(wakeup.key, 0.0 if len(looks) < 300 else None)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for _ in range(10):
        wakeups.wake(keys)
    deadline = time.monotonic() + 30
    while len(looks) < 300 and time.monotonic() < deadline:
        time.sleep(0.01)
    wakeups.close()
    for thread in threads:
        thread.join(5)
    assert not shared
    assert set(looks) == set(keys)
