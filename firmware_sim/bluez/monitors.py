"""Passive scanning: what ``org.bluez.AdvertisementMonitorManager1`` is asked to look for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from dbus_fast import Message

from contract.protocols import HeardAdvert
from firmware_sim.bluez.connection import CallRefusedError, Connection, Reply
from firmware_sim.bluez.objects import OBJECT_MANAGER, PROPERTIES
from firmware_sim.bluez.peripherals import full_uuid

MONITOR: Final = "org.bluez.AdvertisementMonitor1"
MANAGER: Final = "org.bluez.AdvertisementMonitorManager1"

_FLAGS_TYPE: Final = 0x01
_NAME_TYPE: Final = 0x09
_SHORT_UUIDS_TYPE: Final = 0x03
_LONG_UUIDS_TYPE: Final = 0x07
_SHORT_SERVICE_TYPE: Final = 0x16
_LONG_SERVICE_TYPE: Final = 0x21
_MANUFACTURER_TYPE: Final = 0xFF

Pattern = tuple[int, int, bytes]
"""Offset in the structure, its type, and the bytes that must stand there."""


@dataclass
class _Monitor:
    client: str
    path: str
    patterns: list[Pattern] = field(default_factory=list)
    active: bool = False


class Monitors:
    """The monitors that clients registered with one adapter."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._monitors: dict[tuple[str, str], _Monitor] = {}

    @property
    def active(self) -> bool:
        """Whether any looks for something."""
        return any(monitor.active for monitor in self._monitors.values())

    async def register(self, call: Message) -> Reply:
        """A client will show a monitor below this path; it is asked about it once it does."""
        key = (str(call.sender), str(call.body[0]))
        if key in self._monitors:
            raise CallRefusedError("org.bluez.Error.AlreadyExists", "Already Exists")
        self._monitors[key] = _Monitor(*key)
        return Reply()

    async def unregister(self, call: Message) -> Reply:
        """A client wants no more of it."""
        key = (str(call.sender), str(call.body[0]))
        if self._monitors.pop(key, None) is None:
            raise CallRefusedError("org.bluez.Error.DoesNotExist", "Does Not Exist")
        return Reply()

    def client_gone(self, client: str) -> None:
        """A client left the bus."""
        for key in [key for key in self._monitors if key[0] == client]:
            del self._monitors[key]

    async def shown(self, signal: Message) -> None:
        """A client shows objects; if one is a monitor, ask what it looks for and begin.

        Raises
        ------
        CallRefusedError
            If the client does not answer as one should.
        """
        if signal.member != "InterfacesAdded" or signal.interface != OBJECT_MANAGER:
            return
        monitor = self._monitors.get((str(signal.sender), str(signal.body[0])))
        if monitor is None or MONITOR not in signal.body[1]:
            return
        reply = await self._connection.call(
            Message(
                destination=monitor.client,
                path=monitor.path,
                interface=PROPERTIES,
                member="Get",
                signature="ss",
                body=[MONITOR, "Patterns"],
            )
        )
        monitor.patterns = [
            (int(start), int(kind), bytes(data)) for start, kind, data in reply.body[0].value
        ]
        await self._connection.call(
            Message(
                destination=monitor.client,
                path=monitor.path,
                interface=MONITOR,
                member="Activate",
            )
        )
        monitor.active = True

    def match(self, advert: HeardAdvert) -> bool:
        """Whether any looks for such an advert."""
        return any(
            content[start : start + len(wanted)] == wanted
            for monitor in self._monitors.values()
            if monitor.active
            for start, kind, wanted in monitor.patterns
            for content in _structures(advert, kind)
        )


def _structures(advert: HeardAdvert, kind: int) -> Iterator[bytes]:
    """The structures of a type that the advert has, each without its length and type."""
    if kind == _FLAGS_TYPE:
        yield b"\x06"
    elif kind == _NAME_TYPE:
        yield advert.local_name.encode()
    elif kind == _MANUFACTURER_TYPE:
        for company, data in advert.manufacturer_data.items():
            yield company.to_bytes(2, "little") + data
    elif kind in (_SHORT_SERVICE_TYPE, _LONG_SERVICE_TYPE):
        for uuid, data in advert.service_data.items():
            yield _uuid_bytes(uuid, short=kind == _SHORT_SERVICE_TYPE) + data
    elif kind in (_SHORT_UUIDS_TYPE, _LONG_UUIDS_TYPE):
        uuids: Sequence[str] = advert.service_uuids
        yield b"".join(_uuid_bytes(uuid, short=kind == _SHORT_UUIDS_TYPE) for uuid in uuids)


def _uuid_bytes(uuid: str, *, short: bool) -> bytes:
    """As it stands in an advert, lowest byte first."""
    whole = bytes.fromhex(full_uuid(uuid).replace("-", ""))
    return (whole[2:4] if short else whole)[::-1]
