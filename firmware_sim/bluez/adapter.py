"""An adapter as bluetoothd shows it: discovery, passive scanning, power, and its devices."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Final

from dbus_fast import Message, Variant

from contract.clock import Clock
from contract.protocols import HeardAdvert
from contract.units import NS_PER_S
from firmware_sim.bluez.connection import CallRefusedError, Connection, Reply
from firmware_sim.bluez.controller import Controller
from firmware_sim.bluez.device import Device
from firmware_sim.bluez.mishaps import FAILED, IN_PROGRESS, Mishap, refusal
from firmware_sim.bluez.monitors import MANAGER, Monitors
from firmware_sim.bluez.objects import Exported, ObjectTree, Properties

ADAPTER: Final = "org.bluez.Adapter1"

KEPT_S: Final = 30.0
"""A device that was not heard for so long is forgotten (TemporaryTimeout of BlueZ's main.conf)."""

POWER_S: Final = 0.2
"""A controller takes about so long to come up."""


class Adapter:
    """One adapter of one bluetoothd.

    Parameters
    ----------
    controller
        Which it drives.
    tree, connection, clock
        Where it is shown, to whom it talks, and by which it waits.
    """

    def __init__(
        self, controller: Controller, *, tree: ObjectTree, connection: Connection, clock: Clock
    ) -> None:
        self.path = f"/org/bluez/{controller.name}"
        self.controller = controller
        self.devices: dict[str, Device] = {}
        self._tree = tree
        self._clock = clock
        self._sessions: dict[str, Mapping[str, Any]] = {}
        """Filters of the clients that are discovering."""
        self._filters: dict[str, Mapping[str, Any]] = {}
        self._monitors = Monitors(connection)
        self._powered = True
        self._duplicates = False
        properties: Properties = {
            "Address": Variant("s", controller.address),
            "AddressType": Variant("s", "public"),
            "Name": Variant("s", "wardlight"),
            "Alias": Variant("s", "wardlight"),
            "Class": Variant("u", 0),
            "Powered": Variant("b", True),
            "PowerState": Variant("s", "on"),
            "Discoverable": Variant("b", False),
            "Pairable": Variant("b", False),
            "Discovering": Variant("b", False),
            "UUIDs": Variant("as", []),
            "Modalias": Variant("s", "usb:v1D6Bp0246d0542"),
            "Roles": Variant("as", ["central", "peripheral"]),
        }
        interfaces = {ADAPTER: properties}
        if controller.passive:
            interfaces[MANAGER] = {
                "SupportedMonitorTypes": Variant("as", ["or_patterns"]),
                "SupportedFeatures": Variant("as", []),
            }
        monitoring = {
            (MANAGER, "RegisterMonitor"): self._register_monitor,
            (MANAGER, "UnregisterMonitor"): self._monitors.unregister,
        }
        tree.add(
            Exported(
                self.path,
                interfaces,
                {
                    (ADAPTER, "SetDiscoveryFilter"): self._set_filter,
                    (ADAPTER, "GetDiscoveryFilters"): self._get_filters,
                    (ADAPTER, "StartDiscovery"): self._start,
                    (ADAPTER, "StopDiscovery"): self._stop,
                    (ADAPTER, "RemoveDevice"): self._remove_device,
                    **(monitoring if controller.passive else {}),
                },
                {(ADAPTER, "Powered"): self._set_powered},
            )
        )
        controller.listener = self._hear

    # -- discovery ------------------------------------------------------------------------

    def _check_powered(self) -> None:
        if not self._powered:
            raise refusal(Mishap.NOT_READY)

    async def _set_filter(self, call: Message) -> Reply:
        wanted = {name: variant.value for name, variant in call.body[0].items()}
        client = str(call.sender)
        self._filters[client] = wanted
        if client in self._sessions:
            self._sessions[client] = wanted
            self._judge()
        return Reply()

    async def _get_filters(self, call: Message) -> Reply:
        return Reply(
            "as", [["UUIDs", "RSSI", "Pathloss", "Transport", "DuplicateData", "Discoverable"]]
        )

    async def _start(self, call: Message) -> Reply:
        self._check_powered()
        client = str(call.sender)
        if client in self._sessions:
            raise CallRefusedError(IN_PROGRESS, "Operation already in progress")
        self._sessions[client] = self._filters.get(client, {})
        self.controller.heal("scan")
        self._judge()
        return Reply()

    async def _stop(self, call: Message) -> Reply:
        self._check_powered()
        if self._sessions.pop(str(call.sender), None) is None:
            raise CallRefusedError(FAILED, "No discovery started")
        self._judge()
        return Reply()

    async def _register_monitor(self, call: Message) -> Reply:
        self._check_powered()
        reply = await self._monitors.register(call)
        self.controller.heal("scan")
        return reply

    def _judge(self) -> None:
        """Sessions have changed: say whether there are any."""
        self._duplicates = any(wanted.get("DuplicateData") for wanted in self._sessions.values())
        self._tree.change(self.path, ADAPTER, {"Discovering": Variant("b", bool(self._sessions))})
        if not self._sessions and not self._monitors.active:
            for device in self.devices.values():
                device.unheard()

    def _hear(self, batch: Sequence[HeardAdvert]) -> None:
        if not self._powered:
            return
        discovering = bool(self._sessions)
        if not discovering and not self._monitors.active:
            return
        for advert in batch:
            if not discovering and not self._monitors.match(advert):
                continue
            device = self.devices.get(advert.address)
            if device is not None:
                # A monitor reports each advert, whether it says anything new or not.
                device.hear(advert, duplicates=self._duplicates or not discovering)
            elif self._wanted(advert):
                self.devices[advert.address] = Device(
                    self.path,
                    advert,
                    controller=self.controller,
                    tree=self._tree,
                    clock=self._clock,
                )

    def _wanted(self, advert: HeardAdvert) -> bool:
        """Whether some client's filter lets a new device pass."""
        if not self._sessions:
            return True
        return any(
            advert.rssi_dbm >= wanted.get("RSSI", -127)
            and (not wanted.get("UUIDs") or set(wanted["UUIDs"]) & set(advert.service_uuids))
            for wanted in self._sessions.values()
        )

    def forget_silent(self) -> None:
        """Take away devices that were not heard for `KEPT_S`."""
        oldest_ns = self._clock.monotonic_ns() - int(KEPT_S * NS_PER_S)
        for device in list(self.devices.values()):
            if device.seen_ns < oldest_ns and not device.connected:
                self._take_away(device)

    def _take_away(self, device: Device) -> None:
        del self.devices[device.address]
        self._tree.remove(device.path)

    async def _remove_device(self, call: Message) -> Reply:
        for device in list(self.devices.values()):
            if device.path == call.body[0]:
                await device.drop()
                self._take_away(device)
                return Reply()
        raise CallRefusedError("org.bluez.Error.DoesNotExist", "Does Not Exist")

    # -- power, clients and the end ---------------------------------------------------------

    async def _set_powered(self, value: bool) -> None:
        if value == self._powered:
            return
        if not value:
            self._powered = False
            await asyncio.gather(*(device.drop() for device in self.devices.values()))
            self._sessions.clear()
            self._judge()
        else:
            await self._clock.sleep(POWER_S)
            self._powered = True
            self.controller.heal("power")
        self._tree.change(
            self.path,
            ADAPTER,
            {
                "Powered": Variant("b", value),
                "PowerState": Variant("s", "on" if value else "off"),
            },
        )

    async def shown(self, signal: Message) -> None:
        """A client shows objects; see `Monitors.shown`."""
        await self._monitors.shown(signal)

    def client_gone(self, client: str) -> None:
        """A client left the bus: its discovery, its monitors and its notifications end; its
        links do not.
        """
        self._filters.pop(client, None)
        self._monitors.client_gone(client)
        for device in self.devices.values():
            device.client_gone(client)
        if self._sessions.pop(client, None) is not None:
            self._judge()

    async def close(self, *, told: bool) -> None:
        """Be gone.

        Parameters
        ----------
        told
            Whether clients are told: yes if the adapter was unplugged, no if bluetoothd died.
        """
        if self.controller.listener == self._hear:
            self.controller.listener = None
        await asyncio.gather(*(device.close() for device in self.devices.values()))
        self.devices.clear()
        if told:
            self._tree.remove(self.path)
