"""Telemetry batches: cumulative receipts, no holes, and what happens without space."""

from __future__ import annotations

import random
import tempfile
from pathlib import Path

import msgspec
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from contract.clock import VirtualClock
from contract.events import Receiver
from contract.messages import MESSAGE_SCHEMA, Outcome, Receipt
from contract.telemetry import TELEMETRY_SCHEMA, SummaryPoint, TelemetryBatch
from edge.telemetry_outbox import CACHED_BATCHES, TelemetryOutbox


def batch(session: str, sequence: int) -> TelemetryBatch:
    return TelemetryBatch(
        schema=TELEMETRY_SCHEMA,
        home="demo",
        gateway="gateway-a",
        session=session,
        sequence=sequence,
        boot="boot",
        clock="synced",
        sent_at_us=1,
        points=[SummaryPoint(at_us=sequence, device="wearable-1", min_g=1.0)],
    )


def receipt(session: str, up_to: int, outcome: Outcome = Outcome.STORED) -> Receipt:
    return Receipt(
        schema=MESSAGE_SCHEMA,
        by=Receiver.INGEST,
        outcome=outcome,
        at_us=1,
        session=session,
        up_to_sequence=up_to,
    )


def put(clock: VirtualClock, outbox: TelemetryOutbox, session: str = "one") -> str | None:
    return clock.run(outbox.put(batch(session, outbox.next_sequence(session)), 0))


class TelemetryMachine(RuleBasedStateMachine):
    """Batches of several sessions, receipts in any order, crashes."""

    @initialize()
    def begin(self) -> None:
        self.directory = tempfile.TemporaryDirectory()
        self.clock = VirtualClock()
        self.number = 0
        self.made: dict[str, int] = {}
        self.gone: set[tuple[str, int]] = set()
        self.on_disk: set[tuple[str, int]] = set()
        self.start()

    def start(self) -> None:
        self.number += 1
        self.session = f"session-{self.number}"
        self.outbox = TelemetryOutbox(Path(self.directory.name), "demo", "gateway-a")
        self.clock.run(self.outbox.open(0))

    @rule()
    def put(self) -> None:
        assert put(self.clock, self.outbox, self.session) is None
        self.made[self.session] = self.made.get(self.session, 0) + 1
        # The commit of a batch brings earlier receipts to the disk.
        self.on_disk = set(self.gone)

    @rule(data=st.data(), up_to=st.integers(0, 12))
    def receive(self, data: st.DataObject, up_to: int) -> None:
        session = data.draw(st.sampled_from([*self.made, "stranger"]))
        assert self.outbox.apply(receipt(session, up_to)) == []
        for sequence in range(1, min(up_to, self.made.get(session, 0)) + 1):
            self.gone.add((session, sequence))

    @rule(data=st.data())
    def reject(self, data: st.DataObject) -> None:
        session = data.draw(st.sampled_from([*self.made, "stranger"]))
        sequence = data.draw(st.integers(1, 12))
        key = (session, sequence)
        was_waiting = key in self.outbox.pending
        rejected = self.outbox.apply(receipt(session, sequence, Outcome.REJECTED))
        assert rejected == ([key] if was_waiting else [])
        if was_waiting:
            self.gone.add(key)

    @rule()
    def crash(self) -> None:
        self.gone = set(self.on_disk)
        self.start()

    @invariant()
    def nothing_lost_nothing_invented(self) -> None:
        if not hasattr(self, "outbox"):
            return
        made = {(each, n) for each, count in self.made.items() for n in range(1, count + 1)}
        assert set(self.outbox.pending) == made - self.gone
        for key, entry in self.outbox.pending.items():
            assert self.clock.run(self.outbox.load(entry)).points[0].at_us == key[1]

    def teardown(self) -> None:
        if hasattr(self, "directory"):
            self.clock.run(self.outbox.close())
            self.directory.cleanup()


TestTelemetryMachine = TelemetryMachine.TestCase
TestTelemetryMachine.settings = settings(
    max_examples=15,
    stateful_step_count=15,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)


def test_beyond_the_limit_the_oldest_are_replaced_by_empty_ones(tmp_path, clock):
    outbox = TelemetryOutbox(tmp_path, "demo", "gateway-a", max_batches=3)
    clock.run(outbox.open(0))
    for _ in range(5):
        put(clock, outbox)
    assert outbox.given_up == 2
    points = [len(clock.run(outbox.load(entry)).points) for entry in outbox.pending.values()]
    assert points == [0, 0, 1, 1, 1], "no hole: a cumulative receipt would wait for it for ever"
    assert [key[1] for key in outbox.pending] == [1, 2, 3, 4, 5]


def fill(clock: VirtualClock, outbox: TelemetryOutbox, batches: int) -> None:
    """Batches of ten seconds of six wearables."""
    generator = random.Random(1)
    for _ in range(batches):
        sequence = outbox.next_sequence("one")
        points = [
            SummaryPoint(
                at_us=(sequence * 10 + second) * 1_000_000,
                device=f"wearable-{device}",
                mean_x_g=generator.random(),
                deviation_g=generator.random(),
            )
            for second in range(10)
            for device in range(6)
        ]
        full = msgspec.structs.replace(batch("one", sequence), points=points)
        assert clock.run(outbox.put(full, 0)) is None


def test_beyond_the_quota_the_oldest_are_thinned_and_only_then_dropped(tmp_path, clock):
    outbox = TelemetryOutbox(tmp_path, "demo", "gateway-a", max_bytes=300_000)
    clock.run(outbox.open(0))
    fill(clock, outbox, 100)
    whole_bytes = outbox.bytes // 100
    assert outbox.thinned == outbox.given_up == 0
    fill(clock, outbox, 200)
    assert outbox.bytes <= 300_000 + whole_bytes
    assert outbox.thinned > 100
    assert outbox.given_up == 0, "a second in ten of all is better than all of some"
    entries = list(outbox.pending.values())
    points = [clock.run(outbox.load(entry)).points for entry in entries]
    assert [len(each) for each in points[:100]] == [6] * 100
    assert {each.at_us for each in points[0]} == {10_000_000}, "the first second, not the worst"
    assert [len(each) for each in points[-64:]] == [60] * 64
    assert [key[1] for key in outbox.pending] == list(range(1, 301)), "no hole"
    fill(clock, outbox, 1_200)
    assert outbox.given_up > 0
    assert outbox.bytes <= 300_000 + whole_bytes


def test_what_is_thinned_stays_thinned_after_a_restart_and_is_receipted_as_ever(tmp_path, clock):
    outbox = TelemetryOutbox(tmp_path, "demo", "gateway-a", max_bytes=300_000)
    clock.run(outbox.open(0))
    fill(clock, outbox, 200)
    again = TelemetryOutbox(tmp_path, "demo", "gateway-a", max_bytes=300_000)
    clock.run(again.open(0))
    assert again.bytes == outbox.bytes
    fill(clock, again, 1)
    assert again.thinned < 20, "only what was whole is thinned"
    again.apply(receipt("one", 201))
    assert (again.bytes, len(again.pending)) == (0, 0)


def test_a_batch_that_the_card_has_damaged_becomes_an_empty_one(tmp_path, clock):
    outbox = TelemetryOutbox(tmp_path, "demo", "gateway-a")
    clock.run(outbox.open(0))
    fill(clock, outbox, 1)
    clock.run(outbox._file.do(lambda file: file.execute("UPDATE batches SET payload = x'7800'")))
    again = TelemetryOutbox(tmp_path, "demo", "gateway-a")
    clock.run(again.open(0))
    (entry,) = again.pending.values()
    assert clock.run(again.load(entry)).points == []


def test_while_the_disk_is_for_alarms_only_memory_holds_the_newest(tmp_path, clock):
    space = False
    outbox = TelemetryOutbox(tmp_path, "demo", "gateway-a", may_write=lambda: space)
    clock.run(outbox.open(0))
    for _ in range(CACHED_BATCHES + 2):
        assert put(clock, outbox) is not None
    assert outbox.given_up == 2
    space = True
    assert put(clock, outbox) is None
    again = TelemetryOutbox(tmp_path, "demo", "gateway-a")
    clock.run(again.open(0))
    sequences = [key[1] for key in again.pending]
    assert sequences == list(range(1, CACHED_BATCHES + 4))
    empty = [key[1] for key, entry in again.pending.items() if entry.given_up]
    assert empty == [1, 2], "a later session knows which batches were lost with the memory"


def test_a_receipt_beyond_what_was_made_forgets_nothing_to_come(tmp_path, clock):
    outbox = TelemetryOutbox(tmp_path, "demo", "gateway-a")
    clock.run(outbox.open(0))
    put(clock, outbox)
    outbox.apply(receipt("one", 1_000_000))
    put(clock, outbox)
    assert list(outbox.pending) == [("one", 2)]


def test_a_rejected_batch_is_kept_as_a_dead_letter(tmp_path, clock):
    outbox = TelemetryOutbox(tmp_path, "demo", "gateway-a")
    clock.run(outbox.open(0))
    put(clock, outbox)
    outbox.apply(receipt("one", 1, Outcome.REJECTED))
    put(clock, outbox)
    assert clock.run(outbox.dead_letters()) == [("one", 1, "no reason given")]


def test_one_commit_for_a_batch_and_the_receipts_before_it(tmp_path, clock):
    outbox = TelemetryOutbox(tmp_path, "demo", "gateway-a")
    clock.run(outbox.open(0))
    statements: list[str] = []
    outbox._file._connection.set_trace_callback(statements.append)
    for sequence in range(1, 6):
        put(clock, outbox)
        outbox.apply(receipt("one", sequence))
    assert sum(each == "COMMIT" for each in statements) == 5


def test_a_rejected_batch_does_not_come_back_as_an_empty_one(tmp_path, clock):
    outbox = TelemetryOutbox(tmp_path, "demo", "gateway-a")
    clock.run(outbox.open(0))
    put(clock, outbox)
    outbox.apply(receipt("one", 1, Outcome.REJECTED))
    put(clock, outbox)
    again = TelemetryOutbox(tmp_path, "demo", "gateway-a")
    clock.run(again.open(0))
    assert [key[1] for key in again.pending] == [2]
