"""Building the views from the records."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from alerts import absences, checks, cover, swaps
from alerts.board_residents import read_residents
from alerts.policy import PRIORITY_ORDER, SILENT_AFTER_S, LogKind
from alerts.records.models import (
    Absence,
    EscalationStep,
    Fault,
    Home,
    Incident,
    IncidentEvent,
    IncidentLog,
    ManualCheck,
    Resident,
    Sensor,
    Service,
    Staff,
    Wearable,
)
from alerts.views import (
    AbsenceView,
    Board,
    CheckView,
    DeviceSort,
    EventLine,
    FaultView,
    IncidentView,
    LogLine,
    ResolutionOutcome,
    ServiceView,
    StaffRole,
    StaffView,
)
from contract.messages import AbsenceKind, IncidentState, Priority, Role
from contract.units import US_PER_S

RECENT_S: Final = 12 * 3_600
"""How long a resolved incident stays on the board: a shift."""

AGES_LAG_S: Final = 30
"""Ages of heartbeats are written this often (`alerts.service.AGES_WRITTEN_S`)."""

_STATE_ORDER: Final = (
    IncidentState.OPEN,
    IncidentState.ACKNOWLEDGED,
    IncidentState.ARRIVED,
    IncidentState.UNPAGED,
    IncidentState.RESOLVED,
)


def read_board(session: Session, home: str, moment_us: int) -> Board:
    """Everything at a glance."""
    record = session.get(Home, home)
    incidents = session.scalars(
        select(Incident).where(
            Incident.home == home,
            or_(
                Incident.state != IncidentState.RESOLVED,
                Incident.resolved_at_us >= moment_us - RECENT_S * US_PER_S,
            ),
        )
    ).all()
    views = read_incidents(session, home, incidents)
    paged = [
        view for view in views if view.state not in (IncidentState.UNPAGED, IncidentState.RESOLVED)
    ]
    resolved = [view for view in views if view.state is IncidentState.RESOLVED]
    away = {row.resident: row for row in absences.open_absences(session, home)}
    excused = {who: row for who, row in away.items() if row.until_us > moment_us}
    faults = _read_faults(session, home, excused)
    out = cover.uncovered(session, home)
    services = _read_services(session, home, moment_us, out)
    names = staff_names(session, home)
    absence_views = {who: absence_view(row, names, moment_us) for who, row in away.items()}
    return Board(
        home=home,
        revision=0 if record is None else record.revision,
        at_us=moment_us,
        incidents=sorted(paged, key=_urgency),
        watching=sorted(
            (view for view in views if view.state is IncidentState.UNPAGED),
            key=lambda view: view.opened_at_us,
        ),
        recent=sorted(resolved, key=lambda view: -(view.resolved_at_us or 0)),
        faults=faults,
        residents=read_residents(
            session,
            home,
            incidents,
            services,
            out,
            excused=excused,
            away=absence_views,
            moment_us=moment_us,
        ),
        services=services,
        checks=sorted(
            (check_view(row, names, moment_us) for row in checks.open_checks(session, home)),
            key=lambda view: (view.due_at_us, view.floor, view.cause),
        ),
    )


def check_view(row: ManualCheck, names: Mapping[str, str], moment_us: int) -> CheckView:
    """One manual check; `names` are those of the staff, by id."""
    return CheckView(
        id=row.id,
        floor=row.floor,
        cause=row.cause,
        beds=list(row.beds),
        since_us=row.since_us,
        due_at_us=row.due_at_us,
        every_s=row.every_s,
        overdue=row.ended_at_us is None and row.due_at_us <= moment_us,
        raised=row.raised,
        checked_at_us=row.checked_at_us,
        checked_by=None if row.checked_by is None else names.get(row.checked_by, row.checked_by),
        ended_at_us=row.ended_at_us,
    )


def absence_view(row: Absence, names: Mapping[str, str], moment_us: int) -> AbsenceView:
    """One absence; `names` are those of the staff, by id."""
    return AbsenceView(
        id=row.id,
        resident_id=row.resident,
        kind=AbsenceKind(row.kind),
        since_us=row.since_us,
        until_us=row.until_us,
        over=row.ended_at_us is None and row.until_us <= moment_us,
        by=names.get(row.by, row.by),
        ended_at_us=row.ended_at_us,
        ended_by=None if row.ended_by is None else names.get(row.ended_by, row.ended_by),
    )


def staff_names(session: Session, home: str) -> dict[str, str]:
    """Names of the staff by id."""
    return {row.id: row.name for row in session.scalars(select(Staff).where(Staff.home == home))}


def read_incidents(
    session: Session, home: str, incidents: Sequence[Incident]
) -> list[IncidentView]:
    """The whole of each of `incidents`, with a handful of queries however many they are."""
    ids = [incident.id for incident in incidents]
    if not ids:
        return []
    names = staff_names(session, home)
    residents = {
        row.id: row.name for row in session.scalars(select(Resident).where(Resident.home == home))
    }
    events: defaultdict[str, list[IncidentEvent]] = defaultdict(list)
    for event in session.scalars(
        select(IncidentEvent)
        .where(IncidentEvent.incident_id.in_(ids))
        .order_by(IncidentEvent.at_us, IncidentEvent.event)
    ):
        events[event.incident_id].append(event)
    lines: defaultdict[str, list[IncidentLog]] = defaultdict(list)
    for line in session.scalars(
        select(IncidentLog).where(IncidentLog.incident_id.in_(ids)).order_by(IncidentLog.id)
    ):
        lines[line.incident_id].append(line)
    sorts = _sorts(session, home, incidents)
    pending: defaultdict[str, list[int]] = defaultdict(list)
    for incident_id, at_us in session.execute(
        select(EscalationStep.incident_id, EscalationStep.next_at_us).where(
            EscalationStep.incident_id.in_(ids), EscalationStep.done_at_us.is_(None)
        )
    ):
        pending[incident_id].append(at_us)
    return [
        _incident_view(
            incident,
            events[incident.id],
            lines[incident.id],
            next_step_at_us=min(pending[incident.id], default=None),
            names=names,
            resident_name=None if incident.resident is None else residents.get(incident.resident),
            sort=sorts.get(incident.device or ""),
        )
        for incident in incidents
    ]


def _sorts(session: Session, home: str, incidents: Sequence[Incident]) -> dict[str, DeviceSort]:
    """What those devices are whose incidents are nobody's."""
    devices = [each.device for each in incidents if each.device and each.resident is None]
    if not devices:
        return {}
    sorts = {
        device: sort
        for table, sort in ((Wearable, DeviceSort.WEARABLE), (Sensor, DeviceSort.SENSOR))
        for device in session.scalars(
            select(table.device).where(table.home == home, table.device.in_(devices))
        )
    }
    tags = session.scalars(
        select(Wearable.device).where(
            Wearable.home == home, Wearable.device.in_(devices), Wearable.is_carer
        )
    )
    return sorts | dict.fromkeys(tags, DeviceSort.CARER_TAG)


def read_staff(session: Session, home: str) -> list[StaffView]:
    """Everyone who may answer, by name."""
    rows = session.scalars(select(Staff).where(Staff.home == home).order_by(Staff.name, Staff.id))
    return [
        StaffView(id=row.id, name=row.name, role=StaffRole(row.role), floor=row.floor)
        for row in rows
    ]


def _incident_view(
    incident: Incident,
    events: Iterable[IncidentEvent],
    lines: Sequence[IncidentLog],
    *,
    next_step_at_us: int | None,
    names: dict[str, str],
    resident_name: str | None,
    sort: DeviceSort | None,
) -> IncidentView:
    def name(who: str | None) -> str | None:
        return None if who is None else names.get(who, who)

    reached = [line.detail or "" for line in lines if line.what == LogKind.STEP_REACHED]
    return IncidentView(
        id=incident.id,
        case_id=incident.case_id,
        state=IncidentState(incident.state),
        priority=Priority(incident.priority),
        kind=incident.kind,
        resident_id=incident.resident,
        resident_name=resident_name,
        bed=incident.bed,
        zone=incident.zone,
        zone_heard_at_us=incident.zone_heard_at_us,
        at_us=incident.at_us,
        opened_at_us=incident.opened_at_us,
        deadline_at_us=incident.deadline_at_us,
        paged_at_us=incident.paged_at_us,
        acknowledged_at_us=incident.acknowledged_at_us,
        acknowledged_by=name(incident.acknowledged_by),
        arrived_at_us=incident.arrived_at_us,
        arrived_by=name(incident.arrived_by),
        resolved_at_us=incident.resolved_at_us,
        resolved_by=name(incident.resolved_by),
        outcome=None if incident.outcome is None else ResolutionOutcome(incident.outcome),
        note=incident.note,
        escalation_step=reached[-1].partition(":")[0] if reached else None,
        next_step_at_us=next_step_at_us,
        sound=incident.sound,
        events=[
            EventLine(
                kind=event.kind,
                at_us=event.at_us,
                detail=event.detail,
                excused=event.excused,
                features=event.features or {},
            )
            for event in events
        ],
        log=[
            LogLine(at_us=line.at_us, what=line.what, by=name(line.by), detail=line.detail)
            for line in lines
        ],
        device=incident.device,
        device_sort=sort,
    )


def _urgency(view: IncidentView) -> tuple[int, int, int]:
    return (
        _STATE_ORDER.index(view.state),
        -PRIORITY_ORDER.index(view.priority),
        view.opened_at_us,
    )


def _read_faults(session: Session, home: str, excused: Mapping[str, Absence]) -> list[FaultView]:
    """Open faults; of those who are excused, not what is to be expected."""
    rows = session.execute(
        select(Fault, Resident)
        .outerjoin(Resident, (Resident.home == Fault.home) & (Resident.id == Fault.resident))
        .where(Fault.home == home, Fault.cleared_at_us.is_(None))
        .order_by(Fault.opened_at_us, Fault.id)
    )
    return [
        _fault_view(session, fault, resident)
        for fault, resident in rows.all()
        if not absences.holds(excused.get(fault.resident or ""), fault)
    ]


def _fault_view(session: Session, fault: Fault, resident: Resident | None) -> FaultView:
    partner = swaps.partner(session, fault)
    other = None
    if partner is not None and partner.resident is not None:
        other = session.get(Resident, (fault.home, partner.resident))
    return FaultView(
        id=fault.id,
        cause=fault.cause,
        detail=fault.detail,
        device=fault.device,
        resident_name=None if resident is None else resident.name,
        bed=None if resident is None else resident.bed,
        gateway=fault.gateway,
        since_us=fault.opened_at_us,
        other_name=None if other is None else other.name,
        other_bed=None if other is None else other.bed,
    )


def _read_services(
    session: Session, home: str, moment_us: int, out: Mapping[str, str]
) -> list[ServiceView]:
    """Everyone's heartbeat as the alert service wrote it; its own is judged here, because a
    service that has died cannot say so.
    """
    oldest_us = moment_us - (SILENT_AFTER_S + AGES_LAG_S) * US_PER_S
    rows = session.scalars(
        select(Service).where(Service.home == home).order_by(Service.role, Service.name)
    )
    return [
        ServiceView(
            name=row.name,
            role=row.role,
            online=row.online
            and not (row.role == Role.ALERTS and (row.heard_at_us or 0) < oldest_us),
            heard_at_us=row.heard_at_us,
            beds=list(row.beds) if row.online else cover.beds_of(out, row.name),
        )
        for row in rows
    ]
