from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contract.events import EventKind
from detectors import Detection, SummaryBlock
from detectors.long_lie import STAGES_MIN, LongLie

WALKING = (-0.9, 0.1, 0.3, 0.7, 1.4, 0.15)
STANDING = (-0.9, 0.1, 0.3, 0.98, 1.02, 0.01)
LYING = (0.1, 0.2, 0.97, 0.98, 1.02, 0.005)
BUSY = (0.1, 0.2, 0.97, 0.7, 1.3, 0.12)
SILENT = (np.nan,) * 6


class Ward:
    """A timeline in, a timeline out: seconds from the beginning."""

    def __init__(self, start_s: int, rows: int = 1) -> None:
        self.rows, self.start_s, self.second = rows, start_s, start_s
        self.lies = LongLie(rows)
        self.said: list[Detection] = []

    def live(self, seconds: int, *columns: tuple[float, ...]) -> Ward:
        values = np.array(columns or (LYING,) * self.rows, np.float32).T
        for _ in range(seconds):
            worn = np.full(self.rows, np.nan, np.float32)
            self.said += self.lies.step(SummaryBlock(self.second, values.copy(), worn))
            self.second += 1
        return self

    def suspect(self, row: int = 0) -> Ward:
        self.lies.suspect(row, self.second * 10**9)
        return self

    def timeline(self) -> list[tuple[float, float]]:
        """Stage, and when it was said."""
        return [
            (each.features["stage_min"], each.emitted_ns / 1e9 - self.start_s) for each in self.said
        ]


@pytest.fixture
def ward(start_s: int) -> Ward:
    return Ward(start_s - start_s % 60)


def test_after_a_fall_each_stage_is_said_once(ward: Ward) -> None:
    ward.live(100).suspect().live(4_000)
    assert ward.timeline() == [(5, 400), (15, 1_000), (60, 3_700)]
    assert {each.kind for each in ward.said} == {EventKind.LONG_LIE}
    assert ward.said[0].features["heard_s"] == pytest.approx(300, abs=10)
    assert ward.said[0].features["moved_s"] <= 1
    assert all(each.impact_ns == (ward.start_s + 100) * 10**9 for each in ward.said)
    assert "turned_deg" not in ward.said[0].features
    assert STAGES_MIN == (5, 15, 60)


def test_neither_movement_nor_silence_ends_it(ward: Ward) -> None:
    ward.live(50).suspect().live(100, BUSY).live(900, SILENT)
    assert ward.timeline() == [(5, 350), (15, 950)]
    assert ward.said[1].features["moved_s"] == pytest.approx(100, abs=10)
    assert ward.said[1].features["heard_s"] == pytest.approx(100, abs=10)


def test_having_got_up_or_a_persons_word_ends_it(ward: Ward) -> None:
    ward.live(50).suspect().live(200)
    ward.lies.end(0)
    assert ward.live(4_000).timeline() == []


def test_the_first_of_two_falls_counts(ward: Ward) -> None:
    ward.live(50).suspect().live(100).suspect().live(250)
    assert ward.timeline() == [(5, 350)]


def test_a_fall_after_a_stage_was_said_is_timed_anew(ward: Ward) -> None:
    """Who was helped up without anybody's saying so would otherwise not be told of again."""
    ward.live(50).suspect().live(400).suspect().live(310)
    assert ward.timeline() == [(5, 350), (5, 750)]
    ward.live(4_000)
    ward.said.clear()
    second = ward.second - ward.start_s
    ward.suspect().live(310)
    assert ward.timeline() == [(5, second + 300)]


def test_what_ends_a_fall_leaves_a_later_one(ward: Ward) -> None:
    ward.live(50)
    first_ns = ward.second * 10**9
    ward.suspect().live(100).suspect().live(50)
    ward.lies.end(0, first_ns)
    assert ward.live(300).timeline() == [(5, 450)]
    ward.lies.end(0, ward.second * 10**9)
    assert ward.live(1_000).timeline() == [(5, 450)]


def test_a_window_that_comes_late_is_timed_from_its_impact(ward: Ward) -> None:
    ward.live(50)
    impact_ns = ward.second * 10**9
    ward.live(60)
    ward.lies.suspect(0, impact_ns)
    assert ward.live(300).timeline() == [(5, 350)]


def test_a_fall_before_the_first_summary_is_timed_as_well(ward: Ward) -> None:
    assert ward.suspect().live(301).timeline() == [(5, 300)]


def test_a_slide_without_impact_is_found(ward: Ward) -> None:
    ward.live(60, WALKING).live(4_000)
    assert [stage for stage, _ in ward.timeline()] == [5, 15, 60]
    assert all(abs(at_s - 60 * stage - 60) <= 15 for stage, at_s in ward.timeline())
    assert 70 <= ward.said[0].features["turned_deg"] <= 80


def test_who_is_busy_after_a_slide_is_told_of_later(ward: Ward) -> None:
    ward.live(60, WALKING)
    for _ in range(100):
        ward.live(3, BUSY).live(7)
    assert [stage for stage, _ in ward.timeline()] == [15]


def test_who_stands_about_has_not_slid(ward: Ward) -> None:
    ward.live(60, WALKING).live(1_000, STANDING)
    assert ward.timeline() == []


def test_who_sits_first_and_lies_down_later_has_not_slid(ward: Ward) -> None:
    ward.live(60, WALKING).live(120, STANDING).live(1_000)
    assert ward.timeline() == []


def test_who_never_walked_has_not_slid(ward: Ward) -> None:
    ward.live(600, STANDING).live(1_000).live(600, BUSY)
    assert ward.timeline() == []


@pytest.mark.parametrize("motion", [WALKING, STANDING], ids=["walks", "stands"])
def test_walking_on_or_standing_up_ends_a_slide(ward: Ward, motion: tuple[float, ...]) -> None:
    ward.live(60, WALKING).live(200).live(60, motion).live(60, STANDING).live(900, STANDING)
    assert ward.timeline() == []


def test_silence_after_a_slide_is_no_evidence(ward: Ward) -> None:
    ward.live(60, WALKING).live(30).live(1_000, SILENT)
    assert ward.timeline() == []


def test_a_fall_after_a_slide_takes_its_place(ward: Ward) -> None:
    ward.live(60, WALKING).live(120).suspect().live(301, BUSY)
    assert ward.timeline() == [(5, 480)]
    assert "turned_deg" not in ward.said[0].features


def test_another_wearable_in_its_row_has_not_fallen(ward: Ward) -> None:
    ward.live(60, WALKING).live(30).suspect()
    ward.lies.reset(0)
    assert ward.live(1_000).timeline() == []


def test_more_wearables_change_nothing_for_who_lies(ward: Ward) -> None:
    ward.live(50).suspect().live(100)
    ward.lies.grow(8)
    ward.rows = 8
    assert ward.live(300).timeline() == [(5, 350)]


def test_a_clock_that_jumps_moves_no_stage(ward: Ward) -> None:
    ward.live(50).suspect().live(100)
    ward.second += 86_400
    ward.live(100)
    ward.second -= 90_000
    ward.live(110)
    assert [stage for stage, _ in ward.timeline()] == [5]
    assert ward.said[0].features["lain_s"] == 300


@settings(max_examples=12, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), rows=st.integers(2, 9))
def test_what_others_do_changes_nothing_for_a_row(seed: int, rows: int, start_s: int) -> None:
    """And holes in a row make nothing of it: as every sum runs over a row alone."""
    random = np.random.default_rng(seed)
    motions = [WALKING, STANDING, LYING, BUSY, SILENT]
    columns: list[list[tuple[float, ...]]] = []
    for _ in range(rows):
        story: list[tuple[float, ...]] = []
        while len(story) < 1_200:
            motion = motions[int(random.integers(len(motions)))]
            story += [motion] * int(random.integers(5, 400))
        columns.append(story[:1_200])
    falls = {row: int(random.integers(0, 800)) for row in range(rows) if random.random() < 0.5}

    def told(chosen: list[int]) -> list[list[tuple]]:
        ward = Ward(start_s, len(chosen))
        for second in range(1_200):
            for place, row in enumerate(chosen):
                if falls.get(row) == second:
                    ward.suspect(place)
            ward.live(1, *(columns[row][second] for row in chosen))
        return [
            [(e.impact_ns, e.emitted_ns, e.features) for e in ward.said if e.row == place]
            for place in range(len(chosen))
        ]

    together = told(list(range(rows)))
    row = int(random.integers(rows))
    alone = told([row])[0]
    assert [times for *times, _ in together[row]] == [times for *times, _ in alone]
    for (*_, figures), (*_, expected) in zip(together[row], alone, strict=True):
        # A product of matrices may add up in another order when others are in it.
        assert figures == pytest.approx(expected, rel=1e-5)
    for row, second in falls.items():
        # A fall is timed whatever happened before it, and however much is missing.
        assert (
            any(said[0] <= (start_s + second) * 10**9 <= said[1] for said in together[row])
            or second > 1_200 - 301
        )


@settings(max_examples=20, deadline=None)
@given(
    motions=st.lists(
        st.tuples(st.sampled_from([LYING, BUSY, SILENT]), st.integers(5, 300)), min_size=1
    ),
    cut_s=st.integers(1, 950),
    away_s=st.integers(0, 400),
)
def test_it_goes_on_after_a_cut_as_if_nothing_had_been_heard_meanwhile(
    motions: list[tuple], cut_s: int, away_s: int, start_s: int
) -> None:
    story = [motion for motion, seconds in motions for _ in range(seconds)][:1_000]
    story += [LYING] * (1_000 - len(story))
    ward = Ward(start_s).suspect().live(0)
    for motion in story[:cut_s]:
        ward.live(1, motion)
    kept, falls = ward.lies.lying(0), ward.lies.falls(0)
    ward.second += away_s
    ward.lies = LongLie(1)
    ward.lies.resume(0, kept, falls, ward.second)
    for motion in story[cut_s + away_s :]:
        ward.live(1, motion)

    def told_at(stage: int) -> float:
        """Of stages that passed meanwhile the latest is told as soon as somebody looks."""
        due = 60 * stage
        return due if not cut_s < due <= cut_s + away_s else cut_s + away_s + 1

    lived_s = max(1_000, cut_s + away_s)
    due = {told_at(stage): stage for stage in (5, 15) if told_at(stage) <= lived_s}
    assert ward.timeline() == [(stage, at_s) for at_s, stage in due.items()]
    heard_s = sum(each is not SILENT for each in story[:cut_s] + story[cut_s + away_s :])
    assert all(each.features["heard_s"] <= heard_s for each in ward.said)
