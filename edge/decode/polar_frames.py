"""Acceleration as Polar's sensors send it, byte by byte.

Source: Polar Electro, *Polar Measurement Data Specification for 3rd Party* (technical_documentation
of github.com/polarofficial/polar-ble-sdk), and for what the document leaves open the SDK's own
reader there (``AccData``, ``BlePMDClient``).

====== ===== ======================================================================
offset bytes field of a data frame (little-endian)
====== ===== ======================================================================
0      1     what was measured, low six bits: 2 is acceleration
1      8     time of the *last* sample, ns since 2000 by the sensor's clock
9      1     frame type; its highest bit says that the samples are delta-compressed
10           samples
====== ===== ======================================================================

Raw samples are x y z in thousandths of g: int8 (type 0), int16 (type 1) or int24 (type 2).
Compressed ones begin with one sample of int16, then blocks: the width of a delta in bits, the
number of samples, and their deltas from the sample before, x y z, two's complement, packed from the
lowest bit of each byte on. Times a *factor* that the sensor tells as a stream starts they are g
(type 0) or thousandths of g (type 1).
"""

from __future__ import annotations

import struct
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from contract.advert import MalformedPacketError

ACCELERATION: Final = 2
"""The measurement's type."""

_TYPE_MASK: Final = 0x3F
_COMPRESSED: Final = 0x80
_HEADER: Final = struct.Struct("<BQB")
_MILLI_G: Final = np.float32(1e-3)
_RAW_BYTES: Final = {0: 1, 1: 2, 2: 3}
"""Of one value, by frame type."""
_UNITS_G: Final = {0: 1.0, 1: 1e-3}
"""Of a compressed value, by frame type, before the factor."""
_REFERENCE: Final = struct.Struct("<3h")
_MAX_WIDTH_BITS: Final = 24

MAX_SAMPLES: Final = 1_000
"""An attribute holds 512 bytes: 167 raw samples, and of compressed ones, even at two bits a value,
some 650. Blocks of no width could claim any number."""


class PolarFrame(NamedTuple):
    """One data frame, decoded."""

    last_ns: int
    """Time of the last sample, ns since 2000 by the sensor's clock."""
    samples_g: NDArray[np.float32]
    """Shape (3, n), at least one."""


def decode_frame(data: bytes, factor: float = 1.0) -> PolarFrame:
    """Read a data frame of acceleration.

    Parameters
    ----------
    data
        As notified.
    factor
        As told when the stream was started; 1 where it was not.

    Raises
    ------
    MalformedPacketError
        If it is of another kind, or its length or layout cannot be.
    """
    if len(data) <= _HEADER.size:
        raise MalformedPacketError("a frame without samples")
    kind, last_ns, frame_type = _HEADER.unpack_from(data)
    if kind & _TYPE_MASK != ACCELERATION:
        raise MalformedPacketError(f"a frame of measurement {kind & _TYPE_MASK}")
    body, number = data[_HEADER.size :], frame_type & ~_COMPRESSED
    if frame_type & _COMPRESSED:
        unit_g = _UNITS_G.get(number)
        if unit_g is None:
            raise MalformedPacketError(f"a compressed frame of type {number}")
        counts = _decompressed(body)
        return PolarFrame(last_ns, (counts.T * (unit_g * factor)).astype(np.float32, order="C"))
    size = _RAW_BYTES.get(number)
    if size is None:
        raise MalformedPacketError(f"a frame of type {number}")
    if len(body) % (3 * size):
        raise MalformedPacketError("a frame that is cut short")
    samples_g = _raw(body, size).T.astype(np.float32, order="C")
    samples_g *= _MILLI_G
    return PolarFrame(last_ns, samples_g)


def _raw(body: bytes, size: int) -> NDArray[np.int32]:
    """Values of `size` bytes each, shape (n, 3)."""
    wide = np.zeros((len(body) // size, 4), np.uint8)
    # At the high end, so that the sign is right once the value is brought down again.
    wide[:, 4 - size :] = np.frombuffer(body, np.uint8).reshape(-1, size)
    values: NDArray[np.int32] = wide.view("<i4").reshape(-1, 3) >> (8 * (4 - size))
    return values


def _decompressed(body: bytes) -> NDArray[np.int64]:
    """Samples of a compressed frame, shape (n, 3)."""
    if len(body) < _REFERENCE.size:
        raise MalformedPacketError("a frame that is cut short")
    deltas = [np.array([_REFERENCE.unpack_from(body)], np.int64)]
    position, count = _REFERENCE.size, 1
    while position < len(body):
        if len(body) - position < 2:
            raise MalformedPacketError("a frame that is cut short")
        width, samples = body[position], body[position + 1]
        begin, position = position + 2, position + 2 + -(-samples * width * 3 // 8)
        count += samples
        if width > _MAX_WIDTH_BITS or count > MAX_SAMPLES:
            raise MalformedPacketError("a compressed frame that cannot be")
        if position > len(body):
            raise MalformedPacketError("a frame that is cut short")
        deltas.append(_unpacked(body[begin:position], width, samples))
    return np.concatenate(deltas).cumsum(axis=0)


def _unpacked(packed: bytes, width: int, samples: int) -> NDArray[np.int64]:
    """Numbers of `width` bits, two's complement, shape (samples, 3)."""
    if width == 0:
        return np.zeros((samples, 3), np.int64)
    bits = np.unpackbits(np.frombuffer(packed, np.uint8), bitorder="little").astype(np.int64)
    weights = np.left_shift(1, np.arange(width, dtype=np.int64))
    weights[-1] = -weights[-1]
    numbers: NDArray[np.int64] = bits[: samples * 3 * width].reshape(-1, width) @ weights
    return numbers.reshape(samples, 3)
