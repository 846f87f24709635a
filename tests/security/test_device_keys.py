"""The key of a device is told to gateways, and to nobody else."""

from __future__ import annotations

import asyncio
import io
import logging

import httpx
import pytest
import structlog

from alerts import Database, Desk, Directory
from alerts.sheet import read_sheet
from contract.clock import SystemClock
from contract.ids import UuidSource
from contract.wire import encode
from dashboards.web import create_app
from wardlight.logs import set_up_logs

KEY = "00112233445566778899aabbccddeeff"
SENSORS_KEY = "ffeeddccbbaa99887766554433221100"


@pytest.fixture
def home(tmp_path):
    """A home whose wearable and sensor have keys."""
    database = Database(f"sqlite:///{tmp_path / 'records.sqlite'}")
    database.upgrade()
    directory = Directory(database, "demo", SystemClock())
    directory.add_resident("r1", name="Chan", bed="2/F 211", floor="2/F", zone="room-1")
    directory.add_staff("mei", name="Mei")
    directory.add_wearable("w1", address="AA:00:00:00:00:01", resident="r1", key=KEY)
    directory.add_sensor("bed", address="AA:00:00:00:00:02", zone="room-1", key=SENSORS_KEY)
    yield directory, database
    database.close()


def test_only_the_configuration_of_a_gateway_holds_it(home):
    directory, database = home
    clock = SystemClock()
    desk = Desk(database, clock, UuidSource(clock), "demo")
    shown = [
        encode(directory.devices()),
        encode(desk.board()),
        encode(read_sheet(database, "demo", clock, printed_by="x", every_s=1)),
    ]
    app = create_app(desk, clock, home_name="Home")

    async def browse():
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://board") as client:
            for path in ("/", "/who", "/api/v1/board", "/api/v1/staff", "/api/v1/openapi.json"):
                answer = await client.get(path)
                assert answer.status_code == 200
                shown.append(answer.content)

    asyncio.run(browse())
    for key in (KEY, SENSORS_KEY):
        assert all(key.encode() not in each for each in shown)
        assert key.encode() in encode(directory.gateway_config("gateway-a"))


@pytest.fixture
def out():
    """What is logged."""
    root = logging.getLogger()
    before = root.handlers, root.level
    text = io.StringIO()
    set_up_logs("debug", text)
    yield text
    root.handlers, level = before
    root.setLevel(level)
    structlog.reset_defaults()


def test_no_refusal_and_no_line_of_a_log_holds_it(home, out):
    directory, _ = home
    said = ""
    for work in (
        lambda: directory.add_wearable("w2", address="AA:00:00:00:00:03", key=KEY),
        lambda: directory.add_wearable("w2", address="AA:00:00:00:00:03", key=f"{KEY}0"),
        lambda: directory.add_wearable(
            "w2", address="AA:00:00:00:00:03", key="1" * 32, resident="nobody"
        ),
        lambda: directory.set_key("bed", KEY),
        lambda: directory.set_key("bed", KEY[:-1]),
    ):
        with pytest.raises(ValueError, match=r"w2|bed") as refusal:
            work()
        said += str(refusal.value) + str(refusal.value.__cause__)
    structlog.get_logger("test").info("config", config=directory.gateway_config("gateway-a"))
    for key in (KEY, "1" * 32, SENSORS_KEY):
        assert key not in said
        assert key not in out.getvalue()
    assert "config" in out.getvalue()
