"""How fast a wearable's clock runs, from when its seconds arrive."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from statistics import median
from typing import Final

import numpy as np

from contract.units import seconds_to_ns
from edge.timebase import DeviceTime
from edge.wearables import Wearable

BLOCK_NS: Final = seconds_to_ns(300)
"""Of the arrivals within five minutes the quickest one counts: nothing arrives before it was sent,
and of some 300 adverts one waits for hardly anything."""

BLOCKS: Final = 7
"""Seven quickest arrivals span half an hour: so long a drift must last. 20 ms of what even the
quickest ones waited are 16 ppm over it."""

LIMIT_PPM: Final = 200.0
"""A watch crystal is within ±20 ppm at room temperature, ±50 over what a body and a winter's day do
to it, and so is a gateway's. Beyond 200 one of them is broken: 17 s a day."""
OK_PPM: Final = 150.0

MEDIAN_OF: Final = 3
"""From so many wearables on, what all of them show is this gateway's own clock."""

_PPM: Final = 1e6


class Drift:
    """The clock rates of the wearables that one gateway hears."""

    def __init__(self) -> None:
        self._least: dict[str, deque[tuple[int, int]]] = {}
        """By device: end of the block and least (arrival − device time) in it, ns."""
        self._lines: dict[str, tuple[DeviceTime, int]] = {}
        """By device: its clock, and since which setting of it."""
        self._block_ns: int | None = None

    def note(self, wearables: Iterable[Wearable], now_ns: int) -> bool:
        """Called every few seconds; whether `rates_ppm` may say something new."""
        if self._block_ns is None:
            self._block_ns = now_ns
        if now_ns - self._block_ns < BLOCK_NS:
            return False
        begun_ns, self._block_ns = self._block_ns, now_ns
        enrolled = set()
        for wearable in wearables:
            enrolled.add(wearable.device)
            epoch, least = wearable.time.take_least()
            line = wearable.time, epoch
            blocks = self._least.setdefault(wearable.device, deque(maxlen=BLOCKS))
            # The times of a stream are finer than an advert's whole seconds: another line.
            streams = wearable.sampled_ns >= begun_ns
            if least is None or streams or self._lines.get(wearable.device) != line:
                blocks.clear()
                self._lines[wearable.device] = line
            if least is not None and not streams:
                blocks.append((now_ns, least))
        for device in self._least.keys() - enrolled:
            del self._least[device]
            self._lines.pop(device, None)
        return True

    def rates_ppm(self) -> tuple[dict[str, float], float]:
        """How much faster than this gateway's each clock runs, and by how much all of them do.

        The second is what is wrong with the gateway's own clock (the other way round), and is taken
        off the first; 0 while too few are known.
        """
        rates = {
            device: rate_ppm(blocks)
            for device, blocks in self._least.items()
            if len(blocks) == BLOCKS
        }
        common = median(rates.values()) if len(rates) >= MEDIAN_OF else 0.0
        return {device: rate - common for device, rate in rates.items()}, common


def rate_ppm(blocks: Iterable[tuple[int, int]]) -> float:
    """Parts per million by which a device's clock gains.

    The median slope of the quickest arrivals (Theil-Sen): one block in which none was quick does
    not bend the line.

    Parameters
    ----------
    blocks
        End and least (arrival − device time) of each block, ns.
    """
    at, least = np.array(list(blocks), np.float64).T
    one, other = np.triu_indices(len(at), 1)
    return -float(np.median((least[other] - least[one]) / (at[other] - at[one]))) * _PPM


def words(device: str, ppm: float) -> str:
    """One sentence for who looks after devices."""
    way = "fast" if ppm > 0 else "slow"
    seconds = abs(ppm) / _PPM * 86_400
    return (
        f"the clock of {device} runs {abs(ppm):.0f} ppm {way} ({seconds:.0f} s a day; a sound one "
        f"stays within {LIMIT_PPM:.0f} ppm): its crystal is broken, exchange it"
    )
