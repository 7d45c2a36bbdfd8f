"""The settings of a deployment as environment variables: the one place where they are read.

`VARIABLES` is the whole list and the source of docs/reference/settings.md. Those of S3 are
`xlbench_specs.s3_requests.Settings`. Called by `xlbench-operator run`, once.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal, NamedTuple, TypeVar

from pydantic import ValidationError
from xlbench_specs.documents import Document
from xlbench_specs.pods import PodSettings
from xlbench_specs.schema import schema_at, structural_schema
from xlbench_specs.suggestions import unknown

from xlbench_operator.operating.settings import Allowed, Caps, Settings
from xlbench_operator.wording import path_of


class Variable(NamedTuple):
    """An environment variable."""

    name: str
    meaning: str
    default: str
    """What is taken if it is not there or empty; empty if it must be there."""
    value: Callable[[str], Any]
    """What its text means. Raises: `ValueError`."""


def _at_least(least: int, most: int | None = None) -> Callable[[str], int]:
    limit = "" if most is None else f" to {most}"

    def value(text: str) -> int:
        fits = text.isdecimal() and int(text) >= least and (most is None or int(text) <= most)
        if not fits:
            raise ValueError(f"must be a whole number from {least}{limit}")
        return int(text)

    return value


def _address(text: str) -> str:
    if not text.startswith(("s3://", "file:///")):
        raise ValueError("must be s3://bucket/prefix or file:///an/absolute/folder")
    return text


Read = TypeVar("Read", bound=Document)


def _from_json(model: type[Read], text: str) -> Read:
    try:
        return model.model_validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        *holder, last = first["loc"] or ("the whole",)
        words = first["msg"]
        if first["type"] == "extra_forbidden":
            schema = structural_schema(model)
            node = schema_at(schema, path_of(tuple(holder))) if holder else schema
            words = unknown("field", str(last), (node or {}).get("properties", ()))
        raise ValueError(f"{path_of((*holder, last))}: {words}") from error


def _pods(text: str) -> PodSettings:
    return _from_json(PodSettings, text)


class _Allowed(Document):
    """How a deployment writes `Allowed`; a list that is not there allows anything."""

    service_accounts: list[str] | None = None
    runtime_classes: list[str] | None = None
    sources: list[Literal["claim", "secret", "configMap", "empty"]] | None = None


def _allowed(text: str) -> Allowed:
    read = _from_json(_Allowed, text)
    return Allowed(read.service_accounts, read.runtime_classes, read.sources)


NO_LIMIT = "no limit"
VARIABLES: Mapping[str, Variable] = {
    "store": Variable(
        "XLBENCH_STORE",
        "Where results go: `s3://bucket/prefix` or `file:///folder`. Each namespace has its own "
        "root below it.",
        "",
        _address,
    ),
    "trainer_image": Variable(
        "XLBENCH_TRAINER_IMAGE",
        "Image of Jobs that prepare, train and evaluate. Experiments with `reuse: sameTrainer` "
        "need it by digest.",
        "",
        str,
    ),
    "operator_image": Variable("XLBENCH_OPERATOR_IMAGE", "Image of Jobs that report.", "", str),
    "namespace": Variable(
        "XLBENCH_NAMESPACE", "The only namespace whose experiments are run.", "all", str
    ),
    "pods": Variable(
        "XLBENCH_PODS",
        "What the pods of all Jobs have, as JSON in the words of `spec.execution.pod`; experiments "
        "add to it.",
        "{}",
        _pods,
    ),
    "allowed": Variable(
        "XLBENCH_ALLOWED",
        "What `spec.execution.pod` may ask for, as JSON: `serviceAccounts`, `runtimeClasses` and "
        "`sources` (claim, secret, configMap, empty; of `volumes` and of `envFrom`), each a list. "
        "One that is not there allows anything.",
        "{}",
        _allowed,
    ),
    "max_jobs": Variable(
        "XLBENCH_MAX_JOBS",
        "Jobs that may be live at a time, of all experiments together. What is free goes to the "
        "experiment with fewest.",
        NO_LIMIT,
        _at_least(1),
    ),
    "max_jobs_per_namespace": Variable(
        "XLBENCH_MAX_JOBS_PER_NAMESPACE",
        "Jobs that may be live at a time in one namespace.",
        NO_LIMIT,
        _at_least(1),
    ),
    "workers": Variable(
        "XLBENCH_WORKERS",
        "Experiments that are looked at at a time, which bounds writes to the API server.",
        "4",
        _at_least(1),
    ),
    "port": Variable(
        "XLBENCH_HTTP_PORT",
        "Where /metrics, /healthz and /readyz answer.",
        "8080",
        _at_least(0, 65535),
    ),
}
"""By what they set."""

_OF_OTHERS = re.compile(
    "XLBENCH_(S3_.+|MIRROR|TRAINER|ATTEMPT|RECORDED|KILL_(AT|MARK)|CLUSTER_.+|UPDATE_GOLDENS)"
)
"""What the store, the trainer, drills and tests read; an operator may have it from its shell."""
_OF_KUBERNETES = re.compile(r"\w+_(SERVICE_(HOST|PORT)(_\w+)?|PORT_\d+_(TCP|UDP|SCTP)(_\w+)?)")
"""What a pod is told of a Service in its namespace, whose name may be `xlbench-...`."""


def _unknown(environment: Mapping[str, str]) -> Iterator[str]:
    """A word on each variable that is meant for xlbench and that nobody reads."""
    known = [variable.name for variable in VARIABLES.values()]
    for name, text in environment.items():
        if not name.startswith("XLBENCH_") or not text or name in known:
            continue
        address = name.endswith("_PORT") and "://" in text  # Kubernetes' again
        if not (address or _OF_OTHERS.fullmatch(name) or _OF_KUBERNETES.fullmatch(name)):
            yield f"{name} = {text!r}: {unknown('setting', name, known)}"


def settings_of(environment: Mapping[str, str]) -> Settings:
    """The settings that an environment holds; an empty variable is as none.

    Raises: `ValueError` naming each variable that is missing, wrong or unknown, its value and what
        it must be.
    """
    found: dict[str, Any] = {}
    problems = list(_unknown(environment))
    for field, variable in VARIABLES.items():
        text = environment.get(variable.name, "")
        if not text and not variable.default:
            problems.append(f"{variable.name} is missing: {variable.meaning}")
        elif text:
            try:
                found[field] = variable.value(text)
            except ValueError as error:
                problems.append(f"{variable.name} = {text!r}: {error}")
    if problems:
        raise ValueError("\n".join(problems))
    caps = Caps(found.pop("max_jobs", None), found.pop("max_jobs_per_namespace", None))
    return Settings(**found, caps=caps)
