from __future__ import annotations

import numpy as np
from scipy import signal

from contract.screen import GRID_HZ, LOW_PASS_HZ, LOW_PASS_ORDER
from detectors.filters import (
    DECIMATION,
    STATE_COLUMNS,
    LowPass,
    butterworth,
    filter_matrix,
    steady_state,
)

SECTIONS = signal.butter(LOW_PASS_ORDER, LOW_PASS_HZ, fs=GRID_HZ, output="sos")


def test_the_coefficients_are_scipys() -> None:
    np.testing.assert_allclose(np.concatenate(butterworth()), SECTIONS[0], atol=1e-15)
    np.testing.assert_allclose(steady_state(), signal.sosfilt_zi(SECTIONS)[0], atol=1e-14)


def test_the_product_is_sosfilt_over_any_number_of_chunks() -> None:
    random = np.random.default_rng(0)
    signal_in = random.normal(size=GRID_HZ * 5)
    matrix, state, products = filter_matrix(), np.zeros(2), []
    for second in signal_in.reshape(5, GRID_HZ):
        out = np.concatenate([second, state]) @ matrix
        products.append(out)
        state = out[STATE_COLUMNS]
    expected = signal.sosfilt(SECTIONS, signal_in).reshape(5, GRID_HZ)
    even = GRID_HZ // DECIMATION
    for out, wanted in zip(products, expected, strict=True):
        np.testing.assert_allclose(out[:even], wanted[::DECIMATION], atol=1e-14)
        np.testing.assert_allclose(out[even:GRID_HZ], wanted[1::DECIMATION], atol=1e-14)
        np.testing.assert_allclose(out[GRID_HZ], wanted.mean(), atol=1e-14)


def test_single_precision_for_many_rows_stays_within_a_millionth() -> None:
    random = np.random.default_rng(1)
    rows = 17
    motion = random.normal(size=(3, rows, GRID_HZ * 4)).astype(np.float32)
    low_pass = LowPass(rows)
    out = []
    for second in range(4):
        low_pass.samples[:] = motion[:, :, second * GRID_HZ : (second + 1) * GRID_HZ]
        out.append(low_pass.step()[:, :, : GRID_HZ // DECIMATION].copy())
    expected = signal.sosfilt(SECTIONS, motion.astype(np.float64))[:, :, ::DECIMATION]
    np.testing.assert_allclose(np.concatenate(out, axis=2), expected, atol=2e-6)


def test_a_restarted_row_is_in_its_steady_state_and_others_are_untouched() -> None:
    low_pass = LowPass(3)
    gravity = np.array([[0.6], [-0.8], [0.1]], np.float32)
    low_pass.restart(np.array([1]), gravity)
    low_pass.samples[:] = 0
    low_pass.samples[:, 1] = gravity
    out = low_pass.step()[:, :, :GRID_HZ]
    np.testing.assert_allclose(out[:, 1], np.repeat(gravity, GRID_HZ, axis=1), atol=1e-6)
    assert not out[:, [0, 2]].any()


def test_ten_hertz_is_the_corner() -> None:
    time = np.arange(GRID_HZ * 4) / GRID_HZ
    out = signal.sosfilt(SECTIONS, np.sin(2 * np.pi * 10 * time))[GRID_HZ:]
    assert np.isclose(np.sqrt(2 * np.mean(out**2)), np.sqrt(0.5), atol=1e-3)
