"""The report's tables of the run: exposure, forgetting, contamination, what failed, what it took.

Pure. Called by `xlbench_operator.analysis.report`.
"""

from collections.abc import Iterator

from xlbench_specs.results import Summary
from xlbench_specs.runs import ReportProvenance

from xlbench_operator.analysis.entries import (
    MISSING,
    Column,
    Entry,
    Part,
    Table,
    count_entry,
    duration,
    language_name,
    plain_entry,
    score_entry,
    word,
)
from xlbench_operator.analysis.wording import points


def ledger_table(summary: Summary) -> Table:
    """Planned and recorded exposure of every schedule and task."""
    several = len(summary.design.targets) > 1
    rows = []
    for at, row in enumerate(summary.ledger):
        path = f"ledger/{at}"
        same = {True: "yes", False: "NO", None: MISSING}[row.same_sequence]
        rows.append(
            (
                word(row.schedule, "head"),
                *([word(row.target)] if several else []),
                word(row.task),
                Entry((Part(f"{row.updates_planned:,}", f"{path}/updatesPlanned"),)),
                count_entry(row.updates, f"{path}/updates"),
                Entry((Part(f"{row.examples_planned:,}", f"{path}/examplesPlanned"),)),
                count_entry(row.examples, f"{path}/examples"),
                count_entry(row.unique_examples, f"{path}/uniqueExamples"),
                plain_entry(row.epochs, f"{path}/epochs"),
                count_entry(row.tokens, f"{path}/tokens"),
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
            *([Column("target", numeric=False)] if several else []),
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
                score_entry(row.score, f"collapsed/{at}/score"),
                score_entry(row.threshold, f"collapsed/{at}/threshold"),
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
