"""Tables of scores, from summaries made by hand."""

from types import SimpleNamespace

from xlbench_operator.analysis.entries import MISSING
from xlbench_operator.analysis.score_tables import seeds_table
from xlbench_specs.results import CellScores, ScheduleScores, SeedScore


def _scores(schedule, *found):
    """A schedule's scores: (seed, number of the order, score)."""
    seeds = [
        SeedScore(seed=seed, chain=chain, score=score, status="failed" if score is None else "done")
        for seed, chain, score in found
    ]
    return ScheduleScores(schedule=schedule, role="arm", seeds=seeds)


def _cell(language, *schedules):
    return CellScores(
        encoder="e5",
        target="ha-intent",
        task="ha-intent",
        language=language,
        metric="accuracy",
        in_endpoint=True,
        examples=10,
        units=10,
        schedules=list(schedules),
    )


def _table(*cells):
    design = SimpleNamespace(metrics={"ha-intent": "accuracy"})
    summary = SimpleNamespace(cells=list(cells), design=design)
    table = seeds_table(summary, "e5", "ha-intent", "ha-intent")
    assert {len(row) for row in table.rows} <= {len(table.columns)}
    return table


def _texts(table):
    heads = [column.label for column in table.columns]
    return heads, [[entry.text for entry in row] for row in table.rows]


def test_a_score_stands_under_its_seed_and_order():
    joint = _scores("joint", (1, 0, 0.1), (2, 0, 0.2))
    chain = _scores("chain", (1, 0, 0.11), (1, 1, 0.12), (2, 0, 0.21), (2, 1, None))
    table = _table(_cell("sw", joint, chain))
    heads, rows = _texts(table)
    assert heads[2:] == ["seed 1, order 1", "seed 1, order 2", "seed 2, order 1", "seed 2, order 2"]
    assert [row[1:] for row in rows] == [
        ["joint", "10.0", MISSING, "20.0", MISSING],
        ["chain", "11.0", "12.0", "21.0", "failed"],
    ]
    paths = [part.path for row in table.rows for entry in row[2:] for part in entry.parts]
    assert paths[2] == "cells/0/schedules/0/seeds/1/score"
    assert paths[6] == "cells/0/schedules/1/seeds/2/score"


def test_one_order_a_seed_is_not_numbered():
    few, all_seeds = _scores("short", (7, 0, 0.3)), _scores("full", (3, 0, 0.1), (7, 0, 0.2))
    heads, rows = _texts(_table(_cell("sw", few, all_seeds)))
    assert heads[2:] == ["seed 3", "seed 7"]
    assert [row[2:] for row in rows] == [[MISSING, "30.0"], ["10.0", "20.0"]]


def test_without_cells_there_are_no_seeds():
    assert _texts(_table()) == (["language", "schedule"], [])
