"""SIGTERM: work in hand is finished, goodbye is said, and nothing is lost."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

from contract import topics
from contract.clock import SystemClock
from contract.messages import Status
from contract.wire import decode
from messaging import MqttBus

STOP_S = 5.0


class Statuses:
    """The latest status of everyone, as the broker tells a bystander."""

    def __init__(self):
        self.latest = {}

    async def take(self, messages):
        for message in messages:
            status = decode(message.payload, Status)
            self.latest[status.name] = status

    def online(self, *names):
        return all(name in self.latest and self.latest[name].online for name in names)

    def offline(self, *names):
        return all(name in self.latest and not self.latest[name].online for name in names)


async def _watched(home, statuses, work):
    bus = MqttBus(home.mosquitto.url, "bystander", home.clock)
    filters = [topics.build("demo", topics.ANY, topics.STATUS)]
    listening = asyncio.create_task(bus.run(filters, statuses.take))
    try:
        await work()
    finally:
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)


def test_sigterm_ends_each_with_status_0_and_a_goodbye(make_home, eventually):
    home = make_home(rate=5.0)
    statuses = Statuses()
    spoken = ("gateway-a", "ingest", "alerts")

    async def work():
        services = [home.start(name, typed=True) for name in ("gateway", "ingest", "alerts", "web")]
        await eventually(partial(statuses.online, *spoken), "everyone is there")
        await home.board(lambda board: board["services"], "the board is there")
        for service in services:
            status, seconds = await service.end()
            assert (service.name, status) == (service.name, 0)
            assert seconds < STOP_S
            assert service.lines("stopped")
            assert "Traceback" not in service.log.read_text()
        await eventually(partial(statuses.offline, *spoken), "everyone has said goodbye")

    async def main():
        await home.mosquitto.start()
        await _watched(home, statuses, work)

    asyncio.run(main())


@pytest.mark.parametrize("name", ["gateway", "ingest", "alerts", "web"])
def test_sigterm_ends_it_also_while_it_waits(make_home, eventually, name):
    """No broker, no records, no store."""
    home = make_home(rate=5.0)

    async def main():
        service = home.start(name)
        await eventually(service.waits, "it waits")
        status, seconds = await service.end()
        assert status == 0
        assert seconds < STOP_S
        assert "Traceback" not in service.log.read_text()

    asyncio.run(main())


def test_what_a_gateway_could_not_hand_over_comes_after_its_restart(make_home, eventually):
    home = make_home(rate=10.0)

    async def main():
        await home.mosquitto.start()
        home.start("alerts")
        home.gateway_lines = ['radio = "simulated"', "fall_after_s = 20.0"]
        gateway = home.start("gateway")
        await eventually(lambda: gateway.lines("config_applied"), "it is configured")
        home.mosquitto.kill()
        await eventually(lambda: _made(gateway, "fall_suspected"), "the fall is suspected")
        status, seconds = await gateway.end()
        assert status == 0
        assert seconds < STOP_S
        await home.mosquitto.start()
        home.gateway_lines = []
        home.start("gateway", log="gateway-2")
        home.start("web")
        board = await home.board(lambda board: board["incidents"] + board["watching"], "the fall")
        (incident,) = board["incidents"] + board["watching"]
        assert incident["resident_id"] == "resident-3"

    asyncio.run(main())


STUBBORN = """
import asyncio, sys
from contract.clock import SystemClock
from wardlight.logs import set_up_logs
from wardlight.process import run_until_stopped
from wardlight.settings import Settings

async def stubborn(settings):
    print("begun", flush=True)
    while True:
        try:
            await SystemClock().sleep(3600)
        except asyncio.CancelledError:
            print("asked", flush=True)

set_up_logs()
sys.exit(run_until_stopped(stubborn, Settings()))
"""


@pytest.mark.parametrize(
    ("signals", "status", "at_most_s"),
    [
        ((signal.SIGTERM, signal.SIGTERM), 143, 2.0),
        ((signal.SIGINT, signal.SIGTERM), 143, 2.0),
        ((signal.SIGTERM,), 1, 8.0),
    ],
    ids=["twice", "Ctrl-C and then SIGTERM", "once"],
)
def test_what_does_not_end_is_ended(signals, status, at_most_s):
    """At once at the second signal, and after the limit without one."""
    process = subprocess.Popen(
        [sys.executable, "-c", STUBBORN], stdout=subprocess.PIPE, cwd=Path(__file__).parents[2]
    )
    with process:
        try:
            assert process.stdout.readline() == b"begun\n"
            began_ns = SystemClock().monotonic_ns()
            process.send_signal(signals[0])
            assert process.stdout.readline() == b"asked\n"
            for number in signals[1:]:
                process.send_signal(number)
            assert process.wait(30) == status
        finally:
            process.kill()
    assert (SystemClock().monotonic_ns() - began_ns) / 1e9 < at_most_s


def _made(gateway, kind):
    return [line for line in gateway.all_lines() if line.get("kind") == kind]
