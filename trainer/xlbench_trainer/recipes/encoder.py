"""Recipe `encoder`: put a pinned snapshot into the store, once.

After it no stage needs a network.
Built-in encoders come from packages, hub models from their pinned commit, local folders by hash.
"""

import logging
from pathlib import Path

from huggingface_hub import snapshot_download
from huggingface_hub.constants import HF_HOME
from huggingface_hub.errors import RepositoryNotFoundError, RevisionNotFoundError
from xlbench_specs.encoders import BUILTIN, BUILTIN_ENCODERS
from xlbench_specs.manifests import EncoderRecord
from xlbench_specs.stages import EncoderParams, StageRuntime
from xlbench_specs.store import folder_hash

from xlbench_trainer.builtin.snapshots import LOADERS, save_snapshot
from xlbench_trainer.encoders import config_of, family_in, language_numbers, read_model
from xlbench_trainer.errors import BadTaskError
from xlbench_trainer.sources import offline_words
from xlbench_trainer.vocabularies import tokeniser_of

LOG = logging.getLogger("xlbench.trainer")

WANTED = ("*.json", "*.safetensors", "*.model", "*.txt")
"""Files of a hub model; a pickle is never fetched, so never loaded."""


def run(params: EncoderParams, runtime: StageRuntime, payload: Path) -> EncoderRecord:
    """Write the snapshot as a plain Hugging Face folder in float32.

    Raises:
        BadTaskError: there is no such encoder or revision; it has no safetensors weights; a local
            folder has another hash; this trainer has a built-in encoder at another revision.
        ConnectionError: the hub cannot be reached and has no cached copy.
    """
    if params.model.startswith(BUILTIN):
        name = params.model.removeprefix(BUILTIN)
        if name not in LOADERS:
            known = ", ".join(sorted(LOADERS))
            raise BadTaskError(f"encoder model = {params.model!r}: valid: builtin/ and {known}")
        here = BUILTIN_ENCODERS[name].revision
        if params.revision != here:
            raise BadTaskError(
                f"encoder {params.model}: revision {params.revision} is planned, {here} is here"
            )
        save_snapshot(name, payload)
    else:
        _resave(_source(params, runtime), payload, params.model)
    config = config_of(payload)
    model = read_model(payload, config, family_in(config, params.model))
    return EncoderRecord(
        layers=int(model.config.num_hidden_layers),
        hidden=int(model.config.hidden_size),
        parameters=sum(parameter.numel() for parameter in model.parameters()),
    )


def _source(params: EncoderParams, runtime: StageRuntime) -> Path:
    if params.model == "folder":
        return _local(params.revision, runtime)
    try:
        found = snapshot_download(
            params.model, revision=params.revision, allow_patterns=list(WANTED)
        )
    except (RepositoryNotFoundError, RevisionNotFoundError) as error:
        message = f"encoder model = {params.model!r} at revision {params.revision}: {error}"
        raise BadTaskError(message) from error
    except OSError as error:  # the hub's errors, and those of its cache folder
        message = (
            f"encoder model = {params.model!r} at revision {params.revision}: the hub cannot be "
            f"reached ({offline_words()}) and its cache (HF_HOME = {HF_HOME}) has no copy: fetch "
            "it where there is a network"
        )
        raise ConnectionError(message) from error
    return Path(found)


def _local(revision: str, runtime: StageRuntime) -> Path:
    if revision not in runtime.encoder_folders:
        message = f"encoder folder with revision {revision}: this run was not told where it is"
        raise BadTaskError(message)
    folder = Path(runtime.encoder_folders[revision])
    found = folder_hash(folder)
    if found != revision:
        raise BadTaskError(f"encoder folder {folder}: its revision is {found}, not {revision}")
    return folder


def _resave(source: Path, payload: Path, name: str) -> None:
    try:
        config = config_of(source)
        family = family_in(config, name)
        language_numbers(config, family)  # `prepare` will ask: what it could not be told is refused
        model = read_model(source, config, family)
    except (OSError, ValueError) as error:
        raise BadTaskError(f"encoder {source}: no encoder with safetensors: {error}") from error
    if family.name == "generic":
        LOG.warning(
            "encoder %s: type %s is in no family (docs/reference/encoders.md): read as BERT is, by "
            "its first token, which is wrong for a decoder",
            name,
            config.model_type,
        )
    model.save_pretrained(payload)
    try:
        tokeniser_of(source, config, family).save_pretrained(payload)
    except (OSError, ValueError) as error:
        raise BadTaskError(f"encoder {source}: its tokeniser: {error}") from error
