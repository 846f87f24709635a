"""Moving a home from SQLite into InfluxDB, while ingest runs.

Rows are copied in the order in which they were stored, some thousand at a time, and how far
that has come stands in the file itself: stopped anywhere, it goes on there. A row that is
copied twice is the same row (`ingest.store.lanes`). The file stays as it is, and becomes the
ledger of the new store: a resend after the move is known for one.

So nothing is missing and nothing double when the move is run, ingest is restarted on the new
store, and the move is run once more for what came in between (``docs/data.md``).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, NamedTuple

import msgspec

from contract.clock import Clock, now_us
from contract.events import Event
from contract.telemetry import SensorPoint, SummaryPoint
from ingest.read import METRICS
from ingest.store.influx_lines import (
    HOUR,
    MINUTE,
    SUMMARY,
    Origin,
    event_line,
    latest_line,
    part_of,
    plain_line,
    point_line,
    reading_line,
    written_line,
)
from ingest.store.influx_plan import owner_of_event, owner_of_points
from ingest.store.influx_server import InfluxServer, named, quoted
from ingest.store.influx_write import LineSink, write_lines
from ingest.store.lanes import Lanes, drop_lanes, time_ns
from ingest.store.ledger import Entry, Ledger
from ingest.store.retention import save_progress
from ingest.store.rollup import HOUR_COLUMNS, MINUTE_COLUMNS, US_PER_DAY
from ingest.store.sqlite_reader import StoreReader

ROWS_AT_ONCE: Final = 5_000
"""One request to InfluxDB, and for so long ingest waits for the file: some 0.1 s."""

_READING: Final = SensorPoint.__struct_fields__
_STATES: Final = ("motion", "opening", "occupied")

_POINT: Final = ("at_us", "device", "resident", "zone", *METRICS)


class _Row(NamedTuple):
    """A row of the file, and who has a lane for it."""

    number: int
    values: tuple[Any, ...]


class MissingDay(NamedTuple):
    """A day of which the new store has fewer points than were copied."""

    day_us: int
    copied: int
    found: int


class Moved(NamedTuple):
    """What a move did."""

    rows: dict[str, int]
    """Copied this time, by table."""
    refused: list[str]
    """Why rows were refused by the new store: each reason once."""
    missing: list[MissingDay]


class Move:
    """One move; blocking, in a process or thread of its own.

    Parameters
    ----------
    home
        Whose.
    ledger
        The SQLite store's file, opened by this process for itself.
    sinks
        For seconds and events, for minutes, and for hours.
    clock
        For the time of what is written.
    """

    def __init__(
        self, home: str, ledger: Ledger, sinks: tuple[LineSink, LineSink, LineSink], clock: Clock
    ) -> None:
        self._home = home
        self._ledger = ledger
        self._raw, self._minutes, self._hours = sinks
        self._clock = clock
        self._lanes = Lanes()
        self._refused: dict[str, None] = {}

    def run(self, server: InfluxServer, database: str, say: Callable[[str, int], None]) -> Moved:
        """Copy what is new since the last time, and compare.

        Parameters
        ----------
        server, database
            To count what has arrived.
        say
            Called with a table's name and how many of its rows were copied so far.

        Raises
        ------
        StoreUnavailableError
            If either store cannot be used now; going on later is safe.
        """
        steps: tuple[tuple[str, LineSink, Callable[[Entry, int], list[_Row]], Any], ...] = (
            ("event", self._raw, _event_rows, self._event_lines),
            ("point", self._raw, _point_rows, self._point_lines),
            ("reading", self._raw, _reading_rows, self._reading_lines),
            ("minute", self._minutes, _minute_rows, self._minute_lines),
            ("hour", self._hours, _hour_rows, self._hour_lines),
        )
        copied = {
            table: self._copy(table, sink, rows, lines, say) for table, sink, rows, lines in steps
        }
        self._copy_latest()
        return Moved(copied, list(self._refused), list(self._missing(server, database)))

    def _copy(
        self,
        table: str,
        sink: LineSink,
        rows_of: Callable[[Entry, int], list[_Row]],
        lines_of: Callable[[Entry, Sequence[_Row]], list[bytes]],
        say: Callable[[str, int], None],
    ) -> int:
        copied = 0
        while True:
            rows, lines = self._ledger.transaction(
                lambda entry: self._next(entry, table, rows_of, lines_of)
            )
            if not rows:
                return copied
            sound = written_line(self._home, now_us(self._clock))
            self._refused.update(dict.fromkeys(write_lines(sink, lines, sound).values()))
            last = rows[-1].number
            self._ledger.transaction(lambda entry: _settle(entry, table, last))  # noqa: B023 - used at once
            copied += len(rows)
            say(table, copied)

    def _next(
        self,
        entry: Entry,
        table: str,
        rows_of: Callable[[Entry, int], list[_Row]],
        lines_of: Callable[[Entry, Sequence[_Row]], list[bytes]],
    ) -> tuple[list[_Row], list[bytes]]:
        rows = rows_of(entry, progress_of(entry.connection, table))
        lines = lines_of(entry, rows)
        self._lanes.save(entry.connection)
        return rows, lines

    def _event_lines(self, entry: Entry, rows: Sequence[_Row]) -> list[bytes]:
        lines = []
        for _, (body, received_at_us, late) in rows:
            event = msgspec.json.decode(body, type=Event)
            lane = self._lanes.of_one(entry.connection, owner_of_event(event.id))
            lines.append(event_line(event, lane, bool(late), received_at_us))
        return lines

    def _point_lines(self, entry: Entry, rows: Sequence[_Row]) -> list[bytes]:
        lines = []
        for number, (session, home, gateway, late, synced, *values) in rows:
            fields = dict(zip(_POINT, values, strict=True))
            if fields["worn"] is not None:
                fields["worn"] = bool(fields["worn"])
            point = SummaryPoint(**fields)
            owner = owner_of_points(session, point.device)
            lane = self._lanes.of_point(entry.connection, owner, (0, number), point.at_us)
            lines.append(point_line(Origin(home, gateway, bool(late), bool(synced)), point, lane))
        return lines

    def _reading_lines(self, entry: Entry, rows: Sequence[_Row]) -> list[bytes]:
        lines = []
        for number, (session, home, gateway, late, synced, *values) in rows:
            fields = dict(zip(_READING, values, strict=True))
            for name in _STATES:
                if fields[name] is not None:
                    fields[name] = bool(fields[name])
            point = SensorPoint(**fields)
            owner = owner_of_points(session, point.device)
            lane = self._lanes.of_point(entry.connection, owner, (0, number), point.at_us)
            lines.append(reading_line(Origin(home, gateway, bool(late), bool(synced)), point, lane))
        return lines

    def _minute_lines(self, entry: Entry, rows: Sequence[_Row]) -> list[bytes]:
        lines = []
        for number, (home, *values) in rows:
            device, resident = values[1], values[2]
            # Seconds that came late have a minute of their own, beside that of the others.
            owner = f"copied minute {device} {resident}"
            lane = self._lanes.of_point(entry.connection, owner, (0, number), values[0])
            fields = list(zip(MINUTE_COLUMNS, values, strict=True))
            part = part_of(resident, device)
            lines.append(plain_line(MINUTE, home, fields, time_ns(values[0], lane), part))
        return lines

    def _hour_lines(self, entry: Entry, rows: Sequence[_Row]) -> list[bytes]:
        return [
            plain_line(
                HOUR, home, list(zip(HOUR_COLUMNS, values, strict=True)), time_ns(values[0], 0)
            )
            for _, (home, *values) in rows
        ]

    def _copy_latest(self) -> None:
        moment_us = now_us(self._clock)
        reader = StoreReader(self._ledger.path)
        try:
            latest: list[tuple[str, SummaryPoint | SensorPoint, str, bool, bool]] = [
                *(("wearable", *each) for each in reader.latest(moment_us)),
                *(("sensor", *each) for each in reader.latest_readings(moment_us)),
            ]
        finally:
            reader.close()

        def lines(entry: Entry) -> list[bytes]:
            found = []
            for what, point, gateway, late, synced in latest:
                owner = f"{what} {point.device}"
                lane = self._lanes.of_latest(entry.connection, owner, point.at_us)
                if lane is not None:  # otherwise ingest has written a newer one already
                    origin = Origin(self._home, gateway, late, synced)
                    found.append(latest_line(origin, point, lane))
            self._lanes.save(entry.connection)
            return found

        rows = self._ledger.transaction(lines)
        if rows:
            write_lines(self._raw, rows, written_line(self._home, moment_us))

    def _missing(self, server: InfluxServer, database: str) -> Iterator[MissingDay]:
        """Days of which the new store has fewer points than this file has had copied.

        More is as it should be: what ingest writes there by itself.
        """
        days: list[tuple[int, int]] = self._ledger.transaction(
            lambda entry: entry.connection.execute(
                "SELECT at_us / ? AS day, count(*) FROM point WHERE rowid <= ? GROUP BY day",
                (US_PER_DAY, progress_of(entry.connection, "point")),
            ).fetchall()
        )
        for day, copied in days:
            start_ns = day * US_PER_DAY * 1_000
            tables = server.ask(
                database,
                f"SELECT count(at_us) FROM {named(SUMMARY)} "  # noqa: S608
                f"WHERE home = {quoted(self._home)} "
                f"AND time >= {start_ns} AND time < {start_ns + US_PER_DAY * 1_000}",
            )
            found = sum(row[1] for table in tables for row in table.values)
            if found < copied:
                yield MissingDay(day * US_PER_DAY, copied, found)


def progress_of(connection: sqlite3.Connection, table: str) -> int:
    """Up to which row a table was copied."""
    found = connection.execute(
        "SELECT up_to FROM progress WHERE name = ?", (f"moved {table}",)
    ).fetchone()
    return int(found[0]) if found is not None else 0


def _settle(entry: Entry, table: str, last: int) -> None:
    if table == "event":
        ids = entry.connection.execute(
            "SELECT id FROM event WHERE rowid > ? AND rowid <= ?",
            (progress_of(entry.connection, table), last),
        ).fetchall()
        drop_lanes(entry.connection, [owner_of_event(each) for (each,) in ids])
    save_progress(entry, f"moved {table}", last)


def _rows(entry: Entry, question: str, after: int) -> list[_Row]:
    found = entry.connection.execute(f"{question} LIMIT {ROWS_AT_ONCE}", (after,))
    return [_Row(row[0], row[1:]) for row in found]


def _event_rows(entry: Entry, after: int) -> list[_Row]:
    # Without a body are those that ingest has written to the new store itself.
    return _rows(
        entry,
        "SELECT rowid, body, received_at_us, late FROM event "
        "WHERE rowid > ? AND length(body) > 0 ORDER BY rowid",
        after,
    )


def _point_rows(entry: Entry, after: int) -> list[_Row]:
    columns = ", ".join(_POINT)
    return _rows(
        entry,
        f"SELECT point.rowid, session_id, home, gateway, late, synced, {columns} FROM point "  # noqa: S608
        "JOIN session ON session.id = session_id WHERE point.rowid > ? ORDER BY point.rowid",
        after,
    )


def _reading_rows(entry: Entry, after: int) -> list[_Row]:
    columns = ", ".join(_READING)
    return _rows(
        entry,
        "SELECT reading.rowid, session_id, home, gateway, late, synced, "  # noqa: S608
        f"{columns} FROM reading JOIN session ON session.id = session_id "
        "WHERE reading.rowid > ? ORDER BY reading.rowid",
        after,
    )


def _minute_rows(entry: Entry, after: int) -> list[_Row]:
    columns = ", ".join(MINUTE_COLUMNS)
    return _rows(
        entry,
        f"SELECT rowid, home, {columns} FROM minute WHERE rowid > ? ORDER BY rowid",  # noqa: S608
        after,
    )


def _hour_rows(entry: Entry, after: int) -> list[_Row]:
    columns = ", ".join(HOUR_COLUMNS)
    return _rows(
        entry,
        f"SELECT rowid, home, {columns} FROM hour WHERE rowid > ? ORDER BY rowid",  # noqa: S608
        after,
    )
