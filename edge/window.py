"""One window as it arrives: its packets in any order, its detector by its own event time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from contract.advert import MalformedPacketError
from contract.packets import MotionPacket
from contract.screen import WINDOW_AFTER_S, WINDOW_BEFORE_S
from contract.units import NS_PER_S, seconds_to_ns
from detectors.detection import Detection
from detectors.fall import FallDetector
from detectors.fall_excerpt import Excerpt
from detectors.fall_model import FallModel, load_model
from detectors.grid import Grid
from detectors.resample import MAX_GAP_NS, STEP_NS
from detectors.spikes import AROUND_NS
from edge.timebase import DeviceTime, SessionTime

MAX_PACKETS: Final = 512
"""A window of 25 s at the highest rate takes 264 packets of 38 samples; more is garbage."""

OUTSIDE_NS: Final = seconds_to_ns(10)
"""A sample further than this outside the window around its candidate is garbage; an advert
tells the candidate's age to a second, a delayed one a few seconds worse."""

SAMPLES_BEYOND: Final = 3
"""Samples after a second's end with which it is closed: the one to which the last line of it is
drawn, and the two that tell whether that one is a spike (`detectors.spikes`). A held link's grid
waits longer, for time stamps in bursts; here packets are evenly spaced and come in order, and where
one did not the window is looked at anew."""

MOST_BEYOND_NS: Final = MAX_GAP_NS + AROUND_NS
"""Of sparse samples: a longer line is not drawn, and no spike is told by ones further away."""


class Window:
    """Motion around one candidate.

    The detector runs as packets come, so that a fall is suspected before the window is
    complete. Where a packet came only when asked again, the whole window is looked at once
    more in the end. What comes after a suspicion is not judged but shown.

    Parameters
    ----------
    candidate_ns
        When the candidate was, monotonic, to about a second.
    placement
        Where its wearable is worn.
    models
        Gives the model of a placement.
    """

    def __init__(
        self,
        candidate_ns: int,
        placement: str,
        models: Callable[[str], FallModel] = load_model,
    ) -> None:
        self._candidate_ns = candidate_ns
        self._placement = placement
        self._models = models
        self._packets: dict[int, tuple[NDArray[np.int64], NDArray[np.float32]]] = {}
        self._total: int | None = None
        self._distance_ns: int | None = None
        self._grid = Grid(1)
        self._detector = FallDetector(1, placement=placement, models=models)
        self._newest_ns = 0
        self._sample_ns = 0
        """Between two samples of the newest packet."""
        self._out_of_order = False
        self.excerpts: list[Excerpt] = []
        """Motion around the falls that were seen in it; hardly ever more than one."""
        self.holds_impact = False
        """Whether the candidate itself has come."""

    @property
    def suspected(self) -> bool:
        """Whether a fall was seen in it."""
        return bool(self.excerpts)

    @property
    def newest_ns(self) -> int:
        """Grid time of the newest sample; 0 before any."""
        return self._newest_ns

    @property
    def shown_until_ns(self) -> int:
        """Grid time of the last motion that is shown of the falls seen in it."""
        return max(excerpt.end_ns for excerpt in self.excerpts)

    @property
    def shows_all(self) -> bool:
        """Whether the motion around the falls seen in it has come, as far as the window goes."""
        return self.complete or self._newest_ns >= self.shown_until_ns

    @property
    def received(self) -> int:
        """Packets that have come."""
        return len(self._packets)

    @property
    def complete(self) -> bool:
        """Whether all packets have come."""
        return self._total is not None and len(self._packets) == self._total

    @property
    def first_missing(self) -> int:
        """The first packet that has not come."""
        number = 0
        while number in self._packets:
            number += 1
        return number

    def add(self, packet: MotionPacket, device: DeviceTime, time: SessionTime) -> bool:
        """Take in one packet; false if it is known already.

        Raises
        ------
        MalformedPacketError
            If it cannot belong to this window.
        """
        total = self._total if self._total is not None else packet.total
        if packet.total != total or not 0 <= packet.number < packet.total <= MAX_PACKETS:
            raise MalformedPacketError("a window packet with a number that cannot be")
        if packet.number in self._packets:
            return False
        if self._distance_ns is None:
            # One distance for all of the window: nothing in it may shift against the rest.
            self._distance_ns = device.monotonic_ns(0)
        near_ns = self._candidate_ns - self._distance_ns
        begin_ns = device.unwrap_millisecond(packet.device_time_ms, near_ns)
        away_ns = begin_ns - near_ns
        before_ns = seconds_to_ns(WINDOW_BEFORE_S) + OUTSIDE_NS
        if not -before_ns <= away_ns <= seconds_to_ns(WINDOW_AFTER_S) + OUTSIDE_NS:
            raise MalformedPacketError("a window packet of an implausible time")
        self._total = total
        times_ns = time.grid_ns(begin_ns + self._distance_ns) + packet.offsets_ns
        self._packets[packet.number] = (times_ns, packet.samples_g)
        if int(times_ns[0]) < self._newest_ns:
            self._out_of_order = True
        else:
            self._newest_ns = int(times_ns[-1])
            self._sample_ns = round(NS_PER_S / packet.rate_hz)
        self._grid.push(0, times_ns, packet.samples_g)
        return True

    def advance(self) -> list[tuple[Detection, Excerpt]]:
        """What the detector says of what has come so far; nothing more after a suspicion."""
        if self.suspected:
            return []
        beyond_ns = min(STEP_NS + SAMPLES_BEYOND * self._sample_ns, MOST_BEYOND_NS)
        return self._close((self._newest_ns - beyond_ns) // NS_PER_S)

    def finish(self) -> list[tuple[Detection, Excerpt]]:
        """What it says of all there is; nothing more will come."""
        if self._out_of_order:
            self._grid = self._grid_of_all()
            self._detector = FallDetector(1, placement=self._placement, models=self._models)
        return self._close(self._newest_ns // NS_PER_S + 1)

    def show(self) -> None:
        """Bring the motion around the falls up to what has come."""
        for block in self._grid_of_all().close(self._newest_ns // NS_PER_S + 1):
            for excerpt in self.excerpts:
                excerpt.take(block, 0)

    def _grid_of_all(self) -> Grid:
        grid = Grid(1)
        for _, (times_ns, samples_g) in sorted(self._packets.items()):
            grid.push(0, times_ns, samples_g)
        return grid

    def _close(self, until_s: int) -> list[tuple[Detection, Excerpt]]:
        seen = [
            (detection, Excerpt(detection))
            for block in self._grid.close(until_s)
            for detection in self._detector.step(block)
        ]
        self.excerpts += [excerpt for _, excerpt in seen]
        return seen
