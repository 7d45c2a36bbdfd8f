"""The report's tables: what stands in each place, and where in the summary it comes from.

Pure. A `Table` is written as HTML and as Markdown by the templates, so both say the same; an entry
that is a number of `summary.json` carries its path there, which a test follows back. Called by
`xlbench_operator.analysis.report`.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from xlbench_specs.languages import LANGUAGES
from xlbench_specs.results import CellScores, Contrast, Cost, ReportProvenance, Summary

from xlbench_operator.analysis.wording import points

MISSING = "\N{EN DASH}"
MINUS = "\N{MINUS SIGN}"
MINUTE, HOUR = 60, 3600
SMALL_P = 0.001
_METRIC_NAMES = {
    "macro_f1": "macro-F1",
    "span_f1": "span F1",
    "accuracy_at_1": "accuracy at 1",
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


def schedules_table(summary: Summary, provenance: ReportProvenance, encoder: str) -> Table:
    """Every schedule and baseline: endpoint, English, gap, gain and what it cost."""
    costs = {row.schedule: row.train for row in provenance.schedules}
    costs |= {row.schedule: row.train for row in provenance.schedules if row.encoder == encoder}
    metrics = sorted({name for row in summary.schedules for name in row.other_metrics})
    gains = {
        (row.first, row.scope): (at, row)
        for at, row in enumerate(summary.gains)
        if row.encoder == encoder
    }
    rows = []
    for at, row in enumerate(summary.schedules):
        if row.encoder != encoder:
            continue
        path = f"schedules/{at}"
        gap = (
            points(row.endpoint.mean - row.english.mean, signed=True)
            if row.endpoint.mean is not None and row.english.mean is not None
            else MISSING
        )
        rows.append(
            (
                word(row.schedule, "head"),
                word(row.role, "quiet"),
                _mean(row.endpoint.mean, row.endpoint.sd, f"{path}/endpoint"),
                _mean(row.english.mean, row.english.sd, f"{path}/english"),
                word(gap),
                *(
                    _number(row.other_metrics.get(name), f"{path}/otherMetrics/{name}")
                    for name in metrics
                ),
                *(
                    _difference(*gains[row.schedule, scope], "gains")
                    if (row.schedule, scope) in gains
                    else word(MISSING, "quiet")
                    for scope in ("endpoint", "english")
                ),
                Entry((Part(f"{row.updates:,}", f"{path}/updates"),)),
                word(_cost(costs.get(row.schedule))),
            )
        )
    reference = summary.design.reference
    gain = f"gain over {reference}" if reference else "gain"
    return Table(
        name="schedules",
        caption=(
            f"Mean {metric_names(summary)} over the endpoint, in points, ± standard deviation over "
            "seeds. Gains carry their interval. Updates are those of one seed; CPU time is that "
            "of all its training, shared stages counted in full."
        ),
        columns=(
            Column("schedule", numeric=False),
            Column("role", numeric=False),
            Column("endpoint"),
            Column("English"),
            Column("gap"),
            *(Column(f"{metric_name(name)}, endpoint") for name in metrics),
            Column(gain),
            Column("gain in English"),
            Column("updates"),
            Column("CPU time"),
        ),
        rows=tuple(rows),
    )


def languages_table(summary: Summary, encoder: str, target: str, task: str) -> Table:
    """Every language of one test set: each schedule's mean, the contrast, majority, sizes."""
    cells = [
        (at, cell)
        for at, cell in enumerate(summary.cells)
        if (cell.encoder, cell.target, cell.task) == (encoder, target, task)
    ]
    names = list(dict.fromkeys(row.schedule for _, cell in cells for row in cell.schedules))
    contrasts = _cell_contrasts(summary, encoder, target, task)
    first_second = f" {MINUS} ".join(summary.design.contrast)
    return Table(
        name=f"languages-{encoder}-{target}-{task}",
        caption=(
            f"{metric_name(summary.design.metrics[task])} of {task} in points, mean over seeds. "
            "Languages marked • make the endpoint. The interval of a difference is its own; "
            "a verdict stands only where it holds under Holm over all languages."
        ),
        columns=(
            Column("language", numeric=False),
            *(Column(name) for name in names),
            Column("majority"),
            *((Column(first_second), Column("verdict", numeric=False)) if contrasts else ()),
            Column("items"),
            Column("units"),
        ),
        rows=tuple(
            _language_row(at, cell, names, contrasts)
            for at, cell in sorted(cells, key=lambda pair: _language_order(pair[1]))
        ),
    )


def _language_order(cell: CellScores) -> tuple[bool, bool, str]:
    """English last, the endpoint's languages first, each by name."""
    return (cell.language == "en", not cell.in_endpoint, language_name(cell.language))


def _language_row(
    at: int,
    cell: CellScores,
    names: Sequence[str],
    contrasts: Mapping[str, tuple[int, Contrast]],
) -> tuple[Entry, ...]:
    by_name = {row.schedule: (number, row) for number, row in enumerate(cell.schedules)}
    contrast = contrasts.get(cell.language)
    mark = " •" if cell.in_endpoint else ""
    scores = []
    for name in names:
        number, row = by_name.get(name, (0, None))
        path = f"cells/{at}/schedules/{number}/mean"
        scores.append(_number(row.mean if row else None, path))
    judged = (
        (_difference(*contrast, "contrasts"), _verdict(contrast[1]))
        if contrast
        else (word(MISSING, "quiet"), word(cell.absent or "", "quiet"))
    )
    return (
        word(f"{language_name(cell.language)} ({cell.language}){mark}", "head"),
        *scores,
        _number(cell.majority, f"cells/{at}/majority", "quiet"),
        *(judged if contrasts else ()),
        Entry((Part(str(cell.examples), f"cells/{at}/examples"),), "quiet"),
        Entry((Part(str(cell.units), f"cells/{at}/units"),), "quiet"),
    )


def seeds_table(summary: Summary, encoder: str, target: str, task: str) -> Table:
    """Every score of every seed; what is missing says how it came out."""
    cells = [
        (at, cell)
        for at, cell in enumerate(summary.cells)
        if (cell.encoder, cell.target, cell.task) == (encoder, target, task)
    ]
    rows = []
    for at, cell in sorted(cells, key=lambda pair: _language_order(pair[1])):
        for number, row in enumerate(cell.schedules):
            scores = tuple(
                _number(each.score, f"cells/{at}/schedules/{number}/seeds/{place}/score")
                if each.score is not None
                else word(each.status, "strong")
                for place, each in enumerate(row.seeds)
            )
            name = language_name(cell.language)
            rows.append((word(name, "head"), word(row.schedule), *scores))
    heads = next((row.seeds for _, cell in cells for row in cell.schedules), [])
    width = max((len(row) - 2 for row in rows), default=0)
    labels = [f"seed {each.seed}" for each in heads] + [""] * (width - len(heads))
    return Table(
        name=f"seeds-{encoder}-{target}-{task}",
        caption=f"{metric_name(summary.design.metrics[task])} of {task} in points, every seed.",
        columns=(
            Column("language", numeric=False),
            Column("schedule", numeric=False),
            *(Column(label) for label in labels[:width]),
        ),
        rows=tuple((*row, *[word("")] * (width + 2 - len(row))) for row in rows),
    )


def scopes_table(summary: Summary, encoder: str) -> Table:
    """The primary contrast in every scope but single cells, with what its error is made of."""
    rows = []
    answers = [
        (f"answers/{at}/contrast", answer.contrast)
        for at, answer in enumerate(summary.answers)
        if answer.encoder == encoder and answer.contrast
    ]
    others = [
        (f"contrasts/{at}", row)
        for at, row in enumerate(summary.contrasts)
        if row.encoder == encoder and row.scope != "cell"
    ]
    for path, row in (*answers, *others):
        rows.append(
            (
                word(scope_label(row), "head"),
                _difference_at(path, row),
                _number(row.seed_sd, f"{path}/seedSd"),
                _number(row.item_se, f"{path}/itemSe"),
                _plain(row.degrees_of_freedom, f"{path}/degreesOfFreedom"),
                word(_p(row.p)),
                _verdict(row),
                _plain(row.seeds_to_settle, f"{path}/seedsToSettle"),
            )
        )
    return Table(
        name=f"scopes-{encoder}",
        caption=(
            f" {MINUS} ".join(summary.design.contrast)
            + ", in points. The first row is the declared question; the others are secondary and "
            "not corrected for their number."
        ),
        columns=(
            Column("over", numeric=False),
            Column("difference"),
            Column("SD over seeds"),
            Column("SE of items"),
            Column("df"),
            Column("p"),
            Column("verdict", numeric=False),
            Column("seeds to settle"),
        ),
        rows=tuple(rows),
    )


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


def ledger_table(summary: Summary) -> Table:
    """Planned and recorded exposure of every schedule and task."""
    rows = []
    for at, row in enumerate(summary.ledger):
        path = f"ledger/{at}"
        same = {True: "yes", False: "NO", None: MISSING}[row.same_sequence]
        rows.append(
            (
                word(row.schedule, "head"),
                word(row.task),
                Entry((Part(f"{row.updates_planned:,}", f"{path}/updatesPlanned"),)),
                _count(row.updates, f"{path}/updates"),
                Entry((Part(f"{row.examples_planned:,}", f"{path}/examplesPlanned"),)),
                _count(row.examples, f"{path}/examples"),
                _count(row.unique_examples, f"{path}/uniqueExamples"),
                _plain(row.epochs, f"{path}/epochs"),
                _count(row.tokens, f"{path}/tokens"),
                word(same, "strong" if row.same_sequence is False else ""),
            )
        )
    return Table(
        name="ledger",
        caption=(
            "What each schedule trained of each task, for one seed: planned, and recorded by the "
            "trainer (mean over seeds). The last column says whether all arms saw the same "
            "examples in the same order."
        ),
        columns=(
            Column("schedule", numeric=False),
            Column("task", numeric=False),
            Column("updates planned"),
            Column("recorded"),
            Column("examples planned"),
            Column("recorded"),
            Column("different"),
            Column("epochs"),
            Column("tokens"),
            Column("same examples", numeric=False),
        ),
        rows=tuple(rows),
    )


def forgetting_table(summary: Summary) -> Table:
    """Each task's English dev score after its own phase and at the end, mean over seeds."""
    groups: dict[tuple[str, str, str], list[tuple[float, float]]] = {}
    for encoder, schedule, task, own, last in _own_and_last(summary):
        groups.setdefault((encoder, schedule, task), []).append((own, last))
    rows = []
    for (encoder, schedule, task), pairs in groups.items():
        own, last = (sum(values) / len(pairs) for values in zip(*pairs, strict=True))
        rows.append(
            (
                word(schedule, "head"),
                word(encoder, "quiet"),
                word(task),
                word(points(own)),
                word(points(last)),
                word(points(last - own, signed=True)),
            )
        )
    return Table(
        name="forgetting",
        caption=(
            "English dev score of the earlier tasks, in points: after their own phase, at the end "
            "of the chain, and the difference (mean over seeds)."
        ),
        columns=(
            Column("schedule", numeric=False),
            Column("encoder", numeric=False),
            Column("task", numeric=False),
            Column("after its phase"),
            Column("at the end"),
            Column("change"),
        ),
        rows=tuple(rows),
    )


def _own_and_last(summary: Summary) -> Iterator[tuple[str, str, str, float, float]]:
    """For each chain and earlier task: score after its last own phase, and at the end."""
    chains: dict[tuple[str, str, str, int, int, str], list[tuple[int, bool, float]]] = {}
    for row in summary.forgetting:
        key = (row.encoder, row.schedule, row.target, row.seed, row.chain, row.task)
        chains.setdefault(key, []).append((row.phase, row.task in row.trained, row.score))
    for (encoder, schedule, target, _, _, task), scores in chains.items():
        own = [score for _, trained, score in sorted(scores) if trained]
        if task != target and own:
            yield encoder, schedule, task, own[-1], max(scores)[2]


def probes_table(summary: Summary) -> Table:
    """Retrieval scores: a row for each language, a column for each model."""
    models = list(dict.fromkeys((row.encoder, row.schedule, row.target) for row in summary.probes))
    places = list(dict.fromkeys((row.task, row.language) for row in summary.probes))
    found = {
        (row.task, row.language, row.encoder, row.schedule, row.target): (at, row)
        for at, row in enumerate(summary.probes)
    }
    rows = []
    for task, language in places:
        scores, chance, pool = [], word(MISSING), word("")
        for model in models:
            at, row = found.get((task, language, *model), (0, None))
            scores.append(_number(row.score if row else None, f"probes/{at}/score"))
            if row and row.chance is not None:
                chance = _number(row.chance, f"probes/{at}/chance", "quiet")
                pool = Entry((Part(str(row.examples), f"probes/{at}/examples"),), "quiet")
        rows.append((word(language_name(language), "head"), word(task), *scores, chance, pool))
    return Table(
        name="probes",
        caption=(
            "Retrieval without training for it, in points: one seed of each arm beside the bare "
            "encoder. A score holds for its pool, so it has no interval."
        ),
        columns=(
            Column("language", numeric=False),
            Column("probe", numeric=False),
            *(Column(schedule or f"bare {encoder}") for encoder, schedule, _ in models),
            Column("chance"),
            Column("pool"),
        ),
        rows=tuple(rows),
    )


def contamination_table(summary: Summary) -> Table:
    """The pairs of training and test set that share anything."""
    rows = tuple(
        (
            word(row.train_task, "head"),
            word(f"{row.test_task}, {language_name(row.language)}"),
            Entry((Part(str(row.same_text), f"contamination/{at}/sameText"),), "strong"),
            Entry((Part(str(row.same_gram), f"contamination/{at}/sameGram"),)),
            Entry((Part(str(row.examples), f"contamination/{at}/examples"),), "quiet"),
        )
        for at, row in enumerate(summary.contamination)
        if row.same_text or row.same_gram
    )
    return Table(
        name="contamination",
        caption=(
            "Test items that a training set holds, as a whole text or as eight words in a row. "
            "Pairs of sets that share nothing are left out."
        ),
        columns=(
            Column("trained on", numeric=False),
            Column("tested on", numeric=False),
            Column("same text"),
            Column("same eight words"),
            Column("items"),
        ),
        rows=rows,
    )


def collapsed_table(summary: Summary) -> Table:
    """Runs that learnt nothing."""
    return Table(
        name="collapsed",
        caption="Runs whose English dev score is no better than a constant prediction; they count.",
        columns=(
            Column("schedule", numeric=False),
            Column("target", numeric=False),
            Column("seed"),
            Column("metric", numeric=False),
            Column("English dev"),
            Column("threshold"),
        ),
        rows=tuple(
            (
                word(row.schedule, "head"),
                word(row.target),
                Entry((Part(str(row.seed), f"collapsed/{at}/seed"),)),
                word(row.metric),
                _number(row.score, f"collapsed/{at}/score"),
                _number(row.threshold, f"collapsed/{at}/threshold"),
            )
            for at, row in enumerate(summary.collapsed)
        ),
    )


def missing_table(summary: Summary) -> Table:
    """Planned scores that are not there, those of one model and reason together."""
    groups: dict[tuple[str, ...], list[str]] = {}
    for row in summary.missing:
        owner = row.schedule or f"bare {row.encoder}"
        seed = "" if row.seed is None else str(row.seed)
        key = (owner, row.task, seed, row.status, row.reason)
        groups.setdefault(key, []).append(row.language)
    return Table(
        name="missing",
        caption="Planned scores that are not there.",
        columns=tuple(
            Column(label, numeric=False)
            for label in ("schedule", "task", "seed", "status", "reason", "languages")
        ),
        rows=tuple(
            (word(key[0], "head"), *(word(text) for text in key[1:]), word(", ".join(languages)))
            for key, languages in groups.items()
        ),
    )


def costs_table(provenance: ReportProvenance) -> Table:
    """What each kind of stage took."""
    return Table(
        name="costs",
        caption="What the stages took, every stage counted once.",
        columns=(
            Column("kind", numeric=False),
            Column("stages"),
            Column("wall time"),
            Column("CPU time"),
        ),
        rows=tuple(
            (
                word(kind, "head"),
                word(str(cost.stages)),
                word(duration(cost.wall_s)),
                word(duration(cost.cpu_s)),
            )
            for kind, cost in provenance.kinds.items()
        ),
    )


def duration(seconds: float) -> str:
    """Seconds in the unit that reads best."""
    if seconds < MINUTE:
        return f"{seconds:.0f} s"
    if seconds < HOUR:
        return f"{seconds / MINUTE:.1f} min"
    return f"{seconds / HOUR:.1f} h"


def _cost(cost: Cost | None) -> str:
    return MISSING if cost is None or not cost.stages else duration(cost.cpu_s)


def _cell_contrasts(
    summary: Summary, encoder: str, target: str, task: str
) -> Mapping[str, tuple[int, Contrast]]:
    """Language to position and contrast of the cells of one test set, English if it is alone."""
    mine = [(at, row) for at, row in enumerate(summary.contrasts) if row.encoder == encoder]
    cells = {
        row.language: (at, row)
        for at, row in mine
        if row.scope == "cell" and (row.target, row.task) == (target, task) and row.language
    }
    english = next((each for each in mine if each[1].scope == "english"), None)
    if cells and english and english[1].cells == 1:
        cells["en"] = english
    return cells


def metric_names(summary: Summary) -> str:
    """The metrics of the endpoint, in words."""
    return " and ".join(dict.fromkeys(map(metric_name, summary.design.metrics.values())))


def metric_name(metric: str) -> str:
    """A metric as people write it."""
    return _METRIC_NAMES.get(metric, metric)


def _number(value: float | None, path: str, kind: str = "") -> Entry:
    """A fraction in points."""
    return word(MISSING, "quiet") if value is None else Entry((Part(points(value), path),), kind)


def _count(value: float | None, path: str) -> Entry:
    """A mean count over seeds."""
    return word(MISSING, "quiet") if value is None else Entry((Part(f"{value:,.0f}", path),))


def _mean(mean: float | None, sd: float | None, path: str) -> Entry:
    """A mean in points with its spread."""
    if mean is None:
        return word(MISSING, "quiet")
    spread = () if sd is None else (Part(" ± "), Part(points(sd), f"{path}/sd"))
    return Entry((Part(points(mean), f"{path}/mean"), *spread))


def _difference(at: int, contrast: Contrast, where: str) -> Entry:
    return _difference_at(f"{where}/{at}", contrast)


def _difference_at(path: str, contrast: Contrast) -> Entry:
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


def _verdict(contrast: Contrast) -> Entry:
    decided = contrast.verdict in {"better", "worse", "equivalent"}
    return word(contrast.verdict or MISSING, "strong" if decided else "quiet")


def _plain(value: float | None, path: str) -> Entry:
    """A number as it is, to three digits."""
    return word(MISSING, "quiet") if value is None else Entry((Part(f"{value:.3g}", path),))


def _p(value: float | None) -> str:
    if value is None:
        return MISSING
    return "< 0.001" if value < SMALL_P else f"{value:.3f}"
