"""The classifier's head: a network of one hidden layer, trained in plain NumPy.

One thread and one order of every sum: the same features and seed give the same weights, bit by
bit, on the same machine and NumPy.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from detectors.fall_model import CLIP

LEAST_SCALE: Final = 0.02
"""Standard deviations are taken to be at least this. A share of time that hardly ever leaves 0 or
1 in training has one of some thousandths: divided by that, what rounding or another sensor's noise
does to it would count as much as what a fall does to the others."""

SOFT: Final = 0.02
"""Targets are this and one minus this, so that weights do not grow for ever on what is certain."""

FIRST_MOMENT: Final = 0.9
SECOND_MOMENT: Final = 0.999
LEAST_STEP: Final = 1e-8
"""Adam's constants as published (Kingma and Ba 2015)."""

SMALL_OUTPUT: Final = 0.1
"""Factor of the output's first weights: training begins undecided."""

ROWS_AT_ONCE: Final = 4096
"""Rows that are standardised at once: 35 MB of some 2,100 features."""

Array = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class NetworkRecipe:
    """How a network is trained."""

    hidden: int = 64
    epochs: float = 7.0
    """Rows drawn, in multiples of the rows that there are. Each is drawn by its weight."""
    batch: int = 256
    rate: float = 2e-3
    """Adam's first step size; it falls to zero along a cosine."""
    decay: float = 0.03
    """Weight decay for each unit of step size, apart from the gradient (AdamW)."""
    dropout: float = 0.5
    """Share of hidden units that sit out a step."""


class Head(NamedTuple):
    """A trained network, or several side by side; arrays as in `detectors.fall_model.FallModel`."""

    mean: Array
    scale: Array
    hidden_weight: Array
    hidden_bias: Array
    output_weight: Array
    output_bias: float

    def log_odds(self, features: Array) -> NDArray[np.float64]:
        """Log odds of a fall for rows of features (n, features), shape (n,)."""
        out = np.empty(len(features))
        for first in range(0, len(features), ROWS_AT_ONCE):
            part = slice(first, first + ROWS_AT_ONCE)
            scaled = _standardise(features[part].copy(), self.mean, self.scale)
            hidden = np.maximum(scaled @ self.hidden_weight.T + self.hidden_bias, 0)
            out[part] = hidden @ self.output_weight
        return out + self.output_bias


def _standardise(features: Array, mean: Array, scale: Array) -> Array:
    """Features as the network sees them, within `CLIP` standard deviations; changed in place."""
    features -= mean
    features /= scale
    return np.clip(features, -CLIP, CLIP, out=features)


class Taught(NamedTuple):
    """What is taught: rows of a matrix of features, which is not copied."""

    features: Array
    """Shape (all rows, features)."""
    rows: NDArray[np.intp]
    """Which of them to train on, shape (n,)."""
    is_fall: NDArray[np.bool_]
    """Of these, shape (n,)."""
    weight: NDArray[np.float64]
    """Likewise; they add up to 1."""


def train_heads(taught: Taught, recipe: NetworkRecipe, seeds: tuple[int, ...]) -> Head:
    """Train a network for each seed and set them side by side, so that the output is their mean.

    Parameters
    ----------
    taught
        Features, labels and weights.
    recipe
        How.
    seeds
        At least one.
    """
    mean, scale = _spread(taught)
    nets = [_Training(taught, mean, scale, recipe, seed=seed).run() for seed in seeds]
    output_weight = np.concatenate([net.output_weight for net in nets])
    return Head(
        mean=mean,
        scale=scale,
        hidden_weight=np.concatenate([net.hidden_weight for net in nets]),
        hidden_bias=np.concatenate([net.hidden_bias for net in nets]),
        output_weight=(output_weight / len(nets)).astype(np.float32),
        output_bias=float(np.mean([net.output_bias[0] for net in nets])),
    )


def _spread(taught: Taught) -> tuple[Array, Array]:
    """Weighted mean and standard deviation of each feature."""
    mean = np.zeros(taught.features.shape[1])
    square = np.zeros(taught.features.shape[1])
    for first in range(0, len(taught.rows), ROWS_AT_ONCE):
        part = slice(first, first + ROWS_AT_ONCE)
        values = taught.features[taught.rows[part]].astype(np.float64)
        mean += taught.weight[part] @ values
        square += taught.weight[part] @ np.square(values)
    scale = np.maximum(np.sqrt(np.maximum(square - np.square(mean), 0)), LEAST_SCALE)
    return mean.astype(np.float32), scale.astype(np.float32)


class _Parameters(NamedTuple):
    hidden_weight: Array
    hidden_bias: Array
    output_weight: Array
    output_bias: Array
    """Shape (1,)."""


class _Adam:
    """Adam with decoupled decay of the weights (Loshchilov and Hutter 2019)."""

    def __init__(self, parameters: _Parameters, decay: float) -> None:
        self._parameters = parameters
        self._decay = (decay, 0.0, decay, 0.0)
        self._mean = [np.zeros_like(each) for each in parameters]
        self._square = [np.zeros_like(each) for each in parameters]
        self._steps = 0

    def step(self, gradients: _Parameters, rate: float) -> None:
        """Change the parameters, in place."""
        self._steps += 1
        speed = np.float32(rate / (1 - FIRST_MOMENT**self._steps))
        unbiased = np.float32(1 / (1 - SECOND_MOMENT**self._steps))
        for each, gradient in enumerate(gradients):
            mean, square = self._mean[each], self._square[each]
            mean += np.float32(1 - FIRST_MOMENT) * (gradient - mean)
            square += np.float32(1 - SECOND_MOMENT) * (np.square(gradient) - square)
            parameter = self._parameters[each]
            parameter -= speed * mean / (np.sqrt(square * unbiased) + np.float32(LEAST_STEP))
            parameter *= np.float32(1 - rate * self._decay[each])


class _Training:
    """One network's training."""

    def __init__(
        self, taught: Taught, mean: Array, scale: Array, recipe: NetworkRecipe, *, seed: int
    ) -> None:
        self._taught, self._mean, self._scale, self._recipe = taught, mean, scale, recipe
        self._random = np.random.default_rng(seed)
        self._target = np.where(taught.is_fall, 1 - SOFT, SOFT).astype(np.float32)
        self._cumulated = np.cumsum(taught.weight)
        self._batch = np.empty((recipe.batch, taught.features.shape[1]), np.float32)
        self._net = _begin(taught.features.shape[1], recipe.hidden, self._random)

    def run(self) -> _Parameters:
        recipe = self._recipe
        adam = _Adam(self._net, recipe.decay)
        steps = max(round(recipe.epochs * len(self._taught.rows) / recipe.batch), 1)
        for step in range(1, steps + 1):
            rate = recipe.rate * 0.5 * (1 + np.cos(np.pi * step / steps))
            adam.step(self._gradients(), rate)
        return self._net

    def _gradients(self) -> _Parameters:
        """Of the mean cross entropy of a batch that is drawn by the weights."""
        recipe, net, taught = self._recipe, self._net, self._taught
        dice = self._random.random(recipe.batch) * self._cumulated[-1]
        drawn = np.searchsorted(self._cumulated, dice, side="right")
        # Into memory that is there: fresh pages for each batch took as long as all the products.
        taught.features.take(taught.rows[drawn], axis=0, out=self._batch, mode="clip")
        seen = _standardise(self._batch, self._mean, self._scale)
        active = seen @ net.hidden_weight.T + net.hidden_bias
        passes = self._random.random(active.shape, dtype=np.float32) >= recipe.dropout
        mask = ((active > 0) & passes) * np.float32(1 / (1 - recipe.dropout))
        active *= mask
        output = active @ net.output_weight + net.output_bias
        error = (1 / (1 + np.exp(-output)) - self._target[drawn]) / np.float32(recipe.batch)
        back = error[:, None] * net.output_weight * mask
        return _Parameters(
            back.T @ seen, back.sum(axis=0), error @ active, error.sum(keepdims=True)
        )


def _begin(inputs: int, hidden: int, random: np.random.Generator) -> _Parameters:
    """First weights after He et al. 2015, which keep the variance through a ReLU."""
    return _Parameters(
        random.standard_normal((hidden, inputs), dtype=np.float32)
        * np.float32(np.sqrt(2 / inputs)),
        np.zeros(hidden, np.float32),
        random.standard_normal(hidden, dtype=np.float32)
        * np.float32(SMALL_OUTPUT * np.sqrt(2 / hidden)),
        np.zeros(1, np.float32),
    )
