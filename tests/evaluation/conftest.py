"""Made-up trials: people who walk, knock things, and sometimes fall."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from evaluation.trials import Trial


def _motion(rng: np.random.Generator, seconds: float, rate_hz: float, *, falls: bool) -> np.ndarray:
    t = np.arange(round(seconds * rate_hz)) / rate_hz
    samples = np.zeros((3, len(t)))
    samples[2] = 1 + 0.2 * np.sin(2 * np.pi * 2 * t)
    samples += 0.02 * rng.standard_normal(samples.shape)
    at = seconds / 2 + rng.uniform(-1, 1)
    if falls:
        samples[:, (t > at - 0.4) & (t < at)] *= 0.3
        samples[:, t > at] = 0.01 * rng.standard_normal((3, int((t > at).sum())))
        samples[1, t > at] += 1
        samples[:2, np.abs(t - at) < 0.08] += rng.uniform(2, 4)
    else:
        for knock in (at - 2, at, at + 2):
            samples[2, np.abs(t - knock) < 0.08] += rng.uniform(1, 2.5)
    return samples.astype(np.float32)


@pytest.fixture(scope="session")
def made_up_trials() -> Callable[..., list[Trial]]:
    """``make(people, falls, daily, dataset=..., rate_hz=...)``: so many of each for each person."""

    def make(
        people: int, falls: int, daily: int, *, dataset: str = "made-up", rate_hz: float = 40.0,
        seconds: float = 12.0,
    ) -> list[Trial]:  # fmt: skip
        rng = np.random.default_rng(people + falls)
        return [
            Trial(
                dataset=dataset,
                trial=f"p{person}-{'F' if is_fall else 'D'}{number}",
                person=f"{dataset}/p{person}",
                placement="wrist",
                rate_hz=rate_hz,
                samples_g=_motion(rng, seconds, rate_hz, falls=is_fall),
                is_fall=is_fall,
                older=person == 0,
            )
            for person in range(people)
            for is_fall, count in ((True, falls), (False, daily))
            for number in range(count)
        ]

    return make
