"""What a check says, what a whole examination says, and how the two are counted."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

import msgspec

if TYPE_CHECKING:
    from wardlight.doctor.context import Context

REPORT_SCHEMA: Final = 1
"""Grows when a field of the JSON changes its meaning or goes; new fields leave it as it is."""

LIMIT_S: Final = 10.0
"""How long a check may take unless it says otherwise: a connection is given up after 4 s, and
two of them one after the other are the most that a check needs."""


class Level(StrEnum):
    """How urgent a finding is."""

    FAULT = "fault"
    """Somebody is not watched, would not be called, or it could not be found out."""
    WARNING = "warning"
    """It works, and somebody should know how."""
    OK = "ok"


URGENCY: Final[Mapping[Level, int]] = {Level.FAULT: 0, Level.WARNING: 1, Level.OK: 2}
"""Lower comes first."""


class Finding(msgspec.Struct, frozen=True):
    """What one check found."""

    level: Level
    found: str
    """What is, in a sentence or less; no names of people."""
    advice: str = ""
    """What to do about it, one sentence; empty where nothing is to be done."""
    figures: dict[str, float] = {}
    """What was measured, by name with the unit last (``round_trip_ms``)."""


def ok(found: str, **figures: float) -> Finding:
    """It is as it should be."""
    return Finding(Level.OK, found, "", figures)


def warning(found: str, advice: str, **figures: float) -> Finding:
    """It works, with something to know."""
    return Finding(Level.WARNING, found, advice, figures)


def fault(found: str, advice: str, **figures: float) -> Finding:
    """It does not work, or nobody can tell."""
    return Finding(Level.FAULT, found, advice, figures)


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """A line of the report: a finding and where it comes from."""

    group: str
    check: str
    level: Level
    found: str
    advice: str
    figures: dict[str, float]
    took_ms: float
    because: str | None
    """``group / check`` of the fault that kept this check from being made."""


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """An examination; its JSON is what ``--json`` prints."""

    schema: int
    version: str
    """Of this program."""
    settings: str
    """The file that was read, or ``environment``."""
    home: str | None
    at_us: int
    """Wall time of the beginning, microseconds since 1970."""
    level: Level
    """The most urgent of all."""
    counts: dict[Level, int]
    entries: list[Entry]
    """The most urgent first."""
    error: str | None
    """Why the settings could not be read; then nothing was checked."""


@dataclass(frozen=True, kw_only=True)
class Check:
    """One row of the table of checks."""

    group: str
    name: str
    look: Callable[[Context], Awaitable[Finding]]
    needs: str | None = None
    """``group / name`` of a check without which this one has nothing to look at."""
    limit_s: float = LIMIT_S

    @property
    def title(self) -> str:
        """How other checks and people call it."""
        return f"{self.group} / {self.name}"


def worst(levels: Iterable[Level]) -> Level:
    """The most urgent; `Level.OK` of none."""
    return min(levels, key=URGENCY.__getitem__, default=Level.OK)
