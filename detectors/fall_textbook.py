"""A fall as the textbooks have it, whatever the classifier says of it.

A network has seen some hundred falls of a few devices. A drop, a hard blow, another posture and
then stillness is a fall also where nothing like it was in training, so it is not left to it alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

PEAK_G: Final = 4.0
"""Least low-passed |a| of the blow. With 3.5 g three of 2,589 daily trials pass; with 4 g none, and
nothing of SPHERE's 2.3 h of home life either, while 631 of 1,563 recorded falls do."""

LEAST_OF: Final[Mapping[str, float]] = {"peak_g": PEAK_G, "posture_change_deg": 45.0}
"""Figures of `fall_evidence.measure` and the least that they are. Posture: half of the way from
upright to lying, as SCIENCE 2's rules have it."""

MOST_OF: Final[Mapping[str, float]] = {"low_g": 0.6, "stillness_g": 0.1}
"""And the most: a drop (LFT of SCIENCE 2), then a limb that does no more than tremble."""


def is_textbook_fall(figures: Mapping[str, float]) -> bool:
    """Whether an impact's figures leave no doubt; what was not heard is doubt."""
    least = all(figures.get(name, 0.0) >= value for name, value in LEAST_OF.items())
    return least and all(name in figures and figures[name] <= MOST_OF[name] for name in MOST_OF)
