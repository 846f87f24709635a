"""Room sensors that speak BTHome v2 (https://bthome.io/format), plain or encrypted.

bthome-ble decrypts and reads the objects. What may be believed of them is decided here: whether an
advert is a repetition, whether it had to be encrypted, and whether its counter was used before
(bthome-ble lets every counter below 100 pass).
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

import msgspec
from bthome_ble import BTHomeBluetoothDeviceData
from habluetooth import BluetoothServiceInfoBleak

from contract.advert import MalformedPacketError
from contract.devices import Quantity, Reading, RefusedAdvertError, SensorDecoder, WearableDecoder
from contract.events import FaultCause
from contract.messages import SensorConfig, WearableConfig
from contract.protocols import HeardAdvert
from contract.units import NS_PER_S, seconds_to_ns

NAME: Final = "bthome"

SERVICE_UUID: Final = "0000fcd2-0000-1000-8000-00805f9b34fb"
"""Of BTHome v2; version 1 had others and is not read."""

KEY_BYTES: Final = 16
"""AES-128, as BTHome says."""

REPEATED_NS: Final = seconds_to_ns(4)
"""A sensor without encryption sends one packet several times in a second or two. Once it has been
silent for so long the same bytes are another packet: bthome-ble's own limit."""

REORDERED_NS: Final = seconds_to_ns(10)
REORDERED_COUNTERS: Final = 64
"""Two receivers hand on what they hear at different times. A counter that is behind by so little,
so soon, was overtaken on its way and is no copy; 64 as the window of IPsec (RFC 4303, 3.4.3)."""

RECENT_ADVERTS: Final = 16
"""Adverts whose repetitions are known by their bytes: a sensor that sends several in turn, heard
by several receivers."""

_INFORMATION: Final = 0
"""Place of the byte that says how the rest is to be read."""
_ENCRYPTED: Final = 0x01
_HAS_ADDRESS: Final = 0x02
_ADDRESS: Final = slice(1, 7)
_VERSION_SHIFT: Final = 5
_VERSION: Final = 2
_COUNTER: Final = slice(-8, -4)
_SHORTEST: Final = 3
"""Information, the number of an object and a byte of it."""
_SHORTEST_ENCRYPTED: Final = 11
"""The same, a counter and a check of four bytes each."""

_PACKETS: Final = 256
_NEVER: Final = -(2**62)

_STATES: Final[Mapping[str, Quantity]] = MappingProxyType(
    {
        "motion": Quantity.MOTION,
        "opening": Quantity.OPENING,
        "door": Quantity.OPENING,
        "garage_door": Quantity.OPENING,
        "window": Quantity.OPENING,
        "occupancy": Quantity.OCCUPIED,
    }
)
"""What bthome-ble calls a state that is of use here. Others (smoke, light …) are not."""

_MEASURES: Final[Mapping[str, Quantity]] = MappingProxyType(
    {
        "temperature": Quantity.TEMPERATURE_C,
        "humidity": Quantity.HUMIDITY_PERCENT,
        "battery": Quantity.BATTERY_PERCENT,
    }
)

_PRESSES: Final[Mapping[str, int]] = MappingProxyType(
    {
        "press": 1,
        "double_press": 2,
        "triple_press": 3,
        "long_press": 4,
        "long_double_press": 4,
        "long_triple_press": 4,
        "hold_press": 4,
    }
)
"""As in `Quantity.PRESS`; letting go of a button that was held is none."""

_POSSIBLE: Final[Mapping[Quantity, tuple[float, float]]] = MappingProxyType(
    {
        Quantity.TEMPERATURE_C: (-60.0, 125.0),  # what sensors of silicon can measure
        Quantity.HUMIDITY_PERCENT: (0.0, 100.0),
        Quantity.BATTERY_PERCENT: (0.0, 100.0),
    }
)

# What it warns of is counted, and a fault, here; a stranger's adverts must not fill the log.
logging.getLogger("bthome_ble.parser").setLevel(logging.CRITICAL)


class BTHomeKind:
    """Implements `contract.devices.DeviceKind`."""

    name = NAME

    def recognise(self, heard: HeardAdvert) -> str | None:
        data = heard.service_data.get(SERVICE_UUID)
        if not data or data[_INFORMATION] >> _VERSION_SHIFT != _VERSION:
            return None
        encrypted = " (encrypted)" if data[_INFORMATION] & _ENCRYPTED else ""
        return f"{heard.local_name or 'BTHome sensor'}{encrypted}"

    def wearable(self, config: WearableConfig) -> WearableDecoder | None:
        return None

    def sensor(self, config: SensorConfig) -> SensorDecoder:
        return BTHomeDecoder(config)


class _Parser(BTHomeBluetoothDeviceData):
    """bthome-ble's parser; hands over what it reads instead of keeping all it has ever read."""

    def __init__(self, key: bytes | None) -> None:
        super().__init__(bindkey=key)
        self.found: dict[Quantity, float] = {}

    def read(self, info: BluetoothServiceInfoBleak) -> dict[Quantity, float]:
        """What one advert says; judges neither its counter nor its packet number.

        Raises
        ------
        MalformedPacketError
            If it cannot be decrypted, or nothing in it is known.
        """
        self.found = {}
        self.packet_id = None
        self.last_service_info = None
        self.encryption_counter = 0.0
        self.decryption_failed = False
        self._start_update(info)
        if self.decryption_failed:
            raise MalformedPacketError("an advert that its key does not decrypt")
        if self.last_service_info is None:
            raise MalformedPacketError("an advert in which nothing is known")
        return self.found

    def update_sensor(self, key: str, *_: Any, **given: Any) -> None:
        quantity = _MEASURES.get(given["device_class"])
        if quantity is not None:
            # Of two thermometers in one device the first is its own.
            self.found.setdefault(quantity, given["native_value"])

    def update_binary_sensor(self, key: str, *_: Any, **given: Any) -> None:
        quantity = _STATES.get(given["device_class"])
        if quantity is not None:
            value = float(given["native_value"])
            # Two contacts on one door: open if either is.
            self.found[quantity] = max(value, self.found.get(quantity, 0.0))

    def fire_event(self, key: str, event_type: str, *_: Any, **__: Any) -> None:
        press = _PRESSES.get(event_type)
        if press is not None and key.startswith("button"):
            self.found.setdefault(Quantity.PRESS, press)


class _Memory(msgspec.Struct, frozen=True):
    """What outlives a restart."""

    enrolment: str
    """Tells that key and enrolment are the same as then."""
    highest: int
    doubted: int


class BTHomeDecoder:
    """One enrolled sensor; implements `contract.devices.SensorDecoder`.

    With a key each counter is believed once and only above all before it, however far: sensors
    begin anywhere after a change of their battery, and nobody without the key can make one. Below
    that an advert may be a copy of an old one, or come from a sensor that has begun to count anew:
    its states are not believed, but a press in it is told, once for each counter of the new count
    (H58 of the hazard log).

    Raises
    ------
    ValueError
        If the key is not 16 bytes in hexadecimal.
    """

    def __init__(self, config: SensorConfig) -> None:
        key = parse_key(config.key)
        self._address = config.address
        self._has_key = key is not None
        self._parser = _Parser(key)
        self._enrolment = _fingerprint(key or b"", config.enrolled_us)
        self._highest = -1
        """Counter; of a sensor without a key the number of its latest packet."""
        self._highest_ns = _NEVER
        self._doubted = -1
        """Highest counter of a press that may be a copy and was told."""
        self._stated: dict[Quantity, int] = {}
        """Counter with which each quantity was said last."""
        self._recent: dict[bytes, int] = {}
        """When each of the latest adverts was heard last."""
        self._presses: dict[int, tuple[float, int]] = {}
        """Without a key, of each packet number: the press in it, and when it was heard last."""

    def decode(self, heard: HeardAdvert) -> Sequence[Reading]:
        data = heard.service_data.get(SERVICE_UUID)
        if data is None:
            return ()  # its name alone, or another of its services
        now_ns = heard.received_ns
        known_ns = self._recent.get(data)
        if known_ns is not None and (self._has_key or now_ns - known_ns < REPEATED_NS):
            self._recent[data] = now_ns
            return ()
        self._check_form(data)
        found = self._parser.read(_service_info(heard, data))
        if self._has_key:
            readings = self._judge_counter(int.from_bytes(data[_COUNTER], "little"), found, now_ns)
        else:
            readings = self._judge_packet(found, now_ns)
        self._remember(data, now_ns)
        return _believable(readings)

    def memory(self) -> bytes:
        if not self._has_key:
            return b""
        return msgspec.json.encode(_Memory(self._enrolment, self._highest, self._doubted))

    def recall(self, memory: bytes) -> None:
        try:
            kept = msgspec.json.decode(memory, type=_Memory)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return
        if kept.enrolment == self._enrolment:
            self._highest = max(self._highest, kept.highest)
            self._doubted = max(self._doubted, kept.doubted)

    def _check_form(self, data: bytes) -> None:
        if len(data) < _SHORTEST:
            raise MalformedPacketError("an advert that is cut short")
        information = data[_INFORMATION]
        if information >> _VERSION_SHIFT != _VERSION:
            raise MalformedPacketError(f"BTHome version {information >> _VERSION_SHIFT}")
        length = len(data)
        if information & _HAS_ADDRESS:
            length -= 6
            if data[_ADDRESS][::-1].hex(":").upper() != self._address:
                raise MalformedPacketError("an advert that holds another address than its own")
        if not information & _ENCRYPTED:
            if self._has_key:
                raise RefusedAdvertError(
                    FaultCause.ADVERT_UNENCRYPTED, "it has a key and spoke without it"
                )
        elif not self._has_key:
            raise MalformedPacketError("an encrypted advert, and no key is known")
        elif length < _SHORTEST_ENCRYPTED:
            raise MalformedPacketError("an encrypted advert that is cut short")

    def _judge_counter(
        self, counter: int, found: Mapping[Quantity, float], now_ns: int
    ) -> list[Reading]:
        """What may be believed of an advert that its key has decrypted."""
        behind = self._highest - counter
        if behind <= 0:  # the very latest is heard again after a restart, too
            self._highest, self._highest_ns = counter, now_ns
        elif behind >= REORDERED_COUNTERS or now_ns - self._highest_ns >= REORDERED_NS:
            self._refuse(counter, found)
        readings = []
        for quantity, value in found.items():
            stated = self._stated.get(quantity, -1)
            if counter > stated:
                self._stated[quantity] = counter
            if counter > stated or (quantity is Quantity.PRESS and behind > 0):
                readings.append(Reading(quantity, value, counter))
        return readings

    def _refuse(self, counter: int, found: Mapping[Quantity, float]) -> None:
        press = found.get(Quantity.PRESS)
        told: tuple[Reading, ...] = ()
        if press is not None and counter > self._doubted:
            self._doubted = counter
            told = (Reading(Quantity.PRESS, press, counter),)
        raise RefusedAdvertError(
            FaultCause.ADVERT_REPLAYED,
            f"its counter went back from {self._highest} to {counter}",
            told,
        )

    def _judge_packet(self, found: Mapping[Quantity, float], now_ns: int) -> list[Reading]:
        """What is new in an advert that anybody could have sent."""
        packet = self._parser.packet_id
        if packet is None:
            return [Reading(*each) for each in found.items()]
        number = int(packet)
        overtaken = (
            now_ns - self._highest_ns < REPEATED_NS
            and 0 < (self._highest - number) % _PACKETS < REORDERED_COUNTERS
        )
        if not overtaken:
            self._highest, self._highest_ns = number, now_ns
        return [
            Reading(quantity, value, number)
            for quantity, value in found.items()
            if (
                self._is_new_press(number, value, now_ns)
                if quantity is Quantity.PRESS
                else not overtaken
            )
        ]

    def _is_new_press(self, number: int, value: float, now_ns: int) -> bool:
        """The same packet may come with other bytes beside the press."""
        before, heard_ns = self._presses.get(number, (0.0, _NEVER))
        self._presses = {
            each: kept
            for each, kept in self._presses.items()
            if now_ns - kept[1] < REPEATED_NS and each != number
        }
        self._presses[number] = (value, now_ns)
        return before != value or now_ns - heard_ns >= REPEATED_NS

    def _remember(self, data: bytes, now_ns: int) -> None:
        self._recent.pop(data, None)
        self._recent[data] = now_ns
        if len(self._recent) > RECENT_ADVERTS:
            del self._recent[next(iter(self._recent))]


def parse_key(text: str | None) -> bytes | None:
    """The bytes of a key.

    Raises
    ------
    ValueError
        If it is none; the message does not hold it.
    """
    if text is None:
        return None
    try:
        key = bytes.fromhex(text)
    except ValueError:
        key = b""
    if len(key) != KEY_BYTES:
        raise ValueError("its key is not 32 hexadecimal digits")
    return key


def _fingerprint(key: bytes, enrolled_us: int) -> str:
    """Nothing can be learnt of the key by it."""
    return hashlib.blake2s(b"%d" % enrolled_us, key=key, digest_size=8).hexdigest()


def _service_info(heard: HeardAdvert, data: bytes) -> BluetoothServiceInfoBleak:
    return BluetoothServiceInfoBleak(
        name=heard.local_name or heard.address,
        address=heard.address,
        rssi=heard.rssi_dbm,
        manufacturer_data={},
        service_data={SERVICE_UUID: data},
        service_uuids=[],
        source="",
        device=None,  # type: ignore[arg-type]  # nothing is connected to
        advertisement=None,
        connectable=False,
        time=heard.received_ns / NS_PER_S,
        tx_power=None,
    )


def _believable(readings: list[Reading]) -> list[Reading]:
    """The readings, if all of them are possible.

    Raises
    ------
    RefusedAdvertError
        If one is not; the others come with it.
    """
    possible: list[Reading] = []
    impossible: list[Reading] = []
    for reading in readings:
        low, high = _POSSIBLE.get(reading.quantity, (0.0, 4.0))
        (possible if low <= reading.value <= high else impossible).append(reading)
    if not impossible:
        return readings
    what = impossible[0].quantity.value
    raise RefusedAdvertError(FaultCause.PACKET_REJECTED, f"an impossible {what}", possible)


KIND: Final = BTHomeKind()
"""What the entry point names."""
