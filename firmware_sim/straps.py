"""Wearables of other makers, simulated by the layouts that these publish: a heart rate strap,
Polar's sensors, a PineTime. Each is a `firmware_sim.bluez.gadgets.Gadget`: put them on the air
beside our own.

They were made from documents (see `edge.decode.polar_frames` and `edge.decode.infinitime` for the
sources), never beside the devices themselves.
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
from contract.units import NS_PER_MS, NS_PER_S, ns_to_seconds
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
ON_ITS_WAY_NS: Final = 15 * NS_PER_MS
"""From a packet's last sample to its arrival: half a connection interval, and the packet."""

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


# --- Polar ---------------------------------------------------------------------------------

CONTROL: Final = "fb005c81-02e7-f387-1cad-8acd2d8df0c8"
DATA: Final = "fb005c82-02e7-f387-1cad-8acd2d8df0c8"
PAYLOAD_BYTES: Final = 229
"""A Polar sensor's ATT MTU is 232."""
BORN_NS: Final = 599_616_000 * NS_PER_S
"""1 January 2019 since 2000: where an H10's clock begins that nobody has set."""

_ACCELERATION: Final = 2
_RAW_SAMPLES: Final = 36
_COMPRESSED_SAMPLES: Final = 71
_BLOCK: Final = 16


class PolarSensor(Strap):
    """A Polar sensor: acceleration by the measurement service, beside the heart rate.

    Parameters
    ----------
    rates_hz
        What it offers: H10 25, 50, 100 and 200; Verity Sense 52.
    compressed
        Whether its samples are delta-compressed, as a Verity Sense's are.
    fast
        By how much its oscillator runs fast, as a share.
    factor
        Told at the start of a stream, if any.
    """

    def __init__(
        self,
        address: str,
        clock: Clock,
        *,
        name: str = "Polar H10 12345678",
        rates_hz: Sequence[int] = (25, 50, 100, 200),
        compressed: bool = False,
        fast: float = 0.0,
        factor: float | None = None,
        wrist: Wrist | None = None,
    ) -> None:
        super().__init__(
            address, clock, name=name, maker="Polar Electro Oy", model=name[6:9], wrist=wrist
        )
        self._rates_hz = rates_hz
        self._compressed = compressed
        self._fast = fast
        self._factor = factor
        self.commands: list[bytes] = []
        self.deaf_to = 0
        """So many commands are not answered."""
        self.refuses: int | None = None
        """Error with which a start is refused."""
        self._streams = False

    @property
    def services(self) -> Sequence[Service]:
        measurement = Service(
            "fb005c80-02e7-f387-1cad-8acd2d8df0c8",
            (
                Characteristic(CONTROL, ("read", "write", "indicate")),
                Characteristic(DATA, ("notify",)),
            ),
        )
        return (*super().services, measurement)

    def release(self, link: Central) -> None:
        super().release(link)
        self._streams = False

    def write(self, link: Central, characteristic: str, data: bytes, now_ns: int) -> None:
        if characteristic != CONTROL or len(data) < 2:
            raise MalformedPacketError("no command")
        self.commands.append(data)
        if self.deaf_to:
            self.deaf_to -= 1
            return
        error, parameters = self._do(data)
        self.say(CONTROL, bytes((0xF0, data[0], data[1], error, 0)) + parameters)

    def _do(self, command: bytes) -> tuple[int, bytes]:
        operation, measurement = command[0], command[1]
        if measurement != _ACCELERATION:
            return 3, b""
        if operation == 1:
            rates = struct.pack(
                f"<BB{len(self._rates_hz)}H", 0, len(self._rates_hz), *self._rates_hz
            )
            others = struct.pack("<BBHBBHHH", 1, 1, 16, 2, 3, 2, 4, 8)
            return 0, rates + others + (bytes((4, 1, 3)) if self._compressed else b"")
        if operation == 3:
            self._streams = False
            return 0, b""
        return self._start(command)

    def _start(self, command: bytes) -> tuple[int, bytes]:
        if self.refuses is not None:
            return self.refuses, b""
        if self._streams:
            return 6, b""
        at = command.index(bytes((0, 1)), 2) + 2
        rate_hz = int.from_bytes(command[at : at + 2], "little")
        if rate_hz not in self._rates_hz:
            return 8, b""
        self._streams = True
        self.begin(self._stream(rate_hz))
        return 0, b"" if self._factor is None else struct.pack("<BBf", 5, 1, self._factor)

    async def _stream(self, nominal_hz: int) -> None:
        rate_hz = nominal_hz * (1 + self._fast)
        begin_ns = self.clock.monotonic_ns()
        sent = 0
        while self._streams:
            most = _COMPRESSED_SAMPLES if self._compressed else _RAW_SAMPLES
            since_s = (begin_ns - self.began_ns) / NS_PER_S
            samples_g = self.wrist.at(since_s + (sent + np.arange(most)) / rate_hz)
            count, payload = self._packed(samples_g)
            sent += count
            last_ns = begin_ns + round((sent - 1) * NS_PER_S / rate_hz)
            wait_ns = last_ns + ON_ITS_WAY_NS - self.clock.monotonic_ns()
            await self.clock.sleep(max(ns_to_seconds(wait_ns), 0.0))
            own_ns = BORN_NS + round((last_ns - self.began_ns) * (1 + self._fast))
            kind = 0x81 if self._compressed else 0x01
            self.say(DATA, struct.pack("<BQB", _ACCELERATION, own_ns, kind) + payload)

    def _packed(self, samples_g: NDArray[np.float32]) -> tuple[int, bytes]:
        """As many samples as go into one packet, and the bytes of them."""
        counts = np.rint(samples_g.T * (1_000 / (self._factor or 1.0))).astype(np.int64)
        counts = counts.clip(-32_768, 32_767)
        if not self._compressed:
            return len(counts), counts.astype("<i2").tobytes()
        payload = counts[0].astype("<i2").tobytes()
        deltas = np.diff(counts, axis=0)
        done = 1
        for first in range(0, len(deltas), _BLOCK):
            block = packed_deltas(deltas[first : first + _BLOCK])
            if len(payload) + len(block) > PAYLOAD_BYTES - 10:
                break
            payload += block
            done += len(deltas[first : first + _BLOCK])
        return done, payload


def packed_deltas(deltas: NDArray[np.int64]) -> bytes:
    """One block of a compressed frame: (n, 3) deltas in as few bits as the greatest needs."""
    low, high = int(deltas.min()), int(deltas.max())
    width = 1 + max(max(high, 0).bit_length(), (-min(low, 0) - 1 if low < 0 else 0).bit_length())
    bits = 0
    for place, delta in enumerate(deltas.reshape(-1).tolist()):
        bits |= (delta & ((1 << width) - 1)) << (place * width)
    size = -(-deltas.size * width // 8)
    return bytes((width, len(deltas))) + bits.to_bytes(size, "little")


# --- InfiniTime ----------------------------------------------------------------------------

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
