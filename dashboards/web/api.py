"""The JSON API: what the board shows and does, for programs. Identity is a field of the body:
no cookie counts here, so that no web page can act in a carer's name.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Annotated, Final, TypeVar

import msgspec
import structlog
from fastapi import APIRouter, Path, Request
from starlette.responses import Response

from alerts.desk import Desk
from alerts.views import (
    AbsenceView,
    Board,
    CheckView,
    IncidentView,
    ResolutionOutcome,
    StaffView,
    SwapView,
)
from contract.clock import Clock
from contract.messages import AbsenceKind
from contract.units import NS_PER_MS
from dashboards.web import examples
from dashboards.web.acts import MAX_NOTE_CHARACTERS
from dashboards.web.live import BoardFeed
from dashboards.web.problems import PREFIX, problem, reply
from dashboards.web.schema import answers, array_of, body, reference

T = TypeVar("T")
_log = structlog.get_logger(__name__)


_STAFF_ID = Annotated[
    str, msgspec.Meta(description="Who acts, from the list of staff.", min_length=1, max_length=64)
]


class Act(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Somebody acts."""

    staff_id: _STAFF_ID


class Resolution(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Somebody says what it was."""

    staff_id: _STAFF_ID
    outcome: ResolutionOutcome
    note: Annotated[str, msgspec.Meta(description="Free text.", max_length=MAX_NOTE_CHARACTERS)] = (
        ""
    )


_UNTIL_US = Annotated[
    int, msgspec.Meta(description="Expected end, microseconds since 1970 UTC.", ge=0)
]


class Away(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Somebody says that a resident's wearable is off or away."""

    staff_id: _STAFF_ID
    kind: AbsenceKind
    until_us: _UNTIL_US | None = None
    """Expected end; default what is usual for this kind."""


class BackAt(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Somebody says until when."""

    staff_id: _STAFF_ID
    until_us: _UNTIL_US


class Health(msgspec.Struct, frozen=True, kw_only=True):
    """Whether the board can be believed."""

    status: Annotated[
        str,
        msgspec.Meta(
            description="`ok`, or `degraded` while a gateway or service is not heard.",
            pattern="^(ok|degraded)$",
        ),
    ]
    revision: Annotated[int, msgspec.Meta(description="Of the board that was read just now.")]
    read_ms: Annotated[float, msgspec.Meta(description="Milliseconds that reading it took.")]
    boards_open: Annotated[int, msgspec.Meta(description="Browsers that watch live.")]
    not_heard: Annotated[list[str], msgspec.Meta(description="Gateways and services.")]


API_EXAMPLES: Final[tuple[msgspec.Struct, ...]] = (
    examples.BOARD,
    examples.INCIDENT,
    examples.CHECK,
    examples.STAFF,
    Act(staff_id=examples.STAFF.id),
    Resolution(
        staff_id=examples.STAFF.id,
        outcome=ResolutionOutcome.TRUE_FALL_NO_INJURY,
        note="Slid off the bed.",
    ),
    examples.ABSENCE,
    Away(staff_id=examples.STAFF.id, kind=AbsenceKind.BATHING),
    BackAt(staff_id=examples.STAFF.id, until_us=examples.ABSENCE.until_us),
    Health(status="ok", revision=42, read_ms=3.2, boards_open=2, not_heard=[]),
)
"""For the published OpenAPI."""


class BadBodyError(ValueError):
    """A request body that is not what the schema says; the reason is the message."""


_IncidentId = Annotated[str, Path(description="Id of an incident.")]

_ResidentId = Annotated[str, Path(description="Pseudonymous id of a resident.")]

_FaultId = Annotated[int, Path(description="Id of a fault.", ge=0, lt=2**53)]

_AbsenceId = Annotated[str, Path(description="Id of an absence.")]

_CheckId = Annotated[str, Path(description="Id of a manual check.")]

_NO_INCIDENT: Final = "There is no such incident (or no such staff member)."
_WRONG_STATE: Final = "The incident has moved on; look again."
_BAD_BODY: Final = "The body is not what the schema says."
_NO_RECORDS: Final = "The records cannot be read now."
_ACT_REFUSALS: Final = {
    403: "The request comes from a page of another site.",
    404: _NO_INCIDENT,
    409: _WRONG_STATE,
    411: "The request has no `Content-Length`.",
    413: "The body is too long.",
    422: _BAD_BODY,
    503: _NO_RECORDS,
}


_CHECK_REFUSALS: Final = {
    status: reason for status, reason in _ACT_REFUSALS.items() if status != 409
} | {404: "There is no such manual check (or no such staff member)."}


_FAULT_REFUSALS: Final = _CHECK_REFUSALS | {
    404: "There is no such fault of two wearables (or no such staff member)."
}

_ABSENCE_REFUSALS: Final = _CHECK_REFUSALS | {
    404: "There is no such resident, absence or staff member.",
    422: "The body is not what the schema says, or the end cannot be.",
}


async def read_body(request: Request, kind: type[T]) -> T:
    """The request's body as `kind`.

    Raises
    ------
    BadBodyError
        If it is not JSON, or not of that shape.
    """
    try:
        return msgspec.json.decode(await request.body(), type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadBodyError(str(error)) from error


async def bad_body(_request: Request, error: Exception) -> Response:
    """The answer to `BadBodyError`."""
    return problem(422, str(error), f"Send what the schema at {PREFIX}/openapi.json says.")


class ApiRoutes:
    """The operations, around one desk.

    Parameters
    ----------
    desk
        Called in threads.
    feed
        Tells how many boards watch live.
    clock
        Times the reading for `health`.
    """

    def __init__(self, desk: Desk, feed: BoardFeed, clock: Clock) -> None:
        self._desk = desk
        self._feed = feed
        self._clock = clock
        self.router = APIRouter(prefix=PREFIX)
        self._add_reading()
        self._add_acting()

    def _add_reading(self) -> None:
        add = self.router.add_api_route
        unreadable = {503: _NO_RECORDS}
        add(
            "/board",
            self.board,
            summary="Everything that staff see at a glance",
            tags=["look"],
            responses=answers(reference(Board), "The board now.", unreadable),
        )
        add(
            "/incidents/{incident_id}",
            self.incident,
            summary="One incident, whole",
            tags=["look"],
            responses=answers(
                reference(IncidentView),
                "The incident as it stands.",
                {404: "There is no such incident.", **unreadable},
            ),
        )
        add(
            "/staff",
            self.staff,
            summary="Who may answer",
            tags=["look"],
            responses=answers(array_of(StaffView), "Everybody who may act.", unreadable),
        )
        add(
            "/health",
            self.health,
            summary="Whether the board can be believed",
            tags=["look"],
            responses=answers(
                reference(Health),
                "The records were read for this answer.",
                unreadable,
            ),
        )

    def _add_acting(self) -> None:
        act, resolution = body(Act), body(Resolution)
        operations = (
            ("acknowledge", self.acknowledge, "Somebody is going there", act),
            ("arrive", self.arrive, "Somebody is with the resident", act),
            ("resolve", self.resolve, "Somebody says what it was", resolution),
        )
        for name, handler, summary, request_body in operations:
            self.router.add_api_route(
                f"/incidents/{{incident_id}}/{name}",
                handler,
                methods=["POST"],
                summary=summary,
                tags=["act"],
                openapi_extra=request_body,
                responses=answers(
                    reference(IncidentView),
                    "The incident as it stands now, whoever acted first.",
                    _ACT_REFUSALS,
                ),
            )
        self.router.add_api_route(
            "/checks/{check_id}/done",
            self.checked,
            methods=["POST"],
            summary="Somebody has looked after beds that are not being monitored",
            tags=["act"],
            openapi_extra=act,
            responses=answers(reference(CheckView), "The check as it stands now.", _CHECK_REFUSALS),
        )
        self.router.add_api_route(
            "/faults/{fault_id}/exchange",
            self.exchange,
            methods=["POST"],
            summary="Two residents wear each other's wearables",
            tags=["act"],
            openapi_extra=act,
            responses=answers(reference(SwapView), "Whose each is now.", _FAULT_REFUSALS),
        )
        absences = (
            ("/residents/{resident_id}/absence", self.absent, "A wearable is off or away", Away),
            ("/absences/{absence_id}/until", self.back_at, "It is so until another time", BackAt),
            ("/absences/{absence_id}/back", self.back, "She is back, or wears it again", Act),
        )
        for path, absence_handler, summary, kind in absences:
            self.router.add_api_route(
                path,
                absence_handler,
                methods=["POST"],
                summary=summary,
                tags=["act"],
                openapi_extra=body(kind),
                responses=answers(
                    reference(AbsenceView), "How it stands now, whoever said so.", _ABSENCE_REFUSALS
                ),
            )

    async def board(self) -> Response:
        """Alerts that are not resolved, falls in the making, faults, residents, services."""
        return reply(await asyncio.to_thread(self._desk.board))

    async def incident(self, incident_id: _IncidentId) -> Response:
        """With its events and its log."""
        return reply(await asyncio.to_thread(self._desk.incident, incident_id))

    async def staff(self) -> Response:
        """Their ids are what `staff_id` takes."""
        return reply(await asyncio.to_thread(self._desk.staff))

    async def health(self) -> Response:
        """Reads the whole board; a status of 503 means that it cannot be read."""
        began_ns = self._clock.monotonic_ns()
        board = await asyncio.to_thread(self._desk.board)
        read_ms = (self._clock.monotonic_ns() - began_ns) / NS_PER_MS
        not_heard = [service.name for service in board.services if not service.online]
        return reply(
            Health(
                status="degraded" if not_heard else "ok",
                revision=board.revision,
                read_ms=round(read_ms, 3),
                boards_open=self._feed.watching,
                not_heard=not_heard,
            )
        )

    async def acknowledge(self, request: Request, incident_id: _IncidentId) -> Response:
        """Stops the calls and the sounders, and starts the arrival clock. Look at
        `acknowledged_by`: somebody may have been quicker.
        """
        act = await read_body(request, Act)
        return await self._act(self._desk.acknowledge, incident_id, act.staff_id)

    async def arrive(self, request: Request, incident_id: _IncidentId) -> Response:
        """Stops the arrival clock."""
        act = await read_body(request, Act)
        return await self._act(self._desk.arrive, incident_id, act.staff_id)

    async def resolve(self, request: Request, incident_id: _IncidentId) -> Response:
        """Closes the incident with what a person found."""
        found = await read_body(request, Resolution)
        return await self._act(
            self._desk.resolve, incident_id, found.staff_id, found.outcome, found.note
        )

    async def checked(self, request: Request, check_id: _CheckId) -> Response:
        """The next look is due anew. Look at `checked_by`: somebody may have been quicker."""
        act = await read_body(request, Act)
        view = await asyncio.to_thread(self._desk.checked, check_id, act.staff_id)
        _log.info("acted", action="checked", check=check_id, staff=act.staff_id, via="api")
        return reply(view)

    async def absent(self, request: Request, resident_id: _ResidentId) -> Response:
        """Until its end that it is not worn or not heard is no fault; falls and the button alarm
        as ever. Look at `by`: somebody may have been quicker.
        """
        said = await read_body(request, Away)
        view = await asyncio.to_thread(
            self._desk.absent, resident_id, said.kind, said.staff_id, said.until_us
        )
        return self._said(view, "absent", said.staff_id)

    async def exchange(self, request: Request, fault_id: _FaultId) -> Response:
        """For the fault `wearables_swapped`: each of the two is given to who wears it. Look at
        `by`: somebody may have been quicker.
        """
        act = await read_body(request, Act)
        view = await asyncio.to_thread(self._desk.exchange, fault_id, act.staff_id)
        _log.info("acted", action="exchange", fault=fault_id, staff=act.staff_id, via="api")
        return reply(view)

    async def back_at(self, request: Request, absence_id: _AbsenceId) -> Response:
        """An absolute time, so that saying it twice is saying it once."""
        said = await read_body(request, BackAt)
        view = await asyncio.to_thread(self._desk.back_at, absence_id, said.staff_id, said.until_us)
        return self._said(view, "back_at", said.staff_id)

    async def back(self, request: Request, absence_id: _AbsenceId) -> Response:
        """Look at `ended_by`: somebody may have been quicker."""
        act = await read_body(request, Act)
        view = await asyncio.to_thread(self._desk.back, absence_id, act.staff_id)
        return self._said(view, "back", act.staff_id)

    @staticmethod
    def _said(view: AbsenceView, action: str, staff_id: str) -> Response:
        _log.info("acted", action=action, absence=view.id, staff=staff_id, via="api")
        return reply(view)

    async def _act(
        self, action: Callable[..., IncidentView], incident_id: str, staff_id: str, *more: object
    ) -> Response:
        view = await asyncio.to_thread(action, incident_id, staff_id, *more)
        _log.info("acted", action=action.__name__, incident=incident_id, staff=staff_id, via="api")
        return reply(view)
