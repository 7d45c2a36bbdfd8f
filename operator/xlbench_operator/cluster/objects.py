"""The `Cluster` of the reconcile loop on a real API server: experiments, Jobs, events.

Each call is one request and is tried once; what is transient rises. Called by `operating.loop`.
"""

from dataclasses import dataclass
from http import HTTPStatus

from xlbench_specs import drill
from xlbench_specs.crd import GROUP, VERSION, KubeObject

from xlbench_operator.cluster.connection import (
    APPLY_PATCH,
    CORE,
    EXPERIMENTS,
    JOBS,
    PLURAL,
    ApiError,
    Connection,
    resource,
)
from xlbench_operator.cluster.listing import Listing, every
from xlbench_operator.operating.observed import Subject

FIELD_MANAGER = "xlbench-operator"
_TAKEN = "AlreadyExists"


@dataclass(frozen=True, slots=True)
class ApiCluster:
    """What is there and what is done about it, as one pass over an experiment needs it."""

    connection: Connection
    listing: Listing
    since: float
    """The monotonic time before which this pass must not look."""

    def experiment(self, namespace: str, name: str) -> KubeObject | None:
        """An ExperimentSpec; None if there is none."""
        return self._found(resource(EXPERIMENTS, PLURAL, namespace, name))

    def jobs(self, namespace: str) -> list[KubeObject]:
        """All Jobs of ours in a namespace."""
        return [job for job in self.every_job() if job["metadata"]["namespace"] == namespace]

    def every_job(self) -> list[KubeObject]:
        """All Jobs of ours, in all namespaces that are looked after."""
        return self.listing.jobs(self.since)

    def job(self, namespace: str, name: str) -> KubeObject | None:
        """A Job; None if there is none."""
        return self._found(resource(JOBS, "jobs", namespace, name))

    def create_job(self, job: KubeObject) -> bool:
        """POST a Job; False if its name is taken."""
        path = resource(JOBS, "jobs", job["metadata"]["namespace"])
        try:
            with drill.around("create_job"):
                made = self.connection.call("POST", path, body=job)
        except ApiError as error:
            if error.reason == _TAKEN:
                return False
            raise
        self.listing.add(made)
        return True

    def delete_job(self, namespace: str, name: str, uid: str) -> None:
        """Delete this very Job and, in the background, its pods; one that is gone is no error."""
        options = {
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "propagationPolicy": "Background",  # the default for Jobs leaves their pods
            "preconditions": {"uid": uid},
        }
        path = resource(JOBS, "jobs", namespace, name)
        with drill.around("delete_job"):
            _unless_gone(self.connection, "DELETE", path, options)

    def delete_experiment(self, subject: Subject) -> None:
        """Delete an experiment and, in the background, its Jobs, if it is still as it was seen."""
        options = {
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "propagationPolicy": "Background",
            "preconditions": {"uid": subject.uid, "resourceVersion": subject.version},
        }
        path = resource(EXPERIMENTS, PLURAL, subject.namespace, subject.name)
        with drill.around("delete_experiment"):
            _unless_gone(self.connection, "DELETE", path, options)

    def write_status(self, subject: Subject, status: KubeObject) -> None:
        """Apply the status of an experiment; one that is gone is no error.

        It must be this very one: under its uid, a later one of the same name is a conflict.
        """
        body = {
            "apiVersion": f"{GROUP}/{VERSION}",
            "kind": "ExperimentSpec",
            "metadata": {
                "name": subject.name,
                "namespace": subject.namespace,
                "uid": subject.uid,
            },
            "status": status,
        }
        path = resource(EXPERIMENTS, PLURAL, subject.namespace, subject.name, "status")
        with drill.around("write_status"):
            _unless_gone(self.connection, "PATCH", path, body)

    def tell(self, event: KubeObject) -> None:
        """Leave an event, unless it is there already or its namespace is going."""
        path = resource(CORE, "events", event["metadata"]["namespace"])
        try:
            with drill.around("tell"):
                self.connection.call("POST", path, body=event)
        except ApiError as error:
            if error.reason != _TAKEN and error.status not in _GONE | {HTTPStatus.FORBIDDEN}:
                raise

    def _found(self, path: str) -> KubeObject | None:
        try:
            return self.connection.call("GET", path)
        except ApiError as error:
            if error.status == HTTPStatus.NOT_FOUND:
                return None
            raise


_GONE = {HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT}
"""Not there, or another one of that name: its uid differs."""


def _unless_gone(connection: Connection, method: str, path: str, body: KubeObject) -> None:
    query = {"fieldManager": FIELD_MANAGER, "force": "true"} if method == "PATCH" else None
    try:
        connection.call(
            method, path, query=query, body=body, **({"content": APPLY_PATCH} if query else {})
        )
    except ApiError as error:
        if error.status not in _GONE:
            raise


def experiments(connection: Connection, namespace: str | None) -> list[KubeObject]:
    """All ExperimentSpecs of a namespace, or of all. Raises: as `Connection.call`."""
    return list(every(connection, resource(EXPERIMENTS, PLURAL, namespace), {}))
