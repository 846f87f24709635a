"""An InfluxDB server over HTTP: questions in InfluxQL, which 1.x, 2.x and 3.x all answer, and
line protocol to ``/write`` of 1.x. Blocking, one request at a time, for use in threads.
"""

from __future__ import annotations

import base64
import http.client
import ssl
import threading
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, NamedTuple
from urllib.parse import urlencode, urlsplit

import msgspec

from contract.protocols import StoreUnavailableError

TIMEOUT_S: Final = 10.0
"""For one request. A write of 5,000 points takes some 50 ms; a server that compacts on a card
can take seconds. Above a gateway's first resend (10 s) the same batch would come again."""

OK: Final = 200
NO_CONTENT: Final = 204

_REUSED_TOO_LATE: Final = (http.client.RemoteDisconnected, BrokenPipeError, ConnectionResetError)
"""What a kept connection says that the server closed meanwhile."""


class Access(NamedTuple):
    """Where a server is, and as whom to ask."""

    url: str
    """``http://host:port`` or ``https://host:port``."""
    username: str | None = None
    """For 1.x with authentication."""
    password: str | None = None
    token: str | None = None
    """For 2.x and 3.x."""
    ca_file: Path | None = None
    """Certificates to believe, instead of the system's."""

    def headers(self) -> dict[str, str]:
        """What says who asks."""
        if self.token is not None:
            return {"Authorization": f"Token {self.token}"}
        if self.username is not None:
            both = f"{self.username}:{self.password or ''}".encode()
            return {"Authorization": f"Basic {base64.b64encode(both).decode()}"}
        return {}


class Answer(NamedTuple):
    """What a server answered."""

    status: int
    body: bytes

    def reason(self) -> str:
        """The server's own words, as far as it has any."""
        try:
            said = msgspec.json.decode(self.body, type=dict[str, msgspec.Raw])
            for name in ("error", "message"):
                if name in said:
                    return str(msgspec.json.decode(said[name]))[:MAX_REASON]
        except (msgspec.DecodeError, ValueError):
            pass
        return self.body[:MAX_REASON].decode("utf-8", "replace").strip() or f"HTTP {self.status}"


MAX_REASON: Final = 500
"""Characters kept of what a server says; it repeats whole lines."""


class Table(NamedTuple):
    """One series of an answer."""

    columns: list[str]
    values: list[list[Any]]
    """Rows; texts, numbers, booleans and None."""


class _Series(msgspec.Struct):
    columns: list[str]
    values: list[list[Any]] = []


class _Result(msgspec.Struct):
    series: list[_Series] = []
    error: str | None = None


class _Results(msgspec.Struct):
    results: list[_Result] = []
    error: str | None = None


class InfluxServer:
    """One server; a connection is kept between requests.

    Parameters
    ----------
    access
        Where, and as whom.
    timeout_s
        For one request, in the machine's seconds.
    policies
        Of 1.x: retention policies to read, by database, other than its default one.

    Raises
    ------
    ValueError
        If the URL cannot be used.
    """

    def __init__(
        self,
        access: Access,
        timeout_s: float = TIMEOUT_S,
        *,
        policies: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        parts = urlsplit(access.url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValueError(f"{access.url!r} is no http:// or https:// address")
        if parts.username or parts.password:
            raise ValueError("the address must hold no user or password: they end up in logs")
        self.access = access
        self._prefix = parts.path.rstrip("/")
        self._host, self._port = parts.hostname, parts.port
        self._timeout_s = timeout_s
        self._policies = policies
        self._tls: ssl.SSLContext | None = None
        if parts.scheme == "https":
            self._tls = ssl.create_default_context(cafile=access.ca_file)
        self._headers = access.headers()
        self._lock = threading.Lock()
        self._connection: http.client.HTTPConnection | None = None

    def ask(self, database: str, question: str) -> list[Table]:
        """The answer to one question in InfluxQL; times in nanoseconds.

        Raises
        ------
        StoreUnavailableError
            If there is no answer, or the server refuses.
        """
        query = {"db": database, "q": question, "epoch": "ns"}
        if database in self._policies:
            query["rp"] = self._policies[database]
        answer = self.request("GET", f"/query?{urlencode(query)}")
        return self._tables(answer)

    def tell(self, statement: str) -> None:
        """Carry out a statement that changes something (``CREATE DATABASE``), on 1.x.

        Raises
        ------
        StoreUnavailableError
            If the server refuses, or is not there.
        """
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        body = urlencode({"q": statement}).encode()
        self._tables(self.request("POST", "/query", body, form))

    def request(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Send a request that may be sent twice.

        Raises
        ------
        StoreUnavailableError
            If no answer came.
        """
        sent = {**self._headers, **(headers or {})}
        with self._lock:
            is_kept = self._connection is not None
            try:
                return self._exchange(method, path, body, sent)
            except _REUSED_TOO_LATE as error:
                self._drop()
                if not is_kept:
                    raise self._unavailable(error) from error
            except (OSError, http.client.HTTPException) as error:
                self._drop()
                raise self._unavailable(error) from error
            try:
                return self._exchange(method, path, body, sent)
            except (OSError, http.client.HTTPException) as error:
                self._drop()
                raise self._unavailable(error) from error

    def close(self) -> None:
        """Let go of the connection; the next request opens another."""
        with self._lock:
            self._drop()

    def _exchange(
        self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]
    ) -> Answer:
        if self._connection is None:
            self._connection = self._connect()
        self._connection.request(method, self._prefix + path, body, dict(headers))
        response = self._connection.getresponse()
        return Answer(response.status, response.read())

    def _connect(self) -> http.client.HTTPConnection:
        if self._tls is not None:
            return http.client.HTTPSConnection(
                self._host, self._port, timeout=self._timeout_s, context=self._tls
            )
        return http.client.HTTPConnection(self._host, self._port, timeout=self._timeout_s)

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _unavailable(self, error: Exception) -> StoreUnavailableError:
        return StoreUnavailableError(f"{self.access.url}: {error or type(error).__name__}")

    def _tables(self, answer: Answer) -> list[Table]:
        if answer.status != OK:
            raise StoreUnavailableError(
                f"{self.access.url}: HTTP {answer.status}: {answer.reason()}"
            )
        try:
            said = msgspec.json.decode(answer.body, type=_Results)
        except msgspec.DecodeError as error:
            raise StoreUnavailableError(f"{self.access.url}: no InfluxQL: {error}") from error
        faults = [said.error, *(result.error for result in said.results)]
        fault = next((each for each in faults if each), None)
        if fault is not None:
            raise StoreUnavailableError(f"{self.access.url}: {fault}")
        return [
            Table(series.columns, series.values)
            for result in said.results
            for series in result.series
        ]


def quoted(value: str) -> str:
    """A text in InfluxQL."""
    escaped = value.replace("\\", "\\\\").replace("'", "\\'").replace("\n", "\\n")
    return f"'{escaped}'"


def named(identifier: str) -> str:
    """A name of a database or measurement in InfluxQL."""
    escaped = identifier.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'
