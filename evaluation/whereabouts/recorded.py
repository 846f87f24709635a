"""A home that was recorded: what its sensors said, and the plan that can be drawn from it.

Read in the layout of CASAS (`firmware_sim.layouts.casas`). One resident, a motion sensor in each
room, contacts at the doors; nobody wears anything. What a place is for is known by the words of
its name, or said by the caller; which places are next to each other, by where she was seen to walk.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta, tzinfo
from enum import Enum, auto
from itertools import pairwise
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from contract.whereabouts import NIGHT_FROM_MINUTE, NIGHT_TO_MINUTE, ZoneUse
from detectors.room_model import connected
from firmware_sim.layouts import HomeEvent, LayoutError, Unreadable, casas_events
from firmware_sim.layouts.casas import MESSAGES, OUT_OF_ORDER

USES: Final[tuple[tuple[str, ZoneUse], ...]] = (
    ("outside|entr(y|ance)|(front|back|main|side|patio|garage) ?door|exit|foyer", ZoneUse.EXIT),
    ("bath|toilet|restroom|shower|\\bwc\\b|lavatory", ZoneUse.TOILET),
    ("bed", ZoneUse.BEDROOM),
    ("hall|corridor|stair|landing", ZoneUse.CORRIDOR),
    ("living|loung|dining|chair|sofa|tv|den\\b", ZoneUse.COMMON),
    ("kitchen|cook|fridge|work|office|desk|laundry|closet|pantry|store|garage|room", ZoneUse.OTHER),
)
"""Words in a place's name and what it is for, the first that fits: CASAS homes are named so."""

OPENS: Final = frozenset({"OPEN", "OPENED"})
CLOSES: Final = frozenset({"CLOSE", "CLOSED"})
ENDS: Final = frozenset({"OFF", "ABSENT", "STOP", "END"})

LEAVES: Final = "leave"
"""In the label of a door's opening, it says that she goes out ("Leave_Home")."""

STEP_WITHIN_S: Final = 30.0
"""Two rooms that fire one after the other with no longer between are rooms walked through."""
STEPS_LEAST: Final = 5
"""So often, and as a `STEPS_SHARE` of the changes into or out of either, or it was a sensor that
fired wrongly and no door."""
STEPS_SHARE: Final = 0.02

SILENT_AT_MOST: Final = timedelta(days=92)
"""A recording that pauses for longer is two, or one of its stamps is wrong; all the seconds between
would be played."""

_LOOKED_FOR: Final = "lines like '2011-06-15 01:03:39.14962 Bedroom Bedroom ON Sleep'"


class RecordedHomeError(ValueError):
    """A recording that cannot be used; the message says why and what would help."""


class What(Enum):
    """What a sensor said."""

    SEEN = auto()
    """Its motion sensor saw somebody, or something there was used."""
    QUIET = auto()
    OPENED = auto()
    CLOSED = auto()
    """The two of a door that leads out."""


class Happening(NamedTuple):
    """One message."""

    at_s: float
    """Seconds since 1970."""
    zone: int
    what: What


class RecordedHome(NamedTuple):
    """Everything that was recorded, in its order."""

    name: str
    zone: tzinfo
    """Of the clock on its wall."""
    zones: tuple[str, ...]
    uses: tuple[ZoneUse, ...]
    near: NDArray[np.bool_]
    """(zones, zones) whether one can walk from one into the other without a third."""
    doors: tuple[int, ...]
    """Places in which a contact tells of a door that leads out."""
    happenings: tuple[Happening, ...]
    outings: tuple[int, ...]
    """Seconds in which a door opened that is labelled as that of her leaving home."""
    passed_over: dict[str, int]
    """Messages that say nothing of where she is, by sensor: temperatures and the like."""

    @property
    def first_s(self) -> int:
        """Second of the first message."""
        return int(self.happenings[0].at_s)

    @property
    def end_s(self) -> int:
        """First second after the last message."""
        return int(self.happenings[-1].at_s) + 1

    def wall(self, second: float) -> datetime:
        """The clock on its wall."""
        return datetime.fromtimestamp(second, self.zone)

    def is_night(self, second: float) -> bool:
        """Whether it is, by the hours of a night in general."""
        wall = self.wall(second)
        minute = wall.hour * 60 + wall.minute
        return minute >= NIGHT_FROM_MINUTE or minute < NIGHT_TO_MINUTE

    @property
    def bedroom(self) -> int:
        """Hers: of several the one in which most is seen at night."""
        bedrooms = self.of_use(ZoneUse.BEDROOM)
        if len(bedrooms) == 1:
            return bedrooms[0]
        seen = Counter(
            each.zone
            for each in self.happenings
            if each.zone in bedrooms and each.what is What.SEEN and self.is_night(each.at_s)
        )
        return max(bedrooms, key=seen.__getitem__)

    @property
    def doubts(self) -> list[str]:
        """What the recording lacks, and what its figures therefore do not show."""
        found = []
        if not self.doors:
            found.append(
                "No place of use 'exit' has a contact (OPEN and CLOSE): it is not known when she "
                "is out, so silence then is taken for hers at home."
            )
        if not self.of_use(ZoneUse.TOILET):
            found.append("No place is a toilet: who does not return from one is not told.")
        return found

    def of_use(self, *uses: ZoneUse) -> tuple[int, ...]:
        """Places that are for one of these."""
        return tuple(zone for zone, use in enumerate(self.uses) if use in uses)


def read_home(
    path: Path, zone: tzinfo = UTC, uses: Mapping[str, ZoneUse] | None = None
) -> tuple[RecordedHome, list[str]]:
    """Read one file, or a folder of one home.

    Parameters
    ----------
    zone
        Of the clock on the home's wall, which the stamps are.
    uses
        What places are for, by name: those whose names do not say, or say wrongly.

    Returns
    -------
    home, and lines that could not be read, with their numbers and reasons.

    Raises
    ------
    RecordedHomeError
        If it is no such file, times go backwards or far ahead, or a place is known by nobody.
    """
    try:
        found = list(casas_events(path, zone))
    except (LayoutError, OSError) as error:
        raise RecordedHomeError(str(error)) from error
    events = [each for each in found if isinstance(each, HomeEvent)]
    bad = [f"{each.source}: {each.reason}" for each in found if isinstance(each, Unreadable)]
    if not events:
        first = f"; {bad[0]}" if bad else ""
        raise RecordedHomeError(f"{path} holds no event of a sensor{first}. Expected {_LOOKED_FOR}")
    if len(bad) > len(events):
        raise RecordedHomeError(
            f"{path}: of {len(found)} lines {len(bad)} cannot be read, {bad[0]}. "
            f"Expected {_LOOKED_FOR}"
        )
    _check_order(path, events, zone)
    events.sort(key=lambda each: each.at)
    _check_pauses(path, events, zone)
    return _home(path.name, events, zone, dict(uses or {})), bad


def _check_order(path: Path, events: Iterable[HomeEvent], zone: tzinfo) -> None:
    latest: datetime | None = None
    for each in events:
        if latest is not None and latest - each.at > OUT_OF_ORDER:
            minutes = OUT_OF_ORDER // timedelta(minutes=1)
            raise RecordedHomeError(
                f"{path}: times go backwards, {each.at.astimezone(zone):%Y-%m-%d %H:%M:%S} "
                f"({each.sensor}) comes after {latest.astimezone(zone):%Y-%m-%d %H:%M:%S}; up to "
                f"{minutes} min are put in order. Are these two homes in one file?"
            )
        latest = each.at if latest is None else max(latest, each.at)


def _check_pauses(path: Path, events: Iterable[HomeEvent], zone: tzinfo) -> None:
    for one, after in pairwise(events):
        if after.at - one.at > SILENT_AT_MOST:
            raise RecordedHomeError(
                f"{path}: nothing was said from {one.at.astimezone(zone):%Y-%m-%d %H:%M:%S} to "
                f"{after.at.astimezone(zone):%Y-%m-%d %H:%M:%S}; up to {SILENT_AT_MOST.days} days "
                "are played. Is a stamp wrong? Else cut the file there."
            )


def _home(
    name: str, events: list[HomeEvent], zone: tzinfo, said: dict[str, ZoneUse]
) -> RecordedHome:
    passed_over = Counter(each.sensor for each in events if each.message not in MESSAGES)
    telling = [each for each in events if each.message in MESSAGES]
    places = sorted({each.place for each in telling})
    if not places:
        raise RecordedHomeError(f"{name}: no sensor says ON, OPEN or the like, only readings")
    uses = _uses(name, places, said)
    number = {place: index for index, place in enumerate(places)}
    happenings = tuple(
        Happening(each.at.timestamp(), number[each.place], _what(each.message, uses[each.place]))
        for each in telling
    )
    return RecordedHome(
        name=name,
        zone=zone,
        zones=tuple(places),
        uses=tuple(uses[place] for place in places),
        near=_near(happenings, len(places)),
        doors=tuple(sorted({each.zone for each in happenings if each.what is What.OPENED})),
        happenings=happenings,
        outings=tuple(
            int(each.at.timestamp())
            for each in telling
            if each.message in OPENS
            and uses[each.place] is ZoneUse.EXIT
            and LEAVES in (each.activity or "").lower()
        ),
        passed_over=dict(passed_over),
    )


def _uses(name: str, places: list[str], said: dict[str, ZoneUse]) -> dict[str, ZoneUse]:
    foreign = sorted(set(said) - set(places))
    if foreign:
        raise RecordedHomeError(
            f"{name}: no place is called {foreign[0]}; there are {', '.join(places)}"
        )
    found: dict[str, ZoneUse | None] = {place: said.get(place, _use(place)) for place in places}
    unknown = [place for place, use in found.items() if use is None]
    if unknown:
        raise RecordedHomeError(
            f"{name}: nobody knows what is at {', '.join(unknown)}: say it by --use PLACE=USE, "
            f"with one of {', '.join(ZoneUse)}"
        )
    uses = {place: use for place, use in found.items() if use is not None}
    if ZoneUse.BEDROOM not in uses.values():
        raise RecordedHomeError(
            f"{name}: none of {', '.join(places)} is a bedroom: say which by --use PLACE=bedroom"
        )
    return uses


def _use(place: str) -> ZoneUse | None:
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])|[_\-]", " ", place).lower()
    return next((use for words, use in USES if re.search(words, spaced)), None)


def _what(message: str, use: ZoneUse) -> What:
    if message in OPENS or message in CLOSES:
        if use is not ZoneUse.EXIT:
            return What.SEEN  # A cupboard: she is there.
        return What.OPENED if message in OPENS else What.CLOSED
    return What.QUIET if message in ENDS else What.SEEN


def _near(happenings: tuple[Happening, ...], zones: int) -> NDArray[np.bool_]:
    """(zones, zones) as she was seen to walk."""
    seen = [each for each in happenings if each.what is What.SEEN]
    steps = np.zeros((zones, zones), np.int64)
    for one, other in pairwise(seen):
        if one.zone != other.zone and other.at_s - one.at_s <= STEP_WITHIN_S:
            steps[one.zone, other.zone] += 1
    both = steps + steps.T
    changes = np.minimum.outer(both.sum(axis=1), both.sum(axis=1))
    return connected(both >= np.maximum(STEPS_LEAST, STEPS_SHARE * changes))
