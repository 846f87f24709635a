"""Lanes: no two points on one row, and each point on the same row whenever it is written."""

from __future__ import annotations

import sqlite3
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.store.lanes import LANES, Lanes, drop_old_lanes, time_ns
from ingest.store.schema import migrate

BATCHES = st.lists(
    st.lists(st.tuples(st.sampled_from("abc"), st.integers(1, 6)), max_size=4), max_size=12
)
"""Wearable and millisecond of each point; clocks go forward, stand and go back."""


def ledger() -> sqlite3.Connection:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    migrate(connection)
    return connection


@settings(max_examples=200, deadline=None)
@given(BATCHES, st.data())
def test_no_two_points_share_a_row_and_each_keeps_its_own(batches: Any, data: Any) -> None:
    connection = ledger()
    lanes = Lanes()

    def rows(sequence: int) -> list[tuple[str, int]]:
        found = []
        for place, (device, at_ms) in enumerate(batches[sequence]):
            lane = lanes.of_point(connection, device, (sequence, place), at_ms * 1_000)
            found.append(("series", time_ns(at_ms * 1_000, lane)))
        lanes.save(connection)
        return found

    first = []
    for sequence in range(len(batches)):
        first.append(rows(sequence))
        if data.draw(st.booleans()):
            lanes = Lanes()  # a restart
    every = [row for batch in first for row in batch]
    assert len(set(every)) == len(every)
    for sequence in data.draw(st.permutations(range(len(batches)))):
        assert rows(sequence) == first[sequence], "whoever comes again is the same"
    connection.close()


def test_a_batch_out_of_order_takes_no_new_lane() -> None:
    connection = ledger()
    lanes = Lanes()
    order = (1, 2, 5, 3, 4, 6)
    assert len({lanes.of_point(connection, "a", (n, 0), n * 1_000_000) for n in order}) == 1
    connection.close()


def test_the_latest_keeps_its_row_and_gives_it_to_none_that_is_older() -> None:
    connection = ledger()
    lanes = Lanes()
    lane = lanes.of_latest(connection, "a", 5_000_000)
    lanes.save(connection)
    lanes = Lanes()
    assert lanes.of_latest(connection, "a", 4_000_000) is None
    assert lanes.of_latest(connection, "a", 6_000_000) == lane
    connection.close()


def test_old_lanes_go_and_their_numbers_do_not_come_back() -> None:
    connection = ledger()
    lanes = Lanes()
    old = lanes.of_point(connection, "a", (1, 0), 1_000_000)
    assert drop_old_lanes(connection, 2_000_000) == 1
    lanes.forget()
    assert lanes.of_point(connection, "a", (2, 0), 9_000_000) > old
    connection.close()


def test_a_row_stays_within_its_millisecond() -> None:
    assert time_ns(1_999, 5) == 1_000_005
    assert time_ns(2_000, LANES + 7) == 2_000_007
