"""What the phone of a calibration walk asks for and sends."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Final, Protocol

from fastapi import APIRouter, Body, FastAPI, Header, HTTPException
from fastapi.responses import FileResponse, HTMLResponse, Response
from jinja2 import Environment, PackageLoader, select_autoescape

from dashboards.walk.words import WORDS
from dashboards.web.guard import SECURITY_HEADERS
from dashboards.web.language import LANGUAGE_NAMES, Language, Pair, choose_language

_STATIC: Final = Path(__file__).parent / "static"
_FILES: Final = frozenset({"walk.css", "walk.js"})


class Walk(Protocol):
    """A walk that goes on, as the page sees it (`evaluation.rooms.recording.WalkRecorder`)."""

    def now_in(self, zone: str | None) -> None:
        """The walker is in a zone, or between two."""
        ...

    def undo(self) -> None:
        """The last tap was a mistake."""
        ...

    def state(self) -> Any:
        """Fields ``zone``, ``seconds``, ``heard``, ``silent``, ``taps``."""
        ...


def create_walk_app(
    walk: Walk,
    *,
    device: str,
    secret: str,
    enough_s: float,
    done: Callable[[], None],
    trouble: Callable[[], str | None] = lambda: None,
) -> FastAPI:
    """The application of one walk.

    Parameters
    ----------
    secret
        Stands in every address: who was not given it can neither look nor tap.
    enough_s
        From so many seconds on a room is ticked off.
    done
        Called when the walker says that she is done.
    trouble
        Why nothing can be heard or written at the moment, as a key of `WORDS`.
    """
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    app.state.feed = None
    routes = APIRouter(prefix=f"/{secret}")

    def told() -> dict[str, Any]:
        return _as_json(walk.state(), trouble())

    def finish() -> None:
        walk.now_in(None)
        done()

    _add_actions(routes, walk, told, finish)
    _add_page(routes, walk, device, enough_s)  # last: its files may have any name

    @app.middleware("http")
    async def guard(request: Any, follow: Any) -> Response:
        response: Response = await follow(request)
        for name, value in SECURITY_HEADERS:
            response.headers[name] = value
        response.headers["Cache-Control"] = "no-store"
        return response

    app.include_router(routes)
    return app


def _add_actions(
    routes: APIRouter, walk: Walk, told: Callable[[], dict[str, Any]], done: Callable[[], None]
) -> None:
    """What the page asks for each second, and its buttons."""

    # async: all of a walk happens in the event loop, and in no thread beside it.
    @routes.get("/state")
    async def state() -> dict[str, Any]:
        return told()

    @routes.post("/now")
    async def now(zone: Annotated[str | None, Body(embed=True)] = None) -> dict[str, Any]:
        try:
            walk.now_in(zone)
        except ValueError as error:
            raise HTTPException(404, str(error)) from error
        return told()

    @routes.post("/undo")
    async def undo() -> dict[str, Any]:
        walk.undo()
        return told()

    @routes.post("/done")
    async def finish() -> dict[str, Any]:
        done()
        return told()


def _add_page(routes: APIRouter, walk: Walk, device: str, enough_s: float) -> None:
    """The page itself and its files."""
    pages = Environment(
        loader=PackageLoader("dashboards.walk"), autoescape=select_autoescape(default=True)
    )

    @routes.get("/")
    async def page(
        lang: str | None = None, accept_language: Annotated[str | None, Header()] = None
    ) -> HTMLResponse:
        language = choose_language(lang, None, accept_language)
        other = next(each for each in Language if each is not language)
        text = pages.get_template("walk.html").render(
            language=language.value,
            other=other.value,
            other_name=LANGUAGE_NAMES[other],
            words={name: _in(pair, language) for name, pair in WORDS.items()},
            device=device,
            enough_s=enough_s,
            zones=list(walk.state().seconds),
        )
        return HTMLResponse(text)

    @routes.get("/{name}")
    async def static(name: str) -> FileResponse:
        if name not in _FILES:
            raise HTTPException(404)
        return FileResponse(_STATIC / name)


def _as_json(state: Any, trouble: str | None) -> dict[str, Any]:
    return {
        "zone": state.zone,
        "seconds": dict(state.seconds),
        "heard": [{"receiver": name, "dbm": dbm} for name, dbm in state.heard],
        "silent": list(state.silent),
        "taps": state.taps,
        "trouble": trouble,
    }


def _in(pair: Pair, language: Language) -> str:
    return pair.en if language is Language.ENGLISH else pair.zh
