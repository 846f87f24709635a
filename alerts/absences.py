"""Bathing, charging, leave: staff have said that a wearable is off or away for a while.

Until its expected end, that it is not worn or not heard is no fault and no task; falls and
buttons alarm as ever. Beyond it, what is missing is a fault again, and somebody is reminded
(`alerts.cover`) until a person says that she is back. Leave also ends by itself when her wearable
is heard again.

Every function works inside the caller's transaction.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from types import MappingProxyType
from typing import Final

import structlog
from sqlalchemy import select
from sqlalchemy.orm import Session

from alerts.entries import touch_config
from alerts.errors import BadEndError
from alerts.records.models import Absence, AbsenceLog, Fault, Resident, Wearable
from contract.events import FaultCause
from contract.ids import IdSource
from contract.messages import AbsenceKind
from contract.units import US_PER_S

log = structlog.get_logger(__name__)

DEFAULT_S: Final[Mapping[AbsenceKind, int]] = MappingProxyType(
    {
        AbsenceKind.BATHING: 45 * 60,  # with undressing, hair and dressing
        AbsenceKind.CHARGING: 2 * 3_600,  # an empty cell of a wristband on its cradle
        AbsenceKind.LEAVE: 4 * 3_600,  # an afternoon out; another end is picked afterwards
    }
)
"""What one tap says, in seconds (issue 6)."""

LONGEST_S: Final[Mapping[AbsenceKind, int]] = MappingProxyType(
    {
        AbsenceKind.BATHING: 2 * 3_600,
        AbsenceKind.CHARGING: 6 * 3_600,
        AbsenceKind.LEAVE: 14 * 86_400,  # a hospital stay; longer, she is no resident meanwhile
    }
)
"""How far ahead an end may lie, in seconds: nothing that is excused may be forgotten for longer
(SAFETY: a real event is ignored behind a leave that was not ended)."""

SHORTEST_S: Final = 60
"""An end that is nearer is a slip, or a clock that is wrong."""

HELD_CAUSES: Final = (
    FaultCause.NOT_WORN,
    FaultCause.WEARABLE_NOT_HEARD,
    FaultCause.WEAR_UNKNOWN,
)
"""What is to be expected of an absent wearable. A broken sensor or an empty battery is not."""

CROSSING_S: Final = 60
"""A fault that is told later than this after the tap is of a gateway that knows of the absence
(configuration takes seconds): she was back early, and it is off again. It counts."""

RETURNED_AFTER_S: Final = 600
"""Heard again after so long a silence since the leave began, she is back. She may be heard for
minutes while she goes; a wearable that stays on its table is never silent for so long."""

SYSTEM: Final = "wearable"
"""Who ended a leave when nobody tapped: her wearable was heard."""


class AbsenceChange(StrEnum):
    """Lines of an absence's log."""

    BEGUN = "begun"
    MOVED = "moved"
    """Another expected end."""
    ENDED = "ended"
    REPLACED = "replaced"
    """Something else was said of the same resident."""


def open_absences(session: Session, home: str) -> Sequence[Absence]:
    """Those that have not ended, the longest-standing first."""
    return session.scalars(
        select(Absence)
        .where(Absence.home == home, Absence.ended_at_us.is_(None))
        .order_by(Absence.since_us, Absence.id)
    ).all()


def excused(session: Session, home: str, now_us: int) -> dict[str, Absence]:
    """Residents whose wearable is to be off or away now."""
    return {row.resident: row for row in open_absences(session, home) if row.until_us > now_us}


def holds(absence: Absence | None, fault: Fault) -> bool:
    """Whether `absence`, which excuses now, makes `fault` a thing to be expected."""
    return (
        absence is not None
        and fault.cause in HELD_CAUSES
        and fault.opened_at_us <= absence.since_us + CROSSING_S * US_PER_S
    )


def over(session: Session, home: str, now_us: int) -> list[Absence]:
    """Absences that should have ended."""
    return [row for row in open_absences(session, home) if row.until_us <= now_us]


def next_at_us(session: Session, home: str, now_us: int) -> int | None:
    """When the next one is over."""
    return min((row.until_us for row in excused(session, home, now_us).values()), default=None)


def begin(
    session: Session,
    resident: Resident,
    kind: AbsenceKind,
    *,
    by: str,
    until_us: int | None,
    now_us: int,
    ids: IdSource,
) -> Absence:
    """Say that a resident's wearable is off or away; saying the same again changes nothing.

    Something else said of her takes the place of what stood, and so does the same when that was
    over.

    Raises
    ------
    BadEndError
        If the end cannot be.
    """
    ends_us = now_us + DEFAULT_S[kind] * US_PER_S if until_us is None else until_us
    _check_end(kind, ends_us, now_us)
    known = session.scalars(
        select(Absence).where(
            Absence.home == resident.home,
            Absence.resident == resident.id,
            Absence.ended_at_us.is_(None),
        )
    ).first()
    if known is not None:
        if known.kind == kind and known.until_us > now_us:
            return known
        _close(session, known, by, now_us, AbsenceChange.REPLACED)
    row = Absence(
        id=ids.new(),
        home=resident.home,
        resident=resident.id,
        kind=kind,
        since_us=now_us,
        until_us=ends_us,
        by=by,
    )
    session.add(row)
    session.flush()
    _note(session, row, AbsenceChange.BEGUN, by, now_us)
    return row


def move_end(session: Session, row: Absence, until_us: int, *, by: str, now_us: int) -> bool:
    """Say when she is to be back; whether that was news.

    Raises
    ------
    BadEndError
        If it cannot be.
    """
    if row.ended_at_us is not None or row.until_us == until_us:
        return False
    _check_end(AbsenceKind(row.kind), until_us, now_us)
    row.until_us = until_us
    _note(session, row, AbsenceChange.MOVED, by, now_us)
    return True


def end(session: Session, row: Absence, by: str, now_us: int) -> bool:
    """She is back, or the wearable is; whether that was news."""
    if row.ended_at_us is not None:
        return False
    _close(session, row, by, now_us, AbsenceChange.ENDED)
    return True


def end_heard(session: Session, home: str, heard_us: Mapping[str, int]) -> list[Absence]:
    """End the leaves of those who are back.

    Parameters
    ----------
    heard_us
        When each device was last heard, by our own clock; the residents' own times are still
        those of the time before.
    """
    ended = []
    for row, resident, device in session.execute(
        select(Absence, Resident, Wearable.device)
        .join(Resident, (Resident.home == Absence.home) & (Resident.id == Absence.resident))
        .join(Wearable, (Wearable.home == Absence.home) & (Wearable.resident == Absence.resident))
        .where(
            Absence.home == home,
            Absence.kind == AbsenceKind.LEAVE,
            Absence.ended_at_us.is_(None),
        )
    ).all():
        at_us = heard_us.get(device)
        silent_since_us = max(resident.last_heard_us or 0, row.since_us)
        is_back = at_us is not None and at_us - silent_since_us >= RETURNED_AFTER_S * US_PER_S
        if is_back and at_us is not None and row.ended_at_us is None:
            _close(session, row, SYSTEM, at_us, AbsenceChange.ENDED)
            ended.append(row)
    return ended


def move(session: Session, home: str, by_us: int, now_us: int) -> int:
    """Move what measures time that passes with the wall clock, which jumped by `by_us`; an end of
    leave is a time of day, and stays. Returns how many there are.
    """
    rows = open_absences(session, home)
    for row in rows:
        kind = AbsenceKind(row.kind)
        if kind is not AbsenceKind.LEAVE:
            row.since_us += by_us
            row.until_us += by_us
        row.until_us = min(row.until_us, now_us + LONGEST_S[kind] * US_PER_S)
    if rows and by_us:
        session.flush()
        touch_config(session, home, now_us)
    return len(rows)


def _check_end(kind: AbsenceKind, until_us: int, now_us: int) -> None:
    ahead_s = (until_us - now_us) / US_PER_S
    if not SHORTEST_S <= ahead_s <= LONGEST_S[kind]:
        raise BadEndError(
            f"{kind.value} ends 1 minute to {LONGEST_S[kind] // 3_600} hours from now"
        )


def _close(session: Session, row: Absence, by: str, now_us: int, change: AbsenceChange) -> None:
    row.ended_at_us, row.ended_by = now_us, by
    session.flush()
    _note(session, row, change, by, now_us)


def _note(session: Session, row: Absence, what: AbsenceChange, by: str, now_us: int) -> None:
    session.add(
        AbsenceLog(
            home=row.home,
            absence_id=row.id,
            at_us=now_us,
            what=what,
            by=by,
            until_us=row.until_us,
        )
    )
    touch_config(session, row.home, now_us)
    log.info("absence", what=what, resident=row.resident, kind=row.kind, by=by)
