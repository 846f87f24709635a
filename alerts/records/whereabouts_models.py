"""The tables of a home's plan, of what is asked for each resident's whereabouts, and of where each
was last. Nothing here keeps where anybody was before, and nobody's tag of the staff is in it.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    JSON,
    Boolean,
    Float,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    String,
)
from sqlalchemy.orm import Mapped, mapped_column

from alerts.records.base import Base, Identifier, Microseconds, RowNumber, Word


class Zone(Base):
    """A place of the home, and where one can walk from it."""

    __tablename__ = "zones"

    home: Mapped[str] = mapped_column(ForeignKey("homes.name"), primary_key=True)
    id: Mapped[str] = mapped_column(Identifier, primary_key=True)
    use: Mapped[str] = mapped_column(Word)
    """A value of `contract.whereabouts.ZoneUse`."""
    next_to: Mapped[list[Any]] = mapped_column(JSON)
    floor: Mapped[str | None] = mapped_column(String(32))


class WhereaboutsChoice(Base):
    """What is asked for one resident (`contract.whereabouts.WhereaboutsPolicy`)."""

    __tablename__ = "whereabouts_choices"

    home: Mapped[str] = mapped_column(ForeignKey("homes.name"), primary_key=True)
    resident: Mapped[str] = mapped_column(Identifier, primary_key=True)
    at_risk: Mapped[bool] = mapped_column(Boolean)
    safe_zones: Mapped[list[Any]] = mapped_column(JSON)
    bed_exit: Mapped[bool] = mapped_column(Boolean)
    night_wandering: Mapped[bool] = mapped_column(Boolean)
    not_returned_minutes: Mapped[int] = mapped_column(Integer)
    inactive: Mapped[bool] = mapped_column(Boolean)
    said: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    """What the settings file said last, as of a device."""

    __table_args__ = (
        ForeignKeyConstraint(["home", "resident"], ["residents.home", "residents.id"]),
    )


class WhereaboutsLog(Base):
    """Who asked for what, and when; rows are only ever added."""

    __tablename__ = "whereabouts_log"

    id: Mapped[int] = mapped_column(RowNumber, primary_key=True, autoincrement=True)
    home: Mapped[str] = mapped_column(ForeignKey("homes.name"))
    resident: Mapped[str] = mapped_column(Identifier)
    at_us: Mapped[int] = mapped_column(Microseconds)
    by: Mapped[str] = mapped_column(Identifier)
    choice: Mapped[dict[str, Any]] = mapped_column(JSON)
    """The whole of it from then on."""

    __table_args__ = (Index(None, "home", "resident"),)


class LastPlace(Base):
    """Where a resident was last, as the lead of the home said; each word takes the place of the one
    before.
    """

    __tablename__ = "last_places"

    home: Mapped[str] = mapped_column(ForeignKey("homes.name"), primary_key=True)
    resident: Mapped[str] = mapped_column(Identifier, primary_key=True)
    zone: Mapped[str] = mapped_column(Identifier)
    probability: Mapped[float] = mapped_column(Float)
    since_us: Mapped[int] = mapped_column(Microseconds)
    """Since when she is there, by our own clock."""
    seen_at_us: Mapped[int] = mapped_column(Microseconds)
    """When it was last said that she is; up to half a minute behind."""

    __table_args__ = (
        ForeignKeyConstraint(["home", "resident"], ["residents.home", "residents.id"]),
    )
