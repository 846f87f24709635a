"""Data that cannot be trusted: it makes no fall out of daily motion, and hides none."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contract.units import NS_PER_S
from detectors import Grid
from detectors.fall_candidates import CandidateFinder
from firmware_sim.motion import HANGING, SITTING, MotionModel

FALL_S = 14.0
SECONDS = 30.0
RATE_HZ = 50

Spoil = Callable[[np.random.Generator, np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]


@pytest.fixture(scope="module")
def at_home() -> np.ndarray:
    """Residents (rows, 3, n) that walk, stand, sit down, use their hands and knock on things; they
    do not fall."""
    rows = 12
    model = MotionModel(rows, 5)
    seconds = []
    for second in range(int(SECONDS)):
        for row in range(rows):
            if second % 6 == row % 6:
                model.set_walking(row, walking=second % 12 < 6)
                model.turn_to(row, HANGING if second % 12 < 6 else SITTING, 1.5)
                model.set_hand(row, 0.05 * (row % 4))
        seconds.append(model.next_second())
    motion = np.concatenate(seconds, axis=2)
    random = np.random.default_rng(5)
    for row in range(rows):
        for at in random.integers(50, motion.shape[2] - 50, 4):
            knock = np.sin(np.pi * (np.arange(4) + 0.5) / 4) * random.uniform(1, 2.5)
            motion[row, :, at : at + 4] += random.normal(0, 0.6, (3, 1)) * knock
    return motion


def test_there_is_something_to_mistake_for_a_fall(
    at_home: np.ndarray, start_s: int, follow: Callable, times_ns: Callable
) -> None:
    grid, finder = Grid(len(at_home)), CandidateFinder(np.full(len(at_home), 1.8, np.float32))
    for row, motion in enumerate(at_home):
        grid.push(row, times_ns(motion.shape[1]), motion.astype(np.float32))
    blocks = follow(grid, start_s + int(SECONDS) + 6).blocks
    found = [candidates for block in blocks if (candidates := finder.step(block)) is not None]
    assert len({row for candidates in found for row in candidates.row}) >= 6


def spikes(
    random: np.random.Generator, t_ns: np.ndarray, motion: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Single samples of a ±4, ±8 or ±16 g sensor with one axis, or all, at its limit."""
    at = random.choice(np.arange(10, len(t_ns) - 10, 10), 12, replace=False)
    at = at[abs(at / RATE_HZ - FALL_S) > 2]
    limit = random.choice([4, 8, 16]) * np.sign(random.normal(size=(3, len(at))))
    axes = random.random((3, len(at))) < random.choice([0.4, 1.0])
    motion[:, at] = np.where(axes, limit, motion[:, at])
    return t_ns, motion


def stuck_axis(
    random: np.random.Generator, t_ns: np.ndarray, motion: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    motion[int(random.integers(3)), : int((FALL_S - 6) * RATE_HZ)] = random.uniform(-0.5, 0.5)
    return t_ns, motion


def stuck_far_out(
    random: np.random.Generator, t_ns: np.ndarray, motion: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    motion[int(random.integers(3)), : int((FALL_S - 6) * RATE_HZ)] = random.choice([-8, 8])
    return t_ns, motion


def silent(
    random: np.random.Generator, t_ns: np.ndarray, motion: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    motion[:, : int((FALL_S - 5) * RATE_HZ)] = np.nan
    return t_ns, motion


def constant(
    random: np.random.Generator, t_ns: np.ndarray, motion: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    motion[:, : int((FALL_S - 5) * RATE_HZ)] = np.array([[0.0], [0.6], [0.8]])
    return t_ns, motion


def bursts(
    random: np.random.Generator, t_ns: np.ndarray, motion: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    begin = t_ns[0]
    arrival = ((t_ns - begin) // (NS_PER_S // 10) + 1) * (NS_PER_S // 10)
    return begin + arrival + np.arange(len(t_ns)) % 5 * 1_000_000, motion


def backwards(
    random: np.random.Generator, t_ns: np.ndarray, motion: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    order = np.concatenate(
        [part[::-1] for part in np.array_split(np.arange(len(t_ns)), len(t_ns) // 40)]
    )
    return t_ns[order], motion[:, order]


def other_rate(
    random: np.random.Generator, t_ns: np.ndarray, motion: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """25 Hz, and from the middle of the stream on 50 Hz."""
    change = int(random.uniform(5, 25) * RATE_HZ)
    kept = np.concatenate([np.arange(0, change, 2), np.arange(change, len(t_ns))])
    return t_ns[kept], motion[:, kept]


SPOILT: dict[str, Spoil] = {
    each.__name__: each
    for each in (
        spikes,
        stuck_axis,
        stuck_far_out,
        silent,
        constant,
        bursts,
        backwards,
        other_rate,
    )
}


@pytest.fixture(scope="module")
def fed(start_s: int, follow: Callable, times_ns: Callable) -> Callable:
    """Rows that find a fall, of motions spoilt each by its own draw."""

    def run(motions: list[np.ndarray], spoil: Spoil, seed: int) -> set[int]:
        grid = Grid(len(motions))
        for row, motion in enumerate(motions):
            random = np.random.default_rng([seed, row])
            t_ns, samples = spoil(random, times_ns(motion.shape[1]), motion.copy())
            grid.push(row, t_ns, samples.astype(np.float32))
        return {fall.row for fall in follow(grid, start_s + int(SECONDS) + 6).suspected}

    return run


@pytest.mark.parametrize("name", SPOILT)
def test_it_invents_no_fall(name: str, at_home: np.ndarray, fed: Callable) -> None:
    for seed in range(2):
        assert fed(list(at_home), SPOILT[name], seed) == set()


@pytest.mark.parametrize("name", SPOILT)
def test_it_hides_no_later_fall(name: str, falling: Callable, fed: Callable) -> None:
    motions = [falling(seed, FALL_S, SECONDS) for seed in range(12)]
    found = fed(motions, SPOILT[name], 0)
    assert len(found) >= 11


def lossy(share: float) -> Spoil:
    """Packets of a quarter of a second that are lost at random."""

    def spoil(
        random: np.random.Generator, t_ns: np.ndarray, motion: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        packet = np.arange(len(t_ns)) // 12
        kept = (random.random(packet[-1] + 1) >= share)[packet]
        return t_ns[kept], motion[:, kept]

    return spoil


def test_half_of_the_packets_lost_invents_no_fall(at_home: np.ndarray, fed: Callable) -> None:
    for seed in range(3):
        assert fed(list(at_home), lossy(0.5), seed) == set()


def test_half_of_the_packets_lost_hides_no_fall_after_it(falling: Callable, fed: Callable) -> None:
    """What is lost itself nobody can find; a fall after the loss is found."""

    def spoil(
        random: np.random.Generator, t_ns: np.ndarray, motion: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        before = t_ns < t_ns[0] + round((FALL_S - 1.5) * NS_PER_S)
        early, samples = lossy(0.5)(random, t_ns[before], motion[:, before])
        return np.concatenate([early, t_ns[~before]]), np.concatenate(
            [samples, motion[:, ~before]], axis=1
        )

    motions = [falling(seed, FALL_S, SECONDS) for seed in range(12)]
    assert len(fed(motions, spoil, 1)) >= 11


def test_more_than_a_third_of_falls_are_found_in_the_midst_of_the_loss(
    falling: Callable, fed: Callable
) -> None:
    motions = [falling(seed, FALL_S, SECONDS) for seed in range(40)]
    assert len(fed(motions, lossy(0.5), 2)) >= 14


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_any_of_it_together_invents_no_fall(seed: int, at_home: np.ndarray, fed: Callable) -> None:
    random = np.random.default_rng(seed)
    chosen = random.choice(list(SPOILT), 2, replace=False)

    def spoil(
        draws: np.random.Generator, t_ns: np.ndarray, motion: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        for name in chosen:
            t_ns, motion = SPOILT[name](draws, t_ns, motion)
        return t_ns, motion

    assert fed([at_home[seed % len(at_home)]], spoil, seed) == set()
