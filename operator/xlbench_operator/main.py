"""The command line of the operator's image, `xlbench-operator`. Users have `xlbench` (`cli`)."""

import logging
import os
import signal
from typing import Annotated

import typer
import yaml
from xlbench_specs.crd import KubeObject, custom_resource_definition
from xlbench_specs.exits import CommandExit, TrainerExit
from xlbench_specs.store import NotFoundError, RefusedError, UnavailableError, open_store

from xlbench_operator.cluster.connection import NoClusterError, connect
from xlbench_operator.cluster.service import Service
from xlbench_operator.commands.report import report_task, run_report_task
from xlbench_operator.operating.environment import settings_of
from xlbench_operator.operating.metrics import Metrics
from xlbench_operator.operating.rbac import role

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False)

HEADER = "# Made from specs/xlbench_specs by `make generate`; do not edit.\n"


@app.callback()
def main() -> None:
    """Runs experiments on a Kubernetes cluster."""


@app.command()
def run() -> None:
    """Run experiments until SIGTERM; settings are environment variables.

    They are listed in docs/reference/settings.md. The cluster is that of KUBECONFIG or
    ~/.kube/config, else the one that this pod runs in.
    """
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    metrics = Metrics()
    try:
        settings = settings_of(os.environ)
        service = Service(settings, connect(), metrics)
        service.check_store()
    except (ValueError, OSError, NoClusterError, RefusedError, UnavailableError) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(CommandExit.BAD_SPEC) from error
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda *_: service.stop())
    service.run()


@app.command()
def crd() -> None:
    """Print the CustomResourceDefinition of ExperimentSpec, for `kubectl apply`."""
    typer.echo(HEADER + yaml_text(custom_resource_definition()), nl=False)


@app.command()
def report(
    stage_file: Annotated[str, typer.Argument(help="Path of the stage file in the store.")],
    store: Annotated[str, typer.Option(help="Root of the object store.")],
) -> None:
    """Build the report that a stage file asks for: what a report Job runs.

    Exit codes are the trainer's, as the Job's failure policy reads them.
    """
    try:
        place = open_store(store)
        task = report_task(place, stage_file)
    except (NotFoundError, ValueError) as error:
        typer.echo(f"stage file {stage_file}: {error}", err=True)
        raise typer.Exit(TrainerExit.BAD_TASK) from error
    raise typer.Exit(run_report_task(place, task))  # its errors are no fault of the stage file


@app.command()
def rbac(
    namespace: Annotated[
        str | None, typer.Option(help="Of one namespace; default: of the whole cluster.")
    ] = None,
) -> None:
    """Print the role that the operator needs, and nothing more."""
    typer.echo(yaml_text(role(namespace)), nl=False)


def yaml_text(manifest: KubeObject) -> str:
    """An object as YAML that every reader takes alike: no aliases, lines of 100 columns."""
    text: str = yaml.dump(manifest, Dumper=_Plain, sort_keys=False, width=100, allow_unicode=True)
    return text


class _Plain(yaml.SafeDumper):
    def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002 - PyYAML's name
        return True
