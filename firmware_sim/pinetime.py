"""A PineTime with InfiniTime's firmware, simulated."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from contract.clock import Clock
from contract.units import NS_PER_S
from firmware_sim.bluez.peripherals import Characteristic, Service
from firmware_sim.straps import HEART_RATE, Strap, Wrist

MOTION_VALUES: Final = "00030002-78fc-48fe-8e23-433b3a1942d0"
STEPS: Final = "00030001-78fc-48fe-8e23-433b3a1942d0"
_COUNTS_PER_G: Final = 1_024
_FULL_SCALE: Final = 2_047
_POLL_S: Final = 0.1


class PineTime(Strap):
    """A watch with InfiniTime: motion values at 10 Hz when they change, up to 2 g."""

    advertised = ()

    def __init__(self, address: str, clock: Clock, *, wrist: Wrist | None = None) -> None:
        super().__init__(
            address, clock, name="InfiniTime", maker="Pine64", model="PineTime", wrist=wrist
        )
        self._values = self._felt()

    @property
    def services(self) -> Sequence[Service]:
        motion = Service(
            "00030000-78fc-48fe-8e23-433b3a1942d0",
            (
                Characteristic(STEPS, ("read", "notify")),
                Characteristic(MOTION_VALUES, ("read", "notify")),
            ),
        )
        heart = Service("180d", (Characteristic(HEART_RATE, ("read", "notify")),))
        return (heart, *super().services[1:], motion)

    def read(self, characteristic: str) -> bytes:
        if characteristic == HEART_RATE:
            return self.heart_rate()
        if characteristic == MOTION_VALUES:
            return self._values
        if characteristic == STEPS:
            return bytes(4)
        return super().read(characteristic)

    def heart_rate(self) -> bytes:
        return bytes((0, self.heart_rate_bpm or 0))

    def _felt(self) -> bytes:
        since_s = (self.clock.monotonic_ns() - self.began_ns) / NS_PER_S
        counts = np.rint(self.wrist.at(np.array([since_s]))[:, 0] * _COUNTS_PER_G)
        return counts.clip(-_FULL_SCALE - 1, _FULL_SCALE).astype("<i2").tobytes()

    async def _beat(self) -> None:
        told: int | None = None
        while True:
            await self.clock.sleep(_POLL_S)
            values = self._felt()
            if values != self._values:
                self._values = values
                self.say(MOTION_VALUES, values)
            if self.heart_rate_bpm != told:
                told = self.heart_rate_bpm
                self.say(HEART_RATE, self.heart_rate())
