"""Simulated signal strengths beside recorded ones: ``python -m evaluation.whereabouts.radio DIR``.

The folder holds SPHERE's walks (a wrist in a house, four receivers) and Kolakowski's flat (a robot
with a beacon, six receivers, positions). What is compared is what a filter lives on: how strong the
own room is, how far a room's seconds lie apart, how soon they forget, and what distance and walls
take. The simulated home is another building, so levels of single rooms are not compared.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import pyarrow.csv
from numpy.typing import NDArray

from evaluation.rooms import SPHERE_STANDS_IN, SequenceError, read_sequence
from evaluation.whereabouts.simulated_home import HOUR_S, HomeInAir
from firmware_sim.behaviour import live_day, residents_of
from firmware_sim.floor import Floor, example_home

STANDS_IN: Final = {name: zone for name, zone in SPHERE_STANDS_IN.items() if zone != "stairs"}
"""SPHERE's receivers in rooms of their own: a landing is none."""
LAGS_S: Final = (1, 2, 5, 10, 30)
AT_REST_G: Final = 0.03
WALKS_G: Final = 0.1
HOURS: Final = range(10, 13)
"""Of the simulated day: after breakfast, when people move about, until dinner."""
SEED: Final = 1
ROBOT_M: Final = 0.3
"""Height of the robot's beacon above the floor, about."""


class Wrist(NamedTuple):
    """One wearable over some seconds."""

    rssi_dbm: NDArray[np.float32]
    """(receivers, seconds)"""
    zone: NDArray[np.int64]
    movement_g: NDArray[np.float32]
    own: Mapping[int, int]
    """Receiver to the zone in which it stands."""


class Sound(NamedTuple):
    """How wrists sound."""

    own_dbm: float
    own_heard: float
    """Share of the seconds in its room in which a receiver hears it."""
    within_db: float
    """Deviation around the mean of one receiver, wrist and room."""
    rests_db: tuple[float, ...]
    """Root of half the mean square difference of seconds that lie `LAGS_S` apart, wrist at rest."""
    walks_db: tuple[float, ...]


def sound(wrists: Iterable[Wrist]) -> Sound:
    """Of all wrists together, second by second."""
    own: list[NDArray[np.float32]] = []
    around: list[NDArray[np.float64]] = []
    rests: dict[int, list[NDArray[np.float64]]] = {lag: [] for lag in LAGS_S}
    walks: dict[int, list[NDArray[np.float64]]] = {lag: [] for lag in LAGS_S}
    for wrist in wrists:
        for receiver, heard in enumerate(wrist.rssi_dbm):
            if receiver in wrist.own:
                own.append(heard[wrist.zone == wrist.own[receiver]])
            for zone in np.unique(wrist.zone[wrist.zone >= 0]):
                there = heard[wrist.zone == zone]
                if np.isfinite(there).sum() >= 10:
                    around.append(there - np.nanmean(there, dtype=np.float64))
            for lag in LAGS_S:
                stays = (wrist.zone[lag:] == wrist.zone[:-lag]) & (wrist.zone[lag:] >= 0)
                squared = np.square(heard[lag:].astype(np.float64) - heard[:-lag])
                moved = wrist.movement_g[:-lag]
                rests[lag].append(squared[stays & (moved < AT_REST_G)])
                walks[lag].append(squared[stays & (moved > WALKS_G)])
    all_own = np.concatenate(own)
    return Sound(
        own_dbm=float(np.nanmean(all_own)),
        own_heard=float(np.isfinite(all_own).mean()),
        within_db=float(np.nanstd(np.concatenate(around))),
        rests_db=tuple(_half_root(rests[lag]) for lag in LAGS_S),
        walks_db=tuple(_half_root(walks[lag]) for lag in LAGS_S),
    )


def _half_root(squared: list[NDArray[np.float64]]) -> float:
    return float(np.sqrt(np.nanmean(np.concatenate(squared)) / 2))


def sphere(folder: Path) -> Iterable[Wrist]:
    """The recorded wrists."""
    for path in sorted(folder.glob("sphere-*")):
        one = read_sequence(path)
        own = {
            one.receivers.index(receiver): one.zones.index(zone)
            for receiver, zone in STANDS_IN.items()
            if receiver in one.receivers and zone in one.zones
        }
        yield Wrist(one.rssi_dbm, one.zone, one.movement_g, own)


class SimulatedHours(NamedTuple):
    """Some hours of the example home."""

    floor: Floor
    rssi_dbm: NDArray[np.float32]
    """(receivers, residents, seconds)"""
    zone: NDArray[np.int64]
    """(residents, seconds)"""
    x_m: NDArray[np.float32]
    y_m: NDArray[np.float32]
    storey: NDArray[np.int64]
    movement_g: NDArray[np.float32]


def simulated() -> SimulatedHours:
    """A morning of sixty residents."""
    floor = example_home()
    people = residents_of(floor, SEED)
    day = live_day(floor, people, 0, SEED)
    home = HomeInAir(floor, [each.bed for each in people], 0, SEED)
    hours = list(home.hours(day, 0, HOURS))
    span, rows = slice(HOURS.start * HOUR_S, HOURS.stop * HOUR_S), slice(0, len(people))
    return SimulatedHours(
        floor,
        np.concatenate([hour.rssi_dbm for hour in hours]).transpose(1, 2, 0),
        day.zone[rows, span].astype(np.int64),
        day.x_m[rows, span],
        day.y_m[rows, span],
        day.storey[rows, span].astype(np.int64),
        np.concatenate([hour.movement_g for hour in hours]).T,
    )


def wrists(hours: SimulatedHours) -> Iterable[Wrist]:
    """The simulated wrists."""
    own = {number: each.zone for number, each in enumerate(hours.floor.receivers)}
    for row in range(len(hours.zone)):
        yield Wrist(hours.rssi_dbm[:, row], hours.zone[row], hours.movement_g[row], own)


class Loss(NamedTuple):
    """Least squares of dBm on distance and walls."""

    at_one_metre_dbm: float
    exponent: float
    wall_db: float
    exponent_without_walls: float
    left_db: float
    """Deviation that distance and walls leave."""


def loss(metres: NDArray[np.float64], walls: NDArray[np.float64], dbm: NDArray[np.float64]) -> Loss:
    """Fit both laws."""
    one, decades = np.ones_like(metres), 10 * np.log10(metres)
    with_walls = np.stack((one, decades, walls), axis=1)
    found, *_ = np.linalg.lstsq(with_walls, dbm, rcond=None)
    alone, *_ = np.linalg.lstsq(with_walls[:, :2], dbm, rcond=None)
    left = float(np.std(dbm - with_walls @ found))
    return Loss(float(found[0]), -float(found[1]), -float(found[2]), -float(alone[1]), left)


def flat(folder: Path) -> Loss:
    """The recorded flat. Its plan draws both faces of each wall."""
    anchors = _columns(folder / "anchors.csv", "x", "y", "z")
    corner = _columns(folder / "layout.csv", "x", "y")
    table = folder / "calibration" / "calibration_df.csv"
    at = _columns(table, "x", "y")
    heard = _columns(table, *(f"rssi_{number}" for number in range(1, len(anchors) + 1)))
    metres, walls, dbm = [], [], []
    for number, anchor in enumerate(anchors):
        known = np.isfinite(heard[:, number])
        flat_m = np.hypot(*(at[known] - anchor[:2]).T)
        metres.append(np.hypot(flat_m, anchor[2] - ROBOT_M))
        walls.append(_crossed(at[known], anchor[:2], corner) / 2)
        dbm.append(heard[known, number])
    return loss(np.concatenate(metres), np.concatenate(walls), np.concatenate(dbm))


def _crossed(
    points: NDArray[np.float64], to: NDArray[np.float64], corner: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Lines between corners that the way from each point crosses."""
    begin, end = corner[:-1], corner[1:]

    def side(a: object, b: object, c: object) -> NDArray[np.float64]:
        one, other, third = np.asarray(a), np.asarray(b), np.asarray(c)
        across = (other - one)[..., 0] * (third - one)[..., 1]
        return np.asarray(across - (other - one)[..., 1] * (third - one)[..., 0])

    here = points[:, None]
    apart = side(here, to, begin) * side(here, to, end) < 0
    return np.asarray((apart & (side(begin, end, here) * side(begin, end, to) < 0)).sum(axis=1))


def simulated_loss(hours: SimulatedHours) -> Loss:
    """Of who is on a receiver's own storey; each thirtieth second."""
    some = (slice(None), slice(None, None, 30))
    place = np.stack((hours.x_m[some].ravel(), hours.y_m[some].ravel()), axis=1)
    storey = hours.storey[some].ravel()
    metres, walls, dbm = [], [], []
    for number, each in enumerate(hours.floor.receivers):
        strength = hours.rssi_dbm[number][some].ravel()
        known = np.isfinite(strength) & (storey == each.storey)
        to, at = np.array([[each.x_m, each.y_m]]), storey[known]
        flat_m = np.hypot(*(place[known] - to[0]).T)
        metres.append(np.hypot(flat_m, 1.2))
        walls.append(hours.floor.walls_between(to, np.array([each.storey]), place[known], at)[0])
        dbm.append(strength[known])
    return loss(np.concatenate(metres), np.concatenate(walls), np.concatenate(dbm))


def _columns(file: Path, *names: str) -> NDArray[np.float64]:
    table = pyarrow.csv.read_csv(file)
    return np.stack([table[name].to_numpy().astype(np.float64) for name in names], axis=1)


def report(folder: Path) -> str:
    """Both tables."""
    hours = simulated()
    heard = {"SPHERE": sound(sphere(folder)), "simulated": sound(wrists(hours))}
    lost = {"Kolakowski's flat": flat(folder / "ble-flat"), "simulated": simulated_loss(hours)}
    lines = [
        f"{'':20} {'own room':>9} {'heard':>6} {'within':>7}   at rest, {LAGS_S} s apart"
        "          walking"
    ]
    for name, one in heard.items():
        rests = " ".join(f"{each:4.1f}" for each in one.rests_db)
        walks = " ".join(f"{each:4.1f}" for each in one.walks_db)
        lines.append(
            f"{name:20} {one.own_dbm:9.1f} {one.own_heard:6.2f} {one.within_db:7.1f}   "
            f"{rests:28}   {walks}"
        )
    lines += ["", f"{'':20} {'at 1 m':>7} {'exponent':>9} {'wall':>5} {'no walls':>9} {'left':>5}"]
    for name, each in lost.items():
        lines.append(
            f"{name:20} {each.at_one_metre_dbm:7.1f} {each.exponent:9.2f} {each.wall_db:5.1f} "
            f"{each.exponent_without_walls:9.2f} {each.left_db:5.1f}"
        )
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> int:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, metavar="DIR")
    folder = parser.parse_args(arguments).folder
    if not (any(folder.glob("sphere-*/")) and (folder / "ble-flat").is_dir()):
        parser.error(f"{folder} holds no folders sphere-* and ble-flat")
    try:
        sys.stdout.write(report(folder) + "\n")
    except (SequenceError, OSError) as error:
        parser.error(str(error))
    return 0


if __name__ == "__main__":
    sys.exit(main())
