"""What came after a fall that was suspected in a window, for people to see.

The link is let go as soon as a fall is suspected. To hold it for the six seconds that are yet to be
measured would keep it from somebody else's fall; read later from the wearable's ring they take a
tenth of that, connecting included. Nothing waits for it, and it makes way for everything else.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Final

import structlog

from contract.protocols import LinkLostError
from contract.units import seconds_to_ns
from edge.counters import Counts
from edge.falls import Falls
from edge.fetcher import PACKET_NS, Candidate, WindowFetcher
from edge.links import LinkPool
from edge.timebase import SessionTime
from edge.wearables import Wearable
from edge.window import Window

_log = structlog.get_logger(__name__)

ATTEMPTS: Final = 3
RETRY_NS: Final = seconds_to_ns(6)
"""All of them are over when the fall is detected, half a minute after its impact, unless connecting
takes long; the later words about it would carry what comes then."""

GIVEN_UP_NS: Final = seconds_to_ns(40)
"""So long after it was measured, the ring of a wearable (a minute) does not hold it any more."""

LEFT_FREE: Final = 1
"""Links that are left to whoever has a fall to look into."""


@dataclass(slots=True)
class _Rest:
    """What is still to be read of a window."""

    candidate: Candidate
    window: Window
    due_ns: int
    """Monotonic."""
    attempts: int = 0


class SequelReader:
    """Reads the rest of windows, one at a time."""

    def __init__(
        self,
        *,
        pool: LinkPool,
        time: SessionTime,
        fetcher: WindowFetcher,
        falls: Falls,
        counts: Counts,
    ) -> None:
        self._pool = pool
        self._time = time
        self._fetcher = fetcher
        self._falls = falls
        self._counts = counts
        self._waiting: dict[str, list[_Rest]] = {}
        """By device, the oldest first."""
        self._reading: tuple[str, asyncio.Task[None]] | None = None

    def want(self, candidate: Candidate, window: Window) -> None:
        """A window was looked into: what is missing of its falls is read when it is there."""
        if window.suspected and not window.shows_all:
            due_ns = self._time.monotonic_ns(window.shown_until_ns) + PACKET_NS
            rest = _Rest(candidate, window, due_ns)
            self._waiting.setdefault(candidate.counter.device, []).append(rest)

    def tend(self, wearable: Wearable, tasks: asyncio.TaskGroup, now_ns: int) -> None:
        """An advert of it has just come, so it is in reach, and nothing else is read of it."""
        rest = self._next(wearable, now_ns)
        if rest is None or self._reading or self._pool.free < 1 + LEFT_FREE:
            return
        self._waiting[wearable.device].remove(rest)
        task = tasks.create_task(self._read(rest))
        self._reading = wearable.device, task
        task.add_done_callback(lambda _: self._end(rest))

    async def make_way(self, device: str) -> None:
        """A candidate of this wearable is to be looked into."""
        if self._reading is not None and self._reading[0] == device:
            task = self._reading[1]
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    def _stop(self) -> None:
        """A window waits for the link; what is missing is read at the next attempt."""
        if self._reading is not None:
            self._reading[1].cancel()

    def _next(self, wearable: Wearable, now_ns: int) -> _Rest | None:
        """The oldest rest that is due; what nobody needs, or nobody can have, is forgotten."""
        kept = [
            rest
            for rest in self._waiting.pop(wearable.device, ())
            if now_ns - rest.due_ns < GIVEN_UP_NS
            and any(self._falls.lacks_motion(wearable, e.impact_ns) for e in rest.window.excerpts)
        ]
        if kept:
            self._waiting[wearable.device] = kept
        return next((rest for rest in kept if rest.due_ns <= now_ns), None)

    async def _read(self, rest: _Rest) -> None:
        rest.attempts += 1
        try:
            await self._fetcher.read_on(rest.candidate, rest.window, self._stop)
        except LinkLostError as error:
            self._counts["sequels_interrupted"] += 1
            _log.info(
                "sequel_interrupted",
                device=rest.candidate.counter.device,
                counter=rest.candidate.counter.counter,
                reason=str(error),
            )

    def _end(self, rest: _Rest) -> None:
        self._reading = None
        if not rest.window.shows_all and rest.attempts < ATTEMPTS:
            rest.due_ns += RETRY_NS
            self._waiting.setdefault(rest.candidate.counter.device, []).append(rest)
