"""Who is called at which step. Nobody on the list is never an answer: then everyone is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from alerts.policy import StepName
from alerts.records.models import Assignment, Incident, Staff
from alerts.views import StaffRole

SENIORITY: Final = (
    StaffRole.MANAGER,
    StaffRole.NURSE,
    StaffRole.HEALTH_WORKER,
    StaffRole.CARE_WORKER,
)
"""Who is in charge: on duty, the first of these that is there."""


def recipients(session: Session, incident: Incident, step: StepName) -> list[Staff]:
    """Whom `step` calls, by staff id.

    A group without anybody on duty widens to everyone on duty, and that to everyone
    (SAFETY: no rota pages everyone). A group of which nobody can be reached outside the
    board widens to all who can be.
    """
    staff = session.scalars(
        select(Staff).where(Staff.home == incident.home).order_by(Staff.id)
    ).all()
    everyone = [person for person in staff if person.on_duty] or list(staff)
    group = _group(session, incident, step, staff, everyone) or everyone
    if any(person.contact for person in group):
        return group
    reachable = [person for person in everyone if person.contact]
    return reachable or [person for person in staff if person.contact] or group


def _group(
    session: Session,
    incident: Incident,
    step: StepName,
    staff: Sequence[Staff],
    everyone: list[Staff],
) -> list[Staff]:
    if step is StepName.ASSIGNED and incident.resident is None:
        step = StepName.FLOOR  # nobody wears it: who is near comes
    managers = [person for person in staff if person.role == StaffRole.MANAGER]
    match step:
        case StepName.ASSIGNED:
            assigned = set(
                session.scalars(
                    select(Assignment.staff).where(
                        Assignment.home == incident.home,
                        Assignment.resident == incident.resident,
                    )
                )
            )
            return [person for person in staff if person.on_duty and person.id in assigned]
        case StepName.FLOOR:
            return [
                person
                for person in staff
                if person.on_duty and incident.floor is not None and person.floor == incident.floor
            ]
        case StepName.MANAGER:
            return managers
        case StepName.REPEAT:
            ids = {person.id for person in everyone} | {person.id for person in managers}
            return [person for person in staff if person.id in ids]
        case _:
            return everyone


def in_charge(session: Session, home: str) -> list[Staff]:
    """The most senior on duty who can be reached; without anybody on duty the managers."""
    staff = session.scalars(select(Staff).where(Staff.home == home).order_by(Staff.id)).all()
    for role in SENIORITY:
        there = [each for each in staff if each.on_duty and each.role == role and each.contact]
        if there:
            return there
    return [each for each in staff if each.role == StaffRole.MANAGER]
