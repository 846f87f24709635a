"""What a wearable sends over a link: the held stream, and the window around a candidate."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Final, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from contract.gatt import STREAM_UUID, WINDOW_UUID
from contract.packets import MAX_SAMPLES, MotionPacket, encode_packet
from contract.units import NS_PER_S
from firmware_sim.sensing import SENSOR_RANGE_G

PACKETS_PER_S: Final = 2
"""Packets of half a second: 25 samples at 50 Hz, 166 of the 244 bytes that one holds."""


class Timebase(NamedTuple):
    """How the sample numbers of one wearable lie in (monotonic) time."""

    start_ns: int
    """When sample `first` was measured."""
    first: int
    rate_hz: float

    def at_ns(self, sample: int) -> int:
        """When a sample was measured."""
        return self.start_ns + round((sample - self.first) * NS_PER_S / self.rate_hz)

    def end(self, now_ns: int) -> int:
        """Number of the first sample that is not measured before `now_ns`."""
        # A nanosecond less, against the rounding in `at_ns`: a sample that falls on the end
        # of a second belongs to the next one.
        passed_ns = now_ns - self.start_ns - 1
        return self.first + math.ceil(passed_ns * self.rate_hz / NS_PER_S)


class Source(Protocol):
    """What a transfer needs of its wearable."""

    @property
    def timebase(self) -> Timebase:
        """How its samples lie in time."""
        ...

    def kept_from(self) -> int:
        """Number of the oldest sample that can be read."""
        ...

    def read(self, first: int, count: int) -> NDArray[np.float32]:
        """Samples, (3, count), NaN where nothing was measured."""
        ...

    def device_time_ms(self, at_ns: int) -> int:
        """The device's clock at a moment."""
        ...


class Due(NamedTuple):
    """A packet that may leave now."""

    characteristic: str
    payload: bytes
    at_ns: int
    """Since when it could have left: its last sample is measured, and it was asked for."""


def packet_samples(rate_hz: float) -> int:
    """Samples per packet at a rate."""
    return max(1, min(MAX_SAMPLES, round(rate_hz / PACKETS_PER_S)))


class StreamTransfer:
    """Every sample from now on, until the link ends."""

    finished = False

    def __init__(self, source: Source, now_ns: int) -> None:
        timebase = source.timebase
        self._timebase = timebase
        self._asked_ns = now_ns
        self._size = packet_samples(timebase.rate_hz)
        # Packets begin at whole multiples of their size, so that the last sample of each
        # second goes out as the second ends.
        passed = timebase.end(now_ns) - timebase.first
        self._next = timebase.first + -(-passed // self._size) * self._size
        self._number = 0

    def due(self, source: Source, now_ns: int) -> Iterator[Due]:
        """Packets whose last sample is measured by `now_ns`, each once."""
        if source.timebase != self._timebase:
            self._timebase = source.timebase
            self._size = packet_samples(self._timebase.rate_hz)
            self._next = self._timebase.first
        end = self._timebase.end(now_ns)
        while self._next + self._size <= end:
            first, self._next = self._next, self._next + self._size
            if first < source.kept_from():
                continue
            for offset, samples in _measured_runs(source.read(first, self._size)):
                last = self._timebase.at_ns(first + offset + samples.shape[1] - 1)
                payload = self._packet(source, first + offset, samples)
                yield Due(STREAM_UUID, payload, max(last, self._asked_ns))

    def _packet(self, source: Source, first: int, samples: NDArray[np.float32]) -> bytes:
        payload = encode_packet(
            MotionPacket(
                candidate_counter=0,
                number=self._number,
                total=0,
                device_time_ms=source.device_time_ms(self._timebase.at_ns(first)),
                rate_hz=self._timebase.rate_hz,
                range_g=SENSOR_RANGE_G,
                samples_g=samples,
            )
        )
        self._number = (self._number + 1) & 0xFFFF
        return payload


class WindowTransfer:
    """−10 … +15 s around a candidate: at once what is in the ring, the rest as it is measured.

    Packet `p` always holds the same samples, so a transfer that broke is taken up again by
    its packet number. Of a packet in which a part was not measured the longest piece is
    sent; one in which nothing was measured is not sent, and its number stays missing.

    Parameters
    ----------
    source
        The wearable.
    candidate
        Its counter.
    first, end
        The window's samples: from the one, up to but without the other.
    packet
        The first packet wanted.
    now_ns
        When it was asked for, monotonic.
    """

    def __init__(
        self, source: Source, *, candidate: int, first: int, end: int, packet: int, now_ns: int
    ) -> None:
        self._timebase = source.timebase
        self._asked_ns = now_ns
        self._candidate = candidate
        self._first = first
        self._end = end
        self._size = packet_samples(self._timebase.rate_hz)
        self._total = -(-(end - first) // self._size)
        self._packet_number = packet

    @property
    def finished(self) -> bool:
        """Whether the last packet has left."""
        return self._packet_number >= self._total

    def due(self, source: Source, now_ns: int) -> Iterator[Due]:
        """Packets whose last sample is measured by `now_ns`, each once."""
        if source.timebase != self._timebase:
            # The ring was cleared: what had not left by then is gone.
            self._packet_number = self._total
            return
        measured = self._timebase.end(now_ns)
        while not self.finished:
            first = self._first + self._packet_number * self._size
            count = min(self._size, self._end - first)
            if first + count > measured:
                return
            number, self._packet_number = self._packet_number, self._packet_number + 1
            if first < source.kept_from():
                continue
            runs = list(_measured_runs(source.read(first, count)))
            if not runs:
                continue
            offset, samples = max(runs, key=lambda run: run[1].shape[1])
            packet = MotionPacket(
                candidate_counter=self._candidate,
                number=number,
                total=self._total,
                device_time_ms=source.device_time_ms(self._timebase.at_ns(first + offset)),
                rate_hz=self._timebase.rate_hz,
                range_g=SENSOR_RANGE_G,
                samples_g=samples,
            )
            at_ns = max(self._timebase.at_ns(first + count - 1), self._asked_ns)
            yield Due(WINDOW_UUID, encode_packet(packet), at_ns)


def _measured_runs(samples: NDArray[np.float32]) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """Pieces without NaN as (offset, samples), in order."""
    # A NaN anywhere is a NaN in the sum, and a sum is quickly made.
    if not math.isnan(samples.sum()):
        yield 0, samples
        return
    missing = np.isnan(samples).any(axis=0)
    edges = np.flatnonzero(np.diff(np.concatenate([[True], missing, [True]]).astype(np.int8)))
    for start, end in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
        yield start, samples[:, start:end]
