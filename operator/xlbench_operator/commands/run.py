"""`xlbench run SPEC`: the whole experiment on this machine, into a folder, report included.

Plans, hands the plan to `local`, then to the analysis; says what happens. The same command goes on
where a run was stopped or killed.
"""

import os
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError
from rich.console import Console
from xlbench_specs import layout
from xlbench_specs.errors import Problem, SpecError
from xlbench_specs.exits import CommandExit
from xlbench_specs.experiment import Analysis, ExperimentSpec
from xlbench_specs.manifests import Manifest, ReportRecord
from xlbench_specs.plans import Plan
from xlbench_specs.stages import KINDS, Stage, StageRuntime, TrainParams
from xlbench_specs.store import CorruptError, FileStore, NotFoundError, finished, sha256_of
from xlbench_specs.tasks import task_table

from xlbench_operator.commands.folders import check_fillable
from xlbench_operator.commands.validate import load_spec, verdict_on
from xlbench_operator.local.board import State
from xlbench_operator.local.display import display_on, shown_time
from xlbench_operator.local.execute import Execution, Settings
from xlbench_operator.local.trainer import NoTrainerError, build_of, find_trainer
from xlbench_operator.planning.plan import local_uid, make_plan
from xlbench_operator.remote.answers import stop

GO_ON = "interrupted: run the same command to go on"
STATES = (State.DONE, State.REUSED, State.FAILED, State.SKIPPED)
CHECKPOINT_EVERY_S = 20.0
PROCESS_BYTES = 5 * 1024**3
"""Memory that a trainer may need (4.7 GB were measured on real tasks, docs/results/low-resource);
no more of them than fit are started by default, and at least one."""


def run(
    spec: Annotated[Path, typer.Argument(help="Spec file.", show_default=False)],
    *,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder of the results.", show_default="results/<name>"),
    ] = None,
    jobs: Annotated[
        int | None,
        typer.Option(min=1, help="Trainers at once.", show_default="as cores and memory carry"),
    ] = None,
    trainer: Annotated[
        Path | None,
        typer.Option(
            help="The trainer's executable; XLBENCH_TRAINER may name it too.",
            show_default=".venv-trainer's",
        ),
    ] = None,
    checkpoint_every_s: Annotated[
        float, typer.Option(min=0, help="Seconds between checkpoints.")
    ] = CHECKPOINT_EVERY_S,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Plan only, write nothing.")] = False,
) -> None:
    """Run an experiment on this machine; run again, it goes on or has nothing to do.

    Exit code 0 if all is there, 1 if stages or the report failed, 2 if the spec or these words are
    wrong, 130 if it was interrupted.
    """
    words = Console(stderr=True)
    try:
        document = load_spec(spec)
    except (SpecError, OSError):
        stop(verdict_on(spec).text, CommandExit.BAD_SPEC)
    folder = (out or Path("results") / document.metadata.name).absolute()
    try:
        executable = find_trainer(trainer, os.environ)
        _check_encoders(document)
        check_fillable(folder)
        plan = _plan(document, executable, FileStore(folder), write=not dry_run)
    except NoTrainerError as error:
        stop(str(error), CommandExit.BAD_SPEC)
    except SpecError as error:
        stop(f"{spec}: {error}", CommandExit.BAD_SPEC)
    except OSError as error:
        stop(f"--out = {str(folder)!r}: {error}", CommandExit.BAD_SPEC)
    threads = document.spec.training.threads
    settings = Settings(
        trainer=executable,
        jobs=jobs or _jobs(threads),
        threads=threads,
        runtime=_runtime(document, folder, checkpoint_every_s, plan),
    )
    try:
        _say(words, *_introduction(plan, folder, settings.jobs))
        if not dry_run:
            code = _run(words, plan, document.spec.analysis, FileStore(folder), settings)
            raise typer.Exit(code)
    except KeyboardInterrupt:
        _say(words, GO_ON)
        raise typer.Exit(CommandExit.INTERRUPTED) from None


def _check_encoders(document: ExperimentSpec) -> None:
    """See that the local folders of encoders are there; a relative one is one of this folder.

    Raises: `SpecError`.
    """
    problems = [
        Problem(
            f"spec.encoders[{number}].model",
            encoder.model,
            f"there is no folder {Path(encoder.model).absolute()}",
        )
        for number, encoder in enumerate(document.spec.encoders)
        if encoder.is_folder and not Path(encoder.model).is_dir()
    ]
    if problems:
        raise SpecError(problems)


def _plan(document: ExperimentSpec, trainer: Path, store: FileStore, *, write: bool) -> Plan:
    """The plan that rules in this folder: the one that is there, else a new one, written once.

    Raises: `SpecError` if the plan that is there cannot be read or is for another trainer build.
    """
    uid = local_uid(document)
    path = layout.plan(layout.experiment(document.metadata.name, uid))
    build = build_of(trainer) if document.spec.reuse == "sameTrainer" else None
    try:
        known = Plan.model_validate_json(store.read(path).data)
    except NotFoundError:
        plan = make_plan(document, task_table(), uid=uid, trainer_build=build)
        if write and not store.create(path, plan.text().encode()):  # another run was first
            return _plan(document, trainer, store, write=write)
        return plan
    except ValidationError as error:
        message = f"{path} in it is no plan that this version can read; name another folder"
        raise SpecError.at("--out", str(store.root), message) from error
    if build is not None and build not in {stage.salt for stage in known.stages.values()}:
        message = "the plan in it was made for another trainer build; name another folder"
        raise SpecError.at("--out", str(store.root), message)
    return known


def _introduction(plan: Plan, folder: Path, jobs: int) -> list[str]:
    """What is going to be run, in three lines and the warnings."""
    count = {kind: len(plan.stages_of(kind)) for kind in KINDS if kind != "report"}
    updates = sum(
        stage.params.updates
        for stage in plan.stages.values()
        if isinstance(stage.params, TrainParams)
    )
    schedules = list(dict.fromkeys(model.schedule for model in plan.models))
    stages = ", ".join(f"{number} {kind}" for kind, number in count.items())
    languages, seeds = len(plan.languages.codes), len(plan.spec.spec.seeds)
    return [
        f"{plan.name}: {', '.join(schedules)}; {seeds} seeds, {languages} languages and English",
        f"{sum(count.values())} stages: {stages}; {updates} updates",
        f"into {folder}, {jobs} trainers at once",
        *(f"warning: {each.path}: {each.message}" for each in plan.warnings),
    ]


def _run(
    words: Console, plan: Plan, analysis: Analysis, store: FileStore, settings: Settings
) -> CommandExit:
    """Run what is left, then the report."""
    began = time.monotonic()
    with display_on(words) as display:
        execution = Execution(plan, store, settings, display)
        board = execution.board
        reused = len(list(board.keys(State.REUSED)))
        execution.run()
    if execution.interrupted:
        _say(words, GO_ON)
        return CommandExit.INTERRUPTED
    number = Counter(board.states.values())
    if reused == len(board.states):
        _say(words, f"all {reused} stages were there")
    else:
        parts = [f"{number[state]} {state.value}" for state in STATES if number[state]]
        _say(words, f"{', '.join(parts)} in {shown_time(time.monotonic() - began)}")
    outcomes = {
        key: "done" if board.finished(key) else board.states[key].value
        for key in plan.stages_of("evaluate")
    }
    try:
        _report(words, plan, analysis, store, plan.report_stage(analysis, outcomes))
    except (OSError, CorruptError, NotFoundError) as error:
        _say(words, f"no report: {error}")
        return CommandExit.FAILED
    return CommandExit.FAILED if number[State.FAILED] else CommandExit.DONE


def _report(words: Console, plan: Plan, analysis: Analysis, store: FileStore, stage: Stage) -> None:
    """Build the report unless it is there; its answer and where it is go to standard output."""
    folder = layout.experiment(plan.name, plan.uid)
    manifest = finished(store, stage.kind, stage.key)
    if manifest is not None and _copied(store, folder, manifest):
        verdict = manifest.record.verdict if isinstance(manifest.record, ReportRecord) else ""
    else:
        # The libraries behind a report take seconds to load: nothing that needs none waits.
        from xlbench_operator.commands.report import make_report  # noqa: PLC0415

        _say(words, "building the report")
        verdict = make_report(store, plan, analysis)
    typer.echo(verdict)
    typer.echo(store.root / folder / "report.html")


def _copied(store: FileStore, folder: str, manifest: Manifest) -> bool:
    """Whether the report's files lie beside the plan, whole."""
    paths = [(store.root / folder / entry.path, entry.sha256) for entry in manifest.files]
    return all(path.is_file() and sha256_of(path) == sha256 for path, sha256 in paths)


def _say(words: Console, *lines: str) -> None:
    for line in lines:
        words.print(line, markup=False, highlight=False, soft_wrap=True)


def _runtime(
    document: ExperimentSpec, folder: Path, checkpoint_every_s: float, plan: Plan
) -> StageRuntime:
    return StageRuntime(
        scratch=str(folder / "scratch"),
        checkpoint_every_s=checkpoint_every_s,
        encoder_folders={
            encoder.revision or "": str(Path(encoder.model).absolute())
            for encoder in document.spec.encoders
            if encoder.is_folder
        },
        mirror=os.environ.get("XLBENCH_MIRROR"),
        trainer_build=plan.trainer_build,
    )


def _jobs(threads: int) -> int:
    """As many trainers as the cores and the memory of this machine carry."""
    cores = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return max(1, min(cores // threads, memory // PROCESS_BYTES))
