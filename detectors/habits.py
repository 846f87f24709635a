"""What is usual for each resident: how often at this hour, when she goes to bed, and what changes.

Rates are Gamma-Poisson with forgetting (SCIENCE 3.3): for each resident and local hour α events in
β hours watched, on top of what is usual in the home. A count's surprise is the tail of the
prediction, a negative binomial. Everything is arrays over residents; hours and days are local ones
and come from the caller, who calls `Rates.learn` for the hours that a day had, 23 or 25.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]

HOURS: Final = 24
KEPT_A_DAY: Final = 0.97
"""Forgetting: a day weighs half as much after 23 days, and there are 33 days of memory (SCIENCE
3.3)."""
HOME_WEIGHT_H: Final = 3.0
"""Hours that what is usual in the home weighs against her own: after three days she has as much to
say herself, after a month ten times as much."""
HOME_RATE: Final = 0.5
"""Events an hour before the home has said anything; it weighs `HOME_WEIGHT_H` hours in all."""
LEARNING_DAYS: Final = 14
"""Fewer, and it is said that habits are being learnt: each day of the week has been seen twice."""
GREATEST_SURPRISE: Final = 300.0
"""-log10 p is told up to here, the least number that a float holds."""
USUAL_SHARES: Final = (0.05, 0.95)
"""What is usual lies between these quantiles of the prediction."""
_GREATEST_USUAL: Final = 1_000
_TERMS: Final = 10_000


class Rates:
    """How often something happens to each resident, by the hour; one of these for each thing.

    Parameters
    ----------
    residents
        How many.
    home_rate
        (24,) events an hour expected of anybody before anything was seen, or one for all hours.

    Raises
    ------
    ValueError
        If a rate is not positive.
    """

    def __init__(self, residents: int, home_rate: Values | float = HOME_RATE) -> None:
        self._before = np.broadcast_to(np.asarray(home_rate, np.float64), HOURS).copy()
        if not (self._before > 0).all():
            raise ValueError("a home's rate is more than nothing: a log of it is taken")
        self._events = np.zeros((HOURS, residents))
        self._watched_h = np.zeros((HOURS, residents))
        self.days_seen = np.zeros(residents, np.int64)
        """(residents,) days with an hour watched."""
        self._is_watched_today = np.zeros(residents, np.bool_)

    @property
    def is_learning(self) -> NDArray[np.bool_]:
        """(residents,) of whom too few days are known; the home speaks for them."""
        learning: NDArray[np.bool_] = self.days_seen < LEARNING_DAYS
        return learning

    def weight_h(self, hour: int) -> Values:
        """(residents,) hours of her own behind what is said of this hour of day."""
        weight: Values = self._watched_h[_hour(hour)].copy()
        return weight

    def learn(self, hour: int, counts: Values, watched_h: Values | float = 1.0) -> None:
        """An hour is over.

        Parameters
        ----------
        hour
            Local hour of day, 0 to 23; twice on a day of 25, and one not at all on a day of 23.
        counts
            (residents,) events in it.
        watched_h
            (residents,) share of it that each was there and watched; 0 on leave.

        Raises
        ------
        ValueError
            If a count is negative or not a number, or a time is not within 0 and 1 h.
        """
        watched = np.broadcast_to(np.asarray(watched_h, np.float64), self.days_seen.shape)
        if not (np.isfinite(counts).all() and (np.asarray(counts) >= 0).all()):
            raise ValueError("counts are numbers from 0 on")
        if not ((watched >= 0) & (watched <= 1)).all():
            raise ValueError("of an hour nothing to one hour is watched")
        self._events[_hour(hour)] += np.where(watched > 0, counts, 0)
        self._watched_h[_hour(hour)] += watched
        self._is_watched_today |= watched > 0

    def end_day(self) -> None:
        """Local midnight: forget a little; those who were away forget nothing."""
        kept = np.where(self._is_watched_today, KEPT_A_DAY, 1.0)
        self._events *= kept
        self._watched_h *= kept
        self.days_seen += self._is_watched_today
        self._is_watched_today[:] = False

    def surprise(
        self,
        hour: int,
        counts: NDArray[np.int64],
        window_h: float = 1.0,
        *,
        rows: NDArray[np.int64] | None = None,
    ) -> Values:
        """(residents,) -log10 of the chance of so many events or more in a window at this hour.

        Of these rows alone, if there are any: counts are theirs, then.
        """
        if not (np.asarray(counts) >= 0).all():
            raise ValueError("counts are numbers from 0 on")
        alpha, beta = self._believed(hour, rows)
        return tail_surprise(np.asarray(counts), alpha, beta / (beta + _window(window_h)))

    def usual(
        self, hour: int, window_h: float = 1.0, *, rows: NDArray[np.int64] | None = None
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """(residents,) twice: fewest and most events of nine windows in ten at this hour."""
        alpha, beta = self._believed(hour, rows)
        fails = beta / (beta + _window(window_h))
        chance = fails**alpha
        below, ends = chance.copy(), [np.full(len(alpha), -1), np.full(len(alpha), -1)]
        for count in range(_GREATEST_USUAL):
            for end, share in zip(ends, USUAL_SHARES, strict=True):
                end[(end < 0) & (below >= share)] = count
            if (ends[1] >= 0).all():
                break
            chance = chance * (alpha + count) / (count + 1) * (1 - fails)
            below += chance
        low, high = (np.where(end < 0, _GREATEST_USUAL, end) for end in ends)
        return low, high

    def silence(self, from_hour: float, hours: Values | float) -> Values:
        """(residents,) log10 of the chance that nothing happens for so long (SCIENCE 3.3).

        Parameters
        ----------
        from_hour
            Local time of day in hours, at which it begins.
        hours
            (residents,) how long; up to a day.

        Raises
        ------
        ValueError
            If it is longer than a day or negative.
        """
        long = np.broadcast_to(np.asarray(hours, np.float64), self.days_seen.shape)
        if not ((long >= 0) & (long <= HOURS)).all():
            raise ValueError("a silence lasts from nothing to a day")
        total = np.zeros(len(long))
        first = int(from_hour)
        for number in range(first, first + HOURS + 1):
            begun = max(from_hour, number)
            inside = np.clip(np.minimum(from_hour + long, number + 1) - begun, 0, 1)
            if not inside.any():
                break
            alpha, beta = self._believed(number % HOURS)
            total += alpha * np.log10(beta / (beta + inside))
        return total

    def quiet(self, hour: int, hours: Values) -> Values:
        """(residents,) log10 of the chance that nothing happens in (residents,) hours of this one.

        For silences that began at different times: of each hour its own share, and their sum.
        """
        alpha, beta = self._believed(hour)
        chance: Values = alpha * np.log10(beta / (beta + hours))
        return chance

    def to_arrays(self) -> dict[str, NDArray[np.float64]]:
        """All that must outlive the process."""
        return {
            "before": self._before.copy(),
            "events": self._events.copy(),
            "watched_h": self._watched_h.copy(),
            "days_seen": self.days_seen.astype(np.float64),
            "is_watched_today": self._is_watched_today.astype(np.float64),
        }

    @classmethod
    def from_arrays(cls, kept: Mapping[str, NDArray[np.float64]]) -> Rates:
        """What `to_arrays` gave.

        Raises
        ------
        ValueError
            If something is missing, has another shape, or is not a number from 0 on.
        """
        try:
            residents = len(kept["days_seen"])
            shapes = {"before": (HOURS,), "events": (HOURS, residents)}
            shapes |= {"watched_h": (HOURS, residents), "is_watched_today": (residents,)}
            for name, values in kept.items():
                good = values.shape == shapes.get(name, (residents,))
                if not (good and np.isfinite(values).all() and (values >= 0).all()):
                    raise ValueError(f"kept habits are damaged: {name}")
            rates = cls(residents, kept["before"])
            rates._events[:] = kept["events"]
            rates._watched_h[:] = kept["watched_h"]
            rates.days_seen[:] = kept["days_seen"].astype(np.int64)
            rates._is_watched_today[:] = kept["is_watched_today"] > 0
        except KeyError as error:
            raise ValueError(f"kept habits are damaged: no {error}") from error
        return rates

    def _believed(self, hour: int, rows: NDArray[np.int64] | None = None) -> tuple[Values, Values]:
        """(residents,) α and β: her own, on top of the home's at this hour as a prior."""
        events, watched = self._events[_hour(hour)], self._watched_h[_hour(hour)]
        prior = self._before[hour] * HOME_WEIGHT_H
        home = (events.sum() + prior) / (watched.sum() + HOME_WEIGHT_H)
        if rows is not None:
            events, watched = events[rows], watched[rows]
        return events + home * HOME_WEIGHT_H, watched + HOME_WEIGHT_H


def tail_surprise(counts: NDArray[np.int64], alpha: Values, fails: Values) -> Values:
    """-log10 P(X >= count) of negative binomials, P(0) = fails ** alpha.

    The tail is summed from the count on, so that it is exact where 1 - P(X < count) would be
    rounding.
    """
    count = counts.astype(np.float64)
    most = int(counts.max(initial=0))
    log_chance = alpha * np.log(fails)
    log_passes = np.log1p(-fails)
    at_count = log_chance.copy()
    for each in range(most):
        log_chance = log_chance + np.log((alpha + each) / (each + 1)) + log_passes
        at_count = np.where(count == each + 1, log_chance, at_count)
    total, term = np.ones(len(alpha)), np.ones(len(alpha))
    for each in range(_TERMS):
        term = term * (alpha + count + each) / (count + each + 1) * (1 - fails)
        total += term
        if (term < total * np.finfo(np.float64).eps).all():
            break
    surprise = -(at_count + np.log(total)) / np.log(10.0)
    surprise = np.where(counts == 0, 0.0, surprise)
    return np.clip(surprise, 0.0, GREATEST_SURPRISE)


def _hour(hour: int) -> int:
    if not 0 <= hour < HOURS:
        raise ValueError(f"hours of a day are 0 to 23, not {hour}")
    return hour


def _window(window_h: float) -> float:
    if not 0 < window_h <= HOURS:
        raise ValueError(f"a window is longer than nothing and at most a day, not {window_h} h")
    return window_h
