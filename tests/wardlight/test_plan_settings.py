"""The plan of the home in the settings: what cannot be is named, and what can reaches gateways."""

from __future__ import annotations

import pytest

from alerts import Database, Directory
from contract.clock import VirtualClock
from contract.messages import GatewayConfig
from contract.whereabouts import WhereaboutsPolicy, ZoneConfig, ZoneUse
from contract.wire import decode, encode
from detectors import room_file
from detectors.room_model import Walk, learn
from wardlight.roster import enrol
from wardlight.settings import SettingsError, load_settings

ZONES = """
[[zones]]
id = "room-1"
use = "bedroom"
floor = "2/F"
[[zones]]
id = "corridor"
use = "corridor"
next_to = ["room-1", "door"]
[[zones]]
id = "door"
use = "exit"
"""
RESIDENT = "[[residents]]\nid='r1'\nname='N'\nbed='b'\nzone='room-1'\nfloor='2/F'\n"
TAG = "[[carer_tags]]\ndevice='carer-tag-1'\naddress='C0:DE:5A:00:01:01'\nidentity=77\n"


@pytest.fixture
def load(tmp_path):
    def load_text(text):
        path = tmp_path / "home.toml"
        path.write_text(text)
        return load_settings(path)

    return load_text


@pytest.fixture
def directory(tmp_path):
    database = Database(f"sqlite:///{tmp_path / 'records.sqlite'}")
    database.upgrade()
    yield Directory(database, "home", VirtualClock())
    database.close()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (ZONES + ZONES, "zones: 'room-1' stands twice"),
        (ZONES.replace("'door'", "'dor'").replace('"door"]', '"dor"]'), "did you mean 'door'?"),
        (ZONES.replace('"exit"', '"exti"'), "zones.2.use"),
        (ZONES.replace(', "door"', ""), "no way leads from 'room-1' to 'door'"),
        (ZONES + RESIDENT.replace("room-1", "room-2"), "resident 'r1': 'room-2' is none of"),
        (ZONES + "[[gateways]]\nname='g'\nzone='hall'", "gateway 'g': 'hall' is none of"),
        (ZONES + "[[receivers]]\nname='g'\nzone='hall'", "receiver 'g': 'hall' is none of"),
        (
            ZONES + "[[sensors]]\nid='s'\naddress='A4:C1:38:00:00:01'\nzone='coridor'",
            "sensor 's': 'coridor' is none of [[zones]]; did you mean 'corridor'?",
        ),
        (
            ZONES + RESIDENT + "whereabouts={at_risk=true, safe_zones=['louge']}",
            "safe_zones: 'louge' is none of",
        ),
        (ZONES + RESIDENT + "whereabouts={safe_zones=['room-1']}", "for who is at_risk"),
        (
            ZONES + RESIDENT + "whereabouts={at_risk=true, safe_zones=['door']}",
            "'door' is an exit, and nobody is alone there",
        ),
        (RESIDENT + "whereabouts={at_risk=true}", "no zone has use = 'exit'"),
        (RESIDENT + "whereabouts={at_rsk=true}", "did you mean 'at_risk'?"),
        (RESIDENT + "whereabouts={not_returned_minutes=2}", "at least 5"),
        (RESIDENT + "whereabouts={not_returned_minutes=999}", "not_returned_minutes"),
        (TAG + TAG, "devices: 'carer-tag-1' stands twice"),
        (TAG.replace("identity=77", ""), "identity, or the key"),
        ("[[carer_tags]]\ndevice='t'\nkey='hush'", "carer_tags.0.key"),
    ],
)
def test_a_plan_that_cannot_be_is_named(load, text, said):
    with pytest.raises(SettingsError) as refusal:
        load(text)
    assert said in str(refusal.value)
    assert "hush" not in str(refusal.value)


def test_the_plan_and_what_is_asked_reach_the_gateways(load, directory):
    settings = load(
        ZONES
        + RESIDENT
        + "device='w1'\naddress='AA:00:00:00:00:01'\nidentity=1\n"
        + "whereabouts={at_risk=true, safe_zones=['room-1'], bed_exit=true}\n"
        + TAG
        + "[[gateways]]\nname='gateway-a'\nzone='corridor'\n"
    )
    enrol(settings, directory)
    config = decode(encode(directory.gateway_config("gateway-a")), GatewayConfig)
    assert config.zones == [
        ZoneConfig(zone="corridor", use=ZoneUse.CORRIDOR, next_to=["room-1", "door"]),
        ZoneConfig(zone="door", use=ZoneUse.EXIT),
        ZoneConfig(zone="room-1", use=ZoneUse.BEDROOM),
    ]
    assert config.gateway_zones == {"gateway-a": "corridor"}
    tag, worn = config.wearables
    assert (tag.device, tag.is_carer, tag.resident) == ("carer-tag-1", True, None)
    assert worn.whereabouts == WhereaboutsPolicy(at_risk=True, safe_zones=["room-1"], bed_exit=True)
    assert not worn.is_carer
    assert [(each.device, each.is_carer) for each in directory.devices()] == [
        ("carer-tag-1", True),
        ("w1", False),
    ]
    revision = config.revision
    enrol(settings, directory)
    assert directory.gateway_config("gateway-a").revision == revision
    with pytest.raises(ValueError, match="carer's tag"):
        directory.pair("carer-tag-1", resident="r1")
    without = load(ZONES.replace(', "door"', "").partition('[[zones]]\nid = "door"')[0])
    enrol(without, directory)
    assert [each.zone for each in directory.gateway_config("gateway-a").zones] == [
        "corridor",
        "room-1",
    ]


def test_what_people_asked_for_outlives_a_restart_and_an_edit_of_the_file_is_followed(
    load, directory
):
    def start(asked):
        enrol(
            load(
                ZONES + RESIDENT + "device='w'\naddress='AA:00:00:00:00:01'\nidentity=1\n"
                f"whereabouts={asked}"
            ),
            directory,
        )
        return directory.gateway_config("gateway-a").wearables[0].whereabouts

    assert start("{bed_exit=true}").bed_exit
    directory.set_whereabouts("r1", WhereaboutsPolicy(at_risk=True), by="siu")
    assert start("{bed_exit=true}") == WhereaboutsPolicy(at_risk=True)
    assert start("{bed_exit=true, inactive=false}") == WhereaboutsPolicy(
        at_risk=True, inactive=False
    )


def test_a_zone_that_is_taken_out_of_the_plan_keeps_nothing_else_of_the_file_from_being_followed(
    load, directory
):
    lounge = ZONES + '[[zones]]\nid = "lounge"\nnext_to = ["corridor"]\n'

    def start(plan, asked):
        worn = "device='w'\naddress='AA:00:00:00:00:01'\nidentity=1\n"
        enrol(load(f"{plan}{RESIDENT}{worn}whereabouts={asked}"), directory)
        return directory.gateway_config("gateway-a").wearables[0].whereabouts

    start(lounge, "{bed_exit=true}")
    chosen = WhereaboutsPolicy(at_risk=False, safe_zones=["lounge", "room-1"])
    directory.set_whereabouts("r1", chosen, by="siu")
    assert start(ZONES, "{bed_exit=true, at_risk=true}") == WhereaboutsPolicy(
        at_risk=True, safe_zones=["room-1"]
    )


def test_a_calibration_reaches_the_gateways_and_a_broken_one_leaves_what_stands(
    load, directory, tmp_path
):
    import numpy as np

    walk = Walk(np.full((1, 40), -60, np.float32), np.zeros((0, 40), np.bool_), np.arange(40) // 20)
    model = learn([walk], zones=("room-1", "door"), receivers=("gateway-a",), sensors=())
    good, bad = tmp_path / "rooms.json", tmp_path / "bad.json"
    good.write_bytes(room_file.encode(model))
    bad.write_text("{}")
    told = {}
    for path in (good, bad, tmp_path / "gone.json"):
        enrol(load(f"[home]\nrooms = '{path}'\n"), directory)
        told[path] = directory.gateway_config("gateway-a").rooms
    assert told[good] == told[bad] == told[tmp_path / "gone.json"]
    read = room_file.unpack(told[good])
    assert read.zones == ("room-1", "door")
    enrol(load(""), directory)
    assert directory.gateway_config("gateway-a").rooms is None
    with pytest.raises(ValueError, match="walk with fewer receivers"):
        directory.set_rooms("x" * 300_000)
