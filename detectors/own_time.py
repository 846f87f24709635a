"""A detector's own seconds, which no clock can set."""

from __future__ import annotations

from typing import Final

from contract.units import NS_PER_S

MAX_STEP_S: Final = 60
"""Summaries come every second; a step further than this, or backwards, is a clock that was set
and counts as one second, so that a fall in the making waits neither an hour nor not at all."""

MAX_AGE_S: Final = 3_600
"""A moment that lies further back than this, or in the future, is told by a clock that has been
set since: its age is unknown and it is treated as now (DESIGN 4)."""


class OwnTime:
    """Counts the seconds that pass from block to block."""

    def __init__(self) -> None:
        self.now_s = 0
        """At the end of the latest block."""
        self.second: int | None = None
        """Unix second of the latest block."""

    def advance(self, second: int) -> int:
        """The block of `second` has come; returns how many seconds have passed since the last."""
        passed_s = 1 if self.second is None else second - self.second
        if not 1 <= passed_s <= MAX_STEP_S:
            passed_s = 1
        self.now_s += passed_s
        self.second = second
        return passed_s

    def begin(self, second: int) -> None:
        """Blocks will come from this unix second on; nothing, if one has come already."""
        if self.second is None:
            self.second = second - 1

    def exactly(self, moment_ns: int) -> float:
        """A wall time on the axis of `now_s`, however long ago: its age is known to be true.

        Only after `begin` or a block.
        """
        assert self.second is not None
        return self.now_s - ((self.second + 1) * NS_PER_S - moment_ns) / NS_PER_S

    def of(self, moment_ns: int) -> float:
        """A wall time on the axis of `now_s`; now, before the first block."""
        if self.second is None:
            return float(self.now_s)
        age_s = ((self.second + 1) * NS_PER_S - moment_ns) / NS_PER_S
        return self.now_s - (age_s if -MAX_STEP_S <= age_s <= MAX_AGE_S else 0.0)
