"""Waiting on the injected clock: a limit on a call, and delays that grow."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any, Final, TypeVar

import structlog

from contract.clock import Clock
from contract.units import seconds_to_ns

T = TypeVar("T")

_log = structlog.get_logger(__name__)

CANCEL_GRACE_S: Final = 1.0
"""What was cancelled ends at once, or tidies up for a moment; what has not ended by then hangs in a
call that never returns (BlueZ's ``InProgress``, FIELD), and nobody shall hang with it."""

_abandoned: Final[set[asyncio.Future[Any]]] = set()
"""Cancelled and not ended: held, so that what becomes of them is seen."""


class WaitedTooLongError(TimeoutError):
    """Something did not answer within its limit."""


async def within(clock: Clock, seconds: float, work: Awaitable[T], what: str) -> T:
    """Await `work`, at most `seconds` of `clock`'s time.

    asyncio's own timeouts run on the machine's time, which is not the clock's when a replay
    runs ten times faster. Work that does not end when it is cancelled is left to itself after
    `CANCEL_GRACE_S`: the log says so.

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
        timer.cancel()
        await end(clock, task, what)


async def end(clock: Clock, task: asyncio.Future[Any], what: str) -> None:
    """Cancel `task` and wait until it has ended, at most `CANCEL_GRACE_S`; raises nothing of it."""
    if task.done():
        _look_at(task)
        return
    task.cancel()
    grace = asyncio.ensure_future(clock.sleep(CANCEL_GRACE_S))
    cancelled: asyncio.CancelledError | None = None
    while not (task.done() or grace.done()):
        try:
            await asyncio.wait((task, grace), return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError as error:
            # What was begun is ended first: its caller may be about to use what it holds.
            cancelled = error
    grace.cancel()
    if task.done():
        _look_at(task)
    else:
        _log.warning("abandoned", what=what)
        _abandoned.add(task)
        task.add_done_callback(_ended_after_all)
    if cancelled is not None:
        raise cancelled


def _look_at(task: asyncio.Future[Any]) -> None:
    """What a task raised on its way out is of no use to anybody; asyncio wants it looked at."""
    if not task.cancelled():
        task.exception()


def _ended_after_all(task: asyncio.Future[Any]) -> None:
    _abandoned.discard(task)
    if not task.cancelled() and task.exception() is not None:
        _log.warning("abandoned_failed", reason=repr(task.exception()))


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
