"""AD structures: what an advert consists of on the air (Bluetooth Core, Vol 3, Part C, 11), for
radios that hand it over whole.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from contract.advert import MalformedPacketError

LONGEST: Final = 1650
"""Bytes of the longest advert there is: extended, in a chain (Core 5.0, 4.4.2.4.4)."""

_BASE: Final = "-0000-1000-8000-00805f9b34fb"
_SHORT: Final = (2, 4)
_LONG: Final = 16


class Structures:
    """What one advert says, as a scanner reports it; filled by `read_structures`."""

    __slots__ = ("local_name", "manufacturer_data", "service_data", "service_uuids")

    def __init__(self) -> None:
        self.manufacturer_data: dict[int, bytes] = {}
        self.service_data: dict[str, bytes] = {}
        self.service_uuids: list[str] = []
        self.local_name = ""


def uuid_text(data: bytes) -> str:
    """A UUID of 2, 4 or 16 bytes, little-endian as on the air, as scanners write it: lower case,
    128 bits.

    Raises
    ------
    MalformedPacketError
        If it has another length.
    """
    if len(data) in _SHORT:
        return f"{int.from_bytes(data, 'little'):08x}{_BASE}"
    if len(data) != _LONG:
        raise MalformedPacketError(f"a UUID of {len(data)} bytes")
    digits = data[::-1].hex()
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


def read_structures(data: bytes) -> Structures:
    """Read an advert.

    Parameters
    ----------
    data
        Its AD structures, one behind the other: length, type, value.

    Raises
    ------
    MalformedPacketError
        If a structure ends behind the data, or cannot be what it says.
    """
    if len(data) > LONGEST:
        raise MalformedPacketError(f"an advert of {len(data)} bytes")
    found = Structures()
    at = 0
    # A length of zero ends the significant part; zeros may follow.
    while at < len(data) and data[at]:
        end = at + 1 + data[at]
        if end > len(data):
            raise MalformedPacketError("an advert that ends within a structure")
        take = _READERS.get(data[at + 1])
        if take is not None:
            take(found, data[at + 2 : end])
        at = end
    return found


def _manufacturer(found: Structures, value: bytes) -> None:
    if len(value) < 2:
        raise MalformedPacketError("manufacturer data without a company")
    found.manufacturer_data[int.from_bytes(value[:2], "little")] = value[2:]


def _name(found: Structures, value: bytes) -> None:
    found.local_name = value.decode("utf-8", "replace")


def _service_data(size: int) -> Callable[[Structures, bytes], None]:
    def take(found: Structures, value: bytes) -> None:
        if len(value) < size:
            raise MalformedPacketError("service data without a service")
        found.service_data[uuid_text(value[:size])] = value[size:]

    return take


def _services(size: int) -> Callable[[Structures, bytes], None]:
    def take(found: Structures, value: bytes) -> None:
        if len(value) % size:
            raise MalformedPacketError("a list of services that ends within one")
        found.service_uuids.extend(
            uuid_text(value[at : at + size]) for at in range(0, len(value), size)
        )

    return take


_READERS: Final[Mapping[int, Callable[[Structures, bytes], None]]] = MappingProxyType(
    {
        0x02: _services(2),
        0x03: _services(2),
        0x04: _services(4),
        0x05: _services(4),
        0x06: _services(16),
        0x07: _services(16),
        0x08: _name,
        0x09: _name,
        0x16: _service_data(2),
        0x20: _service_data(4),
        0x21: _service_data(16),
        0xFF: _manufacturer,
    }
)
"""By type (Bluetooth SIG, Assigned Numbers, 2.3); the others say nothing that a gateway needs."""
