"""Daily life as recorded (development data, outside the project): nothing of it is a fault."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from contract.units import NS_PER_S
from detectors import Grid, summary_of
from detectors.long_lie import LongLie
from detectors.minute import Minutes
from detectors.sensor import SensorCause, SensorTrust, StreamTrust
from detectors.wear import Wear, WearWatch

DATA = Path(__file__).resolve().parents[3] / "shared" / "data" / "falls"


def persons(name: str) -> list[tuple[float, np.ndarray]]:
    """Each person's daily trials one after the other: rate, and motion (3, n) in g."""
    path = DATA / f"{name}.parquet"
    if not path.exists():
        pytest.skip(f"no development data at {path}")
    parquet = pytest.importorskip("pyarrow.parquet")
    lives: dict[tuple[str, int], list[dict]] = {}
    for trial in parquet.read_table(path).to_pylist():
        if not trial["is_fall"]:
            lives.setdefault((trial["subject"], round(trial["rate_hz"])), []).append(trial)
    return [
        (
            trials[0]["rate_hz"],
            np.concatenate([np.array([t["ax"], t["ay"], t["az"]], np.float32) for t in trials], 1),
        )
        for trials in lives.values()
    ]


def said_of(lives: list[tuple[float, np.ndarray]], start_s: int) -> Iterator[object]:
    """Everything that the watches say of all of them at once."""
    rows = len(lives)
    grid, minutes, lies = Grid(rows), Minutes(rows), LongLie(rows)
    wear, trust, stream = WearWatch(rows), SensorTrust(rows), StreamTrust(rows)
    lengths_s = np.array([motion.shape[1] / rate_hz for rate_hz, motion in lives])
    for row, (rate_hz, motion) in enumerate(lives):
        step = np.rint(np.arange(motion.shape[1]) * (NS_PER_S / rate_hz)).astype(np.int64)
        grid.push(row, start_s * NS_PER_S + step, motion)
    for block in grid.close(start_s + int(lengths_s.max())):
        stream.step(block)
        stream.judge(block.second, grid)
        summary = summary_of(block)
        yield from lies.step(summary)
        for minute in minutes.push(summary):
            wear.step(minute)
            trust.step(minute)
        yield from (Wear(state) for state in wear.state if state >= Wear.NOT_WORN)
        causes = (*trust.cause, *stream.cause)
        yield from (SensorCause(cause) for cause in causes if cause > SensorCause.NONE)


@pytest.mark.parametrize("name", ["weda", "smartfall_watch", "sisfall", "sphere_daily"])
def test_daily_life_is_no_fault_and_no_long_lie(name: str, start_s: int) -> None:
    assert list(said_of(persons(name), start_s)) == []
