"""What is kept of whereabouts over a restart, for other residents than it was kept of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

from detectors.resident_rows import Kept
from detectors.room_model import UNKNOWN

TRAVEL: Final = "travel"
"""Walks arrange themselves (`TravelPatterns.arrange`): each row has as many steps as it walked."""
_OF_THE_HOME: Final = ("habits.hour", "now")
_OF_THE_HOME_END: Final = ("activity.before", "exit_visits.before", "bed.home", "rise.home")


def part_of(name: str, kept: Mapping[str, NDArray[np.float64]]) -> Kept:
    """The arrays of one part, by their names in it."""
    prefix = f"{name}."
    return {
        each.removeprefix(prefix): array for each, array in kept.items() if each.startswith(prefix)
    }


def arranged(kept: Mapping[str, NDArray[np.float64]], rows: NDArray[np.int64], blank: Kept) -> Kept:
    """Kept arrays, with others in their rows.

    Parameters
    ----------
    rows
        (residents,) the kept row of each, `UNKNOWN` for who is new.
    blank
        Arrays of a home in which nothing has happened yet; they are filled.

    Raises
    ------
    ValueError
        If something is missing or has another shape.
    """
    old = rows != UNKNOWN
    for name, array in blank.items():
        if name.startswith(f"{TRAVEL}."):
            continue
        before = kept.get(name)
        if before is None:
            raise ValueError(f"kept whereabouts are damaged: no {name}")
        if name in _OF_THE_HOME or name.endswith(_OF_THE_HOME_END):
            blank[name] = before
        elif before.shape[:-1] != array.shape[:-1] or rows.max(initial=-1) >= before.shape[-1]:
            raise ValueError(f"kept whereabouts are damaged: {name}")
        else:
            array[..., old] = before[..., rows[old]]
    return blank
