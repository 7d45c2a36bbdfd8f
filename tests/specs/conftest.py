"""Two S3 servers that share no code, moto in this process and versitygw as a program of its own.

And a proxy that stands before either and does to requests what networks and busy servers do.
"""

import http.client
import os
import socket
import socketserver
import subprocess
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Literal, NamedTuple

import boto3
import pytest
from moto.s3.responses import S3Response
from moto.server import ThreadedMotoServer

ROOT = Path(__file__).parents[2]
BUCKET = "xlbench-tests"
READY_WITHIN_S = 30


class Server(NamedTuple):
    """Where a server listens, and who may do everything there."""

    endpoint: str
    access: str = "root-of-the-tests"
    secret: str = "secret-of-the-tests"  # noqa: S105 - of a server that ends with the tests

    def client(self):
        return boto3.session.Session().client(
            "s3",
            endpoint_url=self.endpoint,
            region_name="us-east-1",
            aws_access_key_id=self.access,
            aws_secret_access_key=self.secret,
        )


@pytest.fixture(scope="session")
def moto() -> Iterator[Server]:
    # moto looks whether a condition holds and then writes; a store does both in one step.
    put_object, one_at_a_time = S3Response.put_object, threading.Lock()

    def put_in_one_step(self: S3Response) -> object:
        with one_at_a_time:
            return put_object(self)

    running = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(S3Response, "put_object", put_in_one_step)
        running.start()
        server = Server("http://{}:{}".format(*running.get_host_and_port()))
        server.client().create_bucket(Bucket=BUCKET)
        yield server
        running.stop()


@pytest.fixture(scope="session")
def versitygw_program() -> str:
    answer = subprocess.run(
        [ROOT / "tools/cluster-tools", "--find", "versitygw"],
        check=False,
        capture_output=True,
        text=True,
    )
    if answer.returncode:
        pytest.fail(answer.stderr.strip(), pytrace=False)
    return answer.stdout.strip()


@pytest.fixture(scope="session")
def versitygw(versitygw_program: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("versitygw")
    for name in ("objects", "attributes", "users"):
        (folder / name).mkdir()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    server = Server(f"http://{address}")
    command = [versitygw_program, "--port", address, "--iam-dir", folder / "users", "--quiet"]
    command += ["posix", "--sidecar", folder / "attributes", folder / "objects"]
    secrets = {"ROOT_ACCESS_KEY": server.access, "ROOT_SECRET_KEY": server.secret}
    log = folder / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, env=os.environ | secrets, stdout=output, stderr=subprocess.STDOUT
        )
    try:
        wait_for(server, process, log)
        server.client().create_bucket(Bucket=BUCKET)
        yield server
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def wait_for(server: Server, process: subprocess.Popen, log: Path) -> None:
    host, _, port = server.endpoint.removeprefix("http://").partition(":")
    deadline = time.monotonic() + READY_WITHIN_S
    while time.monotonic() < deadline and process.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex((host, int(port))) == 0:
                return
        time.sleep(0.05)
    pytest.fail(f"versitygw did not listen in {READY_WITHIN_S} s:\n{log.read_text()}")


@pytest.fixture
def use_s3(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., str]:
    """Point this test's environment at a server: the address of an empty prefix there."""

    def use(server: Server) -> str:
        for name in list(os.environ):
            if name.startswith(("AWS_", "XLBENCH_S3_")) or name.lower().endswith("_proxy"):
                monkeypatch.delenv(name)
        settings = {
            "AWS_ENDPOINT_URL": server.endpoint,
            "AWS_ACCESS_KEY_ID": server.access,
            "AWS_SECRET_ACCESS_KEY": server.secret,
            "AWS_REGION": "us-east-1",
            "AWS_CONFIG_FILE": str(tmp_path / "none"),
            "XLBENCH_S3_CACHE": str(tmp_path / "copies"),
            "XLBENCH_S3_PART_BYTES": str(5 * 2**20),
            "XLBENCH_S3_DEADLINE_S": "60",
        }
        for name, value in settings.items():
            monkeypatch.setenv(name, value)
        return f"s3://{BUCKET}/{uuid.uuid4().hex}/a store"

    return use


@dataclass
class Fault:
    """What happens to requests of a method whose target contains a text."""

    method: str
    does: Literal["answer", "lose answer", "cut request", "cut answer", "pass"]
    target: str = ""
    times: int = 1
    status: int = 503
    """Of `answer`, which the server never hears of."""
    code: str = "SlowDown"
    body: str = "<Error><Code>{code}</Code><Message>said by the test</Message></Error>"
    before: Callable[[], object] = lambda: None
    """Done before the request goes on."""
    without: tuple[str, ...] = ()
    """Headers that are taken from it."""


class Proxy(socketserver.ThreadingTCPServer):
    """A real server between boto3 and S3, on a free port of this machine."""

    daemon_threads = True

    def __init__(self, server: Server) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.server = server
        self.endpoint = f"http://127.0.0.1:{self.server_address[1]}"
        self.faults: list[Fault] = []
        self.seen: list[str] = []  # methods of all requests, in order of arrival
        self.lock = threading.Lock()
        self.thread = threading.Thread(target=self.serve_forever, args=(0.01,))
        self.thread.start()

    def stop(self) -> None:
        self.shutdown()
        self.thread.join()
        self.server_close()

    def next_fault(self, method: str, target: str) -> Fault:
        with self.lock:
            self.seen.append(method)
            for fault in self.faults:
                if fault.times and fault.method == method and fault.target in target:
                    fault.times -= 1
                    return fault
        return Fault(method, "pass")


class Handler(BaseHTTPRequestHandler):
    """One connection to the proxy."""

    protocol_version = "HTTP/1.1"

    def handle_any(self) -> None:
        fault = self.server.next_fault(self.command, self.path)
        size = int(self.headers.get("Content-Length", 0))
        if fault.does == "cut request":
            self.rfile.read(size // 2)
            return self.cut()
        body = self.rfile.read(size)
        if fault.does == "answer":
            text = fault.body.format(code=fault.code).encode()
            return self.answer(fault.status, {}, text)
        fault.before()
        status, headers, content = self.forward(body, fault.without)
        if fault.does == "lose answer":
            return self.cut()
        if fault.does == "cut answer":
            return self.answer(status, headers, content, len(content) // 2)
        return self.answer(status, headers, content)

    do_DELETE = do_GET = do_HEAD = do_POST = do_PUT = handle_any  # noqa: N815 - http.server's names

    def forward(self, body: bytes, without: tuple[str, ...]) -> tuple[int, dict, bytes]:
        dropped = {"connection", "expect", *without}
        sent = {name: v for name, v in self.headers.items() if name.lower() not in dropped}
        upstream = http.client.HTTPConnection(self.server.server.endpoint.removeprefix("http://"))
        upstream.request(self.command, self.path, body, sent)
        response = upstream.getresponse()
        content = response.read()
        upstream.close()
        return response.status, dict(response.getheaders()), content

    def answer(self, status: int, headers: dict, content: bytes, whole: int | None = None) -> None:
        hops = {"connection", "transfer-encoding", "date", "server"}
        kept = {name.lower(): v for name, v in headers.items() if name.lower() not in hops}
        self.send_response(status)
        for name, value in ({"content-length": str(len(content))} | kept).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content[:whole])
        if whole is not None:
            self.cut()

    def cut(self) -> None:
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def start_proxy() -> Iterator[Callable[[Server], Proxy]]:
    running = []

    def start(server: Server) -> Proxy:
        running.append(Proxy(server))
        return running[-1]

    yield start
    for proxy in running:
        proxy.stop()


@pytest.fixture
def fault() -> type[Fault]:
    return Fault
