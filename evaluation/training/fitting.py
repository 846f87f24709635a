"""From the impacts of some people to a model: features, labels, operating point, network.

Everything is learnt from these people alone: the kernels' biases, where unmarked falls are, the
scale of the features, the weights and the threshold.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from detectors.convolution import Convolution, KernelBank, make_bank
from detectors.fall_features import arrange, channels
from detectors.fall_model import FallModel, window_features
from evaluation.training.labels import DAILY, FALL, best_of_each_fall, labels, weights
from evaluation.training.network import Head, Taught, train_heads
from evaluation.training.operating_point import operating_point
from evaluation.training.people import folds_by_person
from evaluation.training.recipe import Recipe
from evaluation.training.streams import Impacts
from evaluation.training.table import TrialTable, UnfitDataError

_BANK, _RELABELLING, _POINT, _NETWORK = range(4)
"""What randomness is for: each has a stream of its own."""


@dataclass(frozen=True)
class Lessons:
    """Impacts that are learnt from, and which of them stem from trials as they were recorded."""

    impacts: Impacts
    plain: NDArray[np.bool_]
    """The first pass: what scores inside training are measured on. Shape (impacts,)."""


def fit(
    table: TrialTable, lessons: Lessons, among: NDArray[np.bool_], recipe: Recipe, seed: int
) -> FallModel:
    """A model, with its operating point, from some of the trials.

    Parameters
    ----------
    table
        The trials.
    lessons
        Impacts of all of them.
    among
        Trials to learn from, shape (trials,): all else is not looked at.
    recipe
        How.
    seed
        Of all that is drawn.

    Raises
    ------
    UnfitDataError
        If these trials hold too few people, or no fall, or no daily life.
    """
    return _Fitting(table, lessons, among, recipe, seed).model()


class _Fitting:
    def __init__(
        self,
        table: TrialTable,
        lessons: Lessons,
        among: NDArray[np.bool_],
        recipe: Recipe,
        seed: int,
    ) -> None:
        chosen = np.flatnonzero(among[lessons.impacts.trial])
        self._table, self._recipe, self._seed, self._among = table, recipe, seed, among
        self._impacts = lessons.impacts.only(chosen)
        self._plain = lessons.plain[chosen]
        if not self._plain.any():
            raise UnfitDataError("no impact in these trials passes the screen")
        self._bank = self._make_bank()
        self._features = window_features(
            Convolution(self._bank), self._impacts.motion, self._impacts.valid
        )
        plain = self._impacts.only(self._plain)
        self._impact_at_s = best_of_each_fall(table, plain, plain.peak_g)

    def model(self) -> FallModel:
        """Relabel, choose the operating point, and train on everyone who is there."""
        for _ in range(self._recipe.relabellings):
            self._relabel()
        threshold = self._operating_point()
        everyone = np.arange(len(self._impacts))
        head = self._train(everyone, self._seeds(self._recipe.networks))
        return FallModel(
            placement=self._recipe.placement,
            threshold=float(1 / (1 + np.exp(-threshold))),
            screen_g=self._recipe.screen_g,
            bank=self._bank,
            mean=head.mean,
            scale=head.scale,
            hidden_weight=head.hidden_weight,
            hidden_bias=head.hidden_bias,
            output_weight=head.output_weight,
            output_bias=head.output_bias,
        )

    def _make_bank(self) -> KernelBank:
        plain = self._impacts.only(self._plain)
        return make_bank(
            channels(arrange(plain.motion, plain.valid)),
            np.random.default_rng([self._seed, _BANK]),
            dilations=self._recipe.dilations,
            strides=self._recipe.strides,
            biases=self._recipe.biases,
        )

    def _seeds(self, count: int) -> tuple[int, ...]:
        drawn = np.random.default_rng([self._seed, _NETWORK]).integers(0, 2**31, count)
        return tuple(int(seed) for seed in drawn)

    def _train(self, rows: NDArray[np.intp], seeds: tuple[int, ...]) -> Head:
        """Networks from some rows of the features; unused ones are left out."""
        label = labels(self._table, self._impacts.only(rows), self._impact_at_s)
        rows, label = rows[(label == FALL) | (label == DAILY)], label[label >= DAILY]
        if not (label == FALL).any() or not (label == DAILY).any():
            raise UnfitDataError("a training needs impacts of falls and of daily life")
        recipe = self._recipe
        weight = weights(
            self._table,
            self._impacts.trial[rows],
            label,
            fall_share=recipe.fall_share,
            fall_set_power=recipe.fall_set_power,
            everyday_factor=recipe.everyday_factor,
        )
        taught = Taught(self._features, rows, label == FALL, weight)
        return train_heads(taught, recipe.network, seeds)

    def _unseen(self, folds: int, stream: int) -> NDArray[np.float64]:
        """Log odds of the impacts as recorded, each from a network that has not seen the person.

        Shape (impacts,); NaN for all others.
        """
        fold = folds_by_person(self._table, folds, self._draw(stream))
        fold_of = fold[self._impacts.trial]
        score = np.full(len(self._impacts), np.nan)
        for held_out in range(folds):
            head = self._train(np.flatnonzero(fold_of != held_out), self._seeds(1))
            asked = np.flatnonzero((fold_of == held_out) & self._plain)
            score[asked] = head.log_odds(self._features[asked])
        return score

    def _draw(self, stream: int) -> int:
        return int(np.random.default_rng([self._seed, stream]).integers(2**31))

    def _relabel(self) -> None:
        """Where unmarked falls are, by networks of other people; marks are believed as they are."""
        score = self._unseen(self._recipe.relabelling_folds, _RELABELLING)[self._plain]
        placed = best_of_each_fall(self._table, self._impacts.only(self._plain), score)
        unmarked = np.isnan(self._table.mark_s[:, 0])
        self._impact_at_s = np.where(unmarked, placed, self._impact_at_s)

    def _operating_point(self) -> float:
        score = self._unseen(self._recipe.point_folds, _POINT)
        judged = self._plain & (self._impacts.peak_g > self._recipe.screen_g)
        return operating_point(
            self._table,
            self._impacts.only(judged),
            score[judged],
            self._among,
            daily_share=self._recipe.daily_share,
            long_alarms=self._recipe.long_alarms,
        )
