"""How each resident stands on the board, and where she was last."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from sqlalchemy import select
from sqlalchemy.orm import Session

from alerts import absences
from alerts.last_places import KEPT_S
from alerts.records.models import Absence, Fault, Incident, LastPlace, Resident, Wearable
from alerts.views import AbsenceView, PlaceView, ResidentState, ResidentView, ServiceView
from contract.messages import IncidentState, Role
from contract.units import US_PER_S


def read_residents(
    session: Session,
    home: str,
    incidents: Iterable[Incident],
    services: list[ServiceView],
    out: Mapping[str, str],
    *,
    excused: Mapping[str, Absence],
    away: Mapping[str, AbsenceView],
    moment_us: int,
) -> list[ResidentView]:
    """Everyone who lives here, by bed."""
    alarmed = {
        incident.resident for incident in incidents if incident.state != IncidentState.RESOLVED
    }
    faulty = {
        fault.resident
        for fault in session.scalars(
            select(Fault).where(Fault.home == home, Fault.cleared_at_us.is_(None))
        )
        if not absences.holds(excused.get(fault.resident or ""), fault)
    }
    places = {
        row.resident: PlaceView(zone=row.zone, since_us=row.since_us, seen_at_us=row.seen_at_us)
        for row in session.scalars(
            select(LastPlace).where(
                LastPlace.home == home, LastPlace.seen_at_us >= moment_us - KEPT_S * US_PER_S
            )
        )
    }
    worn = set(session.scalars(select(Wearable.resident).where(Wearable.home == home)))
    watched = any(each.online for each in services if each.role == Role.ALERTS)
    gateways = [each for each in services if each.role == Role.GATEWAY]

    def state(resident: Resident) -> ResidentState:
        if resident.id in alarmed:
            return ResidentState.ALERT
        if resident.id in faulty:
            return ResidentState.FAULT
        if resident.id in excused:
            return ResidentState.ABSENT
        if watched and gateways and resident.id in worn and resident.bed not in out:
            return ResidentState.OK
        return ResidentState.UNKNOWN

    return [
        ResidentView(
            id=row.id,
            name=row.name,
            bed=row.bed,
            zone=row.zone,
            floor=row.floor,
            state=state(row),
            last_heard_us=row.last_heard_us,
            wears=row.id in worn,
            absence=away.get(row.id),
            place=places.get(row.id),
        )
        for row in session.scalars(
            select(Resident).where(Resident.home == home).order_by(Resident.bed, Resident.id)
        )
    ]
