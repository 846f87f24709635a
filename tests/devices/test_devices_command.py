"""``wardlight devices``: as a person types it, on records and a broker as in a home."""

from __future__ import annotations

import asyncio
import json
import stat
import threading

import pytest
from typer.testing import CliRunner

from alerts import Database, Directory
from contract import topics
from contract.clock import SystemClock, now_us
from contract.messages import MESSAGE_SCHEMA, Command, Discovered, DiscoveredDevice
from contract.wire import decode, encode
from messaging import MqttBus
from messaging.mosquitto import Mosquitto, free_port
from wardlight.cli import app

KEY = "00112233445566778899aabbccddeeff"


class Home:
    """Records of a home on SQLite, and its settings."""

    def __init__(self, folder, broker="mqtt://127.0.0.1:1"):
        self.folder = folder
        url = f"sqlite:///{folder / 'records.sqlite'}"
        self.config = folder / "home.toml"
        self.config.write_text(
            f"[home]\nid = 'demo'\n[broker]\nurl = '{broker}'\n[alerts]\ndatabase = '{url}'\n"
        )
        self.database = Database(url)
        self.database.upgrade()
        self.directory = Directory(self.database, "demo", SystemClock())
        for number in (1, 2):
            self.directory.add_resident(
                f"resident-{number}",
                name="Chan Tai Man",
                bed=f"2/F 21{number}",
                floor="2/F",
                zone=f"room-21{number}",
            )
        self.directory.add_gateway("gateway-a", zone="room-211")
        self.directory.add_wearable(
            "wearable-1", address="AA:00:00:00:00:01", identity=1, resident="resident-1"
        )

    def type(self, *words, status=0):
        """Type a command; its output."""
        done = CliRunner().invoke(app, ["devices", *words, "--config", str(self.config)])
        assert done.exit_code == status, (done.output, done.exception)
        return done.output

    def told(self, device):
        config = self.directory.gateway_config("gateway-a")
        every = (*config.wearables, *config.sensors)
        return next((each for each in every if each.device == device), None)


@pytest.fixture
def home(tmp_path):
    made = Home(tmp_path)
    yield made
    made.database.close()


def test_from_the_box_to_the_wrist(home):
    said = home.type(
        "enrol", "c0:de:5a:00:00:07", "--as", "wearable-7", "--kind", "wardlight", "--identity", "7"
    )
    assert "wearable-7 is enrolled" in said
    assert "wardlight devices pair wearable-7 RESIDENT" in said
    assert home.told("wearable-7").address == "C0:DE:5A:00:00:07"
    assert "is resident-2's" in home.type("pair", "wearable-7", "resident-2")
    assert home.told("wearable-7").bed == "2/F 212"
    assert "nobody's" in home.type("unpair", "wearable-7")
    assert "belongs to room-211" in home.type("pair", "wearable-7", "room-211")
    assert home.told("wearable-7").zone == "room-211"
    assert "out of use" in home.type("retire", "wearable-7")
    assert home.told("wearable-7") is None


def test_a_room_sensor_hangs_somewhere(home):
    words = ("enrol", "A4:C1:38:00:00:01", "--as", "pull-cord", "--kind", "bthome")
    assert "say with --zone where it hangs" in home.type(*words, status=2)
    home.type(*words, "--zone", "corridor-2")
    assert home.told("pull-cord").zone == "corridor-2"
    home.type("pair", "pull-cord", "resident-1")
    assert (home.told("pull-cord").resident, home.told("pull-cord").zone) == (
        "resident-1",
        "corridor-2",
    )


def test_two_wearables_on_one_wrist_are_asked_about(home):
    home.type("enrol", "AA:00:00:00:00:07", "--as", "w7", "--kind", "wardlight", "--identity", "7")
    said = home.type("pair", "w7", "resident-1", status=2)
    assert "resident-1 wears wearable-1 already" in said
    assert "--instead" in said
    home.type("pair", "w7", "resident-1", "--instead")
    assert home.told("wearable-1").resident is None
    home.type("pair", "wearable-1", "resident-1", "--also")
    assert home.told("w7").resident == home.told("wearable-1").resident == "resident-1"


def test_a_key_is_made_taken_and_never_shown(home):
    made = home.folder / "wearable-1.key"
    said = home.type("key", "wearable-1", "--generate", str(made))
    key = made.read_text().strip()
    assert home.told("wearable-1").key == key
    assert stat.S_IMODE(made.stat().st_mode) == 0o600
    given = home.folder / "given.key"
    given.write_text(KEY.upper())
    said += home.type("key", "wearable-1", "--file", str(given))
    assert home.told("wearable-1").key == KEY
    said += home.type("key", "wearable-1", "--generate", str(made), status=2)
    given.write_text(f"{KEY}0")
    said += home.type("key", "wearable-1", "--file", str(given), status=2)
    assert "16 bytes" in said
    assert "no key from now on" in home.type("key", "wearable-1", "--none")
    assert home.told("wearable-1").key is None
    assert key not in said
    assert KEY not in said.lower()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("enrol", "--as", "w7"), "name its address, or --identity"),
        (
            ("enrol", "AA:00:00:00:00:09", "--as", "wearable-1", "--kind", "wardlight"),
            "retire wearable-1",
        ),
        (
            ("enrol", "AA:00:00:00:00:01", "--as", "w7", "--kind", "polar"),
            "that of 'wearable-1' already: retire that one first",
        ),
        (("enrol", "AA:00:00:00:00:09", "--as", "w7", "--kind", "nothing"), "no kind of device"),
        (("pair", "wearable-1", "resident-9"), "Residents: resident-1, resident-2. Zones: room-2"),
        (("pair", "wearable-l", "resident-1"), "did you mean 'wearable-1'?"),
        (("unpair", "w9"), "wardlight devices enrol ADDRESS --as w9"),
        (("retire", "w9"), "`wardlight devices` lists them"),
        (("key", "wearable-1"), "--generate FILE, --file FILE or --none"),
        (("key", "wearable-1", "--file", "/nowhere"), "/nowhere: no key can be read"),
    ],
)
def test_a_refusal_says_what_to_do_next(home, words, said):
    assert said in " ".join(home.type(*words, status=2).split())


def test_without_records_it_says_who_makes_them(tmp_path):
    config = tmp_path / "home.toml"
    config.write_text(f"[alerts]\ndatabase = 'sqlite:///{tmp_path / 'gone.sqlite'}'\n")
    done = CliRunner().invoke(app, ["devices", "--config", str(config)])
    assert done.exit_code == 2
    assert "`wardlight alerts` makes them" in done.output


@pytest.fixture
def gateway_on_a_broker(tmp_path):
    """A real mosquitto, and on it a gateway that hears two devices; in a thread of its own."""
    clock, port = SystemClock(), free_port()
    heard = [
        DiscoveredDevice(
            address="C0:DE:5A:00:00:07",
            kind="wardlight",
            model="Wardlight wearable",
            rssi_dbm=-52,
            adverts=9,
            identity=77,
        ),
        DiscoveredDevice(
            address="AA:00:00:00:00:01",
            kind="wardlight",
            model="Wardlight wearable",
            rssi_dbm=-71,
            adverts=8,
            identity=1,
            device="wearable-1",
        ),
    ]
    ready, loop = threading.Event(), asyncio.new_event_loop()

    async def run():
        mosquitto = Mosquitto(tmp_path / "mosquitto", clock, port=port)
        await mosquitto.start()
        bus = MqttBus(mosquitto.url, "gateway-a", clock)

        async def answer(messages):
            for message in messages:
                command = decode(message.payload, Command)
                found = Discovered(
                    schema=MESSAGE_SCHEMA,
                    gateway="gateway-a",
                    command=command.id,
                    at_us=now_us(clock),
                    devices=heard,
                )
                topic = topics.build("demo", "gateway-a", topics.DISCOVERED)
                await bus.publish(topic, encode(found))

        async def connected():
            ready.set()

        try:
            await bus.run([topics.build("demo", "gateway-a", topics.COMMAND)], answer, connected)
        finally:
            mosquitto.stop()

    async def main():
        nonlocal task
        task = asyncio.current_task()
        await run()

    task = None
    thread = threading.Thread(target=_until_cancelled, args=(loop, main))
    thread.start()
    assert ready.wait(20), "the gateway is on the broker"
    yield f"mqtt://127.0.0.1:{port}"
    loop.call_soon_threadsafe(task.cancel)
    thread.join()


def _until_cancelled(loop, main):
    try:
        loop.run_until_complete(main())
    except asyncio.CancelledError:
        pass
    finally:
        loop.close()


def test_what_is_heard_is_listed_and_enrolled_by_its_identity(tmp_path, gateway_on_a_broker):
    home = Home(tmp_path, gateway_on_a_broker)
    listed = json.loads(home.type("--json", "--seconds", "2"))
    assert [(row["address"], row.get("device"), row["rssi_dbm"]) for row in listed["devices"]] == [
        ("C0:DE:5A:00:00:07", None, -52),
        ("AA:00:00:00:00:01", "wearable-1", -71),
    ]
    assert listed["gateways_silent"] == []
    assert "Chan" not in str(listed)
    home.type("enrol", "--identity", "77", "--as", "wearable-7", "--resident", "resident-2")
    told = home.told("wearable-7")
    assert (told.address, told.identity, told.resident) == ("C0:DE:5A:00:00:07", 77, "resident-2")
    said = home.type("enrol", "AA:00:00:00:00:99", "--as", "w9", "--seconds", "2", status=2)
    assert "is not heard by any gateway" in said
    home.database.close()
