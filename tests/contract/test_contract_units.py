"""Units and times."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.units import (
    EPOCH,
    datetime_to_us,
    ns_to_seconds,
    ns_to_us,
    seconds_to_ns,
    us_to_datetime,
    us_to_ns,
)

FIRST_US = datetime_to_us(datetime(1, 1, 1, tzinfo=UTC))
LAST_US = datetime_to_us(datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC))


def test_known_moments() -> None:
    assert us_to_datetime(0) == EPOCH
    assert datetime_to_us(datetime(2026, 1, 1, 20, tzinfo=UTC)) == 1_767_297_600_000_000
    hong_kong = timezone(timedelta(hours=8))
    assert datetime_to_us(datetime(2026, 1, 2, 4, tzinfo=hong_kong)) == 1_767_297_600_000_000


@given(st.integers(FIRST_US, LAST_US))
def test_microseconds_survive_being_a_datetime(microseconds: int) -> None:
    assert datetime_to_us(us_to_datetime(microseconds)) == microseconds


@given(st.datetimes(timezones=st.just(UTC)))
def test_datetimes_survive_being_microseconds(moment: datetime) -> None:
    assert us_to_datetime(datetime_to_us(moment)) == moment


@pytest.mark.parametrize("microseconds", [FIRST_US - 1, LAST_US + 1, 2**63])
def test_a_year_that_no_date_has_is_an_error(microseconds: int) -> None:
    with pytest.raises(OverflowError):
        us_to_datetime(microseconds)


def test_a_time_without_a_zone_is_an_error() -> None:
    with pytest.raises(ValueError, match="time zone"):
        datetime_to_us(datetime(2026, 1, 1))  # noqa: DTZ001


@given(st.integers(-(2**62), 2**62))
def test_nanoseconds_round_down_to_microseconds(nanoseconds: int) -> None:
    assert 0 <= nanoseconds - us_to_ns(ns_to_us(nanoseconds)) < 1_000


@given(st.floats(-1e6, 1e6))
def test_seconds_survive_being_nanoseconds(seconds: float) -> None:
    assert ns_to_seconds(seconds_to_ns(seconds)) == pytest.approx(seconds, abs=1e-9)


def test_half_a_nanosecond_is_rounded_to_the_nearest() -> None:
    assert seconds_to_ns(1.0000000004) == 1_000_000_000
    assert seconds_to_ns(1.0000000006) == 1_000_000_001
