"""Who leads a home's gateways, and who of them is nearest to a wearable: pure functions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from contract.units import seconds_to_ns

LIVE_NS: Final = seconds_to_ns(5)
"""A gateway not heard for so long does not lead (DESIGN 5): five heartbeats missed."""


class Heard(NamedTuple):
    """A gateway of this home, as last heard."""

    gateway: str
    priority: int
    at_ns: int
    """Monotonic time of its last presence message."""
    rssi_dbm: Mapping[str, float]
    """Smoothed, by device."""


def live(gateways: Iterable[Heard], now_ns: int) -> list[Heard]:
    """Those heard within `LIVE_NS`."""
    return [each for each in gateways if now_ns - each.at_ns <= LIVE_NS]


def lead(gateways: Iterable[Heard], now_ns: int) -> str | None:
    """The gateway with the lowest priority number heard within `LIVE_NS`; of equals the first
    by name. None if none is heard.
    """
    chosen = min(
        live(gateways, now_ns), key=lambda each: (each.priority, each.gateway), default=None
    )
    return chosen.gateway if chosen is not None else None


def rank(gateway: str, device: str, gateways: Iterable[Heard], now_ns: int) -> int:
    """How many live gateways hear `device` better than `gateway` does: 0 for the nearest.

    Of equals the first by name is better. A gateway that does not hear it comes last.
    """
    heard = {
        each.gateway: each.rssi_dbm[device]
        for each in live(gateways, now_ns)
        if device in each.rssi_dbm
    }
    own = heard.get(gateway)
    if own is None:
        return len(heard)
    return sum((-rssi, name) < (-own, gateway) for name, rssi in heard.items())
