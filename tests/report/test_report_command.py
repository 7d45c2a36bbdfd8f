"""`xlbench report` and the publication of a report, on a folder of results."""

import json
import shutil

import pytest
from typer.testing import CliRunner
from xlbench_operator.cli import app
from xlbench_operator.commands.report import make_report
from xlbench_specs import layout
from xlbench_specs.manifests import Manifest
from xlbench_specs.results import Summary
from xlbench_specs.store import finished as finished_stage

pytestmark = pytest.mark.slow  # whole reports are drawn

FILES = ("summary.json", "provenance.json", "results.parquet", "report.md", "report.html")


@pytest.fixture
def small(experiment):
    return experiment(languages={"codes": ["af"]}).fill()


def _run(*words):
    return CliRunner().invoke(app, ["report", *map(str, words)])


def _folder(finished):
    return finished.store.root / layout.experiment(finished.plan.name, finished.plan.uid)


def test_a_report_is_rebuilt_from_plan_and_manifests_alone(small):
    result = _run(small.store.root)
    assert result.exit_code == 0
    summary = Summary.model_validate_json((_folder(small) / "summary.json").read_bytes())
    assert result.stdout.splitlines() == [
        summary.answers[0].sentence,
        str(_folder(small) / "report.html"),
    ]
    assert all((_folder(small) / name).is_file() for name in FILES)


def test_a_report_built_twice_has_the_same_bytes(small):
    _run(small.store.root)
    first = {name: (_folder(small) / name).read_bytes() for name in FILES}
    assert _run(small.store.root).exit_code == 0
    assert {name: (_folder(small) / name).read_bytes() for name in FILES} == first


def test_the_report_stage_is_committed_under_the_key_that_the_plan_gives_it(small):
    analysis = small.plan.spec.spec.analysis
    said = make_report(small.store, small.plan, analysis)
    done = dict.fromkeys(small.plan.stages_of("evaluate"), "done")
    stage = small.plan.report_stage(analysis, done)
    manifest = finished_stage(small.store, "report", stage.key)
    assert manifest.record.verdict == said
    assert {entry.path for entry in manifest.files} >= set(FILES)


def test_dry_run_writes_nothing(small):
    before = small.store.list("experiments")
    result = _run(small.store.root, "--dry-run")
    assert result.exit_code == 0
    assert result.stdout.startswith("simultaneous - sequential")
    assert small.store.list("experiments") == before


def test_json_prints_the_summaries(small):
    result = _run(small.store.root, "--json")
    (summary,) = json.loads(result.stdout)
    assert summary["experiment"] == "joint-vs-chain"


def test_missing_scores_are_exit_code_1_and_a_report_all_the_same(experiment):
    finished = experiment(languages={"codes": ["af"]})
    lost = next(iter(finished.evaluations("sequential", "af", 1)))
    finished.fill(without=frozenset({lost}))
    result = _run(finished.store.root)
    assert result.exit_code == 1
    assert "Incomplete: 31 of 32" in (_folder(finished) / "report.md").read_text("utf-8")


def test_a_folder_without_a_plan_is_exit_code_2(tmp_path):
    result = _run(tmp_path)
    assert result.exit_code == 2
    assert "holds no experiments" in result.stderr


def _other_plan(finished, text="{}"):
    """Where a plan of another version lies beside the experiment."""
    path = finished.store.root / "experiments/other/1/plan.json"
    path.parent.mkdir(parents=True)
    path.write_text(text)
    return path


def test_a_plan_that_cannot_be_read_is_told_in_a_line_and_exit_code_1(small):
    _other_plan(small)
    result = _run(small.store.root, "--dry-run")
    assert result.exit_code == 1
    assert result.stderr == (
        f"{small.store.root}: experiments/other/1/plan.json in it is no plan that this version can "
        "read; passed over\n"
    )
    assert result.stdout.startswith("simultaneous - sequential")


def test_a_folder_of_unreadable_plans_is_not_said_to_hold_none(small):
    shutil.rmtree(small.store.root / "experiments")
    _other_plan(small)
    result = _run(small.store.root)
    assert (result.exit_code, result.stdout) == (1, "")
    assert len(result.stderr.splitlines()) == 1


def _outcomes(finished):
    """A payload file that a report reads."""
    (manifest, *_) = sorted((finished.store.root / "manifests/evaluate").iterdir())
    found = Manifest.model_validate_json(manifest.read_bytes())
    folder = layout.payload("evaluate", found.key, found.attempt)
    return finished.store.root / folder / "outcomes.parquet"


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        pytest.param(lambda path: path.write_bytes(b"other"), "5 bytes", id="damaged"),
        pytest.param(lambda path: path.unlink(), "nothing is stored", id="missing"),
    ],
)
def test_a_payload_that_is_not_whole_is_named_and_exit_code_2(small, harm, said):
    path = _outcomes(small)
    harm(path)
    result = _run(small.store.root, "--dry-run")
    assert result.exit_code == 2
    (line,) = result.stderr.splitlines()
    assert str(path.relative_to(small.store.root)) in line
    assert said in line


def test_a_folder_that_cannot_be_written_is_named_and_exit_code_2(small):
    (small.store.root / "payloads/report").write_text("a file in the way")
    result = _run(small.store.root)
    assert result.exit_code == 2
    (line,) = result.stderr.splitlines()
    assert line.startswith(f"{small.store.root}: ")
    assert "payloads/report" in line
