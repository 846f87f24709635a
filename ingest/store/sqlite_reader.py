"""The read side of the SQLite store: it can change nothing, and never blocks ingest."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import msgspec
import numpy as np

from contract.events import Event, EventKind
from contract.protocols import StoreUnavailableError
from contract.telemetry import SensorPoint, SummaryPoint
from contract.units import US_PER_S
from ingest.read import (
    FUTURE_TOLERANCE_S,
    MAX_EVENTS,
    MAX_READINGS,
    LatestPoint,
    Series,
    StoredEvent,
    StoredLetter,
    StoredReading,
    check_metric,
    newest_of_residents,
)
from ingest.store.schema import SCHEMA_VERSION

_POINT_COLUMNS: Final = (
    "at_us, device, resident, mean_x_g, mean_y_g, mean_z_g, min_g, max_g, deviation_g, worn, "
    "battery_percent, rssi_dbm, heart_rate_bpm, zone"
)

_READING_COLUMNS: Final = (
    "at_us, device, zone, resident, changed, motion, opening, press, occupied, temperature_c, "
    "humidity_percent, battery_percent, rssi_dbm"
)
_STATES: Final = ("motion", "opening", "occupied")


class StoreReader:
    """The read side of a `SqliteStore`, also while it is written.

    It is unavailable while there is no file, or one of another version.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None

    def written_at_us(self) -> int | None:
        with self._reading() as connection:
            row = connection.execute("SELECT at_us FROM written").fetchone()
        return row[0] if row is not None else None

    def latest(self, now_us: int) -> list[LatestPoint]:
        limit_us = now_us + FUTURE_TOLERANCE_S * US_PER_S
        found: list[LatestPoint] = []
        with self._reading() as connection:
            devices = connection.execute("SELECT device FROM wearable ORDER BY device").fetchall()
            for (device,) in devices:
                row = connection.execute(
                    f"SELECT {_POINT_COLUMNS}, gateway, late, synced "  # noqa: S608 - a constant
                    "FROM point JOIN session ON session.id = session_id "
                    "WHERE device = ? AND at_us <= ? ORDER BY at_us DESC, point.rowid DESC LIMIT 1",
                    (device, limit_us),
                ).fetchone()
                if row is not None:
                    found.append(LatestPoint(_point(row), row[-3], bool(row[-2]), bool(row[-1])))
        return found

    def latest_of_residents(self, now_us: int) -> dict[str, LatestPoint]:
        return newest_of_residents(self.latest(now_us))

    def events(
        self,
        start_us: int,
        end_us: int,
        *,
        resident: str | None = None,
        kinds: Collection[EventKind] = (),
        limit: int = MAX_EVENTS,
    ) -> list[StoredEvent]:
        conditions, values = ["at_us >= ?", "at_us < ?"], [start_us, end_us]
        parameters: list[object] = [*values]
        if resident is not None:
            conditions.append("resident = ?")
            parameters.append(resident)
        if kinds:
            conditions.append(f"kind IN ({', '.join('?' * len(kinds))})")
            parameters += sorted(kind.value for kind in kinds)
        with self._reading() as connection:
            found = connection.execute(
                "SELECT body, received_at_us, late FROM event "  # noqa: S608 - constants alone
                f"WHERE {' AND '.join(conditions)} ORDER BY at_us DESC, rowid DESC LIMIT ?",
                (*parameters, limit),
            ).fetchall()
        return [
            StoredEvent(msgspec.json.decode(body, type=Event), received_at_us, bool(late))
            for body, received_at_us, late in found
        ]

    def series(self, resident: str, metric: str, start_us: int, end_us: int) -> Series:
        check_metric(metric)
        with self._reading() as connection:
            found = connection.execute(
                f"SELECT at_us, {metric} FROM point "  # noqa: S608 - checked above
                f"WHERE resident = ? AND at_us >= ? AND at_us < ? AND {metric} IS NOT NULL "
                "ORDER BY at_us, rowid",
                (resident, start_us, end_us),
            ).fetchall()
        return Series(
            np.array([row[0] for row in found], dtype=np.int64),
            np.array([row[1] for row in found], dtype=np.float64),
        )

    def latest_readings(self, now_us: int) -> list[StoredReading]:
        limit_us = now_us + FUTURE_TOLERANCE_S * US_PER_S
        found: list[StoredReading] = []
        with self._reading() as connection:
            devices = connection.execute("SELECT device FROM sensor ORDER BY device").fetchall()
            for (device,) in devices:
                row = connection.execute(
                    f"SELECT {_READING_COLUMNS}, gateway, late, synced "  # noqa: S608 - a constant
                    "FROM reading JOIN session ON session.id = session_id "
                    "WHERE device = ? AND at_us <= ? "
                    "ORDER BY at_us DESC, reading.rowid DESC LIMIT 1",
                    (device, limit_us),
                ).fetchone()
                if row is not None:
                    found.append(_stored_reading(row))
        return found

    def readings(
        self, device: str, start_us: int, end_us: int, *, limit: int = MAX_READINGS
    ) -> list[StoredReading]:
        with self._reading() as connection:
            found = connection.execute(
                f"SELECT {_READING_COLUMNS}, gateway, late, synced "  # noqa: S608 - a constant
                "FROM reading JOIN session ON session.id = session_id "
                "WHERE device = ? AND at_us >= ? AND at_us < ? "
                "ORDER BY at_us, reading.rowid LIMIT ?",
                (device, start_us, end_us, limit),
            ).fetchall()
        return [_stored_reading(row) for row in found]

    def dead_letters(self, limit: int = 100) -> list[StoredLetter]:
        """What was refused, latest first."""
        with self._reading() as connection:
            found = connection.execute(
                "SELECT topic, reason, first_at_us, last_at_us, times, payload FROM dead_letter "
                "ORDER BY last_at_us DESC, id DESC LIMIT ?",
                (limit,),
            ).fetchall()
        return [StoredLetter(*row) for row in found]

    def close(self) -> None:
        with self._lock:
            self._drop()

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            try:
                yield self._open()
            except sqlite3.Error as error:
                self._drop()
                raise StoreUnavailableError(f"{self._path}: {error}") from error

    def _open(self) -> sqlite3.Connection:
        if self._connection is None:
            address = f"{self._path.absolute().as_uri()}?mode=ro"
            connection = sqlite3.connect(
                address, uri=True, isolation_level=None, check_same_thread=False
            )
            try:
                _check_version(connection, self._path)
            except BaseException:
                connection.close()
                raise
            self._connection = connection
        return self._connection

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()


def _check_version(connection: sqlite3.Connection, path: Path) -> None:
    version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    if version != SCHEMA_VERSION:
        raise StoreUnavailableError(
            f"{path} has version {version}, this program reads {SCHEMA_VERSION}"
        )


def _stored_reading(row: tuple[object, ...]) -> StoredReading:
    *_, gateway, late, synced = row
    values = dict(zip(_READING_COLUMNS.split(", "), row, strict=False))
    for name in _STATES:
        if values[name] is not None:
            values[name] = bool(values[name])
    point = SensorPoint(**values)  # type: ignore[arg-type]
    return StoredReading(point, str(gateway), bool(late), bool(synced))


def _point(row: tuple[object, ...]) -> SummaryPoint:
    names = _POINT_COLUMNS.split(", ")
    values = dict(zip(names, row, strict=False))
    if values["worn"] is not None:
        values["worn"] = bool(values["worn"])
    return SummaryPoint(**values)  # type: ignore[arg-type]
