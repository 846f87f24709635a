"""A scene as data: who is there, what happens when, what is expected of it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from contract.clock import DEFAULT_VIRTUAL_START
from contract.ids import IDENTIFIER_PATTERN

AFTER_LAST_S: Final = 5.0
"""A scene without a length goes on so long after its last happening or window: time for the
receipts of what came last, far above a round trip."""


class SceneError(ValueError):
    """A scene that cannot be played: every fault with its place and what would be right."""

    def __init__(self, faults: Sequence[str]) -> None:
        super().__init__("\n".join(faults))
        self.faults = tuple(faults)


@dataclass(frozen=True, kw_only=True)
class Entry:
    """Something declared by name: a resident, a person, a room or a gateway."""

    name: str
    """As the scene calls it."""
    values: Mapping[str, Any]
    """By the names of `words.RESIDENT`, `PERSON`, `ROOM` or `GATEWAY`, defaults included."""
    where: str = ""


@dataclass(frozen=True, kw_only=True)
class Happening:
    """Something that happens."""

    at_s: float
    word: str
    subject: Any
    options: Mapping[str, Any] = field(default_factory=dict)
    where: str = ""
    """File and line, or what stands for them."""


@dataclass(frozen=True, kw_only=True)
class Expectation:
    """Something that must, or must not, happen between two times."""

    word: str
    subject: Any
    options: Mapping[str, Any] = field(default_factory=dict)
    from_s: float = 0.0
    until_s: float | None = None
    """None: until the end."""
    where: str = ""


@dataclass(frozen=True, kw_only=True)
class Scene:
    """A whole scene. What is empty of residents, staff, rooms or gateways stands for those of
    the default home (`wardlight.scenes.cast`).
    """

    title: str
    residents: tuple[Entry, ...] = ()
    staff: tuple[Entry, ...] = ()
    rooms: tuple[Entry, ...] = ()
    gateways: tuple[Entry, ...] = ()
    happens: tuple[Happening, ...] = ()
    expects: tuple[Expectation, ...] = ()
    seed: int = 0
    starts: datetime = DEFAULT_VIRTUAL_START
    settle_s: float = 20.0
    lasts_s: float | None = None
    folder: Path = Path()
    """Relative paths of recordings begin here."""

    def end_s(self) -> float:
        """When it is over, seconds on its timeline."""
        if self.lasts_s is not None:
            return self.lasts_s
        times = [happening.at_s for happening in self.happens]
        times += [e.until_s if e.until_s is not None else e.from_s for e in self.expects]
        return max(times, default=0.0) + AFTER_LAST_S


_NOT_IN_IDENTIFIERS: Final = re.compile(r"[^a-z0-9]+")


def identifier_of(name: str, instead: str) -> str:
    """The identifier that stands for a friendly name: ``Mrs Chan`` is ``mrs-chan``; a name
    without Latin letters or digits is `instead`.
    """
    plain = _NOT_IN_IDENTIFIERS.sub("-", name.lower()).strip("-")[:32].rstrip("-")
    return plain if re.fullmatch(IDENTIFIER_PATTERN, plain) else instead
