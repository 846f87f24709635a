"""Refusals: what went wrong and what to do, as a page for people and as JSON for programs."""

from __future__ import annotations

import traceback
from collections.abc import Mapping
from typing import Annotated, Final, NamedTuple

import msgspec
import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse, Response

from alerts.desk import (
    BadChoiceError,
    BadEndError,
    DeskError,
    NotAllowedError,
    UnknownAbsenceError,
    UnknownCheckError,
    UnknownFaultError,
    UnknownIncidentError,
    UnknownResidentError,
    UnknownStaffError,
    WrongStateError,
)
from contract.protocols import StoreUnavailableError
from dashboards.web.board import language_of
from dashboards.web.guard import RefusedError
from dashboards.web.language import Language
from dashboards.web.pages import Pages
from dashboards.web.words import WORDS

_log = structlog.get_logger(__name__)

PREFIX: Final = "/api/v1"
_ENCODER: Final = msgspec.json.Encoder()
PROBLEM_TYPE: Final = "application/problem+json"
"""RFC 9457; its own members are optional, ours are extensions."""

_FRAMES_LOGGED: Final = 8
"""Innermost frames of an unexpected error: the framework's own are a dozen further out."""


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """A request that was not carried out."""

    error: Annotated[str, msgspec.Meta(description="What was wrong, in one sentence.")]
    what_to_do: Annotated[str, msgspec.Meta(description="What to do about it.")]


class _Answer(NamedTuple):
    status: int
    what: str
    to_do: str


_DESK_ANSWERS: Final[Mapping[type[DeskError], _Answer]] = {
    UnknownIncidentError: _Answer(404, "error_unknown_incident", "do_look_again"),
    UnknownCheckError: _Answer(404, "error_unknown_check", "do_look_again"),
    UnknownStaffError: _Answer(404, "error_unknown_staff", "do_choose_again"),
    UnknownResidentError: _Answer(404, "error_unknown_resident", "do_look_again"),
    UnknownAbsenceError: _Answer(404, "error_unknown_absence", "do_look_again"),
    UnknownFaultError: _Answer(404, "error_unknown_fault", "do_look_again"),
    BadEndError: _Answer(422, "error_bad_end", "do_other_end"),
    NotAllowedError: _Answer(403, "error_not_allowed", "do_ask_who_may"),
    BadChoiceError: _Answer(422, "error_bad_choice", "do_choose_otherwise"),
    WrongStateError: _Answer(409, "error_wrong_state", "do_look_again"),
}
_UNREADABLE: Final = _Answer(503, "error_unreadable", "do_round")
_NO_STORE: Final = _Answer(503, "error_no_store", "do_no_store")


def reply(value: object) -> Response:
    """An answer for a program."""
    return Response(_ENCODER.encode(value), media_type="application/json")


def problem(status: int, error: str, what_to_do: str) -> Response:
    """A refusal for a program."""
    body = _ENCODER.encode(Problem(error=error, what_to_do=what_to_do))
    return Response(body, status_code=status, media_type=PROBLEM_TYPE)


class Refusals:
    """Answers what handlers raise, in the form that the path calls for."""

    def __init__(self, pages: Pages) -> None:
        self._pages = pages

    def add_to(self, app: FastAPI) -> None:
        """Register with the application."""
        app.add_exception_handler(DeskError, self._desk_error)
        app.add_exception_handler(RefusedError, self._refused)
        app.add_exception_handler(HTTPException, self._http)
        app.add_exception_handler(RequestValidationError, self._bad_parameter)
        app.add_exception_handler(StoreUnavailableError, self._store_unavailable)

    async def refuse(self, request: Request, refusal: RefusedError) -> Response:
        """For what is refused before it reaches a handler."""
        _log.warning(
            "request_refused",
            status=refusal.status,
            reason=refusal.reason,
            path=request.url.path,
            origin=request.headers.get("origin"),
        )
        return self._answer(request, _Answer(refusal.status, refusal.reason, "do_from_board"))

    async def _refused(self, request: Request, error: Exception) -> Response:
        assert isinstance(error, RefusedError)
        return await self.refuse(request, error)

    async def _desk_error(self, request: Request, error: Exception) -> Response:
        answer = _DESK_ANSWERS.get(type(error), _UNREADABLE)  # type: ignore[arg-type]
        _log.info("action_refused", error=type(error).__name__, path=request.url.path)
        return self._answer(request, answer, detail=str(error))

    async def fail(self, request: Request, error: Exception) -> Response:
        """For what nobody expected, such as records that cannot be read.

        The log gets where it happened and never the message: a database error quotes the
        statement's values, which may be names. What the driver itself said is safe.
        """
        _log.error(
            "request_failed",
            path=request.url.path,
            error=type(error).__name__,
            cause=str(getattr(error, "orig", "")),
            where=[f"{frame.filename}:{frame.lineno}" for frame in _frames(error)],
        )
        return self._answer(request, _UNREADABLE)

    async def _http(self, request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        answer = _Answer(error.status_code, "error_not_found", "do_from_board")
        response = self._answer(request, answer)
        response.headers.update(error.headers or {})
        return response

    async def _bad_parameter(self, _request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        told = "; ".join(f"{each['loc'][-1]}: {each['msg']}" for each in error.errors())
        return problem(422, told, f"See {PREFIX}/openapi.json for what may be asked.")

    async def _store_unavailable(self, request: Request, error: Exception) -> Response:
        _log.error("store_unavailable", path=request.url.path, cause=str(error))
        return self._answer(request, _NO_STORE)

    def _answer(self, request: Request, answer: _Answer, detail: str = "") -> Response:
        if request.url.path.startswith(f"{PREFIX}/"):
            words = WORDS[Language.ENGLISH]
            return problem(answer.status, detail or words(answer.what), words(answer.to_do))
        page = self._pages.error(
            language_of(request), what=answer.what, to_do=answer.to_do, detail=detail
        )
        return HTMLResponse(page, status_code=answer.status)


def _frames(error: Exception) -> traceback.StackSummary:
    return traceback.extract_tb(error.__traceback__, limit=-_FRAMES_LOGGED)
