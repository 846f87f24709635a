"""How many days a battery lasts, from how it has emptied so far."""

from __future__ import annotations

from pathlib import Path
from statistics import median
from typing import Final

import msgspec
import numpy as np

from contract.clock import Clock, now_us
from contract.units import US_PER_S, seconds_to_ns
from edge.kept import KeptFile

BATTERY_FILE: Final = "battery.json"

LOW_PERCENT: Final = 15
"""A day's reserve at a week's charge: time to change it at the next round."""
OK_PERCENT: Final = 25
"""Above this it has been charged; the ten between keep the reading's noise out."""

LOW_DAYS: Final = 2.0
"""Less, and it would be flat before the day after tomorrow: a weekend must not be lost by it."""
OK_DAYS: Final = 3.0
"""A day more, so that an estimate that wavers is one fault."""

HALF_PERCENT: Final = 50
"""What does not last for two days when it is full is charged each day; to say so from the hour it
leaves its cradle would be noise. The days count from half of the charge down."""

READ_NS: Final = seconds_to_ns(300)
"""Between two readings that are noted: twelve make an hour, whose median ignores a wrong one."""

USED_HOURS: Final = 72
"""Three days: how she lives now, and not how the wearable was used by somebody else."""
LEAST_HOURS: Final = 12
"""Of a week's charge 7 % are gone by then, seven times the step of the reading."""
APART_HOURS: Final = 6
"""Two hours nearer to each other say more of the reading's steps of 1 % than of the battery."""

CHARGED_PERCENT: Final = 5
"""A battery that is so much fuller than an hour ago was charged, or exchanged: what was before says
nothing of it. Warmth gives back 1 to 3 %."""

IDLE_RATE: Final = 100.0 / (24 * 120)
"""Percent per hour. One that empties more slowly lasts for four months: nobody asks how long."""

_S_PER_HOUR: Final = 3_600


class _Device(msgspec.Struct):
    """One device's discharge; hours since 1970 and the median percent in each."""

    hours: list[tuple[int, float]] = []
    read: list[int] = []
    """Readings of the hour that runs."""
    hour: int = 0
    """Which that is."""
    rate: float | None = None
    """Percent per hour, by `hours`."""


class Batteries:
    """What is known of the batteries that this gateway hears, kept over restarts.

    Parameters
    ----------
    folder
        Of the gateway.
    """

    def __init__(self, folder: Path, clock: Clock) -> None:
        self._clock = clock
        self._file = KeptFile(folder / BATTERY_FILE, dict[str, list[tuple[int, float]]])
        self._devices: dict[str, _Device] = {}
        self._read_ns: dict[str, int] = {}
        self._is_changed = False

    def begin(self) -> None:
        """Take up what an earlier session knew."""
        for device, hours in (self._file.read() or {}).items():
            self._devices[device] = _Device(hours=hours, rate=percent_per_hour(hours))

    def note(self, device: str, percent: int, *, charging: bool, now_ns: int) -> None:
        """A reading, as often as one comes. Nothing is noted while nobody knows the time."""
        if charging:
            self._forget(device)
            return
        if now_ns - self._read_ns.get(device, now_ns - READ_NS) < READ_NS:
            return
        self._read_ns[device] = now_ns
        if not self._clock.synced():
            return
        known = self._devices.setdefault(device, _Device())
        latest = known.hours[-1][1] if known.hours else percent
        if percent >= latest + CHARGED_PERCENT:
            self._forget(device)
            known = self._devices.setdefault(device, _Device())
        hour = now_us(self._clock) // (US_PER_S * _S_PER_HOUR)
        if hour != known.hour:
            self._close_hour(known, hour)
        known.read.append(percent)

    def _close_hour(self, known: _Device, hour: int) -> None:
        if known.read:
            # A clock that was set back must not leave hours that are yet to come.
            known.hours = [
                each for each in known.hours if known.hour - USED_HOURS <= each[0] < known.hour
            ]
            known.hours.append((known.hour, float(median(known.read))))
            known.rate = percent_per_hour(known.hours)
            self._is_changed = True
        known.hour, known.read = hour, []

    def _forget(self, device: str) -> None:
        if self._devices.pop(device, None) is not None:
            self._is_changed = True

    def days_left(self, device: str, percent: int) -> float | None:
        """Days until it is empty at its own rate; None while that is not known, or takes months."""
        known = self._devices.get(device)
        rate = None if known is None else known.rate
        return percent / rate / 24 if rate is not None and rate > IDLE_RATE else None

    def keep(self, enrolled: set[str]) -> None:
        """Write what has changed; what is no longer enrolled is forgotten."""
        for device in [each for each in self._devices if enrolled and each not in enrolled]:
            self._forget(device)
            self._read_ns.pop(device, None)
        if self._is_changed:
            self._is_changed = False
            self._file.write(
                {name: each.hours for name, each in self._devices.items() if each.hours}
            )


def percent_per_hour(hours: list[tuple[int, float]]) -> float | None:
    """How fast a battery empties.

    The median of the slopes between all hours that are `APART_HOURS` or more apart (Theil 1950,
    Sen 1968): up to 29 % of them may be wrong.

    Parameters
    ----------
    hours
        Hour and percent, in order.

    Returns
    -------
    float or None
        Percent per hour, above zero while it empties; None if the time is too short to say.
    """
    if not hours or hours[-1][0] - hours[0][0] < LEAST_HOURS:
        return None
    at, percent = np.array(hours, np.float64).T
    apart = at[None, :] - at[:, None]
    chosen = apart >= APART_HOURS
    return -float(np.median((percent[None, :] - percent[:, None])[chosen] / apart[chosen]))


def is_low(percent: int, days: float | None) -> bool:
    """Whether somebody should charge it at the next round."""
    is_short = days is not None and days < LOW_DAYS and percent <= HALF_PERCENT
    return percent <= LOW_PERCENT or is_short


def is_well(percent: int, days: float | None) -> bool:
    """Whether it need not be charged any more."""
    is_short = days is not None and days < OK_DAYS and percent <= HALF_PERCENT
    return percent >= OK_PERCENT and not is_short


def words(device: str, percent: int, days: float | None) -> str:
    """One sentence for who charges it."""
    lasts = "" if days is None else f", about {days:.1f} days at its rate"
    return f"{device} has {percent} % of battery left{lasts}; charge or exchange it"
