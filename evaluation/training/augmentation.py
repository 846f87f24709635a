"""What another wearable would have measured of the same motion, and what a trial might have lacked.

Differences between devices are what costs most on people and wearables that training has not seen
(SCIENCE 1.2): so each trial is also learnt as a device of another rate, range, bandwidth, noise
and calibration would have given it, worn some other way round, on somebody quicker or slower. And
falls are cropped by those who publish them: so a trial may lose what came long before or soon
after one of its high peaks. Which trials, and where, is drawn alike for falls and for daily life.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

HIGH_SHARE: Final = 0.97
"""Quantile of |a| that makes a sample a high one, beside which a trial may be cut."""

LEAST_AFTER_S: Final = 0.4
MEAN_AFTER_S: Final = 1.5
"""What is left after a high sample when the tail is cut: at least, and more on average. A
quarter of SmartFallMM's falls have under 3 s of quiet after the impact."""

LEAST_BEFORE_S: Final = 0.5
MEAN_BEFORE_S: Final = 1.0
"""What is left before it when the head is cut."""

LEAST_LEFT_S: Final = 1.0
"""No trial is cut shorter."""

Samples = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Augmentation:
    """What may happen to a trial; the defaults leave it as it is.

    Where there are several values one is drawn, each as likely.
    """

    turned: bool = False
    """Any rotation (and mirroring) of the axes: another way of wearing it."""
    pace: float = 0.0
    """Time runs faster or slower by up to this share."""
    gain: float = 0.0
    """Error of calibration common to the axes; standard deviation of the factor."""
    offset_g: float = 0.0
    """Error of calibration of each axis; standard deviation."""
    bandwidth_hz: tuple[float, ...] = (math.inf,)
    """Corner of the sensor's own low-pass of one pole; infinite: it has none."""
    rate_hz: tuple[float, ...] = (0.0,)
    """Samples per second; 0: as recorded."""
    jitter_s: float = 0.0
    """Samples are taken up to so much before or after their even times; in seconds."""
    noise_g: float = 0.0
    """White noise on each axis; its standard deviation is drawn from 0 up to this."""
    step_g: tuple[float, ...] = (0.0,)
    """Steps that the values come in; 0: as recorded."""
    range_g: tuple[float, ...] = (math.inf,)
    """The sensor saturates here on each axis."""
    tail_cut: float = 0.0
    """Probability that the trial ends soon after one of its high samples."""
    head_cut: float = 0.0
    """Probability that it begins shortly before one."""


@dataclass(frozen=True)
class Augmented:
    """A trial as another wearable, wearer or publisher would have given it."""

    samples_g: Samples
    """Shape (3, n)."""
    rate_hz: float
    head_s: float
    """Second of the recording at which this begins."""
    pace: float
    """Seconds of this for each second of the recording."""

    def in_recording(self, second: float) -> float:
        """Where a second after this one's first sample lies in the recording as it was."""
        return second / self.pace + self.head_s


def augment(
    samples_g: NDArray[np.floating],
    rate_hz: float,
    augmentation: Augmentation,
    rng: np.random.Generator,
) -> Augmented:
    """Draw one of the many ways in which a trial might have been recorded.

    Parameters
    ----------
    samples_g
        Shape (3, n), in g; holes are NaN.
    rate_hz
        Its samples per second.
    augmentation
        What may happen.
    rng
        Draws it.
    """
    a = augmentation
    samples = samples_g.astype(np.float64)
    samples, head_s = _cut(samples, rate_hz, a, rng)
    if a.turned:
        samples = _rotation(rng) @ samples
    samples = samples * (1 + a.gain * rng.standard_normal())
    samples = samples + a.offset_g * rng.standard_normal((3, 1))
    pace = 1 + rng.uniform(-a.pace, a.pace)
    rate_hz = rate_hz / pace
    samples = _smoothed(samples, rate_hz, float(rng.choice(a.bandwidth_hz)))
    to_hz = float(rng.choice(a.rate_hz))
    samples, rate_hz, first_s = _sampled(samples, rate_hz, to_hz, a.jitter_s, rng)
    samples = samples + rng.uniform(0, a.noise_g) * rng.standard_normal(samples.shape)
    step_g, range_g = float(rng.choice(a.step_g)), float(rng.choice(a.range_g))
    if step_g > 0:
        samples = np.round(samples / step_g) * step_g
    head_s += first_s / pace
    return Augmented(np.clip(samples, -range_g, range_g), rate_hz, head_s, pace)


def _cut(
    samples: Samples, rate_hz: float, a: Augmentation, rng: np.random.Generator
) -> tuple[Samples, float]:
    """A trial that may have lost an end, and the seconds lost from its head."""
    least = math.ceil(LEAST_LEFT_S * rate_hz)
    if rng.random() < a.tail_cut:
        end = _high_sample(samples, rng) + LEAST_AFTER_S * rate_hz
        end += rng.exponential(MEAN_AFTER_S) * rate_hz
        samples = samples[:, : max(int(end), least)]
    if rng.random() < a.head_cut:
        start = _high_sample(samples, rng) - LEAST_BEFORE_S * rate_hz
        start -= rng.exponential(MEAN_BEFORE_S) * rate_hz
        first = min(max(int(start), 0), max(samples.shape[1] - least, 0))
        return samples[:, first:], first / rate_hz
    return samples, 0.0


def _high_sample(samples: Samples, rng: np.random.Generator) -> int:
    length = np.nan_to_num(np.sqrt(np.square(samples).sum(axis=0)))
    return int(rng.choice(np.flatnonzero(length >= np.quantile(length, HIGH_SHARE))))


def _rotation(rng: np.random.Generator) -> Samples:
    """A random orthogonal matrix, evenly over all of them."""
    q, r = np.linalg.qr(rng.standard_normal((3, 3)))
    turned: Samples = q * np.sign(np.diag(r))
    return turned


def _smoothed(samples: Samples, rate_hz: float, corner_hz: float) -> Samples:
    """Samples behind a low-pass of one pole, where it can be told at this rate."""
    if not corner_hz < rate_hz / 2:
        return samples
    from scipy.signal import lfilter

    keep = math.exp(-2 * math.pi * corner_hz / rate_hz)
    measured = np.isfinite(samples)
    held = np.where(measured, samples, np.nanmean(samples, axis=1, keepdims=True))
    smooth, _ = lfilter([1 - keep], [1, -keep], held, axis=1, zi=keep * held[:, :1])
    return np.where(measured, smooth, np.nan)


def _sampled(
    samples: Samples, rate_hz: float, to_hz: float, jitter_s: float, rng: np.random.Generator
) -> tuple[Samples, float, float]:
    """Samples at another rate, or at uneven times, joined by straight lines; then that rate, and
    when the first of them was taken.
    """
    if to_hz <= 0 and jitter_s <= 0:
        return samples, rate_hz, 0.0
    count = samples.shape[1]
    to_hz = to_hz if to_hz > 0 else rate_hz
    first_s = rng.uniform(0, 1 / to_hz)
    at_s = np.arange(first_s, (count - 1) / rate_hz, 1 / to_hz)
    at_s = at_s + rng.uniform(-jitter_s, jitter_s, len(at_s))
    if len(at_s) == 0:
        return samples, rate_hz, 0.0
    recorded_s = np.arange(count) / rate_hz
    return np.array([np.interp(at_s, recorded_s, axis) for axis in samples]), to_hz, first_s
