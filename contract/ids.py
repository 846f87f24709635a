"""Identifiers: UUIDv7 events from an injected source, and names that are safe in a topic."""

from __future__ import annotations

import random
import re
import secrets
import uuid
from collections.abc import Callable
from typing import Final, Protocol

from contract.clock import Clock
from contract.units import NS_PER_MS

IDENTIFIER_PATTERN: Final = r"^[a-z0-9][a-z0-9-]{0,31}$"
"""Homes, gateways, residents, devices, zones: lower case, so that no two differ by case
alone, and without the characters that mean something in an MQTT topic or a file name."""

SERVICE_NAMES: Final = frozenset({"ingest", "alerts", "web"})
"""They stand where a gateway's name stands in a topic; no gateway may be called so."""

_IDENTIFIER = re.compile(IDENTIFIER_PATTERN)
_COUNTER_BITS: Final = 12
_TAIL_BITS: Final = 62


def check_identifier(value: str, what: str) -> str:
    """Return `value` if it is a valid identifier.

    Raises
    ------
    ValueError
        Naming `what` and the rule that was broken.
    """
    if not _IDENTIFIER.fullmatch(value):
        raise ValueError(
            f"{what} {value!r}: use 1 to 32 lower-case letters, digits and hyphens, "
            "beginning with a letter or digit"
        )
    return value


def check_gateway(value: str) -> str:
    """Return `value` if a gateway may be called so.

    Raises
    ------
    ValueError
        If it is no identifier, or the name of a service.
    """
    if value in SERVICE_NAMES:
        raise ValueError(f"gateway {value!r}: this name belongs to a service")
    return check_identifier(value, "gateway")


class IdSource(Protocol):
    """Where new ids come from: random in a home, seeded in a replay."""

    def new(self) -> str:
        """A new UUIDv7, in its usual text form of 36 characters."""
        ...


class UuidSource:
    """UUIDv7 (RFC 9562, 5.7) from a clock and a source of random bits.

    Ids of one source sort in the order they were made: the 12 bits after the version count
    within a millisecond (RFC 9562, 6.2, method 1), and the time part never goes back even
    if the clock does.

    Parameters
    ----------
    clock
        Gives the time part, milliseconds since 1970.
    random_bits
        A function from a number of bits to an integer of so many random bits.
    """

    def __init__(self, clock: Clock, random_bits: Callable[[int], int] = secrets.randbits) -> None:
        self._clock = clock
        self._random_bits = random_bits
        self._last_ms = -1
        self._counter = 0

    def new(self) -> str:
        milliseconds = max(self._clock.now_ns() // NS_PER_MS, 0)
        if milliseconds > self._last_ms:
            self._last_ms = milliseconds
            self._counter = self._random_bits(_COUNTER_BITS - 1)
        else:
            self._counter += 1
            if self._counter >> _COUNTER_BITS:
                self._last_ms += 1
                self._counter = 0
        high = (self._last_ms & ((1 << 48) - 1)) << 16 | 0x7000 | self._counter
        low = (0b10 << _TAIL_BITS) | self._random_bits(_TAIL_BITS)
        return str(uuid.UUID(int=high << 64 | low))


def seeded_ids(clock: Clock, seed: int | str) -> UuidSource:
    """A source that gives the same ids in every run with the same clock and seed."""
    return UuidSource(clock, random.Random(str(seed)).getrandbits)  # noqa: S311


def uuid_time_ms(identifier: str) -> int:
    """The time part of a UUIDv7, milliseconds since 1970.

    Raises
    ------
    ValueError
        If `identifier` is not a UUID of version 7.
    """
    value = uuid.UUID(identifier)
    if value.version != 7:
        raise ValueError(f"{identifier!r} is not a UUID of version 7")
    return value.int >> 80
