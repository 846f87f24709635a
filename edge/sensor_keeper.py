"""Room sensors at a gateway: from the advert to alarms, faults and telemetry."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Final

import structlog

from contract.clock import Clock
from contract.devices import Quantity
from contract.messages import GatewayConfig
from contract.protocols import Bus, HeardAdvert
from contract.units import seconds_to_ns
from edge.call_points import CallPoints
from edge.counters import Counts
from edge.decode import Registry
from edge.faults import FaultBook
from edge.outbox import EventOutbox
from edge.presence import Neighbours
from edge.reporter import Reporter
from edge.sensor_faults import SensorFaults
from edge.sensor_habits import Habit
from edge.sensor_memory import KeptSensor, SensorMemory
from edge.sensor_telemetry import SensorTelemetry
from edge.sensors import Sensor, SensorBoard
from edge.storage import UnwritableError
from edge.timebase import SessionTime

_log = structlog.get_logger(__name__)

CHECK_NS: Final = seconds_to_ns(5)
"""As of wearables (`edge.health`)."""


class SensorKeeper:
    """Listens to the enrolled room sensors; an `edge.listener.Ear`.

    Attributes
    ----------
    board
        What they say: for whoever asks where somebody is.
    """

    def __init__(
        self,
        *,
        folder: Path,
        clock: Clock,
        time: SessionTime,
        boot: str,
        registry: Registry,
        outbox: EventOutbox,
        reporter: Reporter,
        faults: FaultBook,
        neighbours: Neighbours,
        bus: Bus,
        counts: Counts,
    ) -> None:
        self.board = SensorBoard(registry, counts)
        self._faults = faults
        self._neighbours = neighbours
        self._counts = counts
        self._memory = SensorMemory(folder)
        self._call_points = CallPoints(
            outbox=outbox, reporter=reporter, time=time, boot=boot, counts=counts
        )
        self._sensor_faults = SensorFaults(
            board=self.board,
            faults=faults,
            neighbours=neighbours,
            bus=bus,
            started_ns=clock.monotonic_ns(),
        )
        self.telemetry = SensorTelemetry(self.board, neighbours, time)
        self._kept: dict[str, KeptSensor] = {}
        """What an earlier session left of whoever has not been enrolled in this one yet."""
        self._said: dict[str, set[Quantity]] = {}
        self._habits: dict[str, Habit] = {}
        self._renewed: list[Sensor] = []
        self._is_configured = False
        self._checked_ns = clock.monotonic_ns()

    @property
    def addresses(self) -> Iterable[str]:
        return self.board.by_address

    async def open(self) -> None:
        """Take over what an earlier session left; the outbox has been opened.

        Raises
        ------
        UnwritableError
            If there is no usable file.
        """
        self._call_points.load()
        self._kept = await self._memory.load()

    def apply(self, config: GatewayConfig) -> None:
        """Follow a configuration that comes into force."""
        known = set(self.board.by_device)
        for sensor in self.board.apply(config):
            kept = self._kept.pop(sensor.device, KeptSensor())
            sensor.decoder.recall(kept.decoder)
            if sensor.device in known or self._is_configured:
                self._renewed.append(sensor)
            if sensor.device not in known:
                self._habits[sensor.device] = Habit(kept.usual_ns, kept.watched_ns)
                self._said[sensor.device] = kept.quantities
        self._habits = {each: self._habits[each] for each in self.board.by_device}
        self._said = {each: self._said[each] for each in self.board.by_device}
        self.telemetry.forget()
        self._faults.also_enrolled = {each.device for each in config.sensors}
        self._is_configured = True

    async def hear(self, heard: HeardAdvert) -> None:
        board = self.board
        board.hear(heard)
        if board.has_news:
            await self._tell()

    async def _tell(self) -> None:
        for press in self.board.take_presses():
            if await self._call_points.tell(press):
                self.telemetry.press(press)
        for refusal in self.board.take_refusals():
            await self._sensor_faults.refuse(refusal)

    async def check(self, now_ns: int) -> None:
        """Once a second; most of it is done every `CHECK_NS`."""
        if now_ns - self._checked_ns < CHECK_NS:
            return
        self._checked_ns = now_ns
        renewed, self._renewed = self._renewed, []
        for sensor in renewed:
            await self._sensor_faults.enrolled_anew(sensor)
        limits_ns = {}
        for sensor in self.board:
            said, habit = self._said[sensor.device], self._habits[sensor.device]
            said |= sensor.said.keys()
            habit.hear(self._neighbours.heard_anywhere_ns(sensor))
            limits_ns[sensor.device] = habit.limit_ns(said)
        await self._sensor_faults.check(self._habits, limits_ns, now_ns)
        if self._memory.is_due(now_ns):
            await self.save(now_ns)

    async def save(self, now_ns: int) -> None:
        """Write what must outlive a restart."""
        if not self._is_configured:
            return  # who is enrolled is not known yet
        kept = {
            sensor.device: KeptSensor(
                sensor.decoder.memory(),
                round(self._habits[sensor.device].usual_ns),
                self._habits[sensor.device].watched_ns,
                sorted(self._said[sensor.device]),
            )
            for sensor in self.board
        }
        try:
            await self._memory.save(kept, now_ns)
        except UnwritableError as error:
            self._counts["sensor_memory_unwritten"] += 1
            _log.error("sensor_memory_unwritten", reason=str(error))

    async def close(self, now_ns: int) -> None:
        """Write it for the last time and let go of the file."""
        await self.save(now_ns)
        await self._memory.close()
