"""The live feed: one reader of the desk, any number of boards that watch.

A heartbeat is proof that the records were read a moment ago, not that this process is up:
when the desk cannot be read, the heartbeats stop and every board says NOT LIVE (FIELD: a
status stayed healthy while the thing that it spoke for had stopped).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final, NamedTuple, Protocol

import msgspec
import structlog

from alerts.views import Board
from contract.clock import Clock, now_us
from contract.units import NS_PER_S
from dashboards.web.language import Language

_log = structlog.get_logger(__name__)

POLL_S: Final = 0.25
"""Seconds between two looks at the desk's revision: a change is on every screen within a
third of a second, and the look is one indexed read."""

HEARTBEAT_S: Final = 1.0
"""Seconds between heartbeats: two may be lost before the board's 4 s are over."""

REFRESH_S: Final = 5.0
"""Seconds after which the board is read again without a change: when wearables and services
were last heard moves on without a revision."""

STALLED_S: Final = 30.0
"""Seconds after which a client that takes nothing is let go; its board has said NOT LIVE
since the fourth."""

MAX_STREAMS: Final = 256
"""Boards at once: four for each of sixty residents; more is a fault or an attack."""


class BoardSource(Protocol):
    """What the feed needs of `alerts.Desk`."""

    def board(self) -> Board:
        """The whole board as it stands."""
        ...

    def revision(self) -> int:
        """Grows with every change that a board would show."""
        ...


class Snapshot(NamedTuple):
    """One reading of the board."""

    number: int
    """Counts the readings, from 1."""
    board: Board
    fragments: dict[Language, str]
    """The board as HTML, filled as it is asked for."""


class Beat(msgspec.Struct, frozen=True, kw_only=True):
    """A heartbeat as the browser reads it."""

    at_us: int
    """When the records were read last, wall time, microseconds since 1970."""
    time: str
    """The same as clock time in the home."""
    version: str
    """Of the page; a board that was loaded from another one reloads itself."""


class TooManyStreamsError(RuntimeError):
    """`MAX_STREAMS` boards are open already."""


class Subscription:
    """One watching board. Only the latest matters: nothing is queued."""

    def __init__(self, language: Language) -> None:
        self.language = language
        self.news = asyncio.Event()
        self.evicted = asyncio.Event()
        self.ended = False
        self.sending = False
        self.shown = 0
        """Number of the snapshot that this board shows."""
        self.untaken_since_ns: int | None = None


class BoardFeed:
    """Reads the desk for everyone who watches.

    Parameters
    ----------
    desk
        Called in a thread, never from the event loop.
    clock
        For the interval between looks and the age of what is known.
    render
        Makes the board's HTML in a language.
    clock_time
        Writes microseconds since 1970 as clock time in the home.
    version
        Told with each heartbeat.
    """

    def __init__(
        self,
        desk: BoardSource,
        clock: Clock,
        render: Callable[[Board, Language], str],
        clock_time: Callable[[int], str],
        version: str,
    ) -> None:
        self._desk = desk
        self._clock = clock
        self._render = render
        self._clock_time = clock_time
        self._version = version
        self._subscriptions: set[Subscription] = set()
        self._wanted = asyncio.Event()
        self._snapshot: Snapshot | None = None
        self._number = 0
        self._revision = -1
        self._read_at_ns = 0
        self._beat_at_ns = 0
        self._beat = b""
        self._failing = False
        self._closed = False

    async def run(self) -> None:
        """Look at the desk until cancelled; rests while nobody watches."""
        while True:
            if not self._subscriptions:
                self._snapshot = None
                self._wanted.clear()
                await self._wanted.wait()
            await self._look()
            await self._clock.sleep(POLL_S)

    def subscribe(self, language: Language) -> Subscription:
        """Begin to watch.

        Raises
        ------
        TooManyStreamsError
            If `MAX_STREAMS` are open.
        """
        if len(self._subscriptions) >= MAX_STREAMS:
            raise TooManyStreamsError(f"{MAX_STREAMS} boards are open already")
        subscription = Subscription(language)
        subscription.ended = self._closed
        self._subscriptions.add(subscription)
        if self._snapshot is not None or self._closed:
            subscription.news.set()
        self._wanted.set()
        return subscription

    def unsubscribe(self, subscription: Subscription) -> None:
        """Stop watching."""
        self._subscriptions.discard(subscription)

    @property
    def watching(self) -> int:
        """How many boards are open."""
        return len(self._subscriptions)

    def close(self) -> None:
        """End every stream, now and from now on; one that takes nothing is dropped."""
        self._closed = True
        for subscription in self._subscriptions:
            subscription.ended = True
            subscription.news.set()
            if subscription.sending:
                subscription.evicted.set()

    def take(self, subscription: Subscription) -> bytes:
        """What this board has not been told yet, as server-sent events."""
        subscription.news.clear()
        subscription.untaken_since_ns = None
        if self._failing:
            return b"event: trouble\ndata: unreadable\n\n"
        snapshot = self._snapshot
        if snapshot is None or snapshot.number == subscription.shown:
            return self._beat
        subscription.shown = snapshot.number
        fragment = snapshot.fragments.get(subscription.language)
        if fragment is None:
            fragment = self._render(snapshot.board, subscription.language)
            snapshot.fragments[subscription.language] = fragment
        return _event("board", fragment) + self._beat

    async def _look(self) -> None:
        try:
            changed = await self._read()
        except Exception as error:  # noqa: BLE001 - whatever it is, every board is told
            self._say_failing(error)
        else:
            if self._failing:
                _log.info("board_readable_again")
                self._failing = False
                changed = True
            self._tell(changed)

    async def _read(self) -> bool:
        """Read what has changed; returns whether there is a new snapshot."""
        revision = await asyncio.to_thread(self._desk.revision)
        now_ns = self._clock.monotonic_ns()
        known = self._snapshot
        fresh = now_ns - self._read_at_ns < REFRESH_S * NS_PER_S
        changed = known is None or revision != self._revision or not fresh
        if changed:
            board = await asyncio.to_thread(self._desk.board)
            self._number += 1
            self._snapshot = Snapshot(self._number, board, {})
            self._revision = revision
            self._read_at_ns = self._clock.monotonic_ns()
        at_us = now_us(self._clock)
        beat = Beat(at_us=at_us, time=self._clock_time(at_us), version=self._version)
        self._beat = _event("beat", msgspec.json.encode(beat).decode())
        return changed

    def _say_failing(self, error: Exception) -> None:
        if not self._failing:
            # The message of a database error may quote a row, and with it a name.
            cause = getattr(error, "orig", None)
            _log.error("board_unreadable", error=type(error).__name__, cause=str(cause or ""))
        self._failing = True
        self._tell(changed=False)

    def _tell(self, changed: bool) -> None:
        """Wake the boards, at once for news and otherwise once a heartbeat."""
        now_ns = self._clock.monotonic_ns()
        if not changed and now_ns - self._beat_at_ns < HEARTBEAT_S * NS_PER_S:
            return
        self._beat_at_ns = now_ns
        for subscription in self._subscriptions:
            if subscription.untaken_since_ns is None:
                subscription.untaken_since_ns = now_ns
            elif now_ns - subscription.untaken_since_ns > STALLED_S * NS_PER_S:
                subscription.evicted.set()
            subscription.news.set()


def _event(name: str, data: str) -> bytes:
    """One server-sent event (WHATWG HTML, 9.2.6)."""
    lines = "\n".join(f"data: {line}" for line in data.splitlines() or [""])
    return f"event: {name}\n{lines}\n\n".encode()
