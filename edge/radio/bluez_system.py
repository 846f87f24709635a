"""The machine's Bluetooth as D-Bus shows it: adapters, their power, bluetoothd and systemd.

Apart from bleak, which knows neither that bluetoothd has ended nor that an adapter is off.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

import structlog
from bleak.backends.bluezdbus.utils import get_dbus_authenticator
from dbus_fast import BusType, Message, MessageType, Variant
from dbus_fast.aio import MessageBus

from contract.clock import Clock
from edge.radio.bluez_library import BLEAK_ERRORS, reason_of
from edge.radio.calls import Calls
from edge.radio.watchdog import RemedyFailedError

_log = structlog.get_logger(__name__)

BLUEZ: Final = "org.bluez"
ADAPTER: Final = "org.bluez.Adapter1"
UNIT: Final = "bluetooth.service"
_SYSTEMD: Final = "org.freedesktop.systemd1"
_DBUS: Final = "org.freedesktop.DBus"
_PROPERTIES: Final = "org.freedesktop.DBus.Properties"
_OBJECTS: Final = "org.freedesktop.DBus.ObjectManager"

CALL_LIMIT_S: Final = 5.0
"""For what D-Bus or BlueZ answers from memory, within milliseconds."""

POWER_LIMIT_S: Final = 10.0
"""An adapter loads its firmware when it is switched on: 2 to 5 s on a Raspberry Pi."""

SERVICE_LIMIT_S: Final = 40.0
"""A bluetoothd that ends when it is told to is back with its adapters after two to five seconds.
One that hangs is killed by systemd after 90 s (its default): then this is told as failed, the
restart comes all the same, and the next rung is a person."""

REBOOT_APART_S: Final = 6 * 3_600.0
"""Uptime before the machine restarts itself for a deaf radio: an adapter that is dead for good must
not make it restart all day."""

_RULES: Final = (
    f"type='signal',sender='{_DBUS}',interface='{_DBUS}',member='NameOwnerChanged',arg0='{BLUEZ}'",
    f"type='signal',sender='{BLUEZ}',interface='{_OBJECTS}',member='InterfacesAdded',path='/'",
    f"type='signal',sender='{BLUEZ}',interface='{_OBJECTS}',member='InterfacesRemoved',path='/'",
    f"type='signal',sender='{BLUEZ}',interface='{_PROPERTIES}',member='PropertiesChanged',"
    f"arg0='{ADAPTER}'",
)
"""bluez sends from `/` what comes and goes. Of changed properties only an adapter's concern us:
adverts come by bleak's own connection, and not twice."""


class NoSystemBusError(OSError):
    """The system's D-Bus cannot be used; the reason is the message."""


class AdapterState(NamedTuple):
    """An adapter as BlueZ shows it."""

    name: str
    address: str
    powered: bool


class BluezSystem:
    """Follows what adapters there are, and does to them what the ladder asks for.

    Parameters
    ----------
    on_change
        Called when an adapter or bluetoothd comes or goes, and when D-Bus itself is lost.
    """

    def __init__(self, clock: Clock, calls: Calls, on_change: Callable[[], None]) -> None:
        self._clock = clock
        self._calls = calls
        self._on_change = on_change
        self._bus: MessageBus | None = None
        self._watching: asyncio.Task[None] | None = None
        self._owned = False
        self._turn: asyncio.Future[None] | None = None
        self._signals: Mapping[str, Callable[[Message], None]] = {
            "NameOwnerChanged": self._owner_changed,
            "InterfacesAdded": self._interfaces_added,
            "InterfacesRemoved": self._interfaces_removed,
            "PropertiesChanged": self._properties_changed,
        }
        self.adapters: dict[str, AdapterState] = {}
        self.generation = 0
        """Grows with each bluetoothd that comes or goes: what the last one said is void."""

    @property
    def connected(self) -> bool:
        """Whether there is a D-Bus to ask."""
        return self._bus is not None

    @property
    def running(self) -> bool:
        """Whether bluetoothd runs."""
        return self._owned

    async def open(self) -> None:
        """Connect; what is there is learnt by `refresh`.

        Raises
        ------
        NoSystemBusError
            If there is no D-Bus, or it lets us do nothing.
        """
        bus = MessageBus(bus_type=BusType.SYSTEM, auth=get_dbus_authenticator())
        try:
            await self._calls.within(CALL_LIMIT_S, bus.connect(), "connecting to D-Bus")
            bus.add_message_handler(self._take)
            self._bus = bus
            for rule in _RULES:
                await self._call(_to_dbus("AddMatch", rule))
        except (*BLEAK_ERRORS, RemedyFailedError) as error:
            self._bus = None
            bus.disconnect()
            raise NoSystemBusError(reason_of(error)) from error
        self._watching = asyncio.create_task(self._until_lost(bus))

    async def close(self) -> None:
        """Let go of D-Bus."""
        bus, self._bus = self._bus, None
        if bus is not None:
            bus.disconnect()
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.gather(self._watching, return_exceptions=True)

    async def refresh(self) -> None:
        """Ask for everything anew; raises `RemedyFailedError` where bluetoothd does not answer."""
        try:
            await self._call(_to_dbus("GetNameOwner", BLUEZ))
        except RemedyFailedError:
            self._lost_owner()
            return
        everything = Message(
            destination=BLUEZ, path="/", interface=_OBJECTS, member="GetManagedObjects"
        )
        self._owned = True
        (objects,) = await self._call(everything)
        self.adapters = {}
        for path, interfaces in objects.items():
            self._added(path, interfaces)

    async def switch(self, adapter: str, *, on: bool) -> None:
        """Switch an adapter on or off; raises `RemedyFailedError`."""
        message = Message(
            destination=BLUEZ,
            path=f"/org/bluez/{adapter}",
            interface=_PROPERTIES,
            member="Set",
            signature="ssv",
            body=[ADAPTER, "Powered", Variant("b", on)],
        )
        await self._call(message, POWER_LIMIT_S)

    async def restart_service(self) -> None:
        """Let systemd restart bluetoothd, and wait until it is back; raises `RemedyFailedError`.

        Needs the right to (polkit's ``org.freedesktop.systemd1.manage-units``), which is asked for
        without a dialogue.
        """
        # One ends and one begins; where none ran, one begins.
        wanted = self.generation + (2 if self._owned else 1)
        await self._systemd("RestartUnit", UNIT, "replace")
        await self._calls.within(
            SERVICE_LIMIT_S, self._until(wanted), "the Bluetooth service's restart"
        )

    async def reboot(self) -> None:
        """Restart the machine; raises `RemedyFailedError`."""
        up_s = uptime_s()
        if up_s < REBOOT_APART_S:
            raise RemedyFailedError(f"it was restarted {up_s / 60:.0f} min ago")
        await self._systemd("StartUnit", "reboot.target", "replace-irreversibly")

    async def _until(self, generation: int) -> None:
        while self.generation < generation:
            self._turn = asyncio.get_running_loop().create_future()
            await self._turn

    async def _systemd(self, member: str, *body: str) -> None:
        message = Message(
            destination=_SYSTEMD,
            path="/org/freedesktop/systemd1",
            interface=f"{_SYSTEMD}.Manager",
            member=member,
            signature="ss",
            body=list(body),
        )
        await self._call(message, SERVICE_LIMIT_S)

    async def _call(self, message: Message, limit_s: float | None = None) -> list[Any]:
        """Call a method; raises `RemedyFailedError` with what was answered instead."""
        if self._bus is None:
            raise RemedyFailedError("there is no D-Bus")
        try:
            reply = await self._calls.within(
                limit_s or CALL_LIMIT_S, self._bus.call(message), message.member or "a call"
            )
        except BLEAK_ERRORS as error:
            raise RemedyFailedError(reason_of(error)) from error
        assert reply is not None, "a call that wants an answer gets one"
        if reply.message_type is MessageType.ERROR:
            said = f": {reply.body[0]}" if reply.body else ""
            raise RemedyFailedError(f"{reply.error_name}{said}")
        return list(reply.body)

    async def _until_lost(self, bus: MessageBus) -> None:
        try:
            await bus.wait_for_disconnect()  # type: ignore[no-untyped-call]
            reason = "it was closed"
        except BLEAK_ERRORS as error:
            reason = reason_of(error)
        if self._bus is bus:
            _log.warning("system_bus_lost", reason=reason)
            self._bus = None
            self._lost_owner()
            self._on_change()

    def _lost_owner(self) -> None:
        self.adapters = {}
        if self._owned:
            self._owned = False
            self._next_generation()

    def _next_generation(self) -> None:
        self.generation += 1
        if self._turn is not None and not self._turn.done():
            self._turn.set_result(None)

    # -- signals ----------------------------------------------------------------------------

    def _take(self, message: Message) -> None:
        take = self._signals.get(message.member or "")
        if take is None or message.message_type is not MessageType.SIGNAL:
            return
        before = (self.adapters, self.generation)
        take(message)
        if (self.adapters, self.generation) != before:
            self._on_change()

    def _owner_changed(self, message: Message) -> None:
        _name, old, new = message.body
        if old:
            self._lost_owner()
        if new:
            self._owned = True
            self._next_generation()

    def _interfaces_added(self, message: Message) -> None:
        path, interfaces = message.body
        self._added(path, interfaces)

    def _added(self, path: str, interfaces: dict[str, dict[str, Variant]]) -> None:
        properties = interfaces.get(ADAPTER)
        if properties is None:
            return
        name = path.rpartition("/")[2]
        address, powered = properties.get("Address"), properties.get("Powered")
        self.adapters = self.adapters | {
            name: AdapterState(
                name,
                address.value if address is not None else "",
                bool(powered is not None and powered.value),
            )
        }

    def _interfaces_removed(self, message: Message) -> None:
        path, interfaces = message.body
        name = path.rpartition("/")[2]
        if ADAPTER in interfaces and name in self.adapters:
            self.adapters = {each: self.adapters[each] for each in self.adapters if each != name}

    def _properties_changed(self, message: Message) -> None:
        interface, changed, _invalidated = message.body
        name = (message.path or "").rpartition("/")[2]
        state = self.adapters.get(name)
        if interface == ADAPTER and state is not None and "Powered" in changed:
            powered = bool(changed["Powered"].value)
            self.adapters = self.adapters | {name: state._replace(powered=powered)}


def _to_dbus(member: str, argument: str) -> Message:
    return Message(
        destination=_DBUS,
        path="/org/freedesktop/DBus",
        interface=_DBUS,
        member=member,
        signature="s",
        body=[argument],
    )


def uptime_s() -> float:
    """Seconds since the machine booted; 0 where it does not say."""
    try:
        return float(Path("/proc/uptime").read_text("ascii").split()[0])
    except (OSError, ValueError, IndexError):
        return 0.0
