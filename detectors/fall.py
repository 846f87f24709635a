"""Suspected falls: the screen on everyone, the classifier on the few that pass it, and a rule for
those that leave no doubt.

All candidates of a second are scored in one batch for each kind of placement. What becomes of a
suspicion is `detectors.confirmation`'s matter.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from contract.events import EventKind
from contract.screen import GENERIC_PLACEMENT
from contract.units import NS_PER_S
from detectors.detection import Detection
from detectors.fall_candidates import CandidateFinder, Candidates
from detectors.fall_evidence import measure
from detectors.fall_model import FallModel, load_model
from detectors.fall_textbook import PEAK_G, is_textbook_fall
from detectors.grid import Block

DETECTOR: Final = "fall_convolution/1"
"""Name and version, for an event's evidence."""

ONE_FALL_S: Final = 10
"""Impacts of a row this soon after a suspected fall belong to it: a body that rolls, an arm
that hits the floor on the way up. Another fall within ten seconds is the same emergency."""


class FallDetector:
    """Suspects falls in the motion of all rows.

    Parameters
    ----------
    rows
        Number of wearables.
    placement
        Where those are worn of which nothing else is said (`reset`).
    models
        Gives the model of a placement; default those that ship. Two placements may share one.

    Raises
    ------
    detectors.fall_model.ModelError
        If a model's file is not what was measured.
    """

    def __init__(
        self,
        rows: int,
        *,
        placement: str = GENERIC_PLACEMENT,
        models: Callable[[str], FallModel] = load_model,
    ) -> None:
        self._load = models
        self._models = [models(placement)]
        self._model_of = np.zeros(rows, np.intp)
        """Index into `_models`."""
        screen_g = np.full(rows, self._models[0].screen_g, np.float32)
        self._finder = CandidateFinder(screen_g)
        self._steps = 0
        self._quiet_until = np.zeros(rows, np.int64)

    def reset(self, row: int, *, placement: str = GENERIC_PLACEMENT) -> None:
        """Another wearable stands in this row from the next block on, worn elsewhere perhaps.

        An impact of the last seconds is still judged, by what was heard until now.
        """
        self._finder.reset(row)
        self.place(row, placement)

    def place(self, row: int, placement: str) -> None:
        """The wearable of this row is worn there; an unknown placement gets the generic model."""
        model = self._load(placement)
        known = [each for each, other in enumerate(self._models) if other is model]
        if not known:
            self._models.append(model)
        self._model_of[row] = known[0] if known else len(self._models) - 1
        self._finder.screen_g[row] = model.screen_g

    def step(self, block: Block) -> list[Detection]:
        """Take in the next block of the grid.

        Returns
        -------
        list
            ``fall_suspected`` of rows whose impact stands `fall_candidates.HELD_AFTER_S` blocks
            back, in the order of the rows.
        """
        self._steps += 1
        candidates = self._finder.step(block, but=self._quiet_until >= self._steps)
        if candidates is None:
            return []
        motion, valid = candidates.windows()
        scores, thresholds = self._scores(candidates.row, motion, valid)
        is_sure = scores >= thresholds
        looked_at = np.flatnonzero(is_sure | (candidates.peak_g >= PEAK_G))
        if len(looked_at) == 0:
            return []
        figures = measure(motion[looked_at], valid[looked_at], candidates.peak_g[looked_at])
        suspected = [
            (which, features)
            for which, features in zip(looked_at.tolist(), figures, strict=True)
            if is_sure[which] or is_textbook_fall(features)
        ]
        self._quiet_until[candidates.row[[which for which, _ in suspected]]] = (
            self._steps + ONE_FALL_S
        )
        return [
            _detection(candidates, which, float(scores[which]), features)
            for which, features in suspected
        ]

    def _scores(
        self, row: NDArray[np.intp], motion: NDArray[np.float32], valid: NDArray[np.bool_]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """How sure, and how sure is enough, of each window; both of shape (n,)."""
        of = self._model_of[row]
        scores = np.empty(len(row))
        for each in np.unique(of):
            at = np.flatnonzero(of == each)
            scores[at] = self._models[each].score(motion[at], valid[at])
        return scores, np.array([model.threshold for model in self._models])[of]


def _detection(
    candidates: Candidates, which: int, score: float, features: dict[str, float]
) -> Detection:
    return Detection(
        row=int(candidates.row[which]),
        kind=EventKind.FALL_SUSPECTED,
        impact_ns=int(candidates.impact_ns[which]),
        emitted_ns=candidates.decided_second * NS_PER_S,
        score=score,
        features=features,
        waveform=candidates.waveform(which),
    )
