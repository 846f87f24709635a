from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import signal

from contract.screen import GRID_HZ, LOW_PASS_HZ, LOW_PASS_ORDER
from detectors import LATENESS_S, Grid
from detectors.buffer import EDGE_NS, MAX_AHEAD_S
from detectors.filters import PART_ROWS
from detectors.grid import EMPTY_RUN_S
from detectors.summary import BACK_JUMP_S, DEVIATION_G, FEATURES, MAX_G, MEAN, MIN_G

SECONDS = 6


def noise(rows: int, seconds: int = SECONDS, seed: int = 0) -> np.ndarray:
    random = np.random.default_rng(seed)
    return random.normal(0, 0.7, (3, rows, seconds * GRID_HZ)).astype(np.float32)


def test_blocks_are_the_low_passed_motion(start_s: int, tell: Callable) -> None:
    motion = noise(4)
    blocks = tell([motion[:, row] for row in range(4)], extra_s=0).blocks
    sections = signal.butter(LOW_PASS_ORDER, LOW_PASS_HZ, fs=GRID_HZ, output="sos")
    steady = signal.sosfilt_zi(sections)
    expected = np.stack(
        [
            signal.sosfilt(sections, axis_row, zi=steady * axis_row[0])[0]
            for axis_row in motion.reshape(12, -1)
        ]
    ).reshape(3, 4, SECONDS, GRID_HZ)
    magnitude = np.sqrt(np.square(expected).sum(axis=0))
    assert [block.second for block in blocks] == list(range(start_s, start_s + SECONDS))
    for second, block in enumerate(blocks):
        assert block.valid.all()
        np.testing.assert_allclose(block.motion, expected[:, :, second, ::2], atol=3e-6)
        np.testing.assert_allclose(block.peak_g, magnitude[:, second].max(axis=1), atol=3e-6)
        np.testing.assert_allclose(block.low_g, magnitude[:, second].min(axis=1), atol=3e-6)
        summary = block.summary
        np.testing.assert_allclose(summary[MEAN], expected[:, :, second].mean(axis=2), atol=3e-6)
        np.testing.assert_allclose(
            summary[DEVIATION_G], magnitude[:, second].std(axis=1), atol=1e-5
        )
        assert np.array_equal(summary[MAX_G], block.peak_g)
        assert np.array_equal(summary[MIN_G], block.low_g)
        assert len(summary) == len(FEATURES)


@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_a_block_depends_on_samples_and_not_on_packets(
    data: st.DataObject, start_s: int, follow: Callable, same_blocks: Callable
) -> None:
    """Any packets in any order, closed at the end or along the way as the lateness allows: bit by
    bit the same."""
    random = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1), label="seed"))
    rows, pieces = 3, []
    for _ in range(rows):
        rate_hz = random.choice([20, 40, 50, 100])
        t_ns = start_s * 10**9 + np.sort(random.integers(0, SECONDS * 10**9, SECONDS * rate_hz))
        t_ns = np.unique(t_ns)
        pieces.append((t_ns, random.normal(0, 1, (3, len(t_ns))).astype(np.float32)))
    whole = Grid(rows)
    for row, (t_ns, motion) in enumerate(pieces):
        whole.push(row, t_ns, motion)
    expected = follow(whole, start_s + SECONDS).blocks

    packets = [
        (row, t_ns[at], motion[:, at])
        for row, (t_ns, motion) in enumerate(pieces)
        for cuts in [random.integers(0, len(t_ns), data.draw(st.integers(1, 40)))]
        for at in np.split(np.arange(len(t_ns)), np.unique(cuts))
        if len(at)
    ]
    random.shuffle(packets)
    closing_along = data.draw(st.booleans(), label="closing along")
    grid, blocks = Grid(rows), []
    for index, (row, t_ns, motion) in enumerate(packets):
        if closing_along:
            # As a gateway does: what is still on its way is not older than the lateness.
            oldest_ns = min(packet[1][0] for packet in packets[index:])
            blocks.extend(grid.close(int((oldest_ns - LATENESS_S * 10**9) // 10**9)))
        grid.push(row, t_ns, motion)
    blocks.extend(grid.close(start_s + SECONDS))
    assert same_blocks(expected, blocks)
    assert np.array_equal(grid.rejected, whole.rejected)
    assert not grid.late.any()


def test_closing_each_second_is_closing_once(
    start_s: int, follow: Callable, times_ns: Callable, same_blocks: Callable
) -> None:
    motion = noise(2)
    grids = [Grid(2), Grid(2)]
    for grid in grids:
        for row in range(2):
            grid.push(row, times_ns(motion.shape[2], begin_s=0.007), motion[:, row])
    once = follow(grids[0], start_s + SECONDS + 3).blocks
    along = follow(grids[1], range(start_s, start_s + SECONDS + 4)).blocks
    assert same_blocks(once, along)
    assert len(once) == SECONDS + 3


def test_what_is_looked_at_beyond_a_block_has_arrived_when_it_closes() -> None:
    assert EDGE_NS <= LATENESS_S * 10**9


def test_seconds_given_on_the_grid_are_the_same_as_samples(
    start_s: int, follow: Callable, times_ns: Callable, same_blocks: Callable
) -> None:
    motion = noise(5)
    random = np.random.default_rng(9)
    valid = random.random((5, motion.shape[2])) > 0.4
    valid[0] = True
    valid[1, 60:130] = False
    valid[2] = False
    motion[:, 3, 100:103] = np.nan
    motion[1, 4, 70] = 1e9
    slow, fast = Grid(5), Grid(5)
    t_ns = times_ns(motion.shape[2])
    for row in range(5):
        slow.push(row, t_ns[valid[row]], motion[:, row, valid[row]])
    for second in range(SECONDS):
        part = slice(second * GRID_HZ, (second + 1) * GRID_HZ)
        fast.push_block(start_s + second, motion[:, :, part].copy(), valid[:, part])
    slow_story, fast_story = (follow(grid, start_s + SECONDS) for grid in (slow, fast))
    assert same_blocks(slow_story.blocks, fast_story.blocks)
    assert np.array_equal(slow.rejected, fast.rejected)
    assert slow.rejected.sum() > 0


def test_complete_seconds_take_the_short_way_to_the_same_blocks(
    start_s: int, follow: Callable, times_ns: Callable, same_blocks: Callable
) -> None:
    motion = noise(3)
    slow, fast = Grid(3), Grid(3)
    for row in range(3):
        slow.push(row, times_ns(motion.shape[2]), motion[:, row])
    for second in range(SECONDS):
        part = motion[:, :, second * GRID_HZ : (second + 1) * GRID_HZ]
        fast.push_block(start_s + second, np.ascontiguousarray(part))
    assert same_blocks(
        follow(slow, start_s + SECONDS).blocks, follow(fast, start_s + SECONDS).blocks
    )


def test_a_repeated_time_keeps_its_first_sample(
    start_s: int, follow: Callable, times_ns: Callable, same_blocks: Callable
) -> None:
    motion = noise(1)[:, 0]
    t_ns = times_ns(motion.shape[1])
    once, again = Grid(1), Grid(1)
    once.push(0, t_ns, motion)
    again.push(0, t_ns, motion)
    again.push(0, t_ns[30:130], motion[:, 30:130] + 5)
    expected = follow(once, start_s + SECONDS).blocks
    assert same_blocks(expected, follow(again, start_s + SECONDS).blocks)
    assert again.rejected[0] == 100
    assert once.rejected[0] == 0


@pytest.mark.parametrize("garbage", [np.nan, np.inf, -np.inf, 1e30, -40.5])
def test_garbage_is_rejected_counted_and_touches_no_one_else(
    garbage: float, tell: Callable, same_blocks: Callable
) -> None:
    motion = noise(3)
    clean = tell([motion[:, row] for row in range(3)]).blocks
    motion[2, 1, 75] = garbage
    story = tell([motion[:, row] for row in range(3)])
    assert story.grid.rejected.tolist() == [0, 1, 0]
    for block, wanted in zip(story.blocks, clean, strict=True):
        assert np.isfinite(block.motion).all()
        for row in (0, 2):
            assert np.array_equal(block.motion[:, row], wanted.motion[:, row])
            assert np.array_equal(block.summary[:, row], wanted.summary[:, row], equal_nan=True)
    # One sample missing is bridged; three seconds later the filter has forgotten it.
    assert all(block.valid[1].all() for block in story.blocks[:SECONDS])
    np.testing.assert_allclose(story.blocks[4].motion[:, 1], clean[4].motion[:, 1], atol=1e-5)


def test_a_wearable_that_sends_only_garbage_is_silent(tell: Callable) -> None:
    motion = np.full((3, 500), np.nan, np.float32)
    story = tell([motion, noise(1, 10)[:, 0]])
    assert story.grid.rejected[0] == 500
    for block in story.blocks[:10]:
        assert not block.valid[0].any()
        assert np.isnan(block.peak_g[0])
        assert np.isnan(block.summary[:, 0]).all()
        assert np.isfinite(block.motion).all()
        assert np.isfinite(block.peak_g[1])


def test_samples_after_the_close_are_counted_and_change_nothing(
    start_s: int, times_ns: Callable
) -> None:
    grid = Grid(1)
    motion = noise(1)[:, 0]
    t_ns = times_ns(motion.shape[1])
    grid.push(0, t_ns[:150], motion[:, :150])
    closed = list(grid.close(start_s + 2))
    grid.push(0, t_ns[80:200], motion[:, 80:200])
    assert [block.second for block in grid.close(start_s + 2)] == []
    assert grid.late[0] == 20
    assert [block.second for block in closed] == [start_s, start_s + 1]
    assert [block.second for block in grid.close(start_s + 4)] == [start_s + 2, start_s + 3]


def test_after_a_hole_the_filter_starts_from_steady_gravity(tell: Callable) -> None:
    """Lying one way, a hole, lying the other way: no drop and no impact between them."""
    for begin, end in ((120, 180), (100, 150), (130, 260), (149, 163)):
        motion = np.zeros((3, 400), np.float32)
        motion[2, :begin] = 1
        motion[0, begin:] = -1
        motion[:, begin:end] = np.nan
        for block in tell([motion], extra_s=0).blocks:
            if block.valid.any():
                assert 0.999 < block.low_g[0] <= block.peak_g[0] < 1.001


def test_a_hole_is_invalid_and_finite(tell: Callable) -> None:
    motion = noise(1)[:, 0]
    motion[:, 120:180] = np.nan
    blocks = tell([motion], extra_s=0).blocks
    valid = np.concatenate([block.valid[0] for block in blocks])
    assert np.array_equal(np.flatnonzero(~valid), np.arange(60, 90))
    assert all(np.isfinite(block.motion).all() for block in blocks)


def test_the_rate_may_change_in_mid_stream(
    start_s: int, follow: Callable, times_ns: Callable
) -> None:
    grid = Grid(1)
    for second, rate_hz in enumerate((20, 200, 50, 32, 100, 25)):
        t_ns = times_ns(rate_hz, rate_hz, begin_s=second)
        time = (t_ns - start_s * 10**9) / 1e9
        wave = np.stack([0 * time, 0 * time, 1 + 0.3 * np.sin(2 * np.pi * time)])
        grid.push(0, t_ns, wave.astype(np.float32))
    blocks = follow(grid, start_s + 6).blocks
    motion = np.concatenate([block.motion[2, 0] for block in blocks])
    valid = np.concatenate([block.valid[0] for block in blocks])
    assert valid[:-1].all()
    assert np.abs(np.diff(motion)).max() < 0.1
    assert 1.29 < motion[50:].max() < 1.31


def test_a_clock_that_boots_in_1970_is_followed_when_it_is_set(start_s: int) -> None:
    grid, t_ns = Grid(1), np.arange(100) * 20_000_000
    still = np.repeat(np.array([[0], [0], [1]], np.float32), 100, axis=1)
    grid.push(0, t_ns, still)
    assert [block.second for block in grid.close(2)] == [0, 1]
    grid.push(0, start_s * 10**9 + t_ns, still)
    seconds = [block.second for block in grid.close(start_s + 2)]
    assert seconds[-2:] == [start_s, start_s + 1]
    assert len(seconds) <= EMPTY_RUN_S + 2
    assert grid.late[0] == grid.rejected[0] == 0


def test_a_clock_that_jumps_back_an_hour_is_followed(start_s: int, times_ns: Callable) -> None:
    grid = Grid(1)
    still = np.repeat(np.array([[0], [0], [1]], np.float32), 500, axis=1)
    grid.push(0, times_ns(500), still)
    assert len(list(grid.close(start_s + 9))) == 9
    grid.push(0, times_ns(500, begin_s=-3_600), still)
    blocks = list(grid.close(start_s - 3_600 + 9))
    assert [block.second for block in blocks] == list(range(start_s - 3_600, start_s - 3_591))
    assert all(block.valid.all() for block in blocks)
    assert BACK_JUMP_S < 3_600


def test_a_stamp_from_the_far_future_is_rejected(start_s: int, times_ns: Callable) -> None:
    grid = Grid(2)
    motion = noise(1)[:, 0]
    grid.push(0, times_ns(300), motion)
    grid.push(1, times_ns(300, begin_s=MAX_AHEAD_S + 100), motion)
    blocks = list(grid.close(start_s + 6))
    assert len(blocks) == 6
    assert grid.rejected.tolist() == [0, 300]


def test_empty_seconds_are_blocks_until_everyone_has_long_been_silent(
    start_s: int, times_ns: Callable
) -> None:
    grid = Grid(2)
    assert list(grid.close(start_s)) == []
    grid.push(1, times_ns(50), noise(1, 1)[:, 0])
    seconds = [block.second for block in grid.close(start_s + 300)]
    for until in range(start_s + 301, start_s + 500):
        seconds += [block.second for block in grid.close(until)]
    assert seconds == list(range(start_s, start_s + 1 + EMPTY_RUN_S))
    grid.push(1, times_ns(50, begin_s=600), noise(1, 1)[:, 0])
    assert [block.second for block in grid.close(start_s + 602)] == [start_s + 600, start_s + 601]


def test_a_row_given_to_another_wearable_remembers_nothing(
    start_s: int, times_ns: Callable
) -> None:
    grid = Grid(2)
    for row in range(2):
        grid.push(row, times_ns(100), noise(1, 2)[:, 0])
    assert len(list(grid.close(start_s + 1))) == 1
    grid.reset(0)
    (block,) = grid.close(start_s + 2)
    assert not block.valid[0].any()
    assert block.valid[1].all()
    assert not grid.rejected.any()


def test_rows_of_different_parts_are_filtered_and_measured_alike(start_s: int) -> None:
    """A wearable's place among thousands does not matter, also with silence and holes around."""
    rows, seconds = PART_ROWS + 3, 4
    alone = noise(3, seconds)
    motion = np.repeat(alone[:, :1], rows, axis=1)
    places = [0, PART_ROWS - 1, PART_ROWS + 2]
    motion[:, places] = alone
    valid = np.ones((rows, seconds * GRID_HZ), np.bool_)
    valid[3::5, 70:90] = False
    valid[4::7, 60:] = False
    valid[places] = True
    valid[places[1:], 110:125] = False
    many, few = Grid(rows), Grid(3)
    for second in range(seconds):
        part = slice(second * GRID_HZ, (second + 1) * GRID_HZ)
        many.push_block(start_s + second, motion[:, :, part].copy(), valid[:, part])
        few.push_block(start_s + second, alone[:, :, part].copy(), valid[places, part])
    for all_of_them, expected in zip(
        many.close(start_s + seconds), few.close(start_s + seconds), strict=True
    ):
        assert np.array_equal(all_of_them.valid[places], expected.valid)
        np.testing.assert_allclose(all_of_them.motion[:, places], expected.motion, atol=1e-6)
        np.testing.assert_allclose(all_of_them.summary[:, places], expected.summary, atol=1e-5)


def test_a_second_given_whole_may_be_forgotten_for_one_row(start_s: int) -> None:
    grid, motion = Grid(3), noise(3, 1)
    grid.push_block(start_s, motion)
    grid.reset(1)
    (block,) = grid.close(start_s + 1)
    assert block.valid.all(axis=1).tolist() == [True, False, True]
    assert not block.valid[1].any()
    assert np.isnan(block.summary[:, 1]).all()
    np.testing.assert_allclose(block.motion[:, 1, -1], [0, 0, 1], atol=1e-6)


def test_what_is_measured_does_not_wear_off(start_s: int) -> None:
    """The deviation of one who lies still is that of the noise, also after strong motion."""
    random = np.random.default_rng(5)
    still = random.normal(0, 0.003, (3, 2, 3 * GRID_HZ)).astype(np.float32)
    still[2] += 1
    still[:, 1, :GRID_HZ] += random.normal(0, 3, (3, GRID_HZ))
    grid = Grid(2)
    for second in range(3):
        part = still[:, :, second * GRID_HZ : (second + 1) * GRID_HZ]
        grid.push_block(start_s + second, np.ascontiguousarray(part))
    *_, last = grid.close(start_s + 3)
    sections = signal.butter(LOW_PASS_ORDER, LOW_PASS_HZ, fs=GRID_HZ, output="sos")
    quiet = signal.sosfilt(sections, still[:, 0].astype(np.float64) - [[0], [0], [1]])
    quiet[2] += 1
    expected = np.sqrt(np.square(quiet).sum(axis=0))[2 * GRID_HZ :].std()
    assert last.summary[DEVIATION_G, 0] == pytest.approx(expected, rel=1e-3)
    assert last.summary[DEVIATION_G, 1] < 0.005
