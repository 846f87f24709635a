"""What comes in from the broker: read, committed, and only then receipted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Final

import structlog
from sqlalchemy.orm import Session

from alerts import faults, incidents
from alerts.clockwatch import ClockWatch
from alerts.last_places import LastPlaces
from alerts.listener import (
    Rejection,
    is_gateway,
    read_event,
    read_presence,
    read_status,
    read_whereabouts,
)
from alerts.liveness import Liveness
from alerts.publisher import NAME, Publisher
from alerts.records.database import DATABASE_ERRORS, Database
from contract import topics
from contract.clock import Clock, now_us
from contract.events import Event, FaultCause
from contract.ids import IdSource
from contract.messages import Outcome, Status
from contract.protocols import Message
from contract.units import NS_PER_S
from contract.wire import RejectedMessageError, decode

PRESENCE_READ_S: Final = 10.0
"""How often a gateway's presence is read; it comes every second, and is written every 30."""

ANOTHER_HAS_ITS_ID: Final = "another event has this id"

MAX_REASONS_TOLD: Final = 10
"""Lines in the log about one batch of messages; the counts in the heartbeat say how many."""

STRANGERS: Final = faults.About("broker:strangers")
"""Whoever writes to the broker and is no gateway that we know: one line on the board for all, or
a stranger could cover it with inventions."""

Answer = tuple[str, str, Outcome, str | None]
"""Of an event: its gateway, its id, what became of it, and why if it was rejected."""

log = structlog.get_logger(__name__)


class Intake:
    """Takes in batches of messages, one after the other."""

    def __init__(
        self,
        home: str,
        clock: Clock,
        ids: IdSource,
        database: Database,
        *,
        watch: ClockWatch,
        liveness: Liveness,
        publisher: Publisher,
        places: LastPlaces,
    ) -> None:
        self._home = home
        self._clock = clock
        self._ids = ids
        self._database = database
        self._watch = watch
        self._liveness = liveness
        self._publisher = publisher
        self._places = places
        self._presence_read_ns: dict[str, int] = {}
        self.contradicted = False
        """Whether somebody said since the last look that the alert service has ended: the will
        of a worker that did. It stands in the place of our own status, which is retained."""

    async def take(self, messages: Sequence[Message]) -> set[str]:
        """Take in everything that has come.

        Returns
        -------
        set of str
            Gateways that were not known before: they are to be told their configuration.
        """
        events: list[tuple[Event, bytes]] = []
        rejections: list[Rejection] = []
        met: set[str] = set()
        refused = _Refused()
        for message in messages:
            try:
                topic = topics.parse(message.topic)
            except ValueError as error:
                refused.add("messages_unreadable", message.topic, str(error))
                continue
            try:
                if topic.sender == NAME:
                    self._hear_own(topic, message)
                    continue
                self._read(topic, message, events, met)
            except RejectedMessageError as error:
                refused.add("messages_rejected", message.topic, error.reason)
                if topic.branch == topics.EVENT:
                    rejections.append(Rejection(topic.sender, error.message_id, error.reason))
        self._publisher.counts.update(refused.tell())
        if events or rejections:
            met |= self._meet({event.gateway for event, _ in events})
            await self._take_in(events, rejections)
        return met

    def _hear_own(self, topic: topics.Topic, message: Message) -> None:
        """Our own words, or those of another worker."""
        if topic.branch != topics.STATUS or message.retained:
            return
        status = decode(message.payload, Status)
        if not status.online and status.session != self._publisher.session:
            self.contradicted = True

    def _read(
        self,
        topic: topics.Topic,
        message: Message,
        events: list[tuple[Event, bytes]],
        met: set[str],
    ) -> None:
        if topic.branch == topics.EVENT:
            events.append((read_event(topic, message.payload), message.payload))
        elif topic.branch == topics.STATUS:
            status = read_status(topic, message.payload)
            is_new = self._liveness.hear(status, retained=message.retained)
            if is_new and is_gateway(status.name):
                met.add(status.name)
        elif topic.branch == topics.PRESENCE:
            moment_ns = self._clock.monotonic_ns()
            last_ns = self._presence_read_ns.get(topic.sender)
            if last_ns is None or moment_ns - last_ns >= PRESENCE_READ_S * NS_PER_S:
                self._presence_read_ns[topic.sender] = moment_ns
                self._liveness.hear_devices(read_presence(message.payload))
        elif topic.branch == topics.WHEREABOUTS and not message.retained:
            self._places.hear(read_whereabouts(topic, message.payload))

    def _meet(self, senders: set[str]) -> set[str]:
        new = {name for name in senders if is_gateway(name)} - set(self._liveness.gateways)
        self._liveness.enter(new)
        return new

    async def _take_in(
        self, events: list[tuple[Event, bytes]], rejections: list[Rejection]
    ) -> None:
        """Commit, then give receipts; without a commit there is no receipt, and the sender
        comes again.
        """
        try:
            answers = await self._database.run(self._store, events, rejections)
        except DATABASE_ERRORS as error:
            self._publisher.counts["batches_not_stored"] += 1
            log.error("events_not_stored", events=len(events), error=str(error))
            return
        for _, _, outcome, _ in answers:
            self._publisher.counts[f"events_{outcome}"] += 1
        await self._publisher.receipts(answers)

    def _store(
        self, events: list[tuple[Event, bytes]], rejections: list[Rejection]
    ) -> list[Answer]:
        self._watch.check()
        moment_us = now_us(self._clock)
        with self._database.transaction(self._home) as session:
            answers = self._store_events(session, events, moment_us)
            for sender in sorted({event.gateway for event, _ in events}):
                cause, about = FaultCause.PACKET_REJECTED, _about(sender)
                faults.clear(session, self._home, cause, about, now_us=moment_us)
            known = set(self._liveness.gateways)
            unreadable: dict[faults.About, Rejection] = {}
            for rejection in rejections:
                if rejection.event is None:
                    name = rejection.gateway
                    unreadable[_about(name) if name in known else STRANGERS] = rejection
                else:
                    answers.append(
                        (rejection.gateway, rejection.event, Outcome.REJECTED, rejection.reason)
                    )
            for about, latest in unreadable.items():
                self._report_unreadable(session, about, latest, moment_us)
        return answers

    def _store_events(
        self, session: Session, events: list[tuple[Event, bytes]], moment_us: int
    ) -> list[Answer]:
        answers: list[Answer] = []
        for event, payload in events:
            try:
                with session.begin_nested():
                    outcome = incidents.receive(session, event, payload, moment_us, self._ids)
            except DATABASE_ERRORS:
                raise
            except Exception:  # a defect of ours: no receipt, so that nothing is lost by it
                log.exception("event_defect", event_id=event.id, kind=event.kind)
                continue
            reason = ANOTHER_HAS_ITS_ID if outcome is Outcome.REJECTED else None
            answers.append((event.gateway, event.id, outcome, reason))
        return answers

    def _report_unreadable(
        self, session: Session, about: faults.About, rejection: Rejection, moment_us: int
    ) -> None:
        """Without an id no receipt can tell its sender: then the board does."""
        faults.report(
            session,
            self._home,
            FaultCause.PACKET_REJECTED,
            about,
            detail=f"An event of {rejection.gateway} could not be read: {rejection.reason}",
            now_us=moment_us,
        )


class _Refused:
    """What was refused of one batch, told in few words: a flood of junk must not become a flood
    of lines, each of which costs more than the reading.
    """

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._first: dict[tuple[str, str], str] = {}
        """By what and why: the first topic."""

    def add(self, what: str, topic: str, reason: str) -> None:
        self._counts[what] += 1
        if len(self._first) < MAX_REASONS_TOLD:
            self._first.setdefault((what, reason), topic)

    def tell(self) -> Counter[str]:
        for (what, reason), topic in self._first.items():
            log.warning(what, topic=topic, reason=reason, of=self._counts[what])
        return self._counts


def _about(gateway: str) -> faults.About:
    return faults.About(f"gateway:{gateway}", gateway=gateway)
