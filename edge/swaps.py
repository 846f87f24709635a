"""Two residents who wear each other's wearable, by where each of them is worn through the night.

What this can see, and what not. Where there is a plan of the home each is in the other's room all
night; without one, a gateway must stand in, or be nearest to, the rooms of both. Two in one room
look the same either way (`edge.bed_mates` looks at those); so does a swap in which one of the two
is not worn at night, and one that lasts for less than two nights.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from edge.kept import KeptFile

SWAPS_FILE: Final = "nights.json"

NIGHT_FROM_HOUR: Final = 22
NIGHT_UNTIL_HOUR: Final = 6
"""When residents of a home are in bed, in its own time."""

LEAST_MINUTES: Final = 240
"""Worn and heard for half of the night, or it says nothing of where its wearer slept."""

LEAST_SHARE: Final = 0.7
"""Of those minutes strongest at one place. Fading gives the gateway next door some of
them; who visits, or walks at night, is elsewhere for longer and is not judged."""

NIGHTS: Final = 2
"""One after the other. In a single night two who like each other may have changed beds."""

NIGHTS_KEPT: Final = 3


class Slept(msgspec.Struct, frozen=True, order=True):
    """Where one wearable was worn in one night."""

    device: str
    home_zone: str
    """Where its resident's bed is."""
    zone: str
    """Where it was strongest."""


class Swap(NamedTuple):
    """Two wearables, the first by name."""

    one: Slept
    other: Slept


class _Kept(msgspec.Struct, kw_only=True):
    """Nights by their first day, ISO 8601."""

    nights: dict[str, list[Slept]] = {}


class SwapWatch:
    """Counts the minutes of each night, and compares nights.

    Parameters
    ----------
    folder
        Of the gateway: whoever leads knows the nights before, also after a restart.
    """

    def __init__(self, folder: Path) -> None:
        self._file = KeptFile(folder / SWAPS_FILE, _Kept)
        self._nights: dict[str, list[Slept]] = {}
        self._night: date | None = None
        self._minutes: dict[str, dict[str, int]] = {}
        """By device: minutes by zone."""
        self._homes: dict[str, str] = {}

    def begin(self) -> None:
        """Take up what an earlier session knew."""
        kept = self._file.read()
        if kept is not None:
            self._nights = kept.nights

    def minute(self, at: datetime, seen: Iterable[tuple[str, str, str]]) -> bool:
        """One minute has passed.

        Parameters
        ----------
        at
            The home's local time.
        seen
            Of each wearable that is worn by a resident and heard: device, the zone of its
            resident's bed, and the zone of the gateway that hears it best.

        Returns
        -------
        bool
            Whether a night has just ended: `swapped` may say something new.
        """
        night = _night_of(at)
        is_over = self._night is not None and night != self._night
        if is_over:
            self._end_night()
        self._night = night
        if night is None:
            return is_over
        for device, home_zone, zone in seen:
            if self._homes.get(device, home_zone) != home_zone:
                self._minutes.pop(device, None)  # it was given to somebody else
            self._homes[device] = home_zone
            zones = self._minutes.setdefault(device, {})
            zones[zone] = zones.get(zone, 0) + 1
        return is_over

    def _end_night(self) -> None:
        assert self._night is not None
        slept = []
        for device, zones in sorted(self._minutes.items()):
            zone = max(zones, key=lambda each: (zones[each], each))
            total = sum(zones.values())
            if total >= LEAST_MINUTES and zones[zone] >= LEAST_SHARE * total:
                slept.append(Slept(device, self._homes[device], zone))
        self._nights[self._night.isoformat()] = slept
        for old in sorted(self._nights)[:-NIGHTS_KEPT]:
            del self._nights[old]
        self._file.write(_Kept(nights=self._nights))
        self._minutes, self._homes = {}, {}

    def swapped(self) -> list[Swap]:
        """Pairs that were each worn at the other's bed through the last `NIGHTS` nights."""
        latest = sorted(self._nights)[-NIGHTS:]
        if len(latest) < NIGHTS or not _are_consecutive(latest):
            return []
        pairs = [set(pairs_of(self._nights[night])) for night in latest]
        return sorted(set.intersection(*pairs))

    def slept_in(self, device: str) -> str | None:
        """The zone in which a wearable was worn in the last night of which that is known."""
        latest = _latest(self._nights, device)
        return None if latest is None else latest.zone


def _latest(nights: dict[str, list[Slept]], device: str) -> Slept | None:
    for night in sorted(nights, reverse=True):
        for slept in nights[night]:
            if slept.device == device:
                return slept
    return None


def pairs_of(slept: Iterable[Slept]) -> list[Swap]:
    """Pairs of which each was worn at the other's bed, both ways and in different zones."""
    away = sorted(
        (each for each in slept if each.zone != each.home_zone), key=lambda each: each.device
    )
    return [
        Swap(one, other)
        for number, one in enumerate(away)
        for other in away[number + 1 :]
        if one.zone == other.home_zone and other.zone == one.home_zone
    ]


def words(one: Slept, other: Slept) -> str:
    """One sentence for who looks at both wrists."""
    return (
        f"{one.device} and {other.device} seem to be exchanged: through {NIGHTS} nights "
        f"{one.device} was worn in {one.zone} and {other.device} in {other.zone}, each at the "
        "other's bed; compare the names on both wrists"
    )


def _night_of(at: datetime) -> date | None:
    """The day on which the night began; None by day."""
    if at.hour >= NIGHT_FROM_HOUR:
        return at.date()
    return at.date() - timedelta(days=1) if at.hour < NIGHT_UNTIL_HOUR else None


def _are_consecutive(nights: list[str]) -> bool:
    days = [date.fromisoformat(night) for night in nights]
    return all(later - earlier == timedelta(days=1) for earlier, later in pairwise(days))
