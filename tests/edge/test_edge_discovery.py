"""Looking for devices: only while somebody asks, only what is recognised, and forgotten after."""

from __future__ import annotations

import asyncio
from importlib.metadata import EntryPoint

import pytest

from contract import topics, wire
from contract.advert import COMPANY_ID
from contract.clock import now_us
from contract.devices import GROUP
from contract.identity import rolling_identity
from contract.ids import seeded_ids
from contract.messages import (
    MESSAGE_SCHEMA,
    Command,
    CommandName,
    Discovered,
    SensorConfig,
    WearableConfig,
)
from contract.protocols import HeardAdvert
from edge.decode import Registry
from edge.discovery import LONGEST_S, MOST_ASKING, MOST_KEPT, MOST_SAID
from edge.wearables import OWN_KIND
from messaging import LocalBus
from wardlight.devices.hearing import Hearing

KEY = "11" * 16


class Bells:
    """A kind that recognises anything whose name begins with its own."""

    name = "bell"

    def recognise(self, heard):
        return "Bell 3000" if heard.local_name.startswith("bell") else None


class Broken:
    name = "broken"
    asked = 0

    def recognise(self, heard):
        self.asked += 1
        raise KeyError(heard.address)


class Kinds(Registry):
    """The kinds of a test."""

    def __init__(self, *kinds) -> None:
        super().__init__([EntryPoint(OWN_KIND, "edge.decode.wardlight:KIND", GROUP)])
        self._kinds = [*super().usable(), *kinds]

    def usable(self):
        return list(self._kinds)


@pytest.fixture
def scene(bench, make_config, make_wearable):
    """``scene(play)`` runs ``await play(stage)`` beside a gateway that may be asked to look."""

    class Stage:
        clock = bench.clock
        radio = bench.radio

        def __init__(self) -> None:
            self.said: list[Discovered] = []
            self.gateway = bench.gateway(
                config=make_config(
                    make_wearable(1),
                    WearableConfig(device="roller", address="", key=KEY),
                    WearableConfig(device="strap", address="AA:AA:AA:AA:AA:02", kind="bell"),
                    sensors=[SensorConfig(device="door", address="AA:AA:AA:AA:AA:03", zone="hall")],
                )
            )

        def kinds(self, *kinds) -> None:
            self.gateway.discovery._registry = Kinds(*kinds)

        def ask(self, identifier: str = "look-1", seconds: float = 60) -> None:
            expires_at_us = now_us(self.clock) + int(seconds * 1e6)
            command = Command(
                schema=MESSAGE_SCHEMA,
                id=identifier,
                name=CommandName.DISCOVER,
                expires_at_us=expires_at_us,
            )
            topic = topics.build("demo", "gateway-a", topics.COMMAND)
            bench.broker.publish(topic, wire.encode(command))

        async def hear(
            self, address: str, name: str = "", rssi: int = -60, data=None, services=()
        ) -> None:
            manufacturer = {} if data is None else {COMPANY_ID: data}
            heard = HeardAdvert(
                address, rssi, manufacturer, {}, self.clock.monotonic_ns(), name, services, "porch"
            )
            self.radio._waiting.append([heard])
            self.radio._changed.set()
            await self.clock.sleep(0.1)

        async def take(self, messages) -> None:
            self.said += [wire.decode(each.payload, Discovered) for each in messages]

    def run(play) -> Stage:
        stage = Stage()

        async def main() -> None:
            watcher = LocalBus(bench.broker, "watcher", bench.clock)
            topic = topics.build("demo", "+", topics.DISCOVERED)
            watching = asyncio.create_task(watcher.run([topic], stage.take))
            try:
                async with bench.running(stage.gateway):
                    await play(stage)
            finally:
                watching.cancel()

        bench.clock.run(main())
        return stage

    return run


def test_nothing_is_said_or_kept_unless_asked(scene, capsys):
    async def play(stage):
        stage.kinds(Bells())
        for _ in range(5):
            await stage.hear("AA:AA:AA:AA:AA:07", "bell-7")
        stage.ask(seconds=3)
        await stage.clock.sleep(5)
        said = len(stage.said)
        await stage.hear("AA:AA:AA:AA:AA:08", "bell-8")
        await stage.clock.sleep(5)
        assert len(stage.said) == said == 3
        assert stage.gateway.discovery._found == {}

    stage = scene(play)
    assert all(each.devices == [] for each in stage.said), "what was before, was not seen"
    assert "AA:AA:AA" not in capsys.readouterr().out


def test_what_is_recognised_is_said_with_strength_and_what_it_is_enrolled_as(
    scene, make_advert, capsys
):
    async def play(stage):
        stage.kinds(Bells())
        stage.ask()
        await stage.clock.sleep(0.1)
        await stage.hear("AA:AA:AA:AA:AA:01", "bell-1", -80)
        await stage.hear("AA:AA:AA:AA:AA:01", "", -60)
        await stage.hear("AA:AA:AA:AA:AA:02", "bell-2", -50)
        await stage.hear("AA:AA:AA:AA:AA:03", "bell-3", -51)
        await stage.hear("AA:AA:AA:AA:AA:04", "whistle", -30)
        await stage.hear("C0:DE:00:00:00:01", data=make_advert(1), rssi=-40)
        await stage.hear("C0:DE:00:00:00:77", data=make_advert(1, identity=77), rssi=-41)
        for address in ("40:00:00:00:00:01", "40:00:00:00:00:02"):
            identity = rolling_identity(bytes.fromhex(KEY), 7, 1)
            await stage.hear(address, data=make_advert(1, identity=identity), rssi=-42)
        await stage.clock.sleep(1)

    latest = scene(play).said[-1]
    assert latest.gateway == "gateway-a"
    assert latest.command == "look-1"
    shown = [(each.kind, each.address[-2:], each.device, each.rssi_dbm) for each in latest.devices]
    assert shown == [
        (OWN_KIND, "01", "wearable-1", -40),
        (OWN_KIND, "77", None, -41),
        (OWN_KIND, "02", "roller", -42),
        ("bell", "02", "strap", -50),
        ("bell", "03", "door", -51),
        ("bell", "01", None, -74),
    ]
    assert [each.identity for each in latest.devices[:2]] == [1, 77]
    assert latest.devices[2].adverts == 2, "it has rolled, and is one"
    assert latest.devices[-1].model == "Bell 3000"
    assert latest.devices[-1].receiver == "porch"
    assert "AA:AA:AA" not in capsys.readouterr().out


def test_it_ends_after_ten_minutes_whatever_was_asked(scene):
    async def play(stage):
        stage.kinds()
        stage.ask(seconds=86_400)
        await stage.clock.sleep(LONGEST_S + 30)

    assert len(scene(play).said) == LONGEST_S


def test_everybody_who_asks_is_answered_and_with_the_last_all_is_forgotten(scene):
    async def play(stage):
        stage.kinds(Bells())
        stage.ask("one", 6)
        await stage.clock.sleep(0.1)
        await stage.hear("AA:AA:AA:AA:AA:01", "bell-1")
        await stage.clock.sleep(3)
        stage.ask("two", 8)
        await stage.clock.sleep(6)
        assert stage.gateway.discovery.active
        await stage.clock.sleep(30)
        assert not stage.gateway.discovery.active
        assert stage.gateway.discovery._found == {}

    said = scene(play).said
    assert [each.command for each in said].count("one") == 6
    assert [each.command for each in said].count("two") == 8
    assert all(each.devices for each in said)


def test_only_so_many_ask_at_a_time(scene):
    async def play(stage):
        stage.kinds()
        for number in range(MOST_ASKING + 1):
            stage.ask(f"look-{number}", 60)
        await stage.clock.sleep(5)

    asked = {each.command for each in scene(play).said}
    assert asked == {f"look-{number}" for number in range(1, MOST_ASKING + 1)}


def test_the_command_line_hears_what_the_gateway_does(scene, bench, make_advert):
    heard = []

    async def play(stage):
        stage.kinds(Bells())
        bus = LocalBus(bench.broker, "devices", stage.clock)
        ids = seeded_ids(stage.clock, 9)
        hearing = Hearing(bus, "demo", stage.clock, ids, ["gateway-a", "gateway-b"])
        listening = asyncio.create_task(hearing.listen(5))
        await stage.clock.sleep(0.5)
        await stage.hear("AA:AA:AA:AA:AA:01", "bell-1", -70)
        await stage.hear("C0:DE:00:00:00:01", data=make_advert(1), rssi=-40)
        await listening
        heard.extend(hearing.lines())
        assert hearing.silent == ["gateway-b"]

    scene(play)
    assert [(each.device.kind, each.device.device, each.gateway) for each in heard] == [
        (OWN_KIND, "wearable-1", "gateway-a"),
        ("bell", None, "gateway-a"),
    ]


def test_a_kind_that_fails_is_asked_once_and_says_no_address(scene, capsys):
    broken = Broken()

    async def play(stage):
        stage.kinds(broken, Bells())
        stage.ask()
        await stage.clock.sleep(0.1)
        await stage.hear("AA:AA:AA:AA:AA:01", "bell-1")
        await stage.hear("AA:AA:AA:AA:AA:02", "bell-2")
        await stage.clock.sleep(1)

    assert len(scene(play).said[-1].devices) == 2
    assert broken.asked == 1
    assert "AA:AA:AA" not in capsys.readouterr().out


def test_a_crowd_is_bounded_and_the_strongest_are_shown(scene):
    async def play(stage):
        stage.kinds(Bells())
        stage.ask()
        await stage.clock.sleep(0.1)
        crowd = [
            HeardAdvert(f"{number:012X}", -30 - number % 70, {}, {}, 0, "bell")
            for number in range(3 * MOST_KEPT)
        ]
        for heard in crowd:
            stage.gateway.discovery.hear(heard)
        assert len(stage.gateway.discovery._found) == MOST_KEPT
        await stage.clock.sleep(1)

    devices = scene(play).said[-1].devices
    assert len(devices) == MOST_SAID
    assert min(each.rssi_dbm for each in devices) >= -35


def test_who_takes_devices_of_every_maker_is_asked_last(scene):
    """An H10 has the Heart Rate service as any strap has."""

    async def play(stage):
        polar, any_strap = (
            EntryPoint(name, f"edge.decode.{name}:KIND", GROUP).load()
            for name in ("polar", "heart_rate")
        )
        stage.kinds(any_strap, polar)
        stage.ask()
        await stage.clock.sleep(0.5)
        for number, name in ((1, "Polar H10 12345678"), (2, "Chest 9")):
            await stage.hear(f"A0:9E:1A:00:00:{number:02X}", name, services=("180d",))
        await stage.clock.sleep(2)
        found = {each.address[-1]: (each.kind, each.model) for each in stage.said[-1].devices}
        assert found == {"1": ("polar", "Polar H10 12345678"), "2": ("heart_rate", "Chest 9")}

    scene(play)


def test_an_enrolled_wearable_that_is_linked_and_silent_is_listed_by_its_own_words(scene):
    async def play(stage):
        strap = stage.gateway.roster.by_device["strap"]
        strap.model, strap.rssi_dbm = "Example HR-1 1.0.0", -61.0
        strap.speak(stage.clock.monotonic_ns())
        stage.ask()
        await stage.clock.sleep(2)
        (found,) = stage.said[-1].devices
        assert (found.device, found.kind, found.model) == ("strap", "bell", "Example HR-1 1.0.0")
        assert (found.rssi_dbm, found.adverts) == (-61, 0)
        await stage.clock.sleep(20)
        assert stage.said[-1].devices == []

    scene(play)
