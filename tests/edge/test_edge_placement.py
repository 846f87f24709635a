"""The gateway judges a wearable by where it is worn."""

from __future__ import annotations

from contract.clock import VirtualClock
from contract.messages import MESSAGE_SCHEMA, GatewayConfig, WearableConfig
from contract.screen import SCREEN_IMPACT_G
from edge.counters import Counts
from edge.pipeline import Pipeline
from edge.timebase import SessionTime
from edge.wearables import Roster
from edge.window import Window


def worn(placement: str) -> GatewayConfig:
    wearable = WearableConfig(
        device="wearable-1",
        address="C0:00:00:00:00:01",
        identity=1,
        resident="resident-1",
        bed="1-A",
        streaming=True,
        placement=placement,
    )
    return GatewayConfig(schema=MESSAGE_SCHEMA, home="home", revision=1, wearables=[wearable])


def test_a_stream_is_judged_by_its_placement_and_follows_the_configuration():
    roster = Roster()
    pipeline = Pipeline(roster, SessionTime(VirtualClock()), Counts())
    for placement in ("waist", "wrist", "pendant"):
        pipeline.resize(roster.apply(worn(placement)))
        row = roster.by_device["wearable-1"].stream_row
        assert pipeline._detector._finder.screen_g[row] == SCREEN_IMPACT_G[placement]


def test_a_window_is_judged_by_its_placement():
    for placement in ("waist", "wrist", "pendant"):
        assert Window(0, placement)._detector._finder.screen_g[0] == SCREEN_IMPACT_G[placement]
