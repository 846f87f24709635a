"""What happened in a scene, line by line: the timeline that comes out."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

import msgspec

from contract.clock import Clock
from contract.units import NS_PER_S, NS_PER_US


class What(StrEnum):
    """What a line of the record is about; in this order within a millisecond."""

    TRUTH = "truth"
    """Somebody or something in the simulated home; `value` says what."""
    DONE = "done"
    """The scene did something; `value` is its word."""
    NOT_DONE = "not_done"
    """The scene could not do something; `detail` says why."""
    EVENT = "event"
    """A gateway published an event, for the first time; `value` is its kind."""
    STATE = "state"
    """An incident came to a state."""
    ALERT = "alert"
    """An incident calls people: it was paged, or an open one got a graver name."""
    UNDELIVERED = "undelivered"
    """Somebody could not be told."""
    PAGE = "page"
    """Somebody was told, on her phone; `value` is the alert's kind."""
    SIREN = "siren"
    """A gateway's siren changed; `value` is the tone, or ``quiet``."""
    FAULT = "fault"
    FAULT_CLEARED = "fault_cleared"
    FEELS = "feels"
    """A wearable vibrated; `value` is the pattern."""


_ORDER: Final = tuple(What)


class Line(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One line of the record."""

    at_s: float
    """Seconds on the scene's timeline, to the millisecond; negative while the home settled."""
    what: What
    value: str = ""
    resident: str | None = None
    """As the scene calls her."""
    person: str | None = None
    """Identifier of the person who was told or who acted."""
    gateway: str | None = None
    incident: str | None = None
    detail: str = ""


class Record:
    """Takes down what happens, on the clock's monotonic time.

    Parameters
    ----------
    clock
        The scene's.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._origin_ns = 0
        self._looked_ns = clock.monotonic_ns()
        self._is_over = False
        self._lines: list[tuple[int, Line]] = []

    def begin(self) -> None:
        """The timeline begins now."""
        self._origin_ns = self._clock.monotonic_ns()

    def end(self) -> None:
        """The timeline is over: what happens as the home is closed is no part of it."""
        self._is_over = True

    def looked(self) -> None:
        """All that has happened so far was taken down."""
        self._looked_ns = self._clock.monotonic_ns()

    def note(self, what: What, *, at_ns: int | None = None, **fields: str | None) -> None:
        """Take down a line; `at_ns` is monotonic, default now."""
        if self._is_over:
            return
        when_ns = self._clock.monotonic_ns() if at_ns is None else at_ns
        given = {name: value for name, value in fields.items() if value is not None}
        line = msgspec.convert({"at_s": 0.0, "what": what, **given}, Line)
        self._lines.append((when_ns, line))

    def moment_ns(self, wall_us: int) -> int:
        """The monotonic time of a wall time that was written since the last look.

        A wall clock may have jumped in between; what then lies outside of that stretch
        happened now, as far as anybody can tell.
        """
        now_ns = self._clock.monotonic_ns()
        at_ns = wall_us * NS_PER_US - (self._clock.now_ns() - now_ns)
        # A wall time in microseconds is rounded down.
        return at_ns if self._looked_ns - NS_PER_US <= at_ns <= now_ns else now_ns

    def lines(self) -> list[Line]:
        """Everything, in the order of time; within a millisecond causes before effects."""
        placed = [
            # Adding zero turns the zero that rounding made of −0.0001 into a plain one.
            msgspec.structs.replace(line, at_s=round((at_ns - self._origin_ns) / NS_PER_S, 3) + 0.0)
            for at_ns, line in self._lines
        ]
        return sorted(placed, key=lambda line: (line.at_s, _ORDER.index(line.what)))
