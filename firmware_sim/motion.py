"""How a wrist moves: a physical model of sitting, lying, standing and walking, in g.

What an accelerometer feels is the specific force: gravity's reaction in the wrist's frame,
turned as the forearm turns, plus the arm's own acceleration. The model is the sum of

- a gravity vector for the posture, which turns towards a new one over some seconds;
- gait: the arm as a driven pendulum at half the step rate, the trunk's bounce at the step
  rate and its harmonics;
- the hand's own small business, as smooth noise between knots;
- breathing and tremor; the sensor's noise;
- scripts (falls) that replace all of it for their duration.

One call makes one second of every resident, with the same number of random draws whatever
they do, so that what happens to one resident changes nothing for another.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

MOTION_HZ: Final = 50
"""Samples per second of the simulated sensor: the grid's rate."""

SENSOR_NOISE_G: Final = 0.003
"""Per axis and sample; consumer accelerometers state 0.1 to 0.3 mg/√Hz, which over 25 Hz is
0.5 to 1.5 mg, and a worn band adds the pulse and the strap's play."""

BREATHING_G: Final = (0.002, 0.006)
"""Amplitude at the wrist, from resident to resident, g."""
BREATHING_HZ: Final = (0.2, 0.32)
"""12 to 19 breaths a minute."""

TREMOR_G: Final = (0.0005, 0.004)
TREMOR_HZ: Final = (4, 5, 6, 7)
"""Rest tremor, such as in Parkinson's disease, stands at 4 to 7 Hz. Whole numbers: then every
second is alike, and tremor costs nothing."""

STEP_HZ: Final = (1.75, 2.0)
"""Steps per second."""
STEP_JITTER: Final = 0.03
"""Standard deviation of the step rate from second to second, as a share of it."""

ARM_SWING_RAD: Final = (0.16, 0.34)
"""Amplitude of the arm's swing, from resident to resident."""
ARM_LENGTH_M: Final = 0.6
"""Shoulder to wrist."""
BOUNCE_G: Final = (0.13, 0.05, 0.03)
"""Vertical acceleration of the trunk at one, two and three times the step rate."""
GAIT_VIGOUR: Final = (0.8, 1.5)
"""Factor on the bounce, from resident to resident."""

_G_M_S2: Final = 9.80665
_KNOTS: Final = 8
"""Knots per second of the hand's own motion: voluntary hand motion lies below about 4 Hz."""
_CARRIED: Final = 3
"""Knots of the second before that its interpolation needs."""
_NOISE_POOL_S: Final = 16
"""Sensor noise is drawn once, for so many seconds of everyone, and read from a random place
on: drawing it each second took a third of the whole model's time."""

_CROSS_AXIS: Final = np.array([0.0, 1.0, 0.0], np.float32)
HANGING: Final = np.array([-0.93, 0.15, 0.33], np.float32)
"""Specific force in the wrist's frame with the arm hanging: mostly along the forearm."""
SITTING: Final = np.array([-0.15, 0.2, 0.97], np.float32)
"""Forearm on the lap or the arm rest, the band's face up."""
LYING: Final = (
    np.array([0.05, 0.1, 0.99], np.float32),
    np.array([0.2, -0.85, 0.45], np.float32),
    np.array([-0.1, 0.9, 0.4], np.float32),
    np.array([0.35, 0.3, -0.88], np.float32),
)
"""Ways in which a forearm lies beside or on a body in bed, or on the floor."""
ON_TABLE: Final = np.array([0.02, 0.01, 1.0], np.float32)

SECONDS: Final = np.arange(MOTION_HZ, dtype=np.float32) / MOTION_HZ


def unit(vector: NDArray[np.float32]) -> NDArray[np.float32]:
    """`vector` at a length of one, along the last axis."""
    result: NDArray[np.float32] = vector / np.linalg.norm(vector, axis=-1, keepdims=True)
    return result.astype(np.float32)


def _interpolation() -> NDArray[np.float32]:
    """Catmull-Rom splines through the knots, as a matrix (knots + carried, samples)."""
    matrix = np.zeros((_KNOTS + _CARRIED, MOTION_HZ), np.float32)
    for sample in range(MOTION_HZ):
        position = sample * _KNOTS / MOTION_HZ
        knot, t = int(position), position % 1.0
        weights = (
            (-t + 2 * t**2 - t**3) / 2,
            (2 - 5 * t**2 + 3 * t**3) / 2,
            (t + 4 * t**2 - 3 * t**3) / 2,
            (-(t**2) + t**3) / 2,
        )
        for offset, weight in enumerate(weights):
            matrix[knot + offset, sample] = weight
    return matrix


_BASIS: Final = np.concatenate(
    [
        _interpolation(),
        np.stack([np.sin(2 * np.pi * hertz * SECONDS) for hertz in TREMOR_HZ]),
        np.stack([np.cos(2 * np.pi * hertz * SECONDS) for hertz in TREMOR_HZ]),
        np.ones((1, MOTION_HZ)),
    ]
).astype(np.float32)
"""Everything that repeats from second to second, (waves, samples): a resident's second is one
row of factors for each axis, times this."""
_KNOT: Final = slice(0, _KNOTS + _CARRIED)
_NEW_KNOT: Final = slice(_CARRIED, _KNOTS + _CARRIED)
_TREMOR: Final = slice(_KNOTS + _CARRIED, _KNOTS + _CARRIED + 2 * len(TREMOR_HZ))
_STILL: Final = _TREMOR.stop
_KNOT_S: Final = (np.arange(_KNOTS) / _KNOTS).astype(np.float32)


class MotionModel:
    """The wrists of `rows` residents.

    Parameters
    ----------
    rows
        Residents.
    seed
        The same seed and the same calls give the same motion.
    """

    def __init__(self, rows: int, seed: int) -> None:
        self._rng = np.random.default_rng([seed, 1])
        between = self._rng.uniform
        self._rows = rows
        self._gravity = np.tile(unit(SITTING), (rows, 1))
        self._target = self._gravity.copy()
        self._turn_left_s = np.zeros(rows, np.float32)
        self._hand_g = np.zeros((rows, 1, 1), np.float32)
        self._factors = np.zeros((rows, 3, len(_BASIS)), np.float32)
        self._gait = np.zeros(rows, np.float32)
        self._step_hz = between(*STEP_HZ, rows).astype(np.float32)
        self._step_phase = between(0, 1, rows).astype(np.float32)
        self._swing_rad = between(*ARM_SWING_RAD, rows).astype(np.float32)
        self._vigour = between(*GAIT_VIGOUR, rows).astype(np.float32)
        axes = unit(self._rng.standard_normal((2, rows, 3, 1)).astype(np.float32))
        self._breath_hz = between(*BREATHING_HZ, rows)
        self._breath_turn = (2 * np.pi * self._breath_hz[:, None] * _KNOT_S).astype(np.float32)
        self._breath_phase = between(0, 1, rows)
        self._breath_g = (axes[0] * between(*BREATHING_G, (rows, 1, 1))).astype(np.float32)
        # Each resident trembles at one of the rates, in a phase of his own.
        waves = self._rng.standard_normal((rows, 1, 2)) * between(*TREMOR_G, (rows, 1, 1))
        self._tremor = np.zeros((rows, 3, 2 * len(TREMOR_HZ)), np.float32)
        for row, rate in enumerate(self._rng.integers(len(TREMOR_HZ), size=rows).tolist()):
            self._tremor[row, :, rate :: len(TREMOR_HZ)] = axes[1, row] * waves[row]
        self._factors[:, :, _TREMOR] = self._tremor
        self._alive = np.ones((rows, 1, 1), np.float32)
        self._noise_a_second = rows * 3 * MOTION_HZ
        pool = _NOISE_POOL_S * self._noise_a_second
        self._noise = self._rng.standard_normal(pool, dtype=np.float32) * SENSOR_NOISE_G
        self._scripts: dict[int, tuple[NDArray[np.float32], int]] = {}

    def turn_to(self, row: int, gravity: NDArray[np.float32], seconds: float) -> None:
        """Begin to turn the forearm so that it ends at `gravity` (3,) after `seconds`."""
        self._target[row] = unit(gravity)
        self._turn_left_s[row] = max(seconds, 1.0)

    def set_hand(self, row: int, rms_g: float) -> None:
        """How much the hand moves by itself from now on: root mean square per axis, g."""
        self._hand_g[row] = rms_g

    def set_walking(self, row: int, walking: bool) -> None:
        """Begin or end to walk."""
        self._gait[row] = 1.0 if walking else 0.0

    def set_worn(self, row: int, worn: bool) -> None:
        """Taken off, a wearable lies still: no breath, no tremor, no hand."""
        self._alive[row] = 1.0 if worn else 0.0
        self._factors[row, :, _TREMOR] = self._tremor[row] * self._alive[row]

    def play(self, row: int, script_g: NDArray[np.float32]) -> None:
        """Let (3, n) samples replace the model's, from the next second on; its last sample
        is the posture in which it leaves the resident. It takes the place of a script that
        still runs.
        """
        self._scripts[row] = (script_g, 0)
        end = unit(script_g[:, -1])
        self._gravity[row] = self._target[row] = end
        self._turn_left_s[row] = 0.0

    def gravity(self, row: int) -> NDArray[np.float32]:
        """The posture's vector now, (3,)."""
        vector: NDArray[np.float32] = self._gravity[row].copy()
        return vector

    def random(self) -> np.random.Generator:
        """The model's own generator, for those who begin a motion."""
        return self._rng

    def next_second(self) -> NDArray[np.float32]:
        """The next second of everyone, shape (rows, 3, 50), in g."""
        rows = self._rows
        hand = self._rng.standard_normal((rows, 3, _KNOTS), dtype=np.float32)
        step_jitter = self._rng.standard_normal(rows, dtype=np.float32)
        place = int(self._rng.integers((_NOISE_POOL_S - 1) * self._noise_a_second))
        factors = self._factors
        factors[:, :, :_CARRIED] = factors[:, :, _KNOTS : _KNOTS + _CARRIED]
        hand *= self._hand_g
        hand += self._breath_g * self._breathing()
        hand *= self._alive
        factors[:, :, _NEW_KNOT] = hand
        walking = np.flatnonzero(self._gait * self._alive[:, 0, 0])
        turning = np.flatnonzero(self._turn_left_s)
        still = factors[:, :, _STILL]
        still[:] = self._gravity
        if len(walking):
            still[walking] = 0.0
        if len(turning):
            still[turning] = 0.0
        # As one product of two matrices: numpy multiplies stacks one by one.
        flat = factors.reshape(rows * 3, len(_BASIS)) @ _BASIS
        samples: NDArray[np.float32] = flat.reshape(rows, 3, MOTION_HZ)
        if len(turning):
            self._add_turning(samples, turning, walking)
        if len(walking):
            self._add_gait(samples, walking, step_jitter)
        noise = self._noise[place : place + self._noise_a_second].reshape(samples.shape)
        samples += noise
        if self._scripts:
            self._play_scripts(samples, noise)
        return samples

    def _breathing(self) -> NDArray[np.float32]:
        """Breath at the knots, −1 to 1, (rows, 1, knots); smooth enough to stand on them."""
        start = (2 * np.pi * self._breath_phase).astype(np.float32)
        self._breath_phase += self._breath_hz
        self._breath_phase %= 1.0
        wave: NDArray[np.float32] = np.sin(self._breath_turn + start[:, None])
        return wave[:, None]

    def _add_turning(
        self,
        samples: NDArray[np.float32],
        turning: NDArray[np.intp],
        walking: NDArray[np.intp],
    ) -> None:
        """Turn postures, second by second; walkers have theirs in the swing."""
        start = self._gravity[turning]
        left = self._turn_left_s[turning][:, None]
        way = (self._target[turning] - start) / np.maximum(left, 1.0)
        # A half turn has no way of its own; a nudge gives it one.
        end = unit((start + way + np.float32(1e-3)).astype(np.float32))
        path = start[:, :, None] + (end - start)[:, :, None] * SECONDS
        path /= np.linalg.norm(path, axis=1, keepdims=True)
        on_foot = np.isin(turning, walking)
        samples[turning[~on_foot]] += path[~on_foot]
        self._gravity[turning] = end
        self._turn_left_s[turning] = np.maximum(left[:, 0] - 1.0, 0.0)

    def _add_gait(
        self, samples: NDArray[np.float32], rows: NDArray[np.intp], jitter: NDArray[np.float32]
    ) -> None:
        """The arm as a driven pendulum, and the trunk's bounce (both with their gravity)."""
        step_hz = self._step_hz[rows] * (1.0 + STEP_JITTER * jitter[rows])
        steps = self._step_phase[rows][:, None] + step_hz[:, None] * SECONDS
        # Two steps are one swing; the phase counts modulo two.
        self._step_phase[rows] = (self._step_phase[rows] + step_hz) % 2.0
        turn = steps * (2 * np.pi)
        swing = self._swing_rad[rows][:, None]
        omega = np.pi * step_hz[:, None]
        angle = swing * np.sin(turn / 2)
        inertia = ARM_LENGTH_M / _G_M_S2
        tangential = np.sin(angle) - inertia * omega**2 * angle
        radial = np.cos(angle) + inertia * (swing * omega * np.cos(turn / 2)) ** 2
        vigour = self._vigour[rows][:, None]
        for harmonic, amplitude in enumerate(BOUNCE_G, start=1):
            radial += vigour * amplitude * np.cos(harmonic * turn - harmonic)
        hanging = self._gravity[rows]
        # Forward is across the forearm and the wrist's own cross axis.
        forward = unit(np.cross(hanging, _CROSS_AXIS).astype(np.float32))
        samples[rows] += hanging[:, :, None] * radial[:, None] + (
            forward[:, :, None] * tangential[:, None]
        )

    def _play_scripts(self, samples: NDArray[np.float32], noise: NDArray[np.float32]) -> None:
        for row, (script, at) in list(self._scripts.items()):
            part = script[:, at : at + MOTION_HZ]
            count = part.shape[1]
            samples[row, :, :count] = part + noise[row, :, :count]
            if at + MOTION_HZ >= script.shape[1]:
                del self._scripts[row]
            else:
                self._scripts[row] = (script, at + MOTION_HZ)
