"""What a user's commands ask of the API server: the experiments of a namespace and their logs.

Thin: one method, one or two requests. A server that is busy, as it is for a second after xlbench
was installed, is asked again; what refusals mean for the user is for `answers`.
"""

import time
from http import HTTPStatus
from typing import Any

from xlbench_specs.crd import KubeObject

from xlbench_operator.cluster.connection import (
    APPLY_PATCH,
    CORE,
    EXPERIMENTS,
    JOBS,
    MERGE_PATCH,
    PLURAL,
    ApiError,
    Connection,
    resource,
)
from xlbench_operator.operating.names import SELECTOR

AUTHOR = "xlbench"
"""Name under which `submit` owns fields; what others own (kubectl, `retry`) stays as it is."""
PATIENCE_S = 15.0
"""How long a busy server is asked again."""
_BUSY = {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE}
_DRY = {"dryRun": "All"}


class Experiments:
    """The experiments of one namespace."""

    def __init__(self, connection: Connection, namespace: str) -> None:
        """Ask nothing yet."""
        self.namespace = namespace
        self._connection = connection

    def every(self, *, anywhere: bool = False) -> list[KubeObject]:
        """All experiments of the namespace, or of the cluster."""
        path = resource(EXPERIMENTS, PLURAL, None if anywhere else self.namespace)
        items: list[KubeObject] = self._ask("GET", path)["items"]
        return items

    def get(self, name: str) -> KubeObject | None:
        """An experiment; None if there is none of that name."""
        try:
            return self._ask("GET", self._path(name))
        except ApiError as error:
            # Of a cluster without the definition, the server knows not even the collection.
            if error.status == HTTPStatus.NOT_FOUND and error.reason == "NotFound":
                self.every()
                return None
            raise

    def apply(self, document: KubeObject, *, dry_run: bool) -> KubeObject:
        """Make an experiment as its author wrote it, or change it to that; as it is then."""
        query = {
            "fieldManager": AUTHOR,
            "force": "true",
            "fieldValidation": "Strict",
            **(_DRY if dry_run else {}),
        }
        path = self._path(document["metadata"]["name"])
        return self._ask("PATCH", path, query=query, body=document, content=APPLY_PATCH)

    def change(self, experiment: KubeObject, spec: KubeObject, *, dry_run: bool) -> KubeObject:
        """Change fields of the spec, unless somebody else did since it was read (409)."""
        version = experiment["metadata"]["resourceVersion"]
        return self._ask(
            "PATCH",
            self._path(experiment["metadata"]["name"]),
            query=_DRY if dry_run else {},
            body={"metadata": {"resourceVersion": version}, "spec": spec},
            content=MERGE_PATCH,
        )

    def delete(self, experiment: KubeObject, *, dry_run: bool) -> None:
        """Delete this very experiment; its Jobs and their pods follow."""
        options: KubeObject = {
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "propagationPolicy": "Background",
            "preconditions": {"uid": experiment["metadata"]["uid"]},
            **({"dryRun": ["All"]} if dry_run else {}),
        }
        self._ask("DELETE", self._path(experiment["metadata"]["name"]), body=options)

    def jobs(self) -> list[KubeObject]:
        """All Jobs of experiments in the namespace."""
        path = resource(JOBS, "jobs", self.namespace)
        items: list[KubeObject] = self._ask("GET", path, query={"labelSelector": SELECTOR})["items"]
        return items

    def log(self, job: str) -> str | None:
        """The log of a Job's newest pod; None if it has none, or none that began."""
        path = resource(CORE, "pods", self.namespace)
        selector = {"labelSelector": f"batch.kubernetes.io/job-name={job}"}
        pods: list[KubeObject] = self._ask("GET", path, query=selector)["items"]
        if not pods:
            return None
        newest = max(pods, key=lambda pod: str(pod["metadata"]["creationTimestamp"]))
        if newest.get("status", {}).get("phase") == "Pending":  # the server's answer is then empty
            return None
        log = resource(CORE, "pods", self.namespace, newest["metadata"]["name"], "log")
        try:
            return self._connection.text(log)
        except ApiError as error:
            if error.status == HTTPStatus.BAD_REQUEST:  # its container is not there yet
                return None
            raise

    def _ask(self, method: str, path: str, **details: Any) -> KubeObject:
        """Make a request; every one here may be repeated."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            try:
                return self._connection.call(method, path, **details)
            except ApiError as error:
                pause_s = error.retry_after_s or 1.0
                if error.status not in _BUSY or time.monotonic() + pause_s > deadline:
                    raise
                time.sleep(pause_s)

    def _path(self, name: str) -> str:
        return resource(EXPERIMENTS, PLURAL, self.namespace, name)
