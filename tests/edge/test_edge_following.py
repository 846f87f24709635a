"""Where everybody is, in a home with several gateways that run."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from itertools import pairwise

import msgspec
import numpy as np
import pytest

from contract import topics, wire
from contract.advert import COMPANY_ID
from contract.devices import Quantity
from contract.events import EventKind, FaultCause
from contract.messages import Presence, ReceiverConfig, SensorConfig
from contract.protocols import HeardAdvert
from contract.whereabouts import WHEREABOUTS_S, Whereabouts, ZoneConfig, ZoneUse
from detectors.room_model import UNKNOWN
from detectors.whereabouts_scene import NO_DOOR
from edge.configuration import RejectedConfigError, check_config
from edge.decode.bthome import SERVICE_UUID
from firmware_sim.room_sensors import RoomSensor, SensorKind
from messaging import LocalBus

PLAN = [
    ZoneConfig(zone="room-211", use=ZoneUse.BEDROOM, next_to=["corridor"]),
    ZoneConfig(zone="corridor", use=ZoneUse.CORRIDOR, next_to=["entrance", "lounge"]),
    ZoneConfig(zone="entrance", use=ZoneUse.EXIT),
    ZoneConfig(zone="lounge", use=ZoneUse.COMMON),
]
STANDS_IN = {"gateway-a": "room-211", "gateway-b": "entrance"}
NEAR_DBM, FAR_DBM = -62, -88


class Home:
    """Gateways with a radio each; people are near one of them."""

    def __init__(self, bench, make_config, make_advert, *wearables, **changes) -> None:
        self.bench = bench
        self.advert = make_advert
        given = {"zones": PLAN, "gateway_zones": STANDS_IN, "sensors": [], **changes}
        self.config = make_config(*wearables, **given)
        self.radios = {name: type(bench.radio)(bench.clock) for name in STANDS_IN}
        self.heard: list[tuple[float, str, msgspec.Struct]] = []
        self.second = 100

    def gateway(self, name: str, priority: int = 100):
        config = msgspec.structs.replace(self.config, zone=STANDS_IN[name])
        return self.bench.gateway(name, radio=self.radios[name], config=config, priority=priority)

    @asynccontextmanager
    async def running(self, *gateways):
        bus = LocalBus(self.bench.broker, "listener", self.bench.clock)
        filters = [topics.build("demo", "+", each) for each in ("presence", "whereabouts")]
        async with self.bench.running(*gateways):
            listening = asyncio.create_task(bus.run(filters, self._take))
            yield
            listening.cancel()

    async def _take(self, messages) -> None:
        for each in messages:
            branch = topics.parse(each.topic).branch
            kind = Presence if branch == topics.PRESENCE else Whereabouts
            at_s = self.bench.clock.monotonic_ns() / 1e9
            self.heard.append((at_s, branch, wire.decode(each.payload, kind)))

    def of(self, kind):
        return [each for _, _, each in self.heard if isinstance(each, kind)]

    async def live(self, seconds: int, near: str | None, number: int = 1, **changes) -> None:
        """A second each: strong at one gateway, weak at the others; near nobody: unheard."""
        address = f"C0:DE:00:00:00:{number:02X}"
        for _ in range(seconds):
            self.second += 1
            data = self.advert(self.second, identity=number, deviation_g=0.1, **changes)
            for name, radio in self.radios.items():
                if near is not None:
                    fading = self.second * 7 % 5 - 2  # one that never fades is stuck
                    radio.hear(address, data, (NEAR_DBM if name == near else FAR_DBM) + fading)
            await self.bench.clock.sleep(1.0)


@pytest.fixture
def make_rooms(bench, make_config, make_advert):
    return lambda *wearables, **changes: Home(
        bench, make_config, make_advert, *wearables, **changes
    )


def places(gateway) -> dict[str, str | None]:
    """Zone of each resident's wearable, as its events would be told with."""
    return {each.device: gateway.following.places.zone_of(each) for each in gateway.roster}


def test_two_gateways_agree_on_where_she_is_and_the_lead_tells(make_rooms):
    home = make_rooms()
    clock = home.bench.clock

    async def main():
        one, other = home.gateway("gateway-a"), home.gateway("gateway-b")
        async with home.running(one, other):
            await home.live(20, "gateway-a")
            assert places(one) == places(other) == {"wearable-1": "room-211"}
            await home.live(20, "gateway-b")
            assert places(one) == places(other) == {"wearable-1": "entrance"}
            walked_s = clock.monotonic_ns() / 1e9 - 20
        told = [(at_s, each) for at_s, branch, each in home.heard if branch == topics.WHEREABOUTS]
        assert {each.gateway for _, each in told} == {"gateway-a"}
        at_s, first = next(
            (at_s, each) for at_s, each in told if each.places["resident-1"].zone == "entrance"
        )
        assert at_s - walked_s < 15
        assert abs(first.places["resident-1"].since_us - clock.now_ns() // 1000 + 20e6) < 8e6
        gaps = [later - earlier for (earlier, _), (later, _) in pairwise(told)]
        assert max(gaps) < WHEREABOUTS_S + 1.5
        assert len(told) < 10

    clock.run(main())


def test_events_and_telemetry_name_her_place_and_not_where_the_gateway_stands(make_rooms):
    home = make_rooms()

    async def main():
        # Only gateway-b connects to the far end's eyes here: it hears her weakly, and presses.
        one, other = home.gateway("gateway-a"), home.gateway("gateway-b")
        async with home.running(one, other):
            await home.live(25, "gateway-a")
            await home.live(2, "gateway-a", button_counter=1, button_pending=True)
            await home.live(15, "gateway-a", button_counter=1)
        pressed = home.bench.far_end.of(EventKind.HELP_REQUESTED)
        assert {each.gateway for each in pressed} == {"gateway-a", "gateway-b"}
        assert {each.zone for each in pressed} == {"room-211"}
        points = [each for batch in home.bench.far_end.batches for each in batch.points]
        assert {each.zone for each in points[-5:]} == {"room-211"}

    home.bench.clock.run(main())


def test_whoever_leads_next_goes_on_and_a_gateway_that_is_gone_owns_a_room_nobody_knows(
    make_rooms, stop_tasks
):
    home = make_rooms()
    clock = home.bench.clock

    async def main():
        one, other = home.gateway("gateway-a", priority=1), home.gateway("gateway-b")
        async with home.running(other):
            dying = asyncio.create_task(one.run())
            await home.live(20, "gateway-b")
            assert {each.gateway for each in home.of(Whereabouts)} == {"gateway-a"}
            home.heard.clear()
            died_s = clock.monotonic_ns() / 1e9
            await stop_tasks([dying])
            await home.live(12, "gateway-b")
            assert places(other) == {"wearable-1": "entrance"}
            took_over_s, _, first = next(
                each for each in home.heard if isinstance(each[2], Whereabouts)
            )
            assert took_over_s - died_s < 10
            assert first.places["resident-1"].zone == "entrance"
            assert other.following.alive == {"gateway-a": False, "gateway-b": True}
            await home.live(20, "gateway-a")  # weak at the one that lives
            assert places(other)["wearable-1"] != "room-211"

    clock.run(main())


def test_whose_rounds_stand_still_says_of_nobody_that_she_is_still_there(make_rooms):
    home = make_rooms()

    async def main():
        gateway = home.gateway("gateway-a")
        async with home.running(gateway):
            await home.live(15, "gateway-a")
            assert home.of(Whereabouts)
            gateway.telemetry.flush = lambda _: asyncio.Event().wait()
            await home.live(8, "gateway-a")
            home.heard.clear()
            await home.live(15, None)
            assert home.of(Presence)
            assert home.of(Whereabouts) == []

    home.bench.clock.run(main())


def test_a_gateway_that_is_cut_off_goes_on_alone_with_what_it_hears(make_rooms):
    home = make_rooms()

    async def main():
        gateway = home.gateway("gateway-b")
        async with home.running(home.gateway("gateway-a"), gateway):
            await home.live(20, "gateway-b")
            home.bench.broker.stop()
            await home.live(60, "gateway-b")
            assert gateway.following.alive == {"gateway-a": False, "gateway-b": True}
            assert places(gateway) == {"wearable-1": "entrance"}
            scene = gateway.following.tick(home.bench.clock.monotonic_ns() + 1_000_000_000)
            assert scene.covered.tolist() == [False, True, True, True]
            home.bench.broker.start()

    home.bench.clock.run(main())


def test_presence_that_is_lost_for_three_seconds_makes_nobody_unknown(make_rooms):
    home = make_rooms()

    async def main():
        gateway = home.gateway("gateway-b")
        heard, lost = gateway.following.hear, []

        def lossy(presence):
            if lost:
                lost.pop()
            else:
                heard(presence)

        gateway.following.hear = lossy
        async with home.running(home.gateway("gateway-a", priority=200), gateway):
            await home.live(20, "gateway-a")
            seen = set()
            for _ in range(4):
                lost.extend("123")
                for _ in range(6):
                    await home.live(1, "gateway-a")
                    seen.add(places(gateway)["wearable-1"])
            assert seen == {"room-211"}

    home.bench.clock.run(main())


def test_a_proxy_is_a_receiver_like_a_gateway(make_rooms):
    home = make_rooms(receivers=[ReceiverConfig(name="proxy-1", zone="lounge")])
    clock = home.bench.clock

    async def main():
        one, other = home.gateway("gateway-a"), home.gateway("gateway-b")
        async with home.running(one, other):
            for second in range(100, 125):
                # Only gateway-b takes the proxy's adverts; both know what it hears.
                data = {COMPANY_ID: home.advert(second)}
                for receiver, rssi in (("", FAR_DBM), ("proxy-1", NEAR_DBM)):
                    said = HeardAdvert(
                        "C0:DE:00:00:00:01", rssi, data, {}, clock.monotonic_ns(), receiver=receiver
                    )
                    home.radios["gateway-b"]._waiting.append([said])
                home.radios["gateway-b"]._changed.set()
                await clock.sleep(1.0)
            assert one.following.alive["proxy-1"]
            assert places(one) == places(other) == {"wearable-1": "lounge"}

    clock.run(main())


def test_without_a_plan_events_name_where_she_was_heard_as_before(make_rooms):
    home = make_rooms(zones=[], gateway_zones={})

    async def main():
        gateway = home.gateway("gateway-b")
        async with home.running(gateway):
            await home.live(15, "gateway-b")
            await home.live(2, "gateway-b", button_counter=1, button_pending=True)
            assert gateway.following.tick(home.bench.clock.monotonic_ns()) is None
        (event,) = home.bench.far_end.of(EventKind.HELP_REQUESTED)
        assert event.zone == "entrance"
        assert home.of(Whereabouts) == []

    home.bench.clock.run(main())


def test_whom_nobody_hears_is_nowhere_after_a_moment(make_rooms):
    home = make_rooms()

    async def main():
        gateway = home.gateway("gateway-b")
        async with home.running(gateway):
            await home.live(20, "gateway-b")
            await home.live(25, None)
            assert places(gateway) == {"wearable-1": None}
            scene = gateway.following.tick(home.bench.clock.monotonic_ns() + 1_000_000_000)
            assert 20 <= scene.heard_s[0] <= 28
            assert scene.covered[2]  # the receiver works: it has lost her, not its ears

    home.bench.clock.run(main())


def test_an_enrolment_loses_nobody_and_a_new_plan_begins_anew(
    make_rooms, make_config, make_wearable
):
    home = make_rooms()
    given = {"zones": PLAN, "gateway_zones": STANDS_IN}

    async def main():
        gateway = home.gateway("gateway-b", priority=1)
        async with home.running(home.gateway("gateway-a"), gateway):
            await home.live(20, "gateway-b")
            two = make_config(make_wearable(2), make_wearable(1), revision=2, **given)
            gateway._apply_config(two)
            assert gateway.following.rows.devices.index("wearable-1") == 1
            await home.live(2, "gateway-b")
            assert places(gateway) == {"wearable-2": None, "wearable-1": "entrance"}
            given["zones"] = PLAN[1:]
            gateway._apply_config(make_config(make_wearable(1), revision=3, **given))
            assert places(gateway) == {"wearable-1": None}
            await home.live(15, "gateway-b")
            assert places(gateway) == {"wearable-1": "entrance"}

    home.bench.clock.run(main())


def test_a_door_and_a_bed_are_in_the_second_in_which_they_were_heard(make_rooms):
    door = SensorConfig(device="door", address="A4:C1:38:00:00:01", zone="entrance")
    bed = SensorConfig(
        device="bed", address="A4:C1:38:00:00:02", zone="room-211", resident="resident-1"
    )
    home = make_rooms(sensors=[door, bed])
    radio = home.radios["gateway-a"]

    def say(sensor: SensorConfig, quantity: Quantity, value: float) -> None:
        made = RoomSensor(SensorKind.CALL_POINT, sensor)
        radio.hear_service(sensor.address, SERVICE_UUID, made.packet([(quantity, value)]))

    async def main():
        gateway = home.gateway("gateway-b")
        scenes = []
        tick = gateway.following.tick

        def remember(now_ns):
            scenes.append(tick(now_ns))
            return scenes[-1]

        gateway.following.tick = remember
        # What gateway-a hears is told to gateway-b.
        async with home.running(home.gateway("gateway-a"), gateway):
            say(door, Quantity.OPENING, 0.0)
            say(bed, Quantity.OCCUPIED, 1.0)
            await home.bench.clock.sleep(5.0)
            say(door, Quantity.OPENING, 1.0)
            opened = gateway.time.grid_now_ns() // 1_000_000_000
            await home.bench.clock.sleep(10.0)
        known = [each for each in scenes if each is not None]
        assert gateway.following.rows.doors == ("door",)
        for movement_g, zone in ((0.01, 0), (np.nan, 0), (0.15, UNKNOWN)):
            moves = np.array([movement_g], np.float32)
            assert gateway.following._lies_in(moves).tolist() == [zone]
        assert known[-1].door_open.tolist() == [1]
        assert known[-1].in_bed.tolist() == [1]
        assert known[0].in_bed.tolist() == [-1]
        (found,) = [each.second for each in known if each.door_opened[0]]
        assert found == opened
        assert [each.second for each in known] == list(range(known[0].second, known[-1].second + 1))

    home.bench.clock.run(main())


@pytest.mark.parametrize(("is_open", "found"), [(0.0, "entrance"), (1.0, "lobby")])
def test_nobody_is_told_to_be_in_a_lobby_whose_door_is_shut(make_rooms, is_open, found):
    """For some seconds the gateway in it hears her best: then she is in front of the door."""
    door = SensorConfig(device="door", address="A4:C1:38:00:00:01", zone="entrance")
    lobby = ZoneConfig(zone="lobby", use=ZoneUse.EXIT, next_to=["entrance"])
    standing = {"gateway-a": "room-211", "gateway-b": "lobby"}
    home = make_rooms(zones=[*PLAN, lobby], sensors=[door], gateway_zones=standing)
    made = RoomSensor(SensorKind.DOOR, door)

    async def main():
        gateway = home.gateway("gateway-b")
        async with home.running(home.gateway("gateway-a"), gateway):
            packet = made.packet([(Quantity.OPENING, is_open)])
            home.radios["gateway-b"].hear_service(door.address, SERVICE_UUID, packet)
            await home.live(40, "gateway-a")
            await home.live(15, "gateway-b")
        assert places(gateway)["wearable-1"] == found

    home.bench.clock.run(main())


def test_a_door_that_only_a_gateway_without_a_place_hears_opens_all_the_same(make_rooms):
    """It was plugged in and stands in no settings yet."""
    door = SensorConfig(device="door", address="A4:C1:38:00:00:01", zone="entrance")
    eye = SensorConfig(device="eye", address="A4:C1:38:00:00:03", zone="entrance")
    home = make_rooms(sensors=[door, eye], gateway_zones={"gateway-b": "entrance"})

    async def main():
        gateway = home.gateway("gateway-b")

        async def say(sensor: SensorConfig, kind: SensorKind, quantity: Quantity, value: float):
            packet = RoomSensor(kind, sensor).packet([(quantity, value)])
            home.radios["gateway-a"].hear_service(sensor.address, SERVICE_UUID, packet)
            await home.live(4, "gateway-a")
            scene = gateway.following.tick(home.bench.clock.monotonic_ns() + 1_000_000_000)
            return scene.door_open.tolist()

        async with home.running(home.gateway("gateway-a"), gateway):
            assert await say(door, SensorKind.DOOR, Quantity.OPENING, 0.0) == [0, UNKNOWN]
            assert await say(door, SensorKind.DOOR, Quantity.OPENING, 1.0) == [1, UNKNOWN]
            # What says that something moves, and never that it is open, is no contact.
            assert await say(eye, SensorKind.MOTION, Quantity.MOTION, 0.0) == [1, NO_DOOR]
            assert gateway.following.alive == {"gateway-b": True}

    home.bench.clock.run(main())


def test_a_message_of_a_home_of_sixty_is_small(bench, make_rooms, make_wearable):
    wearables = [make_wearable(number) for number in range(1, 61)]
    proxies = [ReceiverConfig(name=f"proxy-{number}", zone="lounge") for number in (1, 2)]
    home = make_rooms(*wearables, receivers=proxies)
    sizes = []

    async def main():
        gateway = home.gateway("gateway-b")
        async with home.running(gateway):
            for second in range(100, 103):
                for number in range(1, 61):
                    data = {COMPANY_ID: home.advert(second, identity=number)}
                    for receiver in ("", "proxy-1", "proxy-2"):
                        address = f"C0:DE:00:00:00:{number:02X}"
                        at_ns = bench.clock.monotonic_ns()
                        said = HeardAdvert(address, -70, data, {}, at_ns, receiver=receiver)
                        home.radios["gateway-b"]._waiting.append([said])
                home.radios["gateway-b"]._changed.set()
                await bench.clock.sleep(1.0)
        sizes.extend(len(wire.encode(each)) for each in home.of(Presence))

    bench.clock.run(main())
    assert 4_000 < max(sizes) < 8_000
    assert max(sizes) < wire.MAX_PAYLOAD_BYTES / 20


def test_a_receiver_that_repeats_itself_is_a_fault_of_the_leads_and_its_zone_unknown(make_rooms):
    home = make_rooms()

    async def main():
        one, other = home.gateway("gateway-a"), home.gateway("gateway-b")
        async with home.running(one, other):
            await home.live(20, "gateway-b")
            for second in range(300, 400):
                data = home.advert(second, deviation_g=0.1)
                home.radios["gateway-a"].hear("C0:DE:00:00:00:01", data, -50)
                home.radios["gateway-b"].hear("C0:DE:00:00:00:01", data, FAR_DBM + second % 3)
                await home.bench.clock.sleep(1.0)
            assert other.following.stuck == {"gateway-a": "room-211"}
            assert places(other) != {"wearable-1": "room-211"}
            (fault,) = home.bench.far_end.faults(FaultCause.RECEIVER_STUCK)
            assert (fault.gateway, fault.device) == ("gateway-a", "gateway-a/gateway-a")
            assert fault.zone == "room-211"
            home.second = 500
            await home.live(90, "gateway-a")
            kinds = [each.kind for each in home.bench.far_end.faults(FaultCause.RECEIVER_STUCK)]
            assert kinds == [EventKind.FAULT, EventKind.FAULT_CLEARED]

    home.bench.clock.run(main())


def test_a_calibration_that_cannot_be_read_is_a_fault_and_the_plan_goes_on(make_rooms):
    home = make_rooms(rooms="this is none")

    async def main():
        gateway = home.gateway("gateway-b")
        async with home.running(home.gateway("gateway-a"), gateway):
            await home.live(20, "gateway-b")
            assert places(gateway) == {"wearable-1": "entrance"}
            (fault,) = home.bench.far_end.faults(FaultCause.CONFIG_REJECTED)
            assert (fault.gateway, fault.device) == ("gateway-a", "gateway-a/rooms")

    home.bench.clock.run(main())


@pytest.mark.parametrize(
    "zones",
    [[*PLAN, ZoneConfig(zone="lounge")], [ZoneConfig(zone="Upper Case")]],
    ids=["two of one name", "a name that is none"],
)
def test_a_plan_that_is_not_clear_is_rejected(make_config, zones):
    with pytest.raises(RejectedConfigError):
        check_config(make_config(zones=zones), "demo")


ODD = {
    "nobody lives there": {"wearables": []},
    "one zone": {"zones": PLAN[:1], "gateway_zones": {"gateway-b": "room-211"}},
    "a zone that no way leads to": {"zones": [*PLAN, ZoneConfig(zone="attic")]},
    "neighbours that are none": {"zones": [ZoneConfig(zone="hall", next_to=["cellar", "hall"])]},
    "nobody knows where anything is": {
        "gateway_zones": {"gateway-c": "nowhere"},
        "receivers": [
            ReceiverConfig(name="proxy-1", zone="nowhere"),
            ReceiverConfig(name="gateway-c", zone="lounge"),
        ],
        "sensors": [SensorConfig(device="pir", address="A4:C1:38:00:00:09", zone="nowhere")],
    },
}


@pytest.mark.parametrize("changes", ODD.values(), ids=ODD)
def test_an_odd_home_is_followed_as_far_as_it_goes(make_rooms, changes):
    home = make_rooms()
    home.config = msgspec.structs.replace(home.config, **changes)

    async def main():
        gateway = home.gateway("gateway-b")
        async with home.running(gateway):
            await home.live(12, "gateway-b")
            scene = gateway.following.tick(home.bench.clock.monotonic_ns() + 1_000_000_000)
            assert scene.belief.shape == (len(scene.zone), len(home.config.zones))
            assert np.isfinite(scene.belief).all()
            assert scene.covered.shape == (len(home.config.zones),)

    home.bench.clock.run(main())


def test_after_a_standstill_seconds_are_made_up_for_and_after_a_long_one_are_not(make_rooms):
    home = make_rooms()

    async def main():
        gateway = home.gateway("gateway-b")
        async with home.running(gateway):
            await home.live(8, "gateway-b")
            following, now_ns = gateway.following, home.bench.clock.monotonic_ns()
            find, seen = following._find, []

            def remember(*given):
                seen.append(given[-1])
                return find(*given)

            following._find = remember
            done = following._done
            assert following.tick(now_ns + 4_000_000_000).second == done + len(seen)
            assert seen == list(range(done + 1, done + len(seen) + 1))
            assert len(seen) in {4, 5}
            seen.clear()
            assert following.tick(now_ns + 60_000_000_000) is not None
            assert len(seen) == 1
            assert following.tick(now_ns + 60_000_000_000) is None

    home.bench.clock.run(main())
