"""Tags that staff wear: what a gateway knows of them, and for how long.

A tag excuses a resident's exit while it is worn and moves with her, and its button calls help like
any other. For nothing else is anything of it measured, kept or told: no summaries and no telemetry,
no falls, no faults of its being off or away, and no place. The gateways of a home tell each other
how strongly they hear it and how much it moves, and forget that within `FORGOTTEN_S`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Final

from contract.clock import Clock
from contract.units import seconds_to_ns
from edge.wearables import HEARD_NS, NEVER, Wearable

FORGOTTEN_S: Final = 600
"""Where a tag was is in nobody's memory when it has not been heard for so long: within the quarter
of an hour that staff are promised, with time to spare for whoever looks seldom."""

MOVES_G: Final = 0.02
"""Standard deviation of |a| in a second of a wrist or a belt that somebody has: sitting at a desk
makes 0.03 g (`detectors.location.WALKING_DEVIATION_G`), a table that is knocked against less."""

WORN_NS: Final = seconds_to_ns(60)
"""A tag that has not moved for so long lies somewhere, whatever it says: nobody who walks beside a
resident holds still for a minute."""


class Carers:
    """Which of the tags are worn."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._tags: dict[str, Wearable] = {}
        self._moved_ns: dict[str, int] = {}

    def follow(self, tags: Iterable[Wearable]) -> None:
        """Follow a configuration."""
        self._tags = {each.device: each for each in tags}
        self._moved_ns = {each: at for each, at in self._moved_ns.items() if each in self._tags}

    def note(self, movement_g: Iterable[tuple[str, float]]) -> None:
        """How each moved in the latest second, NaN where nobody knows."""
        now_ns = self._clock.monotonic_ns()
        for device, deviation_g in movement_g:
            if not math.isnan(deviation_g) and deviation_g >= MOVES_G:
                self._moved_ns[device] = now_ns

    def is_worn(self, device: str) -> bool:
        """Whether it has moved of late, and does not itself say, where it is heard here, that
        nobody wears it.
        """
        now_ns = self._clock.monotonic_ns()
        if now_ns - self._moved_ns.get(device, NEVER) > WORN_NS:
            return False
        tag = self._tags[device]
        if tag.advert is None or not tag.heard_within(HEARD_NS, now_ns):
            return True
        return tag.advert.worn is not False and not tag.advert.charging
