"""The read side of the store in InfluxDB, in InfluxQL alone."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any, Final

import msgspec
import numpy as np

from contract.events import Event, EventKind
from contract.telemetry import SensorPoint, SummaryPoint
from contract.units import NS_PER_MS, US_PER_S
from ingest.read import (
    FUTURE_TOLERANCE_S,
    MAX_EVENTS,
    MAX_READINGS,
    LatestPoint,
    Series,
    StoredEvent,
    StoredReading,
    check_metric,
    newest_of_residents,
)
from ingest.store.influx_lines import (
    EVENT,
    LATEST,
    LATEST_READING,
    READING,
    SUMMARY,
    WRITTEN,
    part_of,
)
from ingest.store.influx_server import InfluxServer, Table, named, quoted
from ingest.store.lanes import US_PER_MS

_FOREVER_US: Final = 4_102_444_800 * US_PER_S
"""1 January 2100: nothing later is taken in, and InfluxDB's own times end in 2262."""


class InfluxReader:
    """Implements `ingest.read.ReadSide`.

    Parameters
    ----------
    server
        Closed with the reader.
    home
        Whose rows to read.
    database
        Of 1.x or 3.x, or the bucket of 2.x, which answers to its own name (DBRP).
    """

    def __init__(self, server: InfluxServer, home: str, database: str) -> None:
        self._server = server
        self._home = home
        self._database = database

    def written_at_us(self) -> int | None:
        found = self._rows(("at_us",), WRITTEN, "", "ORDER BY time DESC LIMIT 1")
        return next((int(row["at_us"]) for row in found), None)

    def latest(self, now_us: int) -> list[LatestPoint]:
        limit_us = now_us + FUTURE_TOLERANCE_S * US_PER_S
        newest: dict[str, LatestPoint] = {}
        columns = ("body", "gateway", "late", "synced")
        for row in self._rows(columns, LATEST, f"at_us <= {limit_us}"):
            point = msgspec.json.decode(row["body"], type=SummaryPoint)
            known = newest.get(point.device)
            if known is None or known.point.at_us < point.at_us:
                newest[point.device] = LatestPoint(
                    point, row["gateway"], row["late"], row["synced"]
                )
        return [newest[device] for device in sorted(newest)]

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
        conditions = [_between(start_us, end_us)]
        if resident is not None:
            conditions.append(f"resident = {quoted(resident)}")
        if kinds:
            each = " OR ".join(f"kind = {quoted(kind.value)}" for kind in sorted(kinds))
            conditions.append(f"({each})")
        found = self._rows(
            ("at_us", "body", "received_at_us", "late"),
            EVENT,
            " AND ".join(conditions),
            f"ORDER BY time DESC LIMIT {limit}",
        )
        events = [
            StoredEvent(
                msgspec.json.decode(row["body"], type=Event),
                row["received_at_us"],
                row["late"],
            )
            for row in found
        ]
        # Rows are in the order of milliseconds.
        return sorted(events, key=lambda each: each.event.at_us, reverse=True)

    def series(self, resident: str, metric: str, start_us: int, end_us: int) -> Series:
        check_metric(metric)
        condition = (
            f"part = '{part_of(resident, '')}' AND resident = {quoted(resident)} "
            f"AND {_between(start_us, end_us)}"
        )
        found = [
            (row["at_us"], row[metric])
            for row in self._rows(("at_us", metric), SUMMARY, condition)
            if row[metric] is not None
        ]
        return Series(
            np.array([at_us for at_us, _ in found], dtype=np.int64),
            np.array([value for _, value in found], dtype=np.float64),
        )

    def latest_readings(self, now_us: int) -> list[StoredReading]:
        limit_us = now_us + FUTURE_TOLERANCE_S * US_PER_S
        newest: dict[str, StoredReading] = {}
        columns = ("body", "gateway", "late", "synced")
        for row in self._rows(columns, LATEST_READING, f"at_us <= {limit_us}"):
            point = msgspec.json.decode(row["body"], type=SensorPoint)
            known = newest.get(point.device)
            if known is None or known.point.at_us < point.at_us:
                newest[point.device] = StoredReading(
                    point, row["gateway"], row["late"], row["synced"]
                )
        return [newest[device] for device in sorted(newest)]

    def readings(
        self, device: str, start_us: int, end_us: int, *, limit: int = MAX_READINGS
    ) -> list[StoredReading]:
        names = SensorPoint.__struct_fields__
        condition = (
            f"part = '{part_of(None, device)}' AND device = {quoted(device)} "
            f"AND {_between(start_us, end_us)}"
        )
        found = [
            StoredReading(
                SensorPoint(**{name: row[name] for name in names}),
                row["gateway"],
                row["late"],
                row["synced"],
            )
            for row in self._rows(
                (*names, "gateway", "late", "synced"),
                READING,
                condition,
                f"ORDER BY time LIMIT {limit}",
            )
        ]
        # Rows are in the order of milliseconds.
        return sorted(found, key=lambda each: each.point.at_us)

    def close(self) -> None:
        self._server.close()

    def _rows(
        self, columns: Collection[str], measurement: str, condition: str, rest: str = ""
    ) -> Iterator[dict[str, Any]]:
        """Rows of this home as dictionaries."""
        where = f"home = {quoted(self._home)}" + (f" AND {condition}" if condition else "")
        names = ", ".join(named(column) for column in columns)
        question = f"SELECT {names} FROM {named(measurement)} WHERE {where} {rest}"  # noqa: S608
        for table in self._server.ask(self._database, question):
            yield from _dictionaries(table)


def _dictionaries(table: Table) -> Iterator[dict[str, Any]]:
    for values in table.values:
        yield dict(zip(table.columns, values, strict=True))


def _between(start_us: int, end_us: int) -> str:
    """Rows of a range of times: by their own time, which is indexed and coarser, and exactly."""
    first, last = (min(max(each, 0), _FOREVER_US) for each in (start_us, end_us))
    first_ns = first // US_PER_MS * NS_PER_MS
    last_ns = -(-last // US_PER_MS) * NS_PER_MS
    return f"time >= {first_ns} AND time < {last_ns} AND at_us >= {first} AND at_us < {last}"
