"""The home of sixty, and the seeded plan of what is done to it and who needs help when."""

from __future__ import annotations

import random
from enum import StrEnum
from typing import Final, NamedTuple

from firmware_sim import GatewayPlan, HomePlan, WearablePlan, ZonePlan

RESIDENTS: Final = 60
BEDS_PER_ROOM: Final = 6
"""Ten rooms of six, as many Hong Kong homes have them."""

ROOM_M: Final = 5.0
"""So near that every wearable is heard by two gateways: one that is killed leaves nobody
unheard, which is what a home needs that wants to survive it."""

STREAMING: Final = 2
"""Residents with held links; the others are followed by their adverts."""

GATEWAYS: Final = ("gateway-a", "gateway-b", "gateway-c")

WARM_UP_S: Final = 60.0
"""Home time before the first fault and alarm: everyone has been told who lives here."""

ROUND_S: Final = 840.0
"""Home time in which every fault comes once."""

ALARM_EVERY_S: Final = (12.0, 26.0)
"""Home time between two alarms anywhere in the home: a hundred times what a home has."""

REST_S: Final = 1_500.0
"""Home time between two alarms of one resident, so that each is a happening of its own; with the
alarms above, sixty residents are enough for it."""

FALLS: Final = 0.4
"""Share of falls among the alarms; the rest are presses of the wearable's button."""


class Fault(StrEnum):
    """What can be done to a part of the home."""

    KILL = "kill -9"
    STOP = "stop"
    CUT = "link cut"
    HANG = "link hangs"
    SLOW = "link slow"
    HALF_OPEN = "link half-open"
    FULL = "disk full"
    AHEAD = "clock +1 h"
    BACK = "clock -1 h"
    EPOCH = "boot in 1970"


LASTS_S: Final = {
    Fault.KILL: (1.0, 10.0),  # systemd waits for as long as it is told, by default 0.1 s
    Fault.STOP: (5.0, 40.0),
    Fault.CUT: (10.0, 60.0),
    Fault.HANG: (10.0, 60.0),
    Fault.SLOW: (20.0, 60.0),
    Fault.HALF_OPEN: (60.0, 120.0),  # connections notice by their keep-alive, in machine time
    Fault.FULL: (40.0, 90.0),
    Fault.AHEAD: (30.0, 60.0),
    Fault.BACK: (30.0, 60.0),
    Fault.EPOCH: (30.0, 60.0),
}
"""Home time from the beginning to the end of each."""

LINK_FAULTS: Final = (Fault.CUT, Fault.HANG, Fault.SLOW, Fault.HALF_OPEN)

SERVICES: Final = (*GATEWAYS, "ingest-1", "ingest-2", "alerts-1", "alerts-2", "web")


class Injury(NamedTuple):
    """One fault that is injected."""

    at_s: float
    """Home time since the beginning, seconds."""
    fault: Fault
    target: str
    lasts_s: float


class Need(NamedTuple):
    """Somebody needs help."""

    at_s: float
    resident: str
    is_fall: bool
    """Else the button is pressed."""


def home_of_sixty() -> HomePlan:
    """Ten rooms along a corridor on one floor, with a lounge and a toilet; three gateways."""
    rooms = [f"room-{number}" for number in range(201, 201 + RESIDENTS // BEDS_PER_ROOM)]
    half = len(rooms) // 2
    places = [(ROOM_M * (i % half), 0.0 if i < half else 8.0) for i in range(len(rooms))]
    middle_m = ROOM_M * (half - 1) / 2
    beyond = ("lounge", "toilet")
    zones = [
        ZonePlan(zone=room, x_m=x_m, y_m=y_m, next_to=("corridor",))
        for room, (x_m, y_m) in zip(rooms, places, strict=True)
    ]
    zones += [
        ZonePlan(zone="corridor", x_m=middle_m, y_m=4.0, next_to=(*rooms, *beyond)),
        ZonePlan(zone="lounge", x_m=ROOM_M * half, y_m=4.0, next_to=("corridor",)),
        ZonePlan(zone="toilet", x_m=-ROOM_M, y_m=4.0, next_to=("corridor",)),
    ]
    wearables = [
        WearablePlan(
            device=f"wearable-{number + 1}",
            address=f"C0:DE:5A:00:01:{number:02X}",
            identity=0x5A00_0100 + number,
            resident=f"resident-{number + 1}",
            bed=f"2/F {rooms[number // BEDS_PER_ROOM].removeprefix('room-')}"
            f"-{'ABCDEF'[number % BEDS_PER_ROOM]}",
            zone=rooms[number // BEDS_PER_ROOM],
            streaming=number % (RESIDENTS // STREAMING) == 0,
        )
        for number in range(RESIDENTS)
    ]
    places_of_gateways = (rooms[1], "corridor", rooms[-2])
    return HomePlan(
        home="chaos",
        zones=tuple(zones),
        wearables=tuple(wearables),
        gateways=tuple(
            GatewayPlan(name=name, zone=zone)
            for name, zone in zip(GATEWAYS, places_of_gateways, strict=True)
        ),
    )


def every_fault(store: str) -> list[tuple[Fault, str]]:
    """Each fault with each part of the home that it can befall."""
    servers = ["mosquitto", "postgresql", *(["influxd"] if store == "influx" else [])]
    links = [*GATEWAYS, "ingest", "alerts", *(["store"] if store == "influx" else [])]
    found = [(fault, name) for fault in (Fault.KILL, Fault.STOP) for name in (*SERVICES, *servers)]
    found += [(fault, link) for fault in LINK_FAULTS for link in links]
    found += [(Fault.FULL, "gateway-c"), (Fault.FULL, "store")]
    found += [(Fault.BACK, "gateway-a"), (Fault.AHEAD, "gateway-b"), (Fault.EPOCH, "gateway-c")]
    return found


def plan_injuries(seed: int, store: str, length_s: float) -> list[Injury]:
    """When what is injected, within `length_s` of home time after the warm-up: every fault once,
    evenly spread in a drawn order, and again if there is time for it.
    """
    drawn = random.Random(f"{seed}/injuries")  # noqa: S311
    injuries = []
    rounds = max(1, round(length_s / ROUND_S))
    for turn in range(rounds):
        faults = every_fault(store)
        drawn.shuffle(faults)
        each_s = length_s / rounds / len(faults)
        for number, (fault, target) in enumerate(faults):
            at_s = WARM_UP_S + (turn * len(faults) + number + drawn.random()) * each_s
            injuries.append(Injury(at_s, fault, target, drawn.uniform(*LASTS_S[fault])))
    return injuries


def plan_needs(seed: int, plan: HomePlan, length_s: float) -> list[Need]:
    """Who needs help when, within `length_s` of home time after the warm-up."""
    drawn = random.Random(f"{seed}/needs")  # noqa: S311
    residents = [wearable.resident for wearable in plan.wearables]
    drawn.shuffle(residents)
    needs: list[Need] = []
    at_s = WARM_UP_S
    while at_s < WARM_UP_S + length_s:
        resident = residents[len(needs) % len(residents)]
        if len(needs) >= len(residents):
            at_s = max(at_s, needs[len(needs) - len(residents)].at_s + REST_S)
        needs.append(Need(at_s, resident, drawn.random() < FALLS))
        at_s += drawn.uniform(*ALARM_EVERY_S)
    return needs
