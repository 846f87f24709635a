"""Making a link: by the adapter that hears the wearable best and has a place free."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Final

from bleak import BleakClient
from bleak.backends.device import BLEDevice
from bleak_retry_connector import establish_connection

from contract.clock import Clock
from contract.protocols import LinkLostError
from edge.radio.bluez_adapter import Adapter
from edge.radio.bluez_library import BLEAK_ERRORS, reason_of
from edge.radio.bluez_link import BluezLink, disconnect
from edge.radio.bluez_scan import SIGHTING_NS, Sighting
from edge.radio.calls import Calls
from edge.waiting import WaitedTooLongError
from edge.wearables import HEARD_NS

CONNECT_LIMIT_S: Final = 14.0
"""Below the limit of those who wait for a link (`edge.links.CONNECT_LIMIT_S`), so that they are
told our reason. A wearable in reach is connected within two seconds; one attempt of BlueZ takes up
to ten; after ``le-connection-abort-by-local`` bleak waits for a disconnection that may not come."""

TURN_S: Final = 5.0
"""An attempt lasts no longer while others wait for their turn: somebody out of reach must not keep
a window waiting. What is in reach is connected by then."""

TEARDOWN_S: Final = 3.0
"""How long an attempt that was given up keeps the turn: the kernel has to forget it first, or the
next one is refused (``Device or resource busy``). BlueZ takes some tens of milliseconds."""

ATTEMPTS: Final = 6
"""Of bleak-retry-connector, a quarter of a second apart, within the limit: failures by interference
are over at the next, and a refusal because something else connects at the second or third."""


async def connect(
    address: str, adapters: Mapping[str, Adapter], clock: Clock, calls: Calls
) -> BluezLink:
    """A link to `address`.

    Raises
    ------
    LinkLostError
        If nobody hears it, all places are taken, or it does not come up.
    """
    adapter, sighting = _choose(address, adapters, clock.monotonic_ns())
    attempt = _Attempt(address, adapter, clock, calls)
    try:
        with adapter.making_a_link():
            await calls.within(
                CONNECT_LIMIT_S, attempt.run(sighting.device), f"connecting {address}", adapter.gone
            )
            return attempt.link()
    except LinkLostError:
        raise
    except (WaitedTooLongError, *BLEAK_ERRORS) as error:
        raise LinkLostError(reason_of(error)) from error
    finally:
        attempt.let_go()


class _Attempt:
    """The making of one link; what was connected and not taken is let go."""

    def __init__(self, address: str, adapter: Adapter, clock: Clock, calls: Calls) -> None:
        self._address = address
        self._adapter = adapter
        self._clock = clock
        self._calls = calls
        self._client: BleakClient | None = None
        self._link: BluezLink | None = None
        self._is_over = False

    async def run(self, device: BLEDevice) -> None:
        """Connect once it is our turn: the kernel makes one LE connection at a time on an adapter.

        Raises
        ------
        WaitedTooLongError
            If it takes too long for those who wait, beside `BLEAK_ERRORS`.
        """
        await self._adapter.turns.take()
        try:
            await self._in_turn(device)
        finally:
            self._adapter.turns.give()

    async def _in_turn(self, device: BLEDevice) -> None:
        connecting = asyncio.ensure_future(self._establish(device))
        over = asyncio.ensure_future(self._until_wanted())
        try:
            await asyncio.wait((connecting, over), return_when=asyncio.FIRST_COMPLETED)
            if not connecting.done():
                raise WaitedTooLongError(
                    f"connecting {self._address} took longer than {TURN_S:g} s, and others wait"
                )
            connecting.result()
        finally:
            over.cancel()
            if not connecting.done():
                connecting.cancel()
                timer = asyncio.ensure_future(self._clock.sleep(TEARDOWN_S))
                await asyncio.wait((connecting, timer), return_when=asyncio.FIRST_COMPLETED)
                timer.cancel()
            self._calls.keep(connecting)

    async def _until_wanted(self) -> None:
        await self._clock.sleep(TURN_S)
        await self._adapter.turns.wanted()

    async def _establish(self, device: BLEDevice) -> None:
        client = await establish_connection(
            BleakClient,
            device,
            self._address,
            disconnected_callback=self._lost,
            max_attempts=ATTEMPTS,
            # BlueZ has one of its own; bleak's answers before BlueZ is ready to read.
            use_services_cache=False,
        )
        if self._is_over:
            self._drop(client)
        else:
            self._client = client

    def link(self) -> BluezLink:
        """What has been made; raises `LinkLostError` if it is gone already."""
        client, self._client = self._client, None
        assert client is not None, "`run` has ended"
        if not client.is_connected:
            self._drop(client)
            raise LinkLostError(f"the link to {self._address} was lost as soon as it stood")
        links = self._adapter.links
        self._link = BluezLink(client, self._clock, self._calls, links.discard)
        links.add(self._link)
        return self._link

    def let_go(self) -> None:
        """Nobody waits for it any more: who asked may have been cancelled as it came about."""
        self._is_over = True
        client, self._client = self._client, None
        if client is not None:
            self._drop(client)

    def _drop(self, client: BleakClient) -> None:
        self._calls.keep(asyncio.ensure_future(disconnect(client, self._calls)))

    def _lost(self, _client: BleakClient) -> None:
        # Attempts that fail call it too, before there is a link.
        if self._link is not None:
            self._link.end(f"the link to {self._address} was lost")


def _choose(address: str, adapters: Mapping[str, Adapter], now_ns: int) -> tuple[Adapter, Sighting]:
    """The adapter to connect with; raises `LinkLostError` if there is none."""
    hearing = [
        (adapter, sighting)
        for adapter in adapters.values()
        if (sighting := adapter.sighting(address)) is not None
        and now_ns - sighting.heard_ns <= SIGHTING_NS
    ]
    if not hearing:
        raise LinkLostError(f"{address} is not heard at the moment")
    free = [each for each in hearing if each[0].free_links > 0]
    if not free:
        names = ", ".join(sorted(adapter.name for adapter, _ in hearing))
        raise LinkLostError(f"all links of {names} are taken")
    # One that has heard it just now before one that heard it better a while ago.
    return max(free, key=lambda each: (now_ns - each[1].heard_ns <= HEARD_NS, each[1].rssi_dbm))
