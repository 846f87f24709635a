"""What a newcomer types: the demo and the replay, as processes of their own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

RECORDINGS = Path(__file__).parents[3] / "shared/data/falls"
FAST = "8"
"""Times faster than the wall; a minute of demo takes eight seconds."""


def wardlight(*arguments: str, rate: str = "1") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "wardlight.cli", *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env={**os.environ, "WARDLIGHT_CLOCK__RATE": rate},
    )


@pytest.fixture
def recording(tmp_path):
    """A folder with one trial that falls and one that does not, in the parquet layout."""
    import pyarrow as pa
    from pyarrow import parquet

    rate, seconds = 50, 12
    rest = np.tile([[0.0], [0.0], [1.0]], rate * seconds)
    fall = rest.copy()
    fall[:, 5 * rate : 5 * rate + 20] *= 0.2
    fall[2, 5 * rate + 20 : 5 * rate + 28] = 7.0
    fall[:, 5 * rate + 28 :] = [[1.0], [0.0], [0.0]]
    table = {
        "trial": ["quiet", "fall"],
        "placement": ["wrist", "wrist"],
        "is_fall": [False, True],
        "rate_hz": [float(rate)] * 2,
    }
    noise = np.random.default_rng(1).normal(0, 0.004, (2, 3, rate * seconds))
    for axis, name in enumerate(("ax", "ay", "az")):
        table[name] = [(rest + noise[0])[axis].tolist(), (fall + noise[1])[axis].tolist()]
    parquet.write_table(pa.table(table), tmp_path / "trials.parquet")
    return tmp_path


@pytest.mark.parametrize("transport", ["stream", "window"])
def test_replay_finds_the_fall_and_says_the_same_bytes_every_time(recording, transport):
    command = ("replay", str(recording), "--json", "--transport", transport)
    first, second = wardlight(*command), wardlight(*command)
    assert first.returncode == 0, first.stderr
    assert first.stdout == second.stdout
    events = [json.loads(line) for line in first.stdout.splitlines()]
    assert [event["kind"] for event in events] == ["fall_suspected", "fall_detected"]
    assert events[0]["fall_id"] == events[1]["fall_id"]
    assert events[0]["evidence"]["waveform"]["rate_hz"] == 25.0


def test_replay_of_one_trial_at_a_speed(recording):
    quiet = wardlight("replay", str(recording), "--trial", "quiet", "--speed", "40")
    assert quiet.returncode == 0, quiet.stderr
    assert quiet.stdout == "1 trial played.\n"


def test_replay_of_a_trial_that_is_not_there_names_the_nearest(recording):
    refused = wardlight("replay", str(recording), "--trial", "quite")
    assert refused.returncode == 2
    assert "near it: quiet" in refused.stderr


def test_a_recorded_fall_of_a_real_person_is_replayed():
    if not RECORDINGS.is_dir():
        pytest.skip("needs the recordings in ../shared/data")
    played = wardlight("replay", str(RECORDINGS / "weda.parquet"), "--trial", "U01-F01-R01")
    assert "fall_detected" in played.stdout


def test_the_demo_shows_a_fall_to_its_answer(tmp_path):
    demo = wardlight(
        *("demo", "--headless", "--until-alert", "--json", "--seed", "3"),
        *("--folder", str(tmp_path / "demo"), "--port", "0"),
        rate=FAST,
    )
    assert demo.returncode == 0, demo.stderr
    stages = [json.loads(line)["stage"] for line in demo.stdout.splitlines()]
    assert stages[:4] == ["sensed", "suspected", "detected", "published"]
    assert set(stages[4:6]) == {"stored", "alerted"}
    assert stages[6:] == ["acknowledged"]


def test_the_demo_plays_a_recorded_fall(tmp_path, recording):
    demo = wardlight(
        *("demo", "--headless", "--until-alert", "--data", str(recording)),
        *("--folder", str(tmp_path / "demo"), "--port", "0"),
        rate=FAST,
    )
    assert demo.returncode == 0, demo.stderr
    assert "trial fall, a recorded fall" in demo.stdout
    assert "acknowledged" in demo.stdout


def test_the_demo_fails_naming_the_stage(tmp_path, recording):
    demo = wardlight(
        *("demo", "--headless", "--until-alert", "--data", str(recording), "--trial", "quiet"),
        *("--folder", str(tmp_path / "demo"), "--port", "0"),
        rate=FAST,
    )
    assert demo.returncode == 1
    assert "stage suspected was not reached" in demo.stderr


def test_ctrl_c_ends_the_demo_cleanly(tmp_path):
    demo = subprocess.Popen(
        [sys.executable, "-m", "wardlight.cli", "demo", "--folder", str(tmp_path), "--port", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert demo.stdout is not None
    for line in demo.stdout:
        if "since impact" in line:
            break
    demo.send_signal(signal.SIGINT)
    _, errors = demo.communicate(timeout=30)
    assert demo.returncode == 0, errors
    assert "Traceback" not in errors
