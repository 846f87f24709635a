from __future__ import annotations

import numpy as np
import pytest

from firmware_sim.layouts import Unreadable, import_motion, read_back, trials
from firmware_sim.layouts.numbers import NOTE_CUT
from firmware_sim.layouts.umafall import NOTE_NO_AGE, NOTE_NO_WRIST

ADL = "UMAFall_Subject_01_ADL_Aplausing_1_2017-04-14_23-38-23.csv"
FALL = "UMAFall_Subject_02_Fall_backwardFall_3_2016-06-13_20-25-01.csv"
SENSORS = {
    0: ("RIGHTPOCKET", 200.0),
    1: ("CHEST", 20.0),
    2: ("WAIST", 20.0),
    3: ("WRIST", 20.0),
    4: ("ANKLE", 20.0),
}


def test_wrist_and_waist_are_read_and_only_the_accelerometer(published):
    published.write(f"UMAFall_Dataset/{ADL}", published.umafall_text(SENSORS), windows=True)
    wrist, waist = trials(published.root)
    assert [wrist.placement, waist.placement] == ["wrist", "waist"]
    assert wrist.trial == "S01-ADL-Aplausing-01-2017-04-14_23-38-23-wrist"
    np.testing.assert_allclose(wrist.samples_g, published.motion(6, 20, seed=3), atol=1e-6)
    np.testing.assert_allclose(waist.samples_g, published.motion(6, 20, seed=2), atol=1e-6)
    for trial in (wrist, waist):
        assert (trial.subject, trial.activity, trial.is_fall) == ("S01", "Aplausing", False)
        assert trial.rate_hz == pytest.approx(20)
        assert trial.age_group == "older"
        assert trial.notes == ()


def test_a_fall_of_a_young_person_at_one_placement(published, out):
    text = published.umafall_text(SENSORS, age="%Age: 24 years\n")
    published.write(FALL, text)
    report = import_motion(published.root, out, placement="waist")
    [trial] = read_back(out)
    assert (trial.placement, trial.is_fall, trial.activity) == ("waist", True, "backwardFall")
    assert trial.age_group == "young"
    assert report.falls == 1


def test_a_file_without_a_wrist_sensor_gives_its_waist(published):
    published.write(ADL, published.umafall_text({2: ("WAIST", 20.0)}, age=""))
    [waist] = trials(published.root)
    assert waist.placement == "waist"
    assert waist.age_group is None
    assert set(waist.notes) == {NOTE_NO_AGE, NOTE_NO_WRIST}


def test_a_file_with_neither_says_what_it_has(published):
    published.write(ADL, published.umafall_text({0: ("RIGHTPOCKET", 200.0), 1: ("CHEST", 20.0)}))
    [bad] = trials(published.root)
    assert isinstance(bad, Unreadable)
    assert "the header names: chest, rightpocket" in bad.reason


def test_one_silent_sensor_does_not_lose_the_other(published):
    published.write(ADL, published.umafall_text(SENSORS, without_rows=(3,)))
    bad, waist = trials(published.root)
    assert bad == Unreadable(ADL, "wrist: the sensor has no accelerometer rows")
    assert waist.placement == "waist"


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda text: "", "empty"),
        (lambda text: "".join(x for x in text.splitlines(True) if x[0] != "%"), "none"),
        (lambda text: "".join(x for x in text.splitlines(True) if x[0] == "%"), "no complete line"),
        (lambda text: text.replace(";0;3\n", ";0\n", 1), "Row"),
    ],
)
def test_damaged_files_are_named(published, damage, reason):
    published.write(ADL, damage(published.umafall_text(SENSORS)))
    [bad] = trials(published.root)
    assert reason in bad.reason


def test_a_cut_last_line(published):
    published.write(ADL, published.umafall_text(SENSORS) + "6001;121;0.01")
    for trial in trials(published.root):
        assert trial.notes == (NOTE_CUT,)
