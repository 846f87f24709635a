"""From seconds to minutes, and from minutes to hours of a whole home: pure, in NumPy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from contract.units import US_PER_S
from ingest.read import METRICS

US_PER_MINUTE: Final = 60 * US_PER_S
US_PER_HOUR: Final = 60 * US_PER_MINUTE
US_PER_DAY: Final = 24 * US_PER_HOUR

MIN_RESIDENTS: Final = 5
"""An hour of fewer residents is dropped and not kept for ever: with four, whoever knows three of
them knows the fourth. The same bound as for figures about staff (SAFETY)."""

HOURLY: Final = ("deviation_g", "worn", "heart_rate_bpm")
"""What an hour of a home keeps: how much people moved, wore it, and their heart rate."""

SECOND_COLUMNS: Final = ("at_us", "device", "resident", *METRICS)
MINUTE_COLUMNS: Final = ("at_us", "device", "resident", "seconds", *METRICS)
HOUR_COLUMNS: Final = ("at_us", "residents", "minutes", *HOURLY)


class Minute(NamedTuple):
    """A minute of one wearable on one resident."""

    at_us: int
    """Its beginning, microseconds since 1970."""
    device: str
    resident: str | None
    seconds: int
    """Measured; a second that two gateways heard counts once."""
    values: tuple[float | None, ...]
    """In the order of `METRICS`: the least of ``min_g``, the greatest of ``max_g``, the mean of
    all others (of ``worn``, the share); None where nothing was measured."""


class Hour(NamedTuple):
    """An hour of a home: of nobody in particular."""

    at_us: int
    residents: int
    minutes: int
    """Of all residents together."""
    values: tuple[float | None, ...]
    """In the order of `HOURLY`: means over those minutes."""


def minutes_of(rows: Sequence[Sequence[Any]]) -> list[Minute]:
    """Minutes of seconds.

    Parameters
    ----------
    rows
        In the order of `SECOND_COLUMNS`; any order of time.
    """
    if not rows:
        return []
    wearers = [(row[1], row[2]) for row in rows]
    numbers = {wearer: number for number, wearer in enumerate(dict.fromkeys(wearers))}
    at_us = np.array([row[0] for row in rows], dtype=np.int64)
    keys = np.stack([np.array([numbers[each] for each in wearers]), at_us // US_PER_MINUTE])
    groups, inverse = np.unique(keys, axis=1, return_inverse=True)
    inverse = inverse.reshape(-1)
    seconds = np.unique(np.stack([inverse, at_us // US_PER_S]), axis=1)[0]
    counts = np.bincount(seconds, minlength=groups.shape[1])
    values = np.array([row[3:] for row in rows], dtype=np.float64)
    columns = [
        _reduced(name, values[:, place], inverse, groups.shape[1])
        for place, name in enumerate(METRICS)
    ]
    names = list(numbers)
    return [
        Minute(
            int(minute) * US_PER_MINUTE,
            *names[int(wearer)],
            int(counts[group]),
            tuple(_or_none(column[group]) for column in columns),
        )
        for group, (wearer, minute) in enumerate(groups.T)
    ]


def hours_of(rows: Sequence[Sequence[Any]]) -> list[Hour]:
    """Hours of a home's minutes; those with fewer than `MIN_RESIDENTS` are left out.

    Parameters
    ----------
    rows
        In the order of `MINUTE_COLUMNS`; any order of time.
    """
    by_hour: dict[int, list[Sequence[Any]]] = {}
    for row in rows:
        by_hour.setdefault(row[0] // US_PER_HOUR * US_PER_HOUR, []).append(row)
    places = [MINUTE_COLUMNS.index(name) for name in HOURLY]
    hours = []
    for at_us, group in sorted(by_hour.items()):
        residents = len({row[2] for row in group if row[2] is not None})
        if residents < MIN_RESIDENTS:
            continue
        known = [[row[place] for row in group if row[place] is not None] for place in places]
        means = tuple(sum(column) / len(column) if column else None for column in known)
        hours.append(Hour(at_us, residents, len(group), means))
    return hours


def _reduced(
    name: str, values: NDArray[np.float64], groups: NDArray[np.intp], count: int
) -> NDArray[np.float64]:
    """One value for each group; NaN where it has none."""
    known = ~np.isnan(values)
    values, groups = values[known], groups[known]
    if name in {"min_g", "max_g"}:
        reduce, start = (np.minimum, np.inf) if name == "min_g" else (np.maximum, -np.inf)
        found = np.full(count, start)
        reduce.at(found, groups, values)
        found[np.isinf(found)] = np.nan
        return found
    sums = np.bincount(groups, values, count)
    counts = np.bincount(groups, minlength=count)
    means = np.full(count, np.nan)
    np.divide(sums, counts, out=means, where=counts > 0)
    return means


def _or_none(value: np.float64) -> float | None:
    return None if np.isnan(value) else float(value)
