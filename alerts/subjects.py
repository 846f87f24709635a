"""Whom or what an event is about: the resident where anybody knows, otherwise the next best.

Nothing is discarded for being unknown: an alarm of a wearable that was never entered is an
incident of that device, and one without a device is an incident of its zone or gateway.
"""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy.orm import Session

from alerts.faults import About
from alerts.records.models import Resident, Wearable
from contract.events import Event


class Subject(NamedTuple):
    """Whom an event is about, as far as the records know."""

    name: str
    """``resident:r1``, ``device:w1``, ``zone:z1`` or ``gateway:g1``."""
    resident: str | None
    device: str | None
    bed: str | None
    floor: str | None


def subject_of(session: Session, event: Event) -> Subject:
    """Look up whom an event is about."""
    resident_id = event.resident
    if resident_id is None and event.device is not None:
        wearable = session.get(Wearable, (event.home, event.device))
        resident_id = None if wearable is None else wearable.resident
    resident = None if resident_id is None else session.get(Resident, (event.home, resident_id))
    candidates = (
        ("resident", resident_id),
        ("device", event.device),
        ("zone", event.zone),
        ("gateway", event.gateway),
    )
    name = next(f"{what}:{value}" for what, value in candidates if value is not None)
    return Subject(
        name,
        resident_id,
        event.device,
        None if resident is None else resident.bed,
        None if resident is None else resident.floor,
    )


def fault_about(session: Session, event: Event) -> About:
    """What a fault event is about: its device, or else the gateway that reports it."""
    if event.device is None and event.resident is None:
        return About(f"gateway:{event.gateway}", gateway=event.gateway)
    subject = subject_of(session, event)
    name = subject.name if event.device is None else f"device:{event.device}"
    return About(name, event.device, subject.resident, event.gateway)
