"""What people click: the board, who they are, and the three actions, as plain forms.

A GET changes nothing (SAFETY: a mail scanner opened the link). A POST answers with a
redirect to the board, so that reloading repeats nothing. No name stands in an address:
addresses are remembered by browsers and written to logs.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Final
from urllib.parse import quote, urlencode

import structlog
from fastapi import APIRouter, Request
from starlette.datastructures import FormData
from starlette.responses import HTMLResponse, RedirectResponse, Response

from alerts.desk import (
    Desk,
    UnknownAbsenceError,
    UnknownCheckError,
    UnknownFaultError,
    UnknownIncidentError,
)
from alerts.views import AbsenceView, IncidentView, StaffView
from contract.messages import IncidentState
from dashboards.web.acts import (
    ABSENT,
    ACTS,
    BACK,
    BACK_AT,
    CHECK,
    EXCHANGED,
    WHEREABOUTS,
)
from dashboards.web.asked import Asked, is_number
from dashboards.web.guard import RefusedError
from dashboards.web.language import Language, choose_language
from dashboards.web.live import BoardFeed, TooManyStreamsError
from dashboards.web.pages import IDENTITY_HOURS, Pages
from dashboards.web.stream import EventStream
from dashboards.web.words import WORDS

_log = structlog.get_logger(__name__)

STAFF_COOKIE: Final = "wardlight_staff"
LANGUAGE_COOKIE: Final = "wardlight_language"
_LANGUAGE_DAYS: Final = 365
ACTIONS: Final = ("acknowledge", "arrive", "resolve")


def language_of(request: Request) -> Language:
    """The language to answer this request in."""
    return choose_language(
        request.query_params.get("lang"),
        request.cookies.get(LANGUAGE_COOKIE),
        request.headers.get("accept-language"),
    )


class BoardRoutes:
    """The pages, around one desk.

    Parameters
    ----------
    desk
        Called in threads.
    feed
        For the live part.
    pages
        Renders.
    """

    def __init__(self, desk: Desk, feed: BoardFeed, pages: Pages) -> None:
        self._desk = desk
        self._feed = feed
        self._pages = pages
        self.router = APIRouter(include_in_schema=False)
        add = self.router.add_api_route
        add("/", self.show, methods=["GET", "HEAD"])
        add("/events", self.events, methods=["GET"])
        add("/who", self.ask_who, methods=["GET"])
        add("/who", self.set_who, methods=["POST"])
        add("/incidents/{incident_id}/{action}", self.act, methods=["POST"])
        add("/checks/{check_id}/done", self.check, methods=["POST"])
        add("/residents/{resident_id}/absent", self.absent, methods=["POST"])
        add("/absences/{absence_id}/until", self.back_at, methods=["POST"])
        add("/absences/{absence_id}/back", self.back, methods=["POST"])
        add("/faults/{fault_id}/exchange", self.exchange, methods=["POST"])

    async def show(self, request: Request) -> Response:
        """The board."""
        language = language_of(request)
        me = await self.me(request)
        board = await asyncio.to_thread(self._desk.board)
        said = await self._said(request, language, me)
        answer = HTMLResponse(self._pages.board(board, language, me=me, said=said))
        if "lang" in request.query_params:
            answer.set_cookie(
                LANGUAGE_COOKIE,
                language,
                max_age=_LANGUAGE_DAYS * 86_400,
                httponly=True,
                samesite="strict",
            )
        return answer

    async def events(self, request: Request) -> Response:
        """The live part of the board, as it changes."""
        try:
            subscription = self._feed.subscribe(language_of(request))
        except TooManyStreamsError:
            _log.warning("too_many_boards", watching=self._feed.watching)
            return Response(status_code=503, headers={"Retry-After": "5"})
        return EventStream(self._feed, subscription)

    async def ask_who(self, request: Request) -> Response:
        """The list of names."""
        return await self._who(request, Asked())

    async def set_who(self, request: Request) -> Response:
        """Remember who holds this device, and do what was asked before."""
        form = await request.form()
        staff_id = _text(form, "staff_id")
        me = await self._staff(staff_id)
        if me is None:
            return self._refusal(request, 404, "error_unknown_staff", "do_choose_again")
        asked = Asked(**{name: _text(form, name) for name in Asked.__struct_fields__})
        if asked.action:
            await self._do(asked, staff_id)
        answer = _to_board(asked)
        answer.set_cookie(
            STAFF_COOKIE,
            staff_id,
            max_age=IDENTITY_HOURS * 3_600,
            httponly=True,
            samesite="strict",
        )
        _log.info("identity_chosen", staff=staff_id)
        return answer

    async def act(self, request: Request, incident_id: str, action: str) -> Response:
        """Acknowledge, arrive or resolve; asks first who is acting, if that is not known."""
        if action not in ACTIONS:
            return self._refusal(request, 404, "error_not_found", "do_from_board")
        form = await request.form()
        asked = Asked(
            action=action,
            incident=incident_id,
            outcome=_text(form, "outcome"),
            note=_text(form, "note"),
        )
        return await self.ask_or_do(request, asked, self._desk.incident)

    async def check(self, request: Request, check_id: str) -> Response:
        """Somebody has looked after beds that are not being monitored."""
        asked = Asked(action=CHECK, incident=check_id)
        return await self.ask_or_do(request, asked, self._desk.check)

    async def absent(self, request: Request, resident_id: str) -> Response:
        """A resident's wearable is off or away, for as long as is usual."""
        form = await request.form()
        asked = Asked(action=ABSENT, incident=resident_id, outcome=_text(form, "kind"))
        return await self.ask_or_do(request, asked)

    async def back_at(self, request: Request, absence_id: str) -> Response:
        """Until another time."""
        form = await request.form()
        asked = Asked(action=BACK_AT, incident=absence_id, outcome=_text(form, "until_us"))
        return await self.ask_or_do(request, asked, self._desk.absence)

    async def back(self, request: Request, absence_id: str) -> Response:
        """She is back, or wears it again."""
        asked = Asked(action=BACK, incident=absence_id)
        return await self.ask_or_do(request, asked, self._desk.absence)

    async def exchange(self, request: Request, fault_id: str) -> Response:
        """Two wearables that were swapped are given to who wears them."""
        return await self.ask_or_do(request, Asked(action=EXCHANGED, incident=fault_id))

    async def ask_or_do(
        self, request: Request, asked: Asked, find: Callable[[str], object] | None = None
    ) -> Response:
        """Do it; ask first who is acting, if that is not known and there is what is acted on."""
        me = await self.me(request)
        if me is None:
            if find is not None:
                await asyncio.to_thread(find, asked.incident)
            return await self._who(request, asked)
        await self._do(asked, me.id)
        return _to_board(asked)

    async def _do(self, asked: Asked, staff_id: str) -> None:
        act = ACTS.get(asked.action)
        if act is None:
            raise RefusedError(422, "error_form")
        await asyncio.to_thread(act, self._desk, asked, staff_id)
        _log.info("acted", action=asked.action, incident=asked.incident, staff=staff_id)

    async def _who(self, request: Request, asked: Asked) -> Response:
        staff = await asyncio.to_thread(self._desk.staff)
        cookie = request.cookies.get(STAFF_COOKIE)
        me = next((person for person in staff if person.id == cookie), None)
        return HTMLResponse(self._pages.who(staff, language_of(request), me=me, asked=asked))

    async def me(self, request: Request) -> StaffView | None:
        """Who holds this device, as far as it was told."""
        staff_id = request.cookies.get(STAFF_COOKIE)
        return await self._staff(staff_id) if staff_id else None

    async def _staff(self, staff_id: str) -> StaffView | None:
        staff = await asyncio.to_thread(self._desk.staff)
        return next((person for person in staff if person.id == staff_id), None)

    async def _said(self, request: Request, language: Language, me: StaffView | None) -> str | None:
        """One sentence on what became of the action that led here, as things stand now."""
        did, incident_id = request.query_params.get("did"), request.query_params.get("incident")
        if not did or not incident_id:
            return None
        if did == CHECK:
            return await self._said_of_check(incident_id, language, me)
        if did in (ABSENT, BACK_AT, BACK):
            return await self._said_of_absence(did, incident_id, language, me)
        if did == EXCHANGED:
            return await self._said_of_exchange(incident_id, language, me)
        return await self._said_of_incident(did, incident_id, language, me)

    async def _said_of_incident(
        self, did: str, incident_id: str, language: Language, me: StaffView | None
    ) -> str | None:
        if did not in ACTIONS:
            return None
        try:
            view = await asyncio.to_thread(self._desk.incident, incident_id)
        except UnknownIncidentError:
            return None
        words = WORDS[language]
        bed = self._pages.presenters[language].place(view)
        if me is not None and _ACTOR[did](view) == me.name:
            return words(f"did_{did}", bed=bed)
        reached = _REACHED.get(view.state)
        if reached is None:
            return None
        person = self._pages.presenters[language].person(_ACTOR[reached](view))
        return words(f"already_{reached}", bed=bed, name=person)

    async def _said_of_check(
        self, check_id: str, language: Language, me: StaffView | None
    ) -> str | None:
        try:
            view = await asyncio.to_thread(self._desk.check, check_id)
        except UnknownCheckError:
            return None
        words, beds = WORDS[language], ", ".join(view.beds)
        if view.checked_by is None:
            return None
        if me is not None and view.checked_by == me.name:
            return words("did_check", bed=beds)
        person = self._pages.presenters[language].person(view.checked_by)
        return words("already_check", bed=beds, name=person)

    async def _said_of_exchange(
        self, fault_id: str, language: Language, me: StaffView | None
    ) -> str | None:
        if me is None or not is_number(fault_id):
            return None
        try:  # which is done already, and so tells who did it
            view = await asyncio.to_thread(self._desk.exchanged, int(fault_id))
        except UnknownFaultError:
            return None
        what = "did_exchanged" if view.by == me.name else "already_exchanged"
        return WORDS[language](what, beds=", ".join(view.beds), name=view.by)

    async def _said_of_absence(
        self, did: str, about: str, language: Language, me: StaffView | None
    ) -> str | None:
        board = await asyncio.to_thread(self._desk.board)
        view: AbsenceView | None
        if did == ABSENT:
            absences = (resident.absence for resident in board.residents if resident.id == about)
            view = next(absences, None)
        else:
            try:
                view = await asyncio.to_thread(self._desk.absence, about)
            except UnknownAbsenceError:
                return None
        who = next((each for each in board.residents if view and each.id == view.resident_id), None)
        if view is None or who is None:
            return None
        words = WORDS[language]
        if view.ended_at_us is not None:
            mine = me is not None and view.ended_by == me.name
            return words("did_back" if mine else "already_back", bed=who.bed, name=view.ended_by)
        mine = did == BACK_AT or (me is not None and view.by == me.name)
        what = self._pages.presenters[language].absence_text(who, board.at_us)
        return words(
            "did_absent" if mine else "already_absent", bed=who.bed, what=what, name=view.by
        )

    def _refusal(self, request: Request, status: int, what: str, to_do: str) -> Response:
        page = self._pages.error(language_of(request), what=what, to_do=to_do)
        return HTMLResponse(page, status_code=status)


_ACTOR: Final[Mapping[str, Callable[[IncidentView], str | None]]] = {
    "acknowledge": lambda view: view.acknowledged_by,
    "arrive": lambda view: view.arrived_by,
    "resolve": lambda view: view.resolved_by,
}


_REACHED: Final[Mapping[IncidentState, str]] = {
    IncidentState.ACKNOWLEDGED: "acknowledge",
    IncidentState.ARRIVED: "arrive",
    IncidentState.RESOLVED: "resolve",
}
"""The action that brings an incident to a state."""


def _to_board(asked: Asked) -> Response:
    """Back to where it was asked, which tells what became of it."""
    if asked.action == WHEREABOUTS:
        return RedirectResponse(f"/residents/{quote(asked.incident, safe='')}", status_code=303)
    query = (
        f"?{urlencode({'did': asked.action, 'incident': asked.incident})}" if asked.action else ""
    )
    return RedirectResponse(f"/{query}", status_code=303)


def _text(form: FormData, name: str) -> str:
    value = form.get(name, "")
    return value if isinstance(value, str) else ""
