"""The event outbox never loses and never invents."""

from __future__ import annotations

import sqlite3
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from contract.clock import VirtualClock
from contract.events import EVENT_SCHEMA, Event, EventKind, Receiver
from contract.messages import MESSAGE_SCHEMA, Outcome, Receipt
from edge.outbox import EventOutbox
from edge.outbox_rows import Counter
from edge.storage import UnwritableError

KINDS = (EventKind.FALL_DETECTED, EventKind.FAULT, EventKind.WANDERING_EPISODE)


def event(number: int, kind: EventKind = EventKind.FALL_DETECTED, boot: str = "boot") -> Event:
    return Event(
        schema=EVENT_SCHEMA,
        id=f"event-{number}",
        kind=kind,
        home="demo",
        gateway="gateway-a",
        session="session",
        sequence=number,
        boot=boot,
        clock="synced",
        at_us=number,
        emitted_at_us=number,
        detail="x" * 2_000,
    )


def receipt(
    *ids: str, by: Receiver = Receiver.INGEST, outcome: Outcome = Outcome.STORED
) -> Receipt:
    return Receipt(
        schema=MESSAGE_SCHEMA, by=by, outcome=outcome, at_us=1, ids=list(ids), reason="because"
    )


def fill(outbox: EventOutbox, full: bool) -> None:
    """A real quota: SQLite refuses to let its file grow."""
    connection = outbox._file._connection
    assert connection is not None
    pages = connection.execute("PRAGMA page_count").fetchone()[0]
    connection.execute(f"PRAGMA max_page_count = {pages if full else 1_000_000}")


class OutboxMachine(RuleBasedStateMachine):
    """Puts, receipts in any order, lost and doubled, crashes, and a full disk."""

    @initialize()
    def begin(self) -> None:
        self.directory = tempfile.TemporaryDirectory()
        self.clock = VirtualClock()
        self.put_ids: list[str] = []
        self.waiting: dict[str, frozenset[Receiver]] = {}
        self.memory_only: set[str] = set()
        self.unsure: set[str] = set()
        self.rejected: set[tuple[str, Receiver]] = set()
        self.full = False
        self.outbox = self.open()

    def open(self) -> EventOutbox:
        outbox = EventOutbox(Path(self.directory.name), "boot")
        self.clock.run(outbox.open(0))
        outbox.ballast.drop()
        return outbox

    @rule(kind=st.sampled_from(KINDS))
    def put(self, kind: EventKind) -> None:
        made = event(len(self.put_ids), kind)
        reason = self.clock.run(self.outbox.put(made, at_monotonic_ns=0, now_monotonic_ns=0))
        assert self.full or reason is None
        self.put_ids.append(made.id)
        self.waiting[made.id] = made.receipts_needed
        if reason is not None:
            self.memory_only.add(made.id)

    @rule(
        data=st.data(),
        by=st.sampled_from(list(Receiver)),
        outcome=st.sampled_from(list(Outcome)),
    )
    def receive(self, data: st.DataObject, by: Receiver, outcome: Outcome) -> None:
        """Of old, present and unknown events, some twice."""
        ids = data.draw(st.lists(st.sampled_from([*self.put_ids, "stranger"]), max_size=4))
        rejections = self.clock.run(self.outbox.apply(receipt(*ids, by=by, outcome=outcome)))
        expected = set()
        for identifier in ids:
            if by in self.waiting.get(identifier, frozenset()):
                self.waiting[identifier] -= {by}
                if self.full:
                    self.unsure.add(identifier)
                if outcome is Outcome.REJECTED:
                    expected.add((identifier, by))
        assert {(each.event.id, each.by) for each in rejections} == expected
        if not self.full:
            self.rejected |= expected

    @rule()
    def crash(self) -> None:
        """The object is abandoned as kill -9 abandons it."""
        self.outbox = self.open()
        self.full = False
        for identifier in self.memory_only:
            del self.waiting[identifier]
        self.memory_only.clear()
        for identifier in self.unsure & set(self.waiting):
            # The receipt may not have reached the disk: then it is waited for again.
            entry = self.outbox.pending.get(identifier)
            found = entry.waiting if entry is not None else frozenset()
            assert found >= self.waiting[identifier]
            self.waiting[identifier] = found
        self.unsure.clear()

    @rule()
    def disk_fills(self) -> None:
        self.full = True
        fill(self.outbox, True)

    @rule()
    def disk_has_space_again(self) -> None:
        self.full = False
        fill(self.outbox, False)
        assert self.clock.run(self.outbox.retry_unwritten())
        self.memory_only.clear()

    @invariant()
    def nothing_lost_nothing_invented(self) -> None:
        if not hasattr(self, "outbox"):
            return
        pending = {key: entry.waiting for key, entry in self.outbox.pending.items()}
        assert pending == {key: waits for key, waits in self.waiting.items() if waits}
        not_durable = {key for key, entry in self.outbox.pending.items() if not entry.durable}
        assert not_durable <= self.memory_only

    @invariant()
    def rejected_events_are_kept(self) -> None:
        if hasattr(self, "outbox") and not self.full:
            letters = self.clock.run(self.outbox.dead_letters())
            assert {(each.id, Receiver(by)) for each, by, _ in letters} >= self.rejected

    def teardown(self) -> None:
        if hasattr(self, "directory"):
            self.clock.run(self.outbox.close())
            self.directory.cleanup()


TestOutboxMachine = OutboxMachine.TestCase
TestOutboxMachine.settings = settings(
    max_examples=15,
    stateful_step_count=20,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)


@pytest.fixture
def outbox(tmp_path: Path, clock: VirtualClock) -> EventOutbox:
    made = EventOutbox(tmp_path, "boot")
    clock.run(made.open(0))
    return made


def put(clock: VirtualClock, outbox: EventOutbox, made: Event, **more: object) -> str | None:
    return clock.run(
        outbox.put(made, at_monotonic_ns=0, now_monotonic_ns=0, **more)  # type: ignore[arg-type]
    )


def test_a_full_disk_takes_the_alarm_when_the_ballast_is_dropped(tmp_path, clock, outbox):
    small_disk = tmp_path / "disk"
    small_disk.mkdir()
    mounted = _mount(small_disk, "12m")
    if not mounted:
        pytest.skip("a small disk can only be mounted by root")
    try:
        full = EventOutbox(small_disk, "boot")
        clock.run(full.open(0))
        assert full.ballast.there
        (small_disk / "everything-else").write_bytes(_all_that_fits(small_disk))
        # More than the file's slack: the disk must give, and only the ballast can.
        reasons = [put(clock, full, event(number)) for number in range(60)]
        assert reasons == [None] * 60
        assert not full.ballast.there
        clock.run(full.close())
        again = EventOutbox(small_disk, "boot")
        clock.run(again.open(0))
        assert len(again.pending) == 60
        clock.run(again.close())
    finally:
        _unmount(small_disk)


def _mount(path: Path, size: str) -> bool:
    import subprocess

    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(path)]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def _unmount(path: Path) -> None:
    import subprocess

    subprocess.run(["umount", "-l", str(path)], check=True)


def _all_that_fits(path: Path) -> bytes:
    import shutil

    return b"x" * shutil.disk_usage(path).free


def test_results_survive_and_may_be_written_back_only_when_safe(tmp_path, clock, outbox):
    counter = Counter("wearable-1", "candidate", 7, 3)
    assert not outbox.may_write_back(counter)
    put(clock, outbox, event(1), result=counter)
    assert outbox.may_write_back(counter)
    again = EventOutbox(tmp_path, "boot")
    clock.run(again.open(0))
    assert again.result(counter)
    assert again.may_write_back(counter)
    clock.run(again.forget_results("wearable-1", "candidate"))
    assert not again.result(counter)
    third = EventOutbox(tmp_path, "boot")
    clock.run(third.open(0))
    assert not third.result(counter)


def test_a_result_that_is_only_in_memory_is_not_written_back(clock, outbox):
    counter = Counter("wearable-1", "candidate", 7, 3)
    outbox.ballast.drop()
    fill(outbox, True)
    reasons = [put(clock, outbox, event(number)) for number in range(8)]
    assert reasons[-1] is not None
    put(clock, outbox, event(9), result=counter)
    assert outbox.result(counter)
    assert not outbox.may_write_back(counter)
    fill(outbox, False)
    clock.run(outbox.retry_unwritten())
    assert outbox.may_write_back(counter)


def test_the_event_numbers_of_a_session_go_on_after_a_restart(tmp_path, clock, outbox):
    assert [outbox.next_sequence("session") for _ in range(2)] == [1, 2]
    put(clock, outbox, event(2))
    again = EventOutbox(tmp_path, "boot")
    clock.run(again.open(0))
    assert again.next_sequence("session") == 3
    assert again.next_sequence("another") == 1


def test_a_damaged_file_is_kept_aside_and_what_waits_is_written_again(tmp_path, clock, outbox):
    put(clock, outbox, event(1))
    clock.run(outbox.close())
    (tmp_path / "alarms.sqlite").write_bytes(b"this is no database" * 1_000)
    again = EventOutbox(tmp_path, "boot")
    clock.run(again.open(0))
    assert [each.name for each in again.damaged_files] == ["alarms.sqlite.damaged-1"]
    assert put(clock, again, event(2)) is None
    third = EventOutbox(tmp_path, "boot")
    clock.run(third.open(0))
    assert list(third.pending) == ["event-2"]


def test_a_file_damaged_under_way_gets_back_what_memory_holds(tmp_path, clock, outbox):
    put(clock, outbox, event(1))
    clock.run(outbox.close())
    outbox._file._thread = type(outbox._file._thread)(1)
    for file in tmp_path.glob("alarms.sqlite*"):
        file.write_bytes(b"\xff" * 8_192)
    assert put(clock, outbox, event(2)) is None
    assert not outbox.pending["event-1"].durable
    assert clock.run(outbox.retry_unwritten())
    again = EventOutbox(tmp_path, "boot")
    clock.run(again.open(0))
    assert set(again.pending) == {"event-1", "event-2"}


def test_a_folder_that_cannot_be_used_is_said(tmp_path, clock):
    (tmp_path / "file").write_text("in the way")
    outbox = EventOutbox(tmp_path / "file", "boot")
    with pytest.raises(UnwritableError):
        clock.run(outbox.open(0))
    assert put(clock, outbox, event(1)) is not None
    assert list(outbox.pending) == ["event-1"]


def test_a_command_is_claimed_once_also_after_a_restart(tmp_path, clock, outbox):
    assert clock.run(outbox.claim_command("a", 100, 50))
    assert not clock.run(outbox.claim_command("a", 100, 50))
    again = EventOutbox(tmp_path, "boot")
    clock.run(again.open(0))
    assert not clock.run(again.claim_command("a", 100, 60))


def test_commits_are_on_the_disk_before_they_return(tmp_path, clock, outbox):
    connection = outbox._file._connection
    assert connection.execute("PRAGMA synchronous").fetchone() == (2,)
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    put(clock, outbox, event(1))
    with sqlite3.connect(tmp_path / "alarms.sqlite") as other:
        assert other.execute("SELECT count(*) FROM events").fetchone() == (1,)
    other.close()
