"""Several ingest workers on one broker and one file, and what comes faster than it is taken."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from contract import topics, wire
from contract.clock import SystemClock
from contract.events import Event
from contract.messages import Receipt, Status
from contract.protocols import Message, NotConnectedError
from contract.units import ns_to_seconds
from ingest import GROUP, IngestService, SqliteStore, StoreReader, can_share, replay_dead, sharing
from ingest.letters import DeadLetter
from messaging import EmbeddedBroker, Mosquitto, MqttBus, connection

ROOT = Path(__file__).parents[2]
CLOCK = SystemClock()
LIMIT_S = 60.0
FOREVER_US = 4_000_000_000_000_000

WORKER = """
    import asyncio, sys
    from pathlib import Path
    from contract.clock import SystemClock
    from ingest import GROUP, IngestService, SqliteStore
    from messaging import MqttBus, connection

    connection.KEEPALIVE_S = 3  # a worker that hangs is missed in 4.5 s instead of 15
    url, path, session = sys.argv[1:]
    clock = SystemClock()
    bus, bulk = MqttBus(url, session, clock), MqttBus(url, session + "-bulk", clock)
    store = SqliteStore.open(Path(path))
    service = IngestService("demo", clock, bus, store, session, bulk=bulk, group=GROUP)
    asyncio.run(service.run())
"""


@contextmanager
def worker(url: str, path: Path, session: str) -> Iterator[subprocess.Popen[bytes]]:
    words = [sys.executable, "-c", textwrap.dedent(WORKER), url, str(path), session]
    process = subprocess.Popen(words, cwd=ROOT, stdout=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


async def until(condition: Any, what: str) -> None:
    began = CLOCK.monotonic_ns()
    while not condition():
        waited_s = ns_to_seconds(CLOCK.monotonic_ns() - began)
        assert waited_s < LIMIT_S, f"waited in vain: {what}"
        await CLOCK.sleep(0.02)


class Sender:
    """A gateway that resends what has no receipt, and sees which workers there are."""

    def __init__(self, url: str, messages: list[Any]) -> None:
        self.bus = MqttBus(url, "gateway-a", CLOCK)
        self.waiting = {self.key(each): each for each in messages}
        self.workers: dict[str, Status] = {}

    @staticmethod
    def key(message: Any) -> str | int:
        return message.id if isinstance(message, Event) else message.sequence

    async def hear(self, messages: Sequence[Message]) -> None:
        for message in messages:
            if message.topic.endswith(topics.STATUS):
                status = wire.decode(message.payload, Status)
                self.workers[status.session] = status
                continue
            receipt = wire.decode(message.payload, Receipt)
            for key in [*receipt.ids, *range(1, (receipt.up_to_sequence or 0) + 1)]:
                self.waiting.pop(key, None)

    async def send(self, limit: int) -> None:
        for message in list(self.waiting.values())[:limit]:
            if isinstance(message, Event):
                topic = topics.event_topic("demo", "gateway-a", message.kind)
            else:
                topic = topics.build("demo", "gateway-a", topics.TELEMETRY)
            with suppress(NotConnectedError):
                await self.bus.publish(topic, wire.encode(message))

    async def until_fewer(self, count: int) -> None:
        began = CLOCK.monotonic_ns()
        while len(self.waiting) >= count:
            assert ns_to_seconds(CLOCK.monotonic_ns() - began) < LIMIT_S, "waited in vain"
            await self.send(60)
            await CLOCK.sleep(0.05)


def test_workers_share_the_work_and_one_that_dies_or_hangs_loses_nothing(
    tmp_path: Path, event: Any, batch: Any
) -> None:
    path = tmp_path / "store.sqlite"
    events = [event(number) for number in range(1, 201)]
    batches = [batch(number) for number in range(1, 201)]
    broker = Mosquitto(tmp_path / "broker", CLOCK)

    async def main() -> None:
        await broker.start()
        sender = Sender(broker.url, [*events, *batches])
        heard = [
            topics.build("demo", "gateway-a", topics.RECEIPT),
            topics.build("demo", "ingest", topics.STATUS),
        ]
        listening = asyncio.create_task(sender.bus.run(heard, sender.hear))
        with (
            worker(broker.url, path, "one") as one,
            worker(broker.url, path, "two") as two,
            worker(broker.url, path, "three"),
        ):
            await until(lambda: len(sender.workers) == 3, "three workers")
            await sender.until_fewer(300)
            one.kill()
            await sender.until_fewer(200)
            os.kill(two.pid, signal.SIGSTOP)
            await sender.until_fewer(1)
            os.kill(two.pid, signal.SIGCONT)
            await until(
                lambda: all(each.online for name, each in sender.workers.items() if name != "one"),
                "both others",
            )
        listening.cancel()
        with suppress(asyncio.CancelledError):
            await listening

    try:
        asyncio.run(main())
    finally:
        broker.kill()
    reader = StoreReader(path)
    stored = sorted(each.event.id for each in reader.events(0, FOREVER_US))
    assert stored == [each.id for each in events]
    seconds = reader.series("resident-1", "max_g", 0, FOREVER_US).at_us.tolist()
    assert seconds == [point.at_us for each in batches for point in each.points], "each once"
    reader.close()


def test_a_shared_subscription_is_tried_and_not_believed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sharing, "ANSWER_S", 0.5)

    async def main() -> None:
        mosquitto, amqtt = Mosquitto(tmp_path, CLOCK), EmbeddedBroker()
        await mosquitto.start()
        await amqtt.start()
        try:
            for url, expected in ((mosquitto.url, True), (amqtt.url, False)):
                probe = MqttBus(url, "probe", CLOCK)
                assert await can_share(probe, CLOCK, "demo", "session") is expected
        finally:
            mosquitto.kill()
            await amqtt.stop()

    asyncio.run(main())


def test_what_comes_too_fast_is_let_go_and_counted_and_comes_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, event: Any
) -> None:
    monkeypatch.setattr(connection, "MAX_WAITING_BYTES", 100_000)
    entered, go_on = asyncio.Event(), asyncio.Event()

    class SlowStore(SqliteStore):
        async def write(self, *arguments: Any) -> Any:
            if arguments[0]:
                entered.set()
                await go_on.wait()
            return await super().write(*arguments)

    async def main() -> None:
        broker = Mosquitto(tmp_path / "broker", CLOCK)
        await broker.start()
        store = SlowStore(tmp_path / "store.sqlite")
        bus = MqttBus(broker.url, "ingest", CLOCK)
        service = asyncio.create_task(IngestService("demo", CLOCK, bus, store, "one").run())
        sender = Sender(broker.url, [event(number) for number in range(1, 500)])
        heard = [topics.build("demo", "gateway-a", topics.RECEIPT)]
        listening = asyncio.create_task(sender.bus.run(heard, sender.hear))
        try:
            await until(lambda: bus.connected and sender.bus.connected, "the broker")
            await sender.send(1)
            await entered.wait()
            await sender.send(500)
            await until(lambda: bus.shed > 0, "too many")
            go_on.set()
            await sender.until_fewer(1)
        finally:
            service.cancel()
            listening.cancel()
            await asyncio.gather(service, listening, return_exceptions=True)
            broker.kill()
            await store.close()

    asyncio.run(main())


def test_dead_letters_are_tried_again_while_another_worker_writes(
    tmp_path: Path, event: Any, batch: Any
) -> None:
    event_topic = topics.event_topic("demo", "gateway-a", event(1).kind)
    batch_topic = topics.build("demo", "gateway-a", topics.TELEMETRY)
    letters = [
        DeadLetter(event_topic, wire.encode(event(1)), "schema version 2 is unknown"),
        DeadLetter(batch_topic, wire.compress(wire.encode(batch(1))), "schema version 2"),
        DeadLetter(event_topic, wire.encode(event(2)), "schema version 2 is unknown"),
        DeadLetter(event_topic, b"garbage", "not a message"),
        DeadLetter("elsewhere", b"{}", "not a topic"),
    ]

    async def scenario() -> None:
        refuser = SqliteStore(tmp_path / "store.sqlite")
        await refuser.write_dead_letters(letters, 1)
        store = SqliteStore(tmp_path / "store.sqlite")
        await refuser.write([event(2)], [], 1)
        trial = await replay_dead(store.ledger, store, CLOCK, "demo", is_trial=True)
        assert (trial.tried, trial.stored) == (5, 3)
        replayed = await replay_dead(store.ledger, store, CLOCK, "demo", containing="schema")
        assert (replayed.tried, replayed.stored, replayed.repeated) == (3, 2, 1)
        again = await replay_dead(store.ledger, store, CLOCK, "demo")
        assert (again.tried, again.stored, sum(again.refused.values())) == (2, 0, 2)
        assert store.settled_up_to("demo", "gateway-a", batch(1).session) == 1
        reader = StoreReader(store.path)
        assert len(reader.events(0, FOREVER_US)) == 2
        assert {each.payload for each in reader.dead_letters()} == {b"garbage", b"{}"}
        reader.close()
        await store.close()
        await refuser.close()

    asyncio.run(scenario())


def test_the_group_of_workers_has_a_name() -> None:
    assert topics.shared(GROUP, "a/+") == "$share/ingest/a/+"
