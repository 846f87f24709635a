"""Scenes: who is there, what happens when, and what is expected within which tolerance, as YAML
or in Python; played on the virtual clock through the very services that run in a home.
"""

from __future__ import annotations

from wardlight.scenes.judging import Judgement, Verdict
from wardlight.scenes.moment import Moment
from wardlight.scenes.reading import read_scene
from wardlight.scenes.record import Line, What
from wardlight.scenes.report import Outcome, as_json, as_text, play_and_judge
from wardlight.scenes.running import run_scene
from wardlight.scenes.scene import Entry, Expectation, Happening, Scene, SceneError
from wardlight.scenes.schema import scene_schema
from wardlight.scenes.timeline import SceneFailedError, Timeline

__all__ = [
    "Entry",
    "Expectation",
    "Happening",
    "Judgement",
    "Line",
    "Moment",
    "Outcome",
    "Scene",
    "SceneError",
    "SceneFailedError",
    "Timeline",
    "Verdict",
    "What",
    "as_json",
    "as_text",
    "play_and_judge",
    "read_scene",
    "run_scene",
    "scene_schema",
]
