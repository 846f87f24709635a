"""The calibration walk of the demo home: somebody walks through the simulated one before.

It is a walk as `wardlight calibrate walk` would write it down, from the simulated air itself: in
each zone a minute, at places spread over it, as one's body and the fading have it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np

from detectors import room_file
from detectors.room_model import Walk, learn
from firmware_sim import HomePlan
from firmware_sim.air import Propagation

ROOMS_FILE: Final = "rooms.json"

STAY_S: Final = 60
"""Half a minute is asked for; who does it well takes a minute."""
AROUND_M: Final = 1.5
"""From the middle of a zone, as far as furniture lets one walk."""
_OWN_AIR: Final = 1_000_003
"""Added to the seed: the walk was another day, and its fading is not that of the demo."""


def walk_through(plan: HomePlan, folder: Path, seed: int) -> Path:
    """Walk through a simulated home; returns the file of what was learnt, in `folder`.

    Raises
    ------
    OSError
        If it cannot be written.
    """
    rng = np.random.default_rng([seed, _OWN_AIR])
    air = Propagation(plan, seed + _OWN_AIR)
    names = [each.name for each in plan.gateways]
    rssi_dbm = np.full((len(names), STAY_S * len(plan.zones)), np.nan, np.float32)
    zone = np.repeat(np.arange(len(plan.zones)), STAY_S)
    for second, number in enumerate(zone):
        place = plan.zones[number]
        east_m, north_m = rng.uniform(-AROUND_M, AROUND_M, 2)
        air.place(0, place.x_m + east_m, place.y_m + north_m, place.zone)
        strength, arrives = air.next_second()
        for row in range(len(names)):
            if arrives[row][0]:
                rssi_dbm[row, second] = strength[row][0]
    number_of = {each.zone: index for index, each in enumerate(plan.zones)}
    near = np.zeros((len(plan.zones), len(plan.zones)), np.bool_)
    for each in plan.zones:
        near[number_of[each.zone], [number_of[other] for other in each.next_to]] = True
    model = learn(
        [Walk(rssi_dbm, np.zeros((0, len(zone)), np.bool_), zone.astype(np.int64))],
        zones=[each.zone for each in plan.zones],
        receivers=names,
        sensors=(),
        near=near,
        stands_in={each.name: each.zone for each in plan.gateways},
    )
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / ROOMS_FILE
    file.write_bytes(room_file.encode(model))
    return file
