"""Models of the folds, kept to be asked again: ``wardlight evaluate falls --model`` judges each
person by one that has not seen them, through all of the gateway and over either transport.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from detectors.fall_model import FallModel, save_model
from evaluation.fingerprints import fingerprints_of_all, save_fingerprints
from evaluation.training.table import TrialTable


class FoldKeeper:
    """Writes each fold's model into ``fold-1``, ``fold-2`` … of a folder.

    Beside each stand the manifest, the fingerprints of its trials, and a card that says no more
    than whom the model has seen.

    Parameters
    ----------
    folder
        Made if it is missing; what is there of the same placement is written over.
    table
        The trials of the training.
    """

    def __init__(self, folder: Path, table: TrialTable) -> None:
        self._folder = folder
        self._table = table
        self._kept = 0

    def __call__(self, model: FallModel, learnt_from: NDArray[np.bool_]) -> None:
        """Keep the next fold's model; `learnt_from` has shape (trials,).

        Raises
        ------
        OSError
            If the folder cannot be written.
        """
        self._kept += 1
        folder = self._folder / f"fold-{self._kept}"
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"falls_{model.placement}.npz"
        digest = save_model(path, model)
        card = {
            "model": path.stem,
            "placement": model.placement,
            "sha256": digest,
            "fold": self._kept,
            "people": sorted({str(each) for each in self._table.person[learnt_from]}),
        }
        path.with_suffix(".json").write_text(
            json.dumps(card, indent=1, ensure_ascii=False) + "\n", "utf-8"
        )
        seen = [self._table.trials[row] for row in np.flatnonzero(learnt_from)]
        save_fingerprints(path, fingerprints_of_all(seen))
