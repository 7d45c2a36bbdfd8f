"""The bucket policy of docs/how-to/s3.md on a server that enforces it: two teams' credentials."""

import json
import re
import subprocess
from pathlib import Path

import pytest
from xlbench_specs.store import NotFoundError, RefusedError, check, open_store

PAGE = Path(__file__).parents[2] / "docs/how-to/s3.md"
TEAMS = ("team-a", "team-b")
FILE_BYTES = 6 * 2**20

pytestmark = pytest.mark.cluster


def statements(page, team):
    """The page's statements for a team, in the bucket of this test."""
    policy, _ = re.findall(r"```json\n(.*?)```", page, re.DOTALL)
    principal = re.sub(r"arn:aws:iam::\d+:role/xlbench-team-a", team, policy)
    text = principal.replace("team-a", team).replace(":bench", ":xlbench-teams")
    return json.loads(text)["Statement"]


@pytest.fixture(scope="module")
def teams(versitygw, versitygw_program):
    """A server with the page's policy for two teams, each with credentials of its own."""
    admin = [versitygw_program, "admin", "--access", versitygw.access]
    admin += ["--secret", versitygw.secret, "--endpoint-url", versitygw.endpoint, "create-user"]
    for team in TEAMS:
        user = ["--access", team, "--secret", f"secret of {team}", "--role", "user"]
        subprocess.run([*admin, *user], check=True, capture_output=True)
    client = versitygw.client()
    client.create_bucket(Bucket="xlbench-teams")
    every = [one for team in TEAMS for one in statements(PAGE.read_text(), team)]
    policy = {"Version": "2012-10-17", "Statement": every}
    client.put_bucket_policy(Bucket="xlbench-teams", Policy=json.dumps(policy))
    return versitygw


@pytest.fixture
def open_as(teams, use_s3):
    def open_as(team, prefix):
        use_s3(teams._replace(access=team, secret=f"secret of {team}"))
        return open_store(f"s3://xlbench-teams/results/{prefix}")

    return open_as


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "weights.bin"
    path.write_bytes(bytes(FILE_BYTES))
    return path


@pytest.mark.parametrize("team", TEAMS)
def test_a_team_can_do_everything_in_its_own_prefix(open_as, source, team):
    store = open_as(team, team)
    check(store)
    store.upload("payloads/weights.bin", source)
    assert store.local("payloads/weights.bin").stat().st_size == FILE_BYTES
    assert store.list("payloads") == ["payloads/weights.bin"]
    store.delete("payloads")
    with pytest.raises(NotFoundError):
        store.read("payloads/weights.bin")


@pytest.mark.parametrize("prefix", ["team-b", "team-", "somewhere"])
def test_a_team_can_do_nothing_in_another_prefix(open_as, source, prefix):
    source_of_b = open_as("team-b", "team-b")
    source_of_b.put("manifests/a.json", b"result of team-b")
    intruder = open_as("team-a", prefix)
    for act in (
        lambda: intruder.read("manifests/a.json"),
        lambda: intruder.read("manifests/absent.json"),
        lambda: intruder.local("manifests/a.json"),
        lambda: intruder.list("manifests"),
        lambda: intruder.create("manifests/b.json", b"forged"),
        lambda: intruder.replace(
            "manifests/a.json", b"forged", source_of_b.read("manifests/a.json").etag
        ),
        lambda: intruder.put("manifests/a.json", b"forged"),
        lambda: intruder.upload("payloads/weights.bin", source),
        lambda: intruder.delete("manifests"),
    ):
        with pytest.raises(RefusedError):
            act()
    assert source_of_b.list("manifests") == ["manifests/a.json"]
    assert source_of_b.read("manifests/a.json").data == b"result of team-b"
