"""What is kept of whereabouts over a restart, for other residents than it was kept of."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

from contract.whereabouts import ZoneUse
from detectors.habits import HOURS
from detectors.resident_rows import Kept
from detectors.room_model import UNKNOWN
from detectors.whereabouts_scene import Plan

TRAVEL: Final = "travel"
"""Walks arrange themselves (`TravelPatterns.arrange`): each row has as many steps as it walked."""
USES: Final = "uses"
"""What each zone was for: who went to a toilet that is none any more has not gone to one."""
_OF_THE_HOME: Final = (
    "habits.hour",
    "now",
    USES,
    "walking.minute",
    "elopement.doors",
    "elopement.latest",
)
_OF_THE_HOME_END: Final = ("activity.before", "exit_visits.before", "bed.home", "rise.home")


def part_of(name: str, kept: Mapping[str, NDArray[np.float64]]) -> Kept:
    """The arrays of one part, by their names in it."""
    prefix = f"{name}."
    return {
        each.removeprefix(prefix): array for each, array in kept.items() if each.startswith(prefix)
    }


def uses_of(plan: Plan) -> NDArray[np.float64]:
    """(zones,) what each is for, as numbers."""
    number = {use: index for index, use in enumerate(ZoneUse)}
    uses = np.array([number[use] for use in plan.use], np.float64)
    return uses + len(number) * plan.is_exit


def has_same_uses(kept: Mapping[str, NDArray[np.float64]], plan: Plan) -> bool:
    """Whether zones are for the same as when it was kept.

    Raises
    ------
    ValueError
        If that is missing or damaged.
    """
    uses = kept.get(USES)
    if uses is None or uses.ndim != 1 or not np.isfinite(uses).all():
        raise ValueError(f"kept whereabouts are damaged: {USES}")
    return np.array_equal(uses, uses_of(plan))


def arranged(
    kept: Mapping[str, NDArray[np.float64]],
    rows: NDArray[np.int64],
    blank: Kept,
    *,
    left_out: Collection[str] = (),
) -> Kept:
    """Kept arrays, with others in their rows.

    Parameters
    ----------
    rows
        (residents,) the kept row of each, `UNKNOWN` for who is new.
    blank
        Arrays of a home in which nothing has happened yet; they are filled.
    left_out
        Names of those that stay so.

    Raises
    ------
    ValueError
        If something is missing or has another shape.
    """
    old = rows != UNKNOWN
    for name, array in blank.items():
        if name.startswith(f"{TRAVEL}.") or name in left_out:
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


def when(kept: Mapping[str, NDArray[np.float64]]) -> tuple[int | None, int | None, int]:
    """The latest second and local day, if there was one, and the local hour.

    Raises
    ------
    ValueError
        If that is damaged.
    """
    now = kept.get("now")
    if now is None or now.shape != (3,) or np.isinf(now).any() or not 0 <= now[2] < HOURS:
        raise ValueError("kept whereabouts are damaged: now")
    second, day = (None if np.isnan(each) else int(each) for each in now[:2])
    return second, day, int(now[2])
