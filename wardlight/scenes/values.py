"""Single values of a scene: what each place takes, and what is said when it is something else."""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any, Final

from contract.protocols import RecordedStream
from wardlight.scenes.nodes import Node
from wardlight.scenes.words import EVERYONE, Slot, Sort


def nearest(word: str, known: Iterable[str]) -> str:
    """``; did you mean …?`` or, where nothing is near, what is known."""
    words = list(known)
    close = difflib.get_close_matches(word, words, n=1, cutoff=0.5)
    if close:
        return f"; did you mean {close[0]!r}?"
    return f"; known here: {', '.join(words)}" if words else ""


def plain(node: Node) -> Any:
    """The value without its lines."""
    value = node.value
    if isinstance(value, list):
        return [plain(one) for one in value]
    return {name: plain(one) for name, one in value.items()} if isinstance(value, dict) else value


def checked(node: Node, slot: Slot) -> Any:
    """The value of a node, as `slot` wants it.

    Raises
    ------
    ValueError
        If it is something else; the message says what is wanted.
    """
    check: Callable[[Node, Slot], Any] = _CHECKS.get(slot.sort, _name)
    return check(node, slot)


def _choice(node: Node, slot: Slot) -> str:
    value = node.value
    if str(value) not in slot.choices:
        near = nearest(str(value), [str(choice) for choice in slot.choices])
        raise ValueError(f"unknown {slot.name} {value!r}{near}")
    return str(value)


def _number(node: Node, slot: Slot) -> float | int:
    value, whole = node.value, slot.sort is Sort.WHOLE
    if not _is_number(value) or (whole and not isinstance(value, int)):
        raise _wanted(node, slot)
    if slot.least is not None and value < slot.least:
        raise ValueError(f"{value} is too little: {slot.least:g} or more ({slot.says})")
    if slot.most is not None and value > slot.most:
        raise ValueError(f"{value} is too much: {slot.most:g} or less ({slot.says})")
    return int(value) if whole else float(value)


def _flag(node: Node, slot: Slot) -> bool:
    value = node.value
    if not isinstance(value, bool) or (slot.sort is Sort.TRUE and not value):
        raise _wanted(node, slot)
    return value


def _names(node: Node, slot: Slot) -> str | tuple[str, ...]:
    value = node.value
    if slot.sort is Sort.RESIDENTS and value == EVERYONE:
        return EVERYONE
    if not isinstance(value, list) or any(not _is_name(one.value) for one in value):
        raise _wanted(node, slot)
    return tuple(str(one.value) for one in value)


def _pair(node: Node, slot: Slot) -> tuple[float, float]:
    value = node.value
    parts = [one.value for one in value] if isinstance(value, list) else [0.0, value]
    lonely = slot.sort is Sort.POINT and not isinstance(value, list)
    if lonely or len(parts) != 2 or any(not _is_number(part) for part in parts):
        raise _wanted(node, slot)
    first, second = float(parts[0]), float(parts[1])
    if slot.sort is Sort.WINDOW and not 0 <= first <= second:
        raise ValueError(f"a window runs forward from 0 on, unlike {first:g} to {second:g}")
    return first, second


def _moment(node: Node, slot: Slot) -> datetime:
    value = node.value
    if isinstance(value, str):
        value = datetime.fromisoformat(value)
    if not isinstance(value, datetime) or value.tzinfo is None:
        raise _wanted(node, slot)
    return value


def _file(node: Node, slot: Slot) -> Any:
    """A path; a timeline in Python may hand over the recorded trial itself."""
    value = node.value
    if not isinstance(value, str | RecordedStream) or not value:
        raise _wanted(node, slot)
    return value


def _name(node: Node, slot: Slot) -> str:
    if not _is_name(node.value) and not (slot.sort is Sort.TEXT and node.value == ""):
        raise _wanted(node, slot)
    return str(node.value)


_CHECKS: Final[Mapping[Sort, Callable[[Node, Slot], Any]]] = {
    Sort.CHOICE: _choice,
    Sort.NUMBER: _number,
    Sort.WHOLE: _number,
    Sort.FLAG: _flag,
    Sort.TRUE: _flag,
    Sort.ROOMS: _names,
    Sort.RESIDENTS: _names,
    Sort.POINT: _pair,
    Sort.WINDOW: _pair,
    Sort.MOMENT: _moment,
    Sort.FILE: _file,
}
"""Every other sort is a name or a text."""


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _is_name(value: Any) -> bool:
    return isinstance(value, str | int | float) and not isinstance(value, bool) and value != ""


def _wanted(node: Node, slot: Slot) -> ValueError:
    return ValueError(f"a {slot.sort} is meant here ({slot.says}), not {plain(node)!r}")
