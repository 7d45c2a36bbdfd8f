"""`xlbench validate FILE...`: says of each spec file whether it can be run, and what to mend.

Reads files and prints; decides nothing. Words of a refusal come from `loading` and `checks`.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
from xlbench_specs.errors import Problem, SpecError
from xlbench_specs.exits import CommandExit
from xlbench_specs.experiment import ExperimentSpec

from xlbench_operator.checks import accept
from xlbench_operator.loading import FILE, Origin, read_spec_file


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was found in one file."""

    file: Path
    problems: tuple[Problem, ...]
    lines: Mapping[str, int]
    """Line of every path of the file."""

    @property
    def text(self) -> str:
        """A block for people: one line for the file, one for each problem."""
        if not self.problems:
            return f"{self.file}: ok"
        count = "1 problem" if len(self.problems) == 1 else f"{len(self.problems)} problems"
        return "\n  ".join([f"{self.file}: {count}", *map(self._line_of, self.problems)])

    @property
    def plain(self) -> dict[str, object]:
        """The same for programs."""
        return {
            "file": str(self.file),
            "ok": not self.problems,
            "problems": [
                {
                    "path": each.path,
                    "value": each.value,
                    "message": each.message,
                    "line": nearest_line(each.path, self.lines),
                }
                for each in self.problems
            ],
        }

    def _line_of(self, problem: Problem) -> str:
        line = nearest_line(problem.path, self.lines)
        where = f"line {line}: " if line else ""
        return f"{where}{problem}"


def load_spec(path: Path) -> ExperimentSpec:
    """The spec of a file, accepted.

    Raises: `SpecError` with everything that must be mended.
    """
    file = read_spec_file(path)
    return accept(file.data, file.origins)


def verdict_on(path: Path) -> Verdict:
    """What `validate` says of a file."""
    origins: Mapping[str, Origin] = {}
    problems: tuple[Problem, ...] = ()
    try:
        file = read_spec_file(path)
        origins = file.origins
        accept(file.data, origins)
    except SpecError as error:
        problems = error.problems
    except OSError as error:
        problems = (Problem(FILE, None, f"cannot be read: {error.strerror}"),)
    return Verdict(path, problems, {path: origin.line for path, origin in origins.items()})


def nearest_line(path: str, lines: Mapping[str, int]) -> int | None:
    """The line of a path; of something that is not there, the line of what should hold it."""
    while path and path not in lines:
        path = path[: max(path.rfind("."), path.rfind("["), 0)]
    return lines.get(path) if path else None


def validate(
    files: Annotated[list[Path], typer.Argument(help="Spec files.", show_default=False)],
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON list.")] = False,
) -> None:
    """Check spec files: exit code 0 if all can be run, 2 if any must be edited."""
    verdicts = [verdict_on(file) for file in files]
    if as_json:
        plain = [verdict.plain for verdict in verdicts]
        typer.echo(json.dumps(plain, indent=1, ensure_ascii=False))
    else:
        for verdict in verdicts:
            typer.echo(verdict.text)
    if any(verdict.problems for verdict in verdicts):
        raise typer.Exit(CommandExit.BAD_SPEC)
