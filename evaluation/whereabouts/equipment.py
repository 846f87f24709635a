"""What makes rooms better: evenings of the example home, with less in it and with all that it has.

``python -m evaluation.whereabouts.equipment``, in a minute of CPU. Each row has one thing more
than the one before. Synthetic, as everything of this home.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from dataclasses import replace
from typing import Final, NamedTuple

from contract.devices import Quantity
from contract.whereabouts import ZoneUse
from evaluation.whereabouts.simulated import RoomSeconds, SimulatedDays
from firmware_sim.floor import Floor, example_home

EVENING: Final = range(20, 24)
"""Hours of the first day: on foot, to the toilet, to bed and asleep."""
FIVE_MINUTES_S: Final = 300


class Equipped(NamedTuple):
    """One way to fit out the home."""

    what: str
    walk_s: int | None
    """As `SimulatedDays` takes it."""
    mats: bool
    toilets: bool
    """Whether each toilet has a receiver of its own."""


STEPS: Final = (
    Equipped("by its plan alone, no mats, no receiver in toilets", 0, False, False),
    Equipped("and a walk of five minutes", FIVE_MINUTES_S, False, False),
    Equipped("and half a minute in each room", None, False, False),
    Equipped("and mats, in half of the beds", None, True, False),
    Equipped("and a receiver in each toilet", None, True, True),
)


def fitted(floor: Floor, step: Equipped) -> Floor:
    """The same home without what a step does not have yet."""
    beds, receivers, sensors = floor.beds, floor.receivers, floor.sensors
    if not step.toilets:
        toilets = floor.zones_of(ZoneUse.TOILET)
        receivers = tuple(each for each in receivers if each.zone not in toilets)
    if not step.mats:
        beds = tuple(each._replace(sensor="") for each in beds)
        sensors = tuple(each for each in sensors if each.quantity is not Quantity.OCCUPIED)
    return replace(floor, beds=beds, receivers=receivers, sensors=sensors)


def measured(seed: int) -> Iterator[tuple[Equipped, RoomSeconds]]:
    """Each step, and how rooms were told with it."""
    for each in STEPS:
        floor = fitted(example_home(), each)
        yield each, SimulatedDays(1, seed, walk_s=each.walk_s, floor=floor).rooms(EVENING)


def main(arguments: list[str] | None = None) -> int:
    """Print the table, each row when it is known."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1, choices=range(1000), metavar="N")
    chosen = parser.parse_args(arguments)
    sys.stdout.write(f"{'right':>6} {'walking':>8}   seed {chosen.seed}, 20 to 24 h, synthetic\n")
    for each, found in measured(chosen.seed):
        walking = found.right_walking / found.seen_walking
        sys.stdout.write(f"{found.right / found.seen:6.3f} {walking:8.3f}   {each.what}\n")
        sys.stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
