"""Out-of-fold figures: everything that a card says was measured on people held out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from detectors.fall_model import FallModel, decode_model, encode_model
from evaluation.training.augmentation import Augmentation
from evaluation.training.fitting import Lessons, fit
from evaluation.training.people import folds_by_person
from evaluation.training.recipe import Recipe
from evaluation.training.scoring import Figures, figures
from evaluation.training.streams import Impacts, impacts_of
from evaluation.training.table import TrialTable, UnfitDataError

Tell = Callable[[str], None]
"""Takes a line of progress."""

Keep = Callable[[FallModel, NDArray[np.bool_]], None]
"""Takes a fold's model, and which trials it learnt from, shape (trials,)."""

OTHER_WEARABLES: Final = {
    "20 Hz": Augmentation(rate_hz=(20.0,)),
    "25 Hz": Augmentation(rate_hz=(25.0,)),
    "±2 g": Augmentation(range_g=(2.0,)),
    "±4 g": Augmentation(range_g=(4.0,)),
    "±8 g": Augmentation(range_g=(8.0,)),
    "20 Hz, ±4 g, turned": Augmentation(rate_hz=(20.0,), range_g=(4.0,), turned=True),
    "5 Hz bandwidth": Augmentation(bandwidth_hz=(5.0,)),
}
"""What else the same trials are played as, when they are held out."""

CURVE: Final = tuple(np.round(np.arange(-3, 4.01, 0.5), 2))
"""Log odds at which the trade-off is noted."""


@dataclass(frozen=True)
class OutOfFold:
    """Scores of impacts from models that have not seen the person, and those models' thresholds."""

    fold: NDArray[np.intp]
    """Of each trial."""
    threshold: NDArray[np.float64]
    """Of each trial's fold, shape (trials,)."""
    thresholds: tuple[float, ...]
    """Of each fold."""
    impacts: Impacts
    """Those over the screen, of the trials as recorded."""
    score: NDArray[np.float64]
    """Shape (impacts,), 0 to 1."""
    figures: Figures
    as_other: dict[str, Figures]
    """Of the same trials as other wearables would have measured them."""


def lessons_of(table: TrialTable, recipe: Recipe, seed: int, tell: Tell) -> Lessons:
    """All passes of the recipe over the trials."""
    passes: list[Augmentation | None] = [None] * recipe.plain
    for count, augmentation in recipe.augmented:
        passes += [augmentation] * count
    parts: list[Impacts] = []
    for number, change in enumerate(passes):
        tell(f"pass {number + 1} of {len(passes)} over {len(table)} trials")
        parts.append(
            impacts_of(
                table,
                seed=seed * len(passes) + number,
                least_g=min(recipe.learn_from_g, recipe.screen_g),
                augmentation=change,
            )
        )
    impacts = Impacts.joined(parts)
    return Lessons(impacts, np.arange(len(impacts)) < len(parts[0]))


def as_shipped(model: FallModel) -> FallModel:
    """A model as its file will give it back, roundings and all."""
    return decode_model(encode_model(model))


def out_of_fold(
    table: TrialTable,
    lessons: Lessons,
    recipe: Recipe,
    *,
    folds: int,
    seed: int,
    tell: Tell,
    keep: Keep | None = None,
) -> OutOfFold:
    """Hold out every person once; nothing of a model, its threshold included, knows them.

    `keep` is given each fold's model, in their order.

    Raises
    ------
    UnfitDataError
        If there are too few persons who fall.
    """
    fold = folds_by_person(table, folds, seed)
    judged = lessons.impacts.only(lessons.plain & (lessons.impacts.peak_g > recipe.screen_g))
    others = {
        name: impacts_of(table, seed=seed, least_g=recipe.screen_g, augmentation=augmentation)
        for name, augmentation in OTHER_WEARABLES.items()
    }
    scores = {name: np.zeros(len(impacts)) for name, impacts in others.items()}
    score = np.zeros(len(judged))
    thresholds: list[float] = []
    for held_out in range(folds):
        tell(f"fold {held_out + 1} of {folds}")
        model = as_shipped(fit(table, lessons, fold != held_out, recipe, seed + 1 + held_out))
        thresholds.append(model.threshold)
        if keep is not None:
            keep(model, fold != held_out)
        _score(model, judged, fold == held_out, score)
        for name, impacts in others.items():
            _score(model, impacts, fold == held_out, scores[name])
    threshold = np.array(thresholds)[fold]
    return OutOfFold(
        fold=fold,
        threshold=threshold,
        thresholds=tuple(thresholds),
        impacts=judged,
        score=score,
        figures=figures(table, judged, score, threshold),
        as_other={
            name: figures(table, impacts, scores[name], threshold)
            for name, impacts in others.items()
        },
    )


def _score(
    model: FallModel, impacts: Impacts, among: NDArray[np.bool_], out: NDArray[np.float64]
) -> None:
    """Write the scores of the impacts of some trials."""
    asked = np.flatnonzero(among[impacts.trial])
    out[asked] = model.score(impacts.motion[asked], impacts.valid[asked])


def without_each_set(
    table: TrialTable, lessons: Lessons, recipe: Recipe, *, seed: int, tell: Tell
) -> Figures:
    """Figures of each set from a model that has seen none of it: a wearable in none of the sets.

    A set whose absence leaves too little to learn from is left out.
    """
    judged = lessons.impacts.only(lessons.plain & (lessons.impacts.peak_g > recipe.screen_g))
    out: Figures = {}
    for dataset in table.datasets:
        of_set = table.dataset == dataset
        tell(f"a model that has not seen {dataset}")
        try:
            model = as_shipped(fit(table, lessons, ~of_set, recipe, seed))
        except UnfitDataError as error:
            tell(f"none without {dataset}: {error}")
            continue
        score = np.zeros(len(judged))
        _score(model, judged, of_set, score)
        out |= figures(table, judged, score, model.threshold, of_set)
    return out


def trade_off(table: TrialTable, result: OutOfFold) -> list[dict[str, object]]:
    """Figures of each set along thresholds common to all folds."""
    rows: list[dict[str, object]] = []
    for log_odds in CURVE:
        threshold = float(1 / (1 + np.exp(-log_odds)))
        each = figures(table, result.impacts, result.score, threshold)
        rows += [
            {
                "log_odds": float(log_odds),
                "dataset": dataset,
                "sensitivity": of_set.sensitivity,
                "daily_alarmed": of_set.daily_alarmed,
                "false_alarms": of_set.false_alarms,
            }
            for dataset, of_set in each.items()
        ]
    return rows
