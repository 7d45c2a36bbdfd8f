import pytest
from xlbench_specs.suggestions import listed, unknown


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("ha-intnet", "unknown task (did you mean 'ha-intent'?); valid: ha-intent, ha-slots"),
        ("zzz", "unknown task; valid: ha-intent, ha-slots"),
    ],
    ids=["a near name is suggested", "nothing is near"],
)
def test_unknown_names_what_is_valid(name, message):
    assert unknown("task", name, {"ha-slots", "ha-intent"}) == message


def test_a_long_list_is_cut_and_its_length_told():
    assert listed(f"t{n:02}" for n in range(30)).endswith("t10, t11, ... (30 in all)")
