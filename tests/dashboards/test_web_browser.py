"""The board in a real browser: what only its script can get wrong.

Chromium is driven over its debugging pipe (Chrome DevTools Protocol: JSON, ended by a zero
byte), so nothing needs to be installed but the browser itself.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sys
from contextlib import AsyncExitStack, asynccontextmanager

import pytest

from contract.clock import SystemClock
from contract.events import EventKind
from contract.messages import IncidentState
from dashboards.web import create_app, serve

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")

pytestmark = pytest.mark.skipif(
    CHROMIUM is None, reason="Chromium is not installed (Debian: apt-get install chromium)"
)


_ON_PIPES = """
import fcntl, os, sys
reading, writing = (fcntl.fcntl(int(fd), fcntl.F_DUPFD, 10) for fd in sys.argv[1:3])
os.dup2(reading, 3)
os.dup2(writing, 4)
os.execv(sys.argv[3], sys.argv[3:])
"""
"""The browser reads descriptor 3 and writes 4."""


class Page:
    """One page of one browser."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._number = 0
        self._session: str | None = None
        self.faults: list[str] = []

    async def call(self, method: str, **parameters: object) -> dict:
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        self._writer.write(json.dumps(message).encode() + b"\0")
        while True:
            answer = json.loads((await self._reader.readuntil(b"\0"))[:-1])
            if answer.get("method") == "Runtime.exceptionThrown":
                self.faults.append(json.dumps(answer["params"]))
            if answer.get("method") == "Log.entryAdded":
                entry = answer["params"]["entry"]
                # A server that is down is part of the scene; a refused script is not.
                if entry["source"] != "network":
                    self.faults.append(entry["text"])
            if answer.get("id") == self._number:
                assert "error" not in answer, answer
                return answer["result"]

    async def open(self, url: str, width: int = 390) -> None:
        if self._session is None:
            target = (await self.call("Target.createTarget", url="about:blank"))["targetId"]
            attached = await self.call("Target.attachToTarget", targetId=target, flatten=True)
            self._session = attached["sessionId"]
            for domain in ("Runtime", "Log", "Page"):
                await self.call(f"{domain}.enable")
        await self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=844,
            deviceScaleFactor=1,
            mobile=width < 800,
        )
        await self.call("Page.navigate", url=url)
        await self.until("document.readyState === 'complete' && !!document.body", "the page")

    async def run(self, script: str) -> object:
        found = await self.call(
            "Runtime.evaluate",
            expression=script,
            awaitPromise=True,
            returnByValue=True,
            userGesture=True,
        )
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    async def until(self, script: str, what: str, limit_s: float = 8.0) -> float:
        """Wait until `script` is true; returns the seconds that it took."""
        clock = SystemClock()
        began = clock.monotonic_ns()
        while (elapsed := (clock.monotonic_ns() - began) / 1e9) < limit_s:
            if await self.run(script) is True:
                return elapsed
            await clock.sleep(0.05)
        body = await self.run("document.body.innerText")
        pytest.fail(f"{what}: not within {limit_s} s; the page says: {body}")
        raise AssertionError


@asynccontextmanager
async def chromium(folder):
    """A browser with an empty profile."""
    to_browser, from_us = os.pipe()
    to_us, from_browser = os.pipe()
    options = (
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-extensions",
        "--disable-sync",
        "--disable-dev-shm-usage",
        "--no-first-run",
        "--remote-debugging-pipe",
        f"--user-data-dir={folder}",
        "about:blank",
    )
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        _ON_PIPES,
        str(to_browser),
        str(from_browser),
        CHROMIUM,
        *options,
        pass_fds=(to_browser, from_browser),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    os.close(to_browser)
    os.close(from_browser)
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=2**24)
    reading, _ = await loop.connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(to_us, "rb")
    )
    transport, protocol = await loop.connect_write_pipe(
        lambda: asyncio.streams.FlowControlMixin(loop), os.fdopen(from_us, "wb")
    )
    page = Page(reader, asyncio.StreamWriter(transport, protocol, None, loop))
    try:
        yield page
        assert page.faults == []
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
        transport.close()
        reading.close()


BIG_BUTTON = "document.querySelector('#alerts button.go')"


def test_a_fall_appears_and_is_answered_without_a_reload(web_home, eventually, tmp_path):
    async def scene(home):
        await home.watched()
        async with chromium(tmp_path / "profile") as page:
            await page.open(home.web.url)
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
            await page.run(f"{BIG_BUTTON}.click()")
            await page.until("!!document.querySelector('button[value=mei]')", "the names")
            await page.run("document.querySelector('button[value=mei]').click()")
            flash = "document.querySelector('#flash')?.textContent"
            await page.until(f"{flash} === 'You are on the way to 2/F 212-B.'", "the answer")
            assert home.desk.incident(incident).acknowledged_by == "Wong Mei"

            # With a name it is one tap, and the page stays the same.
            await page.run("window.sameDocument = true")
            await page.run("document.querySelector('#sound').click()")
            await page.until(
                "document.querySelector('#sound').getAttribute('aria-pressed') === 'true'", "sound"
            )
            await page.until(f"!{BIG_BUTTON}.disabled", "the next button")
            await page.run(f"{BIG_BUTTON}.click()")
            await eventually(
                lambda: home.desk.incident(incident).state is IncidentState.ARRIVED, "arrival"
            )
            await page.until("!!document.querySelector('.outcomes')", "the outcomes")
            assert await page.run("window.sameDocument")
            sound = "document.querySelector('#sound').getAttribute('aria-pressed')"
            assert await page.run(sound) == "true"

    web_home(scene)


def test_what_a_person_has_open_typed_or_focused_survives_the_news(web_home, tmp_path):
    async def scene(home):
        incident = await home.fall()
        home.desk.arrive(incident, "mei")
        async with chromium(tmp_path / "profile") as page:
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


def test_a_dead_board_is_unmistakable_within_five_seconds(web_home, tmp_path):
    async def scene(home):
        async with chromium(tmp_path / "profile") as page:
            await page.open(home.web.url, width=1440)
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


def test_a_board_finds_its_way_back_by_itself(web_home, tmp_path):
    async def scene(home):
        async with AsyncExitStack() as stack:
            page = await stack.enter_async_context(chromium(tmp_path / "profile"))
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
