"""Some thousands of the throws of ``./run bench fuzz``: nothing escapes, and all is counted."""

from __future__ import annotations

import random

import pytest

from contract.advert import MalformedPacketError
from wardlight.fuzz import fuzz, mutated
from wardlight.fuzz_devices import TARGETS

THROWS = 1_500
ALL_ACCEPTED = {"recognition"}
"""It says what an advert is, or that it is nothing it knows."""


@pytest.mark.parametrize("name", TARGETS)
def test_nothing_escapes_and_each_rejection_has_its_reason(name):
    fuzzed = fuzz(name, TARGETS[name], THROWS, seed=1)
    assert list(fuzzed.escaped) == []
    assert fuzzed.unsaid == 0
    if name not in ALL_ACCEPTED:
        assert 0 < fuzzed.accepted < THROWS, "some are what they should be, and some are not"
        assert sum(fuzzed.reasons.values()) > 0
    assert len(fuzzed.reasons) <= 60, "as many reasons as the code knows, whatever is thrown"
    assert not any(character.isdigit() for reason in fuzzed.reasons for character in reason)


def test_the_same_seed_throws_the_same():
    first = fuzz("own adverts", TARGETS["own adverts"], 300, seed=5)
    assert fuzz("own adverts", TARGETS["own adverts"], 300, seed=5) == first
    assert fuzz("own adverts", TARGETS["own adverts"], 300, seed=6) != first


def test_what_escapes_or_is_counted_nowhere_is_noticed():
    class Careless:
        async def throw(self, dice, counts):
            way = dice.randrange(4)
            if way == 0:
                raise IndexError("nobody looked")
            if way == 1:
                raise MalformedPacketError("nobody caught it")
            return way == 2

    fuzzed = fuzz("careless", lambda counts, clock: Careless(), 200, seed=1)
    assert {each.split(": ")[1].split("(")[0] for each in fuzzed.escaped} == {
        "IndexError",
        "MalformedPacketError",
    }
    assert fuzzed.unsaid > 0


def test_mutations_reach_every_length_and_leave_some_whole():
    dice = random.Random(1)
    thrown = [mutated(dice, (bytes(20),)) for _ in range(5_000)]
    assert bytes(20) in thrown
    assert b"" in thrown
    assert {len(each) for each in thrown} >= set(range(36))
