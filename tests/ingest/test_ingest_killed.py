"""A real mosquitto, ingest as a process of its own, and both are killed with -9 in mid-stream."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import textwrap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from contract import topics, wire
from contract.clock import SystemClock
from contract.events import Event
from contract.messages import Outcome, Receipt
from contract.protocols import Message, NotConnectedError
from contract.units import ns_to_seconds
from ingest import StoreReader
from messaging import Mosquitto, MqttBus

ROOT = Path(__file__).parents[2]
CLOCK = SystemClock()
LIMIT_S = 30.0
FOREVER_US = 4_000_000_000_000_000

INGEST = """
    import asyncio, sys
    from pathlib import Path
    from contract.clock import SystemClock
    from ingest import IngestService, SqliteStore
    from messaging import MqttBus

    url, path, session = sys.argv[1:]
    clock = SystemClock()
    bus = MqttBus(url, "ingest", clock)
    asyncio.run(IngestService("demo", clock, bus, SqliteStore.open(Path(path)), session).run())
"""


@contextmanager
def ingest_process(url: str, path: Path, session: str) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(INGEST), url, str(path), session],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


class Sender:
    """A gateway that resends everything that has no receipt yet."""

    def __init__(self, url: str, messages: list[Any]) -> None:
        self.bus = MqttBus(url, "gateway-a", CLOCK)
        self.waiting = {self.key(each): each for each in messages}
        self.total = len(messages)
        self.receipted: set[Any] = set()

    @staticmethod
    def key(message: Any) -> str | int:
        return message.id if isinstance(message, Event) else message.sequence

    async def hear(self, messages: Sequence[Message]) -> None:
        for message in messages:
            receipt = wire.decode(message.payload, Receipt)
            assert receipt.outcome is not Outcome.REJECTED
            done = [*receipt.ids, *range(1, (receipt.up_to_sequence or 0) + 1)]
            for key in done:
                self.waiting.pop(key, None)
                self.receipted.add(key)

    async def resend(self, limit: int) -> None:
        for message in list(self.waiting.values())[:limit]:
            topic = (
                topics.event_topic("demo", "gateway-a", message.kind)
                if isinstance(message, Event)
                else topics.build("demo", "gateway-a", topics.TELEMETRY)
            )
            with suppress(NotConnectedError):
                await self.bus.publish(topic, wire.encode(message))

    async def until_receipted(self, count: int) -> None:
        started = CLOCK.monotonic_ns()
        while len(self.receipted) < count:
            assert ns_to_seconds(CLOCK.monotonic_ns() - started) < LIMIT_S, "waited in vain"
            await self.resend(100)
            await CLOCK.sleep(0.02)


def test_what_got_a_receipt_is_there_whoever_was_killed(
    tmp_path: Path, event: Any, batch: Any
) -> None:
    path = tmp_path / "store.sqlite"
    events = [event(number) for number in range(1, 301)]
    batches = [batch(number) for number in range(1, 101)]
    broker = Mosquitto(tmp_path / "broker", CLOCK)

    def check(sender: Sender) -> None:
        reader = StoreReader(path)
        stored = {each.event.id for each in reader.events(0, FOREVER_US)}
        seconds = set(reader.series("resident-1", "max_g", 0, FOREVER_US).at_us.tolist())
        reader.close()
        for key in sender.receipted:
            assert key in stored or batches[int(key) - 1].points[0].at_us in seconds

    async def main() -> None:
        await broker.start()
        sender = Sender(broker.url, [*events, *batches])
        listening = asyncio.create_task(
            sender.bus.run([topics.build("demo", "gateway-a", topics.RECEIPT)], sender.hear)
        )
        for attempt, wanted in enumerate((60, 150)):
            with ingest_process(broker.url, path, f"killed-{attempt}") as process:
                await sender.until_receipted(wanted)
                process.kill()
            check(sender)
        with ingest_process(broker.url, path, "survives") as process:
            await sender.until_receipted(220)
            broker.kill()
            await CLOCK.sleep(0.3)
            await broker.start()
            await sender.until_receipted(sender.total)
            assert process.poll() is None, "a broker that dies takes nobody with it"
        check(sender)
        listening.cancel()
        with suppress(asyncio.CancelledError):
            await listening

    try:
        asyncio.run(main())
    finally:
        broker.kill()
    reader = StoreReader(path)
    assert sorted(each.event.id for each in reader.events(0, FOREVER_US)) == [
        each.id for each in events
    ]
    seconds = reader.series("resident-1", "max_g", 0, FOREVER_US).at_us.tolist()
    assert seconds == [point.at_us for each in batches for point in each.points]
    reader.close()
