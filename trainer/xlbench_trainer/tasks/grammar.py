r"""The sentence templates of Home Assistant intents: parsed once, then spoken with given choices.

Syntax (hassil): `a|b` or `(a|b)` one of, `[a|b]` one of or nothing, `(a;b)` all in any order,
`<rule>` a named template, `{list}` or `{list:slot}` a value, `\x` a literal character. It knows
nothing of languages, fillers or splits; called by `homeassistant.py`, and `ha_slots.py` for words.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache

from xlbench_trainer.tasks.streams import Stream


@dataclass(frozen=True, slots=True)
class Sequence:
    """Parts one after the other."""

    parts: tuple["Node", ...]


@dataclass(frozen=True, slots=True)
class Choice:
    """One of some alternatives; an optional group has an empty one."""

    options: tuple["Node", ...]


@dataclass(frozen=True, slots=True)
class Shuffle:
    """All of some parts, in any order, with spaces between."""

    parts: tuple["Node", ...]


@dataclass(frozen=True, slots=True)
class Rule:
    """A reference to a named template."""

    name: str


@dataclass(frozen=True, slots=True)
class Slot:
    """A value of a list; `key` is what the intent calls it."""

    values: str
    key: str


Node = str | Sequence | Choice | Shuffle | Rule | Slot


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of spoken text: literal, or the value of a slot."""

    text: str
    slot: Slot | None = None


@cache
def parse(template: str) -> Node:
    """The tree of a template.

    Raises:
        ValueError: a bracket is not closed, or closes what was not open.
    """
    node, end = _parse_until(template, 0, closing="")
    if end != len(template):
        raise ValueError(f"template {template!r}: {template[end]!r} at {end} closes nothing")
    return node


_CLOSING = {"(": ")", "[": "]", "<": ">", "{": "}"}


def _parse_until(template: str, start: int, *, closing: str) -> tuple[Node, int]:
    """Parse up to `closing` (or the end); the node and the place of the closing character."""
    options: list[Node] = []
    parts: list[Node] = []
    separator = "|"
    at = start
    while at < len(template) and template[at] not in ")]":
        character = template[at]
        if character in "([":
            node, at = _parse_until(template, at + 1, closing=_CLOSING[character])
            parts.append(Choice((node, "")) if character == "[" else node)
        elif character in "<{":
            end = template.index(_CLOSING[character], at)
            parts.append(_reference(character, template[at + 1 : end]))
            at = end
        elif character in "|;":
            separator = character
            options.append(Sequence(tuple(parts)))
            parts = []
        else:
            at += character == "\\"
            parts.append(template[at])
        at += 1
    if closing and template[at : at + 1] != closing:
        raise ValueError(
            f"template {template!r}: group at {start - 1} is not closed by {closing!r}"
        )
    last = Sequence(tuple(parts))
    if not options:
        return last, at
    group = Shuffle if separator == ";" else Choice
    return group((*options, last)), at


def _reference(opening: str, name: str) -> Node:
    if opening == "<":
        return Rule(name)
    values, _, key = name.partition(":")
    return Slot(values, key or values)


def slots_of(node: Node, rules: Mapping[str, str]) -> frozenset[Slot]:
    """All slots that may be spoken under a node."""
    match node:
        case str():
            return frozenset()
        case Slot():
            return frozenset([node])
        case Rule(name):
            return slots_of(parse(rules[name]), rules)
        case Sequence(inner) | Choice(inner) | Shuffle(inner):
            return frozenset().union(*(slots_of(part, rules) for part in inner))


def speak(
    node: Node, *, rules: Mapping[str, str], fill: Callable[[Slot], str], stream: Stream
) -> list[Span]:
    """One sentence, as spans in order; choices come from `stream`, values from `fill`."""
    match node:
        case str():
            return [Span(node)]
        case Slot():
            return [Span(fill(node), node)]
        case Rule(name):
            return speak(parse(rules[name]), rules=rules, fill=fill, stream=stream)
        case Choice(options):
            chosen = options[stream.below(len(options))]
            return speak(chosen, rules=rules, fill=fill, stream=stream)
        case Sequence(parts):
            spoken = [speak(part, rules=rules, fill=fill, stream=stream) for part in parts]
            return [span for spans in spoken for span in spans]
        case Shuffle(parts):
            order = list(parts)
            spans: list[Span] = []
            while order:
                part = order.pop(stream.below(len(order)))
                spans += [Span(" "), *speak(part, rules=rules, fill=fill, stream=stream), Span(" ")]
            return spans


@dataclass(frozen=True, slots=True)
class Word:
    """A whitespace-delimited word, and the index of the span of slot text it touches first."""

    text: str
    span: int | None


def words(spans: list[Span]) -> list[Word]:
    """Cut spans at white space; a word belongs to the first slot that it has a character of."""
    found: list[Word] = []
    letters, owner = "", None
    for index, span in enumerate([*spans, Span(" ")]):
        for character in span.text:
            if not character.isspace():
                letters += character
                if owner is None and span.slot is not None:
                    owner = index
            elif letters:
                found.append(Word(letters, owner))
                letters, owner = "", None
    return found
