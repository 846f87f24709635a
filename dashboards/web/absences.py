"""What the board says of who is off or away, and which other ends it offers: pure."""

from __future__ import annotations

from datetime import datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from alerts.absences import DEFAULT_S, LONGEST_S
from alerts.views import AbsenceView, ResidentView
from contract.messages import AbsenceKind
from contract.units import US_PER_S, us_to_datetime
from dashboards.web.cards import AbsenceLine, Choice, Countdown
from dashboards.web.words import Words

STEPS_MINUTES: Final = (15, 30, 60)
"""What is added to an expected end by one tap."""

EVENING: Final = time(20, 0)
"""Back from a day out: after supper, before the night round."""

NOON: Final = time(12, 0)
"""Back from a night away, or from hospital after the morning's round there."""

_MINUTE_US: Final = 60 * US_PER_S


def kinds(words: Words) -> tuple[Choice, ...]:
    """The buttons of a tile."""
    return tuple(
        Choice(kind.value, words(f"away_{kind.value}"), _usual(kind, words)) for kind in AbsenceKind
    )


def _usual(kind: AbsenceKind, words: Words) -> str:
    hours, rest_s = divmod(DEFAULT_S[kind], 3_600)
    return words.age(rest_s) if hours == 0 else words("hours_whole", n=hours)


def line(resident: ResidentView, words: Words, zone: ZoneInfo, now_us: int) -> AbsenceLine | None:
    """What stands of a resident; None if nothing does."""
    view = resident.absence
    if view is None:
        return None
    kind = view.kind.value
    until = _clock(view.until_us, now_us, words, zone)
    key = "away_over" if view.over else "away_left"
    left = words.age(abs(view.until_us - now_us) / US_PER_S)
    return AbsenceLine(
        id=view.id,
        kind=kind,
        bed=resident.bed,
        text=words("away_until", what=words(f"away_is_{kind}"), time=until),
        ask=words(f"away_ask_{kind}", bed=resident.bed, name=resident.name),
        over=view.over,
        left=Countdown(view.until_us, words(key, time=left), words(key, time="{time}")),
        by=words("away_by", name=view.by),
        ends=_ends(view, words, zone, now_us),
    )


def _ends(view: AbsenceView, words: Words, zone: ZoneInfo, now_us: int) -> tuple[Choice, ...]:
    """Whole moments, not steps: two people who press one button say the same."""
    base_us = max(view.until_us, -(-now_us // _MINUTE_US) * _MINUTE_US)
    ends = {
        base_us + minutes * _MINUTE_US: words("away_more", n=minutes) for minutes in STEPS_MINUTES
    }
    if view.kind is AbsenceKind.LEAVE:
        today = us_to_datetime(now_us).astimezone(zone)
        for days, at in ((0, EVENING), (1, NOON), (1, EVENING), (3, EVENING), (7, EVENING)):
            moment = datetime.combine(today.date() + timedelta(days=days), at, zone)
            ends[round(moment.timestamp() * US_PER_S)] = ""
    latest_us = now_us + LONGEST_S[view.kind] * US_PER_S
    soonest_us = now_us + STEPS_MINUTES[0] * _MINUTE_US
    return tuple(
        Choice(
            str(at_us),
            words("away_to", time=_clock(at_us, now_us, words, zone)),
            text,
        )
        for at_us, text in sorted(ends.items())
        if soonest_us <= at_us <= latest_us and at_us != view.until_us
    )


def _clock(at_us: int, now_us: int, words: Words, zone: ZoneInfo) -> str:
    """Clock time in the home, with the day where it is not today."""
    moment = us_to_datetime(at_us).astimezone(zone)
    days = (moment.date() - us_to_datetime(now_us).astimezone(zone).date()).days
    text = moment.strftime("%H:%M")
    if days == 0:
        return text
    if days == 1:
        return words("tomorrow", time=text)
    return words("on_day", day=moment.day, month=moment.month, time=text)
