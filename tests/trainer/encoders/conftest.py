"""Tiny encoders of real classes with tokenisers of real classes, saved as their authors save them.

The weights are random and the vocabularies are of the laboratory's words; nothing else differs from
what a hub has.
"""

import json

import pytest
import torch
import transformers
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers
from xlbench_specs.encoders import FAMILIES

LETTERS = str.maketrans("0123456789", "abcdefghij")
WORDS = [f"w{number}".translate(LETTERS) for number in range(150)]
BERT_SPECIALS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
XLM_SPECIALS = ["<s>", "</s>", "<pad>", "<unk>", *(f"<special{number}>" for number in range(10))]
GEMMA_SPECIALS = ["<pad>", "<eos>", "<bos>", "<unk>", "<mask>"]
LLAMA_SPECIALS = ["<unk>", "<s>", "</s>"]
XNLI = FAMILIES["xlm-15"].languages
SMALL = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 64,
    "max_position_embeddings": 40,
}
XLM = {"emb_dim": 32, "n_layers": 2, "n_heads": 2, "max_position_embeddings": 40, "n_langs": 15}
DECODER = SMALL | {"num_key_value_heads": 1, "head_dim": 16}
CLASSES = {
    "mbert": ("Bert", SMALL, "bert"),
    "labse": ("Bert", SMALL, "bert"),
    "multilingual-e5-small": ("Bert", SMALL | {"pad_token_id": 1}, "unigram"),
    "multilingual-e5-base": ("XLMRoberta", SMALL, "unigram"),
    "xlm-roberta-base": ("XLMRoberta", SMALL, "unigram"),
    "xlm-roberta-xl": ("XLMRobertaXL", SMALL, "unigram"),
    "xlm-mlm-tlm-xnli15": ("XLM", XLM | {"use_lang_emb": True}, "xlm"),
    "xlm-mlm-100": ("XLM", XLM | {"use_lang_emb": False, "n_langs": 100}, "xlm"),
    "mdeberta-v3-base": (
        "DebertaV2",
        SMALL | {"relative_attention": True, "pos_att_type": ["p2c", "c2p"], "type_vocab_size": 0},
        "deberta",
    ),
    "mmbert-base": ("ModernBert", SMALL | {"local_attention": 8}, "gemma"),
    "eurobert": ("EuroBert", SMALL | {"num_key_value_heads": 2}, "gemma"),
    "llama": ("Llama", DECODER, "llama"),
    "qwen3": ("Qwen3", DECODER | {"max_window_layers": 0}, "qwen"),
    "qwen3-embedding": ("Qwen3", DECODER | {"max_window_layers": 0}, "qwen"),
    "gemma": ("Gemma", DECODER, "gemma-decoder"),
}
"""Part of a model's name to its class, its configuration and its tokeniser."""


def trained_bpe(specials, pre_tokenizer, normalizer=None, **more):
    """Pieces and merges of the words, as they stand in a text."""
    inner = Tokenizer(models.BPE(**more))
    inner.pre_tokenizer = pre_tokenizer
    if normalizer is not None:
        inner.normalizer = normalizer
    trainer = trainers.BpeTrainer(
        vocab_size=600, special_tokens=specials, show_progress=False, **more
    )
    inner.train_from_iterator([" ".join([word] * 2) for word in WORDS for _ in range(3)], trainer)
    found = json.loads(inner.to_str())["model"]
    return found["vocab"], [tuple(merge) for merge in found["merges"]]


def save_tokeniser(kind, folder):
    """Write a tokeniser of a kind; how many tokens it has."""
    if kind == "xlm":
        blanks = pre_tokenizers.WhitespaceSplit()
        pieces, merges = trained_bpe(XLM_SPECIALS, blanks, end_of_word_suffix="</w>")
        (folder / "vocab.json").write_text(json.dumps(pieces))
        lines = [f"{one} {two} 9" for one, two in merges]
        (folder / "merges.txt").write_text("\n".join(lines) + "\n")
        (folder / "tokenizer_config.json").write_text('{"tokenizer_class": "XLMTokenizer"}')
        return len(pieces)
    made = MADE[kind]()
    made.save_pretrained(folder)
    return len(made)


def bert_tokeniser():
    pieces = [*BERT_SPECIALS, *WORDS]
    made = transformers.BertTokenizer(
        vocab={piece: place for place, piece in enumerate(pieces)}, do_lower_case=False
    )
    made.backend_tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    return made


def unigram_tokeniser():
    pieces = ["<s>", "<pad>", "</s>", "<unk>", *(f"▁{word}" for word in WORDS), "<mask>"]
    scores = [-1.0 if piece.startswith("▁") else 0.0 for piece in pieces]
    return transformers.XLMRobertaTokenizer(vocab=list(zip(pieces, scores, strict=True)))


def deberta_tokeniser():
    pieces = ["[PAD]", "[CLS]", "[SEP]", "[UNK]", *(f"▁{word}" for word in WORDS), "[MASK]"]
    scores = [-1.0 if piece.startswith("▁") else 0.0 for piece in pieces]
    return transformers.DebertaV2Tokenizer(vocab=list(zip(pieces, scores, strict=True)), unk_id=3)


def gemma_tokeniser(*, encoder):
    """Gemma's words have a blank before them; mmBERT puts a token at both ends."""
    split = pre_tokenizers.Split("▁", "merged_with_next")
    pieces, merges = trained_bpe(GEMMA_SPECIALS, split, normalizers.Replace(" ", "▁"))
    made = transformers.GemmaTokenizer(vocab=pieces, merges=merges)
    ends = "<bos> $A <eos>" if encoder else "<bos> $A"
    made.backend_tokenizer.post_processor = processors.TemplateProcessing(
        single=ends,
        pair=f"{ends} $B:0 <eos>:0" if encoder else f"{ends} <bos>:1 $B:1",
        special_tokens=[("<bos>", 2), ("<eos>", 1)],
    )
    return made


def llama_tokeniser():
    metaspace = pre_tokenizers.Metaspace(prepend_scheme="first", split=False)
    pieces, merges = trained_bpe(LLAMA_SPECIALS, metaspace)
    made = transformers.LlamaTokenizer(vocab=pieces, merges=merges)
    made.backend_tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A", pair="<s> $A <s>:1 $B:1", special_tokens=[("<s>", 1)]
    )
    return made


def qwen_tokeniser():
    """Of bytes, with no special token around a text."""
    pieces, merges = trained_bpe(
        ["<|endoftext|>"], pre_tokenizers.ByteLevel(add_prefix_space=False)
    )
    for letter in pre_tokenizers.ByteLevel.alphabet():
        pieces.setdefault(letter, len(pieces))
    return transformers.Qwen2Tokenizer(vocab=pieces, merges=merges)


MADE = {
    "bert": bert_tokeniser,
    "unigram": unigram_tokeniser,
    "deberta": deberta_tokeniser,
    "gemma": lambda: gemma_tokeniser(encoder=True),
    "gemma-decoder": lambda: gemma_tokeniser(encoder=False),
    "llama": llama_tokeniser,
    "qwen": qwen_tokeniser,
}


def config_of(name, size, folder):
    kind, settings, tokeniser = CLASSES[name]
    given = dict(settings)
    if tokeniser == "xlm":
        codes = XNLI if given["use_lang_emb"] else [f"l{number}" for number in range(100)]
        given |= {"lang2id": {code: number for number, code in enumerate(codes)}}
    else:
        loaded = transformers.AutoTokenizer.from_pretrained(folder)
        if "pad_token_id" not in given:
            given["pad_token_id"] = loaded.pad_token_id
        for role in ("bos", "eos", "cls", "sep"):
            if kind in {"ModernBert", "EuroBert"}:
                given[f"{role}_token_id"] = 1 if role in {"eos", "sep"} else 2
    return getattr(transformers, f"{kind}Config")(vocab_size=size, **given)


@pytest.fixture(scope="session")
def published(tmp_path_factory):
    """The folder of a tiny encoder, by part of a model's name; made once."""
    made = {}

    def folder_of(name):
        if name not in made:
            folder = made[name] = tmp_path_factory.mktemp("hub") / name
            folder.mkdir()
            size = save_tokeniser(CLASSES[name][2], folder)
            config = config_of(name, size, folder)
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(11)
                getattr(transformers, f"{CLASSES[name][0]}Model")(config).save_pretrained(folder)
        return made[name]

    return folder_of
