"""A fall in the making and a long lie outlive their gateway: kill -9, power cut, a bad card."""

from __future__ import annotations

import sqlite3

import pytest
from msgspec.structs import replace

from contract.clock import VirtualClock
from contract.events import EventKind, FaultCause
from contract.messages import AlertStateItem, IncidentState, Priority
from contract.units import NS_PER_S
from edge.falls import CANDIDATE
from edge.outbox_rows import Counter

WALKING = {"mean_g": (-0.9, 0.1, 0.3), "min_g": 0.7, "max_g": 1.4, "deviation_g": 0.15}
LYING = {"mean_g": (0.1, 0.2, 0.97), "min_g": 0.98, "max_g": 1.02, "deviation_g": 0.005}


class Machine(VirtualClock):
    """A machine that can be switched off, and whose clock need not be right after that."""

    def __init__(self) -> None:
        super().__init__()
        self.is_synced = True
        self.off_ns = 0
        self.slow_ns = 0

    def synced(self) -> bool:
        return self.is_synced

    def now_ns(self) -> int:
        return super().now_ns() - self.slow_ns

    def monotonic_ns(self) -> int:
        return super().monotonic_ns() - self.off_ns

    def boot(self) -> None:
        """Monotonic time begins anew."""
        self.off_ns += self.monotonic_ns()


@pytest.fixture
def clock() -> Machine:
    return Machine()


async def fall(gateway, counter: int = 1) -> str:
    """A fall of the first wearable, now; returns its id."""
    wearable = gateway.roster.by_device["wearable-1"]
    event = await gateway.falls.from_advert(
        wearable, Counter("wearable-1", CANDIDATE, 7, counter), 3.0, gateway.time.grid_now_ns()
    )
    return event.fall_id


def incident(state: IncidentState, fall_id: str) -> AlertStateItem:
    return AlertStateItem(
        incident="one",
        state=state,
        priority=Priority.HIGH,
        kind=EventKind.FALL_DETECTED,
        opened_at_us=0,
        fall_ids=[fall_id],
        device="wearable-1",
    )


def crashed(gateway) -> None:
    """From now on it writes nothing and says nothing, as after kill -9."""

    def dead(*_):
        raise OSError("this process is gone")

    gateway.outbox._file._transact = dead
    gateway.telemetry_outbox._file._transact = dead


async def before(bench, seconds: int, motion=LYING, **gateway):
    """A gateway's life from a fall until it is killed `seconds` after it; the fall's id."""
    first = bench.gateway(**gateway)
    async with bench.running(first):
        await bench.advertise(10, **LYING)
        found = await fall(first)
        await bench.advertise(seconds, first=110, **motion)
        seen = first.sender.session
        crashed(first)
    return found, seen


def told(bench, kind: EventKind) -> list[tuple[float, str]]:
    """When, in seconds since the impact of its fall, and of which fall."""
    return [
        ((each.emitted_at_us - each.at_us) / 1e6, each.fall_id) for each in bench.far_end.of(kind)
    ]


def stages(bench) -> list[float]:
    return [each.evidence.features["stage_min"] for each in bench.far_end.of(EventKind.LONG_LIE)]


@pytest.mark.parametrize(
    ("boot", "away_s"), [("boot-1", 5), ("boot-2", 120)], ids=["killed", "power cut"]
)
def test_the_stages_of_a_long_lie_are_told_over_a_restart(bench, clock, boot, away_s):
    async def main():
        found, _ = await before(bench, 100)
        await clock.sleep(away_s)
        if boot == "boot-2":
            clock.boot()
        async with bench.running(bench.gateway(boot=boot)):
            await bench.advertise(1_000 - away_s, first=210 + away_s, **LYING)
        (five_s, first), (fifteen_s, second) = told(bench, EventKind.LONG_LIE)
        assert first == second == found
        assert five_s == pytest.approx(300, abs=6)
        assert fifteen_s == pytest.approx(900, abs=6)
        features = bench.far_end.of(EventKind.LONG_LIE)[0].evidence.features
        assert features["heard_s"] == pytest.approx(300 - away_s, abs=75)
        assert features["heard_s"] <= 300 - away_s

    clock.run(main())


def test_a_stage_that_was_told_is_not_told_again(bench, clock):
    async def main():
        await before(bench, 320)
        async with bench.running(bench.gateway()):
            await bench.advertise(620, first=430, **LYING)
        assert stages(bench) == [5, 15]

    clock.run(main())


def test_silence_after_the_restart_ends_no_timer(bench, clock):
    """The wearable may be what broke; nobody else is heard, either."""

    async def main():
        found, _ = await before(bench, 20)
        async with bench.running(bench.gateway()):
            await clock.sleep(320)
        ((at_s, fall_id),) = told(bench, EventKind.LONG_LIE)
        assert fall_id == found
        assert at_s == pytest.approx(300, abs=6)

    clock.run(main())


def test_a_fall_in_the_making_is_followed_under_its_own_id(bench, clock):
    async def main():
        found, _ = await before(bench, 5)
        again = bench.gateway()
        async with bench.running(again):
            await clock.sleep(1)
            wearable = again.roster.by_device["wearable-1"]
            # Another candidate's window shows the same impact.
            impact_ns = clock.now_ns() - 8 * NS_PER_S
            other = Counter("wearable-1", CANDIDATE, 7, 2)
            assert await again.falls.from_advert(wearable, other, 3.0, impact_ns) is None
            await bench.advertise(40, first=118, **LYING)
        assert len(bench.far_end.of(EventKind.FALL_SUSPECTED)) == 1
        ((at_s, fall_id),) = told(bench, EventKind.FALL_DETECTED)
        assert fall_id == found
        assert at_s == pytest.approx(30, abs=6)

    clock.run(main())


def test_who_walks_after_the_restart_may_have_got_up(bench, clock):
    async def main():
        found, _ = await before(bench, 100)
        async with bench.running(bench.gateway()):
            await bench.advertise(60, first=210, **WALKING)
            await bench.advertise(300, first=270, **LYING)
        assert [fall_id for _, fall_id in told(bench, EventKind.MAY_HAVE_GOT_UP)] == [found]
        assert stages(bench) == []
        async with bench.running(bench.gateway()):
            await bench.advertise(60, first=570, **LYING)
        assert stages(bench) == []

    clock.run(main())


def test_the_walk_before_the_crash_and_the_silence_are_no_getting_up(bench, clock):
    async def main():
        first = bench.gateway()
        async with bench.running(first):
            await bench.advertise(30, **WALKING)
            await fall(first)
            await bench.advertise(10, first=130, **WALKING)
            crashed(first)
        await clock.sleep(60)
        async with bench.running(bench.gateway()):
            await bench.advertise(30, first=200, **LYING)
        assert bench.far_end.of(EventKind.MAY_HAVE_GOT_UP) == []
        assert len(bench.far_end.of(EventKind.FALL_DETECTED)) == 1

    clock.run(main())


@pytest.mark.parametrize(
    ("session", "lies"), [("alerts-1", 0), ("alerts-2", 1)], ids=["resolved", "unknown"]
)
def test_a_fall_resolved_while_the_gateway_was_away_is_not_taken_up(bench, clock, session, lies):
    """An alert service that began anew may have lost it: then it goes on."""

    async def main():
        first = bench.gateway()
        async with bench.running(first):
            await bench.advertise(10, **LYING)
            found = await fall(first)
            bench.far_end.alerts = [incident(IncidentState.ACKNOWLEDGED, found)]
            await bench.advertise(100, first=110, **LYING)
            crashed(first)
        bench.far_end.alerts = []
        bench.far_end.session = session
        await clock.sleep(600)
        async with bench.running(bench.gateway()):
            await bench.advertise(400, first=820, **LYING)
        assert len(stages(bench)) == 2 * lies

    clock.run(main())


def test_without_the_alert_service_the_timers_go_on_by_themselves(bench, clock):
    async def main():
        await before(bench, 100)
        bench.far_end.alerts_up = False
        await clock.sleep(300)
        async with bench.running(bench.gateway()):
            await bench.advertise(30, first=510, **LYING)
        assert stages(bench) == [5]

    clock.run(main())


def test_an_unknown_time_away_counts_as_none_until_the_clock_is_right(bench, clock):
    """A Pi without a battery clock boots with an old time; NTP comes later."""

    async def main():
        await before(bench, 100)
        await clock.sleep(500)
        clock.boot()
        clock.is_synced, clock.slow_ns = False, 500 * NS_PER_S
        async with bench.running(bench.gateway(boot="boot-2")):
            await bench.advertise(60, first=710, **LYING)
            assert stages(bench) == []
            clock.is_synced, clock.slow_ns = True, 0
            await bench.advertise(20, first=770, **LYING)
            assert stages(bench) == [5]
            await bench.advertise(250, first=790, **LYING)
            assert stages(bench) == [5, 15]

    clock.run(main())


def test_without_any_right_clock_it_goes_on_where_it_was(bench, clock):
    async def main():
        clock.is_synced = False
        await before(bench, 130)
        await clock.sleep(500)
        clock.boot()
        async with bench.running(bench.gateway(boot="boot-2")):
            await bench.advertise(150, first=740, **LYING)
            assert stages(bench) == []
            await bench.advertise(60, first=890, **LYING)
            assert stages(bench) == [5]

    clock.run(main())


def test_what_is_older_than_a_day_is_not_taken_up(bench, clock):
    async def main():
        await before(bench, 100)
        await clock.sleep(100_000)
        async with bench.running(bench.gateway()):
            await bench.advertise(400, first=100, **LYING)
        assert stages(bench) == []

    clock.run(main())


@pytest.mark.parametrize("heir", [{"resident": "resident-2"}, {"device": "wearable-9"}])
def test_a_fall_is_not_taken_up_for_another_wearer(bench, clock, make_config, make_wearable, heir):
    async def main():
        await before(bench, 100)
        heirs = make_config(make_wearable(**heir), revision=2)
        async with bench.running(bench.gateway(config=heirs)):
            await bench.advertise(300, first=210, **LYING)
        assert stages(bench) == []

    clock.run(main())


def test_a_wearable_that_changes_hands_while_it_waits_takes_no_fall_along(
    bench, clock, make_config, make_wearable
):
    async def main():
        await before(bench, 100)
        bench.far_end.alerts_up = False
        again = bench.gateway()
        async with bench.running(again):
            await bench.advertise(5, first=210, **LYING)
            again._apply_config(make_config(make_wearable(resident="resident-2"), revision=2))
            await bench.advertise(300, first=215, **LYING)
        assert stages(bench) == []

    clock.run(main())


def test_a_home_that_takes_everybody_out_while_one_waits_stops_no_gateway(
    bench, clock, make_config
):
    async def main():
        await before(bench, 100)
        bench.far_end.alerts_up = False
        again = bench.gateway()
        async with bench.running(again):
            await bench.advertise(5, first=210, **LYING)
            again._apply_config(replace(make_config(revision=2), wearables=[]))
            await clock.sleep(30)
            assert bench.far_end.statuses[-1].session == again.sender.session
            assert bench.far_end.statuses[-1].online
        assert stages(bench) == []

    clock.run(main())


def test_a_fall_while_the_earlier_one_waits_leaves_both(bench, clock):
    async def main():
        found, _ = await before(bench, 10)
        bench.far_end.alerts_up = False
        again = bench.gateway()
        async with bench.running(again):
            await bench.advertise(5, first=120, **LYING)
            other = await fall(again, counter=2)
            await bench.advertise(400, first=125, **LYING)
        assert [fall_id for _, fall_id in told(bench, EventKind.FALL_DETECTED)] == [found, other]
        assert [fall_id for _, fall_id in told(bench, EventKind.LONG_LIE)] == [found]

    clock.run(main())


def test_a_row_that_cannot_be_read_is_a_fault_and_stops_nothing(bench, clock):
    async def main():
        await before(bench, 100)
        with sqlite3.connect(bench.folder / "gateway-a" / "alarms.sqlite") as file:
            assert file.execute("UPDATE lying SET payload = x'7b'").rowcount == 1
        file.close()
        again = bench.gateway()
        async with bench.running(again):
            await bench.advertise(20, first=210, **LYING)
            await fall(again, counter=2)
            await bench.advertise(310, first=230, **LYING)
        fault = bench.far_end.faults(FaultCause.OUTBOX_UNWRITABLE)[0]
        assert "wearable-1" in fault.detail
        assert stages(bench) == [5]

    clock.run(main())


def test_a_card_that_takes_nothing_is_a_fault_and_the_timers_go_on(bench, clock):
    async def main():
        gateway = bench.gateway()
        async with bench.running(gateway):
            await bench.advertise(10, **WALKING)
            crashed_file = gateway.outbox._file._transact

            def full(work):
                raise sqlite3.OperationalError("disk I/O error")

            gateway.outbox._file._transact = full
            await fall(gateway)
            await bench.advertise(320, first=110, **LYING)
            assert stages(bench) == [5]
            faults = bench.far_end.faults(FaultCause.OUTBOX_UNWRITABLE)
            assert [each.kind for each in faults] == [EventKind.FAULT]
            gateway.outbox._file._transact = crashed_file
            await bench.advertise(30, first=430, **LYING)
            crashed(gateway)
        async with bench.running(bench.gateway()):
            await bench.advertise(600, first=460, **LYING)
        assert stages(bench) == [5, 15]

    clock.run(main())


def test_nothing_is_written_while_nothing_happens(bench, clock):
    """A card has only so many writes in it."""

    async def main():
        gateway = bench.gateway()
        writes = []
        async with bench.running(gateway):
            await bench.advertise(10, **LYING)
            keep = gateway.outbox.keep_lying

            async def count(rows):
                writes.append(len(rows))
                await keep(rows)

            gateway.outbox.keep_lying = count
            await fall(gateway)
            await bench.advertise(290, first=110, **LYING)
        # Suspected, lying so, known to the alert service, detected; each minute; the goodbye.
        assert len(writes) <= 4 + 300 // 60 + 1

    clock.run(main())
