"""Turns what a cluster says into words and exit codes: one place for all commands that ask one.

Called by the commands around everything they ask.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import NoReturn

import typer
from xlbench_specs.crd import KubeObject
from xlbench_specs.errors import Problem
from xlbench_specs.exits import CommandExit

from xlbench_operator.cluster.connection import ApiError, NoClusterError, UnreachableError
from xlbench_operator.remote.experiments import Experiments

NOT_INSTALLED = (
    "this cluster knows no experiments: install xlbench on it (helm install, charts/xlbench)"
)
_EXITS = {"Failed": CommandExit.FAILED, "Refused": CommandExit.BAD_SPEC}


@contextmanager
def answers() -> Iterator[None]:
    """End the command with words and the right code where the cluster refuses or is silent.

    Raises: `typer.Exit`.
    """
    try:
        yield
    except NoClusterError as error:
        stop(str(error), CommandExit.BAD_SPEC)
    except UnreachableError as error:
        stop(str(error), CommandExit.UNDECIDED)
    except ApiError as error:
        code = CommandExit.UNDECIDED if error.transient else CommandExit.BAD_SPEC
        stop(words_of(error), code)


def stop(words: str, code: CommandExit) -> NoReturn:
    """End the command with a word on standard error."""
    typer.echo(words, err=True)
    raise typer.Exit(code)


def existing(experiments: Experiments, name: str) -> KubeObject:
    """An experiment; where there is none of that name, the command ends. Raises: `ApiError`."""
    found = experiments.get(name)
    if found is None:
        stop(f"no experiment {name} in namespace {experiments.namespace}", CommandExit.BAD_SPEC)
    return found


def exit_of(phase: str) -> CommandExit:
    """How a command about an experiment in a phase ends; of one that goes on, well."""
    return _EXITS.get(phase, CommandExit.DONE)


def words_of(error: ApiError) -> str:
    """What a refusal means."""
    if error.status == HTTPStatus.NOT_FOUND and not error.causes:
        return NOT_INSTALLED if "the requested resource" in error.words else error.words
    return f"refused by the cluster: {error.words or error}"


def problems_of(error: ApiError) -> tuple[Problem, ...]:
    """What the server finds wrong in a spec, field by field; none if it is about something else."""
    if error.status != HTTPStatus.UNPROCESSABLE_ENTITY:
        return ()
    return tuple(
        Problem(str(cause["field"]), None, str(cause.get("message", error.words)))
        for cause in error.causes
        if cause.get("field")
    )
