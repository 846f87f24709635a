"""How long a room sensor may be silent: by what it says, and then by its own habit."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from types import MappingProxyType
from typing import Final

from contract.devices import Quantity
from contract.units import seconds_to_ns
from edge.wearables import NEVER

_HOUR_S: Final = 3_600

FIRST_NS: Final = seconds_to_ns(_HOUR_S)
"""For a sensor that nobody has ever heard: whoever has put it up should know on the same day."""

LEAST_NS: Final = seconds_to_ns(1_800)
"""No sensor is missed earlier: one that speaks each minute loses a burst now and then, and nobody
goes to look at a door within minutes."""

LONGEST_NS: Final = seconds_to_ns(24 * _HOUR_S)
"""Nor any later: one that says nothing for a day cannot be told from one that is flat."""

BY_QUANTITY_NS: Final[Mapping[Quantity, int]] = MappingProxyType(
    {
        Quantity.TEMPERATURE_C: LEAST_NS,  # these speak by the clock, each minute or each ten
        Quantity.HUMIDITY_PERCENT: LEAST_NS,
        Quantity.OCCUPIED: seconds_to_ns(12 * _HOUR_S),  # somebody lies down or gets up by then
        Quantity.MOTION: seconds_to_ns(12 * _HOUR_S),
        Quantity.OPENING: seconds_to_ns(12 * _HOUR_S),
    }
)
"""Before its habit is known: the least of what it has said. Anything else (a call point that speaks
when it is pressed) has `LONGEST_NS`."""

TIMES_USUAL: Final = 3
"""So many of its usual silences: with half of its bursts lost, three in a row are a chance of one
in eight, and a burst is several adverts."""

LEARNT_AFTER_NS: Final = seconds_to_ns(24 * _HOUR_S)
"""So long it is watched before its habit is believed: a day has a night, with its doors shut."""

FORGOTTEN_NS: Final = seconds_to_ns(7 * 24 * _HOUR_S)
"""After so long its longest silence counts half: a week has every day, and an outage is forgotten
within a month."""

BURST_NS: Final = seconds_to_ns(15)
"""Adverts closer than this are one burst: presence tells them for ten seconds, once a second."""


class Habit:
    """How often one sensor speaks. Times are monotonic nanoseconds.

    Parameters
    ----------
    usual_ns, watched_ns
        What was learnt before: its longest silence of late, and for how long it has been watched.
    """

    def __init__(self, usual_ns: float = 0.0, watched_ns: int = 0) -> None:
        self.usual_ns = usual_ns
        self.watched_ns = watched_ns
        self._heard_ns = NEVER

    def hear(self, heard_ns: int) -> None:
        """It was heard last at `heard_ns`, by any gateway; may be said again and again."""
        if heard_ns <= self._heard_ns:
            return
        if self._heard_ns != NEVER:
            silent_ns = heard_ns - self._heard_ns
            self.watched_ns += silent_ns
            self.usual_ns *= 0.5 ** (silent_ns / FORGOTTEN_NS)
            if silent_ns > BURST_NS:
                self.usual_ns = max(self.usual_ns, silent_ns)
        self._heard_ns = heard_ns

    def limit_ns(self, said: Collection[Quantity]) -> int:
        """How long it may be silent before it is missed.

        Parameters
        ----------
        said
            What it has ever said.
        """
        learnt = min(max(int(TIMES_USUAL * self.usual_ns), LEAST_NS), LONGEST_NS)
        if self.watched_ns >= LEARNT_AFTER_NS:
            return learnt
        if not said and not self.watched_ns and self._heard_ns == NEVER:
            return FIRST_NS
        known = (BY_QUANTITY_NS[each] for each in said if each in BY_QUANTITY_NS)
        return max(learnt, min(known, default=LONGEST_NS))
