"""Single samples that no body can have made: a bit that flipped, a bus that was disturbed.

After the low-pass such a sample looks like a blow, and nothing later could tell. Before it, it
stands alone: a knock rings on for several samples, and what is around a spike is alike.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from contract.units import NS_PER_MS
from detectors.resample import FlatSamples

SPIKE_G: Final = 2.0
"""Distance of a spike from the mean of the two samples before and the two after it. A lesser one
stays below the screen once it is low-passed (`contract.screen.SCREEN_IMPACT_G`)."""

SPIKE_RATIO: Final = 0.25
"""Those four are alike to within this share of that distance. Of 1,563 recorded falls (WEDA,
SmartFall, SisFall; 20 to 50 Hz) one has such a sample, and it is not its impact; of 2,584 daily
trials six have, mostly claps."""

AROUND_NS: Final = 125 * NS_PER_MS
"""The four lie within this time on either side: 16 Hz and more. Of sparser samples every impact
is a single one."""

_AXIS_G: Final = np.float32(1.15)
"""Where no axis reaches this, |a| is below 2 g, and what little there is no screen passes."""

_LEAST_STEP_G: Final = np.float32(0.86)
"""A spike stands this far from the sample before it on some axis: that one is no further from the
four's mean than they are from each other, which leaves 1.5 g, and on one axis of three at least
0.866 g. Hardly any sample does, and the others need no closer look."""


def find_spikes(flat: FlatSamples) -> NDArray[np.intp]:
    """Places of the samples that are spikes, in rising order."""
    step = np.abs(flat.xyz_g[:, 1:] - flat.xyz_g[:, :-1])
    at: NDArray[np.intp] = (step > _LEAST_STEP_G).any(axis=0).nonzero()[0]
    at += 1
    at = at[(at >= 2) & (at < len(flat.t_ns) - 2)]
    at = at[(np.abs(flat.xyz_g.take(at, axis=1)) > _AXIS_G).any(axis=0)]
    if len(at) == 0:
        return at
    near = (flat.row[at - 2] == flat.row[at + 2]) & (
        np.maximum(flat.t_ns[at + 2] - flat.t_ns[at], flat.t_ns[at] - flat.t_ns[at - 2])
        <= AROUND_NS
    )
    at = at[near]
    around = flat.xyz_g[:, at + np.array([-2, -1, 1, 2])[:, None]]
    distance = _length(flat.xyz_g[:, at] - around.mean(axis=1))
    alike = _length(around.max(axis=1) - around.min(axis=1))
    spikes: NDArray[np.intp] = at[(distance >= SPIKE_G) & (alike <= SPIKE_RATIO * distance)]
    return spikes


def _length(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Of vectors (3, n), shape (n,)."""
    length: NDArray[np.float32] = np.sqrt(np.square(vectors).sum(axis=0))
    return length
