"""Why a wearable is probably not heard any more: a table, and a sentence for who goes to look."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import Final, NamedTuple

from contract.events import Evidence

DETECTOR: Final = "not_heard/1"

FLAT_PERCENT: Final = 5
"""Gauges of small lithium cells are off by some percent at their end, and a radio that sends takes
the voltage down: many devices go out with this on their display."""
FLAT_DAYS: Final = 0.25
"""The same by its rate: six hours."""

WEAK_DBM: Final = -88.0
"""From 4 to 6 dB above where half of the adverts are lost (-94 dBm, `firmware_sim.air`): so weak in
the median of five minutes, a turn of the body is enough."""

FALLING_DB: Final = 10.0
"""Weaker by so much within the last half minute than before it: a door closed behind her, or two
rooms further. A body that turns makes 3 to 6."""

EXIT_WORDS: Final = (
    "entrance",
    "exit",
    "gate",
    "lobby",
    "reception",
    "garden",
    "outdoor",
    "出口",
    "大門",
    "門口",
    "大堂",
    "花園",
)
"""What zones at the edge of a home are called; in any place of the zone's name."""


class LikelyCause(StrEnum):
    """What is behind it, as far as the last adverts tell."""

    GATEWAY_DOWN = "gateway_down"
    FLAT_BATTERY = "flat_battery"
    LEFT_THE_BUILDING = "left_the_building"
    COVERAGE = "coverage"
    WENT_AWAY = "went_away"
    STOPPED = "stopped"
    NEVER_HEARD = "never_heard"


class LastHeard(NamedTuple):
    """What is known of a wearable that is not heard any more."""

    seconds_ago: float | None
    """None: it was not heard at all since the gateway's start."""
    gateway: str | None = None
    """Which heard it best in the end."""
    zone: str | None = None
    """Where that one stands."""
    is_gateway_down: bool = False
    """Whether that one has fallen silent at the same time."""
    rssi_dbm: float | None = None
    """Median of the last half minute."""
    before_dbm: float | None = None
    """Median of the minutes before that."""
    battery_percent: int | None = None
    battery_days: float | None = None


def is_exit(zone: str | None) -> bool:
    """Whether a zone's name says that one leaves the home there."""
    return zone is not None and any(word in zone.lower() for word in EXIT_WORDS)


def _is_flat(last: LastHeard) -> bool:
    percent, days = last.battery_percent, last.battery_days
    return (percent is not None and percent <= FLAT_PERCENT) or (
        days is not None and days <= FLAT_DAYS
    )


def _is_weak(last: LastHeard) -> bool:
    levels = [each for each in (last.rssi_dbm, last.before_dbm) if each is not None]
    return bool(levels) and max(levels) <= WEAK_DBM


def _is_falling(last: LastHeard) -> bool:
    now, before = last.rssi_dbm, last.before_dbm
    return now is not None and before is not None and before - now >= FALLING_DB


CAUSES: Final[tuple[tuple[LikelyCause, Callable[[LastHeard], bool], str], ...]] = (
    (
        LikelyCause.NEVER_HEARD,
        lambda last: last.seconds_ago is None,
        "it has not been heard since the gateways were started: switched off, flat or elsewhere",
    ),
    (
        LikelyCause.GATEWAY_DOWN,
        lambda last: last.is_gateway_down,
        "gateway {gateway}, which heard it last, fell silent with it: nobody hears {where}",
    ),
    (LikelyCause.FLAT_BATTERY, _is_flat, "its battery is probably flat"),
    (
        LikelyCause.LEFT_THE_BUILDING,
        lambda last: is_exit(last.zone),
        "its wearer may have left the building",
    ),
    (LikelyCause.COVERAGE, _is_weak, "it was weak for long: a corner that no gateway hears well"),
    (
        LikelyCause.WENT_AWAY,
        _is_falling,
        "it grew weaker at the last: its wearer went away from there, to where nobody hears",
    ),
    (
        LikelyCause.STOPPED,
        lambda last: True,
        "it was heard well until it stopped: broken, switched off or covered by metal",
    ),
)
"""The first that holds is said. A gateway that is down hides all others; a flat battery explains a
silence anywhere; who was last heard at a door is looked for before signals are weighed."""


def likely_cause(last: LastHeard) -> LikelyCause:
    """The most probable cause."""
    return next(cause for cause, holds, _ in CAUSES if holds(last))


def words(device: str, last: LastHeard) -> str:
    """For a person who goes to look: the cause, then where and how it was last heard."""
    cause = likely_cause(last)
    where = last.zone or last.gateway or "there"
    sentence = next(text for each, _, text in CAUSES if each is cause)
    said = f"{device} is not heard: {sentence.format(gateway=last.gateway, where=where)}"
    if last.seconds_ago is None:
        return f"{said}; look at its wearer"
    facts = [f"{last.seconds_ago:.0f} s ago"]
    if last.zone is not None or last.gateway is not None:
        facts.append(f"in {where}" if not is_exit(last.zone) else f"at {where}")
    if last.rssi_dbm is not None:
        facts.append(f"{last.rssi_dbm:.0f} dBm")
    if last.battery_percent is not None:
        facts.append(f"battery {last.battery_percent} %")
    return f"{said} (last heard {', '.join(facts)}); look at its wearer"


def evidence(last: LastHeard) -> Evidence:
    """The same for machines."""
    values = {
        "heard_ago_s": last.seconds_ago,
        "rssi_dbm": last.rssi_dbm,
        "before_dbm": last.before_dbm,
        "battery_percent": last.battery_percent,
        "battery_days": last.battery_days,
    }
    features = {name: round(value, 2) for name, value in values.items() if value is not None}
    return Evidence(detector=f"{DETECTOR}:{likely_cause(last).value}", features=features)
