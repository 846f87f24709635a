"""A Bluetooth controller: the part of an adapter that outlives bluetoothd."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Final

from contract.protocols import HeardAdvert, LinkLostError
from firmware_sim.bluez.peripherals import HeldLink, OnAir, Service

MAX_LINKS: Final = 8
"""What a Raspberry Pi's controller accepts at all; 7 of them are stable (SCIENCE 6.6)."""


class FragileLink:
    """A link that breaks once so many notifications came over it; implements `HeldLink`."""

    def __init__(self, link: HeldLink, notifications: int) -> None:
        self._link = link
        self._left = notifications

    async def read(self, characteristic: str) -> bytes:
        return await self._link.read(characteristic)

    async def write(self, characteristic: str, data: bytes) -> None:
        await self._link.write(characteristic, data)

    async def notifications(self, characteristic: str) -> AsyncIterator[tuple[bytes, int]]:
        async for notification in self._link.notifications(characteristic):
            if self._left <= 0:
                # What is lost in the air with the link is not delivered later.
                await self._link.disconnect()
                raise LinkLostError("the link broke in the middle of it")
            self._left -= 1
            yield notification

    async def disconnect(self) -> None:
        await self._link.disconnect()

    async def until_lost(self) -> str:
        return await self._link.until_lost()


class Controller:
    """Hears and links, for whoever drives it.

    Parameters
    ----------
    name
        Such as ``hci0``.
    address
        Its own Bluetooth address.
    on_air
        What is within its reach.
    passive
        Whether it can match adverts by itself; without, BlueZ offers no passive scan.

    Attributes
    ----------
    deaf
        True: adverts cease, and nobody is told, as when firmware stops scanning by itself.
    heals
        What makes it hear again: ``scan`` (a new scan), ``power`` (a power cycle), ``restart``
        (a new bluetoothd), ``never``.
    present
        False: it is unplugged.
    breaks_after
        One number for each of the next links: after so many notifications it breaks.
    """

    def __init__(
        self, name: str, address: str, on_air: Sequence[OnAir], *, passive: bool = True
    ) -> None:
        self.name = name
        self.address = address
        self.passive = passive
        self.deaf = False
        self.heals = "never"
        self.present = True
        self.breaks_after: list[int] = []
        self.links: set[HeldLink] = set()
        self._opening = 0
        self.listener: Callable[[Sequence[HeardAdvert]], None] | None = None
        """Who hears at the moment."""
        self.heard = 0
        """Adverts that came as far as the aerial."""
        self._on_air = on_air
        self._where: dict[str, OnAir] = {}

    async def listen(self) -> None:
        """Hear until cancelled, or until all that is on the air has ended."""
        listening = [asyncio.create_task(self._listen_to(one)) for one in self._on_air]
        try:
            await asyncio.gather(*listening)
        finally:
            for task in listening:
                task.cancel()
            await asyncio.gather(*listening, return_exceptions=True)

    async def _listen_to(self, on_air: OnAir) -> None:
        where = self._where
        async for batch in on_air.adverts():
            self.heard += len(batch)
            for advert in batch:
                where[advert.address] = on_air
            if self.listener is not None and self.present and not self.deaf:
                self.listener(batch)

    def heal(self, by: str) -> None:
        """Somebody tried ``scan``, ``power`` or ``restart``: each also does what is before it."""
        ladder = ("scan", "power", "restart")
        if self.heals in ladder and ladder.index(by) >= ladder.index(self.heals):
            self.deaf = False

    async def connect(self, address: str) -> HeldLink:
        """Open a link; raises `LinkLostError`."""
        on_air = self._where.get(address)
        if on_air is None or not self.present:
            raise LinkLostError(f"{address} was never heard")
        if len(self.links) + self._opening >= MAX_LINKS:
            raise LinkLostError(f"the controller holds {MAX_LINKS} links already")
        self._opening += 1
        try:
            link = await on_air.connect(address)
        finally:
            self._opening -= 1
        if self.breaks_after:
            link = FragileLink(link, self.breaks_after.pop(0))
        self.links.add(link)
        return link

    def services(self, address: str) -> Sequence[Service]:
        """What a peripheral that was heard offers."""
        return self._where[address].services(address)

    async def disconnect_all(self) -> None:
        """Drop every link, as a reset does."""
        for link in list(self.links):
            await link.disconnect()
