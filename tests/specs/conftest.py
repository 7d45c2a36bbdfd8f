"""Two S3 servers that share no code: moto in this process, versitygw as a program of its own."""

import os
import socket
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import boto3
import pytest
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
    running = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
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
        for name in [name for name in os.environ if name.startswith(("AWS_", "XLBENCH_S3_"))]:
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
