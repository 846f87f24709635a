"""Random and mutated bytes at what reads other makers' devices: sensors, straps, receivers."""

from __future__ import annotations

import asyncio
import json
import random
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

from contract.advert import MalformedPacketError
from contract.clock import Clock, VirtualClock
from contract.devices import Quantity
from contract.messages import (
    MESSAGE_SCHEMA,
    GatewayConfig,
    ReceiverConfig,
    SensorConfig,
    WearableConfig,
)
from contract.protocols import HeardAdvert, LinkLostError, Message
from contract.units import NS_PER_MS
from edge.bodies import BodySink
from edge.counters import Counts
from edge.decode import Registry
from edge.radio.mqtt_proxy import MqttProxyRadio
from edge.sensors import SensorBoard
from firmware_sim.pinetime import PineTime
from firmware_sim.polar import PolarSensor
from firmware_sim.room_sensors import RoomSensor, SensorKind
from firmware_sim.straps import Strap
from wardlight.fuzz import HOME, OWN, Maker, Watch, mutated

_UUIDS: Final = ("fcd2", "180d", "180f", "fb005c80", "feaa")
_BASE: Final = "-0000-1000-8000-00805f9b34fb"
BTHOME: Final = f"0000fcd2{_BASE}"

PAYLOADS_A_LINK: Final = 500
HANDSHAKE_S: Final = 5.0
"""From the link to the first data, of the simulated devices."""
SEEDS_KEPT: Final = 16


class RoomSensors:
    """Adverts of room sensors that are enrolled with and without a key."""

    def __init__(self, counts: Counts, clock: VirtualClock) -> None:
        self._clock = clock
        configs = [
            SensorConfig(device="plain", address="A4:C1:38:00:00:01", zone="hall"),
            SensorConfig(device="keyed", address="A4:C1:38:00:00:02", zone="hall", key="5a" * 16),
        ]
        self._board = SensorBoard(Registry(), counts)
        self._board.apply(
            GatewayConfig(schema=MESSAGE_SCHEMA, home=HOME, revision=1, sensors=configs)
        )
        if self._board.unusable:
            raise LookupError(f"room sensors cannot be read here: {self._board.unusable}")
        self._sensors = [
            RoomSensor(kind, config)
            for config in configs
            for kind in (SensorKind.CALL_POINT, SensorKind.CLIMATE)
        ]

    async def throw(self, dice: random.Random, counts: Counts) -> bool:
        self._clock.pass_time(dice.randrange(3_000) * NS_PER_MS)
        sensor = dice.choice(self._sensors)
        press = [(Quantity.PRESS, float(dice.randrange(1, 5)))] if dice.random() < 0.1 else []
        data = mutated(dice, (sensor.packet(press),))
        service = {BTHOME if dice.random() < 0.97 else f"0000180f{_BASE}": data}
        rejected = counts.all_rejected
        self._board.hear(HeardAdvert(sensor.address, -70, {}, service, self._clock.monotonic_ns()))
        self._board.take_presses()
        self._board.take_refusals()
        return counts.all_rejected == rejected


class Recognition:
    """Anybody's adverts, shown to every kind while somebody looks for devices."""

    def __init__(self, counts: Counts, clock: VirtualClock) -> None:
        self._kinds = Registry().usable()

    async def throw(self, dice: random.Random, counts: Counts) -> bool:
        heard = an_advert_of_anybody(dice)
        for kind in self._kinds:
            model = kind.recognise(heard)
            if model is not None and not isinstance(model, str):
                raise TypeError(f"{kind.name} recognises {model!r}")
        return True


def an_advert_of_anybody(dice: random.Random) -> HeardAdvert:
    """Names, services and data without sense."""
    name = bytes(dice.randbytes(dice.randrange(12))).decode("utf-8", "replace")
    chosen = [f"{each:0>8}{_BASE}" for each in _UUIDS if dice.random() < 0.2]
    return HeardAdvert(
        ":".join(f"{byte:02X}" for byte in dice.randbytes(6)),
        dice.randrange(-127, 21),
        {dice.choice((0xFFFF, 0x6B, 76)): dice.randbytes(dice.randrange(30))},
        {f"{dice.choice(_UUIDS):0>8}{_BASE}": dice.randbytes(dice.randrange(30))},
        0,
        dice.choice(("", name, "Polar H10 " + name, "InfiniTime" + name)),
        chosen,
    )


class _SpoiltLink:
    """A link to a simulated device, between which more comes than the device sends.

    Both a `contract.protocols.RadioLink` for the decoder and a `firmware_sim.wearable.Central`
    for the device.
    """

    def __init__(self, device: Strap, dice: random.Random, clock: Clock) -> None:
        self._device = device
        self._dice = dice
        self._clock = clock
        self._queues: dict[str, asyncio.Queue[bytes | None]] = {}
        self._seeds: dict[str, deque[bytes]] = {}

    async def write(self, characteristic: str, data: bytes) -> None:
        try:
            self._device.write(self, characteristic, data, self._clock.monotonic_ns())
        except MalformedPacketError as error:
            raise LinkLostError(str(error)) from error

    async def read(self, characteristic: str) -> bytes:
        return mutated(self._dice, (self._device.read(characteristic),))

    async def notifications(self, characteristic: str) -> AsyncIterator[tuple[bytes, int]]:
        self._device.listened(self, characteristic, self._clock.monotonic_ns())
        queue = self._queues[characteristic] = asyncio.Queue()
        self._seeds[characteristic] = deque((b"\x00",), SEEDS_KEPT)
        while (payload := await queue.get()) is not None:
            yield payload, self._clock.monotonic_ns()
        raise LinkLostError("enough was thrown")

    async def disconnect(self) -> None:
        self.drop("the decoder let go")

    def subscribed(self, characteristic: str) -> bool:
        return characteristic in self._queues

    def notify(self, characteristic: str, payload: bytes, at_ns: int) -> None:
        self._seeds[characteristic].append(payload)
        self._queues[characteristic].put_nowait(payload)

    def drop(self, reason: str) -> None:
        self._device.release(self)
        for queue in self._queues.values():
            queue.put_nowait(None)

    def spoil(self) -> None:
        """Let something come that is not what the device sent."""
        if self._queues:
            characteristic = self._dice.choice(sorted(self._queues))
            payload = mutated(self._dice, list(self._seeds[characteristic]))
            self._queues[characteristic].put_nowait(payload)


class _Links:
    """What comes over held links of one kind of wearable."""

    def __init__(
        self,
        counts: Counts,
        clock: VirtualClock,
        kind: str,
        device: Callable[[VirtualClock], Strap],
    ) -> None:
        self._counts = counts
        self._clock = clock
        config = WearableConfig(
            device="other", address="A0:9E:1A:00:00:01", kind=kind, streaming=True
        )
        self._watch = Watch(counts, clock, [config])
        (wearable,) = self._watch.roster
        self._decoder = Registry().wearable(config)
        self._sink = BodySink(wearable, clock, self._watch.pipeline, self._watch.decoder)
        self._device = device
        self._link: _SpoiltLink | None = None
        self._held: asyncio.Task[None] | None = None
        self._left = 0

    async def throw(self, dice: random.Random, counts: Counts) -> bool:
        rejected = counts.all_rejected
        if self._held is None or self._held.done() or self._left == 0:
            await self._renew(dice)
        assert self._link is not None
        self._left -= 1
        self._link.spoil()
        await self._clock.sleep(0.02)
        self._watch.close_seconds()
        self._watch.decoder.anomalies()
        return counts.all_rejected == rejected

    async def _renew(self, dice: random.Random) -> None:
        """Another link. The one before has ended as a link may end, or the throw has failed."""
        held, self._held = self._held, None
        if held is not None and self._link is not None:
            self._link.drop("enough")
            try:
                await held
            except LinkLostError as error:
                self._counts[f"link lost: {error}"[:40]] += 1
        device = self._device(self._clock)
        self._link = _SpoiltLink(device, dice, self._clock)
        device.accept(self._link)
        self._held = asyncio.ensure_future(self._decoder.hold(self._link, self._sink, self._clock))
        self._left = PAYLOADS_A_LINK
        await self._clock.sleep(HANDSHAKE_S)


class Receivers:
    """What receivers publish over MQTT, in all forms that are read."""

    FORMS: Final = (
        {"id": "C0:DE:00:00:00:01", "rssi": -60, "manufacturerdata": "ffff0178563412"},
        {
            "id": "C0:DE:00:00:00:01",
            "rssi": -60,
            "servicedatauuid": "0xfcd2",
            "servicedata": "4000",
        },
        {"mac": "C0DE00000001", "rssi": -60, "adv": "0201061bffffff01785634120788"},
        {"address": 211_883_000_000_001, "rssi": -60, "data": "AgEGG////wF4VjQSB4g="},
    )

    def __init__(self, counts: Counts, clock: VirtualClock) -> None:
        self._clock = clock
        receivers = [ReceiverConfig(name="lounge", zone="lounge")]
        self._radio = MqttProxyRadio(["home/+/BTtoMQTT/#"], clock)
        self._radio.belong_to(lambda: receivers, counts)
        self._seeds = [json.dumps(form).encode() for form in self.FORMS]
        self._seeds += [json.dumps(list(self.FORMS)).encode()]

    async def throw(self, dice: random.Random, counts: Counts) -> bool:
        self._clock.pass_time(10 * NS_PER_MS)
        payload = mutated(dice, self._seeds)
        if dice.random() < 0.3:
            payload = json.dumps(_odd(dice, dice.choice(self.FORMS))).encode()
        before = counts.total()
        self._radio.take([Message("home/lounge/BTtoMQTT/C0DE00000001", payload)])
        return counts.total() == before


def _odd(dice: random.Random, form: Mapping[str, Any]) -> dict[str, Any]:
    """One value of another type, or out of any range."""
    odd: tuple[Any, ...] = (
        None,
        True,
        -1,
        2**70,
        1.5,
        "",
        "zz",
        [],
        {},
        [form],
        "\ud7ff",
        "0" * 999,
    )
    return {**form, dice.choice(sorted(form)): dice.choice(odd)}


_ADDRESS: Final = "A0:9E:1A:00:00:01"

OTHERS: Final[Mapping[str, Maker]] = MappingProxyType(
    {
        "room sensors": RoomSensors,
        "recognition": Recognition,
        "receivers": Receivers,
        "heart rate links": lambda counts, clock: _Links(
            counts, clock, "heart_rate", lambda clock: Strap(_ADDRESS, clock)
        ),
        "Polar links": lambda counts, clock: _Links(
            counts, clock, "polar", lambda clock: PolarSensor(_ADDRESS, clock)
        ),
        "compressed Polar links": lambda counts, clock: _Links(
            counts,
            clock,
            "polar",
            lambda clock: PolarSensor(
                _ADDRESS, clock, name="Polar Sense 1", rates_hz=(52,), compressed=True
            ),
        ),
        "InfiniTime links": lambda counts, clock: _Links(
            counts, clock, "infinitime", lambda clock: PineTime(_ADDRESS, clock)
        ),
    }
)

TARGETS: Final[Mapping[str, Maker]] = MappingProxyType({**OWN, **OTHERS})
