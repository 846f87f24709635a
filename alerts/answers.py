"""Acknowledgements that come as events: somebody pressed a siren's button on the spot.

Everything here works inside the caller's transaction.
"""

from __future__ import annotations

from typing import Final

import structlog
from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from alerts import transitions
from alerts.membership import attach, timing_of
from alerts.policy import ACKNOWLEDGEMENT_SLACK_S, LogKind
from alerts.records.models import Incident, IncidentEvent, IncidentLog, ReceivedEvent
from contract.events import Event, EventKind
from contract.messages import IncidentState
from contract.units import US_PER_S
from contract.wire import decode

log = structlog.get_logger(__name__)


def take(session: Session, event: Event, now_us: int) -> None:
    """Stop an alert because somebody pressed the button on the spot.

    It may name our incident, or, from a gateway that has not heard of one, the alarm's id, its
    fall or its key; if that alarm is still on its way, the acknowledgement waits for it.
    """
    assert event.incident is not None, "contract.wire accepts none without"
    incident = _named_incident(session, event.home, event.incident)
    if incident is None:
        log.warning("acknowledgement_waits", names=event.incident, gateway=event.gateway)
        return
    attach(session, incident, event)
    _acknowledge(session, incident, event, now_us)


def _acknowledge(session: Session, incident: Incident, event: Event, now_us: int) -> None:
    given_us = timing_of(event, now_us).happened_us
    raised_us = _raised_us(session, incident)
    by = event.by or event.gateway
    if incident.state not in (IncidentState.UNPAGED, IncidentState.OPEN):
        return
    if given_us + ACKNOWLEDGEMENT_SLACK_S * US_PER_S < raised_us:
        transitions.write_log(session, incident, LogKind.LATE_ACKNOWLEDGEMENT, now_us, by=by)
        return
    transitions.acknowledge(session, incident, by, now_us)
    log.info("acknowledged", incident=incident.id, by=by, gateway=event.gateway)


_RAISED_BY_EVENTS: Final = (
    LogKind.PAGED,
    LogKind.DEADLINE_PASSED,
    LogKind.SOFTENED,
    LogKind.RAISED_AGAIN,
    LogKind.PRIORITY_RAISED,
)
_RAISED: Final = (*_RAISED_BY_EVENTS, LogKind.NO_ARRIVAL)


def _raised_us(session: Session, incident: Incident) -> int:
    """When what calls people now was known at the gateway.

    After an outage alarm and answer come together, long after both: an alarm that we raised on
    hearing of it had been raised there when it was made, and the answer is to it. Nobody's having
    arrived is known only here.
    """
    raised_us = incident.raised_at_us or incident.opened_at_us
    what = session.scalars(
        select(IncidentLog.what)
        .where(IncidentLog.incident_id == incident.id, IncidentLog.what.in_(_RAISED))
        .order_by(IncidentLog.id.desc())
        .limit(1)
    ).first()
    if what not in _RAISED_BY_EVENTS:
        return raised_us
    received = session.scalars(
        select(ReceivedEvent)
        .join(
            IncidentEvent,
            (IncidentEvent.home == ReceivedEvent.home) & (IncidentEvent.event == ReceivedEvent.id),
        )
        .where(
            IncidentEvent.incident_id == incident.id,
            ReceivedEvent.kind != EventKind.ACKNOWLEDGED,
        )
    )
    made_us = [
        timing_of(decode(row.payload.encode(), Event), row.received_at_us).emitted_us
        for row in received
    ]
    return min(raised_us, max(made_us, default=raised_us))


def _named_incident(session: Session, home: str, name: str) -> Incident | None:
    incident = session.get(Incident, name)
    if incident is not None and incident.home == home:
        return incident
    return session.scalars(
        select(Incident)
        .join(IncidentEvent, IncidentEvent.incident_id == Incident.id)
        .where(
            Incident.home == home,
            IncidentEvent.home == home,
            or_(
                IncidentEvent.event == name,
                IncidentEvent.fall == name,
                IncidentEvent.key == name,
            ),
        )
        .order_by(Incident.opened_at_us.desc(), Incident.id.desc())
        .limit(1)
    ).first()


def apply_waiting(session: Session, incident: Incident, event: Event, now_us: int) -> None:
    """An acknowledgement that overtook its alarm answers it now; the arrival clock runs from
    here, so nobody is forgotten.
    """
    names = [name for name in (event.id, event.fall_id, event.key) if name is not None]
    waiting = session.scalars(
        select(ReceivedEvent)
        .outerjoin(
            IncidentEvent,
            (IncidentEvent.home == ReceivedEvent.home) & (IncidentEvent.event == ReceivedEvent.id),
        )
        .where(
            ReceivedEvent.home == event.home,
            ReceivedEvent.answers.in_(names),
            IncidentEvent.event.is_(None),
        )
        .order_by(ReceivedEvent.received_at_us)
    ).all()
    for row in waiting:
        given = decode(row.payload.encode(), Event)
        attach(session, incident, given)
        if incident.state in (IncidentState.UNPAGED, IncidentState.OPEN):
            transitions.acknowledge(session, incident, given.by or given.gateway, now_us)
