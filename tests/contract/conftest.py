"""Strategies for what travels over the air."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from contract.advert import WearableAdvert


def make_advert(**changes: object) -> WearableAdvert:
    values: dict[str, object] = {
        "identity": 0x01020304,
        "boot_counter": 7,
        "second": 0x1234,
        "mean_g": (0.5, -0.25, 1.0),
        "min_g": 0.5,
        "max_g": 2.0,
        "deviation_g": 4.0,
        "battery_percent": 88,
        "worn": True,
        "charging": False,
        "saturated": True,
        "candidate_counter": 3,
        "candidate_pending": True,
        "candidate_age_s": 9,
        "candidate_peak_g": 3.5,
        "button_counter": 2,
        "button_pending": False,
        "heart_rate_bpm": 61,
    }
    return WearableAdvert(**(values | changes))  # type: ignore[arg-type]


@pytest.fixture
def advert() -> Callable[..., WearableAdvert]:
    return make_advert
