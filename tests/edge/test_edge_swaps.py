"""Two who wear each other's wearable: told after two nights, and nobody else is."""

from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from edge.swaps import LEAST_MINUTES, NIGHTS, SwapWatch, words
from edge.wearables import RSSI_SMOOTHING
from firmware_sim.air import Propagation
from firmware_sim.plan import GatewayPlan, HomePlan, WearablePlan, ZonePlan

EVENING = datetime(2026, 1, 1, 21, 30, tzinfo=ZoneInfo("Asia/Hong_Kong"))
NIGHT_MINUTES = 9 * 60
SECONDS_EACH = 6
"""Of each minute; what the fading keeps of a second is gone by the next minute either way."""
ROOM_M = 4.0
"""Small rooms, in which a gateway next door is hardly further than one's own."""
ROOMS = tuple(f"room-{number}" for number in range(1, 7))


class Nights:
    """Six rooms in a row with a gateway each, on the simulated air; who lies where, each minute."""

    def __init__(self, folder, seed: int = 0) -> None:
        zones = tuple(
            ZonePlan(zone=room, x_m=ROOM_M * number, y_m=0.0) for number, room in enumerate(ROOMS)
        )
        wearables = tuple(
            WearablePlan(
                device=f"w{number}",
                address=f"C0:DE:00:00:00:0{number}",
                identity=number + 1,
                resident=f"resident-{number}",
                bed=f"1/F {number}",
                zone=room,
            )
            for number, room in enumerate(ROOMS)
        )
        gateways = tuple(GatewayPlan(name=f"gateway-{room}", zone=room) for room in ROOMS)
        plan = HomePlan(home="demo", zones=zones, wearables=wearables, gateways=gateways)
        self.air = Propagation(plan, seed)
        self.dbm = np.full((len(ROOMS), len(ROOMS)), -70.0)
        self.watch = SwapWatch(folder)
        self.watch.begin()
        self.day = EVENING
        self.random = np.random.default_rng(seed)
        self.home = {f"w{number}": room for number, room in enumerate(ROOMS)}
        """Where each wearable's resident has the bed, by the records."""
        self.sleeps = dict(self.home)
        """Where whoever wears it lies."""

    def night(self, *, unworn: frozenset[str] = frozenset(), minutes: int = NIGHT_MINUTES) -> None:
        for number, room in enumerate(self.sleeps.values()):
            away = self.random.uniform(-1.5, 1.5, 2)
            self.air.place(number, ROOM_M * ROOMS.index(room) + away[0], away[1], room)
        for minute in range(minutes):
            for _ in range(SECONDS_EACH):
                heard, _ = self.air.next_second()
                self.dbm += RSSI_SMOOTHING * (np.array(heard) - self.dbm)
            best = np.argmax(self.dbm, axis=0)
            seen = [
                (device, self.home[device], ROOMS[best[number]])
                for number, device in enumerate(self.sleeps)
                if device not in unworn
            ]
            self.watch.minute(self.day + timedelta(minutes=minute), seen)
        self.watch.minute(self.day + timedelta(hours=12), [])
        self.day += timedelta(days=1)

    def exchange(self, one: str, other: str) -> None:
        self.sleeps[one], self.sleeps[other] = self.sleeps[other], self.sleeps[one]

    @property
    def told(self) -> list[tuple[str, str]]:
        return [(each.one.device, each.other.device) for each in self.watch.swapped()]


@pytest.fixture
def nights(tmp_path):
    return Nights(tmp_path)


def test_two_that_are_exchanged_are_told_after_two_nights_and_not_before(nights):
    nights.night()
    nights.exchange("w1", "w4")
    nights.night()
    assert nights.told == []
    nights.night()
    assert nights.told == [("w1", "w4")]
    swap = nights.watch.swapped()[0]
    assert words(swap.one, swap.other) == (
        f"w1 and w4 seem to be exchanged: through {NIGHTS} nights w1 was worn in room-5 and w4 in "
        "room-2, each at the other's bed; compare the names on both wrists"
    )
    nights.exchange("w1", "w4")
    nights.night()
    assert nights.told == []
    assert nights.watch.slept_in("w1") == "room-2"


def test_neighbours_through_a_wall_are_told_as_well(nights):
    nights.exchange("w2", "w3")
    nights.night()
    nights.night()
    assert nights.told == [("w2", "w3")]


def test_nights_of_guests_and_of_wearables_left_off_bring_no_false_word(tmp_path):
    nights = Nights(tmp_path, seed=5)
    said = 0
    for number in range(12):
        # Some sleep in another's bed for a night, some visit, some do not wear it.
        nights.sleeps = dict(nights.home)
        guest = f"w{number % 6}"
        nights.sleeps[guest] = ROOMS[int(nights.random.integers(6))]
        nights.night(unworn=frozenset({f"w{(number + 2) % 6}"}))
        said += bool(nights.told)
    assert said == 0


@pytest.mark.parametrize(
    "what", ["one is not worn", "only one way", "a night is missing", "a short night"]
)
def test_what_it_does_not_say(nights, what):
    unworn = frozenset({"w1"}) if what == "one is not worn" else frozenset()
    if what == "only one way":
        nights.sleeps["w1"] = "room-5"
    else:
        nights.exchange("w1", "w4")
    nights.night(unworn=unworn)
    if what == "a night is missing":
        nights.day += timedelta(days=1)
    nights.night(unworn=unworn, minutes=LEAST_MINUTES if what == "a short night" else NIGHT_MINUTES)
    assert nights.told == []


def test_it_outlives_a_restart(nights, tmp_path):
    nights.exchange("w1", "w4")
    nights.night()
    nights.watch = SwapWatch(tmp_path)
    nights.watch.begin()
    nights.night()
    assert nights.told == [("w1", "w4")]


def test_who_was_given_the_other_one_in_the_records_counts_from_then(nights):
    nights.exchange("w1", "w4")
    nights.night()
    nights.home["w1"], nights.home["w4"] = nights.home["w4"], nights.home["w1"]
    nights.night()
    assert nights.told == []
