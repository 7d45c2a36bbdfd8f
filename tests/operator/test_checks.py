"""What must not be refused, and that nothing a user writes ends in a traceback.

What must be refused is in `tests/bad_specs`, a file for every rule.
"""

import contextlib
import copy
import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from xlbench_operator.checks import accept
from xlbench_operator.loading import parse_yaml, read_spec_file
from xlbench_specs.errors import SpecError
from xlbench_specs.languages import GROUPS

ROOT = Path(__file__).parent.parent.parent
GOOD = read_spec_file(ROOT / "tests" / "bad_specs" / "good.yaml.txt").data
COMMIT = "e73636d4f797dec63c3081bb6ed5c7b0bb3f2089"


def good(**fields):
    """The good spec with other fields under `spec`."""
    return {**copy.deepcopy(GOOD), "spec": {**copy.deepcopy(GOOD["spec"]), **fields}}


def schedules(*phases_of_arms, **fields):
    """One arm for each list of phases; a phase is a list of task names."""
    return [
        {"name": f"arm-{number}", "phases": [phase(*names) for names in phases], **fields}
        for number, phases in enumerate(phases_of_arms)
    ]


def phase(*names, **fields):
    return {"tasks": [{"task": name} for name in names], **fields}


T = "$target"
ACCEPTED = {
    "a hub model at a commit": {
        "encoders": [{"name": "x", "model": "FacebookAI/xlm-roberta-base", "revision": COMMIT}]
    },
    "a folder with its hash": {
        "encoders": [{"name": "x", "model": "./mine", "revision": "sha256:" + "0" * 64}]
    },
    "two encoders": {
        "encoders": [
            {"name": "a", "model": "builtin/e5-small-q4"},
            {"name": "b", "model": "builtin/random-tiny"},
        ]
    },
    "codes, English among them": {"languages": {"codes": ["hy", "en"]}},
    "all languages": {"languages": {"all": True}},
    "a target scored on itself": {"targets": [{"task": "ha-intent", "evaluateOn": ["ha-intent"]}]},
    "two targets": {"targets": [{"task": "ha-intent"}, {"task": "ha-pairs"}]},
    "a retrieval target that nothing trains": {
        "targets": [{"task": "django-messages"}],
        "schedules": schedules([["ha-slots"]]),
    },
    "temperature sampling with a cap": {
        "budget": {
            "intermediate": 120,
            "target": 60,
            "shares": {"strategy": "temperature", "temperature": 2.0, "cap": 1000},
        }
    },
    "weights for every task": {
        "budget": {
            "intermediate": 120,
            "target": 60,
            "shares": {"strategy": "weights", "weights": {"ha-slots": 1, "cldr-names": 2.5}},
        }
    },
    "mixing where nothing is matched": {
        "budget": {"match": "none", "intermediate": 120, "target": 60},
        "schedules": [
            {
                "name": "a",
                "phases": [
                    phase("ha-slots", "cldr-names", mixing={"strategy": "proportional"}),
                    phase(T),
                ],
            }
        ],
    },
    "one arm and no contrast": {"schedules": schedules([["ha-slots"], [T]])},
    "permutations with and without a count": {
        "schedules": [
            {
                "name": name,
                "orders": orders,
                "phases": [phase("ha-slots"), phase("cldr-names"), phase(T)],
            }
            for name, orders in {
                "a": {"mode": "permutations", "count": 2},
                "b": {"mode": "permutations"},
            }.items()
        ]
    },
    "replay of an intermediate task beside the target": {
        "schedules": schedules([["ha-slots"], [T, "ha-slots"]], [["ha-slots"], [T]])
    },
    "a task that one target does without": {
        "targets": [{"task": "ha-intent"}, {"task": "cldr-names"}],
        "schedules": [
            {
                "name": "a",
                "phases": [
                    {
                        "tasks": [
                            {"task": "ha-slots"},
                            {"task": "cldr-names", "exceptFor": ["cldr-names"]},
                        ]
                    },
                    phase(T),
                ],
            }
        ],
    },
    "few shots on the dev split": {
        "schedules": [
            {
                "name": "a",
                "phases": [
                    {"tasks": [{"task": "ha-slots", "split": "dev", "shots": 16}]},
                    phase(T),
                ],
            }
        ]
    },
    "all layers frozen": {"training": {"trainable": {"lowestLayer": 12, "embeddings": False}}},
    "an endpoint of its own": {
        "analysis": {"endpoint": {"group": "low-resource", "metric": "accuracy"}}
    },
    "a contrast the other way round": {"analysis": {"contrast": ["sequential", "simultaneous"]}},
    "probes and baselines": {
        "probes": ["django-messages"],
        "baselines": ["majority", "random-encoder", "frozen-probe"],
    },
    "reuse by the same trainer": {"reuse": "sameTrainer"},
    "what bears on no result": {
        "suspend": True,
        "execution": {
            "parallelism": 2,
            "queue": "gpu",
            "packing": "model",
            "retryFailed": 1,
            "resources": {"train": {"gpus": 1, "cpu": "500m", "memory": "4Gi"}},
        },
    },
}


@pytest.mark.parametrize("fields", ACCEPTED.values(), ids=ACCEPTED)
def test_a_spec_that_can_be_run_is_accepted(fields):
    assert accept(good(**fields)).metadata.name == "example"


@pytest.mark.parametrize("name", sorted(GROUPS))
def test_every_group_is_accepted_as_the_languages(name):
    names = {"targets": [{"task": "cldr-names"}], "schedules": schedules([["ha-slots"], [T]])}
    accept(good(languages={"group": name}, **names))


@pytest.mark.parametrize("file", sorted((ROOT / "specs" / "examples").glob("*.yaml")), ids=str)
def test_every_example_is_accepted(file):
    read = read_spec_file(file)
    accept(read.data, read.origins)


def test_the_table_of_rules_is_read_in_order_and_all_problems_are_told():
    spec = good(seeds=[1, 1], probes=["ha-intent", "nothing"], baseline={"results": "s3://x"})
    with pytest.raises(SpecError) as caught:
        accept(spec)
    assert [problem.path for problem in caught.value.problems] == [
        "spec.baseline",
        "spec.probes[0]",
        "spec.probes[1]",
        "spec.seeds[1]",
    ]


# Whatever stands anywhere in a spec, the answer is a spec or a SpecError --------------------------


def places(value, path=()):
    yield path
    if isinstance(value, dict | list):
        for key, item in value.items() if isinstance(value, dict) else enumerate(value):
            yield from places(item, (*path, key))


def replaced(value, path, new):
    if not path:
        return new
    copied = copy.copy(value)
    copied[path[0]] = replaced(value[path[0]], path[1:], new)
    return copied


FULL = good(**ACCEPTED["weights for every task"], **ACCEPTED["what bears on no result"])
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from(["", "no", "$target", "ha-slots", "mlm", "django-messages", "hy", "x/y"])
    | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=4,
)  # fmt: skip


@settings(
    max_examples=300,
    derandomize=True,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
@given(path=st.sampled_from(list(places(FULL))), new=anything)
def test_anything_anywhere_is_accepted_or_refused(path, new):
    with contextlib.suppress(SpecError):
        accept(replaced(FULL, path, new))


@settings(max_examples=200, derandomize=True, deadline=None)
@given(cut=st.integers(0, 10_000), inserted=st.text(max_size=3))
def test_a_torn_file_is_read_or_refused(cut, inserted):
    text = json.dumps(FULL, indent=1)
    torn = text[: cut % len(text)] + inserted + text[cut % len(text) + 1 :]
    with contextlib.suppress(SpecError):
        accept(parse_yaml(torn.encode("utf-8", "surrogatepass")).data)
