"""One connection to an API server: plain JSON in and out, every call with a deadline.

The official client finds the server and signs the requests; its typed models are left alone, as
they cost ten times the time and refuse fields that they do not know. Nothing is retried here: who
calls knows whether trying again makes sense (`ApiError.transient`). Safe for many threads. Called
by the operator (`cluster.objects`, `cluster.listing`, `cluster.watching`) and by the user's
commands.
"""

import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote, urlencode

from kubernetes import config
from kubernetes.client import ApiClient, ApiException, Configuration
from kubernetes.client.rest import RESTResponse
from urllib3.exceptions import HTTPError
from xlbench_specs.crd import GROUP, VERSION, KubeObject
from yaml import YAMLError

DEADLINE_S = 30.0
"""How long a call may take before it counts as unanswered."""
CONNECT_S = 5.0
SOCKETS = 64
"""Kept open; a request beyond them opens one of its own, which costs a handshake."""
JSON = "application/json"
MERGE_PATCH = "application/merge-patch+json"
APPLY_PATCH = "application/apply-patch+yaml"
"""Server-side apply; JSON is YAML."""

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
JOBS, EXPERIMENTS, CORE = "/apis/batch/v1", f"/apis/{GROUP}/{VERSION}", "/api/v1"
"""APIs that are spoken to, for `resource`."""
PLURAL = "experimentspecs"
"""What the API of experiments calls them."""

_REFUSED = 400
"""HTTP statuses from here on refuse."""
_FAILED = 500
"""From here on it is the server's own fault."""
_UNDECLARED = "field not declared in schema"
_CHUNK_BYTES = 1 << 16
_TOKEN = "BearerToken"  # noqa: S105 - what the client calls its way to sign


class NoClusterError(RuntimeError):
    """Nothing says where the API server is, or what says it cannot be read."""


class UnreachableError(RuntimeError):
    """The API server gave no answer in time. Later it may."""


class ApiError(RuntimeError):
    """The API server refused, and said why."""

    def __init__(
        self, request: str, status: int, body: KubeObject, retry_after_s: float = 0.0
    ) -> None:
        """Take what the server said of a request such as `GET /api/v1/pods`."""
        self.status = status
        """HTTP status, such as 404."""
        self.reason: str = body.get("reason", "")
        """One word, such as AlreadyExists."""
        self.words: str = body.get("message", "")
        """What the server says in a sentence."""
        self.causes: list[KubeObject] = (body.get("details") or {}).get("causes") or []
        """Of an invalid object, what is wrong with each `field`, in its `message`."""
        self.retry_after_s = retry_after_s
        """How long the server asks to be left alone; 0 if it does not."""
        super().__init__(f"{request}: {status} {self.reason} {self.words}".rstrip())

    @property
    def transient(self) -> bool:
        """Whether the same request may be answered later: conflict, load, an expired token.

        Server-side apply answers 500 to a field that the definition lacks; that stays.
        """
        if _UNDECLARED in self.words:
            return False
        return self.status in {401, 408, 409, 429} or self.status >= _FAILED


class Connection:
    """An API server that can be asked."""

    def __init__(self, configuration: Configuration, namespace: str) -> None:
        """Connect when first asked; `namespace` is the one to use where none is said."""
        configuration.retries = False
        configuration.connection_pool_maxsize = SOCKETS
        self.namespace = namespace
        self.heard: Callable[[str, str, int | None], None] = _nothing
        """Told of each request: verb, resource, and status of the answer if there was one."""
        self._client = ApiClient(configuration)

    def call(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: KubeObject | None = None,
        content: str = JSON,
    ) -> KubeObject:
        """Make a request and return the object of its answer.

        Raises: `ApiError` for an answer that refuses, `UnreachableError` for none.
        """
        answered: KubeObject = json.loads(self._ask(method, path, query, body, content))
        return answered

    def text(self, path: str, *, query: Mapping[str, str] | None = None) -> str:
        """An answer that is no JSON, such as the log of a pod. Raises: as `call`."""
        return self._ask("GET", path, query).decode(errors="replace")

    def watch(
        self, path: str, *, query: Mapping[str, str], silence_s: float
    ) -> Iterator[KubeObject]:
        """The events of a watch, until the server ends it; one of type ERROR is raised.

        Raises: `ApiError` (410: what was asked for is no longer known), `UnreachableError`, also
            if nothing is heard for `silence_s`.
        """
        name = f"GET {path}"
        with self._answer("GET", path, {**query, "watch": "true"}, silence_s=silence_s) as answer:
            if answer.status >= _REFUSED:
                raise _refusal(name, answer, answer.read())
            for line in _lines(answer.response.stream(_CHUNK_BYTES)):
                event: KubeObject = json.loads(line)
                if event["type"] == "ERROR":
                    said = event["object"]
                    raise ApiError(name, said.get("code", 500), said)
                yield event

    def _ask(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None,
        body: KubeObject | None = None,
        content: str = JSON,
    ) -> bytes:
        with self._answer(method, path, query, body, content) as answer:
            data: bytes = answer.read()
            if answer.status >= _REFUSED:
                raise _refusal(f"{method} {path}", answer, data)
            return data

    @contextmanager
    def _answer(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None,
        body: KubeObject | None = None,
        content: str = JSON,
        *,
        silence_s: float = DEADLINE_S,
    ) -> Iterator[RESTResponse]:
        """Send a request; what goes wrong while its answer is read is said here, once."""
        headers = {"Accept": "*/*", "User-Agent": "xlbench"}
        if body is not None:
            headers["Content-Type"] = content
        self._client.update_params_for_auth(headers, [], [_TOKEN], path, method, body)
        url = self.host + path + (f"?{urlencode(query)}" if query else "")
        timeout = (CONNECT_S, silence_s)
        asked = verb_and_resource(method, path, query or {})
        answer = None
        try:
            answer = self._client.call_api(method, url, headers, body, _request_timeout=timeout)
            self.heard(*asked, answer.status)
            yield answer
        except (HTTPError, ApiException) as error:
            if answer is None:
                self.heard(*asked, None)
            what = f"{method} {path}: no answer from {self.host}"
            raise UnreachableError(f"{what}: {error}") from error
        finally:
            if answer is not None:
                _release(answer)

    @property
    def host(self) -> str:
        """Address of the API server."""
        return str(self._client.configuration.host)

    def close(self) -> None:
        """Let go of the open sockets."""
        self._client.close()


def connect(context: str | None = None) -> Connection:
    """The cluster of `$KUBECONFIG` or ~/.kube/config, else the one that this pod runs in.

    Raises: `NoClusterError`.
    """
    files = config.KUBE_CONFIG_DEFAULT_LOCATION
    configuration = Configuration()
    try:
        if any(Path(file).expanduser().is_file() for file in files.split(os.pathsep)):
            return _from_files(configuration, context)
        config.load_incluster_config(configuration)
        return Connection(configuration, _own_namespace())
    except config.ConfigException as error:
        raise NoClusterError(
            f"no cluster to speak to: neither a kubeconfig ({files}; set KUBECONFIG to another) "
            f"nor a pod's service account: {error}"
        ) from error


def resource(
    api: str, plural: str, namespace: str | None = None, name: str = "", part: str = ""
) -> str:
    """Path of a collection, of an object in it, or of a part of that, such as its status.

    Args:
        api: Such as `/api/v1` or `/apis/batch/v1`.
        plural: Such as `jobs`.
        namespace: None for all of them.
        name: Of an object; the collection without.
        part: Such as `status` or `log`.
    """
    where = ["namespaces", quote(namespace, safe="")] if namespace else []
    parts = [*where, plural, quote(name, safe=""), part]
    return "/".join([api, *(each for each in parts if each)])


def verb_and_resource(method: str, path: str, query: Mapping[str, str]) -> tuple[str, str]:
    """What a request does and to what, in the words of RBAC."""
    parts = path.strip("/").split("/")[3 if path.startswith("/apis/") else 2 :]
    if parts[:1] == ["namespaces"] and len(parts) > 2:  # noqa: PLR2004 - of one namespace
        parts = parts[2:]
    plural, name, part = [*parts, "", "", ""][:3]
    reads = "watch" if "watch" in query else "get" if name else "list"
    verbs = {"GET": reads, "POST": "create", "PUT": "update"}
    return verbs.get(method, method.lower()), f"{plural}/{part}" if part else plural


def _nothing(*_: object) -> None:
    """Told of requests that nobody wants to hear of."""


def _from_files(configuration: Configuration, context: str | None) -> Connection:
    try:
        config.load_kube_config(
            context=context, client_configuration=configuration, persist_config=False
        )
        contexts, current = config.list_kube_config_contexts()
    except (YAMLError, UnicodeDecodeError, KeyError, TypeError) as error:
        raise config.ConfigException(f"the file cannot be read: {error}") from error
    chosen = next((each for each in contexts if each["name"] == context), current)
    return Connection(configuration, chosen["context"].get("namespace", "default"))


def _own_namespace() -> str:
    return (SERVICE_ACCOUNT / "namespace").read_text(encoding="utf-8").strip()


def _refusal(request: str, answer: RESTResponse, data: bytes) -> ApiError:
    """What the server said; a proxy before it may say it in words that are no JSON."""
    try:
        body = json.loads(data)
    except ValueError:
        body = None
    if not isinstance(body, dict):
        body = {"reason": answer.reason, "message": data[:200].decode(errors="replace")}
    after = answer.getheader("Retry-After", "")
    return ApiError(request, answer.status, body, float(after) if after.isdecimal() else 0.0)


def _lines(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Whole lines of a stream that is cut anywhere."""
    rest = b""
    for chunk in chunks:
        *whole, rest = (rest + chunk).split(b"\n")
        yield from whole


def _release(answer: RESTResponse) -> None:
    """Give the socket back if the answer was read to its end, else close it."""
    if answer.data is None:
        answer.response.close()
    answer.response.release_conn()
