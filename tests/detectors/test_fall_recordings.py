"""What the fall detector makes of recorded falls (development data, outside the project)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from contract.units import NS_PER_S
from detectors import FallDetector, Grid

DATA = Path(__file__).resolve().parents[3] / "shared" / "data" / "falls"


@pytest.fixture(scope="module")
def weda(tell: Callable) -> tuple[list[dict], set[int]]:
    """WEDA's trials and which of them alarmed."""
    path = DATA / "weda.parquet"
    if not path.exists():
        pytest.skip(f"no development data at {path}")
    parquet = pytest.importorskip("pyarrow.parquet")
    trials = parquet.read_table(path).to_pylist()
    alarmed: set[int] = set()
    grid_rows = [np.array([trial["ax"], trial["ay"], trial["az"]], np.float32) for trial in trials]
    grid, detector = Grid(len(trials)), FallDetector(len(trials))
    for row, (trial, motion) in enumerate(zip(trials, grid_rows, strict=True)):
        step = np.rint(np.arange(motion.shape[1]) * (NS_PER_S / trial["rate_hz"]))
        grid.push(row, step.astype(np.int64), motion)
    for block in grid.close(60):
        alarmed |= {fall.row for fall in detector.step(block)}
    return trials, alarmed


def share(trials: list[dict], alarmed: set[int], **wanted: object) -> float:
    rows = [
        row
        for row, trial in enumerate(trials)
        if all(trial[name] == value for name, value in wanted.items())
    ]
    assert rows
    return len(alarmed & set(rows)) / len(rows)


def test_weda_falls_are_found(weda: tuple[list[dict], set[int]]) -> None:
    assert share(*weda, is_fall=True) >= 0.95


def test_weda_daily_trials_seldom_alarm(weda: tuple[list[dict], set[int]]) -> None:
    """The shipped model knows these people: this guards against a mistake and is no measurement."""
    assert share(*weda, is_fall=False) <= 0.02


def test_no_person_is_left_out(weda: tuple[list[dict], set[int]]) -> None:
    trials, alarmed = weda
    fallers = {trial["subject"] for trial in trials if trial["is_fall"]}
    assert len(fallers) >= 9
    for subject in fallers:
        assert share(trials, alarmed, subject=subject, is_fall=True) >= 0.8
