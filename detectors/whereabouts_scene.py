"""What the rules about whereabouts look at, and what they say: a plan, policies, a second, a find.

Arrays over residents, in the order of the roster; zones are numbers in the order of
`RoomModel.zones`, `UNKNOWN` where nobody can tell.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from contract.events import EventKind
from contract.whereabouts import WhereaboutsPolicy, ZoneUse

Flags = NDArray[np.bool_]
Numbers = NDArray[np.int64]
Values = NDArray[np.float64]

DETECTOR: Final = "whereabouts/1"
"""Name and version, for an event's evidence."""


NO_DOOR: Final = -2
"""Of a sensor at an exit that says other things and never whether a door is open: it vouches for no
door, and its silence casts no doubt on one."""

ASK_AGAIN_S: Final = 10 * 60
"""An excused find is told once more, not excused, if it is not over by then (SAFETY)."""


class Plan(NamedTuple):
    """A home, as arrays."""

    near: NDArray[np.bool_]
    """(zones, zones) whether one can walk from one into the other without a third."""
    use: NDArray[np.object_]
    """(zones,) `ZoneUse` of each."""
    exit_doors: NDArray[np.int64]
    """(doors,) zone of the contact sensor of each exit door."""

    def is_for(self, *uses: ZoneUse) -> Flags:
        """(zones,) whether each is for one of these."""
        return np.array([each in uses for each in self.use], np.bool_)

    @property
    def is_exit(self) -> Flags:
        """(zones,) those in front of a door that leads out, or with a contact sensor of one."""
        exits = self.is_for(ZoneUse.EXIT)
        exits[self.exit_doors] = True
        return exits

    def check(self) -> None:
        """Whether the arrays fit each other.

        Raises
        ------
        ValueError
            If they do not.
        """
        zones = len(self.use)
        if self.near.shape != (zones, zones):
            raise ValueError(f"a plan of {zones} zones has {self.near.shape} ways between them")
        if ((self.exit_doors < 0) | (self.exit_doors >= zones)).any():
            raise ValueError("an exit door stands in a zone that the plan does not have")


class Policies(NamedTuple):
    """What is asked for each resident (`contract.whereabouts.WhereaboutsPolicy`)."""

    at_risk: NDArray[np.bool_]
    """(residents,) may not leave alone."""
    bed_exit: NDArray[np.bool_]
    night_wandering: NDArray[np.bool_]
    inactive: NDArray[np.bool_]
    not_returned_s: NDArray[np.int64]
    """(residents,) seconds in which she should be back from the toilet; 0: never told."""
    home_zone: NDArray[np.int64]
    """(residents,) her bedroom, `UNKNOWN` where nobody has said."""
    safe: NDArray[np.bool_]
    """(residents, zones) where she may be alone."""
    has_bed_sensor: NDArray[np.bool_]

    @classmethod
    def of(
        cls,
        asked: Sequence[WhereaboutsPolicy],
        *,
        home_zone: NDArray[np.int64],
        safe: NDArray[np.bool_],
        has_bed_sensor: NDArray[np.bool_],
    ) -> Policies:
        """What is asked, by resident, and what only the plan of the home can say."""
        minutes = np.array([each.not_returned_minutes for each in asked], dtype=np.int64)
        return cls(
            at_risk=np.array([each.at_risk for each in asked], dtype=np.bool_),
            bed_exit=np.array([each.bed_exit for each in asked], dtype=np.bool_),
            night_wandering=np.array([each.night_wandering for each in asked], dtype=np.bool_),
            inactive=np.array([each.inactive for each in asked], dtype=np.bool_),
            not_returned_s=60 * minutes,
            home_zone=home_zone,
            safe=safe,
            has_bed_sensor=has_bed_sensor,
        )

    def check(self, residents: int, zones: int) -> None:
        """Whether the arrays fit a home.

        Raises
        ------
        ValueError
            If they do not.
        """
        for name, values in self._asdict().items():
            shape = (residents, zones) if name == "safe" else (residents,)
            if values.shape != shape:
                raise ValueError(f"policies for {shape} were asked, {name} has {values.shape}")
        if (self.home_zone >= zones).any():
            raise ValueError("a resident's bedroom is not on the plan")


class Scene(NamedTuple):
    """One second of a home."""

    second: int
    """A count that only grows; the same for all gateways is best: seconds since 1970."""
    minute_of_day: int
    """Local, 0 to 1439."""
    day: int
    """Local, `date.toordinal`."""
    zone: NDArray[np.int64]
    """(residents,) decided place, `detectors.location.DELAY_S` seconds old."""
    belief: NDArray[np.float32]
    """(residents, zones) of this second, undecided."""
    heard_s: NDArray[np.int64]
    """(residents,) seconds since any receiver has heard her wearable."""
    present: NDArray[np.bool_]
    """(residents,) False is not judged: on leave, in hospital, bathing without the wearable, or
    it is not worn or flat."""
    movement_g: NDArray[np.float32]
    """(residents,) standard deviation of |a|, NaN where unknown."""
    in_bed: NDArray[np.int8]
    """(residents,) 1, 0, or -1: nobody can say."""
    door_open: NDArray[np.int8]
    """(doors,) 1, 0, -1: unknown, or `NO_DOOR`."""
    door_opened: NDArray[np.bool_]
    """(doors,) became open in this second."""
    covered: NDArray[np.bool_]
    """(zones,) its receivers work: who vanishes in another is a fault of coverage."""
    carer_zone: NDArray[np.int64]
    """(carers,) decided place of each carer's tag."""
    carer_belief: NDArray[np.float32]
    """(carers, zones)"""
    carer_worn: NDArray[np.bool_]
    """(carers,)"""


class Found(NamedTuple):
    """Something that was noticed of one resident."""

    row: int
    kind: EventKind
    begun: int
    """Second at which it began; with `row` and `kind` the key of the episode."""
    at: int
    """Second at which it was decided."""
    zone: int
    """Where she is or was last, `UNKNOWN` if nobody can tell."""
    excused: bool
    """A carer's tag moves with her."""
    features: dict[str, float]
    """Numbers behind it, each with its unit in the name; 1.0 and 0.0 are yes and no."""
    path: tuple[int, ...] = ()
    """Of a wandering episode: zones in the order of the visits."""


class ResidentDay(NamedTuple):
    """How one resident walked on one day."""

    row: int
    day: int
    """Local, `date.toordinal`."""
    walks: int
    episodes: int
    """Walks that wandered (`detectors.travel`)."""
    minutes: float
    """Spent wandering."""
    tortuosity: float
    """Steps walked for each step needed; NaN without a walk."""
    entropy_bits: float
    """Entropy rate of the changes of room; NaN without one."""
    night_trips: int
    """Times that she left bed or bedroom at night."""
    exit_visits: int
    is_rising: bool
    """Episodes have come to be twice what is usual for her: for the trend of her risk to fall."""
    is_learning: bool
    """Too few days are known of her to say what is usual."""
