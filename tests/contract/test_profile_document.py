"""Every vector in docs/wearable-profile.md, held against the code that gateways run."""

from __future__ import annotations

import binascii
import json
import re
from pathlib import Path

import numpy as np
import pytest
from scipy import signal

from contract import gatt, packets, screen
from contract.advert import (
    COMPANY_ID,
    MalformedPacketError,
    WearableAdvert,
    decode_manufacturer_data,
    encode_advert,
    manufacturer_data,
)
from contract.gatt import Operation, VibratePattern, decode_command, encode_command
from contract.identity import epoch, identity_bytes, parse_key, rolling_identity
from contract.packets import MotionPacket, decode_packet, encode_packet

DOCUMENT = Path(__file__).parents[2] / "docs" / "wearable-profile.md"
TEXT = DOCUMENT.read_text("utf-8")
BLOCKS = [json.loads(block) for block in re.findall(r"```json\n(.*?)```", TEXT, re.DOTALL)]
VECTORS = {block["vectors"]: block["cases"] for block in BLOCKS}


def cases(name: str) -> pytest.MarkDecorator:
    found = VECTORS[name]
    return pytest.mark.parametrize("case", found, ids=range(len(found)))


def test_every_kind_of_vector_is_there_and_known():
    assert len(VECTORS) == len(BLOCKS), "no name twice"
    assert set(VECTORS) == {
        "advert",
        "malformed advert",
        "low-pass",
        "screen",
        "identity",
        "command",
        "crc",
        "packet",
    }


@cases("advert")
def test_advert(case):
    raw = bytes.fromhex(case["hex"])
    assert len(raw) == 31
    fields = {**case["fields"], "mean_g": tuple(case["fields"]["mean_g"])}
    assert encode_advert(WearableAdvert(**fields)) == raw
    decoded = decode_manufacturer_data(manufacturer_data(raw)[COMPANY_ID])
    for name in (
        "identity",
        "boot_counter",
        "second",
        "battery_percent",
        "worn",
        "charging",
        "saturated",
        "candidate_counter",
        "candidate_pending",
        "button_counter",
        "button_pending",
        "heart_rate_bpm",
    ):
        assert getattr(decoded, name) == fields[name], name
    assert decoded.candidate_age_s == min(fields["candidate_age_s"], 255)


@cases("malformed advert")
def test_malformed_advert(case):
    with pytest.raises(MalformedPacketError):
        decode_manufacturer_data(manufacturer_data(bytes.fromhex(case["hex"]))[COMPANY_ID])


@cases("low-pass")
def test_low_pass(case):
    b, a = signal.butter(screen.LOW_PASS_ORDER, screen.LOW_PASS_HZ, fs=case["rate_hz"])
    if "b" in case:
        assert np.allclose(b, case["b"], atol=5e-9)
        assert np.allclose(a, case["a"], atol=5e-9)
        return
    given = np.array(case["in_g"], float)
    answer, _ = signal.lfilter(b, a, given, zi=signal.lfilter_zi(b, a) * given[0])
    assert np.allclose(answer, case["out_g"], atol=5e-7)


def test_screen():
    *placements, constants = VECTORS["screen"]
    limits = {each["placement"]: each["limit_g"] for each in placements}
    assert limits == dict(screen.SCREEN_IMPACT_G)
    assert constants == {
        "refractory_s": screen.SCREEN_REFRACTORY_S,
        "corner_hz": screen.LOW_PASS_HZ,
        "order": screen.LOW_PASS_ORDER,
        "before_s": screen.WINDOW_BEFORE_S,
        "after_s": screen.WINDOW_AFTER_S,
        "grid_hz": screen.GRID_HZ,
    }


@cases("identity")
def test_identity(case):
    key = parse_key(case["key"])
    expected = bytes.fromhex(case["identity"])
    assert identity_bytes(key, case["boot"], epoch(case["second"])) == expected
    number = rolling_identity(key, case["boot"], case["second"])
    assert number == int.from_bytes(expected, "little")


def test_an_advert_of_the_document_has_a_rolling_identity():
    (key,) = {case["key"] for case in VECTORS["identity"] if case["key"].startswith("0001")}
    fields = VECTORS["advert"][1]["fields"]
    expected = rolling_identity(parse_key(key), fields["boot_counter"], fields["second"])
    assert fields["identity"] == expected


@cases("command")
def test_command(case):
    data = bytes.fromhex(case["hex"])
    if case.get("malformed"):
        with pytest.raises(MalformedPacketError):
            decode_command(data)
        return
    operation, arguments = Operation[case["operation"]], case["arguments"]
    assert encode_command(operation, *arguments) == data
    assert decode_command(data) == (operation, tuple(arguments))


def test_every_command_and_pattern_has_a_vector():
    given = [case for case in VECTORS["command"] if "operation" in case]
    assert {case["operation"] for case in given} == {each.name for each in Operation}
    patterns = {case["arguments"][0] for case in given if case["operation"] == "VIBRATE"}
    assert patterns == set(VibratePattern)


@cases("crc")
def test_crc(case):
    body = case["ascii"].encode()
    assert binascii.crc_hqx(body, 0).to_bytes(2, "little").hex() == case["crc"]
    remainder = 0
    for byte in body:  # as the words beside it say it, bit by bit
        remainder ^= byte << 8
        for _ in range(8):
            carried = remainder & 0x8000
            remainder = (remainder << 1 & 0xFFFF) ^ (0x1021 if carried else 0)
    assert remainder == binascii.crc_hqx(body, 0)


@cases("packet")
def test_packet(case):
    data = bytes.fromhex(case["hex"])
    counts = np.array(case["counts"], np.float32)
    packet = MotionPacket(
        candidate_counter=case["candidate"],
        number=case["number"],
        total=case["total"],
        device_time_ms=case["device_time_ms"],
        rate_hz=case["rate_hz"],
        range_g=case["range_g"],
        samples_g=(counts.T * (case["range_g"] / 32_768)).astype(np.float32),
    )
    assert encode_packet(packet) == data
    decoded = decode_packet(data)
    assert decoded[:6] == packet[:6]
    assert np.array_equal(decoded.samples_g, packet.samples_g)
    spoilt = bytearray(data)
    spoilt[-1] ^= 1
    with pytest.raises(MalformedPacketError, match="checksum"):
        decode_packet(bytes(spoilt))


def test_names_and_numbers_in_its_words_are_the_codes():
    for uuid in (gatt.SERVICE_UUID, gatt.WINDOW_UUID, gatt.STREAM_UUID, gatt.CONTROL_UUID):
        assert f"`{uuid}`" in TEXT
    assert f"1 … {packets.MAX_SAMPLES} |" in TEXT
    assert f"{packets.MIN_RATE_HZ:g} … {packets.MAX_RATE_HZ:g} Hz" in TEXT
    assert f"1 … {packets.MAX_RANGE_G}: a sample" in TEXT
    for operation in Operation:
        name = operation.name.lower().replace("_", " ")
        assert f"| {operation.value:02x} | {name} |" in TEXT
