"""What the running service needs to know of its records, read in one go after each change."""

from __future__ import annotations

from collections import defaultdict
from typing import Final, NamedTuple

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from alerts import absences, checks
from alerts.cover import LOSS_CAUSES
from alerts.faults import OWN
from alerts.records.models import (
    EscalationStep,
    Fault,
    Gateway,
    Home,
    Incident,
    IncidentEvent,
    Service,
)
from contract.messages import AlertStateItem, IncidentState, Priority, Role
from contract.units import US_PER_S

RESOLVED_SHOWN_S: Final = 60
"""How long a resolved incident stays in the alert state: a gateway that misses eleven of
twelve heartbeats still hears that it may be quiet (contract: the last minute)."""


class Shown(NamedTuple):
    """An incident as gateways see it, and when it may be left out."""

    item: AlertStateItem
    resolved_at_us: int | None


class Snapshot(NamedTuple):
    """The state that the service acts on."""

    revision: int
    config_revision: int
    gateways: tuple[str, ...]
    shown: tuple[Shown, ...]
    next_due_us: int | None
    """When the escalation has something to do."""
    own_faults: tuple[str, ...]
    """Causes that stand about the alert service itself."""
    checks_due_us: int | None = None
    """When a manual check is to be raised, or somebody should be back."""
    cover: tuple[object, ...] = ()
    """What decides which beds are without cover: as long as it is the same, they are the same."""


EMPTY: Final = Snapshot(-1, -1, (), (), None, ())


def read(session: Session, home: str, moment_us: int) -> Snapshot:
    """Read all of it.

    Raises
    ------
    sqlalchemy.exc.NoResultFound
        If the home is unknown.
    """
    record = session.get_one(Home, home)
    pending = session.execute(
        select(EscalationStep.next_at_us, EscalationStep.claimed_until_us).where(
            EscalationStep.home == home, EscalationStep.done_at_us.is_(None)
        )
    ).all()
    entered = session.scalars(select(Gateway.name).where(Gateway.home == home)).all()
    seen = session.execute(
        select(Service.name, Service.online, Service.beds)
        .where(Service.home == home, Service.role == Role.GATEWAY)
        .order_by(Service.name)
    ).all()
    overdue = [row.id for row in absences.over(session, home, moment_us)]
    lost = session.scalars(
        select(Fault.id)
        .where(Fault.home == home, Fault.cause.in_(LOSS_CAUSES), Fault.cleared_at_us.is_(None))
        .order_by(Fault.id)
    ).all()
    return Snapshot(
        record.revision,
        record.config_revision,
        tuple(sorted({*entered, *(row.name for row in seen)})),
        _shown(session, home, moment_us),
        min((max(at, claimed or 0) for at, claimed in pending), default=None),
        tuple(
            session.scalars(
                select(Fault.cause)
                .where(
                    Fault.home == home,
                    Fault.subject == OWN.subject,
                    Fault.cleared_at_us.is_(None),
                )
                .order_by(Fault.cause)
            )
        ),
        _checks_due_us(session, home, moment_us),
        (
            record.config_revision,
            *overdue,
            *lost,
            *((row.name, row.online, *row.beds) for row in seen),
        ),
    )


def _checks_due_us(session: Session, home: str, moment_us: int) -> int | None:
    moments = (checks.next_at_us(session, home), absences.next_at_us(session, home, moment_us))
    return min((at_us for at_us in moments if at_us is not None), default=None)


def _shown(session: Session, home: str, moment_us: int) -> tuple[Shown, ...]:
    incidents = session.scalars(
        select(Incident)
        .where(
            Incident.home == home,
            or_(
                Incident.state != IncidentState.RESOLVED,
                Incident.resolved_at_us >= moment_us - RESOLVED_SHOWN_S * US_PER_S,
            ),
        )
        .order_by(Incident.opened_at_us, Incident.id)
    ).all()
    events: defaultdict[str, list[IncidentEvent]] = defaultdict(list)
    if incidents:
        for event in session.scalars(
            select(IncidentEvent)
            .where(IncidentEvent.incident_id.in_([incident.id for incident in incidents]))
            .order_by(IncidentEvent.at_us, IncidentEvent.event)
        ):
            events[event.incident_id].append(event)
    return tuple(
        Shown(_item(incident, events[incident.id]), incident.resolved_at_us)
        for incident in incidents
    )


def _item(incident: Incident, events: list[IncidentEvent]) -> AlertStateItem:
    return AlertStateItem(
        incident=incident.id,
        state=IncidentState(incident.state),
        priority=Priority(incident.priority),
        kind=incident.kind,
        opened_at_us=incident.opened_at_us,
        event_ids=[event.event for event in events],
        fall_ids=sorted({event.fall for event in events if event.fall is not None}),
        keys=sorted({event.key for event in events if event.key is not None}),
        bed=incident.bed or incident.zone,
        device=incident.device,
        sound=incident.sound,
    )
