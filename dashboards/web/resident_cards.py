"""What a resident's page says, and what its form asks: pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from statistics import fmean
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from alerts.plan_entries import SETTINGS
from alerts.views import ChoiceLine, ResidentView, WhereaboutsView
from contract.units import us_to_datetime
from contract.whereabouts import (
    LONGEST_NOT_RETURNED_MINUTES,
    SHORTEST_NOT_RETURNED_MINUTES,
    WhereaboutsPolicy,
    ZoneUse,
)
from dashboards.web.asked import AskedWhereabouts, is_number
from dashboards.web.guard import RefusedError
from dashboards.web.present import place_name
from dashboards.web.trend import WEEK, Trend
from dashboards.web.words import Words

SWITCHES: Final = ("at_risk", "night_wandering", "bed_exit", "inactive")
"""What is asked for or not, the gravest first."""

MINUTES: Final = (15, 20, 30, 45, 60, 90, 120)
"""After which somebody who has not come back is missed."""

MAX_ZONES: Final = 256
"""In one form; a home of sixty has some forty."""

STRAIGHT: Final = 1.0
"""Tortuosity of the shortest way: a diagram of it begins there."""

BAR_HEIGHT: Final = 40
BAR_WIDTH: Final = 10


class Switch(NamedTuple):
    """Something that is asked for or not."""

    name: str
    text: str
    help: str
    is_on: bool


class Option(NamedTuple):
    """One of several values."""

    value: str
    text: str
    is_on: bool


class Bar(NamedTuple):
    """One day of a small diagram."""

    x: int
    y: float
    height: float
    title: str


class Diagram(NamedTuple):
    """Days side by side."""

    title: str
    bars: tuple[Bar, ...]
    most: str
    """What the highest bar stands for."""
    width: int


@dataclass(frozen=True, kw_only=True)
class ResidentPage:
    """Everything that the page's template needs."""

    id: str
    bed: str
    name: str
    place: str | None
    placed_at: str | None
    switches: tuple[Switch, ...]
    minutes: tuple[Option, ...]
    zones: tuple[Option, ...]
    version: int
    warning: str | None
    log: tuple[tuple[str, tuple[str, ...]], ...]
    """When and who, with what changed; the latest first."""
    diagrams: tuple[Diagram, ...]
    walks: str
    """One sentence on them."""
    rise: str | None


def resident_page(
    view: WhereaboutsView,
    resident: ResidentView,
    trend: Trend | None,
    words: Words,
    zone: ZoneInfo,
) -> ResidentPage:
    """Put it into words; `trend` is None where the store cannot be read."""
    policy, place = view.policy, resident.place
    return ResidentPage(
        id=view.resident_id,
        bed=view.bed,
        name=view.name,
        place=None if place is None else place_name(place.zone),
        placed_at=None if place is None else _time(place.seen_at_us, zone),
        switches=tuple(
            Switch(name, words(f"ask_{name}"), words(f"ask_{name}_help"), getattr(policy, name))
            for name in SWITCHES
        ),
        minutes=_minutes(policy.not_returned_minutes, words),
        zones=tuple(
            Option(each.zone, place_name(each.zone) or "", each.zone in policy.safe_zones)
            for each in view.zones
            if each.use is not ZoneUse.EXIT
        ),
        version=view.version,
        warning=_warning(view, words),
        log=tuple((_who(line, words, zone), _changes(line, words)) for line in view.log),
        diagrams=() if trend is None or trend.is_empty else _diagrams(trend, words),
        walks=_walks(trend, words),
        rise=None
        if trend is None or trend.rise is None
        else words("walks_rise", now=f"{trend.rise.now:.2f}", before=f"{trend.rise.before:.2f}"),
    )


def _time(at_us: int, zone: ZoneInfo) -> str:
    return us_to_datetime(at_us).astimezone(zone).strftime("%H:%M")


def _minutes(chosen: int, words: Words) -> tuple[Option, ...]:
    offered = sorted({*MINUTES, chosen} - {0})
    return (
        Option("0", words("never"), chosen == 0),
        *(Option(str(n), words("after_minutes", n=n), n == chosen) for n in offered),
    )


def _warning(view: WhereaboutsView, words: Words) -> str | None:
    if not view.zones:
        return words("no_plan")
    if all(each.use is not ZoneUse.EXIT for each in view.zones):
        return words("no_exit")
    return None


def _who(line: ChoiceLine, words: Words, zone: ZoneInfo) -> str:
    moment = us_to_datetime(line.at_us).astimezone(zone)
    name = words("by_settings") if line.by == SETTINGS else line.by
    return words("asked_by", time=moment.strftime("%Y-%m-%d %H:%M"), name=name)


def _changes(line: ChoiceLine, words: Words) -> tuple[str, ...]:
    return tuple(
        words(
            "asked_change",
            what=words(f"ask_{name}"),
            before=_value(name, line.before, words),
            after=_value(name, line.policy, words),
        )
        for name in WhereaboutsPolicy.__struct_fields__
        if getattr(line.before, name) != getattr(line.policy, name)
    )


def _value(name: str, policy: WhereaboutsPolicy, words: Words) -> str:
    value = getattr(policy, name)
    if name == "safe_zones":
        return ", ".join(place_name(zone) or "" for zone in value) or words("everywhere")
    if name == "not_returned_minutes":
        return words("after_minutes", n=value) if value else words("never")
    return words("yes" if value else "no")


def _walks(trend: Trend | None, words: Words) -> str:
    if trend is None:
        return words("walks_unread")
    if trend.is_empty:
        return words("walks_none")
    now, before = (
        fmean(day.walks for day in span) for span in (trend.days[-WEEK:], trend.days[:-WEEK])
    )
    return words("walks_week", now=f"{now:.1f}", before=f"{before:.1f}")


def _diagrams(trend: Trend, words: Words) -> tuple[Diagram, ...]:
    days = trend.days
    return (
        _diagram(words("walks_a_day"), [(day.day, float(day.walks)) for day in days], "{:.0f}"),
        _diagram(words("minutes_a_day"), [(day.day, day.minutes) for day in days], "{:.0f}"),
        _diagram(
            words("tortuosity"),
            [(day.day, day.tortuosity or STRAIGHT) for day in days],
            "{:.2f}",
            least=STRAIGHT,
        ),
    )


def _diagram(
    title: str, days: Sequence[tuple[date, float]], form: str, least: float = 0.0
) -> Diagram:
    most = max(value for _, value in days)
    scale = BAR_HEIGHT / (most - least) if most > least else 0.0
    heights = [max(0.0, (value - least) * scale) for _, value in days]
    bars = tuple(
        Bar(
            number * BAR_WIDTH,
            round(BAR_HEIGHT - height, 2),
            round(height, 2),
            f"{day:%d/%m}: {form.format(value)}",
        )
        for number, ((day, value), height) in enumerate(zip(days, heights, strict=True))
    )
    return Diagram(title, bars, form.format(most), len(days) * BAR_WIDTH)


def read_form(form: Mapping[str, str], safe_zones: Sequence[str]) -> AskedWhereabouts:
    """What the page's form asks for; a box that is not ticked is not sent.

    Raises
    ------
    RefusedError
        422, if it is no such form.
    """
    minutes, version = form.get("not_returned_minutes", ""), form.get("version", "")
    if not is_number(minutes) or not is_number(version) or len(safe_zones) > MAX_ZONES:
        raise RefusedError(422, "error_form")
    after = int(minutes)
    if after and not SHORTEST_NOT_RETURNED_MINUTES <= after <= LONGEST_NOT_RETURNED_MINUTES:
        raise RefusedError(422, "error_form")
    return AskedWhereabouts(
        policy=WhereaboutsPolicy(
            **{name: name in form for name in SWITCHES},
            not_returned_minutes=after,
            safe_zones=sorted(set(safe_zones)),
        ),
        version=int(version),
    )
