"""Motion packets, byte by byte: what *stream* and *window* notify.

====== ===== ======================================================================
offset bytes field (little-endian)
====== ===== ======================================================================
0      1     version of this layout, `PACKET_VERSION`
1      1     n, number of samples
2      1     stream: 0; window: candidate counter
3      1     full-scale range in g: a sample is int16 with 32768 / range counts per g
4      2     index, uint16: stream: counts packets modulo 65536; window: from 0
6      2     total, uint16: stream: 0; window: number of packets in the window
8      4     device time of the first sample, uint32, ms since boot modulo 2³²
12     2     rate, uint16, 1/100 Hz
14     6 n   samples, int16 x y z
14+6n  2     CRC-16/XMODEM over everything before it
====== ===== ======================================================================
"""

from __future__ import annotations

import binascii
import struct
from functools import lru_cache
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from contract.advert import MalformedPacketError
from contract.gatt import MAX_NOTIFICATION_BYTES
from contract.units import NS_PER_S

PACKET_VERSION: Final = 1
_HEADER: Final = struct.Struct("<BBBBHHIH")
_CRC: Final = struct.Struct("<H")
_SAMPLE_BYTES: Final = 6
MAX_SAMPLES: Final = (MAX_NOTIFICATION_BYTES - _HEADER.size - _CRC.size) // _SAMPLE_BYTES
"""38 samples: three quarters of a second at 50 Hz."""

_FULL_SCALE: Final = 32_768
MIN_RATE_HZ: Final = 5.0
MAX_RATE_HZ: Final = 400.0
MAX_RANGE_G: Final = 32
"""Beyond these no accelerometer for wearables exists: the packet is garbage."""

DEVICE_TIME_MODULUS_MS: Final = 2**32


class MotionPacket(NamedTuple):
    """Consecutive samples of one wearable."""

    candidate_counter: int
    number: int
    """The index field: counts packets."""
    total: int
    """0 for a stream."""
    device_time_ms: int
    rate_hz: float
    range_g: int
    samples_g: NDArray[np.float32]
    """Shape (3, n), in g."""

    @property
    def offsets_ns(self) -> NDArray[np.int64]:
        """When each sample was measured after the first one, shape (n,); not to be changed."""
        return _offsets_ns(self.samples_g.shape[1], self.rate_hz)


@lru_cache(maxsize=256)
def _offsets_ns(count: int, rate_hz: float) -> NDArray[np.int64]:
    offsets = (np.arange(count) * (NS_PER_S / rate_hz)).astype(np.int64)
    offsets.setflags(write=False)
    return offsets


def encode_packet(packet: MotionPacket) -> bytes:
    """A packet as it is notified; samples beyond the range are clipped, as a sensor does.

    Raises
    ------
    ValueError
        If there are no samples, or more than `MAX_SAMPLES`.
    """
    count = packet.samples_g.shape[1]
    if not 1 <= count <= MAX_SAMPLES:
        raise ValueError(f"{count} samples in a packet; 1 to {MAX_SAMPLES} fit")
    counts = packet.samples_g.T.astype(np.float64)
    counts *= _FULL_SCALE / packet.range_g
    np.rint(counts, out=counts)
    # A third of the time of numpy.clip on so few.
    np.minimum(np.maximum(counts, -_FULL_SCALE, out=counts), _FULL_SCALE - 1, out=counts)
    body = (
        _HEADER.pack(
            PACKET_VERSION,
            count,
            packet.candidate_counter & 0xFF,
            packet.range_g,
            packet.number & 0xFFFF,
            packet.total,
            packet.device_time_ms % DEVICE_TIME_MODULUS_MS,
            round(packet.rate_hz * 100),
        )
        + counts.astype("<i2").tobytes()
    )
    return body + _CRC.pack(binascii.crc_hqx(body, 0))


def decode_packet(data: bytes) -> MotionPacket:
    """Read a notified packet.

    Raises
    ------
    MalformedPacketError
        If the length, version, checksum, rate or range cannot be.
    """
    if len(data) < _HEADER.size + _SAMPLE_BYTES + _CRC.size:
        raise MalformedPacketError(f"motion packet of {len(data)} bytes is cut short")
    version, count, candidate, range_g, index, total, time_ms, centihertz = _HEADER.unpack_from(
        data
    )
    if version != PACKET_VERSION:
        raise MalformedPacketError(f"motion packet of version {version}; known is {PACKET_VERSION}")
    expected = _HEADER.size + count * _SAMPLE_BYTES + _CRC.size
    if len(data) != expected:
        raise MalformedPacketError(
            f"motion packet of {len(data)} bytes; {count} samples take {expected}"
        )
    body, given = data[: -_CRC.size], _CRC.unpack_from(data, expected - _CRC.size)[0]
    if binascii.crc_hqx(body, 0) != given:
        raise MalformedPacketError("motion packet with a wrong checksum")
    rate_hz = centihertz / 100
    if not MIN_RATE_HZ <= rate_hz <= MAX_RATE_HZ:
        raise MalformedPacketError(f"motion packet at {rate_hz} Hz")
    if not 1 <= range_g <= MAX_RANGE_G:
        raise MalformedPacketError(f"motion packet with a range of {range_g} g")
    counts = np.frombuffer(body, dtype="<i2", offset=_HEADER.size).reshape(count, 3)
    samples = counts.T.astype(np.float32, order="C")
    samples *= np.float32(range_g / _FULL_SCALE)
    return MotionPacket(candidate, index, total, time_ms, rate_hz, range_g, samples)
