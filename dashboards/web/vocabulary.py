"""What events, faults and outcomes are called, in both languages.

A machine never confirms: it says "fall detected" and "may have got up"; only a person
confirms (DESIGN 3). Every fault says what to do about it: a fault without a cause and a
remedy is ignored (FIELD, OpenSeizureDetector #164).
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

from dashboards.web.language import Pair

KINDS: Final[Mapping[str, Pair]] = MappingProxyType(
    {
        "fall_suspected": Pair("Possible fall", "可能跌倒"),
        "fall_detected": Pair("Fall detected", "懷疑跌倒"),
        "long_lie": Pair("Lying for long", "久臥未起"),
        "help_requested": Pair("Asks for help", "按鈕求助"),
        "elopement": Pair("May have left the home", "懷疑擅自離院"),
        "left_safe_zone": Pair("Left the safe area", "離開安全範圍"),
        "exit_seeking": Pair("At an exit", "徘徊於出口"),
        "night_wandering": Pair("Up and about at night", "夜間遊走"),
        "bed_exit": Pair("Left the bed", "離床"),
        "inactive": Pair("No movement", "沒有活動"),
        "not_returned": Pair("Has not come back", "未有返回"),
        "heart_rate_high": Pair("Heart rate high", "心率偏高"),
        "heart_rate_low": Pair("Heart rate low", "心率偏低"),
        "heart_rate_absent": Pair("No heart rate", "未能測得心率"),
        "may_have_got_up": Pair("May have got up", "可能已起身"),
        "wandering_episode": Pair("Wandering", "遊走"),
        "acknowledged": Pair("Acknowledged", "已有人前往處理"),
        "fault": Pair("Fault", "故障"),
        "fault_cleared": Pair("Fault ended", "故障已解除"),
    }
)
"""By `contract.events.EventKind`."""


class FaultText(NamedTuple):
    """What a fault means and what a carer can do about it."""

    what: Pair
    to_do: Pair


_TECHNICIAN: Final = Pair(
    "Watch these residents by round, and call the technician.",
    "請巡房查看受影響院友，並通知技術人員。",
)

FAULTS: Final[Mapping[str, FaultText]] = MappingProxyType(
    {
        "wearable_not_heard": FaultText(
            Pair("Wearable not heard", "收不到配戴裝置訊號"),
            Pair(
                "Look in on the resident; is the wearable on, charged and near?",
                "請查看該院友；裝置是否已戴上、有電並在附近？",
            ),
        ),
        "wearable_rebooted": FaultText(
            Pair("Wearable restarted", "配戴裝置曾重新啟動"),
            Pair(
                "Nothing, unless it happens again: then change the wearable.",
                "暫無須處理；若再次發生，請更換裝置。",
            ),
        ),
        "address_conflict": FaultText(
            Pair("Two wearables with one address", "兩個配戴裝置地址相同"),
            Pair(
                "Watch both residents by round; take one wearable out of use.",
                "請巡房查看兩位院友；停用其中一個裝置。",
            ),
        ),
        "battery_low": FaultText(
            Pair("Battery low", "電量不足"),
            Pair("Charge or change the wearable now.", "請立即充電或更換裝置。"),
        ),
        "not_worn": FaultText(
            Pair("Wearable not worn", "未有配戴裝置"),
            Pair(
                "Look in on the resident and put the wearable on, if they agree.",
                "請查看該院友，並在其同意下戴上裝置。",
            ),
        ),
        "wear_unknown": FaultText(
            Pair("Not known whether it is worn", "未能確定是否已配戴"),
            Pair("Check at the next round that it is worn.", "下次巡房時請查看是否已戴上。"),
        ),
        "sensor_fault": FaultText(
            Pair("Sensor broken", "感應器故障"),
            Pair(
                "Change the wearable; watch the resident by round.",
                "請更換裝置，並巡房查看該院友。",
            ),
        ),
        "packet_rejected": FaultText(
            Pair("Wearable sends nonsense", "配戴裝置傳送異常資料"),
            Pair(
                "Change the wearable; watch the resident by round.",
                "請更換裝置，並巡房查看該院友。",
            ),
        ),
        "window_not_fetched": FaultText(
            Pair("A movement could not be read", "未能讀取一段動作資料"),
            Pair("Look in on the resident now.", "請立即查看該院友。"),
        ),
        "samples_late": FaultText(
            Pair("Movement arrives late", "動作資料延遲"),
            Pair("Look in on the resident at each round.", "每次巡房請查看該院友。"),
        ),
        "clock_unsynced": FaultText(
            Pair("Clock not set", "時鐘未校準"),
            Pair(
                "Times shown may be wrong; call the technician.",
                "顯示的時間可能有誤；請通知技術人員。",
            ),
        ),
        "clock_jumped": FaultText(
            Pair("Clock has jumped", "時鐘突然改變"),
            Pair(
                "Times shown may be wrong; call the technician.",
                "顯示的時間可能有誤；請通知技術人員。",
            ),
        ),
        "outbox_unwritable": FaultText(
            Pair("Gateway's memory card fails", "閘道器記憶卡故障"), _TECHNICIAN
        ),
        "telemetry_dropped": FaultText(
            Pair("Records of movement were lost", "部分動態紀錄遺失"),
            Pair("Alerts still work; call the technician.", "警報仍然運作；請通知技術人員。"),
        ),
        "event_rejected": FaultText(
            Pair("An alert could not be taken in", "有警報未被接納"), _TECHNICIAN
        ),
        "publish_refused": FaultText(
            Pair("Gateway may not report", "閘道器的回報被拒"), _TECHNICIAN
        ),
        "broker_lost": FaultText(Pair("Gateway has no connection", "閘道器失去連線"), _TECHNICIAN),
        "certificate_refused": FaultText(
            Pair("Gateway is not let in", "閘道器的憑證被拒"), _TECHNICIAN
        ),
        "certificate_expiring": FaultText(
            Pair("Gateway's certificate ends soon", "閘道器的憑證即將到期"),
            Pair(
                "All works; call the technician this week.",
                "一切運作正常；請於本週內通知技術人員。",
            ),
        ),
        "gateway_floods": FaultText(
            Pair("Gateway says too much", "閘道器訊息過多"),
            Pair(
                "Is the gateway where it should be? Call the technician.",
                "閘道器是否仍在原位？請通知技術人員。",
            ),
        ),
        "gateway_silent": FaultText(
            Pair("Gateway silent", "閘道器沒有訊號"),
            Pair(
                "Watch its residents by round; check its power and network.",
                "請巡房查看其範圍內的院友，並檢查電源及網絡。",
            ),
        ),
        "service_silent": FaultText(Pair("A service is silent", "有系統服務沒有訊號"), _TECHNICIAN),
        "radio_silent": FaultText(
            Pair("Gateway hears no wearable", "閘道器收不到任何裝置"),
            Pair(
                "Watch its residents by round; unplug the gateway and plug it in again.",
                "請巡房查看其範圍內的院友；將閘道器拔除電源再接上。",
            ),
        ),
        "adapter_silent": FaultText(
            Pair("A radio hears nothing", "藍牙接收器沒有訊號"),
            Pair(
                "Watch its residents by round; unplug the gateway and plug it in again.",
                "請巡房查看其範圍內的院友；將閘道器拔除電源再接上。",
            ),
        ),
        "receiver_silent": FaultText(
            Pair("A room's receiver is silent", "房間接收器沒有訊號"),
            Pair(
                "Watch the residents there by round; check the receiver's power.",
                "請巡房查看該處的院友，並檢查接收器電源。",
            ),
        ),
        "receiver_stuck": FaultText(
            Pair("A room's receiver is stuck", "房間接收器讀數不變"),
            Pair(
                "Nobody is placed by it; restart it, and exchange it if it stays.",
                "系統暫不採用其讀數;請重新啟動,如無改善請更換。",
            ),
        ),
        "door_left_open": FaultText(
            Pair("Exit door left open", "出口門未關"),
            Pair(
                "Close it and watch it; if it is closed, look at its sensor.",
                "請關門並留意出入;如門已關上,請檢查感應器。",
            ),
        ),
        "rooms_unknown": FaultText(
            Pair("Where residents are is not known", "未能掌握院友位置"),
            Pair(
                "Watch the exits by eye until this is gone.",
                "請派員看守出口,直至此提示消失。",
            ),
        ),
        "sensor_not_heard": FaultText(
            Pair("Room sensor not heard", "收不到房間感應器訊號"),
            Pair("Check its battery and its place.", "請檢查其電池及位置。"),
        ),
        "advert_unencrypted": FaultText(
            Pair("Sensor speaks without its key", "感應器訊息未加密"), _TECHNICIAN
        ),
        "advert_replayed": FaultText(
            Pair("Sensor's message was copied", "感應器訊息被重播"), _TECHNICIAN
        ),
        "clock_drift": FaultText(
            Pair("Wearable's clock runs wrong", "配戴裝置時鐘不準"),
            Pair("Exchange the wearable.", "請更換配戴裝置。"),
        ),
        "wearables_swapped": FaultText(
            Pair("Wearables may be swapped", "配戴裝置可能互換"),
            Pair(
                "Compare the names on both wearables with who wears them.",
                "請核對兩個配戴裝置上的姓名與配戴者。",
            ),
        ),
        "scan_starved": FaultText(
            Pair("Links keep the radio from hearing", "連線過多影響接收"), _TECHNICIAN
        ),
        "store_unwritable": FaultText(
            Pair("Records of movement cannot be kept", "無法儲存動態紀錄"),
            Pair("Alerts still work; call the technician.", "警報仍然運作；請通知技術人員。"),
        ),
        "channel_failed": FaultText(
            Pair("Staff could not be reached", "未能通知職員"),
            Pair("Keep this board in sight; tell your colleagues.", "請留意此看板，並告知同事。"),
        ),
        "escalation_stalled": FaultText(
            Pair("An alert stopped calling people", "有警報停止通知職員"),
            Pair("Answer every open alert yourself, now.", "請立即親自處理所有未處理的警報。"),
        ),
        "config_rejected": FaultText(
            Pair("Gateway refuses its settings", "閘道器拒絕設定"), _TECHNICIAN
        ),
        "siren_silent": FaultText(
            Pair("Siren would not be heard", "警報器未能發聲"),
            Pair(
                "Keep this board in sight and its sound on; call the technician.",
                "請留意此看板並開啟聲音；請通知技術人員。",
            ),
        ),
        "page_unreachable": FaultText(
            Pair("The gateway's own page cannot be opened", "無法開啟閘道器本身的頁面"),
            Pair("Alerts still work; call the technician.", "警報仍然運作；請通知技術人員。"),
        ),
    }
)
"""By `contract.events.FaultCause`."""

UNKNOWN_FAULT: Final = FaultText(Pair("Fault: {cause}", "故障：{cause}"), _TECHNICIAN)
"""For a cause that a newer sender knows and this page does not."""

OUTCOMES: Final[Mapping[str, Pair]] = MappingProxyType(
    {
        "true_fall_injury": Pair("Fall, injured", "跌倒，有受傷"),
        "true_fall_no_injury": Pair("Fall, not injured", "跌倒，沒有受傷"),
        "assisted": Pair("No fall, help given", "沒有跌倒，已提供協助"),
        "false_alarm": Pair("False alarm", "誤報"),
        "drill": Pair("Drill", "演習"),
        "other": Pair("Something else", "其他情況"),
    }
)
"""By `alerts.views.ResolutionOutcome`."""

STEPS: Final[Mapping[str, Pair]] = MappingProxyType(
    {
        "assigned": Pair("the assigned carer", "負責的護理員"),
        "floor": Pair("the floor", "該樓層職員"),
        "home": Pair("everyone on duty", "全院當值職員"),
        "manager": Pair("the manager", "主管"),
        "repeat": Pair("everyone and the manager, again", "再次通知全體職員及主管"),
    }
)
"""Whom a step of the escalation calls, by `alerts.policy.StepName`; steps that call nobody
have no text."""

LOG: Final[Mapping[str, Pair]] = MappingProxyType(
    {
        "opened": Pair("Opened", "事件開始"),
        "event_joined": Pair("More was heard", "收到更多資料"),
        "late_event": Pair("Heard late, after it was closed", "結束後才收到的資料"),
        "paged": Pair("Staff are being called", "開始通知職員"),
        "deadline_passed": Pair("Nothing more was heard in time", "限時內未再收到資料"),
        "softened": Pair("May have got up: priority lowered", "可能已起身：降低優先次序"),
        "raised_again": Pair("Alarm raised again", "再次響起警報"),
        "priority_raised": Pair("Priority raised", "提高優先次序"),
        "step_reached": Pair("Next to be called", "通知下一組"),
        "notified": Pair("Message sent", "已發出通知"),
        "not_notified": Pair("Message not sent", "未能發出通知"),
        "acknowledged": Pair("On the way", "正前往處理"),
        "late_acknowledgement": Pair("Answer to an earlier alarm", "回應的是較早的警報"),
        "no_arrival": Pair("Nobody has arrived", "無人到達"),
        "arrived": Pair("Arrived", "已到達"),
        "resolved": Pair("Closed", "結束"),
        "step_late": Pair("Called late", "通知延誤"),
        "stall_repaired": Pair("Calling had stopped and goes on", "通知曾停頓，現已恢復"),
    }
)
"""By `alerts.policy.LogKind`."""

ROLES: Final[Mapping[str, Pair]] = MappingProxyType(
    {
        "gateway": Pair("Gateway", "閘道器"),
        "ingest": Pair("Records of movement", "動態紀錄"),
        "alerts": Pair("Alerts", "警報服務"),
    }
)
"""By `contract.messages.Role`."""

STAFF_ROLES: Final[Mapping[str, Pair]] = MappingProxyType(
    {
        "care_worker": Pair("Care workers", "護理員"),
        "health_worker": Pair("Health workers", "保健員"),
        "nurse": Pair("Nurses", "護士"),
        "manager": Pair("Managers", "主管"),
    }
)
"""By `alerts.views.StaffRole`."""
