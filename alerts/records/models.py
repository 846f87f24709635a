"""The tables.

Times are wall time in integer microseconds since 1970 UTC; enumerations are their strings;
`home` is the partition key and stands in every table. Nothing here is particular to one
database. A change of these classes needs a migration beside it (`migrations/versions`); a
test compares the two.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    String,
    Text,
    false,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from alerts.records.base import Base, Identifier, Microseconds, RowNumber, Word
from alerts.records.device_models import (
    Absence,
    AbsenceLog,
    DeviceLog,
    Gateway,
    Receiver,
    Sensor,
    VitalPolicy,
    Wearable,
)
from alerts.records.whereabouts_models import LastPlace, WhereaboutsChoice, WhereaboutsLog, Zone

__all__ = [
    "Absence",
    "AbsenceLog",
    "Assignment",
    "Base",
    "Case",
    "DeviceLog",
    "EscalationStep",
    "Fault",
    "Gateway",
    "Home",
    "Incident",
    "IncidentEvent",
    "IncidentLog",
    "LastPlace",
    "ManualCheck",
    "ManualCheckLog",
    "Notification",
    "ReceivedEvent",
    "Receiver",
    "Resident",
    "Sensor",
    "Service",
    "Staff",
    "VitalPolicy",
    "Wearable",
    "WhereaboutsChoice",
    "WhereaboutsLog",
    "Worker",
    "Zone",
]


class Home(Base):
    """One home, and how often it changed."""

    __tablename__ = "homes"

    name: Mapped[str] = mapped_column(Identifier, primary_key=True)
    revision: Mapped[int] = mapped_column(BigInteger, default=0)
    """Grows with each change that a board would show."""
    config_revision: Mapped[int] = mapped_column(BigInteger, default=0)
    """Grows with each change that a gateway must know."""
    time_zone: Mapped[str] = mapped_column(String(64), default="Asia/Hong_Kong")
    siren_volume: Mapped[list[dict[str, int]]] = mapped_column(JSON, default=list)
    """`contract.messages.VolumeHours`, as they travel."""
    rooms: Mapped[str | None] = mapped_column(Text)
    """What its rooms sound like, as `contract.messages.GatewayConfig.rooms`."""


class Resident(Base):
    """Somebody who lives here. The only table with residents' names."""

    __tablename__ = "residents"

    home: Mapped[str] = mapped_column(ForeignKey("homes.name"), primary_key=True)
    id: Mapped[str] = mapped_column(Identifier, primary_key=True)
    """Pseudonymous; the only thing that travels."""
    name: Mapped[str] = mapped_column(String(200))
    bed: Mapped[str] = mapped_column(String(64))
    """Label of the assigned bed, such as ``2/F 212-B``."""
    floor: Mapped[str] = mapped_column(String(32))
    zone: Mapped[str | None] = mapped_column(Identifier)
    """The zone in which the bed stands."""
    last_heard_us: Mapped[int | None] = mapped_column(Microseconds)
    plan: Mapped[str] = mapped_column(Text, default="", server_default="")
    """What to mind with her, for the downtime sheet."""
    contacts: Mapped[list[Any]] = mapped_column(JSON, default=list, server_default="[]")
    """Whom to tell: `alerts.sheet.Contact`, as built-in values."""


class Case(Base):
    """A resident's record, to which each incident links; at most one is open."""

    __tablename__ = "cases"

    id: Mapped[str] = mapped_column(Identifier, primary_key=True)
    home: Mapped[str] = mapped_column(ForeignKey("homes.name"))
    resident: Mapped[str] = mapped_column(Identifier)
    """Not a foreign key: an alarm about somebody not yet entered has its record too."""
    opened_at_us: Mapped[int] = mapped_column(Microseconds)
    closed_at_us: Mapped[int | None] = mapped_column(Microseconds)

    __table_args__ = (
        Index(
            "uq_cases_open",
            "home",
            "resident",
            unique=True,
            sqlite_where=text("closed_at_us IS NULL"),
            postgresql_where=text("closed_at_us IS NULL"),
        ),
    )


class Staff(Base):
    """Somebody who may answer."""

    __tablename__ = "staff"

    home: Mapped[str] = mapped_column(ForeignKey("homes.name"), primary_key=True)
    id: Mapped[str] = mapped_column(Identifier, primary_key=True)
    name: Mapped[str] = mapped_column(String(200))
    role: Mapped[str] = mapped_column(Word)
    floor: Mapped[str | None] = mapped_column(String(32))
    contact: Mapped[str | None] = mapped_column(Text)
    """Apprise URL. It may hold a password: never logged, never shown."""
    on_duty: Mapped[bool] = mapped_column(Boolean, default=True)
    phone: Mapped[str | None] = mapped_column(String(64))
    """To be dialled by hand; printed on the downtime sheet."""


class Assignment(Base):
    """Who looks after whom."""

    __tablename__ = "assignments"

    home: Mapped[str] = mapped_column(ForeignKey("homes.name"), primary_key=True)
    staff: Mapped[str] = mapped_column(Identifier, primary_key=True)
    resident: Mapped[str] = mapped_column(Identifier, primary_key=True)

    __table_args__ = (
        ForeignKeyConstraint(["home", "staff"], ["staff.home", "staff.id"]),
        ForeignKeyConstraint(["home", "resident"], ["residents.home", "residents.id"]),
    )


class ReceivedEvent(Base):
    """Every event that got a receipt; the key makes a resent one a duplicate. Kept: it must
    outlive the longest age of a gateway's outbox.
    """

    __tablename__ = "received_events"

    home: Mapped[str] = mapped_column(ForeignKey("homes.name"), primary_key=True)
    id: Mapped[str] = mapped_column(Identifier, primary_key=True)
    kind: Mapped[str] = mapped_column(Word)
    gateway: Mapped[str] = mapped_column(Identifier)
    session: Mapped[str] = mapped_column(Text)
    sequence: Mapped[int] = mapped_column(BigInteger)
    received_at_us: Mapped[int] = mapped_column(Microseconds)
    answers: Mapped[str | None] = mapped_column(Text)
    """For an acknowledgement: what it names, so that it can wait for an alarm that is late."""
    payload: Mapped[str] = mapped_column(Text)
    """As it came."""

    __table_args__ = (Index(None, "home", "answers"),)


class Incident(Base):
    """Events about one happening, and what people did about it."""

    __tablename__ = "incidents"

    id: Mapped[str] = mapped_column(Identifier, primary_key=True)
    home: Mapped[str] = mapped_column(ForeignKey("homes.name"))
    case_id: Mapped[str | None] = mapped_column(ForeignKey("cases.id"))
    state: Mapped[str] = mapped_column(Word)
    priority: Mapped[str] = mapped_column(Word)
    kind: Mapped[str] = mapped_column(Word)
    family: Mapped[str] = mapped_column(Word)
    """Kinds of one family about one subject are one incident."""
    subject: Mapped[str] = mapped_column(String(128))
    """``resident:r1``; where nobody is known, the device, the zone or the gateway."""
    resident: Mapped[str | None] = mapped_column(Identifier)
    device: Mapped[str | None] = mapped_column(Identifier)
    bed: Mapped[str | None] = mapped_column(String(64))
    """As it was assigned when the incident opened."""
    floor: Mapped[str | None] = mapped_column(String(32))
    zone: Mapped[str | None] = mapped_column(Identifier)
    zone_heard_at_us: Mapped[int | None] = mapped_column(Microseconds)
    at_us: Mapped[int] = mapped_column(Microseconds)
    opened_at_us: Mapped[int] = mapped_column(Microseconds)
    last_event_at_us: Mapped[int] = mapped_column(Microseconds)
    """When its latest alarm came in; moved with the clock."""
    deadline_at_us: Mapped[int | None] = mapped_column(Microseconds)
    paged_at_us: Mapped[int | None] = mapped_column(Microseconds)
    raised_at_us: Mapped[int | None] = mapped_column(Microseconds)
    """When the running escalation began; moved with the clock."""
    round: Mapped[int] = mapped_column(Integer, default=0)
    """Counts the escalations: the first, and one for each time it was raised again."""
    first_step: Mapped[int] = mapped_column(Integer, default=0)
    """Index of the step at which the running escalation began."""
    acknowledged_at_us: Mapped[int | None] = mapped_column(Microseconds)
    acknowledged_by: Mapped[str | None] = mapped_column(Identifier)
    arrived_at_us: Mapped[int | None] = mapped_column(Microseconds)
    arrived_by: Mapped[str | None] = mapped_column(Identifier)
    resolved_at_us: Mapped[int | None] = mapped_column(Microseconds)
    settled_at_us: Mapped[int | None] = mapped_column(Microseconds)
    """The same moment, but moved with the clock: what came before it is only late."""
    resolved_by: Mapped[str | None] = mapped_column(Identifier)
    outcome: Mapped[str | None] = mapped_column(Word)
    note: Mapped[str] = mapped_column(Text, default="")
    sound: Mapped[bool] = mapped_column(Boolean, default=False)

    __table_args__ = (
        Index(None, "home", "state"),
        Index(None, "home", "subject", "family"),
        Index(None, "home", "resolved_at_us"),
    )


class IncidentEvent(Base):
    """An event's place in an incident. An event belongs to one."""

    __tablename__ = "incident_events"

    home: Mapped[str] = mapped_column(ForeignKey("homes.name"), primary_key=True)
    event: Mapped[str] = mapped_column(Identifier, primary_key=True)
    incident_id: Mapped[str] = mapped_column(ForeignKey("incidents.id"), index=True)
    kind: Mapped[str] = mapped_column(Word)
    at_us: Mapped[int] = mapped_column(Microseconds)
    fall: Mapped[str | None] = mapped_column(Text)
    key: Mapped[str | None] = mapped_column(Text)
    detail: Mapped[str | None] = mapped_column(Text)
    round: Mapped[int] = mapped_column(Integer)
    """The incident's round when it joined …"""
    after_answer: Mapped[bool] = mapped_column(Boolean)
    """… and whether somebody had answered that round already: then nobody knows of it yet."""
    excused: Mapped[bool] = mapped_column(Boolean, default=False, server_default=false())
    features: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    """Numbers by which it can be said in another language than `detail`."""

    __table_args__ = (Index(None, "home", "fall"), Index(None, "home", "key"))


class IncidentLog(Base):
    """What was done about an incident, by whom and when; rows are only ever added."""

    __tablename__ = "incident_log"

    id: Mapped[int] = mapped_column(RowNumber, primary_key=True, autoincrement=True)
    home: Mapped[str] = mapped_column(ForeignKey("homes.name"))
    incident_id: Mapped[str] = mapped_column(ForeignKey("incidents.id"), index=True)
    at_us: Mapped[int] = mapped_column(Microseconds)
    what: Mapped[str] = mapped_column(Word)
    by: Mapped[str | None] = mapped_column(Identifier)
    detail: Mapped[str | None] = mapped_column(Text)


class EscalationStep(Base):
    """Something that will be done at a time unless it is cancelled: a durable timer."""

    __tablename__ = "escalation_steps"

    id: Mapped[int] = mapped_column(RowNumber, primary_key=True, autoincrement=True)
    home: Mapped[str] = mapped_column(ForeignKey("homes.name"))
    incident_id: Mapped[str] = mapped_column(ForeignKey("incidents.id"), index=True)
    round: Mapped[int] = mapped_column(Integer)
    step: Mapped[str] = mapped_column(Word)
    about: Mapped[str | None] = mapped_column(Text)
    """For a deadline: the fall that it belongs to."""
    next_at_us: Mapped[int] = mapped_column(Microseconds)
    claimed_until_us: Mapped[int | None] = mapped_column(Microseconds)
    """While a worker sends; past it the step is done again: twice rather than not at all."""
    done_at_us: Mapped[int | None] = mapped_column(Microseconds)
    outcome: Mapped[str | None] = mapped_column(Word)

    __table_args__ = (
        Index(
            "ix_escalation_steps_pending",
            "home",
            "next_at_us",
            sqlite_where=text("done_at_us IS NULL"),
            postgresql_where=text("done_at_us IS NULL"),
        ),
    )


class Notification(Base):
    """One message to one person."""

    __tablename__ = "notifications"

    id: Mapped[int] = mapped_column(RowNumber, primary_key=True, autoincrement=True)
    home: Mapped[str] = mapped_column(ForeignKey("homes.name"))
    incident_id: Mapped[str] = mapped_column(ForeignKey("incidents.id"), index=True)
    step_id: Mapped[int] = mapped_column(ForeignKey("escalation_steps.id"), index=True)
    recipient: Mapped[str] = mapped_column(Identifier)
    channel: Mapped[str] = mapped_column(Word)
    begun_at_us: Mapped[int] = mapped_column(Microseconds)
    sent_at_us: Mapped[int | None] = mapped_column(Microseconds)
    outcome: Mapped[str | None] = mapped_column(Word)
    """None while in doubt."""
    error: Mapped[str | None] = mapped_column(Text)


class Fault(Base):
    """Something that is not being monitored; at most one open row for a cause and subject."""

    __tablename__ = "faults"

    id: Mapped[int] = mapped_column(RowNumber, primary_key=True, autoincrement=True)
    home: Mapped[str] = mapped_column(ForeignKey("homes.name"))
    cause: Mapped[str] = mapped_column(Word)
    subject: Mapped[str] = mapped_column(String(128))
    """``device:w1``, ``gateway:g1`` …: what the cause is about."""
    device: Mapped[str | None] = mapped_column(Identifier)
    resident: Mapped[str | None] = mapped_column(Identifier)
    gateway: Mapped[str | None] = mapped_column(Identifier)
    detail: Mapped[str | None] = mapped_column(Text)
    opened_at_us: Mapped[int] = mapped_column(Microseconds)
    cleared_at_us: Mapped[int | None] = mapped_column(Microseconds)
    cleared_session: Mapped[str | None] = mapped_column(Text)
    cleared_sequence: Mapped[int | None] = mapped_column(BigInteger)
    """Of the event that cleared it: an older report that comes later does not open it again."""

    __table_args__ = (
        Index(
            "uq_faults_open",
            "home",
            "cause",
            "subject",
            unique=True,
            sqlite_where=text("cleared_at_us IS NULL"),
            postgresql_where=text("cleared_at_us IS NULL"),
        ),
        Index(None, "home", "cause", "subject"),
    )


class ManualCheck(Base):
    """A loss of cover: its beds are looked after by people until it ends. One is open at most for
    a cause on a floor.
    """

    __tablename__ = "manual_checks"

    id: Mapped[str] = mapped_column(Identifier, primary_key=True)
    home: Mapped[str] = mapped_column(ForeignKey("homes.name"))
    floor: Mapped[str] = mapped_column(String(32))
    cause: Mapped[str] = mapped_column(Word)
    beds: Mapped[list[Any]] = mapped_column(JSON)
    """Labels of the beds without cover at the moment; at the end, those that were."""
    every_s: Mapped[int] = mapped_column(Integer)
    since_us: Mapped[int] = mapped_column(Microseconds)
    """When the first of its faults was noticed."""
    opened_at_us: Mapped[int] = mapped_column(Microseconds)
    due_at_us: Mapped[int] = mapped_column(Microseconds)
    """By when somebody is to look; moved with the clock."""
    next_at_us: Mapped[int] = mapped_column(Microseconds)
    """When it is raised to the person in charge, or again; moved with the clock."""
    claimed_until_us: Mapped[int | None] = mapped_column(Microseconds)
    raised: Mapped[int] = mapped_column(Integer, default=0)
    """How often it was raised since somebody looked last."""
    checks: Mapped[int] = mapped_column(Integer, default=0)
    checked_at_us: Mapped[int | None] = mapped_column(Microseconds)
    checked_by: Mapped[str | None] = mapped_column(Identifier)
    ended_at_us: Mapped[int | None] = mapped_column(Microseconds)

    __table_args__ = (
        Index(
            "uq_manual_checks_open",
            "home",
            "floor",
            "cause",
            unique=True,
            sqlite_where=text("ended_at_us IS NULL"),
            postgresql_where=text("ended_at_us IS NULL"),
        ),
        Index(None, "home", "ended_at_us"),
    )


class ManualCheckLog(Base):
    """Who looked after which beds, when, and who was told that nobody had; rows are only added."""

    __tablename__ = "manual_check_log"

    id: Mapped[int] = mapped_column(RowNumber, primary_key=True, autoincrement=True)
    home: Mapped[str] = mapped_column(ForeignKey("homes.name"))
    check_id: Mapped[str] = mapped_column(ForeignKey("manual_checks.id"), index=True)
    at_us: Mapped[int] = mapped_column(Microseconds)
    what: Mapped[str] = mapped_column(Word)
    by: Mapped[str | None] = mapped_column(Identifier)
    detail: Mapped[str | None] = mapped_column(Text)


class Worker(Base):
    """A process of the alert service, where several share these records (`alerts.speaker`)."""

    __tablename__ = "alert_workers"

    home: Mapped[str] = mapped_column(ForeignKey("homes.name"), primary_key=True)
    run: Mapped[str] = mapped_column(Identifier, primary_key=True)
    """Id of the run: a process that is started again is another worker."""
    beat: Mapped[int] = mapped_column(BigInteger, default=0)
    """Grows while it lives. Others watch it grow by clocks of their own, so that no two
    machines' clocks are ever compared."""
    well: Mapped[bool] = mapped_column(Boolean, default=False)
    """Whether it reaches the broker and could page."""
    speaks: Mapped[bool] = mapped_column(Boolean, default=False)


class Service(Base):
    """The last heartbeat of a gateway or service, written at changes and now and then."""

    __tablename__ = "services"

    home: Mapped[str] = mapped_column(ForeignKey("homes.name"), primary_key=True)
    name: Mapped[str] = mapped_column(Identifier, primary_key=True)
    role: Mapped[str] = mapped_column(Word)
    session: Mapped[str] = mapped_column(Text)
    online: Mapped[bool] = mapped_column(Boolean)
    heard_at_us: Mapped[int | None] = mapped_column(Microseconds)
    beds: Mapped[list[Any]] = mapped_column(JSON, default=list)
