"""`xlbench submit SPEC`: hand a spec to the operator of a cluster, and wait for its end if asked.

Checks the spec as `validate` does, then lets the API server check it again: what either refuses is
said in the same words. What is run, and how, is the operator's business.
"""

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, NamedTuple

import typer
from xlbench_specs.crd import KubeObject
from xlbench_specs.errors import SpecError
from xlbench_specs.exits import CommandExit
from xlbench_specs.status import Status

from xlbench_operator.checks import accept
from xlbench_operator.cluster.connection import ApiError
from xlbench_operator.commands.validate import Verdict, verdict_on
from xlbench_operator.loading import Origin, read_spec_file
from xlbench_operator.operating.allowing import local_encoders
from xlbench_operator.operating.observed import Subject
from xlbench_operator.remote.answers import answers, exit_of, problems_of, stop
from xlbench_operator.remote.experiments import Experiments
from xlbench_operator.remote.options import AsJson, Context, DryRun, Namespace, experiments_of
from xlbench_operator.remote.telling import plain, progress_of
from xlbench_operator.remote.waiting import DeadlineError, seconds_of, wait_for


class Loaded(NamedTuple):
    """A spec that passed all checks that need no cluster."""

    document: KubeObject
    """As its author wrote it."""
    origins: Mapping[str, Origin]


def submit(
    spec: Annotated[Path, typer.Argument(help="Spec file.", show_default=False)],
    *,
    wait: Annotated[bool, typer.Option("--wait", help="Wait for its end.")] = False,
    timeout: Annotated[
        str, typer.Option(help="With --wait: give up waiting after this, such as 90m or 2h30m.")
    ] = "7d",
    namespace: Namespace = None,
    context: Context = None,
    as_json: AsJson = False,
    dry_run: DryRun = False,
) -> None:
    """Run an experiment on a cluster; submitted again, it is changed to what the file says now.

    Exit code 0 if it was taken (with --wait: if all is there), 1 if stages failed, 2 if the spec is
    refused, 4 if the cluster gave no answer or no end was seen in time, 130 if the waiting was
    interrupted. Whatever ends the waiting, the experiment goes on.
    """
    within_s = _seconds(timeout)
    loaded = _load(spec)
    with answers():
        experiments = experiments_of(_namespace(spec, loaded.document, namespace), context)
        taken = _submit(spec, loaded, experiments, dry_run=dry_run)
        if wait and not dry_run:
            _wait(experiments, taken, within_s, as_json=as_json)
        elif as_json:
            typer.echo(json.dumps(plain(taken), indent=1))
        else:
            typer.echo(f"{experiments.namespace}/{taken['metadata']['name']}")


def _load(spec: Path) -> Loaded:
    try:
        file = read_spec_file(spec)
        document = accept(file.data, file.origins)
    except (SpecError, OSError):
        stop(verdict_on(spec).text, CommandExit.BAD_SPEC)
    problems = tuple(local_encoders(document.spec))
    if problems:
        lines = {path: origin.line for path, origin in file.origins.items()}
        stop(Verdict(spec, problems, lines).text, CommandExit.BAD_SPEC)
    assert isinstance(file.data, dict)  # noqa: S101 - it was accepted
    return Loaded(file.data, file.origins)


def _namespace(spec: Path, document: KubeObject, asked: str | None) -> str | None:
    """The namespace to use: the one asked for, else the file's, else none said."""
    written: str | None = document["metadata"].get("namespace")
    if asked and written and asked != written:
        words = f"{spec}: metadata.namespace = {written!r}: not the --namespace {asked}; drop one"
        stop(words, CommandExit.BAD_SPEC)
    return asked or written


def _submit(spec: Path, loaded: Loaded, experiments: Experiments, *, dry_run: bool) -> KubeObject:
    """Make or change the object; as it is then."""
    name = loaded.document["metadata"]["name"]
    there = experiments.get(name)
    if there and "deletionTimestamp" in there["metadata"]:
        stop(f"{name} is being deleted: submit it again once it is gone", CommandExit.UNDECIDED)
    try:
        taken = experiments.apply(loaded.document, dry_run=dry_run)
    except ApiError as error:
        problems = problems_of(error)
        if not problems:
            raise
        lines = {path: origin.line for path, origin in loaded.origins.items()}
        stop(Verdict(spec, problems, lines).text, CommandExit.BAD_SPEC)
    typer.echo(f"{experiments.namespace}/{name} {_done(there, taken, dry_run=dry_run)}", err=True)
    return taken


def _done(there: KubeObject | None, taken: KubeObject, *, dry_run: bool) -> str:
    """What was done to the object, in a word or two."""
    if there is None:
        word = "submitted"
    elif there["metadata"]["generation"] == taken["metadata"]["generation"]:
        word = "is there already"
    else:
        word = "changed"
    return f"{word} (dry run: nothing was done)" if dry_run else word


def _wait(experiments: Experiments, taken: KubeObject, within_s: float, *, as_json: bool) -> None:
    name, uid = taken["metadata"]["name"], taken["metadata"]["uid"]
    began = time.monotonic()

    def say(text: str) -> None:
        typer.echo(f"{time.monotonic() - began:7.1f} s  {text}", err=True)

    try:
        ended = wait_for(experiments, name, uid, within_s=within_s, say=say)
    except DeadlineError as error:
        stop(f"{error}; it goes on: xlbench status {name}", CommandExit.UNDECIDED)
    except KeyboardInterrupt:
        stop(f"{name} goes on: xlbench status {name}", CommandExit.INTERRUPTED)
    if ended is None or ended.status is None:
        stop(f"{name} was deleted before it ended", CommandExit.FAILED)
    if as_json:
        found = experiments.get(name)
        typer.echo(json.dumps(plain(found) if found else None, indent=1))
    else:
        _tell_end(ended, ended.status)
    raise typer.Exit(exit_of(ended.status.phase))


def _tell_end(ended: Subject, status: Status) -> None:
    """The answer and where its report is, like a local run; all else is words."""
    for line in progress_of(ended):
        typer.echo(line, err=True)
    for result in (status.answer, status.links.report):
        if result:
            typer.echo(result)


def _seconds(timeout: str) -> float:
    try:
        return seconds_of(timeout)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--timeout") from error
