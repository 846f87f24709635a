"""The alert service's records: looked at, and never changed (opening them as a service does
would bring their tables up to date).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeVar

from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, Engine, create_engine, select
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, SQLAlchemyError
from sqlalchemy.pool import NullPool

from alerts.records import migrate
from alerts.records.models import Absence, Fault, Home, Resident, Staff, Wearable
from contract.clock import now_us
from contract.units import US_PER_S
from wardlight.doctor.context import Context, in_thread
from wardlight.doctor.findings import Finding, fault, ok, warning, worst
from wardlight.doctor.standing import level_of
from wardlight.doctor.words import counted, duration, listed, reason

T = TypeVar("T")

CONNECT_S: Final = 4
"""For a PostgreSQL server in the home's own network."""

_MAKE: Final = "Start wardlight alerts: it makes the records and their tables."


class NoRecordsError(OSError):
    """There is no file; opening it would make one."""


async def reachable(context: Context) -> Finding:
    """Whether they can be read, and what they are."""
    url = context.settings.alerts.database
    try:
        parsed = make_url(url)
        await in_thread(lambda: _read(parsed, _touch))
    except (ArgumentError, NoSuchModuleError):
        return fault(
            "the records' URL cannot be understood",
            "Correct database in the table [alerts]: sqlite:///path/to/file or "
            "postgresql+psycopg://user@host/name.",
        )
    except NoRecordsError as error:
        return fault(str(error), _MAKE)
    except ModuleNotFoundError as error:
        return fault(
            f"the driver {error.name!r} that the records' URL asks for is not installed",
            f"Install it beside Wardlight: pip install {error.name}",
        )
    except (SQLAlchemyError, OSError) as error:
        return fault(
            f"{_where(parsed)} cannot be read: {_cause(error)}",
            "Start the database server and look at its log, or correct database in the table "
            "[alerts]; for a file, look at its owner and its disk.",
        )
    return ok(_where(parsed))


async def migrations(context: Context) -> Finding:
    """Whether the tables are those of this program."""
    script = ScriptDirectory.from_config(migrate.configuration())
    head = script.get_current_head()
    current = await _ask(
        context, lambda connection: MigrationContext.configure(connection).get_current_revision()
    )
    if current == head:
        return ok(f"at {current}, the newest")
    if current is None:
        return fault("there are no tables yet", _MAKE)
    if not _knows(script, current):
        return fault(
            f"the tables are at {current}, which this program does not know",
            "Update Wardlight on this machine: a newer one brought the tables there.",
        )
    return fault(
        f"the tables are at {current}; this program needs {head}",
        "Back the records up, then restart wardlight alerts: it brings them up to date.",
    )


async def who_wears(context: Context) -> dict[str, set[str]] | None:
    """Wearables by resident: the settings say who began with which, the records who has it now.

    Whoever staff have said is away has none that ought to be heard. None where the records cannot
    be read, which a check of its own tells.
    """
    home, moment_us = context.settings.home.id, now_us(context.clock)

    def look(connection: Connection) -> dict[str, set[str]]:
        away = (Absence.home == home, Absence.ended_at_us.is_(None), Absence.until_us > moment_us)
        gone = set(connection.scalars(select(Absence.resident).where(*away)))
        found: dict[str, set[str]] = {}
        for resident, device in connection.execute(
            select(Wearable.resident, Wearable.device).where(Wearable.home == home)
        ):
            if resident is not None:
                found.setdefault(resident, set()).update(() if resident in gone else (device,))
        return found

    try:
        parsed = make_url(context.settings.alerts.database)
        if parsed.get_backend_name() == "sqlite":
            return _read(parsed, look)  # a thread would take longer than the milliseconds of it
        return await _ask(context, look)
    except (SQLAlchemyError, OSError, ValueError, ModuleNotFoundError):
        return None


def _knows(script: ScriptDirectory, revision: str) -> bool:
    try:
        return script.get_revision(revision) is not None
    except CommandError:
        return False


async def on_duty(context: Context) -> Finding:
    """Whether somebody is on duty to be called."""
    home = context.settings.home.id

    def look(connection: Connection) -> tuple[bool, list[bool]]:
        known = connection.scalar(select(Home.name).where(Home.name == home)) is not None
        return known, list(connection.scalars(select(Staff.on_duty).where(Staff.home == home)))

    known, duties = await _ask(context, look)
    if not known:
        return fault(
            f"the records know no home {home!r}",
            "See that id in the table [home] and database in [alerts] belong together, and "
            "restart wardlight alerts.",
        )
    if not duties:
        return fault(
            "the records know nobody who could be called",
            "Enter people in [[staff]] and restart wardlight alerts; until then only sounders "
            "and the board call.",
        )
    if not any(duties):
        return warning(
            f"nobody is on duty: each alert calls all {len(duties)} people",
            "Let those who are here check in.",
        )
    return ok(f"{sum(duties)} of {counted(len(duties), 'person', 'people')} on duty")


async def standing(context: Context) -> Finding:
    """Faults that are open in the records."""
    home = context.settings.home.id

    def look(connection: Connection) -> list[tuple[str, str | None, int, str | None]]:
        rows = connection.execute(
            select(Fault.cause, Fault.detail, Fault.opened_at_us, Resident.bed)
            .outerjoin(Resident, (Resident.home == Fault.home) & (Resident.id == Fault.resident))
            .where(Fault.home == home, Fault.cleared_at_us.is_(None))
            .order_by(Fault.opened_at_us)
        )
        return [(row[0], row[1], row[2], row[3]) for row in rows]

    found = await _ask(context, look)
    if not found:
        return ok("none is open")
    moment_us = now_us(context.clock)
    lines = [
        f"{cause}{f' ({bed})' if bed else ''} for {duration((moment_us - since_us) / US_PER_S)}"
        for cause, _, since_us, bed in found
    ]
    level = worst(level_of(cause) for cause, *_ in found)
    say = fault if level == "fault" else warning
    first = next((detail for cause, detail, *_ in found if detail and level_of(cause) == level), "")
    return say(
        f"{counted(len(found), 'fault')} open: {listed(lines)}",
        first or "Open the board: it says of each what to do.",
        faults_open=float(len(found)),
    )


async def _ask(context: Context, question: Callable[[Connection], T]) -> T:
    parsed = make_url(context.settings.alerts.database)
    return await in_thread(lambda: _read(parsed, question))


def _read(url: URL, question: Callable[[Connection], T]) -> T:
    engine = _engine(url)
    try:
        with engine.connect() as connection:
            return question(connection)
    finally:
        engine.dispose()


def _touch(connection: Connection) -> None:
    """Read something: SQLite looks at no file before it must."""
    is_file = connection.dialect.name == "sqlite"
    connection.exec_driver_sql("SELECT count(*) FROM sqlite_master" if is_file else "SELECT 1")


def _engine(url: URL) -> Engine:
    """An engine that cannot change a file; parameters, which are names, stay out of errors.

    Raises
    ------
    NoRecordsError
        If the SQLite file is not there.
    """
    if url.get_backend_name() != "sqlite":
        # psycopg and psycopg2 both know it.
        limit = {"connect_timeout": CONNECT_S} if "psycopg" in url.drivername else {}
        return create_engine(url, poolclass=NullPool, hide_parameters=True, connect_args=limit)
    path = Path(url.database or "").absolute()
    if not path.exists():
        raise NoRecordsError(f"there are no records at {path}")
    address = f"{path.as_uri()}?mode=ro"
    return create_engine(
        "sqlite://",
        creator=lambda: sqlite3.connect(address, uri=True, check_same_thread=False),
        poolclass=NullPool,
        hide_parameters=True,
    )


def _where(url: URL) -> str:
    if url.get_backend_name() == "sqlite":
        return f"SQLite, {Path(url.database or '').absolute()}"
    return f"PostgreSQL, {url.render_as_string(hide_password=True)}"


def _cause(error: BaseException) -> str:
    """What the driver said; SQLAlchemy adds the statement and a link."""
    if isinstance(error, DBAPIError) and error.orig is not None:
        return reason(error.orig)
    return reason(error)
