"""What stands at the other end of the air: adverts that an adapter hears, links that it opens.

An adapter of the fake listens to any number of `OnAir`. `HomeOnAir` makes one of a simulated home's
radio, so that what a simulated wearable's firmware says is what goes over D-Bus, byte for byte;
`gadgets.Gadgets` one of single devices of any make.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Final, NamedTuple, Protocol

from contract.gatt import CONTROL_UUID, SERVICE_UUID, STREAM_UUID, WINDOW_UUID
from contract.protocols import HeardAdvert, Radio, RadioLink
from firmware_sim.radio import SimulatedLink

_BLUETOOTH_BASE: Final = "-0000-1000-8000-00805f9b34fb"


class Characteristic(NamedTuple):
    """One characteristic of a peripheral."""

    uuid: str
    """All 128 bits, lower case, or four hexadecimal digits of the Bluetooth SIG's."""
    flags: tuple[str, ...]
    """``read``, ``write``, ``write-without-response``, ``notify``, ``indicate``."""


class Service(NamedTuple):
    """One service of a peripheral."""

    uuid: str
    characteristics: tuple[Characteristic, ...]


WARDLIGHT_SERVICES: Final = (
    Service(
        SERVICE_UUID,
        (
            Characteristic(WINDOW_UUID, ("notify",)),
            Characteristic(STREAM_UUID, ("notify",)),
            Characteristic(CONTROL_UUID, ("write",)),
        ),
    ),
)
"""Of our own wearables, as `contract.gatt` says it."""


def full_uuid(uuid: str) -> str:
    """All 128 bits, lower case, as BlueZ writes them."""
    lower = uuid.lower()
    if len(lower) == 4:
        return f"0000{lower}{_BLUETOOTH_BASE}"
    return f"{lower}{_BLUETOOTH_BASE}" if len(lower) == 8 else lower


class HeldLink(RadioLink, Protocol):
    """A link whose end can be waited for."""

    async def until_lost(self) -> str:
        """Return the reason once the link is gone."""
        ...


class OnAir(Protocol):
    """Peripherals within reach of one adapter."""

    def adverts(self) -> AsyncIterator[Sequence[HeardAdvert]]:
        """What they say, as it comes."""
        ...

    async def connect(self, address: str) -> HeldLink:
        """Open a link to one that was heard; raises `LinkLostError`."""
        ...

    def services(self, address: str) -> Sequence[Service]:
        """What a peripheral offers; only asked over a link."""
        ...


class HomeOnAir:
    """A simulated home (or a replay) as one of its gateways' adapters hears it.

    Parameters
    ----------
    radio
        Such as ``SimulatedHome(...).radio("gateway-a")`` or a `ReplayRadio`; its links are
        `SimulatedLink`.
    """

    def __init__(self, radio: Radio) -> None:
        self._radio = radio

    def adverts(self) -> AsyncIterator[Sequence[HeardAdvert]]:
        return self._radio.adverts()

    async def connect(self, address: str) -> HeldLink:
        link = await self._radio.connect(address)
        assert isinstance(link, SimulatedLink), "of a simulated radio"
        return link

    def services(self, address: str) -> Sequence[Service]:
        return WARDLIGHT_SERVICES
