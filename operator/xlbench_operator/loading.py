"""Reads a spec file: YAML to plain data, scalar by scalar what `kubectl` would send.

A laptop and a cluster must read one file alike, and a user must be told the line. So this module
resolves scalars as kubectl does, and refuses what kubectl would change in silence (duplicate
keys) or choke on (aliases that explode, NaN). It knows nothing of what a spec means: that is for
the model and `checks`. Called by every command that takes a spec file.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import yaml
from xlbench_specs.errors import SpecError

from xlbench_operator.scalars import Scalar, scalar

MAX_BYTES = 256 * 1024
"""Larger files are refused: the API server stores at most about 1.5 MB, with all its own fields."""
MAX_DEPTH = 32
"""Deeper nesting is refused; a spec has nine levels."""
MAX_EXPANDED = 4 * MAX_BYTES
"""Text and nodes of a document with its aliases written out; more is refused."""

SURROGATE = re.compile("[\ud800-\udfff]")
FILE = "the file"
"""Stands for a path where the trouble is with the file as a whole."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a value of the data stands in the file."""

    line: int
    """Counted from 1."""
    text: str | None
    """What is written there, of a plain scalar; None of all else, quoted text too."""


@dataclass(frozen=True, slots=True)
class SpecFile:
    """A file's content as plain data, and where each part of it came from."""

    data: object
    origins: Mapping[str, Origin]
    """By path, in the spelling of `Problem.path`."""


def read_spec_file(path: Path) -> SpecFile:
    """The content of a spec file.

    Raises: `SpecError` if it is not one document of plain YAML, `OSError` if it cannot be read.
    """
    with path.open("rb") as file:
        return parse_yaml(file.read(MAX_BYTES + 1))


def parse_yaml(raw: bytes) -> SpecFile:
    """The content of a YAML document as kubectl would send it.

    Raises: `SpecError`, with a line, if it is too large or too deep, not UTF-8, not YAML, not one
    document; if it has a tag, a key twice, NaN or infinity, or aliases that explode.
    """
    if len(raw) > MAX_BYTES:
        raise _refused("", None, f"larger than {MAX_BYTES // 1024} KiB, the most a spec may have")
    try:
        text = raw.decode("utf-8-sig")
        document = _document(yaml.parse(text, Loader=yaml.SafeLoader))
    except UnicodeDecodeError as error:
        raise _refused("", None, f"not UTF-8 text at byte {error.start}") from error
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else None
        raise _refused("", line, f"not valid YAML: {error.problem}") from error
    except yaml.YAMLError as error:  # a character that YAML does not allow
        raise _refused("", None, f"not valid YAML: {str(error).splitlines()[0]}") from error
    origins: dict[str, Origin] = {}
    return SpecFile(_plain(document, "", 0, origins), origins)


def key_path(path: str, key: str) -> str:
    """The path of a field of the object at `path`."""
    return f"{path}.{key}" if path else key


@dataclass(slots=True)
class _Node:
    """A node of the document; an alias is the anchor's own node."""

    line: int
    value: "Scalar | list[_Node] | dict[str, _Node]" = None
    text: str | None = None
    size: int = 1
    """Nodes and characters of its text with aliases written out."""
    merged: list["_Node"] = field(default_factory=list)
    """Mappings under the key `<<`."""


def _document(events: Iterator[yaml.Event]) -> _Node:
    composer = _Composer(events)
    found: _Node | None = None
    for event in events:
        if isinstance(event, yaml.DocumentStartEvent):
            node = composer.node(next(events), "", 0)
            empty = node.value is None and not node.text
            if found is None:
                found = None if empty else node
            elif not empty:
                raise _refused("", node.line, "a second document; write one spec in a file")
    if found is None or not isinstance(found.value, dict):
        raise _refused(
            "", found.line if found else None, "no object; a spec starts with `apiVersion:`"
        )
    return found


class _Composer:
    """Builds nodes from parser events; bounded in depth and, with aliases, in size."""

    def __init__(self, events: Iterator[yaml.Event]) -> None:
        self._events = events
        self._anchors: dict[str, _Node | None] = {}

    def node(self, event: yaml.Event, path: str, depth: int) -> _Node:
        line = _line(event)
        if isinstance(event, yaml.AliasEvent):
            return self._aliased(str(event.anchor), path, line)
        if depth > MAX_DEPTH:
            raise _refused(path, line, f"nested deeper than {MAX_DEPTH} levels")
        assert isinstance(event, yaml.ScalarEvent | yaml.CollectionStartEvent)  # noqa: S101 - the parser's grammar
        if event.tag is not None:
            raise _refused(path, line, f"the tag {event.tag!r}; a spec may hold no tags")
        if event.anchor:
            self._anchors[event.anchor] = None  # not complete: an alias inside it is a loop
        node = self._filled(event, path, depth)
        if node.size > MAX_EXPANDED:
            raise _refused(path, line, "too large when its aliases are written out")
        if event.anchor:
            self._anchors[event.anchor] = node
        return node

    def _filled(self, event: yaml.Event, path: str, depth: int) -> _Node:
        match event:
            case yaml.ScalarEvent():
                return _scalar_node(event, path)
            case yaml.SequenceStartEvent():
                return self._list_node(_line(event), path, depth)
            case _:
                return self._map_node(_line(event), path, depth)

    def _aliased(self, anchor: str, path: str, line: int) -> _Node:
        if anchor not in self._anchors:
            raise _refused(path, line, f"the alias *{anchor} with no anchor &{anchor} before it")
        node = self._anchors[anchor]
        if node is None:
            raise _refused(path, line, f"the alias *{anchor} inside its own anchor")
        return node

    def _list_node(self, line: int, path: str, depth: int) -> _Node:
        node, items = _Node(line), list[_Node]()
        while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
            items.append(self.node(event, f"{path}[{len(items)}]", depth + 1))
            node.size += items[-1].size
        node.value = items
        return node

    def _map_node(self, line: int, path: str, depth: int) -> _Node:
        node, items = _Node(line), dict[str, _Node]()
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            key = self.node(event, path, depth + 1)
            merges = key.text == "<<"
            name = _key(key, path)
            here = path if merges else key_path(path, name)
            if name in items or (merges and node.merged):
                raise _refused(here, key.line, f"the key {name!r} twice in one object")
            value = self.node(next(self._events), here, depth + 1)
            node.size += key.size + value.size
            if merges:
                node.merged = _merged(value, path)
            else:
                items[name] = value
        node.value = items
        return node


def _scalar_node(event: yaml.ScalarEvent, path: str) -> _Node:
    plain = event.implicit[0]
    if SURROGATE.search(event.value):
        raise _refused(path, _line(event), "text with half a character (a \\ud800 to \\udfff)")
    try:
        value = scalar(event.value) if plain else event.value
    except ValueError as error:
        raise _refused(path, _line(event), f"{event.value}: {error}") from error
    text = event.value if plain else None
    return _Node(_line(event), value, text, size=1 + len(event.value))


def _line(event: yaml.Event) -> int:
    assert event.start_mark is not None  # noqa: S101 - events of the parser have marks
    return event.start_mark.line + 1


def _merged(value: _Node, path: str) -> list[_Node]:
    sources = value.value if isinstance(value.value, list) else [value]
    if not all(isinstance(source.value, dict) for source in sources):
        raise _refused(path, value.line, "`<<` merges something that is no object")
    return sources


def _key(node: _Node, path: str) -> str:
    """The name of a field: JSON has only text there, so kubectl writes numbers and booleans out."""
    match node.value:
        case str():
            return node.value
        case bool():
            return "true" if node.value else "false"
        case int() | float():
            return str(node.value)
        case _:
            raise _refused(path, node.line, "a key that is no text")


def _fields(node: _Node) -> dict[str, _Node]:
    """The fields of a mapping, merged ones included: its own win, then the earlier sources."""
    own = node.value if isinstance(node.value, dict) else {}
    fields = dict(own)
    for source in node.merged:
        for name, value in _fields(source).items():
            fields.setdefault(name, value)
    return fields


def _plain(node: _Node, path: str, depth: int, origins: dict[str, Origin]) -> object:
    """The node as plain data; notes where every path stands."""
    if depth > MAX_DEPTH:
        raise _refused(path, node.line, f"nested deeper than {MAX_DEPTH} levels")
    origins[path] = Origin(node.line, node.text)
    match node.value:
        case dict():
            return {
                name: _plain(value, key_path(path, name), depth + 1, origins)
                for name, value in _fields(node).items()
            }
        case list():
            return [
                _plain(value, f"{path}[{number}]", depth + 1, origins)
                for number, value in enumerate(node.value)
            ]
        case _:
            return node.value


def _refused(path: str, line: int | None, message: str) -> SpecError:
    where = f" (line {line})" if line is not None else ""
    return SpecError.at(path or FILE, None, message + where)
