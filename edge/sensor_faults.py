"""Faults of room sensors: not heard, flat, speaking without their key, or in copies."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from contract.events import FaultCause
from contract.protocols import Bus
from contract.units import NS_PER_S, seconds_to_ns
from edge.faults import FaultBook
from edge.presence import Neighbours
from edge.sensor_habits import Habit
from edge.sensors import Refusal, Sensor, SensorBoard

LOW_PERCENT: Final = 15
"""A coin cell says so for some weeks: time to change it at a round."""
OK_PERCENT: Final = 25
"""Above this it was changed; the ten between keep a cell's warmth and load out."""

BELIEVED_AGAIN_NS: Final = seconds_to_ns(600)
"""Once it is heard as it should be and nothing has been refused for so long, a refusal is over: the
same ten minutes as for other faults that are happenings (`edge.faults.QUIET_S`)."""

_SECONDS_PER_HOUR: Final = 3_600

_REFUSED: Final[Mapping[FaultCause, str]] = MappingProxyType(
    {
        FaultCause.ADVERT_UNENCRYPTED: (
            "{device} in {zone} speaks without its key and is not believed, not even a press: "
            "set its key again, or exchange it; perhaps somebody imitates it"
        ),
        FaultCause.ADVERT_REPLAYED: (
            "{device} in {zone} is not believed: {reason}. If its battery was changed, enrol it "
            "anew; if not, somebody sends copies of what it said. A press in it pages all the same"
        ),
        FaultCause.PACKET_REJECTED: (
            "{device} in {zone} sends data that cannot be read ({reason}); set its key, or "
            "exchange it"
        ),
    }
)

_LASTING: Final = (FaultCause.ADVERT_UNENCRYPTED, FaultCause.ADVERT_REPLAYED)
"""Those that this file ends; the others end by themselves."""


class SensorFaults:
    """Says which sensors watch over nothing, and why.

    Parameters
    ----------
    started_ns
        When this session began: until then nobody can have been heard.
    """

    def __init__(
        self,
        *,
        board: SensorBoard,
        faults: FaultBook,
        neighbours: Neighbours,
        bus: Bus,
        started_ns: int,
    ) -> None:
        self._board = board
        self._faults = faults
        self._neighbours = neighbours
        self._bus = bus
        self._started_ns = started_ns
        self._refused_ns: dict[tuple[str, FaultCause], int] = {}

    async def refuse(self, refusal: Refusal) -> None:
        """Something was not believed."""
        sensor, cause, reason, at_ns = refusal
        self._refused_ns[sensor.device, cause] = at_ns
        text = _REFUSED.get(cause, "{device} in {zone} is not believed: {reason}")
        await self._raise(
            sensor, cause, text.format(device=sensor.device, zone=sensor.zone, reason=reason)
        )

    async def check(
        self, habits: Mapping[str, Habit], limits_ns: Mapping[str, int], now_ns: int
    ) -> None:
        """Look after every sensor.

        Parameters
        ----------
        habits, limits_ns
            By device: how it speaks, and how long it may be silent.
        """
        for sensor in list(self._board):
            await self._check_heard(sensor, habits[sensor.device], limits_ns[sensor.device], now_ns)
            await self._check_battery(sensor)
            await self._end_refusals(sensor, now_ns)
            await self._clear(sensor, FaultCause.CONFIG_REJECTED, "it can be read now")
        for device, reason in list(self._board.unusable.items()):
            await self._faults.raise_fault(
                FaultCause.CONFIG_REJECTED,
                f"{device} is not watched: {reason}",
                subject=device,
            )
        self._forget()

    async def _check_heard(self, sensor: Sensor, habit: Habit, limit_ns: int, now_ns: int) -> None:
        heard_ns = self._neighbours.heard_anywhere_ns(sensor)
        silent_ns = now_ns - max(heard_ns, self._started_ns)
        if silent_ns < limit_ns:
            if heard_ns >= self._started_ns:
                await self._clear(
                    sensor, FaultCause.SENSOR_NOT_HEARD, f"{sensor.device} is heard again"
                )
        elif self._may_say(sensor, heard_ns):
            await self._raise(
                sensor, FaultCause.SENSOR_NOT_HEARD, _not_heard(sensor, habit, silent_ns)
            )

    def _may_say(self, sensor: Sensor, heard_ns: int) -> bool:
        """As of wearables: the lead's word; without a broker, of whoever heard it last."""
        if self._bus.connected:
            return self._neighbours.is_lead()
        return sensor.heard_ns == heard_ns

    async def _check_battery(self, sensor: Sensor) -> None:
        battery = sensor.battery_percent
        if battery is None:
            return
        if battery <= LOW_PERCENT:
            await self._raise(
                sensor,
                FaultCause.BATTERY_LOW,
                f"{sensor.device} in {sensor.zone} has {battery} % of battery left; change it",
            )
        elif battery >= OK_PERCENT:
            await self._clear(sensor, FaultCause.BATTERY_LOW, f"{sensor.device} has a new battery")

    async def _end_refusals(self, sensor: Sensor, now_ns: int) -> None:
        for cause in _LASTING:
            refused_ns = self._refused_ns.get((sensor.device, cause), self._started_ns)
            if sensor.heard_ns > refused_ns and now_ns - refused_ns >= BELIEVED_AGAIN_NS:
                await self._clear(sensor, cause, f"{sensor.device} is believed again")

    def _forget(self) -> None:
        known = self._board.by_device
        for device, cause in [each for each in self._refused_ns if each[0] not in known]:
            del self._refused_ns[device, cause]

    async def enrolled_anew(self, sensor: Sensor) -> None:
        """What was refused of it before was another enrolment's."""
        for cause in _LASTING:
            self._refused_ns.pop((sensor.device, cause), None)
            await self._clear(sensor, cause, f"{sensor.device} was enrolled anew")

    async def _raise(self, sensor: Sensor, cause: FaultCause, detail: str) -> None:
        await self._faults.raise_fault(cause, detail, subject=sensor.device, zone=sensor.zone)

    async def _clear(self, sensor: Sensor, cause: FaultCause, detail: str) -> None:
        await self._faults.clear(cause, detail, subject=sensor.device, zone=sensor.zone)


def _not_heard(sensor: Sensor, habit: Habit, silent_ns: int) -> str:
    usual = f"; usually it speaks each {_span(habit.usual_ns)}" if habit.usual_ns else ""
    battery = sensor.battery_percent
    if battery is not None and battery <= LOW_PERCENT:
        why = f"its battery was at {battery} %: change it"
    else:
        why = "flat, taken away or out of reach: press it or open it, and look at its battery"
    return (
        f"{sensor.device} in {sensor.zone} has not been heard for {_span(silent_ns)}{usual}; {why}"
    )


def _span(nanoseconds: float) -> str:
    hours, seconds = divmod(round(nanoseconds / NS_PER_S), _SECONDS_PER_HOUR)
    if hours:
        return f"{hours} h"
    return f"{max(1, round(seconds / 60))} min"
