"""How much of one core the detectors take, beside peers that do the same, and beside the memory.

Figures are resident-seconds per CPU-second: how many residents' seconds one core gets
through in one second. Everything is timed in the same process with the same samples; ratios
travel between machines, bare figures do not.
"""

from __future__ import annotations

import sys
import time
import tracemalloc
from collections.abc import Callable
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from contract.screen import GRID_HZ, MOTION_HZ, SCREEN_IMPACT_G
from contract.units import NS_PER_S
from detectors import FEATURES, FallConfirmation, FallDetector, Grid, summary_of
from detectors.block import Block, Meter
from detectors.fall_candidates import CandidateFinder
from detectors.fall_features import SPAN
from detectors.fall_model import load_model
from detectors.filters import AXES, LowPass
from evaluation.alone import Row, measured_alone
from evaluation.bench_motion import IMPACT_SHARE, impacts_by_turns, motion, windows
from evaluation.bench_peers import (
    HISTORY_S,
    MissingPeerError,
    RiverLoop,
    SciPyLoop,
    minirocket,
)
from evaluation.bench_stages import stages_us

RESIDENTS: Final = (1, 64, 1024, 4096)
BAR_RESIDENTS: Final = 1024

# What was asked of it.
BAR_RATE: Final = 2.5e6
"""Resident-seconds per CPU-second of grid, summary, screen and state machine."""
BAR_SCIPY: Final = 70.0
BAR_RIVER: Final = 400.0
BAR_CLASSIFIER: Final = 10.0
BAR_STATE_BYTES: Final = 8_000
BAR_TICK_MS: Final = 2.0

TICK_RESIDENTS: Final = 100
TICK_CANDIDATES: Final = 5
RIVER_RESIDENTS: Final = 16
"""It takes one after the other, so that their number does not matter."""
TICK_RUNS: Final = 100
WINDOWS: Final = 1000

LIFE_SHARE: Final = 10 / 3_600
"""Ten candidates an hour, SCIENCE 6.5's guess at life."""
SUSPECT_EACH_RESIDENT_S: Final = 30 * 1024
"""So often each resident is suspected to have fallen, three times a day: the state machine has
some to follow."""

SCIENCE_ALL_US: Final = 353.0
"""A pipeline of product, decimation and state machine at 1,024 residents, SCIENCE 6.1; another
processor, on which the loop over SciPy did 22 thousand."""
SCIENCE_FILTER_US: Final = 127.0
"""Product and decimation at 1,024 residents, SCIENCE 6.3; another processor."""
SCIENCE_MEASURE_US: Final = 47.0 + 24.0 + 45.0
"""|a|², root and greatest, SCIENCE 6.2."""

LEAST_CPU_S: Final = 0.02
"""A run repeats its work until it has taken this long, so that the clock's grain is nothing.
Short: on a shared machine a long one always meets a neighbour."""
ALL_RUNS_CPU_S: Final = 0.8
LEAST_RUNS: Final = 3
"""The best of the runs counts; the others measure the neighbours."""
RESAMPLED_HZ: Final = 40
"""Rate of the wearables in the resampling row: off the grid, as WEDA's are."""
START_S: Final = 1_700_000_000
STATE_S: Final = 90
"""After so long every history is full."""
BANDWIDTH_BYTES: Final = 1 << 28
"""More than any cache."""


def bench_detectors() -> list[Row]:
    """All rows of the table, in about a minute.

    Measured in a process of its own, because a matrix product may only be held to one thread before
    NumPy is loaded. With two, the waiting of each for the other counts as CPU time: measured, half
    the figure at 1,024 residents.

    Returns
    -------
    list
        ``name``, ``value`` with its ``unit``, ``against`` (the peer run beside it), ``ratio``
        of the two, and the ``bar`` that the ratio must reach (``ok``), where there is one.

    Raises
    ------
    subprocess.CalledProcessError
        If the measurement fails; its own words are on standard error.
    """
    return measured_alone(__name__)


def measure_all() -> list[Row]:
    """The rows, measured in this process."""
    table = []
    for residents in RESIDENTS:
        seconds = motion(residents, IMPACT_SHARE)
        ours = _rate(Pipeline(_OnGrid(seconds)).run_second, residents)
        peer = _rate(SciPyLoop(residents, seconds).run_second, residents)
        name = f"detectors: grid, summary, screen, state machine, {residents} residents"
        bar = BAR_SCIPY if residents == BAR_RESIDENTS else None
        table.append(
            _row(name, ours, f"per-resident SciPy loop: {peer:,.0f}", ours / peer, bar=bar)
        )
        if residents == BAR_RESIDENTS:
            table += _beside(ours)
    return [*table, *_stages(), *_passes(), _state(), *_ticks(), _classifier()]


def _beside(ours: float) -> list[Row]:
    """What else there is to say about the pipeline's rate at `BAR_RESIDENTS`."""
    name = f"detectors: the same, {BAR_RESIDENTS} residents"
    rows = [
        _row(name, ours, f"the bar: {BAR_RATE:,.0f}", ours / BAR_RATE, bar=1.0),
        _river(name, ours),
    ]
    bound = _bandwidth() / _bytes_per_resident_second()
    rows.append(_row(name, ours, f"memory's bandwidth: {bound:,.0f}", ours / bound))
    variants = (
        ("without candidates", 0.0, GRID_HZ, False),
        (f"+ resampling from {RESAMPLED_HZ} Hz", IMPACT_SHARE, RESAMPLED_HZ, False),
        ("+ classifier, 10 candidates an hour each", LIFE_SHARE, GRID_HZ, True),
        ("+ classifier, 72 candidates an hour each", IMPACT_SHARE, GRID_HZ, True),
    )
    for what, share, rate_hz, classify in variants:
        source = _source(motion(BAR_RESIDENTS, share, rate_hz))
        value = _rate(Pipeline(source, classify=classify).run_second, BAR_RESIDENTS)
        rows.append(
            _row(
                f"{name} {what}",
                value,
                f"first row of {BAR_RESIDENTS:,}: {ours:,.0f}",
                value / ours,
            )
        )
    return rows


def _river(name: str, ours: float) -> Row:
    try:
        loop = RiverLoop(motion(RIVER_RESIDENTS, IMPACT_SHARE))
    except MissingPeerError as error:
        return _row(name, ours, str(error), None)
    peer = _rate(loop.run_second, RIVER_RESIDENTS)
    against = f"river's rolling variance, max, min: {peer:,.0f}"
    return _row(name, ours, against, ours / peer, bar=BAR_RIVER)


def _stages() -> list[Row]:
    """Where the pipeline's time goes at `BAR_RESIDENTS`, as life is and as the bar's row has it."""
    rows = []
    for what, share in (("nobody hit", 0.0), (f"{IMPACT_SHARE:.0%} hit", IMPACT_SHARE)):
        suspect_each_s = SUSPECT_EACH_RESIDENT_S // BAR_RESIDENTS if share else 0
        for stage, value in stages_us(motion(BAR_RESIDENTS, share), suspect_each_s).items():
            against = f"SCIENCE 6.1, all of it: {SCIENCE_ALL_US:.0f}"
            rows.append(_row(f"stage: {stage}, {what}", value, against, None, unit="µs"))
    return rows


def _passes() -> list[Row]:
    """The grid's two passes at `BAR_RESIDENTS`, in microseconds for a second of all."""
    (samples, *_) = motion(BAR_RESIDENTS, IMPACT_SHARE)
    low_pass, summary = LowPass(BAR_RESIDENTS), np.empty((len(FEATURES), BAR_RESIDENTS), np.float32)
    meters = [Meter(part.rows.stop - part.rows.start) for part in low_pass.parts]

    def filter_all() -> None:
        for part in low_pass.parts:
            part.filter(samples, summary[:AXES, part.rows])

    def filter_and_measure() -> None:
        for part, meter in zip(low_pass.parts, meters, strict=True):
            output = part.filter(samples, summary[:AXES, part.rows])
            meter.measure(output, summary[:, part.rows])

    filtering = _seconds_each(filter_all) * 1e6
    measuring = _seconds_each(filter_and_measure) * 1e6 - filtering
    passes = (
        ("copy, product, decimation, mean", filtering, SCIENCE_FILTER_US, "product, decimation"),
        ("|a|², root, max, min, deviation", measuring, SCIENCE_MEASURE_US, "|a|², root, max"),
    )
    return [
        _row(f"pass: {what}", value, f"SCIENCE 6.2, {of}: {known:.0f}", known / value, unit="µs")
        for what, value, known, of in passes
    ]


def _state() -> Row:
    """Memory that a pipeline of `BAR_RESIDENTS` holds when its histories are full."""
    load_model("wrist")
    source = _OnGrid(motion(BAR_RESIDENTS, LIFE_SHARE))
    tracemalloc.start()
    pipeline = Pipeline(source, classify=True)
    for _ in range(STATE_S):
        pipeline.run_second()
    held = tracemalloc.get_traced_memory()[0] / BAR_RESIDENTS
    tracemalloc.stop()
    against = f"the bar: {BAR_STATE_BYTES:,}"
    return _row(
        "detectors: state", held, against, BAR_STATE_BYTES / held, bar=1.0, unit="B/resident"
    )


def _ticks() -> list[Row]:
    """A tick in which some of the residents are candidates, its median."""
    rows = []
    for what, rate_hz in (("", GRID_HZ), (f" + resampling from {RESAMPLED_HZ} Hz", RESAMPLED_HZ)):
        source = _source(impacts_by_turns(TICK_RESIDENTS, TICK_CANDIDATES, rate_hz))
        screened, judged = Pipeline(source), Pipeline(source, classify=True)
        taken = []
        for _ in range(HISTORY_S + TICK_RUNS):
            screened.run_second()
            began = time.process_time()
            judged.run_second()
            taken.append(time.process_time() - began)
        each = screened.candidates / (HISTORY_S + TICK_RUNS)
        value = float(np.median(taken[HISTORY_S:])) * 1e3
        name = f"detectors: a tick, {TICK_RESIDENTS} residents, {each:.1f} candidates{what}"
        against = f"the bar: {BAR_TICK_MS:.0f}"
        rows.append(_row(name, value, against, BAR_TICK_MS / value, bar=1.0, unit="ms"))
    return rows


def _classifier() -> Row:
    """The classifier in batch, in windows per CPU-second."""
    shown = windows(WINDOWS)
    model, valid = load_model("wrist"), np.ones((WINDOWS, SPAN), np.bool_)
    ours = WINDOWS / _seconds_each(lambda: model.score(shown, valid))
    name = f"classifier: {WINDOWS:,} windows of {AXES} x {SPAN}, {1e6 / ours:.0f} µs each"
    try:
        transform = minirocket(shown)
    except MissingPeerError as error:
        return _row(name, ours, str(error), None, unit="windows/CPU-s")
    peer = WINDOWS / _seconds_each(transform)
    against = f"aeon's MiniRocket, no head: {1e6 / peer:,.0f} µs each"
    return _row(name, ours, against, ours / peer, bar=BAR_CLASSIFIER, unit="windows/CPU-s")


def _row(
    name: str,
    value: float,
    against: str,
    ratio: float | None,
    *,
    bar: float | None = None,
    unit: str = "resident-s/CPU-s",
) -> Row:
    return {
        "name": name,
        "value": round(value, 2) if value < 1000 else round(value),
        "unit": unit,
        "against": against,
        "ratio": None if ratio is None else round(ratio, 2),
        "bar": bar,
        "ok": bar is None or (ratio is not None and ratio >= bar),
    }


def _rate(run_second: Callable[[], object], residents: int) -> float:
    """Resident-seconds per CPU-second."""
    for _ in range(HISTORY_S):  # Fills the history, and the processor's caches.
        run_second()
    return residents / _seconds_each(run_second)


def _seconds_each(work: Callable[[], object]) -> float:
    """CPU-seconds that one call takes, in the best of many runs."""
    best, runs, spent = np.inf, 0, 0.0
    while runs < LEAST_RUNS or spent < ALL_RUNS_CPU_S:
        calls = 0
        began = time.process_time()
        while (taken := time.process_time() - began) < LEAST_CPU_S:
            work()
            calls += 1
        best, runs, spent = min(best, taken / calls), runs + 1, spent + taken
    return float(best)


def _bandwidth() -> float:
    """Bytes per CPU-second that are read from memory, past all caches."""
    large = np.ones(BANDWIDTH_BYTES // 4, np.float32)
    return large.nbytes / _seconds_each(large.max)


def _bytes_per_resident_second() -> int:
    """What has to go through memory whatever is done: samples in, motion and summary out.

    The bound is a third too high: it counts what is written as if it were only read, and a cache
    reads a line before it writes it.
    """
    return 4 * (AXES * GRID_HZ + AXES * MOTION_HZ + len(FEATURES))


class _OnGrid:
    """Seconds that are on the grid already."""

    lateness_s: Final = 0

    def __init__(self, seconds: list[NDArray[np.float32]]) -> None:
        self.residents = seconds[0].shape[1]
        self._seconds = seconds

    def push(self, grid: Grid, second: int) -> None:
        grid.push_block(second, self._seconds[second % len(self._seconds)])


class _OffGrid:
    """Samples with time stamps, one packet a second from each wearable."""

    lateness_s: Final = 1

    def __init__(self, seconds: list[NDArray[np.float32]]) -> None:
        _, self.residents, rate_hz = seconds[0].shape
        steps = np.arange(rate_hz) * (NS_PER_S // rate_hz)
        phases = np.random.default_rng(1).integers(0, NS_PER_S // rate_hz, self.residents)
        self._times = (phases[:, None] + steps).ravel()
        self._rows = np.repeat(np.arange(self.residents), rate_hz)
        self._seconds = [samples.reshape(AXES, -1) for samples in seconds]

    def push(self, grid: Grid, second: int) -> None:
        samples = self._seconds[second % len(self._seconds)]
        grid.push_many(self._rows, self._times + second * NS_PER_S, samples)


def _source(seconds: list[NDArray[np.float32]]) -> _OnGrid | _OffGrid:
    return _OnGrid(seconds) if seconds[0].shape[2] == GRID_HZ else _OffGrid(seconds)


class Pipeline:
    """Grid, summary, screen and state machine of all residents; and the classifier, if wanted."""

    def __init__(self, source: _OnGrid | _OffGrid, *, classify: bool = False) -> None:
        rows = source.residents
        self._source = source
        self._grid, self._confirmation = Grid(rows), FallConfirmation(rows)
        self._finder = CandidateFinder(np.full(rows, SCREEN_IMPACT_G["wrist"], np.float32))
        self._detector = FallDetector(rows) if classify else None
        self._second = START_S
        self.candidates = 0
        """Found by the screen alone, without a classifier."""

    def run_second(self) -> None:
        """The next second of everybody."""
        self._source.push(self._grid, self._second)
        self._second += 1
        for block in self._grid.close(self._second - self._source.lateness_s):
            self._step(block)

    def _step(self, block: Block) -> None:
        if self._detector is not None:
            for each in self._detector.step(block):
                self._confirmation.suspect(each.row, each.impact_ns)
        elif (found := self._finder.step(block)) is not None:
            self.candidates += len(found.row)
        if block.second % (SUSPECT_EACH_RESIDENT_S // self._source.residents) == 0:
            self._confirmation.suspect(0, block.second * NS_PER_S)
        self._confirmation.step(summary_of(block))


if __name__ == "__main__":
    sys.stdout.buffer.write(msgspec.json.encode(measure_all()))
