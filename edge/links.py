"""Links to wearables: few, shared by whoever needs one, and each call with a limit."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from typing import Final, TypeVar

import structlog

from contract.advert import MalformedPacketError
from contract.clock import Clock
from contract.gatt import CONTROL_UUID, STREAM_UUID, Operation, encode_command
from contract.packets import decode_packet
from contract.protocols import LinkLostError, Radio, RadioLink
from contract.units import seconds_to_ns
from edge import counters
from edge.bodies import Bodies
from edge.counters import Counts
from edge.decode import WearableDecoder
from edge.pipeline import Pipeline
from edge.presence import Neighbours
from edge.waiting import Backoff, WaitedTooLongError, within
from edge.wearables import HEARD_NS, Wearable

T = TypeVar("T")

_log = structlog.get_logger(__name__)

MAX_LINKS: Final = 7
"""What a Raspberry Pi's adapter holds stably (DESIGN 4)."""

MAX_STREAMS: Final = 5
"""Held all day, so two links stay free: for windows, and for writing back."""

CONNECT_LIMIT_S: Final = 15.0
"""A call of BlueZ may never return (``InProgress``, FIELD); bleak gives up after 10 s itself, so
beyond 15 s nothing will come."""

WRITE_LIMIT_S: Final = 5.0
"""A write with response takes two connection events, tens of milliseconds; a link that takes
seconds is lost, whatever it says (supervision time-outs are 4 to 6 s)."""

STREAM_SILENT_NS: Final = seconds_to_ns(5)
"""A held link that brings no packet for so long is dead: packets come each 0.5 to 0.76 s."""

BODY_SILENT_NS: Final = seconds_to_ns(30)
"""The same for another maker's wearable whose motion is not asked for: a strap tells its heart rate
once a second, a watch is read every 5 s."""

FIRST_RETRY_S: Final = 1.0
LONGEST_RETRY_S: Final = 30.0
"""Between attempts at a held link. Each attempt keeps the adapter from scanning for a while
(batmon-ha, FIELD), and the adverts go on without the link."""

TAKE_OVER_DB: Final = 16.0
"""How much better another gateway must hear a wearable before its stream is let go to it
(habluetooth's margin for changing rooms, FIELD)."""


class _SharedLink:
    """A link with the number of those who use it."""

    __slots__ = ("link", "users")

    def __init__(self, link: RadioLink) -> None:
        self.link = link
        self.users = 0


class LinkPool:
    """All links of one radio; a wearable has at most one, which its users share."""

    def __init__(self, radio: Radio, clock: Clock) -> None:
        self._radio = radio
        self._clock = clock
        self._open: dict[str, _SharedLink] = {}
        self._locks: dict[str, asyncio.Lock] = {}
        self._slots = asyncio.Semaphore(MAX_LINKS)

    @property
    def count(self) -> int:
        """Links that stand now."""
        return len(self._open)

    @asynccontextmanager
    async def link(self, address: str) -> AsyncIterator[RadioLink]:
        """The link to `address`, made if there is none; let go by its last user.

        Raises
        ------
        LinkLostError
            If it does not come up, or is lost while it is used.
        """
        shared = await self._acquire(address)
        try:
            yield shared.link
        except LinkLostError:
            # Nobody shall be handed a dead link.
            if self._open.get(address) is shared:
                del self._open[address]
            raise
        finally:
            shared.users -= 1
            if shared.users == 0:
                if self._open.get(address) is shared:
                    del self._open[address]
                self._slots.release()
                await shared.link.disconnect()

    async def write(self, address: str, operation: Operation, *arguments: int) -> None:
        """Write one command to a wearable; raises `LinkLostError`."""
        async with self.link(address) as link:
            await self.write_on(link, operation, *arguments)

    async def write_on(self, link: RadioLink, operation: Operation, *arguments: int) -> None:
        """Write one command on a link that is held; raises `LinkLostError`."""
        command = encode_command(operation, *arguments)
        await _called(self._clock, WRITE_LIMIT_S, link.write(CONTROL_UUID, command), "a write")

    async def _acquire(self, address: str) -> _SharedLink:
        lock = self._locks.setdefault(address, asyncio.Lock())
        async with lock:
            shared = self._open.get(address)
            if shared is None:
                await self._slots.acquire()
                try:
                    link = await _called(
                        self._clock, CONNECT_LIMIT_S, self._radio.connect(address), "a connection"
                    )
                except BaseException:
                    self._slots.release()
                    raise
                shared = self._open[address] = _SharedLink(link)
            shared.users += 1
            return shared


async def _called(clock: Clock, limit_s: float, call: Awaitable[T], what: str) -> T:
    """A call of the radio: within its limit, and whatever goes wrong costs this link alone.

    Raises
    ------
    LinkLostError
        If the link is lost, the call takes too long, or the radio has a defect: a driver that
        fails for one wearable must not end the watch over all others.
    """
    try:
        return await within(clock, limit_s, call, what)
    except LinkLostError:
        raise
    except WaitedTooLongError as error:
        raise LinkLostError(str(error)) from error
    except Exception as error:
        _log.exception("radio_defect", what=what)
        raise LinkLostError(f"{what} failed: {error!r}") from error


async def asked(
    clock: Clock, link: RadioLink, characteristic: str, ask: Callable[[], Awaitable[None]]
) -> AsyncGenerator[tuple[bytes, int], None]:
    """Subscribe, then ask, then yield what is notified.

    A link may subscribe only when its iterator is first awaited; had we asked before, the
    answer's beginning would be lost.

    Raises
    ------
    LinkLostError
        When the link is gone.
    """
    packets = link.notifications(characteristic)
    first = asyncio.ensure_future(_first(packets))
    try:
        await clock.sleep(0)
        await ask()
        yield await first
    finally:
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)
    while True:
        try:
            packet = await anext(packets)
        except StopAsyncIteration:
            return
        except LinkLostError:
            raise
        except Exception as error:
            _log.exception("radio_defect", what="notifications")
            raise LinkLostError(f"notifications failed: {error!r}") from error
        yield packet


async def _first(packets: AsyncIterator[tuple[bytes, int]]) -> tuple[bytes, int]:
    try:
        async for packet in packets:
            return packet
    except LinkLostError:
        raise
    except Exception as error:
        _log.exception("radio_defect", what="a subscription")
        raise LinkLostError(f"a subscription failed: {error!r}") from error
    raise LinkLostError("the link ended before it brought anything")


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
        counts: Counts,
    ) -> None:
        self._pool = pool
        self._clock = clock
        self._pipeline = pipeline
        self._decoder = decoder
        self._neighbours = neighbours
        self._bodies = bodies
        self._counts = counts
        self._held: dict[str, asyncio.Task[None]] = {}
        self._retry_ns: dict[str, int] = {}
        self._backoffs: dict[str, Backoff] = {}
        self._started_ns: dict[str, int] = {}

    @property
    def held(self) -> int:
        """Streams that are held or being connected."""
        return len(self._held)

    def tend(self, wearables: list[Wearable], tasks: asyncio.TaskGroup) -> None:
        """Once a second: begin, end or give up streams as it is called for."""
        now_ns = self._clock.monotonic_ns()
        wanted = {each.device for each in wearables}
        for device in [each for each in self._held if each not in wanted]:
            self._held[device].cancel()
        for wearable in wearables:
            task = self._held.get(wearable.device)
            if task is None:
                if self._should_hold(wearable, now_ns):
                    self._started_ns[wearable.device] = now_ns
                    self._held[wearable.device] = tasks.create_task(self._hold(wearable))
            elif self._is_over(wearable, now_ns):
                task.cancel()

    def _should_hold(self, wearable: Wearable, now_ns: int) -> bool:
        return (
            len(self._held) < MAX_STREAMS
            and wearable.heard_within(HEARD_NS, now_ns)
            and now_ns >= self._retry_ns.get(wearable.device, now_ns)
            and self._neighbours.rank(wearable) == 0
        )

    def _is_over(self, wearable: Wearable, now_ns: int) -> bool:
        """Whether a held stream is dead, or another gateway's by now."""
        since_ns = max(
            wearable.sampled_ns, self._started_ns[wearable.device] + seconds_to_ns(CONNECT_LIMIT_S)
        )
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
        async with self._pool.link(wearable.address) as link:
            _log.info("stream_held", device=wearable.device, rssi_dbm=wearable.rssi_dbm)
            if self._bodies.reads(wearable):
                await self._bodies.hold(wearable, link, backoff.reset)
            packets = asked(
                self._clock,
                link,
                STREAM_UUID,
                lambda: self._pool.write_on(link, Operation.START_STREAM),
            )
            latest: int | None = None
            async with aclosing(packets):
                async for payload, arrival_ns in packets:
                    latest = self._take(wearable, payload, arrival_ns, latest)
                    backoff.reset()
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
