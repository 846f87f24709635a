"""Faults: what is not being monitored, and why. Shown, never paged; one open for each cause
and subject, however often it is said.

Every function works inside the caller's transaction.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from sqlalchemy import select
from sqlalchemy.orm import Session

from alerts.records.models import Fault
from contract.events import FaultCause


class About(NamedTuple):
    """What a fault is about."""

    subject: str
    """``device:w1``, ``gateway:g1``, ``staff:s1`` …"""
    device: str | None = None
    resident: str | None = None
    gateway: str | None = None


OWN: Final = About("service:alerts")
"""The alert service itself."""


class Origin(NamedTuple):
    """Where in a sender's order of events a report stands."""

    session: str
    sequence: int


def find_open(session: Session, home: str, cause: FaultCause, subject: str) -> Fault | None:
    """The open fault of this cause and subject."""
    return session.scalars(
        select(Fault).where(
            Fault.home == home,
            Fault.cause == cause,
            Fault.subject == subject,
            Fault.cleared_at_us.is_(None),
        )
    ).first()


def report(
    session: Session,
    home: str,
    cause: FaultCause,
    about: About,
    *,
    detail: str | None,
    now_us: int,
    origin: Origin | None = None,
) -> bool:
    """Open a fault, or renew the sentence of the one that is open.

    A report that its sender made before the end that we have heard already (`origin`) is
    stale, and opens nothing.

    Returns
    -------
    bool
        Whether a fault was opened.
    """
    fault = find_open(session, home, cause, about.subject)
    if fault is not None:
        if detail is not None and fault.detail != detail:
            fault.detail = detail
        return False
    if origin is not None and _ended_later(session, home, cause, about.subject, origin):
        return False
    session.add(
        Fault(
            home=home,
            cause=cause,
            subject=about.subject,
            device=about.device,
            resident=about.resident,
            gateway=about.gateway,
            detail=detail,
            opened_at_us=now_us,
        )
    )
    session.flush()
    return True


def clear(
    session: Session,
    home: str,
    cause: FaultCause,
    about: About,
    *,
    now_us: int,
    origin: Origin | None = None,
) -> bool:
    """End a fault.

    An end that comes before its beginning is kept, so that the beginning, when it comes,
    does not stay open for good.

    Returns
    -------
    bool
        Whether one was open.
    """
    fault = find_open(session, home, cause, about.subject)
    if fault is None and origin is None:
        return False
    was_open = fault is not None
    if fault is None:
        fault = Fault(
            home=home,
            cause=cause,
            subject=about.subject,
            device=about.device,
            resident=about.resident,
            gateway=about.gateway,
            opened_at_us=now_us,
        )
        session.add(fault)
    fault.cleared_at_us = now_us
    if origin is not None:
        fault.cleared_session, fault.cleared_sequence = origin
    session.flush()
    return was_open


def end_of_device(session: Session, home: str, device: str, *, now_us: int) -> None:
    """End every fault of a device that is no longer the home's: nobody else ever would."""
    for fault in session.scalars(
        select(Fault).where(
            Fault.home == home, Fault.device == device, Fault.cleared_at_us.is_(None)
        )
    ):
        fault.cleared_at_us = now_us
    session.flush()


def _ended_later(
    session: Session, home: str, cause: FaultCause, subject: str, origin: Origin
) -> bool:
    ended = session.scalars(
        select(Fault.id)
        .where(
            Fault.home == home,
            Fault.cause == cause,
            Fault.subject == subject,
            Fault.cleared_session == origin.session,
            Fault.cleared_sequence > origin.sequence,
        )
        .limit(1)
    ).first()
    return ended is not None
