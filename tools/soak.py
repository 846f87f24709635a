"""``./run soak``: hours of a home of sixty in one process and in virtual time; memory and files
must not grow.

Everything runs that a home runs, from the wrists to the records, with somebody who needs help
now and then. Every virtual half hour memory (resident set) and the size of each service's files
are noted. After the warm-up:

- memory and the gateways' folders grow by less than a stated bound an hour: receipts empty the
  outboxes;
- the store and the records grow with what is put into them, and no faster in the second half
  than in the first.
"""

from __future__ import annotations

import argparse
import gc
import json
import logging
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import psutil
import structlog

from alerts import ResolutionOutcome
from contract.clock import VirtualClock, now_us
from contract.ids import seeded_ids
from contract.protocols import Bus
from contract.units import US_PER_S
from edge import LogSiren
from firmware_sim import HomePlan, SimulatedHome
from messaging import LocalBroker, LocalBus
from tools.chaos.falls import only_clear_falls
from tools.chaos.plan import home_of_sixty
from wardlight.running import Parts, RunningHome, background, running_home
from wardlight.settings import (
    GatewayEntry,
    HomeSettings,
    Settings,
    StaffSettings,
)
from wardlight.settings_devices import ResidentSettings

HOURS: Final = 12.0
"""Some seven CPU minutes, 36 s for each hour of sixty residents; 24 hours (HOURS=24) take
twice that."""

SAMPLE_S: Final = 1_800.0
WARM_UP_H: Final = 2.0
"""Models are read, caches fill, and write-ahead files reach the 4 MB at which they begin anew."""

NEED_EVERY_S: Final = 600.0
"""Between two people who need help: some ten times what a home of sixty has."""

CARE_S: Final = 90.0
ABOUT_CARE_S: Final = 10.0

MEMORY_MB_PER_H: Final = 2.0
"""What memory may grow by, as a slope over all samples after the warm-up. The reports of a
simulated home (its ground truth) take some 0.1 MB of it; a process that grows so reaches a
gigabyte after three weeks, one that leaks grows with what it handles: 216,000 points an hour."""

GATEWAY_MB_PER_H: Final = 0.25
"""What all gateways' folders may. Their files are reused, not shortened; an outbox that receipts
did not empty would grow by ten times that."""

FASTER: Final = 1.25
"""How much faster store and records may grow in the second half."""


class Sample(NamedTuple):
    """What was measured at one moment."""

    hour: float
    memory_mb: float
    gateways_mb: float
    store_mb: float
    records_mb: float
    waiting: int
    """Batches and events in all outboxes."""


def settings_of(plan: HomePlan) -> Settings:
    """Settings of a plan's home."""
    return Settings(
        home=HomeSettings(id=plan.home),
        residents=tuple(
            ResidentSettings(
                id=each.resident,
                name=each.resident.title(),
                bed=each.bed,
                zone=each.zone,
                floor="2/F",
                device=each.device,
                address=each.address,
                identity=each.identity,
                streaming=each.streaming,
            )
            for each in plan.wearables
        ),
        staff=(StaffSettings(id="mei", name="Mei", floor="2/F"),),
        gateways=tuple(GatewayEntry(name=each.name, zone=each.zone) for each in plan.gateways),
    )


async def _live(
    folder: Path, clock: VirtualClock, hours: float, seed: int
) -> tuple[list[Sample], int]:
    """Live for so many hours; the samples, and how many alarms were answered."""
    plan, broker = home_of_sixty(), LocalBroker()
    simulation = SimulatedHome(plan, clock, seed)

    def bus(client_id: str) -> Bus:
        return LocalBus(broker, client_id, clock)

    parts = Parts(
        clock=clock,
        ids=seeded_ids(clock, seed),
        folder=folder,
        bus=bus,
        siren=lambda _name, _bus: LogSiren(),
        radios={each.name: partial(simulation.radio, each.name) for each in plan.gateways},
        boot="soak",
    )
    samples: list[Sample] = []
    answered: list[str] = []
    async with (
        running_home(settings_of(plan), parts) as home,
        background(
            simulation.run(),
            _need_help(simulation, clock, plan),
            _care(home, simulation, clock, answered),
        ),
    ):
        for _ in range(round(hours * 3_600 / SAMPLE_S)):
            await clock.sleep(SAMPLE_S)
            hour = (len(samples) + 1) * SAMPLE_S / 3_600
            samples.append(_sample(hour, folder, home))
            sys.stderr.write(_row(samples[-1]) + "\n")
    return samples, len(answered)


async def _need_help(simulation: SimulatedHome, clock: VirtualClock, plan: HomePlan) -> None:
    turn = 0
    while True:
        await clock.sleep(NEED_EVERY_S)
        resident = plan.wearables[turn * 7 % len(plan.wearables)].resident
        if turn % 2:
            simulation.fall(resident)
        else:
            simulation.press_button(resident)
        turn += 1


async def _care(
    home: RunningHome, simulation: SimulatedHome, clock: VirtualClock, answered: list[str]
) -> None:
    while True:
        await clock.sleep(ABOUT_CARE_S)
        for incident in home.desk.board().incidents:
            paged_us = incident.paged_at_us
            if paged_us is None or now_us(clock) - paged_us < CARE_S * US_PER_S:
                continue
            home.desk.arrive(incident.id, "mei")
            home.desk.resolve(incident.id, "mei", ResolutionOutcome.ASSISTED)
            if incident.resident_id is not None:
                simulation.help_up(incident.resident_id)
            answered.append(incident.id)


def _sample(hour: float, folder: Path, home: RunningHome) -> Sample:
    gc.collect()
    gateways = home.gateways.values()
    return Sample(
        hour,
        psutil.Process().memory_info().rss / 1e6,
        sum(_bytes(folder, f"{name}/*") for name in home.gateways) / 1e6,
        _bytes(folder, "store.sqlite*") / 1e6,
        _bytes(folder, "records.sqlite*") / 1e6,
        sum(len(each.outbox.pending) + len(each.telemetry_outbox.pending) for each in gateways),
    )


def _bytes(folder: Path, pattern: str) -> int:
    return sum(path.stat().st_size for path in folder.glob(pattern))


def slope(samples: Sequence[Sample], values: Sequence[float]) -> float:
    """Growth an hour, by least squares."""
    return float(np.polyfit([each.hour for each in samples], values, 1)[0])


def judge(samples: Sequence[Sample], answered: int) -> list[str]:
    """What is wrong with the curves."""
    steady = [each for each in samples if each.hour > WARM_UP_H]
    faults = []
    if len(steady) < 4:
        return [f"{len(steady)} samples after the warm-up: at least 4 are needed to see growth"]
    if not answered:
        faults.append("nobody needed help: a home in which nothing happens shows nothing")
    memory = slope(steady, [each.memory_mb for each in steady])
    if memory > MEMORY_MB_PER_H:
        faults.append(f"memory grows by {memory:.2f} MB/h; bound {MEMORY_MB_PER_H:g}")
    gateways = slope(steady, [each.gateways_mb for each in steady])
    if gateways > GATEWAY_MB_PER_H:
        faults.append(f"gateways' files grow by {gateways:.2f} MB/h; bound {GATEWAY_MB_PER_H:g}")
    if steady[-1].waiting > 2 * max(1, steady[0].waiting) + 12:
        faults.append(f"{steady[-1].waiting} messages wait, {steady[0].waiting} at first")
    half = len(steady) // 2
    for name in ("store_mb", "records_mb"):
        first, second = (
            slope(part, [getattr(each, name) for each in part])
            for part in (steady[: half + 1], steady[half:])
        )
        if second > FASTER * max(first, 0.05):
            faults.append(f"{name}: {second:.2f} MB/h in the second half, {first:.2f} in the first")
    return faults


def _row(each: Sample) -> str:
    return (
        f"{each.hour:6.1f} h  memory {each.memory_mb:7.1f} MB  gateways {each.gateways_mb:6.2f} MB"
        f"  store {each.store_mb:8.1f} MB  records {each.records_mb:6.2f} MB  "
        f"waiting {each.waiting:3}"
    )


def main(arguments: list[str] | None = None) -> int:
    """Soak once; the exit status is 1 if something grows."""
    parser = argparse.ArgumentParser(prog="./run soak", description=__doc__)
    parser.add_argument(
        "--hours",
        type=float,
        default=float(os.environ.get("HOURS", HOURS)),
        help=f"virtual; default HOURS of the environment, or {HOURS:g}",
    )
    parser.add_argument("--seed", type=int, default=0, help="of the simulation")
    parser.add_argument("--json", action="store_true", help="the curve for a program")
    asked = parser.parse_args(arguments)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    clock = VirtualClock()
    began_s = time.process_time()
    with tempfile.TemporaryDirectory(prefix="wardlight-soak-") as folder, only_clear_falls():
        work = _live(Path(folder), clock, asked.hours, asked.seed)
        samples, answered = clock.run(work)
    faults = judge(samples, answered)
    cpu_s = time.process_time() - began_s
    if asked.json:
        report = {
            "passed": not faults,
            "hours": asked.hours,
            "seed": asked.seed,
            "cpu_s": round(cpu_s, 1),
            "alarms_answered": answered,
            "samples": [each._asdict() for each in samples],
            "faults": faults,
        }
        sys.stdout.write(json.dumps(report, indent=1) + "\n")
    else:
        lines = [_row(each) for each in samples]
        lines.append(f"{answered} alarms answered; {cpu_s:.0f} CPU s for {asked.hours:g} h")
        lines += [f"FAILED: {fault}" for fault in faults]
        lines.append("FAILED" if faults else "passed: nothing grows that should not")
        sys.stdout.write("\n".join(lines) + "\n")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
