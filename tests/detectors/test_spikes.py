"""Single samples that no body can have made."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contract.units import NS_PER_S
from detectors import Grid
from detectors.resample import FlatSamples
from detectors.spikes import find_spikes

BEGIN_S = 1_700_000_000


def worn(seed: int, samples: int) -> np.ndarray:
    random = np.random.default_rng(seed)
    motion = random.normal(0, 0.02, (3, samples)) + np.array([[0.0], [0.6], [0.8]])
    return motion.astype(np.float32)


def flat(motion: np.ndarray, rate_hz: float) -> FlatSamples:
    count = motion.shape[1]
    t_ns = BEGIN_S * NS_PER_S + np.round(np.arange(count) * (NS_PER_S / rate_hz)).astype(np.int64)
    return FlatSamples(np.zeros(count, np.int64), t_ns, motion)


@pytest.mark.parametrize("rate_hz", [20, 32, 50, 100, 200])
@pytest.mark.parametrize("spike_g", [-16.0, -4.0, 4.0, 16.0])
def test_what_stands_alone_is_a_spike(rate_hz: float, spike_g: float) -> None:
    motion = worn(0, 60)
    motion[1, 20] = spike_g
    motion[:, 40] = spike_g
    assert find_spikes(flat(motion, rate_hz)).tolist() == [20, 40]


def test_a_knock_rings_on_and_is_none() -> None:
    motion = worn(1, 60)
    motion[:, 20:24] += np.array([2.0, 5.0, -2.0, 1.0], np.float32)
    assert find_spikes(flat(motion, 50)).tolist() == []


def test_of_sparse_samples_every_impact_is_a_single_one() -> None:
    motion = worn(2, 60)
    motion[:, 20] = 5.0
    assert find_spikes(flat(motion, 12)).tolist() == []


def test_neighbours_are_those_of_the_same_wearable() -> None:
    motion = worn(3, 60)
    motion[:, 30] = 5.0
    samples = flat(motion, 50)
    row = (np.arange(60) >= 30).astype(np.int64)
    assert find_spikes(samples._replace(row=row)).tolist() == []


@settings(max_examples=40, deadline=None)
@given(
    at=st.integers(0, 199),
    cut=st.lists(st.integers(1, 199), max_size=8),
    rate_hz=st.sampled_from([20, 40, 50, 100]),
)
def test_wherever_it_falls_and_however_it_comes(at: int, cut: list[int], rate_hz: int) -> None:
    """Also at the edge of a second or of a packet, a block is as if it had never come."""
    motion = worn(at, 200)
    samples = flat(motion, rate_hz)
    spiked = motion.copy()
    spiked[:, at] = 9.0
    blocks = []
    for what, kept in ((spiked, np.ones(200, bool)), (motion, np.arange(200) != at)):
        grid = Grid(1)
        for part in np.split(
            np.flatnonzero(kept), np.searchsorted(np.flatnonzero(kept), sorted(cut))
        ):
            grid.push(0, samples.t_ns[part], what[:, part])
        blocks.append(list(grid.close(BEGIN_S + 200 // rate_hz + 2)))
    alone = 2 <= at < 198
    same = [np.array_equal(a.motion, b.motion) for a, b in zip(*blocks, strict=True)]
    assert all(same) or not alone
