"""Manual checks: a loss of cover has its beds looked after by people until it ends.

One task for each cause on each floor, however many beds and faults it has: one person's round is
one tap, and nobody is paged bed by bed. Its timers are rows; a restart goes on with them, and
several workers may share them.

Every function works inside the caller's transaction.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Final

import structlog
from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from alerts.cover import Loss
from alerts.records.models import ManualCheck, ManualCheckLog
from contract.ids import IdSource
from contract.units import US_PER_S

CHECK_EVERY_S: Final = 1_800
"""Between two looks at a bed that is not being monitored, unless the home says otherwise
(issue 5; SAFETY: the beds without cover get manual checks). The first is due so long after the
loss at the latest, and is asked for at once."""

GRACE_S: Final = 300
"""How long after it was due a check is raised to the person in charge: a round takes minutes, and
a page for each that is a minute late would be one interruption too many (SAFETY: alarm fatigue)."""

FLAP_S: Final = 300
"""A loss that comes back within this goes on with the timers that it had: cover that comes for
seconds and goes must not put off the look at a bed again and again."""

TWICE_S: Final = 30
"""A second tap within this is the same look, by a second person or a second finger."""

_AUTHOR: Final = "checks"

log = structlog.get_logger(__name__)


class CheckLogKind(StrEnum):
    """Lines of a check's log."""

    OPENED = "opened"
    BEDS_CHANGED = "beds_changed"
    CHECKED = "checked"
    OVERDUE = "overdue"
    NOTIFIED = "notified"
    NOT_NOTIFIED = "not_notified"
    ENDED = "ended"


def open_checks(session: Session, home: str) -> Sequence[ManualCheck]:
    """Those that have not ended, by floor."""
    return session.scalars(
        select(ManualCheck)
        .where(ManualCheck.home == home, ManualCheck.ended_at_us.is_(None))
        .order_by(ManualCheck.floor, ManualCheck.cause)
    ).all()


def differs(session: Session, home: str, losses: Sequence[Loss], every_s: int) -> bool:
    """Whether `reconcile` has something to do."""
    stand = {
        (row.floor, row.cause): (tuple(row.beds), row.every_s) for row in open_checks(session, home)
    }
    return stand != {
        (loss.floor, loss.cause): (loss.beds, loss.every_s or every_s) for loss in losses
    }


def reconcile(
    session: Session,
    home: str,
    losses: Sequence[Loss],
    *,
    every_s: int,
    now_us: int,
    ids: IdSource,
) -> None:
    """Open, follow and end checks, so that they are those of `losses`."""
    rows = {(row.floor, row.cause): row for row in open_checks(session, home)}
    due_of_bed: dict[str, int] = {}
    for row in rows.values():
        for bed in row.beds:
            due_of_bed[bed] = min(row.due_at_us, due_of_bed.get(bed, row.due_at_us))
    wanted = {(loss.floor, loss.cause): loss for loss in losses}
    for key, row in rows.items():
        if key not in wanted:
            row.ended_at_us = now_us
            row.claimed_until_us = None
            write_log(session, row, CheckLogKind.ENDED, now_us, by=_AUTHOR)
            log.info("manual_check_ended", check=row.id, cause=row.cause)
    session.flush()
    for key, loss in wanted.items():
        known = rows.get(key)
        each_s = loss.every_s or every_s
        before = min((due_of_bed[bed] for bed in loss.beds if bed in due_of_bed), default=None)
        if known is None:
            _open(session, home, loss, every_s=each_s, now_us=now_us, ids=ids, before_us=before)
        elif tuple(known.beds) != loss.beds or known.every_s != each_s:
            if tuple(known.beds) != loss.beds:
                known.beds = list(loss.beds)
                beds = ", ".join(loss.beds)
                write_log(
                    session, known, CheckLogKind.BEDS_CHANGED, now_us, by=_AUTHOR, detail=beds
                )
            known.every_s = each_s
            latest_us = now_us + each_s * US_PER_S
            _set_due(known, min(known.due_at_us, before or latest_us, latest_us), now_us)
    session.flush()


def _open(
    session: Session,
    home: str,
    loss: Loss,
    *,
    every_s: int,
    now_us: int,
    ids: IdSource,
    before_us: int | None,
) -> None:
    due_us = now_us + every_s * US_PER_S
    earlier = session.scalars(
        select(ManualCheck.due_at_us)
        .where(
            ManualCheck.home == home,
            ManualCheck.floor == loss.floor,
            ManualCheck.cause == loss.cause,
            ManualCheck.ended_at_us >= now_us - FLAP_S * US_PER_S,
        )
        .order_by(ManualCheck.ended_at_us.desc())
        .limit(1)
    ).first()
    row = ManualCheck(
        id=ids.new(),
        home=home,
        floor=loss.floor,
        cause=loss.cause,
        beds=list(loss.beds),
        every_s=every_s,
        since_us=loss.since_us,
        opened_at_us=now_us,
        raised=0,
        checks=0,
    )
    _set_due(row, min(due_us, before_us or due_us, earlier or due_us), now_us)
    session.add(row)
    session.flush()
    write_log(session, row, CheckLogKind.OPENED, now_us, by=_AUTHOR, detail=", ".join(loss.beds))
    log.info("manual_check_opened", check=row.id, cause=row.cause, beds=len(row.beds))


def _set_due(row: ManualCheck, due_us: int, now_us: int) -> None:
    if row.due_at_us == due_us:
        return
    row.due_at_us = due_us
    row.next_at_us = max(due_us + GRACE_S * US_PER_S, now_us)


def done(session: Session, row: ManualCheck, by: str, now_us: int) -> bool:
    """Somebody has looked after the beds; whether that was news."""
    last_us = row.checked_at_us
    if last_us is not None and 0 <= now_us - last_us < TWICE_S * US_PER_S:
        return False
    row.checked_at_us, row.checked_by = now_us, by
    row.checks += 1
    write_log(session, row, CheckLogKind.CHECKED, now_us, by=by, detail=", ".join(row.beds))
    if row.ended_at_us is None:
        row.claimed_until_us = None
        row.raised = 0
        _set_due(row, now_us + row.every_s * US_PER_S, now_us)
    return True


def overdue(session: Session, home: str, now_us: int) -> Sequence[ManualCheck]:
    """Those that are to be raised to the person in charge now, and are nobody else's."""
    return session.scalars(
        select(ManualCheck)
        .where(
            ManualCheck.home == home,
            ManualCheck.ended_at_us.is_(None),
            ManualCheck.next_at_us <= now_us,
            or_(ManualCheck.claimed_until_us.is_(None), ManualCheck.claimed_until_us <= now_us),
        )
        .order_by(ManualCheck.next_at_us, ManualCheck.id)
        .with_for_update(skip_locked=True)
    ).all()


def next_at_us(session: Session, home: str) -> int | None:
    """When the next one is raised, unless somebody looks."""
    moments = session.execute(
        select(ManualCheck.next_at_us, ManualCheck.claimed_until_us).where(
            ManualCheck.home == home, ManualCheck.ended_at_us.is_(None)
        )
    )
    return min((max(at, claimed or 0) for at, claimed in moments), default=None)


def move(session: Session, home: str, by_us: int, now_us: int) -> int:
    """Move every timer with the wall clock, which jumped by `by_us`; none ends up further ahead
    than it could have been set. Returns how many there are.
    """
    rows = open_checks(session, home)
    for row in rows:
        every_us = row.every_s * US_PER_S
        row.due_at_us = min(row.due_at_us + by_us, now_us + every_us)
        row.next_at_us = min(row.next_at_us + by_us, now_us + every_us + GRACE_S * US_PER_S)
        if row.claimed_until_us is not None:
            row.claimed_until_us += by_us
    return len(rows)


def write_log(
    session: Session,
    row: ManualCheck,
    what: CheckLogKind,
    now_us: int,
    *,
    by: str | None = None,
    detail: str | None = None,
) -> None:
    """Add a line to the check's log."""
    session.add(
        ManualCheckLog(
            home=row.home, check_id=row.id, at_us=now_us, what=what, by=by, detail=detail
        )
    )
