"""XGLUE's own understanding tasks: NC, QADSM, WPR and QAM, in the form that XGLUE publishes.

**Not run on real data here**: no public repository carries the files, so no row of the task table
names them, and they are tested on hand-made files in the published form. Where the archive of
XGLUE is unpacked as `microsoft/XGLUE/<TASK>/xglue.<task>.<language>.<split>` in a mirror folder,
`survey` writes their rows. Source of form and scores: microsoft/XGLUE, `Data_Format.txt` 49c71fc1
and `evaluation/xglue_evaluate.py` 8e66a303.
"""

from dataclasses import dataclass

from xlbench_trainer.tasks.codes import codes_of
from xlbench_trainer.tasks.examples import Example, example
from xlbench_trainer.tasks.pinned import About, Files
from xlbench_trainer.tasks.tables import unquoted

_REPOSITORY = "microsoft/XGLUE"
_COMMIT = "8e66a3037ccc79e16364f47c68854a0292c2818c"
_LICENCE = "XGLUE's own terms: for research alone"


@dataclass(frozen=True, slots=True)
class Sheet:
    """A task whose rows end in texts and a label, separated by tabs."""

    ABOUT: About
    name: str
    """As XGLUE writes it, in capitals."""
    texts: int
    """Texts before the label; the second and third of three are read as one."""

    def load(self, split: str, language: str, files: Files) -> list[Example]:
        """All rows of a split in a language, in the source's order.

        Raises: `ValueError` for a row without a label, such as XGLUE's archive has for test.
        """
        code = self.ABOUT.splits[split][language]
        path = f"{self.name}/xglue.{self.name.lower()}.{code}.{split}"
        found: list[Example] = []
        asked, query = "", 0
        for number, row in enumerate(unquoted(files.text(_REPOSITORY, path))):
            first, *rest, label = row[-self.texts - 1 :]
            if label not in self.ABOUT.labels:
                raise ValueError(
                    f"{_REPOSITORY}/{path}: row {number + 1}: {label!r} is no label of "
                    f"{', '.join(self.ABOUT.labels)}; test labels are in a file of their own: join "
                    f"them as the last column"
                )
            query += number > 0 and first != asked
            asked = first
            unit = query if "ndcg" in self.ABOUT.metrics else number
            found.append(
                example(
                    [first, " ".join(rest)],
                    [label],
                    language=language,
                    example_id=str(number),
                    cluster_id=f"xglue-{self.name.lower()}:{language}:{split}:{unit}",
                )
            )
        return found


def _about(
    description: str, languages: str, labels: tuple[str, ...], *metrics: str, cluster: str = "row"
) -> About:
    return About(
        description=description,
        protocol=(
            "Not run on real data here. English train, per-language dev and test, in XGLUE's form; "
            f"scored as xglue_evaluate.py does: {metrics[0]}."
        ),
        kind="classification",
        metrics=metrics,
        labels=labels,
        repositories={_REPOSITORY: _COMMIT},
        version="xglue-1",
        train_source="xglue",
        licence=_LICENCE,
        non_commercial=True,
        cluster=cluster,
        splits={"train": codes_of("en"), "dev": codes_of(languages), "test": codes_of(languages)},
    )


_SECTIONS = (
    "autos", "entertainment", "finance", "foodanddrink", "health", "lifestyle", "news", "sports",
    "travel", "video",
)  # fmt: skip

NC = Sheet(
    _about("which section does a news article belong to?", "de en es fr ru", _SECTIONS, "accuracy"),
    "NC",
    texts=2,
)
QADSM = Sheet(
    _about("does an advertisement fit a query?", "de en fr", ("Bad", "Good"), "accuracy"),
    "QADSM",
    texts=3,
)
WPR = Sheet(
    _about(
        "how well does a web page fit a query, of 0 to 4? Pages are ranked by it",
        "de en es fr it pt zh",
        ("0", "1", "2", "3", "4"),
        "ndcg",
        "accuracy",
        cluster="query",
    ),
    "WPR",
    texts=3,
)
QAM = Sheet(
    _about("does a passage answer a question?", "de en fr", ("0", "1"), "accuracy"),
    "QAM",
    texts=2,
)
