"""A calibration as text for a gateway: small, the same in its decisions, refused when broken."""

from __future__ import annotations

import zlib
from base64 import b64decode, b64encode

import msgspec
import numpy as np
import pytest

from contract.messages import GatewayConfig
from contract.wire import MAX_PAYLOAD_BYTES
from detectors.location import DELAY_S, RoomFilter
from detectors.room_file import (
    PACKED_AT_MOST,
    RoomFileError,
    decode,
    encode,
    pack,
    unpack,
)
from detectors.room_model import UNKNOWN, Walk, learn

ZONES, RECEIVERS, EACH_S = 40, 25, 40


def home(zones=ZONES, receivers=RECEIVERS, seed=0):
    """A home of random rooms on 40 by 40 m, its calibration walk's seconds and what was heard."""
    draw = np.random.default_rng(seed)
    room, standing = draw.uniform(0, 40, (zones, 2)), draw.uniform(0, 40, (receivers, 2))
    where = np.repeat(np.arange(zones), EACH_S)
    at = room[where] + draw.normal(0, 1.5, (len(where), 2))
    away = np.linalg.norm(at[None] - standing[:, None], axis=2)
    rssi = -50 - 35 * np.log10(away + 1) + draw.normal(0, 4, away.shape)
    rssi[rssi < -100] = np.nan
    rssi = rssi.astype(np.float32)
    near = np.linalg.norm(room[:, None] - room[None], axis=2) < 10
    model = learn(
        [Walk(rssi, np.zeros((1, len(where)), np.bool_), where)],
        zones=[f"room-{number}" for number in range(zones)],
        receivers=[f"gateway-{number}" for number in range(receivers)],
        sensors=["pir"],
        near=near,
    )
    return model, where, rssi


@pytest.fixture(scope="module")
def large():
    return home()


def told(model, rssi):
    rooms = RoomFilter(model, 1)
    everybody = np.ones(len(model.receivers), np.bool_)
    moving, quiet = np.full(1, 0.1, np.float32), np.zeros(1, np.bool_)
    return np.array(
        [int(rooms.step(second[:, None], moving, quiet, everybody).zone[0]) for second in rssi.T]
    )


def test_a_large_home_fits_into_a_gateway_s_configuration(large):
    text = pack(large[0])
    assert len(text) < 100_000
    config = GatewayConfig(schema=1, home="home-1", revision=1, rooms=text)
    assert len(msgspec.json.encode(config)) < MAX_PAYLOAD_BYTES // 2
    assert PACKED_AT_MOST <= MAX_PAYLOAD_BYTES // 2


def test_what_is_told_is_the_same_by_the_packed_one(large):
    model, where, rssi = large
    again = unpack(pack(model))
    assert (again.zones, again.receivers, again.sensors) == model[:3]
    assert (again.near == model.near).all()
    assert (again.stands_in == model.stands_in).all()
    assert np.abs(again.heard - model.heard).max() <= 0.051
    assert again.spent_s.tolist() == [EACH_S] * ZONES
    few = rssi[:, : 10 * EACH_S]
    one, other = told(model, few), told(again, few)
    assert (one == other).mean() >= 0.99
    assert (other[DELAY_S:] == where[: len(few.T) - DELAY_S]).mean() > 0.8


def test_a_file_of_the_packed_one_says_the_same():
    model = unpack(pack(home(4, 3)[0]))
    assert np.abs(decode(encode(model)).heard - model.heard).max() < 1e-3


def test_a_home_that_is_too_large_is_refused_when_it_is_packed(large):
    many = np.random.default_rng(0).normal(-5, 2, (120, 81, 120)).astype(np.float32)
    names = tuple(f"zone {number}" for number in range(120))
    model = large[0]._replace(
        zones=names,
        receivers=names,
        heard=many,
        silent=many[:, 0],
        near=np.eye(120, dtype=np.bool_),
        stands_in=np.full(120, UNKNOWN),
        fires=np.full((1, 120), 0.1, np.float32),
    )
    with pytest.raises(RoomFileError, match="at most"):
        pack(model)


def changed(text, **fields):
    packed = msgspec.msgpack.decode(zlib.decompress(b64decode(text)))
    return b64encode(zlib.compress(msgspec.msgpack.encode({**packed, **fields}))).decode()


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"format": "wardlight-rooms/1"}, "format"),
        ({"steps": b"\x00"}, "fit together"),
        ({"zones": [], "steps": b""}, "0 zones"),
        ({"zones": ["a", "a", "b", "c"]}, "stands for two"),
        ({"stands_in": [9, 9, 9]}, "not there"),
        ({"stands_in": [-7, 0, 0]}, "not there"),
        ({"near": [[1], [0], [-1], []]}, "fit together"),
        ({"near": [[1], [0]]}, "fit together"),
        ({"fires": [[2.0] * 4]}, "between 0 and 1"),
        ({"silent": [[float("nan")] * 4] * 3}, "fit together"),
        ({"silent": "loud"}, "no calibration"),
        ({"spent_s": [1.0]}, "fit together"),
        ({"spent_s": [-1.0] * 4}, "no time"),
    ],
)
def test_what_is_broken_is_refused_with_its_reason(fields, why):
    with pytest.raises(RoomFileError, match=why):
        unpack(changed(pack(home(4, 3)[0]), **fields))


def test_what_is_no_calibration_at_all_is_refused():
    good = pack(home(4, 3)[0])
    cut = b64encode(b64decode(good)[:-20]).decode()
    bomb = b64encode(zlib.compress(b"\x00" * 20_000_000)).decode()
    for text in ("", "not base64!", "AAAA", cut, bomb, "A" * (PACKED_AT_MOST + 4)):
        with pytest.raises(RoomFileError):
            unpack(text)
