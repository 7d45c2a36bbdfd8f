"""The LIST that everybody shares: never older than asked for, never without what we made."""

import threading
import time

import pytest
from xlbench_operator.cluster.connection import ApiError
from xlbench_operator.cluster.listing import SPACING_S, Listing

PATH = "/apis/batch/v1/jobs"


def job(name):
    return {
        "metadata": {
            "namespace": "team-a",
            "name": name,
            "uid": f"uid-{name}",
            "creationTimestamp": "2026-01-01T00:00:00Z",
            "managedFields": [{"manager": "x"}],
            "labels": {"a": "b"},
        },
        "spec": {"template": {}},
        "status": {"active": 1},
    }


@pytest.fixture
def listing(server):
    """A listing of all namespaces; `server.answers` says what there is."""
    server.answers["GET", PATH] = 200, {"metadata": {}, "items": [job("a")]}
    return Listing(server.connection, None)


def names(jobs):
    return [each["metadata"]["name"] for each in jobs]


def test_it_is_asked_for_by_label_and_kept_small(listing, server):
    (found,) = listing.jobs(time.monotonic())
    assert server.asked[0].query["labelSelector"] == "app.kubernetes.io/managed-by=xlbench"
    assert found["metadata"].keys() == {"namespace", "name", "uid", "creationTimestamp"}
    assert found["status"] == {"conditions": []}


def test_who_needs_no_newer_one_shares_the_last(listing, server):
    moment = time.monotonic()
    for _ in range(5):
        listing.jobs(moment)
    assert len(server.asked) == 1


def test_who_needs_a_newer_one_waits_for_the_next_second(listing, server):
    listing.jobs(time.monotonic())
    begun = time.monotonic()
    server.answers["GET", PATH] = 200, {"metadata": {}, "items": [job("b")]}
    assert names(listing.jobs(time.monotonic())) == ["b"]
    assert time.monotonic() - begun > SPACING_S / 2
    assert len(server.asked) == 2


def test_those_who_wait_share_one(listing, server):
    listing.jobs(time.monotonic())
    moment = time.monotonic()
    threads = [threading.Thread(target=listing.jobs, args=(moment,)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert len(server.asked) == 2


def test_what_we_made_since_is_there_until_a_list_says_all(listing, server):
    moment = time.monotonic()
    listing.jobs(moment)
    listing.add(job("made"))
    assert names(listing.jobs(moment)) == ["a", "made"]
    assert names(listing.jobs(time.monotonic())) == ["a"], "it went meanwhile: no ghost stays"
    assert len(server.asked) == 2


def test_what_we_made_is_seen_by_who_reads_while_a_newer_list_comes(listing, server, monkeypatch):
    monkeypatch.setattr("xlbench_operator.cluster.listing.SPACING_S", 0.0)
    missed = []

    def read(moment, stop):
        while not stop.is_set():
            if (seen := names(listing.jobs(moment))) != ["a", "made"]:
                missed.append(seen)

    for _ in range(30):  # each catches a reader between two of its steps about every other time
        server.answers["GET", PATH] = 200, {"metadata": {}, "items": [job("a")]}
        moment, stop = time.monotonic(), threading.Event()
        listing.jobs(moment)
        listing.add(job("made"))
        server.answers["GET", PATH] = 200, {"metadata": {}, "items": [job("a"), job("made")]}
        readers = [threading.Thread(target=read, args=(moment, stop)) for _ in range(2)]
        for thread in readers:
            thread.start()
        listing.jobs(time.monotonic())
        stop.set()
        for thread in readers:
            thread.join(10)
    assert not missed


def test_what_we_made_while_it_was_asked_for_is_there_once(listing, server):
    def answer(_):
        listing.add(job("a"))
        listing.add(job("late"))
        return 200, {"metadata": {}, "items": [job("a")]}

    server.answers["GET", PATH] = answer
    assert names(listing.jobs(time.monotonic())) == ["a", "late"]


def test_a_long_list_comes_in_pages(listing, server):
    def answer(asked):
        last = "continue" in asked.query
        page = {"metadata": {} if last else {"continue": "t"}, "items": [job("b" if last else "a")]}
        return 200, page

    server.answers["GET", PATH] = answer
    assert names(listing.jobs(time.monotonic())) == ["a", "b"]


def test_one_that_fails_is_told_and_is_no_good_list(listing, server):
    server.answers["GET", PATH] = 503, {"message": "etcd"}
    with pytest.raises(ApiError, match="503"):
        listing.jobs(time.monotonic())
    assert listing.age_s == float("inf")
