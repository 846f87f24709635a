"""From adverts to the alarm: a resident goes out of a home of three gateways, one of which dies."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from contract.clock import now_us
from contract.devices import Quantity
from contract.events import EventKind, FaultCause
from contract.messages import SensorConfig
from contract.units import US_PER_S, seconds_to_ns
from contract.whereabouts import WhereaboutsPolicy, ZoneConfig, ZoneUse
from detectors import whereabouts_exits
from edge.decode.bthome import SERVICE_UUID
from edge.episodes import SAME_S
from edge.wearable_health import FLAT_NS
from firmware_sim.room_sensors import RoomSensor, SensorKind

ZONES = [
    ZoneConfig(zone="room-211", use=ZoneUse.BEDROOM, next_to=["corridor"]),
    ZoneConfig(zone="corridor", use=ZoneUse.CORRIDOR, next_to=["entrance"]),
    ZoneConfig(zone="entrance", use=ZoneUse.EXIT),
]
ROOM, CORRIDOR, ENTRANCE = range(3)
NAMES = ("gateway-a", "gateway-b", "gateway-c")
"""In these rooms, in this order; the first leads."""
HEARD_DBM = (-66, -82, -92)
"""In the same room, the next one, and the one beyond."""
FADING_DB = 3.0


class Air:
    """What each of three gateways hears of whom, second by second."""

    def __init__(self, bench, make_config, make_wearable, make_advert) -> None:
        self.bench = bench
        self._advert = make_advert
        door = SensorConfig(
            device="door", address="A4:C1:38:00:00:01", zone="entrance", key="0a" * 16
        )
        self.config = make_config(
            make_wearable(1, whereabouts=WhereaboutsPolicy(at_risk=True)),
            make_wearable(2, resident=None, is_carer=True),
            zones=ZONES,
            sensors=[door],
            gateway_zones=dict(zip(NAMES, ("room-211", "corridor", "entrance"), strict=True)),
        )
        self.door = RoomSensor(SensorKind.DOOR, door)
        self.radios = {name: type(bench.radio)(bench.clock) for name in NAMES}
        self.gateways, self._buses = {}, {}
        for number, name in enumerate(NAMES):
            self.gateways[name] = bench.gateway(
                name, config=self.config, radio=self.radios[name], priority=10 * (number + 1)
            )
            self._buses[name] = bench.bus
        self._random = np.random.default_rng(3)
        self._second = 100
        self.battery_percent = 80

    async def be(self, seconds: int, **zone: int) -> None:
        """Residents and carers are there, and walk about: each is told by number."""
        for _ in range(seconds):
            for number, where in ((1, zone["she"]), (2, zone.get("carer"))):
                if where is not None:
                    self._say(number, where)
            for data in self.door.adverts(self.bench.clock.monotonic_ns()):
                for name in NAMES[1:]:
                    self.radios[name].hear_service(self.door.address, SERVICE_UUID, data)
            self._second += 1
            await self.bench.clock.sleep(1.0)

    def _say(self, number: int, where: int) -> None:
        says = {"deviation_g": 0.12, "battery_percent": self.battery_percent}
        data = self._advert(self._second, identity=number, **says)
        for place, name in enumerate(NAMES):
            fading = self._random.normal(0, FADING_DB)
            rssi = round(HEARD_DBM[abs(place - where)] + fading)
            self.radios[name].hear(f"C0:DE:00:00:00:{number:02X}", data, rssi)

    def crash(self, name: str) -> None:
        """From now on it writes nothing and says nothing, as after kill -9."""

        def dead(*_):
            raise OSError("this process is gone")

        gateway = self.gateways[name]
        self._buses[name].kill()
        for each in (gateway.outbox, gateway.telemetry_outbox, gateway.wanderers._memory):
            each._file._transact = dead


@pytest.fixture
def air(bench, make_config, make_wearable, make_advert):
    return Air(bench, make_config, make_wearable, make_advert)


SECOND_DOOR_S = 10
"""Ten steps of a lobby with a frame, and the next door."""


@pytest.mark.parametrize("dies", [False, True], ids=["all live", "the lead dies at the door"])
def test_who_goes_out_is_told_once_and_before_the_second_door(air, bench, dies):
    async def main():
        async with bench.running(*air.gateways.values()):
            await air.be(20, she=ROOM, carer=ROOM)
            await air.be(8, she=CORRIDOR, carer=ROOM)
            await air.be(6, she=ENTRANCE, carer=ROOM)
            opened_us = now_us(bench.clock)
            air.door.set(Quantity.OPENING, 1)
            if dies:
                air.crash("gateway-a")
            await air.be(15, she=ENTRANCE, carer=ROOM)
            (event,) = bench.far_end.of(EventKind.ELOPEMENT)
            assert event.emitted_at_us - opened_us < SECOND_DOOR_S * US_PER_S
            assert event.gateway == ("gateway-b" if dies else "gateway-a")
            assert (event.resident, event.zone, event.excused) == ("resident-1", "entrance", False)

    bench.clock.run(main())


def test_a_walk_to_the_door_with_a_carer_is_excused_and_ordinary_ways_say_nothing(air, bench):
    async def main():
        async with bench.running(*air.gateways.values()):
            for zone in (ROOM, CORRIDOR, ROOM, CORRIDOR):
                await air.be(15, she=zone, carer=zone)
            assert bench.far_end.of(*EventKind) == []
            await air.be(12, she=ENTRANCE, carer=ENTRANCE)
            air.door.set(Quantity.OPENING, 1)
            await air.be(8, she=ENTRANCE, carer=ENTRANCE)
            (event,) = bench.far_end.of(EventKind.ELOPEMENT)
            assert event.excused
            assert "carer" in event.detail

    bench.clock.run(main())


def test_a_gateway_that_is_cut_off_tells_what_it_hears_alone_and_says_so(air, bench):
    async def main():
        async with bench.running(*air.gateways.values()):
            await air.be(10, she=CORRIDOR)
            bench.broker.stop()
            await air.be(65, she=ENTRANCE)
            air.door.set(Quantity.OPENING, 1)
            await air.be(10, she=ENTRANCE)
            bench.broker.start()
            await bench.clock.sleep(40)
            told = bench.far_end.of(EventKind.ELOPEMENT)
            assert "gateway-c" in {each.gateway for each in told}
            begun_s = [int(each.key.rpartition(":")[2]) for each in told]
            assert max(begun_s) - min(begun_s) < SAME_S, "people see one alert"
            faults = bench.far_end.faults(FaultCause.ROOMS_UNKNOWN)
            assert {each.gateway for each in faults} == set(NAMES)
            ended = [each for each in faults if each.kind is EventKind.FAULT_CLEARED]
            assert {each.gateway for each in ended} == set(NAMES)

    bench.clock.run(main())


@pytest.mark.parametrize("jump_s", [-86_400 * 700, 3_600, 86_400 * 3])
def test_a_clock_that_is_set_lets_nobody_page_and_none_be_missed(air, bench, jump_s):
    """Daylight saving, midnight, a Pi that boots in 1970: seconds are counted by no wall clock."""

    async def main():
        async with bench.running(*air.gateways.values()):
            await air.be(10, she=ROOM)
            await air.be(10, she=CORRIDOR)
            bench.clock.jump_wall(jump_s)
            await air.be(10, she=CORRIDOR)
            assert {each.kind for each in bench.far_end.of(*EventKind)} == {EventKind.FAULT}
            await air.be(6, she=ENTRANCE)
            air.door.set(Quantity.OPENING, 1)
            await air.be(10, she=ENTRANCE)
            (event,) = bench.far_end.of(EventKind.ELOPEMENT)
            now_s = now_us(bench.clock) / US_PER_S
            assert abs(now_s - int(event.key.rpartition(":")[2])) < 60

    bench.clock.run(main())


def test_what_is_asked_of_others_meanwhile_hides_nobody_who_goes_out(air, bench):
    """Somebody is signed out at the desk while she is lost at the exit, whose door said nothing."""

    async def main():
        gateway = air.gateways["gateway-c"]
        async with bench.running(gateway):
            await air.be(5, she=CORRIDOR)
            await air.be(14, she=ENTRANCE)
            await air.be(20, she=None)
            asked = WhereaboutsPolicy(at_risk=True, bed_exit=True)
            people = [
                msgspec.structs.replace(each, whereabouts=asked) for each in air.config.wearables
            ]
            changed = msgspec.structs.replace(air.config, revision=2, wearables=people)
            gateway._apply_config(changed)
            assert gateway.wanderers._detector.policies.bed_exit.all()
            await air.be(50, she=None)
            (event,) = bench.far_end.of(EventKind.ELOPEMENT)
            assert (event.resident, event.zone) == ("resident-1", "entrance")

    bench.clock.run(main())


def test_an_empty_battery_explains_no_silence_behind_an_exit(air, bench):
    async def main():
        gateway = air.gateways["gateway-c"]
        air.battery_percent = 3
        async with bench.running(gateway):
            await air.be(5, she=CORRIDOR)
            await air.be(14, she=ENTRANCE)
            await air.be(65, she=None)
            (event,) = bench.far_end.of(EventKind.ELOPEMENT)
            assert event.evidence.features["is_lost"] == 1
        assert seconds_to_ns(vars(whereabouts_exits)["ASK_AGAIN_S"]) < FLAT_NS, "or it is not asked"

    bench.clock.run(main())
