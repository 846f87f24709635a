"""From events to incidents: one happening is one incident, in whatever order its events come.

An event joins the unresolved incident that knows its fall or its key, or one of the same
family about the same resident (`JOIN_WINDOW_S`); otherwise it opens one. What it then does is
its kind's rule (`alerts.policy.RULES`). Lateness is judged by the age an event carries, never
by comparing wall clocks (DESIGN 4).

Everything here works inside the caller's transaction.
"""

from __future__ import annotations

import structlog
from sqlalchemy import select
from sqlalchemy.orm import Session

from alerts import answers, faults, schedule, transitions
from alerts.membership import (
    ANSWERED,
    attach,
    find_repeated,
    find_retold,
    find_settled,
    find_unresolved,
    is_no_longer_excused,
    timing_of,
    was_known,
    was_retold,
)
from alerts.policy import (
    EPISODES,
    EXCUSED_PRIORITY,
    RULES,
    UNPAGED_DEADLINE_S,
    UNPAGED_IMPACT_LIMIT_S,
    LogKind,
    Rule,
    StepName,
    Treatment,
    outranks,
)
from alerts.records.models import Case, Incident, ReceivedEvent, VitalPolicy
from alerts.subjects import Subject, fault_about, subject_of
from contract.events import Event, EventKind
from contract.ids import IdSource
from contract.messages import IncidentState, Outcome, Priority
from contract.units import US_PER_S

log = structlog.get_logger(__name__)


def receive(session: Session, event: Event, payload: bytes, now_us: int, ids: IdSource) -> Outcome:
    """Take in one event; taking it in again changes nothing.

    Returns
    -------
    Outcome
        `STORED` or `DUPLICATE`, for the receipt that follows the commit; `REJECTED` if another
        event has its id: to call that one known would be to lose an alarm in silence.
    """
    known = session.get(ReceivedEvent, (event.home, event.id))
    if known is not None:
        kept = (known.gateway, known.session, known.sequence, known.kind)
        given = (event.gateway, event.session, event.sequence, event.kind)
        return Outcome.DUPLICATE if kept == given else Outcome.REJECTED
    session.add(
        ReceivedEvent(
            home=event.home,
            id=event.id,
            kind=event.kind,
            gateway=event.gateway,
            session=event.session,
            sequence=event.sequence,
            received_at_us=now_us,
            answers=event.incident if event.kind is EventKind.ACKNOWLEDGED else None,
            payload=payload.decode(),
        )
    )
    rule = RULES[event.kind]
    if event.excused and event.kind in EPISODES:
        rule = rule._replace(priority=EXCUSED_PRIORITY)
    match rule.treatment:
        case Treatment.PAGE | Treatment.DEADLINE | Treatment.SOFTEN:
            _take_alarm(session, event, rule, now_us, ids)
        case Treatment.ACKNOWLEDGE:
            answers.take(session, event, now_us)
        case Treatment.FAULT | Treatment.CLEAR_FAULT:
            _take_fault(session, event, rule, now_us)
        case Treatment.BY_CHOICE:
            _take_chosen(session, event, rule, now_us, ids)
        case Treatment.RECORD:
            pass
    session.flush()
    return Outcome.STORED


def _take_fault(session: Session, event: Event, rule: Rule, now_us: int) -> None:
    assert event.cause is not None, "contract.wire accepts no fault without its cause"
    about = fault_about(session, event)
    origin = faults.Origin(event.session, event.sequence)
    if rule.treatment is Treatment.FAULT:
        faults.report(
            session,
            event.home,
            event.cause,
            about,
            detail=event.detail,
            now_us=now_us,
            origin=origin,
        )
    else:
        faults.clear(session, event.home, event.cause, about, now_us=now_us, origin=origin)


def _take_chosen(session: Session, event: Event, rule: Rule, now_us: int, ids: IdSource) -> None:
    """Call people where this resident's own policy says so; what is told of a wearable that nobody
    wears by the records is kept alone.
    """
    resident = subject_of(session, event).resident
    policy = resident and session.get(VitalPolicy, (event.home, resident))
    if policy and policy.pages:
        chosen = rule._replace(treatment=Treatment.PAGE)
        _take_alarm(session, event, chosen, now_us, ids, chosen_by=policy.clinician)


# --- alarms --------------------------------------------------------------------------------


def _take_alarm(
    session: Session,
    event: Event,
    rule: Rule,
    now_us: int,
    ids: IdSource,
    *,
    chosen_by: str | None = None,
) -> None:
    subject = subject_of(session, event)
    incident = find_unresolved(session, event, rule.family, subject.name, now_us)
    if incident is not None:
        _join(session, incident, event, rule, now_us)
    else:
        # An alarm that was made before somebody settled its happening was late on its way.
        # That a resident walks again is no news of a settled fall whenever it was made.
        softens = rule.treatment is Treatment.SOFTEN
        made_us = None if softens else timing_of(event, now_us).emitted_us
        settled = find_settled(session, event, made_us)
        if settled is None and not rule.insists:
            settled = find_repeated(session, event) or find_retold(
                session, event, subject.name, now_us
            )
        if settled is not None and not is_no_longer_excused(session, settled, event):
            attach(session, settled, event)
            transitions.write_log(
                session, settled, LogKind.LATE_EVENT, now_us, by=event.gateway, detail=event.kind
            )
            return
        incident = _open(session, event, rule, subject, now_us=now_us, ids=ids, chosen_by=chosen_by)
    answers.apply_waiting(session, incident, event, now_us)


def _open(
    session: Session,
    event: Event,
    rule: Rule,
    subject: Subject,
    *,
    now_us: int,
    ids: IdSource,
    chosen_by: str | None,
) -> Incident:
    timing = timing_of(event, now_us)
    incident = Incident(
        id=ids.new(),
        home=event.home,
        case_id=_case_of(session, event.home, subject.resident, now_us, ids),
        state=IncidentState.UNPAGED,
        priority=rule.priority,
        kind=event.kind,
        family=rule.family,
        subject=subject.name,
        resident=subject.resident,
        device=subject.device,
        bed=subject.bed,
        floor=subject.floor,
        zone=subject.zone,
        zone_heard_at_us=None if event.zone is None else timing.emitted_us,
        at_us=event.at_us if event.clock == "synced" else timing.happened_us,
        opened_at_us=now_us,
        last_event_at_us=now_us,
        round=0,
        first_step=0,
        note="",
        sound=False,
    )
    session.add(incident)
    session.flush()
    attach(session, incident, event)
    transitions.write_log(
        session, incident, LogKind.OPENED, now_us, by=event.gateway, detail=event.kind
    )
    match rule.treatment:
        case Treatment.DEADLINE:
            _set_deadline(session, incident, event, now_us)
        case Treatment.SOFTEN:
            transitions.page(session, incident, now_us, LogKind.SOFTENED)
        case _:
            transitions.page(session, incident, now_us, detail=chosen_by)
    log.info("incident_opened", incident=incident.id, kind=event.kind, subject=subject.name)
    return incident


def _join(session: Session, incident: Incident, event: Event, rule: Rule, now_us: int) -> None:
    state = IncidentState(incident.state)
    known = not is_no_longer_excused(session, incident, event) and (
        was_known(session, incident, event) or was_retold(session, incident, event, now_us)
    )
    attach(session, incident, event)
    yields = rule.yields and incident.kind != event.kind
    if not yields:
        # Or a fall that was only forgotten would hide each silence after it.
        incident.last_event_at_us = now_us
    incident.device = incident.device or event.device
    if event.zone is not None:
        heard_us = timing_of(event, now_us).emitted_us
        if incident.zone_heard_at_us is None or heard_us >= incident.zone_heard_at_us:
            incident.zone, incident.zone_heard_at_us = event.zone, heard_us
    if rule.weight > RULES[EventKind(incident.kind)].weight and _may_rename(state, rule):
        incident.kind = event.kind
    transitions.write_log(
        session, incident, LogKind.EVENT_JOINED, now_us, by=event.gateway, detail=event.kind
    )
    match rule.treatment:
        case Treatment.PAGE:
            # Who answered is there, or on her way: a fall explains a silence, and a carer who
            # walks with her explains the walk.
            calm = known or ((yields or event.excused) and state in ANSWERED)
            _page_joined(session, incident, rule, state, known=calm, now_us=now_us)
        case Treatment.DEADLINE:
            calling = state is IncidentState.OPEN and incident.priority == Priority.HIGH
            if state is IncidentState.UNPAGED or not (calling or known):
                _set_deadline(session, incident, event, now_us)
        case Treatment.SOFTEN:
            _soften(session, incident, event, state, now_us)
    log.info("event_joined", incident=incident.id, kind=event.kind, state=incident.state)


def _may_rename(state: IncidentState, rule: Rule) -> bool:
    """A paged incident keeps its alarming name whatever may have happened since."""
    return rule.treatment is not Treatment.SOFTEN or state is IncidentState.UNPAGED


def _page_joined(
    session: Session,
    incident: Incident,
    rule: Rule,
    state: IncidentState,
    *,
    known: bool,
    now_us: int,
) -> None:
    if state is IncidentState.UNPAGED:
        transitions.page(session, incident, now_us)
    elif outranks(rule.priority, Priority(incident.priority)):
        incident.priority = rule.priority
        transitions.raise_again(session, incident, now_us, LogKind.PRIORITY_RAISED)
    elif (state in ANSWERED and not known) or (
        state is IncidentState.ACKNOWLEDGED and rule.insists
    ):
        transitions.raise_again(session, incident, now_us, LogKind.RAISED_AGAIN)


def _soften(
    session: Session, incident: Incident, event: Event, state: IncidentState, now_us: int
) -> None:
    """Answer the suspicion of this fall; only when no other fall is suspected meanwhile does
    the incident become a medium "check her".
    """
    about = event.fall_id or event.key
    if about is not None:
        schedule.cancel(session, incident, now_us, deadline_about=about)
    if state is not IncidentState.UNPAGED:
        return
    incident.deadline_at_us = schedule.next_at_us(session, incident, StepName.DEADLINE)
    if incident.deadline_at_us is None:
        incident.priority = Priority.MEDIUM
        transitions.page(session, incident, now_us, LogKind.SOFTENED)
    else:
        incident.kind = EventKind.FALL_SUSPECTED


def _set_deadline(session: Session, incident: Incident, event: Event, now_us: int) -> None:
    timing = timing_of(event, now_us)
    at_us = max(
        now_us,
        min(
            timing.emitted_us + UNPAGED_DEADLINE_S * US_PER_S,
            timing.happened_us + UNPAGED_IMPACT_LIMIT_S * US_PER_S,
        ),
    )
    about = event.fall_id or event.key or event.id
    schedule.add(session, incident, StepName.DEADLINE, at_us, about)
    if incident.state == IncidentState.UNPAGED:
        incident.deadline_at_us = min(at_us, incident.deadline_at_us or at_us)


def _case_of(
    session: Session, home: str, resident: str | None, now_us: int, ids: IdSource
) -> str | None:
    if resident is None:
        return None
    case = session.scalars(
        select(Case).where(
            Case.home == home, Case.resident == resident, Case.closed_at_us.is_(None)
        )
    ).first()
    if case is None:
        case = Case(id=ids.new(), home=home, resident=resident, opened_at_us=now_us)
        session.add(case)
        session.flush()
    return case.id
