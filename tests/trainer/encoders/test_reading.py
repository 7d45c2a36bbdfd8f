"""What a family bears on: the feature of a text, what is trained, and what a folder may say."""

import json
import shutil

import pytest
import torch
from transformers import AutoModel, BertConfig, BertModel, FunnelBaseModel, FunnelConfig
from xlbench_specs import layout
from xlbench_specs.encoders import FAMILIES
from xlbench_specs.exits import TrainerExit
from xlbench_specs.experiment import Trainable
from xlbench_specs.stages import EncoderParams, StageRuntime
from xlbench_specs.store import folder_hash, payload_folder
from xlbench_trainer.encoders import load
from xlbench_trainer.models import pooled
from xlbench_trainer.phases import trained_names

HIDDEN = torch.arange(12.0).reshape(6, 2)
LENGTHS = torch.tensor([3, 1, 2])
FEATURES = {
    "bert": [[0, 1], [6, 7], [8, 9]],
    "e5": [[2, 3], [6, 7], [9, 10]],
    "decoder": [[4, 5], [6, 7], [10, 11]],
}


class Read:
    """An encoder of which no more than its family is asked."""

    def __init__(self, family):
        self.family = FAMILIES[family]


@pytest.mark.parametrize("family", FEATURES)
def test_the_feature_of_a_text(family):
    assert pooled(Read(family), HIDDEN, LENGTHS).tolist() == FEATURES[family]


def test_the_feature_of_labse_is_what_its_pooler_says(published):
    loaded = load(published("labse"), "hub/LaBSE", 0.0)
    ids = torch.tensor([[2, 7, 9, 3]])
    output = AutoModel.from_pretrained(published("labse")).eval()(ids)
    found = pooled(loaded, output.last_hidden_state[0], torch.tensor([4]))
    assert torch.allclose(found, output.pooler_output, atol=1e-6)
    assert [name for name in trained_names(loaded, Trainable()) if name.startswith("pooler.")]


def run_folder(new_lab, folder):
    lab = new_lab("store")
    revision = folder_hash(folder)
    lab.encoder = lab.stage(EncoderParams(model="folder", revision=revision))
    code = lab.run(
        lab.encoder, runtime=StageRuntime(encoder_folders={revision: str(folder)}), inputs=False
    )
    return lab, code


def loaded_of(lab, tmp_path):
    """The encoder of a laboratory, from its snapshot."""
    return load(payload_folder(lab.store, lab.manifest(lab.encoder), tmp_path / "s"), "folder", 0.0)


def changed(folder, copy, **settings):
    shutil.copytree(folder, copy)
    config = json.loads((copy / "config.json").read_text())
    (copy / "config.json").write_text(json.dumps(config | settings))
    return copy


def test_a_local_folder_may_say_its_family(new_lab, published, tmp_path):
    folder = changed(published("multilingual-e5-base"), tmp_path / "mine", xlbench_family="e5")
    lab, code = run_folder(new_lab, folder)
    assert code == TrainerExit.DONE
    assert loaded_of(lab, tmp_path).family == FAMILIES["e5"]


def failure_of(lab):
    path = layout.failure(lab.experiment, lab.encoder.key)
    return json.loads(lab.store.read(path).data)["message"]


def test_a_local_folder_that_says_no_family_is_known_by_its_type(new_lab, published, tmp_path):
    lab, code = run_folder(new_lab, published("multilingual-e5-base"))
    assert code == TrainerExit.DONE
    assert loaded_of(lab, tmp_path).family == FAMILIES["xlm-r"]


def test_a_family_that_there_is_not_names_those_there_are(new_lab, published, tmp_path):
    folder = changed(published("mbert"), tmp_path / "mine", xlbench_family="mbert")
    lab, code = run_folder(new_lab, folder)
    assert code == TrainerExit.BAD_TASK
    assert "xlbench_family = 'mbert': valid: e5-small, e5, labse, bert, xlm-r" in failure_of(lab)


def test_a_pooler_that_the_family_reads_and_the_folder_lacks_is_refused(
    new_lab, published, tmp_path
):
    folder = changed(published("mbert"), tmp_path / "mine", xlbench_family="labse")
    config = BertConfig.from_pretrained(folder)
    BertModel(config, add_pooling_layer=False).save_pretrained(folder)
    changed(folder, tmp_path / "again", xlbench_family="labse")
    lab, code = run_folder(new_lab, tmp_path / "again")
    assert code == TrainerExit.BAD_TASK
    assert "family labse reads its pooler: no pooler.dense" in failure_of(lab)


def test_a_type_of_no_family_is_read_as_bert_is_and_said_so(new_lab, published, tmp_path, caplog):
    folder = shutil.copytree(published("mbert"), tmp_path / "mine")
    FunnelBaseModel(
        FunnelConfig(vocab_size=155, d_model=8, n_head=2, d_head=4, d_inner=8)
    ).save_pretrained(folder)
    with caplog.at_level("WARNING", "xlbench.trainer"):
        _, code = run_folder(new_lab, folder)
    assert code == TrainerExit.DONE
    assert "encoder folder: type funnel is in no family" in caplog.text


@pytest.mark.parametrize("name", ["xlm-mlm-100", "llama", "mdeberta-v3-base"])
def test_the_layers_of_any_family_are_frozen_and_trained_by_their_numbers(
    name, new_lab, published, tmp_path
):
    loaded = loaded_of(run_folder(new_lab, published(name))[0], tmp_path)
    everything = [each for each, _ in loaded.model.named_parameters()]
    assert trained_names(loaded, Trainable()) == everything
    upper = trained_names(loaded, Trainable(lowest_layer=1, embeddings=False))
    assert upper
    assert not [each for each in upper if ".0." in each or "emb" in each]
    none = trained_names(loaded, Trainable(lowest_layer=2, embeddings=False))
    assert none == []
