"""`xlbench submit` against an API server in memory."""

import json
import threading

import pytest
from xlbench_operator.remote import experiments, waiting
from xlbench_operator.remote.waiting import seconds_of


def test_a_spec_is_taken_as_its_author_wrote_it(api, xlbench, spec):
    answer = xlbench("submit", spec)
    assert (answer.exit_code, answer.stdout) == (0, "team-a/small\n")
    assert answer.stderr == "team-a/small submitted\n"
    assert api.experiments["team-a", "small"]["spec"]["budget"] == {"target": 4}


def test_submitted_again_it_is_there_or_changed(api, xlbench, spec):
    xlbench("submit", spec)
    assert "is there already" in xlbench("submit", spec).stderr
    spec.write_text(spec.read_text() + "  suspend: true\n")
    assert "changed" in xlbench("submit", spec).stderr
    assert api.experiments["team-a", "small"]["metadata"]["generation"] == 2


def test_a_dry_run_asks_the_cluster_and_does_nothing(api, xlbench, spec):
    answer = xlbench("submit", spec, "--dry-run", "--wait")
    assert answer.exit_code == 0
    assert "submitted (dry run: nothing was done)" in answer.stderr
    assert not api.experiments
    assert any(asked.startswith("PATCH") for asked in api.asked)


def test_json_is_for_programs(api, xlbench, spec):
    told = json.loads(xlbench("submit", spec, "--json").stdout)
    uid = api.experiments["team-a", "small"]["metadata"]["uid"]
    assert told == {
        "namespace": "team-a", "name": "small", "uid": uid, "generation": 1, "status": None,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("written", "asked", "expected"),
    [
        pytest.param(None, None, "team-a", id="the kubeconfig's"),
        pytest.param("team-b", None, "team-b", id="the file's"),
        pytest.param(None, "team-c", "team-c", id="the one asked for"),
        pytest.param("team-c", "team-c", "team-c", id="both say the same"),
    ],
)
def test_the_namespace(api, xlbench, spec, *, written, asked, expected):
    if written:
        spec.write_text(
            spec.read_text().replace("{name: small}", f"{{name: small, namespace: {written}}}")
        )
    answer = xlbench("submit", spec, *(["--namespace", asked] if asked else []))
    assert answer.exit_code == 0, answer.stderr
    assert (expected, "small") in api.experiments


def test_two_namespaces_are_refused(api, xlbench, spec):
    spec.write_text(spec.read_text().replace("small}", "small, namespace: a}"))
    answer = xlbench("submit", spec, "--namespace", "b")
    assert answer.exit_code == 2
    assert "metadata.namespace = 'a': not the --namespace b" in answer.stderr
    assert not api.asked


def test_a_bad_spec_never_reaches_the_cluster_and_is_told_as_by_validate(api, xlbench, spec):
    spec.write_text(spec.read_text().replace("[1]", "[1, 1]"))
    answer = xlbench("submit", spec)
    assert answer.exit_code == 2
    assert answer.stderr == xlbench("validate", spec).stdout
    assert not api.asked


def test_an_encoders_folder_is_for_local_runs(api, xlbench, spec):
    local = f"model: ./mine, revision: 'sha256:{'a' * 64}'"
    spec.write_text(spec.read_text().replace("model: builtin/random-tiny", local))
    answer = xlbench("submit", spec)
    assert answer.exit_code == 2
    assert ": spec.encoders[0].model = './mine': a folder of one machine" in answer.stderr
    assert not api.asked


def test_what_the_server_refuses_is_told_with_its_path_and_line(api, xlbench, spec):
    api.invalid = [{"field": "spec.seeds", "message": "Invalid value: bears on results"}]
    answer = xlbench("submit", spec)
    assert answer.exit_code == 2
    line = spec.read_text().splitlines().index("  seeds: [1]") + 1
    assert answer.stderr == (
        f"{spec}: 1 problem\n  line {line}: spec.seeds: Invalid value: bears on results\n"
    )


@pytest.mark.parametrize(
    ("status", "code"),
    [
        pytest.param(403, 2, id="forbidden"),
        pytest.param(500, 4, id="the server's own fault"),
        pytest.param(429, 4, id="too busy"),
    ],
)
def test_a_refusal_has_the_servers_words_and_its_code(api, xlbench, spec, status, code):
    api.broken = status
    answer = xlbench("submit", spec)
    assert answer.exit_code == code
    assert answer.stderr == "refused by the cluster: something is wrong\n"


def test_a_server_that_is_busy_for_a_moment_is_asked_again(api, xlbench, spec, monkeypatch):
    def pause(seconds):
        api.broken = None
        pauses.append(seconds)

    pauses = []
    monkeypatch.setattr(experiments, "PATIENCE_S", 60.0)
    monkeypatch.setattr(experiments.time, "sleep", pause)
    api.broken = 429
    assert xlbench("submit", spec).exit_code == 0
    assert pauses == [1.0]


def test_a_cluster_without_xlbench_is_told_what_to_do(api, xlbench, spec):
    api.installed = False
    answer = xlbench("submit", spec)
    assert answer.exit_code == 2
    assert "install xlbench on it" in answer.stderr


def test_no_cluster_at_all(xlbench, spec, found_at, tmp_path):
    found_at(tmp_path / "none")
    answer = xlbench("submit", spec)
    assert answer.exit_code == 2
    assert "no cluster to speak to" in answer.stderr


def test_a_cluster_that_is_away(kubeconfig, xlbench, spec):
    kubeconfig("http://127.0.0.1:1")
    answer = xlbench("submit", spec)
    assert answer.exit_code == 4
    assert "no answer from http://127.0.0.1:1" in answer.stderr


def test_one_that_is_being_deleted_is_not_brought_back(api, xlbench, spec):
    xlbench("submit", spec)
    there = api.experiments["team-a", "small"]
    there["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    answer = xlbench("submit", spec)
    assert answer.exit_code == 4
    assert "is being deleted" in answer.stderr


class TestWaiting:
    @pytest.mark.parametrize(
        ("phase", "code"), [("Done", 0), ("Failed", 1), ("Refused", 2)], ids=str
    )
    def test_it_ends_with_the_experiment(self, api, xlbench, spec, submitted, *, phase, code):
        submitted("Running")
        api.after[6] = lambda: submitted(phase)
        answer = xlbench("submit", spec, "--wait")
        assert answer.exit_code == code
        report = api.experiments["team-a", "small"]["status"]["links"].get("report")
        said = ["one is better"] if phase == "Done" else []
        assert answer.stdout.splitlines() == [*said, *([report] if report else [])]
        assert f"small: {phase}" in answer.stderr
        assert "train 2/4" in answer.stderr

    def test_an_end_before_the_last_edit_is_none(self, api, xlbench, spec, submitted):
        submitted("Done")
        spec.write_text(spec.read_text() + "  suspend: false\n  execution: {parallelism: 3}\n")
        api.after[6] = lambda: submitted("Failed")
        assert xlbench("submit", spec, "--wait").exit_code == 1

    def test_json_is_the_last_state(self, xlbench, spec, submitted):
        submitted("Done")
        answer = xlbench("submit", spec, "--wait", "--json")
        assert json.loads(answer.stdout)["status"]["phase"] == "Done"

    def test_the_deadline(self, xlbench, spec, submitted):
        submitted("Running")
        answer = xlbench("submit", spec, "--wait", "--timeout", "0.1s")
        assert answer.exit_code == 4
        assert "small has not ended within 0.1 s: train 2/4; it goes on" in answer.stderr

    def test_a_server_that_is_away_is_waited_for(self, api, xlbench, spec, submitted):
        submitted("Running")

        def back():
            api.broken = None
            submitted("Done")

        def away():
            api.broken = 503
            timer.start()

        timer = threading.Timer(0.3, back)
        api.after[4] = away
        answer = xlbench("submit", spec, "--wait")
        assert answer.exit_code == 0
        assert answer.stderr.count("the cluster does not answer") == 1

    def test_one_that_is_deleted_meanwhile(self, api, xlbench, spec, submitted):
        submitted("Running")
        api.after[5] = api.experiments.clear
        answer = xlbench("submit", spec, "--wait")
        assert answer.exit_code == 1
        assert "was deleted before it ended" in answer.stderr

    def test_a_namesake_is_not_waited_for(self, api, xlbench, spec, submitted):
        submitted("Running")

        def replace():
            submitted("Done")["metadata"]["uid"] = "another"

        api.after[5] = replace
        assert xlbench("submit", spec, "--wait").exit_code == 1

    def test_an_experiment_that_nobody_looks_at(self, api, xlbench, spec, monkeypatch):
        monkeypatch.setattr(waiting, "UNSEEN_S", 0.05)
        answer = xlbench("submit", spec, "--wait", "--timeout", "0.3s")
        assert answer.exit_code == 4
        assert answer.stderr.count("is one running?") == 1
        assert "nothing was heard" in answer.stderr
        assert api.experiments

    def test_ctrl_c_leaves_it_alone(self, api, xlbench, spec, submitted, monkeypatch):
        submitted("Running")

        def interrupt(_):
            raise KeyboardInterrupt

        monkeypatch.setattr(waiting.time, "sleep", interrupt)
        answer = xlbench("submit", spec, "--wait")
        assert answer.exit_code == 130
        assert "small goes on" in answer.stderr
        assert api.experiments


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90s", 90), ("30m", 1800), ("2h30m", 9000), ("7d", 604800), ("0.5s", 0.5)],
)
def test_durations(text, seconds):
    assert seconds_of(text) == seconds


@pytest.mark.parametrize("text", ["", "90", "s", "5 m", "-5s", "1w", "5mm"])
def test_what_is_no_duration_is_refused(xlbench, spec, text):
    with pytest.raises(ValueError, match="valid: 90s"):
        seconds_of(text)
    answer = xlbench("submit", spec, f"--timeout={text}")
    assert answer.exit_code == 2
