"""Numbers and lists as people say them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

_UNITS: Final = ((86_400.0, "days"), (3_600.0, "h"), (60.0, "min"), (1.0, "s"))

LISTED: Final = 8
"""More than so many are counted only: the board lists them all."""


def duration(seconds: float) -> str:
    """``35 ms``, ``4 s``, ``12 min``, ``3 h``, ``5 days``: the largest unit that fits twice."""
    size = abs(seconds)
    for unit_s, name in _UNITS:
        if size >= 2 * unit_s:
            return f"{size / unit_s:.0f} {name}"
    return f"{size:.1f} s" if size >= 1 else f"{size * 1_000:.0f} ms"


def size(number_of_bytes: float) -> str:
    """Bytes in the unit that suits them, powers of ten."""
    for unit, name in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if number_of_bytes >= unit:
            return f"{number_of_bytes / unit:.1f} {name}"
    return f"{number_of_bytes:.0f} bytes"


def listed(names: Iterable[str]) -> str:
    """``a, b, c``, and how many more."""
    every = list(names)
    more = len(every) - LISTED
    return ", ".join(every[:LISTED]) + (f" and {more} more" if more > 0 else "")


def counted(number: int, one: str, several: str | None = None) -> str:
    """``1 gateway``, ``2 gateways``."""
    return f"{number} {one if number == 1 else several or one + 's'}"


def reason(error: BaseException, longest: int = 200) -> str:
    """An error in one line."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= longest else text[: longest - 1] + "…"
