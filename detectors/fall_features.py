"""What is measured around an impact, and how sure that makes us of a fall.

Every feature is the same however the wearable sits on the arm: only lengths of vectors and
angles between vectors of one wearer are used. (Models that look at raw axes miss about
half of the falls of WEDA's user 12, who wore the watch the other way round; SCIENCE 0.3.)
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from contract.screen import MOTION_HZ

BEFORE_IMPACT_S: Final = 5
AFTER_IMPACT_S: Final = 3
IMPACT_INDEX: Final = BEFORE_IMPACT_S * MOTION_HZ
SPAN: Final = IMPACT_INDEX + AFTER_IMPACT_S * MOTION_HZ + 1
"""Samples around an impact that features see."""

# Windows in seconds from the impact, after SCIENCE 2 (posture, stillness, drop).
POSTURE_BEFORE_S: Final = (-2.0, -0.5)
"""Ends before the drop and the arms' flinging."""
REST_AFTER_S: Final = (1.0, 3.0)
"""Begins when the body has bounced and rolled."""
DROP_S: Final = (-1.0, 0.0)
"""A fall from standing takes 0.3 to 0.8 s."""
JERK_S: Final = (-0.4, 0.4)
"""Knee, hip and hand hit within less than half a second."""

DROP_BELOW_G: Final = 0.75
"""|a| below this is a body that is not fully carried; walking stays above."""

LEAST_JERK_G_PER_S: Final = 10.0
"""To climb from rest at 1 g to the screen's 2 g within a tenth of a second takes this much. What is
beyond the screen without such a climb is a stuck axis or a ride, and no impact."""

LEAST_VALID: Final = MOTION_HZ // 2
"""Samples that a window needs, half a second's worth; with fewer its feature is unknown (NaN)."""


class ScoreTerm(NamedTuple):
    """One feature's part in the score: weight x (value - centre), or of its logarithm."""

    feature: str
    weight: float
    centre: float
    least: float
    greatest: float
    """Values are clipped to this range, where the fit had data: nothing extreme in one
    feature outvotes all others."""
    logarithmic: bool


SCORE_TERMS: Final = (
    ScoreTerm("peak_g", 2.6, 3.0, 2.0, 6.0, logarithmic=True),
    ScoreTerm("jerk_g_per_s", 1.5, 60.0, 20.0, 150.0, logarithmic=True),
    ScoreTerm("stillness_g", -0.8, 0.15, 0.03, 0.6, logarithmic=True),
    ScoreTerm("activity_before_g", -0.8, 0.3, 0.05, 1.0, logarithmic=True),
    ScoreTerm("posture_change_deg", 0.02, 45.0, 0.0, 120.0, logarithmic=False),
)
"""Logistic regression on the impacts over 2 g of WEDA, SmartFallMM (watch) and SPHERE, 1,826 in
all, coefficients rounded. The stillness limits keep someone who struggles on the floor within
reach. The drop is not scored: with the others known its weight came out about zero and of the wrong
sign, because jumps and steps have as much of it as staged falls."""

SCORE_BIAS: Final = -0.9

FALL_SCORE: Final = 0.4
"""From here an impact is a suspected fall. Leaving one person out of the fit: 96 % of WEDA's falls
and 8.6 % of its daily trials, which are chosen to provoke (claps, jumps, table hits). With the
coefficients as they stand: 97.8 % and 9.4 %; SisFall (belt, not in the fit) 96.3 % and 7.3 %;
SmartFallMM, whose cropped and soft falls reach the screen in 73 % only, 27 % and 1.4 %; 17 alarms
in 2.3 h of SPHERE's home life. A suspicion pages nobody for 30 s and is withdrawn by walking, so
it leans towards the falls."""


def _window(seconds: tuple[float, float]) -> slice:
    first, last = (IMPACT_INDEX + round(second * MOTION_HZ) for second in seconds)
    return slice(first, last + 1)


_DROP: Final = _window(DROP_S)
_JERK: Final = _window(JERK_S)
_POSTURES: Final = np.zeros((2, SPAN))
"""Ones where posture is read before the impact, and where after."""
_POSTURES[0, _window(POSTURE_BEFORE_S)] = 1
_POSTURES[1, _window(REST_AFTER_S)] = 1

# The table of the score, a column for each of its fields.
_WEIGHT: Final = np.array([[term.weight] for term in SCORE_TERMS])
_CENTRE: Final = np.array([[term.centre] for term in SCORE_TERMS])
_LEAST: Final = np.array([[term.least] for term in SCORE_TERMS])
_GREATEST: Final = np.array([[term.greatest] for term in SCORE_TERMS])
_LOGARITHMIC: Final = np.array([[term.logarithmic] for term in SCORE_TERMS])


def measure(
    motion: NDArray[np.float32], valid: NDArray[np.bool_], peak_g: NDArray[np.float32]
) -> dict[str, NDArray[np.float64]]:
    """Features of impacts.

    Parameters
    ----------
    motion
        Shape (impacts, 3, SPAN), in g, low-passed, the impact at `IMPACT_INDEX`.
    valid
        Shape (impacts, SPAN).
    peak_g
        Greatest low-passed |a| at 50 Hz, shape (impacts,).

    Returns
    -------
    dict
        By name with its unit, each of shape (impacts,); NaN where too little was heard.
    """
    exact = motion.astype(np.float64)
    square = np.square(exact).sum(axis=1)
    mean, spread = _means_and_spreads(exact, square, valid)
    drop, heard = square[:, _DROP], valid[:, _DROP]
    return {
        "peak_g": peak_g.astype(np.float64),
        "jerk_g_per_s": _greatest_jerk(exact[:, :, _JERK], valid[:, _JERK]),
        "stillness_g": spread[:, 1],
        "activity_before_g": spread[:, 0],
        "posture_change_deg": _angle_deg(mean[:, :, 0], mean[:, :, 1]),
        "drop_ms": (heard & (drop < DROP_BELOW_G**2)).sum(axis=1) * (1000.0 / MOTION_HZ),
        "low_g": np.sqrt(np.where(heard, drop, np.inf).min(axis=1)),
    }


def score(features: Mapping[str, NDArray[np.float64]]) -> NDArray[np.float64]:
    """How sure, 0 to 1, for each impact; an unknown feature speaks neither for nor against.

    0 where nothing hit: without `LEAST_JERK_G_PER_S`.
    """
    values = np.stack([features[term.feature] for term in SCORE_TERMS])
    values = np.minimum(np.maximum(values, _LEAST), _GREATEST)
    away = np.where(_LOGARITHMIC, np.log(np.maximum(values, 1e-9) / _CENTRE), values - _CENTRE)
    total = SCORE_BIAS + (_WEIGHT * np.where(np.isnan(away), 0.0, away)).sum(axis=0)
    return np.where(features["jerk_g_per_s"] >= LEAST_JERK_G_PER_S, 1 / (1 + np.exp(-total)), 0.0)


def _means_and_spreads(
    motion: NDArray[np.float64], square: NDArray[np.float64], valid: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean vectors (impacts, 3, 2) and roots of the vectors' total variance (impacts, 2), each
    before and after the impact.
    """
    count = valid @ _POSTURES.T
    share = valid[:, None, :] * _POSTURES / np.maximum(count, 1)[:, :, None]
    share = share.transpose(0, 2, 1)
    mean = motion @ share
    variance = (square[:, None, :] @ share)[:, 0] - np.square(mean).sum(axis=1)
    spread = np.sqrt(np.maximum(variance, 0))
    unknown = count < LEAST_VALID
    spread[unknown] = np.nan
    return np.where(unknown[:, None, :], np.nan, mean), spread


def _greatest_jerk(motion: NDArray[np.float64], valid: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Greatest change of the vector between valid neighbours, g/s; motion is (impacts, 3, n)."""
    change = np.square(motion[:, :, 1:] - motion[:, :, :-1]).sum(axis=1)
    greatest = np.where(valid[:, 1:] & valid[:, :-1], change, -1.0).max(axis=1)
    return np.where(greatest >= 0, np.sqrt(np.maximum(greatest, 0)) * MOTION_HZ, np.nan)


def _angle_deg(first: NDArray[np.float64], second: NDArray[np.float64]) -> NDArray[np.float64]:
    """Angle between vectors (n, 3). Unlike the arc cosine of a product, exact near 0 and 180."""
    one, two = (v / np.maximum(np.linalg.norm(v, axis=1), 1e-9)[:, None] for v in (first, second))
    across, along = np.linalg.norm(one - two, axis=1), np.linalg.norm(one + two, axis=1)
    degrees: NDArray[np.float64] = np.degrees(2 * np.arctan2(across, along))
    return degrees
