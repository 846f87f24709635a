"""Plays walks through the filter as a home's lead gateway would, each second as it comes."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Sequence as Several
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from detectors.location import DELAY_S, RoomFilter
from detectors.room_model import UNKNOWN, RoomModel
from evaluation.rooms.calibration import CalibrationError, arranged, calibrate, renumbered
from evaluation.rooms.reading import Sequence
from evaluation.rooms.scoring import Score, score


class Played(NamedTuple):
    """One sequence, and how it went."""

    name: str
    score: Score


class RoomsResult(NamedTuple):
    """All sequences."""

    played: list[Played]
    how: str
    """With what calibration, in words."""
    with_sensors: bool
    unreadable: Several[str] = ()
    """Folders beside them, with their reasons."""

    @property
    def total(self) -> Score:
        """All of them, each second alike."""
        return sum((each.score for each in self.played), Score(0, 0, 0, 0, 0, 0))

    def json(self) -> str:
        """All figures."""
        total = self.total
        return msgspec.json.format(
            msgspec.json.encode(
                {
                    "sequences": {each.name: _figures(each.score) for each in self.played},
                    **_figures(total),
                    "calibration": self.how,
                    "sensors_used": self.with_sensors,
                    "decided_after_s": DELAY_S,
                    "unreadable": self.unreadable,
                }
            )
        ).decode()

    def table(self) -> str:
        """For a person."""
        lines = [
            f"{'sequence':20} {'seconds':>8} {'right':>7} {'unknown':>8} "
            f"{'changes':>8} {'precision':>10} {'recall':>7} {'F1':>6}"
        ]
        rows = [*self.played, Played("all", self.total)]
        lines += [
            f"{name:20} {each.seconds:8d} {each.accuracy:7.3f} "
            f"{each.unknown / max(each.seconds, 1):8.3f} {each.changes:8d} "
            f"{each.precision:10.3f} {each.recall:7.3f} {each.f1:6.3f}"
            for name, each in rows
        ]
        sensors = "signal strengths and sensors" if self.with_sensors else "signal strengths alone"
        lines.append(
            f"By {sensors}; {self.how}; each second is decided {DELAY_S} s after it, and a change "
            "counts as found within 5 s."
        )
        return "\n".join(lines)


def evaluate_rooms(
    sequences: Several[Sequence],
    model: RoomModel | None,
    *,
    with_sensors: bool = True,
    progress: Callable[[int, int], None] = lambda _done, _all: None,
) -> RoomsResult:
    """Play each sequence and score it.

    Parameters
    ----------
    model
        The home's calibration; without one each sequence is judged by what the others teach.

    Raises
    ------
    CalibrationError
        If there is no calibration, and not two labelled sequences at least to make one of; or a
        sequence is of another home.
    """
    labelled = [each for each in sequences if each.is_labelled]
    if not labelled:
        raise CalibrationError("nobody has written down a room: there is nothing to compare with")
    if model is None and len(labelled) < 2:
        raise CalibrationError(
            "one recording cannot teach and be judged: give --calibration, or two or more"
        )
    played = []
    for number, sequence in enumerate(labelled):
        progress(number, len(labelled))
        home = model or calibrate([each for each in labelled if each is not sequence])
        _check_home(sequence, home)
        home = _installed(sequence, home)
        told = play(sequence, home, with_sensors=with_sensors)
        seen = renumbered(sequence.zone, sequence.zones, home.zones)
        played.append(Played(sequence.name, score(told, seen)))
    if model is None:
        how = "leaving each sequence out in turn"
    else:
        how = "by the given calibration" if model.is_calibrated else "by the plan, uncalibrated"
    return RoomsResult(played, how, with_sensors)


def _check_home(sequence: Sequence, home: RoomModel) -> None:
    """Nothing right can be told of another home; that is no figure of the filter's."""
    for what, hers, known in (
        ("receivers", sequence.receivers, home.receivers),
        ("rooms", sequence.visited, home.zones),
    ):
        if not set(hers) & set(known):
            raise CalibrationError(
                f"{sequence.name} is of another home: its {what} are {', '.join(hers)}, those that "
                f"were learnt are {', '.join(known)}"
            )


def _installed(sequence: Sequence, home: RoomModel) -> RoomModel:
    """The home with those receivers that stood there on that day: of another the plan knows, and no
    zone is unknown for its sake.
    """
    heard = np.isfinite(
        arranged(sequence.rssi_dbm, sequence.receivers, home.receivers, np.nan)
    ).any(axis=1)
    return home._replace(stands_in=np.where(heard, home.stands_in, UNKNOWN))


def play(sequence: Sequence, model: RoomModel, *, with_sensors: bool = True) -> NDArray[np.int64]:
    """(seconds,) the zone that is told of each second, by number in `model.zones`."""
    rssi = arranged(sequence.rssi_dbm, sequence.receivers, model.receivers, np.nan)
    active = arranged(sequence.active, sequence.sensors, model.sensors, 0)
    if not with_sensors:
        active[:] = False
    rooms = RoomFilter(model, 1)
    # A receiver is there from when it first hears: a recording has no heartbeats.
    alive = np.logical_or.accumulate(np.isfinite(rssi), axis=1)
    told = np.full(sequence.seconds, UNKNOWN)
    nothing = np.full((len(model.receivers), 1), np.nan, np.float32)
    for second in range(sequence.seconds + DELAY_S):
        if second < sequence.seconds:
            places = rooms.step(
                rssi[:, second : second + 1],
                sequence.movement_g[second : second + 1],
                active[:, second],
                alive[:, second],
            )
        else:
            quiet = np.zeros(len(model.sensors), np.bool_)
            places = rooms.step(nothing, nothing[0], quiet, alive[:, -1])
        if second >= DELAY_S:
            told[second - DELAY_S] = places.zone[0]
    return told


def _figures(one: Score) -> dict[str, object]:
    return {
        "accuracy": round(one.accuracy, 4),
        "unknown": round(one.unknown / max(one.seconds, 1), 4),
        "seconds": one.seconds,
        "transitions": {
            "precision": round(one.precision, 4),
            "recall": round(one.recall, 4),
            "f1": round(one.f1, 4),
            "seen": one.changes,
            "told": one.told,
        },
    }
