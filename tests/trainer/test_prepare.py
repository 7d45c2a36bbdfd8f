"""Recipe `prepare`: tokens, first-token labels, what is cut, and data that is not as planned."""

import json
import shutil

import pytest
from xlbench_specs import layout
from xlbench_specs.encoders import FAMILIES
from xlbench_specs.exits import TrainerExit
from xlbench_specs.fingerprints import FINGERPRINTS_FILE, fingerprints
from xlbench_specs.store import payload_file
from xlbench_specs.tasks import Task
from xlbench_trainer import tokens
from xlbench_trainer.recipes import prepare
from xlbench_trainer.tasks.examples import example
from xlbench_trainer.tokens import IGNORED

CLS, SEP, UNK = 2, 3, 1


def word(number):
    return 5 + number


def rows_of(prepared):
    edges = zip(prepared.offsets, prepared.offsets[1:], strict=False)
    return [prepared.ids[start:stop].tolist() for start, stop in edges]


def texts(*segments, labels=()):
    return [example(each, labels, language="en", cluster_id="c") for each in segments]


@pytest.fixture
def prepared(tiny_folder, tmp_path, lab_world, monkeypatch, lab):
    """Prepares given examples as a task; the set and its record."""

    def run(name, given, prefix="", **more):
        sizes = {"train": {"en": len(given)}}
        lab_world[name] = lab_world[name].model_copy(update={"sizes": sizes})
        monkeypatch.setattr(prepare, "load", lambda *_: given)
        payload = tmp_path / "payload"
        shutil.rmtree(payload, ignore_errors=True)
        payload.mkdir()
        family = FAMILIES["bert"].model_copy(update={"prefix": prefix})
        monkeypatch.setattr(prepare, "family_in", lambda *_: family)
        record = prepare.run(lab.prepare(name, **more).params, tiny_folder, "folder", payload)
        written = {each.name: each for each in payload.iterdir()}
        assert written.keys() - {tokens.FIRSTS_FILE} == {*tokens.FILES, FINGERPRINTS_FILE}
        return tokens.read(written), record

    return run


def test_texts_are_tokens_and_labels_are_numbers_of_the_task_table(prepared):
    found, record = prepared(
        "topic", texts(["w1 w2"], labels=["sea"]) + texts(["w3 x"], labels=["art"])
    )
    assert rows_of(found) == [[CLS, word(1), word(2), SEP], [CLS, word(3), UNK, SEP]]
    assert found.labels.tolist() == [2, 0]
    assert found.items.gold == ["sea", "art"]
    assert (record.examples, record.tokens, record.truncated) == (2, 8, 0)
    assert record.labels == {"art": 1, "sea": 1}


def test_two_texts_are_one_sequence_and_a_retrieval_pair_is_two(prepared):
    pair, _ = prepared("same", texts(["w1", "w2 w3"], labels=["yes"]))
    assert rows_of(pair) == [[CLS, word(1), SEP, word(2), word(3), SEP]]
    match, _ = prepared("match", texts(["w1", "w2 w3"]))
    assert rows_of(match) == [[CLS, word(1), SEP], [CLS, word(2), word(3), SEP]]
    assert match.firsts.tolist() == [0, 2]


def test_the_prefix_of_the_family_stands_before_every_text(prepared):
    found, _ = prepared("match", texts(["w1", "w2"]), prefix="w9 ")
    assert rows_of(found) == [[CLS, word(9), word(1), SEP], [CLS, word(9), word(2), SEP]]


def test_what_is_too_long_is_cut_and_counted(prepared):
    found, record = prepared("topic", texts(["w1 w2 w3 w4"], ["w1"], labels=["sea"]), max_length=4)
    assert rows_of(found)[0] == [CLS, word(1), word(2), SEP]
    assert record.truncated == 1


def test_the_first_token_of_a_word_bears_its_tag(prepared):
    tags = ["B-city", "I-city", "O"]
    found, record = prepared("spans", texts(["w1", "w2", "w3"], labels=tags), prefix="w9 ")
    assert found.labels.tolist() == [IGNORED, IGNORED, 1, 2, 0, IGNORED]
    assert record.labels == {"B-city": 1, "I-city": 1, "O": 1}


def test_a_long_tagged_sentence_goes_on_in_another_sequence(prepared):
    tags = ["B-city", "I-city", "O", "B-city", "O"]
    long = texts([f"w{number}" for number in range(1, 6)], labels=tags)
    found, record = prepared("spans", long + texts(["w6"], labels=["O"]), "w9 ", max_length=5)
    assert rows_of(found) == [
        [CLS, word(9), word(1), word(2), SEP],
        [CLS, word(9), word(3), word(4), SEP],
        [CLS, word(9), word(5), SEP],
        [CLS, word(9), word(6), SEP],
    ]
    none = [IGNORED, IGNORED]
    assert found.labels.tolist() == [
        *(*none, 1, 2, IGNORED),
        *(*none, 0, 1, IGNORED),
        *(*none, 0, IGNORED),
        *(*none, 0, IGNORED),
    ]
    assert found.firsts.tolist() == [0, 3, 4]
    assert found.items.gold == ["B-city I-city O B-city O", "O"]
    assert record.truncated == 0


def test_a_word_longer_than_a_sequence_is_cut_and_counted(prepared):
    given = texts(["w1", "w2 w3 w4 w5", "w6"], labels=["O", "B-city", "O"])
    found, record = prepared("spans", given, max_length=5)
    assert rows_of(found) == [
        [CLS, word(1), SEP],
        [CLS, word(2), word(3), word(4), SEP],
        [CLS, word(6), SEP],
    ]
    assert found.labels.tolist() == [
        *(IGNORED, 0, IGNORED),
        *(IGNORED, 1, IGNORED, IGNORED, IGNORED),
        *(IGNORED, 0, IGNORED),
    ]
    assert record.truncated == 1


def test_a_word_that_the_tokeniser_would_swallow_keeps_its_place(prepared):
    found, _ = prepared("spans", texts(["w1", "\u3000", "w3"], labels=["O", "B-city", "O"]))
    assert rows_of(found) == [[CLS, word(1), UNK, word(3), SEP]]
    assert found.labels.tolist() == [IGNORED, 0, 1, 0, IGNORED]


def test_shots_are_chosen_by_content_and_fewer_are_among_more(prepared):
    given = texts(*[[f"w{number}"] for number in range(20)], labels=["sea"])
    few, many = (prepared("topic", given, shots=count)[0].items.example_id for count in (4, 9))
    again = prepared("topic", given[::-1], shots=4)[0].items.example_id
    assert len(few) == 4
    assert set(few) < set(many)
    assert set(again) == set(few)
    order = [each.example_id for each in given]
    assert few == sorted(few, key=order.index)


def test_fingerprints_are_of_the_texts_as_they_are_compared(lab):
    stage = lab.prepare("spans")
    lab.run(lab.encoder, stage, inputs=False)
    stored = payload_file(lab.store, lab.manifest(stage), FINGERPRINTS_FILE).read_bytes()
    given = prepare.load("spans", "train", "en")
    assert stored == fingerprints([" ".join(each.segments)] for each in given)


def fewer(table: dict[str, Task]):
    sizes = {"train": {"en": 31}}
    table["topic"] = table["topic"].model_copy(update={"sizes": sizes})


def other_labels(table: dict[str, Task]):
    table["topic"] = table["topic"].model_copy(update={"labels": ["art", "law", "sea"]})


WRONG = {
    "another count than the table's": (fewer, {}, "32 examples, but the task table says 31"),
    "a label that the table has not": (
        other_labels,
        {},
        "labels ['war'] are not in the task table",
    ),
    "another revision": (dict, {"revision": "lab-0"}, "revision lab-0 is planned, lab-1 is here"),
    "longer sequences than the encoder has positions": (
        dict,
        {"max_length": 41},
        "training.maxLength = 41: encoder",
    ),
    "a view": (dict, {"view": "rs-da"}, "there are no views of it"),
    "an unknown task": (dict, {"task": "nope"}, "task = 'nope': valid: topic"),
}


@pytest.mark.parametrize(("change", "settings", "message"), WRONG.values(), ids=WRONG)
def test_a_task_that_is_wrong_is_told_once_and_for_all(lab, lab_world, change, settings, message):
    change(lab_world)
    right = lab.prepare("topic")
    stage = right.model_copy(update={"params": right.params.model_copy(update=settings)})
    assert lab.run(lab.encoder, inputs=False) == TrainerExit.DONE
    assert lab.run(stage, inputs=False) == TrainerExit.BAD_TASK
    failure = json.loads(lab.store.read(layout.failure(lab.experiment, stage.key)).data)
    assert message in failure["message"]
    assert (failure["reason"], failure["retryable"]) == ("task-is-wrong", False)
