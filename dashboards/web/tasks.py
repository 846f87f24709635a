"""What a task on the board says: beds to look after, and who should be back; pure."""

from __future__ import annotations

from collections.abc import Iterable
from zoneinfo import ZoneInfo

from alerts.cover import ABSENCE_OVER
from alerts.views import CheckView, ResidentView
from contract.units import US_PER_S, us_to_datetime
from dashboards.web import absences
from dashboards.web.cards import AbsenceLine, CheckCard, Countdown
from dashboards.web.words import Words


def check_card(
    view: CheckView, residents: Iterable[ResidentView], words: Words, zone: ZoneInfo, now_us: int
) -> CheckCard:
    """A task, with the time that is left for it or by which it is late."""
    is_over = view.cause == ABSENCE_OVER
    key = "check_overdue" if view.overdue else "check_due"
    left = words.age(abs(view.due_at_us - now_us) / US_PER_S)
    return CheckCard(
        id=view.id,
        beds=", ".join(view.beds),
        why=words("check_absence") if is_over else _why(view, words, zone),
        last=_last(view, words, zone),
        overdue=view.overdue,
        due=Countdown(view.due_at_us, words(key, time=left), words(key, time="{time}")),
        absences=_absences(view, residents, words, zone, now_us) if is_over else (),
    )


def _why(view: CheckView, words: Words, zone: ZoneInfo) -> str:
    cause, _ = words.fault(view.cause)
    return words("check_why", time=_time(view.since_us, zone), cause=cause)


def _last(view: CheckView, words: Words, zone: ZoneInfo) -> str | None:
    if view.checked_at_us is None:
        return None
    at = _time(view.checked_at_us, zone)
    return words("check_last", name=words.person(view.checked_by), time=at)


def _absences(
    check: CheckView, residents: Iterable[ResidentView], words: Words, zone: ZoneInfo, now_us: int
) -> tuple[AbsenceLine, ...]:
    """Who of the floor should be back."""
    lines = (
        absences.line(view, words, zone, now_us)
        for view in residents
        if view.bed in check.beds and view.absence is not None and view.absence.over
    )
    return tuple(line for line in lines if line is not None)


def _time(at_us: int, zone: ZoneInfo) -> str:
    return us_to_datetime(at_us).astimezone(zone).strftime("%H:%M")
