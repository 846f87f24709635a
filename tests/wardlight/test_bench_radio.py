"""The bench of the radio's path: that it measures what it says, in miniature."""

from __future__ import annotations

import pytest

from contract.clock import VirtualClock
from wardlight import bench_radio, bench_rig
from wardlight.bench_radio import week
from wardlight.bench_rig import SENSORS, Rig
from wardlight.fuzz import Fuzzed


@pytest.fixture
def small(monkeypatch):
    for name, value in {"RUNS": 2, "RUN_S": 3, "STRANGERS": 200, "THROWS": 400}.items():
        monkeypatch.setattr(bench_radio, name, value)


def test_each_row_has_its_figure(small):
    rows = bench_radio.bench_radio()
    assert len({row["name"] for row in rows}) == len(rows) == 7
    assert all(row["value"] > 0 for row in rows)


def test_the_week_and_the_throws_have_theirs(small, monkeypatch):
    monkeypatch.setattr(bench_radio, "WEEK_MINUTES", 30)
    monkeypatch.setattr(bench_radio, "DAY_MINUTES", 20)
    assert [row["bar"] for row in bench_radio.bench_week()] == [1.0]
    (thrown,) = bench_radio.bench_fuzz()
    assert thrown["ok"]
    assert thrown["value"] >= 400


def test_hours_of_rolls_and_passers_by_leave_every_table_as_it_was(tmp_path):
    clock = VirtualClock()
    rig = Rig(tmp_path, clock)

    async def main() -> None:
        (row,) = await week(rig, minutes=120, settled=60)
        assert row["ok"], row["value"]
        roster, counts = rig.gateway.roster, rig.gateway.counts
        assert len(roster.by_address) == bench_radio.WEARABLES
        assert all(roster.by_address[each.address] is each for each in roster)
        assert counts["summaries_decoded"] == 120 * bench_radio.WEARABLES
        assert counts["adverts_foreign"] == 120 * bench_radio.STRANGERS_A_MINUTE
        assert counts.all_rejected == 0
        assert counts["sensor_readings"] >= 120 * SENSORS
        assert len(counts) < 10

    clock.run(main())


def test_what_escapes_or_is_unsaid_misses_the_bar():
    good = Fuzzed(10, 5, {"cut short": 5}, 0, [])
    assert list(bench_radio._wrong(good)) == []
    assert list(bench_radio._wrong(good._replace(unsaid=2)))
    assert list(bench_radio._wrong(good._replace(escaped=["throw 3: IndexError()"])))


def test_a_bench_that_loses_adverts_says_so_and_shows_no_figure(small, tmp_path, monkeypatch):
    monkeypatch.setattr(bench_rig, "rolling_identity", lambda key, boot, second: 12_345)

    async def main() -> None:
        await bench_radio._own(Rig(tmp_path, clock))

    clock = VirtualClock()
    with pytest.raises(AssertionError, match="not all came to the grid"):
        clock.run(main())
