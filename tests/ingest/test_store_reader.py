"""The read side: what dashboards ask, while ingest writes."""

from __future__ import annotations

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from contract.clock import VirtualClock
from contract.events import EventKind, Evidence, Waveform
from contract.protocols import StoreUnavailableError
from ingest import SqliteStore, StoreReader

SECOND_US = 1_000_000


@pytest.fixture
def filled(tmp_path: Path) -> Any:
    """Writes into a store, and gives a reader of it."""
    readers: list[StoreReader] = []

    def fill(*writes: tuple[list[Any], list[Any]]) -> StoreReader:
        path = tmp_path / "store.sqlite"

        async def scenario() -> None:
            store = SqliteStore(path)
            for number, (events, batches) in enumerate(writes):
                await store.write(events, batches, 1_000 + number)
            await store.close()

        VirtualClock().run(scenario())
        readers.append(StoreReader(path))
        return readers[-1]

    yield fill
    for reader in readers:
        reader.close()


def test_a_point_comes_back_as_it_was(filled: Any, batch: Any, point: Any) -> None:
    whole = point(
        0, mean_x_g=0.1, mean_y_g=-0.2, mean_z_g=0.97, deviation_g=0.01, worn=False,
        rssi_dbm=-70, heart_rate_bpm=61, zone="room-212",
    )  # fmt: skip
    bare = point(
        0, device="wearable-2", resident=None, mean_x_g=None, min_g=None, max_g=None, worn=None,
        battery_percent=None,
    )  # fmt: skip
    reader = filled(([], [batch(1, points=[whole, bare], clock="unsynced")]))
    first, second = reader.latest(whole.at_us)
    assert first.point == whole
    assert second.point == bare
    assert (first.gateway, first.late, first.synced) == ("gateway-a", False, False)


def test_the_latest_point_wins_however_late_others_come(
    filled: Any, batch: Any, point: Any
) -> None:
    reader = filled(
        ([], [batch(2, points=[point(9, battery_percent=9)])]),
        ([], [batch(1, points=[point(3, battery_percent=3)])]),
        ([], [batch(3, points=[point(10**8, battery_percent=38)])]),  # a clock that says 2029
    )
    (latest,) = reader.latest(point(9).at_us + SECOND_US)
    assert latest.point.battery_percent == 9


def test_a_residents_latest_is_that_of_the_newest_wearable(
    filled: Any, batch: Any, point: Any
) -> None:
    reader = filled(
        (
            [],
            [
                batch(
                    1,
                    points=[
                        point(1, device="wearable-1"),
                        point(5, device="wearable-2"),
                        point(3, device="wearable-3", resident="resident-2"),
                        point(4, device="wearable-4", resident=None),
                    ],
                )
            ],
        )
    )
    latest = reader.latest_of_residents(point(100).at_us)
    assert {resident: each.point.device for resident, each in latest.items()} == {
        "resident-1": "wearable-2",
        "resident-2": "wearable-3",
    }


def test_events_come_newest_first_and_can_be_narrowed(filled: Any, event: Any) -> None:
    waveform = Waveform(start_us=1, rate_hz=25.0, counts_per_g=1000, samples="AAAA")
    evidence = Evidence(detector="x/1", score=0.5, features={"peak_g": 3.1}, waveform=waveform)
    events = [
        event(1, evidence=evidence),
        event(2, kind=EventKind.HELP_REQUESTED),
        event(3, resident="resident-2"),
        event(4, resident=None),
    ]
    reader = filled((events, []))
    start, end = events[0].at_us, events[3].at_us

    def sequences(*arguments: Any, **narrowing: Any) -> list[int]:
        return [each.event.sequence for each in reader.events(*arguments, **narrowing)]

    assert sequences(start, end + 1) == [4, 3, 2, 1]
    assert sequences(start, end) == [3, 2, 1], "the end is not included"
    assert sequences(start + 1, end) == [3, 2]
    assert sequences(start, end, resident="resident-1") == [2, 1]
    assert sequences(start, end, kinds=[EventKind.HELP_REQUESTED]) == [2]
    assert sequences(start, end, limit=1) == [3]
    assert reader.events(start, start + 1)[0].event == events[0]
    assert reader.events(start, start + 1)[0].received_at_us == 1_000


def test_a_series_has_what_was_measured_in_order_of_time(
    filled: Any, batch: Any, point: Any
) -> None:
    points = [point(3, max_g=3.0), point(1, max_g=1.0), point(2, max_g=None), point(4, max_g=4.0)]
    reader = filled(([], [batch(1, points=points)]))
    series = reader.series("resident-1", "max_g", point(1).at_us, point(4).at_us)
    assert series.at_us.tolist() == [point(1).at_us, point(3).at_us]
    assert series.values.tolist() == [1.0, 3.0]
    assert series.values.dtype == np.float64
    assert reader.series("resident-1", "worn", 0, 2**62).values.tolist() == [1, 1, 1, 1]
    assert len(reader.series("nobody", "max_g", 0, 2**62).values) == 0
    with pytest.raises(ValueError, match="heart_rate_bpm"):
        reader.series("resident-1", "max_g FROM point; DROP TABLE point", 0, 1)


def test_without_a_file_it_says_so_and_looks_again(tmp_path: Path, filled: Any, event: Any) -> None:
    reader = StoreReader(tmp_path / "store.sqlite")
    with pytest.raises(StoreUnavailableError):
        reader.written_at_us()
    filled(([event(1)], []))
    assert reader.written_at_us() == 1_000
    reader.close()
    assert reader.written_at_us() == 1_000, "closing is not for ever"
    reader.close()


def test_it_cannot_write(filled: Any, event: Any) -> None:
    reader = filled(([event(1)], []))
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        reader._open().execute("DELETE FROM event")


def test_it_reads_while_ingest_writes_and_from_several_threads(
    tmp_path: Path, event: Any, batch: Any
) -> None:
    path = tmp_path / "store.sqlite"
    reader = StoreReader(path)

    def look(_: int) -> tuple[int, int]:
        return len(reader.events(0, 2**62)), len(reader.series("resident-1", "max_g", 0, 2**62)[0])

    async def scenario() -> None:
        store = SqliteStore(path)
        with ThreadPoolExecutor(4) as threads:
            for number in range(1, 30):
                await store.write([event(number)], [batch(number)], number)
                for events, points in threads.map(look, range(8)):
                    assert (events, points) == (number, 3 * number)
        await store.close()

    VirtualClock().run(scenario())
    reader.close()


def test_questions_use_an_index(filled: Any, event: Any, batch: Any) -> None:
    reader = filled(([event(1)], [batch(1)]))
    connection = reader._open()
    plans: list[str] = []
    original = connection.execute

    class Explaining:
        def execute(self, sql: str, parameters: Any = ()) -> Any:
            plans.extend(row[3] for row in original(f"EXPLAIN QUERY PLAN {sql}", parameters))
            return original(sql, parameters)

        def close(self) -> None:
            connection.close()

    reader._connection = Explaining()
    reader.latest(2**60)
    reader.events(0, 1)
    reader.events(0, 1, resident="resident-1")
    reader.series("resident-1", "max_g", 0, 1)
    searches = [plan for plan in plans if "point" in plan or "event" in plan]
    assert searches
    assert all("USING INDEX" in plan for plan in searches), plans
