"""Two residents who seem to wear each other's wearables: told as one fault for each of the two.

Every function works inside the caller's transaction.
"""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from alerts import device_changes, faults
from alerts.device_changes import DeviceChange
from alerts.errors import UnknownFaultError
from alerts.records.models import DeviceLog, Fault, Resident, Wearable
from alerts.views import SwapView
from contract.events import FaultCause


def partner(session: Session, fault: Fault) -> Fault | None:
    """The fault of the other wearable: the same is told of both."""
    if fault.cause != FaultCause.WEARABLES_SWAPPED or fault.cleared_at_us is not None:
        return None
    return session.scalars(
        select(Fault)
        .where(
            Fault.home == fault.home,
            Fault.cause == FaultCause.WEARABLES_SWAPPED,
            Fault.cleared_at_us.is_(None),
            Fault.detail == fault.detail,
            Fault.id != fault.id,
        )
        .order_by(Fault.id)
        .limit(1)
    ).first()


def exchange(session: Session, home: str, fault_id: int, by: str, now_us: int) -> SwapView:
    """Give each of the two wearables to who wears it, and end both faults; a second tap changes
    nothing, and is told who was first.

    Raises
    ------
    UnknownFaultError
        If there is no such fault, it has ended by itself, or is not about two wearables.
    """
    fault = _find(session, home, fault_id)
    if fault.cleared_at_us is not None:
        return done(session, home, fault_id)
    other = partner(session, fault)
    if other is None or fault.device is None or other.device is None:
        raise UnknownFaultError(
            "which two it is about is not known: give each to its wearer with "
            "`wardlight devices pair`"
        )
    try:
        device_changes.exchange(session, home, fault.device, other.device, by=by, moment_us=now_us)
    except ValueError as error:
        raise UnknownFaultError(str(error)) from error
    for each in (fault, other):
        about = faults.About(each.subject, each.device, each.resident, each.gateway)
        faults.clear(session, home, FaultCause(each.cause), about, now_us=now_us)
    return done(session, home, fault_id)


def done(session: Session, home: str, fault_id: int) -> SwapView:
    """What was exchanged for a fault.

    Raises
    ------
    UnknownFaultError
        If nothing was.
    """
    fault = _find(session, home, fault_id)
    lines = session.scalars(
        select(DeviceLog)
        .where(
            DeviceLog.home == fault.home,
            DeviceLog.what == DeviceChange.EXCHANGED,
            DeviceLog.at_us == fault.cleared_at_us,
        )
        .order_by(DeviceLog.id)
    ).all()
    if fault.device not in {line.device for line in lines}:
        raise UnknownFaultError("this has ended by itself: look again")
    beds = [
        bed
        for line in lines
        for bed in session.scalars(
            select(Resident.bed)
            .join(Wearable, (Wearable.home == Resident.home) & (Wearable.resident == Resident.id))
            .where(Resident.home == fault.home, Wearable.device == line.device)
        )
    ]
    return SwapView(
        fault_id=fault.id, devices=[line.device for line in lines], beds=beds, by=lines[0].by
    )


def _find(session: Session, home: str, fault_id: int) -> Fault:
    fault = session.get(Fault, fault_id)
    if fault is None or fault.home != home or fault.cause != FaultCause.WEARABLES_SWAPPED:
        raise UnknownFaultError(f"there is no fault {fault_id} of two wearables")
    return fault
