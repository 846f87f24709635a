"""The forms in which ESP32 receivers publish adverts over MQTT, read into `HeardAdvert`.

Three firmwares, as their own sources have them:

- *OpenMQTTGateway and Theengs Gateway* (``docs/use/ble.md`` and ``main/ZgatewayBT.ino`` of
  1technophile/OpenMQTTGateway): one object for each advert, with ``id``, ``rssi``, ``name``,
  ``manufacturerdata`` (hexadecimal, the company little-endian in front), ``servicedata``
  (hexadecimal) and ``servicedatauuid`` (``0xfcd2`` or 128 bits; of several the last). Of a device
  that it decodes itself it sends what it has decoded (``model_id`` …), and the raw data only
  with ``pubadvdata`` on.
- *ESPHome's Bluetooth proxy*, by the JSON mapping of its ``BluetoothLERawAdvertisementsResponse``
  (``api.proto``): ``advertisements`` is a list of ``address`` (a number), ``rssi``,
  ``address_type`` and ``data``, AD structures in base64.
- *ESPHome's* ``on_ble_advertise`` *and other lambdas* that publish AD structures in hexadecimal,
  one object for each advert or a list of them.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, NamedTuple

import msgspec

from contract.advert import MalformedPacketError
from contract.protocols import HeardAdvert
from edge.radio.structures import Structures, read_structures, uuid_text

LONGEST_MESSAGE: Final = 64 * 1024
"""Bytes. A proxy collects for a tenth of a second, in which an ESP32 hears some twenty adverts of
a few hundred bytes each; more than ten times that is no proxy."""

MOST_ADVERTS: Final = 256
"""In one message; as above."""

ADDRESSES: Final = ("id", "mac", "address", "addr")
RAW: Final = ("data", "raw", "adv", "advertisement")
LISTS: Final = ("advertisements", "adverts", "devices")
DECODED: Final = ("model_id", "brand", "model")
"""What OpenMQTTGateway says of a device that it has decoded itself."""

WEAKEST_DBM: Final = -127
STRONGEST_DBM: Final = 20
"""What HCI can say of a signal's strength (Core, Vol 4, Part E, 7.7.65.2)."""

_BYTES: Final = 6
_HEXADECIMAL: Final = re.compile(r"(?:[0-9a-fA-F]{2})+")
_ADDRESS: Final = re.compile(r"[0-9A-F]{12}")
_COMPANY: Final = 2


class DecodedOnlyError(MalformedPacketError):
    """An advert that the receiver has decoded itself, without what it was decoded from."""


def adverts_of(payload: bytes) -> Iterator[Mapping[str, Any]]:
    """The adverts in one message, each as the receiver put it.

    Raises
    ------
    MalformedPacketError
        If it is too long, not JSON, or neither an object nor a list of objects.
    """
    if len(payload) > LONGEST_MESSAGE:
        raise MalformedPacketError("a message that is too long")
    try:
        said = msgspec.json.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedPacketError("a message that is no JSON") from error
    if isinstance(said, dict):
        inner = next((said[name] for name in LISTS if isinstance(said.get(name), list)), None)
        said = [said] if inner is None else inner
    if not isinstance(said, list):
        raise MalformedPacketError("a message that is neither an object nor a list")
    if len(said) > MOST_ADVERTS:
        raise MalformedPacketError("a message with too many adverts")
    for each in said:
        if not isinstance(each, dict):
            raise MalformedPacketError("an advert that is no object")
        yield each


def read_advert(said: Mapping[str, Any], receiver: str, received_ns: int) -> HeardAdvert:
    """One advert, whatever its form.

    Parameters
    ----------
    receiver
        Who heard it.
    received_ns
        When its message came, monotonic.

    Raises
    ------
    DecodedOnlyError
        If the receiver has kept the raw data to itself.
    MalformedPacketError
        If it is of no known form, or a field cannot be.
    """
    form = next((each for each in FORMS if any(name in said for name in each.names)), None)
    if form is None:
        raise MalformedPacketError("an advert of no known form")
    address = _address(said)
    rssi_dbm = _rssi(said)
    found = form.read(said)
    return HeardAdvert(
        address,
        rssi_dbm,
        found.manufacturer_data,
        found.service_data,
        received_ns,
        found.local_name,
        found.service_uuids,
        receiver,
    )


def _whole(said: Mapping[str, Any]) -> Structures:
    """AD structures, in hexadecimal or base64."""
    text = _text(said, next(name for name in RAW if name in said))
    if _HEXADECIMAL.fullmatch(text):
        try:
            return read_structures(bytes.fromhex(text))
        except MalformedPacketError:
            # Letters and digits of base64 can be those of hexadecimal by chance.
            return read_structures(_base64(text))
    return read_structures(_base64(text))


def _fields(said: Mapping[str, Any]) -> Structures:
    """Manufacturer and service data by name."""
    found = Structures()
    if "name" in said:
        found.local_name = _text(said, "name")
    if "manufacturerdata" in said:
        data = _hexadecimal(said, "manufacturerdata")
        if len(data) < _COMPANY:
            raise MalformedPacketError("manufacturer data without a company")
        found.manufacturer_data[int.from_bytes(data[:_COMPANY], "little")] = data[_COMPANY:]
    if "servicedata" in said and "servicedatauuid" in said:
        found.service_data[_service(said)] = _hexadecimal(said, "servicedata")
    return found


def _decoded(said: Mapping[str, Any]) -> Structures:
    """Nothing that could be read."""
    raise DecodedOnlyError("an advert that its receiver has decoded without the raw data")


def _bare(said: Mapping[str, Any]) -> Structures:
    """A device that says nothing but that it is there, or how it is called."""
    found = Structures()
    if "name" in said:
        found.local_name = _text(said, "name")
    return found


class Form(NamedTuple):
    """One form of advert, known by any of its fields."""

    names: tuple[str, ...]
    read: Callable[[Mapping[str, Any]], Structures]


FORMS: Final = (
    Form(RAW, _whole),
    Form(("manufacturerdata", "servicedata"), _fields),
    Form(DECODED, _decoded),
    Form(("rssi",), _bare),
)
"""The first that fits is taken."""


def _address(said: Mapping[str, Any]) -> str:
    given = next((said[name] for name in ADDRESSES if name in said), None)
    if isinstance(given, int) and not isinstance(given, bool):
        if not 0 <= given < 1 << (8 * _BYTES):
            raise MalformedPacketError("an address that is none")
        digits = f"{given:012X}"
    elif isinstance(given, str):
        digits = given.translate(_SEPARATORS).upper()
        if not _ADDRESS.fullmatch(digits):
            # Numbers of 64 bits are text in the JSON of protocol buffers.
            if not (given.isascii() and given.isdecimal() and len(given) < 16):
                raise MalformedPacketError("an address that is none")
            return _address({"address": int(given)})
    else:
        raise MalformedPacketError("an advert without an address")
    return ":".join(digits[at : at + 2] for at in range(0, 2 * _BYTES, 2))


_SEPARATORS: Final = str.maketrans("", "", ":-")


def _rssi(said: Mapping[str, Any]) -> int:
    given = said.get("rssi")
    if not isinstance(given, int | float) or isinstance(given, bool):
        raise MalformedPacketError("an advert without its strength")
    if not WEAKEST_DBM <= given <= STRONGEST_DBM:
        raise MalformedPacketError("a strength that cannot be")
    return round(given)


def _service(said: Mapping[str, Any]) -> str:
    digits = _text(said, "servicedatauuid").lower().removeprefix("0x").translate(_SEPARATORS)
    if len(digits) % 2 or not _HEXADECIMAL.fullmatch(digits):
        raise MalformedPacketError("a UUID that is none")
    return uuid_text(bytes.fromhex(digits)[::-1])


def _hexadecimal(said: Mapping[str, Any], name: str) -> bytes:
    text = _text(said, name)
    if text and not _HEXADECIMAL.fullmatch(text):
        raise MalformedPacketError(f"{name} that is not hexadecimal")
    return bytes.fromhex(text)


def _base64(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise MalformedPacketError("data that is neither hexadecimal nor base64") from error


def _text(said: Mapping[str, Any], name: str) -> str:
    value = said[name]
    if not isinstance(value, str):
        raise MalformedPacketError(f"{name} that is no text")
    return value
