"""Calls of BlueZ: each with a limit, also one that does not even end when it is cancelled."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, Final, TypeVar

import structlog

from contract.clock import Clock
from contract.protocols import LinkLostError
from edge.waiting import WaitedTooLongError

T = TypeVar("T")

_log = structlog.get_logger(__name__)

FAREWELL_S: Final = 5.0
"""How long `Calls.close` waits for calls that were given up. bleak lets go of a link while it is
cancelled, which takes a second."""


class Calls:
    """Makes calls, and keeps those that were given up until they end.

    `edge.waiting.within` waits for what it has cancelled. A call of bleak that is cancelled
    asks BlueZ to disconnect before it ends, and a bluetoothd that hangs answers that no more
    than the call itself: so here nobody waits for it.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._given_up: set[asyncio.Future[Any]] = set()

    @property
    def given_up(self) -> int:
        """Calls that nobody waits for, and that have not ended."""
        return len(self._given_up)

    async def within(
        self,
        seconds: float,
        work: Coroutine[Any, Any, T],
        what: str,
        lost: asyncio.Future[str] | None = None,
    ) -> T:
        """Await `work`, at most `seconds`, and no longer than a link stands.

        Parameters
        ----------
        lost
            Gets its result, the reason, when the link that the call is about is gone.

        Raises
        ------
        WaitedTooLongError
            Naming `what`.
        LinkLostError
            If the link is gone before it is done.
        """
        task = asyncio.ensure_future(work)
        timer = asyncio.ensure_future(self._clock.sleep(seconds))
        try:
            waited = (task, timer) if lost is None else (task, timer, lost)
            await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
            if task.done():
                return task.result()
            if lost is not None and lost.done():
                raise LinkLostError(lost.result())
            raise WaitedTooLongError(f"{what} took longer than {seconds:g} s")
        finally:
            timer.cancel()
            if not task.done():
                task.cancel()
            self.keep(task)

    def keep(self, task: asyncio.Future[Any]) -> None:
        """Nobody waits for it any more; that it fails is not told to the loop either."""
        if not task.done():
            self._given_up.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Future[Any]) -> None:
        self._given_up.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.debug("given_up_call_failed", reason=repr(error))

    async def close(self) -> None:
        """Wait for what was given up, at most `FAREWELL_S`."""
        if not self._given_up:
            return
        timer = asyncio.ensure_future(self._clock.sleep(FAREWELL_S))
        try:
            ended = asyncio.gather(*self._given_up, return_exceptions=True)
            await asyncio.wait((ended, timer), return_when=asyncio.FIRST_COMPLETED)
            if not ended.done():
                _log.warning("calls_hang", count=len(self._given_up))
        finally:
            timer.cancel()
