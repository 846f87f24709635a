"""What a detector says."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from contract.events import EventKind


class Detection(NamedTuple):
    """One detection of one row."""

    row: int
    kind: EventKind
    impact_ns: int
    """Wall time of the impact."""
    emitted_ns: int
    """Wall time at which the block ends that decided."""
    score: float | None
    """0 to 1, higher is surer; None where nothing was weighed."""
    features: dict[str, float]
    """By name, each with its unit as the last part of the name; only what is known."""
    waveform: tuple[int, NDArray[np.float32]] | None
    """Wall time of the first sample (ns), and samples (3, n) at 25 Hz in g, low-passed; NaN where
    nothing was heard. What comes after a suspicion is `detectors.fall_excerpt`'s."""
