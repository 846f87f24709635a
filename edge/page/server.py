"""The page's server: listens, shows, and takes the one press that there is."""

from __future__ import annotations

import asyncio
import hmac
import secrets
import socket
from typing import Final
from urllib.parse import urlencode

import structlog

from contract.events import STAFF_POINT, FaultCause
from edge.gateway import Gateway
from edge.page.html import POLICY, refusal, render
from edge.page.http import (
    MAX_CONNECTIONS,
    MAX_HEAD_BYTES,
    Answer,
    BadRequestError,
    Request,
    check_source,
    serve_one,
)
from edge.page.state import concerns, look
from edge.page.words import WORDS, choose_language

_log = structlog.get_logger(__name__)

RETRY_S: Final = 30.0
"""Between attempts at an address that is taken or not there yet (a network that comes late)."""
TOKEN_BYTES: Final = 16
"""128 bits: guessed by nobody."""
_HTML: Final = "text/html; charset=utf-8"


class GatewayPage:
    """The page of one gateway that runs in this process.

    Parameters
    ----------
    gateway
        Whose.
    host, port
        Where to listen; port 0 takes a free one. Whoever can reach it sees bed labels and can
        answer an alarm, as whoever stands before the siren can: give it the home's own network.
    """

    def __init__(self, gateway: Gateway, host: str, port: int) -> None:
        self._gateway = gateway
        self._host = host
        self._port = port
        self._token = secrets.token_urlsafe(TOKEN_BYTES)
        own = {socket.gethostname().lower(), gateway.sender.gateway}
        self._names = frozenset({"localhost", *own, *(f"{name}.local" for name in own)})
        self._open = 0
        self.address: tuple[str, int] | None = None
        """Where it listens now."""

    async def run(self) -> None:
        """Until cancelled. An address that cannot be had is a fault, and tried again."""
        clock, faults = self._gateway.clock, self._gateway.faults
        while True:
            try:
                server = await asyncio.start_server(
                    self._serve, self._host, self._port, limit=MAX_HEAD_BYTES
                )
            except OSError as error:
                where = f"{self._host}:{self._port}"
                _log.error("page_unreachable", address=where, reason=str(error))
                await faults.raise_fault(
                    FaultCause.PAGE_UNREACHABLE,
                    f"the gateway's page cannot listen on {where}: {error.strerror or error}; "
                    "check page_host and page_port in [gateway]",
                )
                await clock.sleep(RETRY_S)
                continue
            await faults.clear(FaultCause.PAGE_UNREACHABLE, "the gateway's page listens")
            self.address = server.sockets[0].getsockname()[:2]
            _log.info("page", address=f"{self.address[0]}:{self.address[1]}")
            async with server:
                try:
                    await server.serve_forever()
                finally:
                    self.address = None

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._open >= MAX_CONNECTIONS:
            writer.close()
            return
        self._open += 1
        try:
            await serve_one(reader, writer, self.answer, self._gateway.clock)
        finally:
            self._open -= 1

    async def answer(self, request: Request) -> Answer:
        """The answer to one request.

        Raises
        ------
        BadRequestError
            If it is not carried out.
        """
        check_source(request, self._names)
        if request.method == "POST":
            return await self._press(request)
        if request.path != "/":
            raise BadRequestError(404, "the page is at /")
        words = WORDS[_language(request)]
        said = "gone" if "gone" in request.query else None
        return _page(200, render(look(self._gateway), words, self._token, said))

    async def _press(self, request: Request) -> Answer:
        """Somebody goes. Twice is the same as once; what is not open any more is said."""
        if request.path != "/acknowledge":
            raise BadRequestError(404, "the page is at /")
        language = _language(request)
        given = request.form.get("token", "").encode()
        if not hmac.compare_digest(given, self._token.encode()):
            return _page(403, refusal(WORDS[language], "stale"))
        name = request.form.get("name", "")
        back = {"lang": language}
        if any(each.name == name for each in concerns(self._gateway)):
            event = await self._gateway.acknowledge(name, STAFF_POINT)
            _log.info("answered_at_the_page", answers=name, event_id=event.id)
        elif not self._gateway.siren.policy.silences(name):
            back["gone"] = "1"
        return Answer(303, headers=(("Location", f"/?{urlencode(back)}"),))


def _language(request: Request) -> str:
    asked = request.form.get("lang") or request.query.get("lang")
    return choose_language(asked, request.headers.get("accept-language"))


def _page(status: int, html: str) -> Answer:
    return Answer(status, html, (("Content-Security-Policy", POLICY),), _HTML)
