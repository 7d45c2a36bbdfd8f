"""Environment variables become settings, or an error that says all that is wrong."""

import pytest
from xlbench_operator.operating.environment import VARIABLES, settings_of
from xlbench_operator.operating.settings import Caps, Settings

LEAST = {
    "XLBENCH_STORE": "s3://bench/runs",
    "XLBENCH_TRAINER_IMAGE": "trainer:1",
    "XLBENCH_OPERATOR_IMAGE": "operator:1",
}


def test_what_must_be_there_is_enough():
    assert settings_of(LEAST) == Settings("s3://bench/runs", "trainer:1", "operator:1")


def test_an_empty_variable_is_as_none():
    assert settings_of(LEAST | dict.fromkeys(set(names()) - set(LEAST), "")) == (settings_of(LEAST))


def names():
    return [variable.name for variable in VARIABLES.values()]


@pytest.mark.parametrize(
    ("name", "text", "field", "value"),
    [
        ("XLBENCH_NAMESPACE", "team-a", "namespace", "team-a"),
        ("XLBENCH_MAX_JOBS", "8", "caps", Caps(all=8)),
        ("XLBENCH_MAX_JOBS_PER_NAMESPACE", "3", "caps", Caps(namespace=3)),
        ("XLBENCH_WORKERS", "2", "workers", 2),
        ("XLBENCH_HTTP_PORT", "0", "port", 0),
        ("XLBENCH_STORE", "file:///data", "store", "file:///data"),
    ],
)
def test_a_variable_and_what_it_sets(name, text, field, value):
    assert getattr(settings_of(LEAST | {name: text}), field) == value


def test_the_pods_are_json_in_the_words_of_a_spec():
    found = settings_of(LEAST | {"XLBENCH_PODS": '{"envFrom": [{"secret": "s3"}]}'})
    assert found.pods.env_from[0].plain() == {"secret": "s3"}


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("XLBENCH_STORE", "", "XLBENCH_STORE is missing: Where results go"),
        ("XLBENCH_STORE", "/data", "XLBENCH_STORE = '/data': must be s3://"),
        ("XLBENCH_MAX_JOBS", "0", "XLBENCH_MAX_JOBS = '0': must be a whole number from 1"),
        ("XLBENCH_WORKERS", "many", "XLBENCH_WORKERS = 'many': must be a whole number"),
        ("XLBENCH_HTTP_PORT", "999999", "'999999': must be a whole number from 0 to 65535"),
        (
            "XLBENCH_PODS",
            '{"volume": 1}',
            r"volume: unknown field \(did you mean 'volumes'\?\); valid: .*volumes",
        ),
        (
            "XLBENCH_PODS",
            '{"volumes": [{"name": "a", "mountPath": "/a", "hostPath": "/a"}]}',
            r"volumes\[0\].hostPath: unknown field.*; valid: .*mountPath",
        ),
        ("XLBENCH_PODS", "{", "XLBENCH_PODS = '{': the whole: Invalid JSON"),
    ],
)
def test_what_is_wrong_is_told(name, text, said):
    with pytest.raises(ValueError, match=said):
        settings_of(LEAST | {name: text})


def test_a_variable_that_it_does_not_know_is_refused_with_what_is_near():
    words = (
        r"XLBENCH_MAX_JOB = '3': unknown setting \(did you mean 'XLBENCH_MAX_JOBS'\?\); valid: "
        r".*XLBENCH_WORKERS"
    )
    with pytest.raises(ValueError, match=words):
        settings_of(LEAST | {"XLBENCH_MAX_JOB": "3"})


@pytest.mark.parametrize(
    ("name", "text"),
    [
        pytest.param("XLBENCH_S3_SSE", "AES256", id="the store's"),
        pytest.param("XLBENCH_MIRROR", "/mirror", id="of pods, and of a laptop's shell"),
        pytest.param("XLBENCH_TRAINER", "trainer", id="of local runs"),
        pytest.param("XLBENCH_ATTEMPT", "uid", id="the operator's word to pods"),
        pytest.param("XLBENCH_KILL_AT", "plan", id="of a drill"),
        pytest.param("XLBENCH_CLUSTER_RUN", "/run", id="of tests"),
        pytest.param("XLBENCH_SERVICE_HOST", "10.0.0.1", id="Kubernetes' for a Service xlbench"),
        pytest.param("XLBENCH_TEST_PORT", "tcp://10.0.0.1:80", id="its address"),
        pytest.param("XLBENCH_PORT_8080_TCP_ADDR", "10.0.0.1", id="its port's address"),
        pytest.param("XLBENCH_WORKER", "", id="an empty one"),
        pytest.param("OTHER", "x", id="of somebody else"),
    ],
)
def test_a_variable_that_others_read_is_left_to_them(name, text):
    assert settings_of(LEAST | {name: text}) == settings_of(LEAST)


def test_all_that_is_wrong_is_told_at_once():
    with pytest.raises(ValueError, match="XLBENCH_STORE") as caught:
        settings_of({"XLBENCH_WORKERS": "-1"})
    assert len(str(caught.value).splitlines()) == 4
