"""XGLUE's own tasks, on hand-made files in its published form: never run on real data here."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_up import task_row
from sklearn.metrics import ndcg_score
from xlbench_specs.tasks import Task, task_table
from xlbench_trainer.judging import Case, outcomes, scores
from xlbench_trainer.scoring.ranking import ndcg
from xlbench_trainer.tasks import survey
from xlbench_trainer.tasks.loaders import UNSEEN, load
from xlbench_trainer.tokens import Items, PreparedSet, evenly

ROWS = {
    "NC/xglue.nc.en.train": "Rain ahead\tClouds come from the west.\tnews\n",
    "NC/xglue.nc.de.dev": "Regen\tWolken kommen.\tnews\n",
    "NC/xglue.nc.de.test": "Pokal\tZwei Tore.\tsports\n",
    "QADSM/xglue.qadsm.fr.test": "chaussures\tSoldes\tToutes nos chaussures\tGood\n",
    "QAM/xglue.qam.en.dev": "Who wrote it?\tIt was written by Ada.\t1\n",
    "WPR/xglue.wpr.it.test": (
        "tempo\tMeteo\tPioggia\t4\ntempo\tSport\tCalcio\t0\ntempo\tNotizie\tVento\t2\n"
        "gatto\tGatti\tRazze\t3\ntempo\tMeteo\tSole\t1\ntempo\tClima\tDati\t1\n"
    ),
}


class Written:
    def text(self, repository, path):
        assert repository == "microsoft/XGLUE"
        return ROWS[path]


@pytest.mark.parametrize(
    ("task", "split", "language", "segments", "label"),
    [
        ("xglue-nc", "train", "en", ("Rain ahead", "Clouds come from the west."), "news"),
        ("xglue-nc", "dev", "de", ("Regen", "Wolken kommen."), "news"),
        ("xglue-qadsm", "test", "fr", ("chaussures", "Soldes Toutes nos chaussures"), "Good"),
        ("xglue-qam", "dev", "en", ("Who wrote it?", "It was written by Ada."), "1"),
        ("xglue-wpr", "test", "it", ("tempo", "Meteo Pioggia"), "4"),
    ],
)
def test_rows_of_the_published_form_are_read(task, split, language, segments, label):
    first = load(task, split, language, Written())[0]
    assert first.segments == segments
    assert first.labels == (label,)
    assert first.labels[0] in UNSEEN[task].ABOUT.labels


def test_a_row_without_a_label_is_refused(monkeypatch):
    monkeypatch.setitem(ROWS, "QAM/xglue.qam.de.test", "Wer?\tAda.\t1\nWer schrieb es?\tAda.\n")
    with pytest.raises(ValueError, match=r"xglue.qam.de.test: row 2: 'Ada.' is no label of 0, 1"):
        load("xglue-qam", "test", "de", Written())


def test_pages_of_one_query_in_a_row_are_one_cluster():
    clusters = [each.cluster_id for each in load("xglue-wpr", "test", "it", Written())]
    assert [clusters.index(each) for each in clusters] == [0, 0, 0, 3, 4, 4]


def test_no_row_names_files_that_are_not_to_be_had():
    assert not set(UNSEEN) & set(task_table())
    assert all("Not run on real data here" in each.ABOUT.protocol for each in UNSEEN.values())


def test_a_row_is_written_where_the_files_are(tmp_path):
    about = UNSEEN["xglue-wpr"].ABOUT
    for split, codes in about.splits.items():
        for code in codes.values():
            place = tmp_path / f"microsoft/XGLUE/WPR/xglue.wpr.{code}.{split}"
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(ROWS["WPR/xglue.wpr.it.test"], "utf-8")
    row = Task.parse(survey.row("xglue-wpr", tmp_path))
    assert row.sizes["test"] == dict.fromkeys(about.splits["test"], 6)
    assert (row.metric, row.cluster, row.non_commercial) == ("ndcg", "query", True)


# Relevance 4, 0, 2 and predicted 3, 3, 1: the first two share ranks 1 and 2, with a mean of 2.
# 2 (1 + 1 / log2 3) + 2 / 2 = 4.26186 of 4 + 2 / log2 3 + 0 = 5.26186: 0.80995.
HAND_WORKED = ([4, 0, 2], [3, 3, 1], 0.80995)


def test_ndcg_of_a_hand_worked_case():
    gold, said, expected = HAND_WORKED
    assert ndcg(gold, said) == pytest.approx(expected, abs=1e-5)


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=2, max_size=12))
def test_ndcg_is_that_of_the_published_scorer(pairs):
    gold, said = (np.array([side], dtype=float) for side in zip(*pairs, strict=True))
    assert ndcg(gold[0], said[0]) == pytest.approx(ndcg_score(gold, said), abs=1e-12)


def test_a_query_counts_once_and_a_lone_page_not_at_all():
    task = task_row("classification", ["ndcg", "accuracy"], "01234", cluster="query")
    gold, said, expected = HAND_WORKED
    gold, said, queries = [*gold, 1, 2, 1], [*said, 0, 4, 0], ["a"] * 3 + ["b"] + ["c"] * 2
    prepared = PreparedSet(
        ids=np.zeros(6, np.int32),
        offsets=np.arange(7),
        labels=np.array(gold, np.int32),
        items=Items([*"uvwxyz"], [*"uvwxyz"], queries, [str(each) for each in gold]),
        firsts=evenly(6, 1),
        label_names=task.labels,
    )
    rows = outcomes(Case(task, prepared, np.eye(5, dtype=np.float32)[said], task, "en"), "key")
    found = scores(task, rows)
    assert found["ndcg"] == pytest.approx((expected + 1) / 2, abs=1e-5)
    assert found["accuracy"] == 0
    assert {row.example_id for row in rows if row.name == "ndcg"} == {*"uvwxyz"}
