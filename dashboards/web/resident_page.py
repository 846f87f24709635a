"""A resident's page: where she was last, what somebody is called for, and how much she wanders."""

from __future__ import annotations

import asyncio
from typing import Final

import msgspec
import structlog
from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse, Response

from alerts.desk import Desk, UnknownResidentError
from contract.clock import Clock, now_us
from contract.events import EventKind
from contract.protocols import StoreUnavailableError
from contract.units import US_PER_S
from dashboards.web.acts import WHEREABOUTS
from dashboards.web.asked import Asked
from dashboards.web.board import BoardRoutes, language_of
from dashboards.web.pages import Pages
from dashboards.web.resident_cards import read_form, resident_page
from dashboards.web.trend import DAYS, Trend, trend
from dashboards.web.words import WORDS
from ingest.read import ReadSide

_log = structlog.get_logger(__name__)

MAX_WALKS: Final = 3_000
"""A hundred a day: five times those of the residents whom Algase watched (SCIENCE 3.1)."""


class ResidentPageRoutes:
    """The page and its form.

    Parameters
    ----------
    desk, clock
        Collaborators; the desk is called in threads.
    board
        Knows who holds the device, and asks who does not.
    pages
        Renders.
    reader
        The store, for the walks; None where there is none to read.
    """

    def __init__(
        self, desk: Desk, clock: Clock, board: BoardRoutes, pages: Pages, reader: ReadSide | None
    ) -> None:
        self._desk = desk
        self._clock = clock
        self._board = board
        self._pages = pages
        self._reader = reader
        self.router = APIRouter(include_in_schema=False)
        add = self.router.add_api_route
        add("/residents/{resident_id}", self.show, methods=["GET", "HEAD"])
        add("/residents/{resident_id}/whereabouts", self.ask, methods=["POST"])

    async def show(self, request: Request, resident_id: str) -> Response:
        """The page."""
        view = await asyncio.to_thread(self._desk.whereabouts, resident_id)
        board = await asyncio.to_thread(self._desk.board)
        resident = next((each for each in board.residents if each.id == resident_id), None)
        if resident is None:
            raise UnknownResidentError(f"there is no resident {resident_id!r}")
        walks = await asyncio.to_thread(self._walks, resident_id)
        language = language_of(request)
        page = resident_page(view, resident, walks, WORDS[language], self._pages.zone)
        me = await self._board.me(request)
        return HTMLResponse(self._pages.resident(page, language, me=me))

    async def ask(self, request: Request, resident_id: str) -> Response:
        """Somebody is to be called for something else."""
        form = await request.form()
        wanted = read_form(
            {name: value for name, value in form.items() if isinstance(value, str)},
            [value for value in form.getlist("safe_zones") if isinstance(value, str)],
        )
        asked = Asked(
            action=WHEREABOUTS,
            incident=resident_id,
            outcome=msgspec.json.encode(wanted).decode(),
        )
        return await self._board.ask_or_do(request, asked, self._desk.whereabouts)

    def _walks(self, resident_id: str) -> Trend | None:
        if self._reader is None:
            return None
        end_us = now_us(self._clock) + US_PER_S
        try:
            events = self._reader.events(
                end_us - (DAYS + 1) * 86_400 * US_PER_S,
                end_us,
                resident=resident_id,
                kinds=(EventKind.WANDERING_EPISODE,),
                limit=MAX_WALKS,
            )
        except StoreUnavailableError as error:
            _log.warning("walks_not_read", cause=str(error))
            return None
        return trend(events, self._pages.zone, end_us)
