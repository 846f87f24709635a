"""Bathing, charging and leave: no fault of wear or hearing until their end, and every alarm."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import pytest

from contract.events import EventKind, FaultCause
from contract.messages import Absence, AbsenceKind
from contract.units import US_PER_S
from edge.absences import Absences
from edge.wearables import Wearable

HONG_KONG = ZoneInfo("Asia/Hong_Kong")


@pytest.fixture
def away(bench, make_config, make_wearable):
    """Gives a configuration in which somebody is away from now on."""

    def make(kind: AbsenceKind = AbsenceKind.BATHING, minutes: float = 45, revision: int = 2):
        since_us = bench.clock.now_ns() // 1_000
        until_us = since_us + round(minutes * 60 * US_PER_S)
        absence = Absence(kind=kind, since_us=since_us, until_us=until_us)
        return make_config(make_wearable(absence=absence), revision=revision)

    return make


@pytest.mark.parametrize("kind", list(AbsenceKind))
def test_who_is_away_is_not_missed_before_the_expected_end(bench, away, kind):
    gateway = bench.gateway()

    async def main():
        async with bench.running(gateway):
            await bench.advertise(30)
            gateway._apply_config(away(kind))
            await bench.clock.sleep(44 * 60)
            assert bench.far_end.faults(FaultCause.WEARABLE_NOT_HEARD) == []
            await bench.clock.sleep(2 * 60)
            (fault,) = bench.far_end.faults(FaultCause.WEARABLE_NOT_HEARD)
            assert fault.detail.endswith(f"expected back from {kind.value} at 04:45")

    bench.clock.run(main())


def test_a_fault_that_stands_ends_when_staff_say_why(bench, away):
    gateway = bench.gateway()

    async def main():
        async with bench.running(gateway):
            await bench.advertise(10)
            await bench.clock.sleep(120)
            gateway._apply_config(away())
            await bench.clock.sleep(10)
            kinds = [each.kind for each in bench.far_end.faults(FaultCause.WEARABLE_NOT_HEARD)]
            assert kinds == [EventKind.FAULT, EventKind.FAULT_CLEARED]

    bench.clock.run(main())


def test_a_wearable_in_the_cupboard_is_not_worn_only_after_the_end(bench, away):
    gateway = bench.gateway()

    async def main():
        async with bench.running(gateway):
            await bench.advertise(10)
            gateway._apply_config(away(minutes=30))
            await bench.advertise(29 * 60, first=110, worn=False, heart_rate_bpm=None)
            assert bench.far_end.faults(FaultCause.NOT_WORN) == []
            await bench.advertise(90, first=110 + 29 * 60, worn=False, heart_rate_bpm=None)
            (fault,) = bench.far_end.faults(FaultCause.NOT_WORN)
            assert fault.detail.endswith("; expected back from bathing at 04:30")

    bench.clock.run(main())


def test_a_press_in_the_bath_is_an_alarm(bench, away):
    gateway = bench.gateway()

    async def main():
        async with bench.running(gateway):
            await bench.advertise(10)
            gateway._apply_config(away())
            await bench.advertise(3, first=110, button_counter=1, button_pending=True)
            assert len(bench.far_end.of(EventKind.HELP_REQUESTED)) == 1

    bench.clock.run(main())


def test_who_is_back_is_missed_again(bench, away):
    gateway = bench.gateway()

    async def main():
        async with bench.running(gateway):
            await bench.advertise(10)
            gateway._apply_config(away())
            await bench.advertise(300, first=110, worn=False, heart_rate_bpm=None)
            await bench.advertise(30, first=410)
            await bench.clock.sleep(120)
            (fault,) = bench.far_end.faults(FaultCause.WEARABLE_NOT_HEARD)
            assert "expected back" not in fault.detail

    bench.clock.run(main())


def test_a_gateway_that_does_not_know_the_time_holds_no_absence(clock, away):
    wearable = Wearable(away().wearables[0], 0, None)
    absences = Absences(clock)
    absences.zone = HONG_KONG
    assert absences.holds(wearable) is not None
    assert absences.expected(wearable) == ""
    clock.set_synced(False)
    assert absences.holds(wearable) is None
    assert absences.expected(wearable) == "; expected back from bathing at 04:45"


def test_an_absence_that_is_made_longer_holds_longer(clock, away, make_wearable):
    wearable = Wearable(away(minutes=10).wearables[0], 0, None)
    absences = Absences(clock)
    clock.pass_time(11 * 60 * 1_000_000_000)
    assert absences.holds(wearable) is None
    absence = wearable.config.absence
    longer = Absence(
        kind=absence.kind, since_us=absence.since_us, until_us=absence.until_us + 10**9
    )
    wearable.config = make_wearable(absence=longer)
    assert absences.holds(wearable) == longer
    wearable.config = make_wearable()
    assert absences.holds(wearable) is None
