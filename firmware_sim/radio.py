"""The gateway's side of the air: `contract.protocols.Radio` and `RadioLink`, simulated."""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Final

from contract.clock import Clock
from contract.protocols import AdapterTrouble, HeardAdvert, LinkLostError
from contract.units import NS_PER_S
from firmware_sim.wearable import Wearable

MAX_LINKS: Final = 7
"""A Raspberry Pi holds about seven stable links (SCIENCE 6.6: 8 succeed, 7 are stable)."""

CONNECT_S: Final = (0.15, 0.6)
"""From the request to the subscribed service: an advert must be caught, then discovery."""
CONNECT_TIMEOUT_S: Final = 10.0
"""How long a radio listens for a wearable that does not advertise, as BlueZ and bleak do."""
CONNECTION_INTERVAL_S: Final = 0.03
"""A write takes one connection event."""
SUPERVISION_TIMEOUT_S: Final = 4
"""A link without an answer for so long is lost (BlueZ's default is 4.2 s)."""

BACKLOG_ADVERTS: Final = 10_000
"""A reader that falls further behind loses the oldest; the radio counts them."""


class SimulatedLink:
    """A held link; implements `contract.protocols.RadioLink`."""

    def __init__(self, radio: SimulatedRadio, wearable: Wearable, clock: Clock) -> None:
        self._radio = radio
        self._clock = clock
        self._lost: str | None = None
        self._lost_event = asyncio.Event()
        self._queues: dict[str, _Notifications] = {}
        self._last_arrival_ns = 0
        self.wearable = wearable
        self.silent_s = 0
        """For how many seconds it has been out of reach."""

    async def write(self, characteristic: str, data: bytes) -> None:
        self._check()
        await self._clock.sleep(CONNECTION_INTERVAL_S)
        self._check()
        if not self._radio.reaches(self.wearable):
            # Sent again and again, until the supervision timeout or an answer.
            await self._until_reached()
        self.wearable.write(self, characteristic, data, self._clock.monotonic_ns())

    async def read(self, characteristic: str) -> bytes:
        raise LinkLostError(f"a wearable of this kind has no {characteristic} to read")

    def notifications(self, characteristic: str) -> AsyncIterator[tuple[bytes, int]]:
        self._check()
        queue = self._queues[characteristic] = _Notifications(self)
        self.wearable.pump(self._clock.monotonic_ns())
        return queue

    async def disconnect(self) -> None:
        self.drop("the gateway let go")

    async def until_lost(self) -> str:
        """Return the reason once the link is gone."""
        await self._lost_event.wait()
        assert self._lost is not None, "said before the event"
        return self._lost

    # -- the wearable's view (`firmware_sim.wearable.Central`) ---------------------------------

    def subscribed(self, characteristic: str) -> bool:
        return characteristic in self._queues

    def notify(self, characteristic: str, payload: bytes, at_ns: int) -> None:
        self._last_arrival_ns = max(self._last_arrival_ns, at_ns)
        self._queues[characteristic].put((payload, self._last_arrival_ns))

    def drop(self, reason: str) -> None:
        if self._lost is not None:
            return
        self._lost = reason
        self.wearable.release(self)
        self._radio.forget(self)
        self._lost_event.set()
        for queue in self._queues.values():
            queue.wake()

    # -- for the queues -------------------------------------------------------------------

    @property
    def lost(self) -> str | None:
        """Why the link is gone, if it is."""
        return self._lost

    def _check(self) -> None:
        if self._lost is not None:
            raise LinkLostError(self._lost)

    async def _until_reached(self) -> None:
        while not self._radio.reaches(self.wearable):
            await self._clock.sleep(CONNECTION_INTERVAL_S * 10)
            self._check()


class _Notifications:
    """What has come on one characteristic; an asynchronous iterator for one reader."""

    def __init__(self, link: SimulatedLink) -> None:
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


class SimulatedRadio:
    """One adapter; implements `contract.protocols.Radio`.

    Parameters
    ----------
    clock
        Arrivals are stamped with its monotonic time.
    reach
        Of the wearables that answer to an address now, the one that this radio would get;
        none if there is none.
    reaches
        Whether this radio hears a wearable now.
    seed
        Decides how long connecting takes.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        reach: Callable[[str], Wearable | None],
        reaches: Callable[[Wearable], bool],
        seed: str,
    ) -> None:
        self._clock = clock
        self._reach = reach
        self._reaches = reaches
        self._random = random.Random(seed)  # noqa: S311
        self._links: list[SimulatedLink] = []
        self._waiting: deque[Sequence[HeardAdvert]] = deque()
        self._waiting_adverts = 0
        self._reader: asyncio.Future[None] | None = None
        self._scanning = False
        self._closed = False
        self.hears = True
        """False simulates an adapter that has gone deaf, as some do until a reset."""
        self.dropped_adverts = 0

    async def adverts(self) -> AsyncIterator[Sequence[HeardAdvert]]:
        self._scanning = True
        try:
            while True:
                while not self._waiting:
                    if self._closed:
                        return
                    self._reader = asyncio.get_running_loop().create_future()
                    await self._reader
                batch = self._waiting.popleft()
                self._waiting_adverts -= len(batch)
                yield batch
        finally:
            self._scanning = False

    async def connect(self, address: str) -> SimulatedLink:
        if self._closed:
            raise LinkLostError("the radio is closed")
        if len(self._links) >= MAX_LINKS:
            raise LinkLostError(f"the radio holds {MAX_LINKS} links already")
        await self._clock.sleep(self._random.uniform(*CONNECT_S))
        deadline_ns = self._clock.monotonic_ns() + int(CONNECT_TIMEOUT_S * NS_PER_S)
        while (wearable := self._reach(address) if self.hears else None) is None:
            if self._clock.monotonic_ns() >= deadline_ns:
                raise LinkLostError(f"{address} did not answer in {CONNECT_TIMEOUT_S:.0f} s")
            await self._clock.sleep(1.0)
        if self._closed:
            raise LinkLostError("the radio is closed")
        # Others may have connected in the meantime.
        if len(self._links) >= MAX_LINKS:
            raise LinkLostError(f"the radio holds {MAX_LINKS} links already")
        link = SimulatedLink(self, wearable, self._clock)
        if not wearable.accept(link):
            raise LinkLostError(f"{address} takes no further link")
        self._links.append(link)
        return link

    async def close(self) -> None:
        self._closed = True
        for link in list(self._links):
            link.drop("the radio was closed")
        self._wake()

    def troubles(self) -> Sequence[AdapterTrouble]:
        return ()

    # -- the simulation's side ------------------------------------------------------------

    @property
    def closed(self) -> bool:
        """Whether it was closed: the simulation may forget it."""
        return self._closed

    @property
    def links(self) -> Sequence[SimulatedLink]:
        """The links that stand."""
        return self._links

    @property
    def listening(self) -> bool:
        """Whether adverts would reach a reader."""
        return self._scanning and self.hears and not self._closed

    def deliver(self, batch: Sequence[HeardAdvert]) -> None:
        """Adverts have come."""
        self._waiting.append(batch)
        self._waiting_adverts += len(batch)
        while self._waiting_adverts > BACKLOG_ADVERTS:
            lost = len(self._waiting.popleft())
            self._waiting_adverts -= lost
            self.dropped_adverts += lost
        self._wake()

    def supervise(self) -> None:
        """Once a second: links out of reach are lost after the supervision timeout."""
        for link in list(self._links):
            link.silent_s = 0 if self.reaches(link.wearable) else link.silent_s + 1
            if link.silent_s >= SUPERVISION_TIMEOUT_S:
                link.drop("no answer within the supervision timeout")

    def reaches(self, wearable: Wearable) -> bool:
        """Whether this radio hears a wearable now."""
        return self.hears and self._reaches(wearable)

    def forget(self, link: SimulatedLink) -> None:
        """A link is gone."""
        if link in self._links:
            self._links.remove(link)

    def _wake(self) -> None:
        if self._reader is not None and not self._reader.done():
            self._reader.set_result(None)
