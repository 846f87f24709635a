from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contract.screen import MOTION_HZ
from detectors.convolution import RAMP_G, SEGMENTS_S, Convolution, KernelBank, make_bank
from detectors.fall_features import CHANNELS, IMPACT_INDEX, SPAN


def noise(windows: int, seed: int = 0) -> np.ndarray:
    shape = (len(CHANNELS), SPAN, windows)
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def bank(seed: int = 0, **changed: object) -> KernelBank:
    wanted = {"dilations": (1, 3, 6), "strides": (1, 2, 3), "biases": 2} | changed
    return make_bank(noise(50, 99), np.random.default_rng(seed), **wanted)


def slow(channel: np.ndarray, kernels: KernelBank) -> np.ndarray:
    """One window (channels, SPAN), by loops, as the words of the module say it."""
    features = []
    first = IMPACT_INDEX + int(np.floor(SEGMENTS_S[0][0] * MOTION_HZ))
    last = IMPACT_INDEX + int(np.floor(SEGMENTS_S[-1][1] * MOTION_HZ))
    for each, (dilation, stride) in enumerate(zip(kernels.dilations, kernels.strides, strict=True)):
        for bias in range(kernels.biases.shape[2]):
            for kernel, twos in enumerate(combinations(range(9), 3)):
                signal = (
                    kernels.mixes[each, kernel].astype(np.float64) @ channel[:, first : last + 1]
                )
                shares = [[] for _ in SEGMENTS_S]
                for time in range(0, len(signal), stride):
                    answer = sum(
                        (2 if tap in twos else -1)
                        * signal[min(max(time + (tap - 4) * dilation, 0), len(signal) - 1)]
                        for tap in range(9)
                    )
                    above = (answer - kernels.biases[each, kernel, bias]) / RAMP_G + 0.5
                    for share, (begin, end) in zip(shares, SEGMENTS_S, strict=True):
                        limits = (IMPACT_INDEX + np.floor(at * MOTION_HZ) for at in (begin, end))
                        low, high = limits
                        if low <= first + time < high:
                            share.append(min(max(above, 0), 1))
                features += [np.mean(share) for share in shares]
    return np.array(features)


def test_the_matrix_product_is_what_the_loops_say() -> None:
    kernels = bank(dilations=(1, 6), strides=(1, 3), biases=1)
    channel = noise(3, 1)
    fast = Convolution(kernels).features(channel)
    for window in range(3):
        np.testing.assert_allclose(fast[:, window], slow(channel[:, :, window], kernels), atol=1e-4)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10_000), windows=st.integers(1, 130), scale=st.floats(0.01, 20))
def test_a_window_alone_is_the_window_among_many(seed: int, windows: int, scale: float) -> None:
    convolution = Convolution(bank(seed % 5))
    channel = noise(windows, seed) * np.float32(scale)
    together = convolution.features(channel)
    which = seed % windows
    alone = convolution.features(np.ascontiguousarray(channel[:, :, which : which + 1]))
    np.testing.assert_allclose(together[:, which], alone[:, 0], atol=1e-3)
    assert together.shape == (convolution.bank.features, windows)
    assert together.min() >= -1e-6
    assert together.max() <= 1 + 1e-6


def test_a_tie_is_half_above() -> None:
    """At rest all answers are zero, and equal to a bias of zero."""
    kernels = bank()
    kernels = kernels._replace(biases=np.zeros_like(kernels.biases))
    still = np.ones((len(CHANNELS), SPAN, 2), np.float32)
    np.testing.assert_allclose(Convolution(kernels).features(still), 0.5, atol=1e-6)


def test_the_same_seed_draws_the_same_bank() -> None:
    for one, other in zip(bank(3), bank(3), strict=True):
        assert np.array_equal(one, other)
    assert not np.array_equal(bank(3).biases, bank(4).biases)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"strides": np.array([1, 2])}, "do not go together"),
        ({"dilations": np.array([1, 3, 0])}, "at least 1"),
        ({"dilations": np.array([1, 3, 90])}, "beyond the window"),
        ({"mixes": np.zeros((3, 84, 3), np.float32)}, "mixes have shape"),
        ({"biases": np.zeros((3, 80, 2), np.float32)}, "biases have shape"),
        ({"biases": np.full((3, 84, 2), np.nan, np.float32)}, "not finite"),
    ],
)
def test_a_bank_that_cannot_be_is_refused(change: dict, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Convolution(bank()._replace(**change))
