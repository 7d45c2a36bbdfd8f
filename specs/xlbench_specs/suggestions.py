"""Words for a name that is not in a closed set: what is near it, and what would be valid.

Every refusal of an unknown name is worded here, so that all of them read alike.
"""

from collections.abc import Iterable
from difflib import get_close_matches

SHOWN = 12
"""So many valid names are listed; of a longer list only the first few are."""


def unknown(what: str, name: str, valid: Iterable[str]) -> str:
    """`unknown <what>`, with the nearest valid name, if one is near, and the valid names."""
    names = sorted(valid)
    near = get_close_matches(name, names, n=1, cutoff=0.6)
    guess = f" (did you mean {near[0]!r}?)" if near else ""
    return f"unknown {what}{guess}; valid: {listed(names)}"


def listed(names: Iterable[str]) -> str:
    """The names as a sentence would list them; a long list is cut, and its length is told."""
    known = list(names)
    if len(known) <= SHOWN:
        return ", ".join(known)
    return f"{', '.join(known[:SHOWN])}, ... ({len(known)} in all)"
