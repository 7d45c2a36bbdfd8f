import io

import pytest
from rich.console import Console
from xlbench_operator.local.board import State
from xlbench_operator.local.display import counts, display_on, left, shown_time
from xlbench_operator.local.execute import Running, Snapshot


def snapshot(**changes):
    facts = {
        "counts": {
            "encoder": {State.REUSED: 1},
            "train": {State.DONE: 2, State.REUSED: 1, State.WAITING: 3, State.FAILED: 1},
            "evaluate": {State.SKIPPED: 4},
            "prepare": {},
        },
        "running": [Running("train joint, seed 1: ha-intent", 30, 60)],
        "starting": 1,
        "elapsed_s": 65.0,
        "left_s": 130.0,
        "stopping": False,
    }
    return Snapshot(**facts | changes)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.2, "0 s"),
        (59.4, "59 s"),
        (60, "1 min"),
        (200, "3 min 20 s"),
        (3600, "1 h 0 min"),
        (7500, "2 h 5 min"),
    ],
)
def test_a_duration_in_words(seconds, text):
    assert shown_time(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.1, "about 5 s left"), (23, "about 25 s left"), (130, "about 2 min left")],
)
def test_the_time_left_is_rounded_as_coarsely_as_it_is_known(seconds, text):
    assert left(snapshot(left_s=seconds)) == text


def test_a_run_that_is_stopping_says_how_to_stop_at_once():
    assert "Ctrl-C" in left(snapshot(stopping=True))


def test_counts_name_what_failed_and_leave_out_what_is_not_planned():
    assert counts(snapshot()) == "encoder 1/1  train 3/7 (1 failed)  evaluate 0/4 (4 skipped)"


def test_plain_lines_hold_no_control_characters_and_come_at_most_once_a_second():
    file = io.StringIO()
    with display_on(Console(file=file, width=200)) as display:
        for number in range(50):
            display.ended(f"evaluate model: task {number}", State.DONE, 0.1)
            display.update(snapshot())
        display.tell("failed: [b]something[/b]\n    its last line")
    lines = file.getvalue().splitlines()
    assert "\x1b" not in file.getvalue()
    assert [line.split("  ")[-1] for line in lines[1:]] == [
        "failed: [b]something[/b]",
        "its last line",
    ]
    assert "done: 50 x evaluate" in lines[0]


def test_a_lone_stage_is_named_with_its_time():
    file = io.StringIO()
    with display_on(Console(file=file, width=200)) as display:
        display.ended("train joint, seed 1: ha-intent", State.DONE, 72.0)
    assert "done: train joint, seed 1: ha-intent (1 min 12 s)" in file.getvalue()


def test_a_terminal_shows_what_runs_with_its_bar():
    file = io.StringIO()
    console = Console(file=file, width=100, force_terminal=True, color_system=None)
    with display_on(console) as display:
        display.update(snapshot())
        display.tell("failed: something")
    shown = file.getvalue()
    for words in ("1 min 5 s, about 2 min left", "train 3/7", "30/60", "starting a trainer"):
        assert words in shown
    assert "failed: something" in shown
