"""How the benches of ingest run it: workers as processes, a broker, and what gateways hear."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

from contract import topics, wire
from contract.clock import SystemClock
from contract.events import Receiver
from contract.messages import Receipt, Status
from contract.protocols import Message
from contract.units import ns_to_seconds
from messaging import Mosquitto
from wardlight.bench_load import (
    GATEWAYS,
    Flood,
    Packet,
    Watched,
    counter,
    gateway_name,
    service,
    write_config,
)

PATIENCE_S: Final = 60.0
"""Without a receipt for so long the rest is lost."""

SETTLE_S: Final = 1.0
"""From a worker's first word until its second connection stands, too."""

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
        self.told: dict[str, set[Receiver]] = {}
        """Who gave a receipt for an alarm."""
        self.folder = folder
        self.config = folder
        """Settings of the latest workers."""
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
            for alarm in receipt.ids:
                self.told.setdefault(alarm, set()).add(receipt.by)
            if receipt.up_to_sequence is not None:
                known = self.up_to.get(topic.sender, 0)
                self.up_to[topic.sender] = max(known, receipt.up_to_sequence)
        self.heard.set()

    @asynccontextmanager
    async def workers_of(self, count: int, ingest: dict[str, str]) -> AsyncIterator[list[Watched]]:
        """So many workers on a new store, warm."""
        self._runs += 1
        self.workers.clear()
        self.config = write_config(self.folder / str(self._runs), self.mosquitto.url, ingest)
        async with AsyncExitStack() as stack:
            started = [
                stack.enter_context(service("ingest", self.config, number + 1))
                for number in range(count)
            ]
            await self.until(lambda: len(self.workers) == count, started)
            await CLOCK.sleep(SETTLE_S)
            self.up_to.clear()  # a receipt of the workers before may have come late
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
        with counter(self.mosquitto.port, len(packets), self.folder) as peer:
            before_s, began_ns = peer.cpu_s(), CLOCK.monotonic_ns()
            await self.flood(packets)
            await asyncio.to_thread(peer.line)
            wall_s = ns_to_seconds(CLOCK.monotonic_ns() - began_ns)
            return Ran(len(packets), wall_s, peer.cpu_s() - before_s, 0)


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
