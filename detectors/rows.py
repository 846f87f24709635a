"""People come and go while a detector runs: its arrays, with a place for each resident, follow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Value = TypeVar("Value", bound=np.generic)


def rearrange(
    kept: object,
    fresh: object,
    rows: NDArray[np.int64],
    *,
    first: Sequence[str] = (),
    last: Sequence[str] = (),
) -> None:
    """Give the attributes of `kept` another order of residents.

    Parameters
    ----------
    kept, fresh
        What has followed the residents so far, and the same thing as new, for `len(rows)` of them.
    rows
        (new residents,) row of each so far, negative for somebody new.
    first, last
        Names of the arrays whose first or last axis are the residents.

    Raises
    ------
    IndexError
        If a row is named that there was not.
    """
    known = np.flatnonzero(rows >= 0)
    come = rows[known]
    for name in first:
        array = getattr(fresh, name)
        array[known] = getattr(kept, name)[come]
        setattr(kept, name, array)
    for name in last:
        array = getattr(fresh, name)
        array[..., known] = getattr(kept, name)[..., come]
        setattr(kept, name, array)


def kept_array(
    kept: Mapping[str, NDArray[np.generic]],
    name: str,
    like: NDArray[Value],
    least: float = -np.inf,
    most: float = np.inf,
) -> NDArray[Value]:
    """An array that was kept over a restart, of the shape and type of `like`.

    Raises
    ------
    ValueError
        If it is missing, has another shape, or holds what cannot be there: no number, a broken
        number of what is counted, one below `least` or above `most`.
    """
    if name not in kept:
        raise ValueError(f"{name} is missing")
    array = np.asarray(kept[name])
    if array.shape != like.shape:
        raise ValueError(f"{name} has the shape {array.shape}; it must have {like.shape}")
    if array.dtype.kind not in "biuf" or not np.isfinite(array).all():
        raise ValueError(f"{name} holds what is no number")
    if array.size and not least <= array.min() <= array.max() <= most:
        raise ValueError(f"{name} holds a number that is not between {least} and {most}")
    value = array.astype(like.dtype)
    if (value != array).any():
        raise ValueError(f"{name} holds a number that nothing of its kind is")
    return value
