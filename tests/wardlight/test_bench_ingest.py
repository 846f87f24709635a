"""What the bench of ingest measures with: that it sends what it says, and counts what it lost."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest

from contract import topics, wire
from contract.clock import SystemClock, within
from contract.events import Receiver
from contract.messages import MESSAGE_SCHEMA, Outcome, Receipt
from contract.protocols import Message
from messaging import Mosquitto, MqttBus
from wardlight.bench_load import (
    GATEWAYS,
    HOME,
    SMALL_BYTES,
    Flood,
    Packet,
    decoded,
    gateway_name,
    real_batches,
    small_batches,
)
from wardlight.bench_runs import Bench, none_lost, row

CLOCK = SystemClock()
LIMIT_S = 60.0


def test_small_messages_are_as_long_as_those_of_the_peers_and_real_ones_are_a_gateways() -> None:
    small, real = small_batches(50, first=990), real_batches(20)
    assert {len(each.payload) for each in small} == {SMALL_BYTES}
    assert {len(each.points) for each in decoded(small)} == {1}
    assert {len(each.points) for each in decoded(real)} == {60}
    for packets in (small, real):
        batches = decoded(packets)
        assert len({(each.gateway, each.sequence) for each in batches}) == len(packets)
        seconds = {(point.at_us, point.device) for each in batches for point in each.points}
        assert len(seconds) == sum(len(each.points) for each in batches), "none falls on another"
    by_gateway = [each.sequence for each in decoded(small) if each.gateway == gateway_name(0)]
    assert by_gateway == [990, 991, 992, 993, 994]


def test_a_flood_arrives_whole_and_one_that_nobody_takes_is_told(tmp_path: Path) -> None:
    sent = [*small_batches(1200), Packet("long", bytes(200000)), Packet("empty", b"")]
    came: list[Packet] = []
    all_came, subscribed = asyncio.Event(), asyncio.Event()

    async def hear(messages: Sequence[Message]) -> None:
        came.extend(Packet(each.topic, each.payload) for each in messages)
        if len(came) >= len(sent):
            all_came.set()

    async def on_connected() -> None:
        subscribed.set()

    async def main() -> None:
        broker = Mosquitto(tmp_path / "broker", CLOCK)
        await broker.start()
        bus = MqttBus(broker.url, "hearer", CLOCK)
        running = asyncio.create_task(bus.run(["#"], hear, on_connected))
        flood = Flood(broker.port, "flood")
        try:
            await within(CLOCK, LIMIT_S, subscribed.wait())
            await asyncio.to_thread(flood.send, sent)
            await within(CLOCK, LIMIT_S, all_came.wait())
            broker.kill()
            with pytest.raises(ConnectionError):
                await asyncio.to_thread(flood.send, sent)
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            flood.abandon()
            broker.kill()

    asyncio.run(main())
    assert came == sent


def test_what_has_no_receipt_is_missing(tmp_path: Path) -> None:
    bench = Bench(Mosquitto(tmp_path, CLOCK), tmp_path)
    assert bench.missing(10) == 10 * GATEWAYS

    async def hear(gateway: str, up_to: int) -> None:
        receipt = Receipt(
            schema=MESSAGE_SCHEMA,
            by=Receiver.INGEST,
            outcome=Outcome.STORED,
            at_us=0,
            session="run",
            up_to_sequence=up_to,
        )
        topic = topics.build(HOME, gateway, topics.RECEIPT)
        await bench.hear([Message(topic, wire.encode(receipt))])

    async def main() -> None:
        await hear(gateway_name(0), 10)
        await hear(gateway_name(1), 4)
        await hear(gateway_name(1), 3)

    asyncio.run(main())
    assert bench.missing(10) == 10 * GATEWAYS - 14


def test_a_bar_is_a_least_or_a_most_and_one_lost_is_too_many() -> None:
    assert row("a", 1.0, "x", None, 0.5, bar=0.5)["ok"]
    assert not row("a", 1.0, "x", None, 0.49, bar=0.5)["ok"]
    assert row("a", 1.0, "x", None, 1.25, bar=1.25, is_most=True)["ok"]
    assert not row("a", 1.0, "x", None, 1.26, bar=1.25, is_most=True)["ok"]
    assert row("a", 1.0, "x", None, 9.0)["ok"]
    assert none_lost("a", 0, 5)["ok"]
    assert not none_lost("a", 1, 5)["ok"]
