"""What a worse wearable and worse air do to a trial: saturation, another rate, lost packets."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import AsyncIterator, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import signal

from contract.packets import MAX_RATE_HZ, MIN_RATE_HZ
from contract.protocols import AdapterTrouble, HeardAdvert, Radio, RadioLink
from evaluation.trials import Trial
from firmware_sim.sensing import SENSOR_RANGE_G

LEAST_CLIP_G: Final = 1.5
"""A sensor that ends below this shows gravity and little else."""

GREATEST_LOSS: Final = 0.95
"""With less than a twentieth of the packets nothing is being measured any more."""

ANTI_ALIAS_SHARE: Final = 0.4
"""Corner of the low-pass before a rate is lowered, as a share of the new rate: what sensors'
own filters leave of the band below half the rate."""

_ANTI_ALIAS_ORDER: Final = 4


@dataclasses.dataclass(frozen=True, kw_only=True)
class Stress:
    """What is made worse; nothing by default.

    Raises
    ------
    ValueError
        If a figure is outside what the simulated wearable or the air can do.
    """

    clip_g: float | None = None
    """Full scale of the sensor on each axis."""
    rate_hz: float | None = None
    """Samples per second; recordings that were slower are joined by straight lines."""
    loss: float = 0.0
    """Share of adverts and of link packets that do not arrive."""

    def __post_init__(self) -> None:
        if self.clip_g is not None and not LEAST_CLIP_G <= self.clip_g <= SENSOR_RANGE_G:
            raise ValueError(
                f"a sensor clips at {LEAST_CLIP_G:g} to {SENSOR_RANGE_G} g, not at "
                f"{self.clip_g:g}: the simulated wearable measures ±{SENSOR_RANGE_G} g"
            )
        if self.rate_hz is not None and not MIN_RATE_HZ <= self.rate_hz <= MAX_RATE_HZ:
            raise ValueError(
                f"a wearable samples at {MIN_RATE_HZ:.0f} to {MAX_RATE_HZ:.0f} Hz, not at "
                f"{self.rate_hz:g}"
            )
        if not 0 <= self.loss <= GREATEST_LOSS:
            raise ValueError(f"a loss is a share from 0 to {GREATEST_LOSS}, not {self.loss:g}")

    def apply(self, trial: Trial) -> Trial:
        """The trial as that sensor would have measured it."""
        samples, rate_hz = trial.samples_g, trial.rate_hz
        if self.clip_g is not None:
            samples = np.clip(samples, -self.clip_g, self.clip_g)
        if self.rate_hz is not None:
            samples, rate_hz = at_rate(samples, rate_hz, self.rate_hz), self.rate_hz
        return dataclasses.replace(trial, samples_g=samples, rate_hz=rate_hz)

    def on_air(self, radio: Radio, seed: str) -> Radio:
        """The radio with this loss on its links."""
        return _LossyRadio(radio, self.loss, seed) if self.loss else radio


def at_rate(
    samples_g: NDArray[np.float32], rate_hz: float, wanted_hz: float
) -> NDArray[np.float32]:
    """Samples (3, n) of one rate as a sensor of another would have taken them; holes stay holes.

    A lower rate is low-passed first, forwards and backwards, so that nothing moves in time.
    """
    measured = np.asarray(np.isfinite(samples_g).all(axis=0))
    at_s = np.arange(samples_g.shape[1]) / rate_hz
    known_s, known = at_s[measured], samples_g[:, measured].astype(np.float64)
    new_s = np.arange(max(1, round(samples_g.shape[1] / rate_hz * wanted_hz))) / wanted_hz
    if wanted_hz < rate_hz:
        bridged = np.stack([np.interp(at_s, known_s, axis) for axis in known])
        corner = ANTI_ALIAS_SHARE * wanted_hz
        sections = signal.butter(_ANTI_ALIAS_ORDER, corner, fs=rate_hz, output="sos")
        reach = min(3 * 2 * len(sections), bridged.shape[1] - 1)
        known_s, known = at_s, signal.sosfiltfilt(sections, bridged, axis=1, padlen=reach)
    samples = np.stack([np.interp(new_s, known_s, axis) for axis in known])
    nearest = np.minimum(np.rint(new_s * rate_hz).astype(np.int64), len(measured) - 1)
    samples[:, ~measured[nearest]] = np.nan
    return samples.astype(np.float32)


class _LossyRadio:
    """A radio whose links lose notifications; adverts pass."""

    def __init__(self, radio: Radio, loss: float, seed: str) -> None:
        self._radio = radio
        self._loss = loss
        self._random = random.Random(f"{seed}/loss")  # noqa: S311

    def adverts(self) -> AsyncIterator[Sequence[HeardAdvert]]:
        return self._radio.adverts()

    async def connect(self, address: str) -> RadioLink:
        return _LossyLink(await self._radio.connect(address), self._loss, self._random)

    async def close(self) -> None:
        await self._radio.close()

    def troubles(self) -> Sequence[AdapterTrouble]:
        return self._radio.troubles()


class _LossyLink:
    """A link that loses a share of what is notified. Writes are answered, so they are repeated
    by the link layer until they arrive.
    """

    def __init__(self, link: RadioLink, loss: float, draw: random.Random) -> None:
        self._link = link
        self._loss = loss
        self._random = draw

    async def write(self, characteristic: str, data: bytes) -> None:
        await self._link.write(characteristic, data)

    async def read(self, characteristic: str) -> bytes:
        return await self._link.read(characteristic)

    async def notifications(self, characteristic: str) -> AsyncIterator[tuple[bytes, int]]:
        async for notification in self._link.notifications(characteristic):
            if self._random.random() >= self._loss:
                yield notification

    async def disconnect(self) -> None:
        await self._link.disconnect()
