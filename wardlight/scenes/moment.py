"""A moment of a timeline that is written in Python: what happens then."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from contract.protocols import RecordedStream

if TYPE_CHECKING:
    from wardlight.scenes.timeline import Timeline

Window = tuple[float, float] | float
"""Seconds from and to, or at most."""


class Moment:
    """A moment of a timeline; each method says what happens then, and gives the moment again."""

    def __init__(self, timeline: Timeline, at_s: float) -> None:
        self._timeline = timeline
        self._at_s = at_s

    def _happen(self, word: str, subject: Any, **options: Any) -> Moment:
        self._timeline.happen(self._at_s, word, subject, **options)
        return self

    def fall(self, resident: str, *, then: str = "lies") -> Moment:
        """A resident falls, and lies, struggles or gets_up."""
        return self._happen("fall", resident, then=then)

    def play(
        self, resident: str, recording: Path | str | RecordedStream, *, trial: str | None = None
    ) -> Moment:
        """A resident moves as a recorded trial did, then lies still."""
        said = str(recording) if isinstance(recording, Path) else recording
        return self._happen("play", resident, recording=said, trial=trial)

    def press_button(self, resident: str) -> Moment:
        """A resident asks for help."""
        return self._happen("press_button", resident)

    def help_up(self, resident: str) -> Moment:
        """Somebody puts the resident into a chair."""
        return self._happen("help_up", resident)

    def slide(self, resident: str, room: str) -> Moment:
        """A resident walks to a room and slides to the floor there, without impact."""
        return self._happen("slide", resident, room=room)

    def nap(self, resident: str, room: str, *, minutes: float = 60.0) -> Moment:
        """A resident walks to a room and sleeps in a chair there."""
        return self._happen("nap", resident, room=room, minutes=minutes)

    def go(self, resident: str, room: str, *, minutes: float = 5.0) -> Moment:
        """A resident walks to a room and stands about there."""
        return self._happen("go", resident, room=room, minutes=minutes)

    def go_out(self, resident: str, room: str) -> Moment:
        """A resident walks to an exit, opens its door, and is heard no more."""
        return self._happen("go_out", resident, room=room)

    def open_door(self, room: str) -> Moment:
        """Somebody opens the door of a room, which falls shut."""
        return self._happen("open_door", room)

    def sleep(self, resident: str, *, signs: bool = True) -> Moment:
        """A resident lies down where she is and sleeps on, with or without signs of wear."""
        return self._happen("sleep", resident, signs=signs)

    def take_off(self, resident: str, *, tells: bool = True) -> Moment:
        """The wearable is put down on a table, and can tell or not."""
        return self._happen("take_off", resident, tells=tells)

    def break_sensor(self, resident: str, how: str) -> Moment:
        """The accelerometer breaks: stuck_axis, frozen, gain or spikes; none mends it."""
        return self._happen("break_sensor", resident, how=how)

    def put_on(self, resident: str) -> Moment:
        """The wearable is worn again."""
        return self._happen("put_on", resident)

    def leave_range(self, resident: str) -> Moment:
        """No radio hears the wearable any more."""
        return self._happen("leave_range", resident)

    def return_to_range(self, resident: str) -> Moment:
        """The wearable is heard again."""
        return self._happen("return_to_range", resident)

    def reboot(self, resident: str) -> Moment:
        """The wearable resets."""
        return self._happen("reboot", resident)

    def battery(self, resident: str, percent: float) -> Moment:
        """The wearable has so much charge."""
        return self._happen("battery", resident, percent=percent)

    def corrupt(self, resident: str, share: float) -> Moment:
        """The wearable spoils so many of its adverts and packets, 0 to 1."""
        return self._happen("corrupt", resident, share=share)

    def share_address(self, resident: str, other: str) -> Moment:
        """The wearable of `other` takes the address of `resident`'s."""
        return self._happen("share_address", resident, other=other)

    def deafen(self, gateway: str) -> Moment:
        """The gateway's radio hears nothing, and does not say so."""
        return self._happen("deafen", gateway)

    def hear_again(self, gateway: str) -> Moment:
        """The gateway's radio is cured."""
        return self._happen("hear_again", gateway)

    def stop(self, service: str) -> Moment:
        """``ingest``, ``alerts``, a gateway or the ``broker`` stops."""
        return self._happen("stop", service)

    def start(self, service: str) -> Moment:
        """It starts again, on the files that it left."""
        return self._happen("start", service)

    def jump_clock(self, seconds: float) -> Moment:
        """Wall time jumps."""
        return self._happen("jump_clock", seconds)

    def clock_synced(self, synced: bool) -> Moment:
        """Wall time is known to be right, or not."""
        return self._happen("clock_synced", synced)

    def acknowledge(self, person: str, *, about: str | None = None) -> Moment:
        """Somebody says that she is on her way."""
        return self._happen("acknowledge", person, about=about)

    def arrive(self, person: str, *, about: str | None = None) -> Moment:
        """Somebody is there."""
        return self._happen("arrive", person, about=about)

    def resolve(
        self, person: str, *, about: str | None = None, outcome: str = "assisted", note: str = ""
    ) -> Moment:
        """Somebody says what it was."""
        return self._happen("resolve", person, about=about, outcome=outcome, note=note or None)

    def phone_off(self, person: str) -> Moment:
        """Somebody cannot be reached by phone."""
        return self._happen("phone_off", person)

    def phone_on(self, person: str) -> Moment:
        """Somebody can be reached again."""
        return self._happen("phone_on", person)

    def expect(self, **said: Any) -> Moment:
        """Like `Timeline.expect`, with the window counted from this moment."""
        self._timeline.expect(after=self._at_s, **said)
        return self

    def expect_page(self, people: str, *, within: Window, **more: Any) -> Moment:
        """Like `Timeline.expect_page`, with the window counted from this moment."""
        return self.expect(page=people, within=within, **more)


def caller() -> str:
    """File and line of the test that speaks, for its faults and missed expectations."""
    frame = inspect.currentframe()
    own: Sequence[str] = (__name__, "wardlight.scenes.timeline", "wardlight.testing")
    while frame is not None and frame.f_globals.get("__name__") in own:
        frame = frame.f_back
    if frame is None:
        return "the timeline"
    return f"{Path(frame.f_code.co_filename).name}:{frame.f_lineno}"
