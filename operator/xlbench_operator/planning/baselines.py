"""The baselines that need training: each is one `$target` chain at the target's dose. Pure."""

from typing import NamedTuple

from xlbench_specs.experiment import (
    TARGET,
    EncoderRef,
    Experiment,
    Phase,
    Schedule,
    TaskRef,
    Trainable,
    TrainingOverrides,
)

RANDOM_ENCODER = EncoderRef(name="random-tiny", model="builtin/random-tiny")
EVERY_LAYER = 200
"""Freezes all layers of any encoder."""
PROBE_LEARNING_RATE = 5e-2
"""A lone linear head on frozen features learns nothing at an encoder's rate; measured on dev."""


class BaselineArm(NamedTuple):
    """A baseline as a schedule and the encoders it is run on."""

    schedule: Schedule
    encoders: tuple[EncoderRef, ...]


def baseline_arms(spec: Experiment) -> list[BaselineArm]:
    """The baselines of a spec that need training, in the order of their names."""
    arms = {
        "frozen-probe": BaselineArm(
            _target_only(
                "frozen-probe",
                Trainable(lowest_layer=EVERY_LAYER, embeddings=False),
                TrainingOverrides(learning_rate=PROBE_LEARNING_RATE),
            ),
            tuple(spec.encoders),
        ),
        "random-encoder": BaselineArm(
            _target_only("random-encoder", Trainable(), None), (RANDOM_ENCODER,)
        ),
    }
    return [arms[name] for name in sorted(arms) if name in spec.baselines]


def _target_only(name: str, trainable: Trainable, training: TrainingOverrides | None) -> Schedule:
    phase = Phase(tasks=[TaskRef(task=TARGET)], trainable=trainable, training=training)
    return Schedule(name=name, role="control", phases=[phase])
