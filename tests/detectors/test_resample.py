from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from contract.screen import GRID_HZ
from detectors.resample import MAX_GAP_NS, STEP_NS, FlatSamples, resample, spread_bursts


def flat(t_ns: np.ndarray, values: np.ndarray, row: int = 0) -> FlatSamples:
    xyz = np.stack([values, np.zeros_like(values), np.ones_like(values)]).astype(np.float32)
    return FlatSamples(np.full(len(t_ns), row), np.asarray(t_ns, np.int64), xyz)


def test_samples_on_the_grid_come_out_unchanged() -> None:
    values = np.random.default_rng(0).normal(size=GRID_HZ).astype(np.float32)
    samples, valid = resample(flat(np.arange(GRID_HZ) * STEP_NS, values), 1, 0)
    assert valid.all()
    assert np.array_equal(samples[0, 0], values)


@pytest.mark.parametrize("rate_hz", [20, 25, 32, 40, 49.8, 50, 62.5, 100, 128, 200])
@pytest.mark.parametrize("phase_ms", [0, 3.7])
def test_any_rate_carries_the_motion_of_a_wrist(rate_hz: float, phase_ms: float) -> None:
    """2 Hz is a step; what a straight line between 20 Hz samples loses of it is 5 %."""
    time = np.arange(-20, rate_hz + 20) / rate_hz + phase_ms / 1000
    samples, valid = resample(flat(np.rint(time * 1e9), np.sin(2 * np.pi * 2 * time)), 1, 0)
    assert valid.all()
    expected = np.sin(2 * np.pi * 2 * np.arange(GRID_HZ) / GRID_HZ)
    tolerance = (2 * np.pi * 2 / max(min(rate_hz, 100), 20)) ** 2 / 8 + 0.005
    np.testing.assert_allclose(samples[0, 0], expected, atol=tolerance)


def test_what_the_grid_cannot_carry_is_averaged_away() -> None:
    """At 200 Hz a tone of 48 Hz would appear on the grid as 2 Hz at full height."""
    time = np.arange(-20, 220) / 200
    samples, _ = resample(flat(np.rint(time * 1e9), np.sin(2 * np.pi * 48 * time)), 1, 0)
    assert np.abs(samples[0, 0]).max() < 0.1


@pytest.mark.parametrize(("gap_ms", "bridged"), [(200, True), (250, True), (251, False)])
def test_a_gap_is_bridged_up_to_the_limit(gap_ms: int, bridged: bool) -> None:
    before = np.arange(0, 301, 20)
    t_ns = np.concatenate([before, before[-1] + gap_ms + np.arange(0, 800, 20)]) * 1_000_000
    _, valid = resample(flat(t_ns, np.ones(len(t_ns))), 1, 0)
    hole = np.arange(GRID_HZ) * 20
    inside = (hole > 300) & (hole < 300 + gap_ms)
    assert (valid[0, inside] == bridged).all()
    assert valid[0, ~inside].all()
    assert MAX_GAP_NS == 250_000_000


def test_nothing_is_invented_before_the_first_and_after_the_last_sample() -> None:
    t_ns = np.arange(210, 800, 20) * 1_000_000
    samples, valid = resample(flat(t_ns, np.ones(len(t_ns))), 1, 0)
    grid_ms = np.arange(GRID_HZ) * 20
    assert np.array_equal(valid[0], (grid_ms >= 210) & (grid_ms <= 790))
    assert not samples[:, 0, ~valid[0]].any()


def test_rows_do_not_meet() -> None:
    """The line between one row's last sample and the next row's first is never drawn."""
    random = np.random.default_rng(3)
    parts = []
    for row, rate_hz in enumerate((20, 50, 130, 200)):
        time = np.sort(random.uniform(0.2 * row, 1.0, rate_hz))
        parts.append(flat(np.rint(time * 1e9), random.normal(size=rate_hz), row))
    together = FlatSamples(*(np.concatenate(each, axis=-1) for each in zip(*parts, strict=True)))
    samples, valid = resample(together, 4, 0)
    for row, part in enumerate(parts):
        alone, alone_valid = resample(part._replace(row=part.row * 0), 1, 0)
        assert np.array_equal(valid[row], alone_valid[0])
        np.testing.assert_allclose(samples[:, row], alone[:, 0], atol=1e-6)


def test_bursts_are_spread_over_the_time_in_which_they_were_measured() -> None:
    """Four samples each 100 ms, stamped 1 ms apart on arrival (WEDA's phone app)."""
    t_ns = (np.arange(1, 11)[:, None] * 100 + np.arange(4)).ravel() * 1_000_000
    spread = spread_bursts(np.zeros(40, np.int64), t_ns)
    assert (np.diff(spread)[4:] == 25_000_000).all()
    assert (spread <= t_ns).all()
    assert np.array_equal(spread[3::4], t_ns[3::4])


def test_a_burst_after_a_hole_does_not_fill_the_hole() -> None:
    t_ns = np.array([0, 20, 1_020, 1_021, 1_022]) * 1_000_000
    spread = spread_bursts(np.zeros(5, np.int64), t_ns)
    assert (np.diff(spread) > 0).all()
    assert spread[2] > 900_000_000


def test_bursts_of_two_rows_are_told_apart(times_ns: Callable[..., np.ndarray]) -> None:
    t_ns = np.array([0, 100, 100, 101]) * 1_000_000
    row = np.array([0, 0, 1, 1])
    spread = spread_bursts(row, t_ns)
    assert np.array_equal(spread[:2], t_ns[:2])
    assert np.array_equal(spread[2:], np.array([81, 101]) * 1_000_000)
