"""What is started next, as data: small graphs, hand-made costs, no process."""

from types import MappingProxyType

import pytest
from made_up import train_params
from xlbench_operator.local.board import TRIES, Board, State
from xlbench_operator.local.graph import Graph, graph_of
from xlbench_operator.local.rates import FIXED_S, UPDATE_S, Rates
from xlbench_operator.local.schedule import backwards, left_s, next_batch, ranks
from xlbench_specs.stages import (
    EncoderParams,
    EvaluateParams,
    PrepareParams,
    Stage,
)
from xlbench_specs.tasks import task_table


def stage(kind, name, inputs):
    """A stage of a kind; what it is exactly matters to nobody here."""
    match kind:
        case "encoder":
            params = EncoderParams(model=f"builtin/{name}", revision="1")
        case "prepare":
            params = PrepareParams(
                task=name, revision="1", split="test", language="en", max_length=8
            )
        case "train":
            params = train_params({name: 10})
        case "evaluate":
            params = EvaluateParams(task=name, language="en", precision="fp32", threads=1)
    sources = {f"dev/{number}": key for number, key in enumerate(inputs)}
    return Stage.model_construct(params=params, recipe=1, inputs=sources)


def graph(*rows, groups=()):
    """A graph of rows `kind name needs...`; `groups` are the stages that belong together."""
    stages, encoder = {}, {}
    for row in rows:
        kind, name, *needs = row.split()
        stages[name] = stage(kind, name, needs)
        encoder[name] = encoder[needs[0]] if needs else name
    together = [tuple(group.split()) for group in groups]
    grouped = {name for group in together for name in group}
    return Graph(
        stages=MappingProxyType(stages),
        dependents={
            name: tuple(key for key, each in stages.items() if name in each.inputs.values())
            for name in stages
        },
        encoder=encoder,
        groups=(*((name,) for name in stages if name not in grouped), *together),
        names={name: name for name in stages},
    )


TWO_MODELS = graph(
    "encoder e",
    "prepare d e",
    "prepare s e",
    "train a d",
    "evaluate a1 a s",
    "evaluate a2 a s",
    "train b d",
    "evaluate b1 b s",
    "train b+ b",
    "evaluate b2 b+ s",
    groups=["a a1 a2", "b b1 b+ b2"],
)
COSTS = {"e": 5, "d": 6, "s": 1, "a": 40, "a1": 1, "a2": 1, "b": 30, "b1": 1, "b+": 30, "b2": 1}


def cost(key):
    return float(COSTS.get(key, 1))


def board_after(these, finished="", claimed="", failed=""):
    board = Board(these, set(finished.split()))
    board.claim(claimed.split())
    for key in failed.split():
        board.fail(key, retryable=False)
    return board


def test_the_rank_of_a_stage_is_the_longest_way_to_the_end():
    found = ranks(TWO_MODELS, cost)
    assert found["b2"] == 1
    assert found["b"] == 30 + 30 + 1
    assert found["a"] == 40 + 1
    assert found["d"] == 6 + 61
    assert found["e"] == 5 + 67


@pytest.mark.parametrize(
    ("finished", "claimed", "jobs", "idle", "expected"),
    [
        pytest.param("", "", 1, 1, "e d s b b1 b+ b2 a a1 a2", id="one job takes everything"),
        pytest.param("", "", 2, 2, "e d s", id="what is small follows what it needs"),
        pytest.param("", "e d s", 2, 1, "", id="nothing can start yet"),
        pytest.param("e", "", 2, 2, "d", id="ready work is shared by who is idle"),
        pytest.param("e", "d", 2, 1, "s", id="the rest is for the other"),
        pytest.param("e d", "s", 2, 1, "", id="a model waits for what it is scored on"),
        pytest.param("e d s", "", 2, 2, "b b1 b+ b2", id="the longest chain is first"),
        pytest.param("e d s", "b b1 b+ b2", 2, 1, "a a1 a2", id="then the next"),
        pytest.param("e d s b b1", "", 2, 2, "a a1 a2", id="what is left decides the order"),
        pytest.param("e d s b a", "", 2, 2, "b1 b+ b2", id="a chain goes on where it stopped"),
    ],
)
def test_what_is_started_next(finished, claimed, jobs, idle, expected):
    batch = next_batch(board_after(TWO_MODELS, finished, claimed), cost, jobs, idle)
    assert batch == expected.split()


def test_a_batch_stands_on_one_encoder():
    both = graph("encoder e", "encoder f", "prepare d e", "prepare g f")
    board = board_after(both, "")
    first = next_batch(board, cost, 1, 1)
    board.claim(first)
    assert [first, next_batch(board, cost, 1, 1)] == [["e", "d"], ["f", "g"]]


def test_batches_shrink_as_the_end_comes_near():
    many = graph("encoder e", *(f"train t{number} e" for number in range(32)))
    board = board_after(many, "e")
    sizes = []
    while batch := next_batch(board, lambda _: 10.0, 4, 1):
        board.claim(batch)
        sizes.append(len(batch))
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[0] == 4
    assert sizes[-1] <= 2


def test_a_lost_test_set_does_not_hold_a_model_up():
    board = board_after(TWO_MODELS, "e d", failed="s")
    assert set(board.keys(State.SKIPPED)) == {"a1", "a2", "b1", "b2"}
    assert next_batch(board, cost, 2, 2) == ["b", "b+"]


@pytest.mark.parametrize(
    ("finished", "jobs", "running", "expected"),
    [
        pytest.param("e d s", 1, {}, 104.0, id="one job does it all"),
        pytest.param("e d s", 2, {}, 61.0, id="the longest chain is the bound"),
        pytest.param("e d s", 2, {"b": 0.5}, 46.0, id="half a stage is half its time"),
        pytest.param(" ".join(COSTS), 2, {}, 0.0, id="nothing is left"),
    ],
)
def test_the_time_left(finished, jobs, running, expected):
    assert left_s(board_after(TWO_MODELS, finished), cost, jobs, running) == expected


class TestBoard:
    def test_a_failure_that_may_pass_is_final_after_some_tries(self):
        board = board_after(TWO_MODELS, "e d s")
        answers = [board.fail("a", retryable=True) for _ in range(TRIES)]
        assert answers == [False] * (TRIES - 1) + [True]
        assert board.counts("evaluate") == {State.SKIPPED: 2, State.WAITING: 2}

    def test_a_finished_stage_is_not_released(self):
        board = board_after(TWO_MODELS, claimed="e")
        board.finish("e")
        board.release("e")
        assert board.states["e"] is State.DONE

    def test_what_was_there_stays_reused(self):
        board = board_after(TWO_MODELS, "e")
        board.finish("e")
        assert board.states["e"] is State.REUSED

    def test_it_has_ended_when_every_stage_has(self):
        board = board_after(TWO_MODELS, "e s", failed="d")
        assert board.ended
        assert set(board.keys(State.SKIPPED)) == set(TWO_MODELS.stages) - {"e", "s", "d"}


def test_only_scores_are_taken_backwards_and_stay_behind_their_model():
    batch = ["d", "s", "a", "a1", "a2", "b", "b1", "b+", "b2"]
    assert backwards(TWO_MODELS.stages, batch) == ["d", "s", "a", "a2", "a1", "b", "b1", "b+", "b2"]


def size_of(prepare):
    """Examples of a set."""
    return task_table()[prepare.task].size(prepare.split, prepare.language)


class TestRates:
    @pytest.fixture
    def rates(self, plan):
        return Rates(plan, graph_of(plan), task_table())

    def test_what_is_expected_grows_with_the_work(self, plan, rates):
        (encoder,) = plan.stages_of("encoder")
        assert rates.cost_s(encoder) == FIXED_S["encoder"]
        trained = plan.stages_of("train")
        for key, each in trained.items():
            least = FIXED_S["train"] + UPDATE_S * each.params.updates
            assert least < rates.cost_s(key) < 1.1 * least  # of a tiny encoder
        sizes = {key: size_of(each.params) for key, each in plan.stages_of("prepare").items()}
        assert rates.cost_s(max(sizes, key=sizes.get)) > rates.cost_s(min(sizes, key=sizes.get))

    def test_a_larger_encoder_is_expected_to_take_longer(self, plan_on_two_encoders):
        plan = plan_on_two_encoders
        rates = Rates(plan, graph_of(plan), task_table())
        by_encoder = {}
        for key in plan.stages_of("evaluate"):
            by_encoder.setdefault(graph_of(plan).encoder[key], set()).add(rates.cost_s(key))
        tiny, small = sorted(by_encoder.values(), key=min)
        assert max(tiny) - FIXED_S["evaluate"] < (min(small) - FIXED_S["evaluate"]) / 100

    def test_what_was_measured_is_a_factor_for_that_kind_and_encoder_alone(self, plan, rates):
        train, other = list(plan.stages_of("train"))[:2]
        evaluate = next(iter(plan.stages_of("evaluate")))
        before = {key: rates.cost_s(key) for key in (train, other, evaluate)}
        rates.observe(train, 3 * before[train])
        assert rates.cost_s(train) == pytest.approx(3 * before[train])
        assert rates.cost_s(other) == pytest.approx(3 * before[other])
        assert rates.cost_s(evaluate) == before[evaluate]
        rates.observe(other, 5 * before[other])
        both = before[train] + before[other]
        factor = (3 * before[train] + 5 * before[other]) / both
        assert rates.cost_s(train) == pytest.approx(factor * before[train])

    def test_what_frozen_layers_say_is_computed_once(self, plan_of_frozen):
        plan = plan_of_frozen
        rates = Rates(plan, graph_of(plan), task_table())
        first, second = (model.evaluations[0].key for model in plan.models)
        assert plan.stages[first].inputs["data"] == plan.stages[second].inputs["data"]

        def layers_s(key):
            return rates.cost_s(key) - FIXED_S["evaluate"]

        layer_s = layers_s(first) / (4 + 8 / 2)  # four are its own, both bear half of eight
        assert layers_s(second) == pytest.approx((4 + 8 / 2) * layer_s)
        rates.observe(first, FIXED_S["evaluate"] + 12 * layer_s)  # as expected: the factor stays 1
        assert layers_s(second) == pytest.approx(4 * layer_s)


class TestGraphOfAPlan:
    def test_groups_hold_every_stage_once(self, plan):
        found = graph_of(plan)
        assert sorted(key for group in found.groups for key in group) == sorted(plan.stages)

    def test_a_model_is_grouped_with_all_that_scores_it(self, plan):
        found = graph_of(plan)
        for model in plan.models:
            keys = {*model.train, *(each.key for each in model.evaluations)}
            assert [set(group) for group in found.groups if set(group) & keys] == [keys]

    def test_a_shared_prefix_is_the_first_models(self, plan_with_shared_prefix):
        plan = plan_with_shared_prefix
        found = graph_of(plan)
        shared = set(plan.models[0].train) & set(plan.models[-1].train)
        assert shared
        owner = next(group for group in found.groups if shared & set(group))
        assert set(plan.models[0].train) <= set(owner)

    def test_names_say_what_a_stage_is(self, plan):
        names = set(graph_of(plan).names.values())
        assert {
            "encoder builtin/random-tiny",
            "prepare ha-intent test cy",
            "train joint, seed 2: cldr-names + ha-intent",
            "evaluate chain, seed 1: ha-intent bn",
        } <= names
