"""Residents: what each of them does, and when. Mostly they sit and lie.

A resident carries out steps (rest, fidget, turn over, walk to a zone); when none is left, a
habit makes new ones. A fall puts another habit in the place of the routine.
"""

from __future__ import annotations

import math
import random
from collections import deque
from collections.abc import Callable
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from contract.units import NS_PER_S
from firmware_sim.air import Propagation
from firmware_sim.falling import make_fall
from firmware_sim.motion import HANGING, LYING, MOTION_HZ, ON_TABLE, SITTING, MotionModel
from firmware_sim.plan import HomePlan, WearablePlan

LIE_S: Final = (1_800.0, 7_200.0)
TURN_OVER_S: Final = (300.0, 1_500.0)
"""Between turns in bed: sleepers change posture two to four times an hour."""
SIT_S: Final = (900.0, 3_600.0)
QUIET_S: Final = (20.0, 180.0)
BUSY_S: Final = (5.0, 40.0)
TOILET_S: Final = (180.0, 480.0)

WALK_M_S: Final = (0.6, 0.9)
"""Usual walking speed of care-home residents; 0.8 m/s is a common frailty limit."""
LEAST_WALK_S: Final = 15.0

ASLEEP_G: Final = 0.0015
RESTING_G: Final = 0.006
BUSY_G: Final = (0.03, 0.12)
TURNING_G: Final = 0.12
STRUGGLING_G: Final = (0.12, 0.3)
"""Root mean square of the hand's own motion."""

AFTER_FALL_STILL_S: Final = 60.0
"""One who cannot get up lies still at first; then small motions come and go."""
BEFORE_GETTING_UP_S: Final = (12.0, 30.0)
WALK_AFTER_GETTING_UP_S: Final = 45.0

SLIDE_S: Final = 6.0
"""A slide along a wall or a bed's edge, holding on to it."""

STAND_S: Final = 20.0
DOOR_S: Final = 6.0
"""To open a door and step through it."""

RESTING_HEART_BPM: Final = (58, 84)


class Step(NamedTuple):
    """One thing that a resident does."""

    seconds: float
    hand_g: float
    gravity: NDArray[np.float32] | None = None
    """The posture to turn to, if another."""
    turn_s: float = 2.0
    walk_to: str | None = None
    """Walk to this zone; `seconds` is then the least time on foot."""
    says: str | None = None
    """For the ground truth."""


AFTERMATHS: Final = ("lies", "struggles", "gets_up")
"""What can follow a fall: `SimulatedHome.fall`."""

Note = Callable[[int, str, str, str], None]
"""Takes a moment (monotonic ns), a resident, what happened, and a detail."""


class Resident:
    """One person, acting on one row of the motion model.

    Parameters
    ----------
    plan, wearable
        The home, and what this resident wears.
    row
        Of the motion model and of the propagation.
    note
        Where the ground truth goes.
    """

    def __init__(
        self,
        plan: HomePlan,
        wearable: WearablePlan,
        row: int,
        *,
        motion: MotionModel,
        air: Propagation,
        seed: int,
        note: Note,
    ) -> None:
        self.name = wearable.resident
        self.zone = wearable.zone
        self._plan = plan
        self._bed_zone = wearable.zone
        self._row = row
        self._motion = motion
        self._air = air
        self._note = note
        self._random = random.Random(f"{seed}/resident/{wearable.resident}")  # noqa: S311
        self.heart_rate_bpm = self._random.randint(*RESTING_HEART_BPM)
        self._speed_m_s = self._random.uniform(*WALK_M_S)
        centre = plan.zone(self.zone)
        spread = self._random.uniform
        self._at_m = (centre.x_m + spread(-1.5, 1.5), centre.y_m + spread(-1.5, 1.5))
        air.place(row, *self._at_m, self.zone)
        self._steps: deque[Step] = deque(self._lie() if spread(0, 1) < 0.5 else self._sit())
        self._habit: Callable[[], list[Step]] = self._routine
        self._way: deque[tuple[str, float, float]] = deque()
        self._walking = False
        self._upright = False
        self._wears = True
        self._step_ends_ns = 0
        self._to_come: deque[tuple[int, str, str]] = deque()

    def before_second(self, start_ns: int) -> None:
        """Decide what the second that begins at `start_ns` (monotonic) is spent on."""
        while self._to_come and self._to_come[0][0] < start_ns + NS_PER_S:
            at_ns, what, detail = self._to_come.popleft()
            self._note(at_ns, self.name, what, detail)
        if self._walking and self._way:
            self._walk_on(start_ns)
        if start_ns >= self._step_ends_ns and not (self._walking and self._way):
            if not self._steps:
                self._steps.extend(self._habit())
            self._begin(self._steps.popleft(), start_ns)

    # -- doing -----------------------------------------------------------------------------

    def _begin(self, step: Step, start_ns: int) -> None:
        self._step_ends_ns = start_ns + round(step.seconds * NS_PER_S)
        self._motion.set_hand(self._row, step.hand_g)
        if step.gravity is not None:
            if self._wears:
                self._motion.turn_to(self._row, step.gravity, step.turn_s)
            self._upright = step.gravity is HANGING
        if step.walk_to is not None:
            self._set_way(step.walk_to)
        self._walking = step.walk_to is not None
        self._motion.set_walking(self._row, self._walking)
        if step.says is not None:
            self._note(start_ns, self.name, step.says, step.walk_to or "")

    def _set_way(self, zone: str) -> None:
        self._way.clear()
        for name in self._plan.route(self.zone, zone):
            place = self._plan.zone(name)
            self._way.append((name, place.x_m, place.y_m))

    def _walk_on(self, start_ns: int) -> None:
        """One second on foot."""
        zone, x_m, y_m = self._way[0]
        east, north = x_m - self._at_m[0], y_m - self._at_m[1]
        left_m = math.hypot(east, north)
        if left_m <= self._speed_m_s:
            self._at_m = (x_m, y_m)
            self._way.popleft()
        else:
            share = self._speed_m_s / left_m
            self._at_m = (self._at_m[0] + share * east, self._at_m[1] + share * north)
        # Half-way to the next zone's centre one is in it.
        if zone != self.zone and left_m <= self._plan.distance_m(self.zone, zone) / 2:
            self.zone = zone
            self._note(start_ns, self.name, "enters", zone)
        self._air.place(self._row, *self._at_m, self.zone)

    def fall(self, then: str, start_ns: int) -> None:
        """Fall in the second that begins now."""
        fall = make_fall(
            self._motion.random(), self._motion.gravity(self._row), upright=self._upright
        )
        self._follow(fall.samples_g, start_ns)
        self._habit = self._struggling if then == "struggles" else self._lying_on_floor
        self._steps = deque(self._getting_up() if then == "gets_up" else self._habit())
        self._note(start_ns, self.name, "fall_begins", then)
        impact_ns = start_ns + fall.impact_sample * NS_PER_S // MOTION_HZ
        self._to_come.append((impact_ns, "fall_impact", then))

    def play(self, script_g: NDArray[np.float32], start_ns: int) -> None:
        """Move as recorded, (3, n) at `MOTION_HZ`, from the second that begins now; then lie
        still in the posture of its end.
        """
        self._follow(script_g, start_ns)
        self._habit = self._lying_on_floor
        self._steps = deque(self._habit())
        self._note(start_ns, self.name, "plays_recording", "")

    def _follow(self, script_g: NDArray[np.float32], start_ns: int) -> None:
        if self._wears:
            self._motion.play(self._row, script_g)
        self._motion.set_walking(self._row, walking=False)
        self._way.clear()
        self._walking = self._upright = False
        self._motion.set_hand(self._row, RESTING_G)
        script_s = script_g.shape[1] / MOTION_HZ
        self._step_ends_ns = start_ns + round(script_s * NS_PER_S)

    def helped_up(self, start_ns: int) -> None:
        """Somebody has come and put the resident into a chair."""
        self._note(start_ns, self.name, "helped_up", "")
        self._habit = self._routine
        self._steps = deque([Step(6.0, TURNING_G, SITTING, 4.0), *self._sit()])
        self._step_ends_ns = start_ns

    def slide(self, zone: str, start_ns: int) -> None:
        """Walk to `zone`, slide to the floor there and lie."""
        self._habit = self._lying_on_floor
        slide = Step(SLIDE_S, TURNING_G, self._random.choice(LYING[1:]), SLIDE_S, says="slides")
        self._now(start_ns, [*self._go_far(zone), slide, *self._lying_on_floor()])

    def nap(self, zone: str, seconds: float, start_ns: int) -> None:
        """Walk to `zone`, sit down and sleep in the chair."""
        self._habit = self._routine
        down = Step(3.0, TURNING_G, self._random.choice(LYING[:3]), 3.0, says="naps")
        self._now(start_ns, [*self._go_far(zone), down, Step(seconds, ASLEEP_G)])

    def go(self, zone: str, seconds: float, start_ns: int) -> None:
        """Walk to `zone` and stand about there."""
        self._habit = self._routine
        self._now(start_ns, [*self._go(zone), *self._stand(seconds)])

    def go_out(self, zone: str, start_ns: int) -> None:
        """Walk to `zone`, open the door there and be gone."""
        self._habit = lambda: self._stand(LIE_S[1])
        door = Step(DOOR_S, BUSY_G[0], HANGING, says="opens_door")
        self._now(start_ns, [*self._go(zone), door, Step(1.0, BUSY_G[0], says="goes_out")])

    def _stand(self, seconds: float) -> list[Step]:
        count = max(1, round(seconds / STAND_S))
        return [Step(seconds / count, self._random.uniform(*BUSY_G), HANGING) for _ in range(count)]

    def sleep(self, start_ns: int, *, turns: bool) -> None:
        """Lie down here and sleep on, turning over at times or not at all."""
        self._habit = self._lie if turns else lambda: [Step(LIE_S[1], 0.0)]
        down = Step(4.0, TURNING_G, LYING[0], 3.0, says="sleeps")
        self._now(start_ns, [down, *self._habit()])

    def _now(self, start_ns: int, steps: list[Step]) -> None:
        self._steps = deque(steps)
        self._way.clear()
        self._walking = False
        self._step_ends_ns = start_ns

    def take_off(self) -> None:
        """The wearable is put down on a table, and what its wearer does moves it no more."""
        self._motion.turn_to(self._row, ON_TABLE, 2.0)
        self._wears = False

    def put_on(self) -> None:
        """It is worn again."""
        self._wears = True
        self._motion.turn_to(self._row, SITTING, 2.0)

    # -- habits ----------------------------------------------------------------------------

    def _routine(self) -> list[Step]:
        drawn = self._random.random()
        if drawn < 0.45:
            return [*self._go(self._bed_zone), *self._lie()]
        if drawn < 0.6:
            return [*self._go(self._bed_zone), *self._sit()]
        named = {zone.zone for zone in self._plan.zones}
        if drawn < 0.75 and "toilet" in named:
            toilet = Step(self._random.uniform(*TOILET_S), RESTING_G, SITTING, 3.0, says="sits")
            return [*self._go("toilet"), toilet]
        return [*self._go("lounge" if "lounge" in named else self._bed_zone), *self._sit()]

    def _go(self, zone: str) -> list[Step]:
        """Rise and walk, where that is needed."""
        if zone == self.zone:
            return []
        rise = Step(3.0, TURNING_G, HANGING, 2.0, says="stands")
        return [rise, Step(LEAST_WALK_S, 0.01, walk_to=zone, says="walks")]

    def _go_far(self, zone: str) -> list[Step]:
        """Rise and walk for a while, ending in `zone`."""
        rise = Step(3.0, TURNING_G, HANGING, 2.0, says="stands")
        return [rise, Step(WALK_AFTER_GETTING_UP_S, 0.01, walk_to=zone, says="walks")]

    def _lie(self) -> list[Step]:
        steps, left = [], self._random.uniform(*LIE_S)
        says: str | None = "lies"
        while left > 0:
            rest = self._random.uniform(*TURN_OVER_S)
            steps.append(Step(4.0, TURNING_G, self._random.choice(LYING), 3.0, says=says))
            steps.append(Step(rest, ASLEEP_G))
            left, says = left - rest, "turns_over"
        return steps

    def _sit(self) -> list[Step]:
        steps, left = (
            [Step(3.0, TURNING_G, SITTING, 3.0, says="sits")],
            self._random.uniform(*SIT_S),
        )
        while left > 0:
            quiet, busy = self._random.uniform(*QUIET_S), self._random.uniform(*BUSY_S)
            aside = SITTING + np.array(
                [self._random.uniform(-0.4, 0.4) for _ in range(3)], np.float32
            )
            steps.append(Step(quiet, RESTING_G))
            steps.append(Step(busy, self._random.uniform(*BUSY_G), aside, 2.0))
            left -= quiet + busy
        return steps

    def _lying_on_floor(self) -> list[Step]:
        still = Step(AFTER_FALL_STILL_S, ASLEEP_G)
        stirs = [
            step
            for _ in range(10)
            for step in (
                Step(self._random.uniform(2.0, 4.0), 0.02),
                Step(self._random.uniform(30.0, 120.0), ASLEEP_G),
            )
        ]
        return [still, *stirs]

    def _struggling(self) -> list[Step]:
        steps = []
        for _ in range(20):
            strength = self._random.uniform(*STRUGGLING_G)
            posture = self._random.choice(LYING)
            steps.append(Step(self._random.uniform(2.0, 5.0), strength, posture, 2.0))
            steps.append(Step(self._random.uniform(1.0, 4.0), 0.03))
        return steps

    def _getting_up(self) -> list[Step]:
        others = [zone.zone for zone in self._plan.zones if zone.zone != self.zone]
        target = self._random.choice(others) if others else self.zone
        self._habit = self._routine
        return [
            Step(self._random.uniform(*BEFORE_GETTING_UP_S), RESTING_G),
            Step(5.0, TURNING_G, SITTING, 4.0, says="gets_up"),
            Step(3.0, TURNING_G, HANGING, 2.0),
            Step(WALK_AFTER_GETTING_UP_S, 0.01, walk_to=target, says="walks"),
        ]
