"""Seconds of several gateways on one grid, and the happenings that several of them have heard."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contract.clock import VirtualClock
from contract.devices import Quantity
from contract.messages import MESSAGE_SCHEMA, GatewayConfig, Presence, SensorConfig
from contract.protocols import HeardAdvert
from contract.whereabouts import SensorChange
from edge.counters import Counts
from edge.decode import Registry
from edge.sensors import Change, SensorBoard
from edge.shared_air import HELD_S, LATENESS_S, Second, SharedAir
from edge.shared_sensors import SharedSensors, active, is_seen
from edge.strengths import BUSY_DEVICES, DEAF_NS, QUIET_NS, Hearing, SecondMeans
from edge.timebase import SessionTime

S = 1_000_000_000
OPENING, MOTION = Quantity.OPENING.value, Quantity.MOTION.value


# -- strengths -------------------------------------------------------------------------------------


def test_a_second_is_the_mean_of_its_adverts_for_each_receiver():
    means = SecondMeans()
    for receiver, rssi_dbm in (("", -60), ("", -63), ("hall", -80), ("", 127), ("hall", -127)):
        means.add(receiver, rssi_dbm)
    assert means.take() == {"": -61.5, "hall": -80.0}
    assert means.take() == {}


def heard(receiver: str, address: str = "AA:AA:AA:AA:AA:AA") -> HeardAdvert:
    return HeardAdvert(address, -70, {}, {}, 0, receiver=receiver)


def test_a_receiver_that_hears_strangers_works_and_has_heard_nobody():
    hearing = Hearing()
    assert hearing.second([], S) == {}
    hearing.note([heard("")], S)
    assert hearing.second([("w-1", {"hall": -60.0})], 2 * S) == {"": {}, "hall": {"w-1": -60.0}}


@pytest.mark.parametrize(
    ("devices", "works_for_ns"), [(BUSY_DEVICES, QUIET_NS), (BUSY_DEVICES - 1, DEAF_NS)]
)
def test_a_receiver_falls_silent_sooner_than_one_device_that_left(devices, works_for_ns):
    hearing = Hearing()
    taken = [(f"w-{number}", {"": -60.0}) for number in range(devices)]
    hearing.second(taken, S)
    assert hearing.second([], S + works_for_ns) == {"": {}}
    assert hearing.second([], S + works_for_ns + 1) == {}
    hearing.note([heard("")], S + works_for_ns + 2)
    assert hearing.second([], S + works_for_ns + 2) == {"": {}}


# -- one grid --------------------------------------------------------------------------------------


def second(rssi_dbm: float) -> Second:
    return Second({"": {"w-1": rssi_dbm}}, {})


@settings(deadline=None)
@given(st.floats(0, 0.999), st.lists(st.floats(-0.3, 0.3), min_size=30, max_size=30))
def test_no_second_of_a_gateway_is_empty_or_told_twice_however_its_messages_arrive(phase, jitter):
    air = SharedAir("a")
    got = []
    for sequence, late_s in enumerate(jitter, start=1):
        arrival_ns = int((1_000 + sequence + phase + late_s) * S)
        air.put("b", "session", sequence, second(-sequence), arrival_ns)
        got.append(air.second(1_000 + sequence - LATENESS_S).strengths.get("b", {}).get("w-1"))
    known = [each for each in got if each is not None]
    steps = [earlier - later for earlier, later in pairwise(known)]
    assert len(known) >= len(jitter) - LATENESS_S - 1
    # It begins where its first message lay; what lies wrong by that is set right once.
    assert sum(step != 1 for step in steps) <= 1


def test_a_lost_message_repeats_the_second_before_and_five_lost_are_a_gateway_that_is_gone():
    air = SharedAir("a")
    air.put("b", "session", 1, second(-60), 1_000 * S + S // 2)
    for number in range(1_000, 1_000 + HELD_S):
        assert air.second(number).strengths == {"b": {"w-1": -60}}
    assert air.second(1_000 + HELD_S).strengths == {}
    air.put("b", "other", 1, second(-70), 1_007 * S + S // 2)
    assert air.second(1_007).strengths == {"b": {"w-1": -70}}


def test_what_a_gateway_hears_by_a_proxy_itself_goes_before_what_others_say_of_it():
    air = SharedAir("a")
    for gateway, rssi_dbm in (("a", -50.0), ("b", -60.0), ("c", -70.0)):
        air.put(gateway, "s", 1, Second({"hall": {"w-1": rssi_dbm}}, {"w-1": 0.1}), 10 * S)
    assert air.second(9).strengths == {"hall": {"w-1": -50.0}}
    air.forget(10)
    assert air.second(10).strengths == {}


# -- sensors ---------------------------------------------------------------------------------------


class Home:
    """A gateway's shared sensors, and a clock that a test moves on."""

    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.board = SensorBoard(Registry(), Counts())
        sensors = [
            SensorConfig(device=name, address=f"A4:C1:38:00:00:0{number}", zone="hall")
            for number, name in enumerate(("door", "pir"))
        ]
        self.board.apply(
            GatewayConfig(schema=MESSAGE_SCHEMA, home="demo", revision=1, sensors=sensors)
        )
        self.time = SessionTime(self.clock)
        self.shared = SharedSensors(self.board, self.time)
        self.begun = self.time.grid_now_ns() // S

    def at(self, seconds: float) -> int:
        return self.begun * S + int(seconds * S)

    def own(self, at_s: float, value: float, before: float | None, quantity=Quantity.OPENING):
        device = "door" if quantity is Quantity.OPENING else "pir"
        self.board.latest_change += 1
        at_ns = self.time.monotonic_ns(self.at(at_s))
        change = Change(self.board.latest_change, device, "hall", quantity, value, before, at_ns)
        self.board.changes.append(change)
        self.shared.collect()

    def other(self, at_s: float, *changes: SensorChange, gateway: str = "b", **told) -> None:
        presence = Presence(
            schema=MESSAGE_SCHEMA,
            gateway=gateway,
            session=told.pop("session", "one"),
            sequence=1,
            at_us=0,
            heard={},
            changes=list(changes),
            **told,
        )
        self.shared.hear(presence, self.at(at_s))

    def happened(self, until_s: int) -> list[tuple[int, str, float]]:
        return [
            (number, each.device, each.value)
            for number in range(until_s)
            for each in self.shared.happened(self.begun + number)
        ]


def change(number: int, value: float, age_s: float, device="door", quantity=OPENING):
    return SensorChange(
        number=number, device=device, quantity=quantity, value=value, age_ms=int(age_s * 1000)
    )


def test_a_door_that_three_gateways_hear_opens_once():
    home = Home()
    home.own(0.5, 0.0, None)
    home.own(10.2, 1.0, 0.0)
    home.other(10.9, change(4, 1.0, 0.6))
    home.other(11.9, change(4, 1.0, 1.6), change(5, 0.0, 0.1))
    home.other(12.5, change(9, 1.0, 2.1), change(10, 0.0, 0.8), gateway="c")
    assert home.happened(20) == [(10, "door", 1.0), (11, "door", 0.0)]
    assert home.shared.state("door", Quantity.OPENING) == 0.0


def test_a_change_comes_by_any_of_five_messages_and_counts_once_each_session():
    home = Home()
    home.other(0.0, states={"door": {OPENING: 0.0}})
    told = change(7, 1.0, 4.0)
    home.other(14.0, told)
    home.other(14.5, told)
    assert home.happened(20) == [(10, "door", 1.0)]
    home.other(30.0, change(8, 0.0, 0.2))
    home.other(40.0, change(1, 1.0, 0.1), session="two")
    assert home.happened(40) == [(29, "door", 0.0), (39, "door", 1.0)]


def test_what_comes_late_counts_in_the_second_in_which_it_comes():
    home = Home()
    home.own(0.5, 0.0, None)
    assert home.happened(12) == []
    home.other(13.9, change(1, 1.0, 4.9))
    assert [each.value for each in home.shared.happened(home.begun + 12)] == [1.0]


def test_of_a_sensor_that_nobody_knew_what_is_open_has_just_opened_and_what_is_shut_says_nothing():
    home = Home()
    home.own(1.0, 1.0, None)
    home.own(2.0, 0.0, None, Quantity.MOTION)
    assert home.happened(5) == [(1, "door", 1.0)]


def test_a_state_that_another_gateway_knows_is_taken_over_and_is_no_happening():
    home = Home()
    home.other(3.0, states={"door": {OPENING: 1.0}, "pir": {MOTION: 1.0}, "nobody": {OPENING: 1.0}})
    assert home.happened(9) == []
    assert home.shared.state("door", Quantity.OPENING) == 1.0
    assert home.shared.state("nobody", Quantity.OPENING) is None
    home.shared.forget({"pir"})
    assert home.shared.state("door", Quantity.OPENING) is None


def test_a_change_of_which_all_messages_were_lost_is_known_by_the_state_that_is_told():
    """A broker that is restarted: the mat was left meanwhile, and says nothing more all night."""
    home = Home()
    home.other(3.0, states={"door": {OPENING: 0.0}, "pir": {MOTION: 1.0}})
    home.other(13.0, states={"door": {OPENING: 1.0}, "pir": {MOTION: 0.0}})
    home.other(14.0, states={"door": {OPENING: 1.0}, "pir": {MOTION: 0.0}})
    assert home.happened(20) == [(13, "door", 1.0), (13, "pir", 0.0)]
    assert home.shared.state("door", Quantity.OPENING) == 1.0


def test_what_was_heard_since_goes_before_the_state_that_another_still_tells():
    home = Home()
    home.other(3.0, states={"door": {OPENING: 0.0}})
    home.own(8.0, 1.0, 0.0)
    home.own(10.0, 0.0, 1.0)
    home.other(13.0, states={"door": {OPENING: 1.0}})
    assert home.happened(20) == [(8, "door", 1.0), (10, "door", 0.0)]
    assert home.shared.state("door", Quantity.OPENING) == 0.0


def test_motion_that_begins_again_is_seen_again_and_its_end_is_nobody():
    home = Home()
    home.own(1.0, 1.0, 0.0, Quantity.MOTION)
    home.own(3.0, 0.0, 1.0, Quantity.MOTION)
    home.own(70.0, 1.0, 0.0, Quantity.MOTION)
    found = [each for n in range(80) for each in home.shared.happened(home.begun + n)]
    assert [is_seen(each) for each in found] == [True, False, True]
    assert active(found, {"door": 0, "pir": 1}) == [1]


def test_each_change_is_told_for_five_seconds_with_its_age():
    home = Home()

    async def main():
        await home.clock.sleep(10.0)
        home.own(9.5, 1.0, 0.0)
        for _ in range(5):
            told = home.shared.changes(home.clock.monotonic_ns())
            assert [(each.number, each.value) for each in told] == [(1, 1.0)]
            await home.clock.sleep(1.0)
        assert home.shared.changes(home.clock.monotonic_ns()) == []

    home.clock.run(main())


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from("bcd"),
            st.integers(-5, 400),
            st.floats(allow_nan=False, allow_infinity=False),
            st.integers(-(10**12), 10**12),
            st.sampled_from(["door", "pir", "strange"]),
            st.sampled_from([OPENING, MOTION, "press", ""]),
        ),
        max_size=20,
    )
)
def test_nonsense_of_another_gateway_raises_nothing_and_stays_bounded(told):
    home = Home()
    for at_s, (gateway, number, value, age_ms, device, quantity) in enumerate(told):
        nonsense = SensorChange(
            number=number, device=device, quantity=quantity, value=value, age_ms=age_ms
        )
        home.other(at_s, nonsense, gateway=gateway)
        assert len(home.shared.happened(home.begun + at_s - LATENESS_S)) <= len(told)
