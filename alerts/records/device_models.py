"""The tables of what is worn and mounted, and of what a gateway must know about who wears it.

A key stands here and in the configuration of a gateway, and nowhere else: no view, no error and
no line of a log holds it.
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
    false,
    text,
    true,
)
from sqlalchemy.orm import Mapped, mapped_column

from alerts.records.base import Base, Identifier, Microseconds, RowNumber, Word

Address = String(17)
"""Bluetooth address, upper case with colons."""

Key = String(32)
"""Sixteen bytes as hexadecimal."""


class Wearable(Base):
    """An enrolled wearable, and who wears it."""

    __tablename__ = "wearables"

    home: Mapped[str] = mapped_column(ForeignKey("homes.name"), primary_key=True)
    device: Mapped[str] = mapped_column(Identifier, primary_key=True)
    address: Mapped[str] = mapped_column(Address)
    identity: Mapped[int] = mapped_column(BigInteger)
    """uint32 of its adverts; 0 where they hold none, or it rolls."""
    resident: Mapped[str | None] = mapped_column(Identifier)
    placement: Mapped[str] = mapped_column(String(32), default="wrist")
    streaming: Mapped[bool] = mapped_column(Boolean, default=False)
    kind: Mapped[str] = mapped_column(Word, default="wardlight", server_default="wardlight")
    """Which decoder reads it."""
    key: Mapped[str | None] = mapped_column(Key)
    zone: Mapped[str | None] = mapped_column(Identifier)
    """Where it belongs while nobody wears it: a spare of the lounge."""
    is_carer: Mapped[bool] = mapped_column(Boolean, default=False, server_default=false())
    """A tag that staff wear. No record says who."""
    enrolled_at_us: Mapped[int | None] = mapped_column(Microseconds)
    retired_at_us: Mapped[int | None] = mapped_column(Microseconds)
    """Gateways are no longer told of it. The row stays, for what it once said."""
    said: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    """What the settings file said of it last (`alerts.devices`); never its key."""

    __table_args__ = (
        ForeignKeyConstraint(["home", "resident"], ["residents.home", "residents.id"]),
    )


class Sensor(Base):
    """An enrolled room sensor, and where it is."""

    __tablename__ = "sensors"

    home: Mapped[str] = mapped_column(ForeignKey("homes.name"), primary_key=True)
    device: Mapped[str] = mapped_column(Identifier, primary_key=True)
    address: Mapped[str] = mapped_column(Address)
    kind: Mapped[str] = mapped_column(Word)
    """Which decoder reads it."""
    key: Mapped[str | None] = mapped_column(Key)
    zone: Mapped[str] = mapped_column(Identifier)
    resident: Mapped[str | None] = mapped_column(Identifier)
    """Whose bed or chair it is, where it is one person's alone."""
    enrolled_at_us: Mapped[int | None] = mapped_column(Microseconds)
    retired_at_us: Mapped[int | None] = mapped_column(Microseconds)
    said: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    """As of a wearable."""

    __table_args__ = (
        ForeignKeyConstraint(["home", "resident"], ["residents.home", "residents.id"]),
    )


class Receiver(Base):
    """A proxy that hears adverts where no gateway stands."""

    __tablename__ = "receivers"

    home: Mapped[str] = mapped_column(ForeignKey("homes.name"), primary_key=True)
    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    """As in the topics that it publishes on."""
    zone: Mapped[str] = mapped_column(Identifier)


class Gateway(Base):
    """An enrolled gateway."""

    __tablename__ = "gateways"

    home: Mapped[str] = mapped_column(ForeignKey("homes.name"), primary_key=True)
    name: Mapped[str] = mapped_column(Identifier, primary_key=True)
    zone: Mapped[str | None] = mapped_column(Identifier)
    """Where it stands."""
    resting: Mapped[bool] = mapped_column(Boolean, default=True, server_default=true())
    """Whether people sit or lie there for long."""
    floor: Mapped[str | None] = mapped_column(String(32))
    """Floor of that zone, where no resident's bed tells."""


class DeviceLog(Base):
    """Who was given what, when and by whom; rows are only ever added."""

    __tablename__ = "device_log"

    id: Mapped[int] = mapped_column(RowNumber, primary_key=True, autoincrement=True)
    home: Mapped[str] = mapped_column(ForeignKey("homes.name"))
    device: Mapped[str] = mapped_column(Identifier)
    at_us: Mapped[int] = mapped_column(Microseconds)
    what: Mapped[str] = mapped_column(Word)
    by: Mapped[str] = mapped_column(Identifier)
    resident: Mapped[str | None] = mapped_column(Identifier)
    """Whose it is from then on."""
    zone: Mapped[str | None] = mapped_column(Identifier)

    __table_args__ = (Index(None, "home", "device"),)


class VitalPolicy(Base):
    """What is unusual for one resident, and whether somebody is called for it."""

    __tablename__ = "vital_policies"

    home: Mapped[str] = mapped_column(ForeignKey("homes.name"), primary_key=True)
    resident: Mapped[str] = mapped_column(Identifier, primary_key=True)
    pages: Mapped[bool] = mapped_column(Boolean)
    clinician: Mapped[str | None] = mapped_column(String(200))
    """Who answers for the paging: there always where it pages."""
    high_bpm: Mapped[int | None] = mapped_column(Integer)
    low_bpm: Mapped[int | None] = mapped_column(Integer)
    persistence_s: Mapped[int | None] = mapped_column(Integer)
    since_us: Mapped[int] = mapped_column(Microseconds)

    __table_args__ = (
        ForeignKeyConstraint(["home", "resident"], ["residents.home", "residents.id"]),
    )


class Absence(Base):
    """Staff have said that a wearable is off or away for a while; one is open for a resident."""

    __tablename__ = "absences"

    id: Mapped[str] = mapped_column(Identifier, primary_key=True)
    home: Mapped[str] = mapped_column(ForeignKey("homes.name"))
    resident: Mapped[str] = mapped_column(Identifier)
    kind: Mapped[str] = mapped_column(Word)
    since_us: Mapped[int] = mapped_column(Microseconds)
    until_us: Mapped[int] = mapped_column(Microseconds)
    """Expected end; beyond it people are reminded, and what is missing is a fault again."""
    by: Mapped[str] = mapped_column(Identifier)
    ended_at_us: Mapped[int | None] = mapped_column(Microseconds)
    ended_by: Mapped[str | None] = mapped_column(Identifier)

    __table_args__ = (
        ForeignKeyConstraint(["home", "resident"], ["residents.home", "residents.id"]),
        Index(
            "uq_absences_open",
            "home",
            "resident",
            unique=True,
            sqlite_where=text("ended_at_us IS NULL"),
            postgresql_where=text("ended_at_us IS NULL"),
        ),
    )


class AbsenceLog(Base):
    """Who said what of an absence, and when; rows are only ever added."""

    __tablename__ = "absence_log"

    id: Mapped[int] = mapped_column(RowNumber, primary_key=True, autoincrement=True)
    home: Mapped[str] = mapped_column(ForeignKey("homes.name"))
    absence_id: Mapped[str] = mapped_column(ForeignKey("absences.id"), index=True)
    at_us: Mapped[int] = mapped_column(Microseconds)
    what: Mapped[str] = mapped_column(Word)
    by: Mapped[str | None] = mapped_column(Identifier)
    until_us: Mapped[int | None] = mapped_column(Microseconds)
