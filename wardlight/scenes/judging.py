"""Compares what happened with what was expected: a verdict for each expectation, in a sentence,
and what nobody had expected.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final, NamedTuple

import msgspec

from wardlight.scenes.cast import Cast
from wardlight.scenes.record import Line, What
from wardlight.scenes.scene import Expectation, Scene
from wardlight.scenes.words import ANY, EXPECTATIONS, QUIET

CLOSE_S: Final = 0.0005
"""Times are taken down to the millisecond; half of one is no miss."""


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one expectation."""

    expected: str
    """In words."""
    met: bool
    at_s: list[float]
    """When it happened within its window; for what must not happen: when it did."""
    sentence: str
    """What came of it, in words."""
    where: str
    """Where it was written."""


class Judgement(NamedTuple):
    """Everything that is to be said of a played scene."""

    verdicts: list[Verdict]
    unexpected: list[Line]
    """Alerts, sirens and faults that no expectation speaks of."""
    not_done: list[Line]
    """What the scene wanted to happen and could not."""

    @property
    def passed(self) -> bool:
        """Whether all happened as it was expected."""
        return all(verdict.met for verdict in self.verdicts) and not self.not_done


class _Sought(NamedTuple):
    """How a word finds the lines that it speaks of."""

    whats: tuple[What, ...]
    fields: Mapping[str, str]
    """From option to field of a line."""
    noun: str
    """With a place for the subject."""
    done: str
    """What happened, after "it"."""


_RESIDENT: Final = {"resident": "resident"}
_BOTH: Final = {"resident": "resident", "gateway": "gateway"}

_SOUGHT: Final[Mapping[str, _Sought]] = {
    "page": _Sought(
        (What.PAGE,), {"about": "resident", "kind": "value"}, "a page to {}", "was sent"
    ),
    "alert": _Sought((What.ALERT,), _RESIDENT, "the alert {}", "was raised"),
    "event": _Sought((What.EVENT,), _BOTH, "the event {}", "was published"),
    "state": _Sought((What.STATE,), _RESIDENT, "an alert that is {}", "came to be so"),
    "siren": _Sought((What.SIREN,), {"gateway": "gateway"}, "a siren that says {}", "sounded"),
    "fault": _Sought((What.FAULT,), _BOTH, "the fault {}", "was reported"),
    "fault_cleared": _Sought((What.FAULT_CLEARED,), _BOTH, "the end of the fault {}", "came"),
    "feels": _Sought((What.FEELS,), _RESIDENT, "the wearable vibrating {}", "was felt"),
}
_ALARM: Final = _Sought(
    (What.ALERT, What.PAGE, What.SIREN), {"about": "resident"}, "any alarm", "came"
)


def judge(scene: Scene, cast: Cast, lines: Sequence[Line]) -> Judgement:
    """Judge a played scene.

    Parameters
    ----------
    scene, cast
        What was expected, of whom.
    lines
        What happened, as `stage.play_scene` gives it.
    """
    judged = _Judge(scene, cast, lines)
    verdicts = [judged.verdict(expectation) for expectation in scene.expects]
    unexpected = judged.unexpected()
    for number, expectation in enumerate(scene.expects):
        if expectation.word == "nothing_else":
            verdicts[number] = _nothing_else(expectation, unexpected, judged.describe)
    not_done = [line for line in lines if line.what is What.NOT_DONE]
    return Judgement(verdicts, unexpected, not_done)


class _Judge:
    def __init__(self, scene: Scene, cast: Cast, lines: Sequence[Line]) -> None:
        self._scene = scene
        self._cast = cast
        about = {line.incident: line.resident for line in lines if line.what is What.STATE}
        # A page names its incident only: whom it is about stands there.
        self._lines = [
            msgspec.structs.replace(line, resident=about.get(line.incident))
            if line.what in (What.PAGE, What.UNDELIVERED)
            else line
            for line in lines
        ]
        self._foreseen: set[Line] = set()
        self._incidents: set[str] = set()

    def verdict(self, said: Expectation) -> Verdict:
        """One expectation, judged by itself."""
        word = EXPECTATIONS[said.word]
        sought = _ALARM if said.word == "no_alarm" else _SOUGHT.get(said.word.removeprefix("no_"))
        if sought is None:  # nothing_else is judged when the others are
            return _nothing_else(said, [], self.describe)
        fitting = [line for line in self._lines if self._fits(line, said, sought)]
        inside = [line for line in fitting if _is_within(line, said)]
        expected = self._in_words(said, sought)
        if word.never:
            if sought is _ALARM:
                inside = [*self._sounding_at(said), *inside]
            return self._never(said, expected, inside)
        self._foresee(inside)
        return self._once(said, sought, expected, fitting, inside)

    def unexpected(self) -> list[Line]:
        """Alerts, sirens and faults that no expectation has found."""
        alarming = (What.ALERT, What.SIREN, What.FAULT)
        return [
            line
            for line in self._lines
            if line.what in alarming
            and line.value != QUIET
            and line not in self._foreseen
            and line.incident not in self._incidents
        ]

    def _foresee(self, lines: Sequence[Line]) -> None:
        self._foreseen.update(lines)
        for line in lines:
            if line.incident is not None:
                self._incidents.add(line.incident)
            if line.what is What.SIREN:  # one tone at one gateway: its reason may change
                self._foreseen.update(
                    other
                    for other in self._lines
                    if other.what is What.SIREN
                    and (other.value, other.gateway) == (line.value, line.gateway)
                )

    def _fits(self, line: Line, said: Expectation, sought: _Sought) -> bool:
        if line.what not in sought.whats:
            return False
        if sought is _ALARM:
            if line.value == QUIET:
                return False
        elif line.what is What.PAGE:
            if line.person not in self._cast.people(said.subject):
                return False
        elif said.subject not in (ANY, line.value):
            return False
        for option, field in sought.fields.items():
            wanted = said.options.get(option)
            if wanted not in (None, ANY, getattr(line, field)):
                return False
        return said.options.get("saying", "").casefold() in line.detail.casefold()

    def _sounding_at(self, said: Expectation) -> list[Line]:
        """Sirens that were sounding already as the window of `said` opened."""
        if said.options.get("about") is not None:
            return []
        last: dict[str | None, Line] = {}
        for line in self._lines:
            if line.what is What.SIREN and line.at_s < said.from_s - CLOSE_S:
                last[line.gateway] = line
        return [line for line in last.values() if line.value != QUIET]

    # -- verdicts --------------------------------------------------------------------------------

    def _never(self, said: Expectation, expected: str, inside: list[Line]) -> Verdict:
        if inside:
            first = inside[0]
            more = f", and {len(inside) - 1} more" if len(inside) > 1 else ""
            sentence = f"but there was {self.describe(first)} at {first.at_s:g} s{more}"
        else:
            sentence = "and there was none"
        return Verdict(
            expected=f"never {expected} {self._window(said)}",
            met=not inside,
            at_s=[line.at_s for line in inside],
            sentence=sentence,
            where=said.where,
        )

    def _once(
        self,
        said: Expectation,
        sought: _Sought,
        expected: str,
        fitting: list[Line],
        inside: list[Line],
    ) -> Verdict:
        times = said.options.get("times")
        often = "" if times is None else f" {_times(times)}"
        met = bool(inside) if times is None else len(inside) == times
        at = ", ".join(f"{line.at_s:g}" for line in inside)
        if met:
            sentence = f"it {sought.done} at {at} s"
        elif inside:
            sentence = f"but it {sought.done} {_times(len(inside))}: at {at} s"
        elif fitting:
            sentence = f"but it {sought.done} {_how_far(fitting, said)}"
        else:
            sentence = f"but it {_never(sought.done)}{self._instead(sought)}"
        return Verdict(
            expected=f"{expected}{often} {self._window(said)}",
            met=met,
            at_s=[line.at_s for line in inside],
            sentence=sentence,
            where=said.where,
        )

    def _instead(self, sought: _Sought) -> str:
        """What of the same kind there was instead, to help a reader."""
        others = [line for line in self._lines if line.what in sought.whats and line.at_s >= 0]
        if not others:
            return ""
        first = others[0]
        more = f" and {len(others) - 1} more" if len(others) > 1 else ""
        return f"; there was {self.describe(first)} at {first.at_s:g} s{more}"

    # -- words -----------------------------------------------------------------------------------

    def _in_words(self, said: Expectation, sought: _Sought) -> str:
        parts = [sought.noun.format(said.subject)]
        for option, value in said.options.items():
            if value is not None and option != "times":
                link = {"resident": "about", "gateway": "from"}.get(option, option)
                parts.append(f"{link} {value}")
        return " ".join(parts)

    def _window(self, said: Expectation) -> str:
        if said.until_s is not None:
            return f"between {said.from_s:g} and {said.until_s:g} s"
        return f"after {said.from_s:g} s" if said.from_s > 0 else "at any time"

    def describe(self, line: Line) -> str:
        """A line of the record as a noun."""
        about = "" if line.resident is None else f" about {line.resident}"
        by = "" if line.gateway is None else f" from {line.gateway}"
        match line.what:
            case What.PAGE:
                return f"a page to {self._cast.called(line.person)}{about} ({line.value})"
            case What.ALERT:
                return f"the alert {line.value}{about}"
            case What.SIREN:
                return f"a siren ({line.value}){by}"
            case What.FAULT | What.FAULT_CLEARED:
                return f"the {line.what.replace('_', ' ')} {line.value}{about}{by}"
            case _:
                return f"{line.value}{about}{by}"


def _is_within(line: Line, said: Expectation) -> bool:
    until_s = float("inf") if said.until_s is None else said.until_s
    return said.from_s - CLOSE_S <= line.at_s <= until_s + CLOSE_S


def _how_far(fitting: Sequence[Line], said: Expectation) -> str:
    """How far the nearest of `fitting` lies from the window."""

    def beside_s(line: Line) -> float:
        if line.at_s < said.from_s:
            return line.at_s - said.from_s
        return line.at_s - (said.until_s or 0.0)

    near = min(fitting, key=lambda line: abs(beside_s(line)))
    off_s = beside_s(near)
    return f"at {near.at_s:g} s, {abs(off_s):.3g} s too {'late' if off_s > 0 else 'early'}"


def _never(done: str) -> str:
    return done.replace("was ", "was never ", 1) if done.startswith("was ") else f"never {done}"


def _times(number: int) -> str:
    return {1: "once", 2: "twice"}.get(number, f"{number} times")


def _nothing_else(
    said: Expectation, unexpected: Sequence[Line], describe: Callable[[Line], str]
) -> Verdict:
    if unexpected:
        first = unexpected[0]
        more = f", and {len(unexpected) - 1} more" if len(unexpected) > 1 else ""
        sentence = f"but there was {describe(first)} at {first.at_s:g} s{more}"
    else:
        sentence = "and there was none"
    return Verdict(
        expected="no alert, siren or fault beside those",
        met=not unexpected,
        at_s=[line.at_s for line in unexpected],
        sentence=sentence,
        where=said.where,
    )
