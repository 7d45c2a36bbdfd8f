import pytest
from xlbench_specs.errors import Problem, SpecError

SHOWN = {
    "a value": (Problem("spec.seeds", [], "give one"), "spec.seeds = []: give one"),
    "text": (Problem("spec.a", "no", "quote it"), "spec.a = 'no': quote it"),
    "nothing": (Problem("spec.a", None, "required"), "spec.a: required"),
    "a long value, which is cut": (
        Problem("spec.a", "x" * 200, "too long"),
        f"spec.a = '{'x' * 78}…: too long",
    ),
}


@pytest.mark.parametrize(("problem", "text"), SHOWN.values(), ids=SHOWN)
def test_a_problem_shows(problem, text):
    assert str(problem) == text


def test_an_error_tells_all_problems_in_the_order_of_their_paths():
    error = SpecError(
        [Problem("spec.b", 1, "z"), Problem("spec.a", 2, "y"), Problem("spec.a", 3, "x")]
    )
    assert [problem.value for problem in error.problems] == [3, 2, 1]
    assert str(error) == "spec.a = 3: x\nspec.a = 2: y\nspec.b = 1: z"


def test_an_error_of_one_problem_is_made_in_one_line():
    assert SpecError.at("spec.a", 1, "x").problems == (Problem("spec.a", 1, "x"),)
