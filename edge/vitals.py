"""Vitals: heart rates of all wearables, ours and others', to events."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Final

import numpy as np

from contract.clock import Clock
from contract.events import EventKind, Evidence
from contract.messages import VitalLimits
from contract.units import NS_PER_S, US_PER_S, seconds_to_ns
from detectors.detection import Detection
from detectors.summary import DEVIATION_G, SummaryBlock
from detectors.vitals import VitalSigns, VitalWatch
from detectors.wear import Wear
from edge.pipeline import ROWS_AT_A_TIME, Pipeline
from edge.presence import Neighbours
from edge.reporter import About, Reporter
from edge.timebase import SessionTime
from edge.wearables import NEVER, OWN_KIND, Roster, Wearable

DETECTOR: Final = "vitals/1"

FRESH_NS: Final = seconds_to_ns(2)
"""A heart rate that came longer ago than this is not the rate of now: straps tell theirs once a
second, and the tick may find none between two of them."""

_DEFAULTS: Final = VitalLimits()

_WORDS: Final[Mapping[EventKind, str]] = MappingProxyType(
    {
        EventKind.HEART_RATE_HIGH: "Heart rate {rate_bpm:.0f} at rest, at or above "
        "{limit_bpm:.0f} for {lasted_min:.0f} min.",
        EventKind.HEART_RATE_LOW: "Heart rate {rate_bpm:.0f} at rest, at or below "
        "{limit_bpm:.0f} for {lasted_min:.0f} min.",
        EventKind.HEART_RATE_ABSENT: "The wearable is worn and has found no pulse for "
        "{lasted_min:.0f} min; look at its wearer and at its fit.",
    }
)


class Vitals:
    """Feeds the watch of heart rates once a second, and reports what it says.

    Of several gateways that hear a wearable the nearest reports. `is_away` says of whom staff have
    said that she takes it off for a while.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        time: SessionTime,
        roster: Roster,
        pipeline: Pipeline,
        neighbours: Neighbours,
        reporter: Reporter,
        is_away: Callable[[Wearable], bool],
    ) -> None:
        self._clock = clock
        self._is_away = is_away
        self._time = time
        self._roster = roster
        self._pipeline = pipeline
        self._neighbours = neighbours
        self._reporter = reporter
        self.watch = VitalWatch(0)
        """By row of the summary grid."""
        self._rows = 0
        self._wearer_of: dict[int, tuple[str, str | None]] = {}
        """Device and resident of each row."""
        self._told_ns: dict[str, int] = {}
        """By device, when the reading was made that was last looked at."""
        self._has_pulse: set[str] = set()
        """Devices of our own that have told a heart rate: the others may have no sensor for it."""

    def follow(self) -> None:
        """Follow a configuration that has come into force."""
        if self._roster.rows > self._rows:
            self._rows = -(-self._roster.rows // ROWS_AT_A_TIME) * ROWS_AT_A_TIME
            self.watch.grow(self._rows)
        wearer_of = {
            row: (each.device, each.config.resident) for row, each in self._roster.by_row.items()
        }
        for row, wearable in self._roster.by_row.items():
            if self._wearer_of.get(row) != wearer_of[row]:
                self.watch.reset(row)
            limits = wearable.config.vitals or _DEFAULTS
            self.watch.limit(row, limits.high_bpm, limits.low_bpm, limits.persistence_s)
        self._wearer_of = wearer_of
        self._has_pulse &= set(self._roster.by_device)
        self._told_ns = {
            device: at_ns
            for device, at_ns in self._told_ns.items()
            if device in self._roster.by_device
        }

    async def tick(self, blocks: Sequence[SummaryBlock]) -> None:
        """Once a second, with the summaries that were closed."""
        now_ns = self._clock.monotonic_ns()
        rate_bpm = np.full(self._rows, np.nan, np.float32)
        state = self._pipeline.wear.state[: self._rows]
        worn = (state != Wear.NOT_WORN) & (state != Wear.UNKNOWN)
        for wearable in self._roster:
            rate = self._rate(wearable, now_ns)
            if rate is not None:
                rate_bpm[wearable.row] = rate
            if self._is_away(wearable) or _is_off(wearable):
                worn[wearable.row] = False
        deviation_g = np.full(self._rows, np.nan, np.float32)
        if blocks:
            measured = blocks[-1].values[DEVIATION_G]
            deviation_g[: len(measured)] = measured[: self._rows]
        second = self._time.grid_ns(now_ns) // NS_PER_S
        for detection in self.watch.step(VitalSigns(second, rate_bpm, worn, deviation_g)):
            await self._report(detection)

    def _rate(self, wearable: Wearable, now_ns: int) -> int | None:
        """What it has told since the last look: 0 where it finds no pulse."""
        if wearable.config.kind != OWN_KIND:
            at_ns, rate = wearable.pulse_ns, wearable.pulse
        else:
            advert = wearable.advert
            at_ns = wearable.heard_ns
            rate = None if advert is None else advert.heart_rate_bpm or 0
            if rate:
                self._has_pulse.add(wearable.device)
            elif wearable.device not in self._has_pulse:
                rate = None
        if at_ns <= self._told_ns.get(wearable.device, NEVER) or now_ns - at_ns > FRESH_NS:
            return None
        self._told_ns[wearable.device] = at_ns
        return rate

    async def _report(self, detection: Detection) -> None:
        wearable = self._roster.by_row.get(detection.row)
        if wearable is None or self._neighbours.rank(wearable) > 0:
            return
        began_ns = self._time.monotonic_ns(detection.impact_ns)
        who = wearable.config.resident or wearable.device
        features = detection.features
        about = About(
            wearable=wearable,
            key=f"{who}:{detection.kind.value}:{self._time.wall_us(began_ns) // US_PER_S}",
            evidence=Evidence(detector=DETECTOR, features=features),
            detail=_WORDS[detection.kind].format(
                lasted_min=max(features["lasted_s"] / 60, 1), **features
            ),
        )
        await self._reporter.emit(detection.kind, about)


def _is_off(wearable: Wearable) -> bool:
    """Whether it says so itself."""
    advert = wearable.advert
    return advert is not None and (advert.charging or advert.worn is False)
