from __future__ import annotations

from collections.abc import Callable

import numpy as np

from detectors import FEATURES, Grid, SummaryGrid, summary_of
from detectors.summary import EMPTY_RUN_S, MAX_AHEAD_S, MEAN

ONE = (0.1, 0.2, 0.97, 0.9, 1.2, 0.05)


def test_a_second_closes_with_what_was_heard(start_s: int) -> None:
    grid = SummaryGrid(3)
    grid.put(0, start_s, ONE, worn=True)
    grid.put(2, start_s, ONE)
    grid.put(2, start_s + 2, ONE, worn=False)
    blocks = list(grid.close(start_s + 3))
    assert [block.second for block in blocks] == [start_s, start_s + 1, start_s + 2]
    np.testing.assert_allclose(blocks[0].values[:, 0], ONE, rtol=1e-6)
    assert np.isnan(blocks[0].values[:, 1]).all()
    assert np.isnan(blocks[1].values).all()
    assert blocks[0].values.shape == (len(FEATURES), 3)
    worn = np.array([block.worn for block in blocks])
    nan = np.nan
    np.testing.assert_array_equal(worn, [[1, nan, nan], [nan, nan, nan], [nan, nan, 0]])


def test_an_advert_heard_again_changes_nothing(start_s: int) -> None:
    grid = SummaryGrid(1)
    grid.put(0, start_s, ONE, worn=True)
    grid.put(0, start_s, [value * 2 for value in ONE], worn=False)
    (block,) = grid.close(start_s + 1)
    np.testing.assert_allclose(block.values[:, 0], ONE, rtol=1e-6)
    assert block.worn[0] == 1
    assert not grid.rejected.any()


def test_late_and_absurd_summaries_are_counted(start_s: int) -> None:
    grid = SummaryGrid(2)
    grid.put(0, start_s, ONE)
    assert len(list(grid.close(start_s + 2))) == 2
    grid.put(0, start_s + 1, ONE)
    grid.put(1, start_s + 2, (np.nan, *ONE[1:]))
    grid.put(1, start_s + 2 + MAX_AHEAD_S + 1, ONE)
    (block,) = grid.close(start_s + 3)
    assert np.isnan(block.values).all()
    assert grid.late.tolist() == [1, 0]
    assert grid.rejected.tolist() == [0, 2]


def test_a_garbled_summary_leaves_room_for_the_good_repeat(start_s: int) -> None:
    grid = SummaryGrid(1)
    grid.put(0, start_s, (np.inf, *ONE[1:]))
    grid.put(0, start_s, ONE)
    (block,) = grid.close(start_s + 1)
    np.testing.assert_allclose(block.values[:, 0], ONE, rtol=1e-6)


def test_a_home_without_wearables_is_silent(start_s: int) -> None:
    assert list(SummaryGrid(0).close(start_s)) == []
    assert list(Grid(0).close(start_s)) == []


def test_nobody_heard_yet_is_no_block(start_s: int) -> None:
    assert list(SummaryGrid(2).close(start_s)) == []


def test_a_clock_set_from_1970_or_back_an_hour_is_followed(start_s: int) -> None:
    grid = SummaryGrid(1)
    grid.put(0, 5, ONE)
    assert [block.second for block in grid.close(7)] == [5, 6]
    grid.put(0, start_s, ONE)
    seconds = [block.second for block in grid.close(start_s + 1)]
    assert seconds[-1] == start_s
    assert len(seconds) <= EMPTY_RUN_S + 1
    grid.put(0, start_s + 1, ONE)
    assert list(grid.close(start_s - 3_600)) == []
    grid.put(0, start_s - 3_600, ONE)
    (block,) = grid.close(start_s - 3_599)
    assert block.second == start_s - 3_600
    assert np.isfinite(block.values).all()


def test_silence_is_told_each_second_for_an_hour_and_then_no_more(start_s: int) -> None:
    grid = SummaryGrid(1)
    grid.put(0, start_s, ONE)
    told = sum(len(list(grid.close(start_s + hour * 1_800))) for hour in range(1, 6))
    assert told == 1 + EMPTY_RUN_S
    grid.put(0, start_s + 20_000, ONE)
    assert [block.second for block in grid.close(start_s + 20_001)] == [start_s + 20_000]


def test_a_row_given_to_another_wearable_is_unheard(start_s: int) -> None:
    grid = SummaryGrid(2)
    for row in range(2):
        grid.put(row, start_s, ONE, worn=True)
    grid.reset(0)
    (block,) = grid.close(start_s + 1)
    assert np.isnan(block.values[:, 0]).all()
    assert np.isnan(block.worn[0])
    assert np.isfinite(block.values[:, 1]).all()


def test_a_held_stream_tells_the_same_summary(
    start_s: int, daily: Callable, tell: Callable
) -> None:
    motion = daily(3, 4.0)
    story = tell([motion], extra_s=0)
    assert isinstance(story.grid, Grid)
    for index, block in enumerate(story.blocks):
        summary = summary_of(block)
        assert summary.second == start_s + index
        assert np.isnan(summary.worn).all()
        raw = motion[:, index * 50 : (index + 1) * 50].mean(axis=1)
        np.testing.assert_allclose(summary.values[MEAN, 0], raw, atol=0.03)
