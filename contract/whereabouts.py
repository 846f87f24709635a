"""Where people are: a home's plan, what is asked for each resident, and what gateways share of it.

Positions are personal data. Those of residents travel under pseudonymous ids; of a carer's tag
it is told, between the gateways of one home, how strongly it is heard and how much it moves, and
where it is leaves none of them.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

import msgspec


class ZoneUse(StrEnum):
    """What a zone is for."""

    BEDROOM = "bedroom"
    TOILET = "toilet"
    """A toilet, a bathroom, a shower."""
    CORRIDOR = "corridor"
    COMMON = "common"
    """A lounge, a dining room: where anybody may stay."""
    EXIT = "exit"
    """In front of a door that leads out of the home, or between two such doors. A contact sensor in
    such a zone is an exit door's."""
    OTHER = "other"


class ZoneConfig(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A zone of the home."""

    zone: str
    use: ZoneUse = ZoneUse.OTHER
    next_to: list[str] = []
    """Zones that one can walk into without a third; said of one of the two it holds for both."""


NIGHT_FROM_MINUTE: Final = 22 * 60
NIGHT_TO_MINUTE: Final = 6 * 60
"""Local minutes of day of a night, until a resident's own bed and rise times are known: the hours
in which a Hong Kong home has its night shift's staffing (Cap. 459A counts 10 p.m. to 7 a.m.) less
the hour in which the early risers are up."""

NOT_RETURNED_MINUTES: Final = 30
"""Who left for the toilet should be back by then."""

SHORTEST_NOT_RETURNED_MINUTES: Final = 5
"""Sooner, every visit to the toilet would call somebody (SCIENCE 3.3: up to 15 min are usual)."""

LONGEST_NOT_RETURNED_MINUTES: Final = 240
"""Longer than half a shift is no way to the toilet; who wants that wants `inactive`."""


class WhereaboutsPolicy(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is asked for one resident; the defaults are quiet ones."""

    at_risk: bool = False
    """She may not leave alone: `exit_seeking`, `elopement` and `left_safe_zone` are told."""
    safe_zones: list[str] = []
    """Where she may be alone; none: everywhere but outside. Only for who is at risk."""
    bed_exit: bool = False
    """Each time that she leaves her bed at night somebody wants to know."""
    night_wandering: bool = True
    not_returned_minutes: int = NOT_RETURNED_MINUTES
    """0: never told."""
    inactive: bool = True


class SensorChange(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A state of a room sensor that became another, as one gateway has heard it."""

    number: int
    """Counts the changes that the sending gateway's session has heard, from 1."""
    device: str
    quantity: str
    """As in `contract.devices.Quantity`: ``motion``, ``opening``, ``occupied``."""
    value: float
    age_ms: int
    """Since it was heard, as of the message."""


class Place(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Where one resident is held to be."""

    zone: str | None = None
    """None: nobody can tell."""
    probability: float = 0.0
    since_us: int = 0
    """Since when she is told to be there, wall time, microseconds since 1970."""


class Whereabouts(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Where everybody is, as the lead of the home decides: on each change, at most once a second,
    and once in `WHEREABOUTS_S`; whole each time. Not retained. Carers are not in it.
    """

    schema: int
    gateway: str
    session: str
    sequence: int
    at_us: int
    places: dict[str, Place] = {}
    """By resident."""


WHEREABOUTS_S: Final = 10.0
"""So often it is said without a change: who has heard none for three of them knows nothing."""
