"""The answer's sentence, for every verdict and every way to have none."""

import pytest
from xlbench_operator.analysis.wording import points, sentence
from xlbench_specs.results import Contrast, Design, SeedDifference

DESIGN = Design(
    contrast=["simultaneous", "sequential"],
    group="scarce-12",
    group_version=1,
    languages=[f"l{n}" for n in range(12)],
    low_resource=8,
    targets=["ha-intent"],
    seeds=[1, 2, 3, 4],
    metrics={"ha-intent": "macro_f1"},
    averaging="task-balanced",
    margin=0.01,
    confidence=0.95,
    resamples=10_000,
    post_hoc=False,
)
FOUND = Contrast(
    encoder="e5",
    first="simultaneous",
    second="sequential",
    scope="endpoint",
    cells=12,
    differences=[SeedDifference(seed=seed, difference=0.013) for seed in (1, 2, 3, 4)],
    estimate=0.013,
    low=-0.009,
    high=0.035,
    verdict="inconclusive",
    seeds_to_settle=16,
)
WHERE = "over the 12 languages of scarce-12, 4 seeds"
START = f"simultaneous - sequential = +1.3 points [-0.9, 3.5] {WHERE}: "


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        pytest.param(
            {},
            START + "inconclusive; about 16 seeds would settle a difference of 1 point.",
            id="more seeds would settle it",
        ),
        pytest.param(
            {"seeds_to_settle": None, "limit": 0.0226},
            START + "inconclusive; the test sets are too small for a difference of 1 point: with "
            "any number of seeds they settle about 2.3 points or more.",
            id="items limit it",
        ),
        pytest.param(
            {"seeds_to_settle": 4},
            START + "inconclusive; a true difference of 1 point would most likely have shown.",
            id="enough seeds, neither different nor equivalent",
        ),
        pytest.param({"verdict": "better"}, START + "better.", id="better"),
        pytest.param({"verdict": "worse"}, START + "worse.", id="worse"),
        pytest.param(
            {"verdict": "equivalent"}, START + "equivalent, within 1 point.", id="equivalent"
        ),
        pytest.param(
            {"cells_missing": 2, "verdict": "better"},
            "simultaneous - sequential = +1.3 points [-0.9, 3.5] over the 12 languages of "
            "scarce-12, 2 cells missing, 4 seeds: better.",
            id="cells missing",
        ),
        pytest.param(
            {"low": None, "high": None, "verdict": None, "note": "2 paired seeds: no inference"},
            f"simultaneous - sequential = +1.3 points {WHERE}: 2 paired seeds: no inference.",
            id="too few seeds",
        ),
        pytest.param(
            {"estimate": None, "differences": []},
            "simultaneous - sequential: no answer over the 12 languages of scarce-12, 0 seeds: "
            "no seed has the scores of both schedules.",
            id="nothing there",
        ),
    ],
)
def test_sentence(changes, expected):
    assert sentence(FOUND.model_copy(update=changes), DESIGN) == expected


def test_sentence_without_a_contrast():
    assert sentence(None, DESIGN).startswith("Nothing is compared")


def test_sentence_of_several_tasks_in_the_specs_own_languages():
    update = {"group": "experiment", "targets": ["udpos", "sib200"], "margin": 0.005}
    said = sentence(FOUND, DESIGN.model_copy(update=update))
    assert "over the 12 languages in 2 tasks, 4 seeds" in said
    assert said.endswith("a difference of 0.5 points.")


@pytest.mark.parametrize(
    ("value", "signed", "shown"),
    [
        pytest.param(0.013, True, "+1.3", id="gain"),
        pytest.param(-0.013, True, "-1.3", id="loss"),
        pytest.param(-0.0004, True, "0.0", id="no negative zero"),
        pytest.param(0.0004, True, "0.0", id="no positive zero"),
        pytest.param(0.619951, False, "62.0", id="score"),
    ],
)
def test_points(value, signed, shown):
    assert points(value, signed=signed) == shown
