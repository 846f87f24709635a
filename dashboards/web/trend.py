"""How much a resident has wandered, day by day, and whether it has risen: pure.

In a year with 69 residents the odds of a fall were 2.5 times as high after a week whose walks were
more tortuous by 0.1 (fractal dimension; Kearns 2012, SCIENCE 3.2). What the gateways tell of a walk
is another measure of the same (steps walked over steps needed), whose relation to falls nobody has
measured: so a rise is shown beside her own weeks before, with its number, and calls nobody.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from statistics import fmean, stdev
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from contract.events import EventKind
from contract.units import us_to_datetime
from ingest.read import StoredEvent

DAYS: Final = 28
"""Four weeks: the one that counts, and three to compare it with."""

WEEK: Final = 7
"""The days before a fall in which Kearns saw the rise."""

ENOUGH_DAYS: Final = 3
"""Days with walks in each span before the two are compared: of fewer no spread is known."""

RISE_AT_LEAST: Final = 0.1
"""Of mean tortuosity. Less is no step more in ten."""

RISE_STANDARD_ERRORS: Final = 2.0
"""… and beyond what her own days differ by: about one week in forty rises so by chance."""


class WanderingDay(NamedTuple):
    """One local day."""

    day: date
    walks: int
    minutes: float
    tortuosity: float | None
    """Mean of its walks, steps walked over steps needed; None without a walk that tells it."""


class Rise(NamedTuple):
    """The last week beside those before it."""

    now: float
    before: float


class Trend(NamedTuple):
    """Four weeks of walks that wander."""

    days: tuple[WanderingDay, ...]
    """The oldest first, today last."""
    rise: Rise | None

    @property
    def is_empty(self) -> bool:
        """Whether nothing was told at all."""
        return all(day.walks == 0 for day in self.days)


def trend(events: Iterable[StoredEvent], zone: ZoneInfo, now_us: int) -> Trend:
    """From the walks that are stored of one resident; several gateways' word of one is one."""
    walks = {
        stored.event.key or stored.event.id: stored.event
        for stored in events
        if stored.event.kind is EventKind.WANDERING_EPISODE
    }
    by_day: defaultdict[date, list[dict[str, float]]] = defaultdict(list)
    for event in walks.values():
        local = us_to_datetime(event.at_us).astimezone(zone).date()
        told = {} if event.evidence is None else event.evidence.features
        by_day[local].append({name: each for name, each in told.items() if math.isfinite(each)})
    today = us_to_datetime(now_us).astimezone(zone).date()
    days = tuple(
        _day(day, by_day[day])
        for day in (today - timedelta(days=back) for back in range(DAYS - 1, -1, -1))
    )
    return Trend(days, _rise(days))


def _day(day: date, walks: Sequence[dict[str, float]]) -> WanderingDay:
    tortuous = [walk["tortuosity"] for walk in walks if "tortuosity" in walk]
    return WanderingDay(
        day,
        len(walks),
        sum(walk.get("minutes", 0.0) for walk in walks),
        fmean(tortuous) if tortuous else None,
    )


def _rise(days: Sequence[WanderingDay]) -> Rise | None:
    """Whether the last week lies above those before by more than chance."""
    before = [day.tortuosity for day in days[:-WEEK] if day.tortuosity is not None]
    now = [day.tortuosity for day in days[-WEEK:] if day.tortuosity is not None]
    if min(len(before), len(now)) < ENOUGH_DAYS:
        return None
    error = math.hypot(*(stdev(each) / math.sqrt(len(each)) for each in (before, now)))
    risen = fmean(now) - fmean(before)
    if risen < RISE_AT_LEAST or risen < RISE_STANDARD_ERRORS * error:
        return None
    return Rise(fmean(now), fmean(before))
