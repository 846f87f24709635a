"""The store's read side, for dashboards: it can change nothing, and never blocks ingest."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Final, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from contract.events import Event, EventKind
from contract.telemetry import SensorPoint, SummaryPoint

METRICS: Final = (
    "mean_x_g",
    "mean_y_g",
    "mean_z_g",
    "min_g",
    "max_g",
    "deviation_g",
    "worn",
    "battery_percent",
    "rssi_dbm",
    "heart_rate_bpm",
)
"""Fields of a summary point that can be asked for as a series."""

FUTURE_TOLERANCE_S: Final = 60
"""A gateway's clock may be this far ahead before its points are passed over as "latest": one
that says 2038 must not hide every later point."""

MAX_EVENTS: Final = 1_000

MAX_READINGS: Final = 10_000
"""A week of one sensor that is heard each minute."""


class LatestPoint(NamedTuple):
    """The latest second of one wearable."""

    point: SummaryPoint
    gateway: str
    late: bool
    synced: bool
    """Whether the gateway's clock could be believed."""


class StoredReading(NamedTuple):
    """What a room sensor said."""

    point: SensorPoint
    gateway: str
    late: bool
    synced: bool
    """Whether the gateway's clock could be believed."""


class StoredEvent(NamedTuple):
    """An event and what ingest knows of its way."""

    event: Event
    received_at_us: int
    late: bool


class Series(NamedTuple):
    """One metric over time, in the order of time."""

    at_us: NDArray[np.int64]
    """Shape (n,): beginnings of seconds, microseconds since 1970."""
    values: NDArray[np.float64]
    """Shape (n,)."""


class StoredLetter(NamedTuple):
    """A message that was refused."""

    topic: str
    reason: str
    first_at_us: int
    last_at_us: int
    times: int
    payload: bytes
    """As much of it as could have been accepted."""


class ReadSide(Protocol):
    """What boards, the doctor and exports ask of a store; from any thread.

    Every method but `close` raises `contract.protocols.StoreUnavailableError` while the store
    cannot be read.
    """

    def written_at_us(self) -> int | None:
        """When ingest stored something last, wall time; None if never."""
        ...

    def latest(self, now_us: int) -> list[LatestPoint]:
        """The latest point of each wearable, ordered by device.

        Parameters
        ----------
        now_us
            Points more than `FUTURE_TOLERANCE_S` after this are passed over.
        """
        ...

    def latest_of_residents(self, now_us: int) -> dict[str, LatestPoint]:
        """The latest point of each resident, by resident id; of several wearables the newest."""
        ...

    def events(
        self,
        start_us: int,
        end_us: int,
        *,
        resident: str | None = None,
        kinds: Collection[EventKind] = (),
        limit: int = MAX_EVENTS,
    ) -> list[StoredEvent]:
        """Events that happened from `start_us` to before `end_us`, newest first.

        Parameters
        ----------
        start_us, end_us
            Wall time, microseconds since 1970.
        resident
            Only of this one; None for all.
        kinds
            Only of these; empty for all.
        limit
            At most so many.
        """
        ...

    def series(self, resident: str, metric: str, start_us: int, end_us: int) -> Series:
        """One metric of a resident from `start_us` to before `end_us`, where it was measured.

        Two gateways that heard the same second give two entries.

        Raises
        ------
        ValueError
            If `metric` is none of `METRICS`.
        """
        ...

    def latest_readings(self, now_us: int) -> list[StoredReading]:
        """What each room sensor said last, ordered by device; `now_us` as for `latest`."""
        ...

    def readings(
        self, device: str, start_us: int, end_us: int, *, limit: int = MAX_READINGS
    ) -> list[StoredReading]:
        """What a room sensor said from `start_us` to before `end_us`, oldest first.

        Two gateways that heard the same give two entries.
        """
        ...

    def close(self) -> None:
        """Let go of files and connections; the next question opens them again."""
        ...


def newest_of_residents(latest: Iterable[LatestPoint]) -> dict[str, LatestPoint]:
    """The newest of several wearables' points for each resident who wears one."""
    newest: dict[str, LatestPoint] = {}
    for each in latest:
        resident = each.point.resident
        if resident is None:
            continue
        known = newest.get(resident)
        if known is None or known.point.at_us < each.point.at_us:
            newest[resident] = each
    return newest


def check_metric(metric: str) -> str:
    """Return `metric` if it is one of `METRICS`.

    Raises
    ------
    ValueError
        If it is not, with those that are.
    """
    if metric not in METRICS:
        raise ValueError(f"metric {metric!r}: one of {', '.join(METRICS)}")
    return metric
