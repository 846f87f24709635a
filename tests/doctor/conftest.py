"""Homes to be looked over: a broker and services that really run, and settings beside them."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from contract.clock import Clock, ScaledClock, SystemClock, now_us
from contract.ids import UuidSource
from contract.protocols import Message, StoreUnavailableError
from dashboards.web import create_app, serve
from edge import LogSiren
from firmware_sim import SimulatedHome, demo_home
from messaging import MqttBus
from messaging.mosquitto import Mosquitto
from wardlight.doctor import Context, Entry, Report, examine
from wardlight.machine import free_port
from wardlight.roster import demo_settings
from wardlight.running import Parts, RunningHome, background, running_home
from wardlight.settings import Settings

FAST = 10.0
"""Seconds of the home per second of a test."""

LIMIT_S = 8.0
"""No condition takes so long unless it never comes."""


async def _until(condition: Callable[[], bool], what: str) -> None:
    clock = SystemClock()
    began_ns = clock.monotonic_ns()
    while not condition():
        assert clock.monotonic_ns() - began_ns < LIMIT_S * 1e9, f"waited in vain for {what}"
        await clock.sleep(0.01)


def _found(report: Report, title: str) -> Entry:
    for entry in report.entries:
        if f"{entry.group} / {entry.check}" == title:
            return entry
    raise AssertionError(f"no {title!r} in {[(e.group, e.check) for e in report.entries]}")


@pytest.fixture
def until() -> Callable[[Callable[[], bool], str], Awaitable[None]]:
    """Awaits a condition: ``await until(condition, what)``."""
    return _until


@pytest.fixture
def found() -> Callable[[Report, str], Entry]:
    """The line about one check: ``found(report, "group / check")``."""
    return _found


def _settings_in(folder: Path, **tables: dict[str, Any]) -> Settings:
    """The demo home's settings with everything durable below `folder`."""
    base = demo_settings(demo_home(), Settings())
    changes: dict[str, dict[str, Any]] = {
        "gateway": {"folder": folder / "gateway-a", "radio": "simulated"},
        "ingest": {"store": folder / "store.sqlite"},
        "alerts": {"database": f"sqlite:///{folder / 'records.sqlite'}"},
        "broker": {},
        "web": {},
        "home": {},
    }
    for table, values in tables.items():
        changes[table] |= values
    return base.model_copy(
        update={
            table: getattr(base, table).model_copy(update=values)
            for table, values in changes.items()
        }
    )


@dataclasses.dataclass
class Looking:
    """Looks at some groups, or all, of a home that need not run."""

    folder: Path

    def settings(self, **tables: dict[str, Any]) -> Settings:
        return _settings_in(self.folder, **tables)

    async def look(self, settings: Settings, *only: str, clock: Clock | None = None) -> Report:
        return await examine(Context(settings, clock or SystemClock()), only=only)

    def now(self, settings: Settings, *only: str, clock: Clock | None = None) -> Report:
        return asyncio.run(self.look(settings, *only, clock=clock))


@pytest.fixture
def looking(tmp_path: Path) -> Looking:
    return Looking(tmp_path)


@pytest.fixture
def with_broker(tmp_path: Path) -> Callable[..., None]:
    """Runs ``scenario(broker)`` against a real mosquitto: ``with_broker(scenario, settings=…)``."""

    def run(scenario: Callable[[Mosquitto], Coroutine[Any, Any, None]], **options: Any) -> None:
        async def main() -> None:
            broker = Mosquitto(tmp_path / "mosquitto", SystemClock(), **options)
            await broker.start()
            try:
                await scenario(broker)
            finally:
                broker.stop()

        asyncio.run(main())

    return run


@dataclasses.dataclass
class LiveHome:
    """A home that runs, and how to look it over."""

    home: RunningHome
    settings: Settings
    clock: Clock
    broker: Mosquitto
    bus: Callable[[str], MqttBus]

    def __post_init__(self) -> None:
        self._reader = self.home.reader()

    async def look(self, *only: str) -> Report:
        return await examine(Context(self.settings, self.clock), only=only)

    @asynccontextmanager
    async def ear(self, topic_filter: str) -> AsyncIterator[list[Message]]:
        """What is said meanwhile."""
        messages: list[Message] = []

        async def take(batch: Sequence[Message]) -> None:
            messages.extend(batch)

        bus = self.bus("ear-of-the-test")
        async with background(bus.run([topic_filter], take)):
            await _until(lambda: bus.connected, "the ear")
            yield messages

    def has_data(self) -> bool:
        """Whether anything that was measured is stored."""
        try:
            return bool(self._reader.latest(now_us(self.clock)))
        except StoreUnavailableError:
            return False

    async def retain(self, topic: str, payload: bytes) -> None:
        """Say something that stays."""
        bus = self.bus("mouth-of-the-test")
        async with background(bus.run([], _ignore)):
            await _until(lambda: bus.connected, "the mouth")
            await bus.publish(topic, payload, retain=True)


async def _ignore(_: Sequence[Message]) -> None:
    pass


@asynccontextmanager
async def _live(folder: Path) -> AsyncIterator[LiveHome]:
    clock = ScaledClock(FAST)
    broker = Mosquitto(folder / "mosquitto", clock)
    await broker.start()
    plan = demo_home()
    simulation = SimulatedHome(plan, clock, seed=7)

    def bus(client_id: str) -> MqttBus:
        return MqttBus(broker.url, client_id, clock)

    settings = _settings_in(
        folder, broker={"url": broker.url}, web={"port": free_port("127.0.0.1", 0)}
    )
    parts = Parts(
        clock=clock,
        ids=UuidSource(clock),
        folder=folder,
        bus=bus,
        siren=lambda _name, _bus: LogSiren(),
        radios={each.name: partial(simulation.radio, each.name) for each in plan.gateways},
        boot="boot-of-a-test",
    )
    try:
        async with running_home(settings, parts) as home, background(simulation.run()):
            app = create_app(home.desk, clock, reader=home.reader())
            web = await serve(app, settings.web.host, settings.web.port)
            try:
                yield LiveHome(home, settings, clock, broker, bus)
            finally:
                await web.stop()
    finally:
        broker.stop()


@pytest.fixture
def live_home(tmp_path: Path) -> Callable[[Callable[[LiveHome], Awaitable[None]]], None]:
    """Runs ``scenario(live)`` in a home with broker, services, gateways and board."""

    def run(scenario: Callable[[LiveHome], Awaitable[None]]) -> None:
        async def main() -> None:
            async with _live(tmp_path) as live:
                await scenario(live)

        asyncio.run(main())

    return run
