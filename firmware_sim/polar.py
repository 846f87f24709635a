"""Polar's sensors, simulated: acceleration by the published measurement service, raw as an H10
sends it or delta-compressed as a Verity Sense does, beside the heart rate.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from contract.advert import MalformedPacketError
from contract.clock import Clock
from contract.units import NS_PER_MS, NS_PER_S, ns_to_seconds
from firmware_sim.bluez.peripherals import Characteristic, Service
from firmware_sim.straps import Strap, Wrist
from firmware_sim.wearable import Central

ON_ITS_WAY_NS: Final = 15 * NS_PER_MS
"""From a packet's last sample to its arrival: half a connection interval, and the packet."""
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
        By how much it measures faster than it says, as a share: an accelerometer's own oscillator
        is good to some per cent.
    clock_error
        By how much the clock of its time stamps runs fast, as a share.
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
        clock_error: float = 0.0,
        factor: float | None = None,
        wrist: Wrist | None = None,
    ) -> None:
        super().__init__(
            address, clock, name=name, maker="Polar Electro Oy", model=name[6:9], wrist=wrist
        )
        self._rates_hz = rates_hz
        self._compressed = compressed
        self._fast = fast
        self._clock_error = clock_error
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
        self.begin(self._answer(bytes((0xF0, data[0], data[1], error, 0)) + parameters))

    async def _answer(self, answer: bytes) -> None:
        await self.clock.sleep(ON_ITS_WAY_NS / NS_PER_S)
        self.say(CONTROL, answer)

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
            own_ns = BORN_NS + round((last_ns - self.began_ns) * (1 + self._clock_error))
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
