"""A `RoomModel` as a file that a person can read, and as the text that a gateway is given."""

from __future__ import annotations

import binascii
import zlib
from base64 import b64decode, b64encode
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from detectors.room_model import LEVELS, UNKNOWN, ZONES_AT_MOST, RoomModel

FORMAT: Final = "wardlight-rooms/1"

_DECIMALS: Final = 3
"""Of log probabilities: finer ones change no decision."""


PACKED_FORMAT: Final = "wardlight-rooms-packed/1"

STEP: Final = 0.1
"""Packed log probabilities are multiples of this: half of it is the error of one second's word of
one receiver, which counts three tenths (`location.TRUST`); a dB more or less says as much."""

PACKED_AT_MOST: Final = 128 * 1024
"""Half of a message (`contract.wire.MAX_PAYLOAD_BYTES`): the rest of a gateway's configuration
travels with it. 40 zones and 25 receivers take a fifth of it."""

EXPANDED_AT_MOST: Final = 16 * 1024 * 1024
"""What a stranger's text may become: twice what 256 zones and 200 receivers take."""


class RoomFileError(ValueError):
    """Bytes that are no calibration; the reason is the message."""


class _Home(msgspec.Struct, kw_only=True):
    """What both forms say alike."""

    format: str
    zones: list[str]
    receivers: list[str]
    sensors: list[str]
    stands_in: list[int]
    """Of each receiver: number of its zone, -1 where nobody has said."""
    near: list[list[int]]
    """Of each zone: numbers of those that one can walk into."""
    fires: list[list[float]]
    """Of each sensor and zone: probability of firing in a second that is spent there."""
    silent: list[list[float]]
    """Of each receiver and zone: log probability of hearing nothing in a second."""
    is_calibrated: bool = True
    spent_s: list[float] | None = None
    """In each zone on the walk."""


class _File(_Home, kw_only=True):
    heard: list[list[list[float]]]
    """Of each receiver, level (-110 dBm and up) and zone: log probability."""


class _Packed(_Home, kw_only=True):
    steps: bytes
    """Of each receiver, zone and level: by how many `STEP` the log probability differs from the
    level below, the first from 0, as little-endian int16."""


def encode(model: RoomModel) -> bytes:
    """A model as a calibration file's content."""
    return msgspec.json.encode(_File(format=FORMAT, heard=_rounded(model.heard), **_home(model)))


def pack(model: RoomModel) -> str:
    """A model as text for `contract.GatewayConfig.rooms`, log probabilities rounded to `STEP`.

    Raises
    ------
    RoomFileError
        If it is longer than `PACKED_AT_MOST`.
    """
    levels = np.round(model.heard.transpose(0, 2, 1) / STEP).astype(np.int16)
    steps = np.diff(levels, axis=2, prepend=np.int16(0)).astype("<i2")
    packed = _Packed(format=PACKED_FORMAT, steps=steps.tobytes(), **_home(model))
    text = b64encode(zlib.compress(msgspec.msgpack.encode(packed), 9)).decode()
    if len(text) > PACKED_AT_MOST:
        raise RoomFileError(
            f"{len(model.zones)} zones and {len(model.receivers)} receivers take {len(text)} "
            f"bytes; a gateway is given at most {PACKED_AT_MOST}"
        )
    return text


def unpack(text: str) -> RoomModel:
    """Read what `pack` wrote.

    Raises
    ------
    RoomFileError
        As `decode`.
    """
    if len(text) > PACKED_AT_MOST:
        raise RoomFileError(f"it has {len(text)} bytes; at most {PACKED_AT_MOST} are read")
    stream = zlib.decompressobj()
    try:
        content = stream.decompress(b64decode(text, validate=True), EXPANDED_AT_MOST)
        if not stream.eof:
            raise ValueError("it ends too soon, or is too long")
        packed = msgspec.msgpack.decode(content, type=_Packed)
    except (binascii.Error, zlib.error, msgspec.DecodeError, ValueError, RecursionError) as error:
        raise RoomFileError(f"it is no calibration: {error}") from error
    if packed.format != PACKED_FORMAT:
        raise RoomFileError(
            f"its format is {packed.format!r}; this version reads {PACKED_FORMAT!r}"
        )
    try:
        steps = np.frombuffer(packed.steps, "<i2").reshape(
            len(packed.receivers), len(packed.zones), LEVELS
        )
    except ValueError as error:
        raise RoomFileError(f"its parts do not fit together: {error}") from error
    heard = STEP * np.cumsum(steps, axis=2, dtype=np.int64).transpose(0, 2, 1)
    return _model(packed, heard)


def _home(model: RoomModel) -> dict[str, Any]:
    return {
        "zones": list(model.zones),
        "receivers": list(model.receivers),
        "sensors": list(model.sensors),
        "stands_in": model.stands_in.tolist(),
        "near": [np.flatnonzero(row).tolist() for row in model.near],
        "fires": _rounded(model.fires),
        "silent": _rounded(model.silent),
        "is_calibrated": model.is_calibrated,
        "spent_s": None if model.spent_s is None else _rounded(model.spent_s),
    }


def decode(content: bytes) -> RoomModel:
    """Read what `encode` wrote.

    Raises
    ------
    RoomFileError
        If it is something else, or its parts do not fit together.
    """
    try:
        file = msgspec.json.decode(content, type=_File)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise RoomFileError(f"it is no calibration: {error}") from error
    if file.format != FORMAT:
        raise RoomFileError(f"its format is {file.format!r}; this version reads {FORMAT!r}")
    return _model(file, file.heard)


def _model(file: _Home, heard: object) -> RoomModel:
    zones, receivers, sensors = len(file.zones), len(file.receivers), len(file.sensors)
    if not 1 <= zones <= ZONES_AT_MOST:
        raise RoomFileError(f"it has {zones} zones")
    near = np.zeros((zones, zones), np.bool_)
    try:
        if len(file.near) != zones or min(map(min, filter(None, file.near)), default=0) < 0:
            raise ValueError("its plan is of other zones")
        for zone, others in enumerate(file.near):
            near[zone, others] = True
        model = RoomModel(
            zones=tuple(file.zones),
            receivers=tuple(file.receivers),
            sensors=tuple(file.sensors),
            heard=_array(heard, (receivers, LEVELS, zones)),
            silent=_array(file.silent, (receivers, zones)),
            fires=_array(file.fires, (sensors, zones)),
            near=near,
            stands_in=np.array(file.stands_in, np.int64).reshape(receivers),
            is_calibrated=file.is_calibrated,
            spent_s=None if file.spent_s is None else _array(file.spent_s, (zones,)),
        )
    except (ValueError, IndexError, OverflowError) as error:
        raise RoomFileError(f"its parts do not fit together: {error}") from error
    _check(model)
    return model


def _check(model: RoomModel) -> None:
    for names in (model.zones, model.receivers, model.sensors):
        if len(set(names)) < len(names):
            raise RoomFileError(f"a name in it stands for two: {', '.join(names)}")
    if (model.heard > 0).any() or (model.silent > 0).any():
        raise RoomFileError("a log probability in it is above 0")
    if model.spent_s is not None and (model.spent_s < 0).any():
        raise RoomFileError("a walk in it was less than no time in a zone")
    if (model.fires <= 0).any() or (model.fires >= 1).any():
        raise RoomFileError("a sensor's probability in it is not between 0 and 1")
    if (model.stands_in < UNKNOWN).any() or (model.stands_in >= len(model.zones)).any():
        raise RoomFileError("a receiver in it stands in a zone that is not there")


def _rounded(values: NDArray[np.float32]) -> Any:
    return np.round(values.astype(np.float64), _DECIMALS).tolist()


def _array(values: object, shape: tuple[int, ...]) -> NDArray[np.float32]:
    array = np.array(values, np.float32).reshape(shape)
    if not np.isfinite(array).all():
        raise ValueError("a number is missing")
    return array
