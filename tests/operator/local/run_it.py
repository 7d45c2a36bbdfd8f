"""Runs the plan of a folder with a trainer: what a test starts in order to kill it."""

import os
import sys
from pathlib import Path

from rich.console import Console
from xlbench_operator.local.display import display_on
from xlbench_operator.local.execute import Execution, Settings
from xlbench_specs.plans import Plan
from xlbench_specs.stages import StageRuntime
from xlbench_specs.store import FileStore

folder, trainer = sys.argv[1:]
store = FileStore(Path(folder))
plan = Plan.model_validate_json(store.read("plan.json").data)
with (
    Path(os.devnull).open("w", encoding="utf-8") as nothing,
    display_on(Console(file=nothing)) as display,
):
    execution = Execution(plan, store, Settings(Path(trainer), 2, 1, StageRuntime()), display)
    execution.run()
said = "interrupted" if execution.interrupted else "ended" if execution.board.ended else "stuck"
sys.stdout.write(f"{said}\n")
