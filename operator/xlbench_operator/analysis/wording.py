"""The answer in words: one sentence that says what was found and how sure it is.

Pure. Called by the summary, so that the sentence is part of what equal runs share.
"""

import re

from xlbench_specs.results import Contrast, Design

_UNSETTLED = "inconclusive"


def sentence(contrast: Contrast | None, design: Design) -> str:
    """The answer to the primary contrast."""
    if contrast is None:
        return "Nothing is compared: the spec has fewer than two arms."
    where, who = _where(contrast, design), f"{contrast.first} - {contrast.second}"
    if contrast.estimate is None:
        return f"{who}: no answer {where}: no seed has the scores of both schedules."
    found = f"{who} = {points(contrast.estimate, signed=True)} points"
    if contrast.low is None or contrast.high is None:
        return f"{found} {where}: {contrast.note}."
    bounds = f"[{points(contrast.low)}, {points(contrast.high)}]"
    return f"{found} {bounds} {where}: {_verdict(contrast, design)}."


def points(value: float, *, signed: bool = False) -> str:
    """A fraction in points, one digit after the point."""
    shown = f"{100 * value:{'+' if signed else ''}.1f}"
    return "0.0" if re.fullmatch(r"[+-]0\.0", shown) else shown


def _where(contrast: Contrast, design: Design) -> str:
    """Over what, and from how many seeds."""
    count = len(design.languages)
    group = "" if design.group == "experiment" else f" of {design.group}"
    tasks = f" in {len(design.targets)} tasks" if len(design.targets) > 1 else ""
    languages = f"{count} language{'s' if count != 1 else ''}{group}{tasks}"
    lost = contrast.cells_missing
    short = f", {lost} cell{'s' if lost != 1 else ''} missing" if lost else ""
    seeds = len(contrast.differences)
    return f"over the {languages}{short}, {seeds} seed{'s' if seeds != 1 else ''}"


def _verdict(contrast: Contrast, design: Design) -> str:
    """The verdict, and for an open question what would settle it."""
    margin = f"{100 * design.margin:g} point{'s' if design.margin != 0.01 else ''}"  # noqa: PLR2004
    if contrast.verdict == "equivalent":
        return f"equivalent, within {margin}"
    if contrast.verdict != _UNSETTLED:
        return str(contrast.verdict)
    if contrast.seeds_to_settle is None and contrast.limit is not None:
        return (
            f"{_UNSETTLED}; the test sets are too small for a difference of {margin}: with any "
            f"number of seeds they settle about {points(contrast.limit)} points or more"
        )
    if (contrast.seeds_to_settle or 0) <= len(contrast.differences):
        return f"{_UNSETTLED}; a true difference of {margin} would most likely have shown"
    return (
        f"{_UNSETTLED}; about {contrast.seeds_to_settle} seeds would settle "
        f"a difference of {margin}"
    )
