from __future__ import annotations

import numpy as np
import pytest

from contract.events import EventKind
from detectors import CONFIRM_AFTER_S, Detection, FallConfirmation, SummaryBlock
from detectors.confirmation import MAX_OPEN_PER_ROW, WALKING_WINDOW_S

LYING = (0.1, 0.2, 0.97, 0.98, 1.02, 0.005)
WALKING = (-0.9, 0.1, 0.3, 0.7, 1.4, 0.15)
SILENT = (np.nan,) * 6


class Ward:
    """A timeline in, a timeline out: seconds from the impact, which is at second 0.5."""

    def __init__(self, start_s: int, rows: int = 1) -> None:
        self.rows, self.start_s, self.second = rows, start_s, start_s - 20
        self.confirmation = FallConfirmation(rows)
        self.said: list[Detection] = []
        self.impact_ns = start_s * 10**9 + 500_000_000

    def live(self, seconds: int, *columns: tuple[float, ...]) -> Ward:
        values = np.array(columns or (LYING,) * self.rows, np.float32).T
        for _ in range(seconds):
            block = SummaryBlock(self.second, values.copy(), np.full(self.rows, np.nan, np.float32))
            self.said += self.confirmation.step(block)
            self.second += 1
        return self

    def struggle(self, seconds: int) -> Ward:
        """Strong movement whose posture changes from second to second."""
        turning = np.random.default_rng(0).normal(size=(seconds, 3))
        for mean in turning:
            self.live(1, (*mean / np.linalg.norm(mean), 0.5, 1.6, 0.25))
        return self

    def suspect(self, row: int = 0) -> Ward:
        self.confirmation.suspect(row, self.impact_ns)
        return self

    def timeline(self) -> list[tuple[str, float]]:
        return [(each.kind.value, each.emitted_ns / 1e9 - self.start_s) for each in self.said]


@pytest.fixture
def ward(start_s: int) -> Ward:
    return Ward(start_s)


def test_lying_for_half_a_minute_is_a_fall_detected_once(ward: Ward) -> None:
    ward.live(24).suspect().live(200)
    assert ward.timeline() == [("fall_detected", 31)]
    assert ward.said[0].impact_ns == ward.impact_ns
    assert 30 <= ward.said[0].features["waited_s"] < 31
    assert CONFIRM_AFTER_S == 30


def test_walking_away_may_be_having_got_up(ward: Ward) -> None:
    ward.live(24).suspect().live(4).live(60, WALKING)
    assert ward.timeline() == [("may_have_got_up", 20)]


def test_silence_is_not_walking(ward: Ward) -> None:
    ward.live(24).suspect().live(60, SILENT)
    assert ward.timeline() == [("fall_detected", 31)]
    assert ward.said[0].features["heard_s"] == 0


def test_struggling_cancels_nothing(ward: Ward) -> None:
    ward.live(24).suspect().struggle(90)
    assert ward.timeline() == [("fall_detected", 31)]


def test_an_arm_that_beats_evenly_on_the_floor_cancels_nothing(ward: Ward) -> None:
    beating = (*LYING[:3], *WALKING[3:])
    ward.live(24).suspect().live(120, beating)
    assert ward.timeline() == [("fall_detected", 31)]


def test_bursts_of_struggling_in_one_posture_cancel_nothing(ward: Ward) -> None:
    """The wrist has been turned since the fall and is held, but it does not step evenly."""
    ward.live(24).suspect()
    for _ in range(20):
        ward.live(3, (*WALKING[:5], 0.3)).live(2, (*WALKING[:5], 0.03))
    assert ward.timeline() == [("fall_detected", 31)]


def test_a_few_steps_cancel_nothing(ward: Ward) -> None:
    ward.live(24).suspect()
    for _ in range(6):
        ward.live(8, WALKING).live(5)
    assert ward.timeline() == [("fall_detected", 31)]


def test_walking_with_a_lost_advert_is_still_walking(ward: Ward) -> None:
    ward.live(24).suspect().live(4).live(6, WALKING).live(1, SILENT).live(10, WALKING)
    assert [kind for kind, _ in ward.timeline()] == ["may_have_got_up"]


def test_walking_before_the_impact_is_no_getting_up(ward: Ward) -> None:
    ward.live(20, WALKING).live(4).suspect().live(40)
    assert ward.timeline() == [("fall_detected", 31)]


def test_walking_after_the_fall_was_detected_is_told_once(ward: Ward) -> None:
    ward.live(24).suspect().live(60).live(40, WALKING).live(20).live(40, WALKING)
    assert [kind for kind, _ in ward.timeline()] == ["fall_detected", "may_have_got_up"]


def test_a_window_that_comes_late_is_judged_by_its_own_time(ward: Ward) -> None:
    """Fetched 45 s after the impact: half a minute has passed already."""
    ward.live(65).suspect().live(3)
    assert ward.timeline() == [("fall_detected", 46)]


def test_a_late_window_of_someone_who_walks_already(ward: Ward) -> None:
    ward.live(26).live(18, WALKING).live(20).suspect().live(40)
    assert [kind for kind, _ in ward.timeline()] == ["may_have_got_up"]


def test_telling_it_twice_is_telling_it_once(ward: Ward) -> None:
    ward.live(24).suspect().live(3).suspect().live(60).suspect().live(60)
    assert ward.timeline() == [("fall_detected", 31)]


def test_two_falls_of_one_resident_each_get_an_answer(ward: Ward) -> None:
    ward.live(24).suspect().live(12)
    first = ward.impact_ns
    ward.impact_ns += 12 * 10**9
    ward.suspect().live(60)
    assert ward.timeline() == [("fall_detected", 31), ("fall_detected", 43)]
    assert [each.impact_ns for each in ward.said] == [first, first + 12 * 10**9]


def test_falls_that_wait_for_walking_are_bounded(ward: Ward) -> None:
    for _ in range(MAX_OPEN_PER_ROW + 3):
        ward.live(60).suspect().live(60)
        ward.impact_ns = ward.second * 10**9
    kinds = [kind for kind, _ in ward.timeline()]
    assert kinds.count("fall_detected") == MAX_OPEN_PER_ROW + 3
    ward.live(30, WALKING)
    kinds = [kind for kind, _ in ward.timeline()]
    assert kinds.count("may_have_got_up") == MAX_OPEN_PER_ROW


@pytest.mark.parametrize("jump_s", [-3_600, 3_600, -7, 1_700_000_000])
def test_a_clock_that_jumps_neither_hurries_nor_delays_a_fall(ward: Ward, jump_s: int) -> None:
    ward.live(24).suspect().live(10)
    ward.second += jump_s
    ward.live(40)
    assert [(kind, at - jump_s) for kind, at in ward.timeline()] == [("fall_detected", 31)]


def test_an_impact_told_by_another_clock_counts_from_now(ward: Ward) -> None:
    ward.live(24)
    ward.impact_ns += 7_200 * 10**9
    ward.suspect().live(40)
    assert ward.timeline() == [("fall_detected", 34)]


def test_a_fall_told_before_the_first_summary_keeps_its_time(start_s: int) -> None:
    """As after a restart of the gateway, ten seconds into the fall."""
    ward = Ward(start_s)
    ward.second = start_s + 11
    ward.suspect().live(60)
    assert ward.timeline() == [("fall_detected", 31)]


def test_seconds_that_are_skipped_have_passed(ward: Ward) -> None:
    ward.live(24).suspect()
    ward.second += 20
    ward.live(20)
    assert ward.timeline() == [("fall_detected", 31)]


def test_a_wearable_that_reboots_in_the_fall_does_not_lose_it(ward: Ward) -> None:
    ward.live(24).suspect().live(5)
    ward.confirmation.reset(0)
    ward.live(40)
    assert ward.timeline() == [("fall_detected", 31)]


def test_steps_of_another_wearable_do_not_count(ward: Ward) -> None:
    ward.live(24).suspect().live(2).live(WALKING_WINDOW_S - 4, WALKING)
    ward.confirmation.reset(0)
    ward.live(4, WALKING).live(40)
    assert ward.timeline() == [("fall_detected", 31)]


def test_the_summary_that_was_given_is_left_as_it_was(ward: Ward) -> None:
    values = np.array([WALKING], np.float32).T
    block = SummaryBlock(ward.second, values, np.full(1, np.nan, np.float32))
    ward.confirmation.step(block)
    ward.confirmation.reset(0)
    ward.confirmation.step(block._replace(second=ward.second + 5))
    np.testing.assert_array_equal(values[:, 0], np.array(WALKING, np.float32))


def test_residents_do_not_answer_for_each_other(start_s: int) -> None:
    both = Ward(start_s, rows=2)
    both.live(24, WALKING, LYING)
    both.suspect(0).suspect(1)
    both.live(40, LYING, WALKING)
    assert [(each.row, each.kind) for each in both.said] == [
        (1, EventKind.MAY_HAVE_GOT_UP),
        (0, EventKind.FALL_DETECTED),
    ]


def restart(ward: Ward, away_s: int = 0, row: int = 0) -> Ward:
    """Another process goes on with what this one was following."""
    kept = ward.confirmation.following(row)
    ward.second += away_s
    ward.confirmation = FallConfirmation(ward.rows)
    ward.confirmation.resume(row, kept, ward.second)
    return ward


@pytest.mark.parametrize(("away_s", "said_s"), [(0, 31), (10, 31), (100, 111)])
def test_a_fall_in_the_making_outlives_the_process(ward: Ward, away_s: int, said_s: int) -> None:
    restart(ward.live(24).suspect().live(6), away_s).live(200)
    assert ward.timeline() == [("fall_detected", said_s)]
    # Suspected after four seconds and killed after ten: what came between was heard.
    assert ward.said[0].features["heard_s"] == said_s - away_s - 4


def test_what_was_said_is_not_said_again_by_the_next_process(ward: Ward) -> None:
    restart(ward.live(24).suspect().live(40)).live(100)
    assert ward.timeline() == [("fall_detected", 31)]
    ward.live(40, WALKING)
    assert [kind for kind, _ in ward.timeline()] == ["fall_detected", "may_have_got_up"]


def test_the_posture_on_the_floor_outlives_the_process(ward: Ward) -> None:
    """By it an arm that beats evenly is told from walking."""
    beating = (0.1, 0.2, 0.97, 0.7, 1.4, 0.15)
    restart(ward.live(24).suspect().live(6)).live(100, beating)
    assert ward.timeline() == [("fall_detected", 31)]


def test_walking_before_the_end_of_a_process_is_no_getting_up_after_it(ward: Ward) -> None:
    restart(ward.live(24, WALKING).suspect().live(8, WALKING), away_s=3).live(60)
    assert ward.timeline() == [("fall_detected", 31)]


def test_a_fall_suspected_before_the_other_is_resumed_is_timed_as_well(ward: Ward) -> None:
    kept = restart(ward.live(24).suspect().live(6)).confirmation.following(0)
    ward.rows, ward.confirmation = 2, FallConfirmation(2)
    ward.confirmation.suspect(1, ward.second * 10**9)
    ward.confirmation.resume(0, kept, ward.second)
    ward.live(60)
    assert [each.row for each in ward.said] == [0, 1]
    assert ward.timeline() == [("fall_detected", 31), ("fall_detected", 40)]
