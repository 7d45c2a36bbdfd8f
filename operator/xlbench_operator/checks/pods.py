"""Rules about what a spec says of its pods: what Kubernetes would refuse of a Job, told before.

The API server holds all of them too, as lists with keys and CEL rules in the CRD.
"""

from collections.abc import Iterator, Mapping

from xlbench_specs.errors import Problem
from xlbench_specs.experiment import Experiment
from xlbench_specs.pods import ATTEMPT_VARIABLE, OWN_MOUNTS, PodSettings

from xlbench_operator.checks.rules import Rule, Tasks, repeats

PATH = "spec.execution.pod"
SOURCES = ("claim", "secret", "configMap", "empty")


def _pod(spec: Experiment) -> PodSettings:
    return spec.execution.pod or PodSettings()


def _names_differ(spec: Experiment, _: Tasks) -> Iterator[Problem]:
    pod = _pod(spec)
    yield from repeats(f"{PATH}.env", [each.name for each in pod.env], ".name")
    yield from repeats(f"{PATH}.volumes", [each.name for each in pod.volumes], ".name")
    yield from repeats(f"{PATH}.imagePullSecrets", pod.image_pull_secrets)


def _mounts(spec: Experiment, _: Tasks) -> Iterator[Problem]:
    paths = [each.mount_path for each in _pod(spec).volumes]
    yield from repeats(f"{PATH}.volumes", paths, ".mountPath")
    for number, path in enumerate(paths):
        if path in OWN_MOUNTS:
            message = f"every pod has its own {' and '.join(OWN_MOUNTS)}; mount it elsewhere"
            yield Problem(f"{PATH}.volumes[{number}].mountPath", path, message)


def _volume_sources(spec: Experiment, _: Tasks) -> Iterator[Problem]:
    for number, volume in enumerate(_pod(spec).volumes):
        said = [name for name in SOURCES if name in volume.plain()]
        if len(said) != 1:
            message = (
                f"give exactly one of {', '.join(SOURCES)}; found {' and '.join(said) or 'none'}"
            )
            yield Problem(f"{PATH}.volumes[{number}]", None, message)


def _variable_sources(spec: Experiment, _: Tasks) -> Iterator[Problem]:
    for number, source in enumerate(_pod(spec).env_from):
        if len(source.plain()) != 1:
            message = "give exactly one of secret, configMap"
            yield Problem(f"{PATH}.envFrom[{number}]", None, message)


def _own_variable(spec: Experiment, _: Tasks) -> Iterator[Problem]:
    for number, variable in enumerate(_pod(spec).env):
        if variable.name == ATTEMPT_VARIABLE:
            message = "the operator sets it; leave it out"
            yield Problem(f"{PATH}.env[{number}].name", variable.name, message)


def _tolerations(spec: Experiment, _: Tasks) -> Iterator[Problem]:
    for number, each in enumerate(_pod(spec).tolerations):
        path = f"{PATH}.tolerations[{number}]"
        if each.key is None and each.operator == "Equal":
            yield Problem(f"{path}.key", None, "needed, unless operator is Exists")
        if each.value is not None and each.operator == "Exists":
            yield Problem(f"{path}.value", each.value, "only with operator Equal")
        if each.toleration_seconds is not None and each.effect != "NoExecute":
            message = "only with effect NoExecute"
            yield Problem(f"{path}.tolerationSeconds", each.toleration_seconds, message)


PODS: Mapping[str, Rule] = {
    "names-of-a-pod-differ": _names_differ,
    "mounts-have-their-own-place": _mounts,
    "volume-has-one-source": _volume_sources,
    "variables-have-one-source": _variable_sources,
    "attempt-is-the-operators": _own_variable,
    "toleration-is-whole": _tolerations,
}
"""Rules by name."""
