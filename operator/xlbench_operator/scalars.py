"""What a plain (unquoted) YAML scalar means: exactly what `kubectl` makes of it.

YAML 1.1 booleans (a bare `no`, `on` or `y`), numbers such as 2e-5 without a dot, no dates. Called
by `loading` alone.

Source: `goyaml.v2/resolve.go` in kubernetes-sigs/yaml at commit 742f5e6, then Go's `json.Marshal`
of the number; a test holds the table against the kubectl that is installed.
"""

import math
import re

TRUE = frozenset(["y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"])
FALSE = frozenset(["n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"])
NULL = frozenset(["", "~", "null", "Null", "NULL"])
NOT_FINITE = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
INTEGER = re.compile(r"[-+]?(0[xX][0-9a-fA-F]+|0[bB][01]+|0[oO]?[0-7]+|0|[1-9][0-9]*)")
FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
LONGEST = 66
"""Digits of the longest 64-bit integer, with its prefix, in base 2."""
EXACT = 1e21
"""Whole numbers below this are written without an exponent in JSON, so they are integers there."""

Scalar = str | int | float | bool | None


def scalar(text: str) -> Scalar:
    """The value of a plain scalar as kubectl sends it: booleans of YAML 1.1, no dates.

    Raises: `ValueError` on NaN and infinity, which JSON cannot carry.
    """
    if text in TRUE or text in FALSE:
        return text in TRUE
    if text in NULL:
        return None
    if NOT_FINITE.fullmatch(text):
        raise ValueError("NaN and infinity are no numbers that a spec can hold")
    if text[0] == ".":
        return _float(text) if FLOAT.fullmatch(text) else text
    if text[0] not in "+-0123456789":
        return text
    digits = text.replace("_", "")
    if INTEGER.fullmatch(digits) and (whole := _integer(digits)) is not None:
        return whole
    return _float(digits, otherwise=text) if FLOAT.fullmatch(digits) else text


def _integer(text: str) -> int | None:
    """A decimal number, or one as Go writes it: 0x, 0b, 0o, 017; None if it needs over 64 bits."""
    sign, digits = (text[0], text[1:]) if text[0] in "+-" else ("", text)
    if len(digits) > LONGEST:
        return None
    base = {"x": 16, "b": 2, "o": 8}.get(digits[1:2].lower(), 8 if digits[0] == "0" else 10)
    value = int(sign + (digits[2:] if digits[1:2].isalpha() else digits), base)
    return value if -(2**63) <= value < 2**63 else None


def _float(text: str, otherwise: str | None = None) -> Scalar:
    """A number; an integer if it is whole, as in JSON; text if it is too large for a float."""
    value = float(text)
    if math.isinf(value):
        return otherwise or text
    return int(value) if value.is_integer() and abs(value) < EXACT else value
