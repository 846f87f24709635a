"""The board in a real browser: what only its script can get wrong."""

from __future__ import annotations

import shutil
from contextlib import AsyncExitStack, asynccontextmanager

import pytest
from playwright.async_api import Error as PlaywrightError
from playwright.async_api import Page as BrowserPage
from playwright.async_api import async_playwright

from contract.clock import SystemClock
from contract.events import EventKind
from contract.messages import IncidentState
from dashboards.web import create_app, serve

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")

pytestmark = pytest.mark.skipif(
    CHROMIUM is None, reason="Chromium is not installed (Debian: apt-get install chromium)"
)

PHONE, DESK = 390, 1440
OPTIONS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--no-first-run",
)


class Page:
    """One page of one browser, and what its script complained of."""

    def __init__(self, page: BrowserPage) -> None:
        self._page = page
        self.faults: list[str] = []
        page.on("pageerror", lambda error: self.faults.append(str(error)))
        page.on("console", self._listen)

    def _listen(self, message) -> None:
        # A server that is down is part of the scene; a refused script is not.
        if message.type == "error" and "net::ERR" not in message.text:
            self.faults.append(message.text)

    async def open(self, url: str, width: int = PHONE) -> None:
        await self._page.set_viewport_size({"width": width, "height": 844})
        await self._page.goto(url)

    async def run(self, script: str) -> object:
        return await self._page.evaluate(script)

    async def until(self, script: str, what: str, limit_s: float = 8.0) -> float:
        """Wait until `script` is true; returns the seconds that it took."""
        clock = SystemClock()
        began = clock.monotonic_ns()
        while (elapsed := (clock.monotonic_ns() - began) / 1e9) < limit_s:
            if await self._look(script):
                return elapsed
            await clock.sleep(0.05)
        body = await self.run("document.body.innerText")
        pytest.fail(f"{what}: not within {limit_s} s; the page says: {body}")
        raise AssertionError

    async def _look(self, script: str) -> bool:
        try:
            return await self._page.evaluate(f"() => ({script}) === true")
        except PlaywrightError:
            return False  # between two documents

    async def tap(self, selector: str) -> None:
        """Click as a person does: it must be seen, and nothing may lie over it."""
        await self._page.click(selector)


@asynccontextmanager
async def chromium():
    """A browser with an empty profile."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=OPTIONS)
        page = Page(await browser.new_page())
        yield page
        assert page.faults == []
        await browser.close()


BIG_BUTTON = "document.querySelector('#alerts button.go')"


@pytest.mark.parametrize("width", [PHONE, DESK])
def test_a_fall_appears_and_is_answered_without_a_reload(web_home, eventually, width):
    async def scene(home):
        await home.watched()
        async with chromium() as page:
            await page.open(home.web.url, width)
            await page.until("!document.body.classList.contains('connecting')", "live")
            assert "All quiet" in str(await page.run("document.title"))
            assert await page.run(
                "document.querySelector('#sound').innerText.includes('SOUND OFF')"
            )
            await page.run("window.sameDocument = true")
            incident = await home.fall()
            await page.until(f"{BIG_BUTTON} !== null", "the alert")
            assert await page.run("document.title") == "(1) Fall detected 2/F 212-B"
            assert "/alert.svg" in str(await page.run("document.querySelector('#icon').href"))
            said = await page.run("document.querySelector('#announce').textContent")
            assert said == "Fall detected, Bed 2/F 212-B, Chan Tai Man"
            assert await page.run("document.documentElement.scrollWidth <= window.innerWidth")
            tall = await page.run(f"{BIG_BUTTON}.getBoundingClientRect().height")
            assert tall >= 44

            # Without a name the tap leads to the names, and from there completes.
            await page.tap("#alerts button.go")
            await page.until("!!document.querySelector('button[value=mei]')", "the names")
            await page.tap("button[value=mei]")
            flash = "document.querySelector('#flash')?.textContent"
            await page.until(f"{flash} === 'You are on the way to 2/F 212-B.'", "the answer")
            assert home.desk.incident(incident).acknowledged_by == "Wong Mei"

            # With a name it is one tap, and the page stays the same.
            await page.run("window.sameDocument = true")
            await page.tap("#sound")
            await page.until(
                "document.querySelector('#sound').getAttribute('aria-pressed') === 'true'", "sound"
            )
            await page.until(f"!{BIG_BUTTON}.disabled", "the next button")
            await page.tap("#alerts button.go")
            await eventually(
                lambda: home.desk.incident(incident).state is IncidentState.ARRIVED, "arrival"
            )
            await page.until("!!document.querySelector('.outcomes')", "the outcomes")
            await page.tap(".outcomes button[value=true_fall_no_injury]")
            await eventually(
                lambda: home.desk.incident(incident).state is IncidentState.RESOLVED, "the end"
            )
            await page.until("document.querySelector('#alerts article') === null", "no card")
            assert await page.run("window.sameDocument")
            sound = "document.querySelector('#sound').getAttribute('aria-pressed')"
            assert await page.run(sound) == "true"

    web_home(scene)


def test_what_a_person_has_open_typed_or_focused_survives_the_news(web_home):
    async def scene(home):
        incident = await home.fall()
        home.desk.arrive(incident, "mei")
        async with chromium() as page:
            await page.open(home.web.url)
            await page.until("!document.body.classList.contains('connecting')", "live")
            await page.run(
                f"document.getElementById('timeline-{incident}').open = true;"
                f"document.getElementById('note-{incident}').value = 'Slid off';"
                f"document.getElementById('note-{incident}').focus()"
            )
            walked = "Walked twelve steps."
            home.publish(EventKind.MAY_HAVE_GOT_UP, fall_id="fall-0", detail=walked)
            await page.until(
                f"document.getElementById('incident-{incident}').innerText.includes('Walked')",
                "the news on the same card",
            )
            assert await page.run(f"document.getElementById('timeline-{incident}').open")
            assert await page.run(f"document.getElementById('note-{incident}').value") == "Slid off"
            assert await page.run("document.activeElement.id") == f"note-{incident}"

    web_home(scene)


@pytest.mark.parametrize("width", [PHONE, DESK])
def test_a_dead_board_is_unmistakable_within_five_seconds(web_home, width):
    async def scene(home):
        async with chromium() as page:
            await page.open(home.web.url, width)
            await page.until("!document.body.classList.contains('connecting')", "live")
            await home.web.stop()
            assert await page.until("document.body.classList.contains('dead')", "NOT LIVE") < 5.0
            banner = await page.run("document.querySelector('#dead').innerText")
            assert "NOT LIVE since " in banner
            assert "Check the residents by round" in banner
            box = "document.querySelector('#dead').getBoundingClientRect()"
            assert await page.run(f"{box}.width >= window.innerWidth - 20 && {box}.top === 0")
            assert await page.run("document.title") == "NOT LIVE"
            assert "/dead.svg" in str(await page.run("document.querySelector('#icon').href"))
            quiet = "getComputedStyle(document.querySelector('#quiet')).display"
            assert await page.run(quiet) == "none"

    web_home(scene)


def test_a_board_finds_its_way_back_by_itself(web_home):
    async def scene(home):
        async with AsyncExitStack() as stack:
            page = await stack.enter_async_context(chromium())
            await page.open(home.web.url)
            await page.until("!document.body.classList.contains('connecting')", "live")
            await page.run("window.sameDocument = true")
            await home.web.stop()
            again = await serve(create_app(home.desk, home.clock), port=home.web.port)
            stack.push_async_callback(again.stop)
            await home.fall()
            await page.until(f"{BIG_BUTTON} !== null", "the alert on the same page")
            assert await page.run("window.sameDocument")

    web_home(scene)
