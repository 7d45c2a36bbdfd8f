"""What an environment says about S3, and what of it reaches the requests."""

import re
from pathlib import Path

import pytest
from xlbench_specs.s3_requests import Settings
from xlbench_specs.store import RefusedError, open_store

PAGE = Path(__file__).parents[2] / "docs/how-to/s3.md"


def test_the_page_names_every_setting_and_no_other():
    named = set(re.findall(r"`(XLBENCH_S3_\w+)`", PAGE.read_text()))
    assert named == {field.alias for field in Settings.model_fields.values()}


def test_only_what_is_set_is_taken_and_an_empty_variable_is_none():
    given = {"XLBENCH_S3_SSE": "AES256", "XLBENCH_S3_SSE_KMS_KEY_ID": "", "HOME": "x"}
    assert Settings.of(given) == Settings(XLBENCH_S3_SSE="AES256")
    assert Settings.of({}) == Settings()


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("XLBENCH_S3_ADDRESSING", "host", "'auto', 'path' or 'virtual'"),
        ("XLBENCH_S3_SSE", "rot13", "'AES256' or 'aws:kms'"),
        ("XLBENCH_S3_DEADLINE_S", "soon", "number"),
        ("XLBENCH_S3_PART_BYTES", "5000000", "5242880"),
        (
            "XLBENCH_S3_DEADLINE",
            "5",
            "did you mean 'XLBENCH_S3_DEADLINE_S'.*valid: XLBENCH_S3_ADDR",
        ),
    ],
)
def test_a_setting_that_is_none_is_refused_with_its_name_and_value(name, value, said):
    with pytest.raises(ValueError, match=f"{name}='{value}': .*{said}"):
        Settings.of({name: value})


def test_a_bad_setting_is_refused_when_a_store_is_opened(moto, use_s3, monkeypatch):
    address = use_s3(moto)
    monkeypatch.setenv("XLBENCH_S3_SSE", "rot13")
    with pytest.raises(ValueError, match="XLBENCH_S3_SSE='rot13'"):
        open_store(address)


@pytest.mark.parametrize("size", [10, 6 * 2**20], ids=["in one request", "in parts"])
def test_encryption_is_asked_for_on_each_write(moto, use_s3, monkeypatch, tmp_path, size):
    address, source = use_s3(moto), tmp_path / "weights.bin"
    source.write_bytes(bytes(size))
    monkeypatch.setenv("XLBENCH_S3_SSE", "aws:kms")
    monkeypatch.setenv("XLBENCH_S3_SSE_KMS_KEY_ID", "key-of-the-team")
    open_store(address).upload("weights.bin", source)
    bucket, _, prefix = address.removeprefix("s3://").partition("/")
    head = moto.client().head_object(Bucket=bucket, Key=f"{prefix}/weights.bin")
    assert (head["ServerSideEncryption"], head["SSEKMSKeyId"]) == ("aws:kms", "key-of-the-team")


@pytest.fixture
def behind(moto, use_s3, start_proxy, monkeypatch):
    """An address of an endpoint that can be reached through an HTTP proxy only, and that proxy."""
    address, proxy = use_s3(moto), start_proxy(moto)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://s3.example")
    monkeypatch.setenv("HTTP_PROXY", proxy.endpoint)
    return address, proxy


@pytest.mark.parametrize(
    ("style", "target"),
    [
        ("auto", "http://s3.example/xlbench-tests/"),
        ("path", "http://s3.example/xlbench-tests/"),
        ("virtual", "http://xlbench-tests.s3.example/"),
    ],
)
def test_the_bucket_stands_in_the_path_or_in_the_host(behind, fault, monkeypatch, style, target):
    address, proxy = behind
    proxy.faults = [fault("GET", "answer", target=target, status=403, code="AccessDenied")]
    monkeypatch.setenv("XLBENCH_S3_ADDRESSING", style)
    with pytest.raises(RefusedError, match="403 AccessDenied: said by the test"):
        open_store(address).read("a")


def test_an_environment_without_credentials_is_refused_at_the_first_request(
    moto, use_s3, monkeypatch
):
    address = use_s3(moto)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "none")
    with pytest.raises(RefusedError, match="Unable to locate credentials"):
        open_store(address).read("a")


@pytest.mark.parametrize(
    ("address", "key"),
    [
        ("s3://xlbench-tests", "keys/a"),
        ("s3://xlbench-tests/", "keys/a"),
        ("s3://xlbench-tests/one/two", "one/two/keys/a"),
        ("s3://xlbench-tests/one//two/", "one/two/keys/a"),
    ],
)
def test_the_prefix_stands_before_every_path(moto, use_s3, address, key):
    use_s3(moto)
    store = open_store(address)
    store.put("keys/a", b"x")
    assert moto.client().get_object(Bucket="xlbench-tests", Key=key)["Body"].read() == b"x"
    assert store.list("keys") == ["keys/a"]
    store.delete("keys")


def test_a_prefix_that_leaves_its_parent_is_refused(moto, use_s3):
    use_s3(moto)
    with pytest.raises(ValueError, match="stay below the root"):
        open_store("s3://xlbench-tests/team-a/../team-b")
