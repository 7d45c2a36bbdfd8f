"""The summary against the store it is made from: what enters, what is left out, what is said."""

import re

import numpy as np
import pytest
from xlbench_operator.analysis.evidence import read_evidence
from xlbench_operator.analysis.report import build_report
from xlbench_operator.analysis.rows import results_table
from xlbench_operator.analysis.run_tables import ledger_table
from xlbench_operator.analysis.score_tables import languages_table, probes_table
from xlbench_operator.analysis.summary import summarise
from xlbench_specs.experiment import Analysis
from xlbench_specs.results import ResultRow

pytestmark = pytest.mark.slow  # whole experiments are resampled and drawn

RESAMPLES = 200


def _summary(finished, analysis=None):
    evidence = read_evidence(finished.store, finished.plan)
    wanted = analysis or finished.plan.spec.spec.analysis
    return summarise(evidence, finished.tasks, wanted, resamples=RESAMPLES)


def _evaluations(finished, schedule, language, seed):
    return frozenset(finished.evaluations(schedule, language, seed))


@pytest.fixture(scope="module")
def summary(finished):
    return _summary(finished)


def test_a_complete_experiment_is_complete(summary):
    assert summary.complete
    assert summary.missing == []
    assert summary.scores_done == summary.scores_planned == 6 * 4 * 17 + 3 * 14


def test_the_contrast_is_the_difference_of_the_schedules_endpoint_means(summary):
    means = {row.schedule: row.endpoint.mean for row in summary.schedules}
    (answer,) = summary.answers
    expected = means["simultaneous"] - means["sequential"]
    assert answer.contrast.estimate == pytest.approx(expected, abs=2e-6)
    assert answer.contrast.cells == 12
    assert [each.seed for each in answer.contrast.differences] == [1, 2, 3, 4]


def test_the_endpoint_is_the_mean_of_its_cells_and_of_no_other(summary):
    cells = [cell for cell in summary.cells if cell.in_endpoint]
    assert len(cells) == 12
    assert not any(cell.language == "en" for cell in cells)
    by_hand = np.mean([cell.schedules[0].mean for cell in cells])
    assert summary.schedules[0].endpoint.mean == pytest.approx(by_hand, abs=2e-6)


def test_result_rows_hold_every_metric_of_every_planned_score(finished, summary):
    evidence = read_evidence(finished.store, finished.plan)
    table = results_table(evidence, finished.tasks, summary.design.metrics)
    assert table.column_names == list(ResultRow._fields)
    rows = table.to_pylist()
    assert len(rows) == 6 * 4 * 17 * 2 + 3 * 14  # macro-F1 and accuracy; probes have one metric
    kept = {
        (row["schedule"], row["seed"], row["language"]): row["score"]
        for row in rows
        if row["primary"] and row["role"] != "probe"
    }
    for cell in summary.cells:
        for schedule in cell.schedules:
            for each in schedule.seeds:
                assert kept[schedule.schedule, each.seed, cell.language] == each.score


def test_equal_runs_write_equal_bytes_whatever_their_attempts_and_times(experiment):
    one, other = (experiment(run=run).fill() for run in ("monday", "tuesday"))
    first, second = (build_report(each.store, each.plan, resamples=50) for each in (one, other))
    assert first.files()["summary.json"] == second.files()["summary.json"]
    assert first.files()["results.parquet"] == second.files()["results.parquet"]
    name = "figures/languages-e5-small-ha-intent-ha-intent.svg"
    assert first.files()[name] == second.files()[name]
    assert first.files()["provenance.json"] != second.files()["provenance.json"]


def test_the_summary_holds_nothing_that_differs_between_equal_runs(experiment):
    finished = experiment(run="monday").fill()
    text = _summary(finished).text()
    for key in finished.plan.stages:
        assert key not in text
    assert not re.search(r"attempt|wall|host|2026-", text)


def test_two_seeds_give_a_difference_and_no_inference(experiment):
    finished = experiment(seeds=[1, 2]).fill()
    (answer,) = _summary(finished).answers
    assert answer.contrast.estimate is not None
    assert answer.contrast.verdict is None
    assert answer.contrast.low is None
    assert "2 seeds: fewer than 3 paired seeds, so nothing is inferred." in answer.sentence


def test_a_failed_score_is_named_and_its_seed_leaves_the_contrast(experiment):
    finished = experiment()
    (failed,) = _evaluations(finished, "sequential", "cy", 2)
    finished.fill(without=frozenset({failed}))
    finished.fail(failed)
    summary = _summary(finished)
    assert [(row.schedule, row.language, row.seed, row.status) for row in summary.missing] == [
        ("sequential", "cy", 2, "failed")
    ]
    assert summary.missing[0].reason == "error"
    contrast = summary.answers[0].contrast
    assert contrast.seeds_missing == [2]
    assert len(contrast.differences) == 3
    assert contrast.cells_missing == 0
    (cell,) = [cell for cell in summary.cells if cell.language == "cy"]
    (row,) = [row for row in cell.schedules if row.schedule == "sequential"]
    assert [(each.seed, each.score is None, each.status) for each in row.seeds] == [
        (1, False, "done"),
        (2, True, "failed"),
        (3, False, "done"),
        (4, False, "done"),
    ]
    assert "3 seeds" in summary.answers[0].sentence


def test_scores_of_a_model_that_was_not_trained_are_skipped_with_the_reason(experiment):
    finished = experiment()
    (lost,) = [
        model.train[-1]
        for model in finished.plan.models
        if (model.schedule, model.seed) == ("simultaneous", 3)
    ]
    finished.fill(without=frozenset({lost}))
    finished.fail(lost)
    summary = _summary(finished)
    assert {row.status for row in summary.missing} == {"skipped"}
    assert {row.reason for row in summary.missing} == {"train: error"}
    assert len(summary.missing) == 4
    assert summary.answers[0].contrast.seeds_missing == [3]


def test_a_language_that_nothing_was_scored_in_is_counted_as_missing(experiment):
    finished = experiment()
    welsh = [key for model in finished.plan.models for key in _keys(model, "cy")]
    finished.fill(without=frozenset(welsh))
    summary = _summary(finished)
    contrast = summary.answers[0].contrast
    assert (contrast.cells, contrast.cells_missing) == (2, 1)
    assert contrast.seeds_missing == []
    assert "1 cell missing" in summary.answers[0].sentence
    assert {row.reason for row in summary.missing} == {"not run"}


def _keys(model, language):
    return [each.key for each in model.evaluations if each.language == language]


def test_nothing_done_is_no_answer_and_no_error(experiment):
    finished = experiment(probes=["django-messages"], baselines=["majority", "frozen-probe"])
    summary = _summary(finished)
    assert summary.scores_done == 0
    assert "no seed has the scores of both schedules" in summary.answers[0].sentence
    assert build_report(finished.store, finished.plan, resamples=50).html


def test_collapsed_runs_are_named_and_counted_in_all_means(experiment):
    finished = experiment(collapsed=frozenset({("sequential", 4)})).fill()
    summary = _summary(finished)
    assert [(row.schedule, row.seed, row.metric) for row in summary.collapsed] == [
        ("sequential", 4, "accuracy")
    ]
    assert len(summary.answers[0].contrast.differences) == 4


def test_a_later_analysis_is_post_hoc_and_resolved_anew(experiment):
    finished = experiment().fill()
    later = Analysis.parse({"contrast": ["sequential", "target-only"], "equivalenceMargin": 2.0})
    summary = _summary(finished, later)
    assert summary.design.post_hoc
    assert summary.design.margin == 0.02
    assert summary.answers[0].sentence.startswith("sequential - target-only")
    assert not _summary(finished).design.post_hoc


def test_one_arm_compares_nothing(experiment):
    schedules = [{"name": "sequential", "phases": [{"tasks": [{"task": "$target"}]}]}]
    finished = experiment(schedules=schedules, budget={"target": 60}).fill()
    summary = _summary(finished)
    assert summary.answers[0].contrast is None
    assert summary.answers[0].sentence.startswith("Nothing is compared")
    assert summary.contrasts == []


def test_several_orders_of_a_seed_are_one_value_of_that_seed(experiment):
    phases = [{"tasks": [{"task": name}]} for name in ("ha-slots", "cldr-names", "$target")]
    joint = {"tasks": phases[0]["tasks"] + phases[1]["tasks"]}
    schedules = [
        {"name": "simultaneous", "phases": [joint, phases[2]]},
        {
            "name": "sequential",
            "orders": {"mode": "permutations", "count": 2},
            "phases": phases,
        },
    ]
    finished = experiment(schedules=schedules).fill()
    summary = _summary(finished)
    (cell,) = [cell for cell in summary.cells if cell.language == "hy"]
    chain = cell.schedules[1]
    assert [(each.seed, each.chain) for each in chain.seeds[:3]] == [(1, 0), (1, 1), (2, 0)]
    assert chain.mean == pytest.approx(np.mean([each.score for each in chain.seeds]), abs=2e-6)
    assert len(summary.answers[0].contrast.differences) == 4


def test_two_targets_are_balanced_and_left_out_in_turn(experiment):
    other = [{"task": "ha-slots"}, {"task": "mlm"}]
    target = {"tasks": [{"task": "$target"}]}
    schedules = [
        {"name": "simultaneous", "phases": [{"tasks": other}, target]},
        {"name": "sequential", "phases": [*({"tasks": [each]} for each in other), target]},
    ]
    finished = experiment(
        targets=[{"task": "ha-intent"}, {"task": "cldr-names"}],
        schedules=schedules,
        languages={"codes": ["af", "cy"]},
    )
    lacking = [
        key
        for model in finished.plan.models
        if model.target == "cldr-names"
        for key in _keys(model, "cy")
    ]
    finished.fill(without=frozenset(lacking))
    summary = _summary(finished)
    scopes = {(row.scope, row.target): row for row in summary.contrasts if row.scope != "cell"}
    endpoint = summary.answers[0].contrast.estimate
    parts = [scopes["task", name].estimate for name in ("ha-intent", "cldr-names")]
    # two cells of one target and one of the other: half and half, not a third each
    assert endpoint == pytest.approx(np.mean(parts), abs=2e-6)
    assert scopes["without-target", "cldr-names"].estimate == pytest.approx(parts[0], abs=2e-6)


def test_the_endpoint_without_each_target_is_that_of_the_other_targets(experiment):
    names = ["cldr-names", "ha-intent", "sib200"]
    other = [{"task": "ha-slots"}, {"task": "mlm"}]
    target = {"tasks": [{"task": "$target"}]}
    finished = experiment(
        targets=[{"task": name} for name in names],
        schedules=[
            {"name": "simultaneous", "phases": [{"tasks": other}, target]},
            {"name": "sequential", "phases": [*({"tasks": [each]} for each in other), target]},
        ],
        languages={"codes": ["af", "cy"]},
    ).fill()
    summary = _summary(finished)
    of_target = {name: [] for name in names}
    for cell in summary.cells:
        if cell.in_endpoint:
            means = {each.schedule: each.mean for each in cell.schedules}
            of_target[cell.target].append(means["simultaneous"] - means["sequential"])
    without = {row.target: row for row in summary.contrasts if row.scope == "without-target"}
    assert sorted(without) == names
    for name, row in without.items():
        rest = [np.mean(of_target[each]) for each in names if each != name]
        assert row.estimate == pytest.approx(np.mean(rest), abs=2e-6)
        assert row.low < row.estimate < row.high
        assert len(row.differences) == 4, "one for each seed"
    assert len({row.estimate for row in without.values()}) == 3


def test_languages_that_a_test_set_lacks_are_named_and_have_no_row(experiment):
    finished = experiment(
        targets=[{"task": "ha-intent"}, {"task": "sib200"}],
        languages={"codes": ["af", "ace", "pa", "sw"]},
    ).fill()
    table = languages_table(_summary(finished), "e5-small", "ha-intent", "ha-intent")
    assert [row[0].parts[0].text for row in table.rows] == ["Afrikaans (af) •", "English (en)"]
    assert table.caption.endswith(" 4 intents, fewer than 5: pa, sw. No data: ace.")


def test_cells_are_judged_as_one_family(summary):
    cells = [row for row in summary.contrasts if row.scope == "cell"]
    assert len(cells) == 16
    for row in cells:
        assert row.p_holm >= row.p
        assert (row.verdict in {"better", "worse"}) <= (row.p_holm < 0.05)


def test_the_ledger_shows_what_was_planned_beside_what_was_recorded(summary):
    rows = {(row.schedule, row.task): row for row in summary.ledger}
    assert rows["sequential", "ha-slots"].updates_planned == 60
    assert rows["sequential", "ha-slots"].updates == 60
    assert rows["sequential", "ha-slots"].same_sequence is True
    assert rows["target-only", "ha-intent"].same_sequence is None


def test_forgetting_follows_every_earlier_task_through_the_chain(summary):
    chain = [
        (row.phase, row.task)
        for row in summary.forgetting
        if (row.schedule, row.seed) == ("sequential", 1)
    ]
    assert chain == [
        (1, "ha-slots"),
        (2, "cldr-names"),
        (2, "ha-slots"),
        (3, "cldr-names"),
        (3, "ha-intent"),
        (3, "ha-slots"),
    ]


def test_a_copied_item_is_found_in_the_one_pair_of_sets_that_share_it(summary):
    assert summary.contamination_recorded
    assert [
        (row.train_task, row.test_task, row.language, row.same_text)
        for row in summary.contamination
        if row.same_text or row.same_gram
    ] == [("ha-slots", "ha-intent", "en", 1)]


def test_probes_stand_beside_chance(summary):
    assert len(summary.probes) == 3 * 14
    for row in summary.probes:
        assert row.chance == pytest.approx(1 / row.examples, abs=1e-6)
        assert row.status == "done"


def test_tables_tell_models_of_several_targets_apart(experiment):
    finished = experiment(
        targets=[{"task": "ha-intent"}, {"task": "cldr-names"}],
        schedules=[
            {"name": name, "phases": [{"tasks": [{"task": "ha-slots"}, {"task": "$target"}]}]}
            for name in ("simultaneous", "sequential")
        ],
        languages={"codes": ["af", "cy"]},
        probes=["django-messages"],
    ).fill()
    summary = _summary(finished)
    labels = [column.label for column in probes_table(summary).columns]
    assert labels[2:-2] == [
        "bare e5-small",
        "simultaneous, ha-intent",
        "simultaneous, cldr-names",
        "sequential, ha-intent",
        "sequential, cldr-names",
    ]
    exposures = [tuple(entry.text for entry in row[:3]) for row in ledger_table(summary).rows]
    assert len(set(exposures)) == len(exposures) == 2 * 2 * 2
