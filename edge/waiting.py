"""Waiting on the injected clock: a limit on a call, and delays that grow."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

import structlog

from contract.clock import Clock
from contract.units import seconds_to_ns

T = TypeVar("T")

_log = structlog.get_logger(__name__)


class WaitedTooLongError(TimeoutError):
    """Something did not answer within its limit."""


async def within(clock: Clock, seconds: float, work: Awaitable[T], what: str) -> T:
    """Await `work`, at most `seconds` of `clock`'s time.

    asyncio's own timeouts run on the machine's time, which is not the clock's when a replay
    runs ten times faster.

    Raises
    ------
    WaitedTooLongError
        Naming `what`; the work has been cancelled.
    """
    task = asyncio.ensure_future(work)
    timer = asyncio.ensure_future(clock.sleep(seconds))
    try:
        await asyncio.wait((task, timer), return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise WaitedTooLongError(f"{what} took longer than {seconds:g} s")
        return task.result()
    finally:
        unfinished = [future for future in (task, timer) if not future.done()]
        for future in unfinished:
            future.cancel()
        await asyncio.gather(*unfinished, return_exceptions=True)


async def within_or_not(clock: Clock, seconds: float, work: Awaitable[object], what: str) -> None:
    """Await `work`, at most `seconds`; what takes longer is given up, and the log says so."""
    try:
        await within(clock, seconds, work, what)
    except WaitedTooLongError as error:
        _log.warning("given_up", reason=str(error))


async def event_or_time(clock: Clock, event: asyncio.Event, seconds: float | None) -> None:
    """Return when `event` is set or `seconds` have passed; None waits for the event alone."""
    if event.is_set():
        return
    if seconds is None:
        await event.wait()
        return
    try:
        await within(clock, max(seconds, 0.0), event.wait(), "an event")
    except WaitedTooLongError:
        return


class Backoff:
    """Delays that double from `first_s` up to `longest_s`.

    Parameters
    ----------
    first_s, longest_s
        Seconds before the first and, in the end, every further attempt.
    """

    __slots__ = ("_first_s", "_longest_s", "attempts")

    def __init__(self, first_s: float, longest_s: float) -> None:
        self._first_s = first_s
        self._longest_s = longest_s
        self.attempts = 0

    def next_s(self) -> float:
        """Seconds to wait now; the next answer is twice as long."""
        # The exponent is bounded so that a year of attempts does not overflow a float.
        delay = min(self._first_s * 2.0 ** min(self.attempts, 32), self._longest_s)
        self.attempts += 1
        return delay

    def next_ns(self) -> int:
        """The same in nanoseconds."""
        return seconds_to_ns(self.next_s())

    def reset(self) -> None:
        """It worked, or something has changed: begin again with the first delay."""
        self.attempts = 0
