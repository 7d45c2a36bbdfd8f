"""The parts of a phase that `recipes.train` is made of: what is trained, how fast, from where.

Each is a small pure function or a small piece of state; the recipe reads top to bottom.
"""

import math
import re
from collections.abc import Callable, Mapping
from fractions import Fraction

import torch
from torch import Tensor, nn
from xlbench_specs.experiment import Trainable
from xlbench_specs.stages import TrainParams

from xlbench_trainer.encoders import Encoder
from xlbench_trainer.randomness import derive, generator
from xlbench_trainer.tokens import IGNORED

LAYER = re.compile(r"(?:^|\.)(?:layer|layers|h|attentions|ffns|layer_norm1|layer_norm2)\.(\d+)\.")
"""Where a parameter's name says its layer; the last four are XLM's, which has no layers as such."""
MASKED_SHARE, MASK_TOKEN_SHARE, RANDOM_TOKEN_SHARE = 0.15, 0.8, 0.1
"""Source: BERT (arXiv 1810.04805, section 3.1)."""


def set_arithmetic(threads: int, *, tf32: bool) -> None:
    """Set what this process's sums depend on; the stage before may have asked for other."""
    torch.set_num_threads(threads)
    torch.backends.cuda.matmul.allow_tf32 = tf32


def trained_names(encoder: Encoder, trainable: Trainable) -> list[str]:
    """Names of the encoder's parameters that a phase trains.

    Embeddings as `trainable.embeddings` says, layers from `lowest_layer` up, and what stands
    above the layers unless all of them are frozen. A pooler that makes no feature is left alone.
    """
    names = [name for name, _ in encoder.model.named_parameters()]
    if encoder.family.pooling != "pooler":
        names = [name for name in names if not name.startswith("pooler.")]
    all_frozen = trainable.lowest_layer >= _layer_count(names)
    return [name for name in names if _is_trained(name, trainable, all_frozen=all_frozen)]


def _is_trained(name: str, trainable: Trainable, *, all_frozen: bool) -> bool:
    layer = LAYER.search(name)
    if layer:
        return int(layer.group(1)) >= trainable.lowest_layer
    # `embeddings`, the `embed_tokens` of decoders, and the norm of XLM's
    if "embed" in name or name.startswith("layer_norm_emb."):
        return trainable.embeddings
    return not all_frozen


def _layer_count(names: list[str]) -> int:
    return 1 + max(
        (int(found.group(1)) for name in names if (found := LAYER.search(name))), default=-1
    )


def set_modes(encoder: Encoder, heads: nn.Module, trainable: Trainable) -> None:
    """Trained modules into training mode, frozen ones into eval mode: they drop nothing out."""
    heads.train()
    encoder.model.eval()
    trained = set(trained_names(encoder, trainable))
    for name, module in encoder.model.named_modules():
        inside = {f"{name}.{inner}" if name else inner for inner, _ in module.named_parameters()}
        if inside and inside <= trained:
            module.train()


def learning_rate_factor(params: TrainParams) -> Callable[[int], float]:
    """Update of this phase -> factor of the peak learning rate.

    Rises over ceil(warmup x updates) and falls to just above zero, both linearly; no update has
    a rate of zero. Spans phases where `first_update` is set.
    """
    first = params.first_update or 0
    total = params.total_updates or params.updates
    # As written, not as stored: 0.07 * 100 is above 7 in floats, and one update would be added.
    warmup = math.ceil(Fraction(str(params.warmup)) * total)

    def factor(update: int) -> float:
        place = first + update
        if place < warmup:
            return (place + 1) / warmup
        return (total - place) / max(1, total - warmup)

    return factor


def make_optimizer(named: Mapping[str, nn.Parameter], params: TrainParams) -> torch.optim.AdamW:
    """AdamW over named parameters; biases and norms (one dimension) do not decay."""
    groups = [
        {
            "params": [each for each in named.values() if (each.dim() > 1) is matrix],
            "weight_decay": params.weight_decay if matrix else 0.0,
        }
        for matrix in (True, False)
    ]
    return torch.optim.AdamW(groups, lr=params.learning_rate, fused=True)


def optimizer_tensors(
    optimizer: torch.optim.AdamW, named: Mapping[str, nn.Parameter]
) -> dict[str, Tensor]:
    """The optimiser's state, `<parameter>|<moment>` to tensor; never trained ones have none."""
    return {
        f"{name}|{moment}": value.detach().cpu().contiguous()
        for name, parameter in named.items()
        for moment, value in optimizer.state.get(parameter, {}).items()
    }


def restore_optimizer(
    optimizer: torch.optim.AdamW, named: Mapping[str, nn.Parameter], tensors: Mapping[str, Tensor]
) -> None:
    """Put a state back; parameters that it does not name start anew."""
    for key, value in tensors.items():
        name, moment = key.split("|")
        if name in named:
            parameter = named[name]
            # AdamW's fused step wants its counter as float32 beside the parameter.
            optimizer.state[parameter][moment] = value.clone().to(parameter.device)


def masked(
    ids: Tensor, stream: int, *, mask_token: int, vocabulary: int, specials: Tensor
) -> tuple[Tensor, Tensor]:
    """MLM's inputs and labels `[tokens]`: 15 % of the tokens chosen by a seeded stream."""
    random = generator(stream)
    chosen = ~torch.isin(ids, specials) & (torch.rand(ids.shape, generator=random) < MASKED_SHARE)
    labels = torch.where(chosen, ids, IGNORED)
    fate = torch.rand(ids.shape, generator=random)
    other = torch.randint(vocabulary, ids.shape, generator=random)
    inputs = torch.where(chosen & (fate < MASK_TOKEN_SHARE), mask_token, ids)
    swapped = chosen & (fate >= MASK_TOKEN_SHARE) & (fate < MASK_TOKEN_SHARE + RANDOM_TOKEN_SHARE)
    return torch.where(swapped, other, inputs), labels


def seed_dropout(params: TrainParams, update: int, rank: int = 0) -> None:
    """Start the dropout of one update from its own stream, so that a resumed one is the same.

    Processes that train together have streams of their own, as their examples are others; that of
    the first, 0, is the one that a process alone has.
    """
    names = [f"{task}:{dose.occurrence}" for task, dose in sorted(params.tasks.items())]
    ranks = [f"rank {rank}"] if rank else []
    torch.manual_seed(derive(params.seed, "dropout", *names, update, *ranks))
