"""`xlbench tasks [NAME]`: the tasks that a spec can name, or all that is known of one of them.

Prints rows of the task table and decides nothing.
"""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from xlbench_specs.exits import CommandExit
from xlbench_specs.languages import ENGLISH
from xlbench_specs.pinned_files import MIRROR_SETTING
from xlbench_specs.suggestions import unknown
from xlbench_specs.tasks import FileSource, Task, task_table

from xlbench_operator.planning.needs import source_words

NON_COMMERCIAL = "non-commercial"
WIDEST = 200
"""Characters of a line at most, whatever the terminal's: what is cut there hides a licence's mark.
"""


def tasks(
    name: Annotated[str | None, typer.Argument(help="A task.", show_default="all")] = None,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print rows of the table.")] = False,
    mirror: Annotated[
        Path | None,
        typer.Option(envvar=MIRROR_SETTING, help="Folder of data files.", show_default=False),
    ] = None,
) -> None:
    """List the tasks that a spec can name, or all that is known of one.

    Exit code 2 for a name that is no task's.
    """
    table = task_table()
    if name is not None and name not in table:
        typer.echo(f"{name}: {unknown('task', name, table)}", err=True)
        raise typer.Exit(CommandExit.BAD_SPEC)
    rows = list(table.values()) if name is None else [table[name]]
    if as_json:
        typer.echo(json.dumps([row.plain() for row in rows], indent=1, ensure_ascii=False))
    elif name is None:
        Console(width=WIDEST).print(_overview(rows))
    else:
        for line in _details(rows[0], mirror):
            typer.echo(line)


def _overview(rows: Iterable[Task]) -> Table:
    table = Table(box=None, pad_edge=False)
    for title in ("task", "kind", "metric"):
        table.add_column(title, no_wrap=True)
    for title in ("languages", "train en", "dev en", "test en"):
        table.add_column(title, justify="right", no_wrap=True)
    table.add_column("use")
    for row in rows:
        table.add_row(
            row.name,
            row.kind,
            row.metric or "-",
            str(len(row.languages("test")) or "-"),
            *_english(row),
            NON_COMMERCIAL if row.non_commercial else "",
        )
    return table


def _english(row: Task) -> Iterator[str]:
    for split in ("train", "dev", "test"):
        size = row.sizes.get(split, {}).get(ENGLISH)
        by_recipe = split == "train" and row.recipe
        yield f"{size:,}" if size else "recipe" if by_recipe else "-"


def licence(row: Task) -> str:
    """The licence, marked if it forbids commercial use."""
    return f"{row.licence} ({NON_COMMERCIAL})" if row.non_commercial else row.licence


def _details(row: Task, mirror: Path | None) -> Iterator[str]:
    yield f"{row.name}: {row.description}"
    said = {
        "protocol": row.protocol,
        "kind": row.kind,
        "metrics": ", ".join(row.metrics),
        "labels": ", ".join(row.labels),
        "trains on": ", then ".join(step.task for step in row.recipe),
        "training text from": row.train_source,
        "test items hang together by": row.cluster,
        "licence": licence(row),
        "revision": row.revision,
    }
    for title, value in said.items():
        if value:
            yield f"  {title}: {value}"
    for split, sizes in row.sizes.items():
        counts = ", ".join(f"{code} {size:,}" for code, size in sorted(sizes.items()))
        yield f"  {split} ({len(sizes)} languages): {counts}"
    for code, why in row.excluded.items():
        yield f"  left out: {code}: {why}"
    for line in source_words(row):
        yield f"  data: {line}"
    if isinstance(row.source, FileSource):
        yield f"  {_in_mirror(row.source, mirror)}"


def _in_mirror(source: FileSource, mirror: Path | None) -> str:
    if mirror is None:
        return f"{MIRROR_SETTING} names no folder: files come from the store or the network"
    files = list(source.files())
    there = sum((mirror / file.name).is_file() for file in files)
    return f"{there} of {len(files)} files are in {mirror}; what is not comes over the network"
