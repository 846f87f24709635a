"""What must not cost an alarm: enrolments, and the end of another fall."""

from __future__ import annotations

import numpy as np
import pytest

from contract.clock import VirtualClock
from contract.events import EventKind
from contract.messages import (
    AlertStateItem,
    IncidentState,
    Priority,
)
from contract.units import NS_PER_S
from edge.counters import Counts
from edge.falls import CANDIDATE
from edge.outbox_rows import Counter
from edge.pipeline import ROWS_AT_A_TIME, Pipeline
from edge.streams import stream_covers
from edge.timebase import SessionTime
from edge.wearables import Roster

WALKING = {"mean_g": (-0.9, 0.1, 0.3), "min_g": 0.7, "max_g": 1.4, "deviation_g": 0.15}
LYING = {"mean_g": (0.1, 0.2, 0.97), "min_g": 0.98, "max_g": 1.02, "deviation_g": 0.005}


async def fall(gateway, number: int = 1, counter: int = 1) -> str:
    """A fall of a wearable, now; returns its id."""
    device = f"wearable-{number}"
    wearable = gateway.roster.by_device[device]
    event = await gateway.falls.from_advert(
        wearable, Counter(device, CANDIDATE, 7, counter), 3.0, gateway.time.grid_now_ns()
    )
    return event.fall_id


def incident(name: str, state: IncidentState, fall_ids: list[str]) -> AlertStateItem:
    return AlertStateItem(
        incident=name,
        state=state,
        priority=Priority.HIGH,
        kind=EventKind.FALL_DETECTED,
        opened_at_us=0,
        fall_ids=fall_ids,
        device="wearable-1",
    )


def many(make_config, make_wearable, first: int, revision: int):
    numbers = range(first, first + ROWS_AT_A_TIME + 1)
    return make_config(*(make_wearable(number) for number in numbers), revision=revision)


# -- enrolments ----------------------------------------------------------------------------------


def test_enrolments_in_the_half_minute_after_two_falls_lose_neither(
    bench, make_config, make_wearable
):
    gateway = bench.gateway()

    async def main():
        async with bench.running(gateway):
            await bench.advertise(10, **LYING)
            falls = [await fall(gateway, counter=1)]
            await bench.advertise(15, first=110, **LYING)
            falls.append(await fall(gateway, counter=2))
            await bench.advertise(5, first=125, **LYING)
            gateway._apply_config(many(make_config, make_wearable, 1, 2))
            await bench.advertise(40, first=130, **LYING)
            detected = bench.far_end.of(EventKind.FALL_DETECTED)
            assert [each.fall_id for each in detected] == falls

    bench.clock.run(main())


def test_who_gets_up_after_enrolments_lies_no_longer(bench, make_config, make_wearable):
    gateway = bench.gateway()

    async def main():
        async with bench.running(gateway):
            await bench.advertise(10, **LYING)
            await fall(gateway)
            await bench.advertise(40, first=110, **LYING)
            assert len(bench.far_end.of(EventKind.FALL_DETECTED)) == 1
            gateway._apply_config(many(make_config, make_wearable, 1, 2))
            await bench.advertise(40, first=150, **WALKING)
            assert len(bench.far_end.of(EventKind.MAY_HAVE_GOT_UP)) == 1
            await bench.advertise(260, first=190, **LYING)
            assert bench.far_end.of(EventKind.LONG_LIE) == []

    bench.clock.run(main())


@pytest.mark.parametrize("heir", [{"number": 2}, {"number": 1, "resident": "resident-2"}])
def test_a_fall_is_never_told_of_whoever_gets_its_row(bench, make_config, make_wearable, heir):
    """The suspicion's deadline pages for whoever fell."""
    gateway = bench.gateway()

    async def main():
        async with bench.running(gateway):
            await bench.advertise(10, **LYING)
            await fall(gateway)
            gateway._apply_config(make_config(make_wearable(**heir), revision=2))
            await bench.advertise(310, first=110, number=heir["number"], **LYING)
            assert bench.far_end.of(EventKind.FALL_DETECTED, EventKind.LONG_LIE) == []

    bench.clock.run(main())


def streams(make_config, make_wearable, numbers, revision: int):
    wearables = (make_wearable(number, streaming=True) for number in numbers)
    return make_config(*wearables, revision=revision)


@pytest.mark.parametrize("change", ["more", "none", "other"])
def test_a_stream_whose_row_begins_anew_covers_nothing_before(make_config, make_wearable, change):
    """Its detector has forgotten the last seconds: a window has to bring them."""
    roster = Roster()
    pipeline = Pipeline(roster, SessionTime(VirtualClock()), Counts())
    pipeline.resize(roster.apply(streams(make_config, make_wearable, [1], 1)))
    first = roster.by_device["wearable-1"]
    first.stream_since_ns = NS_PER_S
    after = {
        "more": streams(make_config, make_wearable, range(1, ROWS_AT_A_TIME + 2), 2),
        "none": make_config(make_wearable(1), revision=2),
        "other": make_config(make_wearable(1), make_wearable(2, streaming=True), revision=2),
    }
    pipeline.resize(roster.apply(after[change]))
    assert not stream_covers(first, 2 * NS_PER_S)


def test_a_row_of_streams_is_clean_for_the_next(make_config, make_wearable):
    """A kept wearable that begins to stream may get a row that another has just left."""
    roster = Roster()
    clock = VirtualClock()
    time = SessionTime(clock)
    pipeline = Pipeline(roster, time, Counts())
    before = make_config(make_wearable(1, streaming=True), make_wearable(2), revision=1)
    pipeline.resize(roster.apply(before))
    second = time.grid_now_ns() // NS_PER_S
    times_ns = second * NS_PER_S + np.arange(50, dtype=np.int64) * 20_000_000
    pipeline._grid.push(0, times_ns, np.tile(np.float32([[0], [0], [1]]), 50))
    after = make_config(make_wearable(1), make_wearable(2, streaming=True), revision=2)
    pipeline.resize(roster.apply(after))
    other = roster.by_device["wearable-2"]
    assert other.stream_row == 0
    summaries = pipeline.tick((second + 10) * NS_PER_S).summaries
    assert all(np.isnan(each.values[:, other.row]).all() for each in summaries)


# -- who lies ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("restarts", "lies"), [(False, 0), (True, 1)])
def test_a_fall_resolved_while_nobody_could_say_so_is_not_told_of(bench, restarts, lies):
    """A resolved incident is named for a minute. An alert service that begins anew and does not
    name it may have lost it.
    """
    gateway = bench.gateway()

    async def main():
        async with bench.running(gateway):
            await bench.advertise(10, **LYING)
            found = await fall(gateway)
            bench.far_end.alerts = [incident("one", IncidentState.ARRIVED, [found])]
            await bench.advertise(60, first=110, **LYING)
            bench.far_end.alerts_up = False
            await bench.advertise(90, first=170, **LYING)
            bench.far_end.alerts = []
            bench.far_end.session += "-again" * restarts
            bench.far_end.alerts_up = True
            await bench.advertise(160, first=260, **LYING)
            assert len(bench.far_end.of(EventKind.LONG_LIE)) == lies

    bench.clock.run(main())


def test_the_end_of_one_fall_ends_no_other(bench):
    """A first fall's incident is often closed on the board when a second has happened."""
    gateway = bench.gateway()

    async def main():
        async with bench.running(gateway):
            await bench.advertise(10, **LYING)
            first = await fall(gateway, counter=1)
            await bench.advertise(60, first=110, **LYING)
            second = await fall(gateway, counter=2)
            bench.far_end.alerts = [incident("one", IncidentState.RESOLVED, [first])]
            await bench.advertise(310, first=170, **LYING)
            (lie,) = bench.far_end.of(EventKind.LONG_LIE)
            assert lie.fall_id == second
            bench.far_end.alerts = [incident("two", IncidentState.RESOLVED, [second])]
            await bench.advertise(700, first=480, **LYING)
            assert len(bench.far_end.of(EventKind.LONG_LIE)) == 1

    bench.clock.run(main())
