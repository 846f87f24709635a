"""Synthetic motion and ways of feeding it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import numpy as np
import pytest

from detectors import Block, Detection, FallConfirmation, FallDetector, Grid, summary_of
from firmware_sim.falling import Fall, make_fall
from firmware_sim.motion import HANGING, unit
from firmware_sim.motion import MOTION_HZ as SIMULATED_HZ

START_S = 1_767_297_600
RATE_HZ = 50


class Story(NamedTuple):
    """Everything that came out of one run."""

    blocks: list[Block]
    suspected: list[Detection]
    decided: list[Detection]
    grid: Grid


@pytest.fixture(scope="session")
def start_s() -> int:
    """Where synthetic time begins, unix seconds."""
    return START_S


@pytest.fixture(scope="session")
def times_ns() -> Callable[..., np.ndarray]:
    """Evenly spaced wall times."""

    def make(count: int, rate_hz: float = RATE_HZ, begin_s: float = 0.0) -> np.ndarray:
        step = np.rint(np.arange(count) * (1e9 / rate_hz)).astype(np.int64)
        return START_S * 10**9 + round(begin_s * 1e9) + step

    return make


def _down(seed: int) -> np.ndarray:
    """Gravity's direction in the wearable's frame while its wearer walks."""
    down = np.random.default_rng([seed, 1]).normal(size=3)
    return down / np.linalg.norm(down)


def _turn(random: np.random.Generator, one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """A rotation or mirroring, drawn among those that bring one direction to the other."""
    frames = []
    for first in (one, other):
        frame, upper = np.linalg.qr(np.column_stack([first, random.normal(size=(3, 2))]))
        frames.append(frame * np.sign(np.diag(upper)))
    return frames[1] @ frames[0].T


def _walk(random: np.random.Generator, time: np.ndarray, down: np.ndarray) -> np.ndarray:
    step_hz = random.uniform(1.7, 2.0)
    bounce = 1 + 0.2 * np.sin(2 * np.pi * step_hz * time + random.uniform(0, 6))
    return down[:, None] * bounce + random.normal(0, 0.01, (3, len(time)))


@pytest.fixture(scope="session")
def daily() -> Callable[..., np.ndarray]:
    """A wrist that walks: (3, n), in g."""

    def make(seed: int, seconds: float = 30.0, rate_hz: float = RATE_HZ) -> np.ndarray:
        random = np.random.default_rng(seed)
        time = np.arange(round(seconds * rate_hz)) / rate_hz
        return _walk(random, time, _down(seed)).astype(np.float32)

    return make


def _clear_fall(random: np.random.Generator) -> Fall:
    """A simulated fall of the harder half; how many soft ones are found is evaluation's matter."""
    while True:
        fall = make_fall(random, HANGING, upright=True)
        smooth = fall.samples_g.reshape(3, -1, 2).mean(axis=2)
        if np.sqrt(np.square(smooth).sum(axis=0)).max() >= 4.5:
            return fall


@pytest.fixture(scope="session")
def falling() -> Callable[..., np.ndarray]:
    """The same wrist, that falls `fall_s` after the beginning and then lies still."""

    def make(
        seed: int, fall_s: float = 12.0, seconds: float = 30.0, rate_hz: float = RATE_HZ
    ) -> np.ndarray:
        random = np.random.default_rng(seed + 1_000)
        fall = _clear_fall(random)
        time = np.arange(round(seconds * rate_hz)) / rate_hz
        motion = _walk(random, time, unit(HANGING))
        since = time - fall_s + fall.impact_sample / SIMULATED_HZ
        known = np.arange(fall.samples_g.shape[1]) / SIMULATED_HZ
        falls = since >= 0
        for axis, samples in zip(motion, fall.samples_g, strict=True):
            axis[falls] = np.interp(since[falls], known, samples)
        motion[:, falls] += random.normal(0, 0.01, (3, falls.sum()))
        return (_turn(random, HANGING, _down(seed)) @ motion).astype(np.float32)

    return make


@pytest.fixture(scope="session")
def follow() -> Callable[..., Story]:
    """Run the whole chain over a grid that has been fed, closing as told."""

    def run(grid: Grid, closes: int | Iterable[int]) -> Story:
        detector, confirmation = FallDetector(grid.rows), FallConfirmation(grid.rows)
        story = Story([], [], [], grid)
        for until in [closes] if isinstance(closes, int) else closes:
            for block in grid.close(until):
                story.blocks.append(block)
                for detection in detector.step(block):
                    story.suspected.append(detection)
                    confirmation.suspect(detection.row, detection.impact_ns)
                story.decided.extend(confirmation.step(summary_of(block)))
        return story

    return run


@pytest.fixture(scope="session")
def tell(follow: Callable[..., Story], times_ns: Callable[..., np.ndarray]) -> Callable[..., Story]:
    """Push one array of motion for each row, evenly timed, and run the chain over all of it."""

    def run(
        motions: Sequence[np.ndarray],
        rate_hz: float = RATE_HZ,
        extra_s: int = 6,
        begin_s: float = 0,
    ) -> Story:
        grid = Grid(len(motions))
        longest = max(motion.shape[1] for motion in motions) / rate_hz
        for row, motion in enumerate(motions):
            grid.push(row, times_ns(motion.shape[1], rate_hz, begin_s), motion)
        return follow(grid, START_S + int(longest + begin_s) + extra_s)

    return run


@pytest.fixture(scope="session")
def same_blocks() -> Callable[[Sequence[Block], Sequence[Block]], bool]:
    """Whether two runs gave the same blocks, bit by bit."""

    def compare(one: Sequence[Block], two: Sequence[Block]) -> bool:
        return len(one) == len(two) and all(
            np.array_equal(a, b, equal_nan=True)
            for left, right in zip(one, two, strict=True)
            for a, b in zip(left, right, strict=True)
        )

    return compare


@pytest.fixture(scope="session")
def same_story(
    same_blocks: Callable[[Sequence[Block], Sequence[Block]], bool],
) -> Callable[[Story, Story], bool]:
    """Whether two runs gave the same, bit by bit, waveforms and counts included."""

    def key(detection: Detection) -> tuple[object, ...]:
        wave = detection.waveform
        return (*detection[:-1], wave and (wave[0], wave[1].tobytes()))

    def compare(one: Story, two: Story) -> bool:
        return (
            same_blocks(one.blocks, two.blocks)
            and [key(each) for each in one.suspected] == [key(each) for each in two.suspected]
            and [key(each) for each in one.decided] == [key(each) for each in two.decided]
            and np.array_equal(one.grid.rejected, two.grid.rejected)
            and np.array_equal(one.grid.late, two.grid.late)
        )

    return compare
