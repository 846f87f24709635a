"""What InfluxDB refuses, in part or as a whole, or does not answer: each ends as it should."""

from __future__ import annotations

import gzip
import itertools
import sqlite3
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any, ClassVar

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contract.clock import SystemClock, VirtualClock
from contract.messages import Outcome
from contract.protocols import StoreUnavailableError
from contract.telemetry import SummaryPoint, TelemetryBatch
from ingest import StoreReader
from ingest.store.influx_lines import Origin, event_line, plain_line, point_line, written_line
from ingest.store.influx_server import Access, InfluxServer
from ingest.store.influx_write import WriteV1, WriteV2, write_lines
from ingest.store.lanes import time_ns
from ingest.store.rows import DUPLICATE, STORED
from tests.ingest.places import InfluxdPlace, started
from tools.time_series import Influxd, ServerMissingError

NOW_US = 1_767_297_700_000_000
NUMBERS = itertools.count(1)
AT_NS = NOW_US * 1_000  # types are settled by shard, a week
SOUND = written_line("demo", NOW_US)


@pytest.fixture(scope="module")
def influxd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Influxd]:
    server = Influxd(tmp_path_factory.mktemp("influxd"), SystemClock())
    try:
        started(server)
    except ServerMissingError as error:
        pytest.skip(str(error))
    yield server
    server.kill()


@pytest.fixture
def place(influxd: Influxd, tmp_path: Path) -> InfluxdPlace:
    return InfluxdPlace(tmp_path, influxd, f"writing-{next(NUMBERS)}")


def run(scenario: Callable[[], Awaitable[None]]) -> None:
    async def main() -> None:
        await scenario()

    VirtualClock().run(main())


def spoil(place: InfluxdPlace, line: str) -> None:
    """Somebody else has written a field as another type: the server refuses ours from then on."""
    with closing(WriteV1(InfluxServer(Access(place.server.url)), place.database)) as sink:
        sink.send(line.encode())


def test_of_a_batch_the_good_points_are_written_and_the_bad_kept_with_the_reason(
    place: InfluxdPlace, event: Any, batch: Any, point: Any
) -> None:
    spoil(place, f'summary,home=demo,part=99 heart_rate_bpm="sixty" {AT_NS}')
    bad = [point(3, heart_rate_bpm=60), point(5, heart_rate_bpm=61)]
    mixed = batch(2, points=[point(2), bad[0], point(4), bad[1], point(6)])

    async def scenario() -> None:
        store = place.open()
        outcomes = await store.write(
            [event(1)], [batch(1), mixed, batch(3), batch(4, points=bad)], NOW_US
        )
        assert outcomes[0] == [STORED]
        assert [each.outcome for each in outcomes[1]] == [*[Outcome.STORED] * 3, Outcome.REJECTED]
        assert "field type conflict" in (outcomes[1][3].reason or "")
        assert store.points_refused == 2
        assert store.settled_up_to("demo", "gateway-a", "session-1") == 3
        assert (await store.write([], [mixed], NOW_US))[1] == [DUPLICATE]
        await store.close()

    run(scenario)
    assert place.points() == sorted(
        p.at_us for p in (*batch(1).points, point(2), point(4), point(6), *batch(3).points)
    )
    with closing(StoreReader(place.path)) as ledger:
        (letter,) = ledger.dead_letters()
    assert msgspec.json.decode(letter.payload, type=TelemetryBatch).points == bad
    assert "2 of 5 points" in letter.reason
    assert "field type conflict" in letter.reason


def test_a_server_that_refuses_everything_condemns_no_alarm(
    place: InfluxdPlace, event: Any
) -> None:
    spoil(place, f'written,home=demo at_us="now" {AT_NS}')
    spoil(place, f"event,home=demo,kind=x late=1 {AT_NS}")

    async def scenario() -> None:
        store = place.open()
        with pytest.raises(StoreUnavailableError, match="refuses everything"):
            await store.write([event(1)], [], NOW_US)
        await store.close()

    run(scenario)


@pytest.mark.parametrize(
    ("database", "policy", "said"),
    [("nowhere", None, "database not found"), (None, "nope", "retention policy not found")],
)
def test_a_wrong_setting_is_no_fault_of_the_message(
    place: InfluxdPlace, database: str | None, policy: str | None, said: str
) -> None:
    sink = WriteV1(InfluxServer(Access(place.server.url)), database or place.database, policy)
    with closing(sink), pytest.raises(StoreUnavailableError, match=said):
        write_lines(sink, [SOUND], SOUND)


def test_with_authentication(tmp_path: Path) -> None:
    server = Influxd(tmp_path / "influxd", SystemClock(), auth=True)
    try:
        started(server)
    except ServerMissingError as error:
        pytest.skip(str(error))
    try:
        me = Access(server.url, "me", "secret")
        with closing(InfluxServer(Access(server.url))) as client:
            client.tell("CREATE USER me WITH PASSWORD 'secret' WITH ALL PRIVILEGES")
        with closing(InfluxServer(me)) as client:
            client.tell("CREATE DATABASE closed")
        with closing(WriteV1(InfluxServer(me), "closed")) as sink:
            assert write_lines(sink, [SOUND], SOUND) == {}
        for access in (Access(server.url), me._replace(password="wrong")):
            with (
                closing(WriteV1(InfluxServer(access), "closed")) as sink,
                pytest.raises(StoreUnavailableError, match="401") as refusal,
            ):
                write_lines(sink, [SOUND], SOUND)
            assert "wrong" not in str(refusal.value).replace("wrong password", "")
    finally:
        server.kill()


class _Scripted(BaseHTTPRequestHandler):
    """Answers as InfluxDB 2.x says it does, which cannot be installed here."""

    status = 204
    bodies: ClassVar[list[bytes]] = []
    heads: ClassVar[list[dict[str, str]]] = []

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        type(self).bodies.append(body)
        type(self).heads.append({"path": self.path, **dict(self.headers)})
        status = self.status
        answer = b""
        if status == 400:
            status = 400 if b"bad" in body else 204
            answer = b'{"code":"invalid","message":"partial write: field type conflict"}'
        elif status == 413:
            status = 413 if body.count(b"\n") > 1 else 204
        self.send_response(status)
        if status != 204:
            self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        if status != 204:
            self.wfile.write(answer)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def scripted() -> Iterator[tuple[type[_Scripted], str]]:
    handler = type("Handler", (_Scripted,), {"bodies": [], "heads": []})
    server = HTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield handler, f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_what_the_api_of_2x_answers(scripted: tuple[type[_Scripted], str]) -> None:
    pytest.importorskip("influxdb_client", reason="the extra 'influx' is not installed")
    handler, url = scripted
    lines = [b"a x=1 1", b"bad x=1 2", b"c x=1 3", b"d x=1 4", b"bad x=1 5"]
    with closing(WriteV2(Access(url, token="secret"), "home", "wardlight", 5.0)) as sink:
        assert write_lines(sink, lines, SOUND) == {}
        head = handler.heads[0]
        assert head["Authorization"] == "Token secret"
        assert "org=home&bucket=wardlight&precision=ns" in head["path"]
        handler.status = 400
        refused = write_lines(sink, lines, SOUND)
        assert refused == dict.fromkeys((1, 4), "partial write: field type conflict")
        handler.status, handler.bodies = 413, []
        assert write_lines(sink, lines, SOUND) == {}
        taken = [body for body in handler.bodies if body.count(b"\n") <= 1]
        assert set(lines) <= set(b"\n".join(taken).split(b"\n")), "halved until it is small enough"
        for status in (401, 404, 429, 500, 503):
            handler.status = status
            with pytest.raises(StoreUnavailableError, match="wardlight") as refusal:
                write_lines(sink, lines, SOUND)
            assert "secret" not in str(refusal.value)
    closed = WriteV2(Access("http://127.0.0.1:9", token="secret"), "home", "wardlight", 1.0)
    with closing(closed), pytest.raises(StoreUnavailableError):
        write_lines(closed, lines, SOUND)


TEXTS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=8)
NUMBERS_OR_NONE = st.none() | st.floats(-100, 100)
POINTS = st.builds(
    SummaryPoint,
    at_us=st.integers(0, 4 * 10**15),
    device=TEXTS,
    resident=st.none() | TEXTS,
    zone=st.none() | TEXTS,
    mean_x_g=NUMBERS_OR_NONE,
    max_g=NUMBERS_OR_NONE,
    worn=st.none() | st.booleans(),
    battery_percent=st.none() | st.integers(0, 100),
)


@settings(max_examples=50, deadline=None)
@given(POINTS, st.integers(0, 10**7), st.booleans())
def test_lines_are_those_of_the_library(point: SummaryPoint, lane: int, flag: bool) -> None:
    library = pytest.importorskip("influxdb_client", reason="the extra 'influx' is not installed")
    ours = point_line(Origin("demo", "gateway-a", flag, not flag), point, lane).decode()
    tags, _, rest = ours.partition(" ")
    part = tags.rpartition("=")[2]
    theirs = library.Point("summary").tag("home", "demo").tag("part", part)
    values = msgspec.structs.asdict(point) | {
        "gateway": "gateway-a", "late": flag, "synced": not flag
    }  # fmt: skip
    for name, value in values.items():
        theirs = theirs.field(name, value)
    wanted = theirs.time(time_ns(point.at_us, lane)).to_line_protocol()
    wanted_tags, _, wanted_rest = wanted.partition(" ")
    assert tags == wanted_tags
    fields, _, at = rest.rpartition(" ")
    wanted_fields, _, wanted_at = wanted_rest.rpartition(" ")
    assert at == wanted_at
    assert numbers(fields) == numbers(wanted_fields)


def numbers(fields: str) -> list[str]:
    """Fields in any order; 1.0 and 1, and True and true, are the same."""
    plain = fields.replace("e-0", "e-").replace("=True", "=true").replace("=False", "=false")
    return sorted(field.removesuffix(".0") for field in plain.split(","))


def test_a_tag_is_escaped_as_the_library_does() -> None:
    library = pytest.importorskip("influxdb_client", reason="the extra 'influx' is not installed")
    odd = "a,b c=d\\e"
    theirs = library.Point("x").tag("home", odd).field("n", 1).time(5).to_line_protocol()
    assert plain_line("x", odd, [("n", 1)], 5).decode() == theirs


def test_what_is_no_unicode_is_refused(event: Any, point: Any) -> None:
    with pytest.raises(ValueError, match="surrogates"):
        point_line(Origin("demo", "gateway-a", False, True), point(device="\ud800"), 1)
    assert b'id="' in event_line(event(1), 1, False, NOW_US)


def test_a_journal_is_written_again_and_ends(
    tmp_path: Path, scripted: tuple[type[_Scripted], str], batch: Any
) -> None:
    from ingest.store.influx import InfluxStore
    from ingest.store.journal import Journal
    from ingest.store.ledger import Ledger

    handler, url = scripted
    path = tmp_path / "store.sqlite"

    def open_store() -> InfluxStore:
        ledger = Ledger(path)
        sink = WriteV1(InfluxServer(Access(url)), "any")
        journal = Journal(ledger, horizon_s=10.0)
        return InfluxStore("demo", ledger, sink, lambda: StoreReader(path), journal=journal)

    def kept() -> int:
        with closing(sqlite3.connect(path)) as connection:
            return int(connection.execute("SELECT count(*) FROM journal").fetchone()[0])

    def summaries() -> int:
        found = sum(body.count(b"summary,") for body in handler.bodies)
        handler.bodies.clear()
        return found

    async def settle(store: InfluxStore, now_us: int) -> int:
        while await store.upkeep(now_us):
            pass
        return summaries()

    async def scenario() -> None:
        store = open_store()
        assert not store.durable
        await store.write([], [batch(1), batch(2)], NOW_US)
        assert summaries() == 6
        assert await settle(store, NOW_US) == 6, "at the start, whatever is there"
        assert await settle(store, NOW_US) == 0
        await store.close()
        store = open_store()
        assert await settle(store, NOW_US + 1_000_000) == 6, "ingest was killed: so may the store"
        handler.status = 503
        with pytest.raises(StoreUnavailableError):
            await store.write([], [batch(3)], NOW_US)
        handler.status = 204
        summaries()
        assert await settle(store, NOW_US + 2_000_000) == 6, "it was gone"
        assert kept() == 1
        assert await settle(store, NOW_US + 11_999_999) == 0
        assert await settle(store, NOW_US + 12_000_000) == 6, "once more, and that was that"
        assert kept() == 0
        await store.close()

    run(scenario)


def test_a_journal_written_again_sets_nothing_back(
    place: InfluxdPlace, tmp_path: Path, batch: Any, point: Any
) -> None:
    from ingest.store.influx import InfluxStore
    from ingest.store.journal import Journal
    from ingest.store.ledger import Ledger

    ledger = Ledger(place.path)
    sink = WriteV1(InfluxServer(Access(place.server.url)), place.database)
    journal = Journal(ledger, horizon_s=300.0)
    store = InfluxStore("demo", ledger, sink, place.reader, journal=journal)
    times = range(NOW_US, NOW_US + 400_000_000, 10_000_000)

    async def scenario() -> None:
        await store.upkeep(NOW_US)
        for number, at_us in enumerate(times, 1):
            taken = msgspec.structs.replace(batch(number), points=[point(at_us=at_us)])
            await store.write([], [taken], at_us)
        while await store.upkeep(times[-1]):
            pass
        await store.close()

    run(scenario)
    with closing(place.reader()) as reader:
        assert reader.written_at_us() == times[-1]
        assert [each.point.at_us for each in reader.latest(times[-1])] == [times[-1]]
    assert place.points() == list(times)
