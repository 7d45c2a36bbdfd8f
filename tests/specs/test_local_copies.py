"""Copies are fetched once, and the longest unused go when there are too many."""

import os
import time

import pytest
from xlbench_specs.local_copies import GRACE_S, LocalCopies


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "copies"


def content(data):
    return lambda path: path.write_bytes(data)


def never(_):
    raise AssertionError("fetched again")


def age(path, seconds):
    os.utime(path, (time.time() - seconds,) * 2)


def test_a_copy_is_fetched_once_and_keeps_its_name_and_its_content(folder):
    copies = LocalCopies(folder, 100)
    path = copies.get("bucket/weights etag-1", "weights.safetensors", content(b"one"))
    assert path.name.endswith("-weights.safetensors")
    assert path.stat().st_mode & 0o777 == 0o444
    assert copies.get("bucket/weights etag-1", "weights.safetensors", never) == path
    assert LocalCopies(folder, 100).get("bucket/weights etag-1", "weights.safetensors", never)
    assert path.read_bytes() == b"one"


def test_another_tag_is_another_copy(folder):
    copies = LocalCopies(folder, 100)
    one, two = (copies.get(tag, "a", content(tag.encode())) for tag in ("1", "2"))
    assert [one.read_bytes(), two.read_bytes()] == [b"1", b"2"]


def test_a_fetch_that_fails_leaves_nothing(folder):
    def torn(path):
        path.write_bytes(b"ha")
        raise OSError("cut")

    with pytest.raises(OSError, match="cut"):
        LocalCopies(folder, 100).get("a", "a", torn)
    assert list(folder.iterdir()) == []


def test_a_name_longer_than_a_file_system_takes_is_cut(folder):
    path = LocalCopies(folder, 100).get("a", "n" * 255, content(b""))
    assert len(path.name) <= 255


def test_the_longest_unused_copies_and_torn_ones_go_until_the_limit_holds(folder):
    copies = LocalCopies(folder, 100)
    torn = folder / ".partial-of-a-killed-process"
    old, older = (copies.get(name, name, content(b"x" * 40)) for name in ("old", "older"))
    torn.write_bytes(b"x" * 40)
    for path, hours in ((old, 1), (older, 2), (torn, 3)):
        age(path, hours * 3600)
    new = copies.get("new", "new", content(b"x" * 50))
    assert set(folder.iterdir()) == {old, new}


def test_use_keeps_a_copy(folder):
    copies = LocalCopies(folder, 100)
    used, idle = (copies.get(name, name, content(b"x" * 40)) for name in ("used", "idle"))
    for path in (used, idle):
        age(path, 2 * GRACE_S)
    copies.get("used", "used", never)
    copies.get("new", "new", content(b"x" * 40))
    assert used.exists()
    assert not idle.exists()


def test_what_was_just_handed_out_stays_even_above_the_limit(folder):
    copies = LocalCopies(folder, 0)
    paths = [copies.get(name, name, content(b"x")) for name in "ab"]
    assert all(path.exists() for path in paths)


def test_copies_that_another_process_removes_meanwhile_are_passed_over(folder):
    copies = LocalCopies(folder, 0)
    copies.get("a", "a", content(b"x"))
    (folder / "gone").symlink_to(folder / "nowhere")
    assert copies.get("b", "b", content(b"x")).exists()
