"""The doctor on the plan of the home and its calibration."""

from __future__ import annotations

import numpy as np
import pytest

from contract.whereabouts import ZoneUse
from detectors import room_file
from detectors.room_model import Walk, learn
from wardlight.doctor.findings import Level
from wardlight.settings import GatewayEntry
from wardlight.settings_devices import SensorSettings
from wardlight.settings_plan import WhereaboutsSettings, ZoneSettings

ZONES = (ZoneSettings(id="lounge"), ZoneSettings(id="door", use=ZoneUse.EXIT))
SENSOR = SensorSettings(id="door-1", address="A4:C1:38:00:00:01", zone="door")


@pytest.mark.parametrize(
    ("lacks", "level", "said"),
    [
        ("nothing", Level.OK, "1 resident at risk"),
        ("the contact", Level.WARNING, "its door is not seen to open"),
        ("a gateway", Level.WARNING, "nothing hears in door"),
        ("a wearable", Level.WARNING, "wears nothing"),
        ("anybody at risk", Level.OK, "0 residents at risk"),
        ("a plan", Level.OK, "no [[zones]]"),
    ],
)
def test_who_could_leave_unnoticed_is_said(looking, found, lacks, level, said):
    settings = looking.settings()
    at_risk = None if lacks == "anybody at risk" else WhereaboutsSettings(at_risk=True)
    resident = settings.residents[0].model_copy(update={"whereabouts": at_risk})
    if lacks == "a wearable":
        resident = resident.model_copy(update={"device": None})
    settings = settings.model_copy(
        update={
            "zones": () if lacks == "a plan" else ZONES,
            "residents": (resident,),
            "sensors": () if lacks in {"the contact", "anybody at risk"} else (SENSOR,),
            "gateways": () if lacks == "a gateway" else (GatewayEntry(name="a", zone="door"),),
        }
    )
    entry = found(looking.now(settings, "configuration"), "configuration / plan")
    assert (entry.level, said in entry.found) == (level, True), entry.found
    assert bool(entry.advice) is (level is Level.WARNING)


@pytest.mark.parametrize(
    ("kind", "wanted"),
    [
        ("none", (Level.OK, "by the plan alone")),
        ("good", (Level.OK, "2 zones")),
        ("gone", (Level.FAULT, "cannot be used")),
        ("broken", (Level.FAULT, "no calibration")),
        ("of another home", (Level.WARNING, "speaks of hall")),
    ],
)
def test_a_calibration_that_gateways_will_not_get_is_said(looking, found, tmp_path, kind, wanted):
    path = tmp_path / "rooms.json"
    zones = ("lounge", "hall") if kind == "of another home" else ("lounge", "door")
    if kind == "broken":
        path.write_text("{}")
    elif kind != "gone":
        rssi_dbm = np.full((1, 40), -60, np.float32)
        walk = Walk(rssi_dbm, np.zeros((0, 40), np.bool_), np.arange(40) // 20)
        model = learn([walk], zones=zones, receivers=("a",), sensors=())
        path.write_bytes(room_file.encode(model))
    settings = looking.settings()
    home = settings.home.model_copy(update={"rooms": None if kind == "none" else path})
    settings = settings.model_copy(update={"zones": ZONES, "home": home})
    entry = found(looking.now(settings, "configuration"), "configuration / calibration")
    level, said = wanted
    assert (entry.level, said in entry.found) == (level, True), entry.found
