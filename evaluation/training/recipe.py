"""What is done in a training, as data: one recipe for each placement."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from math import inf
from typing import Final

from contract.screen import SCREEN_IMPACT_G
from evaluation.training.augmentation import Augmentation
from evaluation.training.network import NetworkRecipe


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How a model of one placement comes about."""

    placement: str
    plain: int
    """Passes over the trials as recorded; each with other padding and phase."""
    augmented: tuple[tuple[int, Augmentation], ...]
    """Further passes, and what may happen to a trial in them."""
    learn_from_g: float
    """Impacts of training; softer than those that are judged, as they show what is no fall."""
    screen_g: float
    """Impacts that are judged."""
    dilations: tuple[int, ...] = (1, 3, 6)
    strides: tuple[int, ...] = (1, 1, 1)
    biases: int = 2
    """Of the kernels, see `detectors.convolution`."""
    network: NetworkRecipe = field(default_factory=NetworkRecipe)
    networks: int = 2
    """Networks whose mean is the model's."""
    fall_share: float = 0.1
    fall_set_power: float = 0.25
    everyday_factor: float = 2.0
    """See `evaluation.training.labels.weights`."""
    relabellings: int = 1
    """Rounds in which the impact of an unmarked fall is placed anew, where a model of other people
    sees it: the greatest peak of a cropped trial is not always the fall."""
    relabelling_folds: int = 3
    point_folds: int = 6
    """Folds by person, inside training, whose scores the threshold is chosen by."""
    daily_share: float = 0.01
    long_alarms: int = 3
    """See `evaluation.training.operating_point`. In SPHERE's 2.3 h of home life two impacts look
    like falls to every network that was tried: to stay below them costs five points of WEDA's
    falls. A suspicion pages nobody for half a minute and is withdrawn by walking, so it leans to
    the falls."""


ANOTHER_WEARABLE: Final = Augmentation(
    turned=True,
    pace=0.08,
    gain=0.04,
    offset_g=0.03,
    bandwidth_hz=(inf, inf, 5.0, 8.0, 12.0),
    rate_hz=(0, 0, 18, 20, 25, 32, 40, 50, 64),
    jitter_s=0.008,
    noise_g=0.03,
    step_g=(0, 0, 0.015, 0.03, 0.06),
    range_g=(inf, inf, 8.0, 4.0, 4.0, 3.0, 2.0),
    tail_cut=0.3,
    head_cut=0.15,
)
"""The wearables that there are and somewhat worse ones: 18 to 64 Hz, ±2 g to more than anything,
bandwidths of a quarter of the rate, steps of 8 bits over ±8 g, a few hundredths of a g wrong."""

SIMPLE_BAND: Final = replace(
    ANOTHER_WEARABLE, rate_hz=(18, 20, 20, 22, 25), range_g=(inf, 8.0, 4.0, 4.0, 2.0)
)
"""The simplest wristbands: about 20 Hz."""

RECIPES: Final = {
    "wrist": Recipe(
        placement="wrist",
        plain=3,
        augmented=((6, ANOTHER_WEARABLE), (3, SIMPLE_BAND)),
        learn_from_g=1.6,
        screen_g=SCREEN_IMPACT_G["wrist"],
        # Longer, and the networks learn the two wrist sets: people held out of them are found no
        # better, a wearable that is in neither much worse, and each time by chance.
        network=NetworkRecipe(epochs=4.0),
        networks=4,
    ),
    "waist": Recipe(
        placement="waist",
        plain=2,
        augmented=((6, ANOTHER_WEARABLE),),
        learn_from_g=1.6,
        screen_g=SCREEN_IMPACT_G["waist"],
        relabellings=0,
        point_folds=3,
        daily_share=0.004,
    ),
}
"""By the model's name. What was tried and refused is in docs/training.md."""


QUICK_EPOCHS: Final = 7.0
"""With four, two passes over a few dozen trials left the networks undecided."""


def quick(recipe: Recipe) -> Recipe:
    """A recipe that takes a tenth of the time, to see that everything works; no good model."""
    return replace(
        recipe,
        plain=1,
        augmented=tuple((1, augmentation) for _, augmentation in recipe.augmented[:1]),
        # An epoch of so few passes has few steps.
        network=replace(recipe.network, epochs=max(recipe.network.epochs, QUICK_EPOCHS)),
        networks=1,
        relabellings=0,
        point_folds=3,
    )
