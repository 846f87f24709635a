"""The GATT objects of one connected device: read, write, notify."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

from dbus_fast import Message, Variant

from contract.advert import MalformedPacketError
from contract.protocols import LinkLostError
from firmware_sim.bluez.connection import CallRefusedError, Reply
from firmware_sim.bluez.mishaps import FAILED
from firmware_sim.bluez.objects import Exported, ObjectTree
from firmware_sim.bluez.peripherals import Characteristic, HeldLink, Service, full_uuid

SERVICE: Final = "org.bluez.GattService1"
CHARACTERISTIC: Final = "org.bluez.GattCharacteristic1"

MTU: Final = 247
"""What BlueZ and our wearables agree on: one link-layer packet (`contract.gatt`)."""

_FIRST_HANDLE: Final = 0x000A
"""Behind the generic access and attribute services, which BlueZ does not show."""

NOT_CONNECTED: Final = (FAILED, "Not connected")


class Attributes:
    """Services and characteristics of a device, as bluetoothd shows them.

    Parameters
    ----------
    device_path
        Whose.
    services
        What it offers.
    tree
        Where they are shown.
    """

    def __init__(self, device_path: str, services: Sequence[Service], tree: ObjectTree) -> None:
        self._tree = tree
        self._link: HeldLink | None = None
        self._characteristics: list[_Attribute] = []
        self.uuids = [full_uuid(service.uuid) for service in services]
        handle = _FIRST_HANDLE
        for service in services:
            path = f"{device_path}/service{handle:04x}"
            tree.add(_service_object(path, device_path, service))
            handle += 1
            for characteristic in service.characteristics:
                attribute = _Attribute(f"{path}/char{handle:04x}", path, characteristic, tree)
                tree.add(attribute.exported)
                self._characteristics.append(attribute)
                # Declaration, value, and the descriptor that switches notifications.
                handle += 3

    def connected(self, link: HeldLink) -> None:
        """They are served by a link from now on."""
        for attribute in self._characteristics:
            attribute.link = link

    def disconnected(self) -> None:
        """There is no link: nothing is notified, and calls are refused."""
        for attribute in self._characteristics:
            attribute.end()

    def client_gone(self, client: str) -> None:
        """A client left the bus; it hears no more notifications."""
        for attribute in self._characteristics:
            attribute.forget(client)

    @property
    def notified(self) -> int:
        """Notifications that went out."""
        return sum(attribute.notified for attribute in self._characteristics)


def _service_object(path: str, device_path: str, service: Service) -> Exported:
    return Exported(
        path,
        {
            SERVICE: {
                "UUID": Variant("s", full_uuid(service.uuid)),
                "Device": Variant("o", device_path),
                "Primary": Variant("b", True),
                "Includes": Variant("ao", []),
            }
        },
        {},
    )


class _Attribute:
    """One characteristic."""

    def __init__(
        self, path: str, service_path: str, characteristic: Characteristic, tree: ObjectTree
    ) -> None:
        self._tree = tree
        self._uuid = full_uuid(characteristic.uuid)
        self._flags = characteristic.flags
        self._listeners: set[str] = set()
        self._forwarding: asyncio.Task[None] | None = None
        self._acquired: socket.socket | None = None
        self.link: HeldLink | None = None
        self.notified = 0
        properties = {
            "UUID": Variant("s", self._uuid),
            "Service": Variant("o", service_path),
            "Value": Variant("ay", b""),
            "Flags": Variant("as", list(characteristic.flags)),
            "MTU": Variant("q", MTU),
        }
        if self._notifies:
            properties["Notifying"] = Variant("b", False)
            properties["NotifyAcquired"] = Variant("b", False)
        self.exported = Exported(
            path,
            {CHARACTERISTIC: properties},
            {
                (CHARACTERISTIC, "ReadValue"): self._read,
                (CHARACTERISTIC, "WriteValue"): self._write,
                (CHARACTERISTIC, "StartNotify"): self._start_notify,
                (CHARACTERISTIC, "StopNotify"): self._stop_notify,
                (CHARACTERISTIC, "AcquireNotify"): self._acquire_notify,
            },
        )

    @property
    def _notifies(self) -> bool:
        return "notify" in self._flags or "indicate" in self._flags

    def _held(self) -> HeldLink:
        if self.link is None:
            raise CallRefusedError(*NOT_CONNECTED)
        return self.link

    async def _read(self, call: Message) -> Reply:
        link = self._held()
        if "read" not in self._flags:
            raise CallRefusedError("org.bluez.Error.NotPermitted", "Read not permitted")
        try:
            value = await link.read(self._uuid)
        except LinkLostError as error:
            raise CallRefusedError(*NOT_CONNECTED) from error
        # Whoever listens hears of what somebody read, as from BlueZ itself.
        self._tree.announce_value(self.exported.path, CHARACTERISTIC, "Value", Variant("ay", value))
        return Reply("ay", [value])

    async def _write(self, call: Message) -> Reply:
        link = self._held()
        if not {"write", "write-without-response"} & set(self._flags):
            raise CallRefusedError("org.bluez.Error.NotPermitted", "Write not permitted")
        try:
            await link.write(self._uuid, bytes(call.body[0]))
        except LinkLostError as error:
            raise CallRefusedError(*NOT_CONNECTED) from error
        except MalformedPacketError as error:
            # 0x80: the first of the codes that an application may use as it likes.
            raise CallRefusedError(FAILED, "Operation failed with ATT error: 0x80") from error
        return Reply()

    # -- notifications --------------------------------------------------------------------

    async def _start_notify(self, call: Message) -> Reply:
        link = self._held()
        if not self._notifies:
            raise CallRefusedError("org.bluez.Error.NotSupported", "Operation is not supported")
        client = str(call.sender)
        if self._acquired is not None:
            raise CallRefusedError("org.bluez.Error.NotPermitted", "Notify acquired")
        if client in self._listeners:
            raise CallRefusedError("org.bluez.Error.InProgress", "In Progress")
        self._listeners.add(client)
        if self._forwarding is None:
            self._forwarding = asyncio.create_task(self._forward(link))
            self._say("Notifying", True)
        return Reply()

    async def _stop_notify(self, call: Message) -> Reply:
        if str(call.sender) not in self._listeners:
            raise CallRefusedError(FAILED, "No notify session started")
        self.forget(str(call.sender))
        return Reply()

    async def _acquire_notify(self, call: Message) -> Reply:
        link = self._held()
        if not self._notifies:
            raise CallRefusedError("org.bluez.Error.NotSupported", "Operation is not supported")
        if self._forwarding is not None:
            raise CallRefusedError("org.bluez.Error.NotPermitted", "Notify acquired")
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.setblocking(False)
        self._acquired = ours
        self._forwarding = asyncio.create_task(self._forward_to(link, ours))
        self._say("NotifyAcquired", True)
        return Reply("hq", [0, MTU], [theirs.detach()])

    async def _forward(self, link: HeldLink) -> None:
        path, tree = self.exported.path, self._tree
        with suppress(LinkLostError):  # the device tells of it
            async for payload, _ in link.notifications(self._uuid):
                self.notified += 1
                tree.announce_value(path, CHARACTERISTIC, "Value", Variant("ay", payload))

    async def _forward_to(self, link: HeldLink, ours: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        with suppress(LinkLostError):
            async for payload, _ in link.notifications(self._uuid):
                self.notified += 1
                try:
                    await loop.sock_sendall(ours, payload)
                except OSError:
                    break  # the client closed its end: it wants no more
        self._release()

    def _release(self) -> None:
        if self._acquired is not None:
            self._acquired.close()
            self._acquired = None
            self._forwarding = None
            self._say("NotifyAcquired", False)

    def _say(self, name: str, value: bool) -> None:
        self._tree.change(self.exported.path, CHARACTERISTIC, {name: Variant("b", value)})

    def forget(self, client: str) -> None:
        """A client no longer listens."""
        if client in self._listeners:
            self._listeners.discard(client)
            if not self._listeners:
                self._quiet()

    def end(self) -> None:
        """The link is gone."""
        self.link = None
        self._listeners.clear()
        self._quiet()

    def _quiet(self) -> None:
        if self._forwarding is not None:
            self._forwarding.cancel()
            if self._acquired is None:
                self._say("Notifying", False)
            self._release()
            self._forwarding = None
