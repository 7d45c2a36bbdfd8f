"""Jobs that ended and left stages without a manifest: whom to blame, recorded before a Job goes.

Pure. The trainer's own word is taken where there is one of this very Job; else the first stage
without a manifest is where it died. Called by `decide`.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Literal

from xlbench_specs.exits import RETRYABLE, TrainerExit
from xlbench_specs.manifests import Attempt, Failure

from xlbench_operator.operating.observed import Job, JobState
from xlbench_operator.operating.situation import Situation

GRACE_S = 60.0
"""How long a manifest may take to be seen after its Job succeeded."""
REASONS: Mapping[TrainerExit, Literal["task-is-wrong", "wrong-recipe"]] = {
    TrainerExit.BAD_TASK: "task-is-wrong",
    TrainerExit.WRONG_RECIPE: "wrong-recipe",
}
_EXIT_CODE = re.compile(r"exit code (\d+)")


def attempts_ended(situation: Situation) -> Iterator[Attempt]:
    """What is to be recorded of the Jobs that ended."""
    for job in situation.world.own:
        if situation.unrecorded(job) and situation.now >= judged_at(job):
            failures = [
                _said(situation, job, key) or _failure(situation, job, key)
                for key in _blamed(situation, job)
            ]
            reached = {
                failure.key: situation.found.reached.get(failure.key) for failure in failures
            }
            yield Attempt(
                job=job.name,
                bundle=job.bundle,
                number=job.number,
                retries=situation.spec.execution.retry_failed,
                ended=job.ended,
                failures=failures,
                reached={key: update for key, update in reached.items() if update},
            )


def judged_at(job: Job) -> float:
    """When an ended Job may be judged by the manifests that are seen."""
    return job.ended + (GRACE_S if job.state is JobState.SUCCEEDED else 0.0)


def _blamed(situation: Situation, job: Job) -> list[str]:
    """The stages that the Job failed at; those behind the first are as if never tried.

    All of them if it claims to have finished them, or if nothing of the file could be run.
    """
    missing = situation.unfinished(job)
    named = [key for key in missing if _said(situation, job, key)]
    if job.state is JobState.SUCCEEDED or (not named and _exit_code(job) not in RETRYABLE):
        return missing
    return named or missing[:1]


def _said(situation: Situation, job: Job, key: str) -> Failure | None:
    """What the trainer said of a stage in this Job."""
    failure = situation.found.failures.get(key)
    return failure if failure and failure.job == job.name else None


def _failure(situation: Situation, job: Job, key: str) -> Failure:
    """The failure of a stage that nothing was said of."""
    stage, code = situation.plan.stages.get(key), _exit_code(job)
    claimed = job.state is JobState.SUCCEEDED
    words = "it succeeded and left no manifest" if claimed else f"{job.reason}: {job.message}"
    return Failure(
        key=key,
        kind=stage.kind if stage else "report",
        reason="no-manifest" if claimed else REASONS.get(code, "error"),
        message=f"Job {job.name}: {words}",
        retryable=code in RETRYABLE,
        job=job.name,
    )


def _exit_code(job: Job) -> TrainerExit:
    """What the trainer said, if a rule of the failure policy was about it; the Job's words tell."""
    told = _EXIT_CODE.search(job.message) if job.reason == "PodFailurePolicy" else None
    return TrainerExit(int(told[1])) if told else TrainerExit.FAILED
