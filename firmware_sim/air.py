"""Between wearable and gateway: how strongly a radio hears, and what is lost on the way.

Log-distance path loss with walls, slow fading (people and doors) and fast fading (multipath),
all seeded; see `Propagation` for the numbers.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from firmware_sim.plan import HomePlan

RSSI_AT_1_M_DBM: Final = -59.0
"""A wrist wearable at 0 dBm, as beacons are commonly calibrated."""
PATH_LOSS_EXPONENT: Final = 2.0
"""2 in free space; 1.8 to 2.5 along corridors and within rooms."""
WALL_DB: Final = 3.5
"""A light partition at 2.4 GHz; brick takes 6 to 10."""
STOREY_DB: Final = 15.0
"""A concrete floor."""
ROOM_WIDTH_M: Final = 6.0
"""One wall stands for each so many metres between different zones."""

SLOW_FADING_DB: Final = 3.0
SLOW_FADING_KEPT: Final = 0.9
"""Share of the slow fading that is left a second later: a body turns within ten seconds."""
FAST_FADING_DB: Final = 2.5

COLLISION_LOSS: Final = 0.02
"""Share of adverts lost however near: other adverts on the same channel, the radio's own
duty. Of a second's several adverts all must be lost, so it is small."""
HALF_LOST_DBM: Final = -94.0
LOSS_STEEPNESS_DB: Final = 2.0
"""Logistic: 12 % lost 4 dB above the level at which half is lost."""

LINK_FLOOR_DBM: Final = -97
"""A link whose advert would be weaker is out of reach."""

_NEAREST_M: Final = 0.5

_BLOCK_S: Final = 64
"""Seconds for which fading is drawn at once."""


class Propagation:
    """Signal strength of every wearable at every gateway, second by second."""

    def __init__(self, plan: HomePlan, seed: int) -> None:
        gateways, wearables = len(plan.gateways), len(plan.wearables)
        self._rng = np.random.default_rng([seed, 2])
        self._gateways_m = np.array(
            [plan.zone(gateway.zone).position_m() for gateway in plan.gateways]
        ).reshape(gateways, 3)
        self._gateway_zone = [gateway.zone for gateway in plan.gateways]
        self._gateway_floor = [plan.zone(gateway.zone).floor for gateway in plan.gateways]
        self._plan = plan
        self._mean_dbm = np.zeros((gateways, wearables))
        self._slow_db = self._rng.normal(0, SLOW_FADING_DB, (gateways, wearables))
        self._second = _BLOCK_S
        self._fading_db = np.zeros((_BLOCK_S, gateways, wearables))
        self._needed_dbm = np.zeros((_BLOCK_S, gateways, wearables))

    def place(self, wearable: int, x_m: float, y_m: float, zone: str) -> None:
        """A wearable is now here."""
        floor = self._plan.zone(zone).floor
        height = self._plan.zone(zone).position_m()[2]
        offsets = self._gateways_m - (x_m, y_m, height)
        distance = np.maximum(np.sqrt((offsets**2).sum(axis=1)), _NEAREST_M)
        for gateway, metres in enumerate(distance.tolist()):
            walls = 0
            if self._gateway_zone[gateway] != zone:
                walls = max(1, round(metres / ROOM_WIDTH_M))
            storeys = abs(self._gateway_floor[gateway] - floor)
            self._mean_dbm[gateway, wearable] = (
                RSSI_AT_1_M_DBM
                - 10 * PATH_LOSS_EXPONENT * np.log10(metres)
                - WALL_DB * walls
                - STOREY_DB * storeys
            )

    def next_second(self) -> tuple[list[list[int]], list[list[bool]]]:
        """RSSI in dBm and whether the advert arrives, per gateway and wearable."""
        if self._second == _BLOCK_S:
            self._draw_block()
        rssi = self._mean_dbm + self._fading_db[self._second]
        arrives: list[list[bool]] = (rssi > self._needed_dbm[self._second]).tolist()
        strength: list[list[int]] = rssi.astype(np.int64).tolist()
        self._second += 1
        return strength, arrives

    def _draw_block(self) -> None:
        """Fading, and the RSSI that each advert needs to arrive, for the next seconds."""
        shape = self._fading_db.shape
        drawn = self._rng.standard_normal((2, *shape))
        # First-order low-pass of white noise; its state is what is kept of the last value.
        slow = drawn[0]
        slow *= SLOW_FADING_DB * np.sqrt(1 - SLOW_FADING_KEPT**2)
        for now_db in slow:
            np.add(now_db, self._slow_db, out=now_db)
            np.multiply(now_db, SLOW_FADING_KEPT, out=self._slow_db)
        self._fading_db = slow + FAST_FADING_DB * drawn[1]
        # The inverse of the logistic turns an even draw into the level that it asks for.
        chance = np.clip(self._rng.random(shape), 1e-9, 1.0 - 1e-9)
        lost = self._rng.random(shape) < COLLISION_LOSS
        self._needed_dbm = HALF_LOST_DBM + LOSS_STEEPNESS_DB * np.log(1 / chance - 1)
        self._needed_dbm[lost] = np.inf
        self._second = 0
