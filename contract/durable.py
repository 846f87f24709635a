"""What "durable" means wherever Wardlight keeps a SQLite file: one place, used by every room."""

import sqlite3

_ATTEMPTS = 10


def make_durable(connection: sqlite3.Connection) -> None:
    """Have every commit on the disk before it returns, while readers never wait for a writer.

    The change of a new file to write-ahead logging is the one statement for which SQLite fails
    at once when another process holds the file, whatever the connection's busy timeout. Taking
    the write lock does wait for it; after that the change is tried again.

    Parameters
    ----------
    connection
        In autocommit mode (`isolation_level=None`), with its busy timeout set.

    Raises
    ------
    sqlite3.Error
        The file is held for longer than the busy timeout, damaged, or not a database.
    """
    for attempt in range(_ATTEMPTS):
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            break
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or attempt == _ATTEMPTS - 1:
                raise
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("ROLLBACK")
    connection.execute("PRAGMA synchronous = FULL")
