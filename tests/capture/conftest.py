"""A simulated home that is captured while it runs, and what its gateway said meanwhile."""

from __future__ import annotations

import io
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pytest

from contract import topics, wire
from contract.clock import VirtualClock
from contract.events import Event
from contract.ids import seeded_ids
from contract.protocols import HeardAdvert
from edge import LogSiren
from firmware_sim import HomePlan, SimulatedHome, demo_home
from firmware_sim.capture import Capture, CaptureScene, new_scene
from messaging import LocalBroker, LocalBus
from wardlight.replay import ReplayOptions, replay
from wardlight.roster import demo_settings
from wardlight.running import Parts, background, running_home
from wardlight.settings import Settings
from wardlight.tape import RecordReport, Tape

GATEWAY = "gateway-a"


@dataclass
class Live:
    """A captured run."""

    folder: Path
    events: list[Event] = field(default_factory=list)
    report: RecordReport | None = None
    simulation: SimulatedHome | None = None

    def said(self) -> list[tuple[str, str | None, int]]:
        """Kind, device and time of what was detected, each once."""
        return summary(self.events)


def summary(events: list[Event]) -> list[tuple[str, str | None, int]]:
    once = {event.id: event for event in events if event.cause is None and event.device}
    return [(event.kind.value, event.device, event.at_us) for event in once.values()]


def captured(
    folder: Path,
    story: Callable[[SimulatedHome, VirtualClock], Awaitable[None]],
    *,
    plan: HomePlan,
    seed: int = 7,
    clock: VirtualClock | None = None,
) -> Live:
    """Run a home in virtual time and capture `GATEWAY` while `story` goes on."""
    clock = clock or VirtualClock()
    broker = LocalBroker()
    live = Live(folder / "capture")

    async def main() -> None:
        simulation = live.simulation = SimulatedHome(plan, clock, seed)
        settings = demo_settings(plan, Settings())
        tape = Tape(settings, live.folder)

        async def on_events(messages) -> None:
            live.events += [wire.decode(message.payload, Event) for message in messages]

        def bus(client_id: str) -> LocalBus:
            return LocalBus(broker, client_id, clock)

        radios = {one.name: partial(simulation.radio, one.name) for one in plan.gateways}
        radios[GATEWAY] = lambda: tape.wrap(simulation.radio(GATEWAY), clock, simulation.truth)
        parts = Parts(
            clock=clock,
            ids=seeded_ids(clock, seed),
            folder=folder / "home",
            bus=bus,
            siren=lambda _name, _bus: LogSiren(),
            radios=radios,
            boot="boot-of-a-test",
        )
        events = topics.event_topic(plan.home, GATEWAY, topics.ANY)
        async with (
            background(bus("watch").run([events], on_events)),
            running_home(settings, parts),
        ):
            await tape.begun()
            async with background(
                bus("record").run(tape.filters, tape.on_messages), tape.keep(), simulation.run()
            ):
                await story(simulation, clock)
                # What was said by now is what a replay up to here must say.
                live.events = list(live.events)
                live.report = await tape.close("the story was over")

    clock.run(main())
    return live


def replayed(folder: Path, **options) -> tuple[str, list[Event]]:
    """Play a capture as fast as it goes; its JSON lines, and the events in them."""
    out = io.StringIO()
    wanted = {"speed": 0, "transport": "stream", "seed": 0, "as_json": True} | options
    replay(ReplayOptions(recording=Capture(folder), **wanted), None, out)
    text = out.getvalue()
    return text, [wire.decode(line.encode(), Event) for line in text.splitlines()]


@pytest.fixture
def capture_home() -> Callable[..., Live]:
    return captured


@pytest.fixture
def play_capture() -> Callable[..., tuple[str, list[Event]]]:
    return replayed


@pytest.fixture
def said() -> Callable[[list[Event]], list[tuple[str, str | None, int]]]:
    return summary


@pytest.fixture
def demo_plan() -> HomePlan:
    return demo_home()


@pytest.fixture(scope="session")
def three_falls(tmp_path_factory) -> Live:
    """Both gateways run; a streamed resident falls, then one by window, a third presses."""

    async def story(simulation: SimulatedHome, clock: VirtualClock) -> None:
        await clock.sleep(20)
        simulation.fall("resident-1")
        await clock.sleep(70)
        simulation.fall("resident-3")
        await clock.sleep(30)
        simulation.press_button("resident-5")
        await clock.sleep(50)

    return captured(tmp_path_factory.mktemp("falls"), story, plan=demo_home())


@pytest.fixture(scope="session")
def make_scene() -> Callable[..., CaptureScene]:
    """The scene of a capture that begins at a clock's now."""

    def make(clock: VirtualClock | None = None, **options) -> CaptureScene:
        wanted = {
            "home": "demo",
            "gateway": GATEWAY,
            "gateway_zone": None,
            "time_zone": "Asia/Hong_Kong",
            "wearables": [],
            "recorded_by": "a test",
        }
        return new_scene(clock or VirtualClock(), **(wanted | options))

    return make


@pytest.fixture
def advert() -> HeardAdvert:
    return HeardAdvert("C0:DE:5A:00:00:01", -60, {0xFFFF: bytes(24)}, {}, 5)
