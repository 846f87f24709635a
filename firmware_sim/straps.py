"""Wearables of other makers, simulated: a heart rate strap, and what all of them share.

Each is a `firmware_sim.bluez.gadgets.Gadget`: put it on the air beside our own. They were made from
documents (see `edge.decode` for the sources), never beside the devices themselves.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Coroutine, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from contract.advert import MalformedPacketError
from contract.clock import Clock
from contract.protocols import LinkLostError
from firmware_sim.bluez.gadgets import Advert
from firmware_sim.bluez.peripherals import Characteristic, Service, full_uuid
from firmware_sim.falling import make_fall
from firmware_sim.motion import HANGING, MOTION_HZ, MotionModel
from firmware_sim.wearable import Central

HEART_RATE: Final = full_uuid("2a37")
BATTERY: Final = full_uuid("2a19")
MAKER: Final = full_uuid("2a29")
MODEL: Final = full_uuid("2a24")
FIRMWARE: Final = full_uuid("2a26")

INTERVAL_S: Final = 1.0
"""Between adverts; straps take 0.5 to 1 s."""
_CONTACT: Final = 0x06
_NO_CONTACT: Final = 0x04
_INTERVALS: Final = 0x10


class Wrist:
    """Somebody's motion at any time since the start; whoever wears it sits at first.

    Parameters
    ----------
    seed
        The same seed and the same calls give the same motion.
    """

    def __init__(self, seed: int = 1) -> None:
        self._model = MotionModel(1, seed)
        self._seconds: list[NDArray[np.float32]] = []
        self._dropped = 0

    def fall(self) -> None:
        """Fall and stay lying, within two seconds of now."""
        fall = make_fall(self._model.random(), HANGING, upright=True)
        self._model.play(0, fall.samples_g)

    def play(self, samples_g: NDArray[np.float32]) -> None:
        """Do what was recorded: (3, n) at 50 Hz in g."""
        self._model.play(0, samples_g)

    def walk(self, walking: bool) -> None:
        """Begin or end to walk."""
        if walking:
            self._model.turn_to(0, HANGING, 1.0)
        self._model.set_walking(0, walking)

    def take_off(self) -> None:
        """Lie still, as on a table."""
        self._model.set_worn(0, False)

    def at(self, seconds: NDArray[np.float64]) -> NDArray[np.float32]:
        """Acceleration at these times, ascending, shape (3, n), in g. What lies more than a few
        seconds before the latest that was asked for is forgotten.
        """
        while (self._dropped + len(self._seconds)) < seconds[-1] + 1:
            self._seconds.append(self._model.next_second()[0])
        while self._dropped + 4 < seconds[0]:
            self._seconds.pop(0)
            self._dropped += 1
        known = np.concatenate(self._seconds, axis=1)
        times = self._dropped + np.arange(known.shape[1]) / MOTION_HZ
        return np.stack([np.interp(seconds, times, axis) for axis in known]).astype(np.float32)


class Strap:
    """A heart rate strap: heart rate, battery and its names.

    Parameters
    ----------
    address
        Upper case with colons.
    clock
        Its own runs with it.
    name, maker, model
        What it calls itself.
    wrist
        Whose motion it feels.
    """

    interval_s = INTERVAL_S
    advertised: tuple[str, ...] = (full_uuid("180d"),)

    def __init__(
        self,
        address: str,
        clock: Clock,
        *,
        name: str = "Strap 1",
        maker: str = "Example",
        model: str = "HR-1",
        wrist: Wrist | None = None,
    ) -> None:
        self.address = address
        self.rssi_dbm = -60.0
        self.name = name
        self.wrist = wrist or Wrist()
        self.heart_rate_bpm: int | None = 70
        self.in_contact: bool | None = True
        """None: it cannot tell."""
        self.battery_percent = 80
        self.on = True
        """Off, it neither advertises nor holds a link."""
        self.clock = clock
        self.began_ns = clock.monotonic_ns()
        self._strings = {MAKER: maker, MODEL: model, FIRMWARE: "1.0.0"}
        self.link: Central | None = None
        self.taken = 0
        """Links so far."""
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def services(self) -> Sequence[Service]:
        """What it offers over a link."""
        names = tuple(Characteristic(each, ("read",)) for each in self._strings)
        return (
            Service("180d", (Characteristic(HEART_RATE, ("notify",)),)),
            Service("180f", (Characteristic(BATTERY, ("read", "notify")),)),
            Service("180a", names),
        )

    def advert(self, now_ns: int) -> Advert | None:
        """Its name and services; nothing while it is linked, as most straps do."""
        if not self.on or self.link is not None:
            return None
        return Advert(local_name=self.name, service_uuids=self.advertised)

    def accept(self, link: Central) -> bool:
        """Take one link at a time."""
        if self.link is not None or not self.on:
            return False
        self.link = link
        self.taken += 1
        self.begin(self._beat())
        return True

    def release(self, link: Central) -> None:
        """The link is gone, and all that was asked over it."""
        self.link = None
        for task in self._tasks:
            task.cancel()
        self._tasks.clear()

    def switch_off(self) -> None:
        """As when it is taken off the chest, or its battery is flat."""
        self.on = False
        if self.link is not None:
            self.link.drop("the device switched itself off")

    def begin(self, work: Coroutine[Any, Any, None]) -> None:
        """Do something for as long as the link stands."""
        self._tasks.append(asyncio.ensure_future(work))

    def read(self, characteristic: str) -> bytes:
        """A value; raises `LinkLostError` for one that it does not have, as a radio does."""
        if characteristic == BATTERY:
            return bytes((self.battery_percent,))
        if characteristic in self._strings:
            return self._strings[characteristic].encode()
        raise LinkLostError(f"{self.name} has no {characteristic} to read")

    def write(self, link: Central, characteristic: str, data: bytes, now_ns: int) -> None:
        """Raises `MalformedPacketError`: there is nothing to be written."""
        raise MalformedPacketError(f"{self.name} has no {characteristic} to write")

    def listened(self, link: Central, characteristic: str, now_ns: int) -> None:
        """Raises `LinkLostError` for a characteristic that it does not have."""
        known = {each.uuid for service in self.services for each in service.characteristics}
        if characteristic not in known:
            raise LinkLostError(f"{self.name} has no {characteristic} to listen to")

    def say(self, characteristic: str, payload: bytes) -> None:
        """Notify, if somebody listens."""
        if self.link is not None and self.link.subscribed(characteristic):
            self.link.notify(characteristic, payload, self.clock.monotonic_ns())

    def heart_rate(self) -> bytes:
        """A Heart Rate Measurement, with one interval where there is a pulse."""
        flags = {True: _CONTACT, False: _NO_CONTACT, None: 0}[self.in_contact]
        rate = self.heart_rate_bpm or 0
        if not rate:
            return bytes((flags, 0))
        return struct.pack("<BBH", flags | _INTERVALS, rate, round(60 / rate * 1024))

    async def _beat(self) -> None:
        while True:
            await self.clock.sleep(1.0)
            self.say(HEART_RATE, self.heart_rate())
