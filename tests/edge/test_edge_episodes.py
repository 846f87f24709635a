"""Which gateway tells what several have found: nothing is lost, nothing told without need."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.events import EventKind
from contract.units import seconds_to_ns
from edge.episodes import (
    GRACE_NS,
    SAME_S,
    TOLD_S,
    WAITS_NS,
    WARM_NS,
    Episode,
    Episodes,
    Situation,
    read_mark,
)

NIGHT = Episode(EventKind.NIGHT_WANDERING, "resident-1", 1_800_000_000)
EXCUSED = NIGHT._replace(is_excused=True)
S = seconds_to_ns(1)
LONG = 10 * WARM_NS


def situation(*told: str, is_lead: bool = False, lead_since_ns: int = 0) -> Situation:
    return Situation(is_lead, lead_since_ns, frozenset(told))


def following(started_ns: int = 0) -> Episodes[str]:
    episodes: Episodes[str] = Episodes(started_ns)
    episodes.found(NIGHT, "she walks", LONG)
    return episodes


def test_the_lead_tells_at_once_and_once():
    episodes = following()
    assert episodes.take(LONG, situation(is_lead=True)) == [(NIGHT, "she walks")]
    assert episodes.take(LONG + S, situation(is_lead=True)) == []


def test_who_does_not_lead_keeps_it_and_tells_it_when_the_lead_is_gone():
    episodes = following()
    for after_s in range(8):
        assert episodes.take(LONG + after_s * S, situation()) == []
    assert episodes.take(LONG + 8 * S, situation(is_lead=True)) == [(NIGHT, "she walks")]


def test_it_is_not_kept_for_ever():
    episodes = following()
    assert episodes.take(LONG + WAITS_NS, situation()) == []
    assert episodes.take(LONG + WAITS_NS, situation(is_lead=True)) == []


@pytest.mark.parametrize(
    ("told", "is_told_again"),
    [
        (NIGHT._replace(begun_s=NIGHT.begun_s + SAME_S - 1).mark, False),
        (NIGHT._replace(begun_s=NIGHT.begun_s - SAME_S).mark, True),
        (NIGHT._replace(resident="resident-2").mark, True),
        (NIGHT._replace(kind=EventKind.ELOPEMENT).mark, True),
        (EXCUSED.mark, True),
        ("night_wandering:resident-1", True),
        ("no_such_kind:resident-1:1800000000", True),
        ("night_wandering:resident-1:-5", True),
        ("night_wandering:resident-1:" + "9" * 5_000, True),
        ("", True),
    ],
)
def test_what_another_has_told_is_not_told_again(told, is_told_again):
    told_now = following().take(LONG, situation(told, is_lead=True))
    assert bool(told_now) is is_told_again


def test_what_was_told_as_alone_is_not_told_as_excused():
    episodes: Episodes[str] = Episodes(0)
    episodes.found(EXCUSED, "a carer is with her", LONG)
    assert episodes.take(LONG, situation(NIGHT.mark, is_lead=True)) == []


def test_a_lead_that_has_just_come_back_has_ten_seconds_to_tell_what_it_may_have_missed():
    episodes = following()
    young = situation(lead_since_ns=LONG - WARM_NS // 2)
    assert episodes.take(LONG + GRACE_NS - S, young) == []
    assert episodes.take(LONG + GRACE_NS, young) == [(NIGHT, "she walks")]


@pytest.mark.parametrize(("started_ns", "lead_since_ns"), [(LONG - S, LONG - S), (0, 0)])
def test_an_old_lead_is_believed_and_a_young_gateway_stands_in_for_nobody(
    started_ns, lead_since_ns
):
    episodes = following(started_ns)
    assert episodes.take(LONG + GRACE_NS, situation(lead_since_ns=lead_since_ns)) == []


def test_only_what_people_have_is_said_to_be_told():
    episodes: Episodes[str] = Episodes(0)
    episodes.note(NIGHT, "event-1", 1_000)
    assert episodes.marks(1_001, lambda _: False) == []
    assert episodes.marks(1_001, lambda event: event == "event-1") == [NIGHT.mark]
    assert episodes.marks(1_001 + TOLD_S, lambda _: True) == []


def test_a_restart_tells_nothing_again_but_that_the_carer_has_left_her():
    before: Episodes[str] = Episodes(0)
    before.note(EXCUSED, "event-1", 1_000)
    episodes: Episodes[str] = Episodes(LONG)
    episodes.recall(before.told(1_030), before.events())
    assert episodes.marks(1_030, lambda _: True) == [EXCUSED.mark]
    assert episodes.marks(1_030, lambda _: False) == [], "it waits on the card, as it did"
    episodes.found(EXCUSED, "again", LONG)
    episodes.found(NIGHT, "alone", LONG)
    assert episodes.take(LONG, situation(is_lead=True)) == [(NIGHT, "alone")]


@given(st.sampled_from(EventKind), st.integers(0, 2**40), st.booleans())
def test_a_mark_reads_as_it_was_written(kind, begun_s, is_excused):
    episode = Episode(kind, "r-7", begun_s, is_excused)
    assert read_mark(episode.mark) == episode


@given(
    found_s=st.lists(st.integers(0, 60), min_size=1, max_size=6, unique=True),
    later_s=st.lists(st.integers(-3, 3), min_size=6, max_size=6),
    dies_s=st.integers(0, 70),
    receipt_s=st.integers(0, 5),
)
def test_whenever_the_lead_dies_each_happening_is_told_and_twice_only_if_the_lead_told_nobody(
    found_s, later_s, dies_s, receipt_s
):
    """Two gateways that see the same a few seconds apart; one dies, 5 s later the other leads."""
    lead: Episodes[int] = Episodes(0)
    other: Episodes[int] = Episodes(0)
    said: frozenset[str] = frozenset()
    told_by_lead: dict[int, int] = {}
    told_by_other: dict[int, int] = {}
    begun = {number: 1_800_000_000 + 1_000 * number for number in range(len(found_s))}
    for second in range(100):
        now_ns = LONG + second * S
        for number, at_s in enumerate(found_s):
            if at_s == second and second < dies_s:
                lead.found(NIGHT._replace(begun_s=begun[number]), number, now_ns)
            if max(at_s + later_s[number], 0) == second:
                seen = NIGHT._replace(begun_s=begun[number] + later_s[number])
                other.found(seen, number, now_ns)
        if second < dies_s:
            for episode, number in lead.take(now_ns, situation(is_lead=True)):
                lead.note(episode, str(number), second)
                told_by_lead[number] = second
            receipted = {
                str(each) for each, at_s in told_by_lead.items() if second - at_s >= receipt_s
            }
            said = frozenset(lead.marks(second, receipted.__contains__))
        is_lead = second >= dies_s + 5
        for _, number in other.take(now_ns, situation(*said, is_lead=is_lead)):
            assert number not in told_by_other
            told_by_other[number] = second
    for number in range(len(found_s)):
        assert number in told_by_lead or number in told_by_other
        if number in told_by_lead and number in told_by_other:
            is_known = told_by_lead[number] + receipt_s < dies_s
            assert not is_known
