"""Tokenisers as snapshots have them: fast, with what the family's feature stands on."""

# ruff: noqa: RUF001 - punctuation that looks alike is what XLM is about

import json
import shutil

import pytest
from made_up import task_row
from tokenizers import Tokenizer, models, processors
from transformers import AutoTokenizer, BertConfig, PreTrainedTokenizerFast
from xlbench_specs.encoders import FAMILIES
from xlbench_trainer.encoders import config_of, family_in
from xlbench_trainer.tasks.examples import example
from xlbench_trainer.tokenising import Tokeniser, tokenised
from xlbench_trainer.vocabularies import tokeniser_of


@pytest.fixture
def tokeniser(published, tmp_path):
    """The tokeniser of a tiny encoder as its snapshot has it: written and read again."""

    def read(name):
        folder = published(name)
        config = config_of(folder)
        tokeniser_of(folder, config, family_in(config, name)).save_pretrained(tmp_path / name)
        return AutoTokenizer.from_pretrained(tmp_path / name)

    return read


ENDS = {
    "mbert": ("[CLS] wb [SEP]", "[CLS] wb [SEP] wc [SEP]"),
    "xlm-roberta-base": ("<s> ▁wb </s>", "<s> ▁wb </s> </s> ▁wc </s>"),
    "xlm-mlm-100": ("<s> wb</w> </s>", "<s> wb</w> </s> wc</w> </s>"),
    "mdeberta-v3-base": ("[CLS] ▁wb [SEP]", "[CLS] ▁wb [SEP] ▁wc [SEP]"),
    "mmbert-base": ("<bos> wb <eos>", "<bos> wb <eos> wc <eos>"),
    "llama": ("<s> ▁wb </s>", "<s> ▁wb </s> ▁wc </s>"),
    "qwen3": ("wb <|endoftext|>", "wb <|endoftext|> wc <|endoftext|>"),
    "gemma": ("<bos> wb <eos>", "<bos> wb <eos> wc <eos>"),
}


@pytest.mark.parametrize("name", ENDS)
def test_special_tokens_stand_where_the_family_looks(name, tokeniser):
    found = tokeniser(name)
    single, pair = ENDS[name]
    assert found.convert_ids_to_tokens(found("wb")["input_ids"]) == single.split()
    assert found.convert_ids_to_tokens(found("wb", "wc")["input_ids"]) == pair.split()
    assert found.num_special_tokens_to_add(pair=True) == len(pair.split()) - 2
    assert found.pad_token_id is not None
    assert found.unk_token_id is not None


def test_a_decoder_is_padded_with_its_last_token(tokeniser):
    padding = [tokeniser(name).pad_token for name in ("llama", "qwen3")]
    assert padding == ["</s>", "<|endoftext|>"]


@pytest.mark.parametrize("name", ["mbert", "xlm-roberta-base", "mdeberta-v3-base", "mmbert-base"])
def test_a_tokeniser_that_has_all_it_needs_is_left_as_it_is(name, tokeniser, published):
    before = AutoTokenizer.from_pretrained(published(name))
    assert tokeniser(name).backend_tokenizer.to_str() == before.backend_tokenizer.to_str()


@pytest.mark.parametrize("name", ["mbert", "xlm-roberta-base", "mmbert-base", "llama", "qwen3"])
def test_the_words_of_a_tagged_sentence_are_the_tokens_of_the_text(name, tokeniser):
    found = tokeniser(name)
    sentence = example(["wb", "wcd", "wbej"], ["O"] * 3, language="en", cluster_id="c")
    row = task_row("tagging", ["accuracy"], ["O"])
    prepared, _ = tokenised(row, [sentence], [], Tokeniser(found, "", 16))
    assert prepared.ids.tolist() == found("wb wcd wbej")["input_ids"]
    assert (prepared.labels >= 0).sum() == 3


def test_a_tokeniser_of_bytes_needs_no_unknown_token(published, tmp_path):
    # It has padding and its last token, as published embedding models of decoders do.
    made = AutoTokenizer.from_pretrained(published("qwen3"))
    inner = Tokenizer.from_str(made.backend_tokenizer.to_str())
    inner.post_processor = processors.TemplateProcessing(
        single="$A <|endoftext|>", special_tokens=[("<|endoftext|>", 0)]
    )
    roles = {"eos_token": "<|endoftext|>", "pad_token": "<|endoftext|>"}
    PreTrainedTokenizerFast(tokenizer_object=inner, **roles).save_pretrained(tmp_path)
    shutil.copy(published("qwen3") / "config.json", tmp_path)
    found = tokeniser_of(tmp_path, config_of(tmp_path), FAMILIES["decoder"])
    assert found.unk_token_id == found.eos_token_id == 0
    assert found("wb")["input_ids"] == found("wb", add_special_tokens=False)["input_ids"] + [0]


XLM_TEXTS = {
    "“Ça va”，dit-il… à 1,000 m.": '" ca va " , dit-il ... a 1,000 m .',
    "He's at the U.S. Don’t!": "he 's at the u.s. don 't !",
    "हिंदी में": "हिदी म",
    "我睡觉": "我 睡 觉",
    "a\tb\u200bc": "a bc",
}


@pytest.mark.parametrize("text", XLM_TEXTS)
def test_xlm_reads_words_as_moses_cuts_them(text, tokeniser):
    inner = tokeniser("xlm-mlm-tlm-xnli15").backend_tokenizer
    words = inner.pre_tokenizer.pre_tokenize_str(inner.normalizer.normalize_str(text))
    assert [word for word, _ in words] == XLM_TEXTS[text].split()


def test_xlm_of_a_hundred_languages_keeps_accents_and_capitals(published, tmp_path):
    folder = tmp_path / "cased"
    shutil.copytree(published("xlm-mlm-100"), folder)
    settings = json.loads((folder / "tokenizer_config.json").read_text())
    settings["do_lowercase_and_remove_accent"] = False
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    found = tokeniser_of(folder, config_of(folder), FAMILIES["xlm"])
    assert found.backend_tokenizer.normalizer.normalize_str("Ça") == "Ça"


def test_a_tokeniser_that_nothing_can_be_added_to_is_refused(tmp_path):
    inner = Tokenizer(models.WordLevel({"a": 0}))
    PreTrainedTokenizerFast(tokenizer_object=inner).save_pretrained(tmp_path)
    BertConfig().save_pretrained(tmp_path)
    with pytest.raises(ValueError, match="neither cls_token nor bos_token is set"):
        tokeniser_of(tmp_path, config_of(tmp_path), FAMILIES["bert"])
    with pytest.raises(ValueError, match="neither sep_token nor eos_token is set"):
        tokeniser_of(tmp_path, config_of(tmp_path), FAMILIES["decoder"])
