"""How long people stay where, by what a zone is for and whose it is.

A filter that knows only that a still wrist changes no room keeps somebody for hours in the toilet
behind the wall of her bed, once it has taken her for there. Nobody sleeps in a toilet or stands in
a corridor all evening, and most of a resident's hours are spent in her own bedroom.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from contract.whereabouts import ZoneUse
from detectors.room_model import UNKNOWN

LEAVES_AT_LEAST: Final = {
    ZoneUse.TOILET: 1 / 300,
    ZoneUse.BEDROOM: 1 / 300,
    ZoneUse.CORRIDOR: 1 / 60,
    ZoneUse.EXIT: 1 / 60,
    ZoneUse.COMMON: 0.0,
    ZoneUse.OTHER: 0.0,
}
"""Least chance to leave such a zone within a second, of whoever does not live there: five minutes
on a toilet and in somebody else's bedroom, one in a corridor and at an exit, are what stays are
made of; in a lounge they have no usual end. Who does stay longer is held there by what is heard of
her. In the simulated home (evening hours, half a minute's walk in each room) 1/900 does as well."""

OWN_BEDROOM: Final = 0.2
"""By so much rarer than elsewhere she leaves her own bedroom at the same movement: she turns over
in bed there, and has her hours there."""


class Stays(NamedTuple):
    """For `detectors.location.RoomFilter.note_stays`; both (zones, residents)."""

    least: NDArray[np.float32]
    """Chance to leave within a second, whatever her wrist does."""
    share: NDArray[np.float32]
    """Of the chance that her movement gives."""


def stays(uses: Sequence[ZoneUse], home_zone: NDArray[np.int64]) -> Stays:
    """How long each resident stays in each zone.

    Parameters
    ----------
    uses
        What each zone is for.
    home_zone
        (residents,) number of each one's own bedroom; of whom it is `UNKNOWN`, a carer or somebody
        of whom nobody has said, nothing is assumed.
    """
    shape = len(uses), len(home_zone)
    least = np.array([LEAVES_AT_LEAST[use] for use in uses], np.float32)
    least = np.broadcast_to(least[:, None], shape).copy()
    share = np.ones(shape, np.float32)
    known = np.flatnonzero(home_zone != UNKNOWN)
    least[:, home_zone == UNKNOWN] = 0.0
    least[home_zone[known], known] = 0.0
    share[home_zone[known], known] = OWN_BEDROOM
    return Stays(least, share)
