"""The figures of simulated days, for a person and as JSON."""

from __future__ import annotations

from collections import Counter
from typing import Final

import msgspec

from contract.events import EventKind
from evaluation.whereabouts.simulated import Played
from evaluation.whereabouts.simulated_scoring import (
    ALONE,
    PAGES,
    WITH_CARER,
    Answer,
    Judged,
    Told,
    judge,
    quantile,
)
from firmware_sim.behaviour import DAY_S

BAR_FALSE_A_DAY: Final = 2.0
"""False pages a day in the whole home, at most."""
LISTED: Final = 500
"""More than these false pages are counted only."""

SYNTHETIC: Final = (
    "SYNTHETIC: residents, radio and sensors are made up by the project that made the detectors. "
    "These figures are no promise about people."
)

Figures = dict[str, object]


def figures(played: Played, *, seed: int, walk_s: int) -> Figures:
    """Everything, as it goes into the JSON file."""
    judged = judge(played.told, played.truths, played.left_beds, played.asked)
    days, rooms, names = played.days, played.rooms, played.names
    false, harmless, true = (
        [one for one in some if one.kind in PAGES]
        for some in (judged.false, judged.harmless, judged.true)
    )
    alone = [each for each in judged.answers if each.truth.kind == ALONE]
    return {
        "is_synthetic": True,
        "note": SYNTHETIC,
        "days": days,
        "seed": seed,
        "residents": len(played.asked),
        "calibration_walk_s": walk_s,
        "rooms": {
            "accuracy": _share(rooms.right, rooms.seen),
            "unknown": _share(rooms.unknown, rooms.seen),
            "wrong_by_one_door": _share(rooms.near, rooms.seen),
            "accuracy_walking": _share(rooms.right_walking, rooms.seen_walking),
            "resident_seconds": rooms.seen,
        },
        "per_kind": {kind.value: _kind(judged, kind, days) for kind in _kinds(judged)},
        "episodes": {
            kind: _episodes([each for each in judged.answers if each.truth.kind == kind])
            for kind in sorted({each.truth.kind for each in judged.answers})
        },
        "elopements": {
            "n": len(alone),
            "found": sum(each.at is not None for each in alone),
            "before_second_door": sum(each.is_in_time for each in alone),
            "told_before_first_door": sum(each.is_early for each in alone),
            "late_or_missed": [_answer(each, names) for each in alone if not each.is_in_time],
        },
        "outings_with_carer": sum(each.kind == WITH_CARER for each in played.truths),
        "false_pages_per_day": round(len(false) / days, 3),
        "harmless_pages_per_day": round(len(harmless) / days, 3),
        "true_pages_per_day": round(len(true) / days, 3),
        "false_pages_by_day": _by_day(false, days),
        "harmless_pages_by_day": _by_day(harmless, days),
        "true_pages_by_day": _by_day(true, days),
        "false_pages": [_one(one, names) for one in false[:LISTED]],
        "harmless_pages": [_one(one, names) for one in harmless[:LISTED]],
        "missed": [
            _answer(each, names)
            for each in judged.answers
            if each.at is None and each.truth.kind not in {"pacing", "lapping", "random"}
        ][:LISTED],
    }


def meets_bar(found: Figures) -> bool:
    """Whether false pages are few enough, and each elopement was found before the second door."""
    alone = found["elopements"]
    assert isinstance(alone, dict)
    false = found["false_pages_per_day"]
    assert isinstance(false, float)
    return false <= BAR_FALSE_A_DAY and alone["n"] == alone["before_second_door"]


def as_json(found: Figures) -> str:
    """For a file."""
    return msgspec.json.format(msgspec.json.encode(found)).decode()


def table(found: Figures) -> str:
    """For a person."""
    parts = msgspec.convert(found, _Shown)
    rooms, alone = parts.rooms, parts.elopements
    lines = [
        SYNTHETIC,
        f"{parts.residents} residents, {parts.days} days, seed {parts.seed}; calibration walk "
        f"{parts.calibration_walk_s} s.",
        f"Rooms: {rooms['accuracy']} right, {rooms['unknown']} unknown, "
        f"{rooms['wrong_by_one_door']} wrong by one door; {rooms['accuracy_walking']} of the "
        "seconds of walking.",
        "",
        f"{'told':20} {'true':>6} {'harmless':>9} {'false':>6} {'excused':>8} {'false/day':>10}",
    ]
    lines += [
        f"{kind:20} {each['true']:6.0f} {each['harmless']:9.0f} {each['false']:6.0f} "
        f"{each['excused']:8.0f} "
        f"{each['false_per_day']:10.2f}"
        for kind, each in parts.per_kind.items()
    ]
    lines += ["", f"{'happened':20} {'n':>6} {'found':>6} {'p50 s':>8} {'p95 s':>8}"]
    lines += [
        f"{kind:20} {each['n']:6.0f} {each['found']:6.0f} "
        + " ".join(f"{'' if s is None else f'{s:.0f}':>8}" for s in (each["p50_s"], each["p95_s"]))
        for kind, each in parts.episodes.items()
    ]
    lines += [
        "",
        f"Elopements found before the second door: {alone.before_second_door} of {alone.n}.",
        f"False pages a day in the whole home: {parts.false_pages_per_day:.2f} (at most "
        f"{BAR_FALSE_A_DAY:.0f} are asked); true ones: {parts.true_pages_per_day:.2f}; of somebody "
        "who stood alone at an exit that opened, or kept coming back to one, and did not leave "
        f"(harmless): {parts.harmless_pages_per_day:.2f}.",
    ]
    return "\n".join(lines)


class _Elopements(msgspec.Struct):
    n: int
    found: int
    before_second_door: int


class _Shown(msgspec.Struct):
    days: int
    seed: int
    residents: int
    calibration_walk_s: int
    rooms: dict[str, float | None]
    per_kind: dict[str, dict[str, float]]
    episodes: dict[str, dict[str, float | None]]
    elopements: _Elopements
    false_pages_per_day: float
    true_pages_per_day: float
    harmless_pages_per_day: float


def _kinds(judged: Judged) -> list[EventKind]:
    told = {one.kind for one in (*judged.true, *judged.harmless, *judged.false, *judged.excused)}
    return [*PAGES, *sorted(told - set(PAGES))]


def _kind(judged: Judged, kind: EventKind, days: int) -> Figures:
    count = Counter(
        {
            "true": sum(one.kind is kind for one in judged.true),
            "harmless": sum(one.kind is kind for one in judged.harmless),
            "false": sum(one.kind is kind for one in judged.false),
            "excused": sum(one.kind is kind for one in judged.excused),
        }
    )
    return {
        **count,
        "per_day": round((count["true"] + count["harmless"] + count["false"]) / days, 3),
        "false_per_day": round(count["false"] / days, 3),
    }


def _episodes(answers: list[Answer]) -> Figures:
    delays = [each.at - each.truth.begun for each in answers if each.at is not None]
    return {
        "n": len(answers),
        "found": len(delays),
        "p50_s": quantile(delays, 0.5),
        "p95_s": quantile(delays, 0.95),
    }


def _by_day(pages: list[Told], days: int) -> list[int]:
    """How many on each day. What is told of the last second of one comes with its lateness."""
    count = Counter(min(one.at // DAY_S, days - 1) for one in pages)
    return [count[day] for day in range(days)]


def _one(one: Told, names: tuple[str, ...]) -> Figures:
    return {
        "resident": one.row,
        "name": names[one.row],
        "kind": one.kind.value,
        "when": _when(one.at),
        "zone": one.zone,
        "sentence": one.sentence,
    }


def _answer(each: Answer, names: tuple[str, ...]) -> Figures:
    return {
        "resident": each.truth.row,
        "name": names[each.truth.row],
        "kind": each.truth.kind,
        "begun": _when(each.truth.begun),
        "second_door": None if each.truth.second_door is None else _when(each.truth.second_door),
        "told": None if each.at is None else _when(each.at),
    }


def _when(second: int) -> str:
    day, of_day = divmod(second, DAY_S)
    return f"day {day + 1} {of_day // 3600:02d}:{of_day // 60 % 60:02d}:{of_day % 60:02d}"


def _share(some: int, of: int) -> float | None:
    return round(some / of, 4) if of else None
