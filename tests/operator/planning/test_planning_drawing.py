import re

import pytest
from xlbench_operator.planning.drawing import MAX_BOXES, mermaid_of

T, A = {"task": "$target"}, {"task": "ha-slots"}


def read(chart):
    """Labels of the boxes and pairs of labels that an arrow joins."""
    assert chart.startswith("flowchart LR\n")
    boxes = dict(re.findall(r'^  (n\d+)\["(.+)"\]$', chart, re.MULTILINE)) | {"report": "report"}
    arrows = re.findall(r"^  (\w+) --> (\w+)$", chart, re.MULTILINE)
    assert len(chart.splitlines()) == 1 + len(boxes) + len(arrows)
    return boxes, [(boxes[source], boxes[end]) for source, end in arrows]


def test_a_small_plan_is_drawn_stage_by_stage(lab):
    document = lab.arms(
        {"tasks": [A]}, {"tasks": [T]}, seeds=[1], languages={"codes": [lab.codes[0]]}
    )
    plan = lab.plan_of(document)
    boxes, arrows = read(mermaid_of(plan))
    assert len(boxes) == len(plan.stages) + 1
    assert "train 1: ha-slots 120<br/>arm<br/>seed 1" in boxes.values()
    pair = ("train 1: ha-slots 120<br/>arm<br/>seed 1", "train 2: ha-intent 60<br/>arm<br/>seed 1")
    assert pair in arrows
    assert len(arrows) == sum(len(stage.inputs) for stage in plan.stages.values()) + 2


def test_a_larger_plan_is_drawn_phase_by_phase_with_numbers(lab):
    boxes, _ = read(mermaid_of(lab.plan_of(lab.golden(singles=True))))
    assert len(boxes) <= MAX_BOXES + 1
    assert "train 1: ha-slots 60<br/>sequential, only-a<br/>x 2" in boxes.values()
    assert "train 1: ha-slots 60 + cldr-names 60<br/>simultaneous<br/>x 3" in boxes.values()
    assert "evaluate ha-intent<br/>only-b<br/>x 51" in boxes.values()


def test_a_plan_of_many_schedules_is_drawn_schedule_by_schedule_then_by_kind(lab):
    document = lab.arms({"tasks": [T]})
    phases = [{"tasks": [A]}, {"tasks": [T]}]
    document["spec"]["schedules"] = [
        {
            "name": f"s{number}",
            "role": "control",
            "phases": [{**phases[0], "updates": number + 1}, phases[1]],
        }
        for number in range(25)
    ]
    plan = lab.plan_of(document)
    by_schedule, _ = read(mermaid_of(plan))
    assert len(by_schedule) == 2 + 25 * 2 + 1
    by_kind, arrows = read(mermaid_of(plan, most=20))
    assert [label.split("<br/>")[0] for label in by_kind.values()] == [
        "1. encoder",
        "2. prepare",
        "3. train",
        "4. evaluate",
        "report",
    ]
    assert len(arrows) == 6


def test_stages_that_many_schedules_share_name_their_number(lab):
    document = lab.arms({"tasks": [A]}, {"tasks": [T]}, seeds=[1])
    document["spec"]["schedules"] = [
        {
            "name": f"s{number}",
            "role": "control" if number else "arm",
            "phases": [{"tasks": [A]}, {"tasks": [T], "updates": number + 1}],
        }
        for number in range(4)
    ]
    boxes, _ = read(mermaid_of(lab.plan_of(document)))
    assert "train 1: ha-slots 120<br/>4 schedules" in boxes.values()


@pytest.mark.parametrize("most", [60, 30, 15, 8])
def test_the_drawing_has_no_cycle_however_coarse(lab, most):
    document = lab.golden(seeds=4, singles=True)
    document["spec"]["probes"] = ["django-messages"]
    document["spec"]["baselines"] = ["frozen-probe", "random-encoder"]
    boxes, arrows = read(mermaid_of(lab.plan_of(document), most=most))
    assert len(boxes) <= max(most, 4) + 1
    left = set(boxes.values())
    while left:
        free = {box for box in left if not any(s in left and e == box for s, e in arrows)}
        assert free, arrows
        left -= free
