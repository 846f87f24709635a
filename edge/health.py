"""Liveness: judged by adverts heard and samples decoded, never by a process being up."""

from __future__ import annotations

from typing import Final

from contract.clock import Clock
from contract.events import FaultCause
from contract.protocols import Bus, Radio
from contract.units import NS_PER_S, seconds_to_ns
from edge import counters
from edge.counters import Counts
from edge.faults import FaultBook, FaultKey
from edge.outbox import EventOutbox
from edge.pipeline import Pipeline
from edge.presence import Neighbours
from edge.siren_control import SirenControl
from edge.telemetry_outbox import TelemetryOutbox
from edge.timebase import SessionTime
from edge.trust import TrustKeeper
from edge.wearables import NEVER, Roster, Wearable

RADIO_SILENT_NS: Final = seconds_to_ns(90)
"""A radio that hears nobody at all for so long has stopped (habluetooth's scanner watchdog,
FIELD): in any house something advertises every second."""

NOT_HEARD_NS: Final = seconds_to_ns(90)
"""A wearable advertises each second; with 90 % of its adverts lost in a bad corner, 90 s without
any is a chance of 1 in 13,000. Then it is out of range, flat or broken."""

BATTERY_LOW_PERCENT: Final = 15
"""A day's reserve at a week's charge: time to change it at the next round."""
BATTERY_OK_PERCENT: Final = 25
"""Above this it has been charged; the ten between keep the reading's noise out."""

UNSYNCED_NS: Final = seconds_to_ns(300)
"""NTP sets a clock within a minute or two of the network's being there."""

BROKER_LOST_NS: Final = seconds_to_ns(60)
"""As long as the alert service's heartbeat may be missing: shorter outages are restarts."""

LATE_SAMPLES: Final = 50
"""Samples or summaries that came too late between two rounds: a second of one stream. One packet
in trouble is half of it; more, and a fall could lie in what no detector saw."""

HEARERS: Final = frozenset({FaultCause.ADAPTER_SILENT, FaultCause.RECEIVER_SILENT})
"""Causes that the radio alone raises, and ends: those of `AdapterTrouble`."""

CHECK_NS: Final = seconds_to_ns(5)
"""Between two rounds: twenty times shorter than the shortest of the times above."""


class Health:
    """Looks after itself, the radio and the wearables, and says what is not monitored."""

    def __init__(
        self,
        *,
        clock: Clock,
        time: SessionTime,
        roster: Roster,
        counts: Counts,
        faults: FaultBook,
        neighbours: Neighbours,
        radio: Radio,
        bus: Bus,
        outbox: EventOutbox,
        telemetry: TelemetryOutbox,
        pipeline: Pipeline,
        siren: SirenControl,
    ) -> None:
        self._clock = clock
        self._time = time
        self._roster = roster
        self._counts = counts
        self._faults = faults
        self._neighbours = neighbours
        self._radio = radio
        self._bus = bus
        self._outbox = outbox
        self._telemetry = telemetry
        self._pipeline = pipeline
        self._siren = siren
        self._trust = TrustKeeper(faults, neighbours, pipeline)
        now_ns = clock.monotonic_ns()
        self._started_ns = now_ns
        self._checked_ns = NEVER
        self._radio_ns = now_ns
        self._radio_heard = 0
        self._unsynced_since_ns: int | None = None
        self._connected_ns = now_ns
        self._telemetry_lost = (0, 0)
        """Batches thinned and given up when it was last looked at."""
        self._late = 0

    async def check(self, now_ns: int) -> None:
        """Once a second; most of it is done every `CHECK_NS`."""
        await self._check_clock()
        if now_ns - self._checked_ns < CHECK_NS:
            return
        self._checked_ns = now_ns
        await self._check_radio(now_ns)
        await self._check_hearers()
        for wearable in list(self._roster):
            await self._check_heard(wearable, now_ns)
            await self._trust.check(wearable, now_ns)
            await self._check_battery(wearable)
        await self._check_synced(now_ns)
        await self._check_broker(now_ns)
        await self._check_late()
        await self._check_storage()
        await self._check_siren()
        await self._faults.expire(self._roster.by_device)

    async def _check_clock(self) -> None:
        moved_ns = self._time.check()
        if moved_ns is not None:
            await self._faults.raise_fault(
                FaultCause.CLOCK_JUMPED,
                f"the gateway's clock moved by {moved_ns / NS_PER_S:+.0f} s; times told before "
                "may be wrong by as much",
            )

    async def _check_radio(self, now_ns: int) -> None:
        heard = self._counts[counters.ADVERTS_HEARD]
        if heard != self._radio_heard:
            self._radio_heard, self._radio_ns = heard, now_ns
            await self._faults.clear(FaultCause.RADIO_SILENT, "adverts are heard again")
        elif now_ns - self._radio_ns >= RADIO_SILENT_NS:
            await self._faults.raise_fault(
                FaultCause.RADIO_SILENT,
                "no advert of anything was heard for 90 s: nobody near this gateway is monitored "
                "by it; restart it",
            )

    async def _check_hearers(self) -> None:
        """What the radio says of its adapters and receivers. A trouble that an earlier session left
        stands until something is heard: before that nobody knows.
        """
        troubles = {
            FaultKey(each.cause, self._faults.part(each.adapter)): each.detail
            for each in self._radio.troubles()
        }
        for key, detail in troubles.items():
            await self._faults.raise_fault(key.cause, detail, subject=key.subject, renew=True)
        if self._radio_heard == 0:
            return
        for key in self._faults.standing:
            if key.cause in HEARERS and key not in troubles:
                await self._faults.clear(
                    key.cause, f"{key.subject} hears again", subject=key.subject
                )

    async def _check_heard(self, wearable: Wearable, now_ns: int) -> None:
        heard_ns = self._neighbours.heard_anywhere_ns(wearable)
        if now_ns - max(heard_ns, self._started_ns) < NOT_HEARD_NS:
            if heard_ns >= self._started_ns:
                await self._faults.clear(
                    FaultCause.WEARABLE_NOT_HEARD, f"{wearable.device} is heard again", wearable
                )
        elif self._may_say(wearable, heard_ns):
            await self._faults.raise_fault(
                FaultCause.WEARABLE_NOT_HEARD,
                f"{wearable.device} has not been heard for 90 s: out of range, flat or broken; "
                "look at its wearer",
                wearable,
            )

    def _may_say(self, wearable: Wearable, heard_ns: int) -> bool:
        """Whether it is on this gateway to say that nobody hears a wearable.

        With a broker it is the lead's; without one nobody knows what the others hear, and it
        is said by whoever heard it last, or if nobody did, by everybody.
        """
        if self._bus.connected:
            return self._neighbours.is_lead()
        return wearable.heard_ns == heard_ns

    async def _check_battery(self, wearable: Wearable) -> None:
        advert = wearable.advert
        if advert is None:
            return
        battery = advert.battery_percent
        if battery is not None and battery <= BATTERY_LOW_PERCENT:
            await self._faults.raise_fault(
                FaultCause.BATTERY_LOW,
                f"{wearable.device} has {battery} % of battery left; charge or exchange it",
                wearable,
            )
        elif battery is not None and battery >= BATTERY_OK_PERCENT:
            await self._faults.clear(
                FaultCause.BATTERY_LOW, f"{wearable.device} is charged", wearable
            )

    async def _check_synced(self, now_ns: int) -> None:
        if self._clock.synced():
            self._unsynced_since_ns = None
            await self._faults.clear(FaultCause.CLOCK_UNSYNCED, "the clock is synchronised")
        elif self._unsynced_since_ns is None:
            self._unsynced_since_ns = now_ns
        elif now_ns - self._unsynced_since_ns >= UNSYNCED_NS:
            await self._faults.raise_fault(
                FaultCause.CLOCK_UNSYNCED,
                "the gateway's clock has not been synchronised for 5 min: its times may be wrong",
            )

    async def _check_broker(self, now_ns: int) -> None:
        if self._bus.connected:
            self._connected_ns = now_ns
            await self._faults.clear(FaultCause.BROKER_LOST, "the broker is there again")
        elif now_ns - self._connected_ns >= BROKER_LOST_NS:
            await self._faults.raise_fault(
                FaultCause.BROKER_LOST, "this gateway has had no broker for 60 s"
            )

    async def _check_late(self) -> None:
        late, self._late = self._pipeline.late_samples - self._late, self._pipeline.late_samples
        if late >= LATE_SAMPLES:
            await self._faults.raise_fault(
                FaultCause.SAMPLES_LATE,
                f"{late} samples came too late to be looked at within {CHECK_NS // NS_PER_S} s: "
                "the radio or this machine is overloaded",
            )

    async def _check_storage(self) -> None:
        if self._faults.stands(FaultCause.OUTBOX_UNWRITABLE, self._neighbours.gateway) and (
            await self._outbox.is_writable() and await self._outbox.retry_unwritten()
        ):
            self._siren.policy.written()
            await self._faults.clear(FaultCause.OUTBOX_UNWRITABLE, "the card can be written again")
        await self._check_telemetry()
        self._outbox.ballast.load()

    async def _check_telemetry(self) -> None:
        """Say what has become less for want of space; the fault ends when nothing more does."""
        lost = (self._telemetry.thinned, self._telemetry.given_up)
        before, self._telemetry_lost = self._telemetry_lost, lost
        if lost[1] > before[1]:
            await self._faults.raise_fault(
                FaultCause.TELEMETRY_DROPPED,
                "no space is left for telemetry: the oldest is dropped; alarms have their own",
            )
        elif lost[0] > before[0]:
            await self._faults.raise_fault(
                FaultCause.TELEMETRY_DROPPED,
                "telemetry that nobody takes fills its part of the card: of the oldest a second in "
                "ten is kept; alarms have their own",
            )

    async def _check_siren(self) -> None:
        troubles = self._siren.troubles
        if troubles:
            await self._faults.raise_fault(FaultCause.SIREN_SILENT, "; ".join(troubles))
        else:
            await self._faults.clear(FaultCause.SIREN_SILENT, "the siren can be heard again")

    def status_counts(self, now_ns: int) -> dict[str, float]:
        """What the status heartbeat says: counts since the start, and ages in seconds."""
        heard = {
            f"heard_s_ago: {each.device}": round((now_ns - each.heard_ns) / NS_PER_S, 1)
            for each in self._roster
            if each.heard_ns != NEVER
        }
        oldest_ns = min((each.since_ns for each in self._outbox.pending.values()), default=now_ns)
        return {
            **{name: float(count) for name, count in sorted(self._counts.items())},
            **heard,
            "rejected": float(self._counts.all_rejected),
            "samples_late": float(self._pipeline.late_samples),
            "samples_rejected": float(self._pipeline.rejected_samples),
            "outbox_pending": float(len(self._outbox.pending)),
            "outbox_oldest_s": round((now_ns - oldest_ns) / NS_PER_S, 1),
            "telemetry_pending": float(len(self._telemetry.pending)),
            "telemetry_bytes": float(self._telemetry.bytes),
            "telemetry_thinned": float(self._telemetry.thinned),
            "telemetry_given_up": float(self._telemetry.given_up),
            "unknown_receipts": float(self._outbox.unknown_receipts),
            "radio_silent_s": round((now_ns - self._radio_ns) / NS_PER_S, 1),
        }
