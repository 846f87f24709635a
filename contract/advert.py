"""The wearable's advertisement, byte by byte: 31 bytes, the longest legacy advert.

====== ===== ============================================================================
offset bytes field (little-endian)
====== ===== ============================================================================
0      3     flags AD structure: ``02 01 06`` (general discoverable, no classic Bluetooth)
3      2     manufacturer AD structure: length 27, type 0xFF
5      2     company id, `COMPANY_ID`
7      1     version of this layout, `ADVERT_VERSION`
8      4     identity, uint32, pseudonymous
12     1     boot counter, uint8: another value means that the counters below restarted
13     2     second, uint16: the device's seconds since boot at the end of this summary
15     6     mean acceleration x y z over that second, int16, 1/4096 g
21     1     least |a| after the 10 Hz low-pass, uint8, 1/32 g
22     1     greatest |a| after the low-pass, uint8, 1/16 g
23     1     standard deviation of |a|, uint8, square-root scale: (n/255)² × 4 g
24     1     battery, uint8, percent; 255 unknown
25     1     flags, `AdvertFlag`
26     1     candidate counter, uint8
27     1     seconds since the latest candidate, uint8; 255 means that or longer
28     1     greatest |a| of that candidate, uint8, 1/16 g
29     1     button counter, uint8
30     1     heart rate, uint8, beats per minute; 0 unknown
====== ===== ============================================================================

A counter's *pending* flag stays set, and the advert keeps saying so, until a gateway has
written the counter back (`contract.gatt`), which it does after the result is in its outbox.
"""

from __future__ import annotations

import math
import struct
from functools import lru_cache
from typing import Final

import msgspec

ADVERT_BYTES: Final = 31
ADVERT_VERSION: Final = 1
COMPANY_ID: Final = 0xFFFF
"""Reserved by the Bluetooth SIG for tests; a product that ships radios gets its own."""

_FLAGS_STRUCTURE: Final = bytes((0x02, 0x01, 0x06))
_MANUFACTURER_TYPE: Final = 0xFF
_LAYOUT: Final = struct.Struct("<BIBH3hBBBBBBBBBB")
MANUFACTURER_BYTES: Final = _LAYOUT.size
"""Length of the manufacturer data behind the company id: 24."""

_MEAN_COUNTS_PER_G: Final = 4096
_LEAST_COUNTS_PER_G: Final = 32
_GREATEST_COUNTS_PER_G: Final = 16
_DEVIATION_FULL_SCALE_G: Final = 4.0
_UINT8: Final = 255
_BATTERY_UNKNOWN: Final = 255

# What each byte stands for, made once: a gateway decodes every advert that it hears.
_LEAST_G: Final = tuple(count / _LEAST_COUNTS_PER_G for count in range(256))
_GREATEST_G: Final = tuple(count / _GREATEST_COUNTS_PER_G for count in range(256))
_DEVIATION_G: Final = tuple((n / _UINT8) ** 2 * _DEVIATION_FULL_SCALE_G for n in range(256))


class AdvertFlag:
    """Bits of the flags byte. Plain integers: `enum.IntFlag` would make up half the cost of
    decoding an advert, and a gateway decodes every one that it hears.
    """

    WORN: Final = 1
    WEAR_KNOWN: Final = 2
    """Without it `WORN` says nothing: this wearable cannot tell."""
    CHARGING: Final = 4
    SATURATED: Final = 8
    """A sample of this second reached the sensor's range."""
    CANDIDATE_PENDING: Final = 16
    BUTTON_PENDING: Final = 32


def is_own_layout(data: bytes) -> bool:
    """Whether this may be the manufacturer data of one of our wearables."""
    return len(data) == MANUFACTURER_BYTES and data[0] == ADVERT_VERSION


class MalformedPacketError(ValueError):
    """Bytes from the air that cannot be what they claim to be; the reason is the message."""


class WearableAdvert(msgspec.Struct, frozen=True, kw_only=True):
    """One second of one wearable, decoded."""

    identity: int
    boot_counter: int
    second: int
    mean_g: tuple[float, float, float]
    min_g: float
    max_g: float
    deviation_g: float
    battery_percent: int | None
    worn: bool | None
    charging: bool
    saturated: bool
    candidate_counter: int
    candidate_pending: bool
    candidate_age_s: int
    """255 means that or longer."""
    candidate_peak_g: float
    button_counter: int
    button_pending: bool
    heart_rate_bpm: int | None


def encode_manufacturer_data(advert: WearableAdvert) -> bytes:
    """The 24 bytes behind the company id; values beyond a field's range are clipped to it."""
    flags = (
        AdvertFlag.WORN * (advert.worn is True)
        + AdvertFlag.WEAR_KNOWN * (advert.worn is not None)
        + AdvertFlag.CHARGING * advert.charging
        + AdvertFlag.SATURATED * advert.saturated
        + AdvertFlag.CANDIDATE_PENDING * advert.candidate_pending
        + AdvertFlag.BUTTON_PENDING * advert.button_pending
    )
    battery = advert.battery_percent
    x, y, z = advert.mean_g
    return _LAYOUT.pack(
        ADVERT_VERSION,
        advert.identity,
        advert.boot_counter & _UINT8,
        advert.second & 0xFFFF,
        _to_int16(x * _MEAN_COUNTS_PER_G),
        _to_int16(y * _MEAN_COUNTS_PER_G),
        _to_int16(z * _MEAN_COUNTS_PER_G),
        _to_uint8(advert.min_g * _LEAST_COUNTS_PER_G),
        _to_uint8(advert.max_g * _GREATEST_COUNTS_PER_G),
        _to_uint8(math.sqrt(max(advert.deviation_g, 0.0) / _DEVIATION_FULL_SCALE_G) * _UINT8),
        _BATTERY_UNKNOWN if battery is None else min(battery, 100),
        flags,
        advert.candidate_counter & _UINT8,
        min(advert.candidate_age_s, _UINT8),
        _to_uint8(advert.candidate_peak_g * _GREATEST_COUNTS_PER_G),
        advert.button_counter & _UINT8,
        advert.heart_rate_bpm or 0,
    )


def encode_advert(advert: WearableAdvert) -> bytes:
    """The whole advert as it goes over the air, 31 bytes."""
    data = encode_manufacturer_data(advert)
    head = bytes((len(data) + 3, _MANUFACTURER_TYPE)) + COMPANY_ID.to_bytes(2, "little")
    return _FLAGS_STRUCTURE + head + data


ADVERTS_REMEMBERED: Final = 256
"""Decoded adverts, the newest: where several gateways of one process hear a wearable (the demo, a
scene), the first has decoded it for all. To a gateway of its own a lookup costs 0.1 µs."""


@lru_cache(ADVERTS_REMEMBERED)
def decode_manufacturer_data(data: bytes) -> WearableAdvert:
    """Read the bytes behind the company id.

    Raises
    ------
    MalformedPacketError
        If the length, the version or a value cannot be.
    """
    if len(data) != MANUFACTURER_BYTES:
        raise MalformedPacketError(f"advert of {len(data)} bytes instead of {MANUFACTURER_BYTES}")
    if data[0] != ADVERT_VERSION:
        raise MalformedPacketError(f"advert of version {data[0]}; known is {ADVERT_VERSION}")
    (
        _,
        identity,
        boot,
        second,
        x,
        y,
        z,
        least,
        greatest,
        deviation,
        battery,
        flags,
        candidate,
        age,
        peak,
        button,
        heart_rate,
    ) = _LAYOUT.unpack(data)
    if battery > 100 and battery != _BATTERY_UNKNOWN:
        raise MalformedPacketError(f"battery of {battery} percent")
    return WearableAdvert(
        identity=identity,
        boot_counter=boot,
        second=second,
        mean_g=(x / _MEAN_COUNTS_PER_G, y / _MEAN_COUNTS_PER_G, z / _MEAN_COUNTS_PER_G),
        min_g=_LEAST_G[least],
        max_g=_GREATEST_G[greatest],
        deviation_g=_DEVIATION_G[deviation],
        battery_percent=None if battery == _BATTERY_UNKNOWN else battery,
        worn=bool(flags & AdvertFlag.WORN) if flags & AdvertFlag.WEAR_KNOWN else None,
        charging=bool(flags & AdvertFlag.CHARGING),
        saturated=bool(flags & AdvertFlag.SATURATED),
        candidate_counter=candidate,
        candidate_pending=bool(flags & AdvertFlag.CANDIDATE_PENDING),
        candidate_age_s=age,
        candidate_peak_g=_GREATEST_G[peak],
        button_counter=button,
        button_pending=bool(flags & AdvertFlag.BUTTON_PENDING),
        heart_rate_bpm=heart_rate or None,
    )


def manufacturer_data(raw: bytes) -> dict[int, bytes]:
    """Split a raw advert into its manufacturer data by company id.

    Raises
    ------
    MalformedPacketError
        If a structure is longer than what is left of the advert.
    """
    found: dict[int, bytes] = {}
    position = 0
    while position < len(raw):
        length = raw[position]
        if length == 0:
            break
        end = position + 1 + length
        if end > len(raw):
            raise MalformedPacketError(f"an advert structure of {length} bytes is cut short")
        if raw[position + 1] == _MANUFACTURER_TYPE and length >= 3:
            company = int.from_bytes(raw[position + 2 : position + 4], "little")
            found[company] = bytes(raw[position + 4 : end])
        position = end
    return found


def _to_int16(value: float) -> int:
    count = round(value)
    return count if -32_768 <= count <= 32_767 else max(-32_768, min(32_767, count))


def _to_uint8(value: float) -> int:
    count = round(value)
    return count if 0 <= count <= _UINT8 else max(0, min(_UINT8, count))
