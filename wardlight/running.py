"""A whole home in one process: the demo, replay, journeys and benchmarks run this.

The parts are the very ones that run as services of their own; only the clock, the bus and
the radios differ, and those are handed in.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alerts import AlertService, Channel, Database, Desk, Directory
from contract.clock import Clock
from contract.ids import IdSource
from contract.protocols import Bus, Radio
from edge import Gateway, Siren
from ingest import IngestService, ReadSide
from wardlight.roster import enrol
from wardlight.settings import Settings
from wardlight.stores import open_reader, open_store


@dataclass(frozen=True, kw_only=True)
class Parts:
    """What a home is made of, beside its settings."""

    clock: Clock
    ids: IdSource
    folder: Path
    """Everything durable is below it."""
    bus: Callable[[str], Bus]
    """Makes a client of the home's broker from a client id."""
    siren: Callable[[str, Bus], Siren]
    """Makes a gateway's siren from its name and bus."""
    radios: Mapping[str, Callable[[], Radio]]
    """By the name of the gateway that listens to it; asked for one at each start."""
    boot: str
    channels: tuple[Channel, ...] = ()


class RunningHome:
    """Handles on a home that runs; each service can be stopped and started by its name:
    ``ingest``, ``alerts`` and the names of the gateways.
    """

    def __init__(
        self,
        settings: Settings,
        parts: Parts,
        database: Database,
        group: asyncio.TaskGroup,
        at_end: ExitStack,
    ) -> None:
        self.settings = settings
        self.parts = parts
        self.desk = Desk(database, parts.clock, parts.ids, settings.home.id)
        self.gateways: dict[str, Gateway] = {}
        """Those that run now."""
        self._database = database
        self._group = group
        self._at_end = at_end
        self._tasks: dict[str, asyncio.Task[None]] = {}

    @property
    def services(self) -> tuple[str, ...]:
        """Every name that `start` and `stop` take, in the order of starting."""
        return ("ingest", "alerts", *self.parts.radios)

    def reader(self) -> ReadSide:
        """The time-series store, to read until the home ends."""
        reader = open_reader(self.settings)
        self._at_end.callback(reader.close)
        return reader

    def on_change(self, listener: Callable[[str], None]) -> None:
        """Call `listener` with the home after each commit that a board would show."""
        self._database.listen(listener)

    def start(self, name: str) -> None:
        """Begin to run a service: a new session on the files that it left."""
        work = {"ingest": self._ingest, "alerts": self._alerts}.get(name, self._gateway)
        self._tasks[name] = self._group.create_task(work(name), name=name)

    async def stop(self, name: str) -> None:
        """End a service as SIGTERM does."""
        task = self._tasks.pop(name)
        task.cancel()
        await asyncio.wait((task,))

    async def stop_all(self) -> None:
        """End every service that runs, gateways first: they have the most to hand over."""
        gateways = [name for name in self._tasks if name in self.parts.radios]
        await asyncio.gather(*(self.stop(name) for name in gateways))
        await asyncio.gather(*(self.stop(name) for name in list(self._tasks)))

    async def _ingest(self, name: str) -> None:
        parts = self.parts
        store = open_store(self.settings)
        try:
            await IngestService(
                self.settings.home.id,
                parts.clock,
                parts.bus(name),
                store,
                parts.ids.new(),
                boot=parts.boot,
            ).run()
        finally:
            await store.close()

    async def _alerts(self, name: str) -> None:
        parts = self.parts
        await AlertService(
            self.settings.home.id,
            parts.clock,
            parts.ids,
            parts.bus(name),
            self._database,
            parts.channels,
            parts.ids.new(),
            boot=parts.boot,
            check_every_s=self.settings.alerts.manual_check_minutes * 60,
        ).run()

    async def _gateway(self, name: str) -> None:
        parts = self.parts
        bus = parts.bus(name)
        gateway = Gateway(
            home=self.settings.home.id,
            name=name,
            folder=parts.folder / name,
            clock=parts.clock,
            ids=parts.ids,
            radio=parts.radios[name](),
            bus=bus,
            siren=parts.siren(name, bus),
            boot=parts.boot,
            session=parts.ids.new(),
        )
        self.gateways[name] = gateway
        try:
            await gateway.run()
        finally:
            del self.gateways[name]


def open_database(settings: Settings, clock: Clock) -> Database:
    """Open the records, bring their schema up to date and enrol what the settings name.

    Raises
    ------
    OSError
        If the folder of an SQLite file cannot be made.
    """
    url = settings.alerts.database
    if url.startswith("sqlite:///"):
        Path(url.removeprefix("sqlite:///")).parent.mkdir(parents=True, exist_ok=True)
    database = Database(url)
    database.upgrade()
    enrol(settings, Directory(database, settings.home.id, clock))
    return database


def _below(settings: Settings, folder: Path) -> Settings:
    """The same settings with everything durable below `folder`."""
    return settings.model_copy(
        update={
            "ingest": settings.ingest.model_copy(update={"store": folder / "store.sqlite"}),
            "alerts": settings.alerts.model_copy(
                update={"database": f"sqlite:///{folder / 'records.sqlite'}"}
            ),
        }
    )


@asynccontextmanager
async def running_home(settings: Settings, parts: Parts) -> AsyncIterator[RunningHome]:
    """Run ingest, alerts and a gateway for each radio until the body ends.

    A part that fails ends the body with its error: a home that runs in part is not a home
    that runs.
    """
    parts.folder.mkdir(parents=True, exist_ok=True)
    settings = _below(settings, parts.folder)
    with ExitStack() as at_end:
        database = open_database(settings, parts.clock)
        at_end.callback(database.close)
        async with asyncio.TaskGroup() as group:
            home = RunningHome(settings, parts, database, group, at_end)
            for name in home.services:
                home.start(name)
            yield home
            await home.stop_all()


@asynccontextmanager
async def background(*work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Run coroutines beside the body; they end with it, and a failure of one ends the body."""
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(one) for one in work]
        yield
        for task in tasks:
            task.cancel()
