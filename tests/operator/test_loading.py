import pytest
from xlbench_operator.loading import MAX_BYTES, MAX_DEPTH, Origin, parse_yaml, read_spec_file
from xlbench_specs.errors import SpecError

BILLION_LAUGHS = "a: &a [lol, lol, lol, lol, lol, lol, lol, lol, lol]\n" + "".join(
    f"{new}: &{new} [{', '.join([f'*{old}'] * 9)}]\n"
    for old, new in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    ("text", "data"),
    [
        ("a: 1\n", {"a": 1}),
        ('{"a": [1, "no"]}', {"a": [1, "no"]}),
        ("---\na: 1\n---\n", {"a": 1}),
        ("---\n# a header\n---\na: 1\n", {"a": 1}),
        ("\ufeffa: 1\n", {"a": 1}),
        ("a: 'no'\nb: \"2e-5\"\nc: |\n  on\n", {"a": "no", "b": "2e-5", "c": "on\n"}),
        ("a: &x {b: 1}\nc: *x\n", {"a": {"b": 1}, "c": {"b": 1}}),
        ("a: &x {b: 1, c: 2}\nd: {<<: *x, c: 3}\n", {"a": {"b": 1, "c": 2}, "d": {"b": 1, "c": 3}}),
        (
            "a: &x {b: 1}\nc: &y {b: 2, d: 3}\ne: {<<: [*x, *y]}\n",
            {"a": {"b": 1}, "c": {"b": 2, "d": 3}, "e": {"b": 1, "d": 3}},
        ),
        ("a: {'<<': 1}\n", {"a": {"<<": 1}}),
        ("on: 1\n5: 2\n", {"true": 1, "5": 2}),
        ("a:\n", {"a": None}),
    ],
    ids=[
        "a mapping",
        "JSON",
        "empty documents after it",
        "empty documents before it",
        "a byte order mark",
        "quoted text stays text",
        "an alias is its anchor's value",
        "a merge key fills in what is missing",
        "the first merged mapping wins",
        "a quoted merge key is a name",
        "names are text, as kubectl writes them",
        "nothing is null",
    ],
)
def test_a_document_is_read_as_kubectl_reads_it(text, data):
    assert parse_yaml(text.encode()).data == data


@pytest.mark.parametrize(
    ("text", "path", "message"),
    [
        (b"a: 1\nb: {c: 2,\n  c: 3}\n", "b.c", "the key 'c' twice in one object (line 3)"),
        (b"a: 1\n'a': 2\n", "a", "twice"),
        (b"1: a\n'1': b\n", "1", "twice"),
        (b"a:\n- !!str no\n", "a[0]", "the tag 'tag:yaml.org,2002:str'; a spec may hold no tags"),
        (b"a: !!python/object:os.system {}\n", "a", "a spec may hold no tags"),
        (b"a: ! x\n", "a", "a spec may hold no tags"),
        (b"a: {b: .nan}\n", "a.b", ".nan: NaN and infinity"),
        (b"a: -.inf\n", "a", "-.inf: NaN and infinity"),
        (b"a: &x [*x]\n", "a[0]", "the alias *x inside its own anchor (line 1)"),
        (b"a: *x\n", "a", "the alias *x with no anchor &x before it"),
        (BILLION_LAUGHS.encode(), "f", "too large when its aliases are written out (line 6)"),
        (b"a: " + b"[" * 40, "a" + "[0]" * MAX_DEPTH, "nested deeper than 32 levels"),
        (b"a: " + b"[" * 100_000, "a" + "[0]" * MAX_DEPTH, "nested deeper than 32 levels"),
        (b"a: &x {b: 1}\nc:\n  <<: *x\n  <<: *x\n", "c", "the key '<<' twice"),
        (b"a: {<<: 3}\n", "a", "`<<` merges something that is no object"),
        (b"? [a]\n: 1\n", "the file", "a key that is no text"),
        (b"a: {null: 1}\n", "a", "a key that is no text"),
        (b"a: 1\n---\nb: 2\n", "the file", "a second document; write one spec in a file (line 3)"),
        (b"", "the file", "no object; a spec starts with `apiVersion:`"),
        (b"# nothing\n", "the file", "no object"),
        (b"- a\n", "the file", "no object"),
        (b"hello\n", "the file", "no object"),
        (b"a: [1\nb: 2\n", "the file", "not valid YAML"),
        (b"a: 'x\n", "the file", "not valid YAML"),
        (b"a: \x01\n", "the file", "not valid YAML: unacceptable character"),
        (b"a: \xff\n", "the file", "not UTF-8 text at byte 3"),
        (b'a: {b: "\\ud800"}\n', "a.b", "text with half a character"),
        (b"#" * (MAX_BYTES + 1), "the file", "larger than 256 KiB"),
    ],
    ids=[
        "a key twice",
        "a key twice, once quoted",
        "a key twice, once a number",
        "a tag",
        "a tag of Python's",
        "the empty tag",
        "NaN",
        "infinity",
        "an alias inside its anchor",
        "an alias without an anchor",
        "aliases that explode",
        "too deep",
        "deep enough to overflow a stack",
        "a merge key twice",
        "a merge of no object",
        "a key that is a list",
        "a key that is null",
        "two documents",
        "an empty file",
        "only a comment",
        "a list",
        "a word",
        "a bracket that stays open",
        "a quote that stays open",
        "a control character",
        "bytes that are no UTF-8",
        "half a surrogate pair",
        "a file over the bound",
    ],
)
def test_a_document_is_refused_with_path_and_line(text, path, message):
    with pytest.raises(SpecError) as caught:
        parse_yaml(text)
    (problem,) = caught.value.problems
    assert problem.path == path
    assert message in problem.message


def test_depth_is_bounded_through_aliases_too():
    nested = "a: &a {x: 1}\n" + "".join(
        f"k{i}: &k{i} {{x: *{f'k{i - 1}' if i else 'a'}}}\n" for i in range(40)
    )
    with pytest.raises(SpecError, match="nested deeper"):
        parse_yaml(nested.encode())


def test_every_path_knows_its_line_and_what_stands_there():
    text = "spec:\n  languages:\n    codes: [sw, no,\n      'no']\n  x: &a {b: on}\n  z: *a\n"
    origins = parse_yaml(text.encode()).origins
    assert origins["spec.languages.codes[1]"] == Origin(3, "no")
    assert origins["spec.languages.codes[2]"] == Origin(4, None)
    assert origins["spec.languages"] == Origin(3, None)
    assert origins["spec.z.b"] == Origin(5, "on")


def test_a_file_is_read_from_disk(tmp_path):
    (tmp_path / "spec.yaml").write_text("kind: ExperimentSpec\n")
    assert read_spec_file(tmp_path / "spec.yaml").data == {"kind": "ExperimentSpec"}
