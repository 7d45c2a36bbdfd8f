"""`mewsli-x`: which entity a mention in a news text means: a row alone, which reads nothing.

XTREME-R's tenth task. The paper's texts are rebuilt from news dumps by a script, so no file of them
can be pinned; what was released on the hub later (izhx/mewsli-x) is another version of them.
"""

from xlbench_trainer.tasks.examples import Example
from xlbench_trainer.tasks.pinned import About, Files

_WHY = "the paper's texts are rebuilt by a script, and those on the hub are another version"
_LANGUAGES = ("ar", "de", "en", "es", "fa", "ja", "pl", "ro", "ta", "tr", "uk")

ABOUT = About(
    description="which entity does a mention in a news text mean? (no data)",
    protocol=(
        "mAP@20 over a million entities. Not here: an average over XTREME-R's tasks lacks it, and "
        "must say so."
    ),
    kind="retrieval",
    metrics=("map_at_20",),
    repositories={},
    version="mewsli-x-1",
    train_source="wikipedia",
    licence="none: nothing is read",
    cluster="document",
    splits={},
    excluded=dict.fromkeys(_LANGUAGES, _WHY),
)


def load(split: str, language: str, files: Files) -> list[Example]:  # noqa: ARG001 - no data
    """Nothing."""
    return []
