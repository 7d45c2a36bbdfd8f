"""Data sets of the hub: their rows at a pinned commit, or one clear word why there are none.

Only data files are read (parquet, or what `datasets` reads without code of the repository): a
repository's loading script is never run. Called by task files; no embedded task needs it.
"""

from collections.abc import Iterator
from typing import Any, cast

from huggingface_hub.constants import HF_HUB_OFFLINE

from xlbench_trainer.errors import BadTaskError


def hub_rows(repo: str, revision: str, config: str | None, split: str) -> Iterator[dict[str, Any]]:
    """The rows of one split of a data set, in the order in which it has them.

    Args:
        repo: `<owner>/<name>` on the hub, or a folder that is laid out like one.
        revision: 40 hex digits of a commit, never a branch.
        config: name of the configuration; None where there is but one.
        split: name of the split.

    Raises:
        BadTaskError: it has no such configuration or split.
        ConnectionError: the hub cannot be reached and its cache has no copy.
    """
    from datasets import load_dataset  # noqa: PLC0415 - a second, and most processes need none

    name = f"data set {repo!r} at revision {revision}, configuration {config!r}, split {split!r}"
    try:
        rows = load_dataset(repo, config, split=split, revision=revision)
    except ValueError as error:
        raise BadTaskError(f"{name}: {error}") from error
    except OSError as error:  # "not found" and "no network" look alike to `datasets`
        message = (
            f"{name}: not on the hub, or the hub cannot be reached ({offline_words()}) and its "
            "cache (HF_HOME, HF_DATASETS_CACHE) has no copy: fetch it where there is a network"
        )
        raise ConnectionError(message) from error
    yield from cast("Iterator[dict[str, Any]]", iter(rows))


def offline_words() -> str:
    """What keeps this process from the hub, as far as a setting does."""
    return f"HF_HUB_OFFLINE = {int(HF_HUB_OFFLINE)}"
