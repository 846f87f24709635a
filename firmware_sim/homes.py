"""Homes of any size, laid out by rule: as many residents and sensors as a developer asks for."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import Final

from contract.messages import SensorConfig
from firmware_sim.plan import GatewayPlan, HomePlan, SensorPlan, WearablePlan, ZonePlan
from firmware_sim.room_sensors import SensorKind

BEDS_PER_ROOM: Final = 6
"""As in many of Hong Kong's older private homes."""
ROOM_M: Final = 5.0
MOST_WEARABLES: Final = 240
"""Forty rooms: more than one floor of any home."""

CALL_POINT_EVERY: Final = 20
"""One sensor in so many is a call point; a home has more of the others."""
_KINDS: Final = (SensorKind.MOTION, SensorKind.DOOR, SensorKind.BED, SensorKind.CLIMATE)
MOST_SENSORS: Final = 1_000

_FIRST_SENSOR: Final = 0xA4C1_3800_0000
_FIRST_ADDRESS: Final = 0xC0DE_5A02_0000
_FIRST_IDENTITY: Final = 0x5A02_0000


def many(
    wearables: int,
    *,
    home: str = "air",
    gateways: int = 1,
    streaming: int = 0,
    sensors: int = 0,
) -> HomePlan:
    """Rooms of six along both sides of a corridor, with a lounge and a toilet at its ends.

    Parameters
    ----------
    wearables
        Residents, each with one; 1 to `MOST_WEARABLES`.
    home
        Its id.
    gateways
        ``gateway-a``, ``gateway-b`` …, spread along the corridor.
    streaming
        So many of the residents have a held link.
    sensors
        Room sensors, as `with_sensors` hangs them.

    Raises
    ------
    ValueError
        If there are too few or too many of something.
    """
    if not 1 <= wearables <= MOST_WEARABLES:
        raise ValueError(f"{wearables} wearables; 1 to {MOST_WEARABLES} can be laid out")
    if not 1 <= gateways <= 26:
        raise ValueError(f"{gateways} gateways; 1 to 26 can be named")
    rooms = [f"room-{201 + number}" for number in range(-(-wearables // BEDS_PER_ROOM))]
    half = -(-len(rooms) // 2)
    zones = [
        ZonePlan(
            zone=room,
            x_m=ROOM_M * (number % half),
            y_m=0.0 if number < half else 8.0,
            next_to=("corridor",),
        )
        for number, room in enumerate(rooms)
    ]
    middle_m = ROOM_M * (half - 1) / 2
    zones += [
        ZonePlan(zone="corridor", x_m=middle_m, y_m=4.0, next_to=(*rooms, "lounge", "toilet")),
        ZonePlan(zone="lounge", x_m=ROOM_M * half, y_m=4.0, next_to=("corridor",)),
        ZonePlan(zone="toilet", x_m=-ROOM_M, y_m=4.0, next_to=("corridor",)),
    ]
    places = ["corridor"] if gateways == 1 else [rooms[n % len(rooms)] for n in range(gateways)]
    plan = HomePlan(
        home=home,
        zones=tuple(zones),
        wearables=tuple(
            _wearable(number, rooms[number // BEDS_PER_ROOM], is_streaming=number < streaming)
            for number in range(wearables)
        ),
        gateways=tuple(
            GatewayPlan(name=f"gateway-{chr(ord('a') + number)}", zone=zone)
            for number, zone in enumerate(places)
        ),
    )
    return with_sensors(plan, sensors)


def with_sensors(plan: HomePlan, count: int) -> HomePlan:
    """The same home with so many more room sensors, spread over its zones: motion, door, bed and
    climate in turn, one in `CALL_POINT_EVERY` a call point; each has a key.

    Raises
    ------
    ValueError
        If there are too many.
    """
    if not 0 <= count <= MOST_SENSORS:
        raise ValueError(f"{count} sensors; 0 to {MOST_SENSORS} can be hung up")
    hung = tuple(_sensor(plan, number) for number in range(count))
    return replace(plan, sensors=plan.sensors + hung)


def with_keys(plan: HomePlan) -> HomePlan:
    """The same home, of whose wearables identity and address roll: each has a key, made of its
    name, and for a simulation only.
    """
    rolling = (replace(each, key=_key(plan, each.device), identity=0) for each in plan.wearables)
    return replace(plan, wearables=tuple(rolling))


def _key(plan: HomePlan, device: str) -> str:
    return hashlib.sha256(f"{plan.home}/{device}".encode()).hexdigest()[:32]


def _sensor(plan: HomePlan, number: int) -> SensorPlan:
    kind = _KINDS[number % len(_KINDS)]
    if number % CALL_POINT_EVERY == CALL_POINT_EVERY - 1:
        kind = SensorKind.CALL_POINT
    address = f"{_FIRST_SENSOR + number:012X}"
    # Two hundred are behind those of a plan's own.
    device = f"{kind.value.replace('_', '-')}-{201 + number}"
    return SensorPlan(
        kind=kind,
        config=SensorConfig(
            device=device,
            address=":".join(address[at : at + 2] for at in range(0, 12, 2)),
            zone=plan.zones[number % len(plan.zones)].zone,
            key=_key(plan, device),
        ),
    )


def _wearable(number: int, room: str, *, is_streaming: bool) -> WearablePlan:
    address = f"{_FIRST_ADDRESS + number:012X}"
    return WearablePlan(
        device=f"wearable-{number + 1}",
        address=":".join(address[at : at + 2] for at in range(0, 12, 2)),
        identity=_FIRST_IDENTITY + number,
        resident=f"resident-{number + 1}",
        bed=f"2/F {room.removeprefix('room-')}-{'ABCDEF'[number % BEDS_PER_ROOM]}",
        zone=room,
        streaming=is_streaming,
    )
