"""How far a share may be from the truth, when trials come from few people.

Trials of one person are alike, so an interval that takes each trial for a fresh draw is too
narrow. Here people are drawn anew (a cluster bootstrap). Where everything was found, drawing
anew changes nothing, and the bootstrap would be certain of what nine people cannot show: the
interval is never narrower than Wilson's for so many independent trials.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
from scipy import special

CONFIDENCE: Final = 0.95
DRAWS: Final = 4_000
"""The bootstrap's own noise in an end of the interval is then below a third of a point."""
LEAST_PEOPLE: Final = 2
"""With one person there is nobody to draw instead."""

_SEED: Final = 0

BY_PERSON: Final = "cluster bootstrap by person, 95 %, not narrower than Wilson's"
BY_TRIAL: Final = "Wilson, 95 %, trials taken for independent: fewer than two people are named"


class Interval(NamedTuple):
    """A share's interval, and how it was come by."""

    low: float
    high: float
    method: str


def share_by_person(hits: Sequence[int], trials: Sequence[int]) -> Interval:
    """Interval of the share Σ hits / Σ trials.

    Parameters
    ----------
    hits, trials
        Of each person; at least one trial of each.
    """
    hit, of = np.asarray(hits, np.float64), np.asarray(trials, np.float64)
    low, high = wilson(int(hit.sum()), int(of.sum()))
    if len(hit) < LEAST_PEOPLE:
        return Interval(low, high, BY_TRIAL)
    rng = np.random.default_rng(_SEED)
    drawn = rng.integers(len(hit), size=(DRAWS, len(hit)))
    shares = hit[drawn].sum(axis=1) / of[drawn].sum(axis=1)
    tail = (1 - CONFIDENCE) / 2
    least, greatest = np.quantile(shares, (tail, 1 - tail))
    return Interval(min(low, float(least)), max(high, float(greatest)), BY_PERSON)


def wilson(hits: int, trials: int) -> tuple[float, float]:
    """Wilson's score interval of a binomial share (Wilson 1927)."""
    z = float(special.ndtri((1 + CONFIDENCE) / 2))
    share = hits / trials
    centre = (share + z * z / (2 * trials)) / (1 + z * z / trials)
    half = (
        z
        * float(np.sqrt(share * (1 - share) / trials + z * z / (4 * trials * trials)))
        / (1 + z * z / trials)
    )
    # At 0 and at 1 an end is the share itself, which rounding must not leave outside.
    return max(0.0, min(centre - half, share)), min(1.0, max(centre + half, share))


def greatest_rate(events: int, hours: float) -> float:
    """Upper 95 % bound of a rate per hour, after `events` in `hours` (Poisson, one-sided).

    Without an event it is the rule of three: 3 / hours (2.996).
    """
    return float(special.gammaincinv(events + 1, CONFIDENCE)) / hours


def rate_interval(events: int, time: float) -> tuple[float, float]:
    """95 % interval of a rate after `events` in `time`, per unit of it (Poisson, Garwood 1936)."""
    tail = (1 - CONFIDENCE) / 2
    low = float(special.gammaincinv(events, tail)) if events else 0.0
    return low / time, float(special.gammaincinv(events + 1, 1 - tail)) / time
