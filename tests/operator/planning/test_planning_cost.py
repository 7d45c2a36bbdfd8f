import pytest
from xlbench_operator.planning.cost import cost_of, layer_flops, sharing_of
from xlbench_specs.encoders import EncoderShape

T, A, B = {"task": "$target"}, {"task": "ha-slots"}, {"task": "cldr-names"}
E5_SMALL = EncoderShape(layers=12, hidden=384, feed_forward=1536, positions=512)
XLM_R_BASE = EncoderShape(layers=12, hidden=768, feed_forward=3072, positions=512)


def test_the_flops_of_a_token_are_those_worked_by_hand():
    # 2 x (4 x 768^2 + 2 x 768 x 3072) + 4 x 39 x 768 = 14,155,776 + 119,808 a layer
    assert layer_flops(XLM_R_BASE, 39) == 14_275_584
    assert 12 * layer_flops(XLM_R_BASE, 39) == pytest.approx(171.3e6, rel=1e-4)


# One model of 60 updates of 32 examples of 10 tokens: 19,200 tokens. It is looked at by 200 English
# examples, and has two cells of 100 examples.
TOKEN = layer_flops(E5_SMALL, 10)
WORK = {
    "all layers trained": ({}, 3 * 12),
    "eight layers frozen": ({"trainable": {"lowestLayer": 8, "embeddings": False}}, 8 + 3 * 4),
    "all layers frozen, however many": (
        {"trainable": {"lowestLayer": 200, "embeddings": False}},
        12,
    ),
    "eight layers frozen, but the embeddings below them trained": (
        {"trainable": {"lowestLayer": 8}},
        3 * 12,
    ),
}


@pytest.mark.parametrize(("training", "passes"), WORK.values(), ids=WORK)
def test_the_work_of_training(lab, training, passes):
    document = lab.arms(
        {"tasks": [T]},
        encoders=[{"name": "e5", "model": "builtin/e5-small-q4"}],
        languages={"codes": lab.codes[:1]},
        seeds=[1],
        training=training,
    )
    cost = cost_of(lab.plan_of(document), lab.tasks)
    assert cost.tokens == 19_200
    assert cost.train_flops == pytest.approx((19_200 * passes + 2_000 * 12) * TOKEN)
    assert cost.evaluate_flops == pytest.approx(200 * 10 * 12 * TOKEN)
    assert cost.kept_flops == 0
    assert cost.assumed == ()


def test_texts_are_cut_at_the_longest_input(lab):
    document = lab.arms({"tasks": [T]}, training={"maxLength": 8}, seeds=[1])
    assert cost_of(lab.plan_of(document), lab.tasks).tokens == 60 * 32 * 8


@pytest.mark.parametrize("kind", ["choice", "span"])
def test_options_and_windows_are_not_cut(lab, kind):
    tasks = {**lab.tasks, "ha-intent": lab.row("ha-intent", kind, "block-b", {"en": 2000})}
    plan = lab.plan_of(lab.arms({"tasks": [T]}, training={"maxLength": 8}, seeds=[1]), tasks=tasks)
    assert cost_of(plan, tasks).tokens == 60 * 32 * 10


def test_an_encoder_of_unknown_shape_is_taken_for_xlm_r_base_and_named(lab):
    cost = cost_of(lab.plan_of(lab.arms({"tasks": [T]}, seeds=[1])), lab.tasks)
    assert cost.assumed == ("FacebookAI/xlm-roberta-base",)
    assert cost.train_flops == pytest.approx(
        (19_200 * 36 + 2_000 * 12) * layer_flops(XLM_R_BASE, 10)
    )


def test_shared_training_is_paid_once(lab):
    one = cost_of(lab.plan_of(lab.golden()), lab.tasks)
    more = cost_of(lab.plan_of(lab.golden(singles=True)), lab.tasks)
    # 9 stages of 60 updates come with the two controls; 3 of the 12 they need are there
    assert more.tokens - one.tokens == 9 * 60 * 32 * 10


FROZEN = {"trainable": {"lowestLayer": 8, "embeddings": False}}
KEPT = {
    # Phases of 60 updates of 32 examples of 10 tokens; 200 dev examples, 2 cells of 100, all of 10.
    "one model": ([["$target"]], FROZEN, 0),
    # The target's text and its dev set, the cells; after its phase ha-slots' dev set once more.
    "two models": (
        [["$target"], ["ha-slots", "$target"]],
        FROZEN,
        8 * (19_200 + 2_000 + 2_000 + 2_000),
    ),
    "trained from the bottom nothing is the same": ([["$target"], ["ha-slots", "$target"]], {}, 0),
}


@pytest.mark.parametrize(("schedules", "training", "layers"), KEPT.values(), ids=KEPT)
def test_what_frozen_layers_have_said_before(lab, schedules, training, layers):
    document = lab.arms(
        encoders=[{"name": "e5", "model": "builtin/e5-small-q4"}],
        languages={"codes": lab.codes[:1]},
        seeds=[1],
        training=training,
        schedules=[
            {
                "name": f"chain-of-{len(chain)}",
                "role": "control",
                "phases": [{"tasks": [{"task": task}], "updates": 60} for task in chain],
            }
            for chain in schedules
        ],
    )
    cost = cost_of(lab.plan_of(document), lab.tasks)
    assert cost.kept_flops == pytest.approx(layers * TOKEN)


def test_frozen_layers_see_an_example_once_however_often_it_is_drawn(lab):
    def train_flops(updates):
        document = lab.arms(
            {"tasks": [T]},
            encoders=[{"name": "e5", "model": "builtin/e5-small-q4"}],
            seeds=[1],
            training=FROZEN,
            budget={"target": updates},
        )
        return cost_of(lab.plan_of(document), lab.tasks).train_flops

    # There are 2,000 examples: 62 updates of 32 draw 1,984 of them, 200 draw all of them.
    more = (200 - 62) * 32 * 10 * 3 * 4 + (2_000 - 1_984) * 10 * 8
    assert train_flops(200) - train_flops(62) == pytest.approx(more * TOKEN)


def test_other_seeds_and_other_doses_draw_other_texts(lab):
    def kept(*updates, seeds):
        document = lab.arms(
            encoders=[{"name": "e5", "model": "builtin/e5-small-q4"}],
            languages={"codes": lab.codes[:1]},
            seeds=seeds,
            training=FROZEN,
            schedules=[
                {
                    "name": f"dose-{dose}",
                    "role": "control",
                    "phases": [{"tasks": [T], "updates": dose}],
                }
                for dose in updates
            ],
        )
        return cost_of(lab.plan_of(document), lab.tasks).kept_flops

    dev_set_and_cells = 8 * (2_000 + 2_000) * TOKEN
    assert kept(60, 90, seeds=[1]) == pytest.approx(dev_set_and_cells)
    assert kept(60, seeds=[1, 2]) == pytest.approx(dev_set_and_cells)


def test_sharing_of_the_golden_plan(lab):
    sharing = sharing_of(lab.plan_of(lab.golden(singles=True)))
    # 1 + 1 + 2 + 3 + 2 + 2 phases for each of three seeds, in 17 languages
    assert (sharing.grid.count, sharing.unshared.count, sharing.planned.count) == (561, 33, 30)
    assert (sharing.grid.updates, sharing.unshared.updates, sharing.planned.updates) == (
        2520 * 17,
        2520,
        2340,
    )
