"""The gateway's own page: what it shows with nobody else there, and its one button."""

from __future__ import annotations

import asyncio
import contextlib
import re
import shutil

import pytest

from contract.clock import SystemClock
from contract.events import STAFF_POINT, EventKind, FaultCause
from contract.messages import AlertStateItem, IncidentState, Priority
from edge.page import GatewayPage
from edge.page.http import MAX_BODY_BYTES, MAX_HEAD_BYTES, BadRequestError, Request
from edge.page.words import CAUSES, KINDS, TEXTS, WORDS, choose_language

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")


@pytest.fixture
def press(make_advert):
    def press(bench, counter: int = 1, second: int = 100) -> None:
        bench.radio.hear(
            "C0:DE:00:00:00:01", make_advert(second, button_counter=counter, button_pending=True)
        )

    return press


def request(method: str = "GET", path: str = "/", **changes) -> Request:
    values = {
        "query": {},
        "headers": {"host": "192.168.1.7:8090", "accept-language": "en"},
        "form": {},
    }
    return Request(method, path, **{**values, **changes})


async def body(page: GatewayPage, language: str = "en") -> str:
    answer = await page.answer(request(query={"lang": language}))
    assert answer.status == 200
    return answer.body


def text(html: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<style>.*?</style>|<[^>]+>", " ", html)).strip()


def button_of(html: str) -> dict[str, str]:
    return dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', html))


async def send(page: GatewayPage, form: dict[str, str], **headers: str):
    headers = {"host": "192.168.1.7:8090", **headers}
    return await page.answer(request("POST", "/acknowledge", form=form, headers=headers))


def test_with_no_broker_and_no_server_the_page_shows_the_alarm_and_the_answer_arrives_later(
    bench, press
):
    async def main():
        gateway = bench.gateway()
        page = GatewayPage(gateway, "127.0.0.1", 0)
        async with bench.running(gateway):
            await bench.clock.sleep(2)
            bench.broker.stop()
            press(bench)
            await bench.clock.sleep(20)
            shown = await body(page)
            said = text(shown)
            assert "Asks for help" in said
            assert "2/F 211-A" in said
            assert "NOBODY HAS BEEN CALLED" in said
            assert "The siren sounds" in said
            assert "NO BROKER" in said
            assert "resident-1" not in shown, "no person stands here, not even by a pseudonym"
            answer = await send(page, button_of(shown))
            assert (answer.status, answer.headers) == (303, (("Location", "/?lang=en"),))
            await send(page, button_of(shown))
            await bench.clock.sleep(2)
            assert bench.siren.now is None
            said = text(await body(page))
            assert "Somebody goes (from here)" in said
            assert "NOBODY HAS BEEN CALLED" not in said
            assert not bench.far_end.of(EventKind.ACKNOWLEDGED)
            bench.broker.start()
            await bench.clock.sleep(30)
            (told,) = bench.far_end.of(EventKind.ACKNOWLEDGED)
            assert told.by == STAFF_POINT
            assert told.incident == bench.far_end.of(EventKind.HELP_REQUESTED)[0].id
            assert not gateway.outbox.pending

    bench.clock.run(main())


def test_with_everything_there_it_shows_what_the_alert_service_says(bench, press):
    async def main():
        gateway = bench.gateway()
        page = GatewayPage(gateway, "127.0.0.1", 0)
        async with bench.running(gateway):
            await bench.advertise(5)
            said = text(await body(page))
            assert "No alarm" in said
            assert "Monitored (1) 2/F 211-A heard" in said
            assert "Alert service heard" in said
            press(bench, second=110)
            await bench.clock.sleep(1)
            item = AlertStateItem(
                incident="incident-1",
                state=IncidentState.OPEN,
                priority=Priority.HIGH,
                kind="help_requested",
                opened_at_us=bench.clock.now_ns() // 1000,
                event_ids=[bench.far_end.of(EventKind.HELP_REQUESTED)[0].id],
                bed="2/F 211-A",
            )
            bench.far_end.alerts = [item]
            await bench.clock.sleep(6)
            shown = await body(page)
            assert "Nobody has answered" in text(shown)
            assert shown.count("<form") == 1, "one happening, one button"
            await send(page, button_of(shown))
            await bench.clock.sleep(1)
            (told,) = bench.far_end.of(EventKind.ACKNOWLEDGED)
            assert told.incident == "incident-1"
            assert "<form" not in await body(page)

    bench.clock.run(main())


def test_what_is_not_monitored_is_named_with_its_cause(bench, make_config, make_wearable):
    async def main():
        config = make_config(*(make_wearable(number) for number in (1, 2, 3)))
        gateway = bench.gateway(config=config)
        page = GatewayPage(gateway, "127.0.0.1", 0)
        async with bench.running(gateway):
            bench.far_end.alerts_up = False
            for second in range(100, 200, 5):
                await bench.advertise(1, first=second, number=1)
                await bench.advertise(4, first=second, number=2, worn=False, battery_percent=7)
            said = text(await body(page))
            out = said[said.index("Not monitored") : said.index("Connection")]
            assert "2/F 211-A" not in out
            assert "2/F 212-A Battery low Wearable not worn · heard" in out
            assert "2/F 213-A Wearable not heard · never heard" in out
            assert "ALERT SERVICE SILENT" in said
            said = text(await body(page, "zh-Hant"))
            assert "未受監察" in said
            assert "請巡視床位" in said

    bench.clock.run(main())


def test_faults_of_the_gateway_outbox_and_clock_are_shown(bench, press):
    async def main():
        bench.far_end.alerts_up = False
        bench.siren.troubles = ("no card",)
        bench.clock.set_synced(False)
        gateway = bench.gateway()
        page = GatewayPage(gateway, "127.0.0.1", 0)
        async with bench.running(gateway):
            press(bench)
            await bench.clock.sleep(8)
            said = text(await body(page))
            assert "CLOCK NOT SET" in said
            assert "Siren would not be heard" in said
            assert re.search(r"[12] events and \d+ records wait to be sent · the oldest for", said)
            assert "last receipt" in said

    bench.clock.run(main())


def test_a_label_with_markup_in_it_stays_a_label(bench, press, make_config, make_wearable):
    async def main():
        config = make_config(make_wearable(bed='<script>alert(1)</script>"'))
        bench.far_end.alerts_up = False
        gateway = bench.gateway(config=config)
        page = GatewayPage(gateway, "127.0.0.1", 0)
        async with bench.running(gateway):
            press(bench)
            await bench.clock.sleep(1)
            answer = await page.answer(request())
            assert "<script" not in answer.body
            assert "default-src 'none'" in dict(answer.headers)["Content-Security-Policy"]

    bench.clock.run(main())


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"origin": "http://evil.example"}, 403),
        ({"sec-fetch-site": "cross-site"}, 403),
        ({"host": "evil.example"}, 421),
    ],
)
def test_another_site_cannot_press(bench, press, headers, status):
    async def main():
        bench.far_end.alerts_up = False
        gateway = bench.gateway()
        page = GatewayPage(gateway, "127.0.0.1", 0)
        async with bench.running(gateway):
            press(bench)
            await bench.clock.sleep(1)
            form = button_of(await body(page))
            with pytest.raises(BadRequestError) as refused:
                await send(page, form, **headers)
            assert refused.value.status == status
            await bench.clock.sleep(1)
            assert not bench.far_end.of(EventKind.ACKNOWLEDGED)

    bench.clock.run(main())


def test_without_the_token_by_looking_or_for_nothing_there_is_no_answer(bench, press):
    async def main():
        bench.far_end.alerts_up = False
        gateway = bench.gateway()
        page = GatewayPage(gateway, "127.0.0.1", 0)
        async with bench.running(gateway):
            press(bench)
            await bench.clock.sleep(1)
            form = button_of(await body(page))
            for wrong in ("", "x" * 22, "é"):
                assert (await send(page, {**form, "token": wrong})).status == 403
            with pytest.raises(BadRequestError):
                await page.answer(request("GET", "/acknowledge", query=form))
            gone = await send(page, {**form, "name": "no-such-thing"})
            assert gone.headers == (("Location", "/?lang=en&gone=1"),)
            await bench.clock.sleep(1)
            assert not bench.far_end.of(EventKind.ACKNOWLEDGED)

    bench.clock.run(main())


def test_an_address_that_is_taken_is_a_fault_until_it_is_free(tmp_path, bench):
    async def main():
        other = await asyncio.start_server(lambda _r, w: w.close(), "127.0.0.1", 0)
        port = other.sockets[0].getsockname()[1]
        raised: list[tuple[str, FaultCause, str]] = []

        class Book:
            async def raise_fault(self, cause, detail, wearable=None):
                raised.append(("raised", cause, detail))
                other.close()
                await other.wait_closed()

            async def clear(self, cause, detail, wearable=None):
                raised.append(("cleared", cause, detail))

        class Impatient(SystemClock):
            async def sleep(self, seconds):
                await super().sleep(min(seconds, 0.05))

        gateway = bench.gateway(clock=Impatient(), bus=bench.bus)
        gateway.faults = Book()
        page = GatewayPage(gateway, "127.0.0.1", port)
        task = asyncio.create_task(page.run())
        for _ in range(400):
            if page.address is not None:
                break
            await SystemClock().sleep(0.01)
        assert page.address == ("127.0.0.1", port)
        (first, second) = raised
        assert first[:2] == ("raised", FaultCause.PAGE_UNREACHABLE)
        assert "page_port" in first[2]
        assert second[:2] == ("cleared", FaultCause.PAGE_UNREACHABLE)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(main())


async def exchange(port: int, sent: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(sent)
    await writer.drain()
    if not sent.endswith(b"\n"):
        writer.write_eof()
    answer = await reader.read()
    writer.close()
    return answer


@pytest.fixture
def listening(bench):
    """Runs a scene against the page on a real socket: ``listening(scene)`` with its port."""

    def run(scene) -> None:
        async def main():
            gateway = bench.gateway(clock=SystemClock())
            page = GatewayPage(gateway, "127.0.0.1", 0)
            task = asyncio.create_task(page.run())
            while page.address is None:
                await SystemClock().sleep(0.01)
            try:
                await scene(gateway, page.address[1])
            finally:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)

        asyncio.run(main())

    return run


HOSTILE = {
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n": b"400",
    b"GET / SPDY/3\r\nHost: 127.0.0.1\r\n\r\n": b"400",
    b"GET http://[ HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n": b"400",
    b"DELETE / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n": b"405",
    b"GET /x HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n": b"404",
    b"GET / HTTP/1.1\r\n\r\n": b"421",
    b"GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n": b"421",
    b"GET / HTTP/1.1\r\nHost: [\r\n\r\n": b"421",
    b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nOrigin: http://[\r\nContent-Length: 0\r\n\r\n": b"403",
    b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: " + b"9" * 5_000 + b"\r\n\r\n": b"413",
    b"GET / HTTP/1.1\r\nX: " + b"a" * MAX_HEAD_BYTES + b"\r\n\r\n": b"431",
    b"POST /acknowledge HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n": b"400",
    b"POST /acknowledge HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: -1\r\n\r\n": b"400",
    b"POST /acknowledge HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: %d\r\n\r\n"
    % (MAX_BODY_BYTES + 1): b"413",
    b"POST /acknowledge HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 9\r\n\r\ntoken=%ff": b"403",
}


def test_hostile_requests_are_refused_and_the_page_goes_on(listening):
    async def scene(_gateway, port):
        for sent, status in HOSTILE.items():
            answer = await exchange(port, sent)
            assert answer.startswith(b"HTTP/1.1 " + status), (sent, answer)
        assert await exchange(port, b"GET / HT") == b"", "half a request is no request"
        whole = await exchange(port, b"GET /?lang=en HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        assert whole.startswith(b"HTTP/1.1 200 OK\r\n")
        head = await exchange(port, b"HEAD / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        assert head.endswith(b"\r\n\r\n")

    listening(scene)


def test_many_connections_take_nothing_away(listening):
    async def scene(_gateway, port):
        idle = [await asyncio.open_connection("127.0.0.1", port) for _ in range(40)]
        for _, writer in idle:
            writer.close()
        for _ in range(200):
            with contextlib.suppress(ConnectionError):
                answer = await exchange(port, b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
                if answer:
                    break
            await SystemClock().sleep(0.01)
        assert answer.startswith(b"HTTP/1.1 200")

    listening(scene)


@pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed (apt-get install chromium)")
def test_in_a_browser_without_script_one_press_answers(listening, make_wearable, make_config):
    from playwright.async_api import async_playwright

    from contract.events import EVENT_SCHEMA, Event

    async def scene(gateway, port):
        await gateway.outbox.open(0)
        gateway.roster.apply(make_config(make_wearable()))
        moment_us = SystemClock().now_ns() // 1000
        event = Event(
            schema=EVENT_SCHEMA,
            id="019b7a3c-5c00-7000-8000-000000000001",
            kind=EventKind.FALL_DETECTED,
            home="demo",
            gateway="gateway-a",
            session="s",
            sequence=1,
            boot="boot-1",
            clock="synced",
            at_us=moment_us,
            emitted_at_us=moment_us,
            device="wearable-1",
        )
        now_ns = SystemClock().monotonic_ns()
        await gateway.outbox.put(event, at_monotonic_ns=now_ns, now_monotonic_ns=now_ns)
        async with async_playwright() as playwright:
            browser = await playwright.chromium.launch(
                executable_path=CHROMIUM, args=("--no-sandbox", "--disable-gpu")
            )
            context = await browser.new_context(
                java_script_enabled=False,
                locale="zh-HK",
                viewport={"width": 390, "height": 844},
            )
            page = await context.new_page()
            faults: list[str] = []
            page.on("console", lambda message: faults.append(message.text))
            await page.goto(f"http://127.0.0.1:{port}/")
            button = page.get_by_role("button")
            size = await button.bounding_box()
            assert size["width"] > 300
            assert size["height"] >= 80
            assert "我去處理" in await button.inner_text()
            assert "懷疑跌倒" in await page.locator("section.open").inner_text()
            await button.click()
            assert await page.get_by_role("button").count() == 0
            assert "已有同事由此前往" in await page.locator("body").inner_text()
            await browser.close()
        assert faults == []
        (answer,) = [
            each.event
            for each in gateway.outbox.pending.values()
            if each.event.kind is EventKind.ACKNOWLEDGED
        ]
        assert (answer.incident, answer.by) == (event.id, STAFF_POINT)
        await gateway.outbox.close()

    listening(scene)


# --- words -----------------------------------------------------------------------------------


def test_every_text_is_there_in_both_languages_and_confirms_nothing():
    for key, (english, chinese) in {**TEXTS, **KINDS, **CAUSES}.items():
        values = re.findall(r"{(\w+)}", english)
        assert sorted(values) == sorted(re.findall(r"{(\w+)}", chinese)), key
        assert "confirm" not in english.lower()
        assert "確認" not in chinese
        assert re.search(r"[\u4e00-\u9fff]", chinese), key
    assert TEXTS["acknowledge"].zh == "我去處理"


def test_what_the_page_does_not_know_it_says_as_it_is():
    assert WORDS["zh-Hant"].cause("moon_missing") == "moon missing"
    assert WORDS["en"].kind("moon_landing") == "moon landing"


@pytest.mark.parametrize(
    ("asked", "accept", "language"),
    [
        (None, None, "en"),
        (None, "zh-HK,zh;q=0.9,en;q=0.8", "zh-Hant"),
        (None, "fr, en;q=0.5", "en"),
        ("zh-Hant", "en", "zh-Hant"),
        ("xx", "yue", "zh-Hant"),
    ],
)
def test_the_language_is_the_browsers_or_the_asked_one(asked, accept, language):
    assert choose_language(asked, accept) == language
