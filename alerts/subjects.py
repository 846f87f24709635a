"""Whom or what an event is about: the resident where anybody knows, otherwise the next best.

Nothing is discarded for being unknown: an alarm of a wearable that nobody wears, or that was never
entered, is an incident of that device, and one without a device is an incident of its zone or
gateway. For a device of the home the floor of that place is called, for a stranger everyone.
"""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy.orm import Session

from alerts.device_changes import find
from alerts.faults import About
from alerts.places import floor_of
from alerts.records.models import Resident
from contract.events import Event


class Subject(NamedTuple):
    """Whom an event is about, as far as the records know."""

    name: str
    """``resident:r1``, ``device:w1``, ``zone:z1`` or ``gateway:g1``."""
    resident: str | None
    device: str | None
    bed: str | None
    floor: str | None
    """Of the bed; where none is known, of the place."""
    zone: str | None
    """Where it was heard; what does not say so, where it belongs."""


def subject_of(session: Session, event: Event) -> Subject:
    """Look up whom an event is about."""
    resident_id = event.resident
    device = None if event.device is None else find(session, event.home, event.device)
    if resident_id is None and device is not None:
        resident_id = device.resident
    zone = event.zone or (None if device is None else device.zone)
    resident = None if resident_id is None else session.get(Resident, (event.home, resident_id))
    floor = None if resident is None else resident.floor
    if resident is None and device is not None:
        floor = floor_of(session, event.home, zone, event.gateway)
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
        floor,
        zone,
    )


def fault_about(session: Session, event: Event) -> About:
    """What a fault event is about: its device, or else the gateway that reports it."""
    if event.device is None and event.resident is None:
        return About(f"gateway:{event.gateway}", gateway=event.gateway)
    subject = subject_of(session, event)
    name = subject.name if event.device is None else f"device:{event.device}"
    return About(name, event.device, subject.resident, event.gateway)
