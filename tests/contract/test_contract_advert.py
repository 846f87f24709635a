"""The 31 bytes of an advert, byte by byte."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.advert import (
    ADVERT_BYTES,
    COMPANY_ID,
    MANUFACTURER_BYTES,
    AdvertFlag,
    MalformedPacketError,
    WearableAdvert,
    decode_manufacturer_data,
    encode_advert,
    encode_manufacturer_data,
    manufacturer_data,
)

GOLDEN = bytes.fromhex(
    "020106"  # flags: general discoverable, no classic Bluetooth
    "1bff"  # 27 bytes of manufacturer data
    "ffff"  # company id
    "01"  # version
    "04030201"  # identity
    "07"  # boot counter
    "3412"  # second
    "0008 00fc 0010"  # mean: 0.5, -0.25, 1 g in 1/4096 g
    "10"  # least: 0.5 g in 1/32 g
    "20"  # greatest: 2 g in 1/16 g
    "ff"  # deviation: 4 g, full scale
    "58"  # battery: 88 %
    "1b"  # worn, wear known, saturated, candidate pending
    "03"  # candidate counter
    "09"  # seconds since
    "38"  # its peak: 3.5 g in 1/16 g
    "02"  # button counter
    "3d"  # 61 beats per minute
)


def test_the_golden_advert(advert: Any) -> None:
    assert len(GOLDEN) == ADVERT_BYTES
    assert encode_advert(advert()) == GOLDEN
    data = manufacturer_data(GOLDEN)
    assert list(data) == [COMPANY_ID]
    assert decode_manufacturer_data(data[COMPANY_ID]) == advert()


BYTES = st.integers(0, 255)
ADVERTS = st.builds(
    WearableAdvert,
    identity=st.integers(0, 2**32 - 1),
    boot_counter=BYTES,
    second=st.integers(0, 0xFFFF),
    mean_g=st.tuples(*[st.integers(-32768, 32767).map(lambda n: n / 4096)] * 3),
    min_g=BYTES.map(lambda n: n / 32),
    max_g=BYTES.map(lambda n: n / 16),
    deviation_g=BYTES.map(lambda n: (n / 255) ** 2 * 4),
    battery_percent=st.none() | st.integers(0, 100),
    worn=st.none() | st.booleans(),
    charging=st.booleans(),
    saturated=st.booleans(),
    candidate_counter=BYTES,
    candidate_pending=st.booleans(),
    candidate_age_s=BYTES,
    candidate_peak_g=BYTES.map(lambda n: n / 16),
    button_counter=BYTES,
    button_pending=st.booleans(),
    heart_rate_bpm=st.none() | st.integers(1, 255),
)


@given(ADVERTS)
def test_what_fits_the_fields_comes_back_exactly(advert: WearableAdvert) -> None:
    raw = encode_advert(advert)
    assert len(raw) == ADVERT_BYTES
    assert decode_manufacturer_data(manufacturer_data(raw)[COMPANY_ID]) == advert


@given(
    mean=st.tuples(*[st.floats(-7.9, 7.9)] * 3),
    least=st.floats(0, 7.9),
    greatest=st.floats(0, 15.9),
    deviation=st.floats(0, 4),
)
def test_quantising_loses_no_more_than_half_a_step(
    mean: tuple[float, float, float], least: float, greatest: float, deviation: float
) -> None:
    advert = WearableAdvert(
        identity=1, boot_counter=0, second=0, mean_g=mean, min_g=least, max_g=greatest,
        deviation_g=deviation, battery_percent=None, worn=None, charging=False, saturated=False,
        candidate_counter=0, candidate_pending=False, candidate_age_s=0, candidate_peak_g=0.0,
        button_counter=0, button_pending=False, heart_rate_bpm=None,
    )  # fmt: skip
    back = decode_manufacturer_data(encode_manufacturer_data(advert))
    assert back.mean_g == pytest.approx(mean, abs=0.5 / 4096 + 1e-9)
    assert back.min_g == pytest.approx(least, abs=0.5 / 32 + 1e-9)
    assert back.max_g == pytest.approx(greatest, abs=0.5 / 16 + 1e-9)
    # Square-root scale: fine where a sleeper moves, coarse in a fall.
    assert back.deviation_g**0.5 == pytest.approx(deviation**0.5, abs=0.5 * 2 / 255 + 1e-9)


def test_what_does_not_fit_is_clipped_not_wrapped(advert: Any) -> None:
    extreme = advert(
        mean_g=(100.0, -100.0, 0.0),
        min_g=-1.0,
        max_g=1000.0,
        deviation_g=99.0,
        candidate_age_s=100_000,
        candidate_peak_g=99.0,
        second=0x1_0005,
        boot_counter=256,
        battery_percent=130,
    )
    back = decode_manufacturer_data(encode_manufacturer_data(extreme))
    assert back.mean_g == (32767 / 4096, -8.0, 0.0)
    assert (back.min_g, back.max_g, back.deviation_g) == (0.0, 255 / 16, 4.0)
    assert (back.candidate_age_s, back.candidate_peak_g) == (255, 255 / 16)
    assert (back.second, back.boot_counter) == (5, 0), "counters wrap"
    assert back.battery_percent == 100


def test_worn_is_unknown_without_its_flag(advert: Any) -> None:
    for worn in (None, True, False):
        back = decode_manufacturer_data(encode_manufacturer_data(advert(worn=worn)))
        assert back.worn is worn
    data = bytearray(encode_manufacturer_data(advert(worn=None)))
    data[18] |= AdvertFlag.WORN
    assert decode_manufacturer_data(bytes(data)).worn is None


@pytest.mark.parametrize("length", [each for each in range(40) if each != MANUFACTURER_BYTES])
def test_another_length_is_refused(length: int) -> None:
    data = (GOLDEN[7:] * 2)[:length]
    with pytest.raises(MalformedPacketError, match=f"{length} bytes"):
        decode_manufacturer_data(data)


@pytest.mark.parametrize("version", [0, 2, 255])
def test_another_version_is_refused(version: int) -> None:
    with pytest.raises(MalformedPacketError, match=f"version {version}"):
        decode_manufacturer_data(bytes((version,)) + GOLDEN[8:])


@pytest.mark.parametrize("battery", range(101, 255))
def test_an_impossible_battery_is_refused(battery: int) -> None:
    data = bytearray(GOLDEN[7:])
    data[17] = battery
    with pytest.raises(MalformedPacketError, match="battery"):
        decode_manufacturer_data(bytes(data))


@given(st.binary(min_size=MANUFACTURER_BYTES, max_size=MANUFACTURER_BYTES))
def test_any_bytes_are_refused_or_decode_to_possible_values(data: bytes) -> None:
    try:
        advert = decode_manufacturer_data(b"\x01" + data[1:])
    except MalformedPacketError:
        return
    assert all(-8 <= axis < 8 for axis in advert.mean_g)
    assert 0 <= advert.min_g < 8
    assert 0 <= advert.max_g < 16
    assert 0 <= advert.deviation_g <= 4
    assert advert.battery_percent is None or 0 <= advert.battery_percent <= 100
    assert advert.heart_rate_bpm != 0
    # Saying it again says the same: nothing of it is lost (reserved flag bits apart).
    assert decode_manufacturer_data(encode_manufacturer_data(advert)) == advert


@pytest.mark.parametrize("bit", range(ADVERT_BYTES * 8))
def test_any_flipped_bit_is_refused_or_decodes(bit: int) -> None:
    raw = bytearray(GOLDEN)
    raw[bit // 8] ^= 1 << bit % 8
    with suppress(MalformedPacketError):
        for data in manufacturer_data(bytes(raw)).values():
            decode_manufacturer_data(data)


@pytest.mark.parametrize("length", range(ADVERT_BYTES))
def test_any_truncation_is_refused_or_says_nothing(length: int) -> None:
    try:
        found = manufacturer_data(GOLDEN[:length])
    except MalformedPacketError:
        return
    assert COMPANY_ID not in found


@given(st.binary(max_size=80))
def test_any_bytes_split_without_surprise(raw: bytes) -> None:
    try:
        found = manufacturer_data(raw)
    except MalformedPacketError:
        return
    assert all(0 <= company <= 0xFFFF and data in raw for company, data in found.items())


def test_other_structures_and_padding_are_passed_over() -> None:
    name = b"\x05\x09Ward"
    other = b"\x04\xff\x4c\x00\x02"
    assert manufacturer_data(name + other + GOLDEN[3:] + b"\x00\x00") == {
        0x004C: b"\x02",
        COMPANY_ID: GOLDEN[7:],
    }
