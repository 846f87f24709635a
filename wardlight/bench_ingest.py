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
import statistics
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from contract import topics
from messaging import Mosquitto, MqttBus
from wardlight.bench_load import GATEWAYS, HOME, real_batches, small_batches
from wardlight.bench_runs import CLOCK, Bench, Ran, none_lost, row
from wardlight.bench_trouble import bench_alarms, bench_influx, bench_outage
from wardlight.running import background

SMALL_MESSAGES: Final = 15_000
"""The plain burst in which a peer lost up to 6,641 (PLATFORM.md)."""

REAL_MESSAGES: Final = 1_500
"""An hour of ten gateways is 3,600."""

WARM_UP: Final = 50 * GATEWAYS
"""Messages before the clock starts: imports, first transactions, caches."""

ROUNDS: Final = 3
LEAST_OF_COUNTING: Final = 0.5
MOST_CPU_S: Final = 0.10
"""CPU seconds for 1,000 small messages."""

MOST_OF_TWO: Final = 1.25
"""CPU for a message with two workers, as a ratio to one."""


def _best(runs: Sequence[Ran]) -> Ran:
    """The least disturbed of each; what any lost is lost."""
    return Ran(
        runs[0].messages,
        min(run.wall_s for run in runs),
        min(run.cpu_s for run in runs),
        sum(run.lost for run in runs),
    )


def _middle_ratio(ours: Sequence[Ran], peers: Sequence[Ran]) -> float:
    """Of the rates, run by run: what ran one after the other shared its disturbance."""
    return statistics.median(mine.rate / peer.rate for mine, peer in zip(ours, peers, strict=True))


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
            _middle_ratio(alone, counting),
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
            _middle_ratio(alone, counting),
        ),
        row(
            "CPU of gateways' batches",
            ours.cpu_s_per_1000 / points,
            "CPU s per 1,000 points",
            None,
            None,
        ),
    ]


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
            return [
                *await _small(bench),
                *await _real(bench),
                *await bench_alarms(bench),
                *await bench_outage(bench),
                *await bench_influx(bench),
            ]
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
