"""What every table has: a naming of constraints, and the types of its columns."""

from __future__ import annotations

from typing import Final

from sqlalchemy import BigInteger, Integer, MetaData, String
from sqlalchemy.orm import DeclarativeBase

NAMING: Final = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}
"""Every constraint has a name, or a later migration could not change it on SQLite."""

Identifier = String(64)
"""Room for an identifier of `contract.ids` (32) or a UUID (36)."""

Word = String(48)
"""A value of one of our enumerations."""

Microseconds = BigInteger()

RowNumber = BigInteger().with_variant(Integer, "sqlite")
"""SQLite numbers rows by itself only under the type name INTEGER, which is 64 bits there."""


class Base(DeclarativeBase):
    """The root of the declarative models."""

    metadata = MetaData(naming_convention=NAMING)
