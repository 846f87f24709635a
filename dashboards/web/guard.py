"""What stands before every request: who may ask, how much, and what a browser may do with
the answer.

Plain ASGI and no `BaseHTTPMiddleware`, which buffers streams and hides disconnects.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MAX_BODY_BYTES: Final = 16 * 1024
"""A form with the longest note in Chinese is about 5 kB after percent-encoding."""

_SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})

SECURITY_HEADERS: Final = (
    # Nothing inline, nothing from elsewhere: a name with markup in it stays a name.
    (
        "Content-Security-Policy",
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        "connect-src 'self'; manifest-src 'self'; form-action 'self'; base-uri 'none'; "
        "frame-ancestors 'none'",
    ),
    ("X-Content-Type-Options", "nosniff"),
    ("X-Frame-Options", "DENY"),
    # Not no-referrer: with that, browsers send "Origin: null" on the board's own forms.
    ("Referrer-Policy", "same-origin"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Permissions-Policy", "camera=(), microphone=(), geolocation=()"),
)


class RefusedError(Exception):
    """A request that is not carried out.

    Attributes
    ----------
    status
        HTTP status.
    reason
        Key of the text that says why (`dashboards.web.strings`).
    """

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


def check_origin(headers: Headers, *, browser_only: bool) -> None:
    """Let through what comes from our own pages, or from a program that is no browser.

    A browser says where a POST comes from: in ``Sec-Fetch-Site`` on secure origins and in
    ``Origin`` on all. ``SameSite`` cookies alone would not do: the API takes no cookie.

    Parameters
    ----------
    headers
        Of the request.
    browser_only
        Refuse also what says nothing of its origin: forms are for browsers, which always do.

    Raises
    ------
    RefusedError
        403.
    """
    origin, site = headers.get("origin"), headers.get("sec-fetch-site")
    if site is not None and site not in ("same-origin", "none"):
        raise RefusedError(403, "error_origin")
    if origin is not None and urlsplit(origin).netloc.lower() != headers.get("host", "").lower():
        raise RefusedError(403, "error_origin")
    if origin is None and site is None and browser_only:
        raise RefusedError(403, "error_origin")


class Guard:
    """Middleware: checks origin and size of what changes something, and adds the headers.

    Parameters
    ----------
    app
        What stands behind.
    api_prefix
        Paths that programs may also call.
    refuse
        Makes the answer to a refused request, a page or a problem.
    fail
        Makes the answer to a request whose handler broke.
    """

    def __init__(
        self,
        app: ASGIApp,
        api_prefix: str,
        refuse: Callable[[Request, RefusedError], Awaitable[Response]],
        fail: Callable[[Request, Exception], Awaitable[Response]],
    ) -> None:
        self._app = app
        self._api_prefix = api_prefix
        self._refuse = refuse
        self._fail = fail

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        started = False

        async def send_with_headers(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                headers = MutableHeaders(scope=message)
                for name, value in SECURITY_HEADERS:
                    headers.setdefault(name, value)
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        try:
            if scope["method"] not in _SAFE_METHODS:
                self._check(Headers(scope=scope), scope["path"])
        except RefusedError as refusal:
            request = Request(scope, receive)
            answer = await self._refuse(request, refusal)
            # The body was not read: the connection cannot be used again.
            answer.headers["Connection"] = "close"
            await answer(scope, receive, send_with_headers)
            return
        try:
            await self._app(scope, receive, send_with_headers)
        except Exception as error:
            if started:
                raise
            answer = await self._fail(Request(scope, receive), error)
            await answer(scope, receive, send_with_headers)

    def _check(self, headers: Headers, path: str) -> None:
        check_origin(headers, browser_only=not path.startswith(self._api_prefix))
        length = headers.get("content-length")
        if length is None or not length.isdigit():
            raise RefusedError(411, "error_form")
        if int(length) > MAX_BODY_BYTES:
            raise RefusedError(413, "error_form")
