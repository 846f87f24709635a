"""What counts as true, false and in time of what is told of a simulated home."""

from __future__ import annotations

import numpy as np

from contract.events import EventKind
from evaluation.whereabouts.simulated_scoring import (
    EARLY_S,
    LATE_S,
    PAGES,
    Judged,
    Told,
    Truth,
    judge,
    quantile,
)

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
        _told(EventKind.ELOPEMENT, OUT.ended + LATE_S + 1),
        _told(EventKind.ELOPEMENT, OUT.begun - EARLY_S - 1),
    ]
    judged = _judge(told, [OUT])
    assert len(judged.false) == 3
    assert judged.answers[0].at is None


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
