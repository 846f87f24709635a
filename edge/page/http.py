"""As much of HTTP/1.1 as one page needs: short requests, one answer, connection closed."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Awaitable, Callable, Mapping
from typing import Final, NamedTuple
from urllib.parse import SplitResult, parse_qsl, urlsplit

import structlog

from contract.clock import Clock
from edge.waiting import WaitedTooLongError, within

_log = structlog.get_logger(__name__)

MAX_HEAD_BYTES: Final = 8 * 1024
"""Request line and headers; a browser's are about 1 kB."""
MAX_BODY_BYTES: Final = 2 * 1024
"""A form with a token, an id and a language is about 150 bytes."""
_LENGTH_DIGITS: Final = 9
"""Of the length of a body; Python refuses to read a number of thousands of digits."""
MAX_CONNECTIONS: Final = 16
"""A few phones at once; a stranger must not take the gateway's memory or time."""
REQUEST_LIMIT_S: Final = 5.0
"""For a request to arrive and its answer to be taken; a phone in the next room takes 50 ms."""

_SAFE_METHODS: Final = frozenset({"GET", "HEAD"})

_REASONS: Final[Mapping[int, str]] = {
    200: "OK",
    303: "See Other",
    400: "Bad Request",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    408: "Request Timeout",
    413: "Content Too Large",
    421: "Misdirected Request",
    431: "Request Header Fields Too Large",
    500: "Internal Server Error",
    503: "Service Unavailable",
}


class Request(NamedTuple):
    """One request, read whole."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    """By name in lower case."""
    form: Mapping[str, str]


class Answer(NamedTuple):
    """What is sent back."""

    status: int
    body: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    kind: str = "text/plain; charset=utf-8"


Handler = Callable[[Request], Awaitable[Answer]]


class BadRequestError(ValueError):
    """A request that is not carried out.

    Attributes
    ----------
    status
        HTTP status.
    """

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


def check_source(request: Request, names: frozenset[str]) -> None:
    """Let through what asks for this gateway by an address or a name of its own, and changes
    something only from its own page.

    A name of somebody else's that was made to lead here (DNS rebinding) would let a page of theirs
    read ours; behind an address there is no such name.

    Raises
    ------
    BadRequestError
        421 or 403.
    """
    host = request.headers.get("host", "")
    bare = _parted(host).hostname or ""
    if not (_is_address(bare) or bare in names):
        raise BadRequestError(421, f"ask for this gateway by its address, not as {bare!r}")
    if request.method in _SAFE_METHODS:
        return
    origin, site = request.headers.get("origin"), request.headers.get("sec-fetch-site")
    if site is not None and site not in ("same-origin", "none"):
        raise BadRequestError(403, "this did not come from the gateway's own page")
    if origin is not None and origin.lower().partition("://")[2] != host.lower():
        raise BadRequestError(403, "this did not come from the gateway's own page")


def _parted(host: str) -> SplitResult:
    try:
        return urlsplit(f"//{host}")
    except ValueError as error:
        raise BadRequestError(421, f"ask for this gateway by its address: {error}") from error


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


async def serve_one(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, handler: Handler, clock: Clock
) -> None:
    """Answer one request and close. Never raises but when cancelled."""
    try:
        await within(clock, REQUEST_LIMIT_S, _serve(reader, writer, handler), "a request")
    except WaitedTooLongError:
        _log.info("page_request_slow")
    except (ConnectionError, OSError) as error:
        _log.info("page_connection_lost", reason=str(error))
    finally:
        writer.close()


async def _serve(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, handler: Handler
) -> None:
    method = ""
    try:
        request = await _read(reader)
        method = request.method
        answer = await handler(request)
    except BadRequestError as error:
        answer = Answer(error.status, f"{error}\n")
    except asyncio.IncompleteReadError:
        return
    except ConnectionError:
        raise
    except Exception:  # noqa: BLE001 - a defect of the page must not end the gateway
        _log.exception("page_defect")
        answer = Answer(500, "This page has a defect. The siren and the alarms go on.\n")
    body = answer.body.encode()
    lines = [
        f"HTTP/1.1 {answer.status} {_REASONS[answer.status]}",
        f"Content-Type: {answer.kind}",
        f"Content-Length: {len(body)}",
        "Connection: close",
        "Cache-Control: no-store",
        "X-Content-Type-Options: nosniff",
        "X-Frame-Options: DENY",
        "Referrer-Policy: same-origin",
        *(f"{name}: {value}" for name, value in answer.headers),
    ]
    writer.write("\r\n".join([*lines, "", ""]).encode() + (b"" if method == "HEAD" else body))
    await writer.drain()


async def _read(reader: asyncio.StreamReader) -> Request:
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.LimitOverrunError as error:
        raise BadRequestError(431, f"at most {MAX_HEAD_BYTES} bytes of headers") from error
    try:
        first, *lines = head.decode("ascii").rstrip("\r\n").split("\r\n")
        method, target, protocol = first.split(" ")
        headers = {
            name.strip().lower(): value.strip()
            for name, _, value in (line.partition(":") for line in lines)
        }
        parts = urlsplit(target)
    except (ValueError, UnicodeDecodeError) as error:
        raise BadRequestError(400, "this is no HTTP request") from error
    if not protocol.startswith("HTTP/1."):
        raise BadRequestError(400, "this page speaks HTTP/1.1")
    query = dict(parse_qsl(parts.query))
    if method in _SAFE_METHODS:
        return Request(method, parts.path, query, headers, {})
    if method != "POST":
        raise BadRequestError(405, "GET and POST are all there is")
    length = headers.get("content-length", "")
    if not length.isdigit():
        raise BadRequestError(400, "a form says how long it is")
    if len(length) > _LENGTH_DIGITS or int(length) > MAX_BODY_BYTES:
        raise BadRequestError(413, f"at most {MAX_BODY_BYTES} bytes")
    body = await reader.readexactly(int(length))
    form = dict(parse_qsl(body.decode("utf-8", "replace")))
    return Request(method, parts.path, query, headers, form)
