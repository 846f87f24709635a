"""Beds without cover on the board: a task with one tap, who and when."""

from __future__ import annotations

import shutil

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")


async def lose_cover(home, eventually):
    """The gateway goes: its last will says so."""
    home.heartbeat()
    home.heartbeat(online=False)
    await eventually(lambda: bool(home.desk.board().checks), "a manual check")
    return home.desk.board().checks[0]


def test_the_board_names_the_beds_the_cause_and_since_when(web_home, eventually, section):
    async def scene(home):
        check = await lose_cover(home, eventually)
        async with home.client() as client:
            told = section((await client.get("/?lang=en")).text, "checks")
            assert "Look after these beds" in told
            assert "2/F 212-B, 2/F 214-A" in told
            assert "Not being monitored since" in told
            assert "Gateway silent" in told
            assert "to be checked within" in told
            told = section((await client.get("/?lang=zh-Hant")).text, "checks")
            assert "請巡視以下床位" in told
            assert "已查看" in told
        assert home.desk.board().checks == [check], "looking is not looking after"

    web_home(scene)


def test_one_tap_is_written_down_with_who_and_when(web_home, eventually, section):
    async def scene(home):
        check = await lose_cover(home, eventually)
        async with home.client(staff="mei") as client:
            page = await client.post(f"/checks/{check.id}/done")
            assert page.status_code == 200
            assert "you looked after 2/F 212-B, 2/F 214-A" in page.text
            assert "by Wong Mei" in section(page.text, "checks")
        (after,) = home.desk.board().checks
        assert after.checked_by == "Wong Mei"
        assert after.due_at_us > check.due_at_us
        async with home.client(staff="ka-yan") as client:
            page = await client.post(f"/checks/{check.id}/done")
            assert "Wong Mei has just looked after" in page.text

    web_home(scene)


def test_who_taps_is_asked_first_and_the_tap_is_not_lost(web_home, eventually):
    async def scene(home):
        check = await lose_cover(home, eventually)
        async with home.client() as client:
            asked = await client.post(f"/checks/{check.id}/done")
            assert "Choose your name to continue: Checked" in asked.text
            form = {"staff_id": "mei", "action": "check", "incident": check.id}
            await client.post("/who", data=form)
        assert home.desk.board().checks[0].checked_by == "Wong Mei"

    web_home(scene)


def test_the_api_does_the_same_and_refuses_what_is_not_there(web_home, eventually):
    async def scene(home):
        check = await lose_cover(home, eventually)
        async with home.client() as client:
            board = (await client.get("/api/v1/board")).json()
            assert board["checks"][0]["beds"] == ["2/F 212-B", "2/F 214-A"]
            path = f"/api/v1/checks/{check.id}/done"
            done = await client.post(path, json={"staff_id": "mei"})
            assert done.json()["checked_by"] == "Wong Mei"
            assert (await client.post(path, json={"staff_id": "nobody"})).status_code == 404
            unknown = await client.post("/api/v1/checks/none/done", json={"staff_id": "mei"})
            assert unknown.status_code == 404
            assert (await client.get(path)).status_code == 405
            elsewhere = {"Origin": "http://evil.example"}
            foreign = await client.post(f"/checks/{check.id}/done", headers=elsewhere)
            assert foreign.status_code == 403
            missing = await client.post("/checks/none/done")
            assert missing.status_code == 404
            assert "no such task" in missing.text

    web_home(scene)


def test_cover_that_is_back_ends_the_task(web_home, eventually):
    async def scene(home):
        await lose_cover(home, eventually)
        home.heartbeat()
        await eventually(lambda: not home.desk.board().checks, "the end of the check")
        async with home.client() as client:
            assert 'id="checks"' not in (await client.get("/")).text

    web_home(scene)


@pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed (apt-get install chromium)")
def test_in_a_browser_the_task_comes_is_tapped_and_says_who(web_home, eventually, tmp_path):
    from playwright.async_api import async_playwright

    async def scene(home):
        home.heartbeat()
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
            await page.goto(home.web.url)
            check = await lose_cover(home, eventually)
            await page.locator(f"#done-{check.id}").click()
            await page.get_by_text("by Wong Mei").first.wait_for()
            assert "2/F 212-B" in await page.locator("#checks .beds").inner_text()
            await page.screenshot(path=tmp_path / "checks.png", full_page=True)
            await browser.close()
        assert faults == []
        assert home.desk.board().checks[0].checked_by == "Wong Mei"

    web_home(scene)
