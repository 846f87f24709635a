"""Captures: a live gateway's radio traffic in a folder of our own format, written so that a kill
loses seconds, and played back byte for byte to any gateway.
"""

from firmware_sim.capture.counts import CaptureCounts, Tally
from firmware_sim.capture.format import (
    CaptureError,
    CaptureScene,
    is_capture,
    load_scene,
    new_scene,
    save_scene,
    truth_lines,
)
from firmware_sim.capture.player import CapturedLink, CaptureRadio, PlayedCounts
from firmware_sim.capture.reader import AdvertBatch, Capture, LinkRow, NeighbourRow
from firmware_sim.capture.recorder import RecordingLink, RecordingRadio
from firmware_sim.capture.seal import SealedCapture, seal_capture
from firmware_sim.capture.writer import CaptureWriter, check_folder

__all__ = [
    "AdvertBatch",
    "Capture",
    "CaptureCounts",
    "CaptureError",
    "CaptureRadio",
    "CaptureScene",
    "CaptureWriter",
    "CapturedLink",
    "LinkRow",
    "NeighbourRow",
    "PlayedCounts",
    "RecordingLink",
    "RecordingRadio",
    "SealedCapture",
    "Tally",
    "check_folder",
    "is_capture",
    "load_scene",
    "new_scene",
    "save_scene",
    "seal_capture",
    "truth_lines",
]
