"""The motion around a suspected fall that a person is shown.

A suspicion is told within five seconds of its impact; what it tells of the time after ends there.
Whoever is asked to run, or to judge later what happened, also wants to see the seconds that
follow. They are kept of suspicions alone: everyone's history stays as short as the classifier
needs it.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from contract.screen import MOTION_HZ
from contract.units import NS_PER_S
from detectors.block import Block
from detectors.detection import Detection
from detectors.fall_candidates import HELD_BEFORE_S, STEP_NS

SHOWN_AFTER_S: Final = 10
"""Of the time after an impact: the fall itself, coming to rest, and whether she moves at once."""

_SAMPLES: Final = (HELD_BEFORE_S + SHOWN_AFTER_S) * MOTION_HZ


class Excerpt:
    """From `HELD_BEFORE_S` before an impact to `SHOWN_AFTER_S` after it, as it comes.

    Parameters
    ----------
    suspicion
        Of the fall; what was heard until it was suspected is its waveform.
    """

    def __init__(self, suspicion: Detection) -> None:
        self.impact_ns = suspicion.impact_ns
        self._start_ns = self.impact_ns - HELD_BEFORE_S * NS_PER_S
        self._motion = np.full((3, _SAMPLES), np.nan, np.float32)
        if suspicion.waveform is not None:
            start_ns, samples = suspicion.waveform
            self._put(start_ns, samples, np.isfinite(samples[0]))

    @property
    def end_ns(self) -> int:
        """Grid time at which it ends."""
        return self.impact_ns + SHOWN_AFTER_S * NS_PER_S

    @property
    def heard(self) -> int:
        """Samples that were heard of it."""
        return int(np.isfinite(self._motion[0]).sum())

    @property
    def is_whole(self) -> bool:
        """Whether something was heard until its last second."""
        return bool(np.isfinite(self._motion[0, -MOTION_HZ:]).any())

    def take(self, block: Block, row: int) -> None:
        """Hear a second of the row in which the wearable stands; one that is outside changes
        nothing, nor does one that has been heard.
        """
        self._put(block.second * NS_PER_S, block.motion[:, row], block.valid[row])

    def waveform(self) -> tuple[int, NDArray[np.float32]] | None:
        """Wall time (ns) of the first sample heard, and samples (3, n) in g to the last one heard,
        NaN where nothing was; None if nothing was at all.
        """
        heard = np.flatnonzero(np.isfinite(self._motion[0]))
        if len(heard) == 0:
            return None
        first, last = int(heard[0]), int(heard[-1])
        return self._start_ns + first * STEP_NS, self._motion[:, first : last + 1].copy()

    def _put(self, start_ns: int, samples: NDArray[np.float32], valid: NDArray[np.bool_]) -> None:
        at = (start_ns - self._start_ns) // STEP_NS + np.flatnonzero(valid)
        inside = (at >= 0) & (at < _SAMPLES)
        self._motion[:, at[inside]] = samples[:, valid][:, inside]
