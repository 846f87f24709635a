"""A home moves from SQLite into influxd while ingest runs, and loses and doubles nothing."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from contract.clock import SystemClock, VirtualClock
from contract.protocols import StoreUnavailableError
from ingest import SqliteStore
from ingest.store import moving
from ingest.store.influx_server import Access, InfluxServer
from ingest.store.influx_write import WriteV1
from ingest.store.ledger import Ledger
from ingest.store.moving import Move, Moved
from ingest.store.rows import DUPLICATE, STORED
from tests.ingest.places import InfluxdPlace, started
from tools.time_series import Influxd, ServerMissingError

NOW_US = 1_767_297_700_000_000


@pytest.fixture(scope="module")
def influxd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Influxd]:
    server = Influxd(tmp_path_factory.mktemp("influxd"), SystemClock())
    try:
        started(server)
    except ServerMissingError as error:
        pytest.skip(str(error))
    yield server
    server.kill()


def move(place: InfluxdPlace, fail_after: int | None = None) -> Moved:
    def say(table: str, rows: int) -> None:
        if fail_after is not None and table == "point" and rows >= fail_after:
            raise StoreUnavailableError("stopped in the middle")

    def server() -> InfluxServer:
        return InfluxServer(Access(place.server.url))

    ledger = Ledger(place.path)
    sink = WriteV1(server(), place.database)
    try:
        with closing(server()) as asked, closing(sink):
            return Move("demo", ledger, (sink, sink, sink), VirtualClock()).run(
                asked, place.database, say
            )
    finally:
        ledger.drop_connection()


def test_a_home_moves_without_a_gap(
    tmp_path: Path, influxd: Influxd, event: Any, batch: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(moving, "ROWS_AT_ONCE", 7)
    place = InfluxdPlace(tmp_path, influxd, "moving")
    # Behind the fourth, its gateway's clock was set back: the same seconds once more.
    back = batch(4, points=batch(2).points)

    async def scenario() -> None:
        old = SqliteStore.open(place.path)
        await old.write([event(1), event(2)], [batch(1), batch(2)], NOW_US)
        await old.write([], [batch(3), back, batch(1, gateway="gateway-b")], NOW_US)
        with pytest.raises(StoreUnavailableError, match="in the middle"):
            move(place, fail_after=7)
        moved = move(place)
        assert (moved.refused, moved.missing) == ([], [])
        assert move(place).rows == {"event": 0, "point": 0, "reading": 0, "minute": 0, "hour": 0}
        # Ingest goes on until it is restarted.
        await old.write([event(3)], [batch(5)], NOW_US)
        await old.close()
        new = place.open()
        again = await new.write([event(1), event(3), event(4)], [batch(5), batch(6)], NOW_US)
        assert again == ([DUPLICATE, DUPLICATE, STORED], [DUPLICATE, STORED])
        assert new.settled_up_to("demo", "gateway-a", "session-1") == 6
        moved = move(place)
        assert moved == Moved(
            {"event": 1, "point": 3, "reading": 0, "minute": 0, "hour": 0}, [], []
        )
        await new.close()

    run(scenario)
    taken = [*(batch(n) for n in (1, 2, 3, 5, 6)), back, batch(1, gateway="gateway-b")]
    assert place.points() == sorted(p.at_us for each in taken for p in each.points)
    assert place.events() == 4
    with closing(place.reader()) as reader:
        assert [each.point.at_us for each in reader.latest(NOW_US)] == [batch(6).points[-1].at_us]


def test_what_did_not_arrive_is_named(tmp_path: Path, influxd: Influxd, batch: Any) -> None:
    place = InfluxdPlace(tmp_path, influxd, "moving-lost")

    async def scenario() -> None:
        old = SqliteStore.open(place.path)
        await old.write([], [batch(1)], NOW_US)
        assert move(place).missing == []
        with closing(InfluxServer(Access(influxd.url))) as client:
            client.tell('DROP DATABASE "moving-lost"')
            client.tell('CREATE DATABASE "moving-lost"')
        (missing,) = move(place).missing
        assert (missing.copied, missing.found) == (3, 0)
        await old.close()

    run(scenario)


def test_what_room_sensors_said_moves_too(
    tmp_path: Path, influxd: Influxd, batch: Any, reading: Any
) -> None:
    place = InfluxdPlace(tmp_path, influxd, "moving-readings")
    said = [reading(second, changed="opening", opening=bool(second % 2)) for second in range(5)]

    async def scenario() -> None:
        old = SqliteStore.open(place.path)
        await old.write([], [batch(1, points=[], sensors=said)], NOW_US)
        assert move(place).rows["reading"] == 5
        assert move(place).rows["reading"] == 0
        await old.close()

    run(scenario)
    with closing(place.reader()) as reader:
        assert [each.point for each in reader.readings("door-1", 0, NOW_US)] == said
        assert [each.point for each in reader.latest_readings(NOW_US)] == said[-1:]


def run(scenario: Callable[[], Awaitable[None]]) -> None:
    async def main() -> None:
        await scenario()

    VirtualClock().run(main())
