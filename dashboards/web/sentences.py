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
    holds: str | None = None
    """… and this one, of yes or no, is yes."""
    fails: str | None = None
    """… or is told and no."""


FORMS: Final[Mapping[str, tuple[_Form, ...]]] = MappingProxyType(
    {
        "elopement": (
            _Form("院友在出口時，出口門被打開", holds="door_opened"),
            _Form("在出口後失去訊號 {unheard_s} 秒", ("unheard_s",), fails="door_opened"),
        ),
        "left_safe_zone": (_Form("離開安全範圍已 {outside_s} 秒", ("outside_s",)),),
        "exit_seeking": (
            _Form(
                "在出口停留 {stayed_s} 秒；平常不超過 {usual_stay_s} 秒",
                ("stayed_s", "usual_stay_s"),
                holds="is_lingering",
            ),
            _Form("在出口停留 {stayed_s} 秒", ("stayed_s",), holds="is_lingering"),
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
                holds="is_in_others_room",
            ),
            _Form("離床 {out_min} 分鐘，到過 {rooms} 處", ("out_min", "rooms")),
        ),
        "bed_exit": (
            _Form("床邊感應器顯示院友已離床", holds="by_bed_sensor"),
            _Form("院友已離開床位所在的房間", fails="by_bed_sensor"),
        ),
        "inactive": (_Form("{silent_min} 分鐘沒有活動，與平常不符", ("silent_min",)),),
        "not_returned": (
            _Form(
                "離開 {away_min} 分鐘仍未返回（所定時限 {limit_min} 分鐘）",
                ("away_min", "limit_min"),
            ),
        ),
    }
)
"""By kind; the first whose numbers are told. Names as in `detectors.whereabouts`."""

_ASKED_AGAIN: Final = "；職員標籤已不在身旁，再次提示"
_LEARNING: Final = "（系統仍在學習院友的平常習慣）"


def sentence(line: EventLine, language: Language) -> str | None:
    """What an event says of itself in a language; None if it says nothing."""
    if language is Language.ENGLISH:
        return line.detail
    told = line.features
    for form in FORMS.get(line.kind, ()):
        if _fits(form, told):
            text = form.text.format_map({name: f"{told[name]:.0f}" for name in form.needs})
            text += _ASKED_AGAIN if told.get("asked_again") else ""
            return text + (_LEARNING if told.get("is_learning") else "")
    return line.detail


def _fits(form: _Form, told: Mapping[str, float]) -> bool:
    return (
        all(name in told for name in form.needs)
        and (form.holds is None or told.get(form.holds, 0.0) > 0)
        and (form.fails is None or told.get(form.fails) == 0)
    )
