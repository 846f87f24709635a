"""Simulated room sensors (`firmware_sim.room_sensors`) on the air of the fake BlueZ."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Final

from contract.devices import Quantity
from contract.messages import SensorConfig
from contract.units import NS_PER_S
from firmware_sim.bluez.gadgets import INTERVAL_S, Advert
from firmware_sim.bluez.peripherals import Service
from firmware_sim.plan import HomePlan
from firmware_sim.room_sensors import SERVICE_UUID, RoomSensor, SensorKind
from firmware_sim.wearable import Central

_KINDS: Final = (SensorKind.MOTION, SensorKind.DOOR, SensorKind.BED, SensorKind.CLIMATE)
CALL_POINT_EVERY: Final = 20
"""One sensor in so many is a call point; a home has more of the others."""

_STATES: Final = (Quantity.MOTION, Quantity.OPENING, Quantity.OCCUPIED)

_FIRST_ADDRESS: Final = 0xA4C1_3800_0000


class SensorOnAir:
    """One room sensor as a gadget that takes no link.

    Between what it has to say anew it repeats what it said last, as sensors with a coin cell's
    firmware for presence do; but a call point is silent then: nobody presses it for hours.

    Parameters
    ----------
    sensor
        Which; what happens to it is done to it.
    interval_s
        Between its adverts.
    """

    services: Sequence[Service] = ()

    def __init__(self, sensor: RoomSensor, interval_s: float = INTERVAL_S) -> None:
        self.sensor = sensor
        self.address = sensor.address
        self.interval_s = interval_s
        self.rssi_dbm = -68.0
        self._turn = -1
        self._said: bytes | None = None

    def advert(self, now_ns: int) -> Advert | None:
        # Several adapters hear one and the same advert, each asking for it in its own moment.
        turn = now_ns // int(self.interval_s * NS_PER_S)
        if turn != self._turn:
            self._turn = turn
            news = self.sensor.adverts(now_ns)
            if news:
                self._said = news[0]
            elif self.sensor.kind is SensorKind.CALL_POINT or not self.sensor.heard:
                self._said = None
            elif self._said is None:
                self._said = self.sensor.packet()
        if self._said is None:
            return None
        return Advert(service_data={SERVICE_UUID: self._said}, local_name=self.sensor.local_name)

    def press(self) -> None:
        """Somebody presses it.

        Raises
        ------
        ValueError
            If there is nothing to press.
        """
        if self.sensor.kind is not SensorKind.CALL_POINT:
            raise ValueError(f"{self.sensor.config.device} is a {self.sensor.kind} sensor")
        self.sensor.press()

    def sense(self, is_so: bool) -> None:
        """It notices that somebody moves, a door opens, a bed is occupied; or no longer.

        Raises
        ------
        ValueError
            If it notices no such thing.
        """
        states = [quantity for quantity in _STATES if quantity in self.sensor.values]
        if not states:
            raise ValueError(f"{self.sensor.config.device} is a {self.sensor.kind} sensor")
        self.sensor.set(states[0], float(is_so))

    # -- links, of which it takes none --------------------------------------------------------

    def accept(self, link: Central) -> bool:
        return False

    def release(self, link: Central) -> None:
        """There was none."""

    def read(self, characteristic: str) -> bytes:
        raise KeyError(characteristic)

    def write(self, link: Central, characteristic: str, data: bytes, now_ns: int) -> None:
        raise KeyError(characteristic)

    def listened(self, link: Central, characteristic: str, now_ns: int) -> None:
        raise KeyError(characteristic)


def sensor_configs(plan: HomePlan, count: int, seed: int = 0) -> list[SensorConfig]:
    """So many room sensors for a home, spread over its zones, each with a key of its own."""
    configs = []
    for number in range(count):
        address = f"{_FIRST_ADDRESS + number:012X}"
        device = f"sensor-{number + 1}"
        key = hashlib.sha256(f"{seed}/{device}".encode()).hexdigest()[:32]
        configs.append(
            SensorConfig(
                device=device,
                address=":".join(address[at : at + 2] for at in range(0, 12, 2)),
                zone=plan.zones[number % len(plan.zones)].zone,
                key=key,
            )
        )
    return configs


def sensors_on_air(configs: Sequence[SensorConfig], seed: int = 0) -> list[SensorOnAir]:
    """The sensors of these configurations, kinds in turn."""
    return [
        SensorOnAir(RoomSensor(_kind(number), config, seed=seed))
        for number, config in enumerate(configs)
    ]


def _kind(number: int) -> SensorKind:
    if number % CALL_POINT_EVERY == CALL_POINT_EVERY - 1:
        return SensorKind.CALL_POINT
    return _KINDS[number % len(_KINDS)]
