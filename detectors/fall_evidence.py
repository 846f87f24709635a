"""What a person is told of an impact: a dozen figures with their units.

They decide nothing; the classifier has its own (`detectors.fall_features`). Each is the same
however the wearable sits, and is left out where too little was heard to say it.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from contract.screen import MOTION_HZ
from detectors.fall_features import FEW_G, HARD_G, IMPACT_INDEX, SPAN, UPRIGHT_S, span

REST_AFTER_S: Final = (1.0, 2.9)
"""Begins when the body has bounced and rolled."""
DROP_S: Final = (-1.2, 0.0)
"""A fall from standing takes 0.3 to 0.8 s; with the loss of balance before it."""
JERK_S: Final = (-0.4, 0.4)
"""Knee, hip and hand hit within less than half a second."""
TURNING_S: Final = (-1.0, 1.5)
"""From the loss of balance until the limb has come to rest."""

LEAST_VALID: Final = MOTION_HZ // 2
"""Samples that a window needs, half a second's worth; with fewer its feature is unknown."""

_G_M_S2: Final = 9.80665
_DROP: Final = span(DROP_S)
_JERK: Final = span(JERK_S)
_TURNING: Final = span(TURNING_S)
_POSTURES: Final = np.zeros((2, SPAN))
"""Ones where posture is read before the impact, and where after."""
_POSTURES[0, span(UPRIGHT_S)] = 1
_POSTURES[1, span(REST_AFTER_S)] = 1


def measure(
    motion: NDArray[np.float32], valid: NDArray[np.bool_], peak_g: NDArray[np.float32]
) -> list[dict[str, float]]:
    """Figures of impacts.

    Parameters
    ----------
    motion
        Shape (n, 3, SPAN), in g, low-passed, the impact at `fall_features.IMPACT_INDEX`.
    valid
        Shape (n, SPAN).
    peak_g
        Greatest low-passed |a| at 50 Hz, shape (n,).

    Returns
    -------
    list
        For each impact its figures by name, with the unit as the last part of the name.
    """
    exact = np.where(valid[:, None], motion, 0).astype(np.float64)
    magnitude = np.where(valid, np.sqrt(np.square(exact).sum(axis=1)), np.nan)
    mean, spread = _means_and_spreads(exact, valid)
    away = _changes(exact, valid)
    table = {
        "peak_g": peak_g.astype(np.float64),
        "jerk_g_per_s": _greatest(away[:, _JERK]) * MOTION_HZ,
        "impact_ms": _milliseconds(magnitude[:, _JERK] > HARD_G),
        "impact_speed_m_per_s": _speed(magnitude[:, _JERK] - 1),
        "low_g": -_greatest(-magnitude[:, _DROP]),
        "drop_ms": _milliseconds(magnitude[:, _DROP] < FEW_G),
        "drop_speed_m_per_s": _speed(1 - magnitude[:, _DROP]),
        "turning_deg": _turning_deg(exact[:, :, _TURNING], valid[:, _TURNING]),
        "posture_change_deg": _angle_deg(mean[:, :, 0], mean[:, :, 1]),
        "stillness_g": spread[:, 1],
        "activity_before_g": spread[:, 0],
        "greatest_after_g": _greatest(magnitude[:, span(REST_AFTER_S)]),
        "heard_after_ms": _milliseconds(valid[:, IMPACT_INDEX + 1 :]),
    }
    return [
        {name: float(values[which]) for name, values in table.items() if np.isfinite(values[which])}
        for which in range(len(peak_g))
    ]


def _means_and_spreads(
    motion: NDArray[np.float64], valid: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean vectors (n, 3, 2) and roots of the vectors' total variance (n, 2), each before and after
    the impact; NaN where too little was heard.
    """
    count = valid @ _POSTURES.T
    share = valid[:, None, :] * _POSTURES / np.maximum(count, 1)[:, :, None]
    mean = motion @ share.transpose(0, 2, 1)
    square = np.square(motion).sum(axis=1)
    variance = (square[:, None, :] * share).sum(axis=2) - np.square(mean).sum(axis=1)
    spread = np.sqrt(np.maximum(variance, 0))
    unknown = count < LEAST_VALID
    spread[unknown] = np.nan
    return np.where(unknown[:, None, :], np.nan, mean), spread


def _changes(motion: NDArray[np.float64], valid: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Length of the vector's change to the next sample, shape (n, SPAN); NaN beside a hole."""
    change = np.full(valid.shape, np.nan)
    both = valid[:, 1:] & valid[:, :-1]
    step = np.sqrt(np.square(np.diff(motion, axis=2)).sum(axis=1))
    change[:, :-1] = np.where(both, step, np.nan)
    return change


def _greatest(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Of each row; NaN if nothing was heard."""
    greatest = np.where(np.isnan(values), -np.inf, values).max(axis=1)
    return np.where(np.isinf(greatest), np.nan, greatest)


def _milliseconds(counted: NDArray[np.bool_]) -> NDArray[np.float64]:
    milliseconds: NDArray[np.float64] = counted.sum(axis=1) * (1000.0 / MOTION_HZ)
    return milliseconds


def _speed(beyond_g: NDArray[np.float64]) -> NDArray[np.float64]:
    """What a body gains in m/s from what it feels beyond 1 g, or short of it."""
    gained: NDArray[np.float64] = np.fmax(beyond_g, 0).sum(axis=1) * (_G_M_S2 / MOTION_HZ)
    return gained


def _turning_deg(motion: NDArray[np.float64], valid: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Path of the direction of what is felt, over valid neighbours."""
    angle = _angle_deg(motion[:, :, 1:], motion[:, :, :-1])
    path: NDArray[np.float64] = np.where(valid[:, 1:] & valid[:, :-1], angle, 0).sum(axis=1)
    return path


def _angle_deg(one: NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.float64]:
    """Angle between vectors on the second axis. Unlike the arc cosine of a product, exact near 0
    and 180.
    """
    one, other = (
        vector / np.maximum(np.sqrt(np.square(vector).sum(axis=1, keepdims=True)), 1e-9)
        for vector in (one, other)
    )
    across, along = (
        np.sqrt(np.square(vector).sum(axis=1)) for vector in (one - other, one + other)
    )
    degrees: NDArray[np.float64] = np.degrees(2 * np.arctan2(across, along))
    return degrees
