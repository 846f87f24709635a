"""What counts as true, false and in time of what is told of a simulated home."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pytest
from typer.testing import CliRunner

from contract.events import EventKind
from evaluation.whereabouts import simulated
from evaluation.whereabouts.simulated import Played, RoomSeconds
from evaluation.whereabouts.simulated_report import as_json, figures, meets_bar, table
from evaluation.whereabouts.simulated_scoring import (
    EARLY_S,
    LATE_S,
    ON_TIME_S,
    PAGES,
    Judged,
    Told,
    Truth,
    judge,
    quantile,
)
from firmware_sim.behaviour import DAY_S
from wardlight.cli import app

EVERYTHING = np.ones((3, len(PAGES)), np.bool_)
OUT = Truth(0, "elopement", 1000, 1100, second_door=1040)


def _told(kind: EventKind, at: int, *, row: int = 0, excused: bool = False) -> Told:
    return Told(row, kind, at - 5, at, excused, "hall", "she did")


def _judge(
    told: list[Told], truths: list[Truth], beds: list[tuple[int, int]] | None = None
) -> Judged:
    return judge(told, truths, beds or [], EVERYTHING)


def test_an_elopement_told_before_the_second_door_is_in_time() -> None:
    judged = _judge([_told(EventKind.ELOPEMENT, 1040)], [OUT])
    assert len(judged.true) == 1
    assert [each.is_in_time for each in judged.answers] == [True]


def test_an_elopement_told_after_the_second_door_is_true_and_late() -> None:
    judged = _judge([_told(EventKind.ELOPEMENT, 1041)], [OUT])
    assert len(judged.true) == 1
    assert [each.is_in_time for each in judged.answers] == [False]


def test_one_that_is_excused_by_a_carer_who_is_not_there_counts_as_missed() -> None:
    judged = _judge([_told(EventKind.ELOPEMENT, 1010, excused=True)], [OUT])
    assert judged.answers[0].at is None
    assert not judged.true
    assert not judged.false


def test_an_outing_with_a_carer_makes_a_page_false_and_an_excused_word_not() -> None:
    outing = Truth(0, "outing", 1000, 2000, second_door=1040)
    told = [
        _told(EventKind.ELOPEMENT, 1010),
        _told(EventKind.ELOPEMENT, 1010, excused=True),
    ]
    judged = _judge(told, [outing])
    assert (len(judged.false), len(judged.excused), judged.answers) == (1, 1, [])


def test_another_resident_is_no_excuse_and_neither_is_another_hour() -> None:
    told = [
        _told(EventKind.ELOPEMENT, 1010, row=1),
        _told(EventKind.ELOPEMENT, OUT.ended + ON_TIME_S + 1),
        _told(EventKind.ELOPEMENT, OUT.begun - EARLY_S - 1),
    ]
    judged = _judge(told, [OUT])
    assert len(judged.false) == 3
    assert judged.answers[0].at is None


def test_who_is_back_is_not_missing_and_a_walk_is_known_when_it_is_over() -> None:
    away = Truth(0, "not_returned", 1000, 4000)
    judged = _judge([_told(EventKind.NOT_RETURNED, 4000 + ON_TIME_S + 1)], [away])
    assert len(judged.false) == 1
    assert judged.answers[0].at is None
    assert len(_judge([_told(EventKind.NOT_RETURNED, 999)], [away]).false) == 1
    walk = Truth(0, "pacing", 1000, 1100)
    counted = _judge([_told(EventKind.WANDERING_EPISODE, 1100 + LATE_S)], [walk])
    assert counted.answers[0].at == 1100 + LATE_S


def test_an_elopement_told_as_somebody_else_opened_the_door_is_marked() -> None:
    judged = _judge([_told(EventKind.ELOPEMENT, OUT.begun - EARLY_S)], [OUT])
    assert [each.is_early for each in judged.answers] == [True]
    in_time = _judge([_told(EventKind.ELOPEMENT, OUT.begun)], [OUT])
    assert [each.is_early for each in in_time.answers] == [False]


def test_who_paces_at_night_wanders_at_night() -> None:
    pacing = Truth(2, "pacing", 100, 200)
    judged = _judge([_told(EventKind.NIGHT_WANDERING, 150, row=2)], [pacing])
    assert len(judged.true) == 1
    # Yet pacing itself is answered by being counted, not by a page.
    assert judged.answers[0].at is None


def test_a_bed_that_was_left_makes_its_page_true() -> None:
    told = [_told(EventKind.BED_EXIT, 500), _told(EventKind.BED_EXIT, 5000)]
    judged = _judge(told, [], [(0, 490), (1, 5000)])
    assert [one.at for one in judged.true] == [500]
    assert [one.at for one in judged.false] == [5000]


def test_what_her_plan_does_not_ask_for_is_not_missed() -> None:
    asked = EVERYTHING.copy()
    asked[0, PAGES.index(EventKind.ELOPEMENT)] = False
    asked[0, PAGES.index(EventKind.LEFT_SAFE_ZONE)] = False
    assert judge([], [OUT], [], asked).answers == []
    assert len(judge([], [OUT], [], EVERYTHING).answers) == 1


def test_quantiles_are_values_that_occurred() -> None:
    assert quantile([], 0.5) is None
    assert quantile([3, 1, 2], 0.5) == 2
    assert quantile([1, 2, 3, 40], 0.95) == 40


def _played(told: list[Told], days: int = 1) -> Played:
    rooms = RoomSeconds(100, 90, 4, 10, 8, 3)
    names = ("ann", "bo", "cy")
    return Played(told, [OUT, Truth(1, "outing", 1, 2)], [], EVERYTHING, rooms, days, names)


def test_the_report_says_that_it_is_synthetic_and_counts() -> None:
    told = [
        _told(EventKind.ELOPEMENT, 1030),
        _told(EventKind.NOT_RETURNED, 5000, row=2),
        _told(EventKind.ELOPEMENT, 9000, row=1, excused=True),
        _told(EventKind.EXIT_SEEKING, 9000, row=1)._replace(is_as_said=True),
    ]
    found = figures(_played(told), seed=3, walk_s=300)
    shown = msgspec.json.decode(as_json(found))
    assert shown["is_synthetic"]
    assert shown["rooms"]["accuracy"] == 0.9
    assert shown["elopements"]["before_second_door"] == shown["elopements"]["n"] == 1
    assert shown["per_kind"]["elopement"]["excused"] == 1
    assert shown["per_kind"]["not_returned"]["false_per_day"] == 1.0
    assert (shown["false_pages_per_day"], shown["harmless_pages_per_day"]) == (1.0, 1.0)
    assert shown["episodes"]["elopement"]["p50_s"] == 30
    assert [each["when"] for each in shown["false_pages"]] == ["day 1 01:23:20"]
    assert [each["name"] for each in shown["false_pages"]] == ["cy"]
    assert [each["name"] for each in shown["harmless_pages"]] == ["bo"]
    text = table(found)
    assert text.startswith("SYNTHETIC")
    assert "before the second door: 1 of 1" in text


def test_pages_are_counted_by_day() -> None:
    told = [_told(EventKind.NOT_RETURNED, at, row=2) for at in (5000, 2 * DAY_S, 3 * DAY_S + 1)]
    told.append(_told(EventKind.ELOPEMENT, 1030))
    found = figures(_played(told, days=3), seed=0, walk_s=0)
    # What came in the lateness after the last midnight is of the last day.
    assert found["false_pages_by_day"] == [1, 0, 2]
    assert found["true_pages_by_day"] == [1, 0, 0]
    assert found["harmless_pages_by_day"] == [0, 0, 0]


def test_an_interrupt_leaves_the_days_that_are_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class InItsThirdDay:
        def __init__(self, days: int, seed: int, *, walk_s: int | None) -> None:
            self.walk_s = walk_s or 0
            self.lived = _played([_told(EventKind.ELOPEMENT, 1030)], days=min(seed, days))

        def play(self, progress: object) -> None:
            raise KeyboardInterrupt

    monkeypatch.setattr(simulated, "SimulatedDays", InItsThirdDay)
    file = tmp_path / "figures.json"
    asked = ["evaluate", "simulated-home", "--days", "30", "--json", str(file), "--seed"]
    done = CliRunner().invoke(app, [*asked, "2"])
    assert done.exit_code == 130
    assert "2 of 30 days" in done.output
    assert msgspec.json.decode(file.read_bytes())["days"] == 2
    file.unlink()
    assert CliRunner().invoke(app, [*asked, "0"]).exit_code == 130
    assert not file.exists(), "of no day there are no figures"


def test_the_bar_is_for_false_pages_and_for_second_doors() -> None:
    false = [_told(EventKind.NOT_RETURNED, 5000 + 1000 * each, row=2) for each in range(3)]
    in_time, late = _told(EventKind.ELOPEMENT, 1030), _told(EventKind.ELOPEMENT, 1050)

    def meets(told: list[Told], days: int = 1) -> bool:
        return meets_bar(figures(_played(told, days), seed=0, walk_s=0))

    assert meets([in_time, *false[:2]])
    assert not meets([in_time, *false])
    assert meets([in_time, *false], days=2)
    assert not meets([late])
    assert not meets([])
