"""What ESP32 receivers publish, and what of it cannot be."""

from __future__ import annotations

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.advert import ADVERT_BYTES, COMPANY_ID, MalformedPacketError
from edge.radio.proxy_forms import (
    LONGEST_MESSAGE,
    MOST_ADVERTS,
    DecodedOnlyError,
    adverts_of,
    read_advert,
)
from edge.radio.structures import read_structures, uuid_text

WEARABLE = "C0:DE:00:00:00:01"
BTHOME = "0000fcd2-0000-1000-8000-00805f9b34fb"


def read(payload, receiver="lounge"):
    given_bytes = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    return [read_advert(each, receiver, 5) for each in adverts_of(given_bytes)]


def on_air(manufacturer_data):
    data = bytes.fromhex("020106") + bytes((len(manufacturer_data) + 3, 0xFF, 0xFF, 0xFF))
    return data + manufacturer_data


# -- OpenMQTTGateway and Theengs -------------------------------------------------------------


def test_openmqttgateway_sends_manufacturer_data_with_the_company_in_front(make_advert):
    data = make_advert(100)
    said = {
        "id": WEARABLE,
        "mac_type": 1,
        "adv_type": 0,
        "name": "Wardlight",
        "manufacturerdata": "ffff" + data.hex(),
        "rssi": -71,
    }
    (heard,) = read(said)
    assert heard.address == WEARABLE
    assert heard.rssi_dbm == -71
    assert heard.manufacturer_data == {COMPANY_ID: data}
    assert heard.local_name == "Wardlight"
    assert heard.receiver == "lounge"
    assert heard.received_ns == 5


@pytest.mark.parametrize("uuid", ["0xfcd2", "fcd2", BTHOME, BTHOME.upper()])
def test_service_data_is_found_by_its_whole_uuid(uuid):
    said = {
        "id": "a4:c1:38:b4:94:4c",
        "rssi": -80,
        "servicedata": "400164",
        "servicedatauuid": uuid,
    }
    (heard,) = read(said)
    assert heard.service_data == {BTHOME: bytes.fromhex("400164")}
    assert heard.address == "A4:C1:38:B4:94:4C"


def test_what_the_receiver_decoded_itself_is_no_advert():
    said = {"id": WEARABLE, "rssi": -60, "brand": "Xiaomi", "model_id": "LYWSD03", "tempc": 21.5}
    with pytest.raises(DecodedOnlyError):
        read(said)
    # With pubadvdata the raw data are beside it.
    (heard,) = read(said | {"servicedata": "40016402", "servicedatauuid": "0xfcd2"})
    assert heard.service_data[BTHOME] == bytes.fromhex("40016402")


def test_a_device_that_says_nothing_is_heard_all_the_same():
    (heard,) = read({"id": WEARABLE, "rssi": -60, "distance": 2.5})
    assert heard.manufacturer_data == {}


# -- ESPHome -----------------------------------------------------------------------------------


def in_base64(data):
    return base64.b64encode(data).decode()


ADDRESS = 0xC0DE00000001


@pytest.mark.parametrize("text", [in_base64, bytes.hex, lambda data: data.hex().upper()])
@pytest.mark.parametrize("address", [WEARABLE, "c0de00000001", ADDRESS, str(ADDRESS)])
def test_whole_adverts_come_in_base64_or_hexadecimal(make_advert, text, address):
    data = make_advert(100)
    said = {"address": address, "rssi": -64, "address_type": 1, "data": text(on_air(data))}
    (heard,) = read(said)
    assert heard.address == WEARABLE
    assert heard.manufacturer_data == {COMPANY_ID: data}


@pytest.mark.parametrize("wrap", [lambda many: many, lambda many: {"advertisements": many}])
def test_a_message_may_hold_many_in_their_order(make_advert, wrap):
    many = [
        {"address": WEARABLE, "rssi": -60 - each, "data": on_air(make_advert(each)).hex()}
        for each in range(20)
    ]
    assert [each.rssi_dbm for each in read(wrap(many))] == [-60 - each for each in range(20)]


def test_structures_are_read_by_their_types():
    found = read_structures(bytes.fromhex("0201060303d2fc0516d2fc400105ff4c0002150409506f6c0000"))
    assert found.service_uuids == [BTHOME]
    assert found.service_data == {BTHOME: b"\x40\x01"}
    assert found.manufacturer_data == {0x004C: b"\x02\x15"}
    assert found.local_name == "Pol"
    whole = bytes.fromhex("107e2d5b1c3f0a9e634c2e5d01008b7a")
    assert uuid_text(whole) == "7a8b0001-5d2e-4c63-9e0a-3f1c5b2d7e10"


# -- what cannot be ------------------------------------------------------------------------------

GOOD = {"id": WEARABLE, "rssi": -60, "manufacturerdata": "ffff01"}


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"online",
        b"\xff\xfe",
        b"5",
        b'"text"',
        b"[1]",
        b"[" * 60_000,
        b" " * (LONGEST_MESSAGE + 1),
        json.dumps([GOOD] * (MOST_ADVERTS + 1)).encode(),
        {},
        {"id": WEARABLE},
        GOOD | {"id": "aa:bb"},
        GOOD | {"id": None},
        GOOD | {"id": True},
        GOOD | {"id": 1 << 48},
        GOOD | {"id": -1},
        GOOD | {"rssi": "strong"},
        GOOD | {"rssi": None},
        GOOD | {"rssi": 400},
        GOOD | {"rssi": True},
        GOOD | {"manufacturerdata": "ff"},
        GOOD | {"manufacturerdata": "fff"},
        GOOD | {"manufacturerdata": "zz"},
        GOOD | {"manufacturerdata": 7},
        GOOD | {"servicedata": "00", "servicedatauuid": "0xfcd"},
        GOOD | {"servicedata": "00", "servicedatauuid": "0xfcd2fc"},
        GOOD | {"data": "!!"},
        GOOD | {"data": "0aff"},
        GOOD | {"data": "01ff"},
        GOOD | {"data": "0316d2"},
        GOOD | {"data": "00" * 2000},
        {k: v for k, v in GOOD.items() if k != "id"},
        {k: v for k, v in GOOD.items() if k != "rssi"},
    ],
)
def test_what_cannot_be_is_refused_with_a_reason(payload):
    with pytest.raises(MalformedPacketError, match=r"\w"):
        read(payload)


FIELDS = [
    "id",
    "address",
    "rssi",
    "data",
    "name",
    "manufacturerdata",
    "servicedata",
    "servicedatauuid",
    "advertisements",
    "model_id",
]
LEAVES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
JSON = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(FIELDS), inner, max_size=6)
    ),
    max_leaves=12,
)


@given(st.binary(max_size=200) | JSON.map(lambda said: json.dumps(said).encode()))
def test_whatever_comes_is_read_or_refused(payload):
    try:
        heard = read(payload)
    except MalformedPacketError:
        return
    for each in heard:
        assert len(each.address) == 17
        assert -127 <= each.rssi_dbm <= 20


@given(st.binary(max_size=80))
def test_any_bytes_are_structures_or_refused(data):
    try:
        found = read_structures(data)
    except MalformedPacketError:
        return
    held = sum(map(len, found.manufacturer_data.values())) + len(found.local_name)
    assert held <= len(data)


@given(
    st.integers(0, 2**48 - 1),
    st.integers(-127, 20),
    st.binary(max_size=ADVERT_BYTES - 4),
    st.sampled_from(["data", "raw"]),
    st.booleans(),
)
def test_what_is_sent_is_what_is_heard(address, rssi_dbm, data, field, is_hexadecimal):
    text = on_air(data).hex() if is_hexadecimal else in_base64(on_air(data))
    (heard,) = read({"address": address, "rssi": rssi_dbm, field: text})
    assert int(heard.address.replace(":", ""), 16) == address
    assert heard.rssi_dbm == rssi_dbm
    assert heard.manufacturer_data == {COMPANY_ID: data}
