"""The gateway: its life from start to end. Its parts are put together in `edge.assembly`."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, Final
from zoneinfo import ZoneInfo

import structlog

from contract.clock import Clock
from contract.events import SIREN_BUTTON, Event, EventClass, FaultCause
from contract.messages import GatewayConfig
from contract.units import NS_PER_S, seconds_to_ns
from detectors import LATENESS_S
from edge.assembly import Assembly
from edge.storage import UnwritableError
from edge.waiting import within_or_not

_log = structlog.get_logger(__name__)

FAREWELL_LIMIT_S: Final = 0.5
"""For the last word, for the siren and for the radio: all within the 2 s of Ctrl-C."""

TICK_PHASE_NS: Final = seconds_to_ns(LATENESS_S + 0.05)
"""The tick comes this much after each full grid second: as soon as the second before it may be
closed. Half a tenth later, for a timer that fires a little early would find it still open, and a
whole second would be lost; what arrives meanwhile is in."""
assert TICK_PHASE_NS < NS_PER_S, "a fall is to be suspected within five seconds of its impact"

STALL_NS: Final = seconds_to_ns(0.5)
STALL_GRACE_S: Final = 0.5
"""A tick that comes later than the one means that the process stood still (a slow card, a
starved machine). What the radio heard meanwhile waits in queues: it gets the other to come
in before the seconds it belongs to are closed, or a fall in them would be lost as late."""


class Gateway(Assembly):
    """One gateway of a home; its parameters are those of `Assembly`."""

    @property
    def clock(self) -> Clock:
        """What it goes by."""
        return self._clock

    @property
    def connected(self) -> bool:
        """Whether there is a broker at the moment."""
        return self._bus.connected

    async def run(self) -> None:
        """Work until cancelled; then finish what is in hand and say goodbye."""
        await self._open()
        bus = asyncio.create_task(
            self._bus.run(self.inbox.filters, self.inbox.take, self._connected, self.heartbeat.will)
        )
        try:
            async with asyncio.TaskGroup() as tasks:
                self._tasks = tasks
                tasks.create_task(self._watch_bus(bus))
                tasks.create_task(self.uplink.run())
                tasks.create_task(self.listener.run(tasks))
                tasks.create_task(self._tick_forever())
                tasks.create_task(self.heartbeat.run())
        finally:
            self._tasks = None
            await self._goodbye(bus)

    async def _open(self) -> None:
        """Load what survived; a folder that cannot be used is a fault and no reason to stop."""
        now_ns = self._clock.monotonic_ns()
        try:
            self.faults.restore(await self.outbox.open(now_ns))
        except UnwritableError as error:
            await self._storage_failed(str(error))
        self.siren.begin()
        try:
            await self.telemetry_outbox.open(now_ns)
        except UnwritableError as error:
            _log.error("telemetry_unusable", reason=str(error))
        for damaged in self.outbox.damaged_files:
            await self._storage_failed(f"a damaged outbox was kept as {damaged.name}")
        await self.lying.load()
        try:
            await self.sensors.open()
        except UnwritableError as error:
            _log.error("sensor_memory_unusable", reason=str(error))
        try:
            await self.wanderers.open()
        except UnwritableError as error:
            _log.error("habits_unusable", reason=str(error))
        self.health.wearables.begin()
        problems = self.configs.begin(self._given_config)
        if self.configs.current is not None:
            self._apply_config(self.configs.current)
        for problem in problems:
            await self.faults.raise_fault(FaultCause.CONFIG_REJECTED, problem)
        _log.info(
            "gateway_started",
            gateway=self.sender.gateway,
            session=self.sender.session,
            wearables=len(self.roster),
            waiting=len(self.outbox.pending),
        )

    async def _watch_bus(self, bus: asyncio.Task[None]) -> None:
        """The bus ends only by an error; that is ours, too."""
        await asyncio.wait((bus,))
        if not bus.cancelled():
            bus.result()

    async def _goodbye(self, bus: asyncio.Task[None]) -> None:
        """Everything to the disk, "offline" to the broker, links and files closed."""
        await self.lying.keep(self._clock.monotonic_ns(), everything=True)
        await self.telemetry.flush(self._clock.monotonic_ns(), everything=True)
        last_word = self.heartbeat.say_status(online=False)
        await within_or_not(self._clock, FAREWELL_LIMIT_S, last_word, "the last word")
        await within_or_not(self._clock, FAREWELL_LIMIT_S, self.siren.stop(), "the siren")
        await within_or_not(self._clock, FAREWELL_LIMIT_S, self._radio.close(), "the radio")
        bus.cancel()
        await asyncio.gather(bus, return_exceptions=True)
        self.health.wearables.keep()
        await self.telemetry_outbox.close()
        await self.sensors.close(self._clock.monotonic_ns())
        await self.wanderers.close()
        await self.outbox.close()
        _log.info("gateway_stopped", gateway=self.sender.gateway, session=self.sender.session)

    async def _tick_forever(self) -> None:
        while True:
            now_ns = self.time.grid_now_ns()
            wait_ns = (TICK_PHASE_NS - now_ns) % NS_PER_S or NS_PER_S
            await self._clock.sleep(wait_ns / NS_PER_S)
            if self.time.grid_now_ns() - now_ns - wait_ns > STALL_NS:
                self.counts["stalls"] += 1
                await self._clock.sleep(STALL_GRACE_S)
            await self.tick()

    async def tick(self) -> None:
        """One round of everything that is done by the second."""
        assert self._tasks is not None
        self.lying.take_up(self._clock.monotonic_ns())
        second = self.pipeline.tick(self.time.grid_now_ns())
        for wearable, detection, excerpt in self.slides.due(second.findings, self.configs.current):
            await self.falls.report(wearable, detection, excerpt=excerpt)
        await self.lying.keep(self._clock.monotonic_ns())
        for block in second.summaries:
            self.telemetry.collect(block)
        self.telemetry.collect_pulses()
        self.following.note(second.summaries)
        scene = self.following.tick(self._clock.monotonic_ns())
        await self.vitals.tick(second.summaries)
        now_ns = self._clock.monotonic_ns()
        reason = await self.telemetry.flush(now_ns)
        if reason is not None:
            await self.faults.raise_fault(FaultCause.TELEMETRY_DROPPED, reason)
        await self.listener.report_anomalies()
        await self.health.check(now_ns)
        await self.sensors.check(now_ns)
        await self.wanderers.tick(scene)
        await self.receiver_faults.check(
            stuck=self.following.stuck, torn=self.following.torn, problem=self.following.problem
        )
        await self.bodies.check()
        linked = [
            each
            for each in self.roster
            if (each.config.streaming or self.bodies.reads(each)) and not each.config.is_carer
        ]
        self.pool.look()
        self.streams.tend(linked, self._tasks)
        self.siren.update(self._tasks)

    async def _connected(self) -> None:
        self.uplink.connected()
        await self.heartbeat.say_status(online=True)

    def _apply_config(self, config: GatewayConfig) -> None:
        added = self.roster.apply(config)
        self.pipeline.resize(added)
        self.bodies.follow()
        self.vitals.follow()
        self.lying.enrolled()
        self.sensors.apply(config)
        self.following.apply(config)
        self.wanderers.follow(config)
        self.reporter.zone = self.telemetry.zone = self.neighbours.zone = config.zone
        zones = {each.name: each.zone for each in config.receivers}
        self.reporter.receiver_zones = self.neighbours.receiver_zones = zones
        self.neighbours.resting = config.resting
        self.siren.configure(config)
        self.health.wearables.absences.zone = ZoneInfo(config.time_zone)
        self.listener.route()
        _log.info("config_applied", revision=config.revision, wearables=len(self.roster))

    def _spawn(self, work: Coroutine[Any, Any, Any]) -> None:
        """Begin work that nobody waits for; none is begun once the gateway ends."""
        if self._tasks is not None:
            self._tasks.create_task(work)
        else:
            work.close()

    async def acknowledge(self, incident_or_event: str, by: str = SIREN_BUTTON) -> Event:
        """Somebody answers at the gateway; see `Answers.acknowledge`."""
        event = await self.answers.acknowledge(incident_or_event, by)
        if self._tasks is not None:
            self.siren.update(self._tasks)
        return event

    async def _unwritable(self, event: Event, reason: str) -> None:
        if event.event_class is EventClass.ALARM:
            self.siren.policy.unwritten(event)
            if self._tasks is not None:
                self.siren.update(self._tasks)
        await self._storage_failed(reason)

    async def _storage_failed(self, reason: str) -> None:
        _log.error("outbox_unwritable", reason=reason)
        await self.faults.raise_fault(
            FaultCause.OUTBOX_UNWRITABLE,
            f"events are in memory only and would not survive a power cut ({reason}); exchange "
            "the card",
        )

    async def _refused(self, topic: str, reason: str) -> None:
        _log.error("publish_refused", topic=topic, reason=reason)
        self.counts["publishes_refused"] += 1
        await self.faults.raise_fault(
            FaultCause.PUBLISH_REFUSED, f"the broker refuses {topic}: {reason}"
        )
