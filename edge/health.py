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
from edge.fetcher import WindowFetcher
from edge.links import LinkPool
from edge.outbox import EventOutbox
from edge.pipeline import Pipeline
from edge.presence import Neighbours
from edge.scanning import REST_S, ScanWatch, loads_of
from edge.siren_control import SirenControl
from edge.streams import StreamKeeper
from edge.telemetry_outbox import TelemetryOutbox
from edge.timebase import SessionTime
from edge.wearable_health import WearableHealth
from edge.wearables import NEVER, Roster

RADIO_SILENT_NS: Final = seconds_to_ns(90)
"""A radio that hears nobody at all for so long has stopped (habluetooth's scanner watchdog,
FIELD): in any house something advertises every second."""

UNSYNCED_NS: Final = seconds_to_ns(300)
"""NTP sets a clock within a minute or two of the network's being there."""

BROKER_LOST_NS: Final = seconds_to_ns(60)
"""As long as the alert service's heartbeat may be missing: shorter outages are restarts."""

LATE_SAMPLES: Final = 50
"""Samples or summaries that came too late between two rounds: a second of one stream. One packet
in trouble is half of it; more, and a fall could lie in what no detector saw."""

HEARERS: Final = frozenset({FaultCause.ADAPTER_SILENT, FaultCause.RECEIVER_SILENT})
"""Causes that the radio alone raises, and ends: those of `AdapterTrouble`."""

IN_REACH_NS: Final = seconds_to_ns(60)
"""A wearable of which nothing came for a minute is out of reach, and says nothing of what links
cost."""

CHECK_NS: Final = seconds_to_ns(5)
"""Between two rounds: twenty times shorter than the shortest of the times above."""


class Health:
    """Looks after the gateway itself and its radio, and says what is not monitored.

    The wearables are looked after by `edge.wearable_health`.
    """

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
        pool: LinkPool,
        streams: StreamKeeper,
        fetcher: WindowFetcher,
        wearables: WearableHealth,
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
        self._pool = pool
        self._streams = streams
        self._fetcher = fetcher
        self._scanning = ScanWatch()
        self.wearables = wearables
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
        await self._check_scanning(now_ns)
        await self.wearables.check(now_ns)
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

    async def _check_scanning(self, now_ns: int) -> None:
        """Links that keep the radio from hearing the others: streams rest, windows go on."""
        loads = loads_of(self._radio, self._counts[counters.ADVERTS_HEARD], self._pool.count)
        in_reach = sum(each.heard_within(IN_REACH_NS, now_ns) for each in self._roster)
        for starved in self._scanning.note(loads, in_reach, now_ns):
            self._counts["scans_starved"] += 1
            self._pool.rest_streams(REST_S)
            if starved.is_bad:
                self._streams.let_go_of_one()
            await self._faults.raise_fault(
                FaultCause.SCAN_STARVED,
                starved.words(),
                subject=self._faults.part(starved.adapter) if starved.adapter else None,
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
            if each.heard_ns != NEVER and not each.config.is_carer
        }
        oldest_ns = min((each.since_ns for each in self._outbox.pending.values()), default=now_ns)
        return {
            **{name: float(count) for name, count in sorted(self._counts.items())},
            **heard,
            **self.wearables.counts(),
            **self._scanning.counts(),
            **self._windows(),
            "links": float(self._pool.count),
            "links_waiting": float(self._pool.waiting),
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

    def _windows(self) -> dict[str, float]:
        """How long the latest windows took from their mark to the impact's being on the grid."""
        waits = sorted(self._fetcher.waits_s)
        if not waits:
            return {}
        return {
            "window_wait_p50_s": round(waits[len(waits) // 2], 2),
            "window_wait_p95_s": round(waits[min(len(waits) * 95 // 100, len(waits) - 1)], 2),
        }
