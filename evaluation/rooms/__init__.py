"""How well rooms are told: recorded walks whose rooms people have written down, played second by
second through the gateway's own filter.
"""

from evaluation.rooms.calibration import (
    SPHERE_STANDS_IN,
    CalibrationError,
    calibrate,
    load_calibration,
    planned,
    seconds_by_zone,
)
from evaluation.rooms.evaluation import RoomsResult, evaluate_rooms
from evaluation.rooms.reading import Sequence, SequenceError, is_sequence, read_sequence
from evaluation.rooms.recording import ENOUGH_S, WalkRecorder, WalkState

__all__ = [
    "ENOUGH_S",
    "SPHERE_STANDS_IN",
    "CalibrationError",
    "RoomsResult",
    "Sequence",
    "SequenceError",
    "WalkRecorder",
    "WalkState",
    "calibrate",
    "evaluate_rooms",
    "is_sequence",
    "load_calibration",
    "planned",
    "read_sequence",
    "seconds_by_zone",
]
