"""The table of checks, the most urgent group first."""

from __future__ import annotations

import importlib
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Final

from wardlight.credentials import is_the_gateways
from wardlight.doctor import (
    broker,
    certificates,
    configuration,
    disk,
    encryption,
    gateways,
    machine,
    people,
    radio,
    rooms,
    store,
    web,
)
from wardlight.doctor.context import Context, in_thread
from wardlight.doctor.findings import LIMIT_S, Check, Finding
from wardlight.doctor.hearing import ALERTS, INGEST, LISTEN_S

CONNECTION: Final = "broker / connection"
RECORDS: Final = "records / database"
TABLES: Final = "records / tables"
STORE: Final = "store / file"

LISTENING_S: Final = LISTEN_S + LIMIT_S
"""For what listens to heartbeats, after it has connected."""

_SQLITE: Final = "sqlite:///"


def _records(name: str) -> Callable[[Context], Awaitable[Finding]]:
    """A check of the records, whose libraries are no part of a gateway."""

    async def look(context: Context) -> Finding:
        # Half a second, which would hold every other check up.
        module = await in_thread(lambda: importlib.import_module("wardlight.doctor.records"))
        check: Callable[[Context], Awaitable[Finding]] = getattr(module, name)
        return await check(context)

    return look


FIXED: Final = (
    Check(group="broker", name="connection", look=broker.connection, limit_s=2 * LIMIT_S),
    Check(group="broker", name="round trip", look=broker.round_trip, needs=CONNECTION),
    Check(group="broker", name="retained messages", look=broker.retained, needs=CONNECTION),
    Check(group="broker", name="dropped messages", look=broker.dropped, needs=CONNECTION),
    Check(group="radio", name="bluetooth", look=radio.bluetooth, limit_s=2 * LIMIT_S),
    Check(group="people", name="wearables", look=people.wearables),
    Check(group="people", name="contacts", look=people.contacts),
    Check(group="people", name="on duty", look=_records("on_duty"), needs=TABLES),
    Check(group="records", name="database", look=_records("reachable")),
    Check(group="records", name="tables", look=_records("migrations"), needs=RECORDS),
    Check(group="records", name="open faults", look=_records("standing"), needs=TABLES),
    Check(group="store", name="file", look=store.opens),
    Check(group="store", name="writable", look=store.writable, needs=STORE),
    Check(group="store", name="damage", look=store.whole, needs=STORE, limit_s=2 * LIMIT_S),
    Check(group="store", name="newest data", look=store.newest, needs=STORE),
    Check(group="board", name="answer", look=web.board),
    Check(group="certificates", name="broker", look=encryption.certificate),
    Check(group="certificates", name="own", look=certificates.own),
    Check(group="clock", name="this machine", look=machine.clock),
    Check(group="sound", name="loudspeaker", look=machine.loudspeaker),
    Check(group="configuration", name="settings", look=configuration.settings),
    Check(group="configuration", name="password", look=configuration.password),
    Check(group="configuration", name="slides", look=configuration.slides),
    Check(group="configuration", name="plan", look=rooms.plan),
    Check(group="configuration", name="calibration", look=rooms.calibration),
    Check(group="configuration", name="secrets", look=configuration.secrets),
    Check(group="configuration", name="simulation", look=configuration.simulation),
)
"""Those that every home has."""

GROUPS: Final = (
    "broker",
    "gateways",
    "services",
    "radio",
    "people",
    "records",
    "store",
    "board",
    "disk",
    "clock",
    "certificates",
    "sound",
    "configuration",
)
"""In the order in which faults of them matter: that alarms travel, that somebody is watched and
called, that it is kept, and then the rest."""


def checks_of(context: Context) -> tuple[Check, ...]:
    """Every check of this home, in the order of `GROUPS`."""
    every = (*FIXED, *_server_checks(context), *_heard_checks(context), *_disk_checks(context))
    if is_the_gateways(context.settings):
        every = (_LET_IN, *(each for each in every if not _needs_session(each)))
    return tuple(sorted(every, key=lambda check: GROUPS.index(check.group)))


_LET_IN: Final = Check(group="broker", name="connection", look=encryption.let_in)
"""On a gateway that has one certificate, and with it one connection."""


def _needs_session(check: Check) -> bool:
    return CONNECTION in (check.title, check.needs)


def _server_checks(context: Context) -> Iterator[Check]:
    """Of the server that keeps the measures, where one does."""
    if context.settings.ingest.kind == "influx":
        yield Check(group="store", name="server", look=store.server, limit_s=2 * LIMIT_S)


def _heard_checks(context: Context) -> Iterator[Check]:
    """Those that go by heartbeats."""

    def heard(group: str, name: str, look: Callable[[Context], Awaitable[Finding]]) -> Check:
        return Check(group=group, name=name, look=look, needs=CONNECTION, limit_s=LISTENING_S)

    yield heard("gateways", "beds", gateways.beds)
    for name in context.gateways:
        yield heard("gateways", name, partial(gateways.gateway, name=name))
    yield heard("gateways", "others", gateways.strangers)
    for name in (ALERTS, INGEST):
        yield heard("services", name, partial(gateways.service, name=name))
    yield heard("clock", "the others'", gateways.clocks)


def _disk_checks(context: Context) -> Iterator[Check]:
    """One for each folder in which a service keeps something."""
    settings = context.settings
    folders = {
        "gateway": settings.gateway.folder,
        "store": settings.ingest.store.parent,
    }
    if settings.alerts.database.startswith(_SQLITE):
        folders["records"] = Path(settings.alerts.database.removeprefix(_SQLITE)).parent
    for name, folder in folders.items():
        yield Check(group="disk", name=name, look=partial(disk.folder, path=folder.absolute()))
