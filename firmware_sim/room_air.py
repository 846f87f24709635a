"""The room sensors of a simulated home: what residents do to them, and who hears them."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from typing import Final

from contract.devices import Quantity
from contract.protocols import HeardAdvert
from contract.units import seconds_to_ns
from contract.whereabouts import ZoneUse
from firmware_sim.air import (
    COLLISION_LOSS,
    FAST_FADING_DB,
    HALF_LOST_DBM,
    LOSS_STEEPNESS_DB,
    PATH_LOSS_EXPONENT,
    ROOM_WIDTH_M,
    RSSI_AT_1_M_DBM,
    STOREY_DB,
    WALL_DB,
)
from firmware_sim.plan import HomePlan
from firmware_sim.room_sensors import SERVICE_UUID, RoomSensor, SensorKind

OFFSET_M: Final = 1.5
"""Between a sensor on the wall and whatever is in the middle of its zone."""

MOTION_ENDS_NS: Final = seconds_to_ns(30)
"""A motion sensor is blind for so long after it has seen somebody, then says that it is over."""

DOOR_SHUTS_NS: Final = seconds_to_ns(6)
"""Somebody walks through, and it falls shut."""

_LASTS_NS: Final = {SensorKind.MOTION: MOTION_ENDS_NS, SensorKind.DOOR: DOOR_SHUTS_NS}

_IN_BED: Final = frozenset({"lies", "sleeps", "turns_over"})
_OUT_OF_BED: Final = frozenset({"stands", "walks", "gets_up", "enters", "fall_begins", "helped_up"})

_STATE: Final = {
    SensorKind.MOTION: Quantity.MOTION,
    SensorKind.DOOR: Quantity.OPENING,
    SensorKind.BED: Quantity.OCCUPIED,
}


class RoomAir:
    """The sensors of a plan, and how strongly each gateway hears them."""

    def __init__(self, plan: HomePlan, seed: int) -> None:
        self._plan = plan
        self._random = random.Random(f"{seed}/room sensors")  # noqa: S311
        self.sensors = {
            each.config.device: RoomSensor(each.kind, each.config, seed=seed)
            for each in plan.sensors
        }
        self._mean_dbm = {
            (gateway.name, device): _mean_dbm(plan, gateway.zone, sensor.config.zone)
            for gateway in plan.gateways
            for device, sensor in self.sensors.items()
        }
        self._ends_ns: dict[str, int] = {}
        self._exits = {
            each.config.device
            for each in plan.sensors
            if each.kind is SensorKind.DOOR and plan.zone(each.config.zone).use is ZoneUse.EXIT
        }

    def notice(self, resident: str, what: str, zone: str, at_ns: int) -> None:
        """Somebody did something; see `firmware_sim.TruthEntry`."""
        if what == "enters":
            for device, sensor in self.sensors.items():
                # Who walks past a door that leads out does not open it.
                if sensor.config.zone == zone and device not in self._exits:
                    self._stir(device, at_ns)
        if what == "opens_door":
            self.open_door(zone, at_ns)
        for sensor in self.sensors.values():
            if sensor.kind is SensorKind.BED and sensor.config.resident == resident:
                if what in _IN_BED and sensor.config.zone == zone:
                    sensor.set(Quantity.OCCUPIED, 1.0)
                elif what in _OUT_OF_BED:
                    sensor.set(Quantity.OCCUPIED, 0.0)

    def open_door(self, zone: str, at_ns: int) -> None:
        """Somebody opens the doors of `zone`, which fall shut."""
        for device, sensor in self.sensors.items():
            if sensor.kind is SensorKind.DOOR and sensor.config.zone == zone:
                self._stir(device, at_ns)

    def _stir(self, device: str, at_ns: int) -> None:
        """Something is going on that lasts for a while."""
        sensor = self.sensors[device]
        if sensor.kind in _LASTS_NS:
            sensor.set(_STATE[sensor.kind], 1.0)
            self._ends_ns[device] = at_ns + _LASTS_NS[sensor.kind]

    def adverts(self, now_ns: int) -> list[tuple[RoomSensor, bytes]]:
        """What is in the air at this moment."""
        for device, ends_ns in list(self._ends_ns.items()):
            if ends_ns <= now_ns:
                del self._ends_ns[device]
                sensor = self.sensors[device]
                sensor.set(_STATE[sensor.kind], 0.0)
        return [
            (sensor, data) for sensor in self.sensors.values() for data in sensor.adverts(now_ns)
        ]

    def heard(
        self, gateway: str, said: Sequence[tuple[RoomSensor, bytes]], now_ns: int
    ) -> list[HeardAdvert]:
        """What of it a gateway hears."""
        found = []
        for sensor, data in said:
            rssi_dbm = self._mean_dbm[gateway, sensor.config.device] + self._random.gauss(
                0, FAST_FADING_DB
            )
            chance = 1 / (1 + math.exp(-(rssi_dbm - HALF_LOST_DBM) / LOSS_STEEPNESS_DB))
            if self._random.random() < chance * (1 - COLLISION_LOSS):
                found.append(
                    HeardAdvert(
                        sensor.address,
                        round(rssi_dbm),
                        {},
                        {SERVICE_UUID: data},
                        now_ns,
                        sensor.local_name,
                    )
                )
        return found


def _mean_dbm(plan: HomePlan, gateway_zone: str, zone: str) -> float:
    """As of wearables (`firmware_sim.air`), from the middle of a zone."""
    metres = max(plan.distance_m(gateway_zone, zone), OFFSET_M)
    walls = 0 if gateway_zone == zone else max(1, round(metres / ROOM_WIDTH_M))
    storeys = abs(plan.zone(gateway_zone).floor - plan.zone(zone).floor)
    return (
        RSSI_AT_1_M_DBM
        - 10 * PATH_LOSS_EXPONENT * math.log10(metres)
        - WALL_DB * walls
        - STOREY_DB * storeys
    )
