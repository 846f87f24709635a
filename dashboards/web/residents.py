"""The JSON API of what ingest has stored of each resident: events, the latest second, and one
measure over time. It is there only where a store can be read.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Annotated, Final, TypeVar

import msgspec
from fastapi import APIRouter, Path, Query
from starlette.responses import Response

from alerts.desk import Desk
from contract.clock import Clock, now_us
from contract.telemetry import SummaryPoint
from contract.units import US_PER_S
from dashboards.web.guard import RefusedError
from dashboards.web.problems import PREFIX, reply
from dashboards.web.schema import answers, array_of, reference
from ingest.read import METRICS, ReadSide, StoredEvent

T = TypeVar("T")

MAX_HOURS: Final = 168
"""A week of events in one answer: at a dozen a day far below the store's own limit."""

MAX_MINUTES: Final = 1_440
"""A day of seconds in one answer, about 2 MB of JSON."""

Metric = StrEnum("Metric", {name: name for name in METRICS})  # type: ignore[misc]
Metric.__doc__ = "What can be asked for over time."

_ResidentId = Annotated[str, Path(description="Pseudonymous id of a resident.")]
_Hours = Annotated[int, Query(ge=1, le=MAX_HOURS, description="How far back from now.")]
_Minutes = Annotated[int, Query(ge=1, le=MAX_MINUTES, description="How far back from now.")]
_MetricName = Annotated[Metric, Query(description="What to look at.")]


class ResidentEvent(msgspec.Struct, frozen=True, kw_only=True):
    """One event about a resident, as ingest stored it."""

    id: str
    kind: str
    at_us: int
    """When it happened, by the gateway's clock."""
    received_at_us: int
    """When ingest received it."""
    late: bool
    """It came later than the live view waits."""
    gateway: str
    device: str | None
    zone: str | None
    """Where the device was last heard."""
    fall_id: str | None
    """Same for all events about one fall."""
    cause: str | None
    """For a fault."""
    detail: str | None
    detector: str | None
    """Name and version of what said so."""
    score: float | None
    """0 to 1, higher is surer; no probability."""


class ResidentLatest(msgspec.Struct, frozen=True, kw_only=True):
    """The latest second of a resident's wearable."""

    point: SummaryPoint
    gateway: str
    late: bool
    """It came later than the live view waits."""
    synced: bool
    """Whether the gateway's clock could be believed."""


class ResidentSeries(msgspec.Struct, frozen=True, kw_only=True):
    """One measure over time, in the order of time."""

    metric: str
    at_us: list[int]
    """Beginnings of seconds."""
    values: list[float]
    """As many as times; the unit is the last part of the metric's name."""


RESIDENT_EXAMPLES: Final[tuple[msgspec.Struct, ...]] = (
    ResidentEvent(
        id="019b7a3c-5c00-7000-8000-000000000001",
        kind="fall_detected",
        at_us=1_767_297_600 * US_PER_S,
        received_at_us=1_767_297_603 * US_PER_S,
        late=False,
        gateway="gateway-a",
        device="wearable-1",
        zone="corridor-2",
        fall_id="019b7a3c-5800-7000-8000-000000000000",
        cause=None,
        detail="Impact of 3.1 g, then lying still.",
        detector="fall_convolution/1",
        score=0.91,
    ),
    ResidentSeries(metric="max_g", at_us=[1_767_297_600 * US_PER_S], values=[3.1]),
)
"""For the published OpenAPI."""

RESIDENT_VIEWS: Final[tuple[type, ...]] = (
    ResidentEvent,
    ResidentLatest,
    ResidentSeries,
    SummaryPoint,
)


class ResidentRoutes:
    """The operations, around one store.

    Parameters
    ----------
    desk
        Knows who lives here.
    reader
        The store, to read; called in threads.
    clock
        Tells what "now" is.
    """

    def __init__(self, desk: Desk, reader: ReadSide, clock: Clock) -> None:
        self._desk = desk
        self._reader = reader
        self._clock = clock
        self.router = APIRouter(prefix=f"{PREFIX}/residents/{{resident_id}}")
        refusals = {
            404: "There is no such resident.",
            422: "A parameter is out of its range.",
            503: "The store or the records cannot be read now.",
        }
        latest = {"anyOf": [reference(ResidentLatest), {"type": "null"}]}
        self._add("events", self.events, "What happened", array_of(ResidentEvent), refusals)
        self._add("latest", self.latest, "The latest second, if any", latest, refusals)
        self._add(
            "series", self.series, "One measure over time", reference(ResidentSeries), refusals
        )

    def _add(
        self,
        name: str,
        handler: Callable[..., object],
        summary: str,
        schema: Mapping[str, object],
        refusals: Mapping[int, str],
    ) -> None:
        self.router.add_api_route(
            f"/{name}",
            handler,
            summary=summary,
            tags=["residents"],
            responses=answers(schema, "What the store holds.", refusals),
        )

    async def events(self, resident_id: _ResidentId, hours: _Hours = 24) -> Response:
        """Alarms, notices and faults about a resident and what they wear, newest first."""
        end_us = now_us(self._clock) + US_PER_S
        start_us = end_us - hours * 3_600 * US_PER_S
        found = await self._read(
            resident_id, lambda: self._reader.events(start_us, end_us, resident=resident_id)
        )
        return reply([_event(each) for each in found])

    async def latest(self, resident_id: _ResidentId) -> Response:
        """Of several wearables, the one heard last; null if none ever was."""
        latest = await self._read(
            resident_id, lambda: self._reader.latest_of_residents(now_us(self._clock))
        )
        found = latest.get(resident_id)
        return reply(found and ResidentLatest(**found._asdict()))

    async def series(
        self, resident_id: _ResidentId, metric: _MetricName, minutes: _Minutes = 60
    ) -> Response:
        """Where it was measured; two gateways that heard one second give two entries."""
        end_us = now_us(self._clock) + US_PER_S
        start_us = end_us - minutes * 60 * US_PER_S
        found = await self._read(
            resident_id, lambda: self._reader.series(resident_id, metric, start_us, end_us)
        )
        at_us, values = found.at_us.tolist(), found.values.tolist()
        return reply(ResidentSeries(metric=metric, at_us=at_us, values=values))

    async def _read(self, resident_id: str, work: Callable[[], T]) -> T:
        """Ask the store about a resident who lives here.

        Raises
        ------
        RefusedError
            404, if nobody here has that id.
        """
        board = await asyncio.to_thread(self._desk.board)
        if all(resident.id != resident_id for resident in board.residents):
            raise RefusedError(404, "error_unknown_resident")
        return await asyncio.to_thread(work)


def _event(stored: StoredEvent) -> ResidentEvent:
    event = stored.event
    return ResidentEvent(
        id=event.id,
        kind=event.kind,
        at_us=event.at_us,
        received_at_us=stored.received_at_us,
        late=stored.late,
        gateway=event.gateway,
        device=event.device,
        zone=event.zone,
        fall_id=event.fall_id,
        cause=event.cause,
        detail=event.detail,
        detector=None if event.evidence is None else event.evidence.detector,
        score=None if event.evidence is None else event.evidence.score,
    )
