"""The report Job: what the operator asks for by a stage file is what it publishes, or nothing."""

import pytest
from typer.testing import CliRunner
from xlbench_operator.main import app
from xlbench_specs import layout
from xlbench_specs.exits import TrainerExit
from xlbench_specs.experiment import Analysis
from xlbench_specs.stages import StageFile
from xlbench_specs.store import FileStore, UnavailableError, finished, sha256_of

pytestmark = pytest.mark.slow  # whole reports are drawn

ANALYSIS = Analysis(equivalence_margin=2.5)


@pytest.fixture
def ended(experiment):
    """An experiment with one failed score."""
    ended = experiment(seeds=[1, 2])
    (failed,) = ended.evaluations("sequential", "cy", 2)
    ended.fill(without=frozenset({failed}))
    ended.fail(failed)
    ended.outcomes = dict.fromkeys(ended.plan.stages_of("evaluate"), "done") | {failed: "failed"}
    return ended


def run(ended, outcomes, name="report-1"):
    stage = ended.plan.report_stage(ANALYSIS, outcomes)
    file = StageFile(experiment=ended.folder, stages=[stage], job=name, analysis=ANALYSIS)
    path = layout.job(ended.folder, name)
    ended.store.put(path, file.text().encode())
    words = ["report", "--store", ended.store.root.as_uri(), path]
    return stage, CliRunner().invoke(app, words)


def test_the_report_that_is_asked_for_is_published_by_the_pod(ended, monkeypatch):
    monkeypatch.setenv("XLBENCH_ATTEMPT", "uid-of-the-pod")
    stage, ran = run(ended, ended.outcomes)
    assert ran.exit_code == TrainerExit.DONE, ran.output
    manifest = finished(ended.store, "report", stage.key)
    assert manifest.attempt == "uid-of-the-pod"
    assert ended.store.list(layout.payload("report", stage.key, "uid-of-the-pod"))
    assert ended.store.read(f"{ended.folder}/report.html").data


def test_one_that_the_results_no_longer_give_is_not(ended):
    stage, ran = run(ended, ended.outcomes | {next(iter(ended.outcomes)): "failed"})
    assert ran.exit_code == TrainerExit.FAILED
    assert "ended otherwise" in ran.output
    assert finished(ended.store, "report", stage.key) is None


def test_one_whose_page_cannot_be_written_beside_the_plan_is_not_done(ended, monkeypatch):
    class Store503(FileStore):
        def put(self, path, data):
            if path == f"{ended.folder}/report.html":
                raise UnavailableError("503")
            super().put(path, data)

    with monkeypatch.context() as outage:
        outage.setattr("xlbench_operator.main.open_store", lambda _: Store503(ended.store.root))
        stage, ran = run(ended, ended.outcomes)
    assert isinstance(ran.exception, UnavailableError)
    assert finished(ended.store, "report", stage.key) is None, "nobody would write the page again"
    stage, ran = run(ended, ended.outcomes)
    assert ran.exit_code == TrainerExit.DONE, ran.output
    manifest = finished(ended.store, "report", stage.key)
    for entry in manifest.files:
        assert sha256_of(ended.store.local(f"{ended.folder}/{entry.path}")) == entry.sha256


def test_an_error_of_the_analysis_is_no_bad_task(ended, monkeypatch):
    def broken(*_, **__):
        raise ValueError("f(a) and f(b) must have different signs")

    monkeypatch.setattr("xlbench_operator.analysis.report.build_report", broken)
    _, ran = run(ended, ended.outcomes)
    assert ran.exit_code == TrainerExit.FAILED
    assert isinstance(ran.exception, ValueError), "its traceback says where"
    assert "stage file" not in ran.output


@pytest.mark.parametrize(
    "content", [None, b"{}", b"no plan"], ids=["missing", "no plan", "nothing readable"]
)
def test_a_stage_file_without_its_plan_is_a_bad_task(ended, content):
    path = layout.plan(ended.folder)
    (ended.store.root / path).unlink()
    if content is not None:
        ended.store.put(path, content)
    _, ran = run(ended, ended.outcomes)
    assert ran.exit_code == TrainerExit.BAD_TASK
    assert "stage file experiments/joint-vs-chain" in ran.output


def test_an_address_that_is_none_is_a_bad_task():
    ran = CliRunner().invoke(app, ["report", "--store", "http://there", "jobs/x.json"])
    assert ran.exit_code == TrainerExit.BAD_TASK
    assert "store = 'http://there'" in ran.output


@pytest.mark.parametrize("content", [None, b"{}"], ids=["missing", "no stage file"])
def test_a_bad_stage_file_is_a_bad_task(ended, content):
    if content is not None:
        ended.store.put("jobs/x.json", content)
    words = ["report", "--store", ended.store.root.as_uri(), "jobs/x.json"]
    ran = CliRunner().invoke(app, words)
    assert ran.exit_code == TrainerExit.BAD_TASK
    assert "stage file jobs/x.json" in ran.output
