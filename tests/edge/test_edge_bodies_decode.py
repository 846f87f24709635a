"""Layouts of other makers' wearables: known bytes, whatever bytes, and refusal with a reason."""

from __future__ import annotations

import struct
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.advert import MalformedPacketError
from contract.protocols import HeardAdvert
from edge.decode import heart_rate, infinitime, polar
from edge.decode.heart_rate import HeartRate, decode_heart_rate
from edge.decode.infinitime import decode_motion
from edge.decode.polar import choose_settings, decode_settings, encode_settings
from edge.decode.polar_frames import decode_frame
from edge.decode.standard import battery_percent
from edge.decode.uuids import assigned, full, offers
from firmware_sim.polar import packed_deltas

HEADER = struct.Struct("<BQB")


def frame(kind: int, body: bytes, *, at_ns: int = 599_616_023_171_427_290, what: int = 2) -> bytes:
    return HEADER.pack(what, at_ns, kind) + body


def heard(**changes: object) -> HeardAdvert:
    values = {"local_name": "", "service_uuids": (), **changes}
    company = values.pop("manufacturer", {})
    return HeardAdvert("A0:9E:1A:00:00:01", -60, company, {}, 0, **values)  # type: ignore[arg-type]


class TestHeartRate:
    @pytest.mark.parametrize(
        ("data", "expected"),
        [
            ("0046", HeartRate(70, None, ())),
            ("0246", HeartRate(70, None, ())),
            ("0446", HeartRate(70, False, ())),
            ("0646", HeartRate(70, True, ())),
            ("0600", HeartRate(None, True, ())),
            ("074600", HeartRate(70, True, ())),
            ("0F2C01E803", HeartRate(300, True, ())),
            ("1E46E80300040002", HeartRate(70, True, (1.0, 0.5))),
            ("16460004", HeartRate(70, True, (1.0,))),
        ],
    )
    def test_flags_say_what_follows(self, data, expected):
        assert decode_heart_rate(bytes.fromhex(data)) == expected

    @pytest.mark.parametrize(
        "data", ["", "06", "0746", "0846", "084601", "064600", "16460004aa", "072D01", "07FFFF"]
    )
    def test_what_cannot_be_is_refused(self, data):
        with pytest.raises(MalformedPacketError):
            decode_heart_rate(bytes.fromhex(data))


class TestPolarFrames:
    def test_raw_frames_hold_thousandths_of_g_in_one_two_or_three_bytes(self):
        for kind, size in ((0, 1), (1, 2), (2, 3)):
            values = [-1, 2, 100, -128, 127, 0]
            body = b"".join(each.to_bytes(size, "little", signed=True) for each in values)
            decoded = decode_frame(frame(kind, body))
            expected = np.array(values, np.float32).reshape(2, 3).T / 1000
            np.testing.assert_allclose(decoded.samples_g, expected, atol=1e-6)
            assert decoded.samples_g.flags.c_contiguous
            assert decoded.last_ns == 599_616_023_171_427_290

    def test_a_compressed_frame_adds_up_its_deltas(self):
        # A reference of (-6, 33, 1012); two samples of four bits: (1, -1, 0), (7, -8, 2); then one
        # of three bits: (-1, 3, -4).
        body = bytes.fromhex("faff2100f403") + bytes((4, 2, 0xF1, 0x70, 0x28))
        body += bytes((3, 1, 0x1F, 0x01))
        decoded = decode_frame(frame(0x81, body))
        expected = [(-6, 33, 1012), (-5, 32, 1012), (2, 24, 1014), (1, 27, 1010)]
        np.testing.assert_allclose(decoded.samples_g.T * 1000, expected, atol=1e-3)

    def test_the_factor_scales_compressed_samples(self):
        body = struct.pack("<3h", 100, -200, 4096)
        in_milli = decode_frame(frame(0x81, body), 0.5).samples_g[:, 0]
        in_g = decode_frame(frame(0x80, body), 1 / 4096).samples_g[:, 0]
        np.testing.assert_allclose(in_milli, [0.05, -0.1, 2.048], rtol=1e-6)
        np.testing.assert_allclose(in_g, [100 / 4096, -200 / 4096, 1.0], rtol=1e-6)

    @given(
        start=st.tuples(*[st.integers(-8000, 8000)] * 3),
        blocks=st.lists(
            st.lists(st.tuples(*[st.integers(-400, 400)] * 3), min_size=1, max_size=20), max_size=6
        ),
    )
    def test_whatever_was_packed_comes_out_again(self, start, blocks):
        body = struct.pack("<3h", *start)
        samples = [np.array(start)]
        for block in blocks:
            body += packed_deltas(np.array(block))
            for delta in block:
                samples.append(samples[-1] + delta)
        decoded = decode_frame(frame(0x81, body)).samples_g
        np.testing.assert_allclose(decoded.T * 1000, np.array(samples), atol=0.01)

    @pytest.mark.parametrize(
        "data",
        [
            b"",
            frame(1, b""),
            frame(1, bytes(6), what=0),
            frame(1, bytes(7)),
            frame(3, bytes(6)),
            frame(0x82, bytes(6)),
            frame(0x81, bytes(5)),
            frame(0x81, bytes(7)),
            frame(0x81, bytes(6) + bytes((8, 2, 1))),
            frame(0x81, bytes(6) + bytes((25, 1)) + bytes(10)),
            frame(0x81, bytes(6) + bytes((0, 255)) * 4),
        ],
    )
    def test_what_cannot_be_is_refused(self, data):
        with pytest.raises(MalformedPacketError):
            decode_frame(data)

    @given(st.binary(max_size=240), st.sampled_from([0, 1, 2, 0x80, 0x81]))
    def test_no_bytes_make_it_fail_otherwise(self, body, kind):
        for data in (body, frame(kind, body)):
            for decode in (decode_frame, decode_heart_rate, decode_motion, battery_percent):
                with suppress(MalformedPacketError):
                    decode(data)


class TestPolarSettings:
    H10 = "000419003200640 0C80001011000020302000400 0800".replace(" ", "")

    def test_the_rate_of_the_grid_and_the_range_of_impacts_are_chosen(self):
        offered = decode_settings(bytes.fromhex(self.H10))
        assert offered == {0: (25, 50, 100, 200), 1: (16,), 2: (2, 4, 8)}
        assert encode_settings(choose_settings(offered)).hex() == "000132000101100002010800"

    def test_a_verity_sense_is_asked_as_its_document_shows(self):
        offered = {0: (52,), 1: (16,), 2: (8,), 4: (3,)}
        assert encode_settings(choose_settings(offered)).hex() == "000134000101100002010800040103"

    def test_of_too_little_the_most_is_chosen(self):
        assert choose_settings({0: (25, 26), 2: (2, 4), 5: (1,)}) == {0: 26, 2: 4}

    def test_what_is_cut_short_or_unknown_ends_the_list(self):
        assert decode_settings(bytes.fromhex("00013200ff")) == {0: (50,)}
        assert decode_settings(bytes.fromhex("000132000905")) == {0: (50,)}
        assert decode_settings(bytes.fromhex("0002320001")) == {}


def test_motion_values_of_a_watch_are_in_1024ths_of_g():
    np.testing.assert_allclose(
        decode_motion(struct.pack("<3h", 1024, -512, 2047)), [1, -0.5, 1.99902], atol=1e-4
    )
    with pytest.raises(MalformedPacketError):
        decode_motion(bytes(5))


def test_a_battery_is_one_byte_up_to_a_hundred():
    assert battery_percent(bytes((100,))) == 100
    for wrong in (b"", bytes(2), bytes((101,))):
        with pytest.raises(MalformedPacketError):
            battery_percent(wrong)


def test_uuids_are_known_however_they_are_written():
    assert assigned(0x180D) == full("180D") == full("0000180D")
    assert assigned(0x180D) == "0000180d-0000-1000-8000-00805f9b34fb"
    assert offers(heard(service_uuids=("180d",)), assigned(0x180D))
    assert offers(heard(service_uuids=(assigned(0x180D).upper(),)), assigned(0x180D))
    assert not offers(heard(service_uuids=("180f",)), assigned(0x180D))


@pytest.mark.parametrize(
    ("kind", "advert", "expected"),
    [
        (polar.KIND, heard(local_name="Polar H10 12345678"), "Polar H10 12345678"),
        (polar.KIND, heard(manufacturer={0x6B: b""}), "Polar sensor"),
        (polar.KIND, heard(local_name="Polaroid"), None),
        (infinitime.KIND, heard(local_name="InfiniTime"), "PineTime (InfiniTime)"),
        (infinitime.KIND, heard(), None),
        (heart_rate.KIND, heard(service_uuids=("180d",)), "Heart rate sensor"),
        (heart_rate.KIND, heard(service_uuids=("180d",), local_name="TICKR"), "TICKR"),
        (heart_rate.KIND, heard(service_uuids=("1812",)), None),
    ],
)
def test_a_kind_recognises_its_own(kind, advert, expected):
    assert kind.recognise(advert) == expected
