"""Recorded trials, worn by simulated wearables: the same adverts, windows and streams.

Trials are played one after another. Around each the wearable rests in the posture of that
end, with a worn device's small motion, so that a detector has its past and a confirmation
its time; a recording that was cut at the impact would otherwise end in nothing at all.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from typing import Final, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from contract.clock import Clock
from contract.messages import WearableConfig
from contract.protocols import AdapterTrouble, HeardAdvert, RecordedStream
from contract.units import NS_PER_S, ns_to_us
from firmware_sim.motion import BREATHING_G, BREATHING_HZ, SENSOR_NOISE_G, SITTING
from firmware_sim.radio import SimulatedLink, SimulatedRadio
from firmware_sim.wearable import Wearable
from firmware_sim.world import Group, World

BEFORE_S: Final = 20.0
"""Rest before a trial: a window reaches 10 s back, and filters and baselines must settle."""
AFTER_S: Final = 50.0
"""Rest after a trial: the confirmation of a fall looks at half a minute of stillness after
the impact, and the decision has to be made before the next trial begins to move."""
BLEND_S: Final = 0.5
"""Over which rest turns into the trial's first sample, and its last one into rest."""
END_S: Final = 1.0
"""The posture of an end is the median of so much of it."""

RSSI_DBM: Final = -60
"""As heard from the next table; a replay is about motion, not about the radio."""

_FIRST_ADDRESS: Final = 0xC0DE_5A01_0000
_FIRST_IDENTITY: Final = 0x5A01_0000

_IDLE_HZ: Final = 50.0
_IDLE_S: Final = 60
"""A wearable that waits for its turn rests at the usual rate, made so long at once."""

Transport = Literal["stream", "window"]


class ScheduledTrial(NamedTuple):
    """When a trial is played."""

    stream: RecordedStream
    device: str
    start_us: int
    """Wall time of its first sample, microseconds since 1970."""
    end_us: int
    """Wall time at which its last sample is over."""
    until_us: int
    """Wall time at which the rest after it is over: what is said by then is about it."""


class ReplayRadio:
    """Recorded streams as a radio; implements `contract.protocols.Radio`.

    Parameters
    ----------
    streams
        Played in their order, such as `ParquetRecording(...).trials()`.
    clock
        Drives it: on a `ScaledClock` of rate 10 it plays ten times faster.
    transport
        How a gateway is to get the motion: over a held link (``stream``) or by a window at
        each candidate (``window``). It decides `WearableConfig.streaming` of the default
        wearables; the firmware serves both.
    wearables
        One for each placement that occurs; default made up.
    seed
        Decides the small motion during rest. A trial's rest depends on the seed and on the
        trial's name only, not on what was played before.
    before_s, after_s
        Length of the rest before and after each trial, seconds.

    Raises
    ------
    ValueError
        If there is nothing to play, a placement has no wearable, or a rest is negative.
    """

    def __init__(
        self,
        streams: Iterable[RecordedStream],
        clock: Clock,
        *,
        transport: Transport = "stream",
        wearables: Sequence[WearableConfig] | None = None,
        seed: int = 0,
        before_s: float = BEFORE_S,
        after_s: float = AFTER_S,
    ) -> None:
        self._streams = list(streams)
        if not self._streams:
            raise ValueError("there is no trial to play")
        if before_s < 0 or after_s < 0:
            raise ValueError(f"a rest of {min(before_s, after_s)} s")
        placements = sorted({stream.placement for stream in self._streams})
        if wearables is None:
            wearables = default_wearables(placements, transport)
        by_placement = {config.placement: config for config in wearables}
        for placement in placements:
            if placement not in by_placement:
                raise ValueError(f"no wearable is worn at the {placement}, but a trial is")
        self.wearables: tuple[WearableConfig, ...] = tuple(by_placement.values())
        self._clock = clock
        self._seed, self._before_s, self._after_s = seed, before_s, after_s
        self._schedule: list[ScheduledTrial] = []
        self._next = 0
        self._over_ns = 0
        self._finished = asyncio.Event()
        self._sources = {placement: _Playing(seed) for placement in by_placement}
        groups = [
            Group([_make_wearable(config, seed)], self._sources[placement], [0])
            for placement, config in by_placement.items()
        ]
        self._devices: Mapping[str, Wearable] = {
            placement: group.wearables[0]
            for placement, group in zip(by_placement, groups, strict=True)
        }
        self._world = World(clock, groups, _Near(len(groups)), self._before_second)
        self._radio: SimulatedRadio = self._world.radio(0, f"{seed}/replay")

    async def run(self) -> None:
        """Play everything; returns when the rest after the last trial is over."""
        await self._world.run()
        self._finished.set()

    async def finished(self) -> None:
        """Wait until everything has been played."""
        await self._finished.wait()

    @property
    def schedule(self) -> Sequence[ScheduledTrial]:
        """The trials begun so far, in their order; all of them once it has `finished`."""
        return tuple(self._schedule)

    def wearable(self, placement: str) -> Wearable:
        """The device at a placement; `KeyError` if none is worn there."""
        return self._devices[placement]

    # -- contract.protocols.Radio --------------------------------------------------------------

    def adverts(self) -> AsyncIterator[Sequence[HeardAdvert]]:
        return self._radio.adverts()

    async def connect(self, address: str) -> SimulatedLink:
        return await self._radio.connect(address)

    async def close(self) -> None:
        await self._radio.close()

    def troubles(self) -> Sequence[AdapterTrouble]:
        return self._radio.troubles()

    # -- playing -----------------------------------------------------------------------------

    def _before_second(self, second: int, start_ns: int) -> None:
        if start_ns < self._over_ns:
            return
        if self._next == len(self._streams):
            for source in self._sources.values():
                source.end()
            return
        stream = self._streams[self._next]
        self._next += 1
        rest = _Rest(stream, self._seed)
        before = rest.before(self._before_s)
        trial = stream.samples_g.shape[1]
        # To the end of a whole second, with at least the rest asked for.
        seconds = math.ceil((before.shape[1] + trial) / stream.rate_hz + self._after_s)
        count = math.ceil(seconds * stream.rate_hz)
        after = rest.after(count - before.shape[1] - trial)
        samples = np.concatenate([before, stream.samples_g, after], axis=1, dtype=np.float32)
        self._sources[stream.placement].play(samples, stream.rate_hz)
        self._over_ns = start_ns + seconds * NS_PER_S
        wall_ns = start_ns + self._clock.now_ns() - self._clock.monotonic_ns()
        period_ns = NS_PER_S / stream.rate_hz
        start_wall_ns = wall_ns + round(before.shape[1] * period_ns)
        self._schedule.append(
            ScheduledTrial(
                stream,
                self._devices[stream.placement].device,
                ns_to_us(start_wall_ns),
                ns_to_us(start_wall_ns + round(trial * period_ns)),
                ns_to_us(wall_ns + seconds * NS_PER_S),
            )
        )


def default_wearables(placements: Sequence[str], transport: Transport) -> list[WearableConfig]:
    """A made-up wearable for each placement, as a gateway needs to know it."""
    configs = []
    for number, placement in enumerate(placements, start=1):
        address = f"{_FIRST_ADDRESS + number:012X}"
        configs.append(
            WearableConfig(
                device=f"replay-{placement}",
                address=":".join(address[at : at + 2] for at in range(0, 12, 2)),
                identity=_FIRST_IDENTITY + number,
                resident=f"replay-{placement}",
                bed=f"replay {placement}",
                placement=placement,
                streaming=transport == "stream",
            )
        )
    return configs


def _make_wearable(config: WearableConfig, seed: int) -> Wearable:
    return Wearable(
        config.device,
        config.address,
        config.identity,
        seed=str(seed),
        placement=config.placement,
        key=config.key,
    )


class _Near:
    """The air of a replay: one gateway hears everything."""

    def __init__(self, wearables: int) -> None:
        self._answer = ([[RSSI_DBM] * wearables], [[True] * wearables])

    def next_second(self) -> tuple[list[list[int]], list[list[bool]]]:
        return self._answer


class _Rest:
    """A worn device's small motion around one trial: posture, breath, sensor noise."""

    def __init__(self, stream: RecordedStream, seed: int) -> None:
        self._rng = np.random.default_rng([seed, *stream.trial.encode()])
        self._rate_hz = stream.rate_hz
        measured = stream.samples_g[:, ~np.isnan(stream.samples_g).any(axis=0)]
        if measured.shape[1] == 0:
            measured = SITTING[:, None]
        end = max(1, round(END_S * stream.rate_hz))
        self._first, self._last = measured[:, :1], measured[:, -1:]
        self._start_posture = np.median(measured[:, :end], axis=1)[:, None]
        self._end_posture = np.median(measured[:, -end:], axis=1)[:, None]

    def before(self, seconds: float) -> NDArray[np.float32]:
        """Rest that ends at the trial's first sample, (3, n)."""
        count = round(seconds * self._rate_hz)
        towards = self._blend(count)[::-1]
        rest = self._start_posture * (1 - towards) + self._first * towards
        return self._with_motion(rest)

    def after(self, count: int) -> NDArray[np.float32]:
        """`count` samples of rest that begin at the trial's last one, (3, n)."""
        away = self._blend(count)
        return self._with_motion(self._end_posture * (1 - away) + self._last * away)

    def _blend(self, count: int) -> NDArray[np.float64]:
        """One at the beginning, falling to zero, (n,)."""
        passed = (np.arange(count) + 1) / (BLEND_S * self._rate_hz)
        return np.clip(1 - passed, 0.0, 1.0)

    def _with_motion(self, rest: NDArray[np.float64]) -> NDArray[np.float32]:
        count = rest.shape[1]
        between = self._rng.uniform
        breath_hz, phase = between(*BREATHING_HZ), between(0, 2 * np.pi)
        turn = 2 * np.pi * breath_hz / self._rate_hz * np.arange(count) + phase
        axis = self._rng.standard_normal((3, 1))
        axis *= between(*BREATHING_G) / np.linalg.norm(axis)
        noise = self._rng.normal(0, SENSOR_NOISE_G, (3, count))
        moving: NDArray[np.float64] = rest + axis * np.sin(turn) + noise
        return moving.astype(np.float32)


class _Playing:
    """Motion of one placement's wearable; a source for `Group`.

    A wearable whose turn it is not rests.
    """

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._samples: NDArray[np.float32] = np.empty((3, 0), np.float32)
        self._at = 0
        self._second = 0
        self._ended = False
        self.rate_hz = _IDLE_HZ
        self.gaps = False
        self.epoch = 0

    def play(self, samples_g: NDArray[np.float32], rate_hz: float) -> None:
        """Begin (3, n) samples with the next second."""
        self._samples, self._at, self._second = samples_g, 0, 0
        self.rate_hz = rate_hz
        self.gaps = bool(np.isnan(samples_g).any())
        self.epoch += 1

    def end(self) -> None:
        """There is no more."""
        self._ended = True

    def next_second(self) -> NDArray[np.float32] | None:
        if self._ended:
            return None
        if self._at >= self._samples.shape[1]:
            rest = RecordedStream("", None, "", _IDLE_HZ, self._posture(), {})
            count = round(_IDLE_S * _IDLE_HZ)
            self.play(_Rest(rest, self._seed + self.epoch).after(count), _IDLE_HZ)
        # Sample s is measured at s / rate: those of a second stand between whole seconds.
        self._second += 1
        until = math.ceil(self._second * self.rate_hz)
        part = self._samples[:, self._at : until]
        self._at = until
        return part[None].copy()

    def _posture(self) -> NDArray[np.float32]:
        known = self._samples[:, ~np.isnan(self._samples).any(axis=0)]
        return known[:, -1:] if known.shape[1] else SITTING[:, None]
