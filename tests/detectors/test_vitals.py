"""Unusual heart rates: when they are told, when not, and what no gap may do."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contract.events import EventKind
from detectors.vitals import (
    ABSENT_S,
    ENDED_S,
    EXERTION_S,
    FORGOTTEN_S,
    GAP_S,
    HIGH_BPM,
    LOW_BPM,
    PERSISTENCE_S,
    RECOVERY_S,
    VitalSigns,
    VitalWatch,
)

HIGH, LOW, ABSENT = (
    EventKind.HEART_RATE_HIGH,
    EventKind.HEART_RATE_LOW,
    EventKind.HEART_RATE_ABSENT,
)
START_S = 1_767_297_600
REST_G, WALK_G = 0.005, 0.12
NO_WORD = np.nan


class Heart:
    """One resident, second by second."""

    def __init__(self, **limits: int) -> None:
        self.watch = VitalWatch(3)
        self.watch.limit(1, **limits)
        self.second = START_S
        self.told: list[tuple[int, EventKind]] = []
        """Seconds since the start."""

    def live(
        self, seconds: int, bpm: float, *, worn: bool = True, deviation_g: float = REST_G
    ) -> Heart:
        for _ in range(seconds):
            rate = np.array([NO_WORD, bpm, 70], np.float32)
            deviation = np.array([np.nan, deviation_g, REST_G], np.float32)
            for each in self.watch.step(
                VitalSigns(self.second, rate, np.array([True, worn, True]), deviation)
            ):
                assert each.row == 1
                self.told.append((self.second - START_S, each.kind))
                self.latest = each
            self.second += 1
        return self

    @property
    def kinds(self) -> list[EventKind]:
        return [kind for _, kind in self.told]


def test_a_high_rate_is_told_once_when_it_has_lasted():
    heart = Heart().live(60, 80).live(PERSISTENCE_S - 1, HIGH_BPM)
    assert heart.told == []
    heart.live(600, HIGH_BPM)
    assert heart.told == [(60 + PERSISTENCE_S - 1, HIGH)]
    assert heart.latest.impact_ns == (START_S + 60) * 10**9
    assert heart.latest.features == {
        "lasted_s": PERSISTENCE_S,
        "rate_bpm": HIGH_BPM,
        "limit_bpm": HIGH_BPM,
    }


def test_a_low_rate_is_told_once_when_it_has_lasted():
    heart = Heart().live(60, 60).live(PERSISTENCE_S + 300, LOW_BPM)
    assert heart.told == [(60 + PERSISTENCE_S - 1, LOW)]


@pytest.mark.parametrize("bpm", [LOW_BPM + 1, 60, 90, HIGH_BPM - 1])
def test_within_the_limits_nothing_is_told(bpm):
    assert Heart().live(1_000, bpm).told == []


def test_the_residents_own_limits_hold_for_her_alone():
    heart = Heart(high_bpm=100, low_bpm=50, persistence_s=30)
    assert heart.live(40, 105).kinds == [HIGH]
    assert heart.live(120, 70).live(40, 50).kinds == [HIGH, LOW]
    assert Heart().live(600, 105).live(600, 50).told == []


def test_a_single_value_neither_makes_an_episode_nor_breaks_one():
    heart = Heart()
    for _ in range(20):
        heart.live(20, 80).live(1, 180)
    assert heart.told == []
    heart = Heart()
    for _ in range(20):
        heart.live(20, 140).live(1, 75)
    assert heart.kinds == [HIGH]


def test_an_episode_that_wavers_around_its_limit_is_one():
    heart = Heart()
    for _ in range(300):
        heart.live(5, HIGH_BPM + 2).live(5, HIGH_BPM - 3)
    assert heart.kinds == [HIGH]


def test_an_episode_that_was_over_is_told_again():
    heart = Heart().live(300, 140).live(ENDED_S, 80).live(300, 140)
    assert heart.kinds == [HIGH, HIGH]
    assert Heart().live(300, 140).live(ENDED_S - 1, 80).live(300, 140).kinds == [HIGH]


def test_walking_and_the_time_after_it_are_no_rest():
    heart = Heart().live(60, 75).live(600, 140, deviation_g=WALK_G).live(RECOVERY_S - 1, 135)
    assert heart.live(120, 90).told == []
    # It does not calm down: then it is told.
    heart = Heart().live(60, 75).live(60, 140, deviation_g=WALK_G)
    heart.live(EXERTION_S * 2 + RECOVERY_S + PERSISTENCE_S + 60, 140)
    assert heart.kinds == [HIGH]


def test_turning_in_bed_hides_nothing():
    heart = Heart()
    for _ in range(5):
        heart.live(55, 140).live(5, 140, deviation_g=WALK_G)
    assert heart.kinds == [HIGH]


def test_steps_that_a_sensor_takes_for_beats_are_not_told_as_low():
    assert Heart().live(600, 38, deviation_g=WALK_G).told == []


def test_a_strap_without_motion_counts_as_at_rest():
    assert Heart().live(PERSISTENCE_S, 140, deviation_g=np.nan).kinds == [HIGH]


def test_a_pulse_that_was_found_and_is_lost_is_told():
    heart = Heart().live(60, 70).live(ABSENT_S, 0)
    assert heart.told == [(60 + ABSENT_S - 1, ABSENT)]
    assert Heart().live(60, 70).live(ABSENT_S - 1, 0).live(5, 71).told == []


def test_a_wearable_that_never_found_a_pulse_is_not_without_one():
    assert Heart().live(1_000, 0).told == []


def test_a_wearable_that_is_off_or_silent_is_not_without_a_pulse():
    assert Heart().live(60, 70).live(1_000, 0, worn=False).told == []
    assert Heart().live(60, 70).live(1_000, NO_WORD).told == []
    # Off and on again: it has to find one anew.
    assert Heart().live(60, 70).live(60, 0, worn=False).live(1_000, 0).told == []


def test_off_the_wrist_a_rate_says_nothing():
    assert Heart().live(600, 180, worn=False).live(PERSISTENCE_S - 1, 180).told == []


def test_a_gap_makes_nothing_and_hides_nothing():
    heart = Heart().live(PERSISTENCE_S - 20, 140).live(1_000, NO_WORD)
    assert heart.told == []
    assert heart.live(PERSISTENCE_S, 140).kinds == [HIGH]
    # A short one lengthens an episode by no more than itself.
    heart = Heart().live(60, 140).live(GAP_S, NO_WORD).live(PERSISTENCE_S, 140)
    assert heart.told == [(PERSISTENCE_S - 1, HIGH)]


def test_heard_for_less_than_half_nothing_is_told_until_more_is():
    heart = Heart()
    for _ in range(60):
        heart.live(1, 140).live(3, NO_WORD)
    assert heart.told == []
    assert heart.live(300, 140).kinds == [HIGH]


def test_an_episode_that_was_told_outlives_a_gap_but_not_half_an_hour():
    assert Heart().live(200, 140).live(600, NO_WORD).live(200, 140).kinds == [HIGH]
    heart = Heart().live(200, 140).live(FORGOTTEN_S + 1, NO_WORD).live(200, 140)
    assert heart.kinds == [HIGH, HIGH]


def test_another_wearer_begins_with_nothing():
    heart = Heart().live(PERSISTENCE_S - 1, 140)
    heart.watch.reset(1)
    assert heart.live(PERSISTENCE_S - 1, 140).told == []
    assert heart.live(1, 140).kinds == [HIGH]


def test_growing_disturbs_nobody():
    watch, grown = VitalWatch(2), VitalWatch(2)
    for second in range(200):
        rate = np.full(2, 140, np.float32)
        if second == 60:
            grown.grow(10)
        found = [
            each.step(
                VitalSigns(
                    START_S + second,
                    np.resize(rate, rows),
                    np.ones(rows, np.bool_),
                    np.full(rows, REST_G, np.float32),
                )
            )
            for each, rows in ((watch, 2), (grown, len(grown.high_bpm)))
        ]
        assert found[0] == [each for each in found[1] if each.row < 2]


SECONDS = st.lists(
    st.tuples(
        st.integers(1, 60),
        st.sampled_from([NO_WORD, 0.0, 35.0, 45.0, 70.0, 126.0, 131.0, 150.0]),
        st.booleans(),
        st.sampled_from([np.nan, REST_G, WALK_G]),
    ),
    min_size=1,
    max_size=6,
)


def spread(stretches: Sequence[tuple[int, float, bool, float]]) -> np.ndarray:
    """(3, seconds): rate, worn, deviation."""
    return np.concatenate(
        [np.tile([[rate], [worn], [moves]], count) for count, rate, worn, moves in stretches],
        axis=1,
    )


def run(story: np.ndarray, seconds: np.ndarray | None = None) -> list[tuple]:
    """What is told of a story of shape (3, rows, seconds)."""
    watch = VitalWatch(story.shape[1])
    told = []
    for second in range(story.shape[2]) if seconds is None else seconds:
        rate, worn, moves = story[:, :, second]
        signs = VitalSigns(
            START_S + int(second), rate.astype(np.float32), worn > 0, moves.astype(np.float32)
        )
        told += [tuple(each) for each in watch.step(signs)]
    return told


@settings(max_examples=20, deadline=None)
@given(SECONDS)
def test_seconds_of_which_nothing_was_heard_may_be_left_out(stretches):
    story = spread(stretches)[:, None]
    story[1] = 1
    silent = np.isnan(story[0, 0]) & ~(story[2, 0] >= 0)
    assert run(story, np.flatnonzero(~silent)) == run(story)


@settings(max_examples=15, deadline=None)
@given(st.lists(SECONDS, min_size=2, max_size=4))
def test_rows_do_not_know_of_each_other(rows):
    stories = [spread(each) for each in rows]
    length = min(each.shape[1] for each in stories)
    together = np.stack([each[:, :length] for each in stories], axis=1)
    told = run(together)
    for row in range(len(rows)):
        alone = run(together[:, row : row + 1])
        assert [each[1:] for each in told if each[0] == row] == [each[1:] for each in alone]


@settings(max_examples=20, deadline=None)
@given(SECONDS)
def test_whatever_came_before_a_lasting_rate_is_told(stretches):
    """Gaps, walks, pulses lost and found: none of it hides what comes after a time of calm."""
    story = spread(stretches)
    calm = spread([(RECOVERY_S + EXERTION_S * 3 + ENDED_S, 70.0, True, REST_G)])
    high = spread([(PERSISTENCE_S, 150.0, True, REST_G)])
    whole = np.concatenate([story, calm, high], axis=1)[:, None]
    assert run(whole)[-1][1] is HIGH
    assert run(whole)[-1][3] == (START_S + whole.shape[2]) * 10**9
