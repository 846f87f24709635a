"""The changes of state of an incident, each with its line in the audit log.

    unpaged ──page──→ open ──acknowledge──→ acknowledged ──arrive──→ arrived ──resolve──→ resolved
       └──acknowledge──────────↗   ↖──────── raise_again ─────┴────────────┘

Every function works inside the caller's transaction and expects to be called only where the
change makes sense; the desk, the listener and the escalation decide that.
"""

from __future__ import annotations

from sqlalchemy.orm import Session

from alerts import schedule
from alerts.policy import ARRIVAL_DEADLINE_S, LogKind, StepName
from alerts.records.models import Incident, IncidentLog
from alerts.views import ResolutionOutcome
from contract.messages import IncidentState
from contract.units import US_PER_S

ESCALATION_AUTHOR = "escalation"
"""Who stands in the log for what the escalation does by itself."""


def write_log(
    session: Session,
    incident: Incident,
    what: LogKind,
    now_us: int,
    *,
    by: str | None = None,
    detail: str | None = None,
) -> None:
    """Add a line to the incident's audit log."""
    session.add(
        IncidentLog(
            home=incident.home,
            incident_id=incident.id,
            at_us=now_us,
            what=what,
            by=by,
            detail=detail,
        )
    )


def page(
    session: Session,
    incident: Incident,
    now_us: int,
    what: LogKind = LogKind.PAGED,
    detail: str | None = None,
) -> None:
    """Make an alert of it: somebody must come."""
    incident.state = IncidentState.OPEN
    incident.paged_at_us = now_us
    incident.deadline_at_us = None
    write_log(session, incident, what, now_us, by=ESCALATION_AUTHOR, detail=detail)
    schedule.begin(session, incident, now_us)


def raise_again(
    session: Session,
    incident: Incident,
    now_us: int,
    what: LogKind,
    *,
    detail: str | None = None,
    first_step: int = 0,
) -> None:
    """Back to open, whoever answered before; the log keeps who did."""
    incident.state = IncidentState.OPEN
    incident.acknowledged_at_us = incident.acknowledged_by = None
    incident.arrived_at_us = incident.arrived_by = None
    write_log(session, incident, what, now_us, by=ESCALATION_AUTHOR, detail=detail)
    schedule.begin(session, incident, now_us, first_step)


def acknowledge(session: Session, incident: Incident, by: str, now_us: int) -> None:
    """Somebody is on her way: the calls and the sounders stop, the arrival clock starts."""
    _take(session, incident, by, now_us)
    incident.state = IncidentState.ACKNOWLEDGED
    write_log(session, incident, LogKind.ACKNOWLEDGED, now_us, by=by)
    schedule.add(session, incident, StepName.ARRIVAL, now_us + ARRIVAL_DEADLINE_S * US_PER_S)


def arrive(session: Session, incident: Incident, by: str, now_us: int) -> None:
    """Somebody is there; who was never on her way is so now."""
    if incident.state != IncidentState.ACKNOWLEDGED:
        _take(session, incident, by, now_us)
        write_log(session, incident, LogKind.ACKNOWLEDGED, now_us, by=by)
    schedule.cancel(session, incident, now_us)
    incident.state = IncidentState.ARRIVED
    incident.arrived_at_us = now_us
    incident.arrived_by = by
    write_log(session, incident, LogKind.ARRIVED, now_us, by=by)


def resolve(
    session: Session,
    incident: Incident,
    by: str,
    now_us: int,
    *,
    outcome: ResolutionOutcome,
    note: str,
) -> None:
    """A person says what it was."""
    schedule.cancel(session, incident, now_us)
    incident.state = IncidentState.RESOLVED
    incident.sound = False
    incident.resolved_at_us = incident.settled_at_us = now_us
    incident.resolved_by = by
    incident.outcome = outcome
    incident.note = note
    write_log(session, incident, LogKind.RESOLVED, now_us, by=by, detail=outcome)


def _take(session: Session, incident: Incident, by: str, now_us: int) -> None:
    schedule.cancel(session, incident, now_us)
    incident.deadline_at_us = None
    incident.sound = False
    incident.acknowledged_at_us = now_us
    incident.acknowledged_by = by
