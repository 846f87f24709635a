"""A scene written in Python, so that a test reads as a timeline.

home.at(0).fall("ada")
home.at(45).acknowledge("mei")
home.expect_page("night carer", within=(30, 45))
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from wardlight.scenes.moment import Moment, Window, caller
from wardlight.scenes.reading import one_expectation, one_happening, some_entries
from wardlight.scenes.report import Outcome, failure_text, play_and_judge
from wardlight.scenes.scene import Scene, SceneError


class SceneFailedError(AssertionError):
    """Something did not happen as it was expected; `outcome` has all of it."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(failure_text(outcome))
        self.outcome = outcome


class Timeline:
    """A home, what happens in it and what is expected of it, collected and then played.

    Without residents, staff, rooms or gateways of its own it is the demo's home: ada, ben,
    cara, dora, eric and fay live there, mei is the night carer. As soon as one resident is
    named, only those who are named live there; the same goes for staff, rooms and gateways.

    Parameters
    ----------
    title
        What the report is headed.
    scene
        To begin with, such as one read from a file.
    folder
        Where relative paths of recordings begin.
    """

    def __init__(
        self, title: str = "", *, scene: Scene | None = None, folder: Path | None = None
    ) -> None:
        self.scene = scene or Scene(title=title, folder=folder or Path())
        self.outcome: Outcome | None = None
        """What came of it, once it was played."""

    # -- who is there --------------------------------------------------------------------------

    def resident(self, name: str, **values: Any) -> Timeline:
        """Declare a resident: ``bed``, ``room``, ``floor``, ``streaming``, ``placement``,
        ``at_risk``, ``safe_rooms``, ``bed_exit``.
        """
        return self.declare("residents", name, values)

    def staff(self, name: str, **values: Any) -> Timeline:
        """Declare a person: ``post``, ``role``, ``floor``, ``looks_after``, ``phone``, and
        ``shown`` for her name on the board.
        """
        if "shown" in values:
            values["name"] = values.pop("shown")
        return self.declare("staff", name, values)

    def room(self, name: str, **values: Any) -> Timeline:
        """Declare a room: ``at``, ``floor``, ``next_to``, ``use``."""
        return self.declare("rooms", name, values)

    def gateway(self, name: str, room: str, *, resting: bool = True) -> Timeline:
        """Declare a gateway, where it stands, and whether people sit or lie there for long."""
        return self.declare("gateways", name, {"room": room, "resting": resting})

    def declare(self, table: str, name: str, values: Mapping[str, Any]) -> Timeline:
        """Declare a member of a table of the scene language (`words.TABLES`)."""
        self._still_open()
        new = some_entries(table, {name: dict(values)}, caller())
        kept = tuple(entry for entry in getattr(self.scene, table) if entry.name != name)
        changed: dict[str, Any] = {table: (*kept, *new)}
        self.scene = replace(self.scene, **changed)
        return self

    def setting(
        self,
        *,
        seed: int | None = None,
        starts: datetime | None = None,
        settle: float | None = None,
        lasts: float | None = None,
    ) -> Timeline:
        """Settings of the scene as a whole; what is not given stays.

        Raises
        ------
        ValueError
            If `starts` has no time zone.
        """
        self._still_open()
        if starts is not None and starts.tzinfo is None:
            raise ValueError(f"a time without a time zone: {starts!r}")
        given = {"seed": seed, "starts": starts, "settle_s": settle, "lasts_s": lasts}
        changed: dict[str, Any] = {name: one for name, one in given.items() if one is not None}
        self.scene = replace(self.scene, **changed)
        return self

    # -- what happens, and what is expected ------------------------------------------------------

    def at(self, seconds: float) -> Moment:
        """A moment of the timeline, to say what happens then."""
        return Moment(self, float(seconds))

    def happen(self, at_s: float, word: str, subject: Any, **options: Any) -> None:
        """Add a happening by its word in the scene language (`words.HAPPENINGS`).

        Raises
        ------
        SceneError
            If there is no such word, or it is said wrongly.
        """
        self._still_open()
        given = {name: value for name, value in options.items() if value is not None}
        new = one_happening(at_s, word, subject, given, caller())
        self.scene = replace(self.scene, happens=(*self.scene.happens, new))

    def expect(self, **said: Any) -> Timeline:
        """Add an expectation as the scene language has it (`words.EXPECTATIONS`):
        ``expect(page="night carer", about="ada", within=(30, 45))``.

        Raises
        ------
        SceneError
            If there is no such word, or it is said wrongly.
        """
        self._still_open()
        given = {name: value for name, value in said.items() if value is not None}
        new = one_expectation(given, caller())
        self.scene = replace(self.scene, expects=(*self.scene.expects, new))
        return self

    def expect_page(
        self,
        people: str,
        *,
        within: Window,
        about: str | None = None,
        kind: str | None = None,
        times: int | None = None,
    ) -> Timeline:
        """Somebody (a name, a post, a role, ``anyone``) is told on her phone."""
        return self.expect(page=people, within=within, about=about, kind=kind, times=times)

    def expect_no_page(
        self, people: str = "anyone", *, between: Window | None = None, about: str | None = None
    ) -> Timeline:
        """Nobody of these is told."""
        return self.expect(no_page=people, between=between, about=about)

    def expect_alert(
        self, kind: str, resident: str | None = None, *, within: Window, times: int | None = None
    ) -> Timeline:
        """People are called for this."""
        return self.expect(alert=kind, resident=resident, within=within, times=times)

    def expect_no_alert(
        self, kind: str = "any", resident: str | None = None, *, between: Window | None = None
    ) -> Timeline:
        """Nobody is called for this."""
        return self.expect(no_alert=kind, resident=resident, between=between)

    def expect_event(
        self,
        kind: str,
        resident: str | None = None,
        *,
        within: Window,
        gateway: str | None = None,
        times: int | None = None,
    ) -> Timeline:
        """A gateway says so, whether anybody is called or not."""
        return self.expect(
            event=kind, resident=resident, within=within, gateway=gateway, times=times
        )

    def expect_no_event(
        self, kind: str = "any", resident: str | None = None, *, between: Window | None = None
    ) -> Timeline:
        """No gateway says so."""
        return self.expect(no_event=kind, resident=resident, between=between)

    def expect_state(self, state: str, resident: str | None = None, *, within: Window) -> Timeline:
        """An alert comes to this state."""
        return self.expect(state=state, resident=resident, within=within)

    def expect_siren(
        self, tone: str = "alarm", *, within: Window, gateway: str | None = None
    ) -> Timeline:
        """A siren begins to sound, or falls ``quiet``."""
        return self.expect(siren=tone, within=within, gateway=gateway)

    def expect_fault(
        self,
        cause: str,
        resident: str | None = None,
        *,
        within: Window,
        gateway: str | None = None,
        saying: str | None = None,
    ) -> Timeline:
        """Something is not being monitored, with its cause."""
        return self.expect(
            fault=cause, resident=resident, within=within, gateway=gateway, saying=saying
        )

    def expect_no_fault(
        self, cause: str = "any", resident: str | None = None, *, between: Window | None = None
    ) -> Timeline:
        """Nothing of this kind goes unmonitored."""
        return self.expect(no_fault=cause, resident=resident, between=between)

    def expect_fault_cleared(
        self,
        cause: str,
        resident: str | None = None,
        *,
        within: Window,
        gateway: str | None = None,
    ) -> Timeline:
        """The fault is over."""
        return self.expect(fault_cleared=cause, resident=resident, within=within, gateway=gateway)

    def expect_feels(self, pattern: str, resident: str, *, within: Window) -> Timeline:
        """The wearable tells its wearer."""
        return self.expect(feels=pattern, resident=resident, within=within)

    def expect_no_alarm(
        self, *, between: Window | None = None, about: str | None = None
    ) -> Timeline:
        """Nobody is called or paged, and no siren sounds."""
        return self.expect(no_alarm=True, between=between, about=about)

    def expect_nothing_else(self) -> Timeline:
        """No alert, siren or fault beside those that are expected by name."""
        return self.expect(nothing_else=True)

    # -- playing -----------------------------------------------------------------------------------

    def play(self, seed: int | None = None) -> Outcome:
        """Play it from beginning to end; once.

        Raises
        ------
        SceneError
            If it speaks of somebody or something that is not there.
        """
        self._still_open()
        self.outcome = play_and_judge(self.scene, seed)
        return self.outcome

    def run(self, seed: int | None = None) -> Outcome:
        """Play it, and fail as a test does if something was not as expected.

        Raises
        ------
        SceneFailedError
            With a sentence for each expectation that was missed, and the timeline.
        """
        __tracebackhide__ = True  # pytest then shows the test's own line
        outcome = self.play(seed)
        if not outcome.passed:
            raise SceneFailedError(outcome)
        return outcome

    def _still_open(self) -> None:
        if self.outcome is not None:
            raise SceneError([f"{caller()}: this timeline was played already"])
