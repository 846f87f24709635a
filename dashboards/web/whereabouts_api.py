"""The JSON API of what somebody is called for by where a resident is."""

from __future__ import annotations

import asyncio
from typing import Annotated, Final

import msgspec
import structlog
from fastapi import APIRouter, Path, Request
from starlette.responses import Response

from alerts.desk import Desk
from alerts.views import ChoiceLine, WhereaboutsView, ZoneView
from contract.whereabouts import LONGEST_NOT_RETURNED_MINUTES, WhereaboutsPolicy, ZoneUse
from dashboards.web import examples
from dashboards.web.api import read_body
from dashboards.web.problems import PREFIX, reply
from dashboards.web.schema import answers, body, reference

_log = structlog.get_logger(__name__)


class AskWhereabouts(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All that is asked for a resident from now on: what is left out would be taken back unsaid, so
    nothing may be but the version.
    """

    staff_id: Annotated[
        str, msgspec.Meta(description="A nurse, health worker or manager.", max_length=64)
    ]
    at_risk: bool
    """She may not leave alone: exits, and leaving her safe zones, call somebody."""
    safe_zones: list[str]
    """Where she may be alone; none: everywhere but outside."""
    bed_exit: bool
    """Each time that she leaves her bed at night."""
    night_wandering: bool
    not_returned_minutes: Annotated[
        int,
        msgspec.Meta(
            description="So long after she left for the toilet; 0 never.",
            ge=0,
            le=LONGEST_NOT_RETURNED_MINUTES,
        ),
    ]
    inactive: bool
    version: int | None = None
    """Of the view that was looked at: refused if somebody has changed it since."""


_POLICY: Final = WhereaboutsPolicy(at_risk=True, safe_zones=["lounge", "room-212"])

WHEREABOUTS_VIEWS: Final[tuple[type, ...]] = (
    WhereaboutsView,
    WhereaboutsPolicy,
    ZoneView,
    ChoiceLine,
    AskWhereabouts,
)

WHEREABOUTS_EXAMPLES: Final[tuple[msgspec.Struct, ...]] = (
    WhereaboutsView(
        resident_id="resident-1",
        name="Chan Tai Man",
        bed="2/F 212-B",
        policy=_POLICY,
        zones=[ZoneView(zone="lounge", use=ZoneUse.COMMON, floor="2")],
        version=3,
        log=[
            ChoiceLine(
                at_us=examples.BOARD.at_us,
                by="Lau Ka Yan",
                policy=_POLICY,
                before=WhereaboutsPolicy(),
            )
        ],
    ),
    AskWhereabouts(
        staff_id="staff-ka-yan",
        at_risk=True,
        safe_zones=["lounge", "room-212"],
        bed_exit=False,
        night_wandering=True,
        not_returned_minutes=30,
        inactive=True,
    ),
)
"""For the published OpenAPI."""

_ResidentId = Annotated[str, Path(description="Pseudonymous id of a resident.")]


class WhereaboutsRoutes:
    """The operations, around one desk, which is called in threads."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self.router = APIRouter(prefix=f"{PREFIX}/residents/{{resident_id}}/whereabouts")
        unreadable = {404: "There is no such resident.", 503: "The records cannot be read now."}
        self.router.add_api_route(
            "",
            self.show,
            summary="What somebody is called for by where a resident is",
            tags=["look"],
            responses=answers(reference(WhereaboutsView), "As it stands.", unreadable),
        )
        self.router.add_api_route(
            "",
            self.ask,
            methods=["POST"],
            summary="Ask for something else",
            tags=["act"],
            openapi_extra=body(AskWhereabouts),
            responses=answers(
                reference(WhereaboutsView),
                "As it stands now.",
                {
                    403: "It is not this person's to decide, or the request is another site's.",
                    404: "There is no such resident or staff member.",
                    409: "Somebody has changed it since that version.",
                    411: "The request has no `Content-Length`.",
                    413: "The body is too long.",
                    422: "The body is not what the schema says, or it cannot be in this home.",
                    503: "The records cannot be read now.",
                },
            ),
        )

    async def show(self, resident_id: _ResidentId) -> Response:
        """With the zones of the home, and who asked for what."""
        return reply(await asyncio.to_thread(self._desk.whereabouts, resident_id))

    async def ask(self, request: Request, resident_id: _ResidentId) -> Response:
        """Gateways know it in seconds. Every change stands in the log."""
        said = await read_body(request, AskWhereabouts)
        policy = WhereaboutsPolicy(
            **{name: getattr(said, name) for name in WhereaboutsPolicy.__struct_fields__}
        )
        view = await asyncio.to_thread(
            self._desk.ask_whereabouts, resident_id, said.staff_id, policy, said.version
        )
        _log.info("acted", action="whereabouts", resident=resident_id, staff=said.staff_id)
        return reply(view)
