"""Every sentence of the gateway's page, in English and Traditional Chinese (Hong Kong).

A table of its own: a gateway carries no server. Where the staff board says the same thing it
says it in the same words; a test compares the two.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, NamedTuple


class Pair(NamedTuple):
    """One text in both languages; ``{name}`` stands for a value."""

    en: str
    zh: str


ENGLISH: Final = "en"
CHINESE: Final = "zh-Hant"
LANGUAGES: Final[Mapping[str, str]] = MappingProxyType({ENGLISH: "English", CHINESE: "繁體中文"})

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
        "may_have_got_up": Pair("May have got up", "可能已起身"),
    }
)
"""By `contract.events.EventKind`, as far as one can be an alarm."""

CAUSES: Final[Mapping[str, Pair]] = MappingProxyType(
    {
        "wearable_not_heard": Pair("Wearable not heard", "收不到配戴裝置訊號"),
        "battery_low": Pair("Battery low", "電量不足"),
        "not_worn": Pair("Wearable not worn", "未有配戴裝置"),
        "wear_unknown": Pair("Not known whether it is worn", "未能確定是否已配戴"),
        "sensor_fault": Pair("Sensor broken", "感應器故障"),
        "samples_late": Pair("Movement arrives late", "動作資料延遲"),
        "clock_unsynced": Pair("Clock not set", "時鐘未校準"),
        "clock_jumped": Pair("Clock has jumped", "時鐘突然改變"),
        "outbox_unwritable": Pair("Gateway's memory card fails", "閘道器記憶卡故障"),
        "telemetry_dropped": Pair("Records of movement were lost", "部分動態紀錄遺失"),
        "event_rejected": Pair("An alert could not be taken in", "有警報未被接納"),
        "publish_refused": Pair("Gateway may not report", "閘道器的回報被拒"),
        "broker_lost": Pair("Gateway has no connection", "閘道器失去連線"),
        "radio_silent": Pair("Gateway hears no wearable", "閘道器收不到任何裝置"),
        "adapter_silent": Pair("A radio hears nothing", "藍牙接收器沒有訊號"),
        "receiver_silent": Pair("A room's receiver is silent", "房間接收器沒有訊號"),
        "receiver_stuck": Pair("A room's receiver is stuck", "房間接收器讀數不變"),
        "door_left_open": Pair("Exit door left open", "出口門未關"),
        "rooms_unknown": Pair("Where residents are is not known", "未能掌握院友位置"),
        "sensor_not_heard": Pair("Room sensor not heard", "收不到房間感應器訊號"),
        "advert_unencrypted": Pair("Sensor speaks without its key", "感應器訊息未加密"),
        "advert_replayed": Pair("Sensor's message was copied", "感應器訊息被重播"),
        "clock_drift": Pair("Wearable's clock runs wrong", "配戴裝置時鐘不準"),
        "wearables_swapped": Pair("Wearables may be swapped", "配戴裝置可能互換"),
        "scan_starved": Pair("Links keep the radio from hearing", "連線過多影響接收"),
        "config_rejected": Pair("Gateway refuses its settings", "閘道器拒絕設定"),
        "siren_silent": Pair("Siren would not be heard", "警報器未能發聲"),
    }
)
"""By `contract.events.FaultCause`, as far as a gateway raises it; others are shown as they are."""

TEXTS: Final[Mapping[str, Pair]] = MappingProxyType(
    {
        "title": Pair("Gateway {gateway}", "閘道器 {gateway}"),
        "acknowledge": Pair("Acknowledge", "我去處理"),
        "acknowledge_help": Pair("I am going to {bed}", "由我前往 {bed}"),
        "calm": Pair("No alarm", "沒有警報"),
        "calm_detail": Pair(
            "Nobody is known to need help near this gateway.", "此閘道器沒有未處理的警報。"
        ),
        "calm_but": Pair(
            "No alarm is known here. Without the alert service falls elsewhere are not shown: "
            "look after the beds.",
            "此處沒有警報。警報服務中斷時，其他位置的跌倒不會在此顯示：請巡視床位。",
        ),
        "sounds": Pair("The siren sounds: {why}", "警報器響起：{why}"),
        "tone_alarm": Pair("nobody is known to be coming", "未知有人前往"),
        "tone_system_down": Pair(
            "the alert service is silent. Look after the beds yourselves",
            "警報服務沒有訊號。請自行巡視床位",
        ),
        "tone_test": Pair("a test", "測試"),
        "uncalled": Pair("NOBODY HAS BEEN CALLED", "尚未通知任何人"),
        "unanswered": Pair("Nobody has answered", "尚未有人回應"),
        "answered_here": Pair(
            "Somebody goes (from here); the alert service is told when it can be reached",
            "已有同事由此前往；警報服務恢復後會收到",
        ),
        "answered": Pair("Somebody is on the way", "已有同事前往處理"),
        "arrived": Pair("Somebody is there", "同事已到達"),
        "since": Pair("for {age}", "已 {age}"),
        "server": Pair("Connection", "連線"),
        "alerts_heard": Pair("Alert service heard {age} ago", "警報服務 {age}前有訊號"),
        "alerts_never": Pair("Alert service not heard since the start", "啟動後未收到警報服務訊號"),
        "alerts_missing": Pair(
            "ALERT SERVICE SILENT for {age}: nobody is called by it. Look after the beds.",
            "警報服務已中斷 {age}：不會通知任何人。請巡視床位。",
        ),
        "broker_yes": Pair("Broker connected", "已連接訊息中心"),
        "broker_no": Pair("NO BROKER", "未能連接訊息中心"),
        "outbox": Pair(
            "{events} events and {batches} records wait to be sent",
            "{events} 項事件及 {batches} 項紀錄等候傳送",
        ),
        "outbox_oldest": Pair("the oldest for {age}", "最舊的已等候 {age}"),
        "receipt": Pair("last receipt {age} ago", "最後收據 {age}前"),
        "receipt_never": Pair("no receipt since the start", "啟動後未有收據"),
        "clock_set": Pair("Clock set", "時鐘已校準"),
        "clock_not_set": Pair("CLOCK NOT SET: times may be wrong", "時鐘未校準：時間可能有誤"),
        "faults": Pair("Faults of this gateway", "閘道器故障"),
        "beds_out": Pair("Not monitored: look after these beds", "未受監察：請巡視以下床位"),
        "beds_in": Pair("Monitored", "監察中"),
        "no_beds": Pair(
            "Nobody is enrolled here yet: nobody is monitored.", "尚未登記任何人：沒有監察任何人。"
        ),
        "heard": Pair("heard {age} ago", "{age}前有訊號"),
        "never_heard": Pair("never heard", "從未收到訊號"),
        "battery": Pair("battery {percent} %", "電量 {percent} %"),
        "from": Pair(
            "This page is from {time} and renews itself.", "此頁為 {time} 的情況，會自動更新。"
        ),
        "gone": Pair("This alarm is not open (any more).", "此警報已不存在。"),
        "stale": Pair(
            "This page was from before the gateway restarted. Look again and press once more.",
            "此頁為閘道器重新啟動前的版本。請重新查看並再按一次。",
        ),
        "back": Pair("Back", "返回"),
        "seconds": Pair("{n} s", "{n} 秒"),
        "minutes": Pair("{n} min", "{n} 分鐘"),
        "hours": Pair("{n} h {m} min", "{n} 小時 {m} 分鐘"),
        "days": Pair("{n} d {h} h", "{n} 天 {h} 小時"),
    }
)


class Words:
    """The texts in one language."""

    def __init__(self, language: str) -> None:
        self.language = language
        self._index = 1 if language == CHINESE else 0

    def __call__(self, key: str, **values: object) -> str:
        """The text called `key` with its values put in."""
        text = TEXTS[key][self._index]
        return text.format_map(values) if values else text

    def kind(self, kind: str) -> str:
        """What an alarm is called; its bare name if this page does not know it."""
        return self._name(KINDS, kind)

    def cause(self, cause: str) -> str:
        """What a fault is called."""
        return self._name(CAUSES, cause)

    def _name(self, table: Mapping[str, Pair], key: str) -> str:
        pair = table.get(key)
        return key.replace("_", " ") if pair is None else pair[self._index]

    def age(self, seconds: float) -> str:
        """A duration as people say it."""
        whole = max(int(seconds), 0)
        if whole < 60:
            return self("seconds", n=whole)
        if whole < 3_600:
            return self("minutes", n=whole // 60)
        if whole < 86_400:
            return self("hours", n=whole // 3_600, m=whole % 3_600 // 60)
        return self("days", n=whole // 86_400, h=whole % 86_400 // 3_600)


WORDS: Final[Mapping[str, Words]] = MappingProxyType({each: Words(each) for each in LANGUAGES})


def choose_language(asked: str | None, accept: str | None) -> str:
    """The language to answer in: asked for, else the first of the browser's that we speak.

    Parameters
    ----------
    accept
        An ``Accept-Language`` header; browsers write it in the order of preference.
    """
    tags = [asked or "", *(accept or "").split(",")]
    for tag in tags:
        primary = tag.split(";")[0].strip().lower().split("-")[0]
        if primary in {"zh", "yue"}:
            return CHINESE
        if primary == "en":
            return ENGLISH
    return ENGLISH
