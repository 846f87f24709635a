"""What the board says, in which language, and what it must never say."""

from __future__ import annotations

import re

from contract.events import EventKind, FaultCause

NASTY_MARKUP = "<script>alert(1)</script>"


def test_an_alert_shows_bed_who_what_since_where_why_and_one_big_button(web_home, section):
    async def scene(home):
        incident = await home.fall()
        async with home.client() as browser:
            page = (await browser.get("/")).text
        card = section(page, f"incident-{incident}")
        for said in (
            "Fall detected",
            "2/F 212-B",
            "Chan Tai Man",
            "Nobody is on the way yet",
            "Last heard in Corridor 2",
            "Impact of 3.1 g, then lying still.",
            "Acknowledge",
        ):
            assert said in card
        assert re.search(rf'action="/incidents/{incident}/acknowledge"', page)
        assert f'data-sounding="{incident}"' in page
        assert "confirm" not in page.lower()

    web_home(scene)


def test_no_name_stands_in_title_or_address(web_home):
    async def scene(home):
        await home.fall()
        async with home.client() as browser:
            page = (await browser.get("/")).text
        title = re.search(r"<title>(.*?)</title>", page)[1]
        assert title == "(1) Fall detected 2/F 212-B"
        for address in re.findall(r'(?:href|action|src)="([^"]*)"', page):
            assert not re.search("Chan|Mei|Neil", address)

    web_home(scene)


def test_names_are_text_whatever_they_hold(web_home):
    async def scene(home):
        await home.fall("resident-2")
        async with home.client() as browser:
            for path in ("/", "/?lang=zh-Hant"):
                page = (await browser.get(path)).text
                assert NASTY_MARKUP not in page
                assert "O&#39;Neil &lt;b&gt;" in page

    web_home(scene)


def test_pages_hold_nothing_inline_and_load_nothing_from_elsewhere(web_home):
    async def scene(home):
        await home.fall()
        async with home.client("mei") as browser:
            for path in ("/", "/who", "/nowhere"):
                answer = await browser.get(path)
                page = answer.text
                assert not re.search(r"<style|\sstyle=|\son\w+=|<script(?![^>]*\ssrc=)", page)
                assert not re.search(r'(?:href|src|action)="(?:https?:)?//', page)
                policy = answer.headers["content-security-policy"]
                assert "default-src 'none'" in policy
                assert "unsafe" not in policy
                assert answer.headers["cache-control"] == "no-store"
            for asset in re.findall(
                r'(?:href|src)="(/static/[^"]+)"', (await browser.get("/")).text
            ):
                kept = await browser.get(asset)
                assert kept.status_code == 200, asset
                assert "immutable" in kept.headers["cache-control"]
                assert len(kept.content) < 20_000

    web_home(scene)


def test_all_quiet_is_said_only_while_everything_is_watched(web_home, section, eventually):
    async def scene(home):
        async with home.client() as browser:
            before = section((await browser.get("/")).text, "alerts")
            assert "All quiet" not in before
            assert "not everything is being watched" in before
            await home.watched()
            assert "All quiet" in section((await browser.get("/")).text, "alerts")
            home.publish(EventKind.FAULT, cause=FaultCause.NOT_WORN, detail="Not worn for 20 min.")

            async def faulty() -> bool:
                page = (await browser.get("/")).text
                return "put the wearable on" in page and "All quiet</p>" not in page

            await eventually(faulty, "the fault on the board")

    web_home(scene)


def test_a_fall_in_the_making_is_shown_apart_and_never_as_an_alert(web_home, section, eventually):
    async def scene(home):
        home.publish(EventKind.FALL_SUSPECTED, fall_id="fall-9")
        async with home.client() as browser:

            async def watching() -> bool:
                return 'id="watching"' in (await browser.get("/")).text

            await eventually(watching, "the suspicion on the board")
            page = (await browser.get("/")).text
        assert "Possible fall" in section(page, "watching")
        assert "Staff are called in" in section(page, "watching")
        assert "2/F 212-B" not in section(page, "alerts")
        assert 'data-sounding=""' in page

    web_home(scene)


def test_a_dead_alert_service_is_said_on_top_of_a_board_that_still_reads(web_home, section):
    async def scene(home):
        async with home.client() as browser:
            assert "ALERT SERVICE NOT HEARD" not in (await browser.get("/")).text
            await home.silence_alerts()
            page = (await browser.get("/")).text
        assert "Check the residents by round" in section(page, "alerts-down")
        assert "All quiet" not in section(page, "alerts")

    web_home(scene)


def test_the_language_is_asked_for_else_remembered_else_the_browsers(web_home, section):
    async def scene(home):
        incident = await home.fall()
        async with home.client() as browser:
            chinese = {"Accept-Language": "fr;q=0.2, zh-HK, en;q=0.9"}
            page = (await browser.get("/", headers=chinese)).text
            card = section(page, f"incident-{incident}")
            for said in ("懷疑跌倒", "我去處理", "尚未有人前往"):
                assert said in card
            assert '<html lang="zh-Hant-HK">' in page
            assert "院友" in section(page, "residents")
            assert "Fall detected" in (await browser.get("/?lang=en", headers=chinese)).text
            remembered = (await browser.get("/", headers=chinese)).text
            assert "Fall detected" in remembered
            assert "確認" not in page

    web_home(scene)


def test_an_unknown_page_says_what_to_do(web_home):
    async def scene(home):
        async with home.client() as browser:
            answer = await browser.get("/nowhere")
            assert answer.status_code == 404
            assert "Open the board and use its buttons." in answer.text

    web_home(scene)
