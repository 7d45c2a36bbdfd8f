"""Workers: what an error of one experiment does to it, and that it does nothing to others."""

from dataclasses import replace

import pytest
from xlbench_operator.cluster.connection import ApiError, UnreachableError
from xlbench_operator.operating.admission import Admission
from xlbench_operator.operating.loop import LONGEST_PAUSE_S, Loop, pause, trouble_of
from xlbench_operator.operating.metrics import Metrics
from xlbench_operator.operating.reconcile import Key, NameTakenError
from xlbench_operator.operating.settings import Caps
from xlbench_operator.operating.wakeups import Wakeup
from xlbench_specs.store import CorruptError, RefusedError, UnavailableError


class Sight:
    """A cluster in memory, whose calls may be told to fail for an experiment."""

    def __init__(self, cluster):
        self.cluster = cluster
        self.fails = {}

    def __getattr__(self, name):
        return getattr(self.cluster, name)

    def every_job(self):
        return [job for space in ("team-a", "team-b") for job in self.cluster.jobs(space)]

    def experiment(self, namespace, name):
        errors = self.fails.get(name)
        if errors:
            raise errors.pop(0)
        return self.cluster.experiment(namespace, name)


class Once:
    """Wake-ups that are over when each key was looked at once."""

    def __init__(self):
        self.keys, self.delays, self.put_off = [], {}, set()

    def take(self):
        return Wakeup(self.keys.pop(0), 0.0) if self.keys else None

    def done(self, key, again_after_s, *, put_off=False):
        self.delays[key.name] = again_after_s
        (self.put_off.add if put_off else self.put_off.discard)(key.name)

    def wake(self, keys):
        """Nobody looks twice."""


class Rounds:
    """A loop over a lab, driven by hand."""

    def __init__(self, lab, caps=None):
        self.lab, self.sight = lab, Sight(lab.cluster)
        self.wakeups, self.metrics = Once(), Metrics()
        self.admission = Admission(caps or Caps())
        self.loop = Loop(
            lambda since: self.sight,  # noqa: ARG005
            lambda key, cluster: replace(lab.shell, cluster=cluster),  # noqa: ARG005
            wakeups=self.wakeups,
            admission=self.admission,
            metrics=self.metrics,
        )

    def look(self, *names):
        """Look once at each; when each is to be looked at again, from now."""
        self.wakeups.keys = [Key("team-a", name) for name in names]
        self.wakeups.delays.clear()
        self.loop.work()
        return dict(self.wakeups.delays)

    def outcomes(self):
        page = self.metrics.page().decode()
        prefix = "xlbench_reconcile_duration_seconds_count"
        rows = [line.split() for line in page.splitlines() if line.startswith(prefix)]
        return {row[0].split('"')[1]: float(row[1]) for row in rows}


@pytest.fixture
def rounds(lab):
    return Rounds(lab)


@pytest.mark.parametrize(
    ("error", "trouble"),
    [
        (UnreachableError("no answer"), "transient"),
        (UnavailableError("no answer"), "transient"),
        (OSError("no space left on device"), "transient"),
        (ApiError("GET /", 503, {}), "transient"),
        (ApiError("GET /", 429, {}), "transient"),
        (ApiError("POST /", 403, {}), "stuck"),
        (ApiError("POST /", 422, {}), "stuck"),
        (NameTakenError("not ours"), "stuck"),
        (RefusedError("access denied"), "stuck"),
        (CorruptError("not what was written"), "stuck"),
        (KeyError("spec"), "bug"),
    ],
)
def test_what_an_error_means(error, trouble):
    assert trouble_of(error) == trouble


def test_pauses_grow_up_to_a_limit():
    for failures in range(1, 40):
        longest = min(LONGEST_PAUSE_S, 2.0 ** (failures - 1))
        assert longest / 2 <= pause(failures) <= longest


def test_what_goes_wrong_with_one_puts_off_that_one_alone(rounds):
    rounds.lab.apply(name="bad")
    rounds.lab.apply(name="good", languages=("cy",), seeds=[2])
    rounds.sight.fails["bad"] = [KeyError("a bug"), UnreachableError("no answer")]
    first = rounds.look("bad", "good")
    assert 0.5 <= first["bad"] <= 1.0
    assert rounds.lab.status("good")["phase"] == "Running"
    second = rounds.look("bad")
    assert 1.0 <= second["bad"] <= 2.0
    assert rounds.wakeups.put_off == {"bad"}
    rounds.look("bad")
    assert not rounds.wakeups.put_off
    assert rounds.lab.status("bad")["phase"] in {"Pending", "Running"}
    assert rounds.outcomes() == {"done": 2.0, "later": 1.0, "bug": 1.0}
    rounds.sight.fails["bad"] = [UnreachableError("no answer")]
    assert rounds.look("bad")["bad"] <= 1.0, "a good look forgives what was before"


def test_the_server_says_how_long_it_is_to_be_left_alone(rounds):
    rounds.lab.apply()
    rounds.sight.fails["small"] = [ApiError("GET /", 429, {}, 17.0)]
    assert rounds.look("small")["small"] == 17.0


def test_who_must_act_is_told_once(rounds):
    rounds.lab.apply()
    quota = "exceeded quota: jobs"
    for looks in range(4):
        assert len(rounds.lab.cluster.events) == (looks > 1), "told at the second time, and once"
        rounds.sight.fails["small"] = [ApiError("POST /jobs", 403, {"message": quota})]
        rounds.look("small")
    (event,) = rounds.lab.cluster.events.values()
    assert (event["type"], event["reason"]) == ("Warning", "CannotGoOn")
    assert quota in event["message"]


def test_who_cannot_be_told_is_no_bug(rounds):
    error = ApiError("POST /jobs", 403, {})
    rounds.lab.apply()
    rounds.sight.fails["small"] = [error, error, UnreachableError("no answer")]
    rounds.look("small")
    assert 1.0 <= rounds.look("small")["small"] <= 2.0
    assert not rounds.lab.cluster.events


def test_one_that_is_gone_is_not_looked_at_again(rounds):
    assert rounds.look("nothing") == {"nothing": None}


def test_caps_hold_over_experiments(lab):
    rounds = Rounds(lab, Caps(all=3))
    for name, seed in (("first", 1), ("second", 2)):
        lab.apply(name=name, languages=("af", "cy"), seeds=[seed])
    done = set()
    for _ in range(200):
        rounds.look("first", "second")
        live = lab.cluster.live()
        assert len(live) <= 3
        done = {name for name in ("first", "second") if lab.status(name)["phase"] == "Done"}
        if len(done) == 2:
            break
        if live:
            lab.work(live[0])
    assert done == {"first", "second"}


def test_the_end_of_a_job_wakes_its_owner_and_who_waits_for_it(rounds):
    rounds.lab.apply(name="first")
    rounds.lab.apply(name="second", languages=("af", "cy"))
    rounds.look("first")
    rounds.look("second")
    (name,) = rounds.lab.cluster.live()
    first, second = Key("team-a", "first"), Key("team-a", "second")
    live = rounds.lab.cluster.job("team-a", name)
    assert rounds.loop.concerned(live, "MODIFIED") == {first}
    assert rounds.loop.concerned(live, "DELETED") == {first, second}
    rounds.lab.work(name)
    ended = rounds.lab.cluster.job("team-a", name)
    assert rounds.loop.concerned(ended, "MODIFIED") == {first, second}
    rounds.look("first")
    rounds.look("second")
    nobody = {**ended, "metadata": {**ended["metadata"], "ownerReferences": []}}
    assert first not in rounds.loop.concerned(nobody, "MODIFIED")
