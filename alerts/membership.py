"""Which incident an event belongs to, and since when it was known there.

Everything here works inside the caller's transaction.
"""

from __future__ import annotations

import math
from typing import Final, NamedTuple

from sqlalchemy import ColumnElement, Select, or_, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from alerts.policy import EPISODES, JOIN_WINDOW_S, SAME_EPISODE_S, Family
from alerts.records.models import Incident, IncidentEvent, ReceivedEvent
from contract.events import Event
from contract.messages import IncidentState
from contract.units import US_PER_S

ANSWERED: Final = frozenset({IncidentState.ACKNOWLEDGED, IncidentState.ARRIVED})
"""Somebody has taken it on."""

REPEATED_US: Final = 600 * US_PER_S
"""Two gateways place one detection at the same time, by their own clocks. Where those differ by
more, or one is not set, people are called twice rather than not at all."""

MAX_FEATURES: Final = 24
"""Numbers of one event that are kept: a sentence has a handful."""

_US_PER_MS: Final = 1_000


class Timing(NamedTuple):
    """When an event happened and was made, on our own wall clock, by its age."""

    happened_us: int
    emitted_us: int


def timing_of(event: Event, now_us: int) -> Timing:
    """Place an event on our clock; one of unknown age is treated as now."""
    if event.age_ms is None:
        return Timing(now_us, now_us)
    happened_us = now_us - event.age_ms * _US_PER_MS
    took_us = max(0, event.emitted_at_us - event.at_us)
    return Timing(happened_us, min(now_us, happened_us + took_us))


def find_unresolved(
    session: Session, event: Event, family: Family, subject: str, now_us: int
) -> Incident | None:
    """The unresolved incident that this event belongs to, if there is one."""
    unresolved = (Incident.home == event.home, Incident.state != IncidentState.RESOLVED)
    for column, value in _happening(event):
        found = session.scalars(
            select(Incident)
            .join(IncidentEvent, IncidentEvent.incident_id == Incident.id)
            .where(*unresolved, IncidentEvent.home == event.home, column == value)
            .order_by(Incident.opened_at_us.desc(), Incident.id.desc())
            .limit(1)
        ).first()
        if found is not None:
            return found
    return session.scalars(
        select(Incident)
        .where(
            *unresolved,
            Incident.subject == subject,
            Incident.family == family,
            Incident.last_event_at_us >= now_us - JOIN_WINDOW_S * US_PER_S,
        )
        .order_by(Incident.opened_at_us.desc(), Incident.id.desc())
        .limit(1)
    ).first()


def find_settled(session: Session, event: Event, made_us: int | None) -> Incident | None:
    """The resolved incident of the very same happening, if a person settled it after `made_us`,
    or at any time: then nobody is called a second time.
    """
    since = () if made_us is None else (Incident.settled_at_us >= made_us,)
    for column, value in _happening(event):
        found = session.scalars(
            select(Incident)
            .join(IncidentEvent, IncidentEvent.incident_id == Incident.id)
            .where(
                Incident.home == event.home,
                IncidentEvent.home == event.home,
                Incident.state == IncidentState.RESOLVED,
                *since,
                column == value,
            )
            .order_by(Incident.opened_at_us.desc(), Incident.id.desc())
            .limit(1)
        ).first()
        if found is not None:
            return found
    return None


def find_repeated(session: Session, event: Event) -> Incident | None:
    """The resolved incident that holds this very detection, told by another gateway (DESIGN 4:
    detections carry a deterministic key, and people see one alert). Whatever its age says: a
    message that hung on its way says how old it was when it was sent. A wearable counts its
    presses to 255 and begins anew, so the same key of another time is another press.
    """
    if event.key is None:
        return None
    return session.scalars(
        select(Incident)
        .join(IncidentEvent, IncidentEvent.incident_id == Incident.id)
        .where(
            Incident.home == event.home,
            IncidentEvent.home == event.home,
            Incident.state == IncidentState.RESOLVED,
            IncidentEvent.key == event.key,
            IncidentEvent.kind == event.kind,
            IncidentEvent.at_us.between(event.at_us - REPEATED_US, event.at_us + REPEATED_US),
        )
        # What was excused and asked again is two incidents of one key: the second knows all.
        .order_by(Incident.opened_at_us.desc(), Incident.id.desc())
        .limit(1)
    ).first()


def find_retold(session: Session, event: Event, subject: str, now_us: int) -> Incident | None:
    """The resolved incident that holds this episode as another lead told it, if a person settled
    it after it had happened.
    """
    if event.kind not in EPISODES:
        return None
    incident = session.scalars(
        _told_by_another(event).where(
            Incident.state == IncidentState.RESOLVED, Incident.subject == subject
        )
    ).first()
    if incident is None or incident.settled_at_us is None:
        return None
    return incident if timing_of(event, now_us).happened_us <= incident.settled_at_us else None


def was_retold(session: Session, incident: Incident, event: Event, now_us: int) -> bool:
    """Whether another lead told this episode before, and it happened before somebody answered."""
    if incident.acknowledged_at_us is None or event.kind not in EPISODES:
        return False
    if timing_of(event, now_us).happened_us > incident.acknowledged_at_us:
        return False
    return (
        session.scalars(_told_by_another(event).where(Incident.id == incident.id)).first()
        is not None
    )


def _told_by_another(event: Event) -> Select[Incident]:
    """Incidents that hold the same episode from another gateway: their keys may differ, as each
    counts the begin by its own clock and ears.
    """
    return (
        select(Incident)
        .join(IncidentEvent, IncidentEvent.incident_id == Incident.id)
        .join(
            ReceivedEvent,
            (ReceivedEvent.home == IncidentEvent.home) & (ReceivedEvent.id == IncidentEvent.event),
        )
        .where(
            Incident.home == event.home,
            IncidentEvent.home == event.home,
            IncidentEvent.kind == event.kind,
            _about_then(event),
            ReceivedEvent.gateway != event.gateway,
        )
        .order_by(Incident.opened_at_us.desc(), Incident.id.desc())
        .limit(1)
    )


def _about_then(event: Event) -> ColumnElement[bool]:
    apart_us = SAME_EPISODE_S * US_PER_S
    return IncidentEvent.at_us.between(event.at_us - apart_us, event.at_us + apart_us)


def is_no_longer_excused(session: Session, incident: Incident, event: Event) -> bool:
    """Whether all that `incident` knows of this happening was excused, and this is not: nobody has
    been called for what it says now.
    """
    if event.excused or event.kind not in EPISODES:
        return False
    heard = session.scalars(
        select(IncidentEvent.excused).where(
            IncidentEvent.incident_id == incident.id,
            IncidentEvent.kind == event.kind,
            or_(IncidentEvent.key == event.key, _about_then(event)),
        )
    ).all()
    return bool(heard) and all(heard)


def _happening(event: Event) -> list[tuple[InstrumentedAttribute[str | None], str]]:
    known = ((IncidentEvent.fall, event.fall_id), (IncidentEvent.key, event.key))
    return [(column, value) for column, value in known if value is not None]


def was_known(session: Session, incident: Incident, event: Event) -> bool:
    """Whether whoever answered the incident last had heard of this happening by then."""
    same = [column == value for column, value in _happening(event)]
    if not same:
        return False
    return (
        session.scalars(
            select(IncidentEvent.event)
            .where(
                IncidentEvent.home == incident.home,
                IncidentEvent.incident_id == incident.id,
                or_(*same),
                or_(IncidentEvent.after_answer.is_(False), IncidentEvent.round < incident.round),
            )
            .limit(1)
        ).first()
        is not None
    )


def attach(session: Session, incident: Incident, event: Event) -> None:
    """Enter an event into an incident."""
    session.add(
        IncidentEvent(
            home=event.home,
            event=event.id,
            incident_id=incident.id,
            kind=event.kind,
            at_us=event.at_us,
            fall=event.fall_id,
            key=event.key,
            detail=event.detail,
            excused=event.excused,
            features=_features(event),
            round=incident.round,
            after_answer=incident.state in ANSWERED,
        )
    )


def _features(event: Event) -> dict[str, float] | None:
    """The numbers of an episode; of a fall they say nothing to a person."""
    evidence = event.evidence
    if evidence is None or event.kind not in EPISODES:
        return None
    return {
        name: value
        for name, value in sorted(evidence.features.items())[:MAX_FEATURES]
        if math.isfinite(value)
    }
