from __future__ import annotations

import numpy as np

from evaluation.whereabouts.bench import Ours, live
from evaluation.whereabouts.bench_peer import PlainLoop

RESIDENTS = 4
SECONDS = 300


def test_the_loop_beside_which_the_rate_is_put_tells_the_same_rooms() -> None:
    life = live(RESIDENTS)
    life = life._replace(active=np.zeros_like(life.active))
    ours = Ours(life)
    peer = PlainLoop(life.model, life.rssi_dbm, life.movement_g, life.active)
    agree = []
    for second in range(SECONDS):
        ours.run_second()
        peer.run_second()
        if second > 30:
            agree += [one == other for one, other in zip(ours.zones, peer.zones, strict=True)]
    assert np.mean(agree) > 0.9
