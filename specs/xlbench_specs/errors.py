"""The one error a user can mend: what is wrong in a spec, where, and what would be valid.

Raised by everything that reads what a user wrote; turned into words by the command line and into
the condition `Accepted=False` by the operator.
"""

from collections.abc import Iterable
from typing import NamedTuple


class Problem(NamedTuple):
    """One thing that is wrong in a spec."""

    path: str
    """Where, in the user's spelling: `spec.schedules[1].phases[0].tasks[0].task`."""

    value: object
    """What stands there; None where nothing does."""

    message: str
    """What is wrong and what would be valid."""

    def __str__(self) -> str:
        """Path, value and message in one line."""
        shown = "" if self.value is None else f" = {_shown(self.value)}"
        return f"{self.path}{shown}: {self.message}"


class SpecError(ValueError):
    """A spec that must be edited by its author; retrying cannot help."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        """Keep all problems, sorted by path, so that one edit can mend them all."""
        self.problems = tuple(sorted(problems, key=lambda problem: (problem.path, problem.message)))
        super().__init__("\n".join(str(problem) for problem in self.problems))

    @classmethod
    def at(cls, path: str, value: object, message: str) -> "SpecError":
        """A spec error with a single problem."""
        return cls([Problem(path, value, message)])


def _shown(value: object, limit: int = 80) -> str:
    text = repr(value)
    return text if len(text) <= limit else text[: limit - 1] + "…"
