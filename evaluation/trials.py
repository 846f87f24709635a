"""Trials of recorded motion, and how each is made a stretch of a wearable's life.

A trial is cut out of a day: before its first and after its last sample nobody knows what was. A
detector that was fed the trial alone would see its edges, and in most sets an edge tells a fall
from the rest (SisFall's falls are 15 s files, its daily activities mostly 12 s). So at both ends
stands what a wearable at rest would have measured there: gravity in that end's own posture, with
noise of a device. Falls and daily activities, training and scoring are all padded alike.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from contract.protocols import RecordedStream
from contract.units import NS_PER_S
from firmware_sim import ParquetRecording, RecordingError
from firmware_sim.recordings import parquet_files

PAD_S: Final = 22.0
"""Rest on both sides of a trial: longer than all that a classifier or the grid looks back on, and
than the time after which a long hole would begin to count. Who watches timers asks for more."""

POSTURE_S: Final = 0.5
"""How much of an end tells its posture: a few samples also at 20 Hz, and less than it takes to
rise or lie down."""

LEAST_POSTURE_G: Final = 0.2
"""A mean shorter than this has no direction to be trusted; its padding stays as short."""

NOISE_G: Final = (0.004, 0.02)
"""Standard deviation of a worn, resting device's noise on an axis, drawn for each trial uniformly
in the logarithm: the quiet of a modern accelerometer, to the steps of 0.1 m/s² that WEDA-FALL's
samples come in (SCIENCE 0.2), with an arm that is never quite still."""

AGE_GROUPS: Final[Mapping[str, bool]] = {"older": True, "young": False}
"""Whether a group is the older one; of any other word nobody can say."""

NO_NAMES: Final[frozenset[str | None]] = frozenset({None, "", "nan"})
"""What tables hold where nothing was said; not a number, as a name."""


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One recorded trial; what is known of it beyond the motion serves scoring and training."""

    dataset: str
    trial: str
    """Unique in the set."""
    person: str | None
    """``dataset/subject``: subjects' names are unique in their set only. None: not said."""
    placement: str
    rate_hz: float
    samples_g: NDArray[np.float32]
    """Shape (3, samples); NaN where the recording has a hole."""
    is_fall: bool | None = None
    """None where the recording does not say."""
    mark_s: tuple[float, float] | None = None
    """Hand-made begin and end of the fall, in seconds after the first sample."""
    older: bool | None = None
    activity: str | None = None
    """The set's own code."""

    @property
    def duration_s(self) -> float:
        """Samples over rate, in seconds."""
        return float(self.samples_g.shape[1] / self.rate_hz)

    @property
    def measured_s(self) -> float:
        """The same without the holes."""
        return float(np.isfinite(self.samples_g).all(axis=0).sum() / self.rate_hz)

    def rng(self, seed: int) -> np.random.Generator:
        """Randomness of this trial alone: the same whichever others are read with it."""
        return np.random.default_rng([seed, zlib.crc32(f"{self.dataset}/{self.trial}".encode())])


@dataclass(frozen=True)
class PlayedTrial:
    """A trial with the rest around it, as a wearable would have sampled it."""

    t_ns: NDArray[np.int64]
    """Times of the samples, shape (n,), evenly spaced."""
    samples_g: NDArray[np.float32]
    """Shape (3, n)."""
    start_ns: int
    """When the trial's first own sample is; what lies before is padding."""
    end_ns: int
    """When the padding behind begins."""


def read_trials(
    paths: Sequence[Path],
    skipped: Callable[[str], None] | None = None,
    unlabelled: Callable[[str], None] | None = None,
    unreadable: Callable[[str], None] | None = None,
) -> Iterator[Trial]:
    """All trials of parquet files or folders, in the order of their rows.

    Parameters
    ----------
    paths
        Files, or folders whose ``*.parquet`` files are read by their names' order; the layout is
        that of `firmware_sim.recordings`.
    skipped
        Told why a trial is left out, while the others go on. Without it the first such trial
        ends the reading.
    unlabelled
        Told why a trial's label or mark cannot be used, while its motion goes on as that of a trial
        without labels: who only listens needs none. Without it such a trial is left out.
    unreadable
        Told why a file is left out, or the rest of it, while the others go on. Without it the
        first such file ends the reading.

    Raises
    ------
    RecordingError
        If there is no such file or no parquet in such a folder; without `unreadable` if a file
        cannot be read or lacks a column, and without `skipped` if a trial cannot be read, holds no
        measured sample, or says something absurd of itself.
    """

    def refuse(error: RecordingError) -> None:
        if skipped is None:
            raise error
        skipped(str(error))

    for file in [file for path in paths for file in parquet_files(path)]:
        try:
            for stream in ParquetRecording(file).trials(refuse):
                try:
                    yield trial_of(stream, default_dataset=file.stem, unlabelled=unlabelled)
                except RecordingError as error:
                    refuse(error)
        except RecordingError as error:
            if unreadable is None or skipped is None:
                raise
            unreadable(str(error))


def trial_of(
    stream: RecordedStream,
    *,
    default_dataset: str,
    unlabelled: Callable[[str], None] | None = None,
) -> Trial:
    """A recorded stream with its labels, where it has any.

    Raises
    ------
    RecordingError
        If it holds no measured sample, or (without `unlabelled`, which is told of it instead) a
        label is not what its name says.
    """
    if not np.isfinite(stream.samples_g).all(axis=0).any():
        raise RecordingError(f"trial {stream.trial} holds no measured sample")
    dataset = _label(stream, "dataset") or default_dataset
    is_fall, mark_s = None, None
    try:
        is_fall, mark_s = _is_fall(stream), _mark(stream)
    except RecordingError as error:
        if unlabelled is None:
            raise
        unlabelled(str(error))
    return Trial(
        dataset=dataset,
        trial=stream.trial,
        person=None if stream.subject in NO_NAMES else f"{dataset}/{stream.subject}",
        placement=stream.placement.strip().lower(),
        rate_hz=stream.rate_hz,
        samples_g=stream.samples_g,
        is_fall=is_fall,
        mark_s=mark_s,
        older=AGE_GROUPS.get((_label(stream, "age_group") or "").strip().lower()),
        activity=_label(stream, "activity"),
    )


def _label(stream: RecordedStream, name: str) -> str | None:
    value = stream.labels.get(name)
    return None if value is None or str(value) in NO_NAMES else str(value)


def _is_fall(stream: RecordedStream) -> bool | None:
    """True and false also as the numbers 1 and 0, in which a table with gaps is often kept."""
    value = stream.labels.get("is_fall")
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    if not isinstance(value, bool | int | float) or value not in (0, 1):
        raise RecordingError(f"trial {stream.trial}: is_fall is {value!r}, neither true nor false")
    return bool(value)


def _mark(stream: RecordedStream) -> tuple[float, float] | None:
    ends: list[float] = []
    for name in ("fall_start_s", "fall_end_s"):
        value = stream.labels.get(name)
        if value is None or (isinstance(value, float) and math.isnan(value)):
            return None
        if not isinstance(value, int | float) or isinstance(value, bool) or math.isinf(value):
            raise RecordingError(f"trial {stream.trial}: {name} is {value!r}, no number")
        ends.append(float(value))
    start_s, end_s = ends
    if end_s < start_s:
        raise RecordingError(f"trial {stream.trial}: its mark ends at {end_s} before {start_s}")
    return start_s, end_s


def play(
    samples_g: NDArray[np.floating],
    rate_hz: float,
    rng: np.random.Generator,
    *,
    from_ns: int,
    before_s: float = PAD_S,
    after_s: float = PAD_S,
) -> PlayedTrial:
    """Samples with rest around them, timed from `from_ns` on and a random part of a second.

    The phase is drawn because a recording's own has nothing to do with the absolute seconds of
    the grid; so have its first samples.

    Parameters
    ----------
    samples_g
        Shape (3, n), with at least one measured sample; holes (NaN) are left out: a wearable
        that does not measure sends nothing.
    rate_hz
        Samples per second.
    rng
        Draws the phase and the noise.
    from_ns
        The padding's first sample lies within a second after this.
    before_s, after_s
        Length of the padding.
    """
    phase_s = rng.uniform()
    noise_g = np.exp(rng.uniform(*np.log(NOISE_G)))
    measured = np.flatnonzero(np.isfinite(samples_g).all(axis=0))
    near = max(round(POSTURE_S * rate_hz), 1)
    parts: list[NDArray[np.floating]] = []
    for end, seconds in ((measured[:near], before_s), (measured[-near:], after_s)):
        posture = posture_of(samples_g[:, end])
        noise = noise_g * rng.standard_normal((3, round(seconds * rate_hz)))
        parts.append(posture[:, None] + noise)
    before, after = parts
    whole = np.concatenate([before, samples_g, after], axis=1).astype(np.float32)
    offsets = np.round((phase_s + np.arange(whole.shape[1]) / rate_hz) * NS_PER_S).astype(np.int64)
    t_ns = from_ns + offsets
    first, end = before.shape[1], before.shape[1] + samples_g.shape[1]
    start_ns = int(t_ns[first])
    end_ns = int(t_ns[end]) if end < len(t_ns) else int(t_ns[-1]) + round(NS_PER_S / rate_hz)
    held = np.isfinite(whole).all(axis=0)
    return PlayedTrial(t_ns[held], whole[:, held], start_ns, end_ns)


def posture_of(samples_g: NDArray[np.floating]) -> NDArray[np.float64]:
    """Where gravity points in some samples (3, n): their mean, brought to 1 g, shape (3,)."""
    mean = samples_g.astype(np.float64).mean(axis=1)
    unit: NDArray[np.float64] = mean / max(float(np.linalg.norm(mean)), LEAST_POSTURE_G)
    return unit
