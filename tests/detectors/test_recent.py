from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from detectors.recent import Recent


@given(
    kept=st.integers(1, 9),
    steps=st.lists(st.integers(1, 12), max_size=40),
)
def test_the_latest_seconds_are_kept_and_those_between_are_empty(
    kept: int, steps: list[int]
) -> None:
    recent, expected = Recent(kept, 2, 3), [np.full((2, 3), np.nan)] * kept
    for number, passed in enumerate(steps):
        latest = recent.advance(passed)
        assert np.isnan(latest).all()
        latest[:] = number
        expected += [np.full((2, 3), np.nan)] * (passed - 1) + [np.full((2, 3), float(number))]
        np.testing.assert_array_equal(recent.seconds, np.stack(expected[-kept:]))
        assert recent.seconds.flags.c_contiguous


def test_a_forgotten_row_was_never_measured() -> None:
    recent = Recent(4, 1, 2)
    for number in range(7):
        recent.advance(1)[:] = number
    recent.forget(0)
    assert np.isnan(recent.seconds[:, 0, 0]).all()
    assert recent.seconds[:, 0, 1].tolist() == [3, 4, 5, 6]
    recent.advance(1)[:] = 7
    assert recent.seconds[-1, 0].tolist() == [7, 7]
