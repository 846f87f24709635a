"""What the room sensors of a home say, by whichever gateway hears them: each happening once.

A door is heard by two gateways or by a far one only, and messages are lost. So each gateway tells
every change that it has heard for five seconds on end (`contract.messages.Presence.changes`), and
everybody puts them together: by their numbers, so that what is told five times is one change, and
by what they say, so that one door heard by three gateways opens once. Of longer holes the
states tell that go with each message.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable, Mapping
from typing import Final, NamedTuple

from contract.devices import Quantity
from contract.messages import Presence
from contract.units import NS_PER_MS, NS_PER_S, seconds_to_ns
from contract.whereabouts import SensorChange
from edge.sensors import STATES, Change, SensorBoard
from edge.timebase import SessionTime

TOLD_NS: Final = seconds_to_ns(5)
"""So long each change is told again: four messages in a row may be lost, and no door was missed."""

CHANGES_AT_MOST: Final = 64
"""In one message: a home of forty sensors has some dozens of changes a minute; more in five seconds
is a sensor gone wild, and the latest are told."""

SAME_NS: Final = seconds_to_ns(3)
"""Two gateways that tell one change of a sensor heard bursts of it at most so far apart: a burst
lasts for a second or two, and a message is up to a second old and as long on its way."""

OLDEST_MS: Final = 60_000
"""What is said to be older is nonsense; nobody tells it for so long."""

KEPT_S: Final = 30

Word = tuple[str, str]
"""Sensor and quantity."""


class Happening(NamedTuple):
    """Something that a sensor has seen begin or end."""

    device: str
    quantity: str
    value: float
    at_ns: int
    """Grid time."""


class _State(NamedTuple):
    value: float
    at_ns: int
    """Grid time at which it became so; of one that was merely told to be so, when it was told."""


class _Told(NamedTuple):
    """What another gateway said in its latest message."""

    states: dict[Word, float]
    at_ns: int
    """Grid time at which it came."""


class SharedSensors:
    """The state of every sensor, and what happened in each second.

    Parameters
    ----------
    board
        The sensors that this gateway hears.
    """

    def __init__(self, board: SensorBoard, time: SessionTime) -> None:
        self._board = board
        self._time = time
        self._taken = board.latest_change
        self._own: deque[Change] = deque(maxlen=CHANGES_AT_MOST)
        self._states: dict[Word, _State] = {}
        self._numbers: dict[str, tuple[str, int]] = {}
        """By gateway: session and number of the latest change that was taken."""
        self._told: dict[str, _Told] = {}
        self._happened: dict[int, list[Happening]] = {}
        """By grid second."""
        self._looked_at = 0
        """Grid second up to which happenings were asked for: what comes for one before it is late,
        and counts in the next."""

    # -- what this gateway hears -----------------------------------------------------------------

    def collect(self) -> None:
        """Take in what this gateway has heard since the last call."""
        for change in self._board.changes_after(self._taken):
            self._taken = change.number
            self._own.append(change)
            at_ns = self._time.grid_ns(change.at_ns)
            word = change.device, change.quantity.value
            if change.before is not None:
                # What it said before this was there to hear it is known all the same.
                self._states.setdefault(word, _State(change.before, at_ns - SAME_NS))
            self._take(word, change.value, at_ns)

    def changes(self, now_ns: int) -> list[SensorChange]:
        """As in `Presence`; `now_ns` is monotonic."""
        return [
            SensorChange(
                number=each.number,
                device=each.device,
                quantity=each.quantity.value,
                value=each.value,
                age_ms=(now_ns - each.at_ns) // NS_PER_MS,
            )
            for each in self._own
            if now_ns - each.at_ns <= TOLD_NS
        ]

    def states(self) -> dict[str, dict[str, float]]:
        """As in `Presence`: what this gateway itself has heard last."""
        told: dict[str, dict[str, float]] = {}
        for sensor in self._board:
            said = {
                quantity.value: word.value
                for quantity, word in sensor.said.items()
                if quantity in STATES
            }
            if said:
                told[sensor.device] = said
        return told

    # -- what others hear ------------------------------------------------------------------------

    def hear(self, presence: Presence, arrival_ns: int) -> None:
        """Another gateway has spoken; `arrival_ns` is grid time."""
        session, latest = self._numbers.get(presence.gateway, ("", 0))
        if session != presence.session:
            latest = 0
        for change in sorted(presence.changes, key=lambda each: each.number):
            if change.number <= latest or not self._is_known(change.device, change.quantity):
                continue
            latest = change.number
            age_ns = max(0, min(change.age_ms, OLDEST_MS)) * NS_PER_MS
            self._take((change.device, change.quantity), change.value, arrival_ns - age_ns)
        self._numbers[presence.gateway] = presence.session, latest
        self._hear_states(presence, arrival_ns)

    def _hear_states(self, presence: Presence, arrival_ns: int) -> None:
        """Where no message came for longer than a change is told, the state alone says that there
        was one: it is taken as of now, unless somebody has said something since.
        """
        states = {
            (device, quantity): value
            for device, said in presence.states.items()
            for quantity, value in said.items()
            if self._is_known(device, quantity)
        }
        told = self._told.get(presence.gateway, _Told({}, arrival_ns))
        heard_of = {(each.device, each.quantity) for each in presence.changes}
        for word, value in states.items():
            known = self._states.setdefault(word, _State(value, arrival_ns))
            is_missed = word not in heard_of and told.states.get(word, value) != value
            if is_missed and known.at_ns <= told.at_ns:
                self._take(word, value, arrival_ns)
        self._told[presence.gateway] = _Told(states, arrival_ns)

    def _is_known(self, device: str, quantity: str) -> bool:
        return self._board.state(device) is not None and quantity in STATES

    def _take(self, word: Word, value: float, at_ns: int) -> None:
        before = self._states.get(word)
        if before is None:
            # That nothing is open, or moves, or lies there is no happening. That something is may
            # be one, and is taken for it: many sensors speak only when something happens.
            is_new = value > 0
        elif before.value == value:
            is_new = value > 0 and word[1] == Quantity.MOTION and at_ns - before.at_ns >= SAME_NS
            if not is_new:
                return
        else:
            is_new = at_ns >= before.at_ns
            if not is_new:
                return  # the older word of somebody who has heard less
        self._states[word] = _State(value, at_ns)
        if is_new:
            second = max(at_ns // NS_PER_S, self._looked_at)
            self._happened.setdefault(second, []).append(Happening(*word, value, at_ns))

    # -- for whoever asks ------------------------------------------------------------------------

    def state(self, device: str, quantity: Quantity) -> float | None:
        """What a sensor said last; None where nobody knows."""
        known = self._states.get((device, quantity.value))
        return None if known is None else known.value

    def speaks(self, device: str) -> bool:
        """Whether anything that lasts is known of a sensor."""
        return any(known == device for known, _ in self._states)

    def happened(self, second: int) -> list[Happening]:
        """What happened in a grid second, and what came too late for one before it. To be asked of
        each second in turn.
        """
        self._looked_at = max(self._looked_at, second + 1)
        found = self._happened.pop(second, [])
        for old in [each for each in self._happened if each < second - KEPT_S]:
            del self._happened[old]
        return found

    def forget(self, enrolled: Collection[str]) -> None:
        """Follow a configuration: sensors that are gone have no state."""
        self._states = {word: each for word, each in self._states.items() if word[0] in enrolled}
        self._told.clear()


def is_seen(happening: Happening) -> bool:
    """Whether somebody was at the sensor: something began to move, a door was opened or closed, a
    bed was taken or left. That nothing moves any more says nothing of when it did last.
    """
    return happening.quantity != Quantity.MOTION or happening.value > 0


def active(happenings: Iterable[Happening], sensors: Mapping[str, int]) -> list[int]:
    """Numbers of the sensors that somebody was at: those that `detectors.location` calls active."""
    seen = {each.device for each in happenings if is_seen(each)}
    return [number for device, number in sensors.items() if device in seen]
