"""The motion model against physics, and against recordings where they are."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import signal

from contract.screen import SCREEN_IMPACT_G
from firmware_sim import ParquetRecording
from firmware_sim.falling import make_fall
from firmware_sim.motion import HANGING, LYING, SITTING, MotionModel, unit
from firmware_sim.sensing import Summariser, quantise

FALLS = 150
AROUND_S = 1.2


def low_passed(samples_g, rate_hz=50.0):
    sections = signal.butter(2, 10.0, fs=rate_hz, output="sos")
    steady = signal.sosfilt_zi(sections)[:, None, :] * samples_g[None, :, :1]
    filtered, _ = signal.sosfilt(sections, samples_g, zi=steady)
    return np.sqrt((filtered**2).sum(axis=0))


def fall_measures(magnitude, peak_at, rate_hz):
    before = magnitude[max(0, peak_at - int(AROUND_S * rate_hz)) : peak_at]
    after = magnitude[peak_at + int(2 * rate_hz) : peak_at + int(5 * rate_hz)]
    return (
        magnitude[peak_at],
        before.min() if len(before) else np.nan,
        (before < 0.7).sum() / rate_hz,
        after.std() if len(after) > rate_hz else np.nan,
    )


@pytest.fixture(scope="module")
def simulated_falls():
    """Peak g, least g, seconds below 0.7 g, stillness g; (falls, 4)."""
    rows = []
    for seed in range(FALLS):
        model = MotionModel(1, seed)
        model.turn_to(0, HANGING, 1.0)
        model.set_walking(0, walking=True)
        seconds = [model.next_second() for _ in range(3)]
        fall = make_fall(model.random(), model.gravity(0), upright=True)
        model.set_walking(0, walking=False)
        model.play(0, fall.samples_g)
        seconds += [model.next_second() for _ in range(fall.samples_g.shape[1] // 50 + 5)]
        magnitude = low_passed(np.concatenate(seconds, axis=2)[0])
        impact = 150 + fall.impact_sample
        peak_at = impact - 5 + int(np.argmax(magnitude[impact - 5 : impact + 20]))
        assert np.argmax(magnitude) == peak_at
        rows.append(fall_measures(magnitude, peak_at, 50.0))
    return np.array(rows)


def test_every_fall_drops_hits_and_lies_still(simulated_falls):
    peak, least, below_s, still = simulated_falls.T
    assert peak.min() > SCREEN_IMPACT_G["wrist"] * 1.2
    assert peak.max() < 10.0
    assert np.median(least) < 0.6
    assert np.median(below_s) > 0.1
    assert still.max() < 0.05


def test_simulated_falls_spread_as_recorded_ones(simulated_falls, data_folder):
    recorded = []
    for stream in ParquetRecording(data_folder / "falls" / "weda.parquet").trials():
        if not stream.labels["is_fall"]:
            continue
        rate_hz = stream.rate_hz
        magnitude = low_passed(stream.samples_g, rate_hz)
        start = max(0, int((stream.labels["fall_start_s"] - 0.5) * rate_hz))
        end = int((stream.labels["fall_end_s"] + 0.5) * rate_hz)
        peak_at = start + int(np.argmax(magnitude[start:end]))
        recorded.append(fall_measures(magnitude, peak_at, rate_hz))
    assert len(recorded) > 200
    peak, least, below_s, still = np.nanmedian(recorded, axis=0)
    ours = np.median(simulated_falls, axis=0)
    assert 0.7 * peak < ours[0] < 1.1 * peak
    assert abs(ours[1] - least) < 0.15
    assert abs(ours[2] - below_s) < 0.2
    assert ours[3] < still


def test_walking_has_its_steps_and_stays_below_the_screen():
    rows = 40
    model = MotionModel(rows, 7)
    summariser = Summariser(rows, 50.0)
    for row in range(rows):
        model.turn_to(row, HANGING, 1.0)
        model.set_walking(row, walking=True)
    seconds = [summariser.push(quantise(model.next_second())).magnitude_g for _ in range(60)]
    magnitude = np.concatenate(seconds[3:], axis=1)
    assert magnitude.max() < SCREEN_IMPACT_G["wrist"]
    deviation = magnitude.std(axis=1)
    assert deviation.min() > 0.07
    assert deviation.max() < 0.25
    hertz, power = signal.welch(magnitude, 50.0, nperseg=512)
    strongest = hertz[1:][np.argmax(power[:, 1:], axis=1)]
    assert ((strongest > 1.6) & (strongest < 2.2)).all()


def test_who_lies_breathes_and_what_lies_on_a_table_does_not():
    model = MotionModel(2, 3)
    for row in range(2):
        model.turn_to(row, LYING[0], 1.0)
    model.set_worn(1, worn=False)
    samples = np.concatenate([model.next_second() for _ in range(180)], axis=2)[:, :, 500:]
    hertz, power = signal.welch(samples.astype(np.float64), 50.0, nperseg=2_500)
    breath = power[:, :, (hertz > 0.15) & (hertz < 0.4)].max(axis=(1, 2))
    assert breath[0] > 30 * breath[1]
    assert samples.std(axis=2).max() < 0.02


def test_a_turn_ends_in_its_posture_and_keeps_gravity_at_one_g():
    model = MotionModel(1, 0)
    model.turn_to(0, -SITTING, 4.0)
    samples = np.concatenate([model.next_second() for _ in range(6)], axis=2)[0]
    assert abs(np.linalg.norm(samples, axis=0) - 1.0).max() < 0.05
    assert np.allclose(samples[:, -25:].mean(axis=1), unit(-SITTING), atol=0.02)


def test_one_who_lies_gets_up_before_falling():
    random = np.random.default_rng(0)
    lying = make_fall(random, unit(LYING[0]), upright=False)
    standing = make_fall(np.random.default_rng(0), unit(HANGING), upright=True)
    assert lying.impact_sample - standing.impact_sample == 75
    assert lying.drop_sample < lying.impact_sample
    assert lying.samples_g.shape[1] % 50 == 0
