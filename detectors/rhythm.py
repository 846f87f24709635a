"""When each resident goes to bed and rises, on the circle of the day; and when a count has changed.

Circular statistics (SCIENCE 3.3): 23:50 and 0:10 are twenty minutes apart, and their mean is
midnight.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

from detectors.habits import KEPT_A_DAY

Values = NDArray[np.float64]

MINUTES: Final = 1440
HOME_DAYS: Final = 2.0
"""Days that the usual time of the home weighs against her own."""
HOME_LENGTH: Final = 0.87
"""Mean resultant length of the home's times: a spread of two hours. Until something else is known
nobody is surprising within an evening."""
GREATEST_LENGTH: Final = 0.9995
"""The clock of no person is closer than seven minutes; a κ without bound finds each night odd."""
LEAST_P: Final = 1e-300
_GRID: Final = 720
_ANGLES: Final = (np.arange(_GRID) + 0.5) * (np.pi / _GRID)

RATIO: Final = 2.0
THRESHOLD: Final = 5.0
"""For twice as much: at least e^5 = 148 days between false signals of one resident (SCIENCE
3.3)."""


class Times:
    """A time of day for each resident and night, such as that of going to bed.

    Parameters
    ----------
    residents
        How many.
    home_minute
        Minute of day that is usual in the home.
    """

    def __init__(self, residents: int, home_minute: float) -> None:
        angle = _angle(np.asarray(home_minute, np.float64))
        self._home = HOME_DAYS * HOME_LENGTH * np.array([np.cos(angle), np.sin(angle)])
        self._sum = np.zeros((2, residents))
        self._weight = np.zeros(residents)
        self.days_seen = np.zeros(residents, np.int64)

    def learn(self, minute: Values) -> None:
        """One more day: (residents,) minute of day, NaN for whom there is none; they forget none.

        Raises
        ------
        ValueError
            If a minute is no time of day.
        """
        known = np.isfinite(minute)
        if not ((minute[known] >= 0) & (minute[known] < MINUTES)).all():
            raise ValueError("minutes of a day are 0 to 1439")
        angle = _angle(np.where(known, minute, 0.0))
        fresh = np.stack((np.cos(angle), np.sin(angle)))
        self._sum = np.where(known, KEPT_A_DAY * self._sum + fresh, self._sum)
        self._weight = np.where(known, KEPT_A_DAY * self._weight + 1.0, self._weight)
        self.days_seen += known

    @property
    def mean_minute(self) -> Values:
        """(residents,) usual minute of day."""
        cosine, sine = self._sum + self._home[:, None]
        minute: Values = np.arctan2(sine, cosine) * (MINUTES / (2 * np.pi)) % MINUTES
        return minute

    @property
    def spread_minutes(self) -> Values:
        """(residents,) circular standard deviation, √(-2 ln R)."""
        spread: Values = np.sqrt(-2 * np.log(self._length())) * (MINUTES / (2 * np.pi))
        return spread

    def surprise(self, minute: Values) -> Values:
        """(residents,) -log10 of the chance to be as far from her mean, by a von Mises curve.

        κ = R (2 - R²) / (1 - R²) (SCIENCE 3.3). NaN gives NaN.
        """
        length = self._length()
        kappa = length * (2 - length**2) / (1 - length**2)
        away = np.abs((minute - self.mean_minute + MINUTES / 2) % MINUTES - MINUTES / 2)
        # exp(κ (cos θ - 1)): the same curve, without a number that overflows.
        curve = np.exp(kappa[:, None] * (np.cos(_ANGLES)[None, :] - 1))
        farther = _ANGLES[None, :] >= _angle(away)[:, None]
        chance = (curve * farther).sum(axis=1) / curve.sum(axis=1)
        surprise: Values = -np.log10(np.maximum(chance, LEAST_P))
        return np.where(np.isnan(minute), np.nan, np.abs(surprise))

    def to_arrays(self) -> dict[str, NDArray[np.float64]]:
        """All that must outlive the process."""
        return {
            "home": self._home.copy(),
            "sum": self._sum.copy(),
            "weight": self._weight.copy(),
            "days_seen": self.days_seen.astype(np.float64),
        }

    @classmethod
    def from_arrays(cls, kept: Mapping[str, NDArray[np.float64]]) -> Times:
        """What `to_arrays` gave.

        Raises
        ------
        ValueError
            If something is missing, has another shape or is no number.
        """
        try:
            residents = len(kept["days_seen"])
            shapes = {"home": (2,), "sum": (2, residents)}
            for name, values in kept.items():
                if values.shape != shapes.get(name, (residents,)) or not np.isfinite(values).all():
                    raise ValueError(f"kept times are damaged: {name}")
            times = cls(residents, 0.0)
            times._home, times._sum = kept["home"].copy(), kept["sum"].copy()
            times._weight = kept["weight"].copy()
            times.days_seen = kept["days_seen"].astype(np.int64)
        except KeyError as error:
            raise ValueError(f"kept times are damaged: no {error}") from error
        return times

    def _length(self) -> Values:
        """(residents,) mean resultant length R."""
        total = np.hypot(*(self._sum + self._home[:, None]))
        length: Values = np.clip(total / (self._weight + HOME_DAYS), 1e-6, GREATEST_LENGTH)
        return length


class Change:
    """Whether counts have come to be `RATIO` times what is usual (CUSUM, SCIENCE 3.3).

    Parameters
    ----------
    residents
        How many.
    """

    def __init__(self, residents: int) -> None:
        self.score = np.zeros(residents)
        """(residents,) S; to be kept and set by who lets it outlive the process."""

    def step(self, counts: Values, expected: Values) -> NDArray[np.bool_]:
        """A day is over; returns (residents,) whose count has changed, and begins anew for them.

        Parameters
        ----------
        counts, expected
            (residents,) events, and as many as were expected; NaN leaves a resident out.
        """
        step = counts * np.log(RATIO) - (RATIO - 1) * expected
        self.score = np.maximum(0.0, self.score + np.nan_to_num(step))
        changed: NDArray[np.bool_] = self.score > THRESHOLD
        self.score[changed] = 0.0
        return changed


def _angle(minute: Values) -> Values:
    angle: Values = minute * (2 * np.pi / MINUTES)
    return angle
