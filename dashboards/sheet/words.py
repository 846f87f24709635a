"""What stands on the sheet, each label in both languages."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from alerts.sheet import Sheet
from contract.units import us_to_datetime


class Label(NamedTuple):
    """One text in both languages."""

    zh: str
    en: str

    @property
    def both(self) -> str:
        """Side by side."""
        return f"{self.zh} {self.en}"


LABELS: Final[Mapping[str, Label]] = MappingProxyType(
    {
        "title": Label("停機時巡視表", "Downtime sheet"),
        "floor": Label("樓層", "Floor"),
        "bed": Label("床位", "Bed"),
        "resident": Label("院友", "Resident"),
        "plan": Label("照顧計劃", "Plan"),
        "at_risk": Label("不可獨自外出", "May not leave alone"),
        "contacts": Label("聯絡人", "Contacts"),
        "carers": Label("負責職員", "Carers"),
        "wearable": Label("配戴裝置", "Wearable"),
        "none_worn": Label("沒有", "none"),
        "looks": Label("巡視（時間／簡簽）", "Looked after (time, initials)"),
        "staff": Label("職員", "Staff"),
        "off_duty": Label("非當值", "off duty"),
        "printed": Label("列印", "Printed"),
        "by": Label("列印者", "by"),
        "losses": Label("列印時未受監察的床位", "Not being monitored when this was printed"),
        "nobody": Label("沒有登記院友", "No residents are entered"),
        "page": Label(
            "此表載有個人資料，請放於病房文件夾內，換新時銷毀舊表。",
            "Holds personal data: keep it in the ward folder, destroy it when the next is printed.",
        ),
    }
)

WHAT_TO_DO: Final = (
    Label(
        "系統、網絡或電力中斷時：跌倒偵測及警報可能不運作。",
        "When system, network or power fail, falls may raise no alarm.",
    ),
    Label(
        "每 {minutes} 分鐘巡視每張床位，並在右欄簽署。",
        "Look after each bed every {minutes} minutes and sign on the right.",
    ),
    Label(
        "閘道器發聲時，請看其頁面上的床位；召援鐘如常使用。",
        "When a gateway sounds, its page names the bed; call bells work as always.",
    ),
    Label(
        "恢復後，請在看板上核對未處理的警報。",
        "Afterwards compare with the open alerts on the board.",
    ),
)

CAUSES: Final[Mapping[str, Label]] = MappingProxyType(
    {
        "gateway_silent": Label("閘道器沒有訊號", "gateway silent"),
        "radio_silent": Label("閘道器收不到任何裝置", "gateway hears no wearable"),
        "wearable_not_heard": Label("收不到配戴裝置訊號", "wearable not heard"),
        "not_worn": Label("未有配戴裝置", "wearable not worn"),
        "sensor_fault": Label("感應器故障", "sensor broken"),
        "absence_over": Label("登記的離開時間已過", "should be back, nobody has said so"),
    }
)
"""By `alerts.cover.LOSS_CAUSES`, and `ABSENCE_OVER`."""

ROLES: Final[Mapping[str, Label]] = MappingProxyType(
    {
        "manager": Label("主管", "Manager"),
        "nurse": Label("護士", "Nurse"),
        "health_worker": Label("保健員", "Health worker"),
        "care_worker": Label("護理員", "Care worker"),
    }
)


def moment(sheet: Sheet, at_us: int) -> str:
    """Date and time in the home."""
    return f"{us_to_datetime(at_us).astimezone(ZoneInfo(sheet.time_zone)):%Y-%m-%d %H:%M}"


def cause_of(cause: str) -> str:
    """A cause in both languages; its bare name if the sheet does not know it."""
    label = CAUSES.get(cause)
    return cause.replace("_", " ") if label is None else label.both
