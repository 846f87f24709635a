"""How well wandering is told from errands, on walks that were made up: synthetic, not patients.

``python -m evaluation.whereabouts.episodes`` prints the table. Each row of it plays the same walks
through `detectors.travel.TravelPatterns` with so many rooms missed and so many heard wrongly. The
walks and the rule come from the same project, so the figures are optimistic; what they can show is
what missed and wrong rooms cost, and that an errand is none of it.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from detectors.travel import STAY_S, TravelPatterns
from detectors.travel_shape import count_hops
from evaluation.intervals import wilson

CORRIDOR: Final = 6
"""Parts of a corridor that runs round a courtyard."""
ROOMS: Final = 10
"""Off it, at every other part two."""

WALKED_S: Final = (5, 20)
"""Seconds in a room that is walked through: 0.4 to 1.2 m/s over 5 to 8 m, and a look round."""
ERRAND_S: Final = (45, 110)
"""A short stay at the goal of an errand; the detector ends a walk at 120 s, so longer ones are
easy."""
LONG_ERRAND_S: Final = (STAY_S + 1, 300)
GHOST_S: Final = (1, 6)
GHOST_NEXT_DOOR: Final = 0.7
"""Share of wrongly heard rooms that are next to the true one; the rest is anywhere."""
LEAST_S: Final = 75
"""No wandering is shorter: by definition it is a minute of walking (SCIENCE 3.1), and the first
room was left, not walked through."""
RANDOM_VISITS: Final = (10, 24)
"""Two to five minutes; an average cycle of wandering takes 2.2 (Algase 1997, SCIENCE 3.1)."""
LEAST_REVISITS: Final = 4
"""Without so many a walk at random is a way (SCIENCE 3.2)."""
REST_S: Final = STAY_S + 30

RATES: Final = ((0.0, 0.0), (0.05, 0.05), (0.1, 0.1), (0.2, 0.2))
"""Missed and wrong rooms for each room entered, as in SCIENCE 3.2."""
EACH: Final = 400
SEED: Final = 7

Visit = tuple[int, int]
"""Zone, and seconds there."""


class Home(NamedTuple):
    """A graph to walk on."""

    near: NDArray[np.bool_]
    rings: tuple[tuple[int, ...], ...]
    """Ways that lead round."""


class Share(msgspec.Struct, frozen=True, kw_only=True):
    """So many of so many."""

    hits: int
    of: int
    low: float
    high: float
    """Wilson's interval, 95 %: the walks are independent."""

    @property
    def share(self) -> float:
        """Hits of all."""
        return self.hits / self.of


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the table."""

    missed: float
    ghosts: float
    sensitivity: Share
    """Wandering of any kind called wandering of any kind."""
    specificity: Share
    """Direct walks and errands called direct."""
    errands: Share
    by_kind: dict[str, dict[str, int]]
    """What was made, and what it was called how often."""
    delay_p50_s: float
    delay_p95_s: float
    """From the beginning of a walk until it was certain to be wandering."""
    is_synthetic: bool = True


def courtyard() -> Home:
    """A corridor round a courtyard with rooms off it, two of them joined by a door of their own."""
    zones = CORRIDOR + ROOMS
    near = np.zeros((zones, zones), np.bool_)
    for part in range(CORRIDOR):
        near[part, (part + 1) % CORRIDOR] = True
    for room in range(ROOMS):
        near[CORRIDOR + room, room % CORRIDOR] = True
    near[CORRIDOR, CORRIDOR + 1] = True
    ring = tuple(range(CORRIDOR))
    return Home(near | near.T, (ring, ring[::-1], (0, CORRIDOR, CORRIDOR + 1, 1)))


def _way(home: Home, start: int, end: int) -> list[int]:
    """One shortest way, both ends in it."""
    hops = count_hops(home.near)
    way = [start]
    while way[-1] != end:
        closer = home.near[way[-1]] & (hops[:, end] == hops[way[-1], end] - 1)
        way.append(int(np.flatnonzero(closer)[0]))
    return way


def _two(home: Home, rng: np.random.Generator, least: int, most: int) -> tuple[int, int]:
    hops = count_hops(home.near)
    start, end = rng.choice(np.argwhere((hops >= least) & (hops <= most)))
    return int(start), int(end)


def _through(rooms: Sequence[int], rng: np.random.Generator) -> list[Visit]:
    return [(room, int(rng.integers(*WALKED_S, endpoint=True))) for room in rooms]


def _direct(home: Home, rng: np.random.Generator) -> list[Visit]:
    return _through(_way(home, *_two(home, rng, 2, 6)), rng)


def _errand(home: Home, rng: np.random.Generator) -> list[Visit]:
    start, goal = _two(home, rng, 2, 5)
    way = _way(home, start, goal)
    visits: list[Visit] = _through(way[:1], rng)
    for _ in range(int(rng.choice((1, 2)))):
        stays = ERRAND_S if rng.random() < 0.5 else LONG_ERRAND_S
        visits += _through(way[1:-1], rng)
        visits.append((goal, int(rng.integers(*stays, endpoint=True))))
        visits += _through(way[-2::-1], rng)
    return visits


def _pacing(home: Home, rng: np.random.Generator, most: int = 4) -> list[Visit]:
    way = _way(home, *_two(home, rng, 1, most))
    legs = int(rng.integers(4, 12))
    rooms = list(way)
    for leg in range(legs):
        rooms += way[-2::-1] if leg % 2 == 0 else way[1:]
    return _through(rooms, rng)


def _shuttle(home: Home, rng: np.random.Generator) -> list[Visit]:
    return _pacing(home, rng, most=1)


def _lapping(home: Home, rng: np.random.Generator) -> list[Visit]:
    ring = home.rings[int(rng.integers(len(home.rings)))]
    begin = int(rng.integers(len(ring)))
    passes = int(len(ring) * rng.uniform(2, 5)) + 1
    return _through([ring[(begin + index) % len(ring)] for index in range(passes)], rng)


def _random(home: Home, rng: np.random.Generator) -> list[Visit]:
    rooms = [int(rng.integers(len(home.near)))]
    visits = int(rng.integers(*RANDOM_VISITS, endpoint=True))
    while len(rooms) < visits or len(rooms) - len(set(rooms)) < LEAST_REVISITS:
        rooms.append(int(rng.choice(np.flatnonzero(home.near[rooms[-1]]))))
    return _through(rooms, rng)


WALKS: Final[dict[str, Callable[[Home, np.random.Generator], list[Visit]]]] = {
    "direct": _direct,
    "errand": _errand,
    "pacing": _pacing,
    "shuttle": _shuttle,
    "lapping": _lapping,
    "random": _random,
}
IS_DIRECT: Final = frozenset({"direct", "errand"})


def make(kind: str, home: Home, rng: np.random.Generator) -> list[Visit]:
    """A walk of that kind; one that wanders takes at least `LEAST_S`."""
    while True:
        visits = WALKS[kind](home, rng)
        if kind in IS_DIRECT or sum(stay for _, stay in visits[1:-1]) >= LEAST_S:
            return visits


def spoil(
    visits: Sequence[Visit], home: Home, rng: np.random.Generator, missed: float, ghosts: float
) -> list[Visit]:
    """As a home's receivers tell it: a missed room's seconds count for the one before."""
    told: list[Visit] = [visits[0]]
    for zone, stay in visits[1:-1]:
        if rng.random() < missed:
            told.append((told[-1][0], stay))
        elif rng.random() < ghosts:
            told += _haunted(zone, stay, home, rng)
        else:
            told.append((zone, stay))
    told.append(visits[-1])
    return told


def _haunted(zone: int, stay: int, home: Home, rng: np.random.Generator) -> list[Visit]:
    around = np.flatnonzero(home.near[zone])
    others = np.delete(np.arange(len(home.near)), zone)
    ghost = int(rng.choice(around if rng.random() < GHOST_NEXT_DOOR else others))
    at = int(rng.integers(0, stay))
    return [(zone, at), (ghost, int(rng.integers(*GHOST_S, endpoint=True))), (zone, stay - at)]


def seconds_of(walks: Sequence[Sequence[Visit]]) -> NDArray[np.int64]:
    """(walks, seconds) zone of each; before and after it she rests where it begins and ends."""
    longest = max(sum(stay for _, stay in walk) for walk in walks) + 2 * REST_S
    zone = np.empty((len(walks), longest), np.int64)
    for row, walk in enumerate(walks):
        rests = [(walk[0][0], REST_S), *walk]
        told = np.repeat([each for each, _ in rests], [stay for _, stay in rests])
        zone[row, : len(told)] = told
        zone[row, len(told) :] = told[-1]
    return zone


def judge(
    missed: float, ghosts: float, *, each: int = EACH, seed: int = SEED, home: Home | None = None
) -> Report:
    """Play `each` walks of every kind, with these shares of rooms missed and wrong."""
    home = home or courtyard()
    rng = np.random.default_rng(seed)
    kinds = [kind for kind in WALKS for _ in range(each)]
    walks = [spoil(make(kind, home, rng), home, rng, missed, ghosts) for kind in kinds]
    zone = seconds_of(walks)
    patterns = TravelPatterns(home.near, len(walks))
    called, delays = ["direct"] * len(walks), []
    for second in range(zone.shape[1]):
        for said in patterns.step(zone[:, second], second):
            # Who keeps to one room for most of it is believed for how she moves: these walk.
            called[said.row] = said.kind
            if said.ended_s is None:
                delays.append(second - said.begun_s)
    by_kind = {kind: dict.fromkeys(("direct", "random", "pacing", "lapping"), 0) for kind in WALKS}
    for kind, name in zip(kinds, called, strict=True):
        by_kind[kind][name] += 1
    direct = [by_kind[kind]["direct"] for kind in IS_DIRECT]
    wandering = [each - by_kind[kind]["direct"] for kind in WALKS if kind not in IS_DIRECT]
    median, late = np.quantile(delays, (0.5, 0.95)) if delays else (np.nan, np.nan)
    return Report(
        missed=missed,
        ghosts=ghosts,
        sensitivity=_share(sum(wandering), each * len(wandering)),
        specificity=_share(sum(direct), each * len(direct)),
        errands=_share(by_kind["errand"]["direct"], each),
        by_kind=by_kind,
        delay_p50_s=float(median),
        delay_p95_s=float(late),
    )


def _share(hits: int, of: int) -> Share:
    low, high = wilson(hits, of)
    return Share(hits=hits, of=of, low=low, high=high)


def table(reports: Sequence[Report]) -> str:
    """For people."""
    lines = ["Synthetic walks on a made-up home; no patients. Shares with 95 % intervals (Wilson)."]
    for report in reports:
        lines.append(f"missed {report.missed:.0%}, wrong {report.ghosts:.0%}:")
        for name in ("sensitivity", "specificity", "errands"):
            part: Share = getattr(report, name)
            told = "errands direct" if name == "errands" else name
            lines.append(
                f"  {told:15} {part.share:.3f} ({part.low:.3f} to {part.high:.3f}, n = {part.of})"
            )
        lines.append(
            f"  certain after   {report.delay_p50_s:.0f} s, p95 {report.delay_p95_s:.0f} s"
        )
        for kind, names in report.by_kind.items():
            lines.append(
                f"  {kind:15} " + ", ".join(f"{name} {count}" for name, count in names.items())
            )
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--each", type=int, default=EACH, help="walks of each kind")
    parser.add_argument("--seed", type=int, default=SEED)
    options = parser.parse_args(arguments)
    if options.each < 1:
        parser.error("--each: at least one walk of each kind")
    reports = [judge(*rates, each=options.each, seed=options.seed) for rates in RATES]
    sys.stdout.write(table(reports) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
