"""One of each answer, for the published OpenAPI; checked against the schema by a test."""

from __future__ import annotations

from typing import Final

from alerts.views import (
    AbsenceView,
    Board,
    CheckView,
    EventLine,
    FaultView,
    IncidentView,
    LogLine,
    PlaceView,
    ResidentState,
    ResidentView,
    ServiceView,
    StaffRole,
    StaffView,
)
from contract.messages import AbsenceKind, IncidentState, Priority
from contract.units import US_PER_S

_IMPACT_US: Final = 1_767_297_600 * US_PER_S
_NOW_US: Final = _IMPACT_US + 75 * US_PER_S

STAFF: Final = StaffView(id="staff-mei", name="Wong Mei", role=StaffRole.CARE_WORKER, floor="2")

INCIDENT: Final = IncidentView(
    id="019b7a3c-5c00-7000-8000-000000000001",
    case_id="019b0000-0000-7000-8000-000000000009",
    state=IncidentState.ACKNOWLEDGED,
    priority=Priority.HIGH,
    kind="fall_detected",
    resident_id="resident-1",
    resident_name="Chan Tai Man",
    bed="2/F 212-B",
    zone="corridor-2",
    zone_heard_at_us=_NOW_US - 2 * US_PER_S,
    at_us=_IMPACT_US,
    opened_at_us=_IMPACT_US + 3 * US_PER_S,
    deadline_at_us=None,
    paged_at_us=_IMPACT_US + 30 * US_PER_S,
    acknowledged_at_us=_IMPACT_US + 52 * US_PER_S,
    acknowledged_by=STAFF.name,
    arrived_at_us=None,
    arrived_by=None,
    resolved_at_us=None,
    resolved_by=None,
    outcome=None,
    note="",
    escalation_step="assigned",
    next_step_at_us=_IMPACT_US + 172 * US_PER_S,
    sound=False,
    events=[
        EventLine(
            kind="fall_detected",
            at_us=_IMPACT_US,
            detail="Impact of 3.1 g, then lying still.",
        )
    ],
    log=[LogLine(at_us=_IMPACT_US + 52 * US_PER_S, what="acknowledged", by=STAFF.name)],
    device="wearable-1",
)

CHECK: Final = CheckView(
    id="019b7a3c-5c00-7000-8000-000000000002",
    floor="2",
    cause="gateway_silent",
    beds=["2/F 212-A", "2/F 212-B"],
    since_us=_NOW_US - 1_200 * US_PER_S,
    due_at_us=_NOW_US + 600 * US_PER_S,
    every_s=1_800,
    overdue=False,
    raised=0,
    checked_at_us=None,
    checked_by=None,
)

ABSENCE: Final = AbsenceView(
    id="019b7a3c-5c00-7000-8000-000000000003",
    resident_id="resident-2",
    kind=AbsenceKind.BATHING,
    since_us=_NOW_US - 300 * US_PER_S,
    until_us=_NOW_US + 2_400 * US_PER_S,
    over=False,
    by=STAFF.name,
)

BOARD: Final = Board(
    home="demo",
    revision=42,
    at_us=_NOW_US,
    incidents=[INCIDENT],
    watching=[],
    recent=[],
    faults=[
        FaultView(
            id=7,
            cause="battery_low",
            detail="8 percent left.",
            device="wearable-4",
            resident_name="Lee Siu Ling",
            bed="2/F 214-A",
            gateway=None,
            since_us=_NOW_US - 600 * US_PER_S,
        )
    ],
    residents=[
        ResidentView(
            id="resident-1",
            name="Chan Tai Man",
            bed="2/F 212-B",
            zone="corridor-2",
            floor="2",
            state=ResidentState.ALERT,
            last_heard_us=_NOW_US - 2 * US_PER_S,
            place=PlaceView(
                zone="corridor-2",
                since_us=_NOW_US - 90 * US_PER_S,
                seen_at_us=_NOW_US - 10 * US_PER_S,
            ),
        )
    ],
    services=[
        ServiceView(
            name="gateway-a",
            role="gateway",
            online=True,
            heard_at_us=_NOW_US - US_PER_S,
            beds=["2/F 212-B", "2/F 214-A"],
        )
    ],
    checks=[CHECK],
)
