"""What networks, busy servers and other writers do to requests, and how each of it ends."""

import hashlib
import re
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import pytest
from finished_stages import manifest_of
from xlbench_specs import layout
from xlbench_specs.stages import EncoderParams, Stage
from xlbench_specs.store import (
    Commit,
    CorruptError,
    NotFoundError,
    RefusedError,
    Store,
    UnavailableError,
    check,
    commit,
    finished,
    open_store,
)

pytestmark = pytest.mark.slow  # a real server behind a proxy that fails

CONTENT = hashlib.shake_256(b"no two parts alike").digest(12 * 2**20)
STAGE = Stage(params=EncoderParams(model="builtin/random-tiny", revision="1"), recipe=1)
MANIFEST = manifest_of(STAGE, "mine")
RIVAL = MANIFEST.model_copy(update={"attempt": "the rival's"})
PLACE = layout.manifest("encoder", STAGE.key)


class Scene(NamedTuple):
    """A store behind the proxy, and what is really there."""

    store: Store
    direct: Store
    proxy: Any
    fault: type
    address: str

    def harm(self, *harms):
        """What is to happen to requests: (method, what, further fields of `Fault`) of each."""
        self.proxy.faults = [self.fault(*where, **more) for *where, more in harms]

    def assert_all_harm_was_done(self):
        assert [fault.times for fault in self.proxy.faults] == [0] * len(self.proxy.faults)

    def put_as_another_tool(self, path, data, metadata):
        bucket, _, prefix = self.address.removeprefix("s3://").partition("/")
        client = self.proxy.server.client()
        client.put_object(Bucket=bucket, Key=f"{prefix}/{path}", Body=data, Metadata=metadata)

    def unfinished_uploads(self):
        bucket, _, prefix = self.address.removeprefix("s3://").partition("/")
        answer = self.proxy.server.client().list_multipart_uploads(Bucket=bucket, Prefix=prefix)
        return answer.get("Uploads", [])


@pytest.fixture(params=["moto", pytest.param("versitygw", marks=pytest.mark.cluster)])
def scene(request, use_s3, start_proxy, fault, monkeypatch):
    server = request.getfixturevalue(request.param)
    proxy, address = start_proxy(server), use_s3(server)
    direct = open_store(address)
    monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.endpoint)
    return Scene(open_store(address), direct, proxy, fault, address)


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "weights.bin"
    path.write_bytes(CONTENT)
    return path


class TestCommits:
    @pytest.mark.parametrize(
        ("there", "end"),
        [(None, Commit.WON), (RIVAL, Commit.LOST)],
        ids=["its own, as nothing was there", "the rival's, which was there first"],
    )
    def test_an_answer_lost_after_the_manifest_was_written_ends_with(self, scene, there, end):
        if there:
            scene.direct.put(PLACE, there.text().encode())
        scene.harm(("PUT", "lose answer", {}))
        assert commit(scene.store, MANIFEST) is end
        assert finished(scene.direct, "encoder", STAGE.key) == (there or MANIFEST)
        scene.assert_all_harm_was_done()

    def test_a_corrupt_manifest_is_replaced(self, scene):
        scene.direct.put(PLACE, b"half a mani")
        assert commit(scene.store, MANIFEST) is Commit.REPAIRED
        assert finished(scene.direct, "encoder", STAGE.key) == MANIFEST

    def test_an_answer_lost_after_the_repair_leaves_the_own_manifest(self, scene):
        scene.direct.put(PLACE, b"half a mani")
        scene.harm(("PUT", "pass", {}), ("PUT", "lose answer", {}))
        assert commit(scene.store, MANIFEST) is Commit.WON
        assert finished(scene.direct, "encoder", STAGE.key) == MANIFEST
        scene.assert_all_harm_was_done()

    def test_a_rival_who_repairs_first_has_won(self, scene):
        def rival():
            scene.direct.put(PLACE, RIVAL.text().encode())

        scene.direct.put(PLACE, b"half a mani")
        scene.harm(("PUT", "pass", {}), ("PUT", "pass", {"before": rival}))
        assert commit(scene.store, MANIFEST) is Commit.LOST
        assert finished(scene.direct, "encoder", STAGE.key) == RIVAL

    def test_a_conflict_is_no_verdict_and_is_asked_again(self, scene):
        conflict = {"times": 2, "status": 409, "code": "ConditionalRequestConflict"}
        scene.harm(("PUT", "answer", conflict))
        assert commit(scene.store, MANIFEST) is Commit.WON
        assert finished(scene.direct, "encoder", STAGE.key) == MANIFEST
        assert scene.proxy.seen == ["PUT"] * 3

    def test_a_manifest_damaged_where_it_lies_is_not_finished_and_is_repaired(self, scene):
        recorded = {"xlbench-sha256": hashlib.sha256(b"another digit in it").hexdigest()}
        scene.put_as_another_tool(PLACE, RIVAL.text().encode(), recorded)
        assert finished(scene.store, "encoder", STAGE.key) is None
        assert commit(scene.store, MANIFEST) is Commit.REPAIRED
        assert finished(scene.store, "encoder", STAGE.key) == MANIFEST

    def test_a_manifest_that_another_tool_copied_is_valid(self, scene):
        scene.put_as_another_tool(PLACE, RIVAL.text().encode(), {})
        assert commit(scene.store, MANIFEST) is Commit.LOST
        assert finished(scene.store, "encoder", STAGE.key) == RIVAL


REQUESTS = {
    "PUT": lambda store: store.put("a/b", b"new"),
    "HEAD": lambda store: store.local("a/b"),
    "GET": lambda store: store.read("a/b"),
    "POST": lambda store: store.delete("a"),
}
AFTERWARDS = {"PUT": {"a/b": b"new"}, "POST": {}}


class TestBadMoments:
    @pytest.mark.parametrize(
        ("does", "more"),
        [
            ("answer", {"times": 3}),
            ("answer", {"status": 500, "code": "InternalError"}),
            ("answer", {"status": 400, "code": "RequestTimeout"}),
            ("cut request", {}),
            ("lose answer", {}),
        ],
        ids=["three times 503", "500", "400 RequestTimeout", "cut on its way", "answer lost"],
    )
    @pytest.mark.parametrize("method", REQUESTS)
    def test_a_request_is_repeated(self, scene, method, does, more):
        scene.direct.put("a/b", b"old")
        scene.harm((method, does, more))
        REQUESTS[method](scene.store)
        there = {path: scene.direct.read(path).data for path in scene.direct.list("a")}
        assert there == AFTERWARDS.get(method, {"a/b": b"old"})
        scene.assert_all_harm_was_done()

    def test_an_answer_cut_in_the_middle_is_asked_for_again(self, scene, source):
        scene.direct.upload("weights.bin", source)
        scene.harm(("GET", "cut answer", {"times": 2}))
        assert scene.store.local("weights.bin").read_bytes() == CONTENT
        scene.assert_all_harm_was_done()
        scene.harm(("GET", "cut answer", {}))
        assert scene.store.read("weights.bin").data == CONTENT
        scene.assert_all_harm_was_done()

    def test_a_store_that_never_answers_is_given_up_with_its_last_word(self, scene, monkeypatch):
        monkeypatch.setenv("XLBENCH_S3_DEADLINE_S", "0.5")
        scene.harm(("GET", "answer", {"times": 1000}))
        asked = re.escape(f"get_object {scene.address}/a/b: no answer in ")
        with pytest.raises(UnavailableError, match=rf"{asked}.* \(deadline 0.5 s\); .*SlowDown"):
            open_store(scene.address).read("a/b")

    def test_an_endpoint_where_nobody_listens_is_given_up(self, scene, monkeypatch):
        monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
        monkeypatch.setenv("XLBENCH_S3_DEADLINE_S", "0.2")
        with pytest.raises(UnavailableError, match="Could not connect"):
            open_store(scene.address).list("a")


class TestUploads:
    @pytest.mark.parametrize(
        "harm",
        [
            ("PUT", "cut request", {}),
            ("PUT", "lose answer", {}),
            ("PUT", "answer", {"times": 3}),
            ("PUT", "answer", {"status": 404, "code": "NoSuchUpload"}),
            ("POST", "lose answer", {"target": "uploadId="}),
            ("POST", "answer", {"target": "uploadId=", "times": 2}),
        ],
        ids=[
            "a part cut in the middle",
            "a part's answer lost",
            "parts refused by 503",
            "the upload forgotten, after a part",
            "the completion's answer lost",
            "the completion refused by 503",
        ],
    )
    def test_a_large_file_arrives_whole_in_spite_of(self, scene, source, harm):
        scene.harm(harm)
        scene.store.upload("weights.bin", source)
        assert scene.direct.read("weights.bin").data == CONTENT
        scene.assert_all_harm_was_done()

    def test_an_upload_that_fails_for_good_leaves_no_parts_to_pay_for(self, scene, source):
        denied = {"target": "partNumber=2", "status": 403, "code": "AccessDenied"}
        scene.harm(("PUT", "answer", denied))
        with pytest.raises(RefusedError, match=r"upload_part s3://.*/weights\.bin: .*AccessDenied"):
            scene.store.upload("weights.bin", source)
        assert scene.unfinished_uploads() == []
        with pytest.raises(NotFoundError):
            scene.direct.read("weights.bin")

    def test_an_upload_that_is_forgotten_again_and_again_is_given_up(self, scene, source):
        scene.harm(("PUT", "answer", {"times": 1000, "status": 404, "code": "NoSuchUpload"}))
        with pytest.raises(UnavailableError, match="forgot an upload in parts 3 times"):
            scene.store.upload("weights.bin", source)

    def test_what_another_writer_replaces_meanwhile_is_fetched_as_no_mixture(
        self, scene, source, tmp_path
    ):
        def other():
            scene.direct.put("weights.bin", b"other")

        scene.direct.upload("weights.bin", source)
        scene.harm(("GET", "pass", {"before": other}))
        with pytest.raises(CorruptError, match="another object took its place"):
            scene.store.local("weights.bin")
        assert list((tmp_path / "copies").iterdir()) == []
        assert scene.store.local("weights.bin").read_bytes() == b"other"


class TestRefusals:
    # A proxy that takes headers away breaks the signature, which moto does not verify.
    @pytest.mark.parametrize("scene", ["moto"], indirect=True)
    def test_an_endpoint_that_ignores_conditions_is_refused(self, scene):
        scene.harm(("PUT", "pass", {"times": 1000, "without": ("if-match", "if-none-match")}))
        with pytest.raises(RefusedError, match="create where something is, replace under another"):
            check(scene.store)
        assert scene.store.list("probes") == []

    def test_an_endpoint_that_knows_no_conditions_is_refused(self, scene):
        scene.harm(("PUT", "answer", {"status": 501, "code": "NotImplemented"}))
        with pytest.raises(RefusedError, match="501 NotImplemented: said by the test"):
            check(scene.store)

    def test_what_may_not_be_read_is_refused_at_once_and_not_taken_for_absent(self, scene):
        scene.harm(("GET", "answer", {"status": 403, "code": "AccessDenied"}))
        with pytest.raises(RefusedError, match=r"AccessDenied.*without s3:ListBucket"):
            finished(scene.store, "encoder", STAGE.key)
        assert scene.proxy.seen == ["GET"]

    def test_a_bucket_that_does_not_exist_is_no_empty_store(self, scene):
        other = open_store(scene.address.replace("xlbench-tests", "no-such-bucket"))
        for look in (other.read, other.list):
            with pytest.raises(RefusedError, match="NoSuchBucket"):
                look("a")

    @pytest.mark.parametrize(
        ("code", "error"),
        [("AccessDenied", RefusedError), ("InternalError", UnavailableError)],
        ids=["forbidden", "busy"],
    )
    def test_an_object_that_could_not_be_deleted_is_named(self, scene, code, error):
        scene.direct.put("a/b", b"")
        body = "<DeleteResult><Error><Key>x/a/b</Key><Code>{code}</Code></Error></DeleteResult>"
        scene.harm(("POST", "answer", {"status": 200, "code": code, "body": body}))
        with pytest.raises(error, match=f"delete_objects x/a/b: {code}"):
            scene.store.delete("a")

    def test_damaged_content_is_handed_to_nobody(self, scene, tmp_path):
        recorded = {"xlbench-sha256": hashlib.sha256(b"as it was written").hexdigest()}
        scene.put_as_another_tool("a/b", b"as it is", recorded)
        for look in (scene.store.read, scene.store.local):
            with pytest.raises(CorruptError, match=r"a/b: sha256 .* it was written with"):
                look("a/b")
        assert list((tmp_path / "copies").iterdir()) == []


@pytest.mark.cluster
def test_more_objects_than_a_page_holds_are_listed_and_deleted(versitygw, use_s3):
    store = open_store(use_s3(versitygw))
    paths = [f"a/{number:04d}" for number in range(1005)]
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda path: store.put(path, b""), paths))
    assert store.list("a") == paths
    store.delete("a")
    assert store.list("a") == []


def test_folders_of_many_pages_are_listed_and_deleted(scene, monkeypatch):
    monkeypatch.setenv("MOTO_S3_DEFAULT_MAX_KEYS", "3")
    monkeypatch.setattr("xlbench_specs.s3._MOST_DELETED", 2)
    paths = [f"a/{number}" for number in range(8)]
    for path in paths:
        scene.direct.put(path, b"")
    scene.put_as_another_tool("a/folder/", b"", {})
    assert scene.store.list("a") == paths
    scene.store.delete("a")
    assert scene.direct.list("a") == []
