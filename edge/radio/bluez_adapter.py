"""One adapter: switched on, scanning, and with its few links; for as long as it is there."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, NamedTuple

import structlog

from contract.clock import Clock
from edge.radio.bluez_scan import TRIAL_S, Scan, ScanFailedError, Sighting
from edge.radio.bluez_system import BluezSystem
from edge.radio.turns import Turns
from edge.radio.watchdog import RemedyFailedError
from edge.waiting import Backoff, event_or_time
from edge.wearables import HEARD_NS

if TYPE_CHECKING:
    from edge.radio.bluez_link import BluezLink

_log = structlog.get_logger(__name__)

MAX_LINKS: Final = 7
"""What one adapter holds stably (SCIENCE 6.6: 8 succeed, 7 are stable)."""

FIRST_RETRY_S: Final = 1.0
LONGEST_RETRY_S: Final = 5.0
"""Between attempts at a scan that does not begin; an adapter that was just plugged in needs a
second or two. Behind a bluetoothd that was killed the kernel goes on scanning for its 10.24 s and
answers ``InProgress``; who waits longer than this hears that much later."""

RESUME_S: Final = 3.0
"""How long an adapter that heard may hear nothing after a link was made. Linux interrupts an active
scan to connect (``hci_le_create_conn_sync``), and bluetoothd begins it again some seconds later
(its ``IDLE_DISCOV_TIMEOUT`` is 5 s), if it notices. In three seconds a wearable advertises three
times or more."""

OFF_S: Final = 1.0
"""Between off and on: the controller has to lose its state (habluetooth waits as long)."""


class _Request(NamedTuple):
    """A restart that somebody waits for."""

    power: bool
    done: asyncio.Future[str | None]
    """Why it failed; None: it was done."""


class Adapter:
    """An adapter that BlueZ shows."""

    def __init__(self, name: str, clock: Clock, system: BluezSystem, scan: Scan) -> None:
        self.name = name
        self._clock = clock
        self._system = system
        self._request: _Request | None = None
        self._wake = asyncio.Event()
        self.scan = scan
        self.gone: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        """Gets its result, the reason, when it is no longer there."""
        self.links: set[BluezLink] = set()
        self.connecting = 0
        """Links that are being made."""
        self.turns = Turns()
        """Who makes a link, one after the other."""
        self._resuming: asyncio.Task[None] | None = None
        self.trouble: str | None = None
        """Why it cannot scan, if it cannot."""
        self.trouble_ns = 0
        """Since when."""

    @property
    def free_links(self) -> int:
        """How many more it holds."""
        return MAX_LINKS - len(self.links) - self.connecting

    def sighting(self, address: str) -> Sighting | None:
        """When and how well it heard a device; none if it did not lately."""
        return self.scan.sightings.get(address)

    async def run(self) -> None:
        """Scan until cancelled."""
        backoff = Backoff(FIRST_RETRY_S, LONGEST_RETRY_S)
        request: _Request | None = None
        try:
            while True:
                self.trouble = await self._begin(power=request is not None and request.power)
                _settle(request, self.trouble)
                if self.trouble is None:
                    backoff.reset()
                    await self._until_wanted_again()
                else:
                    await event_or_time(self._clock, self._wake, backoff.next_s())
                request, self._request = self._request, None
                self._wake.clear()
                await self.scan.end()
        finally:
            if self._resuming is not None:
                self._resuming.cancel()
            _settle(request, f"{self.name} is gone")
            _settle(self._request, f"{self.name} is gone")
            await self.scan.end()

    async def restart(self, *, power: bool = False) -> None:
        """End the scan and begin it again, with the adapter switched off and on between.

        Raises
        ------
        RemedyFailedError
            If it did not begin again.
        """
        done: asyncio.Future[str | None] = asyncio.get_running_loop().create_future()
        _settle(self._request, "another restart came before it")
        self._request = _Request(power, done)
        self._wake.set()
        reason = await done
        if reason is not None:
            raise RemedyFailedError(reason)

    @contextmanager
    def making_a_link(self) -> Iterator[None]:
        """While this lasts one of its places is taken; afterwards it has to hear again."""
        heard = self._clock.monotonic_ns() - self.scan.heard_ns <= HEARD_NS
        self.connecting += 1
        try:
            yield
        finally:
            self.connecting -= 1
            is_resuming = self._resuming is not None and not self._resuming.done()
            if heard and not is_resuming and not self.gone.done():
                self._resuming = asyncio.create_task(self._resume())

    async def _resume(self) -> None:
        """See that the scan goes on after links were made, and begin it again where it does not."""
        quiet_since_ns = self._clock.monotonic_ns()
        await self._clock.sleep(RESUME_S)
        while self.connecting:
            quiet_since_ns = self._clock.monotonic_ns()
            await self._clock.sleep(RESUME_S)
        if self.scan.heard_ns >= quiet_since_ns:
            return
        _log.info("scan_interrupted", adapter=self.name, silent_s=RESUME_S)
        try:
            await self.restart()
        except RemedyFailedError as error:
            # It is tried again and again; see `run`.
            _log.warning("scan_not_resumed", adapter=self.name, reason=str(error))

    def vanish(self, reason: str) -> None:
        """It is no longer there: end its links, and those that are being made."""
        if not self.gone.done():
            self.gone.set_result(reason)
        self._lose_links(reason)

    def _lose_links(self, reason: str) -> None:
        for link in list(self.links):
            link.end(reason)

    async def _begin(self, *, power: bool) -> str | None:
        """Switch on if need be, and scan; returns why that failed, if it did."""
        try:
            if power:
                self._lose_links(f"{self.name} is switched off and on")
                await self._system.switch(self.name, on=False)
                await self._clock.sleep(OFF_S)
                await self._system.switch(self.name, on=True)
            else:
                await self._switch_on()
            await self.scan.begin()
        except (RemedyFailedError, ScanFailedError) as error:
            if self.trouble is None:
                self.trouble_ns = self._clock.monotonic_ns()
            if self.trouble != str(error):
                _log.warning("scan_not_begun", adapter=self.name, reason=str(error))
            return str(error)
        return None

    async def _switch_on(self) -> None:
        state = self._system.adapters.get(self.name)
        if state is None or state.powered:
            return
        try:
            await self._system.switch(self.name, on=True)
        except RemedyFailedError as error:
            raise RemedyFailedError(
                f"it is off and cannot be switched on ({error}); see rfkill list"
            ) from error

    async def _until_wanted_again(self) -> None:
        """Until somebody wants a restart, or a passive scan turns out to be none."""
        while self.scan.is_on_trial():
            await event_or_time(self._clock, self._wake, TRIAL_S)
            if self._wake.is_set():
                return
            if self.scan.is_on_trial():
                self.scan.give_up_passive()
                return
        await self._wake.wait()


def _settle(request: _Request | None, reason: str | None) -> None:
    if request is not None and not request.done.done():
        request.done.set_result(reason)
