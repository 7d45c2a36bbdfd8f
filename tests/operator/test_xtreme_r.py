"""XTREME-R's means: as its script takes them, and never called its own."""

import pytest
from xlbench_operator.analysis.score_tables import xtreme_r_table
from xlbench_operator.analysis.xtreme_r import GROUPS, MEMBERS, benchmark_means
from xlbench_specs.languages import LANGUAGES
from xlbench_specs.results import CellScores, ScheduleScores
from xlbench_specs.tasks import task_table

COUNTS = {
    "XNLI": 15,
    "XCOPA": 11,
    "UD-POS": 38,
    "WikiANN-NER": 48,
    "XQuAD": 12,
    "MLQA": 7,
    "TyDiQA-GoldP": 9,
    "Tatoeba": 41,
    "LAReQA": 11,
    "Mewsli-X": 11,
}
"""Languages of each task: 203 cells in all."""


def cell(task, language, metric, mean, target=None, **others):
    return CellScores(
        encoder="e5",
        target=target or task,
        task=task,
        language=language,
        metric=metric,
        in_endpoint=True,
        examples=100,
        units=100,
        schedules=[
            ScheduleScores(schedule="joint", role="arm", mean=mean, seeds=[], other_metrics=others)
        ],
    )


CELLS = [
    cell("udpos", "sw", "accuracy", 0.9, xtreme_f1=0.9),  # not one of XTREME-R's languages
    cell("udpos", "en", "accuracy", 0.9, xtreme_f1=0.8),
    cell("udpos", "yo", "accuracy", 0.5, xtreme_f1=0.4),
    cell("udpos", "wo", "accuracy", 0.5),  # not scored by the metric that is averaged
    cell("wikiann", "en", "span_f1", 0.7, accuracy=0.9),
    cell("wikiann", "sw", "span_f1", 0.5, accuracy=0.9),
    cell("masakhaner", "sw", "span_f1", 0.1, target="wikiann"),
    cell("xquad", "en", "squad_f1", 0.6, squad_em=0.4),
]


def found(cells=CELLS):
    return {mean.name: mean for mean in benchmark_means(cells)}


def test_the_ten_tasks_have_the_published_languages_and_203_cells():
    assert {name: len(member.languages) for name, member in MEMBERS.items()} == COUNTS
    assert sum(COUNTS.values()) == 203
    for member in MEMBERS.values():
        assert set(member.metrics) <= set(task_table()[member.task].metrics)
        assert all(LANGUAGES[code].xtreme_r for code in member.languages)


def test_a_substitute_that_is_trained_on_is_named_as_such():
    substitutes = {"mnli-dev20k", "squadshifts-wiki"}
    for name, member in MEMBERS.items():
        trained = {part.task for part in task_table()[member.task].recipe} & substitutes
        said = {task for task in substitutes if f"trained on {task}" in (member.differs or "")}
        assert said == trained, name


def test_xcopa_is_in_two_groups_and_lareqa_in_that_of_all_tasks_alone():
    groups = {
        name: {group for group, members in GROUPS.items() if name in members} for name in MEMBERS
    }
    assert groups["XCOPA"] == {"classification", "multiple choice", "all tasks"}
    assert groups["LAReQA"] == {"all tasks"}
    assert all("all tasks" in some for some in groups.values())


@pytest.mark.parametrize(
    ("name", "value", "scored"),
    [
        ("UD-POS", (0.8 + 0.4) / 2, 2),
        ("WikiANN-NER", (0.7 + 0.5) / 2, 2),
        ("XQuAD", (0.6 + 0.4) / 2, 1),
        ("tagging", ((0.8 + 0.4) / 2 + (0.7 + 0.5) / 2) / 2, 2),
    ],
)
def test_a_mean_is_over_languages_then_over_tasks(name, value, scored):
    assert found()[name].value == pytest.approx(value)
    assert found()[name].scored == scored


def test_a_group_without_one_of_its_tasks_has_no_value_and_says_which():
    group = found()["question answering"]
    assert group.value is None
    assert group.missing == ["MLQA", "TyDiQA-GoldP"]
    assert found()["all tasks"].value is None
    assert "retrieval" not in found()


def test_what_is_no_task_of_xtreme_r_stands_beside_it():
    assert found()["XQuAD"].differs == ["trained on squadshifts-wiki, which is not SQuAD"]
    said = found()["tagging"].differs
    assert "UD-POS: 2 of 38 languages" in said
    assert "WikiANN-NER: scored on PAN-X's development data" in said


def test_one_task_alone_makes_no_means():
    assert benchmark_means(CELLS[:4]) == []
    assert benchmark_means([]) == []


def test_every_value_of_the_table_is_one_of_the_summary():
    means = benchmark_means(CELLS)
    table = xtreme_r_table(_Summary(means))
    shown = [part.path for row in table.rows for entry in row for part in entry.parts if part.path]
    expected = [f"xtremeR/{at}/value" for at, mean in enumerate(means) if mean.value is not None]
    assert shown == expected
    assert "none of them is an XTREME-R score" in table.caption
    assert not xtreme_r_table(_Summary([])).rows


class _Summary:
    """The one field that the table reads."""

    def __init__(self, means):
        self.xtreme_r = means
