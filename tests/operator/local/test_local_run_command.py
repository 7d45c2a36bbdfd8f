"""`xlbench run` around the executor: words, exit codes, and the plan that rules in a folder."""

import os

import pytest
from small_experiment import SMALL
from typer.testing import CliRunner
from xlbench_operator.cli import app
from xlbench_operator.planning.chains import encoder_params
from xlbench_specs.experiment import EncoderRef
from xlbench_specs.plans import Plan
from xlbench_specs.stages import RECIPES, Stage


@pytest.fixture
def spec(tmp_path):
    path = tmp_path / "spec.yaml"
    path.write_text(SMALL)
    return path


@pytest.fixture
def run(spec, trainer, tmp_path):
    def call(*arguments, path=spec, executable=trainer):
        command = ["run", path, "--out", tmp_path / "out", "--trainer", executable, *arguments]
        return CliRunner().invoke(app, list(map(str, command)))

    return call


@pytest.fixture
def run_that_fails(run, order):
    """A run whose encoder cannot be had, so that it ends soon."""
    params = encoder_params(EncoderRef(name="tiny", model="builtin/random-tiny"))
    key = Stage(params=params, recipe=RECIPES["encoder"]).key

    def call():
        order(key, "hopeless")
        return run()

    return call


@pytest.fixture
def planned(tmp_path):
    """The plan of the folder and where it is."""

    def read():
        (path,) = (tmp_path / "out").glob("experiments/small/*/plan.json")
        return Plan.model_validate_json(path.read_bytes()), path

    return read


def test_a_dry_run_says_what_would_be_run_and_writes_nothing(run, tmp_path):
    result = run("--dry-run", "--jobs", "3")
    assert result.exit_code == 0
    first, second, third, *warnings = result.stderr.splitlines()
    assert first == "small: target-only; 1 seeds, 1 languages and English"
    assert second == "8 stages: 1 encoder, 4 prepare, 1 train, 2 evaluate; 4 updates"
    assert third == f"into {tmp_path}/out, 3 trainers at once"
    assert all(line.startswith("warning: spec.") for line in warnings)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("gigabytes", "trainers"),
    [
        pytest.param(4, 1, id="never none"),
        pytest.param(9, 1, id="two of the largest that were measured do not fit"),
        pytest.param(11, 2, id="two fit"),
        pytest.param(256, 8, id="one for each core"),
    ],
)
def test_no_more_trainers_than_memory_and_cores_carry(run, monkeypatch, gigabytes, trainers):
    sizes = {"SC_PAGE_SIZE": 4096, "SC_PHYS_PAGES": gigabytes * 1000**3 // 4096}
    monkeypatch.setattr(os, "sysconf", sizes.__getitem__)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: range(8), raising=False)
    assert f", {trainers} trainers at once" in run("--dry-run").stderr


def test_a_bad_spec_is_refused_with_its_line(run, spec):
    spec.write_text(SMALL.replace("ha-intent", "ha-intend"))
    result = run()
    assert result.exit_code == 2
    assert "line 7: spec.targets[0].task = 'ha-intend'" in result.stderr


def test_a_file_that_is_not_there_is_refused(run, tmp_path):
    result = run(path=tmp_path / "none.yaml")
    assert result.exit_code == 2
    assert "cannot be read" in result.stderr


@pytest.mark.parametrize("words", [(), ("--dry-run",)], ids=["run", "dry run"])
def test_a_folder_that_cannot_be_one_is_named_and_not_the_spec(run, tmp_path, words):
    (tmp_path / "out").write_text("a file where the folder should be")
    result = run(*words)
    assert result.exit_code == 2
    assert result.stderr == f"--out = '{tmp_path}/out': {tmp_path}/out is not a folder\n"


@pytest.mark.parametrize("words", [(), ("--dry-run",)], ids=["run", "dry run"])
def test_an_encoders_folder_that_is_not_there_is_named(run, spec, tmp_path, words):
    local = f"model: ./nowhere, revision: 'sha256:{'a' * 64}'"
    spec.write_text(SMALL.replace("model: builtin/random-tiny", local))
    result = run(*words)
    assert result.exit_code == 2
    assert "spec.encoders[0].model = './nowhere': there is no folder" in result.stderr
    assert not (tmp_path / "out").exists()


def test_a_report_that_cannot_be_written_is_told_in_a_line(run_that_fails, tmp_path):
    (tmp_path / "out/payloads").mkdir(parents=True)
    (tmp_path / "out/payloads/report").write_text("a file in the way")
    result = run_that_fails()
    assert result.exit_code == 1
    assert result.stderr.splitlines()[-1].startswith("no report: ")
    assert "payloads/report" in result.stderr.splitlines()[-1]


def test_its_help_names_the_variable_of_the_trainer():
    assert "XLBENCH_TRAINER" in CliRunner().invoke(app, ["run", "--help"]).stdout


def test_without_a_trainer_nothing_is_planned(run, tmp_path):
    result = run(executable=tmp_path / "nowhere")
    assert result.exit_code == 2
    assert "--trainer" in result.stderr
    assert not (tmp_path / "out").exists()


def test_a_plan_that_cannot_be_read_is_named(run, run_that_fails, planned):
    run_that_fails()
    planned()[1].write_text("{}")
    result = run()
    assert result.exit_code == 2
    assert "--out" in result.stderr
    assert "plan.json" in result.stderr


def test_failures_end_in_a_report_of_what_is_missing_and_exit_code_1(run_that_fails, planned):
    result = run_that_fails()
    assert result.exit_code == 1
    assert "1 failed, 7 skipped" in result.stderr
    plan, path = planned()
    assert result.stdout.splitlines()[-1] == str(path.parent / "report.html")
    assert (path.parent / "report.html").is_file()
    assert path.read_text() == plan.text()


class TestSameTrainer:
    @pytest.fixture
    def trainer_of(self, spec, trainer):
        """Makes the stand-in a build of this name."""
        spec.write_text(SMALL + "  reuse: sameTrainer\n")
        body = trainer.read_text()

        def give(build):
            shebang, rest = body.split("\n", 1)
            trainer.write_text(f'{shebang}\n[ "$1" = build ] && echo {build} && exit\n{rest}')

        return give

    def test_the_build_salts_the_plan_and_is_recorded(self, run_that_fails, planned, trainer_of):
        trainer_of("a" * 64)
        run_that_fails()
        plan, _ = planned()
        assert {stage.salt for stage in plan.stages_of("train").values()} == {"a" * 64}

    def test_a_trainer_that_tells_no_digest_is_refused(self, run, trainer_of):
        trainer_of("")
        result = run()
        assert result.exit_code == 2
        assert "spec.reuse = 'sameTrainer'" in result.stderr

    def test_a_plan_of_another_build_is_refused(self, run, run_that_fails, trainer_of):
        trainer_of("a" * 64)
        run_that_fails()
        trainer_of("b" * 64)
        result = run()
        assert result.exit_code == 2
        assert "another trainer build" in result.stderr
