"""The motion around a fall that is shown: what was heard, at its place, and nothing else."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from contract.screen import MOTION_HZ
from contract.units import NS_PER_S
from detectors.fall_excerpt import SHOWN_AFTER_S, Excerpt

FALL_S, SECONDS = 12.0, 30.0
WHOLE = 15 * MOTION_HZ


def taken(story, order=None) -> Excerpt:
    (fall,) = story.suspected
    excerpt = Excerpt(fall)
    blocks = [block for block in story.blocks if block.second * NS_PER_S >= fall.emitted_ns]
    for number in range(len(blocks)) if order is None else order:
        excerpt.take(blocks[number % len(blocks)], fall.row)
    return excerpt


def test_it_is_the_motion_from_five_seconds_before_to_ten_after(
    start_s: int, falling: Callable, tell: Callable
) -> None:
    story = tell([falling(4, FALL_S, SECONDS)], begin_s=0.37)
    excerpt = taken(story)
    assert excerpt.is_whole
    assert excerpt.heard == WHOLE
    shown = excerpt.waveform()
    assert shown is not None
    assert excerpt.impact_ns - shown[0] == 5 * NS_PER_S
    assert excerpt.end_ns - excerpt.impact_ns == SHOWN_AFTER_S * NS_PER_S
    motion = np.concatenate([block.motion[:, 0] for block in story.blocks], axis=1)
    first = (shown[0] - story.blocks[0].second * NS_PER_S) * MOTION_HZ // NS_PER_S
    assert np.array_equal(shown[1], motion[:, first : first + WHOLE])


@settings(max_examples=20, deadline=None)
@given(data=st.data())
def test_seconds_may_come_in_any_order_and_twice(
    data: st.DataObject, falling: Callable, tell: Callable
) -> None:
    story = tell([falling(5, FALL_S, SECONDS)], begin_s=data.draw(st.floats(0, 0.99)))
    expected = taken(story).waveform()
    order = data.draw(st.permutations(range(36))), data.draw(st.lists(st.integers(0, 40)))
    got = taken(story, [*order[0], *order[1]]).waveform()
    assert expected is not None
    assert got is not None
    assert got[0] == expected[0]
    assert np.array_equal(got[1], expected[1])


@settings(max_examples=20, deadline=None)
@given(hole_s=st.floats(-4.5, 9), length_s=st.floats(0.6, 6))
def test_what_was_not_heard_is_missing(
    hole_s: float, length_s: float, start_s: int, falling: Callable, tell: Callable
) -> None:
    motion = falling(4, FALL_S, SECONDS)
    if hole_s < 3.5:  # the fall itself has to be heard
        hole_s = min(hole_s, -1.7 - length_s)
    begin = round((FALL_S + hole_s) * 50)
    motion[:, max(begin, 0) : begin + round(length_s * 50)] = np.nan
    story = tell([motion])
    shown = taken(story).waveform()
    assert shown is not None
    heard = np.concatenate([block.valid[0] for block in story.blocks])
    first = (shown[0] - story.blocks[0].second * NS_PER_S) * MOTION_HZ // NS_PER_S
    assert np.array_equal(
        np.isfinite(shown[1]).all(axis=0), heard[first : first + shown[1].shape[1]]
    )
    assert np.isfinite(shown[1][:, [0, -1]]).all()
