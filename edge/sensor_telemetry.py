"""What room sensors said, as points of telemetry: at each change, and once a minute while heard."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from contract.devices import Quantity
from contract.telemetry import SensorPoint
from contract.units import seconds_to_ns
from edge.presence import Neighbours
from edge.sensors import MOTION_HELD_NS, Change, Press, Sensor, SensorBoard
from edge.timebase import SessionTime
from edge.wearables import NEVER

MINUTE_NS: Final = seconds_to_ns(60)

MAX_POINTS: Final = 2_000
"""Waiting to be told by somebody; an hour of forty sensors. Beyond it the oldest are dropped."""

DECIMALS: Final = 2
"""A hundredth of a degree: what BTHome itself resolves."""


class _Waiting(NamedTuple):
    sensor: Sensor
    point: SensorPoint


class SensorTelemetry:
    """Makes points of what a board knows, for the batches of `edge.telemetry`."""

    def __init__(self, board: SensorBoard, neighbours: Neighbours, time: SessionTime) -> None:
        self._board = board
        self._neighbours = neighbours
        self._time = time
        self._seen = board.latest_change
        self._told_ns: dict[str, int] = {}
        self._waiting: list[_Waiting] = []
        self.is_urgent = False
        """Whether a change waits."""
        self.dropped = 0

    def press(self, press: Press) -> None:
        """A call point was pressed."""
        self._add(press.sensor, press.at_ns, changed=Quantity.PRESS, press=press.value)

    def collect(self, now_ns: int) -> None:
        """Once a second: take in what has changed, and what is due."""
        for change in self._board.changes_after(self._seen):
            self._seen = change.number
            sensor = self._board.state(change.device)
            if sensor is not None and _is_told(change):
                self._add(sensor, change.at_ns, changed=change.quantity)
        for sensor in self._board:
            told_ns = self._told_ns.get(sensor.device, NEVER)
            if sensor.said and sensor.heard_ns > told_ns and now_ns - told_ns >= MINUTE_NS:
                self._told_ns[sensor.device] = now_ns
                self._add(sensor, sensor.heard_ns)

    def take(self) -> list[SensorPoint]:
        """Points of the sensors that this gateway is to report. It is asked this late because a
        neighbour's word of the same burst comes within a second.
        """
        waiting, self._waiting, self.is_urgent = self._waiting, [], False
        return [point for sensor, point in waiting if self._neighbours.reports(sensor)]

    def forget(self) -> None:
        """Follow a configuration: who is gone is not remembered."""
        self._told_ns = {
            device: at_ns
            for device, at_ns in self._told_ns.items()
            if device in self._board.by_device
        }

    def _add(
        self,
        sensor: Sensor,
        at_ns: int,
        *,
        changed: Quantity | None = None,
        press: int | None = None,
    ) -> None:
        values = {quantity: said.value for quantity, said in sensor.said.items()}
        motion = sensor.said.get(Quantity.MOTION)
        if motion is not None and at_ns - motion.at_ns >= MOTION_HELD_NS:
            values[Quantity.MOTION] = 0.0  # many never say that it is over
        point = SensorPoint(
            at_us=self._time.wall_us(at_ns),
            device=sensor.device,
            zone=sensor.zone,
            resident=sensor.config.resident,
            changed=None if changed is None else changed.value,
            motion=_state(values, Quantity.MOTION),
            opening=_state(values, Quantity.OPENING),
            press=press,
            occupied=_state(values, Quantity.OCCUPIED),
            temperature_c=_measure(values, Quantity.TEMPERATURE_C),
            humidity_percent=_measure(values, Quantity.HUMIDITY_PERCENT),
            battery_percent=sensor.battery_percent,
            rssi_dbm=round(sensor.rssi_dbm) if sensor.rssi_dbm is not None else None,
        )
        self._waiting.append(_Waiting(sensor, point))
        self.is_urgent |= changed is not None
        if len(self._waiting) > MAX_POINTS:
            del self._waiting[0]
            self.dropped += 1


def _is_told(change: Change) -> bool:
    """Whether it is a happening: not what was merely unknown, nor that nothing moves any more."""
    return change.before is not None and (
        change.quantity is not Quantity.MOTION or change.value > 0
    )


def _state(values: Mapping[Quantity, float], quantity: Quantity) -> bool | None:
    return bool(values[quantity]) if quantity in values else None


def _measure(values: Mapping[Quantity, float], quantity: Quantity) -> float | None:
    return round(values[quantity], DECIMALS) if quantity in values else None
