"""``wardlight scene``: play scenes from files and report."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final, TextIO

import msgspec

from wardlight.scenes.reading import read_scene
from wardlight.scenes.report import as_json as report_as_json
from wardlight.scenes.report import as_text, play_and_judge
from wardlight.scenes.scene import SceneError

PASSED: Final = 0
FAILED: Final = 1
"""An expectation was missed, or something could not be done."""
UNUSABLE: Final = 2
"""The scene cannot be played: its faults are said."""

SUFFIXES: Final = ("*.yaml", "*.yml")


def run_scene(path: Path, *, out: TextIO, as_json: bool, seed: int | None = None) -> int:
    """Play a scene, or each scene of a folder, and write what came of it.

    Parameters
    ----------
    path
        A YAML file, or a folder of them, which are played in the order of their names.
    out
        Where the report goes; faults of the scene itself go there as JSON, or to the
        standard error.
    as_json
        One line of JSON for each scene, instead of text.
    seed
        In place of the scene's own.

    Returns
    -------
    int
        Exit status: 0 all as expected, 1 something was not, 2 a scene cannot be played.
    """
    worst = PASSED
    files = [path]
    if path.is_dir():
        files = sorted(file for suffix in SUFFIXES for file in path.glob(suffix))
        if not files:
            return _say_faults(
                SceneError([f"{path}: there is no scene in this folder"]), out, as_json
            )
    for number, file in enumerate(files):
        if number and not as_json:
            out.write("\n")
        worst = max(worst, _run_one(file, out, as_json, seed))
    return worst


def _run_one(path: Path, out: TextIO, as_json: bool, seed: int | None) -> int:
    try:
        outcome = play_and_judge(read_scene(path), seed)
    except SceneError as error:
        return _say_faults(error, out, as_json)
    out.write((report_as_json(outcome, str(path)) if as_json else as_text(outcome)) + "\n")
    out.flush()
    return PASSED if outcome.passed else FAILED


def _say_faults(error: SceneError, out: TextIO, as_json: bool) -> int:
    if as_json:
        out.write(msgspec.json.encode({"passed": False, "faults": error.faults}).decode() + "\n")
    else:
        sys.stderr.write(f"{error}\n")
    return UNUSABLE
