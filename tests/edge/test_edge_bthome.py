"""BTHome adverts: what is read, what is a repetition, and what is not believed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.advert import MalformedPacketError
from contract.devices import Quantity, Reading, RefusedAdvertError
from contract.events import FaultCause
from contract.messages import SensorConfig
from contract.protocols import HeardAdvert
from edge.decode.bthome import KIND, SERVICE_UUID
from firmware_sim.room_sensors import (
    RoomSensor,
    SensorKind,
    encode_objects,
    encrypted,
    plain,
)

KEY = "231d39c1d7cc1ab1aee224cd096db932"
ADDRESS = "54:48:E6:8F:80:A5"
S = 1_000_000_000


def config(key: str | None = KEY, **changes: object) -> SensorConfig:
    return SensorConfig(
        **{"device": "door-1", "address": ADDRESS, "zone": "room-211", "key": key, **changes}
    )


def heard(data: bytes, at_s: float = 0.0) -> HeardAdvert:
    return HeardAdvert(ADDRESS, -60, {}, {SERVICE_UUID: data}, int(at_s * S))


def sealed(counter: int, *values: tuple[Quantity, float]) -> bytes:
    return encrypted(encode_objects(values), bytes.fromhex(KEY), ADDRESS, counter)


def said(readings) -> dict[str, float]:
    return {reading.quantity.value: reading.value for reading in readings}


def refusal(decoder, advert) -> RefusedAdvertError:
    with pytest.raises(RefusedAdvertError) as caught:
        decoder.decode(advert)
    return caught.value


def test_the_formats_own_example_is_read():
    """The encrypted example of https://bthome.io/encryption."""
    decoder = KIND.sensor(config())
    data = bytes.fromhex("41a47266c95f730011223378237214")
    assert said(decoder.decode(heard(data))) == {
        "temperature_c": 25.06,
        "humidity_percent": 50.55,
    }
    assert data == sealed(
        0x33221100, (Quantity.TEMPERATURE_C, 25.06), (Quantity.HUMIDITY_PERCENT, 50.55)
    )


@pytest.mark.parametrize(
    ("objects", "expected"),
    [
        ("2101", {"motion": 1}),
        ("2100", {"motion": 0}),
        ("1a01", {"opening": 1}),
        ("1100", {"opening": 0}),
        ("2d01", {"opening": 1}),
        ("1a012d00", {"opening": 1}),
        ("2301", {"occupied": 1}),
        ("3a01", {"press": 1}),
        ("3a02", {"press": 2}),
        ("3a03", {"press": 3}),
        ("3a04", {"press": 4}),
        ("3a00", {}),
        ("3a003a013a00", {"press": 1}),
        ("3a81", {}),
        ("0161", {"battery_percent": 97}),
        ("02ca09", {"temperature_c": 25.06}),
        ("4511 01".replace(" ", ""), {"temperature_c": 27.3}),
        ("57ea", {"temperature_c": -22}),
        ("03bf13", {"humidity_percent": 50.55}),
        ("2e23", {"humidity_percent": 35}),
        ("02ca0902c409", {"temperature_c": 25.06}),
        ("050102030161".replace("0161", ""), {}),
    ],
)
def test_every_object_that_is_of_use_is_read(objects, expected):
    decoder = KIND.sensor(config(key=None))
    assert said(decoder.decode(heard(plain(bytes.fromhex(objects))))) == expected


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "cut short"),
        (b"\x40", "cut short"),
        (bytes.fromhex("2002ca09"), "version 1"),
        (bytes.fromhex("40ff00"), "nothing in it is known|nothing is known"),
        (bytes.fromhex("4202ca09ffffffffffff"), "another address"),
        (bytes.fromhex("41a47266c95f730011223378237214"), "no key is known"),
    ],
)
def test_what_cannot_be_read_says_why(data, reason):
    with pytest.raises(MalformedPacketError, match=reason):
        KIND.sensor(config(key=None)).decode(heard(data))


def test_what_another_key_has_sealed_is_not_read():
    data = encrypted(encode_objects([(Quantity.OPENING, 1)]), bytes(16), ADDRESS, 5)
    with pytest.raises(MalformedPacketError, match="does not decrypt"):
        KIND.sensor(config()).decode(heard(data))
    with pytest.raises(MalformedPacketError, match="cut short"):
        KIND.sensor(config()).decode(heard(data[:9]))


@pytest.mark.parametrize("key", ["", "00", "zz" * 16, "00" * 17])
def test_a_key_that_cannot_be_one_is_refused_and_not_repeated(key):
    with pytest.raises(ValueError, match="32 hexadecimal digits") as caught:
        KIND.sensor(config(key=key))
    assert not key or key not in str(caught.value)


def test_a_sensor_with_a_key_is_not_believed_without_it():
    decoder = KIND.sensor(config())
    error = refusal(decoder, heard(plain(encode_objects([(Quantity.PRESS, 1)]))))
    assert error.cause is FaultCause.ADVERT_UNENCRYPTED
    assert not error.readings
    assert decoder.decode(heard(sealed(1, (Quantity.OPENING, 1))))


def test_a_repetition_says_nothing_also_between_others_and_long_after():
    decoder = KIND.sensor(config())
    first, second = sealed(1, (Quantity.OPENING, 1)), sealed(2, (Quantity.OPENING, 0))
    assert said(decoder.decode(heard(first))) == {"opening": 1}
    assert said(decoder.decode(heard(second, 0.2))) == {"opening": 0}
    for at_s, data in ((0.3, first), (0.4, second), (3_600, first), (3_601, second)):
        assert decoder.decode(heard(data, at_s)) == ()


def test_a_counter_that_went_back_is_a_copy_however_small_it_is():
    """bthome-ble lets every counter below 100 pass."""
    decoder = KIND.sensor(config())
    decoder.decode(heard(sealed(200, (Quantity.OPENING, 0))))
    for counter in (1, 99, 199):
        error = refusal(decoder, heard(sealed(counter, (Quantity.OPENING, 1)), 60))
        assert error.cause is FaultCause.ADVERT_REPLAYED
        assert str(counter) in str(error)
        assert not error.readings
    assert decoder.decode(heard(sealed(2**32 - 1, (Quantity.OPENING, 1)), 61))


def test_a_press_that_may_be_a_copy_is_told_once():
    """After a change of its battery a call point begins to count anew."""
    decoder = KIND.sensor(config())
    decoder.decode(heard(sealed(900, (Quantity.PRESS, 1))))
    press = sealed(3, (Quantity.PRESS, 1))
    assert refusal(decoder, heard(press, 100)).readings == (Reading(Quantity.PRESS, 1, 3),)
    assert refusal(decoder, heard(press, 100.2)).readings == ()
    assert refusal(decoder, heard(press, 4_000)).readings == ()
    assert refusal(decoder, heard(sealed(2, (Quantity.PRESS, 1)), 4_001)).readings == ()
    assert refusal(decoder, heard(sealed(4, (Quantity.PRESS, 1)), 4_002)).readings != ()


def test_what_was_overtaken_on_its_way_is_no_copy():
    """Two receivers hand on what they hear at different times."""
    decoder = KIND.sensor(config())
    decoder.decode(heard(sealed(10, (Quantity.OPENING, 1)), 0))
    decoder.decode(heard(sealed(12, (Quantity.OPENING, 0)), 0.5))
    late = sealed(11, (Quantity.OPENING, 1), (Quantity.PRESS, 1), (Quantity.BATTERY_PERCENT, 9))
    assert said(decoder.decode(heard(late, 0.8))) == {"press": 1, "battery_percent": 9}
    assert decoder.decode(heard(late, 0.9)) == ()
    assert refusal(decoder, heard(sealed(9, (Quantity.PRESS, 1)), 60)).cause


def test_the_counter_outlives_a_restart_and_ends_with_key_or_enrolment():
    decoder = KIND.sensor(config())
    latest = sealed(50, (Quantity.OPENING, 1))
    decoder.decode(heard(latest))
    memory = decoder.memory()
    assert KEY.encode() not in memory
    again = KIND.sensor(config())
    again.recall(memory)
    # A sensor that goes on repeating itself is no attacker.
    assert said(again.decode(heard(latest, 100))) == {"opening": 1}
    assert refusal(again, heard(sealed(49, (Quantity.OPENING, 0)), 200)).cause
    for other in (config(enrolled_us=1), config(key="11" * 16)):
        anew = KIND.sensor(other)
        anew.recall(memory)
        key = bytes.fromhex(other.key or "")
        objects = encode_objects([(Quantity.OPENING, 0)])
        assert said(anew.decode(heard(encrypted(objects, key, ADDRESS, 1)))) == {"opening": 0}
    for damaged in (b"", b"{}", b"\xff", b"[1]"):
        KIND.sensor(config()).recall(damaged)


@pytest.mark.parametrize("packets", [True, False])
def test_of_a_sensor_without_a_key_one_press_is_one_and_two_are_two(packets):
    decoder = KIND.sensor(config(key=None))
    presses = []
    for number, at_s in enumerate((0, 20, 40)):
        data = plain(encode_objects([(Quantity.PRESS, 1)], number if packets else None))
        for repeat in range(8):
            presses += decoder.decode(heard(data, at_s + repeat * 0.25))
    assert len(presses) == 3
    assert {press.mark for press in presses} == ({0, 1, 2} if packets else {None})


def test_two_quick_presses_are_two_where_packets_are_numbered():
    decoder = KIND.sensor(config(key=None))
    found = []
    for number, at_s in ((7, 0), (7, 0.2), (8, 0.5), (7, 0.6), (8, 0.7), (9, 0.9)):
        data = plain(encode_objects([(Quantity.PRESS, 1)], number))
        found += decoder.decode(heard(data, at_s))
    assert [press.mark for press in found] == [7, 8, 9]


def test_a_packet_of_a_known_number_is_no_second_press_whatever_else_it_says():
    decoder = KIND.sensor(config(key=None))
    found = []
    for battery, at_s in ((90, 0), (89, 0.3)):
        values = [(Quantity.PRESS, 1), (Quantity.BATTERY_PERCENT, battery)]
        found += decoder.decode(heard(plain(encode_objects(values, 5)), at_s))
    assert [each.quantity for each in found].count(Quantity.PRESS) == 1


def test_an_older_packet_changes_no_state():
    decoder = KIND.sensor(config(key=None))
    decoder.decode(heard(plain(encode_objects([(Quantity.OPENING, 1)], 1)), 0))
    decoder.decode(heard(plain(encode_objects([(Quantity.OPENING, 0)], 3)), 0.5))
    late = plain(encode_objects([(Quantity.OPENING, 1)], 2))
    assert decoder.decode(heard(late, 0.7)) == []


def test_what_cannot_be_measured_is_refused_and_a_press_beside_it_told():
    decoder = KIND.sensor(config(key=None))
    data = plain(bytes.fromhex("01ff3a01"))
    error = refusal(decoder, heard(data))
    assert error.cause is FaultCause.PACKET_REJECTED
    assert said(error.readings) == {"press": 1}


@given(st.binary(max_size=40), st.booleans(), st.booleans())
def test_no_advert_raises_anything_else(data, has_key, is_ours):
    decoder = KIND.sensor(config(key=KEY if has_key else None))
    if is_ours and data:
        data = bytes([0x40 | data[0] & 3]) + data[1:]
    try:
        for reading in decoder.decode(heard(data)):
            assert isinstance(reading.quantity, Quantity)
    except MalformedPacketError:
        pass  # with its reason


@given(st.lists(st.tuples(st.integers(0, 400), st.integers(0, 3), st.floats(0, 30)), max_size=60))
def test_no_state_is_ever_taken_from_an_older_counter(steps):
    """However adverts are lost, repeated, overtaken and sent again."""
    decoder = KIND.sensor(config())
    at_s, newest = 0.0, -1
    for counter, repeats, later_s in steps:
        at_s += later_s
        data = sealed(counter, (Quantity.TEMPERATURE_C, counter / 10))
        for _ in range(repeats + 1):
            try:
                readings = decoder.decode(heard(data, at_s))
            except RefusedAdvertError:
                continue
            for reading in readings:
                assert reading.mark == counter > newest
                newest = counter


def test_a_simulated_sensor_is_heard_for_what_it_is():
    sensor = RoomSensor(SensorKind.BED, config())
    assert KIND.recognise(heard(sensor.packet())) == "BTHome sensor (encrypted)"
    assert KIND.recognise(heard(b"\x20\x00")) is None
    decoder = KIND.sensor(config())
    sensor.set(Quantity.OCCUPIED, 1)
    assert said(decoder.decode(heard(sensor.packet()))) == {"occupied": 1, "battery_percent": 90}
