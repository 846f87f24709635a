"""What gateways hear is asked for once, put together, and forgotten."""

from __future__ import annotations

import asyncio

import pytest

from alerts.devices import Enrolled
from contract import topics
from contract.clock import VirtualClock, now_us
from contract.ids import seeded_ids
from contract.messages import (
    MESSAGE_SCHEMA,
    Command,
    CommandName,
    Discovered,
    DiscoveredDevice,
    Role,
    Status,
)
from contract.protocols import PublishRefusedError
from contract.units import US_PER_S
from contract.wire import decode, encode
from messaging import LocalBroker, LocalBus
from wardlight.devices.hearing import Hearing, NotHeardError
from wardlight.devices.table import NOTHING_KEPT, bars, cropped, device_list, render

HOME = "demo"


class ScriptedGateway:
    """Answers each discovery once a second until it ends."""

    def __init__(self, broker, clock, name, devices, counts=None):
        self.broker, self.clock, self.name, self.devices = broker, clock, name, devices
        self.commands: list[Command] = []
        self.tasks: list[asyncio.Task[None]] = []
        status = Status(
            schema=MESSAGE_SCHEMA,
            role=Role.GATEWAY,
            name=name,
            session="s",
            sequence=1,
            online=True,
            at_us=now_us(clock),
            counts=counts or {},
        )
        broker.publish(topics.build(HOME, name, topics.STATUS), encode(status), retain=True)

    async def run(self):
        bus = LocalBus(self.broker, self.name, self.clock)
        await bus.run([topics.build(HOME, self.name, topics.COMMAND)], self.hear)

    async def hear(self, messages):
        for message in messages:
            command = decode(message.payload, Command)
            self.commands.append(command)
            self.tasks.append(asyncio.create_task(self.answer(command)))

    async def answer(self, command):
        topic = topics.build(HOME, self.name, topics.DISCOVERED)
        while now_us(self.clock) < command.expires_at_us:
            await self.clock.sleep(1)
            self.broker.publish(
                topic,
                encode(
                    Discovered(
                        schema=MESSAGE_SCHEMA,
                        gateway=self.name,
                        command=command.id,
                        at_us=now_us(self.clock),
                        devices=self.devices,
                    )
                ),
            )


def device(address, rssi_dbm, **fields):
    values = {"kind": "wardlight", "model": "Wardlight wearable", "adverts": 10}
    return DiscoveredDevice(address=address, rssi_dbm=rssi_dbm, **(values | fields))


def listen(gateways, *, seconds=5, entered=("gateway-a",), on_second=lambda _: False, bus=None):
    """Listen among scripted gateways; returns what was heard, and the gateways."""
    clock, broker = VirtualClock(), LocalBroker()
    made = [ScriptedGateway(broker, clock, *each) for each in gateways]
    hearing = Hearing(
        (bus or LocalBus)(broker, "devices", clock), HOME, clock, seeded_ids(clock, 1), entered
    )

    async def main():
        running = [asyncio.create_task(each.run()) for each in made]
        await clock.sleep(0.1)
        try:
            await hearing.listen(seconds, lambda: on_second(hearing))
        finally:
            for task in (*running, *(task for each in made for task in each.tasks)):
                task.cancel()

    clock.run(main())
    return hearing, made, clock


def test_each_gateway_is_asked_once_and_the_question_ends():
    hearing, (one, other), clock = listen(
        [("gateway-a", [device("AA:00:00:00:00:01", -50)]), ("gateway-b", [])], seconds=5
    )
    for gateway in (one, other):
        (command,) = gateway.commands
        assert command.name is CommandName.DISCOVER
        assert command.expires_at_us <= now_us(clock)
        assert command.expires_at_us - now_us(clock) >= -3 * US_PER_S
    assert hearing.silent == [], "the one that was never entered spoke for itself"


def test_the_gateway_that_hears_it_best_says_how():
    hearing, _, _ = listen(
        [
            ("gateway-a", [device("AA:00:00:00:00:01", -80), device("AA:00:00:00:00:02", -60)]),
            ("gateway-b", [device("AA:00:00:00:00:01", -55), device("AA:00:00:00:00:03", -70)]),
        ]
    )
    lines = [(line.device.address[-2:], line.gateway, line.adverts) for line in hearing.lines()]
    assert lines == [("01", "gateway-b", 20), ("02", "gateway-a", 10), ("03", "gateway-b", 10)]


def test_it_stops_as_soon_as_it_is_enough():
    hearing, _, clock = listen(
        [("gateway-a", [device("AA:00:00:00:00:01", -50)])],
        seconds=600,
        on_second=lambda now: bool(now.lines()),
    )
    assert clock.monotonic_ns() < 10e9
    assert hearing.lines()


def test_a_gateway_that_does_not_answer_is_named():
    hearing, _, _ = listen([("gateway-a", [])], entered=("gateway-a", "gateway-z"))
    assert hearing.silent == ["gateway-z"]
    assert "no answer from gateway-z" in render(device_list(hearing, []))


def test_what_others_publish_there_is_not_believed():
    def on_second(hearing):
        for topic, payload in (
            ("discovered", b"junk"),
            (
                "discovered",
                encode(
                    Discovered(
                        schema=MESSAGE_SCHEMA,
                        gateway="gateway-a",
                        command="another question",
                        at_us=1,
                        devices=[device("66:00:00:00:00:66", -10)],
                    )
                ),
            ),
            ("status", b"{}"),
        ):
            hearing._bus._broker.publish(topics.build(HOME, "gateway-a", topic), payload)
        return False

    hearing, _, _ = listen([("gateway-a", [])], on_second=on_second)
    assert hearing.lines() == []


def test_a_broker_that_is_not_there_is_told_with_what_to_do():
    class NoBroker(LocalBus):
        async def run(self, *_args, **_kwargs):
            await VirtualClock.sleep(self._clock, 10_000)

    with pytest.raises(NotHeardError, match="cannot be reached"):
        listen([], bus=NoBroker)


def test_a_broker_that_lets_nobody_ask_is_told_with_what_to_do():
    class NoLeave(LocalBus):
        async def publish(self, *_args, **_kwargs):
            raise PublishRefusedError("not authorised")

    with pytest.raises(NotHeardError, match="provision service devices"):
        listen([("gateway-a", [])], bus=NoLeave)


ENROLLED = [
    Enrolled(
        device="wearable-1",
        address="AA:00:00:00:00:01",
        kind="wardlight",
        is_sensor=False,
        identity=1,
        has_key=True,
        resident="resident-1",
        resident_name="Chan Tai Man",
        bed="2/F 211-A",
        zone="room-211",
    ),
    Enrolled(
        device="spare", address="AA:00:00:00:00:02", kind="polar", is_sensor=False, zone="lounge"
    ),
]


def test_the_table_says_what_it_is_whose_and_what_is_silent():
    hearing, _, _ = listen(
        [
            (
                "gateway-a",
                [
                    device("AA:00:00:00:00:01", -55, device="wearable-1", identity=7),
                    device("CC:00:00:00:00:01", -85, kind="bthome", model="BTHome sensor"),
                ],
                {"battery_days: wearable-1": 1.53, "heard_s_ago: spare": 240.0},
            )
        ]
    )
    found = device_list(hearing, ENROLLED)
    assert [(row.device, row.rssi_dbm) for row in found.devices] == [
        ("wearable-1", -55),
        (None, -85),
        ("spare", None),
    ]
    text = render(found)
    first, second, third = text.splitlines()[1:4]
    assert first.split() == [
        "▂▄▆█",
        "-55",
        "AA:00:00:00:00:01",
        "Wardlight",
        "wearable",
        "wearable-1",
        "2/F",
        "211-A",
        "(resident-1)",
        "1.5",
        "days",
        "now,",
        "gateway-a",
    ]
    assert "BTHome sensor" in second
    assert "nobody's lounge" in third
    assert "4 min ago" in third
    assert text.endswith(NOTHING_KEPT)
    assert "Chan" not in text, "no name"
    assert b"Chan" not in encode(found)


@pytest.mark.parametrize(
    ("rssi_dbm", "drawn"),
    [(-40, "▂▄▆█ -40"), (-65, "▂▄▆· -65"), (-95, "···· -95"), (None, "–")],
)
def test_bars(rssi_dbm, drawn):
    assert bars(rssi_dbm) == drawn


def test_a_terminal_is_given_no_more_than_it_has_room_for():
    text = "\n".join(("床位 2/F 211", "x" * 30, *"abcdef"))
    assert cropped(text, 8, 4) == "床位 2/F\nxxxxxxxx\na\n… 5 more"
    assert cropped(text, 80, 24) == text
