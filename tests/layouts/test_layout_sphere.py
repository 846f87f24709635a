from __future__ import annotations

import numpy as np
import pytest

from firmware_sim.layouts import (
    Interval,
    SphereSequence,
    Unreadable,
    detect_layout,
    import_motion,
    read_back,
    sphere_sequences,
)

HEADER = "t,x,y,z,Kitchen_AP,Lounge_AP,Upstairs_AP,Study_AP\n"


def acceleration(published, seconds=10, seed=0):
    motion = published.motion(seconds, 20, seed)
    rows = "".join(
        f"{i * 0.05:.6f},{x:.3f},{y:.3f},{z:.3f},-{70 + i % 20},,-81.0,{'-90' if i % 2 else ''}\n"
        for i, (x, y, z) in enumerate(motion.T)
    )
    return motion, HEADER + rows


def sequence(published, folder="train/00001", *, windows=False, seed=0):
    motion, text = acceleration(published, seed=seed)
    published.write(f"{folder}/acceleration.csv", text, windows=windows)
    intervals = {
        "pir": "4.608,6.556,study,7\n6.5,9,stairs,6\n",
        "location_0": "0.0,8.5,hall,3\n",
        "location_1": "0.0,8.4,hall,3\n",
        "annotations_0": "1.5,2.5,a_walk,4\n",
    }
    for name, rows in intervals.items():
        text = "start,end,name,index\n" + rows
        published.write(f"{folder}/{name}.csv", text, windows=windows)
    published.write(f"{folder}/targets.csv", "not ours")
    return motion


@pytest.mark.parametrize("windows", [False, True])
def test_a_sequence_with_everything(published, windows):
    motion = sequence(published, windows=windows)
    [found] = sphere_sequences(published.root)
    assert isinstance(found, SphereSequence)
    assert found.name == "train-00001"
    assert found.wrist.access_points == ("Kitchen_AP", "Lounge_AP", "Upstairs_AP", "Study_AP")
    assert found.wrist.rssi_dbm.shape == (4, 200)
    assert np.isnan(found.wrist.rssi_dbm[1]).all(), "not heard is not a number"
    assert found.wrist.rssi_dbm[0, 1] == -71
    assert np.isnan(found.wrist.rssi_dbm[3, ::2]).all()
    np.testing.assert_allclose(found.wrist.acceleration_g, motion, atol=0.0006)
    np.testing.assert_allclose(found.wrist.t_s, np.arange(200) * 0.05)
    assert found.pir == (Interval(4.608, 6.556, "study", 7), Interval(6.5, 9, "stairs", 6))
    assert found.locations == {0: (Interval(0, 8.5, "hall", 3),), 1: (Interval(0, 8.4, "hall", 3),)}
    assert found.annotations == {0: (Interval(1.5, 2.5, "a_walk", 4),)}


@pytest.mark.parametrize("below", ["", "train", "train/00001"])
def test_any_folder_of_the_set(published, below):
    sequence(published)
    assert detect_layout(published.root / below).layout == "sphere"
    [found] = sphere_sequences(published.root / below)
    assert found.name == "train-00001"


def test_a_file_that_is_missing_or_damaged_takes_no_other_with_it(published):
    sequence(published, "train/00002")
    (published.root / "train/00002/pir.csv").unlink()
    sequence(published, "train/00003")
    published.write("train/00003/acceleration.csv", "t,x,y\n1,2,3\n")
    sequence(published, "train/00004")
    published.write("train/00004/location_0.csv", "start,end,name,index\n1,2,hall\n")
    published.write("train/00004/location_1.csv", "start,end,name,index\n3,2,hall,1\n")
    published.write("train/00004/annotations_0.csv", "start,end,name,index\n3,x,hall,1\n")
    published.write("train/00004/pir.csv", "start,stop,name,index\n")
    second, *bad, fourth = sphere_sequences(published.root)
    assert second.pir is None
    assert [(line.source, line.reason.split(",")[0]) for line in bad] == [
        ("train/00003/acceleration.csv", "the header is ['t'"),
        ("train/00004/annotations_0.csv", "line 2: 'x' is no number"),
        ("train/00004/location_0.csv", "line 2 has 3 columns"),
        ("train/00004/location_1.csv", "line 2 ends (2 s) before it starts (3)"),
        ("train/00004/pir.csv", "the header is ['start'"),
    ]
    assert (fourth.name, fourth.locations, fourth.pir) == ("train-00004", {}, None)


def test_an_rssi_that_is_none(published):
    _, text = acceleration(published)
    published.write("train/00001/acceleration.csv", text.replace(",-81.0,", ",8100,", 1))
    [bad] = sphere_sequences(published.root)
    assert bad == Unreadable("train/00001/acceleration.csv", "an RSSI is no value in dBm")


def test_home_life_is_imported_as_trials_without_falls(published, out):
    motion = sequence(published, "train/00001")
    sequence(published, "test/00011", seed=1)
    report = import_motion(published.root, out)
    trials = list(read_back(out))
    assert [trial.trial for trial in trials] == ["test-00011", "train-00001"]
    assert {(t.dataset, t.placement, t.activity, t.age_group) for t in trials} == {
        ("sphere_daily", "wrist", "home", None)
    }
    np.testing.assert_allclose(trials[1].samples_g, motion, atol=0.0006)
    assert trials[1].rate_hz == pytest.approx(20)
    assert report.falls == 0
