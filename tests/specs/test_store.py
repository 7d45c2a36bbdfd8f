"""What every store must keep: a folder, and S3 as two servers of different make understand it.

Another implementation joins by a line in `STORES`.
"""

import errno
import hashlib
import multiprocessing
import os
import re

import pytest
from finished_stages import manifest_of
from xlbench_specs import layout
from xlbench_specs.manifests import FileEntry
from xlbench_specs.stages import EncoderParams, Stage
from xlbench_specs.store import (
    Commit,
    CorruptError,
    FileStore,
    NotFoundError,
    RefusedError,
    check,
    commit,
    finished,
    finished_many,
    folder_hash,
    open_store,
    payload_file,
    payload_folder,
    sha256_of,
)

STORES = ["file", "moto", pytest.param("versitygw", marks=pytest.mark.cluster)]

WRITERS, KEYS = 8, 50
LARGE_BYTES = 12 * 2**20
"""More than two parts of the least size that S3 takes."""


@pytest.fixture(params=STORES)
def url(request, tmp_path):
    if request.param == "file":
        return f"file://{tmp_path}/a store"
    return request.getfixturevalue("use_s3")(request.getfixturevalue(request.param))


@pytest.fixture
def store(url):
    return open_store(url)


def race(act):
    """What `act(name)` gives in each of many processes that start together, by process."""
    context = multiprocessing.get_context("fork")
    barrier, answers = context.Barrier(WRITERS), context.SimpleQueue()

    def write(number):
        barrier.wait()
        answers.put((number, act(f"writer-{number}")))

    processes = [context.Process(target=write, args=(number,)) for number in range(WRITERS)]
    for process in processes:
        process.start()
    said = dict(answers.get() for _ in processes)
    for process in processes:
        process.join()
    return [said[number] for number in range(WRITERS)]


def assert_each_object_is_its_only_winners(store, answers):
    for number in range(KEYS):
        winners = [f"writer-{name}" for name, won in enumerate(answers) if won[number]]
        assert [store.read(f"race/{number:02d}").data.decode()] == winners


class TestObjects:
    def test_what_was_put_is_read_and_replaced_by_the_next_put(self, store):
        store.put("a/b/c.json", b"one")
        store.put("a/b/c.json", b"two")
        assert store.read("a/b/c.json").data == b"two"

    def test_what_was_never_written_is_not_found(self, store):
        for look in (store.read, store.local):
            with pytest.raises(NotFoundError, match=r"a/b\.json"):
                look("a/b.json")

    def test_a_folder_is_no_object(self, store):
        store.put("a/b.json", b"x")
        with pytest.raises(NotFoundError):
            store.read("a")

    def test_create_writes_once(self, store):
        assert store.create("a/b", b"first")
        assert not store.create("a/b", b"second")
        assert store.read("a/b").data == b"first"

    def test_create_works_again_once_the_object_is_gone(self, store):
        store.create("a/b", b"first")
        store.delete("a")
        assert store.create("a/b", b"second")

    def test_replace_needs_the_tag_of_what_is_there(self, store):
        store.put("a/b", b"one")
        tag = store.read("a/b").etag
        assert store.replace("a/b", b"two", tag)
        assert not store.replace("a/b", b"three", tag)
        assert store.read("a/b").data == b"two"

    def test_replace_does_not_create(self, store):
        assert not store.replace("a/b", b"two", "any tag")
        assert store.list("a") == []

    def test_equal_content_has_an_equal_tag_and_other_content_another(self, store):
        store.put("a", b"one")
        tag = store.read("a").etag
        store.put("a", b"two")
        assert store.read("a").etag != tag
        store.put("a", b"one")
        assert store.read("a").etag == tag

    def test_an_uploaded_file_is_there_and_may_replace_another(self, store, tmp_path):
        for content in (b"one", b"two"):
            source = tmp_path / "weights.bin"
            source.write_bytes(content)
            store.upload("payloads/weights.bin", source)
            assert store.read("payloads/weights.bin").data == content

    def test_a_local_copy_has_the_content(self, store):
        store.put("a/b", b"x" * 1000)
        assert store.local("a/b").read_bytes() == b"x" * 1000

    def test_a_local_copy_is_of_what_is_there_now(self, store):
        for content in (b"one", b"two", b"one", b""):
            store.put("a/b", content)
            assert store.local("a/b").read_bytes() == content

    def test_a_large_file_arrives_whole(self, store, tmp_path):
        content = hashlib.shake_256(b"no two parts alike").digest(LARGE_BYTES)
        source = tmp_path / "weights.bin"
        for data in (b"older", content):
            source.write_bytes(data)
            store.upload("payloads/weights.bin", source)
        assert store.read("payloads/weights.bin").data == content
        assert store.local("payloads/weights.bin").read_bytes() == content

    def test_a_large_object_is_written_under_conditions_like_a_small_one(self, store):
        one, two = b"1" * LARGE_BYTES, b"2" * LARGE_BYTES
        assert store.create("a", one)
        assert not store.create("a", two)
        tag = store.read("a").etag
        assert store.replace("a", two, tag)
        assert not store.replace("a", one, tag)
        assert store.read("a").data == two

    def test_an_empty_object_is_an_object(self, store):
        assert store.create("a", b"")
        assert store.read("a").data == b""
        assert not store.create("a", b"x")

    def test_list_names_everything_below_a_folder_sorted(self, store, tmp_path):
        for path in ("a/c/2", "a/b", "a/c/1", "ab", "b/a"):
            store.put(path, b"")
        store.create("a/d", b"")
        source = tmp_path / "file"
        source.write_bytes(b"")
        store.upload("a/e", source)
        store.replace("a/d", b"1", store.read("a/d").etag)
        assert store.list("a") == ["a/b", "a/c/1", "a/c/2", "a/d", "a/e"]
        assert store.list("nothing") == []

    def test_delete_removes_a_folder_and_no_other_of_like_name(self, store):
        for path in ("a/b/1", "a/b/c/2", "a/bc"):
            store.put(path, b"")
        store.delete("a/b")
        store.delete("a/b")
        assert store.list("a") == ["a/bc"]

    @pytest.mark.parametrize("path", ["/etc/passwd", "../a", "a/../../b", "", "."])
    def test_a_path_that_leaves_the_root_is_refused(self, store, path):
        for write in (store.create, store.put):
            with pytest.raises(ValueError, match="below the root"):
                write(path, b"")


@pytest.mark.slow
class TestRaces:
    def test_of_many_creators_each_object_has_one_winner(self, url, store):
        def create(name):
            mine = open_store(url)
            return [mine.create(f"race/{number:02d}", name.encode()) for number in range(KEYS)]

        assert_each_object_is_its_only_winners(store, race(create))

    def test_of_many_replacements_of_one_content_one_succeeds(self, url, store):
        for number in range(KEYS):
            store.put(f"race/{number:02d}", b"old")
        tag = store.read("race/00").etag

        def replace(name):
            mine = open_store(url)
            return [
                mine.replace(f"race/{number:02d}", name.encode(), tag) for number in range(KEYS)
            ]

        assert_each_object_is_its_only_winners(store, race(replace))

    @pytest.mark.parametrize(
        ("there", "winner"),
        [(None, Commit.WON), (b'{"half a mani', Commit.REPAIRED)],
        ids=["nothing", "a corrupt manifest"],
    )
    def test_of_many_attempts_one_manifest_becomes_the_stages(self, url, store, there, winner):
        if there is not None:
            store.put(PLACE, there)

        def attempt(name):
            return commit(open_store(url), MANIFEST.model_copy(update={"attempt": name}))

        answers = race(attempt)
        assert answers.count(winner) == 1
        assert answers.count(Commit.LOST) == WRITERS - 1
        assert finished(store, "encoder", STAGE.key).attempt == f"writer-{answers.index(winner)}"


STAGE = Stage(params=EncoderParams(model="builtin/random-tiny", revision="1"), recipe=1)
OTHER = Stage(params=EncoderParams(model="builtin/random-tiny", revision="2"), recipe=1)
MANIFEST = manifest_of(STAGE, "mine")
PLACE = layout.manifest("encoder", STAGE.key)


def stored(**changes):
    return MANIFEST.model_copy(update=changes).text().encode()


COMMITS = {
    "nothing: the first manifest wins": (None, Commit.WON, "mine"),
    "its own manifest, the request having been retried: it won": (stored(), Commit.WON, "mine"),
    "a valid one of another attempt: that one stays": (stored(attempt="a"), Commit.LOST, "a"),
    "half a manifest: it is repaired": (stored(attempt="a")[:40], Commit.REPAIRED, "mine"),
    "nothing at all in it: it is repaired": (b"", Commit.REPAIRED, "mine"),
    "a manifest under another stage's key: it is repaired": (
        stored(attempt="a", key=OTHER.key),
        Commit.REPAIRED,
        "mine",
    ),
    "a manifest of another stage: it is repaired": (
        stored(attempt="a", stage=OTHER),
        Commit.REPAIRED,
        "mine",
    ),
}


@pytest.mark.parametrize(("there", "end", "owner"), COMMITS.values(), ids=COMMITS)
def test_committing_where_there_is(store, there, end, owner):
    if there is not None:
        store.put(PLACE, there)
    assert commit(store, MANIFEST) is end
    assert finished(store, "encoder", STAGE.key).attempt == owner


def test_a_corrupt_manifest_that_keeps_changing_is_an_error(tmp_path):
    store = FileStore(tmp_path)

    class Restless(FileStore):
        def replace(self, path, data, etag):  # noqa: ARG002
            return False

    store.put(PLACE, b"corrupt")
    with pytest.raises(CorruptError, match="changed 5 times"):
        commit(Restless(store.root), MANIFEST)


def test_a_stage_without_a_valid_manifest_is_not_finished(store):
    assert finished(store, "encoder", STAGE.key) is None
    store.put(PLACE, b"corrupt")
    assert finished(store, "encoder", STAGE.key) is None
    store.put(PLACE, stored(key=OTHER.key))
    assert finished(store, "encoder", STAGE.key) is None


def test_of_many_stages_the_finished_ones_are_found(store):
    stages = [
        Stage(params=EncoderParams(model="builtin/random-tiny", revision=str(number)), recipe=1)
        for number in range(40)
    ]
    done = {
        stage.key: MANIFEST.model_copy(update={"key": stage.key, "stage": stage})
        for stage in stages[::2]
    }
    for manifest in done.values():
        commit(store, manifest)
    assert finished_many(store, stages) == done
    assert finished_many(store, []) == {}


def test_a_store_that_keeps_conditions_passes_and_nothing_is_left_of_the_trial(store):
    check(store)
    assert store.list("probes") == []


def test_a_store_that_writes_whatever_is_there_is_refused(tmp_path):
    class Careless(FileStore):
        def create(self, path, data):
            self.put(path, data)
            return True

    store = Careless(tmp_path)
    with pytest.raises(RefusedError, match=r"conditional writes.*create where something is$"):
        check(store)
    assert store.list("probes") == []


@pytest.fixture
def with_payload(store, tmp_path):
    file = tmp_path / "weights.bin"
    file.write_bytes(b"weights")
    entry = FileEntry(path="weights.bin", size_bytes=7, sha256=sha256_of(file))
    store.upload(f"{layout.payload('encoder', STAGE.key, 'mine')}/weights.bin", file)
    return MANIFEST.model_copy(update={"files": [entry]})


def test_a_payload_file_is_the_one_that_the_manifest_names(store, with_payload):
    assert payload_file(store, with_payload, "weights.bin").read_bytes() == b"weights"


def test_a_payload_folder_has_the_files_by_their_names_and_may_be_made_twice(
    store, with_payload, tmp_path
):
    tokens = b"tokens"
    name = "tokeniser/tokens.json"
    store.put(f"{layout.payload('encoder', STAGE.key, 'mine')}/{name}", tokens)
    entry = FileEntry(path=name, size_bytes=6, sha256=hashlib.sha256(tokens).hexdigest())
    manifest = with_payload.model_copy(update={"files": [*with_payload.files, entry]})
    for _ in range(2):
        folder = payload_folder(store, manifest, tmp_path / "encoder")
    found = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert found == {"weights.bin", name}
    assert (folder / name).read_bytes() == tokens


def test_of_a_payload_folder_only_the_files_that_are_wanted_are_read(store, with_payload, tmp_path):
    folder = layout.payload("encoder", STAGE.key, "mine")
    store.put(f"{folder}/tokens.json", b"tokens")
    sha256 = hashlib.sha256(b"tokens").hexdigest()
    entry = FileEntry(path="tokens.json", size_bytes=6, sha256=sha256)
    manifest = with_payload.model_copy(update={"files": [*with_payload.files, entry]})
    store.put(f"{folder}/weights.bin", b"spoilt")
    found = payload_folder(store, manifest, tmp_path / "encoder", names=["tokens.json"])
    assert [path.name for path in found.iterdir()] == ["tokens.json"]
    with pytest.raises(CorruptError):
        payload_folder(store, manifest, tmp_path / "encoder")


@pytest.mark.parametrize("content", [b"weight", b"Weights", b""], ids=["cut", "one bit", "empty"])
def test_a_payload_file_that_changed_is_refused(store, with_payload, content):
    store.put(f"{layout.payload('encoder', STAGE.key, 'mine')}/weights.bin", content)
    with pytest.raises(CorruptError, match=r"weights\.bin: \d bytes, sha256 .* says 7 bytes"):
        payload_file(store, with_payload, "weights.bin")


def test_a_payload_file_that_is_gone_or_was_never_named_is_not_found(store, with_payload):
    with pytest.raises(NotFoundError, match=r"names no file 'other\.bin'"):
        payload_file(store, with_payload, "other.bin")
    store.delete(layout.payload("encoder", STAGE.key, "mine"))
    with pytest.raises(NotFoundError):
        payload_file(store, with_payload, "weights.bin")


@pytest.mark.parametrize(
    "bad",
    ["ftp://host/folder", "file://folder", "/a/folder", "file:/a", "s3:/a", "s3://", "s3://B/a"],
)
def test_an_address_that_is_no_store_is_refused(bad):
    with pytest.raises(ValueError, match=r"must be .*s3://bucket/prefix"):
        open_store(bad)


def test_folders_that_another_process_deletes_meanwhile_are_passed_over(tmp_path, monkeypatch):
    store = FileStore(tmp_path)
    for name in "abc":
        store.put(f"all/{name}/file", b"")
    scandir = os.scandir

    def scan(path):
        if str(path).endswith("/b"):
            (tmp_path / "all/b/file").unlink(missing_ok=True)
            (tmp_path / "all/b").rmdir()
        return scandir(path)

    monkeypatch.setattr(os, "scandir", scan)
    assert store.list("all") == ["all/a/file", "all/c/file"]


@pytest.mark.parametrize("name", ["results", "my results é", "100%", "a%20b", "what?", "no #1"])
def test_an_address_names_the_folder_as_it_is(tmp_path, name):
    store = FileStore(tmp_path / name)
    store.put("a/b", b"x")
    found = open_store(store.url)
    assert found.root == store.root
    assert found.read("a/b").data == b"x"


WRITES = {
    "put": lambda store, _: store.put("a/b", b"new"),
    "create": lambda store, _: store.create("a/c", b"new"),
    "upload": lambda store, file: store.upload("a/b", file),
    "replace": lambda store, _: store.replace("a/b", b"new", store.read("a/b").etag),
}


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
@pytest.mark.parametrize("reason", [OSError(errno.ENOSPC, "disk full"), KeyboardInterrupt()])
def test_a_write_that_fails_leaves_nothing_behind(tmp_path, monkeypatch, write, reason):
    store = FileStore(tmp_path / "store")
    store.put("a/b", b"old")
    file = tmp_path / "file"
    file.write_bytes(b"new")

    def fail(_):
        raise reason

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(type(reason)):
        write(store, file)
    names = {path.name for path in (store.root / "a").iterdir()}
    assert names - {".partial-lock"} == {"b"}
    assert store.read("a/b").data == b"old"


def test_readers_see_the_old_or_the_new_content_and_no_partial_file(tmp_path):
    store = FileStore(tmp_path)
    store.put("a/b", b"content")
    (tmp_path / "a" / ".partial-of-a-killed-writer").write_bytes(b"cont")
    assert store.list("a") == ["a/b"]


def test_the_hash_of_a_folder_is_of_names_and_contents_in_any_order(tmp_path):
    for folder, names in (("one", "ab"), ("other", "ba")):
        for name in names:
            file = tmp_path / folder / "sub" / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(f"content of {name}")
    assert folder_hash(tmp_path / "one") == folder_hash(tmp_path / "other")
    assert re.fullmatch(r"sha256:[0-9a-f]{64}", folder_hash(tmp_path / "one"))
    (tmp_path / "one/sub/a").rename(tmp_path / "one/sub/c")
    renamed = folder_hash(tmp_path / "one")
    (tmp_path / "other/sub/a").write_text("another content")
    assert len({renamed, folder_hash(tmp_path / "other"), folder_hash(tmp_path / "none")}) == 3
