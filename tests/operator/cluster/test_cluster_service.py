"""The operator as a process of threads: ready, alive, through an outage, and stopped cleanly."""

import threading
import time
import urllib.error
import urllib.request
from functools import partial
from http import HTTPStatus

import pytest
from xlbench_operator.cluster import service as services
from xlbench_operator.cluster.probes import Page, Probes, verdict
from xlbench_operator.cluster.service import Service, asked
from xlbench_operator.operating.metrics import Metrics
from xlbench_operator.operating.settings import Settings
from xlbench_specs.exits import CommandExit
from xlbench_specs.store import RefusedError

EXPERIMENTS = "/apis/xlbench.dev/v1alpha1/experimentspecs"
JOBS = "/apis/batch/v1/jobs"


def until(true, what):
    deadline = time.monotonic() + 20
    while not true():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


def page(port, path):
    """Status and text of a page."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


class Running:
    """A service in a thread."""

    def __init__(self, server, folder, monkeypatch):
        ports = []

        class Noted(Probes):
            def __init__(self, port, pages):
                super().__init__(port, pages)
                ports.append(self.port)

        monkeypatch.setattr(services, "Probes", Noted)
        settings = Settings(folder.as_uri(), "trainer:1", "operator:1", port=0, workers=2)
        self.service = Service(settings, server.connection, Metrics())
        self.thread = threading.Thread(target=self.service.run)
        self.thread.start()
        until(lambda: ports, "probes")
        self.page = partial(page, ports[0])

    def stop(self):
        self.service.stop()
        self.thread.join(20)
        return not self.thread.is_alive()


def experiment(name):
    """One that ended: it has no Jobs, and nothing is asked of the store but its summary."""
    metadata = {"namespace": "team-a", "name": name, "uid": name, "generation": 1}
    return {
        "apiVersion": "xlbench.dev/v1alpha1",
        "kind": "ExperimentSpec",
        "metadata": {**metadata, "resourceVersion": "1"},
        "spec": {},
        "status": {"phase": "Done", "observedGeneration": 1},
    }


def running_experiment(name):
    """One that is looked at whenever everybody is."""
    return experiment(name) | {"status": {"phase": "Running", "observedGeneration": 1}}


def path_of(name):
    return f"/apis/xlbench.dev/v1alpha1/namespaces/team-a/experimentspecs/{name}"


def list_of(*items):
    return 200, {"metadata": {}, "items": list(items)}


def answers_with(server, experiments):
    """Lists, and watches in which nothing happens for a while."""

    def answer(found, asked):
        if "watch" in asked.query:
            time.sleep(0.2)
            return 200, []
        return found

    server.answers["GET", EXPERIMENTS] = partial(answer, list_of(*experiments))
    server.answers["GET", JOBS] = partial(answer, list_of())
    for each in experiments:
        name = each["metadata"]["name"]
        server.answers["GET", path_of(name)] = 200, each


@pytest.fixture
def start(server, tmp_path, monkeypatch):
    made = []

    def begin():
        made.append(Running(server, tmp_path, monkeypatch))
        return made[-1]

    yield begin
    assert all(running.stop() for running in made), "it did not end"


def test_it_is_ready_after_the_first_list_and_looks_at_everybody(server, start):
    answers_with(server, [experiment("a"), experiment("b")])
    running = start()
    until(lambda: running.page("/readyz")[0] == 200, "ready")
    until(lambda: 'outcome="done"} 2.0' in running.page("/metrics")[1], "both were looked at")
    assert running.page("/healthz")[0] == 200
    assert running.page("/else")[0] == 404
    assert running.stop()


def test_it_waits_for_an_api_server_that_is_not_there_yet(server, start):
    running = start()  # everything answers 404
    until(lambda: len(server.asked) > 2, "a few tries")
    assert running.page("/readyz") == (503, "before the first LIST\n")
    assert running.page("/healthz")[0] == 200, "a restart would not help"
    answers_with(server, [])
    until(lambda: running.page("/readyz")[0] == 200, "ready")


@pytest.mark.parametrize("trouble", ["a LIST fails", "a watch breaks"])
def test_who_was_put_off_is_left_alone_until_something_may_have_happened(
    server, start, monkeypatch, trouble
):
    monkeypatch.setattr("xlbench_operator.operating.loop.FIRST_PAUSE_S", 3600.0)
    monkeypatch.setattr("xlbench_operator.cluster.listing.SPACING_S", 0.0)
    monkeypatch.setattr("xlbench_operator.cluster.watching.pause", lambda *_: 0.01)
    monkeypatch.setattr(services, "pause", lambda *_: 0.01)
    monkeypatch.setattr(services, "RESYNC_S", 0.02)
    answers_with(server, [running_experiment("a")])
    path = path_of("a")
    server.answers["GET", path] = 403, {"message": "forbidden"}

    def asked_for(place):
        return sum(each.path == place and "watch" not in each.query for each in server.asked)

    start()
    until(lambda: asked_for(path) == 1, "a first look")
    seen = asked_for(EXPERIMENTS)
    until(lambda: asked_for(EXPERIMENTS) > seen + 10, "ten times everybody was reminded")
    assert asked_for(path) == 1

    good, broken = server.answers["GET", EXPERIMENTS], []

    def breaks(asked):
        if not broken and ("watch" in asked.query) == (trouble == "a watch breaks"):
            broken.append(asked)
            return 503, {"message": "etcd"}
        return good(asked)

    server.answers["GET", EXPERIMENTS] = breaks
    until(lambda: asked_for(path) > 1, "a second look")


def test_a_list_that_is_old_makes_it_count_as_dead(server, start, monkeypatch):
    answers_with(server, [])
    running = start()
    until(lambda: running.page("/readyz")[0] == 200, "ready")
    monkeypatch.setattr(services, "STALE_S", 0.0)
    assert running.page("/healthz")[0] == 503


def test_a_port_that_is_taken_ends_it_with_a_line(server, tmp_path, caplog):
    taken = Probes(0, {})
    try:
        settings = Settings(tmp_path.as_uri(), "t", "o", port=taken.port)
        with pytest.raises(SystemExit) as ended:
            Service(settings, server.connection, Metrics()).run()
    finally:
        taken.close()
    assert ended.value.code == CommandExit.BAD_SPEC
    (line,) = caplog.messages
    assert line == f"XLBENCH_HTTP_PORT = {taken.port}: Address already in use"


def test_a_store_that_keeps_no_conditions_is_refused_at_start(server, tmp_path, monkeypatch):
    service = Service(Settings(tmp_path.as_uri(), "t", "o"), server.connection, Metrics())
    service.check_store()
    monkeypatch.setattr("xlbench_specs.store.FileStore.replace", lambda *_: True)
    with pytest.raises(RefusedError, match="conditional writes"):
        service.check_store()


@pytest.mark.parametrize(
    ("event", "metadata", "status", "wakes"),
    [
        pytest.param("ADDED", {}, None, True, id="new"),
        pytest.param("MODIFIED", {"generation": 2}, {"observedGeneration": 1}, True, id="edited"),
        pytest.param("MODIFIED", {}, {"observedGeneration": 1}, False, id="our own status"),
        pytest.param("ADDED", {}, {"observedGeneration": 1}, False, id="known when a watch opens"),
        pytest.param(
            "MODIFIED",
            {"deletionTimestamp": "2026-01-01T00:00:00Z"},
            {"observedGeneration": 1},
            True,
            id="being deleted",
        ),
        pytest.param("DELETED", {}, {"observedGeneration": 1}, True, id="deleted"),
    ],
)
def test_only_what_a_user_asks_wakes(event, metadata, status, wakes):
    raw = experiment("a")
    raw["metadata"] |= metadata
    raw["status"] = status
    assert asked(raw, event) == ([("team-a", "a")] if wakes else [])


@pytest.mark.parametrize(("good", "status"), [(True, HTTPStatus.OK), (False, 503)])
def test_a_verdict_is_a_page(good, status):
    assert verdict(good=good, words="so") == Page(status, "text/plain; charset=utf-8", b"so\n")
