"""One service as a process of its own: ``wardlight gateway|ingest|alerts|web``."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager
from functools import partial
from importlib.util import find_spec
from typing import TYPE_CHECKING, Final

import structlog

from contract.clock import Clock, ScaledClock, SystemClock
from contract.flood import SENDERS_ALLOWANCE
from contract.ids import UuidSource
from contract.protocols import Radio, StoreUnavailableError
from messaging import MqttBus
from messaging.certificate import ends_at
from wardlight import __version__
from wardlight.credentials import GATEWAY, credentials_of, own_file
from wardlight.machine import boot_id
from wardlight.process import run_until_stopped
from wardlight.settings import Settings, SettingsError
from wardlight.sounding import siren_of
from wardlight.stores import open_reader, open_store
from wardlight.waiting import NotThereError, SparseBrokerLog, beside, sole_use, until_there

if TYPE_CHECKING:
    from sqlalchemy.exc import DBAPIError

    from alerts import Database
    from dashboards.web import RunningServer
    from edge import Gateway
    from edge.radio.mqtt_proxy import MqttProxyRadio
    from firmware_sim import SimulatedHome, TruthEntry
    from ingest import ReadSide

__all__ = [
    "RadioWrapper",
    "bus_of",
    "clock_of",
    "run_alerts",
    "run_gateway",
    "run_ingest",
    "run_until_stopped",
    "run_web",
]

RadioWrapper = Callable[[Radio, Clock, "Sequence[TruthEntry]"], Radio]
"""From a gateway's radio, its clock and what a simulation knows to be true (which grows) to the
radio that it uses: how `wardlight.record` listens in."""

BYTES_PER_MEGABYTE: Final = 1 << 20

CLIENT_ID_BYTES: Final = 4
"""Two of a handful of workers meet by chance once in a hundred million starts."""

CONFIGURED_AFTER_S: Final = 5.0
"""How long a gateway's configuration may take without anyone speaking of it."""

_log = structlog.get_logger(__name__)


def clock_of(settings: Settings) -> Clock:
    """The machine's clock, or the scaled one that an engineer asked for."""
    if settings.clock.rate == 1.0:
        return SystemClock()
    return ScaledClock(settings.clock.rate, settings.clock.origin_us)


def bus_of(settings: Settings, client_id: str, clock: Clock, service: str) -> MqttBus:
    """A client of the home's broker.

    Parameters
    ----------
    service
        Whose certificate it shows: ``gateway``, ``ingest``, ``alerts``, ``doctor``, ``engineer``.

    Raises
    ------
    OSError
        If the password file cannot be read.
    ValueError
        If the broker's URL cannot be, or the certificate is not for `service`.
    """
    broker = settings.broker
    password = broker.password_file.read_text("utf-8").strip() if broker.password_file else None
    return MqttBus(
        broker.url,
        f"wardlight-{settings.home.id}-{client_id}",
        clock,
        username=broker.username,
        password=password,
        tls=credentials_of(settings, service, clock),
    )


@contextmanager
def _refused(table: str) -> Iterator[None]:
    """Turn what a setting's user says of it into a settings error, before anything runs."""
    try:
        yield
    except (ValueError, OSError) as error:
        raise SettingsError(f"[{table}]: {error}") from error


async def run_gateway(
    settings: Settings,
    wrap_radio: RadioWrapper = lambda radio, _clock, _truth: radio,
    clock: Clock | None = None,
) -> None:
    """The gateway of this machine.

    `clock` is for those who want it wrong (chaos); by default the settings say which.
    """
    from edge import CredentialWatch, Gateway
    from edge.page import GatewayPage
    from edge.radio.several import SeveralRadios

    clock = clock or clock_of(settings)
    ids = UuidSource(clock)
    name, folder = settings.gateway.name, settings.gateway.folder
    with _refused("broker"):
        bus = _bus_of_service(settings, name, clock, GATEWAY)
    with _refused("gateway"):
        radio, simulation = _radio(settings, clock)
        receivers = _receivers(settings, clock)
    if receivers is not None:
        radio = SeveralRadios(radio, [receivers])
    truth = [] if simulation is None else simulation.truth
    async with sole_use(clock, "the other gateway of this folder", folder / "gateway"):
        gateway = Gateway(
            home=settings.home.id,
            name=name,
            folder=folder,
            clock=clock,
            ids=ids,
            radio=wrap_radio(radio, clock, truth),
            bus=bus if receivers is None else receivers.tap(bus),
            siren=siren_of(settings, bus, clock),
            boot=boot_id(),
            session=ids.new(),
            priority=settings.gateway.priority,
            telemetry_bytes=settings.gateway.telemetry_megabytes * BYTES_PER_MEGABYTE,
        )
        if receivers is not None:
            receivers.belong_to(gateway.configs.receivers, gateway.counts)
        async with asyncio.TaskGroup() as group:
            group.create_task(gateway.run())
            group.create_task(_until_configured(gateway, clock, settings))
            certificate = settings.broker.certificate_file
            if certificate is not None:
                group.create_task(
                    CredentialWatch(
                        gateway.faults,
                        clock,
                        lambda: bus.certificate_trouble,
                        partial(ends_at, own_file(certificate, GATEWAY)),
                    ).run()
                )
            if settings.gateway.page_port is not None:
                page = GatewayPage(gateway, settings.gateway.page_host, settings.gateway.page_port)
                group.create_task(page.run())
            if simulation is not None:
                group.create_task(_simulate(simulation, clock, settings))


def _radio(settings: Settings, clock: Clock) -> tuple[Radio, SimulatedHome | None]:
    """What the gateway hears with, and the simulation if it lives in this process."""
    if settings.gateway.radio == "bluez":
        return _bluez(settings, clock), None
    if settings.gateway.radio == "remote":
        from wardlight.air import RemoteRadio

        if settings.gateway.radio_socket is None:
            raise ValueError("radio = 'remote' needs radio_socket: where the home is simulated")
        return RemoteRadio(settings.gateway.radio_socket, settings.gateway.name, clock), None
    from firmware_sim import SimulatedHome, demo_home
    from firmware_sim.plan import ENTRANCE

    # Its sensors encrypt; a gateway that is installed with nothing else does without them.
    plan = demo_home(
        settings.home.id,
        sensors=find_spec("cryptography") is not None,
        entrance=any(zone.id == ENTRANCE for zone in settings.zones),
    )
    simulation = SimulatedHome(plan, clock, settings.gateway.seed)
    return simulation.radio(settings.gateway.name), simulation


def _receivers(settings: Settings, clock: Clock) -> MqttProxyRadio | None:
    """Who hears for this gateway in rooms without one.

    Raises
    ------
    ValueError
        If a topic does not say where their names stand.
    """
    if not settings.gateway.proxy_topics:
        return None
    from edge.radio.mqtt_proxy import MqttProxyRadio

    return MqttProxyRadio(settings.gateway.proxy_topics, clock)


def _bluez(settings: Settings, clock: Clock) -> Radio:
    """The Bluetooth of this machine.

    Raises
    ------
    ValueError
        If its libraries are not installed.
    """
    try:
        from edge.radio.bluez import BluezRadio
    except ModuleNotFoundError as error:
        raise ValueError(
            f"radio = 'bluez' needs {error.name}: pip install 'wardlight[bluetooth]'"
        ) from error
    wanted = settings.gateway
    return BluezRadio(
        clock,
        adapters=wanted.adapters,
        scan=wanted.scan,
        reboot_when_deaf=wanted.reboot_when_deaf,
    )


async def _simulate(simulation: SimulatedHome, clock: Clock, settings: Settings) -> None:
    async with asyncio.TaskGroup() as group:
        group.create_task(simulation.run())
        if settings.gateway.fall_after_s is not None:
            await clock.sleep(settings.gateway.fall_after_s)
            simulation.fall(settings.gateway.faller)


async def _until_configured(gateway: Gateway, clock: Clock, settings: Settings) -> None:
    """A gateway that was never told who lives here watches nobody."""

    async def look() -> None:
        if gateway.configs.current is None:
            raise NotThereError(
                "nobody is watched before it: the alert service sends it over the broker"
            )

    await clock.sleep(CONFIGURED_AFTER_S)
    await until_there(clock, "the home's configuration", settings.broker.url, look)


async def run_ingest(settings: Settings) -> None:
    """A worker of ingest, one of any number on this machine; a store that cannot be opened yet is
    tried again and again.
    """
    from ingest import GROUP, IngestService, can_share

    clock, home = clock_of(settings), settings.home.id
    session = UuidSource(clock).new()
    # Every connection needs an id of its own; equal ones would throw each other off.
    worker = f"ingest-{secrets.token_hex(CLIENT_ID_BYTES)}"
    with _refused("broker"):
        bus, bulk, probe = (
            _bus_of_service(settings, f"{worker}-{what}", clock, "ingest")
            for what in ("events", "telemetry", "probe")
        )
    store = open_store(settings)
    try:
        is_shared = await can_share(probe, clock, home, session)
        await IngestService(
            home,
            clock,
            bus,
            store,
            session,
            boot=boot_id(),
            version=__version__,
            allowance=SENDERS_ALLOWANCE,
            bulk=bulk,
            group=GROUP if is_shared else None,
        ).run()
    finally:
        await store.close()


async def run_alerts(settings: Settings) -> None:
    """A worker of the alert service: the only one on SQLite, one of several on PostgreSQL."""
    from alerts import AlertService, AppriseChannel

    clock = clock_of(settings)
    ids = UuidSource(clock)
    # Every worker has a connection of its own; equal client ids would throw each other off.
    worker = f"alerts-{secrets.token_hex(CLIENT_ID_BYTES)}"
    with _refused("broker"):
        bus = _bus_of_service(settings, worker, clock, "alerts")
    channel = AppriseChannel(clock, settings.alerts.board_url)
    async with AsyncExitStack() as stack:
        database = _database(settings)
        stack.callback(database.close)
        if database.file is not None:
            other = "the other alert service of these records"
            await stack.enter_async_context(sole_use(clock, other, database.file))
        prepare = partial(_prepare, settings, database, clock)
        await until_there(clock, "the records", database.where, partial(beside, prepare))
        await AlertService(
            settings.home.id,
            clock,
            ids,
            bus,
            database,
            (channel,),
            ids.new(),
            boot=boot_id(),
            version=__version__,
            allowance=SENDERS_ALLOWANCE,
            check_every_s=settings.alerts.manual_check_minutes * 60,
        ).run()


async def run_web(settings: Settings) -> None:
    """The board and the API, on records that the alert service has set up."""
    from alerts import Desk
    from dashboards.web import create_app, serve

    clock = clock_of(settings)
    async with AsyncExitStack() as stack:
        database = _database(settings)
        stack.callback(database.close)
        home = settings.home.id
        look = partial(beside, partial(_look, database, home))
        await until_there(clock, "the records", database.where, look)
        desk = Desk(database, clock, UuidSource(clock), home)
        reader = open_reader(settings)
        stack.callback(reader.close)
        app = create_app(
            desk,
            clock,
            reader=reader,
            home_name=settings.home.name,
            time_zone=settings.home.time_zone,
        )
        host, port = settings.web.host, settings.web.port

        async def listen() -> RunningServer:
            try:
                return await serve(app, host, port)
            except OSError as error:  # a board that is about to end still holds it, perhaps
                raise NotThereError(f"cannot listen there: {error.strerror}") from error

        web = await until_there(clock, "the board's address", f"{host}:{port}", listen)
        stack.push_async_callback(web.stop)
        _log.info("board", url=web.url)
        # People need the board also while there are no measures to show beside it.
        async with asyncio.TaskGroup() as group:
            ingest = settings.ingest
            store = str(ingest.store) if ingest.kind == "sqlite" else ingest.influx.url
            look_at_store = partial(beside, partial(_look_at_store, reader))
            waiting = group.create_task(until_there(clock, "the store", store, look_at_store))
            await web.finished()
            waiting.cancel()


def _database(settings: Settings) -> Database:
    """The records, not yet looked at.

    Raises
    ------
    SettingsError
        If the URL can never be used.
    """
    from sqlalchemy.exc import SQLAlchemyError

    from alerts import Database

    url = settings.alerts.database
    try:
        return Database(url)
    except (SQLAlchemyError, ValueError, OSError) as error:
        raise SettingsError(f"[alerts]: database: {error}") from error
    except ModuleNotFoundError as error:
        raise SettingsError(
            f"[alerts]: database: {error.name} is not installed; for PostgreSQL: "
            "pip install 'wardlight[postgresql]'"
        ) from error


def _prepare(settings: Settings, database: Database, clock: Clock) -> None:
    """Bring the records up to date and enrol whom the settings name."""
    from sqlalchemy.exc import InterfaceError, OperationalError

    from alerts import Directory
    from wardlight.roster import enrol

    try:
        database.upgrade()
        enrol(settings, Directory(database, settings.home.id, clock))
    except (OperationalError, InterfaceError) as error:
        raise NotThereError(_first_line(error)) from error


def _look(database: Database, home: str) -> None:
    """Whether the records can be read, and are those of this version and home."""
    from sqlalchemy.exc import InterfaceError, OperationalError

    if database.file is not None and not database.file.exists():
        raise NotThereError("the file does not exist yet: `wardlight alerts` makes it")
    try:
        if not database.is_current():
            raise NotThereError("not set up for this version yet: `wardlight alerts` does that")
        if home not in database.homes():
            raise NotThereError(f"they do not know {home!r} yet: `wardlight alerts` enters it")
    except (OperationalError, InterfaceError) as error:
        raise NotThereError(_first_line(error)) from error


def _first_line(error: DBAPIError) -> str:
    """What the driver said, without the statement and its parameters."""
    return str(error.orig).strip().split("\n")[0]


def _look_at_store(reader: ReadSide) -> None:
    try:
        reader.written_at_us()
    except StoreUnavailableError as error:
        raise NotThereError(f"{error}; `wardlight ingest` makes it") from error


def _bus_of_service(settings: Settings, client_id: str, clock: Clock, service: str) -> MqttBus:
    """The bus of a service, which goes on trying for years and must not fill the log with it."""
    logging.getLogger(SparseBrokerLog.LOGGER).addFilter(SparseBrokerLog(clock))
    return bus_of(settings, client_id, clock, service)
