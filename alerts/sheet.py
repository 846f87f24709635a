"""What the downtime sheet holds: who lies where, what to mind, whom to call; read in one go."""

from __future__ import annotations

from collections import defaultdict

import msgspec
from sqlalchemy import select

from alerts import checks, choices
from alerts.records.database import Database
from alerts.records.models import Assignment, Home, Resident, Staff, Wearable
from alerts.views import StaffRole
from contract.clock import Clock, now_us


class Contact(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody to tell about a resident."""

    name: str
    relation: str = ""
    phone: str = ""


class SheetLine(msgspec.Struct, frozen=True, kw_only=True):
    """One bed."""

    bed: str
    resident: str
    """A name: the sheet is for the ward folder, and stays in the home."""
    plan: str
    """What to mind: aids, transfers, risks; as it was entered."""
    contacts: list[Contact]
    carers: list[str]
    placement: str | None
    """Where the wearable is worn; None for who wears none and is never monitored."""
    at_risk: bool = False
    """She may not leave alone: while nothing else watches the exits, somebody must."""


class SheetFloor(msgspec.Struct, frozen=True, kw_only=True):
    """One floor: a page, or more."""

    floor: str
    lines: list[SheetLine]


class SheetPerson(msgspec.Struct, frozen=True, kw_only=True):
    """One of the staff."""

    name: str
    role: StaffRole
    floor: str | None
    phone: str | None
    on_duty: bool


class SheetLoss(msgspec.Struct, frozen=True, kw_only=True):
    """Beds that were without cover when the sheet was printed."""

    beds: list[str]
    cause: str
    since_us: int


class Sheet(msgspec.Struct, frozen=True, kw_only=True):
    """The downtime sheet of a home."""

    home: str
    time_zone: str
    at_us: int
    printed_by: str
    every_s: int
    """Seconds between two looks at a bed, while nothing else looks after it."""
    floors: list[SheetFloor]
    staff: list[SheetPerson]
    losses: list[SheetLoss]


def read_sheet(
    database: Database,
    home: str,
    clock: Clock,
    *,
    printed_by: str,
    every_s: int,
    floor: str | None = None,
) -> Sheet:
    """Read the sheet from the records.

    Parameters
    ----------
    floor
        Only this one.

    Raises
    ------
    ValueError
        If nobody lies on that floor; the message names those that there are.
    sqlalchemy.exc.NoResultFound
        If the home is unknown.
    """
    with database.session() as session:
        record = session.get_one(Home, home)
        residents = session.scalars(
            select(Resident)
            .where(Resident.home == home)
            .order_by(Resident.floor, Resident.bed, Resident.id)
        ).all()
        staff = session.scalars(
            select(Staff).where(Staff.home == home).order_by(Staff.name, Staff.id)
        ).all()
        worn = {
            row.resident: row.placement
            for row in session.scalars(select(Wearable).where(Wearable.home == home))
        }
        names = {row.id: row.name for row in staff}
        carers: defaultdict[str, list[str]] = defaultdict(list)
        for row in session.scalars(
            select(Assignment).where(Assignment.home == home).order_by(Assignment.staff)
        ):
            carers[row.resident].append(names.get(row.staff, row.staff))
        asked = choices.choices(session, home)
        open_checks = checks.open_checks(session, home)
        floors: defaultdict[str, list[SheetLine]] = defaultdict(list)
        for each in residents:
            floors[each.floor].append(
                SheetLine(
                    bed=each.bed,
                    resident=each.name,
                    plan=each.plan,
                    contacts=[Contact(**contact) for contact in each.contacts],
                    carers=carers[each.id],
                    placement=worn.get(each.id),
                    at_risk=asked.get(each.id, choices.QUIET).at_risk,
                )
            )
        if floor is not None and floor not in floors:
            known = ", ".join(sorted(floors)) or "none"
            raise ValueError(f"nobody lies on floor {floor!r}; floors here: {known}")
        return Sheet(
            home=home,
            time_zone=record.time_zone,
            at_us=now_us(clock),
            printed_by=printed_by,
            every_s=every_s,
            floors=[
                SheetFloor(floor=name, lines=lines)
                for name, lines in sorted(floors.items())
                if floor in (None, name)
            ],
            staff=[
                SheetPerson(
                    name=person.name,
                    role=StaffRole(person.role),
                    floor=person.floor,
                    phone=person.phone,
                    on_duty=person.on_duty,
                )
                for person in staff
            ],
            losses=[
                SheetLoss(beds=list(row.beds), cause=row.cause, since_us=row.since_us)
                for row in open_checks
            ],
        )
