"""A capture as a radio: what was heard and notified then, at the same moments from now on.

What the gateway does now need not be what the recording gateway did; where it asks for what
was recorded it gets it, and where not it is told so. The rules, by address:

* A link comes up when the recording had one: at once while one stands in the recording,
  otherwise when the next one did, if that is near enough (`LINK_WAIT_NS`). A recorded failure
  fails again, at its moment and with its reason.
* While a link is held, whatever the recording has for its address and a characteristic that
  is subscribed arrives at its moment, over whichever link it came then.
* A window that is asked for after its packets came then (the gateway is later now) comes at
  once, as from a wearable's memory, for as long as one keeps it (`WINDOW_KEPT_NS`).
* A link that was lost then is lost at that moment. One that the recording gateway let go is
  not: it stays, in silence, until the gateway of now lets go.
* Writes are accepted.
* A value that is read is the one that was read at about that time (`READ_WAIT_NS`), at its moment,
  or else the last one before; what could not be read then cannot be read now.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from typing import Final, NamedTuple

from contract.advert import MalformedPacketError
from contract.clock import Clock
from contract.gatt import CONTROL_UUID, WINDOW_UUID, Operation, decode_command
from contract.messages import WearableConfig
from contract.packets import decode_packet
from contract.protocols import AdapterTrouble, HeardAdvert, LinkLostError
from contract.units import NS_PER_S, ns_to_seconds, seconds_to_ns
from firmware_sim.capture.format import CaptureError, LinkStep
from firmware_sim.capture.reader import AdvertBatch, Capture, LinkRow
from firmware_sim.capture.recorded_links import (
    RecordedAttempt,
    recorded_attempts,
    recorded_values,
)

LINK_WAIT_NS: Final = seconds_to_ns(12)
"""How long connecting may take: a radio listens for 10 s, a gateway gives up after 15 s."""

READ_WAIT_NS: Final = seconds_to_ns(5)
"""How long a read may take: a gateway gives up after so long."""

WINDOW_KEPT_NS: Final = seconds_to_ns(60)
"""How long a wearable's ring holds a window (contract.screen: it reaches 25 s)."""


class PlayedCounts(NamedTuple):
    """What was played."""

    adverts: int
    notifications: int
    """That reached a gateway."""
    notifications_missed: int
    """That nobody listened to: the gateway did something else than then."""
    links: int
    links_refused: int
    """That were asked for and not recorded."""


class CaptureRadio:
    """Plays a capture; implements `contract.protocols.Radio`.

    Moments are shifted by whole seconds of wall time, so that what fell into one second of the
    clock on the wall then does so now: detectors work by such seconds.

    Parameters
    ----------
    capture
        What to play. Its wearables are `wearables`.
    clock
        Drives it: on a `ScaledClock` of rate 10 it plays ten times faster.
    on_neighbour
        Called with topic and payload of what another gateway of the home said then.
    """

    def __init__(
        self,
        capture: Capture,
        clock: Clock,
        *,
        on_neighbour: Callable[[str, bytes], None] | None = None,
    ) -> None:
        self.wearables: tuple[WearableConfig, ...] = tuple(
            wearable.config() for wearable in capture.scene.wearables
        )
        self._capture = capture
        self._clock = clock
        self._on_neighbour = on_neighbour
        self._attempts = recorded_attempts(capture)
        self._values = recorded_values(capture)
        self._shift_ns: int | None = None
        self._finished = asyncio.Event()
        self._closed = False
        self._scanning = False
        self._waiting: deque[Sequence[HeardAdvert]] = deque()
        self._reader: asyncio.Future[None] | None = None
        self._links: list[CapturedLink] = []
        self._windows: dict[str, deque[_WindowPacket]] = {}
        self._adverts = self._notified = self._missed = self._connected = self._refused = 0

    # -- playing ---------------------------------------------------------------------------

    async def run(self) -> None:
        """Play everything from now on; returns when the recording's end has come.

        Raises
        ------
        CaptureError
            If it cannot be read to its end, or was played before.
        """
        if self._shift_ns is not None:
            raise CaptureError("this capture is being played already")
        recorded = self._capture.scene.clock
        wall_ns = self._clock.now_ns() - self._clock.monotonic_ns()
        apart_ns = recorded.wall_ns - recorded.monotonic_ns - wall_ns
        earliest_ns = self._clock.monotonic_ns() - recorded.monotonic_ns
        self._shift_ns = earliest_ns + (apart_ns - earliest_ns) % NS_PER_S
        for item in self._capture.timeline():
            await self._until(item.at_ns)
            if isinstance(item, AdvertBatch):
                self._deliver(item.adverts)
            elif isinstance(item, LinkRow):
                self._on_link(item)
            elif self._on_neighbour is not None:
                self._on_neighbour(item.topic, item.payload)
        await self._until(self._capture.end_ns())
        self._finished.set()

    async def finished(self) -> None:
        """Wait until everything has been played."""
        await self._finished.wait()

    @property
    def counts(self) -> PlayedCounts:
        """What has been played so far."""
        return PlayedCounts(
            self._adverts, self._notified, self._missed, self._connected, self._refused
        )

    def recorded_s(self, wall_us: int) -> float:
        """Seconds since the capture's beginning at a wall time of now, microseconds."""
        wall_ns = self._clock.now_ns() - self._clock.monotonic_ns()
        at_ns = wall_us * 1_000 - wall_ns - (self._shift_ns or 0)
        return ns_to_seconds(at_ns - self._capture.scene.clock.monotonic_ns)

    async def _until(self, recorded_ns: int) -> None:
        assert self._shift_ns is not None
        wait_ns = recorded_ns + self._shift_ns - self._clock.monotonic_ns()
        if wait_ns > 0:
            await self._clock.sleep(ns_to_seconds(wait_ns))

    def _deliver(self, adverts: Sequence[HeardAdvert]) -> None:
        if not self._scanning:
            return
        shift_ns = self._shift_ns or 0
        self._adverts += len(adverts)
        self._waiting.append(
            [heard._replace(received_ns=heard.received_ns + shift_ns) for heard in adverts]
        )
        self._wake()

    def _on_link(self, row: LinkRow) -> None:
        if row.step is LinkStep.NOTIFIED and row.characteristic is not None:
            arrival_ns = (row.arrival_ns or row.at_ns) + (self._shift_ns or 0)
            payload = row.data or b""
            heard = [
                link.notify(row.characteristic, payload, arrival_ns)
                for link in self._links
                if link.address == row.address
            ]
            self._notified += any(heard)
            self._missed += not any(heard)
            if row.characteristic == WINDOW_UUID:
                self._remember(row.address, payload, delivered=any(heard))
        elif row.step is LinkStep.LOST:
            for link in [each for each in self._links if each.address == row.address]:
                link.drop(row.reason or "the link was lost in the recording")

    # -- windows that the gateway asks for later than then ----------------------------------

    def _remember(self, address: str, payload: bytes, *, delivered: bool) -> None:
        try:
            packet = decode_packet(payload)
        except MalformedPacketError:
            return
        kept = self._windows.setdefault(address, deque())
        now_ns = self._clock.monotonic_ns()
        kept.append(
            _WindowPacket(now_ns, packet.candidate_counter, packet.number, payload, delivered)
        )
        while kept[0].at_ns < now_ns - WINDOW_KEPT_NS:
            kept.popleft()

    def window(self, address: str, candidate: int, first: int) -> Iterator[bytes]:
        """What the recording has brought of a window by now and nobody took."""
        oldest_ns = self._clock.monotonic_ns() - WINDOW_KEPT_NS
        kept = self._windows.get(address, deque())
        for place, packet in enumerate(kept):
            is_asked_for = packet.candidate == candidate and packet.number >= first
            if is_asked_for and not packet.delivered and packet.at_ns >= oldest_ns:
                kept[place] = packet._replace(delivered=True)
                yield packet.payload

    # -- contract.protocols.Radio --------------------------------------------------------------

    async def adverts(self) -> AsyncIterator[Sequence[HeardAdvert]]:
        self._scanning = True
        try:
            while True:
                while not self._waiting:
                    if self._closed:
                        return
                    self._reader = asyncio.get_running_loop().create_future()
                    await self._reader
                yield self._waiting.popleft()
        finally:
            self._scanning = False

    async def connect(self, address: str) -> CapturedLink:
        if self._closed:
            raise LinkLostError("the radio is closed")
        attempt = self._next_attempt(address)
        await self._until(attempt.outcome_ns)
        if attempt.failure is not None:
            raise LinkLostError(attempt.failure)
        if self._closed:
            raise LinkLostError("the radio is closed")
        self._connected += 1
        link = CapturedLink(self, address, self._clock)
        self._links.append(link)
        return link

    async def close(self) -> None:
        self._closed = True
        for link in list(self._links):
            link.drop("the radio was closed")
        self._wake()

    def troubles(self) -> Sequence[AdapterTrouble]:
        return ()

    def forget(self, link: CapturedLink) -> None:
        """A link is gone."""
        if link in self._links:
            self._links.remove(link)

    def _next_attempt(self, address: str) -> RecordedAttempt:
        """The recorded attempt that stands for one that is made now.

        Raises
        ------
        LinkLostError
            If there is none near enough.
        """
        if self._shift_ns is not None:
            now_ns = self._clock.monotonic_ns() - self._shift_ns
            attempts = self._attempts.get(address, [])
            place = bisect_right(attempts, now_ns, key=lambda each: each.until_ns)
            if place < len(attempts):
                attempt = attempts[place]
                under_way = attempt.asked_ns <= now_ns
                if under_way or attempt.outcome_ns <= now_ns + LINK_WAIT_NS:
                    return attempt
        self._refused += 1
        raise LinkLostError(f"the recording has no link to {address} at this time")

    async def read(self, address: str, characteristic: str) -> bytes:
        """The value that stands for one that is read now.

        Raises
        ------
        LinkLostError
            If it could not be read then, or nobody did.
        """
        values = self._values.get((address, characteristic), [])
        now_ns = self._clock.monotonic_ns() - (self._shift_ns or 0)
        place = bisect_left(values, now_ns, key=lambda each: each.at_ns)
        if place == len(values) or values[place].at_ns > now_ns + READ_WAIT_NS:
            place -= 1
        if place < 0:
            raise LinkLostError(f"the recording has no value of {characteristic} at this time")
        value = values[place]
        await self._until(value.at_ns)
        if value.data is None:
            raise LinkLostError(value.reason)
        return value.data

    def _wake(self) -> None:
        if self._reader is not None and not self._reader.done():
            self._reader.set_result(None)


class _WindowPacket(NamedTuple):
    at_ns: int
    candidate: int
    number: int
    payload: bytes
    delivered: bool


class CapturedLink:
    """A link of a `CaptureRadio`; implements `contract.protocols.RadioLink`."""

    def __init__(self, radio: CaptureRadio, address: str, clock: Clock) -> None:
        self._radio = radio
        self._clock = clock
        self._lost: str | None = None
        self._queues: dict[str, _Notifications] = {}
        self.address = address

    async def write(self, characteristic: str, data: bytes) -> None:
        self._check()
        # A write takes its time; others run in the meantime.
        await self._clock.sleep(0)
        self._check()
        if characteristic != CONTROL_UUID or WINDOW_UUID not in self._queues:
            return
        try:
            operation, arguments = decode_command(data)
        except MalformedPacketError:
            # What a wearable does with it is not in the recording.
            return
        if operation is Operation.REQUEST_WINDOW:
            candidate, first = arguments
            for payload in self._radio.window(self.address, candidate, first):
                self.notify(WINDOW_UUID, payload, self._clock.monotonic_ns())

    async def read(self, characteristic: str) -> bytes:
        self._check()
        data = await self._radio.read(self.address, characteristic)
        self._check()
        return data

    def notifications(self, characteristic: str) -> AsyncIterator[tuple[bytes, int]]:
        self._check()
        queue = self._queues[characteristic] = _Notifications(self)
        return queue

    async def disconnect(self) -> None:
        self.drop("the gateway let go")

    def notify(self, characteristic: str, payload: bytes, arrival_ns: int) -> bool:
        """Something came; whether anybody has subscribed to it."""
        queue = self._queues.get(characteristic)
        if queue is not None:
            queue.put((payload, arrival_ns))
        return queue is not None

    def drop(self, reason: str) -> None:
        """The link is gone."""
        if self._lost is None:
            self._lost = reason
            self._radio.forget(self)
            for queue in self._queues.values():
                queue.wake()

    @property
    def lost(self) -> str | None:
        """Why the link is gone, if it is."""
        return self._lost

    def _check(self) -> None:
        if self._lost is not None:
            raise LinkLostError(self._lost)


class _Notifications:
    """What has come on one characteristic; an asynchronous iterator for one reader."""

    def __init__(self, link: CapturedLink) -> None:
        self._link = link
        self._waiting: deque[tuple[bytes, int]] = deque()
        self._reader: asyncio.Future[None] | None = None

    def put(self, notification: tuple[bytes, int]) -> None:
        self._waiting.append(notification)
        self.wake()

    def wake(self) -> None:
        if self._reader is not None and not self._reader.done():
            self._reader.set_result(None)

    def __aiter__(self) -> AsyncIterator[tuple[bytes, int]]:
        return self

    async def __anext__(self) -> tuple[bytes, int]:
        while not self._waiting:
            if self._link.lost is not None:
                raise LinkLostError(self._link.lost)
            self._reader = asyncio.get_running_loop().create_future()
            await self._reader
        return self._waiting.popleft()
