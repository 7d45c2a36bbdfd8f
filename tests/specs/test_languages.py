import pytest
from xlbench_specs.errors import SpecError
from xlbench_specs.languages import GROUPS, LANGUAGES, Language, group, low_resource_count
from xlbench_specs.tasks import task_table

CLASSES = {
    5: "ar de en es fr ja zh",
    4: "eu fa fi hi hu it ko nl pl pt ru tr vi",
    3: "af bg bn el et he id ka kk lt ms ro ta th tl uk ur",
    2: "ht mr pa sw wo yo",
    1: "az gu jv ml my qu te",
}
XTREME_R = {code: level for level, codes in CLASSES.items() for code in codes.split()}


def test_the_fifty_languages_of_xtreme_r_have_their_published_classes():
    fifty = {code: row.joshi_class for code, row in LANGUAGES.items() if row.xtreme_r}
    assert len(fifty) == 50
    assert fifty == XTREME_R


@pytest.mark.parametrize(
    ("encoder", "unseen"),
    [("mbert", {"qu", "wo"}), ("xlm_r", {"ht", "qu", "wo", "yo"})],
    ids=["multilingual BERT", "XLM-R"],
)
def test_which_of_the_fifty_an_encoder_has_not_seen(encoder, unseen):
    assert {code for code in XTREME_R if not getattr(LANGUAGES[code], encoder)} == unseen


@pytest.mark.parametrize(
    ("code", "size"), [("sw", 332), ("yo", 1.1), ("my", 46), ("qu", 1.5), ("ht", 9.1), ("en", 82e3)]
)
def test_pretraining_size_in_megabytes(code, size):
    assert LANGUAGES[code].cc100_mb == size


def test_the_table_is_sorted_and_has_no_code_twice():
    codes = list(LANGUAGES)
    assert codes == sorted(codes)
    assert len(codes) == len(set(codes))


def test_a_script_stands_in_a_code_only_where_the_language_is_there_in_two():
    for code, row in LANGUAGES.items():
        base, _, script = code.partition("-")
        if script:
            assert row.script == script
            assert LANGUAGES[base].script != script


@pytest.mark.parametrize("name", sorted(GROUPS))
def test_a_group_is_sorted_known_and_without_english(name):
    members = group(name).languages
    assert list(members) == sorted(set(members))
    assert set(members) <= set(LANGUAGES)
    assert "en" not in members


DEFINITIONS = {
    "all": lambda row: row.code != "en",
    "low-resource": lambda row: row.joshi_class is not None and row.joshi_class <= 2,
    "unseen:mbert": lambda row: row.mbert is False,
    "unseen:xlm-r": lambda row: row.xlm_r is False,
    "xtreme-r-low-resource": lambda row: row.xtreme_r and row.joshi_class <= 2,
}
VERSIONS = dict.fromkeys(DEFINITIONS, 2) | {"xtreme-r-low-resource": 1}


@pytest.mark.parametrize("name", sorted(DEFINITIONS))
def test_the_newest_version_of_a_group_is_what_its_definition_says(name):
    meant = {code for code, row in LANGUAGES.items() if DEFINITIONS[name](row)} - {"en"}
    assert GROUPS[name].version == VERSIONS[name], "a new version needs its definition here"
    assert set(group(name).languages) == meant


def test_thirteen_of_the_fifty_are_low_resource():
    scarce = {code for code, level in XTREME_R.items() if level <= 2}
    assert len(scarce) == 13
    assert set(group("xtreme-r-low-resource").languages) == scarce


def test_four_of_the_scarce_twelve_are_of_class_3_or_4():
    twelve = group("scarce-12").languages
    assert twelve == ("af", "bn", "cy", "eu", "ga", "gl", "gu", "hy", "is", "lb", "ml", "ne")
    assert low_resource_count(twelve) == 8
    assert {code for code in twelve if not LANGUAGES[code].low_resource} == {"af", "bn", "eu", "gl"}


def test_a_language_of_unknown_class_is_not_counted_as_low_resource():
    assert LANGUAGES["nds"].low_resource is None
    assert low_resource_count(["nds", "sw", "en"]) == 1


def test_an_unknown_group_is_refused_with_the_valid_ones():
    with pytest.raises(SpecError) as caught:
        group("low-resorce", path="spec.analysis.endpoint.group")
    (problem,) = caught.value.problems
    assert problem.path == "spec.analysis.endpoint.group"
    assert problem.value == "low-resorce"
    assert "did you mean 'low-resource'" in problem.message
    assert "scarce-12" in problem.message


def test_a_language_cannot_be_changed():
    with pytest.raises(ValueError, match="frozen"):
        LANGUAGES["sw"].joshi_class = 5


def test_not_known_is_written_down_and_not_left_out():
    assert all(field.is_required() for field in Language.model_fields.values())


def test_every_language_of_every_task_is_in_the_table():
    for task in task_table().values():
        for split in task.sizes:
            assert set(task.languages(split)) <= set(LANGUAGES), (task.name, split)
