"""What a worker of ingest takes from a real mosquitto into its store, beside a bare aiomqtt
subscriber that only counts, and beside the same lines written straight to the store.

The broker, each worker and the peer are processes of their own; a worker is ``wardlight ingest``
as a home runs it, with receipts. *Small* messages are of one point and 264 bytes, as those that
the peers were measured with; *real* ones are a gateway's: six residents, ten seconds, compressed.
What is compared runs in turn, several times, and each keeps its best: a neighbour on the machine
slows a run down, and never speeds one up.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

from contract import topics, wire
from contract.clock import SystemClock
from contract.messages import Receipt, Status
from contract.protocols import Message
from contract.units import ns_to_seconds
from messaging import Mosquitto, MqttBus
from wardlight.bench_load import (
    GATEWAYS,
    HOME,
    Flood,
    Packet,
    Watched,
    counter,
    gateway_name,
    real_batches,
    service,
    small_batches,
    write_config,
)
from wardlight.running import background

SMALL_MESSAGES: Final = 15_000
"""The plain burst in which a peer lost up to 6,641 (PLATFORM.md)."""

REAL_MESSAGES: Final = 1_500
"""An hour of ten gateways is 3,600."""

WARM_UP: Final = 50 * GATEWAYS
"""Messages before the clock starts: imports, first transactions, caches."""

ROUNDS: Final = 3
PATIENCE_S: Final = 60.0
"""Without a receipt for so long the rest is lost."""

SETTLE_S: Final = 1.0
"""From a worker's first word until its second connection stands, too."""

LEAST_OF_COUNTING: Final = 0.5
MOST_CPU_S: Final = 0.10
"""CPU seconds for 1,000 small messages."""

MOST_OF_TWO: Final = 1.25
"""CPU for a message with two workers, as a ratio to one."""

CLOCK: Final = SystemClock()


class Ran(NamedTuple):
    """One run."""

    messages: int
    wall_s: float
    cpu_s: float
    lost: int

    @property
    def rate(self) -> float:
        """Messages a second."""
        return (self.messages - self.lost) / self.wall_s

    @property
    def cpu_s_per_1000(self) -> float:
        """CPU seconds for 1,000 messages."""
        return self.cpu_s / self.messages * 1_000


class Bench:
    """A broker, and what gateways hear of it.

    Parameters
    ----------
    mosquitto
        The broker, running.
    folder
        For stores and logs.
    """

    def __init__(self, mosquitto: Mosquitto, folder: Path) -> None:
        self.mosquitto = mosquitto
        self.workers: set[str] = set()
        self.up_to: dict[str, int] = {}
        """The prefix that ingest said is durable, of each gateway."""
        self.heard = asyncio.Event()
        self._folder = folder
        self._runs = 0

    async def hear(self, messages: Sequence[Message]) -> None:
        """Note receipts, and which workers there are."""
        for message in messages:
            topic = topics.parse(message.topic)
            if topic.branch == topics.STATUS:
                status = wire.decode(message.payload, Status)
                if status.online and not message.retained:
                    self.workers.add(status.session)
                continue
            receipt = wire.decode(message.payload, Receipt)
            if receipt.up_to_sequence is not None:
                known = self.up_to.get(topic.sender, 0)
                self.up_to[topic.sender] = max(known, receipt.up_to_sequence)
        self.heard.set()

    @asynccontextmanager
    async def workers_of(self, count: int, ingest: dict[str, str]) -> AsyncIterator[list[Watched]]:
        """So many workers on a new store, warm."""
        self._runs += 1
        self.workers.clear()
        self.up_to.clear()
        config = write_config(self._folder / str(self._runs), self.mosquitto.url, ingest)
        async with AsyncExitStack() as stack:
            started = [
                stack.enter_context(service("ingest", config, number + 1))
                for number in range(count)
            ]
            await self.until(lambda: len(self.workers) == count, started)
            await CLOCK.sleep(SETTLE_S)
            yield started

    async def until(self, condition: Any, needed: Sequence[Watched]) -> bool:
        """Wait for something that is heard; False if nothing was for `PATIENCE_S`.

        Raises
        ------
        RuntimeError
            If one of the processes that are needed has ended.
        """
        heard_ns = CLOCK.monotonic_ns()
        while not condition():
            for process in needed:
                if not process.runs:
                    raise RuntimeError(f"ingest ended: {process.log.read_text()[-2_000:]}")
            self.heard.clear()
            try:
                async with asyncio.timeout(1.0):  # the machine's seconds are what is measured
                    await self.heard.wait()
                heard_ns = CLOCK.monotonic_ns()
            except TimeoutError:
                if ns_to_seconds(CLOCK.monotonic_ns() - heard_ns) > PATIENCE_S:
                    return False
        return True

    def missing(self, sequence: int) -> int:
        """How many messages up to `sequence` of every gateway have no receipt."""
        return sum(
            max(0, sequence - self.up_to.get(gateway_name(number), 0)) for number in range(GATEWAYS)
        )

    async def flood(self, packets: Sequence[Packet]) -> None:
        """Send as fast as the broker takes it."""

        def send() -> None:
            flood = Flood(self.mosquitto.port, "flood")
            flood.send(packets)
            flood.close()

        await asyncio.to_thread(send)

    async def ingested(
        self, workers: int, warm_up: Sequence[Packet], packets: Sequence[Packet], **ingest: str
    ) -> Ran:
        """Warm up, send, and wait until all has its receipt."""
        first = len(warm_up) // GATEWAYS
        last = first + len(packets) // GATEWAYS
        async with self.workers_of(workers, ingest) as processes:
            await self.flood(warm_up)
            await self.until(lambda: self.missing(first) == 0, processes)
            before_s = [each.cpu_s() for each in processes]
            began_ns = CLOCK.monotonic_ns()
            await self.flood(packets)
            await self.until(lambda: self.missing(last) == 0, processes)
            wall_s = ns_to_seconds(CLOCK.monotonic_ns() - began_ns)
            cpu_s = sum(each.cpu_s() for each in processes) - sum(before_s)
            return Ran(len(packets), wall_s, cpu_s, self.missing(last))

    async def counted(self, packets: Sequence[Packet]) -> Ran:
        """The same messages to the peer that only counts."""
        with counter(self.mosquitto.port, len(packets), self._folder) as peer:
            before_s, began_ns = peer.cpu_s(), CLOCK.monotonic_ns()
            await self.flood(packets)
            await asyncio.to_thread(peer.line)
            wall_s = ns_to_seconds(CLOCK.monotonic_ns() - began_ns)
            return Ran(len(packets), wall_s, peer.cpu_s() - before_s, 0)


def _best(runs: Sequence[Ran]) -> Ran:
    """The least disturbed of each; what any lost is lost."""
    return Ran(
        runs[0].messages,
        min(run.wall_s for run in runs),
        min(run.cpu_s for run in runs),
        sum(run.lost for run in runs),
    )


async def _small(bench: Bench) -> list[dict[str, Any]]:
    warm_up = small_batches(WARM_UP)
    packets = small_batches(SMALL_MESSAGES, 1 + WARM_UP // GATEWAYS)
    alone, counting, two = [], [], []
    for _ in range(ROUNDS):
        counting.append(await bench.counted(packets))
        alone.append(await bench.ingested(1, warm_up, packets))
        two.append(await bench.ingested(2, warm_up, packets))
    peer, ours, both = _best(counting), _best(alone), _best(two)
    lost = ours.lost + both.lost
    return [
        row(
            "small messages into SQLite",
            ours.rate,
            "messages/s",
            f"counting {peer.rate:,.0f}",
            ours.rate / peer.rate,
            bar=LEAST_OF_COUNTING,
        ),
        row(
            "CPU with receipts",
            ours.cpu_s_per_1000,
            "CPU s per 1,000",
            f"counting {peer.cpu_s_per_1000:.3f}",
            ours.cpu_s_per_1000 / MOST_CPU_S,
            bar=1.0,
            is_most=True,
        ),
        row(
            "CPU of two workers",
            both.cpu_s_per_1000,
            "CPU s per 1,000",
            "one worker",
            both.cpu_s_per_1000 / ours.cpu_s_per_1000,
            bar=MOST_OF_TWO,
            is_most=True,
        ),
        none_lost("lost of plain bursts", lost, 2 * ROUNDS * SMALL_MESSAGES),
    ]


async def _real(bench: Bench) -> list[dict[str, Any]]:
    warm_up = real_batches(WARM_UP // 5)
    packets = real_batches(REAL_MESSAGES, 1 + WARM_UP // 5 // GATEWAYS)
    alone, counting = [], []
    for _ in range(ROUNDS):
        counting.append(await bench.counted(packets))
        alone.append(await bench.ingested(1, warm_up, packets))
    ours, peer = _best(alone), _best(counting)
    points = 60
    return [
        row(
            "gateways' batches into SQLite",
            ours.rate * points,
            "points/s",
            f"counting {peer.rate * points:,.0f}",
            ours.rate / peer.rate,
        ),
        row(
            "CPU of gateways' batches",
            ours.cpu_s_per_1000 / points,
            "CPU s per 1,000 points",
            None,
            None,
        ),
    ]


def row(
    name: str,
    value: float,
    unit: str,
    against: str | None,
    ratio: float | None,
    *,
    bar: float | None = None,
    is_most: bool = False,
) -> dict[str, Any]:
    """A row of the table; `is_most` where the bar is not to be passed."""
    is_ok = bar is None or ratio is None or (ratio <= bar if is_most else ratio >= bar)
    return {
        "name": name,
        "value": value,
        "unit": unit,
        "against": against,
        "ratio": ratio,
        "bar": bar,
        "ok": is_ok,
    }


def none_lost(name: str, lost: int, of: int) -> dict[str, Any]:
    """A row that must be none."""
    return row(name, lost, f"of {of:,}", "none", float(lost), bar=0.0, is_most=True)


async def _run(folder: Path) -> list[dict[str, Any]]:
    mosquitto = Mosquitto(folder / "broker", CLOCK)
    await mosquitto.start()
    try:
        bench = Bench(mosquitto, folder)
        bus = MqttBus(mosquitto.url, "gateways", CLOCK)
        filters = (
            topics.build(HOME, topics.ANY, topics.RECEIPT),
            topics.build(HOME, "ingest", topics.STATUS),
        )
        async with background(bus.run(filters, bench.hear)):
            return [*await _small(bench), *await _real(bench)]
    finally:
        mosquitto.stop()


def bench_ingest() -> list[dict[str, Any]]:
    """All rows.

    Raises
    ------
    RuntimeError
        If a process ended that should not.
    """
    with tempfile.TemporaryDirectory(prefix="wardlight-bench-") as folder:
        return asyncio.run(_run(Path(folder)))
