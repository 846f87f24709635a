"""Ingest on influxd: killed in the middle, it costs time and nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from contract.clock import SystemClock
from contract.events import FaultCause
from contract.messages import Outcome
from tests.ingest.places import InfluxdPlace, started
from tools.time_series import Influxd, ServerMissingError


@pytest.fixture
def influxd(tmp_path: Path) -> Iterator[Influxd]:
    server = Influxd(tmp_path / "influxd", SystemClock())
    try:
        started(server)
    except ServerMissingError as error:
        pytest.skip(str(error))
    yield server
    server.kill()


def test_what_came_while_influxd_was_gone_is_there_once(
    scene: Any, influxd: Influxd, tmp_path: Path, event: Any, batch: Any
) -> None:
    place = InfluxdPlace(tmp_path / "home", influxd, "home")

    async def scenario() -> None:
        scene.store = place.open()
        async with scene.serving() as service:
            await scene.send(event(1), batch(1))
            assert len(scene.receipts()) == 2
            influxd.kill()
            await scene.send(event(2), batch(2))
            assert scene.receipts() == [], "no receipt for what is nowhere"
            assert FaultCause.STORE_UNWRITABLE.value in scene.statuses[-1].faults
            await asyncio.get_running_loop().run_in_executor(None, start_apart, influxd)
            await scene.clock.sleep(12)  # the heartbeat notices by itself
            assert scene.statuses[-1].faults == []
            await scene.send(event(1), event(2), batch(2), batch(1), batch(3))
            found = {(each.outcome, *each.ids, each.up_to_sequence) for each in scene.receipts()}
            assert found == {
                (Outcome.DUPLICATE, event(1).id, None),
                (Outcome.STORED, event(2).id, None),
                (Outcome.STORED, 3),
            }
            assert service.health.counts["points_stored"] == 9

    scene.run(scenario)
    assert place.points() == [p.at_us for n in (1, 2, 3) for p in batch(n).points]
    with closing(place.reader()) as reader:
        assert [each.event.id for each in reader.events(0, 2**62)] == [event(2).id, event(1).id]


def start_apart(server: Influxd) -> None:
    """Start it beside a virtual clock, whose loop runs already."""
    with ThreadPoolExecutor(1) as thread:
        thread.submit(started, server).result()
