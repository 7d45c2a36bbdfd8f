"""Labels of whole items: F1 over them. Accuracy is a mean, and needs no function."""

from collections.abc import Sequence


def macro_f1(gold: Sequence[str], predicted: Sequence[str | None]) -> float | None:
    """Mean F1 over the labels that occur in `gold`; None if there is no item.

    A label without a gold item has no recall and is left out; what is wrongly predicted as it
    still counts as missed by its own label (docs/decisions/0001).
    """
    found = _f1(gold, predicted)
    return sum(found.values()) / len(found) if found else None


def weighted_f1(gold: Sequence[str], predicted: Sequence[str | None]) -> float | None:
    """Mean F1 over the labels, each weighed by its gold items; None if there is no item.

    Source: afrisenti-semeval/afrisent-semeval-2023 52c6aac0, `Evaluation Script/evaluation.py`:
    the weighted average of scikit-learn's `classification_report`.
    """
    found = _f1(gold, predicted)
    return sum(found[label] for label in gold) / len(gold) if gold else None


def _f1(gold: Sequence[str], predicted: Sequence[str | None]) -> dict[str, float]:
    """F1 of each label that occurs in `gold`."""
    pairs = list(zip(gold, predicted, strict=True))
    found = {}
    for label in sorted(set(gold)):
        hits = sum(true == label == said for true, said in pairs)
        among = sum(true == label for true, _ in pairs) + sum(said == label for _, said in pairs)
        found[label] = 2 * hits / among
    return found
