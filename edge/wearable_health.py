"""What is wrong with a wearable, or with where it is, and why: said once, by one gateway."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Final, NamedTuple

from contract.clock import Clock, now_datetime
from contract.events import FaultCause
from contract.protocols import Bus
from contract.units import NS_PER_S, seconds_to_ns
from edge import battery, drift, not_heard, swaps
from edge.absences import Absences
from edge.bed_mates import BedMates
from edge.faults import DISTRUST, FaultBook
from edge.not_heard import LastHeard, LikelyCause
from edge.pipeline import Pipeline
from edge.presence import Neighbours, Sighting
from edge.trust import TrustKeeper
from edge.wearables import HEARD_NS, NEVER, Roster, Wearable

NOT_HEARD_NS: Final = seconds_to_ns(90)
"""A wearable advertises each second; with 90 % of its adverts lost in a bad corner, 90 s without
any is a chance of 1 in 13,000. Then it is out of range, flat or broken."""

TRAIL: Final = 60
"""Sightings that are kept of each wearable: one at each round of 5 s, five minutes."""
LAST_SIGHTINGS: Final = 6
"""Half a minute: how it was heard at the last, against the minutes before that."""

DOWN_WITHIN_NS: Final = seconds_to_ns(15)
"""A gateway that was heard for at most so much longer than a wearable which it heard last went
silent with it: a wearable is counted as heard for 10 s after its advert."""

FLAT_NS: Final = seconds_to_ns(11 * 60)
"""From then on a silence that an empty battery explains says nothing of the wearer. Before, it may
be hers who goes out by a door: that takes up to a minute to be told, and of who was excused it is
asked for once more after ten (`ASK_AGAIN_S` of the detectors). A battery that ends just there is
rarer than somebody who leaves."""

MINUTE_NS: Final = seconds_to_ns(60)

_NOT_OF_CARERS: Final = (DISTRUST - {FaultCause.BATTERY_LOW}) | {FaultCause.WEARABLE_NOT_HEARD}
"""Faults that end when a resident's wearable becomes a carer's tag."""

SWAPPED: Final = FaultCause.WEARABLES_SWAPPED


class _Seen(NamedTuple):
    at_ns: int
    sighting: Sighting


class WearableHealth:
    """Looks after every enrolled wearable."""

    def __init__(
        self,
        *,
        folder: Path,
        clock: Clock,
        roster: Roster,
        faults: FaultBook,
        neighbours: Neighbours,
        bus: Bus,
        pipeline: Pipeline,
    ) -> None:
        self._clock = clock
        self._roster = roster
        self._faults = faults
        self._neighbours = neighbours
        self._bus = bus
        self._started_ns = clock.monotonic_ns()
        self.absences = Absences(clock)
        self._trust = TrustKeeper(faults, neighbours, pipeline, self.absences)
        self._batteries = battery.Batteries(folder, clock)
        self._drift = drift.Drift()
        self._own_ppm = 0.0
        """How much slower this gateway's clock runs than all that it hears."""
        self._swaps = swaps.SwapWatch(folder)
        self.bed_mates = BedMates()
        """Fed by whoever knows of each second who is in bed."""
        self._trails: dict[str, deque[_Seen]] = {}
        self._minute_ns = self._started_ns
        self.place_of: Callable[[str], str | None] | None = None
        """In which room a device is; None: where there is no plan of the home."""

    def begin(self) -> None:
        """Take up what an earlier session knew."""
        self._batteries.begin()
        self._swaps.begin()

    def keep(self) -> None:
        """Write what has changed."""
        self._batteries.keep(set(self._roster.by_device))

    async def check(self, now_ns: int) -> None:
        """Every few seconds."""
        for wearable in list(self._roster):
            if wearable.config.is_carer:
                await self._check_tag(wearable, now_ns)
                continue
            await self._check_heard(wearable, now_ns)
            await self._trust.check(wearable, now_ns)
            await self._check_battery(wearable, now_ns)
        await self._check_drift(now_ns)
        if now_ns - self._minute_ns >= MINUTE_NS:
            self._minute_ns = now_ns
            self.keep()
            await self._check_swaps(now_ns)
        for device in self._trails.keys() - self._roster.by_device.keys():
            del self._trails[device]

    # -- heard -----------------------------------------------------------------------------------

    async def _check_heard(self, wearable: Wearable, now_ns: int) -> None:
        heard_ns = self._neighbours.heard_anywhere_ns(wearable)
        self._follow(wearable, now_ns)
        self.absences.note(wearable, is_heard=now_ns - heard_ns < NOT_HEARD_NS)
        absence = self.absences.holds(wearable)
        if now_ns - max(heard_ns, self._started_ns) < NOT_HEARD_NS:
            if heard_ns >= self._started_ns:
                await self._faults.clear(
                    FaultCause.WEARABLE_NOT_HEARD, f"{wearable.device} is heard again", wearable
                )
        elif absence is not None:
            detail = f"{wearable.device} need not be heard until its wearer is back"
            await self._faults.clear(
                FaultCause.WEARABLE_NOT_HEARD,
                f"{detail} from {self.absences.words(absence)}",
                wearable,
            )
        elif self._may_say(wearable, heard_ns):
            last = self._last_heard(wearable, heard_ns, now_ns)
            await self._faults.raise_fault(
                FaultCause.WEARABLE_NOT_HEARD,
                not_heard.words(wearable.device, last) + self.absences.expected(wearable),
                wearable,
                zone=last.zone,
                evidence=not_heard.evidence(last),
            )

    def _follow(self, wearable: Wearable, now_ns: int) -> None:
        sighting = self._neighbours.strongest(wearable)
        if sighting is not None:
            trail = self._trails.setdefault(wearable.device, deque(maxlen=TRAIL))
            trail.append(_Seen(now_ns, sighting))

    def _may_say(self, wearable: Wearable, heard_ns: int) -> bool:
        """Whether it is on this gateway to say that nobody hears a wearable.

        With a broker it is the lead's; without one nobody knows what the others hear, and it
        is said by whoever heard it last, or if nobody did, by everybody.
        """
        if self._bus.connected:
            return self._neighbours.is_lead()
        return wearable.heard_ns == heard_ns

    def _last_heard(self, wearable: Wearable, heard_ns: int, now_ns: int) -> LastHeard:
        percent = self._neighbours.low_battery(wearable)
        if percent is None and wearable.advert is not None:
            percent = wearable.advert.battery_percent
        days = None if percent is None else self._batteries.days_left(wearable.device, percent)
        trail = list(self._trails.get(wearable.device, ()))
        if heard_ns == NEVER or not trail:
            return LastHeard(None, battery_percent=percent, battery_days=days)
        last = trail[-1].sighting
        silent_ns = self._neighbours.silent_since_ns(last.gateway)
        levels = [each.sighting.rssi_dbm for each in trail]
        return LastHeard(
            seconds_ago=(now_ns - heard_ns) / NS_PER_S,
            gateway=last.gateway,
            zone=last.zone,
            is_gateway_down=silent_ns is not None and silent_ns - heard_ns <= DOWN_WITHIN_NS,
            rssi_dbm=median(levels[-LAST_SIGHTINGS:]),
            before_dbm=median(levels[:-LAST_SIGHTINGS]) if len(levels) > LAST_SIGHTINGS else None,
            battery_percent=percent,
            battery_days=days,
        )

    def is_worn(self, wearable: Wearable, now_ns: int) -> bool:
        """By its own word where that is heard here or elsewhere; else, unless somebody says no."""
        if self._faults.stands(FaultCause.NOT_WORN, wearable.device) or self._neighbours.distrusts(
            FaultCause.NOT_WORN, wearable
        ):
            return False
        if not wearable.heard_within(HEARD_NS, now_ns) or wearable.advert is None:
            return not self._neighbours.says_unworn(wearable)
        return wearable.advert.worn is not False and not wearable.advert.charging

    def is_with_its_wearer(self, wearable: Wearable, now_ns: int) -> bool:
        """Whether where it is, or that it is not heard, says anything of its wearer: it is worn,
        its battery is not flat for long, and nobody has said that she is away or has taken it off.
        """
        if self.absences.holds(wearable) is not None or not self.is_worn(wearable, now_ns):
            return False
        heard_ns = self._neighbours.heard_anywhere_ns(wearable)
        if now_ns - heard_ns < FLAT_NS:
            return True
        last = self._last_heard(wearable, heard_ns, now_ns)
        return not_heard.likely_cause(last) is not LikelyCause.FLAT_BATTERY

    # -- carers' tags ----------------------------------------------------------------------------

    async def _check_tag(self, tag: Wearable, now_ns: int) -> None:
        """Of a tag that staff wear nothing is said but that it must be charged, and that by the
        lead, who need not be near it: where a carer was is nobody's to know (`edge.carers`).
        """
        for cause in sorted(_NOT_OF_CARERS):
            await self._faults.clear(cause, f"{tag.device} is worn by staff now", tag)
        if not self._neighbours.is_lead():
            return
        percent = self._neighbours.low_battery(tag)
        if tag.advert is not None and tag.heard_within(HEARD_NS, now_ns):
            percent = tag.advert.battery_percent
        if percent is not None and battery.is_low(percent, None):
            detail = battery.words(tag.device, percent, None)
            await self._faults.raise_fault(FaultCause.BATTERY_LOW, detail, tag)
        elif now_ns - self._neighbours.heard_anywhere_ns(tag) <= HEARD_NS:
            detail = f"{tag.device} is charged"
            await self._faults.clear(FaultCause.BATTERY_LOW, detail, tag)

    # -- battery and clock -----------------------------------------------------------------------

    async def _check_battery(self, wearable: Wearable, now_ns: int) -> None:
        advert = wearable.advert
        if advert is None or advert.battery_percent is None:
            return
        if not wearable.heard_within(HEARD_NS, now_ns):
            return
        device, percent = wearable.device, advert.battery_percent
        self._batteries.note(device, percent, charging=advert.charging, now_ns=now_ns)
        days = self._batteries.days_left(device, percent)
        if battery.is_well(percent, days):
            await self._faults.clear(FaultCause.BATTERY_LOW, f"{device} is charged", wearable)
        elif battery.is_low(percent, days) and self._neighbours.rank(wearable) == 0:
            await self._faults.raise_fault(
                FaultCause.BATTERY_LOW, battery.words(device, percent, days), wearable
            )

    def low_batteries(self) -> dict[str, int]:
        """Of those heard now, whose battery may be the reason when they fall silent; in percent."""
        now_ns = self._clock.monotonic_ns()
        return {
            each.device: each.advert.battery_percent
            for each in self._roster
            if each.advert is not None
            and each.advert.battery_percent is not None
            and each.advert.battery_percent <= battery.OK_PERCENT
            and each.heard_within(HEARD_NS, now_ns)
        }

    async def _check_drift(self, now_ns: int) -> None:
        if not self._drift.note(self._roster, now_ns) or not self._clock.synced():
            return
        rates, self._own_ppm = self._drift.rates_ppm()
        for device, ppm in rates.items():
            wearable = self._roster.by_device[device]
            if wearable.config.is_carer:
                continue
            if abs(ppm) < drift.OK_PPM:
                detail = f"the clock of {device} runs as it should"
                await self._faults.clear(FaultCause.CLOCK_DRIFT, detail, wearable)
            elif abs(ppm) > drift.LIMIT_PPM and self._neighbours.rank(wearable) == 0:
                detail = drift.words(device, ppm)
                await self._faults.raise_fault(FaultCause.CLOCK_DRIFT, detail, wearable)

    # -- swapped ---------------------------------------------------------------------------------

    async def _check_swaps(self, now_ns: int) -> None:
        seen = []
        for wearable in self._roster:
            zone, home_zone = self._zone_of(wearable), wearable.config.zone
            if zone is None or home_zone is None:
                continue
            if wearable.config.resident is not None and self.is_worn(wearable, now_ns):
                seen.append((wearable.device, home_zone, zone))
        local = now_datetime(self._clock).astimezone(self.absences.zone)
        is_over = self._swaps.minute(local, seen)
        if is_over or self.bed_mates.swapped() or self._faults.any_of(SWAPPED):
            await self._say_swaps()

    def _zone_of(self, wearable: Wearable) -> str | None:
        """The room that it is in; without a plan, where the gateway stands that hears it best."""
        if self.place_of is not None:
            return self.place_of(wearable.device)
        sighting = self._neighbours.strongest(wearable)
        return None if sighting is None else sighting.zone

    async def _say_swaps(self) -> None:
        stands = set()
        for one, other, detail in self._swapped():
            stands |= {one.device, other.device}
            if self._neighbours.is_lead():
                await self._faults.raise_fault(SWAPPED, detail, one)
                await self._faults.raise_fault(SWAPPED, detail, other)
        for device in self._faults.any_of(SWAPPED):
            wearable = self._roster.by_device.get(device)
            if wearable is None or device in stands or not self.bed_mates.may_clear(device):
                continue
            if wearable.config.zone == self._swaps.slept_in(device):
                detail = f"{device} is with its wearer again, or was given to who wears it"
                await self._faults.clear(SWAPPED, detail, wearable)

    def _swapped(self) -> list[tuple[Wearable, Wearable, str]]:
        """Who wears each other's, and why that is believed."""
        known = self._roster.by_device
        found = []
        for one, other in self._swaps.swapped():
            if one.device not in known or other.device not in known:
                continue
            zones = known[one.device].config.zone, known[other.device].config.zone
            if zones == (one.home_zone, other.home_zone):  # else somebody has put it right since
                detail = swaps.words(one, other)
                found.append((known[one.device], known[other.device], detail))
        for mates in self.bed_mates.swapped():
            first, second = known.get(mates.one), known.get(mates.other)
            if first is not None and second is not None:
                found.append((first, second, mates.words(first.config.zone or "one room")))
        return found

    # -- status ----------------------------------------------------------------------------------

    def counts(self) -> dict[str, float]:
        """For the status: days that each battery lasts, where that is known, and how slow this
        gateway's clock is against all others: NTP corrects it, so it is no fault.
        """
        told = {"clock_slow_ppm": round(self._own_ppm, 1)}
        for wearable in self._roster:
            if wearable.config.is_carer:
                continue
            percent = None if wearable.advert is None else wearable.advert.battery_percent
            if percent is None:
                continue
            days = self._batteries.days_left(wearable.device, percent)
            if days is not None:
                told[f"battery_days: {wearable.device}"] = round(days, 1)
        return told
