"""What the report's tables are made of: entries that know where in the summary they come from.

Pure. A `Table` is written as HTML and as Markdown by the templates, so both say the same; an entry
that is a number of `summary.json` carries its path there, which a test follows back. Called by
`score_tables`, `run_tables` and `figures`.
"""

from dataclasses import dataclass
from typing import NamedTuple

from xlbench_specs.languages import LANGUAGES
from xlbench_specs.results import Contrast, Summary

from xlbench_operator.analysis.wording import points

MISSING = "\N{EN DASH}"
MINUS = "\N{MINUS SIGN}"
MINUTE, HOUR = 60, 3600
SMALL_P = 0.001
_METRIC_NAMES = {
    "macro_f1": "macro-F1",
    "weighted_f1": "weighted F1",
    "span_f1": "span F1",
    "xtreme_f1": "XTREME's F1",
    "squad_f1": "F1 (SQuAD)",
    "squad_em": "exact match (SQuAD)",
    "mlqa_f1": "F1 (MLQA)",
    "mlqa_em": "exact match (MLQA)",
    "accuracy_at_1": "accuracy at 1",
    "accuracy_from_english": "accuracy at 1 from English",
    "map_at_20": "mAP@20",
    "mining_f1": "F1 of mined pairs",
}


class Part(NamedTuple):
    """A piece of an entry."""

    text: str
    path: str = ""
    """Path of the number in the summary, keys and positions joined by slashes."""


class Entry(NamedTuple):
    """What stands in one place of a table."""

    parts: tuple[Part, ...]
    kind: str = ""
    """`strong`, `quiet` or `head`: how it is set."""

    @property
    def text(self) -> str:
        """The entry as plain text."""
        return "".join(part.text for part in self.parts)


class Column(NamedTuple):
    """A column's head."""

    label: str
    numeric: bool = True


@dataclass(frozen=True, slots=True)
class Table:
    """A table of the report."""

    name: str
    caption: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Entry, ...], ...]


def word(text: str, kind: str = "") -> Entry:
    """An entry that is no number of the summary."""
    return Entry((Part(text),), kind)


def language_name(code: str) -> str:
    """The English name of a language, or its code."""
    return LANGUAGES[code].name if code in LANGUAGES else code


def metric_names(summary: Summary) -> str:
    """The metrics of the endpoint, in words."""
    return " and ".join(dict.fromkeys(map(metric_name, summary.design.metrics.values())))


def metric_name(metric: str) -> str:
    """A metric as people write it."""
    return _METRIC_NAMES.get(metric, metric)


def scope_label(contrast: Contrast) -> str:
    """What a contrast is taken over, in words."""
    alone = contrast.task == contrast.target
    labels = {
        "endpoint": "endpoint",
        "english": "English",
        "gap": f"endpoint {MINUS} English",
        "task": f"{contrast.task}" if alone else f"{contrast.target} on {contrast.task}",
        "without-target": f"without {contrast.target}",
        "cell": language_name(contrast.language or ""),
    }
    return labels[contrast.scope]


def duration(seconds: float) -> str:
    """Seconds in the unit that reads best."""
    if seconds < MINUTE:
        return f"{seconds:.0f} s"
    if seconds < HOUR:
        return f"{seconds / MINUTE:.1f} min"
    return f"{seconds / HOUR:.1f} h"


def score_entry(value: float | None, path: str, kind: str = "") -> Entry:
    """A fraction in points."""
    return word(MISSING, "quiet") if value is None else Entry((Part(points(value), path),), kind)


def count_entry(value: float | None, path: str) -> Entry:
    """A mean count over seeds."""
    return word(MISSING, "quiet") if value is None else Entry((Part(f"{value:,.0f}", path),))


def mean_entry(mean: float | None, sd: float | None, path: str) -> Entry:
    """A mean in points with its spread."""
    if mean is None:
        return word(MISSING, "quiet")
    spread = () if sd is None else (Part(" ± "), Part(points(sd), f"{path}/sd"))
    return Entry((Part(points(mean), f"{path}/mean"), *spread))


def difference_entry(path: str, contrast: Contrast) -> Entry:
    """A difference in points with its interval."""
    if contrast.estimate is None:
        return word(MISSING, "quiet")
    parts = [Part(points(contrast.estimate, signed=True), f"{path}/estimate")]
    if contrast.low is not None and contrast.high is not None:
        low, high = (
            Part(points(contrast.low), f"{path}/low"),
            Part(points(contrast.high), f"{path}/high"),
        )
        parts += [Part(" ["), low, Part(", "), high, Part("]")]
    decided = contrast.verdict in {"better", "worse"}
    return Entry(tuple(parts), "strong" if decided else "")


def verdict_entry(contrast: Contrast) -> Entry:
    """The verdict; strong where something was decided."""
    decided = contrast.verdict in {"better", "worse", "equivalent"}
    return word(contrast.verdict or MISSING, "strong" if decided else "quiet")


def plain_entry(value: float | None, path: str) -> Entry:
    """A number as it is, to three digits."""
    return word(MISSING, "quiet") if value is None else Entry((Part(f"{value:.3g}", path),))


def p_text(value: float | None) -> str:
    """A p value to three digits."""
    if value is None:
        return MISSING
    return "< 0.001" if value < SMALL_P else f"{value:.3f}"
