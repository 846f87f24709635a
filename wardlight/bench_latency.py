"""How long the system itself takes, from the last sample that a fall needs to the alert row.

A home runs in virtual time, where waiting costs nothing: what passes on the machine's clock
between the tick that closes the deciding second and the alert service's receipt is
processing alone (grid, detectors, outbox on disk, broker in memory, the alert's commit). The
radio's and the lateness budget's waiting are excluded on purpose; they are constants.
"""

from __future__ import annotations

import bisect
import tempfile
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np

from alerts import ResolutionOutcome
from contract import topics, wire
from contract.clock import VirtualClock
from contract.events import Event, EventKind, Receiver
from contract.ids import seeded_ids
from contract.messages import Receipt
from contract.protocols import Bus, Message
from contract.units import NS_PER_US
from edge import LogSiren
from firmware_sim import SimulatedHome, demo_home
from messaging import LocalBroker, LocalBus
from wardlight.roster import demo_settings
from wardlight.running import Parts, RunningHome, background, running_home
from wardlight.settings import Settings

FALLS: Final = 200
UNTIL_ANSWERED_S: Final = 50.0
"""Rising, falling, and the confirmation's half minute, with time to spare."""

BETWEEN_S: Final = 25.0
"""Helped up and quiet again before the next one falls."""

LIMIT_MS: Final = 250.0
"""p99; the bar of the first milestone."""


class _TimedClock(VirtualClock):
    """Notes when, on the machine's clock, each virtual moment began."""

    def __init__(self) -> None:
        super().__init__()
        self._virtual_ns: list[int] = [self.now_ns()]
        self._machine_s: list[float] = [time.perf_counter()]

    def pass_time(self, nanoseconds: int) -> None:
        super().pass_time(nanoseconds)
        self._virtual_ns.append(self.now_ns())
        self._machine_s.append(time.perf_counter())

    def machine_s(self, at_ns: int) -> float:
        """When the first virtual moment not before `at_ns` began."""
        return self._machine_s[bisect.bisect_left(self._virtual_ns, at_ns)]


class _Stopwatch:
    """Reads the machine's clock when alerts has given its receipt for a detected fall."""

    def __init__(self, clock: _TimedClock) -> None:
        self.milliseconds: list[float] = []
        self._clock = clock
        self._made: dict[str, Event] = {}

    async def on_messages(self, messages: Sequence[Message]) -> None:
        now = time.perf_counter()
        for message in messages:
            if topics.parse(message.topic).branch == topics.EVENT:
                event = wire.decode(message.payload, Event)
                if event.kind is EventKind.FALL_DETECTED:
                    self._made.setdefault(event.id, event)
                continue
            receipt = wire.decode(message.payload, Receipt)
            if receipt.by is not Receiver.ALERTS:
                continue
            for identifier in receipt.ids:
                made = self._made.pop(identifier, None)
                if made is not None:
                    began = self._clock.machine_s(made.emitted_at_us * NS_PER_US)
                    self.milliseconds.append((now - began) * 1e3)


async def _fall_and_answer(
    home: RunningHome, simulation: SimulatedHome, clock: VirtualClock
) -> None:
    residents = [resident.id for resident in home.settings.residents]
    await clock.sleep(20.0)
    for number in range(FALLS):
        resident = residents[number % len(residents)]
        simulation.fall(resident)
        await clock.sleep(UNTIL_ANSWERED_S)
        for incident in home.desk.board().incidents:
            home.desk.acknowledge(incident.id, "mei")
            home.desk.resolve(incident.id, "mei", ResolutionOutcome.DRILL)
        simulation.help_up(resident)
        await clock.sleep(BETWEEN_S)


async def _run(clock: _TimedClock, stopwatch: _Stopwatch, folder: Path) -> None:
    broker = LocalBroker()
    plan = demo_home()
    simulation = SimulatedHome(plan, clock, seed=1)

    def bus(client_id: str) -> Bus:
        return LocalBus(broker, client_id, clock)

    parts = Parts(
        clock=clock,
        ids=seeded_ids(clock, 1),
        folder=folder,
        bus=bus,
        siren=lambda _name, _bus: LogSiren(),
        radios={g.name: partial(simulation.radio, g.name) for g in plan.gateways},
        boot="bench",
    )
    filters = (
        topics.event_topic(plan.home, topics.ANY, topics.ANY),
        topics.build(plan.home, topics.ANY, topics.RECEIPT),
    )
    async with (
        background(bus("stopwatch").run(filters, stopwatch.on_messages)),
        running_home(demo_settings(plan, Settings()), parts) as home,
        background(simulation.run()),
    ):
        await _fall_and_answer(home, simulation, clock)


def bench_latency() -> list[dict[str, Any]]:
    """Percentiles over `FALLS` falls, and how many of them were detected at all."""
    clock = _TimedClock()
    stopwatch = _Stopwatch(clock)
    with tempfile.TemporaryDirectory(prefix="wardlight-bench-") as folder:
        clock.run(_run(clock, stopwatch, Path(folder)))
    p50, p99 = (
        np.percentile(stopwatch.milliseconds, (50, 99))
        if stopwatch.milliseconds
        else (
            float("nan"),
            float("nan"),
        )
    )
    rows = []
    for name, value, bar in (("p50", float(p50), None), ("p99", float(p99), LIMIT_MS)):
        rows.append(
            {
                "name": f"last sample to alert row, {name}",
                "value": value,
                "unit": "ms",
                "against": f"{LIMIT_MS:.0f} ms",
                "ratio": value / LIMIT_MS,
                "bar": 1.0 if bar else None,
                "ok": value < LIMIT_MS,
            }
        )
    found = len(stopwatch.milliseconds)
    rows.append(
        {
            "name": "falls timed",
            "value": found,
            "unit": "of the falls made",
            "against": f"{FALLS} falls",
            "ratio": found / FALLS,
            "bar": None,
            "ok": found > 0,
        }
    )
    return rows
