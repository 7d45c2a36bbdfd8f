"""Data sets of the hub, from a folder that is laid out like one; and none without a network."""

import subprocess
import sys

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from xlbench_trainer.errors import BadTaskError
from xlbench_trainer.sources import hub_rows


@pytest.fixture
def repo(tmp_path, monkeypatch):
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")
    folder = tmp_path / "repo"
    folder.mkdir()
    rows = {"text": ["één", "twee"], "label": [0, 1]}
    pq.write_table(pa.table(rows), folder / "test-00000-of-00001.parquet")
    return str(folder)


def test_rows_come_in_their_order(repo):
    rows = list(hub_rows(repo, "a" * 40, None, "test"))
    assert rows == [{"text": "één", "label": 0}, {"text": "twee", "label": 1}]


@pytest.mark.parametrize(("config", "split"), [(None, "dev"), ("nl", "test")])
def test_a_wrong_split_or_configuration_is_named(repo, config, split):
    with pytest.raises(BadTaskError, match=f"configuration {config!r}, split {split!r}"):
        list(hub_rows(repo, "a" * 40, config, split))


OFFLINE = """
from xlbench_trainer.sources import hub_rows
try:
    list(hub_rows("facebook/xnli", "a" * 40, "sw", "test"))
except ConnectionError as error:
    print(error)
"""


def test_an_unreachable_hub_names_data_set_revision_split_and_settings(tmp_path):
    # The setting is read when the library is imported, so in a process of its own.
    settings = {"HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path)}
    said = subprocess.run(
        [sys.executable, "-c", OFFLINE], env=settings, capture_output=True, text=True, check=True
    ).stdout
    wanted = ["'facebook/xnli'", "a" * 40, "'sw'", "'test'", "HF_HUB_OFFLINE = 1", "HF_HOME"]
    assert [word for word in wanted if word not in said] == []
