import json
import re
from pathlib import Path

import pytest
import yaml
from rich.console import Console
from typer.testing import CliRunner
from xlbench_operator.cli import app
from xlbench_operator.commands import plan as command
from xlbench_specs.plans import Plan

EXAMPLE = """
apiVersion: xlbench.dev/v1alpha1
kind: ExperimentSpec
metadata: {name: example}
spec:
  encoders: [{name: base, model: FacebookAI/xlm-roberta-base, revision: REVISION}]
  targets: [{task: ha-intent}]
  languages: {codes: [ga, lb]}
  seeds: [1, 2, 3, 4, 5]
  schedules:
    - {name: target-only, role: control, phases: [{tasks: [{task: $target}]}]}
    - name: simultaneous
      phases: [{tasks: [{task: ha-slots}, {task: cldr-names}]}, {tasks: [{task: $target}]}]
    - name: sequential
      orders: {mode: per-seed}
      phases:
        - tasks: [{task: ha-slots}]
        - tasks: [{task: cldr-names}]
        - tasks: [{task: $target}]
  budget: {intermediate: 120, target: 60}
""".replace("REVISION", "e" * 40)


@pytest.fixture
def spec(tmp_path):
    def write(**changes):
        document = yaml.safe_load(EXAMPLE)
        document["spec"] |= changes
        path = tmp_path / "spec.yaml"
        path.write_text(yaml.safe_dump(document))
        return str(path)

    return write


def planned(*words, code=0):
    result = CliRunner().invoke(app, ["plan", *words])
    assert result.exit_code == code, result.output
    return result


def row(text, name):
    """Words of the line that begins so."""
    (line,) = (line for line in text.splitlines() if line.strip().startswith(name))
    return re.split(r"\s{2,}", line.strip())


def test_it_counts_stages_and_jobs(spec):
    text = planned(spec()).stdout.split("\n\n")[0]
    assert text.startswith("example: 15 models, 2 languages and English\n")
    # 5 target-only, 10 simultaneous, 15 sequential; 15 models in 3 languages
    assert [
        row(text, kind) for kind in ("encoder", "prepare", "train", "evaluate", "report", "all")
    ] == [
        ["encoder", "1", "1"],
        ["prepare", "9", "9"],
        ["train", "30", "30"],
        ["evaluate", "45", "9"],
        ["report", "1", "1"],
        ["all", "86", "50"],
    ]


def test_it_shows_the_ledger_and_what_is_shared(spec):
    text = planned(spec()).stdout
    assert row(text, "target-only ")[:6] == [
        "target-only",
        "control",
        "ha-intent",
        "ha-intent",
        "60",
        "1,920",
    ]
    assert row(text, "for each schedule, target, seed and language")[1:] == ["90", "6,300"]
    assert row(text, "for each schedule, target and seed ")[1:] == ["30", "2,100"]
    assert row(text, "once for each prefix")[1:] == ["30", "2,100"]


def test_it_states_the_model_of_its_estimate_and_what_it_assumes(spec):
    text = planned(spec()).stdout
    assert "model: forward FLOPs of a token = layers x (2 x (4 H^2 + 2 H F) + 4 L H)" in text
    assert "FacebookAI/xlm-roberta-base: its shape is not known" in text


def test_the_throughput_is_the_users_to_say(spec):
    slow, fast = (planned(spec(), "--gflops", gflops).stdout for gflops in ("1", "1000"))
    assert "one process of 1 GFLOP/s" in slow
    times = [
        re.search(r"train +[\d.]+ +[\d.]+ (\w+)$", each, re.MULTILINE)[1] for each in (slow, fast)
    ]
    assert times == ["days", "minutes"]


def test_it_says_what_frozen_layers_need_not_compute_again(spec):
    frozen = {"trainable": {"lowestLayer": 8, "embeddings": False}}
    text = planned(spec(training=frozen)).stdout
    costs = text[text.index("Estimated cost") :]
    kept, trained, asked = (row(costs, kind)[1] for kind in ("of both", "train ", "evaluate "))
    assert 0 < float(kept) < float(trained) + float(asked)
    assert "kept: frozen layers on texts that they have seen for another stage" in text
    assert "kept" not in planned(spec()).stdout


DETECTABLE = {
    # t(.975, 4) = 2.776; noncentral t with 80 % power: 3.81 standard errors of 1 / sqrt 5
    "five seeds": ({"seeds": [1, 2, 3, 4, 5]}, "simultaneous - sequential  5      1.7"),
    "three seeds": ({"seeds": [1, 2, 3]}, "simultaneous - sequential  3      3.3"),
    "two seeds": ({"seeds": [1, 2]}, "none: 2 seeds, and inference needs 3"),
}


@pytest.mark.parametrize(("change", "words"), DETECTABLE.values(), ids=DETECTABLE)
def test_it_says_what_difference_can_be_shown(spec, change, words):
    assert words in planned(spec(**change)).stdout


def test_a_contrast_without_a_cell_can_show_nothing(spec):
    arms = [
        {"name": name, "phases": phases}
        for name, phases in {
            "joint": [["mnli-dev20k", "squad"], ["$target"]],
            "chain": [["mnli-dev20k"], ["squad"], ["$target"]],
        }.items()
    ]
    for arm in arms:
        arm["phases"] = [{"tasks": [{"task": name} for name in names]} for names in arm["phases"]]
    changes = {"targets": [{"task": "xnli"}], "languages": {"codes": ["sw", "ur"]}}
    text = planned(spec(schedules=arms, **changes)).stdout
    assert "none: no cell is left for the primary endpoint" in text
    assert "noncentral" not in text


def test_one_arm_is_compared_with_nothing(spec):
    arm = {"name": "arm", "phases": [{"tasks": [{"task": "$target"}]}]}
    text = planned(spec(schedules=[arm], budget={"target": 60})).stdout
    assert "no two arms are compared" in text


def test_it_says_what_a_reviewer_would(spec):
    text = planned(spec()).stdout
    assert "no-long-control" in text
    assert "unbalanced-orders" in text


def test_json_is_the_plan_document_and_nothing_else(spec):
    result = planned(spec(), "--json")
    found = Plan.model_validate_json(result.stdout)
    assert len(found.stages) == 85
    assert json.loads(result.stdout)["name"] == "example"
    assert "no-long-control" in result.stderr


def test_mermaid_is_the_drawing_and_nothing_else(spec):
    result = planned(spec(), "--mermaid")
    assert result.stdout.startswith("flowchart LR\n")
    assert "no-long-control" in result.stderr


def test_a_bad_spec_is_told_on_stderr_with_exit_code_2(spec):
    result = planned(spec(seeds=[]), code=2)
    assert result.stdout == ""
    assert "spec.seeds" in result.stderr


def test_a_file_that_is_not_there_is_told_with_exit_code_2(tmp_path):
    result = planned(str(tmp_path / "nowhere.yaml"), code=2)
    assert "nowhere.yaml" in result.stderr


def test_two_forms_at_once_are_refused(spec):
    assert "not both" in planned(spec(), "--json", "--mermaid", code=2).stderr


def test_keys_that_only_a_run_knows_are_owned_up_to(spec):
    assert "only a run knows" in planned(spec(reuse="sameTrainer")).stdout
    assert "only a run knows" not in planned(spec()).stdout


def test_a_terminal_gets_tables():
    section = command.Section("Title", ("kind", "stages"), [("train", "1,200")], ["a [remark]"])
    console = Console(force_terminal=True, width=60, record=True)
    with console.capture() as capture:
        command._say(console, iter([section]))  # noqa: SLF001 - what a terminal shows is its result
    text = capture.get()
    assert "1,200" in text
    assert "a [remark]" in text
    assert "─" in text


@pytest.mark.parametrize(
    "file",
    sorted(Path(__file__).parents[2].glob("specs/examples/*.yaml")),
    ids=lambda file: file.stem,
)
def test_every_example_is_planned(file):
    assert Plan.model_validate_json(planned(str(file), "--json").stdout).models
