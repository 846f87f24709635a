"""The web application: board, actions, live feed and API, put together around one desk."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from importlib.metadata import PackageNotFoundError, version
from typing import Final

from fastapi import FastAPI
from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from alerts.desk import Desk
from contract.clock import Clock
from dashboards.web.api import (
    API_EXAMPLES,
    Act,
    ApiRoutes,
    Away,
    BackAt,
    BadBodyError,
    Health,
    Resolution,
    bad_body,
)
from dashboards.web.board import BoardRoutes
from dashboards.web.guard import Guard
from dashboards.web.language import Language
from dashboards.web.live import BoardFeed
from dashboards.web.pages import STATIC, Pages
from dashboards.web.problems import PREFIX, Refusals
from dashboards.web.resident_page import ResidentPageRoutes
from dashboards.web.residents import RESIDENT_EXAMPLES, RESIDENT_VIEWS, ResidentRoutes
from dashboards.web.schema import VIEWS, publish
from dashboards.web.whereabouts_api import (
    WHEREABOUTS_EXAMPLES,
    WHEREABOUTS_VIEWS,
    WhereaboutsRoutes,
)
from ingest.read import ReadSide

DEFAULT_TIME_ZONE: Final = "Asia/Hong_Kong"


class _VersionedFiles(StaticFiles):
    """Static files whose address carries the version: kept for good by the browser."""

    def file_response(self, *args: object, **kwargs: object) -> Response:
        answer = super().file_response(*args, **kwargs)  # type: ignore[arg-type]
        scope: Scope = next(value for value in args if isinstance(value, dict))
        kept = b"v=" in scope.get("query_string", b"")
        answer.headers["Cache-Control"] = (
            "public, max-age=31536000, immutable" if kept else "no-cache"
        )
        return answer


def create_app(
    desk: Desk,
    clock: Clock,
    *,
    reader: ReadSide | None = None,
    home_name: str = "",
    time_zone: str = DEFAULT_TIME_ZONE,
) -> FastAPI:
    """The staff board and the API over one desk.

    Parameters
    ----------
    desk
        What people see and do; called in threads, so it must be safe to call from several.
    clock
        For the live feed's intervals and ages.
    reader
        The time-series store, to read; without it the API says nothing of residents' events
        and measures.
    home_name
        What the home is called on top of the board; empty for its id.
    time_zone
        IANA name; clock times on the board are the home's.

    Raises
    ------
    zoneinfo.ZoneInfoNotFoundError
        If there is no such time zone.
    """
    pages = Pages(home_name, time_zone)
    feed = BoardFeed(
        desk,
        clock,
        render=pages.fragment,
        clock_time=pages.presenters[Language.ENGLISH].time,
        version=pages.version,
    )

    @contextlib.asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        task = asyncio.create_task(feed.run(), name="board-feed")
        yield
        feed.close()
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task

    app = FastAPI(
        title="Wardlight",
        version=_version(),
        lifespan=lifespan,
        openapi_url=f"{PREFIX}/openapi.json",
        # The framework's own pages load scripts from elsewhere.
        docs_url=None,
        redoc_url=None,
    )
    app.state.feed = feed
    board = BoardRoutes(desk, feed, pages)
    app.include_router(board.router)
    app.include_router(ResidentPageRoutes(desk, clock, board, pages, reader).router)
    app.include_router(ApiRoutes(desk, feed, clock).router)
    app.include_router(WhereaboutsRoutes(desk).router)
    app.mount("/static", _VersionedFiles(directory=STATIC), name="static")
    refusals = Refusals(pages)
    refusals.add_to(app)
    app.add_exception_handler(BadBodyError, bad_body)
    app.add_middleware(Guard, api_prefix=f"{PREFIX}/", refuse=refusals.refuse, fail=refusals.fail)
    structs = (*VIEWS, *WHEREABOUTS_VIEWS, Act, Away, BackAt, Resolution, Health)
    examples = (*API_EXAMPLES, *WHEREABOUTS_EXAMPLES)
    if reader is not None:
        app.include_router(ResidentRoutes(desk, reader, clock).router)
        structs, examples = (*structs, *RESIDENT_VIEWS), (*examples, *RESIDENT_EXAMPLES)
    publish(app, structs, examples)
    return app


def _version() -> str:
    try:
        return version("wardlight")
    except PackageNotFoundError:
        return "0"
