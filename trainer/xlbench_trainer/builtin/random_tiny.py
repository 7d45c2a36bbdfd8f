"""A small encoder with random weights: the negative control of every comparison.

It shares the tokeniser of `e5_small`, so that both see the same prepared tokens.
"""

import torch
from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

from xlbench_trainer.builtin.e5_small import load_tokenizer

_SEED = 20_261_027
_HIDDEN = 64


def load_random_tiny() -> tuple[BertModel, PreTrainedTokenizerFast]:
    """Two layers of width 64 (float32, evaluation mode, no pooler), always the same weights."""
    tokenizer = load_tokenizer()
    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=_HIDDEN,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=4 * _HIDDEN,
        max_position_embeddings=512,
        pad_token_id=tokenizer.pad_token_id,
    )
    config.architectures = ["BertModel"]
    with torch.random.fork_rng(devices=[]):  # the caller's generator stays where it was
        torch.manual_seed(_SEED)
        model = BertModel(config, add_pooling_layer=False)
    model.train(mode=False)
    return model, tokenizer
