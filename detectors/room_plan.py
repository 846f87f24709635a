"""What is expected of a home that nobody has walked through: from its plan alone.

A wearable is heard the more weakly the more rooms lie between it and the receiver, by log-distance
path loss and a wall for each room, with wide spreads: the plan knows neither distances nor what the
walls are made of. What a calibration walk has taught goes before it, receiver by receiver and zone
by zone: a gateway that was added since, or moved, does not make the walk worthless.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from detectors.room_model import (
    ELSEWHERE,
    FIRES_AT_LEAST,
    LEVELS,
    STRONGEST_DBM,
    UNKNOWN,
    WEAKEST_DBM,
    RoomModel,
    connected,
    places,
)

AT_ONE_METRE_DBM: Final = -62.0
"""What a wearable at 1 m sounds like: the -59 dBm that beacons of 0 dBm are sold with, less a wrist
and a body in between, which is there half of the time."""

IN_ROOM_M: Final = 2.5
"""Way to the receiver of the same room, and at first it is that far to the next room's wall."""
ROOM_M: Final = 4.0
"""Way through each further room."""
PATH_LOSS: Final = 2.0
"""Free space; what is more is in the walls (log-distance with walls: Seidel and Rappaport 1992)."""
WALL_DB: Final = 5.0
"""One for each room: light walls and doors that stand open. With the above -70, -83, -92 and -100
dBm at 0 to 3 rooms; in SPHERE means of -70 to -72 in a receiver's own room, -81 next door, -90 two
rooms away."""

SPREAD_OWN_DB: Final = 6.0
SPREAD_DB: Final = 12.0
"""Standard deviation of a room's mean around that, in the receiver's own room and in another: two
rooms at one distance differ by 15 dB in SPHERE, and by the plan nobody knows which is nearer."""

FARTHEST_ROOMS: Final = 6
"""Beyond, nothing is heard; zones that no way leads to lie there, too."""

LIMIT_DBM: Final = -94.0
LIMIT_SPREAD_DB: Final = 4.0
"""At this strength half of the seconds hold an advert that is heard: Bluetooth's radios promise -90
dBm or so, and an access point's antenna does a little better."""

FIRES_OWN: Final = 0.35
"""Of the seconds (this or the next) spent in a sensor's zone, those in which it fires: SPHERE's
PIRs have .30 to .56."""

PLAN_S: Final = 8.0
"""What the plan lets one expect has a share of a quarter where the walk has spent so long, and it
falls with the square: a few seconds have heard one side of a body at one end of the room. After
half a minute it is under one in twenty, as a plan may be far off."""

_FAINTEST_DBM: Final = -160


def from_plan(
    *,
    zones: Sequence[str],
    near: NDArray[np.bool_],
    receivers: Sequence[str],
    stands_in: Mapping[str, str],
    sensors: Sequence[str] = (),
    sees: Mapping[str, str] | None = None,
) -> RoomModel:
    """A home as its plan lets one expect it.

    Parameters
    ----------
    zones
        Names; at least one.
    near
        (zones, zones) whether one can walk from one into the other without a third.
    receivers, stands_in
        Names, and the zone of each; a receiver of which nobody has said it tells nothing.
    sensors, sees
        Names of motion and bed sensors, and the zone in which each sees somebody; likewise.

    Raises
    ------
    ValueError
        If there is no zone, or the graph has another size.
    """
    if not zones or near.shape != (len(zones), len(zones)):
        raise ValueError(f"a graph of shape {near.shape} does not belong to {len(zones)} zones")
    graph = connected(near)
    rooms = np.minimum(_rooms_away(graph), FARTHEST_ROOMS)
    standing = places(receivers, zones, stands_in)
    heard, silent = _by_rooms()
    nothing_heard, nothing_silent = np.log(0.5 / LEVELS), np.log(0.5)
    away = rooms[standing]  # Of who stands nowhere it is overwritten.
    known = standing != UNKNOWN
    return RoomModel(
        zones=tuple(zones),
        receivers=tuple(receivers),
        sensors=tuple(sensors),
        heard=np.where(known[:, None, None], heard[away].transpose(0, 2, 1), nothing_heard).astype(
            np.float32
        ),
        silent=np.where(known[:, None], silent[away], nothing_silent).astype(np.float32),
        fires=_fires(places(sensors, zones, sees or {}), len(zones)),
        near=graph,
        stands_in=standing,
        is_calibrated=False,
    )


def for_home(
    calibrated: RoomModel | None,
    *,
    zones: Sequence[str],
    near: NDArray[np.bool_],
    receivers: Sequence[str],
    stands_in: Mapping[str, str],
    sensors: Sequence[str] = (),
    sees: Mapping[str, str] | None = None,
) -> RoomModel:
    """The home as it is now: by the calibration where that still holds, else by the plan.

    Zones, receivers and sensors are those of the plan, in its order. What the calibration says of
    others is left out, and so is what it says of a receiver that stands in another zone since. A
    zone that it lacks is told by receivers and sensors of its own.
    Parameters and errors are those of `from_plan`.
    """
    plan = from_plan(
        zones=zones,
        near=near,
        receivers=receivers,
        stands_in=stands_in,
        sensors=sensors,
        sees=sees,
    )
    if calibrated is None:
        return plan
    zone, walked = _common(plan.zones, calibrated.zones)
    receiver, heard_then = _common(plan.receivers, calibrated.receivers)
    stood = _stood_there(calibrated, plan)[heard_then]
    here = plan.stands_in[receiver]
    stays = (stood == UNKNOWN) | (here == UNKNOWN) | (stood == here)
    receiver, heard_then, here_now = receiver[stays], heard_then[stays], here[stays]
    sensor, seen_then = _common(plan.sensors, calibrated.sensors)
    if not len(zone) or not len(receiver):
        return plan
    heard = calibrated.heard[heard_then][:, :, walked]
    silent = calibrated.silent[np.ix_(heard_then, walked)]
    spent_s = np.inf if calibrated.spent_s is None else calibrated.spent_s[walked]
    share = np.square(PLAN_S / (PLAN_S + spent_s))
    share = np.where(here_now[:, None] != UNKNOWN, share, 0.0)
    heard = _mixed(heard, plan.heard[receiver][:, :, zone], share[:, None, :])
    silent = _mixed(silent, plan.silent[np.ix_(receiver, zone)], share)
    # A zone that nobody walked into could be like any other: were it left to the plan's wide
    # spread, it would claim every second that is unusual for the zones that are known.
    other = np.ones((len(receiver), len(zones)), np.bool_)
    other[:, zone] = False
    other &= plan.stands_in[receiver][:, None] != np.arange(len(zones))
    row, column = np.nonzero(other)
    plan.heard[receiver[row], :, column] = np.log(np.exp(heard).mean(axis=2))[row]
    plan.silent[receiver[row], column] = np.log(np.exp(silent).mean(axis=1))[row]
    plan.heard[np.ix_(receiver, np.arange(LEVELS), zone)] = heard
    plan.silent[np.ix_(receiver, zone)] = silent
    plan.fires[np.ix_(sensor, zone)] = calibrated.fires[np.ix_(seen_then, walked)]
    return plan._replace(is_calibrated=calibrated.is_calibrated)


def _mixed(
    walked: NDArray[np.float32], planned: NDArray[np.float32], share: NDArray[np.floating]
) -> NDArray[np.float32]:
    """Log probabilities of the one, and to a share of the other."""
    mixed = np.log((1 - share) * np.exp(walked) + share * np.exp(planned))
    return np.asarray(mixed, np.float32)


def _common(now: Sequence[str], then: Sequence[str]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Numbers of the names that are in both, in the one list and in the other."""
    number = {name: index for index, name in enumerate(then)}
    both = [(index, number[name]) for index, name in enumerate(now) if name in number]
    pairs = np.array(both, np.int64).reshape(-1, 2)
    return pairs[:, 0], pairs[:, 1]


def _stood_there(calibrated: RoomModel, plan: RoomModel) -> NDArray[np.int64]:
    """(receivers of the calibration,) where each stood then, by the plan's numbers."""
    number = {name: index for index, name in enumerate(plan.zones)}
    names = [*calibrated.zones, ""]
    return np.array([number.get(names[zone], UNKNOWN) for zone in calibrated.stands_in], np.int64)


def _rooms_away(near: NDArray[np.bool_]) -> NDArray[np.int64]:
    """(zones, zones) steps of the shortest way, `FARTHEST_ROOMS` where there is none so short."""
    steps = near.astype(np.int64)
    reached = np.eye(len(near), dtype=np.bool_)
    away = np.where(reached, 0, FARTHEST_ROOMS)
    for rooms in range(1, FARTHEST_ROOMS):
        wider = reached | (reached @ steps > 0)
        away[wider & ~reached] = rooms
        reached = wider
    return away


def _by_rooms() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Log probabilities of each level (rooms, levels) and of silence (rooms,), by rooms away."""
    rooms = np.arange(FARTHEST_ROOMS + 1)
    loss = 10 * PATH_LOSS * np.log10(IN_ROOM_M + ROOM_M * rooms) + WALL_DB * rooms
    mean = AT_ONE_METRE_DBM - loss
    spread = np.where(rooms == 0, SPREAD_OWN_DB, SPREAD_DB)
    strength = np.arange(_FAINTEST_DBM, STRONGEST_DBM + 1)
    curves = -0.5 * np.square((strength - mean[:, None]) / spread[:, None])
    there = np.exp(_never_too_strong(curves))
    there /= there.sum(axis=1, keepdims=True)
    there *= 1 / (1 + np.exp(-(strength - LIMIT_DBM) / LIMIT_SPREAD_DB))
    heard = there[:, WEAKEST_DBM - _FAINTEST_DBM :]
    heard = (1 - ELSEWHERE) * heard + ELSEWHERE * 0.5 / LEVELS
    return np.log(heard), np.log1p(-heard.sum(axis=1))


def _never_too_strong(curves: NDArray[np.float64]) -> NDArray[np.float64]:
    """Log densities (rooms, strengths), mended so that the stronger a wearable is heard the more it
    speaks for the nearer room: a wide curve would claim for next door who stands at the receiver.
    """
    mended = curves.copy()
    for room in range(len(curves) - 2, -1, -1):
        nearer = np.maximum.accumulate(curves[room] - curves[room + 1])
        mended[room] = mended[room + 1] + nearer
    return mended


def _fires(sees: NDArray[np.int64], zones: int) -> NDArray[np.float32]:
    fires = np.full((len(sees), zones), FIRES_AT_LEAST, np.float32)
    known = np.flatnonzero(sees != UNKNOWN)
    fires[known, sees[known]] = FIRES_OWN
    return fires
