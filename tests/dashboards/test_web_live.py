"""The live board over real sockets: news at once, heartbeats, and an end within a second."""

from __future__ import annotations

import asyncio
import itertools
import json
import socket
from contextlib import suppress

import pytest

from contract.clock import SystemClock
from contract.messages import Role
from dashboards.web import create_app, serve

BOARDS = 40


def test_an_acknowledgement_is_on_every_open_board_without_reload(web_home, events_of):
    async def scene(home):
        incident = await home.fall()

        async def watch(language: str, said: str, ready: asyncio.Event) -> float:
            async with (
                home.client() as browser,
                browser.stream("GET", f"/events?lang={language}") as stream,
            ):
                assert stream.headers["content-type"].startswith("text/event-stream")
                async for name, data in events_of(stream):
                    if name == "board":
                        assert f"incident-{incident}" in data
                        if said in data:
                            return home.clock.monotonic_ns() / 1e9
                        ready.set()
            raise AssertionError("the stream ended")

        ready = [asyncio.Event(), asyncio.Event()]
        watchers = [
            asyncio.create_task(watch("en", "Wong Mei is on the way", ready[0])),
            asyncio.create_task(watch("zh-Hant", "Wong Mei 正前往處理", ready[1])),
        ]
        await asyncio.gather(*(each.wait() for each in ready))
        async with home.client("mei") as browser:
            pressed = home.clock.monotonic_ns() / 1e9
            await browser.post(f"/incidents/{incident}/acknowledge")
        for seen in await asyncio.gather(*watchers):
            assert seen - pressed < 2.0

    web_home(scene)


def test_heartbeats_come_and_name_the_time_in_the_home(web_home, events_of):
    async def scene(home):
        async with home.client() as browser, browser.stream("GET", "/events") as stream:
            beats = []
            async for name, data in events_of(stream):
                if name == "beat":
                    beats.append((home.clock.monotonic_ns() / 1e9, json.loads(data)))
                if len(beats) == 3:
                    break
        gaps = [later[0] - earlier[0] for earlier, later in itertools.pairwise(beats)]
        assert max(gaps) < 2.0
        assert len(beats[0][1]["time"].split(":")) == 3

    web_home(scene)


def test_it_stops_within_a_second_whatever_is_connected(web_home):
    async def scene(home):
        app = create_app(home.desk, home.clock)
        web = await serve(app)
        readers = []
        for _ in range(BOARDS):
            reader, writer = await asyncio.open_connection("127.0.0.1", web.port)
            writer.write(b"GET /events HTTP/1.1\r\nHost: x\r\n\r\n")
            readers.append((reader, writer))
        for reader, _ in readers[: BOARDS // 2]:
            await reader.readuntil(b"event: beat")
        idle = await asyncio.open_connection("127.0.0.1", web.port)
        began = SystemClock().monotonic_ns()
        await web.stop()
        assert SystemClock().monotonic_ns() - began < 1e9
        await web.stop()
        for reader, writer in (*readers, idle):
            with suppress(ConnectionError):
                await reader.read()
            writer.close()

    web_home(scene)


def test_even_a_stream_that_will_not_end_is_cut_within_a_second(web_home, monkeypatch):
    async def scene(home):
        app = create_app(home.desk, home.clock)
        web = await serve(app)
        reader, writer = await asyncio.open_connection("127.0.0.1", web.port)
        writer.write(b"GET /events HTTP/1.1\r\nHost: x\r\n\r\n")
        await reader.readuntil(b"event: beat")
        monkeypatch.setattr(app.state.feed, "close", lambda: None)
        began = SystemClock().monotonic_ns()
        await web.stop()
        assert SystemClock().monotonic_ns() - began < 1e9
        with suppress(ConnectionError):
            await reader.read()
        writer.close()
        left = [task for task in asyncio.all_tasks() if task.get_name() == "board-feed"]
        assert len(left) == 1  # that of the home's own server

    web_home(scene)


def test_a_client_that_never_reads_and_one_that_vanished_hold_up_nobody(web_home, events_of):
    async def scene(home):
        deaf = socket.socket()
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        deaf.connect(("127.0.0.1", home.web.port))
        deaf.sendall(b"GET /events HTTP/1.1\r\nHost: x\r\n\r\n")
        _, gone = await asyncio.open_connection("127.0.0.1", home.web.port)
        gone.write(b"GET /events HTTP/1.1\r\nHost: x\r\n\r\n")
        await gone.drain()
        gone.transport.abort()
        async with home.client() as browser, browser.stream("GET", "/events") as stream:
            pressed = None
            async for name, data in events_of(stream):
                if name == "beat" and pressed is None:
                    pressed = await home.fall()
                if name == "board" and pressed is not None and f"incident-{pressed}" in data:
                    break
        deaf.close()

    web_home(scene)


def test_a_stream_that_its_browser_closed_is_forgotten(web_home, eventually):
    async def scene(home):
        async with home.client() as browser:
            async with browser.stream("GET", "/events") as stream:
                async for _ in stream.aiter_lines():
                    assert await boards_open(browser) == 1
                    break
            await eventually(lambda: none_open(browser), "the closed stream forgotten")

    async def boards_open(browser) -> int:
        return (await browser.get("/api/v1/health")).json()["boards_open"]

    async def none_open(browser) -> bool:
        return await boards_open(browser) == 0

    web_home(scene)


def test_a_port_that_is_taken_is_an_error_and_not_the_end_of_the_process(web_home):
    async def scene(home):
        with pytest.raises(OSError, match="in use"):
            await serve(create_app(home.desk, home.clock), "127.0.0.1", home.web.port)
        assert any(each.role == Role.ALERTS for each in home.desk.board().services)

    web_home(scene)
