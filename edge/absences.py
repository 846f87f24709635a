"""Who is away, by what staff have said (bathing, charging, leave); until when, and whether back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import tzinfo
from types import MappingProxyType
from typing import Final
from zoneinfo import ZoneInfo

import structlog

from contract.clock import Clock, now_us
from contract.messages import Absence, AbsenceKind
from contract.units import us_to_datetime
from edge.wearables import Wearable

_log = structlog.get_logger(__name__)

WORDS: Final[Mapping[AbsenceKind, str]] = MappingProxyType(
    {
        AbsenceKind.BATHING: "bathing",
        AbsenceKind.CHARGING: "charging",
        AbsenceKind.LEAVE: "leave",
    }
)


@dataclass(slots=True)
class _Course:
    """How an absence went."""

    absence: Absence
    was_missing: bool = False
    is_back: bool = False


class Absences:
    """Tells whose missing wearable is no fault now. Falls and buttons are not its concern: they are
    told at any time.

    An absence holds until its expected end, and no longer than until its wearer is back: heard and
    worn again after the wearable was missing. A gateway that does not know the time holds none: it
    could not tell when one ends.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._courses: dict[str, _Course] = {}
        self.zone: tzinfo = ZoneInfo("UTC")
        """In which people are told times."""

    def holds(self, wearable: Wearable) -> Absence | None:
        """The absence that excuses a missing `wearable` now."""
        course = self._course(wearable)
        if course is None or course.is_back or not self._clock.synced():
            return None
        absence, at_us = course.absence, now_us(self._clock)
        return absence if absence.since_us <= at_us < absence.until_us else None

    def note(self, wearable: Wearable, *, is_heard: bool) -> None:
        """Called every few seconds with whether anybody hears it."""
        absence, course = self.holds(wearable), self._course(wearable)
        if absence is None or course is None:
            return
        advert = wearable.advert
        is_off = advert is not None and (advert.worn is False or advert.charging)
        if not is_heard or is_off:
            course.was_missing = True
        elif course.was_missing and advert is not None and advert.worn is not False:
            course.is_back = True
            _log.info("back", device=wearable.device, kind=absence.kind.value)

    def expected(self, wearable: Wearable) -> str:
        """What to add to a fault: since when its wearer should be back; empty if nobody is away."""
        course = self._course(wearable)
        if course is None or course.is_back or self.holds(wearable) is not None:
            return ""
        return f"; expected back from {self.words(course.absence)}"

    def words(self, absence: Absence) -> str:
        """``bathing at 19:40``."""
        until = us_to_datetime(absence.until_us).astimezone(self.zone)
        return f"{WORDS[absence.kind]} at {until:%H:%M}"

    def _course(self, wearable: Wearable) -> _Course | None:
        absence, course = wearable.config.absence, self._courses.get(wearable.device)
        if absence is None:
            self._courses.pop(wearable.device, None)
            return None
        if course is None or course.absence.since_us != absence.since_us:
            course = self._courses[wearable.device] = _Course(absence)
        course.absence = absence
        return course
