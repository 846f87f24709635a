"""How many residents' seconds of rooms, walks and habits one core gets through, beside a loop.

The peer is what one writes first: the same filter in plain Python, one resident after the other,
without the sensors and with the simpler published rule for walks, which makes it faster than ours
in a loop would be (`evaluation.whereabouts.bench_peer`). Both are timed in one process with
the same seconds.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Final, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from contract.whereabouts import ZoneUse
from detectors.dwell import stays
from detectors.habits import HOURS, Rates
from detectors.location import RoomFilter
from detectors.room_model import RoomModel, Walk, learn
from detectors.travel import TravelPatterns
from detectors.travel_shape import count_hops
from evaluation.alone import Row, measured_alone
from evaluation.whereabouts.bench_peer import PlainLoop
from evaluation.whereabouts.episodes import courtyard

RESIDENTS: Final = 1024
BAR_RATE: Final = 2.0e6
"""Resident-seconds per CPU-second, as asked."""
BAR_PEER: Final = 100.0

RECEIVERS: Final = 8
SENSORS: Final = 8
SECONDS: Final = 600
"""Played round and round."""
PEER_RESIDENTS: Final = 4
"""It takes one after the other, so that their number does not matter."""
STAYS_S: Final = (20, 568)
"""Time in a room: 294 changes of room a day for everybody, the 49 walks that Algase (1997, SCIENCE
3.1) counted of people who wander, with six rooms each."""
FADING_DB: Final = 5.0
AT_RECEIVER_DBM: Final = -58.0
DB_A_ROOM: Final = 9.0
WEAKEST_DBM: Final = -88.0
SENSOR_SHARE: Final = 0.05
"""Of the seconds in which a sensor fires: PIRs of a home at rest."""
SENSOR_FIRES: Final = 0.35
SENSOR_IDLE: Final = 0.08
"""Of the seconds that somebody spends in a sensor's zone, and elsewhere."""

LEAST_CPU_S: Final = 0.02
LEAST_RUNS: Final = 24
"""Somebody else's work on the machine slows most of them down, and none up."""
WARM_S: Final = 60


class Life(NamedTuple):
    """Seconds of a home, and the home."""

    model: RoomModel
    rssi_dbm: NDArray[np.float32]
    """(seconds, receivers, residents)"""
    movement_g: NDArray[np.float32]
    """(seconds, residents)"""
    active: NDArray[np.bool_]
    """(seconds, sensors)"""


def live(residents: int, seed: int = 0) -> Life:
    """Residents who walk about the courtyard home (made up), and what its receivers hear."""
    rng = np.random.default_rng(seed)
    home = courtyard()
    zone = np.array([_stroll(home.near, rng) for _ in range(residents)]).T
    stands = np.linspace(0, len(home.near) - 1, RECEIVERS).astype(np.int64)
    steps = count_hops(home.near)[stands]
    rssi = AT_RECEIVER_DBM - DB_A_ROOM * steps[:, zone].transpose(1, 0, 2)
    rssi = (rssi + rng.normal(0, FADING_DB, rssi.shape)).astype(np.float32)
    rssi[rssi < WEAKEST_DBM] = np.nan
    active = rng.random((SECONDS, SENSORS)) < SENSOR_SHARE
    walks = [Walk(rssi[:, :, row].T, active.T, zone[:, row]) for row in range(min(residents, 16))]
    names = [f"zone {number}" for number in range(len(home.near))]
    receivers = [f"receiver {number}" for number in range(RECEIVERS)]
    model = learn(
        walks,
        zones=names,
        receivers=receivers,
        sensors=[f"sensor {number}" for number in range(SENSORS)],
        near=home.near,
        stands_in={name: names[at] for name, at in zip(receivers, stands, strict=True)},
    )
    # At random sensors fire everywhere alike; here each one's word is one about a zone.
    fires = np.full((SENSORS, len(names)), SENSOR_IDLE, np.float32)
    fires[np.arange(SENSORS), stands] = SENSOR_FIRES
    model = model._replace(fires=fires)
    movement = rng.uniform(0, 0.08, (SECONDS, residents)).astype(np.float32)
    return Life(model, rssi, movement, active)


def _stroll(near: NDArray[np.bool_], rng: np.random.Generator) -> NDArray[np.int64]:
    zones: list[int] = []
    here = int(rng.integers(len(near)))
    while len(zones) < SECONDS:
        zones += [here] * int(rng.integers(*STAYS_S))
        here = int(rng.choice(np.flatnonzero(near[here])))
    return np.array(zones[:SECONDS])


class Ours:
    """Rooms, walks and habits of all residents."""

    def __init__(self, life: Life) -> None:
        self._life = life
        residents = life.rssi_dbm.shape[2]
        self._rooms = RoomFilter(life.model, residents)
        homes = np.arange(residents) % len(life.model.zones)
        self._rooms.note_stays(stays([ZoneUse.BEDROOM] * len(life.model.zones), homes))
        self._patterns = TravelPatterns(life.model.near, residents)
        self._rates = Rates(residents)
        self._alive = np.ones(len(life.model.receivers), np.bool_)
        self._before = np.full(residents, -1)
        self._moves = np.zeros(residents)
        self._second = 0
        self.surprises = np.zeros(residents)
        self.episodes = 0

    @property
    def zones(self) -> NDArray[np.int64]:
        """(residents,) zone that is told of each."""
        return self._before

    def run_second(self) -> None:
        """One second of everybody; at the end of an hour its changes of room are learnt."""
        life, at = self._life, self._second % SECONDS
        places = self._rooms.step(
            life.rssi_dbm[at], life.movement_g[at], life.active[at], self._alive
        )
        self.episodes += len(self._patterns.step(places.zone, self._second))
        self._moves += places.zone != self._before
        self._before = places.zone
        self._second += 1
        if self._second % 3600 == 0:
            hour = self._second // 3600 % HOURS
            self.surprises = self._rates.surprise(hour, self._moves.astype(np.int64))
            self._rates.learn(hour, self._moves)
            self._moves[:] = 0
            if hour == 0:
                self._rates.end_day()
                self._patterns.close_day()


def bench_whereabouts() -> list[Row]:
    """The rows, measured in a process of its own with one thread (`evaluation.alone`).

    Raises
    ------
    subprocess.CalledProcessError
        If the measurement fails; its own words are on standard error.
    """
    return measured_alone(__name__)


def measure_all() -> list[Row]:
    """The rows, measured in this process."""
    life = live(RESIDENTS)
    ours = RESIDENTS / _seconds_each(Ours(life).run_second)
    peer_life = Life(life.model, life.rssi_dbm[:, :, :PEER_RESIDENTS], *life[2:])
    peer = PEER_RESIDENTS / _seconds_each(
        PlainLoop(peer_life.model, peer_life.rssi_dbm, life.movement_g, life.active).run_second
    )
    name = f"whereabouts: rooms, walks, habits, {RESIDENTS} residents"
    return [
        _row(name, ours, f"the bar: {BAR_RATE:,.0f}", ours / BAR_RATE, 1.0),
        _row(name, ours, f"per-resident Python loop: {peer:,.0f}", ours / peer, BAR_PEER),
    ]


def _row(name: str, value: float, against: str, ratio: float, bar: float) -> Row:
    return {
        "name": name,
        "value": round(value),
        "unit": "resident-s/CPU-s",
        "against": against,
        "ratio": round(ratio, 2),
        "bar": bar,
        "ok": ratio >= bar,
    }


def _seconds_each(work: Callable[[], object]) -> float:
    """CPU-seconds that one call takes, in the best of some runs; a run holds changes of room."""
    for _ in range(WARM_S):
        work()
    best = np.inf
    for _ in range(LEAST_RUNS):
        calls, began = 0, time.process_time()
        while (taken := time.process_time() - began) < LEAST_CPU_S:
            work()
            calls += 1
        best = min(best, taken / calls)
    return float(best)


if __name__ == "__main__":
    sys.stdout.buffer.write(msgspec.json.encode(measure_all()))
