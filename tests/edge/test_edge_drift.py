"""How fast wearables' clocks run."""

from __future__ import annotations

import numpy as np
import pytest

from contract.messages import WearableConfig
from contract.units import NS_PER_S
from edge.drift import BLOCK_NS, BLOCKS, LIMIT_PPM, OK_PPM, Drift, words
from edge.wearables import Wearable


class Air:
    """Wearables whose adverts come within a second after each second of theirs."""

    def __init__(self, *ppm: float, own_ppm: float = 0.0, seed: int = 0) -> None:
        self.random = np.random.default_rng(seed)
        self.own = own_ppm
        self.ppm = list(ppm)
        self.wearables = [
            Wearable(WearableConfig(device=f"w{number}", address=f"{number}"), number, None)
            for number in range(len(ppm))
        ]
        self.drift = Drift()
        self.now_ns = 0
        self.said = 0

    def run(self, minutes: float, heard: float = 0.7) -> None:
        for _ in range(round(minutes * 60)):
            self.now_ns += NS_PER_S
            for wearable, ppm in zip(self.wearables, self.ppm, strict=True):
                if self.random.random() < heard:
                    true_ns = self.now_ns / (1 + self.own * 1e-6)
                    device_ns = int(true_ns * (1 + ppm * 1e-6)) // NS_PER_S * NS_PER_S
                    ended_ns = device_ns / (1 + ppm * 1e-6) * (1 + self.own * 1e-6)
                    late_ns = self.random.exponential(0.15) * NS_PER_S
                    wearable.time.observe(device_ns, int(ended_ns + late_ns))
            self.said += self.drift.note(self.wearables, self.now_ns)

    def rates(self):
        return self.drift.rates_ppm()


@pytest.mark.parametrize("seed", range(5))
def test_rates_are_told_to_some_parts_per_million(seed):
    air = Air(0.0, 45.0, -310.0, 20.0, -30.0, seed=seed)
    air.run(BLOCKS * BLOCK_NS / NS_PER_S / 60 + 1)
    rates, common = air.rates()
    assert common == pytest.approx(0.0, abs=25)
    for number, ppm in enumerate(air.ppm):
        assert rates[f"w{number}"] == pytest.approx(ppm, abs=25)
    assert [name for name, ppm in rates.items() if abs(ppm) > LIMIT_PPM] == ["w2"]


def test_nothing_is_said_before_half_an_hour_nor_of_who_was_not_heard():
    air = Air(400.0)
    air.run(BLOCK_NS / NS_PER_S / 60 * (BLOCKS - 1))
    assert air.rates() == ({}, 0.0)
    air.run(2 * BLOCK_NS / NS_PER_S / 60)
    assert air.rates()[0]["w0"] == pytest.approx(400, abs=25)
    air.run(2 * BLOCK_NS / NS_PER_S / 60, heard=0.0)
    assert air.rates() == ({}, 0.0)


def test_what_all_of_them_show_is_the_gateways_own():
    air = Air(0.0, 10.0, -20.0, 300.0, own_ppm=-400.0)
    air.run(40)
    rates, common = air.rates()
    assert common == pytest.approx(400, abs=40)
    assert abs(rates["w0"]) < OK_PPM
    assert rates["w3"] == pytest.approx(295, abs=40)


def test_a_reboot_and_a_step_begin_anew():
    air = Air(0.0)
    air.run(25)
    air.wearables[0].restart()
    air.run(20)
    assert air.rates() == ({}, 0.0)
    air.run(25)
    assert abs(air.rates()[0]["w0"]) < 30


def test_a_stream_is_another_line():
    air = Air(0.0)
    air.run(40)
    assert air.rates()[0]
    air.wearables[0].sampled_ns = air.now_ns
    air.run(6)
    assert air.rates() == ({}, 0.0)


def test_what_is_said():
    assert words("wearable-3", -310.0) == (
        "the clock of wearable-3 runs 310 ppm slow (27 s a day; a sound one stays within 200 ppm): "
        "its crystal is broken, exchange it"
    )
