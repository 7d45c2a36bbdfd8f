import os
import signal
import sys

import pytest
from xlbench_operator.local.trainer import NoTrainerError, build_of, find_trainer, start
from xlbench_specs.errors import SpecError


@pytest.fixture
def executable(tmp_path):
    def make(name, text="exit 0"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)
        return path

    return make


class TestFinding:
    def test_what_is_named_comes_first(self, executable):
        named, other = executable("named"), executable("other")
        assert find_trainer(named, {"XLBENCH_TRAINER": str(other)}) == named
        assert find_trainer(None, {"XLBENCH_TRAINER": str(other)}) == other

    def test_then_the_environment_beside_ours(self, executable, tmp_path, monkeypatch):
        beside = executable(".venv-trainer/bin/xlbench-trainer")
        executable("bin/xlbench-trainer")
        monkeypatch.setattr(sys, "prefix", str(tmp_path / ".venv"))
        assert find_trainer(None, {"PATH": str(tmp_path / "bin")}) == beside

    def test_then_the_path(self, executable, tmp_path, monkeypatch):
        on_path = executable("bin/xlbench-trainer")
        monkeypatch.setattr(sys, "prefix", str(tmp_path / ".venv"))
        assert find_trainer(None, {"PATH": str(on_path.parent)}) == on_path

    @pytest.mark.parametrize(
        ("wanted", "environment", "words"),
        [
            pytest.param("nowhere", {}, "--trainer = 'nowhere'", id="named by the option"),
            pytest.param(
                None, {"XLBENCH_TRAINER": "x/y"}, "XLBENCH_TRAINER = 'x/y'", id="variable"
            ),
            pytest.param(None, {"PATH": ""}, "run `make setup`", id="nowhere"),
        ],
    )
    def test_one_that_is_not_there_is_named(
        self, tmp_path, monkeypatch, wanted, environment, words
    ):
        monkeypatch.setattr(sys, "prefix", str(tmp_path / ".venv"))
        with pytest.raises(NoTrainerError, match=words):
            find_trainer(wanted, environment)


class TestBuild:
    def test_it_is_what_the_trainer_prints(self, executable):
        digest = "a" * 64
        trainer = executable("trainer", f'[ "$1" = build ] && echo {digest}')
        assert build_of(trainer) == digest

    @pytest.mark.parametrize("answer", ["true", "echo version 3"], ids=["nothing", "other words"])
    def test_an_answer_that_is_no_digest_is_refused(self, executable, answer):
        with pytest.raises(SpecError, match="64 hex digits"):
            build_of(executable("trainer", answer))

    def test_a_trainer_that_does_not_tell_is_an_error_of_reuse(self, executable):
        with pytest.raises(SpecError, match=r"spec\.reuse = 'sameTrainer'"):
            build_of(executable("trainer", "exit 3"))


class TestStarting:
    def test_words_go_to_the_log_and_threads_are_bounded(self, executable, tmp_path):
        script = executable("trainer", "echo $OMP_NUM_THREADS $MKL_NUM_THREADS $1; echo words >&2")
        log = tmp_path / "log"
        log.write_text("before\n")
        with start([str(script), "x"], log, 3) as process:
            assert process.communicate()[0] == b"3 3 x\n"
        assert log.read_text() == "before\nwords\n"

    def test_a_ctrl_c_of_the_terminal_does_not_reach_it(self, executable, tmp_path):
        with start([str(executable("trainer", "sleep 60"))], tmp_path / "log", 1) as process:
            assert os.getpgid(process.pid) == process.pid != os.getpgrp()
            os.killpg(process.pid, signal.SIGKILL)
