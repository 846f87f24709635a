"""Whatever a file holds, a reader gives trials that are motion, or a reason; it never fails."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_sim.layouts import RecordedTrial, Unreadable, sphere_sequences, trials
from firmware_sim.layouts.numbers import MAX_AXIS_G

ROWS = {
    "dataset/40Hz/F01/U01_R01_accel.csv": (
        "accel_time_list,accel_x_list,accel_y_list,accel_z_list\n",
        "{t:.3f},-0.1,0.2,9.8\n",
    ),
    "SA01/F01_SA01_R01.txt": ("", " 1,-256, 3, 0, 0, 0, 4,-1024, 9;\n"),
    "young/accelerometer/watch/S28A10T01.csv": ("", "{t:.3f},-0.1,0.2,9.8\n"),
    "young/accelerometer/meta_hip/S28A10T01.csv": ("", "{ms},x,{t:.3f},-0.1,0.2,1.0\n"),
    "UMAFall_Subject_01_ADL_Aplausing_1_2017-04-14_23-38-23.csv": (
        "% Age: 30\n%AA:BB; 3; WRIST; Tag\n",
        "{ms};1;0.1;0.2;0.9;0;3\n",
    ),
    "train/00001/acceleration.csv": ("t,x,y,z,Kitchen_AP\n", "{t:.3f},0.1,0.2,0.9,-70\n"),
}


def intact(name):
    header, row = ROWS[name]
    rows = (row.format(t=i * 0.025, ms=i * 25) for i in range(280))
    return (header + "".join(rows)).encode()


def outcome(name, content):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        list(sphere_sequences(Path(folder)))
        return list(trials(Path(folder)))


def check(found):
    for result in found:
        if isinstance(result, Unreadable):
            assert result.reason
            assert result.reason.isprintable()
        else:
            assert isinstance(result, RecordedTrial)
            assert np.isfinite(result.samples_g).all()
            assert np.abs(result.samples_g).max() <= MAX_AXIS_G
            assert 8 <= result.rate_hz <= 250


@pytest.mark.parametrize("name", ROWS)
def test_the_file_as_it_should_be_is_a_trial(name):
    [trial] = outcome(name, intact(name))
    assert isinstance(trial, RecordedTrial)


@pytest.mark.parametrize("name", ROWS)
@settings(max_examples=15, deadline=None)
@given(content=st.binary(max_size=300))
def test_any_bytes(name, content):
    found = outcome(name, content)
    assert len(found) == 1
    check(found)


damages = st.sampled_from(
    [
        b"",
        b",",
        b";",
        b"\n",
        b"\r",
        b"\x00",
        b"nan",
        b"-",
        b"1e308",
        b"9" * 400,
        b'"',
        b"%",
        b"\xff",
    ]
)


@pytest.mark.parametrize("name", ROWS)
@settings(max_examples=25, deadline=None)
@given(at=st.floats(0, 1), length=st.integers(0, 400), put=damages)
def test_damage_anywhere(name, at, length, put):
    content = intact(name)
    start = int(at * len(content))
    check(outcome(name, content[:start] + put + content[start + length :]))
