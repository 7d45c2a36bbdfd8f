"""A task and a training that nobody planned: a test says what it is about, the rest is here."""

from xlbench_specs.experiment import Trainable
from xlbench_specs.stages import TaskDose, TrainParams
from xlbench_specs.tasks import PackageSource, Task


def task_row(kind, metrics, labels=(), **changes):
    """A row of the task table without data."""
    given = {
        "name": f"{kind}-task",
        "description": "made up",
        "source": PackageSource(packages={}),
        "revision": "1",
        "train_source": "none",
        "licence": "none",
        "sizes": {},
        "tokens_per_example": 1.0,
        "cluster": "none",
    } | changes
    metric = metrics[0] if metrics else None
    return Task(kind=kind, metric=metric, metrics=list(metrics), labels=list(labels), **given)


def train_params(tasks, **changes):
    """A training: `tasks` to updates or to a dose."""
    doses = {
        name: dose if isinstance(dose, TaskDose) else TaskDose(updates=dose)
        for name, dose in tasks.items()
    }
    given = {
        "seed": 1,
        "batch_size": 4,
        "learning_rate": 1e-3,
        "warmup": 0.1,
        "weight_decay": 0.0,
        "clip": 1.0,
        "checkpoint": "last",
        "precision": "fp32",
        "tf32": False,
        "threads": 1,
        "batches": "homogeneous",
        "optimizer": "reset",
        "trainable": Trainable(),
    } | changes
    return TrainParams(tasks=doses, **given)
