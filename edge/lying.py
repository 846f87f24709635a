"""Falls and lies outlive their gateway: what is open of each wearer is kept, and taken up again.

A row for each wearer of whom something is open. It is written with the event that changes it, or
within a second of the change, once a minute for how much was heard, and at a goodbye. What is
kept are times before the moment of writing; where that moment lies in a later session is known by
the same boot's monotonic clock, or by two synchronised wall clocks. Otherwise nobody knows how
long the gateway was away, and it counts as nothing (DESIGN 4) until the clock is synchronised.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Final, NamedTuple

import msgspec
import structlog
from msgspec.structs import replace

from contract.clock import Clock
from contract.messages import AlertStateItem
from contract.units import NS_PER_US, seconds_to_ns
from detectors.long_lie import STAGES_MIN, KeptLie
from edge.downlink import Downlink
from edge.falls import Falls, KnownFall
from edge.lies import SlidePolicy
from edge.outbox import EventOutbox
from edge.outbox_rows import KeptRow
from edge.pipeline import Lying, Pipeline
from edge.reporter import SYNCED, UNSYNCED
from edge.storage import UnwritableError
from edge.timebase import SessionTime
from edge.wearables import Roster, Wearable

_log = structlog.get_logger(__name__)

COUNTS_NS: Final = seconds_to_ns(60)
"""Between two writes of how much was heard of who lies: a crash then loses a minute of evidence,
and the card gets one commit a minute more, beside six of telemetry."""

STATE_AWAITED_NS: Final = seconds_to_ns(15)
"""How long the timers of an earlier session wait for the alert service's word of what people have
resolved meanwhile: three of its heartbeats. A fall that was seen to would be told of again; one
that was not is told of 15 s later at most."""

OLDEST_NS: Final = seconds_to_ns(86_400)
"""What is known to be older is not taken up: in a day each bed has been looked into."""

RETRY_NS: Final = seconds_to_ns(10)
"""Between two tries at a card that does not take it."""

SYNC_LOOK_NS: Final = seconds_to_ns(10)
"""Between two looks whether the clock is synchronised, while somebody's time is unknown."""


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """What is open of one wearer, as it lies in the file."""

    resident: str | None
    boot: str
    clock: str
    at_us: int
    at_monotonic_ns: int
    at_grid_ns: int
    """The moment of writing, on all three clocks."""
    known: list[KnownFall]
    """Her falls of the last hour; times here and below are grid times."""
    lying: Lying
    alerts_session: str
    incidents: list[AlertStateItem]
    """Those of her that this session of the alert service had not resolved."""


class _Waiting(NamedTuple):
    """What is given back, and whose it is."""

    resident: str | None
    lying: Lying


class _Untimed(NamedTuple):
    """Somebody who was taken up by a clock that did not know how late it was."""

    kept: Kept
    taken_up_ns: int
    """Monotonic time that stands for the moment of writing."""


class LyingKeeper:
    """Keeps what is open of each wearer, and gives it back at the start.

    Parameters
    ----------
    on_unwritable
        Called with the reason when the file does not take it, or what it held is unreadable.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        time: SessionTime,
        boot: str,
        roster: Roster,
        outbox: EventOutbox,
        pipeline: Pipeline,
        falls: Falls,
        slides: SlidePolicy,
        downlink: Downlink,
        on_unwritable: Callable[[str], Awaitable[None]],
    ) -> None:
        self._clock = clock
        self._time = time
        self._boot = boot
        self._roster = roster
        self._outbox = outbox
        self._pipeline = pipeline
        self._falls = falls
        self._slides = slides
        self._downlink = downlink
        self._on_unwritable = on_unwritable
        self._loaded: dict[str, Kept] = {}
        """Of an earlier session and not given back yet."""
        self._waiting: dict[str, _Waiting] = {}
        """Given back to `Falls`, and waiting for word of the alert service."""
        self._untimed: dict[str, _Untimed] = {}
        self._written: dict[str, object] = {}
        """What the file says of each wearer, without the counts."""
        self._damages_known = 0
        self._begun_ns = clock.monotonic_ns()
        self._counted_ns = self._looked_ns = self._retry_ns = self._begun_ns

    # -- at the start ----------------------------------------------------------------------------

    async def load(self) -> None:
        """Read what an earlier session left; an unreadable row is said aloud."""
        for device, payload in self._outbox.lying.items():
            try:
                self._loaded[device] = msgspec.json.decode(payload, type=Kept)
            except (msgspec.DecodeError, UnicodeDecodeError) as error:
                _log.error("kept_lie_unreadable", device=device, reason=str(error))
                await self._on_unwritable(f"what was kept of the falls of {device} is unreadable")
            self._written[device] = None
        latest = max(self._loaded.values(), key=lambda kept: kept.at_us, default=None)
        if latest is not None:
            session = latest.alerts_session
            same = [each for each in self._loaded.values() if each.alerts_session == session]
            self._downlink.expect(session, [item for each in same for item in each.incidents])

    def enrolled(self) -> None:
        """A configuration is in force: give back the falls of who is enrolled.

        Their ids at once, so that none is suspected under another; their timers by `take_up`.
        """
        for device, waiting in list(self._waiting.items()):
            if not self._is_wearer(device, waiting.resident):
                del self._waiting[device]
        if not len(self._roster):
            return
        for device, kept in self._loaded.items():
            wearable = self._roster.by_device.get(device)
            if wearable is None or not self._is_wearer(device, kept.resident):
                continue  # a fall stays whose it was; its deadline pages
            at_ns = self._moment_ns(kept)
            if at_ns is None:
                at_ns = self._clock.monotonic_ns()
                if kept.clock == SYNCED:
                    self._untimed[device] = _Untimed(kept, at_ns)
            elif self._clock.monotonic_ns() - at_ns > OLDEST_NS:
                _log.warning("kept_lie_too_old", device=device)
                continue
            by_ns = self._time.grid_ns(at_ns) - kept.at_grid_ns
            known = [replace(fall, impact_ns=fall.impact_ns + by_ns) for fall in kept.known]
            self._falls.take_up(wearable, known)
            self._waiting[device] = _Waiting(kept.resident, _moved(kept.lying, by_ns))
        self._loaded.clear()

    def _is_wearer(self, device: str, resident: str | None) -> bool:
        wearable = self._roster.by_device.get(device)
        return wearable is not None and wearable.config.resident == resident

    def _moment_ns(self, kept: Kept) -> int | None:
        """The monotonic time at which a row was written; None if nobody can know."""
        now_ns = self._clock.monotonic_ns()
        if kept.boot == self._boot and kept.at_monotonic_ns <= now_ns:
            return kept.at_monotonic_ns
        if kept.clock != SYNCED or not self._clock.synced():
            return None
        ago_ns = self._clock.now_ns() - kept.at_us * NS_PER_US
        return now_ns - ago_ns if ago_ns >= 0 else None

    def take_up(self, now_ns: int) -> None:
        """Called each second: let timers go on, once it is known whose falls are settled."""
        self._time_untimed(now_ns)
        if not self._waiting:
            return
        if not self._downlink.state_heard and now_ns - self._begun_ns < STATE_AWAITED_NS:
            return
        for device in list(self._waiting):
            wearable = self._roster.by_device[device]
            open_now = self._open_of(wearable)
            self._pipeline.resume(wearable, open_now)
            _log.info("lie_taken_up", device=device, falls=len(open_now.falls))
            del self._waiting[device]

    def _time_untimed(self, now_ns: int) -> None:
        """Once the clock is right, move what was taken up as if no time had passed."""
        if not self._untimed or now_ns - self._looked_ns < SYNC_LOOK_NS:
            return
        self._looked_ns = now_ns
        if not self._clock.synced():
            return
        for device, (kept, taken_up_ns) in list(self._untimed.items()):
            if self._slides.awaits(device):
                continue
            del self._untimed[device]
            wearable = self._roster.by_device.get(device)
            at_ns = self._moment_ns(kept)
            if wearable is None or not self._is_wearer(device, kept.resident):
                continue
            if at_ns is None or at_ns >= taken_up_ns:
                continue
            until_ns, by_ns = self._time.grid_ns(taken_up_ns), at_ns - taken_up_ns
            known = [
                replace(fall, impact_ns=fall.impact_ns + by_ns)
                if fall.impact_ns <= until_ns
                else fall
                for fall in self._falls.known(wearable)
            ]
            self._falls.take_up(wearable, known)
            waiting = self._waiting.get(device)
            if waiting is not None:
                lying = _moved(waiting.lying, by_ns, until_ns)
                self._waiting[device] = waiting._replace(lying=lying)
            else:
                lying = _moved(self._pipeline.lying(wearable), by_ns, until_ns)
                self._pipeline.resume(wearable, lying)

    # -- meanwhile -------------------------------------------------------------------------------

    def settle(self, wearable: Wearable, fall_ids: Collection[str]) -> None:
        """A person has said what became of these falls: see `Falls.settle`."""
        until_ns = self._falls.settle(wearable, fall_ids)
        waiting = self._waiting.get(wearable.device)
        if waiting is not None:
            left = _after(waiting.lying, until_ns)
            self._waiting[wearable.device] = waiting._replace(lying=left)

    def row(self, wearable: Wearable) -> KeptRow:
        """What is to be written of a wearer now."""
        open_now = self._open_of(wearable)
        if not open_now or self._roster.by_device.get(wearable.device) is not wearable:
            return KeptRow(wearable.device, None)
        now_ns = self._clock.monotonic_ns()
        session, incidents = self._downlink.unresolved(wearable)
        kept = Kept(
            resident=wearable.config.resident,
            boot=self._boot,
            clock=SYNCED if self._clock.synced() else UNSYNCED,
            at_us=self._time.wall_us(now_ns),
            at_monotonic_ns=now_ns,
            at_grid_ns=self._time.grid_ns(now_ns),
            known=self._falls.known(wearable),
            lying=open_now,
            alerts_session=session,
            incidents=incidents,
        )
        return KeptRow(wearable.device, msgspec.json.encode(kept))

    async def keep(self, now_ns: int, *, everything: bool = False) -> None:
        """Called each second: write what has changed, in one transaction."""
        if self._loaded or now_ns < self._retry_ns:
            return
        if len(self._outbox.damaged_files) > self._damages_known:
            # The file was begun anew, and says nothing of anybody.
            self._damages_known = len(self._outbox.damaged_files)
            self._written.clear()
        counts = everything or now_ns - self._counted_ns >= COUNTS_NS
        if counts:
            self._counted_ns = now_ns
        marks = self._marks()
        changed = [
            device
            for device, mark in marks.items()
            # A stage that has passed and is not decided on shall pass again after a crash.
            if not self._slides.awaits(device)
            and (mark != self._written.get(device) or (counts and self._is_timed(device)))
        ]
        gone = [device for device in self._written if device not in marks]
        if not changed and not gone:
            return
        rows = [self.row(self._roster.by_device[device]) for device in changed]
        rows += [KeptRow(device, None) for device in gone]
        try:
            await self._outbox.keep_lying(rows)
        except UnwritableError as error:
            self._retry_ns = now_ns + RETRY_NS
            await self._on_unwritable(str(error))
            return
        self._written.update({device: marks[device] for device in changed})
        for device in gone:
            del self._written[device]

    def _open_of(self, wearable: Wearable) -> Lying:
        live = self._pipeline.lying(wearable)
        waiting = self._waiting.get(wearable.device)
        return live if waiting is None else _joined(waiting.lying, live)

    def _is_timed(self, device: str) -> bool:
        lie = self._open_of(self._roster.by_device[device]).lie
        return lie is not None and lie.stage < len(STAGES_MIN)

    def _marks(self) -> Mapping[str, object]:
        """What there is to write of whom, without what changes each second."""
        marks: dict[str, object] = {}
        for wearable in self._roster:
            open_now = self._open_of(wearable)
            if not open_now:
                continue
            session, incidents = self._downlink.unresolved(wearable)
            marks[wearable.device] = (
                [(fall.impact_ns, fall.detected, fall.lying) for fall in open_now.followed],
                open_now.lie and (open_now.lie.begun_ns, open_now.lie.slid, open_now.lie.stage),
                open_now.falls,
                session,
                [(item.incident, item.fall_ids) for item in incidents],
            )
        return marks


def _moved(lying: Lying, by_ns: int, until_ns: int | None = None) -> Lying:
    """The same, with every moment (until `until_ns`) later by so much."""

    def moved(moment_ns: int) -> int:
        return moment_ns + by_ns if until_ns is None or moment_ns <= until_ns else moment_ns

    lie = lying.lie
    return Lying(
        [fall._replace(impact_ns=moved(fall.impact_ns)) for fall in lying.followed],
        lie and lie._replace(begun_ns=moved(lie.begun_ns)),
        [moved(impact_ns) for impact_ns in lying.falls],
    )


def _after(lying: Lying, until_ns: int) -> Lying:
    """What is left of it when a person has spoken of everything until then."""
    falls = [impact_ns for impact_ns in lying.falls if impact_ns > until_ns]
    lie = lying.lie
    if lie is not None and lie.begun_ns <= until_ns:
        lie = KeptLie(min(falls), False, 0, 0, 0, (0.0, 0.0, 0.0), None) if falls else None
    return Lying([fall for fall in lying.followed if fall.impact_ns > until_ns], lie, falls)


def _joined(before: Lying, live: Lying) -> Lying:
    """Of an earlier session and of this one; of two lies the first counts until a stage of it was
    told, as in `LongLie.suspect`.
    """
    lie = before.lie
    if live.lie is not None and (lie is None or lie.slid or lie.stage > 0):
        lie = live.lie
    return Lying(before.followed + live.followed, lie, before.falls + live.falls)
