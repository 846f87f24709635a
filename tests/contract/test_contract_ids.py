"""Identifiers."""

from __future__ import annotations

import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.clock import VirtualClock
from contract.ids import (
    SERVICE_NAMES,
    UuidSource,
    check_gateway,
    check_identifier,
    seeded_ids,
    uuid_time_ms,
)


@given(st.lists(st.floats(-7_200, 7_200), min_size=1, max_size=50))
def test_ids_sort_in_the_order_of_making_whatever_the_clock_does(jumps: list[float]) -> None:
    clock = VirtualClock()
    source = seeded_ids(clock, 1)
    made = []
    for jump in jumps:
        clock.jump_wall(jump)
        made += [source.new(), source.new()]
    assert made == sorted(made)
    assert len(set(made)) == len(made)
    for each in made:
        value = uuid.UUID(each)
        assert str(value) == each
        assert (value.version, value.variant) == (7, uuid.RFC_4122)


def test_the_time_part_is_the_clocks() -> None:
    clock = VirtualClock()
    assert uuid_time_ms(seeded_ids(clock, 1).new()) == clock.now_ns() // 1_000_000


def test_a_burst_in_one_millisecond_stays_in_order_beyond_the_counter() -> None:
    clock = VirtualClock()
    source = seeded_ids(clock, 1)
    made = [source.new() for _ in range(10_000)]
    assert made == sorted(made)
    assert len(set(made)) == 10_000
    # The counter overflowed into the time part by a few milliseconds and no more.
    assert 2 <= uuid_time_ms(made[-1]) - uuid_time_ms(made[0]) <= 6


def test_the_greatest_random_bits_do_not_spill() -> None:
    source = UuidSource(VirtualClock(), lambda bits: 2**bits - 1)
    values = [uuid.UUID(source.new()) for _ in range(5_000)]
    assert all((each.version, each.variant) == (7, uuid.RFC_4122) for each in values)
    assert values == sorted(values)


def test_a_clock_before_1970_makes_ids_all_the_same() -> None:
    clock = VirtualClock()
    clock.jump_wall(-100 * 365 * 86_400)
    assert uuid_time_ms(seeded_ids(clock, 1).new()) == 0


def test_a_seed_gives_the_same_ids_and_another_seed_others() -> None:
    def first_ids(seed: int | str) -> list[str]:
        source = seeded_ids(VirtualClock(), seed)
        return [source.new() for _ in range(20)]

    assert first_ids(5) == first_ids(5) == first_ids("5")
    assert not set(first_ids(5)) & set(first_ids(6))
    assert not set(first_ids("gateway-a")) & set(first_ids("gateway-b"))


@pytest.mark.parametrize(
    "value",
    [
        "16fd2706-8baf-433b-82eb-8c7fada847da",  # version 4
        "886313e1-3b8a-11e4-9c38-0242ac120002",  # version 1
        "",
        "x",
    ],
)
def test_only_version_7_has_a_time(value: str) -> None:
    with pytest.raises(ValueError, match=r"version 7|hexadecimal"):
        uuid_time_ms(value)


@pytest.mark.parametrize("value", ["a", "0", "room-2-12", "a" * 32, "2f-212-b"])
def test_good_identifiers(value: str) -> None:
    assert check_identifier(value, "room") == value
    assert check_gateway(value) == value


@pytest.mark.parametrize(
    "value",
    ["", "A", "-a", "a" * 33, "a_b", "a/b", "a+b", "#", "a b", "ä", "a\n", "a\0", "房", "../x"],
)
def test_bad_identifiers_are_refused_by_name(value: str) -> None:
    with pytest.raises(ValueError, match="room"):
        check_identifier(value, "room")
    with pytest.raises(ValueError, match="gateway"):
        check_gateway(value)


@pytest.mark.parametrize("value", sorted(SERVICE_NAMES))
def test_no_gateway_may_be_called_like_a_service(value: str) -> None:
    assert check_identifier(value, "x") == value
    with pytest.raises(ValueError, match="service"):
        check_gateway(value)
