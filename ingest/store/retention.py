"""How long what is kept: seconds, then minutes, then hours of the whole home that name nobody.

A piece at a time, between ingest's own writes. In SQLite each piece is one transaction that
makes the coarser rows and deletes the finer ones. InfluxDB deletes by its own clock
(`SLACK_DAYS` later), so there the coarser rows are made in time, window after window, and how
far they have come stands in the ledger; made again they are the same rows.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from contract.units import US_PER_S
from ingest.store.influx_lines import HOUR, MINUTE, SUMMARY, part_of, plain_line, written_line
from ingest.store.influx_server import InfluxServer, named, quoted
from ingest.store.influx_write import LineSink, write_lines
from ingest.store.lanes import Lanes, drop_old_lanes, time_ns
from ingest.store.ledger import Entry, Ledger
from ingest.store.rollup import (
    HOUR_COLUMNS,
    MINUTE_COLUMNS,
    SECOND_COLUMNS,
    US_PER_DAY,
    US_PER_HOUR,
    US_PER_MINUTE,
    Hour,
    Minute,
    hours_of,
    minutes_of,
)

LOOK_EVERY_US: Final = 600 * US_PER_S
"""Between two looks for something to do, once nothing was left."""

PIECE_US: Final = 6 * US_PER_HOUR
"""Of one wearable in one transaction: 21,600 rows, 0.1 s on a Raspberry Pi, for which messages
wait."""

WINDOW_US: Final = 10 * US_PER_MINUTE
"""Of a home in one question to InfluxDB: 36,000 rows of sixty residents, some 6 MB."""

SLACK_DAYS: Final = 7
"""InfluxDB keeps seconds and minutes so much longer than they are needed: time for minutes to
be made after an outage of ingest."""


READINGS_AT_ONCE: Final = 10_000
"""Deleted in one transaction: some hundredths of a second."""

TIMED_FROM_US: Final = 1_577_836_800 * US_PER_S
"""1 January 2020. What was measured before is of a machine that did not know the time: how old it
is, what came after it says."""


_NO_ROW: Final = 2**63 - 1
"""Beyond every row."""


class Keeping(NamedTuple):
    """How long."""

    raw_days: int = 30
    """Seconds."""
    minute_days: int = 730
    """Minutes and events; hours are kept for ever."""

    def raw_before_us(self, now_us: int) -> int:
        """Seconds before this become minutes; a whole hour."""
        return (now_us - self.raw_days * US_PER_DAY) // US_PER_HOUR * US_PER_HOUR

    def minutes_before_us(self, now_us: int) -> int:
        """Minutes before this become hours; a whole day."""
        return (now_us - self.minute_days * US_PER_DAY) // US_PER_DAY * US_PER_DAY


KEEPING: Final = Keeping()
"""What a home has that sets nothing."""


def thin_sqlite(entry: Entry, keeping: Keeping, now_us: int) -> bool:
    """Do one piece in a SQLite store; whether there was one."""
    drop_old_lanes(entry.connection, keeping.raw_before_us(now_us))
    return (
        _seconds_to_minutes(entry, keeping.raw_before_us(now_us))
        or _thin_readings(entry, keeping.raw_before_us(now_us))
        or _drop_readings(entry, keeping.minutes_before_us(now_us))
        or _minutes_to_hours(entry, keeping.minutes_before_us(now_us))
        or _drop_events(entry, keeping.minutes_before_us(now_us))
    )


class InfluxRollUp:
    """Makes minutes and hours in InfluxDB; used on the ledger's thread.

    Parameters
    ----------
    home
        Whose.
    server
        To ask.
    databases
        Where seconds, minutes and hours are.
    sinks
        To write minutes and hours.
    keeping
        How long.
    """

    def __init__(
        self,
        home: str,
        server: InfluxServer,
        databases: tuple[str, str, str],
        sinks: tuple[LineSink, LineSink],
        keeping: Keeping,
    ) -> None:
        self._home = home
        self._server = server
        self._databases = databases
        self._sinks = sinks
        self._keeping = keeping
        self._lanes = Lanes()

    def step(self, ledger: Ledger, now_us: int) -> bool:
        """Do one window of one level; whether there was one.

        Raises
        ------
        StoreUnavailableError
            If the server cannot be asked or written.
        """
        return self._minutes(ledger, now_us) or self._hours(ledger, now_us)

    def close(self) -> None:
        """Let go of connections."""
        self._server.close()
        for sink in self._sinks:
            sink.close()

    def _minutes(self, ledger: Ledger, now_us: int) -> bool:
        before_us = self._keeping.raw_before_us(now_us)
        start_us = self._next(ledger, 0, SUMMARY, WINDOW_US)
        if start_us is None or start_us >= before_us:
            return False
        end_us = min(start_us + WINDOW_US, before_us)
        minutes = minutes_of(self._rows(0, SUMMARY, SECOND_COLUMNS, start_us, end_us))
        lines = ledger.transaction(lambda entry: [self._line(entry, each) for each in minutes])
        self._finish(ledger, 0, lines, end_us, now_us)
        return True

    def _hours(self, ledger: Ledger, now_us: int) -> bool:
        before_us = self._keeping.minutes_before_us(now_us)
        start_us = self._next(ledger, 1, MINUTE, US_PER_HOUR)
        if start_us is None or start_us >= before_us:
            return False
        end_us = start_us + US_PER_HOUR
        hours = hours_of(self._rows(1, MINUTE, MINUTE_COLUMNS, start_us, end_us))
        lines = [
            plain_line(HOUR, self._home, _fields(HOUR_COLUMNS, each), time_ns(each.at_us, 0))
            for each in hours
        ]
        self._finish(ledger, 1, lines, end_us, now_us)
        return True

    def _line(self, entry: Entry, minute: Minute) -> bytes:
        owner = f"minute {minute.device} {minute.resident}"
        at_ns = time_ns(minute.at_us, self._lanes.of_one(entry.connection, owner))
        part = part_of(minute.resident, minute.device)
        return plain_line(MINUTE, self._home, _fields(MINUTE_COLUMNS, minute), at_ns, part)

    def _next(self, ledger: Ledger, level: int, measurement: str, step_us: int) -> int | None:
        """Where the next window begins: at the first row that was not looked at."""
        name = f"rolled {measurement}"
        found = ledger.transaction(
            lambda entry: entry.connection.execute(
                "SELECT up_to FROM progress WHERE name = ?", (name,)
            ).fetchone()
        )
        from_ns = found[0] * 1_000 if found is not None else 0
        tables = self._server.ask(
            self._databases[level],
            f"SELECT at_us FROM {named(measurement)} WHERE home = {quoted(self._home)} "  # noqa: S608
            f"AND time >= {from_ns} ORDER BY time LIMIT 1",
        )
        first = next((row[1] for table in tables for row in table.values), None)
        return None if first is None else int(first) // step_us * step_us

    def _rows(
        self, level: int, measurement: str, columns: Sequence[str], start_us: int, end_us: int
    ) -> list[list[Any]]:
        names = ", ".join(named(column) for column in columns)
        tables = self._server.ask(
            self._databases[level],
            f"SELECT {names} FROM {named(measurement)} WHERE home = {quoted(self._home)} "  # noqa: S608
            f"AND time >= {start_us * 1_000} AND time < {end_us * 1_000}",
        )
        return [row[1:] for table in tables for row in table.values]

    def _finish(
        self, ledger: Ledger, level: int, lines: Sequence[bytes], end_us: int, now_us: int
    ) -> None:
        if lines:
            write_lines(self._sinks[level], lines, written_line(self._home, now_us))
        name = f"rolled {(SUMMARY, MINUTE)[level]}"
        ledger.transaction(lambda entry: save_progress(entry, name, end_us))


def save_progress(entry: Entry, name: str, up_to: int) -> None:
    """Remember how far something has come."""
    entry.connection.execute(
        "INSERT INTO progress VALUES (?, ?) ON CONFLICT DO UPDATE SET up_to = excluded.up_to",
        (name, up_to),
    )


def _fields(columns: Sequence[str], row: Minute | Hour) -> list[tuple[str, Any]]:
    return list(zip(columns, (*row[:-1], *row.values), strict=True))


def _seconds_to_minutes(entry: Entry, before_us: int) -> bool:
    connection = entry.connection
    devices = connection.execute("SELECT device FROM wearable").fetchall()
    for (device,) in devices:
        oldest, before_row = _oldest_second(connection, device, before_us)
        if oldest is None:
            continue
        end_us = min(oldest // US_PER_HOUR * US_PER_HOUR + PIECE_US, before_us)
        rows = connection.execute(
            f"SELECT {', '.join(SECOND_COLUMNS)} FROM point "  # noqa: S608 - constants
            "WHERE device = ? AND at_us BETWEEN ? AND ? AND rowid < ?",
            (device, oldest, end_us - 1, before_row),
        ).fetchall()
        (home,) = connection.execute(
            "SELECT home FROM session JOIN point ON session.id = session_id "
            "WHERE device = ? AND at_us = ?",
            (device, oldest),
        ).fetchone()
        connection.executemany(
            "INSERT INTO minute VALUES (?, ?, ?, ?, ?, ?,?,?,?,?,?,?,?,?,?)",
            [(home, *each[:-1], *each.values) for each in minutes_of(rows)],
        )
        connection.execute(
            "DELETE FROM point WHERE device = ? AND at_us BETWEEN ? AND ? AND rowid < ?",
            (device, oldest, end_us - 1, before_row),
        )
        return True
    return False


def _oldest_second(
    connection: sqlite3.Connection, device: str, before_us: int
) -> tuple[int | None, int]:
    """Where the next piece of a wearable begins, and the row that ends it.

    A second without a time is old when one came after it that is.
    """
    oldest, before_row = connection.execute(
        "SELECT min(at_us), max(rowid) FROM point WHERE device = ? AND at_us BETWEEN ? AND ?",
        (device, TIMED_FROM_US, before_us - 1),
    ).fetchone()
    if oldest is None:
        return None, _NO_ROW
    (untimed,) = connection.execute(
        "SELECT min(at_us) FROM point WHERE device = ? AND at_us < ? AND rowid < ?",
        (device, TIMED_FROM_US, before_row),
    ).fetchone()
    return (oldest, _NO_ROW) if untimed is None else (untimed, before_row)


def _minutes_to_hours(entry: Entry, before_us: int) -> bool:
    connection = entry.connection
    oldest = connection.execute("SELECT home, min(at_us) FROM minute").fetchone()
    if oldest is None or oldest[1] is None or oldest[1] >= before_us:
        return False
    home, end_us = oldest[0], oldest[1] // US_PER_DAY * US_PER_DAY + US_PER_DAY
    rows = connection.execute(
        f"SELECT {', '.join(MINUTE_COLUMNS)} FROM minute "  # noqa: S608 - constants
        "WHERE at_us < ?",
        (end_us,),
    ).fetchall()
    connection.executemany(
        "INSERT INTO hour VALUES (?, ?, ?, ?, ?, ?, ?)",
        [(home, *each[:-1], *each.values) for each in hours_of(rows)],
    )
    connection.execute("DELETE FROM minute WHERE at_us < ?", (end_us,))
    return True


def _thin_readings(entry: Entry, before_us: int) -> bool:
    """Of what sensors said by the minute, leave the first of each hour; changes stay. What comes
    late, behind where this has come, stays until all of its time goes.
    """
    connection, name = entry.connection, "thinned reading"
    found = connection.execute("SELECT up_to FROM progress WHERE name = ?", (name,)).fetchone()
    (start_us,) = connection.execute(
        "SELECT min(at_us) FROM reading WHERE at_us BETWEEN ? AND ?",
        (found[0] if found is not None else TIMED_FROM_US, before_us - 1),
    ).fetchone()
    if start_us is None:
        return False
    start_us = start_us // US_PER_HOUR * US_PER_HOUR
    end_us = min(start_us + US_PER_DAY, before_us)
    connection.execute(
        "DELETE FROM reading WHERE changed IS NULL AND at_us >= ? AND at_us < ? AND rowid NOT IN ("
        "SELECT min(rowid) FROM reading WHERE changed IS NULL AND at_us >= ? AND at_us < ? "
        "GROUP BY device, at_us / ?)",
        (start_us, end_us, start_us, end_us, US_PER_HOUR),
    )
    save_progress(entry, name, end_us)
    return True


def _drop_readings(entry: Entry, before_us: int) -> bool:
    """Those without a time are old when one came after them that is."""
    connection = entry.connection
    newest_old, count = connection.execute(
        "SELECT max(rowid), count(*) FROM (SELECT rowid FROM reading "
        "WHERE at_us BETWEEN ? AND ? ORDER BY at_us LIMIT ?)",
        (TIMED_FROM_US, before_us - 1, READINGS_AT_ONCE),
    ).fetchone()
    if not count:
        return False
    connection.execute(
        "DELETE FROM reading WHERE at_us < ? AND rowid < ?", (TIMED_FROM_US, newest_old)
    )
    connection.execute(
        "DELETE FROM reading WHERE rowid IN (SELECT rowid FROM reading "
        "WHERE at_us BETWEEN ? AND ? ORDER BY at_us LIMIT ?)",
        (TIMED_FROM_US, before_us - 1, READINGS_AT_ONCE),
    )
    return True


def _drop_events(entry: Entry, before_us: int) -> bool:
    """By the time of receipt, too: an alarm of a gateway that took it for 1970 is not old."""
    deleted = entry.connection.execute(
        "DELETE FROM event WHERE rowid IN (SELECT rowid FROM event "
        "WHERE at_us < ? AND received_at_us < ? ORDER BY at_us LIMIT 1000)",
        (before_us, before_us),
    ).rowcount
    return bool(deleted)
