"""`FakeBluez`: a private bus, a bluetoothd of our own on it, and what can befall them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Final

import structlog
from dbus_fast import Message

from contract.clock import Clock
from firmware_sim.bluez.adapter import Adapter
from firmware_sim.bluez.connection import CallRefusedError, Connection
from firmware_sim.bluez.controller import Controller
from firmware_sim.bluez.daemon import PrivateBus
from firmware_sim.bluez.device import Device
from firmware_sim.bluez.mishaps import FAILED, Mishap, Mishaps, refusal
from firmware_sim.bluez.objects import Exported, ObjectTree
from firmware_sim.bluez.peripherals import OnAir
from firmware_sim.bluez.systemd import FakeSystemd

NAME: Final = "org.bluez"

DONGLES_OUI: Final = "00:1A:7D"
"""Of a cheap dongle that many a Raspberry Pi has."""
SIMULATED_OUI: Final = "02:57:4C"
"""Given by nobody: the bit 0x02 of the first byte says so (IEEE 802). A controller with it is ours,
and a gateway in a home must not have one."""

FORGETTING_S: Final = 5.0
"""How often devices that are no longer heard are looked for."""

log = structlog.get_logger(__name__)


class _Bluetoothd:
    """One bluetoothd, from its start to its end."""

    def __init__(
        self, address: str, controllers: Iterable[Controller], mishaps: Mishaps, clock: Clock
    ) -> None:
        self._controllers = controllers
        self._mishaps = mishaps
        self._clock = clock
        self._connection = Connection(address, self._take_call, self._take_signal)
        self._tree = ObjectTree(self._connection)
        self._working: set[asyncio.Task[None]] = set()
        self.adapters: dict[str, Adapter] = {}

    async def start(self) -> None:
        """Own the name and show the adapters that are plugged in."""
        await self._connection.open(NAME)
        await self._connection.match(
            "type='signal',sender='org.freedesktop.DBus',member='NameOwnerChanged'"
        )
        # Monitors are shown by clients, which have unique names only.
        await self._connection.match(
            "type='signal',interface='org.freedesktop.DBus.ObjectManager',member='InterfacesAdded'"
        )
        self._tree.add(Exported("/org/bluez", {"org.bluez.AgentManager1": {}}, {}))
        for controller in self._controllers:
            if controller.present:
                self.plug(controller)
        self._begin(self._forget())

    def plug(self, controller: Controller) -> None:
        """Show an adapter."""
        self.adapters[controller.name] = Adapter(
            controller, tree=self._tree, connection=self._connection, clock=self._clock
        )

    async def unplug(self, name: str) -> None:
        """An adapter is gone, and clients are told."""
        await self.adapters.pop(name).close(told=True)

    async def die(self) -> None:
        """Be gone at once; nobody is told anything but that the name has no owner."""
        self._connection.close()
        for task in list(self._working):
            task.cancel()
        await asyncio.gather(*self._working, return_exceptions=True)
        for adapter in self.adapters.values():
            await adapter.close(told=False)

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._working.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._working.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("fake_bluez_failed", error=repr(error))

    async def _forget(self) -> None:
        while True:
            await self._clock.sleep(FORGETTING_S)
            for adapter in self.adapters.values():
                adapter.forget_silent()

    # -- calls and signals ------------------------------------------------------------------

    def _take_call(self, call: Message) -> None:
        self._begin(self._answer(call))

    async def _answer(self, call: Message) -> None:
        mishap = self._mishaps.of(call)
        if mishap is Mishap.HANG:
            return
        try:
            if mishap is not None:
                await self._go_wrong(call, mishap)
            self._connection.answer(call, await self._tree.answer(call))
        except CallRefusedError as error:
            self._connection.refuse(call, error)
        except (LookupError, TypeError, ValueError) as error:
            # Of a gadget that is written badly, or a call with other arguments.
            log.warning("call_failed", path=call.path, member=call.member, error=repr(error))
            self._connection.refuse(call, CallRefusedError(FAILED, repr(error)))

    async def _go_wrong(self, call: Message, mishap: Mishap) -> None:
        device = self.device_at(str(call.path))
        if mishap is Mishap.ABORT_BY_LOCAL and device is not None:
            # The answer comes while it still seems connected; the signal follows.
            self._begin(device.abort())
        raise refusal(mishap)

    def device_at(self, path: str) -> Device | None:
        """The device shown at a path."""
        for adapter in self.adapters.values():
            for device in adapter.devices.values():
                if device.path == path:
                    return device
        return None

    def _take_signal(self, signal: Message) -> None:
        if signal.member == "NameOwnerChanged":
            name, _, owner = signal.body
            if name.startswith(":") and not owner:
                for adapter in self.adapters.values():
                    adapter.client_gone(name)
        elif signal.member == "InterfacesAdded":
            for adapter in self.adapters.values():
                self._begin(self._shown(adapter, signal))

    @staticmethod
    async def _shown(adapter: Adapter, signal: Message) -> None:
        try:
            await adapter.shown(signal)
        except CallRefusedError as error:
            log.info("monitor_not_understood", reason=str(error))


class FakeBluez:
    """Our own ``org.bluez``, as an asynchronous context manager.

    bleak's BlueZ backend runs on it unchanged once ``DBUS_SYSTEM_BUS_ADDRESS`` is `address`:

        async with FakeBluez(clock, {"hci0": [HomeOnAir(home.radio("gateway-a"))]}) as bluez:
            os.environ["DBUS_SYSTEM_BUS_ADDRESS"] = bluez.address

    It keeps real time: sockets cannot be waited for on a `VirtualClock`.

    Parameters
    ----------
    clock
        `SystemClock`, or `ScaledClock` if what is on the air runs faster.
    adapters
        By name (``hci0``), what each hears.
    socket
        Where the bus listens; default a file in a temporary folder.
    passive
        Whether the controllers offer passive scanning.
    oui
        First half of the controllers' addresses.

    Raises
    ------
    NoBusError
        On entering, if there is no dbus-daemon.

    Attributes
    ----------
    mishaps
        What calls meet: ``bluez.mishaps.let("Connect", Mishap.ABORT, times=2)``.
    controllers
        By name; ``bluez.controllers["hci0"].deaf = True`` lets adverts cease.
    restarts
        Of bluetoothd.
    """

    def __init__(
        self,
        clock: Clock,
        adapters: Mapping[str, Sequence[OnAir]],
        *,
        socket: Path | None = None,
        passive: bool = True,
        oui: str = DONGLES_OUI,
    ) -> None:
        self._clock = clock
        self._bus = PrivateBus(clock, socket)
        self.mishaps = Mishaps()
        self.controllers = {
            name: Controller(name, f"{oui}:DA:71:{number:02X}", on_air, passive=passive)
            for number, (name, on_air) in enumerate(adapters.items())
        }
        self._bluetoothd: _Bluetoothd | None = None
        self._systemd: FakeSystemd | None = None
        self._listening: list[asyncio.Task[None]] = []
        self.restarts = 0

    @property
    def address(self) -> str:
        """Of the bus, for ``DBUS_SYSTEM_BUS_ADDRESS``."""
        return self._bus.address

    @property
    def process_id(self) -> int:
        """Of the dbus-daemon."""
        return self._bus.process_id

    @property
    def systemd(self) -> FakeSystemd:
        """What a gateway asks to restart bluetoothd, or the machine."""
        assert self._systemd is not None, "asked of a fake that runs"
        return self._systemd

    async def __aenter__(self) -> FakeBluez:
        await self._bus.__aenter__()
        try:
            self._systemd = FakeSystemd(self.address, self.restart_bluetoothd)
            await self._systemd.start()
            await self.start_bluetoothd()
        except BaseException:
            await self._bus.__aexit__(None, None, None)
            raise
        self._listening = [
            asyncio.create_task(controller.listen()) for controller in self.controllers.values()
        ]
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for task in self._listening:
            task.cancel()
        ended = await asyncio.gather(*self._listening, return_exceptions=True)
        await self.systemd.stop()
        await self.stop_bluetoothd()
        await self._bus.__aexit__(kind, error, trace)
        for one in ended:
            if isinstance(one, Exception) and error is None:
                raise one

    # -- what can befall it -----------------------------------------------------------------

    async def start_bluetoothd(self) -> None:
        """Start it, if it does not run."""
        if self._bluetoothd is None:
            bluetoothd = _Bluetoothd(
                self.address, self.controllers.values(), self.mishaps, self._clock
            )
            await bluetoothd.start()
            self._bluetoothd = bluetoothd

    async def stop_bluetoothd(self) -> None:
        """Kill it: the name has no owner, links are gone, and nobody is told of any of it."""
        bluetoothd, self._bluetoothd = self._bluetoothd, None
        if bluetoothd is not None:
            await bluetoothd.die()

    async def restart_bluetoothd(self, down_s: float = 0.3) -> None:
        """Kill it and start another, as ``systemctl restart bluetooth`` does.

        Parameters
        ----------
        down_s
            How long the name has no owner, seconds.
        """
        await self.stop_bluetoothd()
        await self._clock.sleep(down_s)
        for controller in self.controllers.values():
            controller.heal("restart")
        self.restarts += 1
        await self.start_bluetoothd()

    async def unplug(self, name: str) -> None:
        """Take an adapter away: links drop, ``InterfacesRemoved`` is said for all of it."""
        controller = self.controllers[name]
        controller.present = False
        if self._bluetoothd is not None and name in self._bluetoothd.adapters:
            await self._bluetoothd.unplug(name)

    async def plug(self, name: str) -> None:
        """Bring an adapter back; it knows no device."""
        controller = self.controllers[name]
        if not controller.present:
            controller.present = True
            controller.heal("power")
            if self._bluetoothd is not None:
                self._bluetoothd.plug(controller)

    async def drop_links(self, name: str | None = None) -> int:
        """Break every link, of one adapter or of all; how many there were."""
        dropped = 0
        for controller in self.controllers.values():
            if name in (None, controller.name):
                dropped += len(controller.links)
                await controller.disconnect_all()
        return dropped

    # -- looking in -------------------------------------------------------------------------

    @property
    def running(self) -> bool:
        """Whether there is a bluetoothd."""
        return self._bluetoothd is not None

    def devices(self, name: str) -> Mapping[str, Device]:
        """The devices that an adapter knows, by address; none while it is gone."""
        if self._bluetoothd is None or name not in self._bluetoothd.adapters:
            return {}
        return self._bluetoothd.adapters[name].devices

    async def until(self, true: Callable[[], bool], *, within_s: float) -> None:
        """Wait until something is so.

        Raises
        ------
        TimeoutError
            If it is not so within `within_s`.
        """
        end_ns = self._clock.monotonic_ns() + int(within_s * 1e9)
        while not true():
            if self._clock.monotonic_ns() > end_ns:
                raise TimeoutError(f"not so within {within_s} s")
            await self._clock.sleep(0.01)
