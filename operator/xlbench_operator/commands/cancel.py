"""`xlbench cancel NAME`: stop an experiment on a cluster. Results stay."""

import json
from typing import Annotated

import typer

from xlbench_operator.operating.observed import subject_of
from xlbench_operator.remote.answers import answers, existing
from xlbench_operator.remote.options import AsJson, Context, DryRun, Namespace, experiments_of
from xlbench_operator.remote.telling import plain


def cancel(
    name: Annotated[str, typer.Argument(help="The experiment.", show_default=False)],
    *,
    namespace: Namespace = None,
    context: Context = None,
    as_json: AsJson = False,
    dry_run: DryRun = False,
) -> None:
    """Delete an experiment and its Jobs from the cluster; what is finished stays in the store.

    The same spec, submitted again, finds what was finished and goes on from checkpoints. Exit code
    0 if it is deleted, 2 if there is none or the cluster refuses, 4 if that gave no answer.
    """
    with answers():
        experiments = experiments_of(namespace, context)
        found = existing(experiments, name)
        experiments.delete(found, dry_run=dry_run)
    subject = subject_of(found)
    plan = subject.status.links.plan if subject.status else None
    results = plan.removesuffix("plan.json") if plan else None
    done = "would be deleted (dry run: nothing was done)" if dry_run else "is deleted with its Jobs"
    typer.echo(f"{experiments.namespace}/{name} {done}", err=True)
    if as_json:
        typer.echo(json.dumps({**plain(found), "results": results}, indent=1))
    elif results:
        typer.echo("its results stay:", err=True)
        typer.echo(results)
    else:
        typer.echo("it has no results", err=True)
