"""The time-series store that ingest writes: looked at, and never changed."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Final, TypeVar

from contract.clock import Clock, now_us
from contract.protocols import StoreUnavailableError
from contract.units import NS_PER_S, US_PER_S
from ingest.store.influx_lines import HOUR, MINUTE, WRITTEN
from ingest.store.schema import SCHEMA_VERSION
from wardlight.doctor.context import Context, in_thread
from wardlight.doctor.findings import Finding, fault, ok, warning
from wardlight.doctor.words import duration, reason
from wardlight.settings import Settings, SettingsError
from wardlight.stores import databases_of, open_reader, open_server

T = TypeVar("T")

FRESH_S: Final = 60.0
"""Gateways send every 10 s; six of those missed is what watchers call silent (DESIGN 4)."""

STALE_S: Final = 600.0
"""No outage that mends itself (a restart, a broker's update) lasts so long."""

INTEGRITY_S: Final = 5.0
"""For looking through the file; a year of a large home takes longer and is looked through in
part."""

_LOOK_EVERY: Final = 10_000
"""Steps of SQLite's machine between two looks at the clock: some 1 ms."""

_SERVER: Final = (
    "Start InfluxDB, see that [ingest.influx] has its address, user or token, and that its three "
    "databases are there (wardlight store prepare). Until then measures wait in the gateways."
)

_START: Final = "Start wardlight ingest: it makes the file when the first message comes."


async def opens(context: Context) -> Finding:
    """There, readable, of this program's version."""
    path = context.settings.ingest.store
    if not await in_thread(path.exists):
        return fault(f"there is no store at {path.absolute()}", _START)
    try:
        version = await _ask(path, _version)
    except sqlite3.Error as error:
        return fault(
            f"{path.absolute()} cannot be read: {reason(error)}",
            "Move it aside (keep it: it may be mended) and restart wardlight ingest, which makes "
            "a new one.",
        )
    if version > SCHEMA_VERSION:
        return fault(
            f"version {version} of the store; this program knows {SCHEMA_VERSION}",
            "Update Wardlight on this machine: a newer one wrote this file.",
        )
    if version < SCHEMA_VERSION:
        return fault(
            f"version {version} of the store; this program writes {SCHEMA_VERSION}",
            "Restart wardlight ingest: it brings the file up to date.",
        )
    return ok(f"SQLite, version {version}, {path.absolute()}")


async def writable(context: Context) -> Finding:
    """Whether this user may write it. What the disk thinks of it is the disk's own check."""
    path = context.settings.ingest.store
    if await in_thread(lambda: os.access(path, os.R_OK | os.W_OK)):
        return ok("this user may write it")
    return fault(
        f"this user may not write {path.absolute()}",
        "Give it to the user that runs wardlight ingest, and run the doctor as that user.",
    )


async def whole(context: Context) -> Finding:
    """Whether the file is damaged."""
    path, clock = context.settings.ingest.store, context.machine
    try:
        complaint = await _ask(path, lambda connection: _quick_check(connection, clock))
    except sqlite3.DatabaseError as error:
        complaint = reason(error)
    if complaint is None:
        return ok(f"no damage found in {duration(INTEGRITY_S)}; the file is too large for more")
    if complaint != "ok":
        return fault(
            f"the file is damaged: {complaint}",
            "Stop ingest, copy the file, mend the copy (sqlite3 store .recover) and look at the "
            "disk or card: it may be dying.",
        )
    return ok("no damage")


async def newest(context: Context) -> Finding:
    """How old the newest data are."""
    settings, moment_us = context.settings, now_us(context.clock)
    try:
        newest_us = await in_thread(lambda: _newest_us(settings, moment_us))
    except (StoreUnavailableError, SettingsError) as error:
        return fault(f"the measures cannot be read: {error}", _SERVER)
    if newest_us is None:
        return fault(
            "nothing was ever stored",
            "See that ingest and a gateway run, and that both use the same home id and broker.",
        )
    age_s = (moment_us - newest_us) / US_PER_S
    figures = {"age_s": age_s}
    if age_s > STALE_S:
        return fault(
            f"the newest data are {duration(age_s)} old",
            "See that ingest runs and reaches the broker, and that gateways are heard; what "
            "they measured waits in their outboxes.",
            **figures,
        )
    if age_s > FRESH_S:
        return warning(
            f"the newest data are {duration(age_s)} old",
            "Look again in some minutes: data come every 10 s, and an outage may just be over.",
            **figures,
        )
    return ok(f"measured {duration(max(age_s, 0.0))} ago", **figures)


async def server(context: Context) -> Finding:
    """Whether InfluxDB answers, for each of the databases that are to be there."""
    settings = context.settings
    try:
        await in_thread(lambda: _ask_server(settings))
    except (StoreUnavailableError, SettingsError) as error:
        return fault(str(error), _SERVER)
    kept = "" if settings.ingest.influx.durable else "; may forget: a journal is kept"
    return ok(f"InfluxDB answers at {settings.ingest.influx.url}{kept}")


def _ask_server(settings: Settings) -> None:
    databases = databases_of(settings.ingest.influx)
    with closing(open_server(settings.ingest.influx)) as asked:
        for database, measurement in zip(databases, (WRITTEN, MINUTE, HOUR), strict=True):
            asked.ask(database, f"SELECT at_us FROM {measurement} LIMIT 1")  # noqa: S608 - constants


async def _ask(path: Path, question: Callable[[sqlite3.Connection], T]) -> T:
    def work() -> T:
        address = f"{path.absolute().as_uri()}?mode=ro"
        with closing(sqlite3.connect(address, uri=True, isolation_level=None)) as connection:
            return question(connection)

    return await in_thread(work)


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def _newest_us(settings: Settings, moment_us: int) -> int | None:
    """The latest second measured. Not when ingest wrote last: it also writes to see whether it
    can.
    """
    reader = open_reader(settings)
    try:
        return max((each.point.at_us for each in reader.latest(moment_us)), default=None)
    finally:
        reader.close()


def _quick_check(connection: sqlite3.Connection, clock: Clock) -> str | None:
    """SQLite's complaint, ``ok``, or None if the time was up."""
    began_ns = clock.monotonic_ns()

    def is_over() -> bool:
        return clock.monotonic_ns() - began_ns > INTEGRITY_S * NS_PER_S

    connection.set_progress_handler(is_over, _LOOK_EVERY)
    try:
        return str(connection.execute("PRAGMA quick_check(1)").fetchone()[0])
    except sqlite3.OperationalError:
        if is_over():
            return None
        raise
