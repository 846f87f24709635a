"""Motion packets and control commands, byte by byte."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from contract.advert import MalformedPacketError
from contract.gatt import (
    MAX_NOTIFICATION_BYTES,
    Operation,
    VibratePattern,
    decode_command,
    encode_command,
)
from contract.packets import MAX_SAMPLES, MotionPacket, decode_packet, encode_packet

SAMPLES = np.array([[1.0, -1.0], [0.5, 0.0], [-16.0, 15.99951171875]], dtype=np.float32)
PACKET = MotionPacket(
    candidate_counter=5,
    number=0x0102,
    total=33,
    device_time_ms=0x0A0B0C0D,
    rate_hz=50.0,
    range_g=16,
    samples_g=SAMPLES,
)
GOLDEN_BODY = bytes.fromhex(
    "01"  # version
    "02"  # samples
    "05"  # candidate counter
    "10"  # range 16 g
    "0201"  # index
    "2100"  # total
    "0d0c0b0a"  # device time
    "8813"  # 50.00 Hz
    "0008 0004 0080"  # 1, 0.5, -16 g in 1/2048 g
    "00f8 0000 ff7f"  # -1, 0, 15.9995 g
)


def crc16_xmodem(data: bytes) -> int:
    """By its definition: polynomial 0x1021, initial value 0, no reflection."""
    crc = 0
    for byte in data:
        crc ^= byte << 8
        for _ in range(8):
            crc = (crc << 1 ^ (0x1021 if crc & 0x8000 else 0)) & 0xFFFF
    return crc


def test_the_checksum_is_xmodems() -> None:
    assert crc16_xmodem(b"123456789") == 0x31C3  # the catalogue's check value


def test_the_golden_packet() -> None:
    golden = GOLDEN_BODY + crc16_xmodem(GOLDEN_BODY).to_bytes(2, "little")
    assert encode_packet(PACKET) == golden
    back = decode_packet(golden)
    assert back._replace(samples_g=SAMPLES) == PACKET._replace(samples_g=SAMPLES)
    assert back.samples_g.dtype == np.float32
    assert back.samples_g.flags.c_contiguous
    np.testing.assert_array_equal(back.samples_g, SAMPLES)


def test_the_largest_packet_fits_a_notification() -> None:
    full = PACKET._replace(samples_g=np.zeros((3, MAX_SAMPLES), np.float32))
    assert len(encode_packet(full)) <= MAX_NOTIFICATION_BYTES
    assert MAX_SAMPLES == 38
    for count in (0, MAX_SAMPLES + 1):
        with pytest.raises(ValueError, match=f"{count} samples"):
            encode_packet(PACKET._replace(samples_g=np.zeros((3, count), np.float32)))


COUNTS = npst.arrays(np.int16, st.tuples(st.just(3), st.integers(1, MAX_SAMPLES)))
HEADS = st.tuples(
    st.integers(0, 255),
    st.integers(0, 0xFFFF),
    st.integers(0, 0xFFFF),
    st.integers(0, 2**32 - 1),
    st.integers(500, 40_000).map(lambda centihertz: centihertz / 100),
    st.sampled_from([2, 4, 8, 16, 32]),
)


@given(HEADS, COUNTS)
def test_a_packet_comes_back_exactly(
    head: tuple[int, int, int, int, float, int], counts: Any
) -> None:
    samples = counts.astype(np.float32) * np.float32(head[-1] / 32768)
    back = decode_packet(encode_packet(MotionPacket(*head, samples)))
    assert back[:6] == head
    np.testing.assert_array_equal(back.samples_g, samples)


def test_samples_beyond_the_range_are_clipped_as_a_sensor_does() -> None:
    loud = np.array([[99.0], [-99.0], [16.0]], dtype=np.float32)
    back = decode_packet(encode_packet(PACKET._replace(samples_g=loud)))
    assert back.samples_g[:, 0].tolist() == [32767 / 2048, -16.0, 32767 / 2048]


def test_counters_and_time_wrap() -> None:
    packet = PACKET._replace(number=0x1_0001, device_time_ms=2**32 + 7, candidate_counter=257)
    back = decode_packet(encode_packet(packet))
    assert (back.number, back.device_time_ms, back.candidate_counter) == (1, 7, 1)


def test_every_truncation_is_refused() -> None:
    whole = encode_packet(PACKET)
    for length in range(len(whole)):
        with pytest.raises(MalformedPacketError):
            decode_packet(whole[:length])
    with pytest.raises(MalformedPacketError):
        decode_packet(whole + b"\x00")


def test_every_flipped_bit_is_refused() -> None:
    whole = encode_packet(PACKET)
    for bit in range(len(whole) * 8):
        broken = bytearray(whole)
        broken[bit // 8] ^= 1 << bit % 8
        with pytest.raises(MalformedPacketError):
            decode_packet(bytes(broken))


@given(st.binary(max_size=300))
def test_any_bytes_are_refused_with_a_reason(data: bytes) -> None:
    with pytest.raises(MalformedPacketError, match=r"."):
        decode_packet(data)


@pytest.mark.parametrize(
    ("offset", "value", "reason"),
    [
        (0, b"\x02", "version 2"),
        (12, (499).to_bytes(2, "little"), "4.99 Hz"),
        (12, (40_001).to_bytes(2, "little"), "400.01 Hz"),
        (12, b"\x00\x00", "0.0 Hz"),
        (3, b"\x00", "range of 0 g"),
        (3, b"\x21", "range of 33 g"),
    ],
)
def test_impossible_values_are_refused_also_with_a_right_checksum(
    offset: int, value: bytes, reason: str
) -> None:
    body = bytearray(GOLDEN_BODY)
    body[offset : offset + len(value)] = value
    with pytest.raises(MalformedPacketError, match=reason):
        decode_packet(bytes(body) + crc16_xmodem(bytes(body)).to_bytes(2, "little"))


@pytest.mark.parametrize(
    ("operation", "arguments", "golden"),
    [
        (Operation.ACKNOWLEDGE_CANDIDATE, (7,), "0107"),
        (Operation.ACKNOWLEDGE_BUTTON, (255,), "02ff"),
        (Operation.REQUEST_WINDOW, (7, 0x0102), "03070201"),
        (Operation.START_STREAM, (), "04"),
        (Operation.VIBRATE, (VibratePattern.HELP_IS_COMING,), "0502"),
        (Operation.SET_TIME, (0x0102030405060708,), "060807060504030201"),
    ],
)
def test_the_golden_commands(operation: Operation, arguments: tuple[int, ...], golden: str) -> None:
    data = encode_command(operation, *arguments)
    assert data.hex() == golden
    assert decode_command(data) == (operation, arguments)
    for length in range(len(data)):
        with pytest.raises(MalformedPacketError):
            decode_command(data[:length])
    with pytest.raises(MalformedPacketError):
        decode_command(data + b"\x00")


@pytest.mark.parametrize("code", [0, *range(7, 256)])
def test_an_unknown_command_is_refused(code: int) -> None:
    with pytest.raises(MalformedPacketError):
        decode_command(bytes((code, 0)))


def test_wrong_arguments_are_a_defect_of_the_caller() -> None:
    with pytest.raises(struct.error):
        encode_command(Operation.START_STREAM, 1)
    with pytest.raises(struct.error):
        encode_command(Operation.REQUEST_WINDOW, 300, 0)


@given(st.binary(max_size=12))
def test_any_command_bytes_are_refused_or_mean_themselves(data: bytes) -> None:
    try:
        operation, arguments = decode_command(data)
    except MalformedPacketError:
        return
    assert encode_command(operation, *arguments) == data
