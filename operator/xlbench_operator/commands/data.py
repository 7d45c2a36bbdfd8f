"""`xlbench data fetch SPEC`: fill a mirror folder with the files that a spec's plan reads.

For clusters without a network: copy the folder there and name it by XLBENCH_MIRROR. Every file is
checked by its hash; nothing is fetched that is there.
"""

from pathlib import Path
from typing import Annotated

import typer
from xlbench_specs.errors import SpecError
from xlbench_specs.exits import CommandExit
from xlbench_specs.experiment import ExperimentSpec
from xlbench_specs.pinned_files import (
    MIRROR_SETTING,
    UnreachableError,
    WrongContentError,
    find,
)
from xlbench_specs.tasks import FileSource, PinnedFile, task_table

from xlbench_operator.checks import SOME_DIGEST
from xlbench_operator.commands.folders import check_fillable
from xlbench_operator.commands.validate import load_spec, verdict_on
from xlbench_operator.planning.needs import Needs, needs_of, source_words
from xlbench_operator.planning.plan import local_uid, make_plan
from xlbench_operator.remote.answers import stop

data = typer.Typer(no_args_is_help=True, help="Look after the data of tasks.")


@data.callback()
def main() -> None:
    """Look after the data of tasks."""


@data.command()
def fetch(
    spec: Annotated[Path, typer.Argument(help="Spec file.", show_default=False)],
    *,
    mirror: Annotated[Path, typer.Option("--to", envvar=MIRROR_SETTING, help="Folder to fill.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be fetched.")] = False,
) -> None:
    """Fill a mirror folder with the pinned files of a spec's tasks: <owner>/<repository>/<path>.

    Exit code 2 if the spec must be edited or the folder cannot be filled, 1 if a file cannot be had
    or is another.
    """
    needs = _needs(spec)
    try:
        _fill(mirror, needs, dry_run=dry_run)
    except OSError as error:
        stop(f"--to = {str(mirror)!r}: {error}", CommandExit.BAD_SPEC)


def _fill(mirror: Path, needs: Needs, *, dry_run: bool) -> None:
    """Fetch what the folder does not hold; what cannot be had ends the command.

    Raises: `OSError` if the folder cannot be filled, `typer.Exit`.
    """
    check_fillable(mirror)
    for line in _licences(needs):
        typer.echo(line, err=True)
    missing = [file for file in needs.files if not (mirror / file.name).is_file()]
    size = sum(file.size_bytes for file in missing) / 1e6
    typer.echo(
        f"{len(needs.files)} files, {len(missing)} to fetch ({size:.1f} MB) into {mirror}", err=True
    )
    if dry_run:
        for file in missing:
            typer.echo(file.name)
        return
    mirror.mkdir(parents=True, exist_ok=True)
    failed = [file for file in needs.files if not _put(file, mirror)]
    if failed:
        stop(f"{len(failed)} of {len(needs.files)} files are not there", CommandExit.FAILED)


def _needs(path: Path) -> Needs:
    try:
        document: ExperimentSpec = load_spec(path)
        plan = make_plan(document, task_table(), uid=local_uid(document), trainer_build=SOME_DIGEST)
    except (SpecError, OSError) as error:
        typer.echo(verdict_on(path).text, err=True)
        raise typer.Exit(CommandExit.BAD_SPEC) from error
    return needs_of(plan, task_table())


def _licences(needs: Needs) -> list[str]:
    """A line for each task: its licence, and where data that are no files come from."""
    found = []
    for task in (task_table()[name] for name in needs.tasks):
        mark = " (non-commercial)" if task.non_commercial else ""
        elsewhere = [] if isinstance(task.source, FileSource) else source_words(task)
        found.append("; ".join([f"{task.name}: {task.licence}{mark}", *elsewhere]))
    return found


def _put(file: PinnedFile, mirror: Path) -> bool:
    """Whether the file is in the mirror now, fetched if it was not."""
    target = mirror / file.name
    there = target.is_file()
    try:
        content = find(file, store=None, mirror=str(mirror))
    except (UnreachableError, WrongContentError) as error:
        typer.echo(str(error), err=True)
        return False
    if not there:
        target.parent.mkdir(parents=True, exist_ok=True)
        partial = target.with_name(f".partial-{target.name}")
        partial.write_bytes(content)
        partial.replace(target)
        typer.echo(file.name)
    return True
