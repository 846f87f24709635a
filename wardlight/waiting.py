"""Waiting for what a service needs, and saying so: clearly, once, and then ever more rarely."""

from __future__ import annotations

import asyncio
import errno
import fcntl
import logging
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final, TypeVar

import structlog

from contract.clock import Clock
from contract.units import NS_PER_S, ns_to_seconds

T = TypeVar("T")

FIRST_TRY_S: Final = 0.25
LONGEST_TRY_S: Final = 5.0
"""Between two looks: what is there again is used within seconds."""

FIRST_SAY_S: Final = 10.0
LONGEST_SAY_S: Final = 300.0
"""Between two lines about the same lack: an outage of a day is 300 lines, not 17,000."""

GROWTH: Final = 2.0

_log = structlog.get_logger(__name__)


class NotThereError(RuntimeError):
    """Something that a service needs is not there yet; the message says why, and what to do."""


class _Growing:
    """Intervals that double up to a limit."""

    def __init__(self, first_s: float, longest_s: float) -> None:
        self._next_s = first_s
        self._longest_s = longest_s

    def next_s(self) -> float:
        interval_s = self._next_s
        self._next_s = min(interval_s * GROWTH, self._longest_s)
        return interval_s


async def until_there(clock: Clock, what: str, where: str, look: Callable[[], Awaitable[T]]) -> T:
    """Look until something is there.

    Parameters
    ----------
    clock
        For the pauses.
    what, where
        What is waited for and where it is looked for, for the log. No secrets.
    look
        Returns what was found, or raises `NotThereError`. `beside` makes one of a function
        that blocks.
    """
    began_ns = clock.monotonic_ns()
    tries, says = _Growing(FIRST_TRY_S, LONGEST_TRY_S), _Growing(FIRST_SAY_S, LONGEST_SAY_S)
    say_ns: int | None = None
    while True:
        try:
            found = await look()
        except NotThereError as error:
            moment_ns = clock.monotonic_ns()
            if say_ns is None or moment_ns >= say_ns:
                again_s = says.next_s()
                say_ns = moment_ns + round(again_s * NS_PER_S)
                _log.warning(
                    "waiting_for",
                    what=what,
                    where=where,
                    reason=str(error),
                    waited_s=round(ns_to_seconds(moment_ns - began_ns), 1),
                    said_again_s=again_s,
                )
        else:
            if say_ns is not None:
                waited_s = round(ns_to_seconds(clock.monotonic_ns() - began_ns), 1)
                _log.info("found", what=what, where=where, waited_s=waited_s)
            return found
        await clock.sleep(tries.next_s())


async def beside(look: Callable[[], T]) -> T:
    """Call in a daemon thread: one that hangs in the network must not hold up the end of the
    process, as those of an executor do.
    """
    loop = asyncio.get_running_loop()
    done: asyncio.Future[T] = loop.create_future()

    def settle(result: T | None, error: BaseException | None) -> None:
        if done.cancelled():
            return
        if error is not None:
            done.set_exception(error)
        else:
            done.set_result(result)  # type: ignore[arg-type]

    def work() -> None:
        try:
            outcome: tuple[T | None, BaseException | None] = (look(), None)
        except BaseException as error:  # noqa: BLE001 - handed on
            outcome = (None, error)
        if not loop.is_closed():
            loop.call_soon_threadsafe(settle, *outcome)

    threading.Thread(target=work, name="look", daemon=True).start()
    return await done


@asynccontextmanager
async def sole_use(clock: Clock, what: str, path: Path) -> AsyncIterator[None]:
    """Be the only process that uses a file or folder; wait while another one does.

    A lock beside it, which the system lets go when its holder dies, however it dies.

    Parameters
    ----------
    what
        Who is waited for, such as "the other ingest service".
    path
        What is used; the lock is ``<path>.lock``.
    """
    lock_path = path.with_name(f"{path.name}.lock")

    async def look() -> _OpenLock:
        return _OpenLock(lock_path)

    with await until_there(clock, what, str(path), look):
        yield


class _OpenLock:
    """A lock file, held while it is open."""

    def __init__(self, path: Path) -> None:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = path.open("ab")
        except OSError as error:
            raise NotThereError(f"{path} cannot be written: {error.strerror}") from error
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self._file.close()
            if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
                raise NotThereError("it runs already; this one takes over when it ends") from error
            raise NotThereError(f"{path} cannot be locked: {error.strerror}") from error

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        self._file.close()


class SparseBrokerLog(logging.Filter):
    """Lets through the first line about a broker that is not reached, and then ever fewer: the
    bus tries each few seconds, and somebody has to read this.

    Parameters
    ----------
    clock
        For the intervals.
    """

    LOGGER: Final = "messaging.mqtt"

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self._clock = clock
        self._says = _Growing(FIRST_SAY_S, LONGEST_SAY_S)
        self._say_ns: int | None = None

    def filter(self, record: logging.LogRecord) -> bool:
        event = record.msg.get("event") if isinstance(record.msg, dict) else None
        if event == "broker_connected":
            self._says, self._say_ns = _Growing(FIRST_SAY_S, LONGEST_SAY_S), None
        if event != "broker_not_reached":
            return True
        moment_ns = self._clock.monotonic_ns()
        if self._say_ns is not None and moment_ns < self._say_ns:
            return False
        self._say_ns = moment_ns + round(self._says.next_s() * NS_PER_S)
        return True
