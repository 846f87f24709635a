"""The database: one way to read, one way to write, the same on SQLite and PostgreSQL.

One writer at a time for each home: SQLite by ``BEGIN IMMEDIATE``, PostgreSQL by a lock on the
home's row. What a board would show grows the home's revision in the same transaction, and
those who listen in this process are told after the commit; other processes poll
`Database.revision`.
"""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, ParamSpec, TypeVar

import structlog
from sqlalchemy import (
    Connection,
    PoolProxiedConnection,
    create_engine,
    event,
    select,
    update,
)
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.orm import ORMExecuteState, Session

from alerts.errors import UnknownHomeError
from alerts.records.models import Home
from contract.durable import make_durable

P = ParamSpec("P")
T = TypeVar("T")

BUSY_TIMEOUT_MS: Final = 5_000
"""How long SQLite waits for another process's transaction. Ours take milliseconds; a
checkpoint on a slow SD card takes about a second."""

WORKERS: Final = 4
"""Threads for database work of the event loop, apart from the loop's own, so that a hanging
call elsewhere never keeps an alarm from being written."""

DATABASE_ERRORS: Final = (SQLAlchemyError, sqlite3.Error)
"""What using the records may raise when they cannot be used."""

_POSTGRESQL_CONNECTION: Final = {
    "connect_timeout": 5,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 2,
    "tcp_user_timeout": 10_000,
    "options": "-c lock_timeout=5s -c idle_in_transaction_session_timeout=10s",
}
"""A server that is gone is noticed within 20 s instead of hours; and a worker that freezes in
the middle of a transaction, which takes milliseconds, does not hold the home's lock for the
others' good: they give up waiting as on SQLite, and it is thrown out."""

_WRITING: Final = "wardlight_writing"
_WROTE: Final = "wrote"

log = structlog.get_logger(__name__)


class Database:
    """The alert service's records.

    Parameters
    ----------
    url
        SQLAlchemy URL: ``sqlite:////path/to/file`` or ``postgresql+psycopg://…``. A SQLite
        file's folder is made if it is not there.
    """

    def __init__(self, url: str) -> None:
        parsed = make_url(url)
        self.is_sqlite = parsed.get_backend_name() == "sqlite"
        self.where = parsed.render_as_string(hide_password=True)
        """The URL, as it may be shown."""
        self.file: Path | None = None
        """Of SQLite, unless it is in memory."""
        if self.is_sqlite and parsed.database and parsed.database != ":memory:":
            self.file = Path(parsed.database)
            self.file.parent.mkdir(parents=True, exist_ok=True)
        if parsed.drivername == "postgresql":
            parsed = parsed.set(drivername="postgresql+psycopg")
        # Parameters are names, contacts and payloads: an error message must not carry them.
        self.engine = create_engine(
            parsed,
            hide_parameters=True,
            # A connection that a restart of the server has cut is replaced before its use.
            pool_pre_ping=not self.is_sqlite,
            connect_args={} if self.is_sqlite else _POSTGRESQL_CONNECTION,
        )
        if self.is_sqlite:
            event.listen(self.engine, "connect", _prepare_sqlite)
            event.listen(self.engine, "begin", _begin_sqlite)
        self._listeners: list[Callable[[str], None]] = []
        self._write_lock = threading.RLock()
        self._poll_lock = threading.Lock()
        self._poll_connection: PoolProxiedConnection | None = None
        self._executor = ThreadPoolExecutor(WORKERS, thread_name_prefix="alerts-db")

    def upgrade(self) -> None:
        """Bring the tables to the newest revision; safe when two processes start at once."""
        from alerts.records import migrate  # Alembic is large, and needed once

        migrate.upgrade(self.engine)

    def is_current(self) -> bool:
        """Whether the tables are those of this version; changes nothing."""
        from alerts.records import migrate

        return migrate.is_current(self.engine)

    @contextmanager
    def session(self) -> Iterator[Session]:
        """Read: a consistent view; nothing is committed."""
        with Session(self.engine, expire_on_commit=False, autoflush=False) as session:
            yield session

    @contextmanager
    def transaction(self, home: str, *, visible: bool = True) -> Iterator[Session]:
        """Write: all or nothing, one at a time for each home.

        Parameters
        ----------
        home
            Whose records are changed.
        visible
            Whether a board shows what is written; false for heartbeats, which neither grow
            the revision nor wait for the home's lock.

        Raises
        ------
        UnknownHomeError
            If the home was never entered.
        """
        lock = self._write_lock if self.is_sqlite else _NoLock()
        with lock, _WritingSession(self.engine, expire_on_commit=False) as session:
            session.connection(execution_options={_WRITING: True})
            if visible:
                _lock_home(session, home)
            yield session
            session.flush()
            changed = visible and bool(session.info.get(_WROTE))
            if changed:
                session.execute(
                    update(Home).where(Home.name == home).values(revision=Home.revision + 1),
                    execution_options={"synchronize_session": False},
                )
            session.commit()
        if changed:
            self._tell(home)

    def revision(self, home: str) -> int:
        """How often anything a board would show has changed; 0 for a home unknown yet."""
        return self._ask("SELECT revision FROM homes WHERE name = ?", home)

    def in_motion(self, home: str) -> int:
        """How many incidents wait for something: unpaged, unanswered, or nobody there yet."""
        return self._ask(
            "SELECT count(*) FROM incidents WHERE home = ?"
            " AND state IN ('unpaged', 'open', 'acknowledged')",
            home,
        )

    def _ask(self, question: str, home: str) -> int:
        """One number, asked for so often that it keeps a connection of its own and goes past
        the mapper (some 5 µs instead of 150 µs on SQLite).
        """
        if not self.is_sqlite:
            question = question.replace("?", "%s")
        with self._poll_lock:
            try:
                row = self._fetch(question, home)
            except Exception as error:
                connection, self._poll_connection = self._poll_connection, None
                if connection is not None:
                    connection.invalidate()
                if isinstance(error, self.engine.dialect.loaded_dbapi.Error):
                    # As SQLAlchemy does: who uses the records knows no driver.
                    raise DBAPIError(question, None, error, hide_parameters=True) from error
                raise
        return 0 if row is None else int(row[0])

    def _fetch(self, question: str, home: str) -> tuple[Any, ...] | None:
        if self._poll_connection is None:
            self._poll_connection = self.engine.raw_connection()
        cursor = self._poll_connection.cursor()
        try:
            cursor.execute(question, (home,))
            row: tuple[Any, ...] | None = cursor.fetchone()
            if not self.is_sqlite:
                self._poll_connection.rollback()
        finally:
            cursor.close()
        return row

    def homes(self) -> list[str]:
        """Every home that was entered."""
        with self.session() as session:
            return list(session.scalars(select(Home.name).order_by(Home.name)))

    def listen(self, listener: Callable[[str], None]) -> None:
        """Call `listener` with the home after each visible commit of this process, in the
        thread that committed; it must return at once.
        """
        self._listeners.append(listener)

    def forget(self, listener: Callable[[str], None]) -> None:
        """Stop calling `listener`."""
        self._listeners.remove(listener)

    async def run(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Do blocking database work beside the event loop."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._executor, lambda: work(*args, **kwargs))

    def close(self) -> None:
        """Let go of every connection and thread."""
        self._executor.shutdown(wait=True)
        with self._poll_lock:
            if self._poll_connection is not None:
                self._poll_connection.close()
                self._poll_connection = None
        self.engine.dispose()

    def _tell(self, home: str) -> None:
        for listener in tuple(self._listeners):
            listener(home)


class _NoLock:
    """PostgreSQL locks rows by itself."""

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        pass


class _WritingSession(Session):
    """Knows whether anything was written."""


@event.listens_for(_WritingSession, "before_flush")
def _note_flush(session: Session, *_: object) -> None:
    if session.new or session.dirty or session.deleted:
        session.info[_WROTE] = True


@event.listens_for(_WritingSession, "do_orm_execute")
def _note_statement(state: ORMExecuteState) -> None:
    if state.is_update or state.is_insert or state.is_delete:
        state.session.info[_WROTE] = True


def _lock_home(session: Session, home: str) -> None:
    known = session.scalar(select(Home.name).where(Home.name == home).with_for_update())
    if known is None:
        raise UnknownHomeError(f"there is no home {home!r} in these records")


def _prepare_sqlite(connection: sqlite3.Connection, _record: object) -> None:
    """Durable to the last commit, readers never wait for writers, keys are enforced.

    The driver's own transaction handling is turned off: it would begin late and without the
    write lock, and two writers would then fail instead of wait.
    """
    connection.isolation_level = None
    connection.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
    make_durable(connection)
    connection.execute("PRAGMA foreign_keys = ON")


def _begin_sqlite(connection: Connection) -> None:
    writing = connection.get_execution_options().get(_WRITING, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")
