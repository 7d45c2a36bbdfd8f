"""Documents that older versions stored stay readable, and keep their keys and their bytes.

A file of `stored/` is never changed; a schema that moves on gets a new file beside it.
"""

import json
from pathlib import Path

import pytest
from xlbench_specs.manifests import Failure, Manifest
from xlbench_specs.plans import Plan
from xlbench_specs.stages import StageFile

STORED = Path(__file__).parent / "stored"
MODELS = {"plan": Plan, "job": StageFile, "failure": Failure, "manifest": Manifest}
FILES = sorted(STORED.glob("*.json"))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_it_is_read_and_written_as_it_was(file):
    document = MODELS[file.stem.split("-")[0]].model_validate_json(file.read_text("utf-8"))
    assert document.plain() == json.loads(file.read_text("utf-8"))
    assert document.text() == file.read_text("utf-8")


@pytest.mark.parametrize("file", sorted(STORED.glob("manifest-*.json")), ids=lambda file: file.stem)
def test_a_stored_manifest_is_its_stages(file):
    manifest = Manifest.model_validate_json(file.read_text("utf-8"))
    assert manifest.key == manifest.stage.key
    assert manifest.record.kind == manifest.stage.kind == file.stem.removeprefix("manifest-")


def test_a_stored_plan_names_every_stage_by_its_key():
    plan = Plan.model_validate_json((STORED / "plan-1.json").read_text("utf-8"))
    assert all(key == stage.key for key, stage in plan.stages.items())
    assert list(plan.stages_of("encoder")) == [next(iter(plan.stages))]


def test_there_is_one_of_each():
    names = {file.stem for file in FILES}
    kinds = {f"manifest-{kind}" for kind in ("encoder", "prepare", "train", "evaluate", "report")}
    assert names == kinds | {"plan-1", "job-1", "failure-1"}
