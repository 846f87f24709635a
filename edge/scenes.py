"""One second of a home, as the rules about whereabouts look at it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import tzinfo
from typing import NamedTuple
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from contract.clock import Clock
from contract.devices import Quantity
from contract.events import FaultCause
from contract.messages import GatewayConfig
from contract.units import us_to_datetime
from detectors.room_model import UNKNOWN
from detectors.whereabouts import Scene
from detectors.whereabouts_scene import NO_DOOR
from edge.carers import Carers
from edge.faults import FaultBook
from edge.plan import Rows, rows_of
from edge.presence import Neighbours
from edge.sensor_habits import LONGEST_NS
from edge.sensors import SensorBoard
from edge.shared_sensors import Happening, SharedSensors
from edge.timebase import SessionTime
from edge.wearables import Wearable


class Found(NamedTuple):
    """What the filter makes of one second; residents' rows first, then the carers'."""

    second: int
    """Grid time."""
    zone: NDArray[np.int64]
    """(rows,) decided, as in `detectors.location.Places`."""
    belief: NDArray[np.float32]
    """(rows, zones)"""
    heard_s: NDArray[np.int64]
    """(rows,) since anybody heard each wearable."""
    movement_g: NDArray[np.float32]
    """(rows,)"""
    covered: NDArray[np.bool_]
    """(zones,)"""
    happenings: Sequence[Happening]


class Scenes:
    """Puts beds, doors, carers and the local time beside what the filter finds.

    Attributes
    ----------
    rows
        Who and what the rows of a scene are.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        time: SessionTime,
        board: SensorBoard,
        sensors: SharedSensors,
        neighbours: Neighbours,
        faults: FaultBook,
    ) -> None:
        self._clock = clock
        self._time = time
        self._board = board
        self._sensors = sensors
        self._neighbours = neighbours
        self._faults = faults
        self._started_ns = clock.monotonic_ns()
        self._local: tzinfo = ZoneInfo("UTC")
        self.rows = Rows()
        self.carers = Carers(clock)

    def apply(self, config: GatewayConfig, wearables: Iterable[Wearable]) -> None:
        """Follow a configuration that comes into force."""
        self._local = ZoneInfo(config.time_zone)
        self.rows = rows_of(config)
        self.carers.follow(each for each in wearables if each.config.is_carer)

    def lies_in(self, zones: Mapping[str, int]) -> NDArray[np.int64]:
        """(residents,) number of the zone of the bed or chair that is hers and says that somebody
        is in it; `UNKNOWN` where none does, or two in different zones do.
        """
        now_ns = self._clock.monotonic_ns()
        found = np.full(len(self.rows.beds), UNKNOWN)
        for row, devices in enumerate(self.rows.beds):
            taken = {
                zones.get(sensor.zone, UNKNOWN)
                for device in devices
                if self._sensors.state(device, Quantity.OCCUPIED)
                and self._is_believed(device, now_ns)
                and (sensor := self._board.state(device)) is not None
            }
            if len(taken) == 1:
                found[row] = taken.pop()
        return found

    def scene(self, found: Found) -> Scene:
        """The second; `present` is true of everybody."""
        now_ns = self._clock.monotonic_ns()
        local = us_to_datetime(self._time.wall_us(now_ns)).astimezone(self._local)
        rows = self.rows
        residents = slice(0, len(rows.devices))
        carers = slice(residents.stop, residents.stop + len(rows.carers))
        self.carers.note(zip(rows.carers, found.movement_g[carers].tolist(), strict=True))
        door_open, door_opened = self.doors(found.happenings)
        return Scene(
            second=found.second,
            minute_of_day=60 * local.hour + local.minute,
            day=local.toordinal(),
            zone=found.zone[residents],
            belief=found.belief[residents],
            heard_s=found.heard_s[residents],
            present=np.ones(len(rows.devices), np.bool_),
            movement_g=found.movement_g[residents],
            in_bed=self._states(rows.beds, Quantity.OCCUPIED, now_ns),
            door_open=door_open,
            door_opened=door_opened,
            covered=found.covered,
            carer_zone=found.zone[carers],
            carer_belief=found.belief[carers],
            carer_worn=np.array([self.carers.is_worn(each) for each in rows.carers], np.bool_),
        )

    def doors(self, happenings: Sequence[Happening]) -> tuple[NDArray[np.int8], NDArray[np.bool_]]:
        """(doors,) as in `Scene`: which are open, and which were opened in this second."""
        opened = {
            each.device
            for each in happenings
            if each.quantity == Quantity.OPENING and each.value > 0
        }
        doors = self.rows.doors
        states = self._states(
            [[each] for each in doors], Quantity.OPENING, self._clock.monotonic_ns()
        )
        states[[self._is_no_contact(each) for each in doors]] = NO_DOOR
        return states, np.array([each in opened for each in doors], np.bool_)

    def _is_no_contact(self, device: str) -> bool:
        """Whether it says other things, and never whether a door is open."""
        if self._sensors.state(device, Quantity.OPENING) is not None:
            return False
        sensor = self._board.state(device)
        return self._sensors.speaks(device) or (sensor is not None and bool(sensor.said))

    def _states(
        self, sensors: Sequence[Sequence[str]], quantity: Quantity, now_ns: int
    ) -> NDArray[np.int8]:
        """(rows,) 1 where any sensor of the row says so, 0 where one says no, -1: nobody knows."""
        states = np.full(len(sensors), UNKNOWN, np.int8)
        for row, devices in enumerate(sensors):
            for device in devices:
                value = self._sensors.state(device, quantity)
                if value is not None and self._is_believed(device, now_ns):
                    states[row] = max(states[row], value > 0)
        return states

    def _is_believed(self, device: str, now_ns: int) -> bool:
        """Whether a sensor would have been heard if it said something else by now."""
        sensor = self._board.state(device)
        if sensor is None or self._faults.stands(FaultCause.SENSOR_NOT_HEARD, device):
            return False
        heard_ns = max(self._neighbours.heard_anywhere_ns(sensor), self._started_ns)
        return now_ns - heard_ns <= LONGEST_NS
