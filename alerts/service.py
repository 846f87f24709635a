"""The alert service: everything of this room, running.

Tasks: the bus; the *pulse*, the only timer, which looks at the clock, at changes that another
process made, and at what is due; the worker, which pages; the auditor, which trusts neither;
the reflector, which tells gateways of every change; and the heartbeat, which stops when the
service could not page, so that the gateways' own sirens take over; and the rounds, which have beds
without cover looked after. Where several workers share the records, one more task sees to it that
one of them speaks.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

import structlog
from sqlalchemy.exc import OperationalError

from alerts import faults
from alerts.auditor import Auditor
from alerts.channels import Channel
from alerts.checks import CHECK_EVERY_S
from alerts.clockwatch import ClockWatch
from alerts.directory import enter_home
from alerts.escalation import EscalationWorker
from alerts.floods import FloodWatch
from alerts.gateway_config import gateway_configs
from alerts.intake import Intake
from alerts.last_places import LastPlaces
from alerts.liveness import Liveness
from alerts.publisher import NAME, Publisher
from alerts.records.database import DATABASE_ERRORS, Database
from alerts.rounds import Rounds
from alerts.snapshot import Snapshot, read
from alerts.speaker import LOOK_S, Speaker
from contract import topics
from contract.clock import Clock, now_us
from contract.events import FaultCause
from contract.flood import Allowance
from contract.ids import IdSource
from contract.messages import GatewayConfig
from contract.protocols import Bus, Message
from contract.units import NS_PER_S, ns_to_seconds

BUSY_POLL_S: Final = 0.25
"""While something is pending: how soon a tap in another process is known here."""

IDLE_POLL_S: Final = 2.0
"""While nothing is: then only the directory can change. A day of it costs seconds of CPU."""

HEARTBEAT_S: Final = 5.0
"""Gateways miss us after 60 s, twelve of these."""

STATUS_EVERY: Final = 3
"""One status for so many heartbeats."""

AGES_WRITTEN_S: Final = 30.0
"""How often the ages of heartbeats are written for other processes to read; half of what
makes silence a fault."""

UNHEALTHY_AFTER_S: Final = 30.0
"""No reading of the records, no audit, or a stall for so long: our heartbeat stops, and 60 s
later the gateways sound "system down"."""

FAREWELL_S: Final = 1.0
"""How long the last word may take; `./run demo` stops within 2 s."""

log = structlog.get_logger(__name__)


class AlertService:
    """Listens for one home until it is cancelled.

    Parameters
    ----------
    home
        Its identifier; entered if it is not.
    clock, ids, bus, database
        Collaborators; the database is upgraded already.
    channels
        In the order in which a contact is offered to them.
    session
        Id of this run.
    boot, version
        For the status.
    allowance
        Of each sender of messages; None for no limit.
    check_every_s
        Seconds between two looks at a bed that is not being monitored.
    """

    def __init__(  # noqa: PLR0917 - collaborators, in the order in which data meets them
        self,
        home: str,
        clock: Clock,
        ids: IdSource,
        bus: Bus,
        database: Database,
        channels: Sequence[Channel],
        session: str,
        *,
        boot: str = "",
        version: str = "",
        allowance: Allowance | None = None,
        check_every_s: int = CHECK_EVERY_S,
    ) -> None:
        self._home = home
        self._clock = clock
        self._bus = bus
        self._database = database
        self._session = session
        self._ids = ids
        self._speaker = Speaker(home, clock, database, session)
        self._has_spoken = False
        enter_home(database, home)
        self._floods = FloodWatch(home, clock, database, allowance)
        self._watch = ClockWatch(home, clock, database)
        self._liveness = Liveness(home, clock, database)
        self._publisher = Publisher(home, clock, bus, session, boot=boot, version=version)
        self._places = LastPlaces(home, clock, database)
        self._intake = Intake(
            home,
            clock,
            ids,
            database,
            watch=self._watch,
            liveness=self._liveness,
            publisher=self._publisher,
            places=self._places,
        )
        self._worker = EscalationWorker(home, clock, database, channels, self._watch)
        self._rounds = Rounds(
            home,
            clock,
            ids,
            database,
            channels,
            self._watch,
            every_s=check_every_s,
            counts=self._publisher.counts,
        )
        self._auditor = Auditor(home, clock, database, self._worker.wake)
        self._changed = asyncio.Event()
        self._polled_ns = clock.monotonic_ns()
        self._refusal_open = True  # of an earlier run, perhaps

    @property
    def _snapshot(self) -> Snapshot:
        return self._publisher.snapshot

    async def run(self) -> None:
        """Until cancelled; then says goodbye. Ends by raising if a part of it breaks."""
        await self._begin()
        self._rounds.wake()
        loop = asyncio.get_running_loop()

        def on_commit(home: str) -> None:
            if home == self._home and not loop.is_closed():
                loop.call_soon_threadsafe(self._changed.set)

        self._database.listen(on_commit)
        bus = asyncio.create_task(self._run_bus(), name="alerts-bus")
        others = () if self._speaker.alone else (self._look_at_others(),)
        try:
            async with asyncio.TaskGroup() as group:
                for work in (
                    _watch_over(bus),
                    self._pulse(),
                    self._reflect(),
                    self._beat(),
                    self._worker.run(),
                    self._rounds.run(),
                    self._auditor.run(),
                    *others,
                ):
                    group.create_task(work)
        finally:
            self._database.forget(on_commit)
            await self._farewell()
            bus.cancel()
            await asyncio.gather(bus, return_exceptions=True)

    async def _begin(self) -> None:
        """The records may go away in the very moment after they came."""
        while True:
            try:
                return await self._database.run(self._prepare)
            except OperationalError as error:
                log.error("not_prepared", error=str(error))
                await self._clock.sleep(IDLE_POLL_S)

    def _prepare(self) -> None:
        self._watch.start()
        self._liveness.load()
        speaks = self._speaker.look(well=False)
        self._watch.moves = self._publisher.speaks = self._has_spoken = speaks
        log.info("alerts_started", session=self._session, speaks=speaks)
        if speaks:
            self._liveness.write_own(NAME, self._session, online=True)
        with self._database.session() as session:
            self._publisher.snapshot = read(session, self._home, now_us(self._clock))
        self._changed.set()

    async def _run_bus(self) -> None:
        filters = [
            topics.event_topic(self._home, topics.ANY, topics.ANY),
            topics.build(self._home, topics.ANY, topics.STATUS),
            topics.build(self._home, topics.ANY, topics.PRESENCE),
            topics.build(self._home, topics.ANY, topics.WHEREABOUTS),
        ]
        await self._bus.run(filters, self._on_messages, self._on_connected, self._publisher.will)

    async def _on_connected(self) -> None:
        await self._publisher.status(online=True)
        await self._tell_configs(self._liveness.gateways, all_=True)
        await self._publisher.alert_state(self._liveness.gateways)

    async def _farewell(self) -> None:
        try:
            others_live = await self._database.run(self._speaker.leave)
            if others_live or not self._publisher.speaks:
                return  # nobody is to believe that the service has ended
            await self._database.run(self._liveness.write_own, NAME, self._session, online=False)
        except DATABASE_ERRORS as error:
            log.error("farewell_not_written", error=str(error))
        if not self._bus.connected:
            return
        word = asyncio.ensure_future(self._publisher.status(online=False))
        limit = asyncio.ensure_future(self._clock.sleep(FAREWELL_S))
        await asyncio.wait({word, limit}, return_when=asyncio.FIRST_COMPLETED)
        for task in (word, limit):
            task.cancel()
        await asyncio.gather(word, limit, return_exceptions=True)

    async def _on_messages(self, messages: Sequence[Message]) -> None:
        met = await self._intake.take(self._floods.passing(messages))
        if met:
            await self._tell_configs(sorted(met), all_=True)
            await self._publisher.alert_state(sorted(met))
        if self._liveness.changed:
            await self._write_liveness()
        if self._intake.contradicted:
            self._intake.contradicted = False
            await self._publisher.status(online=True)

    # --- what goes on by itself ------------------------------------------------------------

    async def _pulse(self) -> None:
        judged_ns = written_ns = self._clock.monotonic_ns()
        while True:
            await self._clock.sleep(self._pause_s())
            moment_ns = self._clock.monotonic_ns()
            try:
                self._watch.check()
                if self._database.is_sqlite:
                    revision = self._database.revision(self._home)
                else:
                    revision = await self._database.run(self._database.revision, self._home)
                self._polled_ns = moment_ns
                if revision != self._snapshot.revision:
                    self._changed.set()
                if moment_ns - judged_ns >= NS_PER_S:
                    judged_ns = moment_ns
                    self._liveness.judge()
                    if self._liveness.changed:
                        await self._write_liveness()
                await self._places.keep_up(writes=self._publisher.speaks)
                if moment_ns - written_ns >= AGES_WRITTEN_S * NS_PER_S:
                    written_ns = moment_ns
                    ages = self._liveness.take_ages()
                    if self._publisher.speaks:
                        await self._database.run(self._liveness.end_leaves, ages)
                        await self._database.run(self._liveness.write_ages, NAME, ages)
            except DATABASE_ERRORS as error:
                self._publisher.counts["pulses_failed"] += 1
                log.error("pulse_failed", error=str(error))
            self._wake_due()

    def _wake_due(self) -> None:
        moment_us = now_us(self._clock)
        for due_us, worker in (
            (self._snapshot.next_due_us, self._worker),
            (self._snapshot.checks_due_us, self._rounds),
        ):
            if due_us is not None and due_us <= moment_us:
                worker.wake()

    def _pause_s(self) -> float:
        due_us = self._snapshot.next_due_us
        if due_us is None:
            return IDLE_POLL_S
        ahead_s = (due_us - now_us(self._clock)) / 1e6
        return min(BUSY_POLL_S, ahead_s) if ahead_s > 0 else BUSY_POLL_S

    async def _write_liveness(self) -> None:
        changes = self._liveness.take_changes()
        if not self._publisher.speaks:
            return  # written by who speaks, and by us when we do
        try:
            await self._database.run(self._liveness.write, changes)
        except DATABASE_ERRORS as error:
            self._liveness.put_back(changes)
            log.error("liveness_not_written", error=str(error))

    async def _look_at_others(self) -> None:
        """Speak when nobody else does, and be silent when somebody does."""
        while True:
            await self._clock.sleep(LOOK_S)
            well = self._bus.connected and self._problem() is None
            try:
                speaks = await self._database.run(self._speaker.look, well=well)
                if speaks and not self._publisher.speaks:
                    await self._begin_term()
            except DATABASE_ERRORS as error:
                log.error("workers_not_read", error=str(error))
                continue
            if self._publisher.speaks and not speaks:
                self._watch.moves = self._publisher.speaks = False
                log.info("silent", reason="another worker speaks")

    async def _begin_term(self) -> None:
        """Say everything that the speaker before us may not have said."""
        log.info("speaks", run=self._session)
        self._watch.moves = True
        # Gateways never come back to a session of alert state that they have left.
        self._publisher.begin_term(self._ids.new() if self._has_spoken else self._session)
        self._has_spoken = True
        self._liveness.retell()
        await self._write_liveness()
        await self._on_connected()
        await self._database.run(self._liveness.write_own, NAME, self._session, online=True)

    async def _reflect(self) -> None:
        """After each change: read the records, tell the gateways, wake the worker."""
        while True:
            await self._changed.wait()
            self._changed.clear()
            try:
                before = self._snapshot
                snapshot = await self._database.run(self._read)
            except DATABASE_ERRORS as error:
                log.error("records_not_read", error=str(error))
                await self._clock.sleep(IDLE_POLL_S)
                self._changed.set()
                continue
            self._publisher.snapshot = snapshot
            if snapshot.cover != before.cover:
                self._rounds.wake()
            self._wake_due()
            new = set(snapshot.gateways) - set(self._liveness.gateways)
            self._liveness.enter(new)
            if new or snapshot.config_revision != before.config_revision:
                await self._tell_configs(self._liveness.gateways, all_=False)
            await self._publisher.alert_state(self._liveness.gateways)

    def _read(self) -> Snapshot:
        with self._database.session() as session:
            return read(session, self._home, now_us(self._clock))

    async def _tell_configs(self, gateways: Sequence[str], *, all_: bool) -> None:
        try:
            configs = await self._database.run(self._read_configs, gateways)
        except DATABASE_ERRORS as error:
            log.error("configuration_not_read", error=str(error))
            return
        await self._publisher.configs(configs, all_=all_)

    def _read_configs(self, gateways: Sequence[str]) -> list[tuple[str, GatewayConfig]]:
        with self._database.session() as session:
            return gateway_configs(session, self._home, gateways)

    async def _beat(self) -> None:
        beats = 0
        while True:
            await self._clock.sleep(HEARTBEAT_S)
            problem = self._problem()
            if problem is not None:
                self._publisher.counts["heartbeats_withheld"] += 1
                log.error("heartbeat_withheld", reason=problem)
                continue
            await self._publisher.alert_state(self._liveness.gateways)
            await self._report_refusals()
            await self._report_floods()
            if beats % STATUS_EVERY == 0:
                self._publisher.counts["audits"] = self._auditor.audits
                await self._publisher.status(online=True)
            beats += 1

    def _problem(self) -> str | None:
        """Why we could not page at the moment; then it is better to look dead than alive."""
        moment_ns = self._clock.monotonic_ns()
        audit_s = ns_to_seconds(moment_ns - self._auditor.last_ns)
        checks = (
            (ns_to_seconds(moment_ns - self._polled_ns), "the records cannot be read"),
            (audit_s, "the auditor has stopped"),
            (self._auditor.stalled_for_s, "an escalation is stalled"),
        )
        return next((why for seconds, why in checks if seconds > UNHEALTHY_AFTER_S), None)

    async def _report_refusals(self) -> None:
        """A broker that refuses our words keeps the gateways in the dark: a fault, until a
        heartbeat goes by without a refusal.
        """
        refused, self._publisher.refused = self._publisher.refused, set()
        if not refused and not self._refusal_open:
            return
        try:
            await self._database.run(self._write_refusals, refused)
        except DATABASE_ERRORS as error:
            log.error("refusal_not_written", error=str(error))
        else:
            self._refusal_open = bool(refused)

    async def _report_floods(self) -> None:
        self._publisher.counts["messages_shed"] = self._floods.shed
        try:
            await self._floods.report()
        except DATABASE_ERRORS as error:
            log.error("floods_not_written", error=str(error))

    def _write_refusals(self, refused: set[str]) -> None:
        cause, moment_us = FaultCause.PUBLISH_REFUSED, now_us(self._clock)
        with self._database.transaction(self._home) as session:
            if refused:
                detail = f"The broker refuses {', '.join(sorted(refused))}. Check its access list."
                faults.report(
                    session, self._home, cause, faults.OWN, detail=detail, now_us=moment_us
                )
            else:
                faults.clear(session, self._home, cause, faults.OWN, now_us=moment_us)


async def _watch_over(bus: asyncio.Task[None]) -> None:
    """End with the bus: a service that hears nothing must not look alive."""
    await asyncio.wait({bus})
    if not bus.cancelled():
        bus.result()
    raise RuntimeError("the connection to the broker has ended")
