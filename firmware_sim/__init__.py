"""Simulated wearables, residents and homes, and readers of recordings: everything that stands
in for real people and real radios. It speaks the contract's protocols byte for byte, is seeded,
lives on a `Clock`, and keeps the ground truth.
"""

from firmware_sim.home import SimulatedHome, TruthEntry
from firmware_sim.plan import GatewayPlan, HomePlan, WearablePlan, ZonePlan, demo_home
from firmware_sim.recordings import ParquetRecording, RecordingError
from firmware_sim.replay import ReplayRadio, ScheduledTrial, Transport, default_wearables

__all__ = [
    "GatewayPlan",
    "HomePlan",
    "ParquetRecording",
    "RecordingError",
    "ReplayRadio",
    "ScheduledTrial",
    "SimulatedHome",
    "Transport",
    "TruthEntry",
    "WearablePlan",
    "ZonePlan",
    "default_wearables",
    "demo_home",
]
