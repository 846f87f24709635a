"""Why somebody was called for where a resident is, in Chinese.

The gateway says it in English, with its numbers (`contract.events.Event.detail`); here the same is
said from those numbers. What a newer detector says otherwise is shown as it came.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

from alerts.views import EventLine
from dashboards.web.language import Language


class _Form(NamedTuple):
    """A sentence that is said where these numbers are told."""

    text: str
    needs: tuple[str, ...] = ()
    """All told."""
    holds: tuple[str, ...] = ()
    """… and these, of yes or no, are yes."""
    fails: str | None = None
    """… and this one is told and no."""


FORMS: Final[Mapping[str, tuple[_Form, ...]]] = MappingProxyType(
    {
        "elopement": (
            _Form("與職員外出 {away_min} 分鐘後仍未返回", ("away_min",), holds=("asked_again",)),
            _Form(
                "出口門剛打開，院友隨即在出口失去訊號 {unheard_s} 秒",
                ("unheard_s",),
                holds=("is_lost", "door_opened"),
            ),
            _Form(
                "院友在出口失去訊號 {unheard_s} 秒，未見有門打開",
                ("unheard_s",),
                holds=("is_lost",),
            ),
            _Form("出口門打開期間或剛關上時，院友走到出口", holds=("door_opened", "came_later")),
            _Form("院友在出口時，出口門被打開", holds=("door_opened",)),
        ),
        "left_safe_zone": (
            _Form("{outside_min} 分鐘後仍在安全範圍之外", ("outside_min",), holds=("asked_again",)),
            _Form("離開安全範圍已 {outside_s} 秒", ("outside_s",)),
        ),
        "exit_seeking": (
            _Form(
                "在出口停留 {stayed_s} 秒；平常不超過 {usual_stay_s} 秒",
                ("stayed_s", "usual_stay_s"),
                holds=("is_lingering",),
            ),
            _Form("在出口停留 {stayed_s} 秒", ("stayed_s",), holds=("is_lingering",)),
            _Form(
                "{window_min} 分鐘內到出口 {visits} 次；"
                "此時段平常 {usual_least} 至 {usual_most} 次",
                ("visits", "window_min", "usual_least", "usual_most"),
            ),
        ),
        "night_wandering": (
            _Form(
                "離床 {out_min} 分鐘，到過 {rooms} 處，現時在其他院友的房間",
                ("out_min", "rooms"),
                holds=("is_in_others_room",),
            ),
            _Form(
                "早已過平常上床時間，仍未上床，到過 {rooms} 處",
                ("rooms",),
                fails="has_been_in_bed",
            ),
            _Form("離床 {out_min} 分鐘，到過 {rooms} 處", ("out_min", "rooms")),
        ),
        "bed_exit": (
            _Form("床邊感應器顯示院友已離床", holds=("by_bed_sensor",)),
            _Form("院友已離開床位所在的房間", fails="by_bed_sensor"),
        ),
        "inactive": (
            _Form(
                "{silent_min} 分鐘沒有轉換房間（未能量度活動）",
                ("silent_min",),
                fails="is_movement_known",
            ),
            _Form("{silent_min} 分鐘沒有活動", ("silent_min",), holds=("is_learning",)),
            _Form("{silent_min} 分鐘沒有活動，與平常不符", ("silent_min",)),
        ),
        "not_returned": (
            _Form(
                "離開 {away_min} 分鐘仍未返回（所定時限 {limit_min} 分鐘）",
                ("away_min", "limit_min"),
            ),
        ),
    }
)
"""By kind; the first whose numbers are told. Names as in
`detectors.whereabouts_words`, whose English they follow."""

_OF_HABIT: Final = frozenset({"exit_seeking", "night_wandering", "inactive"})
"""Kinds that are judged by what is usual."""

_LEARNING: Final = "（系統仍在學習院友的平常習慣）"


def sentence(line: EventLine, language: Language) -> str | None:
    """What an event says of itself in a language; None if it says nothing."""
    if language is Language.ENGLISH:
        return line.detail
    told = line.features | {
        f"{name.removesuffix('_s')}_min": value / 60
        for name, value in line.features.items()
        if name.endswith("_s")
    }
    for form in FORMS.get(line.kind, ()):
        if _fits(form, told):
            text = form.text.format_map({name: f"{told[name]:.0f}" for name in form.needs})
            is_learning = told.get("is_learning") and line.kind in _OF_HABIT
            return text + (_LEARNING if is_learning else "")
    return line.detail


def _fits(form: _Form, told: Mapping[str, float]) -> bool:
    return (
        all(name in told for name in form.needs)
        and all(told.get(name, 0.0) > 0 for name in form.holds)
        and (form.fails is None or told.get(form.fails) == 0)
    )
