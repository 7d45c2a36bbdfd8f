"""Scores from kept outcomes, against cases worked by hand."""

import numpy as np
import pyarrow as pa
import pytest
from xlbench_operator.analysis.cells import constant_scores
from xlbench_operator.analysis.scores import (
    MACRO_F1,
    WEIGHTED_F1,
    Items,
    class_counts,
    counts_by_unit,
    macro_f1,
    majority_share,
    ratio,
    score,
)
from xlbench_specs.tasks import task_table

LABELS = ("on", "off", "dim")


@pytest.mark.parametrize(
    ("gold", "predicted", "expected"),
    [
        # on: 2*1/(2 gold + 1 said) = 2/3; off: 2*1/(1 gold + 2 said) = 2/3; dim has no gold item
        pytest.param(
            ["on", "on", "off"], ["on", "off", "off"], 2 / 3, id="unsupported class left out"
        ),
        # a dim nobody asked for: on misses one, 2*1/(2+1); off right
        pytest.param(
            ["on", "on", "off"], ["on", "dim", "off"], (2 / 3 + 1) / 2, id="costs the gold class"
        ),
        pytest.param(
            ["on", "on", "off"], ["on", None, "off"], (2 / 3 + 1) / 2, id="nothing predicted"
        ),
        pytest.param(
            ["on", "off", "dim"], ["on", "on", "on"], (2 / 4) / 3, id="constant prediction"
        ),
        pytest.param(["on", "off"], ["off", "on"], 0.0, id="all wrong"),
        pytest.param(["dim"], ["dim"], 1.0, id="one class, right"),
    ],
)
def test_macro_f1(gold: list[str], predicted: list[str | None], expected: float) -> None:
    counts = class_counts(gold, predicted, LABELS)
    assert macro_f1(counts.sum(axis=0)) == pytest.approx(expected)


def test_weighted_f1() -> None:
    # on: 2*2/(3 gold + 2 said) = 4/5; off: 2*1/(2 + 2) = 1/2; dim: 0 of 1 gold
    gold, predicted = ["on"] * 3 + ["off"] * 2 + ["dim"], ["on", "on", "off", "off", "dim", None]
    sums = class_counts(gold, predicted, LABELS).sum(axis=0)
    assert score(WEIGHTED_F1, sums) == pytest.approx((3 * 4 / 5 + 2 * 1 / 2) / 6)
    assert np.isnan(score(WEIGHTED_F1, np.zeros(9)))


def test_a_gold_label_outside_the_label_set_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"gold labels \['up'\] are not in"):
        class_counts(["up"], ["on"], LABELS)


def test_scores_of_nothing_are_undefined() -> None:
    assert np.isnan(ratio(np.zeros(2)))
    assert np.isnan(macro_f1(np.zeros(9)))


def test_scores_are_computed_along_leading_axes() -> None:
    sums = np.array([[3.0, 4.0], [1.0, 2.0]])
    assert score("accuracy", sums).tolist() == [0.75, 0.5]
    stacked = np.stack([class_counts(["on"], ["on"], LABELS).sum(axis=0)] * 2)
    assert score(MACRO_F1, stacked).tolist() == [1.0, 1.0]


def _items(rows: list[tuple[str, str, str | None, str, str, int, int]]) -> Items:
    example, gold, predicted, name, label, numerator, denominator = zip(*rows, strict=True)
    return Items.of(
        pa.table(
            {
                "example_id": example,
                "parallel_id": [f"en:{value}" for value in example],
                "cluster_id": ["block"] * len(example),
                "gold": gold,
                "predicted": pa.array(predicted, pa.string()),
                "name": name,
                "label": label,
                "numerator": numerator,
                "denominator": denominator,
            }
        )
    )


def test_span_f1_sums_twice_the_hits_over_entity_types_and_examples() -> None:
    # a: one AREA found (2/2), one NAME missed (0/1); b: one AREA found beside a wrong one (2/3)
    items = _items(
        [
            ("a", "B-AREA B-NAME", "B-AREA O", "span_f1", "AREA", 2, 2),
            ("a", "B-AREA B-NAME", "B-AREA O", "span_f1", "NAME", 0, 1),
            ("b", "B-AREA O", "B-AREA B-AREA", "span_f1", "AREA", 2, 3),
            ("b", "B-AREA O", "B-AREA B-AREA", "span_recall", "AREA", 1, 1),
        ]
    )
    units, counts = counts_by_unit(items, "span_f1", labels=(), unit_of={"a": 7, "b": 7})
    assert units.tolist() == [7]
    assert counts.tolist() == [[4.0, 6.0]]
    assert ratio(counts.sum(axis=0)) == pytest.approx(4 / 6)


def test_no_digit_is_lost_over_a_large_test_set() -> None:
    # Parts of a million, as SQuAD's F1 of each answer is kept; sums above 2**24 fill a float32.
    parts, examples = 10**6, 10_570
    hits = [parts if at % 5 else 123_457 for at in range(examples)]
    rows = [(str(at), "", "", "squad_f1", "", hit, parts) for at, hit in enumerate(hits)]
    whole = {str(at): 0 for at in range(examples)}
    _, counts = counts_by_unit(_items(rows), "squad_f1", labels=(), unit_of=whole)
    assert counts.tolist() == [[sum(hits), parts * examples]]
    assert ratio(counts.sum(axis=0)) == pytest.approx(sum(hits) / (parts * examples), abs=1e-12)


def test_macro_f1_counts_an_example_once_however_many_rows_it_has() -> None:
    items = _items(
        [
            ("a", "on", "on", "accuracy", "", 1, 1),
            ("a", "on", "on", "top_2", "", 1, 1),
            ("b", "off", None, "accuracy", "", 0, 1),
        ]
    )
    units, counts = counts_by_unit(items, MACRO_F1, labels=LABELS, unit_of={"a": 1, "b": 0})
    assert units.tolist() == [0, 1]
    assert counts.reshape(2, 3, 3).tolist() == [
        [[0, 0, 0], [0, 1, 0], [0, 0, 0]],
        [[1, 0, 0], [1, 0, 0], [1, 0, 0]],
    ]


def test_a_score_that_was_not_kept_is_named_with_those_that_were() -> None:
    items = _items([("a", "on", "on", "accuracy", "", 1, 1)])
    with pytest.raises(ValueError, match=r"'span_f1'; the stage kept \['accuracy'\]"):
        counts_by_unit(items, "span_f1", labels=(), unit_of={"a": 0})


def test_the_majority_class_is_the_most_frequent_and_first_by_name() -> None:
    assert majority_share(["off", "on", "on", "off", "dim"]) == ("off", 0.4)


CONSTANT = [
    pytest.param(
        "classification", ["on", "on", "off"], {"accuracy": 2 / 3}, id="the largest class"
    ),
    pytest.param("choice", ["1", "2", "2", "2"], {"accuracy": 3 / 4}, id="one option always"),
    pytest.param("tagging", ["O O B-x", "O"], {"accuracy": 3 / 4, "span_f1": 0.0}, id="one tag"),
    pytest.param(
        "span", ['["a"]', '["b", "c"]'], {"squad_f1": 0.0}, id="no answer is most frequent"
    ),
    pytest.param("retrieval", ["a", "b"], {"accuracy_at_1": 1 / 2}, id="chance in one's own pool"),
    pytest.param("retrieval", ["c1 c2", "c3"], {"map_at_20": None}, id="a pool that is larger"),
]


@pytest.mark.parametrize(("kind", "gold", "expected"), CONSTANT)
def test_what_a_constant_answer_gets(
    kind: str, gold: list[str], expected: dict[str, float]
) -> None:
    row = next(iter(task_table().values())).model_copy(
        update={"kind": kind, "metrics": list(expected), "labels": ["on", "off", "1", "2"]}
    )
    name = next(iter(expected))
    items = _items([(str(at), text, None, name, "", 0, 1) for at, text in enumerate(gold)])
    found = constant_scores(items, row)
    assert {metric: found.get(metric) for metric in expected} == pytest.approx(expected)
