"""What a user may say about the pods of an experiment's Jobs: bounded, and never their security.

Part of `execution`, so it bears on no result. The operator puts it into its pod template; what an
administrator allows is for admission policies to say.
"""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from xlbench_specs.documents import Document

ObjectName = Annotated[
    str,
    StringConstraints(pattern=r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$", min_length=1, max_length=253),
]
LABEL_KEY = r"^([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$"
LabelKey = Annotated[str, StringConstraints(pattern=LABEL_KEY, min_length=1, max_length=253)]
LabelValue = Annotated[
    str, StringConstraints(pattern=r"^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$", max_length=63)
]
Size = Annotated[
    str, StringConstraints(pattern=r"^[0-9]+(\.[0-9]+)?(k|M|G|T|Ki|Mi|Gi|Ti)?$", max_length=16)
]

OWN_MOUNTS = ("/tmp", "/dev/shm")  # noqa: S108 - what every pod has there is its own
ATTEMPT_VARIABLE = "XLBENCH_ATTEMPT"
"""Tells a trainer the id of its attempt: its pod's uid."""


class Toleration(Document):
    """A taint of nodes that pods put up with."""

    key: LabelKey | None = None
    """Key of the taint; none for every taint, with operator Exists."""
    operator: Literal["Exists", "Equal"] = "Equal"
    """Whether the taint's value matters."""
    value: LabelValue | None = None
    """The taint's value, with operator Equal."""
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = None
    """The taint's effect; none for every effect."""
    toleration_seconds: Annotated[int, Field(ge=0, le=604_800)] | None = None
    """How long a pod stays, with effect NoExecute; none for ever."""


class Variable(Document):
    """An environment variable."""

    name: Annotated[
        str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$", min_length=1, max_length=128)
    ]
    """Its name."""
    value: Annotated[str, StringConstraints(max_length=1024)]
    """Its value; secrets belong into `envFrom`."""


class VariableSource(Document):
    """A Secret or a ConfigMap whose entries become environment variables: exactly one."""

    secret: ObjectName | None = None
    """Name of a Secret, such as the one with the store's credentials."""
    config_map: ObjectName | None = None
    """Name of a ConfigMap."""


class Volume(Document):
    """A volume and where it is mounted; exactly one of `claim`, `secret`, `configMap`, `empty`."""

    name: Annotated[
        str,
        StringConstraints(pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", min_length=1, max_length=58),
    ]
    """Its name."""
    mount_path: Annotated[
        str, StringConstraints(pattern=r"^/[A-Za-z0-9_./-]*[A-Za-z0-9_-]$", max_length=253)
    ]
    """Where it is mounted."""
    read_only: bool = False
    """Whether pods may only read it."""
    claim: ObjectName | None = None
    """Name of a PersistentVolumeClaim."""
    secret: ObjectName | None = None
    """Name of a Secret."""
    config_map: ObjectName | None = None
    """Name of a ConfigMap, such as the one with a private CA."""
    empty: Size | None = None
    """Size limit of an empty folder on the node."""


class PodSettings(Document):
    """What is added to the pods of all Jobs of an experiment."""

    node_selector: (
        Annotated[dict[LabelKey, LabelValue], Field(min_length=1, max_length=16)] | None
    ) = None
    """Labels that a node must have."""
    tolerations: Annotated[list[Toleration], Field(max_length=16)] = []
    """Taints that pods put up with."""
    priority_class_name: ObjectName | None = None
    """Priority class."""
    runtime_class_name: ObjectName | None = None
    """Runtime class, such as `nvidia`."""
    service_account_name: ObjectName | None = None
    """Service account; its token is not mounted, but cloud identities are tied to it."""
    image_pull_secrets: Annotated[list[ObjectName], Field(max_length=8)] = []
    """Secrets with which images are pulled."""
    env: Annotated[list[Variable], Field(max_length=32)] = []
    """Environment variables, such as a proxy's address; they win over the operator's."""
    env_from: Annotated[list[VariableSource], Field(max_length=8)] = []
    """Secrets and ConfigMaps whose entries become environment variables."""
    volumes: Annotated[list[Volume], Field(max_length=16)] = []
    """Further volumes."""
