"""A small home to play whereabouts in: a person is a row, what happens is told as it goes."""

from __future__ import annotations

import numpy as np

from contract.events import EventKind
from contract.whereabouts import ZoneUse
from detectors.whereabouts import Found, Plan, Policies, Scene, Whereabouts

ROOM, OTHERS, CORRIDOR, LOUNGE, TOILET, HALL, EXIT, KITCHEN = range(8)
ZONES = ("room 1", "room 2", "corridor", "lounge", "toilet", "hall", "front door", "kitchen")
UNKNOWN = -1
USES = (
    ZoneUse.BEDROOM,
    ZoneUse.BEDROOM,
    ZoneUse.CORRIDOR,
    ZoneUse.COMMON,
    ZoneUse.TOILET,
    ZoneUse.CORRIDOR,
    ZoneUse.EXIT,
    ZoneUse.COMMON,
)
DOORS = (
    (ROOM, CORRIDOR),
    (OTHERS, CORRIDOR),
    (TOILET, CORRIDOR),
    (CORRIDOR, LOUNGE),
    (CORRIDOR, HALL),
    (HALL, EXIT),
    (LOUNGE, KITCHEN),
    (KITCHEN, HALL),
)
DAY_S = 86_400
NOON = 12 * 60


def a_plan() -> Plan:
    near = np.zeros((len(ZONES), len(ZONES)), np.bool_)
    for one, other in DOORS:
        near[one, other] = near[other, one] = True
    use = np.empty(len(USES), object)
    use[:] = USES
    return Plan(near, use, np.array([EXIT]))


def policies(residents: int = 1, **changed: object) -> Policies:
    """All that can be asked, but bed exits, of residents who live in room 1."""
    yes, no = np.ones(residents, np.bool_), np.zeros(residents, np.bool_)
    safe = np.ones((residents, len(ZONES)), np.bool_)
    asked = Policies(
        at_risk=yes,
        bed_exit=no,
        night_wandering=yes,
        inactive=yes,
        not_returned_s=np.full(residents, 1800),
        home_zone=np.full(residents, ROOM),
        safe=safe,
        has_bed_sensor=no,
    )
    return asked._replace(**changed)


class Home:
    """Plays seconds; everything stays as it was said last.

    Parameters
    ----------
    minute
        Local minute of day at which it begins.
    cut
        Second before which the detector is replaced by one that goes on with what it has kept.
    """

    def __init__(
        self,
        asked: Policies | None = None,
        *,
        carers: int = 0,
        minute: int = NOON,
        start: int = 0,
        cut: int | None = None,
    ) -> None:
        self.asked = policies() if asked is None else asked
        self.detector = Whereabouts(a_plan(), self.asked, carers)
        self.residents = len(self.asked.at_risk)
        self.second = start
        self.cut = cut
        self.local_s = minute * 60
        self.zone = np.full(self.residents, ROOM)
        self.present = np.ones(self.residents, np.bool_)
        self.heard_s = np.zeros(self.residents, np.int64)
        self.is_heard = np.ones(self.residents, np.bool_)
        self.moves = np.ones(self.residents, np.bool_)
        self.movement_known = True
        self.in_bed = np.full(self.residents, -1, np.int8)
        self.door = 0
        self.covered = np.ones(len(ZONES), np.bool_)
        self.carer_zone = np.full(carers, CORRIDOR)
        self.carer_worn = np.ones(carers, np.bool_)
        self.belief: np.ndarray | None = None
        self.found: list[Found] = []

    def scene(self, *, door_opened: bool = False) -> Scene:
        local = self.local_s
        return Scene(
            second=self.second,
            minute_of_day=local % DAY_S // 60,
            day=739_000 + local // DAY_S,
            zone=self.zone.copy(),
            belief=_certain(self.zone) if self.belief is None else self.belief,
            heard_s=self.heard_s.copy(),
            present=self.present.copy(),
            movement_g=self._movement_g(),
            in_bed=self.in_bed.copy(),
            door_open=np.array([self.door], np.int8),
            door_opened=np.array([door_opened]),
            covered=self.covered,
            carer_zone=self.carer_zone.copy(),
            carer_belief=_certain(self.carer_zone),
            carer_worn=self.carer_worn,
        )

    def _movement_g(self) -> np.ndarray:
        if not self.movement_known:
            return np.full(self.residents, np.nan, np.float32)
        return np.where(self.moves, 0.1, 0.0).astype(np.float32)

    def stay(self, seconds: int, *, each: int = 1) -> list[Found]:
        """So many seconds like this; returns what was found in them."""
        found: list[Found] = []
        for _ in range(0, seconds, each):
            self.second += each
            self.local_s += each
            self.heard_s = np.where(self.is_heard, 0, self.heard_s + each)
            found += self._step()
        self.found += found
        return found

    def _step(self, *, door_opened: bool = False) -> list[Found]:
        if self.second == self.cut:
            kept = self.detector.to_arrays()
            self.detector = Whereabouts.from_arrays(a_plan(), self.asked, 0, kept)
        return self.detector.step(self.scene(door_opened=door_opened))

    def go(self, *rooms: int, row: int = 0, seconds: int = 12) -> list[Found]:
        """Somebody walks through rooms and stays in the last."""
        self.moves[row] = True
        found: list[Found] = []
        for room in rooms:
            self.zone[row] = room
            found += self.stay(seconds)
        return found

    def open_door(self, seconds: int = 3) -> list[Found]:
        """The front door opens, and closes after some seconds."""
        self.door = 1
        self.second += 1
        self.local_s += 1
        found = self._step(door_opened=True)
        self.found += found
        found += self.stay(seconds)
        self.door = 0
        return found

    def vanish(self, row: int = 0) -> None:
        """Nobody hears her any more; the filter gives her up after ten seconds."""
        self.is_heard[row] = False
        self.stay(10)
        self.zone[row] = UNKNOWN

    def of(self, kind: EventKind) -> list[Found]:
        """What was found of a kind so far."""
        return [each for each in self.found if each.kind is kind]


def pace(home: Home, times: int = 5) -> list[Found]:
    """She goes to and fro between hall and lounge, and rests there."""
    found: list[Found] = []
    for _ in range(times):
        found += home.go(CORRIDOR, HALL, CORRIDOR, LOUNGE)
    return found + home.go(LOUNGE, seconds=200)


def _certain(zone: np.ndarray) -> np.ndarray:
    belief = np.full((len(zone), len(ZONES)), 0.01, np.float32)
    known = zone != UNKNOWN
    belief[np.flatnonzero(known), zone[known]] = 0.93
    return belief


def at_exit(home: Home) -> Home:
    home.stay(30)
    home.go(CORRIDOR, HALL, EXIT)
    return home


def accompanied(home: Home) -> Home:
    """A carer fetches her and goes with her, a second behind."""
    home.stay(30)
    for room in (LOUNGE, CORRIDOR, ROOM):
        home.carer_zone[0] = room
        home.stay(12)
    for room in (CORRIDOR, HALL, EXIT):
        home.zone[0] = room
        home.stay(1)
        home.carer_zone[0] = room
        home.stay(11)
    return home


def two_doors(*doors: int) -> Home:
    """Behind the exit's inner door is a lobby (the kitchen's place), and its outer door."""
    near = a_plan().near.copy()
    near[KITCHEN] = near[:, KITCHEN] = False
    near[KITCHEN, EXIT] = near[EXIT, KITCHEN] = True
    use = a_plan().use.copy()
    use[KITCHEN] = ZoneUse.EXIT
    home = Home()
    home.detector = Whereabouts(Plan(near, use, np.array(doors)), home.asked, 0)
    return home
