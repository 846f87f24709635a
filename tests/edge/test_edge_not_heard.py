"""Why a wearable is not heard: as a table."""

from __future__ import annotations

import pytest

from edge.not_heard import (
    FALLING_DB,
    FLAT_PERCENT,
    WEAK_DBM,
    LastHeard,
    LikelyCause,
    evidence,
    is_exit,
    likely_cause,
    words,
)

WELL = LastHeard(
    95.0,
    gateway="gateway-a",
    zone="corridor-2",
    rssi_dbm=-62.0,
    before_dbm=-61.0,
    battery_percent=70,
)


@pytest.mark.parametrize(
    ("changes", "cause"),
    [
        ({}, LikelyCause.STOPPED),
        ({"seconds_ago": None}, LikelyCause.NEVER_HEARD),
        ({"battery_percent": FLAT_PERCENT}, LikelyCause.FLAT_BATTERY),
        ({"battery_percent": FLAT_PERCENT + 1}, LikelyCause.STOPPED),
        ({"battery_percent": 12, "battery_days": 0.2}, LikelyCause.FLAT_BATTERY),
        ({"battery_percent": None}, LikelyCause.STOPPED),
        ({"zone": "entrance"}, LikelyCause.LEFT_THE_BUILDING),
        ({"zone": "main-exit-1"}, LikelyCause.LEFT_THE_BUILDING),
        ({"rssi_dbm": WEAK_DBM - 1, "before_dbm": WEAK_DBM - 3}, LikelyCause.COVERAGE),
        ({"rssi_dbm": WEAK_DBM, "before_dbm": None}, LikelyCause.COVERAGE),
        ({"rssi_dbm": WEAK_DBM - 1}, LikelyCause.WENT_AWAY),
        ({"rssi_dbm": -61.0 - FALLING_DB}, LikelyCause.WENT_AWAY),
        ({"rssi_dbm": -60.0 - FALLING_DB}, LikelyCause.STOPPED),
        ({"rssi_dbm": None, "before_dbm": None}, LikelyCause.STOPPED),
        # The first that holds is said.
        ({"is_gateway_down": True, "battery_percent": 1, "zone": "exit"}, LikelyCause.GATEWAY_DOWN),
        ({"battery_percent": 1, "zone": "exit"}, LikelyCause.FLAT_BATTERY),
        ({"zone": "exit", "rssi_dbm": -95.0, "before_dbm": -92.0}, LikelyCause.LEFT_THE_BUILDING),
    ],
)
def test_the_likely_cause(changes, cause):
    last = WELL._replace(**changes)
    assert likely_cause(last) is cause
    said = words("wearable-3", last)
    assert said.startswith("wearable-3 is not heard: ")
    assert said.endswith("; look at its wearer")
    assert "None" not in said
    assert evidence(last).detector == f"not_heard/1:{cause.value}"


def test_it_says_where_and_how_it_was_last_heard():
    assert words("wearable-3", WELL._replace(zone="entrance", battery_percent=40)) == (
        "wearable-3 is not heard: its wearer may have left the building (last heard 95 s ago, at "
        "entrance, -62 dBm, battery 40 %); look at its wearer"
    )
    features = evidence(WELL).features
    assert features == {
        "heard_ago_s": 95.0,
        "rssi_dbm": -62.0,
        "before_dbm": -61.0,
        "battery_percent": 70.0,
    }


@pytest.mark.parametrize("zone", ["entrance", "main-exit", "Garden gate", "地下大堂", "lobby-g"])
def test_where_one_leaves(zone):
    assert is_exit(zone)


@pytest.mark.parametrize("zone", [None, "room-211", "corridor-2", "lounge"])
def test_where_one_does_not(zone):
    assert not is_exit(zone)
