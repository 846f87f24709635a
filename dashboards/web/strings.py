"""Every sentence of the board, in English and Traditional Chinese (Hong Kong).

One table, so that a reviewer sees both languages side by side; what events, faults and
outcomes are called stands in `vocabulary`. Acknowledging is 「我去處理」 and never 確認, which
also means to confirm (DESIGN 3).
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from dashboards.web.language import Pair

TEXTS: Final[Mapping[str, Pair]] = MappingProxyType(
    {
        # The page
        "board": Pair("Staff board", "當值看板"),
        "skip": Pair("Skip to the alerts", "跳到警報"),
        "who_am_i": Pair("Who is holding this board?", "現在由誰使用此看板？"),
        "who_explained": Pair(
            "Your name goes on what you do here, so that others see who is on the way. It is"
            " kept on this device until {hours} hours have passed.",
            "你的名字會記在你的操作上，讓同事知道誰正前往處理。名字會在此裝置保留 {hours} 小時。",
        ),
        "who_then": Pair(
            "Choose your name to continue: {action}", "請選擇你的名字以繼續：{action}"
        ),
        "you_are": Pair("You are {name}", "你是 {name}"),
        "choose_name": Pair("Choose your name", "選擇你的名字"),
        "change": Pair("Change", "更換"),
        "back": Pair("Back to the board", "返回看板"),
        "no_staff": Pair(
            "No staff are entered yet. A manager enters them before the board can be used.",
            "尚未登記任何職員。主管登記後才可使用看板。",
        ),
        # Whether the board lives
        "live": Pair("Live", "即時"),
        "updated": Pair("last update", "最後更新"),
        "connecting": Pair("Connecting …", "連線中……"),
        "not_live": Pair("NOT LIVE", "已中斷"),
        "not_live_since": Pair("since {time}", "自 {time} 起"),
        "not_live_do": Pair("Check the residents by round", "請巡房查看院友"),
        "not_live_why_unreadable": Pair("the records cannot be read", "無法讀取紀錄"),
        "no_script": Pair(
            "This page reloads every {seconds} seconds. What you see is from {time}.",
            "此頁每 {seconds} 秒重新載入一次。以下為 {time} 的情況。",
        ),
        "not_sent": Pair(
            "NOT SENT. Your tap did not reach the system. Try again, or call your colleagues.",
            "未能送出。系統收不到你的操作。請再試一次，或直接通知同事。",
        ),
        "refused": Pair(
            "Not done. Reload the board and look again.", "未能完成。請重新載入看板再查看。"
        ),
        # Sound
        "sound_off": Pair("SOUND OFF", "聲音關閉"),
        "sound_arm": Pair("tap to turn on", "按此開啟"),
        "sound_on": Pair("Sound on", "聲音開啟"),
        # Alerts
        "alerts": Pair("Alerts", "警報"),
        "quiet": Pair("All quiet", "一切平安"),
        "quiet_but": Pair("No open alerts", "沒有未處理的警報"),
        "quiet_detail": Pair("No open alerts, nobody waiting.", "沒有未處理的警報，無人等候。"),
        "quiet_faults": Pair(
            "But not everything is being watched: see below.",
            "但並非所有項目都在監察中，請看下方。",
        ),
        "quiet_watching": Pair(
            "A movement like a fall is being watched: see below.",
            "正觀察一個類似跌倒的動作，請看下方。",
        ),
        "no_residents": Pair(
            "No residents are entered yet: nobody is being watched.",
            "尚未登記任何院友：目前沒有監察任何人。",
        ),
        "title_open": Pair("({count}) {what} {bed}", "（{count}）{what} {bed}"),
        "title_quiet": Pair("All quiet", "一切平安"),
        "title_not_live": Pair("NOT LIVE", "已中斷"),
        "bed": Pair("Bed", "床位"),
        "no_bed": Pair("No bed", "未編床位"),
        "nobodys_wearable": Pair("Unassigned: {device}", "未編配的裝置：{device}"),
        "carers_tag": Pair("Carer's tag: {device}", "職員標籤：{device}"),
        "call_point": Pair("Call point: {device}", "求助鈴：{device}"),
        "room_sensor": Pair("Room sensor: {device}", "房間感應器：{device}"),
        "unknown_resident": Pair("Resident unknown", "院友不明"),
        "since": Pair("since", "至今"),
        "last_heard_in": Pair("Last heard in", "最後訊號位置"),
        "place_unknown": Pair("Place unknown", "位置不明"),
        "ago": Pair("{age} ago", "{age}前"),
        "excused": Pair("A carer is with the resident", "有職員同行"),
        "timeline": Pair("All that happened", "事件經過"),
        "priority_high": Pair("High", "高"),
        "priority_medium": Pair("Medium", "中"),
        "priority_low": Pair("Low", "低"),
        "priority": Pair("priority", "優先"),
        "state_unpaged": Pair("Watching, nobody called yet", "觀察中，尚未通知任何人"),
        "state_open": Pair("Nobody is on the way yet", "尚未有人前往"),
        "state_acknowledged": Pair("{name} is on the way", "{name} 正前往處理"),
        "state_arrived": Pair("{name} is with the resident", "{name} 已到達院友身邊"),
        "state_resolved": Pair("Closed by {name}", "由 {name} 結束"),
        "someone": Pair("Somebody", "同事"),
        "alarm_point": Pair("Somebody (siren button)", "同事（警報器按鈕）"),
        "staff_point": Pair("Somebody (at a gateway)", "同事（閘道器頁面）"),
        "called": Pair("Called: {who}", "已通知：{who}"),
        "people": Pair("{count} people", "{count} 名職員"),
        "boards_only": Pair(
            "On the boards only: no message was sent", "只顯示於看板，未有發出訊息"
        ),
        "next_call": Pair("The alarm widens in {time}", "{time}後擴大通知範圍"),
        "re_alarm": Pair(
            "Alarm again in {time} unless somebody arrives", "若無人到達，{time}後再次響起警報"
        ),
        "calls_in": Pair(
            "Staff are called in {time} unless they get up", "若未起身，{time}後通知職員"
        ),
        # Actions
        "acknowledge": Pair("Acknowledge", "我去處理"),
        "acknowledge_help": Pair("I am going", "由我前往"),
        "arrive": Pair("Arrived", "我已到達"),
        "resolve": Pair("Resolve", "結束事件"),
        "resolve_ask": Pair("What was it?", "結果是？"),
        "note": Pair("Note (may stay empty)", "備註（可不填）"),
        # What became of an action
        "did_acknowledge": Pair("You are on the way to {bed}.", "已記錄：你正前往 {bed}。"),
        "did_arrive": Pair("You have arrived at {bed}.", "已記錄：你已到達 {bed}。"),
        "did_resolve": Pair("{bed} is closed.", "{bed} 的事件已結束。"),
        "already_acknowledge": Pair(
            "{name} is already on the way to {bed}.", "{name} 已正前往 {bed}。"
        ),
        "already_arrive": Pair("{name} is already at {bed}.", "{name} 已在 {bed}。"),
        "already_resolve": Pair("{name} has already closed {bed}.", "{name} 已結束 {bed} 的事件。"),
        # Watching
        "watching": Pair("Watching", "觀察中"),
        "watching_detail": Pair(
            "Movement like a fall. Nobody is called unless it goes on.",
            "出現類似跌倒的動作。若情況持續才會通知職員。",
        ),
        # Manual checks
        "checks": Pair("Look after these beds", "請巡視以下床位"),
        "check_why": Pair(
            "Not being monitored since {time}: {cause}", "自 {time} 起未受監察：{cause}"
        ),
        "check_due": Pair("to be checked within {time}", "請於 {time}內查看"),
        "check_overdue": Pair("OVERDUE for {time}", "已逾時 {time}"),
        "check_last": Pair("Last checked at {time} by {name}", "上次於 {time} 由 {name} 查看"),
        "check": Pair("Checked", "已查看"),
        "did_check": Pair("Noted: you looked after {bed}.", "已記錄：你已查看 {bed}。"),
        "already_check": Pair("{name} has just looked after {bed}.", "{name} 剛剛已查看 {bed}。"),
        "error_unknown_check": Pair("There is no such task.", "沒有此項工作。"),
        # Off or away
        "away_bathing": Pair("Bath", "沖涼"),
        "away_charging": Pair("Charge", "充電"),
        "away_leave": Pair("Leave", "外出"),
        "away_is_bathing": Pair("Bathing", "沖涼中"),
        "away_is_charging": Pair("Charging", "裝置充電中"),
        "away_is_leave": Pair("On leave", "外出中"),
        "away_until": Pair("{what} until {time}", "{what}，至 {time}"),
        "away_left": Pair("{time} left", "尚餘 {time}"),
        "away_over": Pair("over for {time}", "已過 {time}"),
        "away_by": Pair("said by {name}", "由 {name} 登記"),
        "away_to": Pair("to {time}", "至 {time}"),
        "away_more": Pair("+{n} min", "+{n} 分鐘"),
        "away_change": Pair("Another time", "更改時間"),
        "away_back": Pair("Is back", "已返回"),
        "away_falls": Pair("Falls and the button still alarm.", "跌倒及求助按鈕仍會發出警報。"),
        "away_ask_bathing": Pair(
            "{bed} {name}: back from the bath? Put the wearable on.",
            "{bed} {name}：沖涼完畢了嗎？請戴上裝置。",
        ),
        "away_ask_charging": Pair(
            "{bed} {name}: is the wearable charged? Put it on.",
            "{bed} {name}：裝置充好電了嗎？請戴上。",
        ),
        "away_ask_leave": Pair(
            "{bed} {name}: back from leave? Put the wearable on.",
            "{bed} {name}：外出回來了嗎？請戴上裝置。",
        ),
        "check_absence": Pair("The time that was said is over", "登記的時間已過"),
        "tomorrow": Pair("tomorrow {time}", "明天 {time}"),
        "on_day": Pair("{day}/{month} {time}", "{month} 月 {day} 日 {time}"),
        "absent": Pair("Off or away", "登記離開"),
        "back_at": Pair("Another time", "更改時間"),
        "is_back": Pair("Is back", "已返回"),
        "did_absent": Pair("Noted: {bed}, {what}.", "已記錄：{bed}，{what}。"),
        "did_back": Pair("Noted: {bed} is back.", "已記錄：{bed} 已返回。"),
        "already_absent": Pair(
            "{name} has noted: {bed}, {what}.", "{name} 已登記：{bed}，{what}。"
        ),
        "already_back": Pair("{name} has noted that {bed} is back.", "{name} 已登記 {bed} 返回。"),
        "error_unknown_absence": Pair("This is not known (any more).", "找不到此項登記。"),
        "error_bad_end": Pair("That time cannot be.", "不能選擇此時間。"),
        "do_other_end": Pair("Choose one of the times that are offered.", "請選擇所列的時間。"),
        # Faults
        "faults": Pair("Not being watched as it should be", "監察未能正常進行"),
        "exchange": Pair("Exchange {one} and {other}", "對調 {one} 與 {other}"),
        "exchange_ask": Pair(
            "Look at both wrists first. Then one tap gives each wearable to who wears it.",
            "請先核對兩人的手腕，然後按一下，把裝置改配給實際配戴者。",
        ),
        "exchanged": Pair("Exchange", "對調"),
        "did_exchanged": Pair("Noted: {beds} are exchanged.", "已記錄：{beds} 已對調。"),
        "already_exchanged": Pair("{name} has exchanged {beds}.", "{name} 已對調 {beds}。"),
        "error_unknown_fault": Pair("This is not so (any more).", "情況已改變。"),
        # Residents
        "residents": Pair("Residents", "院友"),
        "heard": Pair("heard", "收到訊號"),
        "never_heard": Pair("never heard", "從未收到訊號"),
        "resident_ok": Pair("Monitored", "監察中"),
        "resident_alert": Pair("Alert", "警報"),
        "resident_fault": Pair("Fault", "故障"),
        "resident_unknown": Pair("Unknown", "情況不明"),
        "resident_absent": Pair("Off or away", "已登記離開"),
        "floor": Pair("Floor {floor}", "樓層 {floor}"),
        # One resident
        "whereabouts": Pair("Whereabouts", "行蹤"),
        "last_place": Pair("Last place", "最後位置"),
        "ask_intro": Pair(
            "Staff are called for what is ticked. Whatever is ticked, falls and the button alarm.",
            "系統會就已選項目通知職員。無論如何選擇，跌倒及求助按鈕仍會發出警報。",
        ),
        "ask_at_risk": Pair("May not leave alone", "不可獨自外出"),
        "ask_at_risk_help": Pair(
            "lingering at exits, leaving the home or the safe area",
            "徘徊於出口、離院或離開安全範圍",
        ),
        "ask_night_wandering": Pair("Up and about at night", "夜間遊走"),
        "ask_night_wandering_help": Pair("longer than a visit to the toilet", "離床時間較如廁為長"),
        "ask_bed_exit": Pair("Leaves the bed at night", "夜間離床"),
        "ask_bed_exit_help": Pair("each time", "每次均通知"),
        "ask_inactive": Pair("No movement", "沒有活動"),
        "ask_inactive_help": Pair("a silence that is unusual for her or him", "與其平常習慣不符"),
        "ask_not_returned_minutes": Pair("Not back from the toilet", "如廁後未有返回"),
        "ask_safe_zones": Pair("Safe area", "安全範圍"),
        "safe_zones_help": Pair("none ticked: the whole home", "不選即全院"),
        "after_minutes": Pair("after {n} min", "{n} 分鐘後"),
        "never": Pair("never", "不通知"),
        "yes": Pair("yes", "是"),
        "no": Pair("no", "否"),
        "everywhere": Pair("the whole home", "全院"),
        "no_exit": Pair(
            "The plan of the home names no exit: nobody can be called for leaving it.",
            "院舍平面圖未有設定出口：系統未能就離院發出通知。",
        ),
        "no_plan": Pair(
            "No plan of the home is entered: where residents are is not known.",
            "尚未輸入院舍平面圖：系統不知道院友位置。",
        ),
        "save": Pair("Save", "儲存"),
        "asked_by": Pair("{time} · {name}", "{time} · {name}"),
        "asked_change": Pair("{what}: {before} → {after}", "{what}：{before} → {after}"),
        "asked_never": Pair("As on the first day: nobody has changed it.", "未有更改紀錄。"),
        "asked_log": Pair("Who asked for what", "更改紀錄"),
        "by_settings": Pair("settings file", "設定檔"),
        "wandering": Pair("Walks that wander", "遊走趨勢"),
        "walks_a_day": Pair("Walks a day", "每日次數"),
        "minutes_a_day": Pair("Minutes a day", "每日分鐘"),
        "tortuosity": Pair("Roundabout ways (1 is straight)", "繞路程度（1 為直行）"),
        "walks_none": Pair("None in the last 28 days.", "過去 28 天沒有紀錄。"),
        "walks_unread": Pair(
            "Cannot be read at this moment. Alerts are not affected.",
            "目前無法讀取。警報不受影響。",
        ),
        "walks_week": Pair(
            "Last 7 days: {now} a day; the 3 weeks before: {before} a day.",
            "過去 7 天：每日 {now} 次；之前 3 星期：每日 {before} 次。",
        ),
        "walks_rise": Pair(
            "Ways have become more roundabout this week: {now}, before {before}. Such a rise came"
            " before falls in one study; look at gait, medicines and footwear.",
            "本週走路較以往迂迴：{now}，之前為 {before}。曾有研究發現跌倒前有類似變化；"
            "請留意步態、藥物及鞋履。",
        ),
        "error_not_allowed": Pair("It is not yours to decide.", "你沒有權限更改此項。"),
        "do_ask_who_may": Pair(
            "Ask a nurse, a health worker or a manager.", "請由護士、保健員或主管更改。"
        ),
        "error_bad_choice": Pair("That cannot be asked for.", "不能如此設定。"),
        "do_choose_otherwise": Pair("Go back and choose otherwise.", "請返回並重新選擇。"),
        # Services
        "services": Pair("Services", "系統狀態"),
        "service_online": Pair("Running", "運作中"),
        "service_offline": Pair("NOT HEARD", "沒有訊號"),
        "beds_without_cover": Pair("Beds without cover: {beds}", "未受監察的床位：{beds}"),
        "alerts_down": Pair(
            "ALERT SERVICE NOT HEARD. New falls may not appear here. Check the residents by round.",
            "警報服務沒有訊號。新的跌倒可能不會在此顯示。請巡房查看院友。",
        ),
        # Recent
        "recent": Pair("Closed in the last 12 hours", "過去 12 小時已結束"),
        "recent_none": Pair("Nothing closed in the last 12 hours", "過去 12 小時沒有已結束的事件"),
        # Refusals
        "error_title": Pair("That did not work", "未能完成"),
        "error_unknown_incident": Pair(
            "This alert is not known (any more).", "找不到此警報（或已不存在）。"
        ),
        "error_unknown_staff": Pair(
            "This name is not in the list of staff (any more).",
            "職員名單上沒有此名字（或已移除）。",
        ),
        "error_wrong_state": Pair(
            "Somebody was quicker: the alert has moved on.", "同事已先行處理：此警報的狀態已改變。"
        ),
        "error_unknown_resident": Pair("There is no such resident.", "沒有此院友。"),
        "error_no_store": Pair(
            "The records of movement cannot be read at this moment.", "目前無法讀取動態紀錄。"
        ),
        "do_no_store": Pair(
            "Alerts do not need them. Try again; if it lasts, call the technician.",
            "警報不受影響。請再試；如仍未恢復，請通知技術人員。",
        ),
        "error_not_found": Pair("There is no such page.", "沒有此頁。"),
        "error_form": Pair("The form was incomplete.", "表格資料不全。"),
        "error_origin": Pair(
            "Refused: this did not come from the board itself.", "已拒絕：此操作並非來自看板本身。"
        ),
        "error_unreadable": Pair(
            "The records cannot be read at this moment.", "目前無法讀取紀錄。"
        ),
        "do_look_again": Pair(
            "Go back to the board: it shows how things stand now.", "請返回看板查看目前情況。"
        ),
        "do_choose_again": Pair("Choose your name again.", "請重新選擇你的名字。"),
        "do_from_board": Pair(
            "Open the board and use its buttons.", "請打開看板並使用其中的按鈕。"
        ),
        "do_round": Pair(
            "Check the residents by round until the board is live again.",
            "在看板恢復之前，請巡房查看院友。",
        ),
        # Ages
        "seconds": Pair("{n} s", "{n} 秒"),
        "minutes": Pair("{n} min", "{n} 分鐘"),
        "hours_whole": Pair("{n} h", "{n} 小時"),
        "hours": Pair("{n} h {m} min", "{n} 小時 {m} 分鐘"),
        "days": Pair("{n} d {h} h", "{n} 天 {h} 小時"),
    }
)
