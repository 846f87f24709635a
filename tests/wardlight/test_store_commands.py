"""``wardlight store``: from a file to influxd by the commands alone."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from contract.clock import SystemClock, now_us
from contract.telemetry import TELEMETRY_SCHEMA, SummaryPoint, TelemetryBatch
from tools.time_series import Influxd, ServerMissingError
from wardlight.cli import app
from wardlight.settings import load_settings
from wardlight.stores import open_reader, open_server, open_store

SETTINGS = """
[home]
id = "demo"
[ingest]
kind = "{kind}"
store = "{folder}/store.sqlite"
[ingest.influx]
url = "{url}"
"""


@pytest.fixture
def influxd(tmp_path: Path) -> Iterator[Influxd]:
    server = Influxd(tmp_path / "influxd", SystemClock())
    try:
        asyncio.run(server.start())
    except ServerMissingError as error:
        pytest.skip(str(error))
    yield server
    server.kill()


def batch(sequence: int, at_us: int) -> TelemetryBatch:
    points = [
        SummaryPoint(device="wearable-1", resident="resident-1", at_us=at_us + n, max_g=1.5)
        for n in range(0, 10_000_000, 1_000_000)
    ]
    return TelemetryBatch(
        schema=TELEMETRY_SCHEMA, home="demo", gateway="gateway-a", session="s", sequence=sequence,
        boot="b", clock="synced", sent_at_us=at_us, points=points,
    )  # fmt: skip


def store(settings: Path, *arguments: str) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["store", *arguments, "--config", str(settings)])
    return done.exit_code, done.output


def test_a_home_moves_by_the_commands_alone(tmp_path: Path, influxd: Influxd) -> None:
    before, after = tmp_path / "before.toml", tmp_path / "after.toml"
    for path, kind in ((before, "sqlite"), (after, "influx")):
        path.write_text(SETTINGS.format(kind=kind, folder=tmp_path, url=influxd.url))
    start_us = now_us(SystemClock()) // 1_000_000 * 1_000_000 - 60_000_000

    async def write(settings: Path, sequence: int) -> None:
        place = open_store(load_settings(settings))
        taken = batch(sequence, start_us + sequence * 10_000_000)
        await place.write([], [taken], now_us(SystemClock()))
        await place.close()

    def status(settings: Path) -> tuple[int, Any]:
        code, said = store(settings, "status", "--json")
        return code, json.loads(said)

    assert store(before, "migrate", "sqlite", "influx")[0] == 2, "there is nothing to move"
    asyncio.run(write(before, 1))
    code, found = status(before)
    assert (code, found["kind"], found["durable"], found["wearables"]) == (0, "sqlite", True, 1)
    code, said = store(before, "migrate", "sqlite", "influx")
    assert code == 1
    assert "database not found" in said
    assert status(after)[0] == 1
    code, said = store(before, "prepare")
    assert (code, said.splitlines()[0]) == (0, "wardlight: kept for 37d")
    code, said = store(before, "migrate", "sqlite", "influx")
    assert code == 0, said
    asyncio.run(write(before, 2))
    asyncio.run(write(after, 3))
    code, said = store(after, "migrate", "sqlite", "influx", "--json")
    assert (code, json.loads(said)["rows"]["point"]) == (0, 10)
    code, found = status(after)
    assert (code, found["kind"], found["fault"]) == (0, "influx", None)
    assert found["written_at_us"] >= start_us
    with closing(open_reader(load_settings(after))) as reader:
        series = reader.series("resident-1", "max_g", 0, 2**62)
        assert series.at_us.tolist() == list(
            range(start_us + 10_000_000, start_us + 40_000_000, 1_000_000)
        )


def test_only_what_can_be_moved_is(tmp_path: Path) -> None:
    path = tmp_path / "home.toml"
    path.write_text(SETTINGS.format(kind="sqlite", folder=tmp_path, url="http://127.0.0.1:9"))
    assert store(path, "migrate", "influx", "sqlite")[0] == 2


def test_what_goes_into_another_retention_policy_is_read_there(
    tmp_path: Path, influxd: Influxd
) -> None:
    path = tmp_path / "home.toml"
    text = SETTINGS.format(kind="influx", folder=tmp_path, url=influxd.url)
    path.write_text(text + 'retention_policy = "long"\n')
    assert store(path, "prepare")[0] == 0
    settings = load_settings(path)
    at_us = now_us(SystemClock()) - 60_000_000

    async def write() -> None:
        opened = open_store(settings)
        try:
            await opened.write([], [batch(1, at_us)], at_us)
        finally:
            await opened.close()

    with closing(open_server(settings.ingest.influx)) as server:
        server.tell('CREATE RETENTION POLICY "long" ON "wardlight" DURATION INF REPLICATION 1')
    asyncio.run(write())
    with closing(open_reader(settings)) as reader:
        assert reader.written_at_us() == at_us
        assert len(reader.series("resident-1", "max_g", at_us, at_us + 10_000_000).at_us) == 10
