"""Simulated room sensors: BTHome v2 (https://bthome.io/format), as such firmware sends it.

The objects are encoded here by the format's own tables, and encrypted with AES-CCM as it says;
nothing is shared with who reads them.
"""

from __future__ import annotations

import random
import zlib
from collections.abc import Sequence
from enum import StrEnum
from typing import Any, Final, NamedTuple

from contract.devices import Quantity
from contract.messages import SensorConfig
from contract.units import NS_PER_MS, NS_PER_S, seconds_to_ns

SERVICE_UUID: Final = "0000fcd2-0000-1000-8000-00805f9b34fb"
_SHORT_UUID: Final = b"\xd2\xfc"

BURST_ADVERTS: Final = 6
BURST_INTERVAL_NS: Final = 200 * NS_PER_MS
"""Each packet is sent several times within a second, as battery-driven sensors do."""

_PLAIN: Final = 0x40
_ENCRYPTED: Final = 0x41
"""BTHome version 2 in the three upper bits, encryption in the lowest."""

_PACKET: Final = 0x00


class SensorKind(StrEnum):
    """What a simulated sensor is."""

    MOTION = "motion"
    DOOR = "door"
    CALL_POINT = "call_point"
    BED = "bed"
    CLIMATE = "climate"


class _Object(NamedTuple):
    """How BTHome writes one thing: its number, bytes, and what one count is worth."""

    number: int
    size: int
    worth: float
    signed: bool = False


_OBJECTS: Final = {
    Quantity.BATTERY_PERCENT: _Object(0x01, 1, 1.0),
    Quantity.TEMPERATURE_C: _Object(0x02, 2, 0.01, signed=True),
    Quantity.HUMIDITY_PERCENT: _Object(0x03, 2, 0.01),
    Quantity.MOTION: _Object(0x21, 1, 1.0),
    Quantity.OCCUPIED: _Object(0x23, 1, 1.0),
    Quantity.OPENING: _Object(0x1A, 1, 1.0),
    Quantity.PRESS: _Object(0x3A, 1, 1.0),
}

_SAYS: Final = {
    SensorKind.MOTION: (Quantity.MOTION,),
    SensorKind.DOOR: (Quantity.OPENING,),
    SensorKind.CALL_POINT: (),
    SensorKind.BED: (Quantity.OCCUPIED,),
    SensorKind.CLIMATE: (Quantity.TEMPERATURE_C, Quantity.HUMIDITY_PERCENT),
}
"""What each says every time, beside its battery."""

_EVERY_NS: Final = {
    SensorKind.MOTION: seconds_to_ns(120),
    SensorKind.DOOR: seconds_to_ns(300),
    SensorKind.CALL_POINT: seconds_to_ns(600),
    SensorKind.BED: seconds_to_ns(60),
    SensorKind.CLIMATE: seconds_to_ns(60),
}
"""How often each speaks unasked."""


def encode_objects(values: Sequence[tuple[Quantity, float]], packet: int | None = None) -> bytes:
    """The objects of one packet, in the order of their numbers as the format asks."""
    written = [] if packet is None else [(_PACKET, bytes((_PACKET, packet % 256)))]
    for quantity, value in values:
        how = _OBJECTS[quantity]
        count = round(value / how.worth)
        body = count.to_bytes(how.size, "little", signed=how.signed)
        written.append((how.number, bytes((how.number,)) + body))
    return b"".join(body for _, body in sorted(written, key=lambda each: each[0]))


def plain(objects: bytes) -> bytes:
    """Service data without encryption."""
    return bytes((_PLAIN,)) + objects


def encrypted(objects: bytes, key: bytes, address: str, counter: int) -> bytes:
    """Service data, encrypted (https://bthome.io/encryption): AES-CCM with a check of 4 bytes; the
    nonce is address, UUID, information byte and counter.
    """
    information, count = bytes((_ENCRYPTED,)), counter.to_bytes(4, "little")
    nonce = bytes.fromhex(address.replace(":", "")) + _SHORT_UUID + information + count
    sealed: bytes = _cipher(key).encrypt(nonce, objects, None)
    return information + sealed[:-4] + count + sealed[-4:]


def _cipher(key: bytes) -> Any:
    from cryptography.hazmat.primitives.ciphers.aead import AESCCM

    return AESCCM(key, tag_length=4)


class RoomSensor:
    """One sensor: speaks when something changes, and every so often.

    Parameters
    ----------
    kind
        What it is.
    config
        Under which device name, address and key the home knows it, and where it is.
    counter
        At which its counter begins; real ones begin at 0 or anywhere.
    seed
        Decides when it first speaks.
    """

    def __init__(
        self, kind: SensorKind, config: SensorConfig, *, counter: int = 0, seed: int = 0
    ) -> None:
        self.kind = kind
        self.config = config
        self.address = config.address
        self.local_name = f"Sim {kind.value}"
        self.heard = True
        """False: out of range, or its battery is flat."""
        self.lost_key = False
        """It was reset and speaks without encryption since."""
        self.battery_percent = 90
        self.values: dict[Quantity, float] = dict.fromkeys(_SAYS[kind], 0.0)
        if kind is SensorKind.CLIMATE:
            self.values = {Quantity.TEMPERATURE_C: 24.5, Quantity.HUMIDITY_PERCENT: 55.0}
        self._key = bytes.fromhex(config.key) if config.key else None
        self._counter = counter
        self._packet = 0
        self._burst: list[bytes] = []
        self._waiting: list[tuple[tuple[Quantity, float], ...]] = []
        first = random.Random(f"{seed}/{zlib.crc32(config.device.encode())}")  # noqa: S311
        self._next_ns: int | None = None
        self._phase = first.random()

    # -- what happens to it ----------------------------------------------------------------------

    def press(self, value: int = 1) -> None:
        """Somebody presses it: 1 short, 2 double, 3 triple, 4 long."""
        self._waiting.append(((Quantity.PRESS, float(value)),))

    def set(self, quantity: Quantity, value: float) -> None:
        """It measures something else from now on, and says so at once if it is a state."""
        changed = self.values.get(quantity) != value
        self.values[quantity] = value
        if changed and quantity in {Quantity.MOTION, Quantity.OPENING, Quantity.OCCUPIED}:
            self._waiting.append(())

    def change_battery(self, counter: int = 0) -> None:
        """A new battery: it begins to count anew."""
        self.battery_percent = 100
        self._counter, self._packet = counter, 0

    # -- what it sends ---------------------------------------------------------------------------

    def packet(self, more: Sequence[tuple[Quantity, float]] = ()) -> bytes:
        """The service data of its next packet."""
        values = [(Quantity.BATTERY_PERCENT, float(self.battery_percent)), *self.values.items()]
        self._packet = (self._packet + 1) % 256
        objects = encode_objects([*values, *more], self._packet)
        if self._key is None or self.lost_key:
            return plain(objects)
        self._counter += 1
        return encrypted(objects, self._key, self.address, self._counter)

    def adverts(self, now_ns: int) -> list[bytes]:
        """Service data of what it sends at `now_ns`; asked for every `BURST_INTERVAL_NS` or more
        rarely. At most one advert of a burst, and none while there is nothing to say.
        """
        if self._next_ns is None:
            self._next_ns = now_ns + int(_EVERY_NS[self.kind] * self._phase)
        if self._waiting:
            self._burst = [self.packet(self._waiting.pop(0))] * BURST_ADVERTS
        elif now_ns >= self._next_ns and not self._burst:
            self._burst = [self.packet()] * BURST_ADVERTS
            self._next_ns = now_ns + _EVERY_NS[self.kind]
        if not self.heard or not self._burst:
            return []
        return [self._burst.pop()]


class Replayer:
    """Somebody who records what sensors say, and sends it again later."""

    def __init__(self) -> None:
        self.recorded: list[tuple[str, bytes]] = []

    def hear(self, sensor: RoomSensor, data: bytes) -> bytes:
        """Record an advert; returns it."""
        self.recorded.append((sensor.address, data))
        return data


RATE_PER_S: Final = NS_PER_S / BURST_INTERVAL_NS
"""Adverts a second within a burst."""
