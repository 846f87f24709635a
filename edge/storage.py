"""An SQLite file that survives kill -9, a full disk and its own corruption.

All of a file's work is done on one thread, in order, so that a slow card holds up its own
writes and nothing else.
"""

from __future__ import annotations

import asyncio
import errno
import os
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Final, TypeVar

import structlog

from contract.durable import make_durable

T = TypeVar("T")

_log = structlog.get_logger(__name__)

BUSY_MS: Final = 2_000
"""Another process that looks into the file (a backup) is waited for so long; one gateway has
one folder, so there should be none."""

BALLAST_BYTES: Final = 4 * 1024 * 1024
"""Space kept back for alarms: at about 4 kB each with its waveform, a thousand of them,
weeks of a home's alarms, once everything else has filled the disk."""

_FULL_DISK_CODES: Final = frozenset({sqlite3.SQLITE_FULL})
_DAMAGED: Final = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})


class UnwritableError(OSError):
    """The file cannot be written now; the reason is the message. Nothing was changed."""


class Ballast:
    """A file that only takes up space, given up when the disk is full.

    Parameters
    ----------
    path
        Where it lies; on the same disk as what it protects.
    size
        Bytes.
    """

    def __init__(self, path: Path, size: int = BALLAST_BYTES) -> None:
        self._path = path
        self._size = size

    @property
    def there(self) -> bool:
        """Whether the space is kept back at the moment."""
        try:
            return self._path.stat().st_size >= self._size
        except OSError:
            return False

    def load(self) -> bool:
        """Keep the space back, if it is not; whether it now is."""
        if self.there:
            return True
        try:
            with self._path.open("wb") as file:
                os.posix_fallocate(file.fileno(), 0, self._size)
        except OSError:
            with suppress(OSError):
                # Half a ballast takes space and protects nobody.
                self._path.unlink(missing_ok=True)
            return False
        return True

    def drop(self) -> bool:
        """Give the space to whoever needs it; whether there was any."""
        try:
            self._path.unlink()
        except OSError:
            return False
        _log.warning("ballast_dropped", path=str(self._path), bytes=self._size)
        return True


class StorageFile:
    """One SQLite file: WAL, synchronous FULL, opened at its first use.

    Parameters
    ----------
    path
        The file; a damaged one is moved aside, to ``….damaged-1`` and so on, and begun anew.
    schema
        SQL that creates what is missing.
    ballast
        Dropped when the disk is full, after which the write is tried once more.
    """

    def __init__(self, path: Path, schema: str, ballast: Ballast | None = None) -> None:
        self._path = path
        self._schema = schema
        self._ballast = ballast
        self._connection: sqlite3.Connection | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=path.stem)
        self.moved_aside: list[Path] = []
        """Damaged files that were found."""

    async def do(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Run `work` in one transaction on the file's thread.

        Raises
        ------
        UnwritableError
            If it could not be written; nothing was changed.
        """
        return await asyncio.get_running_loop().run_in_executor(self._thread, self.do_now, work)

    def do_now(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """The same, at once; only on the file's thread, or where there is no other."""
        try:
            return self._transact(work)
        except (sqlite3.Error, OSError) as error:
            if not self._can_help(error):
                raise UnwritableError(f"{self._path.name}: {error}") from error
        try:
            return self._transact(work)
        except (sqlite3.Error, OSError) as error:
            raise UnwritableError(f"{self._path.name}: {error}") from error

    def _can_help(self, error: Exception) -> bool:
        """Remove the cause of a failure, if we can: it is then worth a second try."""
        if _is_damaged(error):
            self._move_aside()
            return True
        return self._ballast is not None and _is_full(error) and self._ballast.drop()

    async def close(self) -> None:
        """Finish what was begun and let go of the file."""
        await asyncio.get_running_loop().run_in_executor(self._thread, self._close_connection)
        self._thread.shutdown(wait=True)

    def _transact(self, work: Callable[[sqlite3.Connection], T]) -> T:
        connection = self._connection or self._open()
        try:
            connection.execute("BEGIN IMMEDIATE")
            result = work(connection)
            connection.execute("COMMIT")
        except BaseException:
            self._roll_back(connection)
            raise
        return result

    def _roll_back(self, connection: sqlite3.Connection) -> None:
        """Undo; a connection that cannot even do that is opened anew at the next use."""
        try:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
        except sqlite3.Error as error:
            _log.error("rollback_failed", file=self._path.name, reason=str(error))
            self._close_connection()

    def _open(self) -> sqlite3.Connection:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._connection = self._connect()
        return self._connection

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False)
        try:
            connection.execute(f"PRAGMA busy_timeout = {BUSY_MS}")
            make_durable(connection)
            connection.executescript(self._schema)
        except BaseException:
            connection.close()
            raise
        return connection

    def _move_aside(self) -> None:
        """Keep a damaged file for whoever can read it, and begin a new one."""
        self._close_connection()
        number = 1
        while (aside := self._path.with_name(f"{self._path.name}.damaged-{number}")).exists():
            number += 1
        _log.error("storage_damaged", file=self._path.name, kept_as=aside.name)
        try:
            self._path.rename(aside)
        except FileNotFoundError:
            return
        self.moved_aside.append(aside)
        # They belong to the damaged file; beside a new one they would damage it, too.
        for suffix in ("-wal", "-shm"):
            companion = self._path.with_name(self._path.name + suffix)
            if companion.exists():
                companion.rename(aside.with_name(aside.name + suffix))

    def _close_connection(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            try:
                connection.close()
            except sqlite3.Error as error:
                _log.error("close_failed", file=self._path.name, reason=str(error))


def _is_full(error: BaseException) -> bool:
    return (
        getattr(error, "sqlite_errorcode", None) in _FULL_DISK_CODES
        or getattr(error, "errno", None) == errno.ENOSPC
    )


def _is_damaged(error: BaseException) -> bool:
    return getattr(error, "sqlite_errorcode", None) in _DAMAGED
