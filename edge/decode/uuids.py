"""UUIDs of services and characteristics, and whether an advert names one."""

from __future__ import annotations

from typing import Final

from contract.protocols import HeardAdvert

_BASE: Final = "-0000-1000-8000-00805f9b34fb"
"""The Bluetooth base UUID, which assigned numbers are short for (Core Specification, 3.B.2.5.1)."""


def assigned(number: int) -> str:
    """The whole UUID, lower case, of one of the Bluetooth SIG's 16-bit numbers."""
    return f"0000{number:04x}{_BASE}"


def full(uuid: str) -> str:
    """The whole UUID, lower case, however it was written: 16, 32 or 128 bits."""
    lower = uuid.lower()
    short = {4: f"0000{lower}{_BASE}", 8: f"{lower}{_BASE}"}
    return short.get(len(lower), lower)


def offers(heard: HeardAdvert, service: str) -> bool:
    """Whether an advert says that its device has this service."""
    return any(full(each) == service for each in heard.service_uuids)


HEART_RATE_SERVICE: Final = assigned(0x180D)
HEART_RATE_MEASUREMENT: Final = assigned(0x2A37)
BATTERY_SERVICE: Final = assigned(0x180F)
BATTERY_LEVEL: Final = assigned(0x2A19)
DEVICE_INFORMATION_SERVICE: Final = assigned(0x180A)
MANUFACTURER_NAME: Final = assigned(0x2A29)
MODEL_NUMBER: Final = assigned(0x2A24)
FIRMWARE_REVISION: Final = assigned(0x2A26)
