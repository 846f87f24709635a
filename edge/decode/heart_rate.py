"""Heart rate straps and bands of any maker: the Bluetooth SIG's Heart Rate service.

Layout of a measurement (Heart Rate Service 1.0, and GATT Specification Supplement, *Heart Rate
Measurement*): one byte of flags, the rate (uint8, or uint16 if bit 0 is set), energy expended
(uint16, if bit 3 is set), then intervals between beats (uint16, 1/1024 s each, if bit 4 is set).
Bits 1 and 2 say whether the skin is touched: bit 2 that the sensor can tell, bit 1 that it is.
"""

from __future__ import annotations

import struct
from typing import Final, NamedTuple

from contract.advert import MalformedPacketError
from contract.clock import Clock
from contract.devices import DeviceKind, SensorDecoder, WearableDecoder, WearableSink
from contract.messages import SensorConfig, WearableConfig
from contract.protocols import HeardAdvert, RadioLink
from edge.decode import standard
from edge.decode.standard import Handler
from edge.decode.uuids import (
    BATTERY_LEVEL,
    HEART_RATE_MEASUREMENT,
    HEART_RATE_SERVICE,
    offers,
)

_LONG: Final = 0x01
_IN_CONTACT: Final = 0x02
_CONTACT_KNOWN: Final = 0x04
_ENERGY: Final = 0x08
_INTERVALS: Final = 0x10

_INTERVALS_PER_S: Final = 1_024

MAX_BEATS_PER_MINUTE: Final = 300
"""No adult's ventricles beat faster for long (the fastest flutter that is conducted one to one);
more is garbage."""


class HeartRate(NamedTuple):
    """One Heart Rate Measurement."""

    beats_per_minute: int | None
    """None where it finds no pulse, which is sent as 0."""
    is_in_contact: bool | None
    """None where it cannot tell."""
    intervals_s: tuple[float, ...]
    """Between beats, the oldest first; none of a device that does not send them."""


def decode_heart_rate(data: bytes) -> HeartRate:
    """Read a Heart Rate Measurement.

    Raises
    ------
    MalformedPacketError
        If it is cut short, too long, or the rate cannot be.
    """
    if len(data) < 2:
        raise MalformedPacketError("a heart rate that is cut short")
    flags = data[0]
    end = 3 if flags & _LONG else 2
    rest = data[end + (2 if flags & _ENERGY else 0) :]
    if len(data) < end + (2 if flags & _ENERGY else 0) or len(rest) % 2:
        raise MalformedPacketError("a heart rate that is cut short")
    if rest and not flags & _INTERVALS:
        raise MalformedPacketError("a heart rate that is too long")
    rate = int.from_bytes(data[1:end], "little")
    if rate > MAX_BEATS_PER_MINUTE:
        raise MalformedPacketError(f"a heart rate above {MAX_BEATS_PER_MINUTE}")
    intervals = struct.unpack(f"<{len(rest) // 2}H", rest)
    return HeartRate(
        rate or None,
        bool(flags & _IN_CONTACT) if flags & _CONTACT_KNOWN else None,
        tuple(each / _INTERVALS_PER_S for each in intervals),
    )


def heart_rate_handler(sink: WearableSink) -> Handler:
    """Hands Heart Rate Measurement notifications to `sink`."""

    def handle(data: bytes, arrival_ns: int) -> None:
        measured = decode_heart_rate(data)
        sink.heart_rate(measured.beats_per_minute, measured.is_in_contact, arrival_ns)

    return handle


class HeartRateDecoder:
    """Reads one strap. Its adverts say nothing of its wearer."""

    def advert(self, heard: HeardAdvert, sink: WearableSink) -> None:
        pass

    async def hold(self, link: RadioLink, sink: WearableSink, clock: Clock) -> None:
        await standard.introduce(link, sink, clock)
        await standard.listen(
            link,
            sink,
            {HEART_RATE_MEASUREMENT: heart_rate_handler(sink)},
            wanted={BATTERY_LEVEL: standard.battery_handler(sink)},
        )


class HeartRateKind:
    """Everything that has the Heart Rate service and no decoder of its own."""

    name: str = "heart_rate"
    is_general: bool = True

    def recognise(self, heard: HeardAdvert) -> str | None:
        if not offers(heard, HEART_RATE_SERVICE):
            return None
        return heard.local_name or "Heart rate sensor"

    def wearable(self, config: WearableConfig) -> WearableDecoder | None:
        return HeartRateDecoder()

    def sensor(self, config: SensorConfig) -> SensorDecoder | None:
        return None


KIND: Final[DeviceKind] = HeartRateKind()
