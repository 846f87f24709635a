"""The page of the calibration walk, as a phone asks for it."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import httpx
import pytest

from contract.clock import VirtualClock
from dashboards.walk import create_walk_app
from dashboards.walk.words import WORDS
from evaluation.rooms import ENOUGH_S, WalkRecorder

SECRET = "abc123"


class Phone:
    """Asks one walk's page."""

    def __init__(self, folder: Path) -> None:
        self.recorder = WalkRecorder(
            folder,
            device="wearable-9",
            zones=("room-211", "<b>lounge</b>"),
            gateways=("gateway-a",),
            receivers=(),
            clock=VirtualClock(),
        )
        self.done = 0
        app = create_walk_app(
            self.recorder,
            device="wearable-9",
            secret=SECRET,
            enough_s=ENOUGH_S,
            done=self._finish,
            trouble=lambda: "broker",
        )
        self._transport = httpx.ASGITransport(app)

    def _finish(self) -> None:
        self.done += 1

    def ask(self, method: str, path: str, **more: Any) -> httpx.Response:
        async def request() -> httpx.Response:
            client = httpx.AsyncClient(transport=self._transport, base_url="http://walk")
            async with client:
                return await client.request(method, path, **more)

        return asyncio.run(request())


@pytest.fixture
def phone(tmp_path: Path) -> Phone:
    return Phone(tmp_path)


@pytest.mark.parametrize(("accept", "says"), [("zh-HK", "房間校準"), ("en-GB", "Calibration walk")])
def test_the_page_speaks_the_phones_language(phone: Phone, accept: str, says: str) -> None:
    page = phone.ask("GET", f"/{SECRET}/", headers={"Accept-Language": accept})
    assert page.status_code == 200
    assert says in page.text
    assert "wearable-9" in page.text
    assert "<b>lounge</b>" not in page.text, "a name with markup in it stays a name"
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]


def test_taps_are_the_walks(phone: Phone) -> None:
    answer = phone.ask("POST", f"/{SECRET}/now", json={"zone": "room-211"})
    assert answer.json()["zone"] == "room-211"
    assert answer.json()["trouble"] in WORDS
    assert phone.recorder.state().zone == "room-211"
    assert phone.ask("GET", f"/{SECRET}/state").json()["taps"] == 1
    answer = phone.ask("POST", f"/{SECRET}/undo", json={})
    assert answer.json()["zone"] is None
    assert (phone.ask("POST", f"/{SECRET}/now", json={"zone": "cellar"})).status_code == 404
    assert (phone.ask("POST", f"/{SECRET}/done", json={})).json()["zone"] is None
    assert phone.done == 1


def test_without_the_secret_there_is_nothing(phone: Phone) -> None:
    for method, path in (
        ("GET", "/"),
        ("GET", "/state"),
        ("POST", "/wrong/now"),
        ("GET", f"/{SECRET}/../words.py"),
        ("GET", f"/{SECRET}/words.py"),
    ):
        assert (phone.ask(method, path)).status_code in (404, 405)
    for name in ("walk.css", "walk.js"):
        assert (phone.ask("GET", f"/{SECRET}/{name}")).status_code == 200


def test_both_languages_say_everything() -> None:
    script = (Path(__file__).parents[2] / "dashboards/walk/static/walk.js").read_text("utf-8")
    for name, pair in WORDS.items():
        assert pair.en
        assert pair.zh
        assert pair.en != pair.zh or name == "seconds"
    said = {word.split(".")[1].split("}")[0].split(")")[0].split(";")[0].split(" ")[0].strip(",")
            for word in script.split() if word.startswith("words.")}  # fmt: skip
    assert said <= set(WORDS), said - set(WORDS)
