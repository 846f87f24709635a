"""The file itself: idempotent, all or nothing, honest about what it cannot do."""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contract.clock import VirtualClock
from contract.messages import Outcome
from contract.protocols import Store, StoreUnavailableError, WriteOutcome
from ingest import DeadLetter, SqliteStore, StoreReader
from ingest.store import ledger, rows
from ingest.store.prefix import Prefix
from ingest.store.schema import SCHEMA_VERSION

FOREVER_US = 4_000_000_000_000_000
STORED = WriteOutcome(Outcome.STORED)
DUPLICATE = WriteOutcome(Outcome.DUPLICATE)


def run(scenario: Callable[[], Awaitable[None]]) -> None:
    async def main() -> None:
        await scenario()

    VirtualClock().run(main())


def test_it_is_a_store(tmp_path: Path) -> None:
    store: Store = SqliteStore.open(tmp_path / "store.sqlite")
    assert store.durable


def test_durability_is_what_it_says(tmp_path: Path, event: Any) -> None:
    async def scenario() -> None:
        store = SqliteStore.open(tmp_path / "deep" / "er" / "store.sqlite")
        await store.write([event()], [], 1)
        connection = store.ledger.connection()
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert connection.execute("PRAGMA synchronous").fetchone() == (2,)
        assert connection.execute("PRAGMA user_version").fetchone() == (SCHEMA_VERSION,)
        assert store.path.stat().st_mode & 0o077 == 0, "telemetry is personal"
        await store.close()

    run(scenario)


def test_a_failed_write_leaves_nothing_and_forgets_nothing(
    tmp_path: Path, event: Any, batch: Any
) -> None:
    async def scenario() -> None:
        store = SqliteStore(tmp_path / "store.sqlite")
        await store.write([event(1)], [batch(1)], 1)
        store.ledger.max_bytes = store.path.stat().st_size
        store.ledger.drop_connection()
        big = batch(2, points=batch().points * 2_000)
        with pytest.raises(StoreUnavailableError, match="full"):
            await store.write([event(2)], [big], 2)
        reader = StoreReader(store.path)
        assert [each.event.sequence for each in reader.events(0, FOREVER_US)] == [1]
        assert reader.written_at_us() == 1
        # A write that fits still works, and the failed batch is no duplicate afterwards.
        assert await store.write([event(1)], [batch(1)], 3) == ([DUPLICATE], [DUPLICATE])
        assert store.settled_up_to("demo", "gateway-a", "session-1") == 1
        store.ledger.max_bytes = None
        store.ledger.drop_connection()
        assert await store.write([event(2)], [big], 4) == ([STORED], [STORED])
        assert store.settled_up_to("demo", "gateway-a", "session-1") == 2
        reader.close()
        await store.close()

    run(scenario)


def test_the_disk_itself_may_be_full(tmp_path: Path, event: Any) -> None:
    """A device without space: every write to it is refused by the kernel."""

    async def scenario() -> None:
        store = SqliteStore(Path("/dev/full"))
        with pytest.raises(StoreUnavailableError):
            await store.write([event(1)], [], 1)
        await store.close()

    run(scenario)


def test_a_value_that_does_not_fit_harms_only_its_own_message(
    tmp_path: Path, event: Any, batch: Any, point: Any
) -> None:
    async def scenario() -> None:
        store = SqliteStore(tmp_path / "store.sqlite")
        bad_event = event(2, at_us=2**70)
        bad_batch = batch(2, points=[point(1), point(2, rssi_dbm=2**70), point(3)])
        events, batches = await store.write(
            [event(1), bad_event, event(3)], [batch(1), bad_batch, batch(3)], 1
        )
        assert [each.outcome for each in events] == [
            Outcome.STORED,
            Outcome.REJECTED,
            Outcome.STORED,
        ]
        assert [each.outcome for each in batches] == [
            Outcome.STORED,
            Outcome.REJECTED,
            Outcome.STORED,
        ]
        assert "cannot be stored" in (batches[1].reason or "")
        reader = StoreReader(store.path)
        assert len(reader.series("resident-1", "max_g", 0, FOREVER_US).values) == 6
        assert store.settled_up_to("demo", "gateway-a", "session-1") == 1
        reader.close()
        await store.close()

    run(scenario)


def test_a_file_of_a_newer_program_is_left_alone(tmp_path: Path, event: Any) -> None:
    path = tmp_path / "store.sqlite"
    with sqlite3.connect(path) as connection:
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    connection.close()
    before = path.read_bytes()

    async def scenario() -> None:
        store = SqliteStore(path)
        with pytest.raises(StoreUnavailableError, match="update"):
            await store.write([event(1)], [], 1)
        with pytest.raises(StoreUnavailableError, match="version"):
            StoreReader(path).latest(0)
        await store.close()

    run(scenario)
    assert path.read_bytes()[100:] == before[100:]


def test_a_file_that_is_no_database_is_said_and_left_alone(tmp_path: Path, event: Any) -> None:
    path = tmp_path / "store.sqlite"
    path.write_bytes(b"holiday pictures" * 1_000)

    async def scenario() -> None:
        store = SqliteStore(path)
        with pytest.raises(StoreUnavailableError, match="not a database"):
            await store.write([event(1)], [], 1)
        await store.close()

    run(scenario)
    assert path.read_bytes() == b"holiday pictures" * 1_000


def test_a_half_made_file_is_finished(tmp_path: Path, event: Any, monkeypatch: Any) -> None:
    """Killed in the middle of the first migration: either all tables are there or none."""
    from ingest.store import schema

    path = tmp_path / "store.sqlite"
    broken = (*schema.MIGRATIONS[0][:3], "CREATE TABLE oh no")
    monkeypatch.setattr(schema, "MIGRATIONS", (broken,))

    async def scenario() -> None:
        store = SqliteStore(path)
        with pytest.raises(StoreUnavailableError):
            await store.write([event(1)], [], 1)
        monkeypatch.undo()
        assert await store.write([event(1)], [], 1) == ([STORED], [])
        await store.close()

    run(scenario)


def test_the_oldest_dead_letters_make_room_and_are_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rows, "MAX_DEAD_LETTERS", 10)

    async def scenario() -> None:
        store = SqliteStore(tmp_path / "store.sqlite")
        for number in range(25):
            await store.write_dead_letters([DeadLetter("x", b"%d" % number, "no")], number)
        reader = StoreReader(store.path)
        letters = reader.dead_letters()
        assert [letter.payload for letter in letters] == [b"%d" % n for n in range(24, 14, -1)]
        assert store.dead_letters_forgotten == 15
        reader.close()
        await store.close()

    run(scenario)


def test_more_sessions_than_are_cached(
    tmp_path: Path, batch: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger, "MAX_CACHED_SESSIONS", 3)

    async def scenario() -> None:
        store = SqliteStore(tmp_path / "store.sqlite")
        names = [f"session-{number}" for number in range(10)]
        await store.write([], [batch(1, session=name) for name in names], 1)
        _, outcomes = await store.write([], [batch(2, session=name) for name in names], 2)
        assert outcomes == [STORED] * 10
        assert [store.settled_up_to("demo", "gateway-a", name) for name in names] == [2] * 10
        await store.close()

    run(scenario)


class PlainPrefix:
    """What `Prefix` means, as slowly as it can be said."""

    def __init__(self) -> None:
        self.stored: set[int] = set()
        self.refused: set[int] = set()

    def up_to(self) -> int:
        number = 0
        while number + 1 in self.stored | self.refused:
            number += 1
        return number


@given(st.lists(st.tuples(st.sampled_from(["store", "refuse"]), st.integers(1, 12)), max_size=40))
def test_a_prefix_settles_without_a_hole(steps: list[tuple[str, int]]) -> None:
    prefix, plain = Prefix(), PlainPrefix()
    for what, number in steps:
        if what == "store":
            prefix.store(number)
            plain.stored.add(number)
        else:
            prefix.refuse(number)
            plain.refused.add(number)
        assert prefix.up_to == plain.up_to()
        assert all(prefix.is_stored(each) == (each in plain.stored) for each in range(1, 14))
        assert all(each > prefix.up_to for each in prefix.ahead)


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    writes=st.lists(
        st.tuples(
            st.lists(st.integers(1, 9), max_size=4),
            st.lists(st.integers(1, 9), max_size=2),
            st.booleans(),
        ),
        max_size=8,
    )
)
def test_what_is_settled_survives_reopening(
    writes: list[tuple[list[int], list[int], bool]], batch: Any
) -> None:
    async def scenario() -> None:
        with tempfile.TemporaryDirectory() as folder:
            store = SqliteStore(Path(folder) / "store.sqlite")
            plain = PlainPrefix()
            for stored, refused, reopen in writes:
                letters = [
                    DeadLetter("t", b"", "no", "demo", "gateway-a", None, "session-1", number)
                    for number in refused
                ]
                if letters:
                    await store.write_dead_letters(letters, 1)
                    plain.refused |= set(refused)
                _, outcomes = await store.write([], [batch(number) for number in stored], 1)
                for number, outcome in zip(stored, outcomes, strict=True):
                    assert outcome == (DUPLICATE if number in plain.stored else STORED)
                    plain.stored.add(number)
                if reopen:
                    await store.close()
                    store = SqliteStore(Path(folder) / "store.sqlite")
                elif stored or refused:
                    settled = store.settled_up_to("demo", "gateway-a", "session-1")
                    assert settled == plain.up_to()
            await store.close()

    run(scenario)
