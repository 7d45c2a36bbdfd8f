"""The stored task table is what the data gives."""

from importlib.resources import files

import pytest
from xlbench_specs.tasks import task_table
from xlbench_trainer.tasks.survey import table_text


@pytest.mark.slow
def test_the_stored_table_is_what_the_survey_counts():
    stored = files("xlbench_specs").joinpath("data/tasks.json").read_text("utf-8")
    assert table_text() == stored


def test_languages_that_were_chosen_beforehand_are_there():
    # The twelve scarcer languages of the embedded experiments, fixed before any score was seen.
    scarce = {"hy", "gu", "ml", "ne", "bn", "af", "ga", "lb", "is", "cy", "eu", "gl"}
    for task in ("ha-intent", "ha-pairs", "ha-slots", "cldr-names"):
        assert scarce <= set(task_table()[task].sizes["test"]), task


@pytest.mark.parametrize("task", [task for task in task_table().values() if task.sizes.get("test")])
def test_a_language_is_either_tested_or_excluded_with_a_reason(task):
    assert not set(task.sizes["test"]) & set(task.excluded)
    assert all(task.excluded.values())
