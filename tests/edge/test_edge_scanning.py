"""What links cost: adverts with and without them, by adapter."""

from __future__ import annotations

import numpy as np
import pytest

from contract.units import NS_PER_S
from edge.scanning import (
    ALL,
    BADLY_STARVED_SHARE,
    LEAST_WEARABLES,
    SPAN_NS,
    STARVED_SHARE,
    AdapterLoad,
    ScanWatch,
    loads_of,
)

WEARABLES = 20


class Air:
    """Adverts at 2 a second and wearable, of which links take a share."""

    def __init__(self, *, share: float, adapters: tuple[str, ...] = (ALL,), seed: int = 0) -> None:
        self.watch = ScanWatch()
        self.random = np.random.default_rng(seed)
        self.share = share
        self.heard = dict.fromkeys(adapters, 0)
        self.links = dict.fromkeys(adapters, 0)
        self.wearables = WEARABLES
        self.now_ns = 0
        self.starved = []

    def run(self, seconds: int) -> None:
        for _ in range(seconds // 5):
            self.now_ns += 5 * NS_PER_S
            for name, links in self.links.items():
                share = self.share if links else 1.0
                self.heard[name] += self.random.poisson(2 * self.wearables * 5 * share)
            loads = [AdapterLoad(name, self.heard[name], self.links[name]) for name in self.heard]
            self.starved += self.watch.note(loads, self.wearables, self.now_ns)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("share", [1.0, 0.8, 0.6])
def test_links_that_cost_little_are_no_fault(share, seed):
    air = Air(share=share, seed=seed)
    air.run(300)
    air.links[ALL] = 5
    air.run(3_600)
    assert air.starved == []


@pytest.mark.parametrize(("share", "bad"), [(0.4, False), (0.1, True)])
def test_links_that_starve_the_scan_are_told_with_figures(share, bad):
    air = Air(share=share)
    air.run(300)
    air.links[ALL] = 1
    air.run(150)
    (starved,) = air.starved
    assert starved.share == pytest.approx(share, abs=0.05)
    assert starved.is_bad is bad
    assert starved.without == pytest.approx(2 * WEARABLES, rel=0.1)
    assert starved.words().startswith("the radio hears ")
    assert f"({starved.share:.0%})" in starved.words()
    assert BADLY_STARVED_SHARE < STARVED_SHARE
    # Each further two minutes of it are told anew.
    air.run(250)
    assert len(air.starved) == 3


def test_without_a_measure_of_what_is_heard_without_links_nothing_is_said():
    air = Air(share=0.1)
    air.links[ALL] = 1
    air.run(600)
    assert air.starved == []
    assert air.watch.counts().keys() == {"adverts_per_s_with_links"}


def test_people_who_leave_are_not_starvation():
    air = Air(share=1.0)
    air.run(300)
    air.links[ALL] = 1
    air.wearables = 5
    air.run(600)
    assert air.starved == []
    air.wearables = LEAST_WEARABLES - 1
    air.share = 0.0
    air.run(600)
    assert air.starved == [], "too few in reach to tell"


def test_one_adapter_is_told_apart_from_the_other():
    air = Air(share=0.2, adapters=("hci0", "hci1"))
    air.run(300)
    air.links["hci1"] = 2
    air.run(130)
    assert [each.adapter for each in air.starved] == ["hci1"]
    assert "adapter hci1 hears" in air.starved[0].words()
    counts = air.watch.counts()
    assert counts["adverts_per_s_without_links: hci0"] == pytest.approx(40, rel=0.1)


def test_an_adapter_that_comes_back_counts_from_the_start():
    air = Air(share=1.0)
    air.run(300)
    air.links[ALL] = 1
    air.run(60)
    air.heard[ALL] = 0
    air.run(300)
    assert air.starved == []


def test_spans_in_which_links_come_and_go_say_nothing():
    air = Air(share=0.1)
    air.run(300)
    for _ in range(60):
        air.links[ALL] = 1 - air.links[ALL]
        air.run(5)
    assert air.starved == []
    assert SPAN_NS == 10 * NS_PER_S


class Told:
    def loads(self):
        return [AdapterLoad("hci0", 7, 0), AdapterLoad("hci1", 9, 2)]


def test_a_radio_that_knows_its_adapters_is_asked():
    assert loads_of(Told(), 100, 5) == Told().loads()
    assert loads_of(object(), 100, 5) == [AdapterLoad(ALL, 100, 5)]
