"""Seconds become minutes, minutes become hours that name nobody; in SQLite and in influxd."""

from __future__ import annotations

import itertools
import sqlite3
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from contract.clock import SystemClock, VirtualClock, now_us
from ingest import SqliteStore
from ingest.store.influx import InfluxStore
from ingest.store.influx_reader import InfluxReader
from ingest.store.influx_server import Access, InfluxServer
from ingest.store.influx_write import WriteV1
from ingest.store.ledger import Ledger
from ingest.store.retention import InfluxRollUp, Keeping
from ingest.store.rollup import hours_of, minutes_of
from ingest.upkeep import keep_up
from tests.ingest.places import started
from tools.time_series import Influxd, ServerMissingError

DAY_US = 86_400_000_000
HOUR_S = 3_600
KEEPING = Keeping(raw_days=1, minute_days=3)
NUMBERS = itertools.count(1)


@pytest.fixture(scope="module")
def influxd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Influxd]:
    server = Influxd(tmp_path_factory.mktemp("influxd"), SystemClock())
    try:
        started(server)
    except ServerMissingError as error:
        pytest.skip(str(error))
    yield server
    server.kill()


class SqliteHome:
    def __init__(self, folder: Path) -> None:
        self.path = folder / "store.sqlite"

    def open(self) -> Any:
        return SqliteStore.open(self.path, KEEPING)

    def rows(self, what: str, columns: str) -> list[tuple[Any, ...]]:
        table = {"summary": "point"}.get(what, what)
        with closing(sqlite3.connect(self.path)) as connection:
            return sorted(connection.execute(f"SELECT {columns} FROM {table}").fetchall())


class InfluxHome:
    def __init__(self, folder: Path, server: Influxd) -> None:
        self.path, self.server = folder / "store.sqlite", server
        base = f"retention-{next(NUMBERS)}"
        self.databases = (base, f"{base}-minutes", f"{base}-hours")
        with closing(InfluxServer(Access(server.url))) as client:
            for database in self.databases:
                client.tell(f'CREATE DATABASE "{database}"')

    def open(self) -> Any:
        def server() -> InfluxServer:
            return InfluxServer(Access(self.server.url))

        raw, minutes, hours = (WriteV1(server(), database) for database in self.databases)
        roll_up = InfluxRollUp("demo", server(), self.databases, (minutes, hours), KEEPING)
        return InfluxStore(
            "demo",
            Ledger(self.path),
            raw,
            lambda: InfluxReader(server(), "demo", self.databases[0]),
            roll_up=roll_up,
            keeping=KEEPING,
        )

    def rows(self, what: str, columns: str) -> list[tuple[Any, ...]]:
        database = self.databases[("summary", "minute", "hour").index(what)]
        with closing(InfluxServer(Access(self.server.url))) as client:
            tables = client.ask(database, f"SELECT {columns} FROM {what}")
        return sorted(tuple(row[1:]) for table in tables for row in table.values)


@pytest.fixture(params=["sqlite", "influxd"])
def home(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    if request.param == "sqlite":
        return SqliteHome(tmp_path)
    return InfluxHome(tmp_path, request.getfixturevalue("influxd"))


def test_seconds_become_minutes_and_minutes_become_hours(home: Any, batch: Any, point: Any) -> None:
    clock = VirtualClock()
    start_us = now_us(clock)

    def measured(resident: int, minute: int, second: int) -> Any:
        return point(
            device=f"wearable-{resident}",
            resident=f"resident-{resident}",
            at_us=start_us + (minute * 60 + second) * 1_000_000,
            deviation_g=0.1 * resident,
            max_g=1.0 + second,
            min_g=0.5 - second / 100,
            mean_x_g=None,
            heart_rate_bpm=60 if second else None,
            worn=second != 2,
        )

    async def scenario() -> None:
        store = home.open()
        points = [measured(r, m, s) for r in range(1, 6) for m in (0, 70) for s in range(4)]
        await store.write([], [batch(1, points=points)], start_us)
        await store.write([], [batch(1, points=points[:4], gateway="gateway-b")], start_us)
        task_group: list[Any] = []

        async def live(seconds: float) -> None:
            import asyncio

            task = asyncio.create_task(keep_up(store, clock))
            task_group.append(task)
            await clock.sleep(seconds)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

        clock.set_synced(False)
        await clock.sleep(5 * 24 * HOUR_S)
        await live(60)
        assert len(home.rows("summary", "at_us, device")) == 44, "by a wrong clock nothing goes"
        clock.jump_wall(-5 * 86_400)
        clock.set_synced(True)
        await live(HOUR_S)
        assert home.rows("minute", "at_us, seconds") == []
        await clock.sleep(26 * HOUR_S)
        await live(HOUR_S)
        minutes = home.rows(
            "minute",
            "at_us, resident, device, seconds, min_g, max_g, deviation_g, worn, heart_rate_bpm",
        )
        assert len(minutes) == 10
        minute_us = start_us // 60_000_000 * 60_000_000
        assert minutes[0] == pytest.approx(
            (minute_us, "resident-1", "wearable-1", 4, 0.47, 4.0, 0.1, 0.75, 60.0)
        )
        if isinstance(home, SqliteHome):
            assert home.rows("summary", "at_us") == []
        await clock.sleep(3 * 24 * HOUR_S)
        await live(HOUR_S)
        hours = home.rows("hour", "at_us, residents, minutes, deviation_g, worn, heart_rate_bpm")
        hour_us = start_us // (HOUR_S * 1_000_000) * HOUR_S * 1_000_000
        assert len(hours) == 2
        assert hours[0] == pytest.approx((hour_us, 5, 5, 0.3, 0.75, 60.0))
        # Once more is the same.
        await live(HOUR_S)
        assert home.rows("hour", "residents") == [(5,), (5,)]
        await store.close()

    run(clock, scenario)


def run(clock: VirtualClock, scenario: Callable[[], Awaitable[None]]) -> None:
    async def main() -> None:
        await scenario()

    clock.run(main())


def test_an_hour_of_few_is_of_somebody_in_particular_and_goes() -> None:
    rows = [(60_000_000 * n, "w", f"r{n % 4}", 60, *[1.0] * 10) for n in range(20)]
    assert hours_of(rows) == []
    (hour,) = hours_of([*rows, (0, "w", "r9", 60, *[None] * 10)])
    assert (hour.residents, hour.minutes, hour.values) == (5, 21, (1.0, 1.0, 1.0))


def test_minutes_of_nothing() -> None:
    assert minutes_of([]) == []
    (minute,) = minutes_of([(61_000_000, "w", None, *[None] * 10)])
    assert (minute.at_us, minute.seconds, set(minute.values)) == (60_000_000, 1, {None})


def test_what_a_gateway_measured_before_it_knew_the_time_is_not_old(
    tmp_path: Path, batch: Any, point: Any, event: Any
) -> None:
    clock = VirtualClock()
    home, moment_us = SqliteHome(tmp_path), now_us(clock)

    def seconds(session: str, start_us: int) -> Any:
        points = [point(at_us=start_us + second * 1_000_000) for second in range(10)]
        return batch(1, session=session, points=points)

    async def upkeep(store: Any, at_us: int) -> None:
        while await store.upkeep(at_us):
            pass

    async def main() -> None:
        store = home.open()
        await store.write([event(1, at_us=5_000_000)], [seconds("in-1970", 0)], moment_us)
        await store.write([], [seconds("timed", moment_us)], moment_us)
        await upkeep(store, moment_us)
        assert len(home.rows("summary", "at_us")) == 20, "kept with what came with it"
        assert home.rows("event", "at_us") == [(5_000_000,)], "an alarm least of all is dropped"
        later_us = moment_us + 2 * DAY_US
        await store.write([], [seconds("late-1970", 0), seconds("later", later_us)], later_us)
        await upkeep(store, later_us)
        assert [each[0] for each in home.rows("summary", "at_us")] == [
            *range(0, 10_000_000, 1_000_000),
            *range(later_us, later_us + 10_000_000, 1_000_000),
        ], "the other boot of that year is as young as what came with it"
        assert home.rows("minute", "at_us") == [(moment_us // 60_000_000 * 60_000_000,)]
        await store.close()

    clock.run(main())


def test_of_what_sensors_said_changes_stay_and_minutes_become_hours(
    tmp_path: Path, batch: Any, reading: Any
) -> None:
    clock = VirtualClock()
    start_us = now_us(clock) // DAY_US * DAY_US
    home = SqliteHome(tmp_path)

    def said(minute: int, **changes: Any) -> Any:
        return reading(at_us=start_us + minute * 60_000_000, **changes)

    minutes = [said(minute, device=f"door-{door}") for door in (1, 2) for minute in range(150)]
    changes = [said(90, changed="opening"), said(95, changed="opening", opening=False)]
    untimed = [reading(at_us=5), reading(at_us=7, changed="motion")]
    batches = [
        batch(1, points=[], sensors=untimed[:1]),
        batch(2, points=[], sensors=[*minutes, *changes]),
        batch(3, points=[], sensors=untimed[1:]),
    ]

    async def scenario() -> None:
        store = home.open()
        await store.write([], batches, start_us)
        await until_done(store, start_us + 86_400_000_000 // 2)
        assert len(home.rows("reading", "at_us")) == 304
        await until_done(store, start_us + 2 * DAY_US)
        minute = f"(at_us - {start_us}) / 60000000"
        left = home.rows("reading", f"device, {minute}, coalesce(changed, '')")
        assert [each for each in left if each[1] >= 0] == [
            ("door-1", 0, ""),
            ("door-1", 60, ""),
            ("door-1", 90, "opening"),
            ("door-1", 95, "opening"),
            ("door-1", 120, ""),
            ("door-2", 0, ""),
            ("door-2", 60, ""),
            ("door-2", 120, ""),
        ]
        await until_done(store, start_us + 4 * DAY_US)
        # That it is of 1970 does not make old what came after all others.
        assert home.rows("reading", "at_us") == [(7,)]
        await store.close()

    async def until_done(store: Any, moment_us: int) -> None:
        store._next_look_us = 0
        while await store.upkeep(moment_us):
            pass

    clock.run(scenario())
