"""The report's figures, as SVG whose colours are CSS variables.

Pure: a summary in, SVG text out, the same bytes for the same numbers. Each figure is drawn in a
handful of marker colours that are then replaced by variables with a fallback, so that one drawing
serves light and dark pages and also stands alone. Figures are narrow: they must be read at 400 px.
Called by `xlbench_operator.analysis.report`.
"""

import io
import re
from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from xlbench_specs.results import Contrast, Summary
from xlbench_specs.runs import DevScore, ReportProvenance

from xlbench_operator.analysis.entries import MINUS, language_name, scope_label

_WIDTH = 4.7
_ROW = 0.235
_HEAD = 0.85

_COLOURS = {
    "ink": ("#010101", "#22252b"),
    "quiet": ("#020202", "#6b7280"),
    "rule": ("#030303", "#d8dbe0"),
    "band": ("#040404", "#eef0f3"),
    "series-1": ("#050505", "#0b63a5"),
    "series-2": ("#060606", "#c4520a"),
    "series-3": ("#070707", "#2a7d4f"),
    "series-4": ("#080808", "#8a3f8f"),
    "series-5": ("#090909", "#8c7300"),
    "series-6": ("#0a0a0a", "#a02c45"),
}
"""Variable to the marker colour it is drawn in and to what it is without a style sheet."""

_INK, _QUIET, _RULE, _BAND = (_COLOURS[name][0] for name in ("ink", "quiet", "rule", "band"))
_SERIES = tuple(marker for name, (marker, _) in _COLOURS.items() if name.startswith("series"))

_STYLE: dict[Any, Any] = {  # matplotlib types its keys as one long Literal
    "svg.fonttype": "none",
    "svg.hashsalt": "xlbench",
    "font.family": "sans-serif",
    "font.size": 9.0,
    "axes.edgecolor": _RULE,
    "axes.labelcolor": _QUIET,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.spines.left": False,
    "axes.titlesize": 9.0,
    "axes.titlecolor": _INK,
    "axes.titlelocation": "left",
    "axes.titleweight": "bold",
    "xtick.color": _RULE,
    "xtick.labelcolor": _QUIET,
    "ytick.color": _RULE,
    "ytick.labelcolor": _INK,
    "text.color": _INK,
    "legend.frameon": False,
    "legend.fontsize": 8.5,
    "legend.labelcolor": _INK,
}


def figures(summary: Summary, provenance: ReportProvenance) -> dict[str, str]:
    """Name to SVG of every figure that the experiment has numbers for."""
    drawn: dict[str, str] = {}
    with mpl.rc_context(_STYLE):
        for answer in summary.answers:
            cells = [row for row in _of(summary, answer.encoder) if row.scope == "cell"]
            shown = [row for row in cells if row.estimate is not None]
            for target, task in dict.fromkeys((row.target, row.task) for row in shown):
                mine = [row for row in shown if (row.target, row.task) == (target, task)]
                name = f"languages-{answer.encoder}-{target}-{task}"
                drawn[name] = _dot_plot(mine, answer.contrast, summary, f"{task}, by language")
            forest = [row for row in _of(summary, answer.encoder) if row.scope != "cell"]
            if answer.contrast and answer.contrast.estimate is not None:
                drawn[f"forest-{answer.encoder}"] = _forest([answer.contrast, *forest], summary)
            curves = [row for row in summary.forgetting if row.encoder == answer.encoder]
            if any(row.phase > 1 for row in curves):
                drawn[f"forgetting-{answer.encoder}"] = _forgetting(curves)
        if summary.ledger:
            drawn["ledger"] = _ledger(summary)
        if any(row.train.stages for row in provenance.schedules):
            drawn["costs"] = _costs(provenance)
    return drawn


def _of(summary: Summary, encoder: str) -> list[Contrast]:
    return [row for row in summary.contrasts if row.encoder == encoder]


def _dot_plot(
    rows: Sequence[Contrast], endpoint: Contrast | None, summary: Summary, title: str
) -> str:
    """The contrast in every language with its interval, largest first; the endpoint on top."""
    ranked = sorted(rows, key=lambda row: row.estimate or 0.0)
    if endpoint and endpoint.estimate is not None:
        ranked.append(endpoint)
    labels = [
        "endpoint" if row.scope == "endpoint" else f"{language_name(row.language or '')}"
        for row in ranked
    ]
    return _intervals(ranked, labels, summary, title)


def _forest(rows: Sequence[Contrast], summary: Summary) -> str:
    """The contrast over the endpoint, its tasks, and with each task left out."""
    ranked = [row for row in rows if row.estimate is not None][::-1]
    return _intervals(ranked, [scope_label(row) for row in ranked], summary, "over tasks")


def _intervals(
    rows: Sequence[Contrast], labels: Sequence[str], summary: Summary, title: str
) -> str:
    """One row a contrast: point, interval, the margin as a band, zero as a line."""
    figure, axes = _axes(_HEAD + _ROW * len(rows))
    margin = 100 * summary.design.margin
    axes.axvspan(-margin, margin, color=_BAND, linewidth=0, zorder=0)
    axes.axvline(0, color=_QUIET, linewidth=0.8, zorder=1)
    for at, row in enumerate(rows):
        value = 100 * (row.estimate or 0.0)
        primary = row.scope == "endpoint"
        colour = _SERIES[0] if row.verdict in {"better", "worse", "equivalent"} else _QUIET
        if row.low is not None and row.high is not None:
            width = 2.2 if primary else 1.2
            axes.hlines(at, 100 * row.low, 100 * row.high, color=colour, linewidth=width, zorder=2)
        face = colour if row.verdict in {"better", "worse", "equivalent"} or primary else _BAND
        marker, size = ("D", 6.5) if primary else ("o", 5.0)
        axes.plot(
            value,
            at,
            marker,
            markersize=size,
            markerfacecolor=face,
            markeredgecolor=colour,
            zorder=3,
        )
    axes.set_yticks(range(len(rows)), labels)
    for label, row in zip(axes.get_yticklabels(), rows, strict=True):
        label.set_fontweight("bold" if row.scope == "endpoint" else "normal")
    axes.set_ylim(-0.7, len(rows) - 0.3)
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel(f"{f' {MINUS} '.join(summary.design.contrast)}, points")
    axes.set_title(title)
    return _svg(figure)


def _forgetting(rows: Sequence[DevScore]) -> str:
    """English dev scores after each phase: seeds thin, their mean thick, a panel a schedule."""
    names = [
        name
        for name in dict.fromkeys(row.schedule for row in rows)
        if any(row.schedule == name and row.phase > 1 for row in rows)
    ]
    tasks = list(dict.fromkeys(row.task for row in rows))
    lines = (len(names) + 1) // 2
    figure = Figure(figsize=(_WIDTH, 0.5 + 1.75 * lines), layout="constrained")
    grid = figure.subplots(lines, min(2, len(names)), sharey=True, squeeze=False)
    panels = [axes for line in grid for axes in line]
    for axes in panels[len(names) :]:
        axes.set_visible(False)
    for axes, name in zip(panels, names, strict=False):
        mine = [row for row in rows if row.schedule == name]
        for number, task in enumerate(tasks):
            _curves(axes, [row for row in mine if row.task == task], _SERIES[number % 6])
        phases = sorted({row.phase for row in mine})
        axes.set_xticks(phases, [f"{phase}" for phase in phases])
        axes.set_xlim(0.8, max(phases) + 0.2)
        axes.set_title(name)
        axes.grid(axis="y", color=_RULE, linewidth=0.6)
        axes.tick_params(length=0)
        axes.set_xlabel("after phase")
    handles = [
        mpl.lines.Line2D([], [], color=_SERIES[number % 6], linewidth=2, label=task)
        for number, task in enumerate(tasks)
    ]
    figure.legend(handles=handles, loc="outside upper left", ncols=3)
    return _svg(figure)


def _curves(axes: Axes, rows: Sequence[DevScore], colour: str) -> None:
    """The curves of one task: each chain's from the phase that trained it first, and the mean."""
    chains: dict[tuple[str, int, int], list[tuple[int, float]]] = {}
    by_phase: dict[int, list[float]] = {}
    for row in rows:
        chains.setdefault((row.target, row.seed, row.chain), []).append((row.phase, row.score))
        by_phase.setdefault(row.phase, []).append(row.score)
    for points in chains.values():
        phases, scores = zip(*sorted(points), strict=True)
        axes.plot(phases, [100 * score for score in scores], color=colour, linewidth=0.7, alpha=0.5)
    means = [(phase, 100 * sum(each) / len(each)) for phase, each in sorted(by_phase.items())]
    if means:
        phases, values = zip(*means, strict=True)
        axes.plot(phases, values, "o-", color=colour, linewidth=2, markersize=4)


def _ledger(summary: Summary) -> str:
    """Updates of each schedule, by task; one seed, all targets."""
    encoder = summary.ledger[0].encoder
    rows = [row for row in summary.ledger if row.encoder == encoder and row.role != "baseline"]
    names = list(dict.fromkeys(row.schedule for row in rows))[::-1]
    tasks = sorted(
        dict.fromkeys(row.task for row in rows), key=lambda task: task in summary.design.targets
    )
    figure, axes = _axes(_HEAD + 0.3 + 0.32 * len(names))
    left = dict.fromkeys(names, 0)
    for number, task in enumerate(tasks):
        for at, name in enumerate(names):
            mine = [row for row in rows if (row.schedule, row.task) == (name, task)]
            updates = sum(row.updates_planned for row in mine)
            if updates:
                label = task if name == next(r.schedule for r in rows if r.task == task) else None
                axes.barh(at, updates, 0.62, left[name], color=_SERIES[number % 6], label=label)
                left[name] += updates
    axes.set_yticks(range(len(names)), names)
    axes.tick_params(length=0)
    axes.set_xlabel("updates of one seed")
    figure.legend(loc="outside upper left", ncols=3)
    return _svg(figure)


def _costs(provenance: ReportProvenance) -> str:
    """CPU time of each schedule's training."""
    rows = [row for row in provenance.schedules if row.train.stages][::-1]
    figure, axes = _axes(_HEAD + 0.32 * len(rows))
    axes.barh(range(len(rows)), [row.train.cpu_s / 60 for row in rows], 0.62, color=_SERIES[0])
    several = len({row.schedule for row in rows}) < len(rows)
    labels = [f"{row.schedule} ({row.encoder})" if several else row.schedule for row in rows]
    axes.set_yticks(range(len(rows)), labels)
    axes.tick_params(length=0)
    axes.set_xlabel("CPU minutes of training")
    return _svg(figure)


def _axes(height: float) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(_WIDTH, height), layout="constrained")
    return figure, figure.subplots()


def _svg(figure: Figure) -> str:
    """The figure as an SVG element: variables for colours, no fixed size, no XML head."""
    buffer = io.StringIO()
    figure.patch.set_alpha(0)
    for axes in figure.axes:
        axes.patch.set_alpha(0)
    figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    for name, (marker, fallback) in _COLOURS.items():
        text = text.replace(marker, f"var(--{name}, {fallback})")
    text = re.sub(r"font: ([0-9.]+)px [^;\"]*", r"font-size: \1px; font-family: inherit", text)
    return re.sub(
        r'(<svg[^>]*?) width="[^"]*"',
        r"\1",
        re.sub(r' height="[0-9.]+pt"', "", text, count=1),
        count=1,
    )
