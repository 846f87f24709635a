"""The gateway's BLE adapters through BlueZ: implements `contract.protocols.Radio` by bleak.

It follows what adapters there are, keeps each scanning, makes links by the one that hears best,
and helps those that have gone deaf (`edge.radio.watchdog`).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Final

import structlog

from contract.clock import Clock
from contract.events import FaultCause
from contract.protocols import AdapterTrouble, HeardAdvert, LinkLostError
from contract.units import seconds_to_ns
from edge.radio.backlog import Backlog
from edge.radio.bluez_adapter import MAX_LINKS, Adapter
from edge.radio.bluez_connect import connect
from edge.radio.bluez_library import forget_bluez
from edge.radio.bluez_link import BluezLink
from edge.radio.bluez_scan import Scan, ScanMode
from edge.radio.bluez_system import BluezSystem, NoSystemBusError
from edge.radio.calls import Calls
from edge.radio.watchdog import RemedyFailedError, Watchdog
from edge.scanning import AdapterLoad
from edge.waiting import Backoff, event_or_time
from edge.wearables import NEVER

_log = structlog.get_logger(__name__)

TOLD_AFTER_NS: Final = seconds_to_ns(10)
"""How long something may be missing before it is told: bluetoothd restarts in two to five seconds,
also when somebody updates it."""

TIDY_S: Final = 30.0
"""Between two rounds of forgetting who has not been heard lately, and of asking again what adapters
there are while there is none."""

FIRST_RETRY_S: Final = 1.0
LONGEST_RETRY_S: Final = 30.0
"""Between attempts at a D-Bus that is not there."""

NOTHING: Final = "bluetooth"
"""In the place of an adapter's name where none is known: it is watched like one, so that a
bluetoothd that hangs or does not start is restarted too."""

ADVICE: Final = "plug it in, or see wardlight doctor"


class BluezRadio:
    """All adapters of this machine, or those that are named.

    Parameters
    ----------
    adapters
        Names in BlueZ, such as ``hci0``; empty for all that it shows.
    scan
        ``auto``, ``passive`` or ``active``; see `edge.radio.bluez_scan`.
    reboot_when_deaf
        Whether the machine is restarted when nothing else makes it hear again.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        adapters: Sequence[str] = (),
        scan: ScanMode = "auto",
        reboot_when_deaf: bool = False,
    ) -> None:
        self._clock = clock
        self._named = tuple(adapters)
        self._mode: ScanMode = scan
        self._calls = Calls(clock)
        self._backlog = Backlog(clock)
        self._changed = asyncio.Event()
        self._system = BluezSystem(clock, self._calls, self._changed.set)
        self._watchdog = Watchdog(clock, self, reboot_when_deaf=reboot_when_deaf)
        self._adapters: dict[str, Adapter] = {}
        self._scanning: dict[str, asyncio.Task[None]] = {}
        self._ending: set[asyncio.Task[None]] = set()
        self._addresses: dict[str, str] = {}
        """Of the adapters that have been there, by name."""
        self._generation = 0
        self._unusable: str | None = None
        """Why there is no D-Bus or no bluetoothd, if there is none."""
        self._missing_ns: dict[str, int] = {}
        """Adapters that should be there, and since when they cannot be used."""
        self._is_nothing_watched = False
        self._supervisor: asyncio.Task[None] | None = None
        self._is_closed = False

    @property
    def dropped_adverts(self) -> int:
        """Adverts that nobody took in time, since the start."""
        return self._backlog.dropped

    @property
    def heard(self) -> dict[str, int]:
        """Adverts since it appeared, by adapter."""
        return {name: each.scan.heard for name, each in self._adapters.items()}

    @property
    def links(self) -> dict[str, int]:
        """Links that stand, by adapter."""
        return {name: len(each.links) for name, each in self._adapters.items()}

    @property
    def slots(self) -> int:
        """Links that its adapters hold together; changes as they come and go."""
        return MAX_LINKS * len(self._adapters)

    def loads(self) -> list[AdapterLoad]:
        """What each adapter hears, and the links that stand on it."""
        return [
            AdapterLoad(name, each.scan.heard, len(each.links))
            for name, each in sorted(self._adapters.items())
        ]

    # -- contract.protocols.Radio ---------------------------------------------------------------

    async def adverts(self) -> AsyncIterator[Sequence[HeardAdvert]]:
        if self._is_closed:
            return
        self._start()
        async for batch in self._backlog.batches():
            yield batch

    async def connect(self, address: str) -> BluezLink:
        if self._is_closed:
            raise LinkLostError("the radio is closed")
        return await connect(address, self._adapters, self._clock, self._calls)

    async def close(self) -> None:
        self._is_closed = True
        self._backlog.close()
        if self._supervisor is not None:
            self._supervisor.cancel()
        for adapter in self._adapters.values():
            adapter.vanish("the radio was closed")
        if self._supervisor is not None:
            await asyncio.gather(self._supervisor, return_exceptions=True)
        await self._calls.close()

    def troubles(self) -> Sequence[AdapterTrouble]:
        told_ns = self._clock.monotonic_ns() - TOLD_AFTER_NS
        details = {
            name: self._why_missing(name)
            for name, since_ns in self._missing_ns.items()
            if since_ns <= told_ns
        }
        details |= {
            name: f"{name} cannot scan: {adapter.trouble}"
            for name, adapter in self._adapters.items()
            if adapter.trouble is not None and adapter.trouble_ns <= told_ns
        }
        # What was tried comes before what is wrong.
        details |= {each.adapter: each.detail for each in self._watchdog.deaf()}
        return [
            AdapterTrouble(FaultCause.ADAPTER_SILENT, name, detail)
            for name, detail in sorted(details.items())
        ]

    # -- edge.radio.watchdog.Remedies ---------------------------------------------------------

    async def restart_scan(self, adapter: str) -> None:
        await self._present(adapter).restart()

    async def power_cycle(self, adapter: str) -> None:
        await self._present(adapter).restart(power=True)

    async def restart_service(self) -> None:
        await self._system.restart_service()

    async def reboot(self) -> None:
        await self._system.reboot()

    def _present(self, adapter: str) -> Adapter:
        found = self._adapters.get(adapter)
        if found is None:
            raise RemedyFailedError("there is no adapter")
        return found

    # -- following what is there --------------------------------------------------------------

    def _start(self) -> None:
        """Begin to work; again, if the last work ended by an error."""
        if self._supervisor is None or self._supervisor.done():
            now_ns = self._clock.monotonic_ns()
            self._missing_ns = dict.fromkeys(self._named or (NOTHING,), now_ns)
            self._backlog.close(closed=False)
            self._supervisor = asyncio.create_task(self._supervise())
            self._supervisor.add_done_callback(self._ended)

    def _ended(self, supervisor: asyncio.Task[None]) -> None:
        if not supervisor.cancelled() and (error := supervisor.exception()) is not None:
            _log.error("radio_failed", exc_info=error)
        # Whoever listens begins again; see `edge.listener`.
        self._backlog.close()

    async def _supervise(self) -> None:
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._watchdog.run())
                tasks.create_task(self._tidy())
                await self._follow(tasks)
        finally:
            self._drop_all("the radio stopped")
            await self._system.close()

    async def _follow(self, tasks: asyncio.TaskGroup) -> None:
        backoff = Backoff(FIRST_RETRY_S, LONGEST_RETRY_S)
        while True:
            try:
                await self._system.open()
            except NoSystemBusError as error:
                self._is_unusable(f"the Bluetooth service cannot be reached: {error}")
                await self._clock.sleep(backoff.next_s())
                continue
            backoff.reset()
            while self._system.connected:
                self._changed.clear()
                await self._reconcile(tasks)
                await event_or_time(self._clock, self._changed, TIDY_S)
            self._drop_all("the connection to D-Bus was lost")
            self._is_unusable("the connection to D-Bus was lost")

    async def _reconcile(self, tasks: asyncio.TaskGroup) -> None:
        """Let the adapters that there are scan, and no others."""
        generation = self._system.generation
        is_other = generation != self._generation
        if is_other:
            self._drop_all("the Bluetooth service ended")
        reason = None
        if is_other or not self._system.adapters:
            reason = await self._ask()
        for name in sorted(set(self._adapters) - self._wanted()):
            self._drop(name, f"{name} is gone")
        if self._ending:
            # Their last word would end the scan of those that come in their place.
            await asyncio.wait(self._ending)
        if is_other:
            forget_bluez()
            self._generation = generation
        for name in sorted(self._wanted() - set(self._adapters)):
            self._take_up(name, tasks)
        self._is_unusable(reason)

    def _wanted(self) -> set[str]:
        there = set(self._system.adapters)
        return there & set(self._named) if self._named else there

    async def _ask(self) -> str | None:
        """Ask what there is; returns why nothing is, if that is known."""
        try:
            await self._system.refresh()
        except RemedyFailedError as error:
            return f"the Bluetooth service does not answer ({error})"
        return None if self._system.running else "the Bluetooth service does not run"

    def _take_up(self, name: str, tasks: asyncio.TaskGroup) -> None:
        _log.info("adapter_there", adapter=name)
        scan = Scan(name, self._clock, self._calls, self._backlog, self._mode)
        adapter = self._adapters[name] = Adapter(name, self._clock, self._system, scan)
        self._scanning[name] = tasks.create_task(adapter.run())
        address = self._addresses[name] = self._system.adapters[name].address
        for other in (name, NOTHING, *self._addresses):
            # Plugged in again, it may have another name.
            if other in {name, NOTHING} or self._addresses[other] == address:
                self._missing_ns.pop(other, None)
        self._is_nothing_watched = False
        self._watchdog.forget(NOTHING)
        self._watchdog.watch(name, lambda: scan.heard_ns)

    def _drop(self, name: str, reason: str) -> None:
        (_log.info if self._is_closed else _log.warning)(
            "adapter_gone", adapter=name, reason=reason
        )
        adapter = self._adapters.pop(name)
        task = self._scanning.pop(name)
        task.cancel()
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)
        adapter.vanish(reason)
        self._watchdog.forget(name)
        self._missing_ns[name] = self._clock.monotonic_ns()

    def _drop_all(self, reason: str) -> None:
        for name in sorted(self._adapters):
            self._drop(name, reason)

    def _is_unusable(self, reason: str | None) -> None:
        self._unusable = reason
        if self._adapters:
            return
        if not self._missing_ns:
            self._missing_ns[NOTHING] = self._clock.monotonic_ns()
        if not self._is_nothing_watched:
            self._is_nothing_watched = True
            self._watchdog.watch(NOTHING, lambda: NEVER)

    def _why_missing(self, name: str) -> str:
        who = "there is no Bluetooth adapter" if name == NOTHING else f"{name} is not there"
        return f"{who}: {self._unusable}" if self._unusable else f"{who}: {ADVICE}"

    async def _tidy(self) -> None:
        dropped = 0
        while True:
            await self._clock.sleep(TIDY_S)
            if self._backlog.dropped > dropped:
                _log.warning("adverts_not_taken", dropped=self._backlog.dropped - dropped)
                dropped = self._backlog.dropped
            now_ns = self._clock.monotonic_ns()
            for adapter in self._adapters.values():
                adapter.scan.forget_old(now_ns)
