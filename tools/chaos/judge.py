"""The ledger: what truly happened against what is in the records, on the telephones and in the
store. Every difference is a `Loss`.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import StrEnum
from typing import Final, NamedTuple

from sqlalchemy import select
from sqlalchemy.orm import Session

from alerts.lateness import LATE_S
from alerts.policy import CALLING_STEPS, Family, LogKind, NotificationOutcome
from alerts.records.models import EscalationStep, Incident, IncidentLog, Notification
from contract.events import EventKind
from contract.messages import IncidentState
from contract.units import US_PER_S
from firmware_sim import TruthEntry
from tools.chaos.stored import PointKey, Stored
from tools.chaos.witness import Made

EARLY_US: Final = 5 * US_PER_S
"""An incident that opened so long before its happening is about it all the same: a suspicion
comes before the impact's second is over, and clocks of two processes differ a little."""


class What(StrEnum):
    """Kinds of loss: the columns of the report."""

    ALARM_LOST = "alarms lost"
    ALARM_DOUBLED = "alarms doubled"
    PAGE_LOST = "pages lost"
    PAGE_DOUBLED = "pages doubled"
    POINT_LOST = "points lost"
    POINT_DOUBLED = "points doubled"
    LATE = "late without reason"
    OTHER = "other"
    """A message was refused, a process ended by itself, somebody did not come back."""


class Loss(NamedTuple):
    """Something that is not as it should be."""

    what: What
    detail: str
    at_us: int | None = None
    """When it happened, if it has a moment."""
    times: int = 1


_ALARMS: Final[Mapping[str, Family]] = {
    "presses_button": Family.HELP,
    "fall_impact": Family.FALL,
}
_KINDS: Final = {
    Family.HELP: {EventKind.HELP_REQUESTED.value},
    Family.FALL: {
        EventKind.FALL_SUSPECTED.value,
        EventKind.FALL_DETECTED.value,
        EventKind.LONG_LIE.value,
    },
}


def true_alarms(truth: Iterable[TruthEntry]) -> list[TruthEntry]:
    """What should have been alerted: presses and falls."""
    return [entry for entry in truth if entry.what in _ALARMS]


class Alarms(NamedTuple):
    """True alarms and the incidents about them."""

    losses: list[Loss]
    answered: int
    """Alarms with one incident, in which somebody was called."""
    invented: list[str]
    """Incidents about nothing: a detector's mistake, and no loss."""
    insisted: list[str]
    """Long lies of somebody who had been helped up: the gateway had not been told yet, and asks
    again as it must."""


def judge_alarms(truth: Sequence[TruthEntry], incidents: Sequence[Incident]) -> Alarms:
    """Each true alarm has one incident of its own; in the order in which they opened."""
    spare: defaultdict[tuple[str, str], list[Incident]] = defaultdict(list)
    for incident in sorted(incidents, key=lambda each: each.opened_at_us):
        spare[incident.resident or "", incident.family].append(incident)
    losses: list[Loss] = []
    answered, seen = 0, set()
    for entry in sorted(truth, key=lambda each: each.at_us):
        key = entry.resident, _ALARMS[entry.what].value
        seen.add(key)
        name = f"{entry.resident} {entry.what} at {entry.at_us}"
        about = [each for each in spare[key] if each.opened_at_us >= entry.at_us - EARLY_US]
        if not about:
            losses.append(Loss(What.ALARM_LOST, f"{name}: no alert", entry.at_us))
            continue
        spare[key].remove(about[0])
        if about[0].paged_at_us is None:
            losses.append(Loss(What.ALARM_LOST, f"{name}: nobody was called", entry.at_us))
        else:
            answered += 1
    invented, insisted = [], []
    for key, more in spare.items():
        for incident in more:
            text = f"{incident.id}: {incident.kind} of {key[0]}, opened at {incident.opened_at_us}"
            if key in seen and incident.kind == EventKind.LONG_LIE:
                insisted.append(text)
            elif key in seen:
                losses.append(Loss(What.ALARM_DOUBLED, text, incident.opened_at_us))
            else:
                invented.append(text)
    return Alarms(losses, answered, invented, insisted)


def judge_events(truth: Sequence[TruthEntry], stored: Stored) -> Iterator[Loss]:
    """Each true alarm is in the store, and no event twice."""
    about = defaultdict[str, set[str]](set)
    for event, count in stored.events.items():
        about[event[2]].add(event[1])
        if count > 1:
            yield Loss(What.ALARM_DOUBLED, f"event {event[0]} is in the store {count} times")
    for entry in truth:
        if not about[entry.resident] & _KINDS[_ALARMS[entry.what]]:
            yield Loss(
                What.ALARM_LOST,
                f"{entry.resident} {entry.what} at {entry.at_us}: not in the store",
                entry.at_us,
            )


def judge_pages(session: Session, rung: Counter[str]) -> Iterator[Loss]:
    """Everybody was rung as often as the records say; more often where they are in doubt."""
    said: defaultdict[str, Counter[str | None]] = defaultdict(Counter)
    for row in session.scalars(select(Notification)):
        said[row.recipient][row.outcome] += 1
    for person in sorted({*said, *rung}):
        sure = said[person][NotificationOutcome.SENT]
        doubtful = sum(said[person].values()) - sure
        if rung[person] < sure:
            count = sure - rung[person]
            yield Loss(What.PAGE_LOST, f"{person}: {sure} sent, {rung[person]} came", times=count)
        elif rung[person] > sure + doubtful:
            count = rung[person] - sure - doubtful
            detail = f"{person}: {sure} sent and {doubtful} in doubt, {rung[person]} came"
            yield Loss(What.PAGE_DOUBLED, detail, times=count)


def judge_steps(session: Session, moment_us: int) -> Iterator[Loss]:
    """Each step of an escalation was taken in time, or the records say why not."""
    logs = defaultdict[str, list[IncidentLog]](list)
    for line in session.scalars(select(IncidentLog).order_by(IncidentLog.id)):
        logs[line.incident_id].append(line)
    states = {each.id: each.state for each in session.scalars(select(Incident))}
    for row in session.scalars(select(EscalationStep).order_by(EscalationStep.id)):
        if row.step not in CALLING_STEPS:
            continue
        allowed_us = row.next_at_us + round(LATE_S * US_PER_S)
        name = f"step {row.id} ({row.step}) of {row.incident_id}, due at {row.next_at_us}"
        if row.done_at_us is None:
            if states[row.incident_id] == IncidentState.OPEN and moment_us > allowed_us:
                yield Loss(What.LATE, f"{name}: never taken", row.next_at_us)
            continue
        lines = logs[row.incident_id]
        begun = [
            line.at_us
            for line in lines
            if line.what == LogKind.STEP_REACHED
            and (line.detail or "").startswith(f"{row.step}:")
            and row.next_at_us - EARLY_US <= line.at_us <= row.done_at_us
        ]
        if not begun or min(begun) <= allowed_us:
            continue  # cancelled by an answer, or in time
        if not any(line.what == LogKind.STEP_LATE and line.at_us == min(begun) for line in lines):
            late_s = (min(begun) - row.next_at_us) / US_PER_S
            yield Loss(What.LATE, f"{name}: {late_s:.0f} s late, and no reason", row.next_at_us)


def count_late(session: Session) -> int:
    """How many steps were late, with the reason."""
    lines = session.scalars(select(IncidentLog.id).where(IncidentLog.what == LogKind.STEP_LATE))
    return len(lines.all())


class Points(NamedTuple):
    """Points made and points stored."""

    losses: list[Loss]
    made: int
    stored: int


def judge_points(made: Iterable[Made], stored: Stored) -> Points:
    """Each point of each batch that became durable in an outbox is in the store once."""
    wanted: Counter[PointKey] = Counter()
    for each in made:
        for point in each.batch().points:
            wanted[each.gateway, point.device, point.at_us // 1_000] += 1
    lost, doubled = wanted - stored.points, Counter[PointKey]()
    for key, count in stored.points.items():
        # One that no outbox kept went out of memory, before it was written or without a disk.
        if count > max(wanted[key], 1):
            doubled[key] = count - max(wanted[key], 1)
    losses = [
        Loss(what, f"{name}, {device} at {at_ms} ms", at_ms * 1_000, count)
        for what, found in ((What.POINT_LOST, lost), (What.POINT_DOUBLED, doubled))
        for (name, device, at_ms), count in sorted(found.items())
    ]
    return Points(losses, wanted.total(), stored.points.total())
