"""Telemetry: what wearables measured each second and room sensors said, in batches."""

from __future__ import annotations

from typing import Final

import msgspec

TELEMETRY_SCHEMA: Final = 1


class SummaryPoint(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One second of one wearable."""

    at_us: int
    """Beginning of the second, wall time, microseconds since 1970."""
    device: str
    resident: str | None = None
    mean_x_g: float | None = None
    mean_y_g: float | None = None
    mean_z_g: float | None = None
    min_g: float | None = None
    """Least |a| of the second after the 10 Hz low-pass."""
    max_g: float | None = None
    deviation_g: float | None = None
    """Standard deviation of |a| over the second, after the low-pass."""
    worn: bool | None = None
    """None where the wearable cannot tell."""
    battery_percent: int | None = None
    rssi_dbm: int | None = None
    heart_rate_bpm: int | None = None
    zone: str | None = None


class SensorPoint(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """All that one room sensor has said so far: at each change of a state, and once a minute while
    it is heard. Units and meanings as in `contract.devices.Quantity`.
    """

    at_us: int
    """When it was heard, wall time, microseconds since 1970."""
    device: str
    zone: str
    resident: str | None = None
    changed: str | None = None
    """Which of the fields below tells a change; of motion only its beginning is one. None for the
    minute's."""
    motion: bool | None = None
    opening: bool | None = None
    """Whether it is open."""
    press: int | None = None
    """Only where it is what changed."""
    occupied: bool | None = None
    temperature_c: float | None = None
    humidity_percent: float | None = None
    battery_percent: int | None = None
    rssi_dbm: int | None = None


class TelemetryBatch(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Points of one gateway, in the order they were made."""

    schema: int
    """`TELEMETRY_SCHEMA`."""
    home: str
    gateway: str
    session: str
    sequence: int
    """Counts the batches of a session, from 1 without a hole: receipts are cumulative."""
    boot: str
    clock: str
    sent_at_us: int
    points: list[SummaryPoint]
    sensors: list[SensorPoint] = []
    """In the order they were made, too."""
    age_ms: int | None = None
    """Milliseconds since the last point was made; none after a reboot."""
