"""How anything is entered into the records of a home: an upsert, under the home's lock."""

from __future__ import annotations

from typing import Any, TypeVar

from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from alerts.records.database import Database
from alerts.records.models import Base, Home
from contract.clock import Clock, now_us
from contract.ids import check_identifier
from contract.units import US_PER_S

M = TypeVar("M", bound=Base)


def touch_config(session: Session, home: str, moment_us: int) -> None:
    """A new configuration revision, never below the present second: gateways keep the highest
    they have seen, also from before the records were restored from a backup.
    """
    record = session.get_one(Home, home)
    record.config_revision = max(record.config_revision + 1, moment_us // US_PER_S)


class Entries:
    """The entries of one home; see `alerts.directory.Directory`."""

    def __init__(self, database: Database, home: str, clock: Clock) -> None:
        self._database = database
        self._home = check_identifier(home, "home")
        self._clock = clock

    def _upsert(
        self, model: type[M], key: dict[str, str], values: dict[str, Any], *, config: bool
    ) -> None:
        try:
            with self._database.transaction(self._home) as session:
                self._enter(session, model, key, values, config=config)
        except IntegrityError as error:
            # Names only: among the values are contacts.
            raise ValueError(f"{key} names somebody who was not entered") from error

    def _enter(
        self,
        session: Session,
        model: type[M],
        key: dict[str, str],
        values: dict[str, Any],
        *,
        config: bool,
    ) -> None:
        row = session.get(model, {"home": self._home, **key})
        if row is not None:
            self._change(session, row, values, config=config)
            return
        row = model(home=self._home, **key)
        for name, value in values.items():
            setattr(row, name, value)
        session.add(row)
        session.flush()
        self._touch(session, config=config)

    def _change(
        self, session: Session, row: Base, values: dict[str, Any], *, config: bool
    ) -> set[str]:
        """Change what differs; returns which fields did."""
        changed = {name: value for name, value in values.items() if getattr(row, name) != value}
        for name, value in changed.items():
            setattr(row, name, value)
        if changed:
            session.flush()
            self._touch(session, config=config)
        return set(changed)

    def _touch(self, session: Session, *, config: bool) -> None:
        if config:
            touch_config(session, self._home, now_us(self._clock))
