"""The first tier of fall detection: constants that the wearable's firmware shares.

A wearable screens its own motion and raises its *candidate* counter; the gateway's
detector screens held links in the same way. Both read these numbers, so that a fall seen
by one is a fall seen by the other.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

GRID_HZ: Final = 50
"""Motion is brought to this rate on absolute time before anything else sees it."""

LOW_PASS_HZ: Final = 10.0
"""Corner of the low-pass. Above it wrist motion is claps and table hits: on older people's
daily activities "peak > 3 g" went from 61.8 % to 99.4 % of recordings without an alarm
(SCIENCE 0.5)."""

LOW_PASS_ORDER: Final = 2
"""Butterworth; two poles delay an impact by about 20 ms and cost four state values."""

MOTION_HZ: Final = 25
"""Rate after the low-pass: 2.5 times the corner, the nearest whole decimation of the grid."""

SCREEN_IMPACT_G: Final[Mapping[str, float]] = MappingProxyType(
    {"wrist": 1.8, "waist": 1.6, "pendant": 1.6}
)
"""Low-passed |a| that makes a candidate, by where the wearable is worn. SCIENCE 7 recommends 1.4
to 2 g for tier 0; older people's falls are softer than the acted ones, so the screen must not be
the strict part. At the wrist 2.0 g loses 1.5 % of SmartFallMM's falls, and below 1.8 g stand
people who lie down (SPHERE). The trunk is hit more softly: of the four falls of SisFall that were
missed with 1.8 g three lay below it."""

GENERIC_PLACEMENT: Final = "wrist"
"""What a placement that is not known is treated as."""


def known_placement(placement: str) -> str:
    """The placement itself, or `GENERIC_PLACEMENT` if the table does not have it."""
    return placement if placement in SCREEN_IMPACT_G else GENERIC_PLACEMENT


SCREEN_REFRACTORY_S: Final = 3.0
"""After a candidate, later peaks within this time belong to it: a body bounces."""

WINDOW_BEFORE_S: Final = 10.0
WINDOW_AFTER_S: Final = 15.0
"""The window around a candidate that a wearable keeps for the gateway (DESIGN 4)."""
