"""CPU-seconds of a simulated day of sixty: what people do, receivers hear and sensors say."""

from __future__ import annotations

import sys
import time
from typing import Final

import msgspec
import numpy as np

from evaluation.alone import Row, measured_alone
from evaluation.whereabouts.simulated_home import HomeInAir
from firmware_sim.behaviour import Day, carers_names, live_day, residents_of
from firmware_sim.floor import example_home

BAR_S: Final = 20.0
"""CPU-seconds for a day of sixty, as asked."""
DAYS: Final = 3
"""The best of so many counts; the first one also finds the home's ways."""


def bench_home() -> list[Row]:
    """The rows, measured in a process of its own with one thread (`evaluation.alone`).

    Raises
    ------
    subprocess.CalledProcessError
        If the measurement fails; its own words are on standard error.
    """
    return measured_alone(__name__)


def measure_all() -> list[Row]:
    """The rows, measured in this process."""
    floor = example_home()
    people = residents_of(floor)
    began = time.process_time()
    live_day(floor, people, 0)
    first_s = time.process_time() - began
    beds = [each.bed for each in people]
    home = HomeInAir(floor, beds, len(carers_names()), 0)
    lives_s, hears_s = np.inf, np.inf
    for number in range(1, DAYS):
        began = time.process_time()
        day = live_day(floor, people, number)
        lived = time.process_time()
        _hear(home, day, number)
        lives_s = min(lives_s, lived - began)
        hears_s = min(hears_s, time.process_time() - lived)
    name = f"simulated day of {len(people)} residents"
    return [
        _row(f"{name}: behaviour, the first day", first_s, barred=False),
        _row(f"{name}: behaviour", lives_s, barred=False),
        _row(
            f"{name}: behaviour, {len(floor.receivers)} receivers and {len(home.sensors)} sensors",
            lives_s + hears_s,
        ),
    ]


def _row(name: str, value_s: float, *, barred: bool = True) -> Row:
    return {
        "name": name,
        "value": round(value_s, 2),
        "unit": "CPU-s",
        "against": f"the bar: {BAR_S:g} s",
        "ratio": round(BAR_S / value_s, 2),
        "bar": 1.0 if barred else None,
        "ok": value_s <= BAR_S if barred else None,
    }


def _hear(home: HomeInAir, day: Day, number: int) -> None:
    """Strengths of all tags at all receivers, and what all sensors say, hour by hour as played."""
    for _ in home.hours(day, number):
        pass


if __name__ == "__main__":
    sys.stdout.buffer.write(msgspec.json.encode(measure_all()))
