"""Rules on names that stand in a table: tasks, languages, groups, encoders. Pure."""

import re
from collections.abc import Iterator, Mapping

from xlbench_specs.encoders import BUILTIN, BUILTIN_ENCODERS
from xlbench_specs.errors import Problem
from xlbench_specs.experiment import TARGET, Experiment
from xlbench_specs.languages import GROUPS, LANGUAGES
from xlbench_specs.suggestions import unknown

from xlbench_operator.checks.rules import Rule, Tasks, phases, refs
from xlbench_operator.planning.baselines import RANDOM_ENCODER

COMMIT = re.compile(r"[0-9a-f]{40}")
FOLDER_HASH = re.compile(r"sha256:[0-9a-f]{64}")
HUB_NAME = re.compile(r"[\w.-]+/[\w.-]+", re.ASCII)


def _task_names(spec: Experiment, tasks: Tasks) -> Iterator[Problem]:
    for path, name in _named_tasks(spec):
        if name not in tasks:
            yield Problem(path, name, unknown("task", name, tasks))


def _named_tasks(spec: Experiment) -> Iterator[tuple[str, str]]:
    for row, target in enumerate(spec.targets):
        yield f"spec.targets[{row}].task", target.task
        for column, name in enumerate(target.evaluate_on or ()):
            yield f"spec.targets[{row}].evaluateOn[{column}]", name
    for path, ref in refs(spec):
        if ref.task != TARGET:
            yield f"{path}.task", ref.task
    for row, name in enumerate(spec.probes):
        yield f"spec.probes[{row}]", name
    for name in spec.budget.shares.weights or ():
        yield f"spec.budget.shares.weights.{name}", name
    for path, _, phase in phases(spec):
        for name in (phase.mixing and phase.mixing.weights) or ():
            yield f"{path}.mixing.weights.{name}", name


def _language_codes(spec: Experiment, _: Tasks) -> Iterator[Problem]:
    for path, code in _named_languages(spec):
        if code not in LANGUAGES:
            yield Problem(path, code, unknown("language", code, LANGUAGES))


def _named_languages(spec: Experiment) -> Iterator[tuple[str, str]]:
    for number, code in enumerate(spec.languages.codes or ()):
        yield f"spec.languages.codes[{number}]", code
    for path, ref in refs(spec):
        for number, code in enumerate(ref.languages or ()):
            yield f"{path}.languages[{number}]", code


def _language_groups(spec: Experiment, _: Tasks) -> Iterator[Problem]:
    for path, name in (
        ("spec.languages.group", spec.languages.group),
        ("spec.analysis.endpoint.group", spec.analysis.endpoint.group),
    ):
        if name is not None and name not in GROUPS:
            yield Problem(path, name, unknown("language group", name, GROUPS))


def _encoder_models(spec: Experiment, _: Tasks) -> Iterator[Problem]:
    builtin = [BUILTIN + name for name in BUILTIN_ENCODERS]
    for number, encoder in enumerate(spec.encoders):
        path, model = f"spec.encoders[{number}].model", encoder.model
        if model.startswith(BUILTIN):
            if model not in builtin:
                yield Problem(path, model, unknown("built-in encoder", model, builtin))
        elif not encoder.is_folder and not HUB_NAME.fullmatch(model):
            message = (
                f"valid: {', '.join(builtin)}, a hub name <owner>/<name>, or a folder that "
                "starts with / or ."
            )
            yield Problem(path, model, message)


def _encoder_revisions(spec: Experiment, _: Tasks) -> Iterator[Problem]:
    """A branch or a tag would let the same spec mean other weights tomorrow."""
    for number, encoder in enumerate(spec.encoders):
        revision = encoder.revision
        if encoder.model.startswith(BUILTIN):
            fits, valid = revision is None, "none: the table pins it; leave it out"
        elif encoder.is_folder:
            fits = revision is not None and FOLDER_HASH.fullmatch(revision) is not None
            valid = "sha256:<64 hex>, as `xlbench encoder hash DIR` prints it"
        else:
            fits = revision is not None and COMMIT.fullmatch(revision) is not None
            valid = "a commit of 40 hex digits, not a branch or a tag, which can move"
        if not fits:
            yield Problem(f"spec.encoders[{number}].revision", revision, f"valid: {valid}")


def _encoder_layers(spec: Experiment, _: Tasks) -> Iterator[Problem]:
    for number, encoder in enumerate(spec.encoders):
        known = BUILTIN_ENCODERS.get(encoder.model.removeprefix(BUILTIN))
        if known is None or not encoder.model.startswith(BUILTIN):
            continue
        for path, lowest in _lowest_layers(spec):
            if lowest > known.shape.layers:
                message = (
                    f"encoder {encoder.name} (spec.encoders[{number}]) has {known.shape.layers} "
                    f"layers; valid: 0 to {known.shape.layers}"
                )
                yield Problem(path, lowest, message)


def _lowest_layers(spec: Experiment) -> Iterator[tuple[str, int]]:
    yield "spec.training.trainable.lowestLayer", spec.training.trainable.lowest_layer
    for path, _, phase in phases(spec):
        if phase.trainable:
            yield f"{path}.trainable.lowestLayer", phase.trainable.lowest_layer


def _encoder_positions(spec: Experiment, _: Tasks) -> Iterator[Problem]:
    """A longer text would be asked for a position that the encoder has no embedding of."""
    places = [(each, f"spec.encoders[{number}]") for number, each in enumerate(spec.encoders)]
    if "random-encoder" in spec.baselines:
        places.append((RANDOM_ENCODER, "spec.baselines"))
    longest = spec.training.max_length
    for encoder, place in places:
        known = BUILTIN_ENCODERS.get(encoder.model.removeprefix(BUILTIN))
        if known is None or not encoder.model.startswith(BUILTIN):
            continue
        if longest > known.shape.positions:
            message = (
                f"encoder {encoder.name} ({place}) has {known.shape.positions} positions; valid: "
                f"8 to {known.shape.positions}"
            )
            yield Problem("spec.training.maxLength", longest, message)


NAMES: Mapping[str, Rule] = {
    "tasks-are-known": _task_names,
    "languages-are-known": _language_codes,
    "groups-are-known": _language_groups,
    "encoders-are-known": _encoder_models,
    "revisions-are-pinned": _encoder_revisions,
    "layers-are-there": _encoder_layers,
    "lengths-have-positions": _encoder_positions,
}
"""Rules by name."""
