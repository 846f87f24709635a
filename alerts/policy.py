"""What each kind of event asks of people: tables, and nothing that acts.

Everything here is a default for a home with staff on the premises at all hours; the numbers
are the hazards' (SAFETY), the field's (FIELD) and DESIGN 6's.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final, NamedTuple

from contract.events import EventKind
from contract.messages import Priority

# --- a fall in the making ------------------------------------------------------------------

UNPAGED_DEADLINE_S: Final = 45
"""How long after the suspicion was emitted somebody is called if nothing more is heard. The
confirmation decides 30 s after the impact and a suspicion is emitted within 5 s of it, so a
living gateway has answered by then, with 20 s to spare for a resend."""

UNPAGED_IMPACT_LIMIT_S: Final = 55
"""The same, counted from the impact, for a suspicion that was itself late (its window had to
be fetched): a fall whose gateway died is paged within 60 s of the impact, less 5 s to send."""

# --- one happening, one alert --------------------------------------------------------------

JOIN_WINDOW_S: Final = 1_800
"""Alarms of one family about one resident join the unresolved incident this long after its
latest alarm. Half an hour covers a long lie's timers (5, 15 min) after a fall; beyond it, an
incident that was only forgotten would hide a new one (GoAlert #3378)."""

ACKNOWLEDGEMENT_SLACK_S: Final = 2
"""An acknowledgement that crossed the alarm it answers on its way still counts if it was
given no earlier than this before the alarm was raised."""

# --- escalation ----------------------------------------------------------------------------

ARRIVAL_DEADLINE_S: Final = 120
"""No arrival this long after an acknowledgement raises the alarm again (DESIGN 6)."""

HIGH_REPEAT_S: Final = 120
"""How often everybody is called again until somebody answers. UK telecare answers 99 % of
calls within 180 s (TSA), so the first repeat, at 300 s, is rare and never too much."""

MEDIUM_REPEAT_S: Final = 300
"""The same for medium priority: nobody is known to lie there, and pages cost attention
(SAFETY: alarm fatigue)."""


class StepName(StrEnum):
    """Whom a step calls, or what else it does when its time comes."""

    ASSIGNED = "assigned"
    """The resident's carers who are on duty; without one, everyone. For a device that is nobody's:
    the floor where it was heard."""
    FLOOR = "floor"
    """Everyone on duty on the resident's floor."""
    HOME = "home"
    """Everyone on duty."""
    MANAGER = "manager"
    """The managers, on duty or not."""
    REPEAT = "repeat"
    """Everyone on duty and the managers, again and again."""
    DEADLINE = "deadline"
    """Calls nobody itself: pages an incident that is still unpaged."""
    ARRIVAL = "arrival"
    """Calls nobody itself: raises the alarm again if nobody has arrived."""


class Step(NamedTuple):
    """One step of an escalation."""

    name: StepName
    after_s: int
    """Seconds after the alarm was raised."""
    sounds: bool = False
    """From here on the sounders are on, until somebody answers."""


class Plan(NamedTuple):
    """The escalation of one priority."""

    steps: tuple[Step, ...]
    repeat_s: int
    """Seconds between the calls after the last step."""
    repeat_sounds: bool


ESCALATION: Final[Mapping[Priority, Plan]] = MappingProxyType(
    {
        # DESIGN 6. 60 s is the time within which UK telecare answers 97.5 % of calls (TSA).
        Priority.HIGH: Plan(
            (
                Step(StepName.ASSIGNED, 0),
                Step(StepName.FLOOR, 60),
                Step(StepName.HOME, 120, sounds=True),
                Step(StepName.MANAGER, 180, sounds=True),
            ),
            HIGH_REPEAT_S,
            repeat_sounds=True,
        ),
        # Twice as slow and never with sound: sirens are for high priority only (DESIGN 4).
        Priority.MEDIUM: Plan(
            (
                Step(StepName.ASSIGNED, 0),
                Step(StepName.FLOOR, 120),
                Step(StepName.HOME, 240),
                Step(StepName.MANAGER, 360),
            ),
            MEDIUM_REPEAT_S,
            repeat_sounds=False,
        ),
        # Told, then once more to all; it can wait for the round.
        Priority.LOW: Plan(
            (Step(StepName.ASSIGNED, 0), Step(StepName.FLOOR, 600)),
            1_800,
            repeat_sounds=False,
        ),
    }
)

REALARM_FIRST_STEP: Final = 1
"""Where the escalation begins again when nobody arrived: at the floor, as the one who
answered is evidently held up."""

CALLING_STEPS: Final = frozenset(
    {StepName.ASSIGNED, StepName.FLOOR, StepName.HOME, StepName.MANAGER, StepName.REPEAT}
)


def longest_wait_s(priority: Priority, step: StepName) -> int:
    """Seconds that a step can lie ahead at most. One that lies further has been moved there
    by a clock that jumped, and is brought back.
    """
    plan = ESCALATION[priority]
    waits = {
        StepName.DEADLINE: UNPAGED_DEADLINE_S,
        StepName.ARRIVAL: ARRIVAL_DEADLINE_S,
        StepName.REPEAT: plan.repeat_s,
    }
    return waits.get(step) or sum(entry.after_s for entry in plan.steps if entry.name is step)


# --- kinds ---------------------------------------------------------------------------------


class Treatment(StrEnum):
    """What an event does."""

    PAGE = "page"
    """Calls somebody at once."""
    DEADLINE = "deadline"
    """Opens an unpaged incident that pages by itself."""
    SOFTEN = "soften"
    """Turns an unpaged incident into a medium one; never lowers or closes a paged one."""
    ACKNOWLEDGE = "acknowledge"
    """Answers an incident."""
    FAULT = "fault"
    """Is shown on the board; nobody is called."""
    CLEAR_FAULT = "clear_fault"
    RECORD = "record"
    """Is kept."""
    BY_CHOICE = "by_choice"
    """Calls somebody at once where a clinician has chosen so for the resident; else is kept."""


class Family(StrEnum):
    """Kinds that speak of one thing: one family about one resident is one alert."""

    FALL = "fall"
    HELP = "help"
    WANDERING = "wandering"
    ABSENCE = "absence"
    VITALS = "vitals"
    NONE = "none"


class Rule(NamedTuple):
    """How one kind of event is treated."""

    treatment: Treatment
    family: Family = Family.NONE
    priority: Priority = Priority.MEDIUM
    weight: int = 0
    """The kind of the greatest weight names the incident."""
    insists: bool = False
    """Raises an acknowledged incident again even about the happening that was acknowledged:
    it says that nobody has come."""
    yields: bool = False
    """An incident of another kind that is open explains it, and calls nobody again for it."""


RULES: Final[Mapping[EventKind, Rule]] = MappingProxyType(
    {
        EventKind.FALL_SUSPECTED: Rule(Treatment.DEADLINE, Family.FALL, Priority.HIGH, 2),
        EventKind.FALL_DETECTED: Rule(Treatment.PAGE, Family.FALL, Priority.HIGH, 4),
        EventKind.LONG_LIE: Rule(Treatment.PAGE, Family.FALL, Priority.HIGH, 5, insists=True),
        EventKind.MAY_HAVE_GOT_UP: Rule(Treatment.SOFTEN, Family.FALL, Priority.MEDIUM, 3),
        EventKind.HELP_REQUESTED: Rule(Treatment.PAGE, Family.HELP, Priority.HIGH, 5),
        EventKind.ELOPEMENT: Rule(Treatment.PAGE, Family.WANDERING, Priority.HIGH, 5),
        EventKind.LEFT_SAFE_ZONE: Rule(Treatment.PAGE, Family.WANDERING, Priority.HIGH, 4),
        EventKind.EXIT_SEEKING: Rule(Treatment.PAGE, Family.WANDERING, Priority.MEDIUM, 3),
        EventKind.NIGHT_WANDERING: Rule(Treatment.PAGE, Family.WANDERING, Priority.MEDIUM, 2),
        EventKind.BED_EXIT: Rule(Treatment.PAGE, Family.ABSENCE, Priority.MEDIUM, 2),
        EventKind.NOT_RETURNED: Rule(Treatment.PAGE, Family.ABSENCE, Priority.MEDIUM, 3),
        # A fall explains it (FIELD: a fall inhibits the same resident's inactivity).
        EventKind.INACTIVE: Rule(Treatment.PAGE, Family.FALL, Priority.MEDIUM, 1, yields=True),
        EventKind.WANDERING_EPISODE: Rule(Treatment.RECORD),
        # A wrist's heart rate is wrong too often to call anybody by itself. None of them is high:
        # a pulse that is not found is nearly always a band that slipped, and a siren for that
        # would teach people not to run.
        EventKind.HEART_RATE_HIGH: Rule(Treatment.BY_CHOICE, Family.VITALS, Priority.MEDIUM, 1),
        EventKind.HEART_RATE_LOW: Rule(Treatment.BY_CHOICE, Family.VITALS, Priority.MEDIUM, 2),
        EventKind.HEART_RATE_ABSENT: Rule(Treatment.BY_CHOICE, Family.VITALS, Priority.MEDIUM, 3),
        EventKind.ACKNOWLEDGED: Rule(Treatment.ACKNOWLEDGE),
        EventKind.FAULT: Rule(Treatment.FAULT),
        EventKind.FAULT_CLEARED: Rule(Treatment.CLEAR_FAULT),
    }
)

EPISODES: Final = frozenset(
    {
        EventKind.ELOPEMENT,
        EventKind.LEFT_SAFE_ZONE,
        EventKind.EXIT_SEEKING,
        EventKind.NIGHT_WANDERING,
        EventKind.BED_EXIT,
        EventKind.NOT_RETURNED,
        EventKind.INACTIVE,
    }
)
"""What the lead tells of where residents are. Two gateways may lead for a while."""

SAME_EPISODE_S: Final = 120
"""Two leads see one door a second apart, and one that takes over counts from its own first second:
what another gateway tells of the same resident and kind within this time is the same."""

EXCUSED_PRIORITY: Final = Priority.LOW
"""While a carer's tag moves with her: told, and no siren (SAFETY: it lowers, and never deletes)."""

PRIORITY_ORDER: Final = (Priority.LOW, Priority.MEDIUM, Priority.HIGH)


def outranks(one: Priority, other: Priority) -> bool:
    """Whether `one` is more urgent than `other`."""
    return PRIORITY_ORDER.index(one) > PRIORITY_ORDER.index(other)


# --- what is written down ------------------------------------------------------------------


class LogKind(StrEnum):
    """Lines of an incident's audit log."""

    OPENED = "opened"
    EVENT_JOINED = "event_joined"
    LATE_EVENT = "late_event"
    """About a happening that a person had resolved already."""
    PAGED = "paged"
    DEADLINE_PASSED = "deadline_passed"
    SOFTENED = "softened"
    RAISED_AGAIN = "raised_again"
    PRIORITY_RAISED = "priority_raised"
    STEP_REACHED = "step_reached"
    STEP_LATE = "step_late"
    """With the reason, beside the line that says that it was reached."""
    NOTIFIED = "notified"
    NOT_NOTIFIED = "not_notified"
    ACKNOWLEDGED = "acknowledged"
    LATE_ACKNOWLEDGEMENT = "late_acknowledgement"
    """Given to an earlier alarm of this incident; it does not answer the present one."""
    NO_ARRIVAL = "no_arrival"
    ARRIVED = "arrived"
    RESOLVED = "resolved"
    STALL_REPAIRED = "stall_repaired"


class StepOutcome(StrEnum):
    """What became of a step."""

    PAGED = "paged"
    SENT = "sent"
    FAILED = "failed"
    """Nobody was reached; the next step comes at once."""
    BOARD_ONLY = "board_only"
    """None of them has a contact: the board is the only channel."""
    CANCELLED = "cancelled"
    """Somebody answered, or the escalation began again."""


class NotificationOutcome(StrEnum):
    """What became of one message."""

    SENT = "sent"
    FAILED = "failed"
    IN_DOUBT = "in_doubt"
    """The service stopped between sending and writing it down; it was sent again."""


# --- services ------------------------------------------------------------------------------

SILENT_AFTER_S: Final = 60
"""A gateway or service not heard for so long is a fault that names its beds (DESIGN 4)."""
