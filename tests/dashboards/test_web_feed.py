"""The feed in virtual time: an hour of watching in milliseconds, against a real desk."""

from __future__ import annotations

import asyncio
import itertools
import sqlite3

import pytest

from alerts import Database, Desk, Directory
from contract.clock import VirtualClock
from contract.ids import seeded_ids
from dashboards.web.language import Language
from dashboards.web.live import (
    HEARTBEAT_S,
    MAX_STREAMS,
    POLL_S,
    REFRESH_S,
    STALLED_S,
    BoardFeed,
    TooManyStreamsError,
)
from dashboards.web.pages import Pages
from dashboards.web.stream import EventStream

HOME = "sunshine"


class WatchedDesk(Desk):
    """The real desk, which counts how often it is asked and can lose its database."""

    def __init__(self, *args: object) -> None:
        super().__init__(*args)
        self.looks = 0
        self.readings = 0
        self.broken: Exception | None = None

    def revision(self) -> int:
        self.looks += 1
        if self.broken:
            raise self.broken
        return super().revision()

    def board(self):
        self.readings += 1
        return super().board()


class Browser:
    """One end of a connection: keeps what it is sent, with the time; may be deaf."""

    def __init__(self, clock: VirtualClock, *, deaf: bool = False) -> None:
        self._clock = clock
        self._deaf = deaf
        self.got: list[tuple[float, str]] = []
        self.finished = False
        self.left = asyncio.Event()

    async def receive(self) -> dict:
        await self.left.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: dict) -> None:
        if message["type"] == "http.response.body":
            if self._deaf and self.got:
                await asyncio.Event().wait()
            text = message["body"].decode()
            self.got.append((self._clock.monotonic_ns() / 1e9, text))
            self.finished = not message["more_body"]

    def times(self, event: str) -> list[float]:
        return [at for at, text in self.got if f"event: {event}\n" in text]


class Scene:
    """A feed that runs over a desk with one resident."""

    def __init__(self, folder, clock: VirtualClock) -> None:
        self.clock = clock
        self.database = Database(f"sqlite:///{folder / 'alerts.sqlite'}")
        self.database.upgrade()
        self.directory = Directory(self.database, HOME, clock)
        self.directory.add_resident("resident-1", name="Chan Tai Man", bed="2/F 212-B", floor="2")
        self.desk = WatchedDesk(self.database, clock, seeded_ids(clock, 1), HOME)
        pages = Pages("", "Asia/Hong_Kong")
        self.feed = BoardFeed(
            self.desk,
            clock,
            render=pages.fragment,
            clock_time=pages.presenters[Language.ENGLISH].time,
            version="v1",
        )
        self._tasks: list[asyncio.Task] = []

    def start(self) -> None:
        self._tasks.append(asyncio.create_task(self.feed.run()))

    def open(self, *, deaf: bool = False, language: Language = Language.ENGLISH) -> Browser:
        browser = Browser(self.clock, deaf=deaf)
        stream = EventStream(self.feed, self.feed.subscribe(language))
        scope = {"type": "http"}
        self._tasks.append(asyncio.create_task(stream(scope, browser.receive, browser.send)))
        return browser

    async def end(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self.database.close()


@pytest.fixture
def feed_scene(tmp_path):
    def run(work) -> None:
        clock = VirtualClock()

        async def main() -> None:
            scene = Scene(tmp_path, clock)
            scene.start()
            try:
                await work(scene)
            finally:
                await scene.end()

        clock.run(main())

    return run


def test_a_heartbeat_comes_at_least_every_two_seconds(feed_scene):
    async def work(scene):
        browser = scene.open()
        await scene.clock.sleep(120)
        beats = browser.times("beat")
        assert len(beats) > 60
        assert max(later - earlier for earlier, later in itertools.pairwise(beats)) <= 2.0

    feed_scene(work)


def test_news_come_within_a_third_of_a_second_and_ages_are_renewed(feed_scene):
    async def work(scene):
        browser = scene.open()
        await scene.clock.sleep(10.1)
        scene.directory.add_staff("mei", name="Wong Mei")
        scene.directory.add_resident("resident-2", name="Lee Siu Ling", bed="2/F 214-A", floor="2")
        at = scene.clock.monotonic_ns() / 1e9
        await scene.clock.sleep(1)
        [news] = [
            (when, text) for when, text in browser.got if "Lee Siu Ling" in text and when >= at
        ]
        assert news[0] - at < 0.3
        await scene.clock.sleep(20)
        boards = browser.times("board")
        assert max(b - a for a, b in itertools.pairwise(boards)) <= REFRESH_S + POLL_S

    feed_scene(work)


def test_one_reader_serves_everybody_and_rests_when_nobody_watches(feed_scene):
    async def work(scene):
        await scene.clock.sleep(60)
        assert scene.desk.looks == 0
        browsers = [scene.open() for _ in range(50)]
        browsers.append(scene.open(language=Language.CHINESE))
        await scene.clock.sleep(60)
        assert scene.desk.looks <= 60 / POLL_S + 2
        assert scene.desk.readings <= 60 / REFRESH_S + 2
        assert all(len(each.times("beat")) >= 60 / HEARTBEAT_S - 6 for each in browsers)
        assert "院友" in browsers[-1].got[1][1]
        for each in browsers:
            each.left.set()
        await scene.clock.sleep(1)
        assert scene.feed.watching == 0
        looks = scene.desk.looks
        await scene.clock.sleep(60)
        assert scene.desk.looks == looks

    feed_scene(work)


def test_heartbeats_stop_when_the_records_cannot_be_read_and_come_back(feed_scene):
    async def work(scene):
        browser = scene.open()
        await scene.clock.sleep(10)
        scene.desk.broken = sqlite3.OperationalError("disk I/O error")
        broken_at = scene.clock.monotonic_ns() / 1e9
        await scene.clock.sleep(30)
        assert browser.times("beat")[-1] <= broken_at
        assert len(browser.times("trouble")) >= 20
        late = scene.open()
        await scene.clock.sleep(3)
        assert late.times("trouble")
        assert not late.times("beat")
        scene.desk.broken = None
        mended_at = scene.clock.monotonic_ns() / 1e9
        await scene.clock.sleep(2)
        for each in (browser, late):
            assert each.times("beat")[-1] > mended_at
            assert each.times("board")[-1] > mended_at

    feed_scene(work)


def test_a_deaf_client_gets_nothing_queued_and_is_let_go(feed_scene):
    async def work(scene):
        deaf, browser = scene.open(deaf=True), scene.open()
        await scene.clock.sleep(STALLED_S - 2)
        assert scene.feed.watching == 2
        await scene.clock.sleep(10)
        assert scene.feed.watching == 1
        assert len(deaf.got) == 1
        assert len(browser.times("beat")) > STALLED_S

    feed_scene(work)


def test_after_a_pause_only_the_latest_is_told(feed_scene):
    async def work(scene):
        browser = scene.open()
        await scene.clock.sleep(1)
        subscription = scene.feed.subscribe(Language.ENGLISH)
        scene.feed.take(subscription)
        for number in range(2, 9):
            scene.directory.add_resident(
                f"resident-{number}", name=f"N{number}", bed=f"B{number}", floor="2"
            )
            await scene.clock.sleep(0.5)
        told = scene.feed.take(subscription).decode()
        assert told.count("event: board") == 1
        assert "N8" in told
        assert len(browser.times("board")) >= 7

    feed_scene(work)


def test_closing_ends_every_stream_in_order(feed_scene):
    async def work(scene):
        browser, deaf = scene.open(), scene.open(deaf=True)
        await scene.clock.sleep(5)
        scene.feed.close()
        await scene.clock.sleep(0.01)
        assert browser.finished
        assert not deaf.finished
        assert scene.feed.watching == 0
        late = scene.open()
        await scene.clock.sleep(0.01)
        assert late.finished

    feed_scene(work)


def test_there_is_a_limit_to_open_boards(feed_scene):
    async def work(scene):
        for _ in range(MAX_STREAMS):
            scene.feed.subscribe(Language.ENGLISH)
        with pytest.raises(TooManyStreamsError):
            scene.feed.subscribe(Language.ENGLISH)

    feed_scene(work)
