"""Writing lines to InfluxDB, so that each is known to be written, or refused with the reason.

Synchronous, in batches of our own: the library's batching writer logs what a server refuses
and drops it (PLATFORM). A request that is refused in part is halved until the lines at fault
are alone; the good ones are written again on the way, which changes nothing, as equal series
and time overwrite each other.
"""

from __future__ import annotations

import gzip
import re
from collections.abc import Sequence
from typing import Final, Protocol
from urllib.parse import urlencode

from contract.protocols import StoreUnavailableError
from ingest.store.influx_server import NO_CONTENT, TIMEOUT_S, Access, Answer, InfluxServer

MAX_LINES: Final = 5_000
"""In one request: what InfluxData recommends as a batch; ours have 250 bytes, and a server takes
25 MB."""

GZIP_LEVEL: Final = 1
"""Six times smaller at a third of the time of the default level."""

_BAD_LINES: Final = frozenset({400, 413, 422})
"""What a server answers to lines that it will never take. 413 is a request too large, and
becomes small enough by halving. All else (401 a wrong token, 404 no such database, 429 a
limit, 5xx) says nothing against the lines: they wait in the gateways' outboxes."""


_DROPPED: Final = re.compile(r"^partial write: .* dropped=(\d+)$", re.DOTALL)
"""How 1.x says how many of a request's lines it left out."""


class RefusedLinesError(RuntimeError):
    """A server took some lines of a request or none; its reason is the message."""

    @property
    def dropped(self) -> int:
        """How many lines were left out, as far as the server says; 0 if it does not."""
        said = _DROPPED.match(str(self))
        return int(said[1]) if said is not None else 0


class LineSink(Protocol):
    """Where lines go: one request at a time."""

    @property
    def where(self) -> str:
        """For people; holds no secret."""
        ...

    def send(self, lines: bytes) -> None:
        """Write lines that are separated by line ends.

        Raises
        ------
        RefusedLinesError
            If at least one of them was refused.
        StoreUnavailableError
            If it is not known that they are written, or nothing can be written now.
        """
        ...

    def close(self) -> None:
        """Let go of connections."""
        ...


class WriteV1:
    """``/write`` of InfluxDB 1.x.

    Parameters
    ----------
    server
        To write to.
    database, retention_policy
        Where; the database's default policy if None.
    """

    def __init__(
        self, server: InfluxServer, database: str, retention_policy: str | None = None
    ) -> None:
        self._server = server
        query = {"db": database, "precision": "ns"}
        if retention_policy is not None:
            query["rp"] = retention_policy
        self._path = f"/write?{urlencode(query)}"
        self.where = f"{server.access.url} database {database}"

    def send(self, lines: bytes) -> None:
        headers = {"Content-Encoding": "gzip", "Content-Type": "text/plain; charset=utf-8"}
        body = gzip.compress(lines, GZIP_LEVEL, mtime=0)
        _judge(self._server.request("POST", self._path, body, headers), self.where)

    def close(self) -> None:
        self._server.close()


class WriteV2:
    """``/api/v2/write`` of InfluxDB 2.x and 3.x, through influxdb-client.

    Parameters
    ----------
    access
        Where, and with which token.
    org, bucket
        Where to; 3.x has no organisations and takes any.
    timeout_s
        For one request.

    Raises
    ------
    ModuleNotFoundError
        Without the extra ``influx``.
    """

    def __init__(self, access: Access, org: str, bucket: str, timeout_s: float = TIMEOUT_S) -> None:
        from influxdb_client import InfluxDBClient
        from influxdb_client.client.write_api import SYNCHRONOUS

        self._client = InfluxDBClient(
            url=access.url,
            token=access.token or "",
            org=org,
            timeout=round(timeout_s * 1_000),
            enable_gzip=True,
            retries=False,
            ssl_ca_cert=str(access.ca_file) if access.ca_file is not None else None,
        )
        self._api = self._client.write_api(write_options=SYNCHRONOUS)
        self._bucket, self._org = bucket, org
        self.where = f"{access.url} bucket {bucket}"

    def send(self, lines: bytes) -> None:
        from influxdb_client.rest import ApiException
        from urllib3.exceptions import HTTPError

        try:
            self._api.write(self._bucket, self._org, lines, write_precision="ns")
        except ApiException as error:
            body = error.body if isinstance(error.body, bytes) else str(error.body or "").encode()
            _judge(Answer(error.status or 0, body), self.where)
            raise StoreUnavailableError(f"{self.where}: {error.reason}") from error
        except (HTTPError, OSError) as error:
            raise StoreUnavailableError(f"{self.where}: {error}") from error

    def close(self) -> None:
        self._api.close()
        self._client.close()


def write_lines(sink: LineSink, lines: Sequence[bytes], sound: bytes) -> dict[int, str]:
    """Write lines; returns the reasons of those that were refused, by their place.

    Parameters
    ----------
    sink
        Where to.
    lines
        Any number.
    sound
        A line that nothing can be said against. Where it is refused too, the server is not as
        it should be, and no line is condemned for that: an alarm would be.

    Raises
    ------
    StoreUnavailableError
        If it is not known that all others are written.
    """
    refused: dict[int, str] = {}
    for start in range(0, len(lines), MAX_LINES):
        places = range(start, min(start + MAX_LINES, len(lines)))
        refusal = _send(sink, lines, places)
        if refusal is None:
            continue
        try:
            sink.send(sound)
        except RefusedLinesError as error:
            raise StoreUnavailableError(f"{sink.where} refuses everything: {error}") from error
        _search(sink, lines, places, refusal, refused)
    return refused


def _search(
    sink: LineSink,
    lines: Sequence[bytes],
    places: range,
    refusal: RefusedLinesError,
    refused: dict[int, str],
) -> None:
    """Find out which lines of a refused request were meant, and write the others."""
    if len(places) == 1 or refusal.dropped == len(places):
        refused.update(dict.fromkeys(places, str(refusal)))
        return
    middle = len(places) // 2
    for half in (places[:middle], places[middle:]):
        error = _send(sink, lines, half)
        if error is not None:
            _search(sink, lines, half, error, refused)


def _send(sink: LineSink, lines: Sequence[bytes], places: range) -> RefusedLinesError | None:
    try:
        sink.send(b"\n".join(lines[places.start : places.stop]))
    except RefusedLinesError as refusal:
        return refusal
    return None


def _judge(answer: Answer, where: str) -> None:
    if answer.status in _BAD_LINES:
        raise RefusedLinesError(answer.reason())
    if answer.status != NO_CONTENT:
        raise StoreUnavailableError(f"{where}: HTTP {answer.status}: {answer.reason()}")
