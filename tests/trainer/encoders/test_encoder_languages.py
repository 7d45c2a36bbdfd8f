"""XLM is told the language of each text: that of its set, of what is searched its own."""

import json
import shutil

import pytest
import torch
from transformers import AutoModel, XLMConfig
from xlbench_specs.encoders import FAMILIES
from xlbench_specs.exits import TrainerExit
from xlbench_specs.stages import EncoderParams
from xlbench_specs.store import payload_folder
from xlbench_trainer.encoders import hidden_after, language_numbers, last_hidden, load
from xlbench_trainer.packing import Packer, source_of
from xlbench_trainer.recipes import encoder, prepare
from xlbench_trainer.tasks.examples import Candidate
from xlbench_trainer.tokens import join

NAME = "xlm-mlm-tlm-xnli15"
AR, EN, SW = 0, 4, 9


@pytest.fixture
def lab(new_lab, published, monkeypatch):
    monkeypatch.setattr(encoder, "snapshot_download", lambda *_, **__: str(published(NAME)))
    made = new_lab("store")
    made.encoder = made.stage(EncoderParams(model=f"hub/{NAME}", revision="a" * 40))
    return made


def prepared(lab, *arguments):
    stage = lab.prepare(*arguments)
    assert lab.run(lab.encoder, stage, inputs=False) == TrainerExit.DONE
    return lab.workshop().prepared(lab.manifest(stage))


def test_every_sequence_of_a_set_has_the_language_of_the_set(lab):
    for name in ("topic", "spans", "pick", "ask", "fill"):
        found = prepared(lab, name, "test", "sw")
        assert found.languages.tolist() == [SW] * len(found.lengths)


def test_the_translation_of_a_text_is_english(lab):
    found = prepared(lab, "match", "test", "sw")
    assert found.languages.tolist() == [SW, EN] * found.size


def test_what_is_searched_has_languages_of_its_own(lab, monkeypatch):
    pool = [Candidate("a", ("w1",)), Candidate("b", ("w2",), "ar"), Candidate("c", ("w3",), "yo")]
    monkeypatch.setattr(prepare, "pool", lambda *_: pool)
    found = prepared(lab, "match", "test", "sw")
    assert found.languages.tolist() == [SW] * found.size + [EN, AR, EN]


def test_a_language_that_it_does_not_know_is_told_as_english_and_said_so(lab, caplog):
    with caplog.at_level("WARNING", "xlbench.trainer"):
        found = prepared(lab, "topic", "test", "yo")
    assert set(found.languages.tolist()) == {EN}
    assert f"encoder hub/{NAME} does not know yo: told as English" in caplog.text


def test_sets_of_several_languages_are_joined_with_theirs(lab):
    one, two = prepared(lab, "topic", "train", "sw"), prepared(lab, "topic", "train", "en")
    assert join([one, two]).languages.tolist() == [SW] * one.size + [EN] * two.size
    stage = lab.train(lab.encoder, {"topic": 1, "fill": 1}, languages=("sw", "en"))
    assert lab.run(stage) == TrainerExit.DONE
    assert "encoder.lang_embeddings.weight" in lab.tensors(stage)


@pytest.mark.parametrize("layer", [None, 1], ids=["last layer", "first layer"])
def test_what_it_says_is_what_transformers_says_with_these_languages(lab, tmp_path, layer):
    found = prepared(lab, "match", "test", "sw")
    folder = payload_folder(lab.store, lab.manifest(lab.encoder), tmp_path)
    loaded = load(folder, f"hub/{NAME}", 0.0)
    order = found.lengths.argsort(kind="stable")[::-1].copy()
    pack = Packer(loaded.device, loaded.separator).pack([source_of(found, None)], 0 * order, order)
    with torch.no_grad():
        hidden = last_hidden(loaded, pack) if layer is None else hidden_after(loaded, pack, layer)
    said = hidden.split(found.lengths[order].tolist())
    model = AutoModel.from_pretrained(folder).eval()
    for number, hidden in zip(order, said, strict=True):
        ids = torch.from_numpy(found.ids[found.offsets[number] : found.offsets[number + 1]].copy())
        told = torch.full((1, len(ids)), int(found.languages[number]))
        with torch.no_grad():
            output = model(ids.long()[None], langs=told, output_hidden_states=True)
            untold = model(ids.long()[None]).last_hidden_state[0]
        expected = output.last_hidden_state if layer is None else output.hidden_states[layer]
        assert torch.allclose(hidden, expected[0], atol=1e-5)
        assert layer or not torch.allclose(hidden, untold, atol=1e-3)


def test_languages_are_those_of_the_configuration_else_of_the_family():
    family = FAMILIES["xlm-15"]
    bare = XLMConfig(n_langs=15, use_lang_emb=True)
    assert language_numbers(bare, family)["sw"] == SW
    own = XLMConfig(n_langs=2, use_lang_emb=True, lang2id={"en": 1, "fr": 0})
    assert language_numbers(own, family) == {"en": 1, "fr": 0}
    assert language_numbers(XLMConfig(n_langs=100, use_lang_emb=False), FAMILIES["xlm"]) == {}


@pytest.mark.parametrize(
    "config",
    [
        XLMConfig(n_langs=17, use_lang_emb=True),
        XLMConfig(n_langs=2, use_lang_emb=True, lang2id={"de": 0, "fr": 1}),
    ],
    ids=["as many as nobody named", "no English"],
)
def test_languages_that_cannot_be_told_are_refused(config):
    with pytest.raises(ValueError, match=r"lang2id names .*: must name .* \(n_langs\), en among"):
        language_numbers(config, FAMILIES["xlm-15"])


def test_an_encoder_that_wants_languages_and_does_not_say_which_is_refused(
    new_lab, published, monkeypatch, tmp_path
):
    shutil.copytree(published(NAME), tmp_path / "other")
    config = json.loads((tmp_path / "other" / "config.json").read_text())
    (tmp_path / "other" / "config.json").write_text(json.dumps(config | {"lang2id": {"en": 0}}))
    monkeypatch.setattr(encoder, "snapshot_download", lambda *_, **__: str(tmp_path / "other"))
    lab = new_lab("store")
    stage = lab.stage(EncoderParams(model=f"hub/{NAME}", revision="b" * 40))
    assert lab.run(stage, inputs=False) == TrainerExit.BAD_TASK
