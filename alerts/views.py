"""What people are shown: plain records, made for one look and never changed.

All times are wall time in integer microseconds since 1970 UTC (`contract.units`). Names and
beds appear here and travel no further than the board.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

from contract.messages import AbsenceKind, IncidentState, Priority
from contract.whereabouts import WhereaboutsPolicy, ZoneUse


class ResolutionOutcome(StrEnum):
    """What a person found; each takes the same number of taps (SAFETY: detection decays)."""

    TRUE_FALL_INJURY = "true_fall_injury"
    TRUE_FALL_NO_INJURY = "true_fall_no_injury"
    ASSISTED = "assisted"
    FALSE_ALARM = "false_alarm"
    DRILL = "drill"
    OTHER = "other"


class StaffRole(StrEnum):
    """Who somebody is to the escalation."""

    CARE_WORKER = "care_worker"
    HEALTH_WORKER = "health_worker"
    NURSE = "nurse"
    MANAGER = "manager"


class ResidentState(StrEnum):
    """How a resident stands on the board, the most urgent first."""

    ALERT = "alert"
    """An incident that is not resolved."""
    FAULT = "fault"
    """Not monitored, or not as it should be; the fault says why."""
    UNKNOWN = "unknown"
    """No gateway that covers this bed is heard."""
    ABSENT = "absent"
    """Staff have said that the wearable is off or away, and until when."""
    OK = "ok"


class DeviceSort(StrEnum):
    """What an incident's device is to the home."""

    WEARABLE = "wearable"
    CARER_TAG = "carer_tag"
    SENSOR = "sensor"


class EventLine(msgspec.Struct, frozen=True, kw_only=True):
    """One event of an incident."""

    kind: str
    at_us: int
    detail: str | None = None
    excused: bool = False
    """A carer's tag moved with her."""
    features: dict[str, float] = {}
    """Numbers of `detail`, by name with their unit, for another language."""


class LogLine(msgspec.Struct, frozen=True, kw_only=True):
    """One line of an incident's audit log."""

    at_us: int
    what: str
    """A value of `alerts.policy.LogKind`."""
    by: str | None = None
    """A person's name, or the part of the system that acted."""
    detail: str | None = None


class IncidentView(msgspec.Struct, frozen=True, kw_only=True):
    """One incident, whole."""

    id: str
    case_id: str | None
    """The resident's open case; none where the resident is unknown."""
    state: IncidentState
    priority: Priority
    kind: str
    """The event kind that says most: ``fall_detected``, ``help_requested`` …"""
    resident_id: str | None
    resident_name: str | None
    bed: str | None
    """The assigned bed."""
    zone: str | None
    """Where the device was last heard, which may not be where the bed is."""
    zone_heard_at_us: int | None
    at_us: int
    """The impact or the press."""
    opened_at_us: int
    deadline_at_us: int | None
    """While unpaged: when somebody is called if nothing more is heard."""
    paged_at_us: int | None
    acknowledged_at_us: int | None
    acknowledged_by: str | None
    """A name, or ``siren-button``."""
    arrived_at_us: int | None
    arrived_by: str | None
    resolved_at_us: int | None
    resolved_by: str | None
    outcome: ResolutionOutcome | None
    note: str
    escalation_step: str | None
    """The step that was reached last, a value of `alerts.policy.StepName`."""
    next_step_at_us: int | None
    sound: bool
    """The sounders are on for this."""
    events: list[EventLine]
    log: list[LogLine]
    device: str | None = None
    device_sort: DeviceSort | None = None
    """What the device is to the home: told where nobody is known to wear it."""


class FaultView(msgspec.Struct, frozen=True, kw_only=True):
    """Something that is not being monitored, with its cause."""

    id: int
    cause: str
    """A value of `contract.events.FaultCause`."""
    detail: str | None
    device: str | None
    resident_name: str | None
    bed: str | None
    gateway: str | None
    since_us: int
    other_name: str | None = None
    """Of two wearables that seem to be swapped: whose the other is."""
    other_bed: str | None = None


class SwapView(msgspec.Struct, frozen=True, kw_only=True):
    """Two wearables that were exchanged in the records."""

    fault_id: int
    devices: list[str]
    beds: list[str]
    """In the same order: whose each is now."""
    by: str
    """Who said so: a name."""


class CheckView(msgspec.Struct, frozen=True, kw_only=True):
    """Beds that are not being monitored, for people to look after."""

    id: str
    floor: str
    cause: str
    """A value of `contract.events.FaultCause`."""
    beds: list[str]
    since_us: int
    """Since when the first of them is not being monitored."""
    due_at_us: int
    """By when somebody is to look."""
    every_s: int
    """Seconds from one look to the next."""
    overdue: bool
    """Nobody has looked in time."""
    raised: int
    """How often the person in charge was told of it since the last look."""
    checked_at_us: int | None
    checked_by: str | None
    """A name."""
    ended_at_us: int | None = None
    """Cover is back."""


class AbsenceView(msgspec.Struct, frozen=True, kw_only=True):
    """A resident's wearable is off or away, as staff have said."""

    id: str
    resident_id: str
    kind: AbsenceKind
    since_us: int
    until_us: int
    """Expected end."""
    over: bool
    """It has passed, and nobody has said that she is back."""
    by: str
    """Who said so: a name."""
    ended_at_us: int | None = None
    ended_by: str | None = None
    """A name, or ``wearable`` where it was heard again."""


class PlaceView(msgspec.Struct, frozen=True, kw_only=True):
    """Where a resident was last, as the gateways decide."""

    zone: str
    since_us: int
    """Since when she is there."""
    seen_at_us: int
    """When it was last said that she is; up to half a minute behind."""


class ResidentView(msgspec.Struct, frozen=True, kw_only=True):
    """One resident on the board."""

    id: str
    name: str
    bed: str
    zone: str | None
    floor: str
    state: ResidentState
    last_heard_us: int | None
    """When a gateway last said that it hears the wearable; up to a minute behind."""
    wears: bool = True
    """A wearable is paired to her."""
    absence: AbsenceView | None = None
    place: PlaceView | None = None
    """None: nobody has placed her since a shift. Not where her bed is."""


class ZoneView(msgspec.Struct, frozen=True, kw_only=True):
    """A place of the home."""

    zone: str
    use: ZoneUse
    floor: str | None = None


class ChoiceLine(msgspec.Struct, frozen=True, kw_only=True):
    """A line of the log of what was asked for a resident."""

    at_us: int
    by: str
    """A person's name, or ``settings``."""
    policy: WhereaboutsPolicy
    """From then on."""
    before: WhereaboutsPolicy
    """Until then."""


class WhereaboutsView(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody is called for by where a resident is."""

    resident_id: str
    name: str
    bed: str
    policy: WhereaboutsPolicy
    zones: list[ZoneView]
    """Of the home; empty where no plan was entered."""
    version: int
    """Grows with each change: who sends it back changes what was seen."""
    log: list[ChoiceLine]
    """The latest first."""


class ServiceView(msgspec.Struct, frozen=True, kw_only=True):
    """One gateway or service."""

    name: str
    role: str
    """A value of `contract.messages.Role`."""
    online: bool
    heard_at_us: int | None
    beds: list[str]
    """Of a gateway: those that it hears for; of one that is not heard, those without cover."""


class StaffView(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody who may answer."""

    id: str
    name: str
    role: StaffRole
    floor: str | None


class Board(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that staff see at a glance."""

    home: str
    revision: int
    at_us: int
    incidents: list[IncidentView]
    """Alerts that are not resolved, the most urgent first."""
    watching: list[IncidentView]
    """Unpaged: a fall in the making, nobody has been called."""
    recent: list[IncidentView]
    """Resolved in the last 12 h, the latest first."""
    faults: list[FaultView]
    residents: list[ResidentView]
    services: list[ServiceView]
    checks: list[CheckView] = []
    """Beds without cover, the one that is due first at the top."""
