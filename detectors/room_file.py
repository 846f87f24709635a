"""A `RoomModel` as bytes: JSON that a person can read and a gateway can be given."""

from __future__ import annotations

from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from detectors.room_model import LEVELS, UNKNOWN, ZONES_AT_MOST, RoomModel

FORMAT: Final = "wardlight-rooms/1"

_DECIMALS: Final = 3
"""Of log probabilities: finer ones change no decision."""


class RoomFileError(ValueError):
    """Bytes that are no calibration; the reason is the message."""


class _File(msgspec.Struct, kw_only=True):
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
    heard: list[list[list[float]]]
    """Of each receiver, level (-110 dBm and up) and zone: log probability."""
    is_calibrated: bool = True


def encode(model: RoomModel) -> bytes:
    """A model as a calibration file's content."""
    return msgspec.json.encode(
        _File(
            format=FORMAT,
            zones=list(model.zones),
            receivers=list(model.receivers),
            sensors=list(model.sensors),
            stands_in=model.stands_in.tolist(),
            near=[np.flatnonzero(row).tolist() for row in model.near],
            fires=_rounded(model.fires),
            silent=_rounded(model.silent),
            heard=_rounded(model.heard),
            is_calibrated=model.is_calibrated,
        )
    )


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
    zones, receivers, sensors = len(file.zones), len(file.receivers), len(file.sensors)
    if not 1 <= zones <= ZONES_AT_MOST:
        raise RoomFileError(f"it has {zones} zones")
    near = np.zeros((zones, zones), np.bool_)
    try:
        for zone, others in enumerate(file.near):
            near[zone, others] = True
        model = RoomModel(
            zones=tuple(file.zones),
            receivers=tuple(file.receivers),
            sensors=tuple(file.sensors),
            heard=_array(file.heard, (receivers, LEVELS, zones)),
            silent=_array(file.silent, (receivers, zones)),
            fires=_array(file.fires, (sensors, zones)),
            near=near,
            stands_in=np.array(file.stands_in, np.int64).reshape(receivers),
            is_calibrated=file.is_calibrated,
        )
    except (ValueError, IndexError) as error:
        raise RoomFileError(f"its parts do not fit together: {error}") from error
    _check(model)
    return model


def _check(model: RoomModel) -> None:
    if (model.heard > 0).any() or (model.silent > 0).any():
        raise RoomFileError("a log probability in it is above 0")
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
