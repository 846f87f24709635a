"""An hour in which every service is killed (-9) ten times at random, and residents fall.

What is real: mosquitto, the two gateways, ingest, the alert service and the board, each a
process of its own, killed by SIGKILL and started again a moment later as systemd does. The
residents and their wearables live in this process, as they do beside a gateway: one that is
killed hears afterwards what a wearable still has to tell, and no more.

What is not: the hour takes a fortieth of its time (`RATE`). The radio, the broker, the disk
and a start take as long as they take, so everything that this machine does seems forty times
slower to the home: a message of 2 ms takes 80 ms, a start of 100 ms four seconds. That is
harder than a home, not easier. Starts skip reading the program's code (`zygote`), which would
take two seconds of this machine, eighty of the home.

What is expected, of every fall of the simulation: exactly one alert was raised about it, and
its events are in the store. How soon is bounded by `PAGED_WITHIN_S`, which leaves room for a
gateway that is down at the impact and again at the first attempt to read the window.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import tempfile
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import select
from sqlalchemy.exc import OperationalError

from alerts import Database, Desk, ResolutionOutcome, UnknownHomeError
from alerts.records.models import Incident
from contract.clock import SystemClock, now_us
from contract.events import EventKind
from contract.ids import UuidSource
from contract.units import US_PER_S
from firmware_sim import SimulatedHome, residents
from ingest import StoreReader
from tools.chaos.falls import clear_fall
from tools.postgresql import PostgreSQL
from wardlight.air import AirServer

RATE = 40.0
SEED = int(os.environ.get("WARDLIGHT_KILLS_SEED", "3"))
"""Decides who falls, who is killed and when; what happens then is also a matter of timing."""

SERVICES = ("gateway-a", "gateway-b", "ingest", "alerts", "web")
WARM_UP_S = 60.0
"""Home time before the first kill and fall: everyone has been told who lives here."""

RESTART_S = (1.0, 10.0)
"""Home time from a kill to the start; systemd waits for as long as it is told, by default 0.1 s."""

FALL_EVERY_S = (200.0, 320.0)
PAGED_WITHIN_S = 180.0
SETTLE_S = PAGED_WITHIN_S + 20.0
"""Home time after the last fall and kill, for everything to arrive."""

AT_SAME_TIME_S = 30.0
"""An incident whose moment is so near to a fall's impact is about that fall."""


@pytest.fixture(autouse=True)
def _falls_are_clear(monkeypatch):
    monkeypatch.setattr(residents, "make_fall", clear_fall)


@dataclass
class Fall:
    resident: str
    impact_us: int

    def is_of(self, incident: Incident) -> bool:
        """Whether an incident is about this fall."""
        nearby = abs(incident.at_us - self.impact_us) < AT_SAME_TIME_S * US_PER_S
        return incident.resident == self.resident and nearby


class Hour:
    """The home, what is done to it, and what came of it."""

    def __init__(
        self,
        home,
        *,
        length_s: float,
        kills: int,
        postgresql: PostgreSQL | None,
        seed: int = SEED,
    ) -> None:
        self.home = home
        self.length_s = length_s
        self.servers = {"mosquitto": home.mosquitto}
        if postgresql is not None:
            self.servers["postgresql"] = postgresql
        self.zygote = home.zygote()
        self.clock = home.clock
        self.config = home.write_config()
        self.random = random.Random(seed)
        self.pids: dict[str, int] = {}
        self.wanted_kills = kills
        self.kills: dict[str, int] = dict.fromkeys((*self.servers, *SERVICES), 0)
        self.simulation = SimulatedHome(home.plan, self.clock, seed)
        self.air = AirServer(self.simulation, self.clock, home.folder / "air.socket")
        self.begun_ns = 0

    def seconds(self) -> float:
        return (self.clock.monotonic_ns() - self.begun_ns) / 1e9

    async def reach(self, at_s: float) -> None:
        await self.clock.sleep(max(0.0, at_s - self.seconds()))

    async def start(self, name: str) -> None:
        if name in self.servers:
            await self.servers[name].start()
            return
        environment = {}
        service = name
        if name.startswith("gateway"):
            service = "gateway"
            environment = {
                "WARDLIGHT_GATEWAY__NAME": name,
                "WARDLIGHT_GATEWAY__FOLDER": str(self.home.folder / name),
            }
        log = str(self.home.folder / name)
        self.pids[name] = self.zygote.start(service, self.config, log, environment)

    def kill(self, name: str) -> None:
        """Fails if it has ended by itself: nothing may end that is not killed."""
        if name in self.servers:
            assert self.servers[name].running
            self.servers[name].kill()
            return
        os.kill(self.pids.pop(name), signal.SIGKILL)

    async def kill_at_random(self, name: str) -> None:
        moments = sorted(
            self.random.uniform(WARM_UP_S, self.length_s) for _ in range(self.wanted_kills)
        )
        for at_s, pause_s in [(at_s, self.random.uniform(*RESTART_S)) for at_s in moments]:
            await self.reach(at_s)
            self.kill(name)
            self.kills[name] += 1
            await self.clock.sleep(pause_s)
            await self.start(name)

    async def let_fall(self) -> None:
        residents = [wearable.resident for wearable in self.home.plan.wearables]
        self.random.shuffle(residents)
        at_s = WARM_UP_S
        for number in range(1_000):
            await self.reach(at_s)
            self.simulation.fall(residents[number % len(residents)])
            at_s += self.random.uniform(*FALL_EVERY_S)
            if at_s > self.length_s:
                return

    async def care(self, desk: Desk) -> None:
        """Somebody sees each alert, goes there, helps, and says so."""
        while True:
            await self.clock.sleep(5)
            try:
                for incident in desk.board().incidents:
                    if now_us(self.clock) - incident.paged_at_us > 60 * US_PER_S:
                        desk.arrive(incident.id, "mei")
                        self.simulation.help_up(incident.resident_id)
                        desk.resolve(incident.id, "mei", ResolutionOutcome.TRUE_FALL_NO_INJURY)
            except (OperationalError, UnknownHomeError):
                continue  # the records are down or not set up yet: she tries again

    def falls(self) -> list[Fall]:
        return [
            Fall(entry.resident, entry.at_us)
            for entry in self.simulation.truth
            if entry.what == "fall_impact"
        ]


async def _run(hour: Hour, desk: Desk) -> None:
    home = hour.home
    await hour.air.start()
    living = asyncio.create_task(hour.simulation.run())
    try:
        for name in (*hour.servers, "alerts", "ingest", "gateway-a", "gateway-b", "web"):
            await hour.start(name)
        await home.board(lambda board: len(board["services"]) >= 4, "the home runs")
        hour.begun_ns = hour.clock.monotonic_ns()
        async with asyncio.TaskGroup() as everything:
            caring = everything.create_task(hour.care(desk))
            async with asyncio.TaskGroup() as deeds:
                deeds.create_task(hour.let_fall())
                for name in hour.kills:
                    deeds.create_task(hour.kill_at_random(name))
            await hour.clock.sleep(SETTLE_S)
            caring.cancel()
        await home.board(
            lambda board: all(each["online"] for each in board["services"]), "everyone is online"
        )
        assert not living.done()
    finally:
        living.cancel()
        await asyncio.gather(living, return_exceptions=True)
        await hour.air.stop()


def test_every_fall_is_alerted_once_and_none_is_lost(make_home):
    _play(make_home(rate=RATE), length_s=3_600.0, kills=10)


def test_the_same_on_postgresql_which_is_killed_too(make_home):
    """Ten minutes, because a second hour would show little more for its time."""
    with tempfile.TemporaryDirectory(prefix="wardlight-") as folder:
        Path(folder).chmod(0o711)
        server = PostgreSQL(Path(folder) / "postgresql", SystemClock())
        home = make_home(rate=RATE)
        home.database = server.url()
        try:
            _play(home, length_s=600.0, kills=3, postgresql=server)
        finally:
            home.end_all()
            server.stop()


def _play(home, *, length_s: float, kills: int, postgresql: PostgreSQL | None = None) -> None:
    home.gateway_lines = ['radio = "remote"', f'radio_socket = "{home.folder / "air.socket"}"']
    database = Database(home.database)
    hour = Hour(home, length_s=length_s, kills=kills, postgresql=postgresql)
    try:
        desk = Desk(database, home.clock, UuidSource(home.clock), "demo")
        asyncio.run(_run(hour, desk))
        with database.session() as session:
            incidents = list(session.scalars(select(Incident).order_by(Incident.at_us)))
    finally:
        for pid in hour.pids.values():
            os.kill(pid, signal.SIGKILL)
        database.close()
    assert set(hour.kills.values()) == {kills}
    reader = StoreReader(home.store)
    faults = list(_faults(hour.falls(), incidents, reader))
    reader.close()
    assert faults == [], "\n".join(map(_describe, incidents))


def _faults(falls, incidents, reader):
    """What is wrong with the ledger of falls and alerts."""
    for fall in falls:
        name = f"fall of {fall.resident} at {fall.impact_us}"
        about = [each for each in incidents if fall.is_of(each)]
        if len(about) != 1:
            yield f"{name}: {len(about)} alerts"
            continue
        (incident,) = about
        if incident.paged_at_us is None:
            yield f"{name}: nobody was called"
        elif incident.paged_at_us - fall.impact_us > PAGED_WITHIN_S * US_PER_S:
            yield f"{name}: paged after {(incident.paged_at_us - fall.impact_us) / 1e6:.0f} s"
        stored = reader.events(
            fall.impact_us - 60 * US_PER_S, fall.impact_us + 300 * US_PER_S, resident=fall.resident
        )
        if not {each.event.kind for each in stored} & {
            EventKind.FALL_SUSPECTED,
            EventKind.FALL_DETECTED,
        }:
            yield f"{name}: not in the store"
    for incident in incidents:
        if not any(fall.is_of(incident) for fall in falls):
            yield f"an alert about no fall: {_describe(incident)}"


def _describe(incident):
    paged_s = incident.paged_at_us and (incident.paged_at_us - incident.at_us) / 1e6
    return f"{incident.kind} of {incident.resident} at {incident.at_us}, paged after {paged_s} s"
