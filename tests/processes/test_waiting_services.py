"""Each service may be started first: it says what it lacks, once, and goes on when it is there."""

from __future__ import annotations

import asyncio
import itertools
import logging
import tempfile
from functools import partial
from pathlib import Path

import pytest
import structlog
from typer.testing import CliRunner

from contract import topics
from contract.clock import SystemClock, VirtualClock
from contract.events import EVENT_SCHEMA, Event, EventKind
from contract.protocols import StoreUnavailableError
from contract.wire import encode
from ingest import StoreReader
from messaging import MqttBus
from tools.postgresql import PostgreSQL
from wardlight.cli import app
from wardlight.waiting import (
    LONGEST_TRY_S,
    NotThereError,
    SparseBrokerLog,
    sole_use,
    until_there,
)

ORDERS = [
    ("sqlite", ("web", "gateway", "ingest", "alerts")),
    ("postgresql", ("alerts", "web", "gateway", "ingest")),
]


@pytest.mark.parametrize(("database", "order"), ORDERS, ids=["sqlite", "postgresql"])
def test_in_any_order(make_home, eventually, database, order):
    home = make_home(rate=5.0, database=database)

    async def main():
        running = {name: home.start(name) for name in order[:-1]}
        if database == "sqlite":
            await eventually(lambda: "the records" in running["web"].waits(), "web says so")
            (line,) = running["web"].lines("waiting_for")
            assert "does not exist yet" in line["reason"]
            assert "wardlight alerts" in line["reason"]
        for name in set(running) - {"web"}:
            await eventually(lambda name=name: "the broker" in running[name].waits(), name)
        running[order[-1]] = home.start(order[-1])
        await home.mosquitto.start()
        await home.board(
            lambda board: (
                {each["name"] for each in board["services"] if each["online"]}
                >= {"gateway-a", "ingest", "alerts"}
            ),
            "everyone is online on the board",
        )
        reader = StoreReader(home.store)
        await eventually(lambda: _stored(reader), "telemetry is stored")
        reader.close()
        await eventually(lambda: running["gateway"].lines("config_applied"), "configured")
        for service in running.values():
            assert service.runs
            for _, lines in itertools.groupby(service.lines("waiting_for"), lambda x: x["what"]):
                assert len(list(lines)) <= 3, "sparsely"

    asyncio.run(main())


def _stored(reader):
    try:
        return reader.written_at_us()
    except StoreUnavailableError:
        return None


def test_the_database_comes_late_goes_away_and_comes_back(make_home, eventually):
    """Neither the alert service nor the board ends for it, and what came in between is there."""
    clock = SystemClock()
    with tempfile.TemporaryDirectory(prefix="wardlight-") as folder:
        Path(folder).chmod(0o711)
        server = PostgreSQL(Path(folder) / "postgresql", clock)
        home = make_home(rate=5.0)
        home.database = server.url()

        async def main():
            await home.mosquitto.start()
            services = [home.start("alerts"), home.start("web")]
            for service in services:
                line, *_ = await eventually(partial(service.lines, "waiting_for"), service.name)
                assert line["what"] == "the records"
                assert "refused" in line["reason"]
                assert str(server.port) in line["where"]
            await server.start()
            await home.board(lambda board: board["services"], "the board is there")
            bus = MqttBus(home.mosquitto.url, "test", home.clock)
            listening = asyncio.create_task(bus.run([], _ignore))
            await eventually(lambda: bus.connected, "we are connected")
            server.kill()
            await bus.publish(*_call_for_help(home))
            await eventually(lambda: services[0].lines("events_not_stored"), "it is not stored")
            await server.start()
            await bus.publish(*_call_for_help(home))
            board = await home.board(lambda board: board["incidents"], "the call is on the board")
            assert len(board["incidents"]) == 1
            assert all(service.runs for service in services)
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)

        try:
            asyncio.run(main())
        finally:
            home.end_all()
            server.stop()


async def _ignore(_messages):
    pass


def _call_for_help(home):
    """Always the same event, as a gateway sends it again until it has its receipt."""
    event = Event(
        schema=EVENT_SCHEMA,
        id="019b7b27-0000-7000-8000-000000000001",
        kind=EventKind.HELP_REQUESTED,
        home="demo",
        gateway="gateway-a",
        session="test",
        sequence=1,
        boot="boot",
        clock="synced",
        at_us=home.origin_us,
        emitted_at_us=home.origin_us,
        resident="resident-5",
        device="wearable-5",
    )
    return topics.event_topic("demo", "gateway-a", event.kind), encode(event)


@pytest.mark.parametrize("name", ["gateway", "ingest", "alerts", "web"])
def test_a_wrong_setting_ends_it_with_status_2_before_anything_starts(
    tmp_path, run_to_its_end, name
):
    config = tmp_path / "home.toml"
    config.write_text(f'[broker]\nurll = "x"\n[gateway]\nfolder = "{tmp_path / "gateway"}"\n')
    ended = run_to_its_end(name, config)
    assert ended.exit_code == 2
    assert "'broker.urll'; did you mean 'url'?" in ended.stderr
    assert sorted(tmp_path.iterdir()) == [config]


@pytest.mark.parametrize(
    ("name", "setting", "said"),
    [
        ("gateway", '[broker]\nurl = "http://x"', "begin with mqtt://"),
        (
            "gateway",
            '[gateway]\nradio = "simulated"\nname = "gateway-z"',
            "no gateway 'gateway-z'",
        ),
        ("gateway", '[gateway]\nradio = "remote"', "needs radio_socket"),
        ("ingest", '[broker]\npassword_file = "gone"', "gone"),
        ("alerts", '[alerts]\ndatabase = "oracle://x"', "[alerts]: database:"),
        ("web", '[alerts]\ndatabase = "no url"', "[alerts]: database:"),
        ("web", '[home]\ntime_zone = "Mars/Base"', "no time zone"),
    ],
)
def test_a_setting_that_only_its_user_can_judge(tmp_path, run_to_its_end, name, setting, said):
    config = tmp_path / "home.toml"
    config.write_text(setting)
    ended = run_to_its_end(name, config)
    assert ended.exit_code == 2, ended.stderr
    assert said in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.fixture
def run_to_its_end(monkeypatch):
    """The command in this process: nothing of it begins that would have to be ended."""

    def run(name, config):
        monkeypatch.chdir(config.parent)
        return CliRunner().invoke(app, [name, "--config", str(config)])

    return run


def test_waiting_for_a_day_is_said_some_three_hundred_times():
    clock = VirtualClock()
    looks = itertools.count()

    async def look():
        if next(looks) * LONGEST_TRY_S > 86_400:
            return "found it"
        raise NotThereError("not yet")

    with structlog.testing.capture_logs() as logs:
        assert clock.run(until_there(clock, "a thing", "somewhere", look)) == "found it"
    said = [line for line in logs if line["event"] == "waiting_for"]
    assert 250 < len(said) < 320
    assert [line["waited_s"] for line in said[:3]] == pytest.approx([0, 10, 30], abs=LONGEST_TRY_S)
    assert logs[-1]["event"] == "found"


def test_the_broker_is_spoken_of_sparsely_and_anew_after_each_outage():
    clock = VirtualClock()
    sparse = SparseBrokerLog(clock)

    def passes(event):
        record = logging.LogRecord("messaging.mqtt", 30, "", 0, {"event": event}, None, None)
        return sparse.filter(record)

    def outage(tries):
        passed = 0
        for _ in range(tries):
            passed += passes("broker_not_reached")
            clock.pass_time(5_000_000_000)
        assert passes("broker_connected")
        assert passes("broker_lost")
        return passed

    assert outage(1) == 1
    assert outage(12) == 3
    assert outage(17_280) < 300


def test_a_second_user_of_a_file_waits_for_the_end_of_the_first(tmp_path):
    clock = VirtualClock()
    order = []

    async def use(name, hold_s):
        async with sole_use(clock, "the other", tmp_path / "deep" / "store.sqlite"):
            order.append(f"{name} begins")
            await clock.sleep(hold_s)
            order.append(f"{name} ends")

    async def main():
        await asyncio.gather(use("one", 60), use("two", 1))

    clock.run(main())
    assert order == ["one begins", "one ends", "two begins", "two ends"]
