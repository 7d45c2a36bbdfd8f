"""`xlbench retry NAME`: try the failed stages of an experiment on a cluster again."""

import json
from typing import Annotated

import typer
from xlbench_specs.crd import KubeObject

from xlbench_operator.operating.observed import subject_of
from xlbench_operator.remote.answers import answers, existing
from xlbench_operator.remote.options import AsJson, Context, DryRun, Namespace, experiments_of
from xlbench_operator.remote.telling import plain


def retry(
    name: Annotated[str, typer.Argument(help="The experiment.", show_default=False)],
    *,
    namespace: Namespace = None,
    context: Context = None,
    as_json: AsJson = False,
    dry_run: DryRun = False,
) -> None:
    """Raise `execution.retryFailed` by one: failed stages, and what needs them, are run again.

    Exit code 0 if that was done or nothing has failed, 2 if there is no such experiment or the
    cluster refuses, 4 if that gave no answer.
    """
    with answers():
        experiments = experiments_of(namespace, context)
        found = existing(experiments, name)
        failed = _failed(found)
        if failed:
            number = found["spec"].get("execution", {}).get("retryFailed", 0) + 1
            spec = {"execution": {"retryFailed": number}}
            found = experiments.change(found, spec, dry_run=dry_run)
    done = f"tries {failed} failed stages again" if failed else "has no failed stage"
    undone = " (dry run: nothing was done)" if dry_run and failed else ""
    typer.echo(f"{experiments.namespace}/{name} {done}{undone}", err=True)
    if as_json:
        typer.echo(json.dumps({**plain(found), "retried": failed}, indent=1))


def _failed(experiment: KubeObject) -> int:
    """Stages that failed for good, as far as its status tells."""
    status = subject_of(experiment).status
    return status.counts.failed if status else 0
