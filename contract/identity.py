"""A rolling identity: known to the home that has the key, and to a passer-by for 17 minutes.

A wearable with a key puts into its adverts, instead of a fixed identity,

    identity = the first 4 bytes of BLAKE2s(key, b"wardlight identity" ‖ boot ‖ epoch)

with BLAKE2s-256 keyed with 16 bytes (RFC 7693), ``boot`` the advert's boot counter and ``epoch``
its second divided by 1,024, one byte each. The four bytes stand in the advert in this order. Both
inputs are in the advert itself, so neither side needs to know the time, and a gateway that has
just started knows a wearable by the first advert that it hears. With each new identity the device
takes a new random address.

What this does not hide stands in ``docs/decisions/0011-rolling-identity.md``.
"""

from __future__ import annotations

import hashlib
import secrets
from typing import Final

KEY_BYTES: Final = 16
IDENTITY_BYTES: Final = 4

EPOCH_BITS: Final = 10
EPOCH_S: Final = 1 << EPOCH_BITS
"""1,024 s: resolvable private addresses change each 15 minutes by the Bluetooth Core's own
recommendation, and a power of two is one shift in the firmware."""

EPOCHS: Final = 1 << (16 - EPOCH_BITS)
"""64 of them until the advert's 16-bit second begins again, after 18.2 hours."""

BOOTS: Final = 256

_LABEL: Final = b"wardlight identity"
"""So that the same key may one day make something else as well."""


def parse_key(text: str) -> bytes:
    """A key from its 32 hexadecimal digits.

    Raises
    ------
    ValueError
        If it is none. The message does not repeat it.
    """
    try:
        key = bytes.fromhex(text)
    except ValueError:
        key = b""
    if len(key) != KEY_BYTES or len(text) != 2 * KEY_BYTES:
        raise ValueError(f"a key has {2 * KEY_BYTES} hexadecimal digits, and nothing else")
    return key


def new_key() -> str:
    """A random key, as hexadecimal digits."""
    return secrets.token_hex(KEY_BYTES)


def epoch(second: int) -> int:
    """Which identity of its boot a device uses at a second of its advert, 0 to 63."""
    return (second & 0xFFFF) >> EPOCH_BITS


def identity_bytes(key: bytes, boot_counter: int, epoch_number: int) -> bytes:
    """The four bytes of the identity, as they stand in the advert."""
    message = _LABEL + bytes((boot_counter, epoch_number))
    return hashlib.blake2s(message, key=key).digest()[:IDENTITY_BYTES]


def rolling_identity(key: bytes, boot_counter: int, second: int) -> int:
    """The identity field of an advert of this boot and second (`contract.advert`)."""
    return int.from_bytes(identity_bytes(key, boot_counter, epoch(second)), "little")
