"""Bathing, charging, leave on the board: one tap, its end, another end, and back."""

from __future__ import annotations

import shutil
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import update

from alerts.absences import DEFAULT_S
from alerts.records.models import Absence
from alerts.views import AbsenceView, ResidentState, ResidentView
from contract.clock import now_us
from contract.messages import AbsenceKind
from contract.units import US_PER_S
from dashboards.web.absences import line
from dashboards.web.language import Language
from dashboards.web.words import WORDS

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
ZONE = ZoneInfo("Asia/Hong_Kong")
MORNING_US = 1_767_232_800 * US_PER_S
"""10:00 in Hong Kong."""
HOUR_US = 3_600 * US_PER_S


def absence_of(home, number=0):
    return home.desk.board().residents[number].absence


def let_pass(home, seconds):
    """Its end lies so much earlier, which is what waiting would do."""
    with home.database.transaction("sunshine") as session:
        session.execute(
            update(Absence).values(until_us=Absence.until_us - round(seconds * US_PER_S))
        )


def resident(kind, until_us, *, over=False):
    absence = AbsenceView(
        id="a1",
        resident_id="r1",
        kind=kind,
        since_us=MORNING_US,
        until_us=until_us,
        over=over,
        by="Mei",
    )
    return ResidentView(
        id="r1",
        name="Chan",
        bed="2/F 211",
        zone=None,
        floor="2/F",
        state=ResidentState.ABSENT,
        last_heard_us=None,
        absence=absence,
    )


def test_the_state_says_what_until_when_and_by_whom():
    view = resident(AbsenceKind.BATHING, MORNING_US + 45 * 60 * US_PER_S)
    english, chinese = (
        line(view, WORDS[language], ZONE, MORNING_US + 5 * 60 * US_PER_S) for language in Language
    )
    assert (english.text, english.left.text) == ("Bathing until 10:45", "40 min left")
    assert english.by == "said by Mei"
    assert (chinese.text, chinese.left.text) == ("沖涼中，至 10:45", "尚餘 40 分鐘")
    assert [end.text for end in english.ends] == ["to 11:00", "to 11:15", "to 11:45"]
    assert [end.more for end in english.ends] == ["+15 min", "+30 min", "+60 min"]


def test_leave_may_end_on_another_day():
    view = resident(AbsenceKind.LEAVE, MORNING_US + 4 * HOUR_US)
    ends = [end.text for end in line(view, WORDS[Language.ENGLISH], ZONE, MORNING_US).ends]
    assert ends == [
        "to 14:15",
        "to 14:30",
        "to 15:00",
        "to 20:00",
        "to tomorrow 12:00",
        "to tomorrow 20:00",
        "to 4/1 20:00",
        "to 8/1 20:00",
    ]


def test_two_who_look_within_a_minute_are_offered_the_same_ends():
    """Each button is a moment, so that two fingers on it say one thing; also when it is over."""
    view = resident(AbsenceKind.BATHING, MORNING_US, over=True)
    first, second = (
        line(view, WORDS[Language.ENGLISH], ZONE, MORNING_US + HOUR_US + seconds * US_PER_S)
        for seconds in (1, 59)
    )
    assert first.ends == second.ends
    assert (first.ask, first.left.text) == (
        "2/F 211 Chan: back from the bath? Put the wearable on.",
        "over for 1 h 0 min",
    )


def test_no_end_is_offered_that_would_be_refused():
    view = resident(AbsenceKind.BATHING, MORNING_US + 110 * 60 * US_PER_S)
    assert line(view, WORDS[Language.ENGLISH], ZONE, MORNING_US).ends == ()


def test_one_tap_another_end_and_back(web_home, section):
    async def scene(home):
        async with home.client(staff="mei") as client:
            page = await client.get("/?lang=en")
            assert "Bath 45 min Charge 2 h Leave 4 h" in section(page.text, "residents")
            page = await client.post("/residents/resident-1/absent", data={"kind": "bathing"})
            absence = absence_of(home)
            assert "Noted: 2/F 212-B, Bathing until " in page.text
            assert "Bathing until" in section(page.text, "residents")
            page = await client.post(
                f"/absences/{absence.id}/until",
                data={"until_us": str(absence.until_us + 15 * 60 * US_PER_S)},
            )
            assert absence_of(home).until_us == absence.until_us + 15 * 60 * US_PER_S
            page = await client.post(f"/absences/{absence.id}/back")
            assert "Noted: 2/F 212-B is back." in page.text
            assert absence_of(home) is None
        async with home.client(staff="ka-yan") as client:
            page = await client.post(f"/absences/{absence.id}/back")
            assert "Wong Mei has noted that 2/F 212-B is back." in page.text

    web_home(scene)


def test_the_second_of_two_taps_is_shown_who_was_first(web_home):
    async def scene(home):
        for staff, said in (("mei", "Noted: 2/F 212-B, "), ("ka-yan", "Wong Mei has noted: ")):
            async with home.client(staff=staff) as client:
                page = await client.post("/residents/resident-1/absent", data={"kind": "leave"})
                assert said in page.text
        assert absence_of(home).by == "Wong Mei"

    web_home(scene)


def test_who_taps_is_asked_first_and_the_tap_is_not_lost(web_home):
    async def scene(home):
        async with home.client() as client:
            asked = await client.post("/residents/resident-1/absent", data={"kind": "charging"})
            assert "Choose your name to continue: Off or away" in asked.text
            form = {
                "staff_id": "mei",
                "action": "absent",
                "incident": "resident-1",
                "outcome": "charging",
            }
            await client.post("/who", data=form)
        assert absence_of(home).kind is AbsenceKind.CHARGING

    web_home(scene)


def test_over_it_is_asked_for_with_its_own_buttons(web_home, eventually, section):
    async def scene(home):
        home.heartbeat()
        async with home.client(staff="mei") as client:
            await client.post("/residents/resident-1/absent", data={"kind": "bathing"})
            let_pass(home, DEFAULT_S[AbsenceKind.BATHING] + 60)
            await eventually(lambda: bool(home.desk.board().checks), "the task")
            (check,) = home.desk.board().checks
            page = (await client.get("/?lang=en")).text
            task = section(page, "checks")
            assert "2/F 212-B Chan Tai Man: back from the bath? Put the wearable on." in task
            assert "Is back" in task
            assert f'id="done-{check.id}"' not in page
            assert "All quiet" not in section(page, "alerts")
            assert "沖涼完畢了嗎" in section((await client.get("/?lang=zh-Hant")).text, "checks")
            await client.post(f"/absences/{absence_of(home).id}/back")
            await eventually(lambda: not home.desk.board().checks, "the end of the task")

    web_home(scene)


def test_what_cannot_be_is_refused_with_what_to_do(web_home):
    async def scene(home):
        async with home.client(staff="mei") as client:
            for path, data, status in (
                ("/residents/nobody/absent", {"kind": "bathing"}, 404),
                ("/residents/resident-1/absent", {"kind": "holidays"}, 422),
                ("/residents/resident-1/absent", {}, 422),
                ("/absences/none/back", {}, 404),
                ("/absences/none/until", {"until_us": "9" * 18}, 404),
            ):
                assert (await client.post(path, data=data)).status_code == status
            await client.post("/residents/resident-1/absent", data={"kind": "bathing"})
            absence = absence_of(home)
            for until in ("", "-5", "１２", "soon", "9" * 40, str(now_us(home.clock)), "9" * 18):
                path = f"/absences/{absence.id}/until"
                assert (await client.post(path, data={"until_us": until})).status_code == 422
            elsewhere = {"Origin": "http://evil.example"}
            path = f"/absences/{absence.id}/back"
            assert (await client.post(path, headers=elsewhere)).status_code == 403
            assert (await client.get(path)).status_code in (404, 405)
            assert absence_of(home) == absence

    web_home(scene)


def test_the_api_does_the_same(web_home, schema_checker):
    async def scene(home):
        async with home.client() as client:
            document = (await client.get("/api/v1/openapi.json")).json()
            begun = await client.post(
                "/api/v1/residents/resident-1/absence",
                json={"staff_id": "mei", "kind": "leave"},
            )
            view = begun.json()
            schema_checker(document).check(view, {"$ref": "#/components/schemas/AbsenceView"})
            assert (view["by"], view["kind"], view["over"]) == ("Wong Mei", "leave", False)
            later_us = view["until_us"] + HOUR_US
            moved = await client.post(
                f"/api/v1/absences/{view['id']}/until",
                json={"staff_id": "mei", "until_us": later_us},
            )
            assert moved.json()["until_us"] == later_us
            board = (await client.get("/api/v1/board")).json()
            assert board["residents"][0]["absence"] == moved.json()
            ended = await client.post(
                f"/api/v1/absences/{view['id']}/back", json={"staff_id": "ka-yan"}
            )
            assert ended.json()["ended_by"] == "Lau Ka Yan"
            for path, said, status in (
                ("residents/nobody/absence", {"staff_id": "mei", "kind": "leave"}, 404),
                ("residents/resident-1/absence", {"staff_id": "mei", "kind": "x"}, 422),
                (
                    "residents/resident-1/absence",
                    {"staff_id": "mei", "kind": "leave", "until_us": 5},
                    422,
                ),
                ("absences/none/back", {"staff_id": "mei"}, 404),
            ):
                answer = await client.post(f"/api/v1/{path}", json=said)
                assert answer.status_code == status, answer.text
                assert answer.json()["what_to_do"]

    web_home(scene)


@pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed (apt-get install chromium)")
def test_on_a_phone_one_tap_shows_the_end_and_one_says_back(web_home, eventually, tmp_path):
    from playwright.async_api import async_playwright

    async def scene(home):
        await home.watched()
        async with async_playwright() as playwright:
            browser = await playwright.chromium.launch(
                executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"]
            )
            context = await browser.new_context(viewport={"width": 390, "height": 844})
            cookie = {"name": "wardlight_staff", "value": "mei", "url": home.web.url}
            await context.add_cookies([cookie])
            page = await context.new_page()
            faults: list[str] = []
            page.on("pageerror", lambda error: faults.append(str(error)))
            await page.goto(f"{home.web.url}?lang=en")
            button = page.locator("#bathing-resident-1")
            box = await button.bounding_box()
            assert box["height"] >= 44, "a finger's width"
            await button.click()
            await page.get_by_text("Bathing until").first.wait_for()
            await page.screenshot(path=tmp_path / "away.png", full_page=True)
            absence = absence_of(home)
            await page.locator(f"#ends-of-tile-{absence.id}").click()
            await page.locator(f"#end-tile-1-{absence.id}").click()
            later_us = absence.until_us + 15 * 60 * US_PER_S
            await eventually(lambda: absence_of(home).until_us == later_us, "another end")
            await page.screenshot(path=tmp_path / "ends.png", full_page=True)
            wide = await page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
            assert wide, "nothing is cut off at the side"
            await page.locator(f"#back-tile-{absence.id}").click()
            await page.locator("#bathing-resident-1").wait_for()
            await browser.close()
        assert faults == []
        assert absence_of(home) is None

    web_home(scene)
