"""What the fall classifier sees of a window around an impact.

Nothing depends on how the wearable sits on the body: only lengths of vectors and angles between
vectors of one wearer are used. (Models that look at raw axes miss about half of the falls of
WEDA's user 12, who wore the watch the other way round; SCIENCE 0.3.) And nothing jumps: where a
count or a position would, a ramp stands, so that the rounding of another axis, or of another row
in the same matrix product, moves a score by rounding too.

Inside, windows are the last axis: every pass runs along contiguous windows, for one as for a
hundred.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from contract.screen import MOTION_HZ

LAYOUT: Final = 1
"""Changes whenever a feature or a channel does: weights fitted to another layout are refused."""

BEFORE_S: Final = 4.0
AFTER_S: Final = 2.9
"""With the grid's lateness a suspicion is then out within five seconds of the impact."""
IMPACT_INDEX: Final = int(BEFORE_S * MOTION_HZ)
SPAN: Final = IMPACT_INDEX + int(AFTER_S * MOTION_HZ) + 1
"""Samples of a window; the impact stands at `IMPACT_INDEX`."""

UPRIGHT_S: Final = (-2.0, -0.8)
"""Where gravity is read: the drop takes 0.3 to 0.8 s (SCIENCE 2), and the arms fly up in it."""

CHANNELS: Final = ("magnitude", "along", "across", "change")
"""|a|, its parts along and across gravity before the impact, and the length of the vector's change
from sample to sample; all in g."""

LEAST_NORM_G: Final = 0.05
"""A mean vector shorter than this has no direction; it is not stretched to unit length."""

RAMP_G: Final = 0.1
"""Width of the ramp by which |a| passes a threshold: ten times a worn sensor's noise."""

MANY_G: Final = 1.5
"""|a| above this is more than a step."""
FEW_G: Final = 0.8
"""|a| below this is a body that is not fully carried."""
HARD_G: Final = 2.0
"""|a| above this is a blow."""
BUMP_G: Final = 1.3
"""Each rise through this counts as a bump: a step, a bounce, a hand."""
VALLEY_G: Final = 0.05
"""How sharply the place of the least |a| before the impact is told."""

HELD_S: Final = 0.5
"""Over so long beside a hole posture is read, to stand in it; as training fills a trial's ends."""

_STRETCHES: Final = {
    "earlier": (-4.0, -1.5),
    "drop": (-1.5, -0.4),
    "impact": (-0.4, 0.4),
    "bounce": (0.4, 1.2),
    "rest": (1.2, 2.9),
}
"""Seconds from the impact. Knee, hip and hand hit within less than half a second of each other;
after 1.2 s the body has bounced and rolled."""

_RESTS_S: Final = {"at_once": (0.3, 0.8), "soon": (0.8, 1.5), "later": (1.5, 2.9)}
"""Where posture after the impact is read."""
_EARLIER_S: Final = (-4.0, -2.0)
_FREE_S: Final = (-1.2, 0.0)
"""The longest drop, from the first loss of balance."""

_G_M_S2: Final = 9.80665
_STEP_S: Final = 1 / MOTION_HZ

_Float = TypeVar("_Float", np.float32, np.float64)


def span(seconds: tuple[float, float]) -> slice:
    """Samples of a window from one second after the impact to another, both counted in."""
    first, last = (IMPACT_INDEX + math.floor(second * MOTION_HZ) for second in seconds)
    return slice(first, last + 1)


_UPRIGHT: Final = span(UPRIGHT_S)


def arrange(motion: NDArray[np.float32], valid: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Windows as the functions below want them: windows last, holes filled.

    Parameters
    ----------
    motion
        Shape (n, 3, SPAN), in g, low-passed.
    valid
        Shape (n, SPAN).

    Returns
    -------
    NDArray
        Shape (3, SPAN, n).
    """
    vector = np.ascontiguousarray(motion.transpose(1, 2, 0), dtype=np.float32)
    holed = np.flatnonzero(~valid.all(axis=1))
    if len(holed):
        vector[:, :, holed] = _filled(vector[:, :, holed], valid[holed].T)
    return vector


def _filled(vector: NDArray[np.float32], valid: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Windows (3, SPAN, n) with a wearable that rests at 1 g where they are not valid (SPAN, n).

    It turns from the posture before the hole to the one behind it; at the ends of a window it
    keeps the nearest. So nothing happens in a hole that was not seen.
    """
    heard = np.where(valid, vector, 0).astype(np.float64)
    step = np.arange(SPAN)[:, None]
    before = np.maximum.accumulate(np.where(valid, step, -1), axis=0)
    behind = np.minimum.accumulate(np.where(valid, step, SPAN)[::-1], axis=0)[::-1]
    total = np.zeros((3, SPAN + 1, vector.shape[2]))
    np.cumsum(heard, axis=1, out=total[:, 1:])

    def posture(first: NDArray[np.int64], end: NDArray[np.int64]) -> NDArray[np.float64]:
        start, stop = (np.clip(at, 0, SPAN)[None] for at in (first, end))
        summed = np.take_along_axis(total, stop, axis=1) - np.take_along_axis(total, start, axis=1)
        return summed / _length(summed)

    held = round(HELD_S * MOTION_HZ)
    left, right = posture(before + 1 - held, before + 1), posture(behind, behind + held)
    share = (step - before) / np.maximum(behind - before, 1)
    share = np.where(before < 0, 1.0, np.where(behind == SPAN, 0.0, share))
    rest = left * (1 - share) + right * share
    return np.where(valid, vector, rest / _length(rest)).astype(np.float32)


def channels(vector: NDArray[np.float32]) -> NDArray[np.float32]:
    """The orientation-free channels of arranged windows.

    Parameters
    ----------
    vector
        Shape (3, SPAN, n), from `arrange`.

    Returns
    -------
    NDArray
        Shape (channels, SPAN, n), in the order of `CHANNELS`.
    """
    upright = _mean(vector, _UPRIGHT)
    upright /= _length(upright)
    along = np.einsum("atn,an->tn", vector, upright)
    out = np.empty((len(CHANNELS), *along.shape), np.float32)
    out[0] = _norm(vector)
    out[1] = along
    # The vector that is left over, and not the root of a difference of squares, which would
    # make a wearable at rest out of rounding swing by half a thousandth of a g.
    out[2] = _norm(vector - along * upright[:, None])
    out[3, 0] = 0
    out[3, 1:] = _norm(vector[:, 1:] - vector[:, :-1])
    return out


def described(vector: NDArray[np.float32], channel: NDArray[np.float32]) -> NDArray[np.float32]:
    """Features made by hand, logarithmic where their tails are heavy.

    Parameters
    ----------
    vector
        Shape (3, SPAN, n), from `arrange`.
    channel
        Shape (channels, SPAN, n), from `channels`.

    Returns
    -------
    NDArray
        Shape (features, n), in the order of `NAMES`.
    """
    rest = np.stack([*_postures(vector), *_whole(vector, channel)])
    return np.concatenate([_stretches(vector, channel), rest])


_OF_A_STRETCH: Final = (
    "greatest",
    "least",
    "deviation",
    "greatest_jerk",
    "mean_jerk",
    "mean_along",
    "greatest_along",
    "least_along",
    "mean_across",
    "greatest_across",
    "spread",
    "share_many",
    "share_few",
)
"""Of |a|, of its change, along and across gravity, of the whole vector."""


_PARTS: Final = tuple(span(seconds) for seconds in _STRETCHES.values())
_LIMITS: Final = np.array([(part.start, part.stop) for part in _PARTS]).ravel()[:-1]
"""For ``reduceat``, of whose results every other one is a stretch; the last one ends the window."""
_LENGTHS: Final = np.array([[part.stop - part.start] for part in _PARTS], np.float32)


def _stretches(vector: NDArray[np.float32], channel: NDArray[np.float32]) -> NDArray[np.float32]:
    """`_OF_A_STRETCH` of each of `_STRETCHES`, shape (features, n)."""
    magnitude = channel[0]
    summed = np.concatenate(
        [channel, vector, [_above(magnitude, MANY_G), _above(magnitude, FEW_G)]]
    )
    greatest = np.maximum.reduceat(channel, _LIMITS, axis=1)[:, ::2]
    least = np.minimum.reduceat(channel[:2], _LIMITS, axis=1)[:, ::2]
    mean = np.add.reduceat(summed, _LIMITS, axis=1)[:, ::2] / _LENGTHS
    moved = np.concatenate([channel[:1], vector])
    middle = mean[[0, 4, 5, 6]]
    spread = np.empty((2, *mean.shape[1:]), np.float32)
    for each, part in enumerate(_PARTS):
        away = moved[:, part] - middle[:, each, None]
        square = np.einsum("atn,atn->an", away, away) / _LENGTHS[each]
        spread[0, each] = square[0]
        spread[1, each] = square[1:].sum(axis=0)
    deviation, whole = _log(np.sqrt(spread) + np.float32(0.01))
    table = np.stack(
        [
            _log(greatest[0]),
            least[0],
            deviation,
            _log(greatest[3] * MOTION_HZ + 0.5),
            _log(mean[3] * MOTION_HZ + 0.2),
            mean[1],
            greatest[1],
            least[1],
            mean[2],
            greatest[2],
            whole,
            mean[7],
            1 - mean[8],
        ],
        axis=1,
    )
    return table.reshape(-1, table.shape[2])


_OF_A_REST: Final = ("turned", "turned_since_earlier", "norm")


_PAIRS: Final = np.array([(0, 2), (1, 2), (0, 3), (1, 3), (0, 4), (1, 4), (0, 1)])
"""Between which of the postures below an angle is taken."""


def _postures(vector: NDArray[np.float32]) -> Iterator[NDArray[np.float32]]:
    """Angles (radians) from the postures before the impact to those after, and mean vectors."""
    times = (UPRIGHT_S, _EARLIER_S, *_RESTS_S.values())
    posture = np.stack([_mean(vector, span(seconds)) for seconds in times], axis=1)
    norm = _norm(posture)
    angle = _angle(posture[:, _PAIRS[:, 0]], posture[:, _PAIRS[:, 1]])
    for rest in range(len(_RESTS_S)):
        yield angle[2 * rest]
        yield angle[2 * rest + 1]
        yield norm[2 + rest]
    yield norm[0]
    yield angle[-1]


_OF_THE_WHOLE: Final = (
    "peak",
    "drop_speed",
    "velocity_change",
    "rise_speed",
    "many_s",
    "hard_s",
    "bumps_before",
    "bumps_after",
    "valley_s",
    "turning",
)


def _whole(
    vector: NDArray[np.float32], channel: NDArray[np.float32]
) -> Iterator[NDArray[np.float32]]:
    """`_OF_THE_WHOLE`: speeds in m/s, times in seconds, the path of the direction in radians."""
    magnitude = channel[0]
    free, landing, blow = span(_FREE_S), span((-0.3, 0.6)), span((-0.5, 0.8))
    upright = _mean(vector, _UPRIGHT)
    yield _log(magnitude[IMPACT_INDEX])
    yield np.maximum(1 - magnitude[free], 0).sum(axis=0) * np.float32(_STEP_S * _G_M_S2)
    felt = vector[:, free].sum(axis=1) * np.float32(_STEP_S)
    yield _norm(felt - upright / _length(upright) * np.float32(_FREE_S[1] - _FREE_S[0]))
    yield np.maximum(magnitude[landing] - 1, 0).sum(axis=0) * np.float32(_STEP_S * _G_M_S2)
    yield _above(magnitude[blow], MANY_G).sum(axis=0) * np.float32(_STEP_S)
    yield _above(magnitude[blow], HARD_G).sum(axis=0) * np.float32(_STEP_S)
    bumps = np.maximum(np.diff(_above(magnitude, BUMP_G), axis=0), 0)
    yield bumps[span((-BEFORE_S, -0.5))].sum(axis=0)
    yield bumps[span((0.5, AFTER_S))].sum(axis=0)
    valley = magnitude[free]
    weight = np.exp((valley.min(axis=0) - valley) / np.float32(VALLEY_G))
    yield (weight * _FREE_TIMES_S).sum(axis=0) / weight.sum(axis=0)
    around = vector[:, span((-1.0, 1.5))]
    yield _angle(around[:, 1:], around[:, :-1]).sum(axis=0)


_FREE_TIMES_S: Final = np.linspace(*_FREE_S, span(_FREE_S).stop - span(_FREE_S).start)[
    :, None
].astype(np.float32)

NAMES: Final = (
    *(f"{name}_{stretch}" for stretch in _STRETCHES for name in _OF_A_STRETCH),
    *(f"{name}_{rest}" for rest in _RESTS_S for name in _OF_A_REST),
    "norm_upright",
    "turned_before",
    *_OF_THE_WHOLE,
)
"""Of the features made by hand, in their order."""


def _mean(vector: NDArray[np.float32], times: slice) -> NDArray[np.float32]:
    """Of arranged windows over some samples, shape (3, n): what ``mean`` gives, without its checks,
    which for a few windows take longer than the sum.
    """
    mean: NDArray[np.float32] = np.add.reduce(vector[:, times], axis=1)
    mean /= times.stop - times.start
    return mean


def _norm(vector: NDArray[np.float32]) -> NDArray[np.float32]:
    """Lengths of vectors on the first axis."""
    norm: NDArray[np.float32] = np.einsum("a...,a...->...", vector, vector)
    np.sqrt(norm, out=norm)
    return norm


def _length(vector: NDArray[_Float]) -> NDArray[_Float]:
    """Of vectors on the first axis, but never so short that dividing by it stretches noise."""
    length: NDArray[_Float] = np.maximum(np.sqrt(np.square(vector).sum(axis=0)), LEAST_NORM_G)
    return length


def _angle(one: NDArray[np.float32], other: NDArray[np.float32]) -> NDArray[np.float32]:
    """Angle between vectors on the first axis, radians. Unlike the arc cosine of a product, exact
    near 0 and π.
    """
    one, other = one / _length(one), other / _length(other)
    angle: NDArray[np.float32] = 2 * np.arctan2(_norm(one - other), _norm(one + other))
    return angle


def _above(values: NDArray[np.float32], threshold_g: float) -> NDArray[np.float32]:
    """1 above the threshold, 0 below, a ramp in between."""
    ramp = (values - np.float32(threshold_g)) * np.float32(1 / RAMP_G) + np.float32(0.5)
    limited: NDArray[np.float32] = np.minimum(np.maximum(ramp, 0), 1)
    return limited


def _log(values: NDArray[np.float32]) -> NDArray[np.float32]:
    logarithm: NDArray[np.float32] = np.log(np.maximum(values, np.float32(1e-3)))
    return logarithm
