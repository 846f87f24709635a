"""What the page of the walk says, in both languages."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from dashboards.web.language import Pair

WORDS: Final[Mapping[str, Pair]] = MappingProxyType(
    {
        "title": Pair("Calibration walk", "房間校準"),
        "carrying": Pair("You carry", "你攜帶的裝置"),
        "how": Pair(
            "Go into a room, tap its name, and turn around once. Half a minute each is enough.",
            "走進房間後，按房間名稱，並原地轉一圈。每個房間半分鐘便足夠。",
        ),
        "now": Pair("Now in:", "現在位置："),
        "nowhere": Pair("between rooms", "正在走動"),
        "between": Pair("Between rooms", "走動中"),
        "undo": Pair("Undo last tap", "取消上一步"),
        "done": Pair("Done", "完成"),
        "sure": Pair("Done? Not yet enough in:", "確定完成？以下房間時間未夠："),
        "finished": Pair(
            "Thank you. The walk is written down; you may close this page.",
            "多謝。校準已記錄，可以關閉此頁。",
        ),
        "heard": Pair("Heard by", "收到訊號"),
        "unheard": Pair(
            "Nobody hears the wearable. Is it charged, enrolled and on you?",
            "收不到裝置訊號。請檢查裝置是否有電、已登記並帶在身上。",
        ),
        "silent": Pair("Gateway silent:", "閘道器沒有訊號："),
        "offline": Pair(
            "No connection to the computer that records. Taps do not count.",
            "未能連接記錄電腦，按鍵暫時無效。",
        ),
        "broker": Pair(
            "The broker cannot be reached: nothing is recorded.", "未能連接訊息伺服器，暫停記錄。"
        ),
        "disk": Pair(
            "The walk cannot be written down: is the disk full?", "未能寫入記錄，磁碟可能已滿。"
        ),
        "seconds": Pair("s", "秒"),
        "left": Pair("rooms left", "個房間未完成"),
    }
)
