"""The properties of the whole chain: grid, summary, fall, confirmation (DESIGN 5)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from detectors import LATENESS_S, Grid

SECONDS = 50


@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_chunk_invariance_is_exact(
    data: st.DataObject,
    falling: Callable,
    times_ns: Callable,
    follow: Callable,
    same_story: Callable,
) -> None:
    """Packets of any size, mixed up as far as the lateness allows, closed as they come."""
    random = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1), label="seed"))
    rows, whole, packets = 3, Grid(3), []
    for row in range(rows):
        rate_hz = float(random.choice([25, 40, 50, 104]))
        motion = falling(int(random.integers(10_000)), random.uniform(3, 15), SECONDS, rate_hz)
        hole = int(random.integers(motion.shape[1]))
        motion[:, hole : hole + int(random.integers(200))] = np.nan
        t_ns = times_ns(motion.shape[1], rate_hz, random.uniform(0, 1))
        t_ns += random.integers(-2_000_000, 2_000_000, len(t_ns))
        whole.push(row, t_ns, motion)
        cuts = random.integers(0, len(t_ns), data.draw(st.integers(1, 200), label="packets"))
        packets += [
            (row, t_ns[at], motion[:, at])
            for at in np.split(np.arange(len(t_ns)), np.unique(cuts))
            if len(at)
        ]
    end_s = int(times_ns(1)[0] // 10**9) + SECONDS + 5
    expected = follow(whole, end_s)

    random.shuffle(packets)
    packets.sort(key=lambda packet: int(packet[1][-1] // 10**9))
    first_ns = [packet[1].min() for packet in packets]
    oldest_ns = np.minimum.accumulate(first_ns[::-1])[::-1]
    grid = Grid(rows)

    def closes() -> list[int]:
        """Closing seconds, pushing what arrives before each."""
        for index, (row, t_ns, motion) in enumerate(packets):
            yield int((oldest_ns[index] - LATENESS_S * 10**9) // 10**9)
            grid.push(row, t_ns, motion)
        yield end_s

    story = follow(grid, closes())
    assume(expected.suspected)  # a hole may have swallowed the falls
    assert same_story(expected, story)
    assert not grid.late.any()


@settings(max_examples=15, deadline=None)
@given(case=st.tuples(st.integers(0, 10_000), st.integers(0, 7), st.floats(3, 15)))
def test_what_others_do_changes_nothing_for_a_row(
    case: tuple[int, int, float], falling: Callable, daily: Callable, tell: Callable
) -> None:
    seed, row, fall_s = case
    quiet = [daily(seed + each, SECONDS) for each in range(8)]
    wild = [falling(seed + each, 5.0 + each, SECONDS) for each in range(8)]
    wild[(row + 1) % 8][:, 100:] = np.nan
    wild[(row + 2) % 8] *= 1e6
    quiet[row] = wild[row] = falling(seed, fall_s, SECONDS)
    stories = [tell(motions) for motions in (quiet, wild)]
    suspected, decided = (
        [
            [(each.impact_ns, each.kind, each.emitted_ns) for each in said if each.row == row]
            for said in (getattr(story, name) for story in stories)
        ]
        for name in ("suspected", "decided")
    )
    assert suspected[0] == suspected[1] != []
    assert decided[0] == decided[1] != []
    scores = [[each.score for each in story.suspected if each.row == row] for story in stories]
    np.testing.assert_allclose(scores[0], scores[1], atol=1e-5)


def test_a_fall_lies_and_is_detected_and_one_who_walks_on_is_not(
    falling: Callable, daily: Callable, tell: Callable
) -> None:
    lies = falling(1, 8.0, 60.0)
    walks = np.concatenate([falling(2, 8.0, 20.0), daily(2, 40.0)], axis=1)
    story = tell([lies, walks])
    assert [fall.row for fall in story.suspected] == [0, 1]
    assert sorted((each.row, each.kind.value) for each in story.decided) == [
        (0, "fall_detected"),
        (1, "may_have_got_up"),
    ]
