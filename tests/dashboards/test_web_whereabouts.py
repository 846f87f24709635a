"""Where somebody is, why she is called for, and what is asked: on the board and on her page."""

from __future__ import annotations

import html
import random
import re
from pathlib import Path
from zoneinfo import ZoneInfo

import msgspec
import pytest

import detectors
from alerts import Directory, StaffRole
from alerts.views import DeviceSort, EventLine, PlaceView, WhereaboutsView
from contract.clock import SystemClock
from contract.events import EVENT_SCHEMA, Event, EventKind, Evidence
from contract.messages import IncidentState, Priority
from contract.units import US_PER_S
from contract.whereabouts import WhereaboutsPolicy, ZoneConfig, ZoneUse
from dashboards.web.examples import BOARD, INCIDENT
from dashboards.web.language import Language
from dashboards.web.present import Presenter
from dashboards.web.resident_cards import resident_page
from dashboards.web.sentences import FORMS, sentence
from dashboards.web.trend import DAYS, trend
from dashboards.web.words import WORDS
from ingest.read import StoredEvent

ZONE = ZoneInfo("Asia/Hong_Kong")
NOW_US = BOARD.at_us
DAY_US = 86_400 * US_PER_S
ENGLISH, CHINESE = (Presenter(WORDS[language], ZONE) for language in Language)


def line(kind, detail="What the gateway said.", *, excused=False, **features):
    return EventLine(kind=kind, at_us=NOW_US, detail=detail, excused=excused, features=features)


def incident(**changes):
    return msgspec.structs.replace(INCIDENT, **changes)


# --- sentences ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("told", "said"),
    [
        (
            line("exit_seeking", visits=6.0, window_min=20.0, usual_least=0.0, usual_most=1.0),
            "20 分鐘內到出口 6 次；此時段平常 0 至 1 次",
        ),
        (
            line("exit_seeking", is_lingering=1.0, stayed_s=95.2, usual_stay_s=60.0, is_learning=1),
            "在出口停留 95 秒；平常不超過 60 秒（系統仍在學習院友的平常習慣）",
        ),
        (line("elopement", door_opened=1.0, is_lost=0.0), "院友在出口時，出口門被打開"),
        (
            line("elopement", door_opened=1.0, believed_share=0.9, unheard_s=0.0),
            "院友在出口時，出口門被打開",
        ),
        (
            line("elopement", door_opened=0.0, is_lost=1.0, unheard_s=21.0, is_learning=1.0),
            "院友在出口失去訊號 21 秒，未見有門打開",
        ),
        (
            line("elopement", door_opened=1.0, is_lost=1.0, unheard_s=21.0),
            "出口門剛打開，院友隨即在出口失去訊號 21 秒",
        ),
        (
            line("elopement", asked_again=1.0, away_min=10.1),
            "與職員外出 10 分鐘後仍未返回",
        ),
        (
            line("left_safe_zone", outside_s=600.0, asked_again=1.0),
            "10 分鐘後仍在安全範圍之外",
        ),
        (
            line("night_wandering", out_min=22.0, rooms=3.0, is_in_others_room=1.0),
            "離床 22 分鐘，到過 3 處，現時在其他院友的房間",
        ),
        (line("bed_exit", by_bed_sensor=0.0), "院友已離開床位所在的房間"),
        (line("inactive", silent_min=190.0), "190 分鐘沒有活動，與平常不符"),
        (
            line("not_returned", away_min=31.0, limit_min=30.0),
            "離開 31 分鐘仍未返回（所定時限 30 分鐘）",
        ),
        (line("left_safe_zone", outside_s=12.0), "離開安全範圍已 12 秒"),
        (line("exit_seeking", of_a_newer_detector=1.0), "What the gateway said."),
        (line("fall_detected"), "What the gateway said."),
        (
            line("elopement", door_opened=1.0, came_later=1.0),
            "出口門打開期間或剛關上時，院友走到出口",
        ),
        (
            line("night_wandering", out_min=20.0, rooms=1.0, has_been_in_bed=0.0),
            "早已過平常上床時間，仍未上床，到過 1 處",
        ),
        (
            line("inactive", silent_min=240.0, is_movement_known=1.0, is_learning=1.0),
            "240 分鐘沒有活動（系統仍在學習院友的平常習慣）",
        ),
        (
            line("inactive", silent_min=130.0, is_movement_known=0.0),
            "130 分鐘沒有轉換房間（未能量度活動）",
        ),
    ],
)
def test_why_is_said_in_chinese_from_the_numbers_of_the_sentence(told, said):
    assert sentence(told, Language.CHINESE) == said
    assert sentence(told, Language.ENGLISH) == "What the gateway said."


def test_every_sentence_is_of_a_kind_that_is_and_without_numbers_falls_back():
    assert set(FORMS) <= {kind.value for kind in EventKind}
    for kind in FORMS:
        assert sentence(EventLine(kind=kind, at_us=0), Language.CHINESE) is None


def test_the_numbers_are_called_as_the_detectors_call_them():
    sources = "".join(
        path.read_text() for path in Path(detectors.__file__).parent.glob("whereabouts*.py")
    )
    names = {
        name
        for forms in FORMS.values()
        for form in forms
        for name in (*form.needs, *form.holds, *([form.fails] if form.fails else []))
    }
    derived = {"outside_min"}  # of outside_s
    assert {name for name in names - derived if f'"{name}"' not in sources} == set()


# --- cards --------------------------------------------------------------------------------------


def test_an_excused_walk_says_so_and_one_that_is_not_does_not():
    walk = incident(priority=Priority.LOW, events=[line("elopement", excused=True)])
    assert ENGLISH.card(walk, NOW_US).excused == "A carer is with the resident"
    assert CHINESE.card(walk, NOW_US).excused == "有職員同行"
    assert "有職員同行" in CHINESE.card(walk, NOW_US).timeline[-1].text
    gone = incident(events=[*walk.events, line("elopement")], priority=Priority.HIGH)
    assert ENGLISH.card(gone, NOW_US).excused is None


def test_a_carer_who_calls_for_help_is_named_by_the_tag_alone():
    call = incident(resident_id=None, resident_name=None, bed=None, device="carer-tag-2")
    call = msgspec.structs.replace(call, device_sort=DeviceSort.CARER_TAG)
    assert ENGLISH.card(call, NOW_US).who == "Carer's tag: Carer tag 2"


def test_a_card_shows_where_she_is_now_and_not_where_it_began():
    def card(place):
        return ENGLISH.card(incident(state=IncidentState.OPEN), NOW_US, place)

    later = PlaceView(zone="garden-door", since_us=0, seen_at_us=NOW_US)
    earlier = PlaceView(zone="lounge", since_us=0, seen_at_us=NOW_US - 60 * US_PER_S)
    assert (card(later).zone, card(later).heard.text) == ("Garden door", "0 s")
    assert (card(earlier).zone, card(None).zone) == ("Corridor 2", "Corridor 2")
    assert card(later).bed == "2/F 212-B"


def test_a_tile_shows_bed_and_place_apart_each_with_its_own_age():
    (view,) = BOARD.residents
    page = ENGLISH.page(BOARD)
    ((_, (tile,)),) = page.floors
    assert (tile.bed, tile.place, tile.seen.text) == ("2/F 212-B", "Corridor 2", "10 s")
    lost = msgspec.structs.replace(view, id="resident-2", place=None)
    ((_, (_, tile)),) = ENGLISH.page(msgspec.structs.replace(BOARD, residents=[view, lost])).floors
    assert (tile.place, tile.seen) == ("Place unknown", None)
    ((_, (tile,)),) = ENGLISH.page(msgspec.structs.replace(BOARD, residents=[lost])).floors
    assert tile.place is None, "a home without a plan speaks of no places"


# --- the trend ----------------------------------------------------------------------------------


def walk(days_ago, tortuosity, *, minutes=4.0, key=None, kind=EventKind.WANDERING_EPISODE):
    features = {"minutes": minutes}
    if tortuosity is not None:
        features["tortuosity"] = tortuosity
    at_us = NOW_US - round(days_ago * DAY_US)
    event = Event(
        schema=EVENT_SCHEMA,
        id=f"e{random.random()}",
        kind=kind,
        home="demo",
        gateway="gateway-a",
        session="s",
        sequence=1,
        boot="b",
        clock="synced",
        at_us=at_us,
        emitted_at_us=at_us,
        key=key or f"wandering_episode:r1:{at_us}",
        resident="r1",
        evidence=Evidence(detector="whereabouts/1", features=features),
    )
    return StoredEvent(event, at_us, False)


def weeks(before, now):
    return [walk(day, (now if day < 7 else before) + 0.02 * (day % 3 - 1)) for day in range(DAYS)]


def test_walks_are_counted_by_local_day_and_two_leads_word_of_one_is_one():
    told = [walk(0, 1.5, key="k"), walk(0, 1.5, key="k"), walk(0.01, 2.0), walk(1, None)]
    found = trend(told, ZONE, NOW_US)
    assert len(found.days) == DAYS
    yesterday, today = found.days[-2:]
    assert (today.walks, today.minutes, today.tortuosity) == (2, 8.0, 1.75)
    assert (yesterday.walks, yesterday.tortuosity) == (1, None)
    assert trend([], ZONE, NOW_US).is_empty
    assert trend([walk(0, 1.0, kind=EventKind.FAULT)], ZONE, NOW_US).is_empty


@pytest.mark.parametrize(
    ("told", "rises"),
    [
        (weeks(1.2, 1.6), True),
        (weeks(1.2, 1.22), False),
        (weeks(1.6, 1.2), False),
        (weeks(1.2, 1.6)[:2] + weeks(1.2, 1.6)[7:], False),
        (weeks(1.2, 1.6)[:7], False),
        ([walk(0, float("inf")), *weeks(1.2, 1.6)[1:]], True),
    ],
)
def test_a_rise_is_told_where_it_is_more_than_chance(told, rises):
    found = trend(told, ZONE, NOW_US)
    assert (found.rise is not None) is rises
    if rises:
        assert found.rise.before == pytest.approx(1.2, abs=0.01)


def test_the_false_rises_of_a_steady_walker_are_few():
    """Days that differ by a tenth, and nothing that changes: the limit is one week in forty."""
    drawn = random.Random(7)
    found = sum(
        trend([walk(day, drawn.gauss(1.4, 0.2)) for day in range(DAYS)], ZONE, NOW_US).rise
        is not None
        for _ in range(200)
    )
    assert found <= 12


# --- her page -----------------------------------------------------------------------------------


def with_a_plan(home):
    directory = Directory(home.database, "sunshine", SystemClock())
    directory.set_plan(
        [
            ZoneConfig(zone="room-212", use=ZoneUse.BEDROOM, next_to=["lounge"]),
            ZoneConfig(zone="lounge", use=ZoneUse.COMMON, next_to=["front-door"]),
            ZoneConfig(zone="front-door", use=ZoneUse.EXIT),
        ]
    )
    directory.add_staff("siu", name="Siu", role=StaffRole.MANAGER)


FORM = {"night_wandering": "yes", "not_returned_minutes": "30", "inactive": "yes", "version": "0"}


def test_a_health_worker_asks_for_more_and_it_is_written_down(web_home, section):
    async def scene(home):
        with_a_plan(home)
        path = "/residents/resident-1"
        async with home.client(staff="ka-yan") as client:
            page = (await client.get("/?lang=en")).text
            assert f'href="{path}"' in page
            form = FORM | {"at_risk": "yes", "safe_zones": ["lounge", "room-212"]}
            page = await client.post(f"{path}/whereabouts", data=form)
            assert str(page.url).endswith(path)
            asked = section(page.text, "asked")
            assert "Lau Ka Yan May not leave alone: no → yes" in asked
            assert "Safe area: the whole home → Lounge, Room 212" in asked
            policy = home.desk.whereabouts("resident-1").policy
            assert policy == WhereaboutsPolicy(at_risk=True, safe_zones=["lounge", "room-212"])
            again = await client.post(f"{path}/whereabouts", data=form)
            assert again.status_code == 200, "the same twice is the same once"
            stale = await client.post(f"{path}/whereabouts", data=FORM | {"bed_exit": "yes"})
            assert stale.status_code == 409
            assert home.desk.whereabouts("resident-1").policy == policy
            chinese = (await client.get(f"{path}?lang=zh-Hant")).text
            assert "不可獨自外出：否 → 是" in section(chinese, "asked")
        directory = Directory(home.database, "sunshine", SystemClock())
        worn = directory.gateway_config("gateway-a").wearables
        assert worn[0].whereabouts == policy

    web_home(scene)


def test_what_may_not_be_is_refused_and_who_is_unknown_is_asked(web_home):
    async def scene(home):
        path = "/residents/resident-1/whereabouts"
        async with home.client(staff="mei") as client:
            with_a_plan(home)
            refused = await client.post(path, data=FORM | {"at_risk": "yes"})
            assert refused.status_code == 403
            assert "Ask a nurse, a health worker or a manager." in refused.text
        async with home.client(staff="ka-yan") as client:
            for form, status in (
                (FORM | {"safe_zones": "front-door"}, 422),
                (FORM | {"safe_zones": "gone"}, 422),
                (FORM | {"not_returned_minutes": "3"}, 422),
                (FORM | {"not_returned_minutes": ""}, 422),
                (FORM | {"version": "x"}, 422),
                ({}, 422),
            ):
                assert (await client.post(path, data=form)).status_code == status, form
            nobody = await client.post("/residents/nobody/whereabouts", data=FORM)
            assert nobody.status_code == 404
            assert (await client.get("/residents/nobody")).status_code == 404
            assert (await client.get(path)).status_code in (404, 405)
            elsewhere = {"Origin": "http://evil.example"}
            assert (await client.post(path, data=FORM, headers=elsewhere)).status_code == 403
        async with home.client() as client:
            asked = await client.post(path, data=FORM | {"bed_exit": "yes"})
            assert "Choose your name to continue: Whereabouts" in asked.text
            hidden = re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', asked.text)
            carried = {name: html.unescape(value) for name, value in hidden}
            page = await client.post("/who", data=carried | {"staff_id": "siu"})
            assert str(page.url).endswith("/residents/resident-1")
        assert home.desk.whereabouts("resident-1").policy.bed_exit

    web_home(scene)


def test_the_api_does_the_same_and_takes_no_half_of_it(web_home, schema_checker):
    async def scene(home):
        path = "/api/v1/residents/resident-1/whereabouts"
        async with home.client() as client:
            document = (await client.get("/api/v1/openapi.json")).json()
            seen = (await client.get(path)).json()
            schema_checker(document).check(seen, {"$ref": "#/components/schemas/WhereaboutsView"})
            whole = {
                "staff_id": "ka-yan",
                "at_risk": True,
                "safe_zones": [],
                "bed_exit": False,
                "night_wandering": True,
                "not_returned_minutes": 0,
                "inactive": True,
                "version": seen["version"],
            }
            for said, status in (
                (whole, 422),  # the home has no exit
                ({**whole, "at_rsk": True}, 422),
                ({name: each for name, each in whole.items() if name != "inactive"}, 422),
                ({**whole, "at_risk": False, "staff_id": "mei"}, 403),
                ({**whole, "at_risk": False, "staff_id": "gone"}, 404),
            ):
                answer = await client.post(path, json=said)
                assert answer.status_code == status, answer.text
            with_a_plan(home)
            view = (await client.post(path, json=whole)).json()
            schema_checker(document).check(view, {"$ref": "#/components/schemas/WhereaboutsView"})
            assert view["log"][0]["by"] == "Lau Ka Yan"
            assert (await client.post(path, json={**whole, "bed_exit": True})).status_code == 409

    web_home(scene)


def test_without_a_store_or_a_plan_the_page_says_so():
    view = WhereaboutsView(
        resident_id="resident-1",
        name="Chan",
        bed="2/F 212-B",
        policy=WhereaboutsPolicy(),
        zones=[],
        version=0,
        log=[],
    )
    (resident,) = BOARD.residents
    for language, plan, store in (
        (Language.ENGLISH, "No plan of the home is entered", "Cannot be read at this moment."),
        (Language.CHINESE, "尚未輸入院舍平面圖", "目前無法讀取"),
    ):
        page = resident_page(view, resident, None, WORDS[language], ZONE)
        assert page.warning.startswith(plan)
        assert page.walks.startswith(store)
    shown = resident_page(
        view, resident, trend(weeks(1.2, 1.6), ZONE, NOW_US), WORDS[Language.ENGLISH], ZONE
    )
    assert [len(each.bars) for each in shown.diagrams] == [DAYS] * 3
    assert shown.rise.startswith("Ways have become more roundabout this week: 1.60, before 1.20.")
    assert max(bar.height for each in shown.diagrams for bar in each.bars) == 40
