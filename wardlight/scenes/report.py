"""The report of a played scene, for a person and for a program."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

import msgspec

from contract.events import EventKind
from wardlight.scenes.cast import Cast
from wardlight.scenes.judging import Judgement, judge
from wardlight.scenes.record import Line, What
from wardlight.scenes.scene import Scene
from wardlight.scenes.stage import play_scene

_LABELS: Final = {
    What.TRUTH: "in truth",
    What.DONE: "done",
    What.NOT_DONE: "NOT DONE",
    What.EVENT: "event",
    What.ALERT: "ALERT",
    What.STATE: "alert is",
    What.PAGE: "page to",
    What.UNDELIVERED: "NOT TOLD",
    What.SIREN: "SIREN",
    What.FAULT: "FAULT",
    What.FAULT_CLEARED: "fault over",
    What.FEELS: "feels",
}

_TOLD_BY_BOARD: Final = frozenset({EventKind.FAULT, EventKind.FAULT_CLEARED})
"""Events whose effect stands in the timeline as a line of its own."""

_DAILY_LIFE: Final = frozenset({"lies", "turns_over", "sits", "stands", "walks", "enters"})
"""Ground truth that would drown the rest; the JSON report has it."""


class Outcome(NamedTuple):
    """A scene that was played."""

    scene: Scene
    cast: Cast
    seed: int
    lines: list[Line]
    judgement: Judgement

    @property
    def passed(self) -> bool:
        """Whether all happened as it was expected."""
        return self.judgement.passed

    def only(self, what: What | str) -> list[Line]:
        """The lines of one sort: ``outcome.only("page")``."""
        return [line for line in self.lines if line.what == what]


class _Report(msgspec.Struct, kw_only=True):
    scene: str
    passed: bool
    seed: int
    lasted_s: float
    expectations: list[object]
    not_done: list[Line]
    unexpected: list[Line]
    timeline: list[Line]
    file: str | None = None


def play_and_judge(scene: Scene, seed: int | None = None) -> Outcome:
    """Play a scene and judge it.

    Parameters
    ----------
    scene
        Read and complete.
    seed
        In place of the scene's own.

    Raises
    ------
    SceneError
        If it speaks of somebody or something that is not there.
    """
    cast = Cast(scene)
    lines = play_scene(scene, cast, seed)
    used = scene.seed if seed is None else seed
    return Outcome(scene, cast, used, lines, judge(scene, cast, lines))


def as_json(outcome: Outcome, file: str | None = None) -> str:
    """The report as one line of JSON; the same for the same scene and seed."""
    judgement = outcome.judgement
    report = _Report(
        file=file,
        scene=outcome.scene.title,
        passed=outcome.passed,
        seed=outcome.seed,
        lasted_s=outcome.scene.end_s(),
        expectations=list(judgement.verdicts),
        not_done=judgement.not_done,
        unexpected=judgement.unexpected,
        timeline=outcome.lines,
    )
    return msgspec.json.encode(report).decode()


def as_text(outcome: Outcome) -> str:
    """The report for a person: the timeline, then each expectation, then the sum."""
    judgement = outcome.judgement
    lines = [outcome.scene.title or "A scene", "", *timeline_text(outcome), ""]
    for verdict in judgement.verdicts:
        mark = "met   " if verdict.met else "MISSED"
        place = "" if verdict.met or not verdict.where else f"  [{verdict.where}]"
        lines.append(f"  {mark}  {verdict.expected}: {verdict.sentence}{place}")
    lines += [
        f"  NOT DONE  at {line.at_s:g} s {line.value} {line.person}: {line.detail}"
        for line in judgement.not_done
    ]
    met = sum(verdict.met for verdict in judgement.verdicts)
    lines += [
        "",
        f"{'PASSED' if outcome.passed else 'FAILED'}: {met} of "
        f"{len(judgement.verdicts)} expectations met, {len(judgement.unexpected)} "
        "alerts, sirens or faults that nobody expected.",
    ]
    return "\n".join(lines)


def failure_text(outcome: Outcome) -> str:
    """What was missed, a sentence each, and the timeline as it was: for a failed test."""
    judgement = outcome.judgement
    lines = [
        f"Expected {verdict.expected}, {verdict.sentence}. [{verdict.where}]"
        for verdict in judgement.verdicts
        if not verdict.met
    ]
    lines += [
        f"At {line.at_s:g} s {line.person} could not {line.value}: {line.detail}."
        for line in judgement.not_done
    ]
    happened = list(timeline_text(outcome)) or ["  nothing at all"]
    return "\n".join([*lines, "", "What happened:", *happened])


def timeline_text(outcome: Outcome) -> Iterator[str]:
    """What happened, a line each: seconds, what, about whom."""
    for line in outcome.lines:
        if line.what is What.TRUTH and line.value in _DAILY_LIFE:
            continue
        if line.what is What.EVENT and line.value in _TOLD_BY_BOARD:
            continue
        yield f"  {line.at_s:9.3f} s  {_LABELS[line.what]:<10}  {_said(outcome, line)}".rstrip()


def _said(outcome: Outcome, line: Line) -> str:
    person = None if line.person is None else outcome.cast.called(line.person)
    about = "" if line.resident is None else f" {line.resident}"
    by = "" if line.gateway is None else f"  {line.gateway}"
    detail = f"  ({line.detail})" if line.detail else ""
    match line.what:
        case What.DONE | What.NOT_DONE:
            return f"{line.value} {person}{detail}"
        case What.PAGE | What.UNDELIVERED:
            return f"{person}  {line.value}{detail}"
        case What.TRUTH:
            return f"{line.resident} {line.value}{detail}"
        case _:
            return f"{line.value}{about}{by}{detail}"
