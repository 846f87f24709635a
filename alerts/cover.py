"""Which beds nobody watches: by gateways that are out and by wearables that cannot be counted on.

A bed is covered by the gateways of its own zone. Where none stands there, by those that say that
it is theirs, and is without cover when none of them is left. A neighbour never claims the beds of
a zone whose own gateway is out (DESIGN 4: such a zone is unknown).

Every function works inside the caller's session.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from sqlalchemy import select
from sqlalchemy.orm import Session

from alerts import absences
from alerts.records.models import Fault, Gateway, Resident, Service, Wearable
from contract.events import FaultCause
from contract.messages import AbsenceKind, Role

GATEWAY_CAUSES: Final = (FaultCause.GATEWAY_SILENT, FaultCause.RADIO_SILENT)
"""A gateway is out, and with it the beds that only it covers."""

WEARABLE_CAUSES: Final = (
    FaultCause.WEARABLE_NOT_HEARD,
    FaultCause.NOT_WORN,
    FaultCause.SENSOR_FAULT,
)
"""One resident is not monitored. One of whom it is only not known whether she wears it is for
the next round (SAFETY)."""

ABSENCE_OVER: Final = "absence_over"
"""The cause of a task that is no fault: somebody should be back from bathing, charging or leave."""

REMIND_S: Final = 600
"""Within how many seconds somebody is to see to it; then the person in charge is told. A bath that
takes longer than was said is the likeliest reason, and a fall in it the worst."""

LOSS_CAUSES: Final = (*GATEWAY_CAUSES, *WEARABLE_CAUSES)
"""In this order: a bed without cover for several reasons is looked after once, for the first."""

MAX_FLOOR_LENGTH: Final = 32
"""The records have room for this; a longer word is a gateway's own invention."""

NO_FLOOR: Final = ""
NOBODY: Final = ""
"""In the place of a gateway's name."""


class Loss(NamedTuple):
    """A loss of cover: one cause on one floor, so that one person's round ends it."""

    floor: str
    cause: str
    beds: tuple[str, ...]
    """Labels; a device where no bed is known."""
    since_us: int
    every_s: int | None = None
    """Seconds between two looks, where it is not as the home says."""


class _Bed(NamedTuple):
    label: str
    zone: str | None
    floor: str


def uncovered(session: Session, home: str) -> dict[str, str]:
    """Beds that no gateway covers at the moment, each with the first gateway whose loss that is,
    or `NOBODY` for one that none has ever claimed; empty where no gateway is known.
    """
    services = session.scalars(
        select(Service).where(Service.home == home, Service.role == Role.GATEWAY)
    ).all()
    deaf = set(
        session.scalars(
            select(Fault.gateway).where(
                Fault.home == home,
                Fault.cause == FaultCause.RADIO_SILENT,
                Fault.cleared_at_us.is_(None),
            )
        )
    )
    if not services:
        return {}
    out = {each.name for each in services if not each.online or each.name in deaf}
    names = sorted(each.name for each in services)
    claims = {each.name: frozenset(each.beds) for each in services}
    zones: defaultdict[str | None, list[str]] = defaultdict(list)
    for name, zone in session.execute(
        select(Gateway.name, Gateway.zone).where(Gateway.home == home).order_by(Gateway.name)
    ):
        zones[zone].append(name)
    found: dict[str, str] = {}
    for bed in _beds(session, home, claims).values():
        own = [] if bed.zone is None else [name for name in zones[bed.zone] if name in claims]
        covering = (
            own
            or [name for name in names if bed.label in claims[name]]
            or [name for name in names if not claims[name]]  # has not said yet what it covers
        )
        if out.issuperset(covering):
            found[bed.label] = covering[0] if covering else NOBODY
    return found


def beds_of(uncovered_beds: Mapping[str, str], gateway: str) -> list[str]:
    """The beds that are without cover because of `gateway`."""
    return sorted(bed for bed, name in uncovered_beds.items() if name == gateway)


def losses(session: Session, home: str, now_us: int) -> list[Loss]:
    """Every loss of cover that stands, from the faults that are open, and whoever should be back;
    what is to be expected of an absent wearable is none (`alerts.absences`).
    """
    faults = session.scalars(
        select(Fault)
        .where(Fault.home == home, Fault.cause.in_(LOSS_CAUSES), Fault.cleared_at_us.is_(None))
        .order_by(Fault.opened_at_us, Fault.id)
    ).all()
    overdue = absences.over(session, home, now_us)
    if not faults and not overdue:
        return []
    excused = absences.excused(session, home, now_us)
    out = uncovered(session, home)
    beds = _beds(session, home, {})
    residents = {
        row.id: row for row in session.scalars(select(Resident).where(Resident.home == home))
    }
    # Nobody lies in the bed of who is on leave.
    seen = {residents[who].bed for who, row in excused.items() if row.kind == AbsenceKind.LEAVE}
    groups: dict[tuple[str, str], tuple[list[str], int]] = {}
    for absence in overdue:
        who = residents[absence.resident]
        seen.add(who.bed)
        labels, since_us = groups.get((who.floor, ABSENCE_OVER), ([], absence.until_us))
        groups[who.floor, ABSENCE_OVER] = [*labels, who.bed], min(since_us, absence.until_us)
    idle = _idle(session, home)
    for fault in sorted(faults, key=lambda each: LOSS_CAUSES.index(FaultCause(each.cause))):
        if fault.device in idle or absences.holds(excused.get(fault.resident or ""), fault):
            continue
        for label, floor in _of_fault(fault, out, beds, residents):
            if label in seen:
                continue
            seen.add(label)
            labels, since_us = groups.get((floor, fault.cause), ([], fault.opened_at_us))
            groups[floor, fault.cause] = [*labels, label], min(since_us, fault.opened_at_us)
    return [
        Loss(
            floor,
            cause,
            tuple(sorted(labels)),
            since_us,
            REMIND_S if cause == ABSENCE_OVER else None,
        )
        for (floor, cause), (labels, since_us) in sorted(groups.items())
    ]


def _idle(session: Session, home: str) -> set[str]:
    """Wearables that nobody wears: nobody is without cover because of them."""
    return set(
        session.scalars(
            select(Wearable.device).where(Wearable.home == home, Wearable.resident.is_(None))
        )
    )


def _of_fault(
    fault: Fault,
    out: Mapping[str, str],
    beds: Mapping[str, _Bed],
    residents: Mapping[str, Resident],
) -> list[tuple[str, str]]:
    """Labels and floors of the beds that a fault leaves without cover."""
    if FaultCause(fault.cause) in GATEWAY_CAUSES:
        labels: Sequence[str] = beds_of(out, fault.gateway or "")
        return [
            (label, beds[label].floor if label in beds else _floor_of(label)) for label in labels
        ]
    resident = residents.get(fault.resident or "")
    if resident is not None:
        return [(resident.bed, resident.floor)]
    return [(fault.device or fault.subject, NO_FLOOR)]


def _beds(session: Session, home: str, claims: Mapping[str, frozenset[str]]) -> dict[str, _Bed]:
    """Beds of all who wear something, and such as only a gateway knows, by label."""
    found = {
        row.bed: _Bed(row.bed, row.zone, row.floor)
        for row in session.scalars(
            select(Resident)
            .join(Wearable, (Wearable.home == Resident.home) & (Wearable.resident == Resident.id))
            .where(Resident.home == home)
            .order_by(Resident.bed)
        )
    }
    known = set(session.scalars(select(Resident.bed).where(Resident.home == home)))
    for label in sorted(set().union(*claims.values()) - known):
        found[label] = _Bed(label, None, _floor_of(label))
    return found


def _floor_of(label: str) -> str:
    """Of a bed that the records do not know: ``2/F 212-B`` is on 2/F."""
    floor, _, rest = label.partition(" ")
    return floor if rest and len(floor) <= MAX_FLOOR_LENGTH else NO_FLOOR
