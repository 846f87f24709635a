"""The durable timers of an incident: rows that are added, cancelled and moved, never slept on.

Every function works inside the caller's transaction.
"""

from __future__ import annotations

from sqlalchemy import ColumnElement, func, select, update
from sqlalchemy.orm import Session

from alerts.policy import ESCALATION, Plan, StepName, StepOutcome, longest_wait_s
from alerts.records.models import EscalationStep, Incident
from contract.messages import Priority
from contract.units import US_PER_S


def plan_of(incident: Incident) -> Plan:
    """The escalation that fits the incident's priority."""
    return ESCALATION[Priority(incident.priority)]


def add(
    session: Session, incident: Incident, step: StepName, at_us: int, about: str | None = None
) -> EscalationStep:
    """Have `step` done at `at_us`."""
    row = EscalationStep(
        home=incident.home,
        incident_id=incident.id,
        round=incident.round,
        step=step,
        about=about,
        next_at_us=at_us,
    )
    session.add(row)
    return row


def begin(session: Session, incident: Incident, now_us: int, first_step: int = 0) -> None:
    """Begin the escalation, or begin it again, at the step of index `first_step`."""
    cancel(session, incident, now_us)
    incident.round += 1
    incident.raised_at_us = now_us
    incident.first_step = first_step
    incident.sound = False
    steps = plan_of(incident).steps[first_step:]
    for step in steps:
        after_s = step.after_s - steps[0].after_s
        add(session, incident, step.name, now_us + after_s * US_PER_S)


def repeat(session: Session, after: EscalationStep, incident: Incident, now_us: int) -> None:
    """Beginning the last step `after`: call again after the plan's interval. Beginning it
    anew, after a failure, adds nothing.
    """
    later = session.scalars(
        select(EscalationStep.id).where(
            EscalationStep.incident_id == incident.id,
            EscalationStep.round == incident.round,
            EscalationStep.step == StepName.REPEAT,
            EscalationStep.id > after.id,
        )
    ).first()
    if later is not None:
        return
    add(session, incident, StepName.REPEAT, now_us + plan_of(incident).repeat_s * US_PER_S)


def is_last(incident: Incident, step: StepName) -> bool:
    """Whether only repeats come after `step`."""
    return step in (StepName.REPEAT, plan_of(incident).steps[-1].name)


def sounds(incident: Incident, step: StepName) -> bool:
    """Whether the sounders are on from `step` on."""
    plan = plan_of(incident)
    if step is StepName.REPEAT:
        return plan.repeat_sounds
    return any(entry.sounds for entry in plan.steps if entry.name is step)


def cancel(
    session: Session, incident: Incident, now_us: int, *, deadline_about: str | None = None
) -> int:
    """Cancel what is pending; with `deadline_about` only the deadline of that fall.

    Returns
    -------
    int
        How many timers were cancelled.
    """
    pending: tuple[ColumnElement[bool], ...] = (
        EscalationStep.home == incident.home,
        EscalationStep.incident_id == incident.id,
        EscalationStep.done_at_us.is_(None),
    )
    if deadline_about is not None:
        pending += (
            EscalationStep.step == StepName.DEADLINE,
            EscalationStep.about == deadline_about,
        )
    session.flush()
    rows = session.scalars(select(EscalationStep).where(*pending)).all()
    for row in rows:
        row.done_at_us = now_us
        row.outcome = StepOutcome.CANCELLED
    session.flush()
    return len(rows)


def next_at_us(session: Session, incident: Incident, step: StepName | None = None) -> int | None:
    """When the next timer of the incident (of one kind) comes."""
    query = select(func.min(EscalationStep.next_at_us)).where(
        EscalationStep.home == incident.home,
        EscalationStep.incident_id == incident.id,
        EscalationStep.done_at_us.is_(None),
    )
    if step is not None:
        query = query.where(EscalationStep.step == step)
    session.flush()
    return session.scalar(query)


def bring_forward(session: Session, incident: Incident, now_us: int) -> bool:
    """Have the next call at once, because the present one reached nobody.

    Repeats are not brought forward: with every channel broken that would be a busy loop.

    Returns
    -------
    bool
        Whether there was one.
    """
    row = session.scalars(
        select(EscalationStep)
        .where(
            EscalationStep.home == incident.home,
            EscalationStep.incident_id == incident.id,
            EscalationStep.round == incident.round,
            EscalationStep.done_at_us.is_(None),
            EscalationStep.claimed_until_us.is_(None),
            EscalationStep.step.in_([step.name for step in plan_of(incident).steps]),
        )
        .order_by(EscalationStep.next_at_us, EscalationStep.id)
        .limit(1)
    ).first()
    if row is None:
        return False
    row.next_at_us = min(row.next_at_us, now_us)
    return True


def move(session: Session, home: str, by_us: int, now_us: int) -> int:
    """Move every pending timer of a home with its wall clock, which jumped by `by_us`.

    No timer ends up further ahead than it could have been set: one that another process
    wrote after the jump must not be carried into the future. (Carried into the past it comes
    too early, which is the safe side.)

    Returns
    -------
    int
        How many timers are pending.
    """
    rows = session.execute(
        select(EscalationStep, Incident.priority)
        .join(Incident, Incident.id == EscalationStep.incident_id)
        .where(EscalationStep.home == home, EscalationStep.done_at_us.is_(None))
    ).all()
    for row, priority in rows:
        wait_us = longest_wait_s(Priority(priority), StepName(row.step)) * US_PER_S
        row.next_at_us = min(row.next_at_us + by_us, now_us + wait_us)
        if row.claimed_until_us is not None:
            row.claimed_until_us += by_us
    if by_us:
        moved = ("last_event_at_us", "raised_at_us", "deadline_at_us", "settled_at_us")
        session.execute(
            update(Incident)
            .where(Incident.home == home)
            .values({name: getattr(Incident, name) + by_us for name in moved})
        )
    return len(rows)
