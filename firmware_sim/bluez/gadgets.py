"""Single peripherals of any make on the air: room sensors, chest straps, watches.

A `Gadget` says what it advertises and answers what is asked over a link; `Gadgets` gives it an
advertising interval, a moving signal strength and a place on an adapter's air.
"""

from __future__ import annotations

import asyncio
import heapq
import math
import random
from collections import deque
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple, Protocol

from contract.clock import Clock
from contract.protocols import HeardAdvert, LinkLostError
from contract.units import NS_PER_MS, NS_PER_S, ns_to_seconds
from firmware_sim.air import FAST_FADING_DB, SLOW_FADING_DB, SLOW_FADING_KEPT
from firmware_sim.bluez.peripherals import Service
from firmware_sim.wearable import Central

INTERVAL_S: Final = 0.5
"""Two adverts a second, as our own wearables and most room sensors send."""

ADVERT_JITTER_NS: Final = 10 * NS_PER_MS
"""Bluetooth adds up to 10 ms at random to each interval, so that two do not collide for ever."""

CONNECT_S: Final = (0.05, 0.3)
"""An advert must be caught first."""

WEAKEST_DBM: Final = -100
STRONGEST_DBM: Final = -30
"""What a Bluetooth receiver reports at all."""


class Advert(NamedTuple):
    """What a peripheral says of itself."""

    manufacturer_data: Mapping[int, bytes] = {}
    """By company id."""
    service_data: Mapping[str, bytes] = {}
    """By service UUID."""
    local_name: str = ""
    service_uuids: tuple[str, ...] = ()


class Gadget(Protocol):
    """A peripheral's firmware."""

    address: str
    """Upper case with colons."""
    interval_s: float
    """Between its adverts."""
    rssi_dbm: float
    """How strongly it is heard on average; may change."""
    services: Sequence[Service]

    def advert(self, now_ns: int) -> Advert | None:
        """What it says at this (monotonic) time; none: it is silent."""
        ...

    def accept(self, link: Central) -> bool:
        """Take a link, if it can."""
        ...

    def release(self, link: Central) -> None:
        """A link is gone."""
        ...

    def read(self, characteristic: str) -> bytes:
        """Give a value."""
        ...

    def write(self, link: Central, characteristic: str, data: bytes, now_ns: int) -> None:
        """Take a value; raises `contract.advert.MalformedPacketError` if it is none."""
        ...

    def listened(self, link: Central, characteristic: str, now_ns: int) -> None:
        """Somebody subscribed: `link.notify` reaches them from now on."""
        ...


@dataclass
class Beacon:
    """A gadget that only advertises, and takes no link."""

    address: str
    says: Advert | None
    """May be changed at any time."""
    interval_s: float = INTERVAL_S
    rssi_dbm: float = -65.0
    services: Sequence[Service] = field(default=())

    def advert(self, now_ns: int) -> Advert | None:
        return self.says

    def accept(self, link: Central) -> bool:
        return False

    def release(self, link: Central) -> None:
        """There was none."""

    def read(self, characteristic: str) -> bytes:
        raise KeyError(characteristic)

    def write(self, link: Central, characteristic: str, data: bytes, now_ns: int) -> None:
        raise KeyError(characteristic)

    def listened(self, link: Central, characteristic: str, now_ns: int) -> None:
        raise KeyError(characteristic)


class Gadgets:
    """Gadgets within reach of one adapter; implements `peripherals.OnAir`.

    Parameters
    ----------
    clock
        When they advertise.
    gadgets
        May be added to later with `add`.
    seed
        Decides phases, jitter and fading.
    slow_fading_db
        Of people and doors; 0 where the gadgets' own strength has it already.
    """

    def __init__(
        self,
        clock: Clock,
        gadgets: Sequence[Gadget] = (),
        seed: int = 0,
        *,
        slow_fading_db: float = SLOW_FADING_DB,
    ) -> None:
        self._clock = clock
        self._slow_fading_db = slow_fading_db
        self._random = random.Random(f"{seed}/gadgets")  # noqa: S311
        self._gadgets: dict[str, Gadget] = {}
        self._due: list[tuple[int, str]] = []
        """When each advertises next, the earliest first."""
        self._fading: dict[str, float] = {}
        self._changed = asyncio.Event()
        for gadget in gadgets:
            self.add(gadget)

    def add(self, gadget: Gadget) -> None:
        """Bring a gadget within reach.

        Raises
        ------
        ValueError
            If another has its address.
        """
        if gadget.address in self._gadgets:
            raise ValueError(f"two gadgets have the address {gadget.address}")
        self._gadgets[gadget.address] = gadget
        first = self._random.uniform(0, gadget.interval_s)
        at_ns = self._clock.monotonic_ns() + int(first * NS_PER_S)
        heapq.heappush(self._due, (at_ns, gadget.address))
        self._changed.set()

    async def adverts(self) -> AsyncIterator[Sequence[HeardAdvert]]:
        while True:
            self._changed.clear()
            if not self._due:
                await self._changed.wait()
            wait_ns = self._due[0][0] - self._clock.monotonic_ns()
            if wait_ns > 0:
                await self._sleep(ns_to_seconds(wait_ns))
            batch = self._said(self._clock.monotonic_ns())
            if batch:
                yield batch

    async def _sleep(self, seconds: float) -> None:
        """Sleep, until somebody has something to say before that."""
        waiting = [
            asyncio.ensure_future(self._clock.sleep(seconds)),
            asyncio.ensure_future(self._changed.wait()),
        ]
        try:
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for one in waiting:
                one.cancel()
            await asyncio.gather(*waiting, return_exceptions=True)

    def hurry(self, address: str) -> None:
        """Let a gadget advertise now: it has news that do not wait for its interval."""
        now_ns = self._clock.monotonic_ns()
        self._due = [(now_ns if each == address else at_ns, each) for at_ns, each in self._due]
        heapq.heapify(self._due)
        self._changed.set()

    def _said(self, now_ns: int) -> list[HeardAdvert]:
        said = []
        while self._due and self._due[0][0] <= now_ns:
            at_ns, address = self._due[0]
            gadget = self._gadgets[address]
            interval_ns = int(gadget.interval_s * NS_PER_S)
            # Late, it does not make up for what it did not send.
            next_ns = max(at_ns, now_ns - interval_ns) + interval_ns
            jitter_ns = self._random.randrange(ADVERT_JITTER_NS)
            heapq.heapreplace(self._due, (next_ns + jitter_ns, address))
            advert = gadget.advert(now_ns)
            if advert is not None:
                said.append(
                    HeardAdvert(
                        address,
                        self._strength(gadget),
                        advert.manufacturer_data,
                        advert.service_data,
                        at_ns,
                        advert.local_name,
                        advert.service_uuids,
                    )
                )
        return said

    def _strength(self, gadget: Gadget) -> int:
        """Slow fading that lasts for seconds, and fast fading that does not."""
        kept = math.pow(SLOW_FADING_KEPT, gadget.interval_s)
        slow = self._fading.get(gadget.address, 0.0) * kept
        slow += self._random.gauss(0.0, self._slow_fading_db * math.sqrt(1 - kept**2))
        self._fading[gadget.address] = slow
        heard = gadget.rssi_dbm + slow + self._random.gauss(0.0, FAST_FADING_DB)
        return round(min(STRONGEST_DBM, max(WEAKEST_DBM, heard)))

    # -- links ----------------------------------------------------------------------------

    async def connect(self, address: str) -> GadgetLink:
        gadget = self._gadgets.get(address)
        if gadget is None or gadget.advert(self._clock.monotonic_ns()) is None:
            raise LinkLostError(f"{address} does not answer")
        await self._clock.sleep(self._random.uniform(*CONNECT_S))
        link = GadgetLink(gadget, self._clock)
        if not gadget.accept(link):
            raise LinkLostError(f"{address} takes no link")
        return link

    def services(self, address: str) -> Sequence[Service]:
        return self._gadgets[address].services


class GadgetLink:
    """A held link to a gadget; implements `peripherals.HeldLink`, and `Central` for the gadget."""

    def __init__(self, gadget: Gadget, clock: Clock) -> None:
        self._gadget = gadget
        self._clock = clock
        self._reason: str | None = None
        self._lost = asyncio.Event()
        self._waiting: dict[str, deque[tuple[bytes, int]]] = {}
        self._came = asyncio.Event()

    def _check(self) -> None:
        if self._reason is not None:
            raise LinkLostError(self._reason)

    async def read(self, characteristic: str) -> bytes:
        self._check()
        return self._gadget.read(characteristic)

    async def write(self, characteristic: str, data: bytes) -> None:
        self._check()
        self._gadget.write(self, characteristic, data, self._clock.monotonic_ns())

    async def notifications(self, characteristic: str) -> AsyncIterator[tuple[bytes, int]]:
        self._check()
        waiting = self._waiting[characteristic] = deque()
        try:
            self._gadget.listened(self, characteristic, self._clock.monotonic_ns())
            while True:
                while waiting:
                    yield waiting.popleft()
                self._check()
                self._came.clear()
                await self._came.wait()
        finally:
            del self._waiting[characteristic]

    async def disconnect(self) -> None:
        self.drop("the gateway let go")

    async def until_lost(self) -> str:
        await self._lost.wait()
        assert self._reason is not None, "said before the event"
        return self._reason

    # -- the gadget's side (`firmware_sim.wearable.Central`) ------------------------------------

    def subscribed(self, characteristic: str) -> bool:
        return characteristic in self._waiting

    def notify(self, characteristic: str, payload: bytes, at_ns: int) -> None:
        waiting = self._waiting.get(characteristic)
        if waiting is not None:
            waiting.append((payload, at_ns))
            self._came.set()

    def drop(self, reason: str) -> None:
        if self._reason is None:
            self._reason = reason
            self._gadget.release(self)
            self._lost.set()
            self._came.set()
