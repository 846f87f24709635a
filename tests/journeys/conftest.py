"""Homes for journeys: in virtual time with the broker in memory, or ten times faster than
the wall with the real mosquitto."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest

from contract.clock import Clock, ScaledClock, SystemClock, VirtualClock
from contract.ids import seeded_ids
from contract.protocols import Bus, Radio
from edge import LogSiren
from firmware_sim import HomePlan, SimulatedHome, demo_home
from messaging import Credentials, LocalBroker, LocalBus, MqttBus
from messaging.mosquitto import Mosquitto, free_port
from wardlight.demo_walk import walk_through
from wardlight.provision.enrolment import accept
from wardlight.provision.home import Options, ProvisionedHome
from wardlight.roster import demo_settings
from wardlight.running import Parts, RunningHome, background, running_home
from wardlight.settings import Settings
from wardlight.stages import FallWatch, Stage

FAST = 10.0
"""Seconds of home time per second of a test against real servers."""


@dataclass
class Scene:
    """A home that runs, and what a test does to it."""

    home: RunningHome
    simulation: SimulatedHome
    clock: Clock
    plan: HomePlan
    watch: FallWatch
    sirens: dict[str, LogSiren]
    broker: LocalBroker | Mosquitto
    bus: Callable[[str], Bus]
    stages: dict[Stage, float] = field(default_factory=dict)

    async def until(
        self, condition: Callable[[], bool], seconds: float, what: str, step_s: float = 0.2
    ) -> None:
        """Wait in home time until `condition` holds; fail after `seconds`."""
        for _ in range(round(seconds / step_s)):
            if condition():
                return
            await self.clock.sleep(step_s)
        pytest.fail(f"{what}: not within {seconds} s")


Radios = Mapping[str, Callable[[], Radio]]
"""By gateway, as in `Parts.radios`."""


@asynccontextmanager
async def simulated_radios(
    simulation: SimulatedHome,
    clock: Clock,
    wrap_radio: Callable[[Radio, Clock], Radio] = lambda radio, _clock: radio,
) -> AsyncIterator[Radios]:
    """The simulated home's own, with nothing between."""
    yield {
        g.name: partial(lambda name: wrap_radio(simulation.radio(name), clock), g.name)
        for g in simulation.plan.gateways
    }


RadiosOf = Callable[[SimulatedHome, Clock], AbstractAsyncContextManager[Radios]]


@asynccontextmanager
async def _scene(
    folder: Path,
    clock: Clock,
    bus: Callable[[str], Bus],
    broker: LocalBroker | Mosquitto,
    resident: str,
    *,
    radios_of: RadiosOf = simulated_radios,
    sensors: bool = False,
    entrance: bool = False,
    is_walked: bool = False,
) -> AsyncIterator[Scene]:
    plan = demo_home(sensors=sensors, entrance=entrance)
    simulation = SimulatedHome(plan, clock, seed=7)
    rooms = walk_through(plan, folder, 1) if is_walked else None
    sirens = {gateway.name: LogSiren() for gateway in plan.gateways}
    ids = seeded_ids(clock, 7)
    parts = Parts(
        clock=clock,
        ids=ids,
        folder=folder,
        bus=bus,
        siren=lambda name, _bus: sirens[name],
        radios={},
        boot="boot-of-a-test",
    )
    stages: dict[Stage, float] = {}
    watch = FallWatch(
        plan.home, resident, clock, lambda stage, since_s, _event: stages.update({stage: since_s})
    )
    async with (
        radios_of(simulation, clock) as radios,
        background(bus("watch").run(watch.filters, watch.on_messages)),
        running_home(demo_settings(plan, Settings(), rooms), replace(parts, radios=radios)) as home,
        background(simulation.run()),
    ):
        yield Scene(home, simulation, clock, plan, watch, sirens, broker, bus, stages)


@pytest.fixture
def virtual_scene(
    tmp_path: Path,
) -> Callable[[Callable[[Scene], Awaitable[None]]], None]:
    """Runs a journey in virtual time: ``virtual_scene(journey, resident=…)``."""

    def run(
        journey: Callable[[Scene], Awaitable[None]],
        resident: str = "resident-3",
        *,
        wrap_radio: Callable[[Radio, Clock], Radio] = lambda radio, _clock: radio,
        sensors: bool = False,
        entrance: bool = False,
        is_walked: bool = True,
    ) -> None:
        clock = VirtualClock()
        broker = LocalBroker()

        async def main() -> None:
            def bus(client_id: str) -> Bus:
                return LocalBus(broker, client_id, clock)

            radios_of = partial(simulated_radios, wrap_radio=wrap_radio)
            async with _scene(
                tmp_path,
                clock,
                bus,
                broker,
                resident,
                radios_of=radios_of,
                sensors=sensors,
                entrance=entrance,
                is_walked=is_walked and entrance,
            ) as scene:
                await journey(scene)

        clock.run(main())

    return run


@pytest.fixture
def real_scene(
    tmp_path: Path,
) -> Callable[[Callable[[Scene], Awaitable[None]]], None]:
    """Runs a journey against a real mosquitto, `FAST` times faster than the wall."""

    def run(
        journey: Callable[[Scene], Awaitable[None]],
        resident: str = "resident-3",
        radios_of: RadiosOf = simulated_radios,
        sensors: bool = False,
    ) -> None:
        async def main() -> None:
            clock = ScaledClock(FAST)
            mosquitto = Mosquitto(tmp_path / "mosquitto", clock)
            await mosquitto.start()

            def bus(client_id: str) -> Bus:
                return MqttBus(mosquitto.url, client_id, clock)

            try:
                async with _scene(
                    tmp_path,
                    clock,
                    bus,
                    mosquitto,
                    resident,
                    radios_of=radios_of,
                    sensors=sensors,
                ) as scene:
                    await journey(scene)
            finally:
                mosquitto.stop()

        asyncio.run(main())

    return run


@pytest.fixture
def secured_scene(
    tmp_path: Path,
) -> Callable[[Callable[[Scene], Awaitable[None]]], None]:
    """The same in a provisioned home: certificates, and the access list of `provision`. Beside
    its gateways there is one called ``thief``."""

    def run(journey: Callable[[Scene], Awaitable[None]], resident: str = "resident-3") -> None:
        home = ProvisionedHome(tmp_path / "home", SystemClock(), lambda: b"")
        options = Options(
            demo_home().home,
            ("127.0.0.1",),
            port=free_port(),
            services_port=free_port(),
            broker_user="root",
        )
        home.create(options, None)
        home.add_service("engineer")
        devices = [gateway.name for gateway in demo_home().gateways] + ["thief"]
        for name in devices:
            enrolled = home.add_device(name, "gateway")
            accept(enrolled, tmp_path / "enrolled" / name, tmp_path, datetime.now(UTC))

        async def main() -> None:
            clock = ScaledClock(FAST)
            mosquitto = Mosquitto(
                tmp_path / "mosquitto",
                clock,
                port=options.services_port,
                configuration=home.configuration,
            )
            await mosquitto.start()

            def bus(client_id: str) -> Bus:
                port, folder, own = options.services_port, home.services_folder, client_id
                if client_id in devices:
                    port, folder = options.port, tmp_path / "enrolled" / client_id
                    own = "identity"
                elif client_id == "watch":
                    own = "engineer"
                shown = Credentials(
                    ca_file=folder / "ca.pem", certificate_file=folder / f"{own}.pem"
                )
                return MqttBus(f"mqtts://127.0.0.1:{port}", client_id, clock, tls=shown)

            try:
                async with _scene(tmp_path / "var", clock, bus, mosquitto, resident) as scene:
                    await journey(scene)
            finally:
                mosquitto.stop()

        asyncio.run(main())

    return run


SceneRunner = Callable[..., None]
SceneContext = AbstractAsyncContextManager[Scene]
