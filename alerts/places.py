"""On which floor a place is, for who is not known to lie anywhere: then the floor is called."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from sqlalchemy import select
from sqlalchemy.orm import Session

from alerts.records.models import Gateway, Resident, Service, Zone


def floor_of(session: Session, home: str, zone: str | None, gateway: str | None) -> str | None:
    """The floor of a zone, or else of the gateway that heard it; None if the records do not tell.

    Of a zone: what the plan says, where those who live there lie, then what was said of a gateway
    there. Of a gateway: what was said of it, the floor of its own zone, then that of the beds that
    it hears for, where they are all on one.
    """
    entry = None if gateway is None else session.get(Gateway, (home, gateway))
    looks: list[Callable[[], Iterable[str | None]]] = [
        lambda: session.scalars(select(Zone.floor).where(Zone.home == home, Zone.id == zone)),
        lambda: _of_residents(session, home, zone),
        lambda: session.scalars(
            select(Gateway.floor).where(Gateway.home == home, Gateway.zone == zone)
        ),
        lambda: [] if entry is None else [entry.floor],
        lambda: [] if entry is None else _of_residents(session, home, entry.zone),
        lambda: _of_beds(session, home, gateway),
    ]
    for look in looks:
        floors = {floor for floor in look() if floor}
        if len(floors) == 1:
            return floors.pop()
    return None


def _of_residents(session: Session, home: str, zone: str | None) -> Iterable[str]:
    if zone is None:
        return []
    return session.scalars(
        select(Resident.floor).where(Resident.home == home, Resident.zone == zone).distinct()
    )


def _of_beds(session: Session, home: str, gateway: str | None) -> Iterable[str]:
    service = None if gateway is None else session.get(Service, (home, gateway))
    if service is None:
        return []
    return session.scalars(
        select(Resident.floor)
        .where(Resident.home == home, Resident.bed.in_(service.beds))
        .distinct()
    )
