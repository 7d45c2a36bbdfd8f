"""`xlbench status [NAME]`: how experiments on a cluster stand. Reads and prints only."""

import json
from typing import Annotated

import typer

from xlbench_operator.operating.observed import subject_of
from xlbench_operator.remote.answers import answers, existing, exit_of
from xlbench_operator.remote.options import AsJson, Context, Namespace, experiments_of
from xlbench_operator.remote.telling import lines_of, plain, table


def status(
    name: Annotated[
        str | None, typer.Argument(help="An experiment.", show_default="all of them")
    ] = None,
    *,
    anywhere: Annotated[
        bool, typer.Option("--all-namespaces", "-A", help="In the whole cluster.")
    ] = False,
    namespace: Namespace = None,
    context: Context = None,
    as_json: AsJson = False,
) -> None:
    """Show how an experiment on a cluster stands, or all of them.

    Exit code of one: 0 while it runs and if all is there, 1 if it failed, 2 if there is none or its
    spec is refused. Of all: 0. Without an answer of the cluster: 4.
    """
    if name and anywhere:
        raise typer.BadParameter("give a name or --all-namespaces, not both")
    with answers():
        experiments = experiments_of(namespace, context)
        if name is None:
            every = experiments.every(anywhere=anywhere)
            if as_json:
                typer.echo(json.dumps([plain(each) for each in every], indent=1))
            elif every:
                typer.echo("\n".join(table(list(map(subject_of, every)), anywhere=anywhere)))
            else:
                where = "the cluster" if anywhere else f"namespace {experiments.namespace}"
                typer.echo(f"no experiments in {where}", err=True)
            return
        found = existing(experiments, name)
    subject = subject_of(found)
    typer.echo(json.dumps(plain(found), indent=1) if as_json else "\n".join(lines_of(subject)))
    raise typer.Exit(exit_of(subject.status.phase if subject.status else ""))
