"""Scenes written on the spot."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from textwrap import dedent

import pytest

from wardlight.scenes import Outcome, Scene, play_and_judge, read_scene
from wardlight.testing import quiet_logs


@pytest.fixture(autouse=True)
def _quiet():
    with quiet_logs():
        yield


@pytest.fixture
def scene_file(tmp_path: Path) -> Callable[[str], Path]:
    """Writes a scene to a file."""

    def write(text: str) -> Path:
        path = tmp_path / "test.scene.yaml"
        path.write_text(dedent(text), encoding="utf-8")
        return path

    return write


@pytest.fixture
def read(scene_file: Callable[[str], Path]) -> Callable[[str], Scene]:
    """Reads a scene from text."""
    return lambda text: read_scene(scene_file(text))


@pytest.fixture
def play(read: Callable[[str], Scene]) -> Callable[[str], Outcome]:
    """Plays a scene from text."""
    return lambda text: play_and_judge(read(text))
