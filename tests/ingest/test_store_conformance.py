"""One suite for every store: SQLite, influxd 1.x, and the write protocol of 2.x."""

from __future__ import annotations

import asyncio
import itertools
import sqlite3
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from contract.clock import SystemClock, VirtualClock
from contract.events import EventKind
from contract.messages import Outcome
from contract.protocols import StoreUnavailableError, WriteOutcome
from ingest import DeadLetter
from ingest.read import StoredReading
from tests.ingest.places import InfluxdPlace, SqlitePlace, VictoriaPlace, started
from tools.time_series import Influxd, ServerMissingError, VictoriaMetrics

STORED = WriteOutcome(Outcome.STORED)
DUPLICATE = WriteOutcome(Outcome.DUPLICATE)
NOW_US = 1_767_297_700_000_000
NUMBERS = itertools.count(1)
HELP = EventKind.HELP_REQUESTED
STORES = ("sqlite", "influxd", "victoria-metrics")


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Any]]:
    running: dict[str, Any] = {}

    def server(name: str) -> Any:
        if name not in running:
            kind = Influxd if name == "influxd" else VictoriaMetrics
            one = kind(tmp_path_factory.mktemp(name), SystemClock())
            try:
                started(one)
            except ServerMissingError as error:
                pytest.skip(str(error))
            running[name] = one
        if not running[name].running:
            started(running[name])
        return running[name]

    yield server
    for one in running.values():
        one.kill()


@pytest.fixture(params=STORES)
def place(request: pytest.FixtureRequest, servers: Any, tmp_path: Path) -> Any:
    if request.param == "sqlite":
        return SqlitePlace(tmp_path)
    if request.param == "influxd":
        return InfluxdPlace(tmp_path, servers("influxd"), f"database-{next(NUMBERS)}")
    pytest.importorskip("influxdb_client", reason="the extra 'influx' is not installed")
    return VictoriaPlace(tmp_path, servers("victoria-metrics"), f"database-{next(NUMBERS)}")


def run(scenario: Callable[[], Awaitable[None]]) -> None:
    async def main() -> None:
        await scenario()

    VirtualClock().run(main())


def test_what_was_written_is_there(place: Any, event: Any, batch: Any) -> None:
    async def scenario() -> None:
        store = place.open()
        outcomes = await store.write([event(1), event(2)], [batch(1), batch(2)], NOW_US)
        assert outcomes == ([STORED, STORED], [STORED, STORED])
        assert store.settled_up_to("demo", "gateway-a", "session-1") == 2
        await store.close()

    run(scenario)
    assert place.points() == [p.at_us for number in (1, 2) for p in batch(number).points]
    assert place.events() == 2


def test_twice_is_once_also_after_a_restart(place: Any, event: Any, batch: Any) -> None:
    async def scenario() -> None:
        store = place.open()
        await store.write([event(1)], [batch(1)], NOW_US)
        again = await store.write([event(1, age_ms=9)], [batch(1, age_ms=9)], NOW_US + 1)
        assert again == ([DUPLICATE], [DUPLICATE])
        await store.close()
        store = place.open()
        again = await store.write([event(1), event(3), event(3)], [batch(1), batch(2)], NOW_US + 2)
        assert again == ([DUPLICATE, STORED, DUPLICATE], [DUPLICATE, STORED])
        assert store.settled_up_to("demo", "gateway-a", "session-1") == 2
        await store.close()

    run(scenario)
    assert len(place.points()) == 6
    assert place.events() == 2


def test_nothing_is_doubled_by_a_crash_before_it_was_noted(
    place: Any, event: Any, batch: Any
) -> None:
    """The server has it, and the ledger does not know."""

    async def scenario() -> None:
        store = place.open()
        await store.write([], [batch(1)], NOW_US)
        with closing(sqlite3.connect(place.path)) as other:
            other.execute(
                "CREATE TRIGGER full BEFORE UPDATE ON written "
                "BEGIN SELECT RAISE(ABORT, 'the disk is full'); END"
            )
            with pytest.raises(StoreUnavailableError, match="the disk is full"):
                await store.write([event(1)], [batch(2), batch(3)], NOW_US)
            other.execute("DROP TRIGGER full")
        await store.close()
        store = place.open()
        # They come again, and not in the order of the first time.
        assert await store.write([], [batch(3)], NOW_US) == ([], [STORED])
        assert await store.write([event(1)], [batch(2)], NOW_US) == ([STORED], [STORED])
        await store.close()

    run(scenario)
    assert len(place.points()) == 9
    assert place.events() == 1


def test_points_of_one_second_all_survive(place: Any, event: Any, batch: Any, point: Any) -> None:
    """Several wearables, gateways and runs; and a second measured twice, by a clock set back."""
    wearers = [
        point(0, device=f"wearable-{n}", resident=f"resident-{n}", battery_percent=n)
        for n in range(1, 61)
    ]
    batches = [
        batch(1, points=wearers),
        batch(1, points=wearers, gateway="gateway-b"),
        batch(1, points=wearers, session="session-2"),
        batch(2, points=[point(5), point(6)]),
        batch(3, points=[point(4), point(5), point(6), point(7)]),
        batch(4, points=[point(5), point(5), point(5)]),
    ]
    # Faults of one moment: same kind, same time.
    faults = [event(n, at_us=event(1).at_us, resident=f"resident-{n}") for n in range(1, 61)]

    async def scenario() -> None:
        store = place.open()
        await store.write(faults, batches[:4], NOW_US)
        await store.write([], batches[4:], NOW_US)
        await store.close()

    run(scenario)
    expected = sorted(p.at_us for each in batches for p in each.points)
    if place.answers:
        assert place.points() == expected
        assert place.events() == 60
    else:  # it rounds to milliseconds, in which we put our rows apart
        assert set(place.points()) == set(expected)


def test_another_event_of_the_same_id_is_refused(place: Any, event: Any) -> None:
    async def scenario() -> None:
        store = place.open()
        other = event(2, id=event(1).id)
        first, second = (await store.write([event(1), other], [], NOW_US))[0]
        assert first == STORED
        assert second == WriteOutcome(Outcome.REJECTED, "another event has this id")
        assert (await store.write([other], [], NOW_US))[0] == [second]
        await store.close()

    run(scenario)


def test_what_can_never_be_stored_takes_nothing_with_it(
    place: Any, event: Any, batch: Any, point: Any
) -> None:
    bad = batch(2, points=[point(1), point(2, battery_percent=2**70)])

    async def scenario() -> None:
        store = place.open()
        _, outcomes = await store.write([event(1)], [batch(1), bad, batch(3)], NOW_US)
        assert [each.outcome for each in outcomes] == [
            Outcome.STORED,
            Outcome.REJECTED,
            Outcome.STORED,
        ]
        assert outcomes[1].reason
        assert store.settled_up_to("demo", "gateway-a", "session-1") == 1
        letter = DeadLetter("t", b"{}", "no", "demo", "gateway-a", None, "session-1", 2)
        await store.write_dead_letters([letter], NOW_US)
        assert store.settled_up_to("demo", "gateway-a", "session-1") == 3
        await store.close()

    run(scenario)
    assert len(place.points()) == 6


def test_names_with_every_character_come_through(
    place: Any, event: Any, batch: Any, point: Any
) -> None:
    odd = ['"', "\\", "a b,c=d", "new\nline", "'", "院友", "\\'", 'x"\\', "a\\nb"]
    points = [point(1, device=f"d{name}", resident=name, zone=name) for name in odd]
    events = [event(n, resident=name, zone=name) for n, name in enumerate(odd, 1)]

    async def scenario() -> None:
        store = place.open()
        assert await store.write(events, [batch(1, points=points)], NOW_US) == (
            [STORED] * len(odd),
            [STORED],
        )
        await store.close()

    run(scenario)
    if not place.answers:
        return
    reader = place.reader()
    latest = {each.point.resident: each.point for each in reader.latest(NOW_US)}
    for name, sent in zip(odd, points, strict=True):
        assert latest[name] == sent
        assert reader.series(name, "max_g", 0, NOW_US).values.tolist() == [1.1]
        (found,) = reader.events(0, NOW_US, resident=name)
        assert found.event.zone == name
    reader.close()


def test_what_room_sensors_said_is_there_once(place: Any, batch: Any, reading: Any) -> None:
    whole = reading(
        1, changed="press", press=2, motion=False, occupied=True, temperature_c=21.25,
        humidity_percent=48.5, resident="resident-1",
    )  # fmt: skip
    bare = reading(2, device="door-2", opening=None, battery_percent=None, rssi_dbm=None)
    # Two changes in one advert; and one told by two gateways.
    both = [reading(3, changed="opening", opening=False), reading(3, changed="occupied")]
    batches = [
        batch(1, sensors=[whole, bare], clock="unsynced"),
        batch(2, points=[], sensors=both, age_ms=70_000),
        batch(1, points=[], gateway="gateway-b", sensors=[both[0], reading(10**8)]),
    ]

    async def scenario() -> None:
        store = place.open()
        assert await store.write([], batches, NOW_US) == ([], [STORED] * 3)
        assert await store.write([], batches, NOW_US) == ([], [DUPLICATE] * 3)
        await store.close()

    run(scenario)
    if not place.answers:
        return
    assert len(place.points()) == 3
    reader = place.reader()
    found = reader.readings("door-1", 0, NOW_US)
    assert sorted(found, key=str) == sorted(
        [
            StoredReading(whole, "gateway-a", False, False),
            *(StoredReading(each, "gateway-a", True, True) for each in both),
            StoredReading(both[0], "gateway-b", False, True),
        ],
        key=str,
    )
    assert [each.point.at_us for each in found] == sorted(each.point.at_us for each in found)
    assert [each.point for each in reader.readings("door-1", 0, whole.at_us + 1)] == [whole]
    assert len(reader.readings("door-1", 0, NOW_US, limit=2)) == 2
    assert reader.readings("door-9", 0, NOW_US) == []
    latest = reader.latest_readings(NOW_US)
    # The gateway whose clock says 2029 hides nothing.
    assert [(each.point.device, each.point.at_us) for each in latest] == [
        ("door-1", both[0].at_us),
        ("door-2", bare.at_us),
    ]
    assert latest[1] == StoredReading(bare, "gateway-a", False, False)
    assert reader.latest(NOW_US)[0].point.device == "wearable-1"
    reader.close()


def test_a_reading_that_can_never_be_stored_is_refused_with_its_reason(
    place: Any, batch: Any, reading: Any
) -> None:
    bad = batch(2, points=[], sensors=[reading(1), reading(2, battery_percent=2**70)])

    async def scenario() -> None:
        store = place.open()
        _, outcomes = await store.write([], [batch(1), bad], NOW_US)
        assert [each.outcome for each in outcomes] == [Outcome.STORED, Outcome.REJECTED]
        assert outcomes[1].reason
        await store.close()

    run(scenario)


def test_readers_say_the_same(place: Any, event: Any, batch: Any, point: Any) -> None:
    """`test_store_reader.py` says what; here, that each store agrees with SQLite."""
    if not place.answers:
        pytest.skip("victoria-metrics answers no InfluxQL")
    whole = point(
        0, mean_x_g=0.1, mean_y_g=-0.2, mean_z_g=1.0, deviation_g=0.01, worn=False,
        rssi_dbm=-70, heart_rate_bpm=61, zone="room-212",
    )  # fmt: skip
    bare = point(
        0, device="wearable-2", resident=None, mean_x_g=None, min_g=None, max_g=None, worn=None,
        battery_percent=None,
    )  # fmt: skip
    writes = [
        ([event(1), event(2, kind=HELP), event(3, resident=None)],
         [batch(1, points=[whole, bare], clock="unsynced")]),
        ([event(4, at_us=event(1).at_us + 400, age_ms=70_000)],
         [batch(3, points=[point(9, battery_percent=9, resident="resident-2")], age_ms=70_000)]),
        ([], [batch(2, points=[point(3, battery_percent=3, max_g=None), point(4)])]),
        ([], [batch(4, points=[point(10**8, battery_percent=38)])]),  # a clock that says 2029
    ]  # fmt: skip
    plain = SqlitePlace(place.path.parent / "plain")

    async def scenario() -> None:
        for one in (place, plain):
            store = one.open()
            for number, (events, batches) in enumerate(writes):
                await store.write(events, batches, NOW_US + number)
            await store.close()

    run(scenario)
    ours, theirs = place.reader(), plain.reader()
    start, end = event(1).at_us, event(3).at_us
    asked: list[Callable[[Any], Any]] = [
        lambda reader: reader.written_at_us(),
        lambda reader: reader.latest(NOW_US),
        lambda reader: reader.latest_of_residents(NOW_US),
        lambda reader: reader.events(0, 2**62),
        lambda reader: reader.events(start, end),
        lambda reader: reader.events(start + 400, start + 401),
        lambda reader: reader.events(start, end + 1, resident="resident-1"),
        lambda reader: reader.events(start, end, kinds=[HELP, event(1).kind]),
        lambda reader: reader.events(start, end, kinds=[HELP], limit=1),
        lambda reader: reader.events(0, 2**62, limit=2),
        *(
            lambda reader, metric=metric: [
                each.tolist() for each in reader.series("resident-1", metric, 0, 2**62)
            ]
            for metric in ("max_g", "worn", "battery_percent", "heart_rate_bpm", "mean_z_g")
        ),
    ]
    for number, question in enumerate(asked):
        assert question(ours) == question(theirs), number
    with pytest.raises(ValueError, match="heart_rate_bpm"):
        ours.series("resident-1", "max_g FROM summary; DROP", 0, 1)
    ours.close()
    theirs.close()


def test_acknowledged_is_kept_over_a_kill(place: Any, event: Any, batch: Any, servers: Any) -> None:
    """200 writes, kill -9, and all of them are there: by the server itself, or by our journal."""

    async def scenario() -> None:
        store = place.open()
        for number in range(1, 201):
            assert await store.write([event(number)], [batch(number)], NOW_US) == (
                [STORED],
                [STORED],
            )
        if place.server is not None:
            place.server.kill()
            with pytest.raises(StoreUnavailableError):
                await store.write([], [batch(201)], NOW_US)
            await asyncio.get_running_loop().run_in_executor(None, started_apart, place.server)
        while await store.upkeep(NOW_US + 1):
            pass
        assert await store.write([], [batch(201)], NOW_US) == ([], [STORED])
        await store.close()

    run(scenario)
    assert place.points() == [p.at_us for n in range(1, 202) for p in batch(n).points]
    if place.answers:
        assert place.events() == 200


def started_apart(server: Any) -> None:
    """Start a server beside a virtual clock, which waits for nothing real."""
    with ThreadPoolExecutor(1) as thread:
        thread.submit(started, server).result()
