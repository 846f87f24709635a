"""The parts of a gateway, put together; what they do by the second is `edge.gateway`'s."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from contract.clock import Clock
from contract.events import Event
from contract.ids import IdSource, check_gateway, check_identifier
from contract.messages import GatewayConfig, Presence
from contract.protocols import Bus, Radio
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
from edge.following import Following
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
from edge.receiver_faults import ReceiverFaults
from edge.reporter import Reporter, Sender
from edge.sensor_keeper import SensorKeeper
from edge.siren import Siren
from edge.siren_control import SirenControl
from edge.streams import StreamKeeper
from edge.telemetry import Telemetry
from edge.telemetry_outbox import MAX_BYTES, TelemetryOutbox
from edge.timebase import SessionTime
from edge.timekeeping import TimeSetter
from edge.uplink import Uplink
from edge.vitals import Vitals
from edge.wanderers import Wanderers
from edge.wearable_health import WearableHealth
from edge.wearables import Roster


class Assembly(ABC):
    """Everything that a gateway consists of, each part knowing those that it needs.

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
        self.following = Following(
            sender=self.sender,
            clock=clock,
            time=self.time,
            roster=self.roster,
            board=self.sensors.board,
            neighbours=self.neighbours,
            faults=self.faults,
        )
        self.neighbours.share = self.following.share
        self.receiver_faults = ReceiverFaults(self.faults, self.neighbours, clock)
        self.reporter.place = self.telemetry.place = self.following.places.zone_of
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
        self.wanderers = Wanderers(
            folder=folder,
            clock=clock,
            time=self.time,
            roster=self.roster,
            reporter=self.reporter,
            outbox=self.outbox,
            faults=self.faults,
            neighbours=self.neighbours,
            wearables=self.health.wearables,
            bus=bus,
            counts=self.counts,
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
            hearing=self.following.hearing,
            ears=(self.sensors, self.bodies),
        )

        self.vitals = Vitals(
            clock=self._clock,
            time=self.time,
            roster=self.roster,
            pipeline=self.pipeline,
            neighbours=self.neighbours,
            reporter=self.reporter,
            is_away=lambda each: self.health.wearables.absences.holds(each) is not None,
        )

    def _make_talkers(self) -> None:
        """Those who speak with the broker, beside the uplink."""
        self.heartbeat = Heartbeat(
            sender=self.sender,
            clock=self._clock,
            bus=self._bus,
            roster=self.roster,
            neighbours=self.neighbours,
            places=self.following.places,
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
            on_presence=self._hear,
            on_whereabouts=self.following.places.hear,
        )

    def _hear(self, presence: Presence) -> None:
        """Another gateway has spoken."""
        if self.neighbours.hear(presence):
            self.following.hear(presence)

    @abstractmethod
    def _apply_config(self, config: GatewayConfig) -> None:
        """A configuration has come into force."""

    @abstractmethod
    def _spawn(self, work: Coroutine[Any, Any, Any]) -> None:
        """Begin work that nobody waits for."""

    @abstractmethod
    async def _unwritable(self, event: Event, reason: str) -> None:
        """An event could not be written."""

    @abstractmethod
    async def _storage_failed(self, reason: str) -> None:
        """The folder does not take what must survive."""

    @abstractmethod
    async def _refused(self, topic: str, reason: str) -> None:
        """The broker does not take a message."""
