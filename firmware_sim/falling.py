"""The physics of a fall, as a wrist feels it: balance is lost, the body drops, it hits, it
bounces and settles in a lying posture.

The figures are chosen so that the simulated falls spread as recorded ones do (WEDA-FALL,
wrist, young people on mattresses; see `tests/firmware_sim/test_realism.py`), reaching to
the softer side, because older people's falls are softer.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from firmware_sim.motion import HANGING, LYING, MOTION_HZ, unit

RISE_S: Final = 1.5
"""Who falls while sitting or lying gets up first; the commonest place is the bedside."""
STAGGER_S: Final = (0.4, 0.9)
"""Loss of balance: the arms fly up."""
STAGGER_G: Final = (0.1, 0.35)
DROP_S: Final = (0.3, 0.5)
"""Partial free fall: 0.5 m of a hip's drop at 1 g takes 0.32 s, and knees and hands brake."""
LEAST_SUPPORT: Final = (0.2, 0.8)
"""Share of the weight that is still carried at the deepest of the drop."""
IMPACT_G: Final = (3.0, 8.0)
"""Height of the first pulse, beside gravity."""
IMPACT_S: Final = (0.02, 0.06)
"""Length of the first pulse, a half sine."""
LEAST_IMPULSE_G_S: Final = 0.15
"""Area of the first pulse. Softer ones come to less than about 3 g after the 10 Hz low-pass,
which few recorded falls do (quartiles of WEDA's peaks 3.8, 4.4 and 5.1 g, of these 3.8, 4.3 and
5.2 g)."""
FURTHER_PULSES: Final = (1, 3)
"""Hip, shoulder and hand do not land together."""
FURTHER_AFTER_S: Final = (0.03, 0.12)
FURTHER_SHARE: Final = (0.3, 0.8)
BOUNCES: Final = 3
BOUNCE_AFTER_S: Final = (0.14, 0.26)
BOUNCE_SHARE: Final = (0.12, 0.35)
"""Of the pulse before."""
SETTLE_HZ: Final = 6.0
SETTLE_G: Final = (1.0, 2.6)
SETTLE_DECAY_S: Final = (0.3, 0.6)
"""Limbs swing out after the landing, and the body rolls: from 0.4 to 1.2 s after the impact the
wrist of WEDA's falls is moved by 0.6 g (root mean square), from 1.2 to 2.9 s by 0.1 g."""
SETTLE_S: Final = 2.0
SETTLE_RISE_S: Final = 0.1

_OVERSAMPLING: Final = 8
"""Pulses of 20 ms need a finer grid than 50 Hz; the sensor averages over its sample."""
_FINE_HZ: Final = MOTION_HZ * _OVERSAMPLING


class Fall(NamedTuple):
    """A fall as a script for `MotionModel.play`."""

    samples_g: NDArray[np.float32]
    """(3, n) at 50 Hz, without noise; whole seconds, ending in the lying posture."""
    drop_sample: int
    """Where balance is lost for good."""
    impact_sample: int
    """Middle of the first pulse."""


def make_fall(random: np.random.Generator, posture: NDArray[np.float32], *, upright: bool) -> Fall:
    """One fall, drawn anew.

    Parameters
    ----------
    random
        Where the draws come from; always the same number of them.
    posture
        Gravity's vector in the wrist's frame before, (3,).
    upright
        Whether the resident stands or walks already.
    """
    between = random.uniform
    rise, stagger, drop = (0.0 if upright else RISE_S), between(*STAGGER_S), between(*DROP_S)
    drop_at = rise + stagger
    impact_at = drop_at + drop
    seconds = int(np.ceil(impact_at + SETTLE_S + 1.0))
    time = (np.arange(seconds * _FINE_HZ) + 0.5) / _FINE_HZ

    lying = LYING[int(random.integers(len(LYING)))] + random.normal(0, 0.15, 3)
    flung = unit((HANGING + random.normal(0, 0.6, 3)).astype(np.float32))
    direction = _path(
        time,
        (
            (0.0, unit(posture)),
            (rise, unit(HANGING) if rise else unit(posture)),
            (drop_at, flung),
            (impact_at, unit((flung + 3 * lying).astype(np.float32))),
            (impact_at + 0.5, unit(lying.astype(np.float32))),
        ),
    )
    force = direction * _support(time, drop_at, impact_at, between(*LEAST_SUPPORT))
    flail = _smooth_noise(random, time, 3.0)
    flail *= between(*STAGGER_G) * _bump(time, rise, impact_at)
    force += flail
    force += _impact(random, time, impact_at, direction)
    force += _settling(random, time, impact_at)
    fine = force.reshape(3, -1, _OVERSAMPLING)
    return Fall(
        np.ascontiguousarray(fine.mean(axis=2), dtype=np.float32),
        int(drop_at * MOTION_HZ),
        int(impact_at * MOTION_HZ),
    )


def _path(
    time: NDArray[np.float64], points: tuple[tuple[float, NDArray[np.float32]], ...]
) -> NDArray[np.float64]:
    """Unit vectors (3, n) that turn smoothly through `points` (second, vector)."""
    at = np.array([point[0] for point in points])
    vectors = np.stack([point[1] for point in points])
    where = np.clip(np.searchsorted(at, time, side="right") - 1, 0, len(at) - 2)
    span = np.maximum(at[where + 1] - at[where], 1e-9)
    share = np.clip((time - at[where]) / span, 0.0, 1.0)
    share = share * share * (3 - 2 * share)
    mixed: NDArray[np.float64] = vectors[where].T * (1 - share) + vectors[where + 1].T * share
    # The nudge keeps the middle of a half turn away from zero.
    mixed += 1e-6
    mixed /= np.linalg.norm(mixed, axis=0)
    return mixed


def _support(
    time: NDArray[np.float64], drop_at: float, impact_at: float, least: float
) -> NDArray[np.float64]:
    """Share of the weight that something carries: 1, less in the drop, 1 again."""
    falling = np.clip((time - drop_at) / (0.6 * (impact_at - drop_at)), 0.0, 1.0)
    support: NDArray[np.float64] = 1 - (1 - least) * (1 - np.cos(np.pi * falling)) / 2
    return np.where(time < impact_at, support, 1.0)


def _bump(time: NDArray[np.float64], start: float, end: float) -> NDArray[np.float64]:
    share = np.clip((time - start) / (end - start), 0.0, 1.0)
    result: NDArray[np.float64] = np.sin(np.pi * share)
    return result


def _smooth_noise(
    random: np.random.Generator, time: NDArray[np.float64], hertz: float
) -> NDArray[np.float64]:
    """Noise of three axes with little above `hertz`, root mean square about one, (3, n)."""
    phases = random.uniform(0, 2 * np.pi, (3, 4, 1))
    rates = random.uniform(0.3, 1.0, (3, 4, 1)) * hertz
    waves: NDArray[np.float64] = np.sin(2 * np.pi * rates * time + phases).sum(axis=1)
    # Four sines of a half each have a mean square of two.
    waves /= np.sqrt(2.0)
    return waves


def _impact(
    random: np.random.Generator,
    time: NDArray[np.float64],
    impact_at: float,
    direction: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Half-sine pulses: the first, others of the same landing, and bounces; (3, n)."""
    between = random.uniform
    height, length = between(*IMPACT_G), between(*IMPACT_S)
    # A half sine of this height and length has an area of 2/π of their product.
    length = max(length, LEAST_IMPULSE_G_S * np.pi / 2 / height)
    pulses = [(impact_at, height, length)]
    further = int(random.integers(FURTHER_PULSES[0], FURTHER_PULSES[1] + 1))
    for after, share in zip(
        between(*FURTHER_AFTER_S, FURTHER_PULSES[1])[:further],
        between(*FURTHER_SHARE, FURTHER_PULSES[1])[:further],
        strict=True,
    ):
        pulses.append((impact_at + after, height * share, length))
    at, left = impact_at, height
    for after, share in zip(
        between(*BOUNCE_AFTER_S, BOUNCES), between(*BOUNCE_SHARE, BOUNCES), strict=True
    ):
        at, left = at + after, left * share
        pulses.append((at, left, length * 1.3))
    force = np.zeros((3, len(time)))
    towards = direction[:, np.searchsorted(time, impact_at)]
    for (centre, peak, duration), sideways in zip(
        pulses, random.normal(0, 0.45, (1 + FURTHER_PULSES[1] + BOUNCES, 3)), strict=False
    ):
        line = towards + sideways
        line /= np.linalg.norm(line)
        share = np.clip((time - centre) / duration + 0.5, 0.0, 1.0)
        force += line[:, None] * (peak * np.sin(np.pi * share))
    return force


def _settling(
    random: np.random.Generator, time: NDArray[np.float64], impact_at: float
) -> NDArray[np.float64]:
    """The limb swings out after the landing; (3, n)."""
    between = random.uniform
    after = np.clip(time - impact_at, 0.0, None)
    swing = _smooth_noise(random, time, SETTLE_HZ)
    swing *= between(*SETTLE_G) * np.exp(-after / between(*SETTLE_DECAY_S))
    # Nothing before the landing; and nothing is left at the end, where the script hands over.
    swing *= np.clip((time - impact_at) / SETTLE_RISE_S, 0.0, 1.0)
    swing *= np.clip((SETTLE_S - after) / 0.5, 0.0, 1.0)
    return swing
