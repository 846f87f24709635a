"""Notices that the wall clock jumped, and takes the durable timers along.

Timers are kept as wall time so that a restart can go on with them; what they measure is time
that passes. When the difference between wall and monotonic time changes, the wall clock was
set, and every pending timer moves with it: a clock that goes back an hour delays no page.
"""

from __future__ import annotations

import threading
from typing import Final

import structlog

from alerts import absences, checks, faults, schedule
from alerts.records.database import Database
from contract.clock import Clock, now_us
from contract.events import FaultCause
from contract.units import NS_PER_S, ns_to_seconds, ns_to_us, seconds_to_ns

JUMP_S: Final = 2.0
"""A change between two looks that is called a jump. NTP slews by at most 500 ppm, half a
millisecond a second; what is smaller than this moves no deadline enough to matter."""

SHOWN_S: Final = 600
"""How long the fault stands after a jump: long enough to be seen at the next round."""

log = structlog.get_logger(__name__)


class ClockWatch:
    """Compares wall with monotonic time whenever it is asked to; safe from any thread."""

    def __init__(self, home: str, clock: Clock, database: Database) -> None:
        self._home = home
        self._clock = clock
        self._database = database
        self._offset_ns = clock.now_ns() - clock.monotonic_ns()
        self._shown_until_ns: int | None = None
        self.moves = True
        """Whether the timers are ours to move: of several workers one does, or they would
        move once for each."""
        self._lock = threading.Lock()

    def start(self) -> None:
        """After a start: bring back timers that a jump had moved out of reach while nobody
        watched, and end the fault of an earlier run.
        """
        moment_us = now_us(self._clock)
        with self._database.transaction(self._home) as session:
            schedule.move(session, self._home, 0, moment_us)
            checks.move(session, self._home, 0, moment_us)
            absences.move(session, self._home, 0, moment_us)
            faults.clear(session, self._home, FaultCause.CLOCK_JUMPED, faults.OWN, now_us=moment_us)

    def check(self) -> float:
        """Look; move the timers if the clock jumped.

        Returns
        -------
        float
            Seconds by which it jumped since the last look, or 0.
        """
        with self._lock:
            offset_ns = self._clock.now_ns() - self._clock.monotonic_ns()
            jump_ns = offset_ns - self._offset_ns
            if abs(jump_ns) <= seconds_to_ns(JUMP_S):
                self._offset_ns = offset_ns
                self._end_fault()
                return 0.0
            if not self.moves:
                self._offset_ns = offset_ns
                return ns_to_seconds(jump_ns)
            self._apply(jump_ns)
            self._offset_ns = offset_ns
            self._shown_until_ns = self._clock.monotonic_ns() + SHOWN_S * NS_PER_S
        return ns_to_seconds(jump_ns)

    def _apply(self, jump_ns: int) -> None:
        moment_us = now_us(self._clock)
        jump_s = ns_to_seconds(jump_ns)
        detail = (
            f"The alert service's clock moved by {jump_s:+.0f} s. Pending calls moved with it; "
            "times on the board may be off. Check the time service of that machine."
        )
        with self._database.transaction(self._home) as session:
            pending = schedule.move(session, self._home, ns_to_us(jump_ns), moment_us)
            pending += checks.move(session, self._home, ns_to_us(jump_ns), moment_us)
            pending += absences.move(session, self._home, ns_to_us(jump_ns), moment_us)
            faults.report(
                session,
                self._home,
                FaultCause.CLOCK_JUMPED,
                faults.OWN,
                detail=detail,
                now_us=moment_us,
            )
        log.warning("clock_jumped", seconds=jump_s, pending=pending)

    def _end_fault(self) -> None:
        until_ns = self._shown_until_ns
        if until_ns is None or self._clock.monotonic_ns() < until_ns:
            return
        with self._database.transaction(self._home) as session:
            faults.clear(
                session,
                self._home,
                FaultCause.CLOCK_JUMPED,
                faults.OWN,
                now_us=now_us(self._clock),
            )
        self._shown_until_ns = None
