"""What staff see and change of what is asked for a resident's whereabouts (`alerts.desk`).

Every function works inside the caller's transaction.
"""

from __future__ import annotations

from itertools import zip_longest
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from alerts import choices
from alerts.board import staff_names
from alerts.errors import NotAllowedError, UnknownStaffError, WrongStateError
from alerts.records.models import Resident, Staff, WhereaboutsLog, Zone
from alerts.views import ChoiceLine, StaffRole, WhereaboutsView, ZoneView
from contract.whereabouts import WhereaboutsPolicy, ZoneUse

DECIDES: Final = frozenset({StaffRole.MANAGER, StaffRole.NURSE, StaffRole.HEALTH_WORKER})
"""Who may say what a resident is watched for. A Hong Kong home has nurses or, in their place,
health workers (Cap. 459A, schedule 1)."""

LINES_SHOWN: Final = 20
"""Of the log, the latest."""


def read(session: Session, resident: Resident) -> WhereaboutsView:
    """What is asked for a resident, and who asked for it."""
    home = resident.home
    names = staff_names(session, home)
    zones = session.scalars(select(Zone).where(Zone.home == home).order_by(Zone.id)).all()
    lines = session.scalars(
        select(WhereaboutsLog)
        .where(WhereaboutsLog.home == home, WhereaboutsLog.resident == resident.id)
        .order_by(WhereaboutsLog.id.desc())
        .limit(LINES_SHOWN + 1)
    ).all()
    return WhereaboutsView(
        resident_id=resident.id,
        name=resident.name,
        bed=resident.bed,
        policy=choices.choice_of(session, home, resident.id),
        zones=[ZoneView(zone=row.id, use=ZoneUse(row.use), floor=row.floor) for row in zones],
        version=lines[0].id if lines else 0,
        log=[
            ChoiceLine(
                at_us=row.at_us,
                by=names.get(row.by, row.by),
                policy=WhereaboutsPolicy(**row.choice),
                before=WhereaboutsPolicy(**before.choice) if before else choices.QUIET,
            )
            for row, before in zip_longest(lines, lines[1:])
        ][:LINES_SHOWN],
    )


def change(
    session: Session,
    resident: Resident,
    policy: WhereaboutsPolicy,
    staff_id: str,
    now_us: int,
    *,
    version: int | None,
) -> None:
    """Ask for something else; see `alerts.desk.Desk.ask_whereabouts`."""
    person = session.get(Staff, (resident.home, staff_id))
    if person is None:
        raise UnknownStaffError(f"there is nobody with the id {staff_id!r}")
    if StaffRole(person.role) not in DECIDES:
        raise NotAllowedError("a nurse, a health worker or a manager decides this")
    policy = choices.check(session, resident.home, policy)
    stands = read(session, resident)
    if policy == stands.policy:
        return
    if version is not None and version != stands.version:
        raise WrongStateError("somebody has changed this meanwhile: look again")
    choices.choose(session, resident.home, resident.id, policy, staff_id, now_us)
