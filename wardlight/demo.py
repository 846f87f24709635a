"""``./run demo``: a complete home on this machine, in which one resident falls and another one, who
may not leave alone, walks out of the door.

Everything is real but the wearables: a broker on a socket, the gateways, ingest, the alert
service and the board, each as it runs in a home.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import shutil
import signal
import sys
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final, TextIO

from contract.clock import Clock
from contract.events import Event
from contract.ids import UuidSource
from contract.protocols import Radio, RecordedStream
from dashboards.web import create_app, serve
from edge import LogSiren, MqttSiren, SpeakerSiren, combined_siren
from firmware_sim import HomePlan, SimulatedHome, demo_home
from firmware_sim.plan import AT_RISK, ENTRANCE
from messaging import EmbeddedBroker, MqttBus
from wardlight.demo_door import LEAVES_AFTER_S, DoorWatch, NotMissedError, both
from wardlight.demo_walk import walk_through
from wardlight.machine import boot_id, free_port
from wardlight.roster import demo_settings
from wardlight.running import Parts, RunningHome, background, running_home
from wardlight.services import clock_of
from wardlight.settings import Settings
from wardlight.stages import FallWatch, Stage, StageFailedError

FALLER: Final = "resident-3"
"""Followed by adverts and a fetched window, as most residents of a home are."""

FALL_AFTER_S: Final = 15.0
"""The detectors need ten seconds of life before a fall; a visitor wants to read the board."""

STAGE_LIMITS_S: Final = {
    Stage.SUSPECTED: FALL_AFTER_S + 30.0,
    Stage.DETECTED: 60.0,
    Stage.PUBLISHED: 10.0,
    Stage.STORED: 10.0,
    Stage.ALERTED: 10.0,
    Stage.ACKNOWLEDGED: 10.0,
}
"""Far above what each stage takes; only with --until-alert is being later a failure."""

WALK_SEED: Final = 1
"""Of the walk before it begins: learnt once, and what happens then is another seed's."""

SHUTDOWN_S: Final = 2.0
"""Ctrl-C ends everything within this."""


@dataclass(frozen=True, kw_only=True)
class DemoOptions:
    """What the command line asks for."""

    folder: Path
    port: int
    headless: bool = False
    until_alert: bool = False
    recording: RecordedStream | None = None
    seed: int | None = None
    as_json: bool = False
    bluez: bool = False
    """Whether gateways hear by bleak on a fake BlueZ, and not by the simulated radio at once."""


class _Terminal:
    """One line per stage, for a person or, with ``--json``, for a program."""

    def __init__(self, out: TextIO, *, as_json: bool, plan: HomePlan) -> None:
        self._out = out
        self._as_json = as_json
        self._plan = plan
        self._before_s = 0.0

    def say(self, text: str) -> None:
        if not self._as_json:
            self._write(text)

    def stage(self, stage: Stage, since_impact_s: float, event: Event | None) -> None:
        step_s, self._before_s = since_impact_s - self._before_s, since_impact_s
        if self._as_json:
            line = {"stage": stage, "since_impact_s": since_impact_s, "step_s": step_s}
            self._write(json.dumps(line | ({"event": event.id} if event else {})))
            return
        self._write(
            f"  {stage:<13}{since_impact_s:8.2f} s {step_s:+9.3f} s   {self._words(stage, event)}"
        )

    def _words(self, stage: Stage, event: Event | None) -> str:
        bed = self._plan.wearable_of(event.resident).bed if event and event.resident else "?"
        peak = event.evidence.features.get("peak_g") if event and event.evidence else None
        return {
            Stage.SENSED: f"impact at the wrist, bed {bed}" + (f", {peak:.1f} g" if peak else ""),
            Stage.SUSPECTED: "durable and published; nobody is paged yet",
            Stage.DETECTED: "nobody got up and walked: fall detected",
            Stage.PUBLISHED: "the broker has it",
            Stage.STORED: "receipt of ingest: it is on disk",
            Stage.ALERTED: "receipt of the alert service: a carer is called",
            Stage.ACKNOWLEDGED: "somebody is on the way",
        }[stage]

    def _write(self, text: str) -> None:
        self._out.write(text + "\n")
        self._out.flush()


async def run_demo(options: DemoOptions, settings: Settings, out: TextIO = sys.stdout) -> int:
    """Run the demo until Ctrl-C or, with `until_alert`, until the alert is acknowledged.

    Returns
    -------
    int
        Exit status: 0, or 1 after naming the stage that failed.
    """
    clock = clock_of(settings)
    plan = demo_home(sensors=True, entrance=True)
    terminal = _Terminal(out, as_json=options.as_json, plan=plan)
    shutil.rmtree(options.folder, ignore_errors=True)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    seed = secrets.randbelow(2**31) if options.seed is None else options.seed
    simulation = SimulatedHome(plan, clock, seed)
    async with _open_home(options, settings, plan, clock, simulation) as (home, watch_bus, url):
        watch = FallWatch(plan.home, FALLER, clock, terminal.stage)
        door = DoorWatch(plan.home, AT_RISK, _called(plan), clock, terminal.say)
        terminal.say(_greeting(plan, options, url, seed))
        story = asyncio.create_task(_story(options, watch, door, home, url))
        stopped = asyncio.create_task(stop.wait())
        waiting = {stopped, story} if options.until_alert else {stopped}
        async with background(
            watch_bus.run(
                (*watch.filters, *door.filters), both(watch.on_messages, door.on_messages)
            ),
            simulation.run(),
            _fall(simulation, clock, options.recording),
            _go_out(simulation, clock),
        ):
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        verdict = _verdict(story, terminal, until_alert=options.until_alert)
        for task in (story, stopped):
            task.cancel()
        await asyncio.gather(story, stopped, return_exceptions=True)
        return verdict


def _verdict(story: asyncio.Task[None], terminal: _Terminal, *, until_alert: bool) -> int:
    if not until_alert:
        terminal.say("\nStopping.")
        return 0
    if not story.done():
        sys.stderr.write("demo: stopped before the alert was acknowledged\n")
        return 1
    error = story.exception()
    if error is None:
        terminal.say(
            "\nThe fall travelled from the wrist to the board and was answered, and who left by "
            "the door was missed at once."
        )
        return 0
    if isinstance(error, (StageFailedError, NotMissedError)):
        sys.stderr.write(f"demo: {error}\n")
        return 1
    raise error


@asynccontextmanager
async def _open_home(
    options: DemoOptions, base: Settings, plan: HomePlan, clock: Clock, simulation: SimulatedHome
) -> AsyncIterator[tuple[RunningHome, MqttBus, str]]:
    ids = UuidSource(clock)
    rooms = walk_through(plan, options.folder, WALK_SEED)
    settings = demo_settings(plan, base, rooms)
    async with AsyncExitStack() as stack:
        broker = EmbeddedBroker()
        broker_url = f"mqtt://127.0.0.1:{await broker.start()}"
        stack.push_async_callback(broker.stop)
        simulated = {g.name: partial(simulation.radio, g.name) for g in plan.gateways}
        radios: Mapping[str, Callable[[], Radio]] = simulated
        if options.bluez:
            from wardlight.demo_air import radios_on_bluez

            radios = await stack.enter_async_context(radios_on_bluez(simulated, clock))
        parts = Parts(
            clock=clock,
            ids=ids,
            folder=options.folder,
            bus=lambda client_id: MqttBus(broker_url, client_id, clock),
            siren=lambda name, bus: combined_siren(
                LogSiren(), MqttSiren(bus, plan.home, name), SpeakerSiren()
            ),
            radios=radios,
            boot=boot_id(),
        )
        home = await stack.enter_async_context(running_home(settings, parts))
        app = create_app(
            home.desk,
            clock,
            reader=home.reader(),
            home_name=settings.home.name,
            time_zone=settings.home.time_zone,
        )
        web = await serve(app, base.web.host, free_port(base.web.host, options.port))
        stack.push_async_callback(web.stop)
        yield home, MqttBus(broker_url, "demo-watch", clock), web.url


async def _fall(simulation: SimulatedHome, clock: Clock, recording: RecordedStream | None) -> None:
    await clock.sleep(FALL_AFTER_S)
    if recording is None:
        simulation.fall(FALLER)
    else:
        simulation.play(FALLER, recording)


def _called(plan: HomePlan) -> str:
    return f"bed {plan.wearable_of(AT_RISK).bed}"


async def _go_out(simulation: SimulatedHome, clock: Clock) -> None:
    await clock.sleep(LEAVES_AFTER_S)
    simulation.go_out(AT_RISK, ENTRANCE)


async def _story(
    options: DemoOptions, watch: FallWatch, door: DoorWatch, home: RunningHome, url: str
) -> None:
    """Wait for each stage in turn; with `until_alert`, acknowledge as a carer would.

    Raises
    ------
    StageFailedError
        At the first stage that is not reached.
    NotMissedError
        If nobody noticed who left.
    """
    for stage, limit in STAGE_LIMITS_S.items():
        if stage is Stage.ACKNOWLEDGED:
            if not options.until_alert:
                return
            await _acknowledge(watch, home, url, limit)
        await watch.reached(stage, limit)
    if not await door.told():
        raise NotMissedError


async def _acknowledge(watch: FallWatch, home: RunningHome, url: str, limit_s: float) -> None:
    incident = await watch.paged_incident(limit_s)
    carer = home.settings.staff[0].id
    request = urllib.request.Request(  # noqa: S310 - our own board on this machine
        f"{url.rstrip('/')}/api/v1/incidents/{incident}/acknowledge",
        data=json.dumps({"staff_id": carer}).encode(),
        headers={"Content-Type": "application/json"},
        method="POST",
    )

    def post() -> None:
        with urllib.request.urlopen(request, timeout=limit_s):  # noqa: S310
            pass

    try:
        await asyncio.to_thread(post)
    except urllib.error.URLError as error:
        raise StageFailedError(Stage.ACKNOWLEDGED, limit_s) from error


def _greeting(plan: HomePlan, options: DemoOptions, url: str, seed: int) -> str:
    bed = plan.wearable_of(FALLER).bed
    if options.recording is None:
        what = f"a simulated fall (a physical model of one, not a recording; seed {seed})"
    else:
        what = f"trial {options.recording.trial}, a recorded fall"
    if options.bluez:
        what += "; every byte goes through bleak, D-Bus and a fake BlueZ"
    board = "" if options.headless else f"\n\n  Board:  {url}\n\n"
    return (
        f"A home of {len(plan.wearables)} residents and {len(plan.gateways)} gateways is running; "
        f"its files are in {options.folder}.{board or ' '}"
        f"In {FALL_AFTER_S:.0f} s the resident of bed {bed} falls: {what}.\n"
        f"In {LEAVES_AFTER_S:.0f} s {_called(plan)}, who may not leave alone, walks to the "
        f"{ENTRANCE} and out.\n"
        "Ctrl-C stops everything.\n\n"
        "  stage           since impact      step"
    )
