"""A fall that leaves no doubt needs no classifier."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from contract.units import NS_PER_S
from detectors import FallDetector, Grid
from detectors.fall_model import load_model
from detectors.fall_textbook import LEAST_OF, MOST_OF, is_textbook_fall

RATE_HZ = 50
FALL_S = 12
DOUBTLESS = {**LEAST_OF, **MOST_OF}


def fall(*, blow_g: float = 7.0, turned: bool = True) -> np.ndarray:
    """Upright, a drop of 0.4 s, a blow of 0.16 s, at rest: (3, samples) in g."""
    motion = np.tile(np.array([[0.0], [0.0], [1.0]], np.float32), RATE_HZ * 30)
    drop = FALL_S * RATE_HZ
    motion[:, drop : drop + 20] *= 0.2
    motion[2, drop + 20 : drop + 28] = blow_g
    if turned:
        motion[:, drop + 28 :] = [[1.0], [0.0], [0.0]]
    return motion


def suspected(motion: np.ndarray, start_s: int) -> list[float | None]:
    """Scores of what is suspected by a detector whose classifier is sure of nothing."""
    grid = Grid(1)
    step_ns = np.arange(motion.shape[1]) * (NS_PER_S // RATE_HZ)
    grid.push(0, start_s * NS_PER_S + step_ns, motion)
    unsure = replace(load_model("wrist"), threshold=0.9999)
    detector = FallDetector(1, models=lambda _: unsure)
    return [said.score for block in grid.close(start_s + 29) for said in detector.step(block)]


def test_it_is_suspected_whatever_the_classifier_says(start_s: int) -> None:
    (score,) = suspected(fall(), start_s)
    assert score is not None
    assert score < 0.9999


@pytest.mark.parametrize("motion", [fall(blow_g=3.0), fall(turned=False)], ids=["soft", "upright"])
def test_what_leaves_a_doubt_is_the_classifiers(motion: np.ndarray, start_s: int) -> None:
    assert suspected(motion, start_s) == []


@pytest.mark.parametrize("name", DOUBTLESS)
def test_what_was_not_heard_or_falls_short_is_doubt(name: str) -> None:
    assert is_textbook_fall(DOUBTLESS)
    assert not is_textbook_fall({key: value for key, value in DOUBTLESS.items() if key != name})
    worse = 0.9 if name in LEAST_OF else 1.1
    assert not is_textbook_fall(DOUBTLESS | {name: DOUBTLESS[name] * worse})
