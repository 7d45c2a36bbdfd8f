"""The built-in encoders as plain Hugging Face folders; what the `encoder` stage stores.

A closed table: a new built-in encoder is one file beside this one, one line here, and one row of
the encoder table in `xlbench_specs.encoders`.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

from transformers import BertModel, PreTrainedTokenizerFast

from xlbench_trainer.builtin.e5_small import load_e5_small
from xlbench_trainer.builtin.random_tiny import load_random_tiny

LOADERS: Mapping[str, Callable[[], tuple[BertModel, PreTrainedTokenizerFast]]] = MappingProxyType(
    {"e5-small-q4": load_e5_small, "random-tiny": load_random_tiny}
)


def save_snapshot(encoder_name: str, folder: Path) -> None:
    """Write the weights (safetensors, float32), the configuration and the tokeniser of an encoder.

    `AutoModel.from_pretrained(folder, add_pooling_layer=False)` and
    `AutoTokenizer.from_pretrained(folder)` read it without a network.

    Args:
        encoder_name: its name after `builtin/`.
        folder: where to write; made if it is not there.

    Raises:
        KeyError: no such encoder.
        PackageError: the package that carries it is missing or another version.
    """
    model, tokenizer = LOADERS[encoder_name]()
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
