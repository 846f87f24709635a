"""Fingerprints of recorded trials: whether a model was trained on a recording, whatever the
recording's set and people are called now.

Around each high point of |a| the values of |a| are rounded and hashed. They say nothing of who it
was, and no motion can be made of them; the same recording exported anew gives the same ones, with
its axes named otherwise, as other floats, or cut so that its high points stay. Resampled or
rescaled it does not: then only its people's names are left to know it by.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from detectors.fall_model import MANIFEST, ModelError
from evaluation.trials import Trial

STEP_G: Final = 0.01
"""What |a| is rounded to: far more than a float32's error (5,257 of the 5,257 fingerprints of the
development data stay when it goes through m/s² and back), and finer than the noise of any wearable,
so that no two recordings round to the same."""

ANCHOR_S: Final = 10.0
"""A high point has nothing higher so near: a trial has one or two, and where a recording is cut
moves those near its ends alone (a second less at both: 349 of 3,977 trials are not known again)."""

REACH: Final = 20
"""Samples on both sides of the high point that are hashed, at the recording's own rate."""

LEAST_SAMPLES: Final = 21
"""With fewer, chance might make two alike."""

LEAST_SPAN: Final = 20
"""In steps: what differs by less within its window is rest, and rest is all alike. Of the 4,152
development trials 175 never move so much and have no fingerprint; of the 5,257 fingerprints of the
others no two trials share one."""

MOST_G: Final = 1e6
"""Of what no sensor measured, all is alike."""

_BYTES: Final = 8
"""Of a hash: among a million others, one of ten thousand trials meets a stranger's with a chance
of 10⁻⁹."""

Fingerprints = NDArray[np.uint64]
"""Sorted, each once."""


def fingerprints_of(trial: Trial) -> Fingerprints:
    """Those of one trial, shape (n,); none if it never moves."""
    magnitude = np.sqrt(np.square(trial.samples_g.astype(np.float64)).sum(axis=0))
    magnitude = magnitude[np.isfinite(magnitude)]
    steps = np.rint(np.minimum(magnitude, MOST_G) / STEP_G).astype("<i4")
    highest = ndimage.maximum_filter1d(steps, _span(ANCHOR_S * trial.rate_hz), mode="nearest")
    least = ndimage.minimum_filter1d(steps, _span(REACH), mode="nearest")
    anchors = np.flatnonzero((steps == highest) & (steps - least >= LEAST_SPAN))
    windows = (steps[max(at - REACH, 0) : at + REACH + 1] for at in anchors.tolist())
    found = {
        hashlib.blake2b(window.tobytes(), digest_size=_BYTES).digest()
        for window in windows
        if len(window) >= LEAST_SAMPLES
    }
    return np.unique(np.array([int.from_bytes(each, "little") for each in found], np.uint64))


def _span(reach: float) -> int:
    """Samples of a filter that looks so far to both sides."""
    return 2 * round(reach) + 1


def fingerprints_of_all(trials: Iterable[Trial]) -> Fingerprints:
    """Those of several trials together."""
    each = [fingerprints_of(trial) for trial in trials]
    return np.unique(np.concatenate([np.empty(0, np.uint64), *each]))


def fingerprints_file(model: Path) -> Path:
    """Where the fingerprints of a model's training stand, beside the model's file."""
    return model.with_name(f"{model.stem}_trials.npy")


def save_fingerprints(model: Path, fingerprints: Fingerprints) -> Path:
    """Write them beside a model, and the file's SHA-256 into the manifest; returns the file."""
    path, manifest = fingerprints_file(model), model.with_name(MANIFEST)
    np.save(path, fingerprints.astype("<u8"), allow_pickle=False)
    known = json.loads(manifest.read_text("utf-8")) if manifest.exists() else {}
    known[path.name] = hashlib.sha256(path.read_bytes()).hexdigest()
    manifest.write_text(json.dumps(known, indent=2, sort_keys=True) + "\n", "utf-8")
    return path


def read_fingerprints(model: Path) -> Fingerprints | None:
    """Those of a model's training; None if nothing is written of them.

    Raises
    ------
    detectors.fall_model.ModelError
        If the file is not the one that the manifest means.
    """
    path = fingerprints_file(model)
    wanted = json.loads(model.with_name(MANIFEST).read_text("utf-8")).get(path.name)
    if wanted is None and not path.exists():
        return None
    found = hashlib.sha256(path.read_bytes()).hexdigest() if path.exists() else "none: it is gone"
    if found != wanted:
        raise ModelError(
            f"{path.name}, by which the trials of a model's training are known, is not the file "
            f"that was written with it: its SHA-256 is {found}, and {MANIFEST} says {wanted}"
        )
    fingerprints: Fingerprints = np.load(path, allow_pickle=False)
    return fingerprints
