"""Plans: which home is simulated, who lives there, what they wear and where gateways stand."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Final

from contract.ids import check_gateway, check_identifier
from contract.messages import MESSAGE_SCHEMA, GatewayConfig, SensorConfig, WearableConfig
from contract.whereabouts import WhereaboutsPolicy, ZoneConfig, ZoneUse
from firmware_sim.room_sensors import SensorKind

STOREY_HEIGHT_M: Final = 3.2
"""Floor to floor; what lies between two floors counts as walls (`firmware_sim.air`)."""


_QUIET: Final = WhereaboutsPolicy()


@dataclass(frozen=True, kw_only=True)
class ZonePlan:
    """A place that a person would name: a room, a corridor, a lounge."""

    zone: str
    x_m: float
    """Centre of the zone on its floor's plan, metres east of the building's corner."""
    y_m: float
    """The same, metres north."""
    floor: int = 0
    """Storeys above the ground."""
    next_to: tuple[str, ...] = ()
    """Zones that one can walk to from here."""
    use: ZoneUse = ZoneUse.OTHER
    """Of an exit, the door with a contact sensor in it leads out of the home."""

    def position_m(self) -> tuple[float, float, float]:
        """Centre of the zone as x, y, height, in metres."""
        return (self.x_m, self.y_m, self.floor * STOREY_HEIGHT_M)


@dataclass(frozen=True, kw_only=True)
class WearablePlan:
    """One wearable and the resident who wears it."""

    device: str
    address: str
    """Bluetooth address, upper case with colons."""
    identity: int
    """The 32-bit identity in its adverts."""
    resident: str
    bed: str
    """Bed label, such as ``2/F 212-B``."""
    zone: str
    """Where the bed is, and the resident at the beginning."""
    placement: str = "wrist"
    streaming: bool = False
    """Meant for a held link; the firmware itself streams to whoever asks."""
    key: str | None = None
    """Hexadecimal, 16 bytes: with it identity and address roll."""
    whereabouts: WhereaboutsPolicy = _QUIET

    def config(self) -> WearableConfig:
        """The same as a gateway is told it."""
        return WearableConfig(
            device=self.device,
            address=self.address,
            identity=self.identity,
            resident=self.resident,
            bed=self.bed,
            zone=self.zone,
            placement=self.placement,
            streaming=self.streaming,
            key=self.key,
            whereabouts=self.whereabouts,
        )


@dataclass(frozen=True, kw_only=True)
class SensorPlan:
    """One room sensor."""

    kind: SensorKind
    config: SensorConfig
    """As a gateway is told it."""


@dataclass(frozen=True, kw_only=True)
class GatewayPlan:
    """Where a gateway stands."""

    name: str
    zone: str
    resting: bool = True
    """Whether people sit or lie there for long."""


@dataclass(frozen=True, kw_only=True)
class HomePlan:
    """A whole home.

    Raises
    ------
    ValueError
        If a name is no identifier, occurs twice, or a zone is spoken of that does not exist.
    """

    home: str
    zones: tuple[ZonePlan, ...]
    wearables: tuple[WearablePlan, ...]
    gateways: tuple[GatewayPlan, ...]
    sensors: tuple[SensorPlan, ...] = ()
    time_zone: str = "Asia/Hong_Kong"
    _zone_index: dict[str, int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        check_identifier(self.home, "home")
        _check_unique("zone", [check_identifier(zone.zone, "zone") for zone in self.zones])
        devices = [each.device for each in self.wearables]
        devices += [each.config.device for each in self.sensors]
        _check_unique("device", [check_identifier(device, "device") for device in devices])
        _check_unique(
            "resident", [check_identifier(w.resident, "resident") for w in self.wearables]
        )
        _check_unique("gateway", [check_gateway(gateway.name) for gateway in self.gateways])
        index = {zone.zone: number for number, zone in enumerate(self.zones)}
        object.__setattr__(self, "_zone_index", index)
        spoken_of = [(f"wearable {w.device}", w.zone) for w in self.wearables]
        spoken_of += [(f"sensor {s.config.device}", s.config.zone) for s in self.sensors]
        spoken_of += [(f"gateway {gateway.name}", gateway.zone) for gateway in self.gateways]
        spoken_of += [(f"zone {z.zone}", other) for z in self.zones for other in z.next_to]
        for who, zone in spoken_of:
            if zone not in index:
                raise ValueError(f"{who} names zone {zone!r}, which this home does not have")

    def zone(self, name: str) -> ZonePlan:
        """The zone called `name`; `KeyError` if there is none."""
        return self.zones[self._zone_index[name]]

    def wearable_of(self, resident: str) -> WearablePlan:
        """What `resident` wears; `KeyError` if nobody here is called so."""
        for wearable in self.wearables:
            if wearable.resident == resident:
                return wearable
        raise KeyError(resident)

    def gateway_zone(self, gateway: str) -> str:
        """The zone in which `gateway` stands; `KeyError` if there is none."""
        return self._gateway(gateway).zone

    def _gateway(self, name: str) -> GatewayPlan:
        for plan in self.gateways:
            if plan.name == name:
                return plan
        raise KeyError(name)

    def gateway_config(self, gateway: str, revision: int = 1) -> GatewayConfig:
        """What this home would tell `gateway`: every wearable, and where it stands."""
        return GatewayConfig(
            schema=MESSAGE_SCHEMA,
            home=self.home,
            revision=revision,
            time_zone=self.time_zone,
            wearables=[wearable.config() for wearable in self.wearables],
            sensors=[sensor.config for sensor in self.sensors],
            zone=self.gateway_zone(gateway),
            resting=self._gateway(gateway).resting,
            zones=self.zone_configs(),
            gateway_zones={each.name: each.zone for each in self.gateways},
        )

    def zone_configs(self) -> list[ZoneConfig]:
        """The plan as a gateway is told it; nothing if it does not say what any zone is for."""
        if all(each.use is ZoneUse.OTHER for each in self.zones):
            return []
        return [
            ZoneConfig(zone=each.zone, use=each.use, next_to=list(each.next_to))
            for each in self.zones
        ]

    def route(self, start: str, end: str) -> list[str]:
        """Zones from `start` to `end`, both included: as few as possible.

        Raises
        ------
        ValueError
            If there is no way.
        """
        came_from: dict[str, str | None] = {start: None}
        frontier = [start]
        while frontier and end not in came_from:
            reached = []
            for zone in frontier:
                for other in self.zone(zone).next_to:
                    if other not in came_from:
                        came_from[other] = zone
                        reached.append(other)
            frontier = reached
        if end not in came_from:
            raise ValueError(f"there is no way from {start} to {end}")
        path: list[str] = []
        here: str | None = end
        while here is not None:
            path.append(here)
            here = came_from[here]
        return path[::-1]

    def distance_m(self, zone: str, other: str) -> float:
        """Metres between the centres of two zones."""
        return math.dist(self.zone(zone).position_m(), self.zone(other).position_m())


ENTRANCE: Final = "entrance"
"""Where the door is that leads out of the demo home."""


def demo_home(home: str = "demo", *, sensors: bool = False, entrance: bool = False) -> HomePlan:
    """Six residents in three double rooms on the second floor, and two gateways; if asked for, four
    room sensors: a call point and a motion sensor in the corridor, a door and a bed in room 212.

    Residents 1 and 4 have held links (streaming); the others are followed by their adverts,
    with a window fetched on a candidate. With an entrance there are a door that leads out, a
    gateway beside it, a plan that says what each zone is for, and one resident at risk of leaving.
    """
    rooms = ("room-211", "room-212", "room-213")
    zones = (
        ZonePlan(zone=rooms[0], x_m=3.0, y_m=8.0, floor=2, next_to=("corridor",)),
        ZonePlan(zone=rooms[1], x_m=9.0, y_m=8.0, floor=2, next_to=("corridor",)),
        ZonePlan(zone=rooms[2], x_m=15.0, y_m=8.0, floor=2, next_to=("corridor",)),
        ZonePlan(zone="corridor", x_m=10.0, y_m=4.5, floor=2, next_to=(*rooms, "lounge", "toilet")),
        ZonePlan(zone="lounge", x_m=15.0, y_m=2.0, floor=2, next_to=("corridor",)),
        ZonePlan(zone="toilet", x_m=5.0, y_m=1.5, floor=2, next_to=("corridor",)),
    )
    wearables = tuple(
        WearablePlan(
            device=f"wearable-{number}",
            address=f"C0:DE:5A:00:00:{number:02X}",
            identity=0x5A00_0000 + number,
            resident=f"resident-{number}",
            bed=f"2/F {rooms[(number - 1) // 2].removeprefix('room-')}-{'AB'[(number - 1) % 2]}",
            zone=rooms[(number - 1) // 2],
            streaming=number in (1, 4),
        )
        for number in range(1, 7)
    )
    gateways = (
        GatewayPlan(name="gateway-a", zone="room-212"),
        GatewayPlan(name="gateway-b", zone="lounge"),
    )
    plan = HomePlan(
        home=home,
        zones=zones,
        wearables=wearables,
        gateways=gateways,
        sensors=_demo_sensors() if sensors else (),
    )
    return _with_entrance(plan) if entrance else plan


_DEMO_USES: Final = {
    "corridor": ZoneUse.CORRIDOR,
    "lounge": ZoneUse.COMMON,
    "toilet": ZoneUse.TOILET,
}

AT_RISK: Final = "resident-5"
"""Who may not leave the demo home alone."""


def _with_entrance(plan: HomePlan) -> HomePlan:
    zones = [
        replace(
            zone,
            use=_DEMO_USES.get(zone.zone, ZoneUse.BEDROOM),
            next_to=(*zone.next_to, ENTRANCE) if zone.zone == "corridor" else zone.next_to,
        )
        for zone in plan.zones
    ]
    zones.append(
        ZonePlan(zone=ENTRANCE, x_m=24.0, y_m=4.5, floor=2, next_to=("corridor",), use=ZoneUse.EXIT)
    )
    door = SensorPlan(
        kind=SensorKind.DOOR,
        config=SensorConfig(device="door-front", address="A4:C1:38:5A:00:05", zone=ENTRANCE),
    )
    wearables = [
        replace(each, whereabouts=WhereaboutsPolicy(at_risk=True))
        if each.resident == AT_RISK
        else each
        for each in plan.wearables
    ]
    return replace(
        plan,
        zones=tuple(zones),
        wearables=tuple(wearables),
        gateways=(*plan.gateways, GatewayPlan(name="gateway-c", zone=ENTRANCE, resting=False)),
        sensors=(*plan.sensors, door),
    )


def _demo_sensors() -> tuple[SensorPlan, ...]:
    """The motion sensor has no key, as the cheapest have none."""
    hung = (
        (SensorKind.CALL_POINT, "call-point-1", "corridor", "6d3f1c0a9b", None),
        (SensorKind.MOTION, "motion-1", "corridor", None, None),
        (SensorKind.DOOR, "door-1", "room-212", "0e5b77a2c4", None),
        (SensorKind.BED, "bed-1", "room-212", "c81d29f063", "resident-3"),
    )
    return tuple(
        SensorPlan(
            kind=kind,
            config=SensorConfig(
                device=device,
                address=f"A4:C1:38:5A:00:{number:02X}",
                zone=zone,
                key=None if key is None else key.rjust(32, "0"),
                resident=resident,
                bed=None if resident is None else "2/F 212-A",
            ),
        )
        for number, (kind, device, zone, key, resident) in enumerate(hung, 1)
    )


def _check_unique(what: str, names: list[str]) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise ValueError(f"{what} {name!r} occurs twice in this home")
        seen.add(name)
