"""The gateway: its parts put together, and its life from start to end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

import structlog

from contract.clock import Clock
from contract.events import SIREN_BUTTON, Event, EventClass, FaultCause
from contract.ids import IdSource, check_gateway, check_identifier
from contract.messages import GatewayConfig
from contract.protocols import Bus, Radio
from contract.units import NS_PER_S, seconds_to_ns
from detectors import LATENESS_S
from detectors.fall_model import FallModel, load_model
from edge.answers import Answers
from edge.bodies import Bodies
from edge.buttons import ButtonKeeper
from edge.candidates import CandidateKeeper
from edge.configuration import ConfigKeeper
from edge.counters import Counts
from edge.decode import Registry, WearableDecoder
from edge.discovery import Discovery
from edge.downlink import Downlink
from edge.falls import Falls
from edge.faults import FaultBook
from edge.fetcher import WindowFetcher
from edge.health import Health
from edge.heartbeat import Heartbeat
from edge.inbox import Inbox
from edge.lies import SlidePolicy
from edge.links import LinkPool
from edge.listener import Listener
from edge.lying import LyingKeeper
from edge.outbox import EventOutbox
from edge.pipeline import Pipeline
from edge.presence import Neighbours
from edge.reporter import Reporter, Sender
from edge.sensor_keeper import SensorKeeper
from edge.siren import Siren
from edge.siren_control import SirenControl
from edge.storage import UnwritableError
from edge.streams import StreamKeeper
from edge.telemetry import Telemetry
from edge.telemetry_outbox import MAX_BYTES, TelemetryOutbox
from edge.timebase import SessionTime
from edge.timekeeping import TimeSetter
from edge.uplink import Uplink
from edge.vitals import Vitals
from edge.waiting import within_or_not
from edge.wearable_health import WearableHealth
from edge.wearables import Roster

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


class Gateway:
    """One gateway of a home.

    Parameters
    ----------
    home, name
        Its home and its own name, as in topics.
    folder
        What survives a restart: outboxes and configuration. One gateway has one folder.
    clock, ids, radio, bus, siren
        What it works with.
    boot
        Id of the machine's boot; monotonic times are comparable within one.
    session
        Id of this run; a new one at each start.
    config
        Used if it is newer than what is in the folder; a newer one may come over the broker.
    priority
        For the choice of the lead: the lowest number leads.
    models
        Gives the fall model of a placement; default those that ship. Evaluation judges others.

    Raises
    ------
    ValueError
        If `home` or `name` is no identifier.
    """

    def __init__(
        self,
        *,
        home: str,
        name: str,
        folder: Path,
        clock: Clock,
        ids: IdSource,
        radio: Radio,
        bus: Bus,
        siren: Siren,
        boot: str,
        session: str,
        config: GatewayConfig | None = None,
        priority: int = 100,
        telemetry_bytes: int = MAX_BYTES,
        models: Callable[[str], FallModel] = load_model,
    ) -> None:
        check_identifier(home, "home")
        check_gateway(name)
        self.sender = Sender(home, name, session, boot)
        self.counts = Counts()
        self._clock = clock
        self._radio = radio
        self._bus = bus
        self._given_config = config
        self._tasks: asyncio.TaskGroup | None = None

        self.time = SessionTime(clock)
        self.roster = Roster()
        self.configs = ConfigKeeper(folder, home)
        self.outbox = EventOutbox(folder, boot)
        self.telemetry_outbox = TelemetryOutbox(
            folder,
            home,
            name,
            max_bytes=telemetry_bytes,
            may_write=lambda: self.outbox.ballast.there,
        )
        self.uplink = Uplink(
            bus=bus,
            clock=clock,
            events=self.outbox,
            telemetry=self.telemetry_outbox,
            on_refused=self._refused,
        )
        self.reporter = Reporter(
            sender=self.sender,
            clock=clock,
            time=self.time,
            ids=ids,
            outbox=self.outbox,
            wake=self.uplink.wake,
            on_unwritable=self._unwritable,
            lying=lambda wearable: self.lying.row(wearable),  # noqa: PLW0108 - made later
        )
        self.faults = FaultBook(self.reporter, clock)
        self.registry = Registry()
        self.decoder = WearableDecoder(self.roster, self.counts)
        self.pipeline = Pipeline(self.roster, self.time, self.counts, models)
        self.falls = Falls(self.reporter, self.time, self.pipeline)
        self.neighbours = Neighbours(self.sender, priority, self.roster, clock)
        self.slides = SlidePolicy(self.neighbours, self.counts, clock, self.pipeline)
        self.siren = SirenControl(siren, clock, self.outbox, folder)
        self.answers = Answers(self.reporter, self.siren, self.outbox, clock)
        self.sensors = SensorKeeper(
            folder=folder,
            clock=clock,
            time=self.time,
            boot=boot,
            registry=self.registry,
            outbox=self.outbox,
            reporter=self.reporter,
            faults=self.faults,
            neighbours=self.neighbours,
            bus=bus,
            counts=self.counts,
        )
        self.telemetry = Telemetry(
            sender=self.sender,
            clock=clock,
            time=self.time,
            roster=self.roster,
            neighbours=self.neighbours,
            outbox=self.telemetry_outbox,
            sensors=self.sensors.telemetry,
            wake=lambda: self.uplink.wake(None),
        )
        self.neighbours.sensors = self.sensors.board
        self._make_keepers()
        self.health = Health(
            clock=clock,
            time=self.time,
            roster=self.roster,
            counts=self.counts,
            faults=self.faults,
            neighbours=self.neighbours,
            radio=radio,
            bus=bus,
            outbox=self.outbox,
            telemetry=self.telemetry_outbox,
            pipeline=self.pipeline,
            siren=self.siren,
            pool=self.pool,
            streams=self.streams,
            fetcher=self.fetcher,
            wearables=WearableHealth(
                folder=folder,
                clock=clock,
                roster=self.roster,
                faults=self.faults,
                neighbours=self.neighbours,
                bus=bus,
                pipeline=self.pipeline,
            ),
        )
        self._make_talkers()

    def _make_keepers(self) -> None:
        """Those who use the radio."""
        self.discovery = Discovery(
            sender=self.sender,
            clock=self._clock,
            bus=self._bus,
            roster=self.roster,
            registry=self.registry,
            counts=self.counts,
            config=lambda: self.configs.current,
        )
        self.pool = LinkPool(self._radio, self._clock)
        self.bodies = Bodies(
            clock=self._clock,
            roster=self.roster,
            registry=self.registry,
            pipeline=self.pipeline,
            own=self.decoder,
            faults=self.faults,
        )
        setter = TimeSetter(self._clock, self.counts)
        self.streams = StreamKeeper(
            pool=self.pool,
            clock=self._clock,
            pipeline=self.pipeline,
            decoder=self.decoder,
            neighbours=self.neighbours,
            bodies=self.bodies,
            setter=setter,
            counts=self.counts,
        )
        self.fetcher = WindowFetcher(
            pool=self.pool,
            clock=self._clock,
            time=self.time,
            decoder=self.decoder,
            falls=self.falls,
            counts=self.counts,
            models=self.pipeline.models,
        )
        self.candidates = CandidateKeeper(
            pool=self.pool,
            fetcher=self.fetcher,
            clock=self._clock,
            time=self.time,
            pipeline=self.pipeline,
            neighbours=self.neighbours,
            outbox=self.outbox,
            falls=self.falls,
            faults=self.faults,
            setter=setter,
            counts=self.counts,
        )
        self.buttons = ButtonKeeper(
            pool=self.pool,
            clock=self._clock,
            outbox=self.outbox,
            reporter=self.reporter,
            setter=setter,
            counts=self.counts,
        )

        self.listener = Listener(
            radio=self._radio,
            clock=self._clock,
            decoder=self.decoder,
            pipeline=self.pipeline,
            candidates=self.candidates,
            buttons=self.buttons,
            faults=self.faults,
            counts=self.counts,
            discovery=self.discovery,
            ears=(self.sensors, self.bodies),
        )

        self.vitals = Vitals(
            clock=self._clock,
            time=self.time,
            roster=self.roster,
            pipeline=self.pipeline,
            neighbours=self.neighbours,
            reporter=self.reporter,
        )

    def _make_talkers(self) -> None:
        """Those who speak with the broker, beside the uplink."""
        self.heartbeat = Heartbeat(
            sender=self.sender,
            clock=self._clock,
            bus=self._bus,
            roster=self.roster,
            neighbours=self.neighbours,
            health=self.health,
            faults=self.faults,
            counts=self.counts,
            on_refused=self._refused,
        )
        self.downlink = Downlink(
            clock=self._clock,
            counts=self.counts,
            roster=self.roster,
            outbox=self.outbox,
            telemetry=self.telemetry_outbox,
            uplink=self.uplink,
            siren=self.siren,
            faults=self.faults,
            neighbours=self.neighbours,
            pool=self.pool,
            discovery=self.discovery,
            configs=self.configs,
            apply_config=self._apply_config,
            settle=lambda wearable, ids: self.lying.settle(wearable, ids),  # noqa: PLW0108 - made later
            spawn=self._spawn,
        )
        self.lying = LyingKeeper(
            clock=self._clock,
            time=self.time,
            boot=self.sender.boot,
            roster=self.roster,
            outbox=self.outbox,
            pipeline=self.pipeline,
            falls=self.falls,
            slides=self.slides,
            downlink=self.downlink,
            on_unwritable=self._storage_failed,
        )
        self.inbox = Inbox(
            self.sender,
            self.counts,
            on_receipt=self.downlink.receipt,
            on_alert_state=self.downlink.alert_state,
            on_config=self.downlink.config,
            on_command=self.downlink.command,
            on_presence=self.neighbours.hear,
        )

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
        await self.vitals.tick(second.summaries)
        now_ns = self._clock.monotonic_ns()
        reason = await self.telemetry.flush(now_ns)
        if reason is not None:
            await self.faults.raise_fault(FaultCause.TELEMETRY_DROPPED, reason)
        await self.listener.report_anomalies()
        await self.health.check(now_ns)
        await self.sensors.check(now_ns)
        await self.bodies.check()
        linked = [each for each in self.roster if each.config.streaming or self.bodies.reads(each)]
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
