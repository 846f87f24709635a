"""A capture of wearables whose identity rolls: written as if it stayed.

Whoever replays a capture has no keys, and should not: with one a person could be followed
elsewhere. So while it is recorded an advert of such a wearable gets the one address and identity
under which the capture's scene lists its device, and so do its links. Everything else is as heard.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Final

from contract.advert import COMPANY_ID, is_own_layout
from contract.identities import Identities
from contract.identity import parse_key
from contract.messages import WearableConfig
from contract.protocols import HeardAdvert

OWN_KIND: Final = "wardlight"

ADDRESSES_KEPT: Final = 8
"""Of each wearable, the latest: a link may stand through some rolls."""

_IDENTITY: Final = slice(1, 5)


def pinned(config: WearableConfig) -> tuple[str, int]:
    """Address and identity of a wearable in a capture: its own, or made of its device's name."""
    if config.key is None or config.kind != OWN_KIND:
        return config.address, config.identity
    drawn = hashlib.blake2s(config.device.encode(), person=b"capture").digest()
    address = bytes((drawn[0] | 0xC0, *drawn[1:6]))
    return address.hex(":").upper(), int.from_bytes(drawn[6:10], "little") or 1


class Pinning:
    """Follows the wearables with a key while a capture is written."""

    def __init__(self) -> None:
        self._pins: list[tuple[str, bytes]] = []
        self._identities = Identities(())
        self._addresses: dict[str, str] = {}
        """From where one of them was heard lately, to the address that the capture has."""

    def follow(self, wearables: Sequence[WearableConfig]) -> None:
        """Know the keys of these, and no others."""
        keyed = [each for each in wearables if each.key is not None and each.kind == OWN_KIND]
        self._identities = Identities([parse_key(each.key or "") for each in keyed])
        self._pins = [
            (address, identity.to_bytes(4, "little")) for address, identity in map(pinned, keyed)
        ]

    def advert(self, heard: HeardAdvert) -> HeardAdvert:
        """An advert as the capture has it."""
        data = heard.manufacturer_data.get(COMPANY_ID)
        if not self._pins or data is None:
            return heard
        if not is_own_layout(data):
            # Spoilt on its way: from the address that it came from it is still whose it is.
            return heard._replace(address=self.address(heard.address))
        number = self._identities.find(data)
        if number is None:
            return heard._replace(address=self.address(heard.address))
        address, identity = self._pins[number]
        self._remember(heard.address, address)
        whole = bytearray(data)
        whole[_IDENTITY] = identity
        return heard._replace(
            address=address, manufacturer_data={**heard.manufacturer_data, COMPANY_ID: bytes(whole)}
        )

    def knows(self, heard: HeardAdvert) -> bool:
        """Whether it is of one of them."""
        data = heard.manufacturer_data.get(COMPANY_ID)
        if not self._pins or data is None:
            return False
        return heard.address in self._addresses or (
            is_own_layout(data) and self._identities.find(data) is not None
        )

    def address(self, address: str) -> str:
        """An address as the capture has it."""
        return self._addresses.get(address, address)

    def _remember(self, heard: str, address: str) -> None:
        if heard not in self._addresses and len(self._addresses) >= ADDRESSES_KEPT * len(
            self._pins
        ):
            del self._addresses[next(iter(self._addresses))]
        self._addresses[heard] = address
