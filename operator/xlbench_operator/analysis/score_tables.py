"""The report's tables of scores: schedules, languages, seeds, the contrast, probes.

Pure. Called by `xlbench_operator.analysis.report`.
"""

from collections.abc import Mapping, Sequence

from xlbench_specs.languages import ENGLISH
from xlbench_specs.results import (
    MAJORITY,
    CellScores,
    Contrast,
    ScheduleScores,
    ScheduleSummary,
    Summary,
)
from xlbench_specs.runs import Cost, ReportProvenance

from xlbench_operator.analysis.entries import (
    MINUS,
    MISSING,
    Column,
    Entry,
    Part,
    Table,
    difference_entry,
    duration,
    language_name,
    mean_entry,
    metric_name,
    metric_names,
    p_text,
    plain_entry,
    scope_label,
    score_entry,
    verdict_entry,
    word,
)
from xlbench_operator.analysis.wording import points


def schedules_table(summary: Summary, provenance: ReportProvenance, encoder: str) -> Table:
    """Every schedule and baseline: endpoint, English, gap, gain and what it cost."""
    costs = {row.schedule: row.train for row in provenance.schedules}
    costs |= {row.schedule: row.train for row in provenance.schedules if row.encoder == encoder}
    metrics = sorted({name for row in summary.schedules for name in row.other_metrics})
    reference = summary.design.reference
    gains = {
        (row.first, row.scope): (f"gains/{at}", row)
        for at, row in enumerate(summary.gains)
        if row.encoder == encoder
    }
    rows = tuple(
        (
            word(row.schedule, "head"),
            word(row.role, "quiet"),
            mean_entry(row.endpoint.mean, row.endpoint.sd, f"schedules/{at}/endpoint"),
            mean_entry(row.english.mean, row.english.sd, f"schedules/{at}/english"),
            word(_gap(row)),
            *(
                score_entry(row.other_metrics.get(name), f"schedules/{at}/otherMetrics/{name}")
                for name in metrics
            ),
            *(
                _gain(gains.get((row.schedule, scope)))
                for scope in (("endpoint", "english") if reference else ())
            ),
            Entry((Part(f"{row.updates:,}", f"schedules/{at}/updates"),)),
            word(_cost(costs.get(row.schedule))),
        )
        for at, row in enumerate(summary.schedules)
        if row.encoder == encoder
    )
    gained = (Column(f"gain over {reference}"), Column("gain in English")) if reference else ()
    return Table(
        name=f"schedules-{encoder}",
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
            *gained,
            Column("updates"),
            Column("CPU time"),
        ),
        rows=rows,
    )


def _gap(row: ScheduleSummary) -> str:
    """The endpoint's mean less English's."""
    if row.endpoint.mean is None or row.english.mean is None or row.schedule == MAJORITY:
        return MISSING
    return points(row.endpoint.mean - row.english.mean, signed=True)


def _gain(found: tuple[str, Contrast] | None) -> Entry:
    return difference_entry(*found) if found else word(MISSING, "quiet")


def _cost(cost: Cost | None) -> str:
    return MISSING if cost is None or not cost.stages else duration(cost.cpu_s)


def languages_table(summary: Summary, encoder: str, target: str, task: str) -> Table:
    """Every language of one test set: each schedule's mean, the contrast, majority, sizes.

    Languages that it does not have are named in the caption: there may be hundreds.
    """
    cells = _cells(summary, encoder, target, task)
    absent = [cell for _, cell in cells if cell.absent]
    names = list(dict.fromkeys(row.schedule for _, cell in cells for row in cell.schedules))
    contrasts = _cell_contrasts(summary, encoder, target, task)
    first_second = f" {MINUS} ".join(summary.design.contrast)
    return Table(
        name=f"languages-{encoder}-{target}-{task}",
        caption=(
            f"{metric_name(summary.design.metrics[task])} of {task} in points, mean ± standard "
            "deviation over seeds. Languages marked • make the endpoint. The interval of a "
            "difference is its own; a verdict stands only where it holds under Holm over all "
            f"languages.{_without_data(absent)}"
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
            _language_row(at, cell, names, contrasts) for at, cell in cells if not cell.absent
        ),
    )


def _without_data(absent: Sequence[CellScores]) -> str:
    """The languages that a test set does not have, by reason."""
    by_reason: dict[str, list[str]] = {}
    for cell in absent:
        by_reason.setdefault(str(cell.absent), []).append(cell.language)
    return "".join(
        f" {reason[:1].upper()}{reason[1:]}: {', '.join(sorted(codes))}."
        for reason, codes in sorted(by_reason.items(), key=lambda pair: -len(pair[1]))
    )


def _language_order(cell: CellScores) -> tuple[bool, bool, str]:
    """English last, the endpoint's languages first, each by name."""
    return (cell.language == ENGLISH, not cell.in_endpoint, language_name(cell.language))


def _language_row(
    at: int,
    cell: CellScores,
    names: Sequence[str],
    contrasts: Mapping[str, tuple[str, Contrast]],
) -> tuple[Entry, ...]:
    by_name = {row.schedule: (number, row) for number, row in enumerate(cell.schedules)}
    contrast = contrasts.get(cell.language)
    mark = " •" if cell.in_endpoint else ""
    scores = []
    for name in names:
        number, row = by_name.get(name, (0, None))
        path = f"cells/{at}/schedules/{number}"
        sd = row.sd if row and row.role != "baseline" else None
        scores.append(mean_entry(row.mean if row else None, sd, path))
    judged = (
        (difference_entry(*contrast), verdict_entry(contrast[1]))
        if contrast
        else (word(MISSING, "quiet"), word("", "quiet"))
    )
    return (
        word(f"{language_name(cell.language)} ({cell.language}){mark}", "head"),
        *scores,
        score_entry(cell.majority, f"cells/{at}/majority", "quiet"),
        *(judged if contrasts else ()),
        Entry((Part(str(cell.examples), f"cells/{at}/examples"),), "quiet"),
        Entry((Part(str(cell.units), f"cells/{at}/units"),), "quiet"),
    )


def _cell_contrasts(
    summary: Summary, encoder: str, target: str, task: str
) -> Mapping[str, tuple[str, Contrast]]:
    """Language to path and contrast of the cells of one test set, English if it is alone."""
    mine = [
        (f"contrasts/{at}", row)
        for at, row in enumerate(summary.contrasts)
        if row.encoder == encoder
    ]
    cells = {
        row.language: (path, row)
        for path, row in mine
        if row.scope == "cell" and (row.target, row.task) == (target, task) and row.language
    }
    english = next((each for each in mine if each[1].scope == "english"), None)
    if cells and english and english[1].cells == 1:
        cells[ENGLISH] = english
    return cells


def other_metric_tables(summary: Summary, encoder: str, target: str, task: str) -> list[Table]:
    """The task's other metrics in every language, a table each."""
    cells = _cells(summary, encoder, target, task)
    names = list(dict.fromkeys(row.schedule for _, cell in cells for row in cell.schedules))
    metrics = sorted(
        {name for _, cell in cells for row in cell.schedules for name in row.other_metrics}
    )
    return [
        Table(
            name=f"{metric}-{encoder}-{target}-{task}",
            caption=f"{metric_name(metric)} of {task} in points, mean over seeds.",
            columns=(
                Column("language", numeric=False),
                *(Column(name) for name in names),
                Column("majority"),
            ),
            rows=tuple(
                _metric_row(at, cell, names, metric) for at, cell in cells if not cell.absent
            ),
        )
        for metric in metrics
    ]


def _metric_row(at: int, cell: CellScores, names: Sequence[str], metric: str) -> tuple[Entry, ...]:
    by_name = {row.schedule: (number, row) for number, row in enumerate(cell.schedules)}
    scores = [
        score_entry(
            by_name[name][1].other_metrics.get(metric) if name in by_name else None,
            f"cells/{at}/schedules/{by_name.get(name, (0,))[0]}/otherMetrics/{metric}",
        )
        for name in names
    ]
    majority = score_entry(
        cell.other_majority.get(metric), f"cells/{at}/otherMajority/{metric}", "quiet"
    )
    return (word(language_name(cell.language), "head"), *scores, majority)


def _cells(summary: Summary, encoder: str, target: str, task: str) -> list[tuple[int, CellScores]]:
    """Position and cell of one test set, English last, the endpoint's languages first."""
    mine = [
        (at, cell)
        for at, cell in enumerate(summary.cells)
        if (cell.encoder, cell.target, cell.task) == (encoder, target, task)
    ]
    return sorted(mine, key=lambda pair: _language_order(pair[1]))


def seeds_table(summary: Summary, encoder: str, target: str, task: str) -> Table:
    """Every score of every seed and order; what is missing says how it came out."""
    cells = _cells(summary, encoder, target, task)
    seen = {
        (each.seed, each.chain) for _, cell in cells for row in cell.schedules for each in row.seeds
    }
    models = sorted(seen)
    several = any(chain for _, chain in models)
    return Table(
        name=f"seeds-{encoder}-{target}-{task}",
        caption=f"{metric_name(summary.design.metrics[task])} of {task} in points, every seed.",
        columns=(
            Column("language", numeric=False),
            Column("schedule", numeric=False),
            *(
                Column(f"seed {seed}, order {chain + 1}" if several else f"seed {seed}")
                for seed, chain in models
            ),
        ),
        rows=tuple(
            (
                word(language_name(cell.language), "head"),
                word(row.schedule),
                *(
                    _seed_entry(row, model, f"cells/{at}/schedules/{number}/seeds")
                    for model in models
                ),
            )
            for at, cell in cells
            for number, row in enumerate(cell.schedules)
        ),
    )


def _seed_entry(row: ScheduleScores, model: tuple[int, int], path: str) -> Entry:
    """A schedule's score of a seed and order, which not every schedule has."""
    for place, each in enumerate(row.seeds):
        if (each.seed, each.chain) == model and each.score is not None:
            return score_entry(each.score, f"{path}/{place}/score")
        if (each.seed, each.chain) == model:
            return word(each.status, "strong")
    return word(MISSING, "quiet")


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
                difference_entry(path, row),
                score_entry(row.seed_sd, f"{path}/seedSd"),
                score_entry(row.item_se, f"{path}/itemSe"),
                plain_entry(row.degrees_of_freedom, f"{path}/degreesOfFreedom"),
                word(p_text(row.p)),
                verdict_entry(row),
                plain_entry(row.seeds_to_settle, f"{path}/seedsToSettle"),
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
            scores.append(score_entry(row.score if row else None, f"probes/{at}/score"))
            if row and row.chance is not None:
                chance = score_entry(row.chance, f"probes/{at}/chance", "quiet")
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
            *(Column(_probed(summary, *model)) for model in models),
            Column("chance"),
            Column("pool"),
        ),
        rows=tuple(rows),
    )


def _probed(summary: Summary, encoder: str, schedule: str | None, target: str | None) -> str:
    """What to call a model that is probed."""
    if schedule is None:
        return f"bare {encoder}"
    several = len(summary.design.targets) > 1
    return f"{schedule}, {target}" if several else schedule


def xtreme_r_table(summary: Summary) -> Table:
    """Means of XTREME-R's tasks and groups by schedule, and what keeps them from being its own."""
    names = list(dict.fromkeys(row.schedule for row in summary.xtreme_r))
    rows: dict[tuple[str, str], dict[str, Entry]] = {}
    remarks: dict[tuple[str, str], Entry] = {}
    for at, row in enumerate(summary.xtreme_r):
        key = (row.encoder, row.name)
        rows.setdefault(key, {})[row.schedule] = score_entry(row.value, f"xtremeR/{at}/value")
        without = [f"without {', '.join(row.missing)}"] if row.missing else []
        remarks[key] = word("; ".join([*without, *row.differs]) or MISSING, "quiet")
    return Table(
        name="xtreme-r",
        caption=(
            "Means in points as XTREME-R takes them: of a task over its languages that are here, "
            "English among them, and of a group over its tasks. What makes them others than "
            "XTREME-R's own stands beside them; none of them is an XTREME-R score."
        ),
        columns=(
            Column("encoder", numeric=False),
            Column("task or group", numeric=False),
            *(Column(name) for name in names),
            Column("differs from XTREME-R", numeric=False),
        ),
        rows=tuple(
            (
                word(encoder, "quiet"),
                word(name, "head"),
                *(found.get(schedule, word(MISSING, "quiet")) for schedule in names),
                remarks[encoder, name],
            )
            for (encoder, name), found in rows.items()
        ),
    )
