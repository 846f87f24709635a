"""Padded trials, each worn by a simulated wearable of its own, all heard by one radio.

The wearable is `firmware_sim`'s: it samples in whole counts, screens, advertises, keeps its ring
and serves links as the firmware does. Every trial gets a new one, so nothing of one trial is left
when another begins.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from contract.clock import Clock
from contract.messages import WearableConfig
from contract.units import NS_PER_MS, NS_PER_S
from detectors.resample import MAX_GAP_NS
from evaluation.trials import PlayedTrial
from firmware_sim.radio import SimulatedRadio
from firmware_sim.wearable import Wearable
from firmware_sim.world import Group, World

RSSI_DBM: Final = -60
"""As heard across a room; losses are asked for, not drawn from the air."""

LATEST_PHASE_NS: Final = 980 * NS_PER_MS
"""A wearable's second may end so late in the world's second that its advert is still in it
(`firmware_sim.world.ADVERT_DELAY_NS`)."""

_FIRST_ADDRESS: Final = 0xC0DE_5C00_0000
_FIRST_IDENTITY: Final = 0x5C00_0000


def make_config(number: int, placement: str, *, streaming: bool) -> WearableConfig:
    """A made-up wearable, as a gateway needs to know it."""
    address = f"{_FIRST_ADDRESS + number:012X}"
    return WearableConfig(
        device=f"trial-{number}",
        address=":".join(address[at : at + 2] for at in range(0, 12, 2)),
        identity=_FIRST_IDENTITY + number,
        resident=f"trial-{number}",
        bed=f"trial {number}",
        placement=placement,
        streaming=streaming,
    )


class Worn:
    """Wearables that play padded trials side by side, from one moment on.

    Parameters
    ----------
    clock
        Drives them.
    configs
        The wearables.
    played
        Their motion; it begins after `begin_ns` of its first sample.
    rates_hz
        Samples per second of each.
    seeds
        Of each wearable: its age since boot, its clock, its jitter.
    air
        Seed of what they share: how long connecting takes, and which adverts are lost.
    loss
        Share of adverts that are not heard.

    Attributes
    ----------
    radio
        Hears all of them; implements `contract.protocols.Radio`.
    """

    def __init__(
        self,
        clock: Clock,
        configs: Sequence[WearableConfig],
        played: Sequence[PlayedTrial],
        rates_hz: Sequence[float],
        *,
        seeds: Sequence[str],
        air: str,
        loss: float = 0.0,
    ) -> None:
        groups = [
            Group(
                [_make_wearable(each, seed)],
                _Playing(motion, rate_hz),
                [begin_ns(motion)],
            )
            for each, motion, rate_hz, seed in zip(configs, played, rates_hz, seeds, strict=True)
        ]
        self._world = World(clock, groups, _Air(len(groups), loss, air), lambda _second, _ns: None)
        self.radio: SimulatedRadio = self._world.radio(0, air)

    async def run(self) -> None:
        """Live until cancelled, or until all motion is over."""
        await self._world.run()


def begin_ns(played: PlayedTrial) -> int:
    """When the first sample of a padded trial is measured, after the beginning of all: what
    `evaluation.trials.play` drew from 0 on, but never too late in the second.
    """
    return min(int(played.t_ns[0]), LATEST_PHASE_NS)


class _Playing:
    """A padded trial, second by second; a source for `Group`."""

    epoch = 0

    def __init__(self, played: PlayedTrial, rate_hz: float) -> None:
        self.rate_hz = rate_hz
        self._samples = on_every_step(played, rate_hz)
        self.gaps = bool(np.isnan(self._samples).any())
        self._at = 0
        self._second = 0

    def next_second(self) -> NDArray[np.float32] | None:
        if self._at >= self._samples.shape[1]:
            return None
        # Sample s is measured at s / rate: those of a second stand between whole seconds.
        self._second += 1
        until = math.ceil(self._second * self.rate_hz)
        part = self._samples[:, self._at : until]
        self._at = until
        return part[None].copy()


def on_every_step(played: PlayedTrial, rate_hz: float) -> NDArray[np.float32]:
    """Samples with NaN where the recording has a hole, (3, n): as a sensor's clock counts them.

    Holes that the gateway's grid bridges by lines are bridged so here. A recorder may lose single
    samples; a wearable loses seconds or packets, and a window's packets have no place for the one.
    """
    steps = np.rint((played.t_ns - played.t_ns[0]) * (rate_hz / NS_PER_S)).astype(np.int64)
    samples = np.full((3, int(steps[-1]) + 1), np.nan, np.float32)
    samples[:, steps] = played.samples_g
    holes = np.flatnonzero(np.isnan(samples).any(axis=0))
    after = np.searchsorted(steps, holes)
    short = holes[(steps[after] - steps[after - 1]) * (NS_PER_S / rate_hz) <= MAX_GAP_NS]
    for axis, known in zip(samples, played.samples_g, strict=True):
        axis[short] = np.interp(short, steps, known)
    return samples


def _make_wearable(config: WearableConfig, seed: str) -> Wearable:
    return Wearable(
        config.device, config.address, config.identity, seed=seed, placement=config.placement
    )


class _Air:
    """One gateway that hears everything but what is lost."""

    def __init__(self, wearables: int, loss: float, seed: str) -> None:
        self._random = random.Random(f"{seed}/air")  # noqa: S311
        self._loss = loss
        self._strength = [[RSSI_DBM] * wearables]
        self._wearables = wearables

    def next_second(self) -> tuple[list[list[int]], list[list[bool]]]:
        arrives = [self._random.random() >= self._loss for _ in range(self._wearables)]
        return self._strength, [arrives]
