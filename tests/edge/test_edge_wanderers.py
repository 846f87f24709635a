"""What is found of whereabouts is told: once, by one gateway, by another if that one is gone."""

from __future__ import annotations

import asyncio
import sqlite3
from itertools import cycle
from typing import NamedTuple

import msgspec
import numpy as np
import pytest

from contract import wire
from contract.clock import now_us
from contract.events import Event, EventClass, EventKind, FaultCause
from contract.messages import Absence, AbsenceKind, Presence, SensorConfig
from contract.units import NS_PER_S, US_PER_S
from contract.whereabouts import WhereaboutsPolicy, ZoneConfig, ZoneUse
from detectors.whereabouts import DETECTOR, ResidentDay, Scene
from edge import Tone
from edge.episodes import GRACE_NS
from edge.wanderer_memory import WANDERERS_FILE, WandererMemory, pack
from edge.wearable_health import FLAT_NS
from messaging import LocalBus

ZONES = [
    ZoneConfig(zone="room-211", use=ZoneUse.BEDROOM, next_to=["corridor"]),
    ZoneConfig(zone="corridor", use=ZoneUse.CORRIDOR, next_to=["entrance"]),
    ZoneConfig(zone="entrance", use=ZoneUse.EXIT),
]
ROOM, CORRIDOR, ENTRANCE = range(3)
AT_RISK = WhereaboutsPolicy(at_risk=True)
DOOR = SensorConfig(device="door", address="AA:00:00:00:00:01", zone="entrance")


class Home(NamedTuple):
    """Where everybody is made to be; a scene of it each second at each gateway."""

    zone: tuple[int, ...] = (ROOM, ROOM)
    door_open: int = 0
    door_opened: bool = False
    covered: bool = True
    carer_zone: int = CORRIDOR
    in_bed: tuple[int, ...] = (-1, -1)
    movement_g: tuple[float, ...] = (0.1, 0.1)


def scene(gateway, home: Home) -> Scene:
    residents = len(gateway.wanderers.rows.residents)
    zone = np.array(home.zone[:residents])
    carers = len(gateway.wanderers.rows.carers)
    second = gateway.time.grid_now_ns() // NS_PER_S
    return Scene(
        second=second,
        minute_of_day=second // 60 % 1_440,
        day=739_000,
        zone=zone,
        belief=np.eye(len(ZONES), dtype=np.float32)[zone],
        heard_s=np.zeros(residents, np.int64),
        present=np.ones(residents, np.bool_),
        movement_g=np.array(home.movement_g[:residents], np.float32),
        in_bed=np.array(home.in_bed[:residents], np.int8),
        door_open=np.array([home.door_open], np.int8),
        door_opened=np.array([home.door_opened]),
        covered=np.array([True, True, home.covered]),
        carer_zone=np.full(carers, home.carer_zone),
        carer_belief=np.eye(len(ZONES), dtype=np.float32)[[home.carer_zone] * carers],
        carer_worn=np.ones(carers, np.bool_),
    )


class House:
    """Gateways that see the same home: what their radios say of it is made."""

    def __init__(self, bench, config, make_advert) -> None:
        self.bench = bench
        self._advert = make_advert
        self.config = config
        self.home = Home()
        self.buses: dict[str, LocalBus] = {}

    def gateway(self, name: str = "gateway-a", **changes):
        values = {
            "config": self.config,
            "radio": type(self.bench.radio)(self.bench.clock),
            **changes,
        }
        gateway = self.bench.gateway(name, **values)
        self.buses[name] = self.bench.bus
        tick = gateway.wanderers.tick
        gateway.wanderers.tick = lambda _: tick(scene(gateway, self.home))
        return gateway

    async def sleep(self, seconds: float) -> None:
        await self.bench.clock.sleep(seconds)

    async def see(self, seconds: int = 1, **changes) -> None:
        """The home is like this from now on; look at it for so many seconds."""
        self.home = self.home._replace(**changes)
        await self.sleep(seconds)
        self.home = self.home._replace(door_opened=False)

    async def go_out(self, seconds: float = 5) -> None:
        """Resident 1 comes to the front door, opens it, and stands behind it."""
        await self.see(4, zone=(ENTRANCE, ROOM))
        await self.see(1, door_open=1, door_opened=True)
        await self.see(1)
        await self.see(max(seconds - 1, 0), door_open=0)

    async def go_out_with_a_carer(self, seconds: float) -> None:
        """They walk from her room to the door together."""
        for zone in (ROOM, CORRIDOR, ENTRANCE):
            await self.see(25, zone=(zone, ROOM), carer_zone=zone)
        await self.go_out(seconds)

    async def meet(self, gateway) -> None:
        """All that is worn is heard there: from now on where it is says something."""
        for number in (1, 2, 3):
            self.hear(gateway, number)
        await self.sleep(3)

    def hear(self, gateway, number: int = 1, **says) -> None:
        """One advert."""
        second = self.bench.clock.monotonic_ns() // NS_PER_S
        gateway._radio.hear(
            f"C0:DE:00:00:00:{number:02X}", self._advert(second, identity=number, **says)
        )

    def crash(self, gateway) -> None:
        """From now on it writes nothing and says nothing, as after kill -9."""

        def dead(*_):
            raise OSError("this process is gone")

        self.buses[gateway.sender.gateway].kill()
        for each in (gateway.outbox, gateway.telemetry_outbox, gateway.wanderers._memory):
            each._file._transact = dead

    def told(self, kind: EventKind = EventKind.ELOPEMENT) -> list[Event]:
        return self.bench.far_end.of(kind)


@pytest.fixture
def house(bench, make_config, make_wearable, make_advert):
    config = make_config(
        make_wearable(1, whereabouts=AT_RISK),
        make_wearable(2),
        make_wearable(3, resident=None, is_carer=True),
        zones=ZONES,
        sensors=[DOOR],
    )
    return House(bench, config, make_advert)


def test_who_goes_out_alone_is_told_once_with_place_and_reason(house, bench):
    async def main():
        gateway = house.gateway()
        async with bench.running(gateway):
            await house.meet(gateway)
            await house.go_out(30)
        (event,) = house.told()
        assert event.event_class is EventClass.ALARM
        assert (event.resident, event.device, event.zone) == (
            "resident-1",
            "wearable-1",
            "entrance",
        )
        assert not event.excused
        begun_s = int(event.key.removeprefix("elopement:resident-1:"))
        assert abs(event.at_us / US_PER_S - begun_s) < 10
        assert event.at_us <= event.emitted_at_us <= event.at_us + 5 * US_PER_S
        assert event.evidence.detector == DETECTOR
        assert event.evidence.features
        assert "entrance" in event.detail

    bench.clock.run(main())


def test_of_two_gateways_that_see_it_only_the_lead_tells(house, bench):
    async def main():
        first, second = house.gateway(priority=10), house.gateway("gateway-b", priority=20)
        async with bench.running(first, second):
            await house.meet(first)
            await house.go_out(70)
            (event,) = house.told()
            assert event.gateway == "gateway-a"
            assert first.wanderers.marks() == [event.key]

    bench.clock.run(main())


@pytest.mark.parametrize("seen_s", [-3, 0, 3], ids=["told", "not told", "dead already"])
def test_a_takeover_tells_within_ten_seconds_what_the_dead_lead_did_not(house, bench, seen_s):
    async def main():
        first, second = house.gateway(priority=10), house.gateway("gateway-b", priority=20)
        async with bench.running(first, second):
            await house.meet(first)
            if seen_s < 0:
                await house.go_out(-seen_s)
            house.crash(first)
            died_us = now_us(bench.clock)
            await house.sleep(max(seen_s, 0))
            if seen_s >= 0:
                await house.go_out(0)
            await house.sleep(70)
            (event,) = house.told()
            assert event.gateway == ("gateway-a" if seen_s < 0 else "gateway-b")
            assert event.emitted_at_us - died_us < 10 * US_PER_S

    bench.clock.run(main())


def test_what_a_dead_lead_told_nobody_is_told_by_the_next(house, bench):
    """The alert service has no receipt to give: it may be lost with the lead."""

    async def main():
        first, second = house.gateway(priority=10), house.gateway("gateway-b", priority=20)
        bench.far_end.alerts_up = False
        async with bench.running(first, second):
            await house.meet(first)
            await house.go_out(3)
            house.crash(first)
            await house.sleep(10)
            one, other = house.told()
            assert (one.gateway, other.gateway) == ("gateway-a", "gateway-b")
            assert one.key == other.key

    bench.clock.run(main())


@pytest.mark.parametrize("was_there_s", [0, 1_900], ids=["both new", "one was there"])
def test_what_a_lead_that_has_just_come_back_cannot_see_another_tells(house, bench, was_there_s):
    async def main():
        there = house.gateway("gateway-b", priority=20)
        lead = house.gateway(priority=10)
        lead.wanderers._judge = lambda *_: None  # it was not there when it began
        async with bench.running(there):
            bench.clock.pass_time(was_there_s * NS_PER_S)
            await house.sleep(3)
            async with bench.running(lead):
                await house.meet(there)
                await house.go_out(GRACE_NS / NS_PER_S + 5)
            assert [each.gateway for each in house.told()] == ["gateway-b"] * (was_there_s > 0)

    bench.clock.run(main())


@pytest.mark.parametrize("why", ["its rounds stand still", "a defect", "it knows no home"])
def test_a_lead_that_lives_and_cannot_judge_leaves_the_lead_to_another(house, bench, why):
    async def main():
        if why == "it knows no home":
            lead = bench.gateway(priority=10, config=None)
        else:
            lead = house.gateway(priority=10)
        other = house.gateway("gateway-b", priority=20)
        async with bench.running(lead, other):
            await house.sleep(3)
            await house.meet(other)
            if why == "its rounds stand still":
                lead.telemetry.flush = lambda _: asyncio.Event().wait()
            elif why == "a defect":
                lead.wanderers._detector.step = lambda _: 1 / 0
            await house.go_out(10)
            (event,) = house.told()
            assert event.gateway == "gateway-b"
            assert event.emitted_at_us - event.at_us < 10 * US_PER_S

    bench.clock.run(main())


def test_who_cannot_judge_leads_where_nobody_can(house, bench):
    async def main():
        one, other = (bench.gateway(name, config=None) for name in ("gateway-a", "gateway-b"))
        async with bench.running(one, other):
            await house.sleep(8)
            assert {one.neighbours.leader(), other.neighbours.leader()} == {"gateway-a"}
            assert one.neighbours.is_lead()

    bench.clock.run(main())


def test_two_leads_tell_one_episode(house, bench):
    """Two may lead for a moment; what they tell bears one key, and people see one alert."""

    async def main():
        first, second = house.gateway(), house.gateway("gateway-b")
        first.neighbours.is_lead = second.neighbours.is_lead = lambda: True
        async with bench.running(first, second):
            await house.meet(first)
            await house.meet(second)
            await house.go_out()
            one, other = house.told()
            assert one.gateway != other.gateway
            assert one.key == other.key

    bench.clock.run(main())


def test_a_carer_excuses_and_after_ten_minutes_it_is_asked_again_whatever_happens_meanwhile(
    house, bench, make_config, make_wearable
):
    """A restart, and residents who have other rows since."""

    async def main():
        first = house.gateway()
        async with bench.running(first):
            await house.meet(first)
            await house.go_out_with_a_carer(30)
            assert [each.excused for each in house.told()] == [True]
        house.home = house.home._replace(carer_zone=CORRIDOR)
        second = house.gateway()
        async with bench.running(second):
            await house.meet(second)
            people = [make_wearable(2), make_wearable(1, whereabouts=AT_RISK)]
            changed = make_config(*people, revision=2, zones=ZONES, sensors=[DOOR])
            second._apply_config(changed)
            house.home = house.home._replace(zone=(ROOM, ENTRANCE))
            await house.sleep(590)
        assert [each.excused for each in house.told()] == [True, False]
        assert len({each.key for each in house.told()}) == 1
        assert {each.resident for each in house.told()} == {"resident-1"}

    bench.clock.run(main())


@pytest.mark.parametrize("is_alone", [True, False])
def test_with_nobody_to_call_the_siren_sounds_for_who_is_alone_and_not_for_who_is_led(
    house, bench, is_alone
):
    async def main():
        bench.far_end.alerts_up = False
        gateway = house.gateway()
        async with bench.running(gateway):
            await house.meet(gateway)
            await (house.go_out(20) if is_alone else house.go_out_with_a_carer(20))
            assert [each.excused for each in house.told()] == [not is_alone]
            assert (Tone.ALARM.value in bench.siren.tones) is is_alone

    bench.clock.run(main())


def test_killed_after_it_told_it_knows_what_it_told(house, bench):
    async def main():
        first = house.gateway()
        async with bench.running(first):
            await house.meet(first)
            await house.go_out(30)
            house.crash(first)
        second = house.gateway()
        async with bench.running(second):
            await house.sleep(5)
            (event,) = house.told()
            assert second.wanderers.marks() == [event.key]

    bench.clock.run(main())


def test_what_is_kept_is_the_same_wherever_the_carers_went(house, bench):
    """The file is packed: that no name stands in it says nothing of places in numbers."""

    async def main():
        at_the_desk, about = house.gateway(), house.gateway("gateway-b")
        tick = about.wanderers.tick
        walk = cycle((CORRIDOR, ENTRANCE, CORRIDOR, ROOM))

        async def see_a_carer_walk(_):
            house.home = house.home._replace(carer_zone=next(walk))
            await tick(None)
            house.home = house.home._replace(carer_zone=CORRIDOR)

        about.wanderers.tick = see_a_carer_walk
        async with bench.running(at_the_desk, about):
            await house.meet(at_the_desk)
            await house.meet(about)
            await house.sleep(25)
            one, other = (each.wanderers._detector for each in (at_the_desk, about))
            went = [each._company._in_zone_s for each in (one, other)]
            assert not np.array_equal(*went), "the detectors do know"
            kept = [
                each.wanderers._to_keep(each.wanderers._detector) for each in (at_the_desk, about)
            ]
            assert kept[0] == kept[1]
            assert kept[0].arrays

    bench.clock.run(main())


@pytest.mark.parametrize("why", ["leave", "not worn", "charging", "never heard", "flat"])
def test_who_is_away_or_wears_nothing_is_not_judged(house, bench, make_config, make_wearable, why):
    async def main():
        now = now_us(bench.clock)
        leave = Absence(kind=AbsenceKind.LEAVE, since_us=now, until_us=now + 3_600 * US_PER_S)
        absence = {"absence": leave} if why == "leave" else {}
        house.config = make_config(
            make_wearable(1, whereabouts=AT_RISK, **absence), zones=ZONES, sensors=[DOOR]
        )
        says = {"worn": False} if why == "not worn" else {"charging": why == "charging"}
        says |= {"battery_percent": 1} if why == "flat" else {}
        gateway, other = house.gateway(), house.gateway("gateway-b", priority=200)
        async with bench.running(gateway, other):
            # The one beside it hears it; that leads which does not.
            await house.sleep(3)
            for _ in range(0 if why == "never heard" else 3):
                house.hear(other, **says)
                await house.sleep(1)
            bench.clock.pass_time({"flat": FLAT_NS}.get(why, 0))
            await house.sleep({"flat": 2, "never heard": 90}.get(why, 0))
            await house.go_out()
            assert house.told() == []
            assert gateway.counts["judged_now"] == 0
            if why != "leave":
                house.hear(other)
                await house.sleep(2)
                await house.go_out()
                assert len(house.told()) == 1

    bench.clock.run(main())


def test_others_are_told_which_wearables_lie_somewhere_but_nothing_of_carers_tags(house, bench):
    async def main():
        gateway = house.gateway()
        async with bench.running(gateway):
            house.hear(gateway, 1, charging=True)
            house.hear(gateway, 2, worn=True)
            house.hear(gateway, 3, worn=False)
            await house.sleep(2)
            told = wire.decode(gateway.neighbours.message({}), Presence)
            assert told.unworn == ["wearable-1"]

    bench.clock.run(main())


def test_a_plan_that_comes_late_or_goes_stops_nothing(house, bench, make_config, make_wearable):
    async def main():
        people = [make_wearable(1, whereabouts=AT_RISK)]
        house.config = make_config(*people)
        gateway = house.gateway()
        async with bench.running(gateway):
            await house.meet(gateway)
            await house.sleep(100)
            gateway._apply_config(make_config(*people, revision=2, zones=ZONES, sensors=[DOOR]))
            await house.go_out()
            assert len(house.told()) == 1
            gateway._apply_config(make_config(*people, revision=3))
            await house.sleep(100)
        assert bench.far_end.faults(FaultCause.ROOMS_UNKNOWN) == []

    bench.clock.run(main())


def test_damaged_habits_are_kept_aside_and_learnt_anew(house, bench):
    async def main():
        async with bench.running(house.gateway()):
            await house.sleep(2)
        file = bench.folder / "gateway-a" / WANDERERS_FILE
        memory = WandererMemory(file.parent)
        kept = await memory.load()
        half = {name: pack({name: values[..., :1]})[name] for name, values in kept.values().items()}
        await memory.save(msgspec.structs.replace(kept, arrays=half))
        await memory.close()
        second = house.gateway()
        async with bench.running(second):
            await house.meet(second)
            await house.go_out()
            assert len(house.told()) == 1
        with sqlite3.connect(file) as connection:
            names = [name for (name,) in connection.execute("SELECT name FROM kept ORDER BY name")]
        connection.close()
        assert names == ["current", "damaged"]

    bench.clock.run(main())


def test_exits_that_nobody_hears_and_a_lost_broker_are_said_and_end(house, bench):
    async def main():
        gateway = house.gateway()
        async with bench.running(gateway):
            await house.see(50, covered=False)
            assert bench.far_end.faults(FaultCause.ROOMS_UNKNOWN) == []
            await house.sleep(20)
            (fault,) = bench.far_end.faults(FaultCause.ROOMS_UNKNOWN)
            assert "entrance" in fault.detail
            await house.see(3, covered=True)
            assert len(bench.far_end.faults(FaultCause.ROOMS_UNKNOWN)) == 2
            bench.broker.stop()
            await house.sleep(70)
            bench.broker.start()
            await house.sleep(40)
            *_, alone, over = bench.far_end.faults(FaultCause.ROOMS_UNKNOWN)
            assert "hears alone" in alone.detail
            assert over.kind is EventKind.FAULT_CLEARED

    bench.clock.run(main())


def test_an_exit_door_that_stands_open_is_a_fault_until_it_closes(house, bench):
    async def main():
        async with bench.running(house.gateway()):
            await house.see(1, door_open=1, door_opened=True)
            await house.sleep(590)
            assert bench.far_end.faults(FaultCause.DOOR_LEFT_OPEN) == []
            await house.sleep(20)
            await house.see(5, door_open=-1)
            (fault,) = bench.far_end.faults(FaultCause.DOOR_LEFT_OPEN)
            assert (fault.device, fault.zone) == ("door", "entrance")
            await house.see(5, door_open=0)
            _, over = bench.far_end.faults(FaultCause.DOOR_LEFT_OPEN)
            assert over.kind is EventKind.FAULT_CLEARED

    bench.clock.run(main())


def test_a_defect_of_the_detector_is_a_fault_and_ends_nothing_else(house, bench):
    async def main():
        gateway = house.gateway()
        async with bench.running(gateway):
            await house.meet(gateway)
            gateway.wanderers._detector.step = lambda _: 1 / 0
            await house.sleep(70)
            (fault,) = bench.far_end.faults(FaultCause.ROOMS_UNKNOWN)
            assert "watch the exits" in fault.detail
            assert gateway.counts["whereabouts_defects"] >= 60
            del gateway.wanderers._detector.step
            await house.go_out()
            assert len(house.told()) == 1
            assert len(bench.far_end.faults(FaultCause.ROOMS_UNKNOWN)) == 2

    bench.clock.run(main())


def test_two_of_one_room_whose_beds_the_others_wearable_leaves_are_exchanged(house, bench):
    async def main():
        gateway = house.gateway()
        async with bench.running(gateway):
            await house.meet(gateway)
            await house.see(20, in_bed=(1, 1), movement_g=(0.005, 0.005))
            for bed in (0, 1, 0, 1):
                for state in (0, 1):
                    moves, beds = [0.005, 0.005], [1, 1]
                    moves[1 - bed], beds[bed] = 0.2, state
                    await house.see(4, in_bed=tuple(beds), movement_g=tuple(moves))
                    for number in (1, 2):
                        house.hear(gateway, number)
                    await house.see(20, movement_g=(0.005, 0.005))
            await house.sleep(60)
            told = bench.far_end.faults(FaultCause.WEARABLES_SWAPPED)
            assert {each.device for each in told} == {"wearable-1", "wearable-2"}
            assert {each.kind for each in told} == {EventKind.FAULT}

    bench.clock.run(main())


def test_of_a_wandering_walk_the_day_before_is_told_with_it_over_a_restart(house, bench):
    async def main():
        first = house.gateway()
        async with bench.running(first):
            await house.meet(first)
            day = ResidentDay(0, 738_999, 9, 3, 21.0, 2.5, float("nan"), 1, 0, True, False)
            first.wanderers._detector.take_day = lambda: [day]
            await house.sleep(2)
        second = house.gateway()
        async with bench.running(second):
            await house.meet(second)
            for _ in range(4):
                for zone in (CORRIDOR, ENTRANCE, CORRIDOR, ROOM):
                    await house.see(12, zone=(zone, ROOM))
            await house.sleep(150)
        (event,) = house.told(EventKind.WANDERING_EPISODE)
        features = event.evidence.features
        assert event.event_class is EventClass.NOTICE
        assert features["tortuosity"] >= 1
        assert (features["last_day_episodes"], features["last_day_is_rising"]) == (3, 1)
        assert "entrance" in event.detail

    bench.clock.run(main())
