"""Ingest under load and in trouble: alarms within telemetry, a store that stands still, and
InfluxDB beside the same lines written straight to it.
"""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
import psutil

from contract import topics, wire
from contract.clock import now_us
from contract.events import EVENT_SCHEMA, Event, EventKind
from contract.ids import UuidSource
from contract.units import ns_to_seconds
from messaging import MqttBus
from wardlight.bench_load import (
    GATEWAYS,
    HOME,
    RESIDENTS_OF_A_GATEWAY,
    Packet,
    decoded,
    gateway_name,
    real_batches,
    resident_name,
    service,
    small_batches,
)
from wardlight.bench_runs import CLOCK, Bench, none_lost, row
from wardlight.running import background
from wardlight.settings import Settings, load_settings
from wardlight.stores import databases_of, open_reader, open_server, open_sink

ALARMS: Final = 100
BETWEEN_ALARMS_S: Final = 0.06
LOAD_PIECE: Final = 2_000
"""Messages sent at one time, until the last alarm is through; as many again wait for their receipt
meanwhile, so that the worker always has something to do and is not sent more than it takes."""

LIMIT_MS: Final = 500.0
"""p99, from the publish to the later of both receipts."""

OUTAGE_S: Final = 10.0
OUTAGE_MESSAGES: Final = 12_500
"""As many as came while a peer's store stood still, of which it lost 6,000 (PLATFORM.md)."""

RESEND_S: Final = 2.0
RESEND_MESSAGES: Final = 2_000
REAL_MESSAGES: Final = 1_500
LINES_OF_A_REQUEST: Final = 5_000
"""As many as the store itself puts into one (`ingest.store.influx_write.MAX_LINES`)."""

LEAST_OF_STRAIGHT: Final = 0.35
ROUNDS: Final = 3
_FOREVER_US: Final = 4_000_000_000_000_000

Outage = Callable[[], AbstractAsyncContextManager[None]]


async def bench_alarms(bench: Bench) -> list[dict[str, Any]]:
    """Alarms while telemetry comes as fast as the broker takes it: both receipts."""
    ids = UuidSource(CLOCK)
    is_over = asyncio.Event()

    def is_nearly_taken(sequence: int) -> bool:
        return bench.missing(sequence) <= LOAD_PIECE

    async def load() -> int:
        sent = 0
        while not is_over.is_set():
            await bench.flood(small_batches(LOAD_PIECE, 1 + sent // GATEWAYS))
            sent += LOAD_PIECE
            await bench.until(partial(is_nearly_taken, sent // GATEWAYS), [])
        return sent

    took_ms: list[float] = []
    async with bench.workers_of(1, {}) as workers:
        with service("alerts", bench.config) as alerts:
            bus = MqttBus(bench.mosquitto.url, "alarms", CLOCK)
            async with background(bus.run((), _ignore)):
                await bench.until(lambda: bus.connected, [])
                await _alarm(bench, bus, _an_alarm(ids.new(), 0))
                loading = asyncio.create_task(load())
                for number in range(1, ALARMS + 1):
                    took_ms.append(await _alarm(bench, bus, _an_alarm(ids.new(), number)))
                    await CLOCK.sleep(BETWEEN_ALARMS_S)
                is_over.set()
                sent = await loading
            if not alerts.runs or not workers[0].runs:
                raise RuntimeError("a service ended under load")
    p50, p99 = np.percentile(took_ms, (50, 99))
    limit = f"{LIMIT_MS:.0f} ms, within {sent:,} messages"
    return [
        row("alarm under full telemetry, p50", float(p50), "ms", limit, float(p50) / LIMIT_MS),
        row(
            "alarm under full telemetry, p99",
            float(p99),
            "ms",
            limit,
            float(p99) / LIMIT_MS,
            bar=1.0,
            is_most=True,
        ),
    ]


async def _ignore(_messages: object) -> None:
    """The bench hears receipts over its own connection."""


def _an_alarm(identifier: str, number: int) -> Event:
    resident = number % (GATEWAYS * RESIDENTS_OF_A_GATEWAY)
    moment_us = now_us(CLOCK)
    return Event(
        schema=EVENT_SCHEMA,
        id=identifier,
        kind=EventKind.HELP_REQUESTED,
        home=HOME,
        gateway=gateway_name(resident // RESIDENTS_OF_A_GATEWAY),
        session="run",
        sequence=number,
        boot="",
        clock="synced",
        at_us=moment_us,
        emitted_at_us=moment_us,
        age_ms=0,
        resident=resident_name(resident),
    )


async def _alarm(bench: Bench, bus: MqttBus, alarm: Event) -> float:
    """Milliseconds until both receipts are there."""
    began_ns = CLOCK.monotonic_ns()
    topic = topics.event_topic(HOME, alarm.gateway, alarm.kind)
    while len(bench.told.get(alarm.id, ())) < 2:
        await bus.publish(topic, wire.encode(alarm))
        sent_ns = CLOCK.monotonic_ns()
        while (
            len(bench.told.get(alarm.id, ())) < 2
            and ns_to_seconds(CLOCK.monotonic_ns() - sent_ns) < RESEND_S
        ):
            await CLOCK.sleep(0.001)
    return ns_to_seconds(CLOCK.monotonic_ns() - began_ns) * 1e3


async def bench_outage(bench: Bench) -> list[dict[str, Any]]:
    """SQLite is locked by somebody else for ten seconds."""

    @asynccontextmanager
    async def locked() -> AsyncIterator[None]:
        other = sqlite3.connect(bench.config.with_name("store.sqlite"), isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        try:
            yield
        finally:
            other.execute("ROLLBACK")
            other.close()

    return [none_lost("lost while SQLite is locked for 10 s", *await _outage(bench, {}, locked))]


async def _outage(bench: Bench, ingest: dict[str, str], outage: Outage) -> tuple[int, int]:
    """What is not in the store in the end, or more than once, and of how many messages."""
    last = OUTAGE_MESSAGES // GATEWAYS
    packets = small_batches(OUTAGE_MESSAGES)
    async with bench.workers_of(1, ingest) as workers:
        await bench.flood(packets[:GATEWAYS])
        await bench.until(lambda: bench.missing(1) == 0, workers)
        async with outage():
            pieces = 50
            for piece in range(pieces):
                size = OUTAGE_MESSAGES // pieces
                await bench.flood(packets[piece * size : (piece + 1) * size])
                await CLOCK.sleep(OUTAGE_S / pieces)
        while bench.missing(last):
            if not workers[0].runs:
                raise RuntimeError(f"ingest ended: {workers[0].log.read_text()[-2_000:]}")
            await CLOCK.sleep(RESEND_S)
            await bench.flood(_unsettled(bench, packets)[:RESEND_MESSAGES])
    reader = open_reader(load_settings(bench.config))
    stored = [
        len(reader.series(resident_name(number), "max_g", 0, _FOREVER_US).at_us)
        for number in range(0, GATEWAYS * RESIDENTS_OF_A_GATEWAY, RESIDENTS_OF_A_GATEWAY)
    ]
    reader.close()
    return sum(abs(count - last) for count in stored), OUTAGE_MESSAGES


def _unsettled(bench: Bench, packets: list[Packet]) -> list[Packet]:
    """What an outbox would send again, in its order."""
    return [
        packet
        for number, packet in enumerate(packets)
        if number // GATEWAYS + 1 > bench.up_to.get(gateway_name(number % GATEWAYS), 0)
    ]


async def bench_influx(bench: Bench) -> list[dict[str, Any]]:
    """Into influxd 1.x; nothing where it is not installed."""
    if shutil.which("influxd") is None:
        return [
            row("into influxd: it is not installed", 0.0, "apt-get install influxdb", None, None)
        ]
    from tools.time_series import Influxd

    influxd = Influxd(bench.folder / "influxd", CLOCK)
    await influxd.start()
    try:
        return await _influx(bench, influxd)
    finally:
        influxd.kill()


async def _influx(bench: Bench, influxd: Any) -> list[dict[str, Any]]:
    warm_up, packets = real_batches(GATEWAYS * 10), real_batches(REAL_MESSAGES, 11)
    ratios, rates, straight, cpu_s = [], [], [], []
    for number in range(ROUNDS):
        ingest = await asyncio.to_thread(_database, bench.folder, influxd.url, f"bench{number}")
        ran = await bench.ingested(1, warm_up, packets, **ingest)
        settings = load_settings(bench.config)
        points = sum(len(batch.points) for batch in decoded(packets))
        straight.append(points / await asyncio.to_thread(_write_straight, settings, packets))
        rates.append(ran.rate * points / len(packets))
        ratios.append(rates[-1] / straight[-1])
        cpu_s.append(ran.cpu_s / points * 1_000)

    @asynccontextmanager
    async def stopped() -> AsyncIterator[None]:
        process = psutil.Process(influxd.pid)
        process.suspend()
        try:
            yield
        finally:
            process.resume()

    ingest = await asyncio.to_thread(_database, bench.folder, influxd.url, "outage")
    return [
        row(
            "gateways' batches into influxd",
            max(rates),
            "points/s",
            f"straight {max(straight):,.0f}",
            float(np.median(ratios)),
            bar=LEAST_OF_STRAIGHT,
        ),
        row("CPU of them", min(cpu_s), "CPU s per 1,000 points", None, None),
        none_lost(
            "lost while influxd stands still for 10 s", *await _outage(bench, ingest, stopped)
        ),
    ]


def _database(folder: Path, url: str, name: str) -> dict[str, str]:
    """A new database and the settings for it."""
    ingest = {"kind": "influx", "influx.url": url, "influx.database": name}
    path = folder / f"{name}.toml"
    path.write_text(
        "[ingest]\n" + "".join(f'{key} = "{value}"\n' for key, value in ingest.items()), "utf-8"
    )
    influx = load_settings(path).ingest.influx
    server = open_server(influx)
    for database in databases_of(influx):
        server.tell(f'CREATE DATABASE "{database}"')
    server.close()
    return ingest


def _write_straight(settings: Settings, packets: list[Packet]) -> float:
    """Seconds that the lines of the packets take, made before and sent as the store sends them."""
    from ingest.store.influx_lines import Origin, point_line

    lines = [
        point_line(Origin(HOME, batch.gateway, late=False, synced=True), point, lane)
        for batch in decoded(packets)
        for lane, point in enumerate(batch.points)
    ]
    influx = settings.ingest.influx
    server = open_server(influx)
    server.tell('DROP DATABASE "straight"')
    server.tell('CREATE DATABASE "straight"')
    server.close()
    sink = open_sink(influx, "straight")
    began_ns = CLOCK.monotonic_ns()
    for start in range(0, len(lines), LINES_OF_A_REQUEST):
        sink.send(b"\n".join(lines[start : start + LINES_OF_A_REQUEST]))
    took_s = ns_to_seconds(CLOCK.monotonic_ns() - began_ns)
    sink.close()
    return took_s
