"""Streams of the few residents who need one: a link that is held all day."""

from __future__ import annotations

import asyncio
from typing import Final

import structlog

from contract.advert import MalformedPacketError
from contract.clock import Clock
from contract.gatt import STREAM_UUID, Operation
from contract.packets import decode_packet
from contract.protocols import LinkLostError
from contract.units import seconds_to_ns
from edge import counters
from edge.bodies import Bodies
from edge.calls import asked, closing
from edge.counters import Counts
from edge.decode import WearableDecoder
from edge.links import CONNECT_LIMIT_S, PATIENCE_S, LinkPool
from edge.pipeline import Pipeline
from edge.presence import Neighbours
from edge.slots import Need, Want
from edge.timekeeping import TimeSetter
from edge.waiting import Backoff
from edge.wearables import HEARD_NS, Wearable

_log = structlog.get_logger(__name__)

STREAM: Final = Want(Need.STREAM)

STREAM_SILENT_NS: Final = seconds_to_ns(5)
"""A held link that brings no packet for so long is dead: packets come each 0.5 to 0.76 s."""

BODY_BEGINS_NS: Final = seconds_to_ns(12)
"""What another maker's wearable may take until it brings anything: it is read, asked what it can do
and told to start, and each of these may have to be asked three times."""

BODY_SILENT_NS: Final = seconds_to_ns(30)
"""The same for another maker's wearable whose motion is not asked for: a strap tells its heart rate
once a second, a watch is read every 5 s."""

LINK_COMES_NS: Final = seconds_to_ns(PATIENCE_S + CONNECT_LIMIT_S)
"""Until then a link stands, or its user has been told that none will."""

UNHEARD_DBM: Final = -127.0
"""Of a wearable that no advert was heard of: weaker than any."""

FIRST_RETRY_S: Final = 1.0
LONGEST_RETRY_S: Final = 30.0
"""Between attempts at a held link. Each attempt keeps the adapter from scanning for a while
(batmon-ha, FIELD), and the adverts go on without the link."""

TAKE_OVER_DB: Final = 16.0
"""How much better another gateway must hear a wearable before its stream is let go to it
(habluetooth's margin for changing rooms, FIELD)."""


class StreamKeeper:
    """Holds the streams of the wearables that are enrolled for one.

    Of several gateways the nearest holds a stream. It is let go when another one is nearer
    by `TAKE_OVER_DB`; until the other has it, the adverts carry on.
    """

    def __init__(
        self,
        *,
        pool: LinkPool,
        clock: Clock,
        pipeline: Pipeline,
        decoder: WearableDecoder,
        neighbours: Neighbours,
        bodies: Bodies,
        setter: TimeSetter,
        counts: Counts,
    ) -> None:
        self._pool = pool
        self._clock = clock
        self._pipeline = pipeline
        self._decoder = decoder
        self._neighbours = neighbours
        self._bodies = bodies
        self._setter = setter
        self._counts = counts
        self._held: dict[str, asyncio.Task[None]] = {}
        self._retry_ns: dict[str, int] = {}
        self._backoffs: dict[str, Backoff] = {}
        self._due_ns: dict[str, int] = {}
        """By when packets of a stream come, unless it is dead."""
        self._wearables: dict[str, Wearable] = {}

    @property
    def held(self) -> int:
        """Streams that are held or being connected."""
        return len(self._held)

    def tend(self, wearables: list[Wearable], tasks: asyncio.TaskGroup) -> None:
        """Once a second: begin, end or give up streams as it is called for."""
        now_ns = self._clock.monotonic_ns()
        self._wearables = {each.device: each for each in wearables}
        for device in self._held.keys() - self._wearables.keys():
            self._held[device].cancel()
        room = self._pool.room_for_streams()
        for wearable in wearables:
            task = self._held.get(wearable.device)
            if task is None:
                if room > 0 and self._should_hold(wearable, now_ns):
                    room -= 1
                    self._due_ns[wearable.device] = now_ns + LINK_COMES_NS
                    self._held[wearable.device] = tasks.create_task(self._hold(wearable))
            elif self._is_over(wearable, now_ns):
                task.cancel()

    def let_go_of_one(self) -> str | None:
        """End the stream that is heard worst, for the others to be heard; its device."""
        worst = min(
            self._held.keys() & self._wearables.keys(),
            key=lambda device: (self._wearables[device].rssi_dbm or UNHEARD_DBM, device),
            default=None,
        )
        if worst is not None:
            self._held[worst].cancel()
        return worst

    def _should_hold(self, wearable: Wearable, now_ns: int) -> bool:
        return (
            wearable.heard_within(HEARD_NS, now_ns)
            and now_ns >= self._retry_ns.get(wearable.device, now_ns)
            and self._neighbours.rank(wearable) == 0
        )

    def _is_over(self, wearable: Wearable, now_ns: int) -> bool:
        """Whether a held stream is dead, or another gateway's by now."""
        since_ns = max(wearable.sampled_ns, self._due_ns[wearable.device])
        silent_ns = STREAM_SILENT_NS if wearable.config.streaming else BODY_SILENT_NS
        if now_ns - since_ns > silent_ns:
            self._counts["streams_silent"] += 1
            return True
        elsewhere = self._neighbours.best_elsewhere_dbm(wearable)
        own = wearable.rssi_dbm
        return elsewhere is not None and own is not None and elsewhere - own >= TAKE_OVER_DB

    async def _hold(self, wearable: Wearable) -> None:
        device = wearable.device
        backoff = self._backoffs.setdefault(device, Backoff(FIRST_RETRY_S, LONGEST_RETRY_S))
        try:
            await self._stream(wearable, backoff)
        except LinkLostError as error:
            self._counts["streams_lost"] += 1
            _log.info("stream_lost", device=device, reason=str(error))
        finally:
            wearable.stream_since_ns = None
            self._retry_ns[device] = self._clock.monotonic_ns() + backoff.next_ns()
            del self._held[device]

    async def _stream(self, wearable: Wearable, backoff: Backoff) -> None:
        async with self._pool.link(wearable, STREAM) as link:
            self._due_ns[wearable.device] = self._clock.monotonic_ns()
            _log.info("stream_held", device=wearable.device, rssi_dbm=wearable.rssi_dbm)
            if self._bodies.reads(wearable):
                self._due_ns[wearable.device] += BODY_BEGINS_NS
                await self._bodies.hold(wearable, link, backoff.reset)
            packets = asked(
                self._clock,
                link,
                STREAM_UUID,
                lambda: self._pool.write_on(link, Operation.START_STREAM),
            )
            latest: int | None = None
            async with closing(packets, "a stream"):
                async for payload, arrival_ns in packets:
                    latest = self._take(wearable, payload, arrival_ns, latest)
                    backoff.reset()
                    await self._setter.set_if_due(wearable, link)
        raise LinkLostError("the stream ended")

    def _take(
        self, wearable: Wearable, payload: bytes, arrival_ns: int, latest: int | None
    ) -> int | None:
        """One notification; returns the number of the newest packet."""
        try:
            packet = decode_packet(payload)
        except MalformedPacketError as error:
            self._decoder.reject_packet(wearable, str(error), arrival_ns)
            return latest
        if latest is not None:
            missing = (packet.number - latest - 1) & 0xFFFF
            if missing >= 0x8000:
                self._decoder.reject_packet(wearable, "a stream packet out of order", arrival_ns)
                return latest
            self._counts[counters.PACKETS_LOST] += missing
            if missing:
                # What they held, a window has to bring: half a second can be the impact.
                wearable.stream_since_ns = None
        reason = self._pipeline.push(wearable, packet, arrival_ns)
        if reason is not None:
            wearable.stream_since_ns = None
            self._decoder.reject_packet(wearable, reason, arrival_ns)
        return packet.number


def stream_covers(wearable: Wearable, from_ns: int) -> bool:
    """Whether its stream has come here without a gap since `from_ns`, monotonic."""
    since_ns = wearable.stream_since_ns
    return since_ns is not None and since_ns <= from_ns
