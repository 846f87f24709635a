"""One service as a process of its own: ``wardlight gateway|ingest|alerts|web``."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Coroutine
from typing import Any

import structlog

from contract.clock import Clock, ScaledClock, SystemClock
from contract.ids import UuidSource
from messaging import MqttBus
from wardlight import __version__
from wardlight.machine import boot_id
from wardlight.settings import Settings

_log = structlog.get_logger(__name__)


def clock_of(settings: Settings) -> Clock:
    """The machine's clock, or the scaled one that an engineer asked for."""
    if settings.clock.rate == 1.0:
        return SystemClock()
    return ScaledClock(settings.clock.rate, settings.clock.origin_us)


def bus_of(settings: Settings, client_id: str, clock: Clock) -> MqttBus:
    """A client of the home's broker.

    Raises
    ------
    OSError
        If the password file cannot be read.
    """
    broker = settings.broker
    password = broker.password_file.read_text("utf-8").strip() if broker.password_file else None
    return MqttBus(
        broker.url,
        f"wardlight-{settings.home.id}-{client_id}",
        clock,
        username=broker.username,
        password=password,
    )


async def run_gateway(settings: Settings) -> None:
    """The gateway of this machine, on the simulated home until real radios come."""
    from edge import Gateway, LogSiren, MqttSiren, SpeakerSiren, combined_siren
    from firmware_sim import SimulatedHome, demo_home

    clock = clock_of(settings)
    ids = UuidSource(clock)
    name = settings.gateway.name
    bus = bus_of(settings, name, clock)
    simulation = SimulatedHome(demo_home(settings.home.id), clock, settings.gateway.seed)
    gateway = Gateway(
        home=settings.home.id,
        name=name,
        folder=settings.gateway.folder,
        clock=clock,
        ids=ids,
        radio=simulation.radio(name),
        bus=bus,
        siren=combined_siren(LogSiren(), MqttSiren(bus, settings.home.id, name), SpeakerSiren()),
        boot=boot_id(),
        session=ids.new(),
        priority=settings.gateway.priority,
    )
    async with asyncio.TaskGroup() as group:
        group.create_task(simulation.run())
        group.create_task(gateway.run())
        if settings.gateway.fall_after_s is not None:
            await clock.sleep(settings.gateway.fall_after_s)
            simulation.fall(settings.gateway.faller)


async def run_ingest(settings: Settings) -> None:
    """Ingest, into an SQLite store."""
    from ingest import IngestService, SqliteStore

    clock = clock_of(settings)
    settings.ingest.store.parent.mkdir(parents=True, exist_ok=True)
    store = SqliteStore.open(settings.ingest.store)
    try:
        await IngestService(
            settings.home.id,
            clock,
            bus_of(settings, "ingest", clock),
            store,
            UuidSource(clock).new(),
            boot=boot_id(),
            version=__version__,
        ).run()
    finally:
        await store.close()


async def run_alerts(settings: Settings) -> None:
    """The alert service."""
    from alerts import AlertService, AppriseChannel
    from wardlight.running import open_database

    clock = clock_of(settings)
    ids = UuidSource(clock)
    database = open_database(settings, clock)
    try:
        await AlertService(
            settings.home.id,
            clock,
            ids,
            bus_of(settings, "alerts", clock),
            database,
            (AppriseChannel(clock, settings.alerts.board_url),),
            ids.new(),
            boot=boot_id(),
            version=__version__,
        ).run()
    finally:
        database.close()


async def run_web(settings: Settings) -> None:
    """The board and the API."""
    from alerts import Desk
    from dashboards.web import create_app, serve
    from ingest import StoreReader
    from wardlight.running import open_database

    clock = clock_of(settings)
    database = open_database(settings, clock)
    desk = Desk(database, clock, UuidSource(clock), settings.home.id)
    reader = StoreReader(settings.ingest.store)
    web = await serve(
        create_app(
            desk,
            clock,
            reader=reader,
            home_name=settings.home.name,
            time_zone=settings.home.time_zone,
        ),
        settings.web.host,
        settings.web.port,
    )
    _log.info("board", url=web.url)
    try:
        await web.finished()
    finally:
        await web.stop()
        database.close()


def run_until_stopped(
    service: Callable[[Settings], Coroutine[Any, Any, None]], settings: Settings
) -> int:
    """Run a service until SIGTERM or Ctrl-C; what it has in hand it finishes."""

    async def main() -> None:
        task = asyncio.create_task(service(settings))
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, task.cancel)
        try:
            await task
        except asyncio.CancelledError:
            _log.info("stopped")

    asyncio.run(main())
    return 0
