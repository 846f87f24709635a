"""Places to store in, each real, behind one interface: what the conformance suite runs against."""

from __future__ import annotations

import asyncio
import json
import urllib.parse
import urllib.request
from contextlib import closing
from pathlib import Path
from typing import Any

from contract.protocols import StoreUnavailableError
from ingest.read import ReadSide
from ingest.store import IngestStore, SqliteStore, StoreReader
from ingest.store.influx import InfluxStore
from ingest.store.influx_reader import InfluxReader
from ingest.store.influx_server import Access, InfluxServer
from ingest.store.influx_write import WriteV1, WriteV2
from ingest.store.journal import Journal
from ingest.store.ledger import Ledger
from tools.time_series import Influxd, TimeSeriesServer, VictoriaMetrics

FOREVER_US = 4_000_000_000_000_000
HOME = "demo"


class SqlitePlace:
    """A file."""

    answers = True
    server: TimeSeriesServer | None = None

    def __init__(self, folder: Path) -> None:
        self.path = folder / "store.sqlite"

    def open(self) -> IngestStore:
        return SqliteStore.open(self.path)

    def reader(self) -> ReadSide:
        return StoreReader(self.path)

    def points(self) -> list[int]:
        """`at_us` of every point, sorted."""
        with StoreReader(self.path)._reading() as connection:
            return sorted(at for (at,) in connection.execute("SELECT at_us FROM point"))

    def events(self) -> int:
        with StoreReader(self.path)._reading() as connection:
            return int(connection.execute("SELECT count(*) FROM event").fetchone()[0])


class InfluxdPlace:
    """A database of influxd 1.x, and a ledger."""

    answers = True

    def __init__(self, folder: Path, server: Influxd, database: str) -> None:
        self.path = folder / "store.sqlite"
        self.server = server
        self.database = database
        with closing(InfluxServer(Access(server.url))) as client:
            client.tell(f'CREATE DATABASE "{database}"')

    def open(self) -> IngestStore:
        sink = WriteV1(InfluxServer(Access(self.server.url), 5.0), self.database)
        return InfluxStore(HOME, Ledger(self.path), sink, self.reader)

    def reader(self) -> ReadSide:
        return InfluxReader(InfluxServer(Access(self.server.url)), HOME, self.database)

    def points(self) -> list[int]:
        return sorted(row[1] for row in self._ask("SELECT at_us, device FROM summary"))

    def events(self) -> int:
        return len(self._ask("SELECT id FROM event"))

    def _ask(self, question: str) -> list[list[Any]]:
        with closing(InfluxServer(Access(self.server.url))) as client:
            tables = client.ask(self.database, question)
        return [row for table in tables for row in table.values]


class VictoriaPlace:
    """victoria-metrics over the protocol of 2.x: it takes numbers, answers no InfluxQL, and may
    forget what it acknowledged, so that a journal is kept.
    """

    answers = False

    def __init__(self, folder: Path, server: VictoriaMetrics, database: str) -> None:
        self.path = folder / "store.sqlite"
        self.server = server
        self.database = database
        # It knows no databases: what the test before left goes.
        query = urllib.parse.urlencode({"match[]": '{__name__!=""}'})
        with urllib.request.urlopen(
            f"{server.url}/api/v1/admin/tsdb/delete_series?{query}", timeout=5
        ):
            pass

    def open(self) -> IngestStore:
        ledger = Ledger(self.path)
        access = Access(self.server.url, token="any")
        return InfluxStore(
            HOME,
            ledger,
            WriteV2(access, "org", self.database, 5.0),
            self.reader,
            journal=Journal(ledger, horizon_s=60.0),
        )

    def reader(self) -> ReadSide:
        raise StoreUnavailableError("victoria-metrics answers no InfluxQL")

    def points(self) -> list[int]:
        return self._values("summary_at_us")

    def events(self) -> int:
        return len(set(self._values("event_received_at_us", with_times=True)))

    def _values(self, name: str, with_times: bool = False) -> list[Any]:
        with urllib.request.urlopen(f"{self.server.url}/internal/force_flush", timeout=5):
            pass
        query = urllib.parse.urlencode({"match[]": name, "start": "0"})
        with urllib.request.urlopen(
            f"{self.server.url}/api/v1/export?{query}", timeout=5
        ) as answer:
            series = [json.loads(line) for line in answer.read().splitlines()]
        if with_times:
            return [
                (each["metric"].get("kind"), at, int(value))
                for each in series
                for at, value in zip(each["timestamps"], each["values"], strict=True)
            ]
        return sorted(int(value) for each in series for value in set(each["values"]))


def started(server: TimeSeriesServer) -> TimeSeriesServer:
    asyncio.run(server.start())
    return server
