"""Arrays about residents that are kept over a restart, and laid aside when somebody goes on leave.

A rule's state is made of such arrays, residents last. They are only ever written into, never
replaced, so that what is kept is what the rule uses.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

Kept = dict[str, NDArray[np.float64]]

NEVER: Final = 1 << 52
"""A second that does not come; a float holds it exactly, as files of kept arrays do."""
LONG_AGO: Final = -NEVER


class Each:
    """When so many seconds have passed: by the count itself, so that all gateways look at once.

    Parameters
    ----------
    seconds
        Between two looks.
    """

    def __init__(self, seconds: int) -> None:
        self._seconds = seconds
        self._latest: int | None = None

    def is_due(self, second: int) -> bool:
        """Whether a look is due; seconds may be left out."""
        number = second // self._seconds
        is_due = number != self._latest
        self._latest = number
        return is_due


class _Field(NamedTuple):
    array: NDArray[Any]
    fill: float
    is_habit: bool
    least: float
    most: float


class ResidentRows:
    """Base of what holds something of each resident.

    Parameters
    ----------
    residents
        How many.
    """

    def __init__(self, residents: int) -> None:
        self.residents = residents
        self._fields: dict[str, _Field] = {}

    def _seconds(self, name: str, fill: int, *, lead: tuple[int, ...] = ()) -> NDArray[np.int64]:
        """(*lead, residents) seconds or counts."""
        array = np.full((*lead, self.residents), fill, np.int64)
        self._fields[name] = _Field(array, fill, is_habit=False, least=LONG_AGO, most=NEVER)
        return array

    def _zones(self, name: str, zones: int) -> NDArray[np.int64]:
        """(residents,) numbers of zones, at first unknown."""
        array = np.full(self.residents, -1, np.int64)
        self._fields[name] = _Field(array, -1, is_habit=False, least=-1, most=zones - 1)
        return array

    def _flags(
        self, name: str, *, lead: tuple[int, ...] = (), is_habit: bool = False
    ) -> NDArray[np.bool_]:
        """(*lead, residents) yes or no, at first no."""
        array = np.zeros((*lead, self.residents), np.bool_)
        self._fields[name] = _Field(array, 0, is_habit, least=0, most=1)
        return array

    def _values(
        self,
        name: str,
        fill: float = 0.0,
        *,
        lead: tuple[int, ...] = (),
        is_habit: bool = False,
        least: float = LONG_AGO,
    ) -> NDArray[np.float64]:
        """(*lead, residents) any numbers."""
        array = np.full((*lead, self.residents), fill)
        self._fields[name] = _Field(array, fill, is_habit, least=least, most=NEVER)
        return array

    def clear(self, rows: NDArray[np.int64]) -> None:
        """Nothing is open of these any more; what is usual for them stays."""
        for field in self._fields.values():
            if not field.is_habit:
                field.array[..., rows] = field.fill

    def open_names(self) -> list[str]:
        """Names of the arrays, in `to_arrays`, of what is open; the others are habits."""
        return [name for name, field in self._fields.items() if not field.is_habit]

    def to_arrays(self) -> Kept:
        """All that must outlive the process, residents last."""
        return {name: field.array.astype(np.float64) for name, field in self._fields.items()}

    def restore(self, kept: Mapping[str, NDArray[np.float64]], *, habits_only: bool) -> None:
        """Go on from what `to_arrays` gave; with what is usual alone, if the home has changed.

        Raises
        ------
        ValueError
            If something is missing, has another shape or cannot be.
        """
        for name, field in self._fields.items():
            if habits_only and not field.is_habit:
                continue
            values = kept.get(name)
            if values is None or values.shape != field.array.shape:
                raise ValueError(f"kept whereabouts are damaged: {name}")
            if not (np.isfinite(values) & (values >= field.least) & (values <= field.most)).all():
                raise ValueError(f"kept whereabouts are damaged: {name} has an impossible value")
            field.array[...] = values
