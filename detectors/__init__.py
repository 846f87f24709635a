"""Pure, vectorised detectors: motion and one-second summaries in, detections out.

No I/O, no asyncio and no clock: time comes with the samples, so the same samples always give
the same detections, live, in a replay or in a window fetched later. `Grid` brings any
wearable's samples to fixed one-second blocks, `SummaryGrid` does the same for the summaries
that adverts carry, `FallDetector` suspects falls in motion, by a `FallModel` for each placement,
`FallConfirmation` decides on summaries what becomes of them. Everything works on all wearables
at once.
"""

from detectors.block import Block, summary_of
from detectors.confirmation import CONFIRM_AFTER_S, FallConfirmation
from detectors.detection import Detection
from detectors.fall import DETECTOR, FallDetector
from detectors.fall_candidates import CandidateFinder
from detectors.fall_model import FallModel, ModelError, load_model
from detectors.grid import LATENESS_S, Grid
from detectors.summary import FEATURES, SummaryBlock, SummaryGrid

__all__ = [
    "CONFIRM_AFTER_S",
    "DETECTOR",
    "FEATURES",
    "LATENESS_S",
    "Block",
    "CandidateFinder",
    "Detection",
    "FallConfirmation",
    "FallDetector",
    "FallModel",
    "Grid",
    "ModelError",
    "SummaryBlock",
    "SummaryGrid",
    "load_model",
    "summary_of",
]
