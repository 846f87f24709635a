"""The store's read side, for dashboards: it can change nothing, and never blocks ingest."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from contract.events import Event, EventKind
from contract.protocols import StoreUnavailableError
from contract.telemetry import SummaryPoint
from contract.units import US_PER_S
from ingest.store.schema import SCHEMA_VERSION

METRICS: Final = (
    "mean_x_g",
    "mean_y_g",
    "mean_z_g",
    "min_g",
    "max_g",
    "deviation_g",
    "worn",
    "battery_percent",
    "rssi_dbm",
    "heart_rate_bpm",
)
"""Fields of a summary point that can be asked for as a series."""

FUTURE_TOLERANCE_S: Final = 60
"""A gateway's clock may be this far ahead before its points are passed over as "latest": one
that says 2038 must not hide every later point."""

MAX_EVENTS: Final = 1_000

_POINT_COLUMNS: Final = (
    "at_us, device, resident, mean_x_g, mean_y_g, mean_z_g, min_g, max_g, deviation_g, worn, "
    "battery_percent, rssi_dbm, heart_rate_bpm, zone"
)


class LatestPoint(NamedTuple):
    """The latest second of one wearable."""

    point: SummaryPoint
    gateway: str
    late: bool
    synced: bool
    """Whether the gateway's clock could be believed."""


class StoredEvent(NamedTuple):
    """An event and what ingest knows of its way."""

    event: Event
    received_at_us: int
    late: bool


class Series(NamedTuple):
    """One metric over time, in the order of time."""

    at_us: NDArray[np.int64]
    """Shape (n,): beginnings of seconds, microseconds since 1970."""
    values: NDArray[np.float64]
    """Shape (n,)."""


class StoredLetter(NamedTuple):
    """A message that was refused."""

    topic: str
    reason: str
    first_at_us: int
    last_at_us: int
    times: int
    payload: bytes
    """Its first 16 KiB."""


class StoreReader:
    """Reads the file of a `SqliteStore`, also while it is written; from any thread.

    Every method raises `contract.protocols.StoreUnavailableError` while there is no file, or
    one of another version.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None

    def written_at_us(self) -> int | None:
        """When ingest stored something last, wall time; None if never."""
        with self._reading() as connection:
            row = connection.execute("SELECT at_us FROM written").fetchone()
        return row[0] if row is not None else None

    def latest(self, now_us: int) -> list[LatestPoint]:
        """The latest point of each wearable, ordered by device.

        Parameters
        ----------
        now_us
            Points more than `FUTURE_TOLERANCE_S` after this are passed over.
        """
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
        """The latest point of each resident, by resident id; of several wearables the newest."""
        newest: dict[str, LatestPoint] = {}
        for each in self.latest(now_us):
            resident = each.point.resident
            if resident is None:
                continue
            known = newest.get(resident)
            if known is None or known.point.at_us < each.point.at_us:
                newest[resident] = each
        return newest

    def events(
        self,
        start_us: int,
        end_us: int,
        *,
        resident: str | None = None,
        kinds: Collection[EventKind] = (),
        limit: int = MAX_EVENTS,
    ) -> list[StoredEvent]:
        """Events that happened from `start_us` to before `end_us`, newest first.

        Parameters
        ----------
        start_us, end_us
            Wall time, microseconds since 1970.
        resident
            Only of this one; None for all.
        kinds
            Only of these; empty for all.
        limit
            At most so many.
        """
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
        """One metric of a resident from `start_us` to before `end_us`, where it was measured.

        Two gateways that heard the same second give two entries.

        Raises
        ------
        ValueError
            If `metric` is none of `METRICS`.
        """
        if metric not in METRICS:
            raise ValueError(f"metric {metric!r}: one of {', '.join(METRICS)}")
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
        """Let go of the file; the next question opens it again."""
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


def _point(row: tuple[object, ...]) -> SummaryPoint:
    names = _POINT_COLUMNS.split(", ")
    values = dict(zip(names, row, strict=False))
    if values["worn"] is not None:
        values["worn"] = bool(values["worn"])
    return SummaryPoint(**values)  # type: ignore[arg-type]
