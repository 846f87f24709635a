"""Units: one name for each conversion, so that no bare 1e6 stands in the code.

Acceleration is in g (1 g = 9.80665 m/s², the standard acceleration of free fall, CGPM
1901). Inside arrays time is int64 nanoseconds; on the wire it is integer microseconds,
which JSON numbers hold exactly until the year 2255.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

STANDARD_GRAVITY_M_S2: Final = 9.80665
NS_PER_S: Final = 1_000_000_000
NS_PER_MS: Final = 1_000_000
NS_PER_US: Final = 1_000
US_PER_S: Final = 1_000_000
MS_PER_S: Final = 1_000

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def seconds_to_ns(seconds: float) -> int:
    """Seconds as whole nanoseconds, rounded to the nearest."""
    return round(seconds * NS_PER_S)


def ns_to_seconds(nanoseconds: int) -> float:
    """Nanoseconds as seconds."""
    return nanoseconds / NS_PER_S


def ns_to_us(nanoseconds: int) -> int:
    """Nanoseconds as whole microseconds, rounded down."""
    return nanoseconds // NS_PER_US


def us_to_ns(microseconds: int) -> int:
    """Microseconds as nanoseconds."""
    return microseconds * NS_PER_US


def us_to_datetime(microseconds: int) -> datetime:
    """Microseconds since 1970 as an aware UTC datetime, exact to the microsecond.

    Raises
    ------
    OverflowError
        If the date lies outside the years 1 to 9999.
    """
    return EPOCH + timedelta(microseconds=microseconds)


def datetime_to_us(moment: datetime) -> int:
    """An aware datetime as microseconds since 1970.

    Raises
    ------
    ValueError
        If `moment` has no time zone: a naive time is a fault waiting for a daylight-saving
        night.
    """
    if moment.tzinfo is None:
        raise ValueError(f"a time without a time zone: {moment!r}")
    return (moment - EPOCH) // timedelta(microseconds=1)
