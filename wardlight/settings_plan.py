"""Settings of the home's plan: ``[[zones]]``, and residents' ``whereabouts``."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, model_validator

from contract.ids import IDENTIFIER_PATTERN
from contract.whereabouts import (
    LONGEST_NOT_RETURNED_MINUTES,
    NOT_RETURNED_MINUTES,
    SHORTEST_NOT_RETURNED_MINUTES,
    ZoneUse,
)

Identifier = Annotated[str, Field(pattern=IDENTIFIER_PATTERN)]


class Table(BaseModel):
    """A table of the settings file."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class ZoneSettings(Table):
    """``[[zones]]``: one place of the home that a person would name."""

    id: Identifier = Field(description="its name: room-212, corridor-2f, lounge")
    use: ZoneUse = Field(
        ZoneUse.OTHER,
        description="what it is for: bedroom, toilet (bathrooms too), corridor, common (lounge, "
        "dining room), exit (before a door that leads out of the home), other",
    )
    next_to: tuple[Identifier, ...] = Field(
        (), description="zones that one can walk into from it; said of one of two it holds for both"
    )
    floor: str = Field("", description="its floor, as in the residents' floor")


class WhereaboutsSettings(Table):
    """One resident's ``whereabouts``: what somebody is called for. The defaults are quiet."""

    at_risk: bool = Field(
        False, description="she may not leave alone: exits, and leaving her zones, call somebody"
    )
    safe_zones: tuple[Identifier, ...] = Field(
        (), description="where she may be alone; none: everywhere but outside"
    )
    bed_exit: bool = Field(False, description="each time that she leaves her bed at night")
    night_wandering: bool = Field(True, description="up and about at night")
    not_returned_minutes: int = Field(
        NOT_RETURNED_MINUTES,
        ge=0,
        le=LONGEST_NOT_RETURNED_MINUTES,
        description="so long after she left for the toilet; 0 never",
    )
    inactive: bool = Field(True, description="a silence that is improbable by her own habits")

    @model_validator(mode="after")
    def _can_be(self) -> WhereaboutsSettings:
        if 0 < self.not_returned_minutes < SHORTEST_NOT_RETURNED_MINUTES:
            raise ValueError(
                f"not_returned_minutes is 0 (never) or at least {SHORTEST_NOT_RETURNED_MINUTES}"
            )
        if self.safe_zones and not self.at_risk:
            raise ValueError("safe_zones are for who is at_risk")
        return self


def plan_contradictions(
    zones: Sequence[ZoneSettings],
    places: Sequence[tuple[str, str]],
    asked: Sequence[tuple[str, WhereaboutsSettings]],
) -> Iterator[str]:
    """Faults that no single value shows: a plan in which somebody would be nowhere.

    Parameters
    ----------
    places
        Who or what names a zone, and which. Only where there is a plan it must be in it.
    asked
        Of residents, by id.
    """
    names = [zone.id for zone in zones]
    for repeated in sorted({name for name in names if names.count(name) > 1}):
        yield f"zones: {repeated!r} stands twice"
    named = [(f"zone {zone.id!r}: next_to", other) for zone in zones for other in zone.next_to]
    named += [
        (f"resident {who!r}: safe_zones", zone) for who, wants in asked for zone in wants.safe_zones
    ]
    named += places if zones else ()
    unknown = [_unknown(where, zone, names) for where, zone in named if zone not in names]
    yield from unknown
    exits = {zone.id for zone in zones if zone.use is ZoneUse.EXIT}
    for who, wants in asked:
        if wants.at_risk and not exits:
            yield (
                f"resident {who!r} is at_risk, and no zone has use = 'exit': nobody would be called"
            )
        for zone in sorted(exits.intersection(wants.safe_zones)):
            yield f"resident {who!r}: safe_zones: {zone!r} is an exit, and nobody is alone there"
    if not unknown:
        yield from _apart(zones)


def _unknown(where: str, zone: str, known: Sequence[str]) -> str:
    close = difflib.get_close_matches(zone, known, n=1)
    hint = f"did you mean {close[0]!r}?" if close else f"known here: {', '.join(known) or 'none'}"
    return f"{where}: {zone!r} is none of [[zones]]; {hint}"


def _apart(zones: Sequence[ZoneSettings]) -> Iterator[str]:
    """Zones to which no way leads, where ways are told at all."""
    ways: dict[str, set[str]] = {zone.id: set(zone.next_to) for zone in zones}
    if not any(ways.values()):
        return
    for zone in zones:
        for other in zone.next_to:
            ways[other].add(zone.id)
    reached: set[str] = set()
    waiting = [zones[0].id]
    while waiting:
        here = waiting.pop()
        if here not in reached:
            reached.add(here)
            waiting.extend(ways[here] - reached)
    apart = [zone.id for zone in zones if zone.id not in reached]
    if apart:
        yield (
            f"zones: no way leads from {zones[0].id!r} to {', '.join(map(repr, apart))}: say with "
            "next_to how one walks there (stairs and lifts too)"
        )
