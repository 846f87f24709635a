"""The same rooms and walks in plain Python, one resident after the other: the bench's peer."""

from __future__ import annotations

import math
from collections import deque

import numpy as np
from numpy.typing import NDArray

from detectors.location import (
    LAG_S,
    LEAVES_STILL,
    LEAVES_WALKING,
    RESTS_EACH_S,
    SWITCH_RATIO,
    TRUST_STILL,
    TRUST_WALKING,
    UNKNOWN_BELOW,
    WALKING_DEVIATION_G,
)
from detectors.room_model import AHEAD_S, BEHIND_S, UNKNOWN, WEAKEST_DBM, RoomModel
from detectors.travel import STAY_S

KEPT_S = BEHIND_S + 1 + AHEAD_S
STEEPNESS = 4
LAGS = range(2, 9)


class PlainLoop:
    """Forward filter with a look back, lag runs of SCIENCE 3.2 and a count of changes.

    It is the easier half of the work: the sensors' evidence is left out, and walks are judged by
    the simpler published rule.
    """

    def __init__(
        self,
        model: RoomModel,
        rssi_dbm: NDArray[np.float32],
        movement_g: NDArray[np.float32],
        active: NDArray[np.bool_],
    ) -> None:
        del active
        residents = rssi_dbm.shape[2]
        self._seconds = [
            [
                [None if math.isnan(value) else value for value in heard]
                for heard in second.T.tolist()
            ]
            for second in rssi_dbm
        ]
        self._movement = movement_g[:, :residents].tolist()
        self._residents = [_Resident(model) for _ in range(residents)]
        self._second = 0
        self.moves = 0

    @property
    def zones(self) -> list[int]:
        """Of each resident the zone that is told."""
        return [each.zone for each in self._residents]

    def run_second(self) -> None:
        """One second of each."""
        at = self._second % len(self._seconds)
        heard, movement = self._seconds[at], self._movement[at]
        for row, resident in enumerate(self._residents):
            self.moves += resident.step(heard[row], movement[row], self._second)
        self._second += 1


class _Resident:
    def __init__(self, model: RoomModel) -> None:
        self.zones = len(model.zones)
        self.heard = model.heard.tolist()
        self.silent = model.silent.tolist()
        self.stirred = 0.1
        near = model.near
        self.around = [np.flatnonzero(row).tolist() for row in near]
        self.chance = [1.0 / max(len(each), 1) for each in self.around]
        self.belief = [1.0 / self.zones] * self.zones
        self.rssi: deque[list[float | None]] = deque(maxlen=KEPT_S)
        self.movement: deque[float] = deque(maxlen=KEPT_S)
        self.past: deque[tuple[list[float], list[float], float]] = deque(maxlen=LAG_S + 1)
        self.zone = UNKNOWN
        self.visits: deque[int] = deque(maxlen=9)
        self.runs = dict.fromkeys(LAGS, 0)
        self.since_s = 0
        self.wandered = 0

    def step(self, rssi: list[float | None], movement: float, second: int) -> int:
        self.rssi.append(rssi)
        self.movement.append(movement)
        words = self._words()
        mean = sum(self.movement) / len(self.movement)
        share = 1 / (1 + (WALKING_DEVIATION_G / (mean + 1e-3)) ** STEEPNESS)
        leaves = LEAVES_STILL * (LEAVES_WALKING / LEAVES_STILL) ** share
        come = [value * (1 - leaves) for value in self.belief]
        for zone, value in enumerate(self.belief):
            going = value * leaves * self.chance[zone]
            for other in self.around[zone]:
                come[other] += going
        most = max(words)
        self.stirred = max(mean, self.stirred * float(RESTS_EACH_S))
        still = (WALKING_DEVIATION_G / (self.stirred + 1e-3)) ** 2
        trust = float(TRUST_STILL) + float(TRUST_WALKING - TRUST_STILL) / (1 + still)
        likelihood = [math.exp(trust * (each - most)) for each in words]
        belief = [one * other for one, other in zip(come, likelihood, strict=True)]
        total = sum(belief)
        self.belief = [each / total for each in belief]
        self.past.append((self.belief, likelihood, leaves))
        return self._decide(second)

    def _words(self) -> list[float]:
        words = [0.0] * self.zones
        for receiver in range(len(self.heard)):
            values = [each[receiver] for each in self.rssi]
            known = [value for value in values if value is not None]
            if known:
                level = int(sum(known) / len(known) - WEAKEST_DBM + 0.5)
                table = self.heard[receiver][min(max(level, 0), len(self.heard[receiver]) - 1)]
            else:
                table = self.silent[receiver]
            for zone, value in enumerate(table):
                words[zone] += value
        return words

    def _decide(self, second: int) -> int:
        since = [1.0] * self.zones
        for _, likelihood, leaves in list(self.past)[:0:-1]:
            after = [one * other for one, other in zip(since, likelihood, strict=True)]
            since = [
                (1 - leaves) * after[zone]
                + leaves * self.chance[zone] * sum(after[other] for other in self.around[zone])
                for zone in range(self.zones)
            ]
            most = max(since)
            since = [each / most for each in since]
        share = [one * other for one, other in zip(self.past[0][0], since, strict=True)]
        best = max(range(self.zones), key=share.__getitem__)
        if share[best] < UNKNOWN_BELOW * sum(share):
            return 0
        if self.zone != UNKNOWN and share[best] < SWITCH_RATIO * share[self.zone]:
            return 0
        if best == self.zone:
            return 0
        self.zone = best
        self._walk(best, second)
        return 1

    def _walk(self, zone: int, second: int) -> None:
        if second - self.since_s > STAY_S:
            self.visits.clear()
            self.runs = dict.fromkeys(LAGS, 0)
        self.since_s = second
        visits = list(self.visits)
        for lag in LAGS:
            again = len(visits) >= lag and visits[-lag] == zone
            self.runs[lag] = self.runs[lag] + 1 if again else 0
        self.visits.append(zone)
        self.wandered += any(run >= max(lag - 1, 2) for lag, run in self.runs.items())
