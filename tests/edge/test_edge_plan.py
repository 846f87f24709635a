"""A configuration as rows and arrays, whatever stands in it."""

from __future__ import annotations

import numpy as np

from contract.messages import SensorConfig
from contract.whereabouts import WhereaboutsPolicy, ZoneConfig, ZoneUse
from edge.plan import plan_of, policies_of, rows_of

ZONES = [
    ZoneConfig(zone="room-211", use=ZoneUse.BEDROOM, next_to=["corridor"]),
    ZoneConfig(zone="corridor", use=ZoneUse.CORRIDOR, next_to=["entrance", "no-such-zone"]),
    ZoneConfig(zone="entrance", use=ZoneUse.EXIT),
    ZoneConfig(zone="attic"),
]


def sensor(device: str, zone: str, number: int, **changes) -> SensorConfig:
    return SensorConfig(device=device, address=f"AA:00:00:00:00:{number:02X}", zone=zone, **changes)


def home(make_config, make_wearable, zones=ZONES):
    return make_config(
        make_wearable(6, resident="resident-1", kind="heart_rate"),
        make_wearable(1, whereabouts=WhereaboutsPolicy(at_risk=True, safe_zones=["corridor"])),
        make_wearable(2, is_carer=True, resident=None),
        make_wearable(3, resident=None),
        make_wearable(4, whereabouts=WhereaboutsPolicy(safe_zones=["gone"]), zone="gone"),
        make_wearable(5, resident="resident-1"),
        zones=zones,
        sensors=[
            sensor("door", "entrance", 1),
            sensor("bed", "room-211", 2, resident="resident-1", bed="2/F 211-A"),
            sensor("mat", "entrance", 3, resident="resident-4"),
            sensor("window", "room-211", 4),
        ],
    )


def test_rows_are_residents_tags_and_exit_doors(make_config, make_wearable):
    rows = rows_of(home(make_config, make_wearable))
    assert rows.zones == ("room-211", "corridor", "entrance", "attic")
    assert rows.residents == ("resident-1", "resident-4")
    assert rows.devices == ("wearable-1", "wearable-4")
    assert rows.carers == ("wearable-2",)
    assert rows.doors == ("door",)
    assert rows.beds == (("bed",), ("mat",))


def test_ways_go_both_ways_and_lead_to_no_zone_that_is_not_there(make_config, make_wearable):
    config = home(make_config, make_wearable)
    plan = plan_of(config, rows_of(config))
    assert np.array_equal(plan.near, plan.near.T)
    pairs = np.argwhere(np.triu(plan.near, 1)).tolist()
    assert pairs == [[0, 1], [1, 2]]
    assert plan.exit_doors.tolist() == [2]
    assert plan.is_exit.tolist() == [False, False, True, False]


def test_policies_are_each_residents_own(make_config, make_wearable):
    config = home(make_config, make_wearable)
    policies = policies_of(config, rows_of(config))
    assert policies.at_risk.tolist() == [True, False]
    assert policies.home_zone.tolist() == [0, -1]
    assert policies.not_returned_s.tolist() == [1_800, 1_800]
    # Her own room is safe, too; safe zones that are gone leave everything safe.
    assert policies.safe.tolist() == [[True, True, False, False], [True] * 4]


def test_a_zone_that_stands_there_twice_is_one(make_config, make_wearable):
    config = home(make_config, make_wearable, zones=[*ZONES, ZoneConfig(zone="entrance")])
    rows = rows_of(config)
    plan = plan_of(config, rows)
    assert rows.zones[2:] == ("entrance", "attic")
    assert plan.is_exit.tolist() == [False, False, True, False]


def test_a_home_without_plan_or_people_is_empty(make_config):
    config = make_config()
    rows = rows_of(config)
    assert (rows.zones, rows.doors) == ((), ())
    assert plan_of(config, rows).near.shape == (0, 0)
    assert policies_of(config, rows).safe.shape == (1, 0)
