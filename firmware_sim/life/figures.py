"""What the simulated days of the example home are like, as figures: ``python -m
firmware_sim.life.figures --days 30``.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter

import numpy as np

from contract.whereabouts import ZoneUse
from firmware_sim.behaviour import Activity, Day, Happening, live_day, residents_of
from firmware_sim.floor import Floor, example_home

_WANDERS = (Happening.PACING, Happening.LAPPING, Happening.RANDOM)


def figures(floor: Floor, days: int, seed: int) -> list[str]:
    """Lines of ``what: figure``.

    Raises
    ------
    ValueError
        If `days` is below 1.
    """
    if days < 1:
        raise ValueError(f"{days} days have no figures")
    people = residents_of(floor, seed)
    counts: Counter[Happening] = Counter()
    rows: list[list[float]] = []
    openings = behind = 0
    wandered_s = 0.0
    begun = time.process_time()
    spent_s = 0.0
    for number in range(days):
        day = live_day(floor, people, number, seed)
        spent_s += time.process_time() - begun
        counts.update(episode.kind for episode in day.episodes)
        behind += sum(episode.is_behind_somebody for episode in day.episodes)
        wandered_s += sum(each.ended_s - each.begun_s for each in day.of_kind(*_WANDERS))
        openings += sum(each.is_open for each in day.openings)
        rows.append(_of_residents(floor, day))
        begun = time.process_time()
    wanderers = sum(person.profile.wanders for person in people)
    walks = sum(counts[kind] for kind in _WANDERS)
    means = np.mean(rows, axis=0).tolist()
    told = [f"{name}: {value:.1f}" for name, value in zip(_NAMES, means, strict=True)]
    told += [
        f"wandering walks of a wanderer a day: {walks / wanderers / days:.1f}",
        f"minutes of them: {wandered_s / 60 / wanderers / days:.0f}",
        f"openings of the exits' doors a day: {openings / days:.0f}",
        *(f"{kind}: {counts[kind]}" for kind in Happening),
        f"of the elopements behind somebody: {behind}",
        f"CPU seconds a day: {spent_s / days:.2f}",
    ]
    return told


_NAMES = (
    "hours in bed",
    "minutes on foot a day",
    "visits to a toilet a day",
    "of them from midnight to five",
    "changes of room a day",
)


def _of_residents(floor: Floor, day: Day) -> list[float]:
    """Means over the residents, in the order of `_NAMES`."""
    zone = day.zone[: day.residents]
    enters = zone[:, 1:] != zone[:, :-1]
    to_toilet = enters & np.isin(zone[:, 1:], floor.zones_of(ZoneUse.TOILET))
    walks = day.activity[: day.residents] == Activity.WALKING
    sums = (
        day.in_bed.sum(axis=1) / 3600,
        (walks & (zone >= 0)).sum(axis=1) / 60,
        to_toilet.sum(axis=1),
        to_toilet[:, : 5 * 3600].sum(axis=1),
        enters.sum(axis=1),
    )
    return [float(each.mean()) for each in sums]


def main(arguments: list[str] | None = None) -> int:
    """Print the figures of some days."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--days", type=int, default=30)
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args(arguments)
    try:
        lines = figures(example_home(), chosen.days, chosen.seed)
    except ValueError as error:
        parser.error(str(error))
    sys.stdout.write("\n".join(lines) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
