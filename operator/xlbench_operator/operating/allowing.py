"""What a deployment lets an experiment ask for; the spec alone cannot tell.

Pure. Asked at acceptance and, as `execution` may change, at every look after. Called by
`reconcile`.
"""

from collections.abc import Collection, Iterator

from xlbench_specs.errors import Problem, SpecError
from xlbench_specs.experiment import Experiment
from xlbench_specs.pods import PodSettings

from xlbench_operator.operating.settings import Allowed, Settings

PATH = "spec.execution.pod"


def build_for(spec: Experiment, settings: Settings) -> str | None:
    """The trainer's build that salts the keys, if the spec asks for that.

    Raises: `SpecError` if the deployment names its trainer by a tag, which may move.
    """
    if spec.reuse == "sameTrainer" and settings.trainer_build is None:
        message = (
            f"the operator runs the trainer {settings.trainer_image!r}, which names no build; have "
            "it name the image by digest (image@sha256:...), or give always or never"
        )
        raise SpecError.at("spec.reuse", spec.reuse, message)
    return settings.trainer_build if spec.reuse == "sameTrainer" else None


def check_allowed(spec: Experiment, settings: Settings) -> None:
    """Hold what an experiment asks of its pods to what pods have and the administrators allow.

    Raises: `SpecError`.
    """
    pod = spec.execution.pod or PodSettings()
    problems = [*local_encoders(spec), *_problems(pod, settings.allowed)]
    if problems:
        raise SpecError(problems)


def local_encoders(spec: Experiment) -> Iterator[Problem]:
    """A problem for each encoder that lies in a folder, which no pod has."""
    for number, encoder in enumerate(spec.encoders):
        if encoder.is_folder:
            message = (
                "a folder of one machine, which pods do not have; valid: builtin/<name> or a hub "
                "name <owner>/<name>, or run it by `xlbench run`"
            )
            yield Problem(f"spec.encoders[{number}].model", encoder.model, message)


def _problems(pod: PodSettings, allowed: Allowed) -> Iterator[Problem]:
    account, runtime = pod.service_account_name, pod.runtime_class_name
    if account and _barred(account, allowed.service_accounts):
        yield _problem("serviceAccountName", account, allowed.service_accounts)
    if runtime and _barred(runtime, allowed.runtime_classes):
        yield _problem("runtimeClassName", runtime, allowed.runtime_classes)
    for name, sources in (("volumes", pod.volumes), ("envFrom", pod.env_from)):
        for number, source in enumerate(sources):
            for kind in ("claim", "secret", "configMap", "empty"):
                if kind in source.plain() and _barred(kind, allowed.sources):
                    path = f"{name}[{number}].{kind}"
                    yield _problem(path, source.plain()[kind], allowed.sources)


def _barred(asked: str, allowed: Collection[str] | None) -> bool:
    return allowed is not None and asked not in allowed


def _problem(path: str, value: object, allowed: Collection[str] | None) -> Problem:
    valid = ", ".join(sorted(allowed or ())) or "none"
    return Problem(f"{PATH}.{path}", value, f"not allowed on this cluster; allowed: {valid}")
