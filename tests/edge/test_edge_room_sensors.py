"""Room sensors at a gateway: call points that page, and sensors that watch over nothing."""

from __future__ import annotations

import msgspec
import pytest

from contract import topics, wire
from contract.devices import Quantity
from contract.events import EventKind, FaultCause
from contract.messages import MESSAGE_SCHEMA, Presence, SensorConfig
from contract.telemetry import SensorPoint, TelemetryBatch
from edge.configuration import RejectedConfigError, check_config
from edge.decode.bthome import SERVICE_UUID
from edge.sensor_habits import Habit
from edge.telemetry_rows import thinned
from firmware_sim.room_sensors import RoomSensor, SensorKind, encode_objects, plain

KEY = "231d39c1d7cc1ab1aee224cd096db932"
MINUTE_S = 60
HOUR_S = 3_600


def sensor_config(number: int = 1, **changes: object) -> SensorConfig:
    values: dict[str, object] = {
        "device": f"sensor-{number}",
        "address": f"A4:C1:38:00:00:{number:02X}",
        "zone": "corridor-2f",
        "key": KEY,
    }
    return SensorConfig(**{**values, **changes})  # type: ignore[arg-type]


@pytest.fixture
def make_home(make_config):
    def make(*sensors: SensorConfig, revision: int = 1):
        config = make_config(revision=revision)
        return msgspec.structs.replace(config, sensors=list(sensors))

    return make


def say(bench, sensor: RoomSensor, data: bytes, times: int = 3) -> None:
    for _ in range(times):
        bench.radio.hear_service(sensor.address, SERVICE_UUID, data)


async def live(bench, sensors, seconds: float) -> None:
    """Let simulated sensors speak as they do."""
    for _ in range(round(seconds * 5)):
        for sensor in sensors:
            for data in sensor.adverts(bench.clock.monotonic_ns()):
                bench.radio.hear_service(sensor.address, SERVICE_UUID, data)
        await bench.clock.sleep(0.2)


async def tell_neighbour(bench, heard, sequence=1):
    presence = Presence(
        schema=MESSAGE_SCHEMA,
        gateway="gateway-b",
        session="b",
        sequence=sequence,
        at_us=0,
        heard=heard,
    )
    bench.broker.publish(topics.build("demo", "gateway-b", "presence"), wire.encode(presence))


def test_a_pressed_call_point_is_an_alarm_within_a_second(bench, make_home):
    config = sensor_config()
    point = RoomSensor(SensorKind.CALL_POINT, config)

    async def main():
        async with bench.running(bench.gateway(config=make_home(config))):
            await live(bench, [point], 700)
            assert bench.far_end.of(EventKind.HELP_REQUESTED) == []
            point.press(2)
            pressed_us = bench.clock.now_ns() // 1000
            await live(bench, [point], 0.8)
            (event,) = bench.far_end.of(EventKind.HELP_REQUESTED)
            assert event.emitted_at_us - pressed_us < 1_000_000
            await live(bench, [point], 30)
            point.press()
            await live(bench, [point], 30)
        first, second = bench.far_end.of(EventKind.HELP_REQUESTED)
        assert (first.device, first.zone, first.resident) == ("sensor-1", "corridor-2f", None)
        assert first.evidence.features == {"press": 2.0}
        assert first.detail == "The call point in corridor-2f was pressed twice."
        assert first.key != second.key

    bench.clock.run(main())


def test_a_stuck_button_calls_again_and_again_and_floods_nobody(bench, make_home):
    config = sensor_config()
    point = RoomSensor(SensorKind.CALL_POINT, config)

    async def main():
        gateway = bench.gateway(config=make_home(config))
        async with bench.running(gateway):
            for _ in range(40):  # some panic
                say(bench, point, point.packet([(Quantity.PRESS, 1.0)]), times=1)
                await bench.clock.sleep(10.0)
            assert len(bench.far_end.of(EventKind.HELP_REQUESTED)) == 40
            await bench.clock.sleep(20.0)
            for _ in range(300):
                say(bench, point, point.packet([(Quantity.PRESS, 4.0)]), times=1)
                await bench.clock.sleep(1.0)
            told = len(bench.far_end.of(EventKind.HELP_REQUESTED)) - 40
            assert told in {39, 40}
            assert gateway.counts["presses_held_back"] == 300 - told
            assert not gateway.outbox.pending

    bench.clock.run(main())


def test_the_call_point_beside_a_bed_names_its_resident(bench, make_home):
    config = sensor_config(resident="resident-1", bed="2/F 211-A", zone="room-211")
    point = RoomSensor(SensorKind.CALL_POINT, config)

    async def main():
        async with bench.running(bench.gateway(config=make_home(config))):
            point.press()
            await live(bench, [point], 2)
        (event,) = bench.far_end.of(EventKind.HELP_REQUESTED)
        assert (event.resident, event.zone) == ("resident-1", "room-211")

    bench.clock.run(main())


@pytest.mark.parametrize("key", [KEY, None], ids=["encrypted", "plain"])
def test_a_press_that_two_gateways_hear_has_one_key(bench, make_home, key):
    config = sensor_config(key=key)
    point = RoomSensor(SensorKind.CALL_POINT, config)
    gateways = [
        bench.gateway(name, config=make_home(config), radio=bench.radio)
        for name in ("gateway-a", "gateway-b")
    ]

    async def main():
        async with bench.running(gateways[0]):
            point.press()
            (data,) = point.adverts(0)
            say(bench, point, data)
            await bench.clock.sleep(1.0)
        async with bench.running(gateways[1]):
            await bench.clock.sleep(0.5)
            say(bench, point, data)
            await bench.clock.sleep(1.0)
        first, second = bench.far_end.of(EventKind.HELP_REQUESTED)
        assert first.gateway != second.gateway
        assert first.key == second.key

    bench.clock.run(main())


def crashed(gateway) -> None:
    """From now on it writes nothing, as after kill -9."""

    def dead(*_):
        raise OSError("this process is gone")

    for keeper in (gateway.outbox, gateway.telemetry_outbox, gateway.sensors._memory):
        keeper._file._transact = dead


@pytest.mark.parametrize("key", [KEY, None], ids=["encrypted", "plain"])
@pytest.mark.parametrize("told", [True, False], ids=["told", "not yet told"])
def test_a_gateway_killed_right_after_a_press_tells_it_once(bench, make_home, key, told):
    """Counters were not written at an end; the press is repeated still, and another follows."""
    config = sensor_config(key=key)
    point = RoomSensor(SensorKind.CALL_POINT, config)
    home = make_home(config)
    bench.far_end.alerts_up = bench.far_end.ingest_up = told

    async def main():
        first = bench.gateway(config=home)
        point.press()
        (data,) = point.adverts(0)
        async with bench.running(first):
            say(bench, point, data)
            await bench.clock.sleep(0.1)
            crashed(first)
        bench.far_end.alerts_up = bench.far_end.ingest_up = True
        await bench.clock.sleep(5.0)
        second = bench.gateway(config=home)
        async with bench.running(second):
            say(bench, point, data)
            await bench.clock.sleep(8.0)
            assert len(bench.far_end.of(EventKind.HELP_REQUESTED)) == 1
            assert not second.outbox.pending
            point.press()
            (other,) = point.adverts(10**9)
            say(bench, point, other)
            await bench.clock.sleep(2.0)
        assert len({e.key for e in bench.far_end.of(EventKind.HELP_REQUESTED)}) == 2

    bench.clock.run(main())


def test_a_press_that_may_be_a_copy_pages_and_says_so(bench, make_home):
    config = sensor_config()
    point = RoomSensor(SensorKind.CALL_POINT, config, counter=900)

    async def main():
        async with bench.running(bench.gateway(config=make_home(config))):
            await live(bench, [point], 5)
            say(bench, point, point.packet())
            await bench.clock.sleep(MINUTE_S)
            point.change_battery()
            point.press()
            await live(bench, [point], 3)
            (event,) = bench.far_end.of(EventKind.HELP_REQUESTED)
            assert event.device == "sensor-1"
            assert "may be a copy" in event.detail
            (fault,) = bench.far_end.faults(FaultCause.ADVERT_REPLAYED)
            assert (fault.device, fault.zone) == ("sensor-1", "corridor-2f")
            assert "enrol it anew" in fault.detail
            # Whoever has seen to the battery enrols it anew.
            anew = msgspec.structs.replace(config, enrolled_us=1)
            config_2 = make_home(anew, revision=2)
            topic = topics.build("demo", "gateway-a", "config")
            bench.broker.publish(topic, wire.encode(config_2))
            await bench.clock.sleep(10.0)
            _, cleared = bench.far_end.faults(FaultCause.ADVERT_REPLAYED)
            assert cleared.kind is EventKind.FAULT_CLEARED
            point.press()
            await live(bench, [point], 3)
            assert len(bench.far_end.of(EventKind.HELP_REQUESTED)) == 2
            assert len(bench.far_end.faults(FaultCause.ADVERT_REPLAYED)) == 2

    bench.clock.run(main())


def test_recorded_adverts_open_no_door_also_after_a_restart(bench, make_home):
    config = sensor_config()
    door = RoomSensor(SensorKind.DOOR, config)

    async def main():
        gateway = bench.gateway(config=make_home(config))
        door.set(Quantity.OPENING, 1)
        (recorded,) = door.adverts(0)
        async with bench.running(gateway):
            say(bench, door, recorded)
            for _ in range(20):
                say(bench, door, door.packet())
                await bench.clock.sleep(1.0)
            door.values[Quantity.OPENING] = 0
            say(bench, door, door.packet())
            await bench.clock.sleep(30.0)
            say(bench, door, recorded)
            await bench.clock.sleep(1.0)
            said = gateway.sensors.board.state("sensor-1").said
            assert said[Quantity.OPENING].value == 0
            assert len(bench.far_end.faults(FaultCause.ADVERT_REPLAYED)) == 1
        gateway = bench.gateway(config=make_home(config))
        async with bench.running(gateway):
            say(bench, door, recorded)
            await bench.clock.sleep(1.0)
            assert gateway.sensors.board.state("sensor-1").said == {}
            # The true one goes on; nothing more is refused, and ten minutes later it is believed.
            for _ in range(70):
                say(bench, door, door.packet())
                await bench.clock.sleep(10.0)
        _, cleared = bench.far_end.faults(FaultCause.ADVERT_REPLAYED)
        assert "believed again" in cleared.detail

    bench.clock.run(main())


def test_a_sensor_that_lost_its_key_is_refused_and_told(bench, make_home):
    config = sensor_config()
    point = RoomSensor(SensorKind.CALL_POINT, config)

    async def main():
        async with bench.running(bench.gateway(config=make_home(config))):
            await live(bench, [point], 2)
            point.lost_key = True
            point.press()
            await live(bench, [point], 5)
            assert bench.far_end.of(EventKind.HELP_REQUESTED) == []
            (fault,) = bench.far_end.faults(FaultCause.ADVERT_UNENCRYPTED)
            assert fault.device == "sensor-1"
            point.lost_key = False
            for _ in range(70):
                say(bench, point, point.packet())
                await bench.clock.sleep(10.0)
            assert len(bench.far_end.faults(FaultCause.ADVERT_UNENCRYPTED)) == 2

    bench.clock.run(main())


def test_a_sensor_whose_key_is_wrong_is_a_fault(bench, make_home):
    point = RoomSensor(SensorKind.CALL_POINT, sensor_config(key="00" * 16))

    async def main():
        async with bench.running(bench.gateway(config=make_home(sensor_config()))):
            for _ in range(2):
                point.press()
                await live(bench, [point], 4)
            (fault,) = bench.far_end.faults(FaultCause.PACKET_REJECTED)
            assert "does not decrypt" in fault.detail

    bench.clock.run(main())


def test_a_sensor_that_falls_silent_is_missed_and_one_that_was_never_heard(bench, make_home):
    configs = [sensor_config(1), sensor_config(2)]
    climate = RoomSensor(SensorKind.CLIMATE, configs[0])

    async def main():
        async with bench.running(bench.gateway(config=make_home(*configs))):
            for _ in range(10):
                say(bench, climate, climate.packet())
                await bench.clock.sleep(MINUTE_S)
            await bench.clock.sleep(25 * MINUTE_S)
            assert bench.far_end.faults(FaultCause.SENSOR_NOT_HEARD) == []
            await bench.clock.sleep(27 * MINUTE_S)
            faults = bench.far_end.faults(FaultCause.SENSOR_NOT_HEARD)
            assert [each.device for each in faults] == ["sensor-1", "sensor-2"]
            assert "30 min; usually it speaks each 1 min" in faults[0].detail
            say(bench, climate, climate.packet())
            await bench.clock.sleep(10.0)
            *_, cleared = bench.far_end.faults(FaultCause.SENSOR_NOT_HEARD)
            assert (cleared.kind, cleared.device) == (EventKind.FAULT_CLEARED, "sensor-1")

    bench.clock.run(main())


MINUTE_NS = MINUTE_S * 10**9
HOUR_NS = HOUR_S * 10**9


def habit_of(*bursts: tuple[int, int]) -> Habit:
    """So many bursts at such distances."""
    habit, at_ns = Habit(), 0
    habit.hear(at_ns)
    for count, every_ns in bursts:
        for _ in range(count):
            at_ns += every_ns
            for _ in range(3):
                habit.hear(at_ns)
    return habit


@pytest.mark.parametrize(
    ("bursts", "said", "limit_ns"),
    [
        ((), set(), 24 * HOUR_NS),
        ((), {Quantity.BATTERY_PERCENT}, 24 * HOUR_NS),
        ((), {Quantity.OPENING, Quantity.BATTERY_PERCENT}, 12 * HOUR_NS),
        ((), {Quantity.OPENING, Quantity.TEMPERATURE_C}, 30 * MINUTE_NS),
        (((5, HOUR_NS),), {Quantity.TEMPERATURE_C}, 3 * HOUR_NS),
        # A busy day says nothing of the night.
        (((900, MINUTE_NS),), {Quantity.OPENING}, 12 * HOUR_NS),
        (((1_500, MINUTE_NS),), {Quantity.OPENING}, 30 * MINUTE_NS),
        (((9_000, 10**10),), {Quantity.OPENING}, 30 * MINUTE_NS),
        (((40, HOUR_NS),), {Quantity.OPENING}, 3 * HOUR_NS),
        (((900, MINUTE_NS), (1, 9 * HOUR_NS), (1, MINUTE_NS)), set(), 27 * HOUR_NS),
        (((1, 6 * HOUR_NS), (30_000, MINUTE_NS)), {Quantity.OPENING}, 2 * HOUR_NS),
        (((1, 90 * HOUR_NS), (60_000, MINUTE_NS)), {Quantity.OPENING}, 4 * HOUR_NS),
    ],
)
def test_a_sensor_may_be_silent_by_what_it_says_and_then_by_its_habit(bursts, said, limit_ns):
    assert Habit().limit_ns(set()) == HOUR_NS
    expected_ns = min(limit_ns, 24 * HOUR_NS)
    assert habit_of(*bursts).limit_ns(said) == pytest.approx(expected_ns, rel=0.2)


def test_the_lead_alone_says_that_a_sensor_is_not_heard(bench, make_home):
    config = sensor_config()

    async def main():
        async with bench.running(bench.gateway(config=make_home(config), priority=200)):
            for sequence in range(920):  # gateway-b leads
                await tell_neighbour(bench, {}, sequence + 1)
                await bench.clock.sleep(4.0)
            assert bench.far_end.faults(FaultCause.SENSOR_NOT_HEARD) == []
            await bench.clock.sleep(20.0)
            assert len(bench.far_end.faults(FaultCause.SENSOR_NOT_HEARD)) == 1

    bench.clock.run(main())


def test_what_a_neighbour_hears_is_not_missed(bench, make_home):
    config = sensor_config()

    async def main():
        async with bench.running(bench.gateway(config=make_home(config))):
            for minute in range(65):
                await tell_neighbour(bench, {"sensor-1": -70.0} if minute % 20 == 0 else {}, minute)
                await bench.clock.sleep(MINUTE_S)
            assert bench.far_end.faults(FaultCause.SENSOR_NOT_HEARD) == []

    bench.clock.run(main())


def test_a_low_battery_is_told_until_it_is_changed(bench, make_home):
    config = sensor_config()
    point = RoomSensor(SensorKind.CALL_POINT, config)

    async def main():
        async with bench.running(bench.gateway(config=make_home(config))):
            for percent in (40, 15, 20, 100):
                point.battery_percent = percent
                say(bench, point, point.packet())
                await bench.clock.sleep(10.0)
        raised, cleared = bench.far_end.faults(FaultCause.BATTERY_LOW)
        assert (raised.kind, cleared.kind) == (EventKind.FAULT, EventKind.FAULT_CLEARED)
        assert "15 %" in raised.detail

    bench.clock.run(main())


def test_a_sensor_that_cannot_be_used_costs_nobody_else(bench, make_home):
    bad = [
        sensor_config(1, kind="nonsense"),
        sensor_config(2, key="not a key"),
        sensor_config(3),
    ]
    point = RoomSensor(SensorKind.CALL_POINT, bad[2])

    async def main():
        async with bench.running(bench.gateway(config=make_home(*bad))):
            await bench.clock.sleep(10.0)
            faults = {
                each.device: each for each in bench.far_end.faults(FaultCause.CONFIG_REJECTED)
            }
            assert set(faults) == {"sensor-1", "sensor-2"}
            assert "nonsense" in faults["sensor-1"].detail
            assert "not a key" not in faults["sensor-2"].detail
            point.press()
            await live(bench, [point], 2)
            assert len(bench.far_end.of(EventKind.HELP_REQUESTED)) == 1
            topic = topics.build("demo", "gateway-a", "config")
            bench.broker.publish(topic, wire.encode(make_home(bad[2], revision=2)))
            await bench.clock.sleep(20.0)
            assert len(bench.far_end.faults(FaultCause.CONFIG_REJECTED)) == 4

    bench.clock.run(main())


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"device": "sensor-1"}, "device sensor-1"),
        ({"address": "A4:C1:38:00:00:01"}, "address A4"),
        ({"device": "wearable-1"}, "device wearable-1"),
        ({"address": "C0:DE:00:00:00:01"}, "address C0"),
        ({"zone": "2/F"}, "zone of sensor-2"),
        ({"device": "Sensor 2"}, "device"),
    ],
)
def test_two_that_cannot_be_told_apart_are_no_configuration(make_home, changes, reason):
    with pytest.raises(RejectedConfigError, match=reason):
        check_config(make_home(sensor_config(1), sensor_config(2, **changes)), "demo")


def test_changes_of_state_are_kept_for_whoever_asks(bench, make_home):
    configs = [sensor_config(1), sensor_config(2)]
    motion = RoomSensor(SensorKind.MOTION, configs[0])
    bed = RoomSensor(SensorKind.BED, configs[1])

    async def main():
        gateway = bench.gateway(config=make_home(*configs))
        board = gateway.sensors.board
        async with bench.running(gateway):
            for sensor, quantity, value in (
                (bed, Quantity.OCCUPIED, 1),
                (bed, Quantity.OCCUPIED, 1),
                (bed, Quantity.OCCUPIED, 0),
                (motion, Quantity.MOTION, 1),
                (motion, Quantity.MOTION, 1),
            ):
                sensor.values[quantity] = value
                say(bench, sensor, sensor.packet())
                await bench.clock.sleep(10.0)
            await bench.clock.sleep(60.0)
            say(bench, motion, motion.packet())
            await bench.clock.sleep(1.0)
            changes = [(c.quantity.value, c.before, c.value) for c in board.changes_after(0)]
            assert changes == [
                ("occupied", None, 1),
                ("occupied", 1, 0),
                ("motion", None, 1),
                ("motion", 0, 1),
            ]
            assert board.changes_after(board.latest_change) == []
            said = board.state("sensor-2").said[Quantity.OCCUPIED]
            assert said.value == 0
            assert board.state("sensor-9") is None

    bench.clock.run(main())


def test_a_stranger_is_not_looked_at(bench, make_home):
    stranger = sensor_config(9, key=None)

    async def main():
        gateway = bench.gateway(config=make_home(sensor_config()))
        async with bench.running(gateway):
            data = plain(encode_objects([(Quantity.PRESS, 1)], 1))
            bench.radio.hear_service(stranger.address, SERVICE_UUID, data)
            await bench.clock.sleep(1.0)
            assert bench.far_end.of(EventKind.HELP_REQUESTED) == []
            assert gateway.counts["adverts_foreign"] == 1

    bench.clock.run(main())


def points(bench):
    return [point for batch in bench.far_end.batches for point in batch.sensors]


def test_what_sensors_say_is_telemetry_at_each_change_and_once_a_minute(bench, make_home):
    configs = [sensor_config(1), sensor_config(2, zone="room-211", resident="resident-1")]
    motion = RoomSensor(SensorKind.MOTION, configs[0])
    bed = RoomSensor(SensorKind.BED, configs[1])

    async def main():
        async with bench.running(bench.gateway(config=make_home(*configs))):
            await bench.clock.sleep(20.0)
            start_us = bench.clock.now_ns() // 1000
            for second in range(300):
                if second == 100:
                    bed.values[Quantity.OCCUPIED] = 1.0
                if second in (150, 160, 250):
                    motion.values[Quantity.MOTION] = 1.0
                    say(bench, motion, motion.packet())
                if second == 101:
                    # It is stored within seconds of the change.
                    say(bench, bed, bed.packet())
                    await bench.clock.sleep(4.0)
                    assert points(bench)[-1].changed == "occupied"
                elif second % 5 == 0:
                    say(bench, bed, bed.packet())
                await bench.clock.sleep(1.0)
            await bench.clock.sleep(15.0)
        beds = [each for each in points(bench) if each.device == "sensor-2"]
        assert {(each.zone, each.resident) for each in beds} == {("room-211", "resident-1")}
        assert [each.occupied for each in beds if each.changed] == [True]
        minutes = [each for each in beds if each.changed is None]
        assert len(minutes) == 6
        assert [each.occupied for each in minutes] == [False, False, True, True, True, True]
        assert minutes[0].battery_percent == 90
        moved = [each for each in points(bench) if each.device == "sensor-1"]
        # What was unknown before is no change; what goes on is none either.
        seconds = [(each.at_us - start_us) // 10**6 for each in moved if each.changed]
        assert len(seconds) == 1
        assert 250 <= seconds[0] <= 256

    bench.clock.run(main())


def test_a_sensor_that_a_neighbour_hears_better_is_reported_there(bench, make_home):
    config = sensor_config()
    door = RoomSensor(SensorKind.DOOR, config)

    async def main():
        async with bench.running(bench.gateway(config=make_home(config))):
            for second in range(40):
                if second % 2:
                    door.values[Quantity.OPENING] = float(second % 4 == 1)
                    say(bench, door, door.packet())
                await tell_neighbour(bench, {"sensor-1": -40.0} if second > 20 else {}, second + 1)
                await bench.clock.sleep(1.0)
            told = points(bench)
            await bench.clock.sleep(15.0)
            assert points(bench) == told
        assert len([each for each in told if each.changed]) in range(8, 12)

    bench.clock.run(main())


def test_a_press_is_telemetry_too(bench, make_home):
    config = sensor_config()
    point = RoomSensor(SensorKind.CALL_POINT, config)

    async def main():
        async with bench.running(bench.gateway(config=make_home(config))):
            point.press(3)
            await live(bench, [point], 5)
        (told,) = [each for each in points(bench) if each.changed]
        assert (told.changed, told.press) == ("press", 3)

    bench.clock.run(main())


def test_of_batches_that_find_no_space_changes_are_kept():
    changed = SensorPoint(at_us=1, device="a", zone="b", changed="opening", opening=True)
    minute = SensorPoint(at_us=2, device="a", zone="b", opening=True)
    batch = TelemetryBatch(
        schema=1, home="demo", gateway="g", session="s", sequence=1, boot="b", clock="synced",
        sent_at_us=0, points=[], sensors=[minute, changed, minute],
    )  # fmt: skip
    assert thinned(batch).sensors == [changed]
