"""`xlbench plan SPEC`: what a spec means, costs and can show, before anything is spent.

Prints and decides nothing: numbers come from `planning` and `analysis.inference`.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, NamedTuple

import typer
from rich.console import Console
from rich.table import Table
from xlbench_specs.errors import SpecError
from xlbench_specs.exits import CommandExit
from xlbench_specs.plans import Plan
from xlbench_specs.stages import KINDS
from xlbench_specs.tasks import task_table

from xlbench_operator.checks import SOME_DIGEST
from xlbench_operator.commands.validate import load_spec, verdict_on
from xlbench_operator.planning.cost import GFLOPS, KEPT, MODEL, Trainings, cost_of, sharing_of
from xlbench_operator.planning.drawing import mermaid_of
from xlbench_operator.planning.plan import local_uid, make_plan

POWER = 0.8
"""Probability of showing the smallest difference, should it be the true one."""
SEED_SD_POINTS = 1.0
"""Assumed standard deviation over seeds of the paired difference between two arms, in points."""


class Section(NamedTuple):
    """A titled table with remarks below it."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    remarks: Sequence[str] = ()


def plan(
    spec: Annotated[Path, typer.Argument(help="Spec file.", show_default=False)],
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print the plan document.")] = False,
    mermaid: Annotated[
        bool, typer.Option("--mermaid", help="Print the stages as a Mermaid flow chart.")
    ] = False,
    gflops: Annotated[
        float, typer.Option(min=1e-3, help="GFLOP/s of one trainer process.")
    ] = GFLOPS,
) -> None:
    """Show what a spec means, costs and can show: exit code 2 if it must be edited."""
    if as_json and mermaid:
        raise typer.BadParameter("give --json or --mermaid, not both")
    try:
        document = load_spec(spec)
        found = make_plan(
            document, task_table(), uid=local_uid(document), trainer_build=SOME_DIGEST
        )
    except (SpecError, OSError) as error:
        typer.echo(verdict_on(spec).text, err=True)
        raise typer.Exit(CommandExit.BAD_SPEC) from error
    if as_json or mermaid:
        typer.echo(found.text() if as_json else mermaid_of(found), nl=False)
        _say(Console(stderr=True), _words(found))
    else:
        _say(Console(), _sections(found, gflops))


def _sections(found: Plan, gflops: float) -> Iterator[Section]:
    yield _stages(found)
    yield _ledger(found)
    yield _sharing(found)
    yield _cost(found, gflops)
    yield _detectable(found)
    yield from _words(found)


def _words(found: Plan) -> Iterator[Section]:
    """What is said of a plan, however it is shown."""
    rows = [(warning.code, f"{warning.path}: {warning.message}") for warning in found.warnings]
    salted = found.spec.spec.reuse == "sameTrainer"
    note = "reuse: sameTrainer: keys hold the trainer's build, which only a run knows"
    yield Section(
        f"{len(rows)} warnings", ("code", "what a reviewer would say"), rows, [note] * salted
    )


def _stages(found: Plan) -> Section:
    stages = Counter(stage.kind for stage in found.stages.values())
    jobs = Counter(bundle.kind for bundle in found.bundles)
    for counts in (stages, jobs):
        counts["report"] = 1
    rows = [(kind, f"{stages[kind]:,}", f"{jobs[kind]:,}") for kind in KINDS]
    total = ("all", f"{stages.total():,}", f"{jobs.total():,}")
    languages = f"{len(found.languages.codes)} languages and English"
    packing = f"evaluation is packed by {found.spec.spec.execution.packing}"
    return Section(
        f"{found.name}: {len(found.models)} models, {languages}",
        ("kind", "stages", "jobs"),
        [*rows, total],
        [packing],
    )


def _ledger(found: Plan) -> Section:
    rows = [
        (
            row.schedule,
            row.role,
            row.target,
            row.task,
            f"{row.updates:,}",
            f"{row.examples:,}",
            f"{row.epochs:.2f}",
            f"{row.tokens:,}",
        )
        for row in found.ledger
    ]
    columns = ("schedule", "role", "target", "task", "updates", "examples", "epochs", "tokens")
    return Section("Ledger of one seed", columns, rows)


def _sharing(found: Plan) -> Section:
    sharing = sharing_of(found)

    def row(what: str, trainings: Trainings) -> tuple[str, str, str]:
        return what, f"{trainings.count:,}", f"{trainings.updates:,}"

    return Section(
        "Sharing",
        ("if trained", "train stages", "updates"),
        [
            row("for each schedule, target, seed and language", sharing.grid),
            row("for each schedule, target and seed", sharing.unshared),
            row("once for each prefix (this plan)", sharing.planned),
        ],
    )


def _cost(found: Plan, gflops: float) -> Section:
    cost = cost_of(found, task_table())

    def row(what: str, flops: float) -> tuple[str, str, str]:
        return what, f"{flops / 1e15:,.3g}", _duration(flops / gflops / 1e9)

    rows = [row("train", cost.train_flops), row("evaluate", cost.evaluate_flops)]
    remarks = [f"model: {MODEL}"]
    if cost.kept_flops:
        rows.append(row("of both: kept", cost.kept_flops))
        remarks.append(f"kept: {KEPT}")
    assumed = [
        f"{name}: its shape is not known and taken for XLM-R base's" for name in cost.assumed
    ]
    remarks += [f"{cost.tokens:,} tokens are trained on", *assumed]
    title = f"Estimated cost on one process of {gflops:g} GFLOP/s (--gflops)"
    return Section(title, ("kind", "PFLOP", "time"), rows, remarks)


def _detectable(found: Plan) -> Section:
    # scipy takes most of a second to import; the other ways to show a plan do without it.
    from xlbench_operator.analysis.inference import (  # noqa: PLC0415
        MIN_SEEDS,
        smallest_detectable_difference,
    )

    seeds, confidence = len(found.spec.spec.seeds), found.spec.spec.analysis.confidence
    title = "Smallest difference that this design can show"
    if not found.endpoint.contrast:
        return Section(title, (), [], ["no two arms are compared"])
    if not _endpoint_has_cells(found):
        return Section(title, (), [], ["none: no cell is left for the primary endpoint"])
    if seeds < MIN_SEEDS:
        return Section(title, (), [], [f"none: {seeds} seeds, and inference needs {MIN_SEEDS}"])
    smallest = smallest_detectable_difference(
        seeds, SEED_SD_POINTS, confidence=confidence, wanted_power=POWER
    )
    return Section(
        title,
        ("contrast", "seeds", "points"),
        [(" - ".join(found.endpoint.contrast), str(seeds), f"{smallest:.1f}")],
        [_formula(confidence), f"assumed: {_assumed(seeds)}"],
    )


def _endpoint_has_cells(found: Plan) -> bool:
    return any(
        cell.language in found.endpoint.languages and not (cell.absent or cell.contaminated)
        for cell in found.cells
    )


def _formula(confidence: float) -> str:
    return (
        f"formula: the d with P(|t'| > t) = {POWER:g}, where t' is noncentral t with S - 1 "
        "degrees of freedom and noncentrality d / (SD / sqrt S), and t the two-sided "
        f"{confidence:.0%} quantile"
    )


def _assumed(seeds: int) -> str:
    return (
        f"S = {seeds} seeds, SD = {SEED_SD_POINTS:g} point over seeds of the paired difference; "
        "variance over test items comes on top"
    )


def _duration(seconds: float) -> str:
    for unit, size in (("days", 86400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:,.1f} {unit}"
    return f"{seconds:.1f} seconds"


def _say(console: Console, sections: Iterator[Section]) -> None:
    for section in sections:
        if console.is_terminal:
            _draw(console, section)
        else:
            console.file.write(_plain(section))


def _draw(console: Console, section: Section) -> None:
    console.print(f"\n[bold]{section.title}[/bold]", highlight=False)
    if section.rows:
        table = Table(*section.columns)
        for number, column in enumerate(table.columns):
            numeric = all(row[number][:1].isdigit() for row in section.rows)
            column.justify = "right" if numeric else "left"
        for row in section.rows:
            table.add_row(*row)
        console.print(table)
    for remark in section.remarks:
        console.print(remark, style="dim", markup=False, highlight=False)


def _plain(section: Section) -> str:
    """The section as aligned lines that scripts and logs can take."""
    lines = [section.title]
    if section.rows:
        table = [section.columns, *section.rows]
        widths = [max(map(len, column)) for column in zip(*table, strict=True)]
        lines += ["  " + "  ".join(map(str.ljust, row, widths)).rstrip() for row in table]
    return "\n".join([*lines, *(f"  {remark}" for remark in section.remarks)]) + "\n\n"
