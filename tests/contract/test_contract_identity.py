"""A rolling identity: the same on both sides without a clock, and nobody else's."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.identity import (
    EPOCH_S,
    epoch,
    identity_bytes,
    new_key,
    parse_key,
    rolling_identity,
)

KEY = "000102030405060708090a0b0c0d0e0f"
keys = st.binary(min_size=16, max_size=16)


def test_it_is_what_the_document_says():
    key = parse_key(KEY)
    expected = hashlib.blake2s(b"wardlight identity\x07\x02", key=key, digest_size=32).digest()[:4]
    assert identity_bytes(key, 7, 2) == expected
    assert rolling_identity(key, 7, 2 * EPOCH_S) == int.from_bytes(expected, "little")


@given(keys, st.integers(0, 255), st.integers(0, 10**7))
def test_it_stays_for_1024_seconds_and_then_rolls(key, boot, second):
    begin = second // EPOCH_S * EPOCH_S
    identity = rolling_identity(key, boot, second)
    assert rolling_identity(key, boot, begin) == identity
    assert rolling_identity(key, boot, begin + EPOCH_S - 1) == identity
    assert rolling_identity(key, boot, begin + EPOCH_S) != identity
    assert epoch(second) == second // EPOCH_S % 64


@given(keys, keys, st.integers(0, 255), st.integers(0, 65_535))
def test_another_key_or_boot_is_another_identity(one, other, boot, second):
    identity = rolling_identity(one, boot, second)
    assert (rolling_identity(other, boot, second) == identity) == (one == other)
    assert rolling_identity(one, (boot + 1) % 256, second) != identity


def test_a_new_key_is_one_and_another_each_time():
    drawn = {new_key() for _ in range(20)}
    assert len(drawn) == 20
    assert all(len(parse_key(key)) == 16 for key in drawn)


@pytest.mark.parametrize(
    "text",
    ["", "00", KEY[:-1], KEY + "00", KEY[:-1] + "g", " " + KEY[:-2] + " ", "5ec4e7" * 6, "ä" * 32],
)
def test_what_is_no_key_is_refused_and_not_repeated(text):
    with pytest.raises(ValueError, match="32 hexadecimal digits") as caught:
        parse_key(text)
    assert not text or text not in str(caught.value)
    assert caught.value.__cause__ is None
