"""The figures of a recorded home, for programs and for people."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec
import numpy as np

from contract.events import EVENT_CLASS, EventClass, EventKind
from evaluation.intervals import rate_interval, wilson
from evaluation.whereabouts.injecting import SCENARIOS
from evaluation.whereabouts.playing import Told
from evaluation.whereabouts.recorded import RecordedHome
from evaluation.whereabouts.recorded_life import Injected, LifeResult

KINDS: Final = (
    EventKind.ELOPEMENT,
    EventKind.LEFT_SAFE_ZONE,
    EventKind.EXIT_SEEKING,
    EventKind.NIGHT_WANDERING,
    EventKind.BED_EXIT,
    EventKind.INACTIVE,
    EventKind.NOT_RETURNED,
    EventKind.WANDERING_EPISODE,
)
"""All that the rules tell; the last of them pages nobody."""

WEEK_S: Final = 7 * 86_400
EVENTS_SHOWN: Final = 20
OUTING_WITHIN_S: Final = 60
"""An outing is told if the find comes so soon after the door has opened."""


def figures(result: LifeResult) -> dict[str, Any]:
    """All of them, as JSON takes them."""
    home, pages = result.home, pages_of(result)
    return {
        "days": result.days,
        "per_kind": {kind: _kind(result, kind) for kind in KINDS},
        "pages": len(pages),
        "pages_per_week": _per_week(result),
        "outings": _outings(result),
        "injected": {name: _copies(name, copies) for name, copies in result.injected.items()},
        "events": [_event(home, each) for each in pages],
        "home": home.name,
        "plan": _plan(home),
        "doubts": home.doubts,
        "passed_over": home.passed_over,
        "unreadable": result.unreadable,
        "options": result.asked._asdict(),
    }


def as_json(result: LifeResult) -> str:
    """All figures."""
    return msgspec.json.format(msgspec.json.encode(figures(result))).decode()


def pages_of(result: LifeResult) -> list[Told]:
    """What of the ordinary days calls a person."""
    return [each for each in result.told if each.pages]


def table(result: LifeResult) -> str:
    """For a person."""
    pages = pages_of(result)
    week = _per_week(result)
    who = "one who may not leave alone" if result.asked.at_risk else "the default policy"
    lines = [
        f"{result.home.name}: {result.days} days, one resident, by {who}",
        f"{'kind':18} {'count':>5} {'per day':>8} {'per night':>10}",
    ]
    for kind in KINDS:
        each = _kind(result, kind)
        pages_nobody = "" if each["pages"] else "  (pages nobody)"
        lines.append(
            f"{kind:18} {each['count']:5d} {each['per_day']:8.2f} {each['per_night']:10.2f}"
            f"{pages_nobody}"
        )
    lines.append(
        f"Pages a week: {week['rate']:.2f} (95 % {week['low']:.2f} to {week['high']:.2f}, Poisson)"
    )
    lines += [
        f"  {told['at']} {told['kind']}: {told['words']}"
        for told in (_event(result.home, each) for each in pages[:EVENTS_SHOWN])
    ]
    if len(pages) > EVENTS_SHOWN:
        lines.append(f"  ... and {len(pages) - EVENTS_SHOWN} more; --json lists them")
    outings = _outings(result)
    if outings is not None:
        lines.append(
            f"Of {outings['labelled']} times that she is labelled to leave home {outings['told']} "
            "are told as elopement."
        )
    for name, copies in result.injected.items():
        lines += _in_words(name, _copies(name, copies))
    lines += result.home.doubts
    if result.injected:
        lines.append("What was put in is synthetic, into real days; nobody walked so.")
    return "\n".join(lines)


def _outings(result: LifeResult) -> dict[str, int] | None:
    """How many of the labelled ones are told, where that is asked and there are labels."""
    left = [each for each in result.home.outings if each >= result.judged_s]
    if not (result.asked.at_risk and left):
        return None
    told = [each.at for each in result.told if each.kind is EventKind.ELOPEMENT]
    found = sum(any(0 <= at - each <= OUTING_WITHIN_S for at in told) for each in left)
    return {"labelled": len(left), "told": found}


def _in_words(name: str, of: dict[str, Any]) -> list[str]:
    found = f"{of['detected']} of {of['n']} (95 % {of['low']:.3f} to {of['high']:.3f})"
    lines = [f"put in: {name:11} found {found}, false alarms {of['false_alarms']}"]
    if of["detected"]:
        lines.append(
            f"  delay p50 {of['delay_p50_s']:.0f} s, p95 {of['delay_p95_s']:.0f} s, longest "
            f"{of['delay_max_s']:.0f} s, from {of['measured_from']}"
        )
    return lines


def _kind(result: LifeResult, kind: EventKind) -> dict[str, Any]:
    own = [each for each in result.told if each.kind is kind]
    at_night = sum(result.home.is_night(each.at) for each in own)
    return {
        "count": len(own),
        "per_day": round(len(own) / result.days, 3),
        "at_night": at_night,
        "per_night": round(at_night / result.days, 2),
        "pages": EVENT_CLASS[kind] is EventClass.ALARM,
    }


def _per_week(result: LifeResult) -> dict[str, float]:
    """By the time that was recorded: a date of an hour is no day."""
    pages, weeks = len(pages_of(result)), (result.home.end_s - result.judged_s) / WEEK_S
    low, high = rate_interval(pages, weeks)
    return {
        "rate": round(pages / weeks, 3),
        "low": round(low, 3),
        "high": round(high, 3),
    }


def _copies(name: str, copies: Sequence[Injected]) -> dict[str, Any]:
    delays = [each.found.at - each.episode.due_s for each in copies if each.found is not None]
    low, high = wilson(len(delays), len(copies))
    others = [told for each in copies for told in each.others]
    median, late, longest = np.quantile(delays, (0.5, 0.95, 1.0)) if delays else [None] * 3
    kinds = sorted({each.kind for each in others})
    return {
        "n": len(copies),
        "detected": len(delays),
        "low": round(low, 4),
        "high": round(high, 4),
        "delay_p50_s": _seconds(median),
        "delay_p95_s": _seconds(late),
        "delay_max_s": _seconds(longest),
        "measured_from": SCENARIOS[name].measured_from,
        "false_alarms": len(others),
        "false_alarms_per_kind": {
            kind: sum(each.kind is kind for each in others) for kind in kinds
        },
        "hours": round(sum(each.episode.end_s - each.episode.begun_s for each in copies) / 3600, 1),
        "is_synthetic": True,
    }


def _seconds(delay: float | None) -> float | None:
    return None if delay is None else round(float(delay), 1)


def _event(home: RecordedHome, told: Told) -> dict[str, Any]:
    return {
        "kind": told.kind,
        "begun": f"{home.wall(told.begun):%Y-%m-%d %H:%M:%S}",
        "at": f"{home.wall(told.at):%Y-%m-%d %H:%M:%S}",
        "excused": told.is_excused,
        "words": told.words,
    }


def _plan(home: RecordedHome) -> dict[str, Any]:
    return {
        zone: {
            "use": home.uses[number],
            "next_to": [home.zones[each] for each in np.flatnonzero(home.near[number])],
        }
        for number, zone in enumerate(home.zones)
    }
