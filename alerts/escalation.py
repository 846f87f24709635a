"""The escalation: due rows are taken, people are told, what became of it is written down.

A row is claimed for a while in one transaction, its messages are sent outside any, and the
result is written in another. A worker that dies in between leaves a claim that runs out: the
step is done again, because twice is better than not at all.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

import structlog
from sqlalchemy import or_, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from alerts import faults, schedule, transitions
from alerts.channels import CHANNEL_TIMEOUT_S, Channel, ChannelError, Notice
from alerts.clockwatch import ClockWatch
from alerts.lateness import LATE_S, Lookout
from alerts.policy import (
    CALLING_STEPS,
    REALARM_FIRST_STEP,
    LogKind,
    NotificationOutcome,
    StepName,
    StepOutcome,
    outranks,
)
from alerts.recipients import recipients
from alerts.records.database import Database
from alerts.records.models import EscalationStep, Incident, Notification
from contract.clock import Clock, now_us
from contract.events import FaultCause
from contract.messages import IncidentState, Priority
from contract.units import US_PER_S

CLAIM_S: Final = CHANNEL_TIMEOUT_S + 5.0
"""How long a claim stands: every message has timed out by then, with time to write it down."""

_CLAIM_US: Final = round(CLAIM_S * US_PER_S)

BATCH: Final = 100
"""Rows taken at once, so that a storm does not hold the write lock for long."""

RETRY_S: Final = 1.0
"""Pause after the database could not be used; a page may be waiting."""

_CALLED_FOR: Final = (IncidentState.UNPAGED, IncidentState.OPEN, IncidentState.ACKNOWLEDGED)
"""States in which somebody waits for the next step."""

log = structlog.get_logger(__name__)


class Call(NamedTuple):
    """One message that is to be sent."""

    notification: int
    notice: Notice
    channel: Channel


class Delivery(NamedTuple):
    """What became of one message."""

    call: Call
    error: str | None


class Claim(NamedTuple):
    """A claimed step with its messages."""

    step: int
    incident: str
    calls: list[Call]


def claim_due(
    session: Session, home: str, moment_us: int, channels: Sequence[Channel], why_late: str
) -> list[Claim]:
    """Take the steps whose time has come and do what needs no channel.

    Parameters
    ----------
    why_late
        What is written down beside a step that is late.

    Returns
    -------
    list of Claim
        The steps that call people; they stay claimed for `CLAIM_S`.
    """
    due = (
        select(EscalationStep)
        .where(
            EscalationStep.home == home,
            EscalationStep.done_at_us.is_(None),
            EscalationStep.next_at_us <= moment_us,
            or_(
                EscalationStep.claimed_until_us.is_(None),
                EscalationStep.claimed_until_us <= moment_us,
            ),
        )
        .order_by(EscalationStep.next_at_us, EscalationStep.id)
        .limit(BATCH)
        .with_for_update(skip_locked=True)
    )
    claims: list[Claim] = []
    failed: set[int] = set()
    while rows := session.scalars(due.where(EscalationStep.id.not_in(failed))).all():
        for row in rows:
            if row.done_at_us is not None:
                continue  # cancelled by a row before it
            number = row.id
            try:
                with session.begin_nested():
                    incident = session.get_one(Incident, row.incident_id)
                    _note_lateness(session, row, incident, moment_us, why_late)
                    claim = _take(session, row, incident, moment_us, channels)
            except Exception:  # one incident's defect must not keep the others from being paged
                log.exception("step_defect", step=number)
                failed.add(number)
                row.claimed_until_us = moment_us + _CLAIM_US  # not at every quarter of a second
                continue
            if claim is not None:
                claims.append(claim)
    return claims


def _note_lateness(
    session: Session, row: EscalationStep, incident: Incident, moment_us: int, why_late: str
) -> None:
    late_us = moment_us - row.next_at_us
    if late_us <= LATE_S * US_PER_S or incident.state not in _CALLED_FOR:
        return
    if row.claimed_until_us is not None:
        why_late = "whoever began it never finished"
    transitions.write_log(
        session,
        incident,
        LogKind.STEP_LATE,
        moment_us,
        by=transitions.ESCALATION_AUTHOR,
        detail=f"{late_us // US_PER_S} s late: {why_late}",
    )


def _take(
    session: Session,
    row: EscalationStep,
    incident: Incident,
    moment_us: int,
    channels: Sequence[Channel],
) -> Claim | None:
    step = StepName(row.step)
    if step in CALLING_STEPS and incident.state == IncidentState.OPEN:
        return _begin_calls(session, row, incident, moment_us, channels)
    row.done_at_us = moment_us
    row.outcome = StepOutcome.CANCELLED
    if step is StepName.DEADLINE:
        _pass_deadline(session, row, incident, moment_us)
    elif step is StepName.ARRIVAL and incident.state == IncidentState.ACKNOWLEDGED:
        row.outcome = StepOutcome.PAGED
        transitions.raise_again(
            session, incident, moment_us, LogKind.NO_ARRIVAL, first_step=REALARM_FIRST_STEP
        )
    return None


def _pass_deadline(
    session: Session, row: EscalationStep, incident: Incident, moment_us: int
) -> None:
    """Nothing has been heard of a suspected fall: it is paged."""
    row.outcome = StepOutcome.PAGED
    state = IncidentState(incident.state)
    detail = "no further word of the suspected fall"
    if state is IncidentState.UNPAGED:
        transitions.page(session, incident, moment_us, LogKind.DEADLINE_PASSED, detail)
    elif outranks(Priority.HIGH, Priority(incident.priority)) or state in (
        IncidentState.ACKNOWLEDGED,
        IncidentState.ARRIVED,
    ):
        incident.priority = Priority.HIGH
        transitions.raise_again(
            session, incident, moment_us, LogKind.DEADLINE_PASSED, detail=detail
        )


def _begin_calls(
    session: Session,
    row: EscalationStep,
    incident: Incident,
    moment_us: int,
    channels: Sequence[Channel],
) -> Claim:
    step = StepName(row.step)
    again = row.claimed_until_us is not None
    row.claimed_until_us = moment_us + _CLAIM_US
    if again:
        _doubt(session, row)
    if schedule.sounds(incident, step):
        incident.sound = True
    if schedule.is_last(incident, step):
        schedule.repeat(session, row, incident, moment_us)
    people = recipients(session, incident, step)
    named = ", ".join(person.name for person in people) or "nobody is entered as staff"
    transitions.write_log(
        session,
        incident,
        LogKind.STEP_REACHED,
        moment_us,
        by=transitions.ESCALATION_AUTHOR,
        detail=f"{step}: {named}",
    )
    calls: list[Call] = []
    for person in people:
        if not person.contact:
            continue
        channel = channel_for(person.contact, channels)
        notification = Notification(
            home=incident.home,
            incident_id=incident.id,
            step_id=row.id,
            recipient=person.id,
            channel=channel.name,
            begun_at_us=moment_us,
        )
        session.add(notification)
        session.flush()
        notice = Notice(
            incident.id,
            Priority(incident.priority),
            incident.kind,
            incident.bed,
            step,
            person.id,
            person.contact,
        )
        calls.append(Call(notification.id, notice, channel))
    log.info("step_reached", incident=incident.id, step=step, people=len(people), again=again)
    return Claim(row.id, incident.id, calls)


def channel_for(contact: str, channels: Sequence[Channel]) -> Channel:
    """The first channel that can do something with a contact; one that says so if none can."""
    for channel in channels:
        try:
            if channel.accepts(contact):
                return channel
        except Exception:  # its defect must not keep the others from being used
            log.exception("channel_defect", channel=channel.name)
    return _NO_CHANNEL


def _doubt(session: Session, row: EscalationStep) -> None:
    """What an earlier worker began and never finished stays in doubt; it is sent again."""
    unfinished = session.scalars(
        select(Notification).where(Notification.step_id == row.id, Notification.outcome.is_(None))
    )
    for notification in unfinished:
        notification.outcome = NotificationOutcome.IN_DOUBT


def record(
    session: Session, home: str, claim: Claim, deliveries: Iterable[Delivery], moment_us: int
) -> None:
    """Write down what became of a step's messages."""
    row = session.get_one(EscalationStep, claim.step)
    incident = session.get_one(Incident, claim.incident)
    reached = 0
    for delivery in deliveries:
        reached += delivery.error is None
        _record_one(session, home, incident, delivery, moment_us)
    if not claim.calls:
        outcome = StepOutcome.BOARD_ONLY
    else:
        outcome = StepOutcome.SENT if reached else StepOutcome.FAILED
    row.outcome = outcome
    row.done_at_us = moment_us
    if (
        outcome is StepOutcome.FAILED
        and incident.state == IncidentState.OPEN
        and row.round == incident.round
        and schedule.bring_forward(session, incident, moment_us)
    ):
        log.warning("step_brought_forward", incident=incident.id, failed=row.step)


def _record_one(
    session: Session, home: str, incident: Incident, delivery: Delivery, moment_us: int
) -> None:
    call = delivery.call
    notification = session.get_one(Notification, call.notification)
    about = faults.About(f"staff:{call.notice.recipient}")
    if delivery.error is None:
        notification.outcome = NotificationOutcome.SENT
        notification.sent_at_us = moment_us
        faults.clear(session, home, FaultCause.CHANNEL_FAILED, about, now_us=moment_us)
        what = LogKind.NOTIFIED
    else:
        notification.outcome = NotificationOutcome.FAILED
        notification.error = delivery.error
        detail = (
            f"{call.notice.recipient} could not be told by {call.channel.name}: "
            f"{delivery.error}. Check the contact and the network."
        )
        faults.report(
            session, home, FaultCause.CHANNEL_FAILED, about, detail=detail, now_us=moment_us
        )
        what = LogKind.NOT_NOTIFIED
    transitions.write_log(
        session, incident, what, moment_us, by=call.notice.recipient, detail=delivery.error
    )


class _NoChannel:
    """Stands for the missing channel of a contact that none accepts."""

    name = "none"

    def accepts(self, contact: str) -> bool:
        return bool(contact)

    async def send(self, notice: Notice) -> None:
        raise ChannelError("no channel accepts this kind of contact")


_NO_CHANNEL: Final = _NoChannel()


class EscalationWorker:
    """Does what is due whenever it is woken.

    Parameters
    ----------
    watch
        Asked before times are compared, so that a jump of the wall clock is known first.
    """

    def __init__(
        self,
        home: str,
        clock: Clock,
        database: Database,
        channels: Sequence[Channel],
        watch: ClockWatch,
    ) -> None:
        self._home = home
        self._clock = clock
        self._database = database
        self._channels = channels
        self._watch = watch
        self._lookout = Lookout(clock)
        self._wake = asyncio.Event()

    def wake(self) -> None:
        """Look at what is due, soon; cheap, and only from the event loop."""
        self._wake.set()

    async def run(self) -> None:
        """Until cancelled. What is being sent then is sent again by the next worker."""
        async with asyncio.TaskGroup() as sending:
            while True:
                await self._wake.wait()
                self._wake.clear()
                try:
                    claims = await self._database.run(self._claim)
                except SQLAlchemyError as error:
                    # Whoever watches from outside sees it: the auditor cannot write either.
                    log.error("escalation_cannot_read", error=str(error))
                    self._lookout.hindered(error)
                    await self._clock.sleep(RETRY_S)
                    self._wake.set()
                    continue
                for claim in claims:
                    sending.create_task(self._deliver(claim))

    def _claim(self) -> list[Claim]:
        self._watch.check()
        with self._database.transaction(self._home) as session:
            claims = claim_due(
                session, self._home, now_us(self._clock), self._channels, self._lookout.why()
            )
        self._lookout.looked()
        return claims

    async def _deliver(self, claim: Claim) -> None:
        outcomes = await asyncio.gather(*(_send(call) for call in claim.calls))
        try:
            await self._database.run(self._record, claim, outcomes)
        except SQLAlchemyError as error:
            # The claim runs out and the step is done again.
            log.error("step_not_recorded", incident=claim.incident, error=str(error))

    def _record(self, claim: Claim, deliveries: list[Delivery]) -> None:
        with self._database.transaction(self._home) as session:
            record(session, self._home, claim, deliveries, now_us(self._clock))


async def _send(call: Call) -> Delivery:
    return Delivery(call, await deliver(call.channel, call.notice))


async def deliver(channel: Channel, notice: Notice) -> str | None:
    """Send one message; why it was not delivered, or None."""
    try:
        await channel.send(notice)
    except ChannelError as error:
        return str(error)
    except Exception as error:  # one channel's defect must not keep the others from being used
        log.exception("channel_defect", channel=channel.name)
        return f"defect in the channel: {type(error).__name__}"
    return None
