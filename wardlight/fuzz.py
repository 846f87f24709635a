"""Random and mutated bytes at everything that reads what comes over the air.

Each throw is something that a radio, a link or a receiver might hand over. It must be taken in,
or refused and counted under a reason; whatever else is raised has escaped. ``./run bench fuzz``
throws a million, the tests some thousands of the same.
"""

from __future__ import annotations

import binascii
import random
import struct
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Final, NamedTuple, Protocol

import numpy as np

from contract.advert import (
    COMPANY_ID,
    MalformedPacketError,
    WearableAdvert,
    encode_advert,
    encode_manufacturer_data,
    manufacturer_data,
)
from contract.clock import VirtualClock
from contract.gatt import Operation, decode_command, encode_command
from contract.identity import rolling_identity
from contract.messages import MESSAGE_SCHEMA, GatewayConfig, WearableConfig
from contract.packets import MotionPacket, decode_packet, encode_packet
from contract.protocols import HeardAdvert
from contract.units import NS_PER_MS, NS_PER_S
from edge.counters import Counts
from edge.decode import WearableDecoder
from edge.pipeline import Pipeline
from edge.timebase import SessionTime
from edge.wearables import Roster
from edge.window import Window

KEPT_ESCAPES: Final = 5
"""Of each target; more of the same tell nothing."""

HOME: Final = "fuzz"
STRANGER: Final = "F0:00:00:00:00:01"

_EDGES: Final = bytes((0, 1, 127, 128, 254, 255))
_LONGEST: Final = 300
"""Longer than a notification or an extended advert's data."""


class Fuzzed(NamedTuple):
    """What became of the throws at one target."""

    throws: int
    accepted: int
    reasons: Mapping[str, int]
    """Those that were counted, by reason."""
    unsaid: int
    """Refused, and counted nowhere."""
    escaped: Sequence[str]
    """Exceptions that nobody caught, the first few, with what was thrown."""


class Target(Protocol):
    """Something that reads bytes from the air."""

    async def throw(self, dice: random.Random, counts: Counts) -> bool:
        """Throw once; whether it was accepted. What is refused is counted."""
        ...


Maker = Callable[[Counts, VirtualClock], Target]


def mutated(dice: random.Random, seeds: Sequence[bytes]) -> bytes:
    """Garbage, or one of `seeds` with something wrong: bits, length, bytes, or nothing at all."""
    way = dice.randrange(8)
    if way == 0 or not seeds:
        return dice.randbytes(dice.randrange(_LONGEST))
    data = bytearray(dice.choice(seeds))
    if way == 1:
        return bytes(data[: dice.randrange(len(data) + 1)])
    if way == 2:
        return bytes(data) + dice.randbytes(dice.randrange(1, 16))
    for _ in range(dice.randrange(way)):
        if data:
            place = dice.randrange(len(data))
            data[place] = dice.choice(_EDGES) if way < 5 else data[place] ^ 1 << dice.randrange(8)
    return bytes(data)


def an_advert(identity: int, second: int, **changes: object) -> WearableAdvert:
    """A plausible advert of a wearable of ours."""
    values: dict[str, object] = {
        "identity": identity,
        "boot_counter": 7,
        "second": second & 0xFFFF,
        "mean_g": (0.0, 0.0, 1.0),
        "min_g": 0.97,
        "max_g": 1.0,
        "deviation_g": 0.01,
        "battery_percent": 80,
        "worn": True,
        "charging": False,
        "saturated": False,
        "candidate_counter": 0,
        "candidate_pending": False,
        "candidate_age_s": 255,
        "candidate_peak_g": 0.0,
        "button_counter": 0,
        "button_pending": False,
        "heart_rate_bpm": 70,
    }
    return WearableAdvert(**{**values, **changes})  # type: ignore[arg-type]


class Watch:
    """The part of a gateway that adverts and packets go through."""

    def __init__(
        self, counts: Counts, clock: VirtualClock, wearables: Sequence[WearableConfig]
    ) -> None:
        self.clock = clock
        self.roster = Roster()
        self.time = SessionTime(clock)
        self.decoder = WearableDecoder(self.roster, counts)
        self.pipeline = Pipeline(self.roster, self.time, counts)
        config = GatewayConfig(
            schema=MESSAGE_SCHEMA, home=HOME, revision=1, wearables=list(wearables)
        )
        self.pipeline.resize(self.roster.apply(config))
        self._closed_ns = clock.monotonic_ns()

    def close_seconds(self) -> None:
        """Close what is over, once a minute."""
        now_ns = self.clock.monotonic_ns()
        if now_ns - self._closed_ns >= 60 * NS_PER_S:
            self._closed_ns = now_ns
            self.pipeline.tick(self.time.grid_now_ns())

    def second(self) -> int:
        """What a wearable that booted with the clock would say."""
        return self.clock.monotonic_ns() // NS_PER_S


class OwnAdverts:
    """Adverts of our layout: of the enrolled, of those that roll, and of strangers."""

    def __init__(self, counts: Counts, clock: VirtualClock) -> None:
        self._keys = [bytes((number,)) * 16 for number in range(3)]
        keyed = [
            WearableConfig(device=f"keyed-{number}", address="", key=key.hex())
            for number, key in enumerate(self._keys)
        ]
        fixed = [
            WearableConfig(device=f"fixed-{n}", address=f"C0:00:00:00:00:0{n}", identity=n)
            for n in range(1, 4)
        ]
        self._watch = Watch(counts, clock, [*fixed, *keyed])
        self._addresses = [each.address for each in fixed] + [STRANGER]

    async def throw(self, dice: random.Random, counts: Counts) -> bool:
        watch = self._watch
        watch.clock.pass_time(dice.randrange(400) * NS_PER_MS)
        watch.close_seconds()
        address = dice.choice(self._addresses)
        second = watch.second()
        if dice.random() < 0.5:
            identity = dice.randrange(5)
        else:
            address = f"40:00:00:00:00:{dice.randrange(256):02X}"
            identity = rolling_identity(dice.choice(self._keys), 7, second)
        advert = an_advert(
            identity, second, candidate_pending=dice.random() < 0.1, button_counter=second & 0xFF
        )
        data = mutated(dice, (encode_manufacturer_data(advert),))
        company = COMPANY_ID if dice.random() < 0.97 else dice.randrange(65_536)
        heard = HeardAdvert(
            address, dice.randrange(-127, 21), {company: data}, {}, watch.clock.monotonic_ns()
        )
        wearable = watch.decoder.hear(heard)
        watch.decoder.anomalies()
        if wearable is not None and wearable.summary_is_new:
            watch.pipeline.note_summary(wearable)
        return wearable is not None


class RawAdverts:
    """The structures of an advert as a controller hands them over."""

    def __init__(self, counts: Counts, clock: VirtualClock) -> None:
        self._seeds = [encode_advert(an_advert(1, 100)), b"\x02\x01\x06\x03\x03\x0d\x18"]

    async def throw(self, dice: random.Random, counts: Counts) -> bool:
        try:
            manufacturer_data(mutated(dice, self._seeds))
        except MalformedPacketError as error:
            counts.rejected(str(error))
            return False
        return True


class MotionPackets:
    """What streams and windows notify; of a half the checksum is right, whatever is before it."""

    PACKETS_A_WINDOW: Final = 200

    def __init__(self, counts: Counts, clock: VirtualClock) -> None:
        streaming = WearableConfig(
            device="streaming", address="C0:00:00:00:00:01", identity=1, streaming=True
        )
        self._watch = Watch(counts, clock, [streaming])
        self._stream = self._watch.roster.by_device["streaming"]
        heard = HeardAdvert(
            self._stream.address,
            -60,
            {COMPANY_ID: encode_manufacturer_data(an_advert(1, 20_000))},
            {},
            self._watch.clock.monotonic_ns(),
        )
        self._watch.decoder.hear(heard)
        motion = np.random.default_rng(1).normal(0, 1, (3, 25)).astype(np.float32)
        self._seeds = [
            encode_packet(
                MotionPacket(3, number, total, 19_990_000 + 500 * number, 50.0, 8, motion)
            )
            for total in (0, 50)
            for number in range(50)
        ]
        self._window = self._new_window()
        self._thrown = 0

    def _new_window(self) -> Window:
        return Window(self._watch.clock.monotonic_ns(), "wrist", self._watch.pipeline.models)

    async def throw(self, dice: random.Random, counts: Counts) -> bool:
        data = mutated(dice, self._seeds)
        if dice.random() < 0.5 and len(data) > 2:
            data = data[:-2] + struct.pack("<H", binascii.crc_hqx(data[:-2], 0))
        self._thrown += 1
        if self._thrown % self.PACKETS_A_WINDOW == 0:
            self._window.finish()
            self._window = self._new_window()
            self._watch.clock.pass_time(NS_PER_S)
            self._watch.close_seconds()
        try:
            packet = decode_packet(data)
            if packet.total:
                self._window.add(packet, self._stream.time, self._watch.time)
                return True
            reason = self._watch.pipeline.push(
                self._stream, packet, self._watch.clock.monotonic_ns()
            )
        except MalformedPacketError as error:
            reason = str(error)
        if reason is not None:
            counts.rejected(reason)
        return reason is None


class Commands:
    """What a gateway, or anybody, writes to a wearable's control characteristic."""

    def __init__(self, counts: Counts, clock: VirtualClock) -> None:
        self._seeds = [
            encode_command(Operation.ACKNOWLEDGE_BUTTON, 1),
            encode_command(Operation.REQUEST_WINDOW, 3, 17),
            encode_command(Operation.START_STREAM),
            encode_command(Operation.SET_TIME, 1_800_000_000_000_000),
        ]

    async def throw(self, dice: random.Random, counts: Counts) -> bool:
        try:
            decode_command(mutated(dice, self._seeds))
        except MalformedPacketError as error:
            counts.rejected(str(error))
            return False
        return True


OWN: Final[Mapping[str, Maker]] = MappingProxyType(
    {
        "own adverts": OwnAdverts,
        "raw adverts": RawAdverts,
        "motion packets": MotionPackets,
        "commands": Commands,
    }
)


def fuzz(name: str, make: Maker, throws: int, seed: int) -> Fuzzed:
    """Throw at one target, the same things for the same seed."""
    dice = random.Random(f"{seed}/{name}")  # noqa: S311
    counts = Counts()
    clock = VirtualClock()
    accepted = unsaid = 0
    escaped: list[str] = []

    async def all_of_them() -> None:
        nonlocal accepted, unsaid
        target = make(counts, clock)
        for number in range(throws):
            before = counts.total()
            try:
                if await target.throw(dice, counts):
                    accepted += 1
                elif counts.total() == before:
                    unsaid += 1
            except Exception as error:  # noqa: BLE001 - which is what is looked for
                if len(escaped) < KEPT_ESCAPES:
                    escaped.append(f"throw {number} of seed {seed}: {error!r}")

    clock.run(all_of_them())
    return Fuzzed(throws, accepted, dict(counts.reasons), unsaid, escaped)
