"""The truth of a day: what happened, to whom, from when to when."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple


class Happening(StrEnum):
    """What can be found, or must not be taken for something."""

    PACING = "pacing"
    LAPPING = "lapping"
    RANDOM = "random"
    EXIT_SEEKING = "exit_seeking"
    ELOPEMENT = "elopement"
    OUTING = "outing"
    """In the garden with a carer."""
    GOES_OUT = "goes_out"
    """Alone, and by right."""
    NIGHT_WANDERING = "night_wandering"
    BED_EXIT = "bed_exit"
    """Of those whose plan asks."""
    NOT_RETURNED = "not_returned"
    INACTIVE = "inactive"
    LEAVE = "leave"
    HOSPITAL = "hospital"
    NOT_WORN = "not_worn"


class Episode(NamedTuple):
    """Something that truly happened; seconds after midnight."""

    row: int
    kind: Happening
    begun_s: int
    """Elopement and outing: the first door of the exit opens. Not returned: she sets off for the
    toilet. Night wandering, bed exit: she leaves the bed."""
    ended_s: int
    """Elopement: she is inside again. What goes beyond midnight ends with it."""
    zone: int
    """Where it is: the hall of the exit, the toilet, the bedroom of the night's walk."""
    escort: int = -1
    """Row of the carer who goes with her on an outing."""
    doors: tuple[tuple[int, int], ...] = ()
    """(door number, second in which it opened for her) on the way out."""
    is_behind_somebody: bool = False
    """She went out behind a visitor, who opened the doors."""


class Escort(NamedTuple):
    """A carer is to be with a resident from then to then, and goes where she goes."""

    row: int
    begin_s: float
    end_s: float


class TagOff(NamedTuple):
    """A wearable lies somewhere, and nobody wears it."""

    row: int
    begun_s: int
    ended_s: int
    zone: int
    x_m: float
    y_m: float
    storey: int
