"""A held BLE link over BlueZ: implements `contract.protocols.RadioLink` by a client of bleak."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Coroutine
from functools import partial
from typing import Any, Final, TypeVar

import structlog
from bleak import BleakClient
from bleak.backends.characteristic import BleakGATTCharacteristic

from contract.clock import Clock
from contract.protocols import LinkLostError
from edge.radio.bluez_library import BLEAK_ERRORS, reason_of
from edge.radio.calls import Calls
from edge.waiting import WaitedTooLongError

T = TypeVar("T")

_log = structlog.get_logger(__name__)

CALL_LIMIT_S: Final = 5.0
"""For a read, a write or a subscription. Each takes two connection events, tens of milliseconds; a
link that takes seconds is lost, whatever it says (supervision time-outs are 4 to 6 s)."""

DISCONNECT_LIMIT_S: Final = 5.0
"""Then BlueZ is left to it: the link's place is free for us, and a wearable that is still
connected is found so by the next attempt."""

BACKLOG_LIMIT: Final = 100_000
"""Notifications that wait for a reader which does not come: ten seconds at 10,000 a second, some
20 MB. None is ever let go in silence: beyond it the reader is told that its link is lost."""


class BluezLink:
    """One connection.

    Parameters
    ----------
    client
        Connected.
    on_end
        Called once, when the link has ended for whatever reason.
    """

    def __init__(
        self,
        client: BleakClient,
        clock: Clock,
        calls: Calls,
        on_end: Callable[[BluezLink], None],
    ) -> None:
        self._client = client
        self._clock = clock
        self._calls = calls
        self._on_end = on_end
        self._lost: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._order = asyncio.Lock()
        """ATT takes one request after the other. In this order a subscription stands before what
        is written after it asks for an answer."""
        self._subscribed: set[str] = set()
        self._readers: dict[str, _Notifications] = {}
        self._leaving: asyncio.Future[None] | None = None

    @property
    def lost(self) -> str | None:
        """Why the link is gone, if it is."""
        return self._lost.result() if self._lost.done() else None

    async def write(self, characteristic: str, data: bytes) -> None:
        await self._call(
            partial(self._client.write_gatt_char, characteristic, data, response=True), "a write"
        )

    async def read(self, characteristic: str) -> bytes:
        return bytes(
            await self._call(partial(self._client.read_gatt_char, characteristic), "a read")
        )

    def notifications(self, characteristic: str) -> AsyncIterator[tuple[bytes, int]]:
        """Subscribe when first awaited. One reader: a newer one takes the place of the last.

        The subscription lasts as long as the link, which ends with its last user: to take it
        back and ask for it again would cost a window two round trips.
        """
        self._check()
        before = self._readers.get(characteristic)
        reader = self._readers[characteristic] = _Notifications(self, characteristic)
        if before is not None:
            before.replace()
        return reader

    async def disconnect(self) -> None:
        self.end("the gateway let go")
        if self._leaving is not None:
            # Whoever is in a hurry leaves it to itself.
            await asyncio.shield(self._leaving)

    def end(self, reason: str) -> None:
        """The link is gone, or is to go; the first reason counts."""
        if self._lost.done():
            return
        self._lost.set_result(reason)
        for reader in self._readers.values():
            reader.wake()
        # Also after a loss: bleak keeps a connection to D-Bus for each client until then.
        self._leaving = asyncio.ensure_future(disconnect(self._client, self._calls))
        self._calls.keep(self._leaving)
        self._on_end(self)

    async def subscribe(self, characteristic: str) -> None:
        """Let notifications come; raises `LinkLostError`."""

        async def start() -> None:
            if characteristic not in self._subscribed:
                take = partial(self._arrived, characteristic)
                await self._client.start_notify(characteristic, take)
                self._subscribed.add(characteristic)

        await self._call(start, "a subscription")

    async def _call(self, make: Callable[[], Coroutine[Any, Any, T]], what: str) -> T:
        self._check()
        async with self._order:
            self._check()
            try:
                return await self._calls.within(CALL_LIMIT_S, make(), what, self._lost)
            except LinkLostError:
                raise
            except WaitedTooLongError as error:
                self.end(str(error))
                raise LinkLostError(str(error)) from error
            except BLEAK_ERRORS as error:
                raise LinkLostError(f"{what} failed: {reason_of(error)}") from error

    def _check(self) -> None:
        if self._lost.done():
            raise LinkLostError(self._lost.result())

    def _arrived(
        self, characteristic: str, _source: BleakGATTCharacteristic, data: bytearray
    ) -> None:
        """Called by bleak for each notification."""
        self._readers[characteristic].put((bytes(data), self._clock.monotonic_ns()))


async def disconnect(client: BleakClient, calls: Calls) -> None:
    """Let go of a wearable; never raises, and takes no longer than `DISCONNECT_LIMIT_S`."""
    try:
        await calls.within(DISCONNECT_LIMIT_S, client.disconnect(), "a disconnection")
    except (WaitedTooLongError, *BLEAK_ERRORS) as error:
        _log.info("not_disconnected", address=client.address, reason=reason_of(error))


class _Notifications:
    """What has come on one characteristic; an asynchronous iterator for one reader."""

    def __init__(self, link: BluezLink, characteristic: str) -> None:
        self._link = link
        self._characteristic = characteristic
        self._waiting: deque[tuple[bytes, int]] = deque()
        self._reader: asyncio.Future[None] | None = None
        self._is_subscribed = False
        self._is_replaced = False
        self._is_full = False

    def put(self, notification: tuple[bytes, int]) -> None:
        """One has come."""
        if self._is_full or len(self._waiting) == BACKLOG_LIMIT:
            # Not even later ones, when there is room again: there would be a hole.
            self._is_full = True
            return
        self._waiting.append(notification)
        if self._reader is not None:
            self.wake()

    def wake(self) -> None:
        """Let the reader look."""
        if self._reader is not None and not self._reader.done():
            self._reader.set_result(None)

    def replace(self) -> None:
        """Somebody else reads from now on."""
        self._is_replaced = True
        self.wake()

    def __aiter__(self) -> AsyncIterator[tuple[bytes, int]]:
        return self

    async def __anext__(self) -> tuple[bytes, int]:
        if not self._is_subscribed:
            await self._link.subscribe(self._characteristic)
            self._is_subscribed = True
        while not self._waiting:
            if self._is_replaced:
                raise StopAsyncIteration
            if self._is_full:
                raise LinkLostError(f"{BACKLOG_LIMIT} notifications were not taken in time")
            if self._link.lost is not None:
                raise LinkLostError(self._link.lost)
            self._reader = asyncio.get_running_loop().create_future()
            try:
                await self._reader
            finally:
                self._reader = None
        return self._waiting.popleft()
