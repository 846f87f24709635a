"""What a day of a home costs to replay: a scene of 24 hours, six residents and two gateways,
through every service in one process, from the motion of the wrists to the carers' phones.

The bar is in CPU seconds on one core, which a neighbour on the machine moves less than wall
time, and by tens of percent all the same. Two runs must give the same report to the byte: each
event, alert, page, siren, fault and vibration, to the millisecond.
"""

from __future__ import annotations

import hashlib
import time
from typing import Any, Final, NamedTuple

from wardlight.scenes import Outcome, Scene, Timeline, What, as_json, as_text, play_and_judge

DAY_H: Final = 24.0
LIMIT_S: Final = 60.0
"""CPU seconds that a day may cost (docs/decisions/0007)."""

_HOUR_S: Final = 3_600.0
_ANSWERED_S: Final = 60.0
"""From a happening to the answer: a fall is paged after half a minute."""

_FALLS: Final = (
    (0.1, "ada", "lies"),
    (2.6, "ben", "lies"),
    (5.2, "dora", "struggles"),
    (9.7, "fay", "lies"),
    (15.4, "ada", "lies"),
    (20.3, "eric", "struggles"),
)
"""Hour, who, and what comes after."""

_PRESSES: Final = ((0.03, "cara"), (7.1, "eric"), (12.9, "cara"), (18.2, "ben"), (22.5, "dora"))
"""Hour, and who presses the button."""

_OFF: Final = ("fay", 10.5, 13.0)
"""Who puts the wearable down, and from which hour to which."""


class Played(NamedTuple):
    """A run of the scene."""

    cpu_s: float
    outcome: Outcome

    @property
    def digest(self) -> str:
        """Of everything that happened."""
        return hashlib.sha256(as_json(self.outcome).encode()).hexdigest()


def scene_of(hours: float) -> Scene:
    """The beginning of the day, so many hours of it."""
    day = Timeline(f"{hours:g} hours of six residents")
    day.setting(seed=3, lasts=hours * _HOUR_S)
    for hour, who, then in _FALLS:
        if hour + 0.1 < hours:
            day.at(hour * _HOUR_S).fall(who, then=then).expect(
                alert="fall_detected", resident=who, within=(25, 45)
            )
            _answer(day, hour, who)
            day.at(hour * _HOUR_S + _ANSWERED_S + 40).help_up(who)
    for hour, who in _PRESSES:
        if hour + 0.1 < hours:
            day.at(hour * _HOUR_S).press_button(who).expect(
                alert="help_requested", resident=who, within=(0, 4)
            )
            _answer(day, hour, who)
    who, off_h, on_h = _OFF
    if on_h < hours:
        day.at(off_h * _HOUR_S).take_off(who).expect(
            fault="not_worn", resident=who, within=(1_195, 1_215)
        )
        day.at(on_h * _HOUR_S).put_on(who)
    return day.scene


def _answer(day: Timeline, hour: float, who: str) -> None:
    answered_s = hour * _HOUR_S + _ANSWERED_S
    day.at(answered_s).acknowledge("mei", about=who)
    day.at(answered_s + 30).arrive("mei", about=who)
    day.at(answered_s + 90).resolve("mei", about=who)


def play(hours: float) -> Played:
    """Play the beginning of the day once."""
    scene = scene_of(hours)
    began_s = time.process_time()
    outcome = play_and_judge(scene)
    return Played(time.process_time() - began_s, outcome)


def bench_day() -> list[dict[str, Any]]:
    """Play the day twice.

    Raises
    ------
    RuntimeError
        If something of the day did not happen as it was expected: then a figure of its speed
        says nothing.
    """
    first, second = play(DAY_H), play(DAY_H)
    if not first.outcome.passed:
        raise RuntimeError(as_text(first.outcome))
    return rows_of(first, second, DAY_H)


def rows_of(first: Played, second: Played, hours: float) -> list[dict[str, Any]]:
    """What two runs of so many hours say."""
    cpu_s = min(first.cpu_s, second.cpu_s)
    limit_s = LIMIT_S * hours / DAY_H
    is_same = first.digest == second.digest
    counted = [line for line in first.outcome.lines if line.what in (What.EVENT, What.ALERT)]
    return [
        {
            "name": f"{hours:g} h of six residents",
            "value": cpu_s,
            "unit": "CPU s",
            "against": f"{limit_s:g} s",
            "ratio": cpu_s / limit_s,
            "bar": 1.0,
            "ok": cpu_s < limit_s,
        },
        {
            "name": "a second of a home",
            "value": cpu_s / (hours * _HOUR_S) * 1e3,
            "unit": "CPU ms",
            "against": None,
            "ratio": None,
            "bar": None,
            "ok": True,
        },
        {
            "name": "runs that are alike",
            "value": 2.0 if is_same else 1.0,
            "unit": f"of 2, of {len(counted)} events and alerts",
            "against": "2",
            "ratio": 1.0 if is_same else 0.5,
            "bar": 1.0,
            "ok": is_same,
        },
    ]
