"""`xlbench report DIR`: build the report of a folder of results anew, from plan and manifests.

Needs no trainer and no data; `xlbench run` ends in the same `make_report`. Reads and writes the
store; what the report says is the analysis' business.
"""

import json
import os
import platform
import resource
import time
import uuid
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, NamedTuple

import typer
from pydantic import ValidationError
from xlbench_specs import layout
from xlbench_specs.exits import CommandExit, TrainerExit
from xlbench_specs.experiment import Analysis
from xlbench_specs.manifests import Provenance
from xlbench_specs.plans import Plan
from xlbench_specs.pods import ATTEMPT_VARIABLE
from xlbench_specs.stages import StageFile
from xlbench_specs.store import CorruptError, FileStore, NotFoundError, Store

LIBRARIES = ("xlbench-operator", "numpy", "scipy", "pyarrow", "matplotlib")
RSS_UNIT = 1024
"""Bytes in a unit of `ru_maxrss` on Linux."""


def report(
    folder: Annotated[Path, typer.Argument(help="Folder of results.", show_default=False)],
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print the summaries.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Build only, write nothing.")] = False,
) -> None:
    """Build the reports of all experiments of a folder anew, from their plans and manifests.

    Exit code 0 if every planned score is there, 1 if some are missing or a plan cannot be read, 2
    if there is no plan, or a file cannot be read or written or is not the one that was stored.
    """
    try:
        code = _reports(folder, as_json=as_json, dry_run=dry_run)
    except (OSError, CorruptError, NotFoundError) as error:
        typer.echo(f"{folder}: {error}", err=True)
        raise typer.Exit(CommandExit.BAD_SPEC) from error
    raise typer.Exit(code)


def _reports(folder: Path, *, as_json: bool, dry_run: bool) -> CommandExit:
    """Build the reports and say what they say."""
    store = FileStore(folder.absolute())
    paths = [path for path in store.list("experiments") if path.endswith("/plan.json")]
    if not paths:
        typer.echo(f"{folder}: holds no experiments/<name>/<uid>/plan.json", err=True)
        return CommandExit.BAD_SPEC
    plans = [plan for path in paths if (plan := _plan(store, path))]
    # The libraries behind a report take seconds to load: other verbs need not wait for them.
    from xlbench_operator.analysis.report import build_report, publish  # noqa: PLC0415

    built = []
    for plan in plans:
        began = datetime.now(UTC), time.monotonic(), time.process_time()
        found = build_report(store, plan)
        built.append(found)
        if not dry_run:
            publish(store, plan, found, _provenance(*began), _attempt())
        if not as_json:
            page = folder / layout.experiment(plan.name, plan.uid) / "report.html"
            typer.echo("\n".join([*found.sentences, *([] if dry_run else [str(page)])]))
    if as_json:
        typer.echo(json.dumps([found.summary.plain() for found in built], sort_keys=True, indent=1))
    complete = len(plans) == len(paths) and all(found.summary.complete for found in built)
    return CommandExit.DONE if complete else CommandExit.FAILED


def make_report(store: Store, plan: Plan, analysis: Analysis) -> str:
    """Build a report and publish it; the answer in a sentence for each encoder."""
    from xlbench_operator.analysis.report import build_report, publish  # noqa: PLC0415

    began = datetime.now(UTC), time.monotonic(), time.process_time()
    found = build_report(store, plan, analysis=analysis)
    publish(store, plan, found, _provenance(*began), _attempt())
    return " ".join(found.sentences)


class ReportTask(NamedTuple):
    """A report that the operator asks for."""

    path: str
    """Of the stage file."""
    file: StageFile
    plan: Plan


def report_task(store: Store, path: str) -> ReportTask:
    """Read the stage file of a report and the plan that it is about.

    Raises: `NotFoundError` and `ValueError` if there is no such file, or no plan beside it.
    """
    file = StageFile.model_validate_json(store.read(path).data)
    plan = Plan.model_validate_json(store.read(layout.plan(file.experiment)).data)
    return ReportTask(path, file, plan)


def run_report_task(store: Store, task: ReportTask) -> TrainerExit:
    """Build and publish the report, if the stages ended as its stage file says."""
    from xlbench_operator.analysis.report import build_report, publish  # noqa: PLC0415

    began = datetime.now(UTC), time.monotonic(), time.process_time()
    found = build_report(store, task.plan, analysis=task.file.analysis)
    wanted = [stage.key for stage in task.file.stages]
    if wanted != [found.stage.key]:
        typer.echo(f"{task.path}: asks for {wanted}; stages ended otherwise since", err=True)
        return TrainerExit.FAILED
    publish(store, task.plan, found, _provenance(*began), _attempt())
    return TrainerExit.DONE


def _plan(store: FileStore, path: str) -> Plan | None:
    """The plan under a path; one that cannot be read is told and passed over."""
    try:
        return Plan.model_validate_json(store.read(path).data)
    except ValidationError:
        words = f"{path} in it is no plan that this version can read; passed over"
        typer.echo(f"{store.root}: {words}", err=True)
        return None


def _attempt() -> str:
    """A name for this attempt's payload: on a cluster, the pod's uid."""
    return os.environ.get(ATTEMPT_VARIABLE) or uuid.uuid4().hex


def _provenance(started: datetime, wall: float, cpu: float) -> Provenance:
    """Where this report was made, and what making it took since `wall` and `cpu` were read."""
    return Provenance(
        started=started.isoformat(timespec="seconds"),
        wall_s=round(time.monotonic() - wall, 3),
        cpu_s=round(time.process_time() - cpu, 3),
        peak_rss_bytes=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * RSS_UNIT,
        host=platform.node(),
        hardware=f"{platform.machine()}, {os.cpu_count()} cores",
        versions={name: version(name) for name in LIBRARIES},
    )
