"""`xlbench encoder hash`: the revision that a spec pins a local folder by."""

import pytest
from typer.testing import CliRunner
from xlbench_operator.cli import app


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "onnx").mkdir()
    (tmp_path / "onnx" / "model.safetensors").write_bytes(b"weights")
    return tmp_path


def revision_of(folder):
    found = CliRunner().invoke(app, ["encoder", "hash", str(folder)])
    assert found.exit_code == 0, found.output
    return found.stdout.strip()


def test_a_revision_is_what_the_contract_pins(folder):
    # sha256 over "<path>\0<sha256 of content>\n" of each file, by path.
    assert revision_of(folder) == (
        "sha256:ce5f83442cdbdfbe7211fb637e8fd8143b453df9eb7ba05169839a388e9c13f0"
    )


@pytest.mark.parametrize(
    "change",
    [
        lambda folder: (folder / "config.json").write_text("{ }"),
        lambda folder: (folder / "vocab.txt").write_text(""),
        lambda folder: (folder / "onnx").rename(folder / "other"),
    ],
    ids=["a file's content", "one file more", "a file's path"],
)
def test_any_change_of_the_folder_changes_the_revision(folder, change):
    before = revision_of(folder)
    change(folder)
    assert revision_of(folder) != before


FAMILIES = {
    '{"model_type": "xlm-roberta"}': "family xlm-r: XLM-R base, large",
    '{"model_type": "xlm-roberta", "xlbench_family": "e5"}': "family e5: E5 of XLM-R's type",
    "{}": "family generic: anything else, read as BERT is",
}


@pytest.mark.parametrize("config", FAMILIES)
def test_the_family_that_a_folder_is_read_as_is_said(folder, config):
    (folder / "config.json").write_text(config)
    found = CliRunner().invoke(app, ["encoder", "hash", str(folder)])
    assert FAMILIES[config] in found.stderr
    assert found.stdout.startswith("sha256:")


@pytest.mark.parametrize(
    ("config", "said"),
    [
        pytest.param(b'{"xlbench_family": "mbert"}', "valid: e5-small", id="unknown family"),
        pytest.param(b'{"xlbench_family": ["e5"]}', "valid: e5-small", id="family of no name"),
        pytest.param(b'{"model_type": 3}', "model_type = 3: must be text", id="type of no name"),
        pytest.param(b"{", "not JSON", id="no JSON"),
        pytest.param(b"\xff", "not JSON", id="no text"),
        pytest.param(b"[1]", "must be a JSON object", id="no object"),
    ],
)
def test_a_configuration_that_cannot_be_read_is_refused(folder, config, said):
    (folder / "config.json").write_bytes(config)
    found = CliRunner().invoke(app, ["encoder", "hash", str(folder)])
    assert found.exit_code == 2
    assert found.stderr.startswith(f"{folder}: config.json: ")
    assert said in found.stderr
    assert found.stdout == ""


def test_a_folder_without_an_encoder_is_refused(tmp_path):
    found = CliRunner().invoke(app, ["encoder", "hash", str(tmp_path)])
    assert found.exit_code == 2
    assert "config.json" in found.stderr
