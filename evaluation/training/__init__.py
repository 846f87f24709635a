"""Training of the fall models: trials as streams through the gateway's own grid, impacts, folds by
person, a small network in NumPy, operating points chosen inside training, probes for leaks, and the
card that says all of it.
"""

from evaluation.training.card import Card, in_words
from evaluation.training.falls import (
    FOLDS,
    QUICK_FOLDS,
    Trained,
    TrainingOptions,
    train_falls,
    write,
    write_fingerprints,
)
from evaluation.training.recipe import RECIPES
from evaluation.training.table import UnfitDataError

__all__ = [
    "FOLDS",
    "QUICK_FOLDS",
    "RECIPES",
    "Card",
    "Trained",
    "TrainingOptions",
    "UnfitDataError",
    "in_words",
    "train_falls",
    "write",
    "write_fingerprints",
]
