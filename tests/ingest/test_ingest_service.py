"""Receipts: given for what is durable, for nothing else, and again when asked again."""

from __future__ import annotations

import asyncio
import os
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contract import topics, wire
from contract.events import EventKind, FaultCause, Receiver
from contract.messages import Outcome
from contract.protocols import StoreUnavailableError

FOREVER_US = 4_000_000_000_000_000


def test_an_event_is_stored_and_receipted_to_its_gateway(scene: Any, event: Any) -> None:
    async def scenario() -> None:
        async with scene.serving():
            await scene.send(event(1, gateway="gateway-b"))
            assert [(to, r.by, r.outcome, r.ids) for to, r in scene.heard] == [
                ("gateway-b", Receiver.INGEST, Outcome.STORED, [event(1).id])
            ]
            stored = scene.reader.events(0, FOREVER_US)
            assert [each.event for each in stored] == [event(1, gateway="gateway-b")]
            assert not stored[0].late

    scene.run(scenario)


def test_everything_of_one_moment_shares_a_receipt(scene: Any, event: Any) -> None:
    async def scenario() -> None:
        async with scene.serving():
            await scene.send(*(event(number) for number in range(1, 2_501)))
            receipts = scene.receipts()
            assert len(receipts) <= 5, "one for each write, of 256 kB"
            assert {each_id for each in receipts for each_id in each.ids} == {
                event(number).id for number in range(1, 2_501)
            }

    scene.run(scenario)


def test_a_duplicate_is_receipted_again_and_kept_once(scene: Any, event: Any, batch: Any) -> None:
    async def scenario() -> None:
        async with scene.serving():
            await scene.send(event(1), batch(1))
            scene.receipts()
            # A resend has another age, and is the same event all the same.
            await scene.send(event(1, age_ms=70_000), batch(1, age_ms=70_000))
            again = scene.receipts()
            assert [(r.outcome, r.ids, r.up_to_sequence) for r in again] == [
                (Outcome.DUPLICATE, [event(1).id], None),
                (Outcome.DUPLICATE, [], 1),
            ]
        async with scene.serving():
            await scene.send(event(1), batch(1))
            assert {r.outcome for r in scene.receipts()} == {Outcome.DUPLICATE}
        assert len(scene.reader.events(0, FOREVER_US)) == 1
        assert len(scene.reader.series("resident-1", "max_g", 0, FOREVER_US).values) == 3

    scene.run(scenario)


def test_a_telemetry_receipt_never_covers_a_hole(scene: Any, batch: Any) -> None:
    async def scenario() -> None:
        async with scene.serving():
            await scene.send(batch(2), batch(3))
            assert scene.receipts() == []
            await scene.send(batch(5))
            assert scene.receipts() == []
            await scene.send(batch(1))
            assert [r.up_to_sequence for r in scene.receipts()] == [3]
        async with scene.serving():  # what stood behind the hole is not forgotten
            await scene.send(batch(4))
            assert [(r.session, r.up_to_sequence) for r in scene.receipts()] == [("session-1", 5)]

    scene.run(scenario)


def test_sessions_and_gateways_count_apart(scene: Any, batch: Any) -> None:
    async def scenario() -> None:
        async with scene.serving():
            await scene.send(
                batch(1),
                batch(2),
                batch(1, session="session-2"),
                batch(1, gateway="gateway-b", session="session-1"),
                batch(3, gateway="gateway-b", session="session-1"),
            )
            assert {(to, r.session, r.up_to_sequence) for to, r in scene.heard} == {
                ("gateway-a", "session-1", 2),
                ("gateway-a", "session-2", 1),
                ("gateway-b", "session-1", 1),
            }

    scene.run(scenario)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_any_order_any_loss_any_restart(data: st.DataObject, scenes: Any, event: Any, batch: Any):
    """Whatever is sent, lost, doubled or interrupted: in the end each message is there once,
    and at no time was a receipt given for one that was not."""
    numbers = st.integers(1, 6)
    steps = data.draw(
        st.lists(
            st.one_of(
                st.tuples(st.just("send"), st.lists(st.tuples(st.booleans(), numbers), max_size=5)),
                st.tuples(st.just("crash"), st.none()),
                st.tuples(st.just("outage"), st.none()),
            ),
            max_size=8,
        )
    )
    with tempfile.TemporaryDirectory() as folder:
        scene = scenes(Path(folder))

        def check_receipts() -> None:
            stored = {each.event.id for each in scene.reader.events(0, FOREVER_US)}
            seconds = scene.reader.series("resident-1", "max_g", 0, FOREVER_US).at_us.tolist()
            assert len(seconds) == len(set(seconds))
            for receipt in scene.receipts():
                assert receipt.outcome is not Outcome.REJECTED
                assert set(receipt.ids) <= stored
                for sequence in range(1, (receipt.up_to_sequence or 0) + 1):
                    assert batch(sequence).points[0].at_us in seconds

        async def scenario() -> None:
            for what, messages in [
                *steps,
                ("send", [(k, n) for k in (True, False) for n in range(1, 7)]),
            ]:
                async with scene.serving():
                    if what == "send":
                        await scene.send(*((event if k else batch)(n) for k, n in messages))
                    elif what == "crash":
                        # Killed between storing and giving the receipt.
                        scene.refused_topics.add(topics.build("demo", "gateway-a", topics.RECEIPT))
                        await scene.send(event(1), batch(1))
                        scene.ingest_bus.kill()
                        scene.refused_topics.clear()
                    else:
                        scene.broker.stop()
                        await scene.clock.sleep(3)
                        scene.broker.start()
                        await scene.clock.sleep(10)
                    check_receipts()
            assert len(scene.reader.events(0, FOREVER_US)) == 6
            assert len(scene.reader.series("resident-1", "max_g", 0, FOREVER_US).values) == 18

        scene.run(scenario)


GARBAGE = [
    b"",
    b"null",
    b"[]",
    b"{",
    b'{"schema": 1}',
    b'{"schema": "1"}',
    b'{"schema": 99, "id": "x"}',
    b"\xff\xfe\x00",
    b'{"schema": 1, "id": NaN}',
    b'{"schema": 1, "x": ' + b"[" * 50_000 + b"]" * 50_000 + b"}",
    os.urandom(300),
    b'{"schema": 1, "pad": "' + b"x" * 300_000 + b'"}',
]
TOPICS = [
    "wardlight/v1/demo/gateway-a/event/fall_detected",
    "wardlight/v1/demo/gateway-a/event/no_such_kind",
    "wardlight/v1/demo/gateway-a/event/",
    "wardlight/v1/demo/gateway-a/telemetry",
    "wardlight/v1/demo/GATEWAY/telemetry",
    "wardlight/v1/demo//event/fall_detected",
]


@pytest.mark.parametrize("topic", TOPICS)
def test_garbage_is_kept_with_a_reason_and_harms_nobody(scene: Any, event: Any, topic: str) -> None:
    async def scenario() -> None:
        async with scene.serving() as service:
            for payload in GARBAGE:
                await scene.send_raw(topic, payload)
            await scene.send(event(1))
            assert scene.receipts()[-1].ids == [event(1).id]
            assert service.health.counts["rejected"] == len(GARBAGE)
            letters = scene.reader.dead_letters()
            assert len(letters) == len(GARBAGE)
            assert all(letter.reason and letter.topic == topic for letter in letters)
            assert max(len(letter.payload) for letter in letters) <= wire.MAX_PAYLOAD_BYTES

    scene.run(scenario)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"schema": 2}, "version"),
        ({"home": "other"}, "home 'other'"),
        ({"gateway": "gateway-b"}, "gateway 'gateway-b'"),
        ({"kind": "help_requested"}, "kind 'help_requested'"),
        ({"kind": "no_such_kind"}, "no_such_kind"),
        ({"kind": "DROP"}, "kind"),
        ({"at_us": -1}, "absurd time"),
        ({"at_us": 9_999_999_999_999_999}, "absurd time"),
        ({"at_us": 1.5}, "at_us"),
        ({"age_ms": -5}, "age"),
        ({"age_ms": 10**30}, "age"),
        ({"sequence": -1}, "sequence"),
        ({"sequence": 10**40}, "sequence"),
        ({"clock": "sundial"}, "clock"),
        ({"kind": "fault", "cause": "DROP"}, ""),
    ],
)
def test_a_refused_event_is_told_why(
    scene: Any, event: Any, altered: Any, changes: dict[str, object], reason: str
) -> None:
    async def scenario() -> None:
        async with scene.serving():
            topic = topics.event_topic("demo", "gateway-a", EventKind.FALL_DETECTED)
            await scene.send_raw(topic, altered(event(7), **changes))
            (receipt,) = scene.receipts()
            assert (receipt.outcome, receipt.ids) == (Outcome.REJECTED, [event(7).id])
            assert reason in receipt.reason
            (letter,) = scene.reader.dead_letters()
            assert letter.reason == receipt.reason
            assert scene.reader.events(0, FOREVER_US) == []

    scene.run(scenario)


def test_an_event_of_1970_is_accepted_because_a_pi_boots_in_1970(scene: Any, event: Any) -> None:
    async def scenario() -> None:
        async with scene.serving():
            await scene.send(event(1, at_us=3_000_000, emitted_at_us=4_000_000, clock="unsynced"))
            assert [r.outcome for r in scene.receipts()] == [Outcome.STORED]

    scene.run(scenario)


def test_an_unknown_field_is_ignored(scene: Any, event: Any, altered: Any) -> None:
    async def scenario() -> None:
        async with scene.serving():
            topic = topics.event_topic("demo", "gateway-a", EventKind.FALL_DETECTED)
            await scene.send_raw(topic, altered(event(1), from_the_future={"x": [1, 2]}))
            assert [r.outcome for r in scene.receipts()] == [Outcome.STORED]

    scene.run(scenario)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"schema": 7}, "version"),
        ({"gateway": "gateway-b"}, "gateway"),
        ({"clock": "sundial"}, "clock"),
        ({"age_ms": -1}, "age"),
        ({"points": [{"at_us": -5, "device": "wearable-1"}]}, "absurd time"),
        ({"points": [{"at_us": 2**62, "device": "wearable-1"}]}, "absurd time"),
        ({"points": [{"at_us": 5, "device": ""}]}, "device"),
        ({"points": [{"at_us": 5}]}, "device"),
        ({"points": [{"at_us": 5, "device": "w", "max_g": "NaN"}]}, "max_g"),
        ({"points": [{"at_us": 5, "device": "w", "battery_percent": 10**30}]}, "cannot be stored"),
    ],
)
def test_a_refused_batch_is_told_why_and_the_next_ones_go_on(
    scene: Any, batch: Any, altered: Any, changes: dict[str, object], reason: str
) -> None:
    async def scenario() -> None:
        async with scene.serving():
            topic = topics.build("demo", "gateway-a", topics.TELEMETRY)
            await scene.send(batch(1))
            await scene.send_raw(topic, altered(batch(2), **changes))
            await scene.send(batch(3))
            first, refused, last = scene.receipts()
            assert (first.outcome, first.up_to_sequence) == (Outcome.STORED, 1)
            assert (refused.outcome, refused.session, refused.up_to_sequence) == (
                Outcome.REJECTED,
                "session-1",
                2,
            )
            assert reason in refused.reason
            assert (last.outcome, last.up_to_sequence) == (Outcome.STORED, 3)
            assert len(scene.reader.series("resident-1", "max_g", 0, FOREVER_US).values) == 6

    scene.run(scenario)


def test_a_strangers_garbage_does_not_keep_out_the_real_batch(
    scene: Any, batch: Any, altered: Any
) -> None:
    async def scenario() -> None:
        async with scene.serving():
            topic = topics.build("demo", "gateway-a", topics.TELEMETRY)
            await scene.send_raw(topic, altered(batch(1), clock="sundial"))
            await scene.send_raw(topic, altered(batch(1), sequence=2, clock="sundial"))
        async with scene.serving():
            scene.receipts()
            await scene.send(batch(1), batch(2))
            assert [(r.outcome, r.up_to_sequence) for r in scene.receipts()] == [
                (Outcome.STORED, 2)
            ]
            assert len(scene.reader.series("resident-1", "max_g", 0, FOREVER_US).values) == 6
            # And garbage that comes after the real one changes nothing.
            await scene.send_raw(topic, altered(batch(1), clock="sundial"))
            await scene.send(batch(1))
            assert scene.receipts()[-1].outcome is Outcome.DUPLICATE

    scene.run(scenario)


def test_two_different_events_of_one_id_do_not_replace_each_other(scene: Any, event: Any) -> None:
    async def scenario() -> None:
        async with scene.serving():
            await scene.send(event(1))
            await scene.send(event(2, id=event(1).id))
            assert [(r.outcome, r.reason) for r in scene.receipts()] == [
                (Outcome.STORED, None),
                (Outcome.REJECTED, "another event has this id"),
            ]
            assert [each.event.sequence for each in scene.reader.events(0, FOREVER_US)] == [1]
            assert len(scene.reader.dead_letters()) == 1

    scene.run(scenario)


def test_a_dead_letter_that_comes_again_is_counted_not_multiplied(
    scene: Any, event: Any, altered: Any
) -> None:
    async def scenario() -> None:
        async with scene.serving():
            topic = topics.event_topic("demo", "gateway-a", EventKind.FALL_DETECTED)
            for age_ms in range(0, 50, 10):
                await scene.send_raw(topic, altered(event(1), clock="sundial", age_ms=age_ms))
            assert len(scene.receipts()) == 5
            (letter,) = scene.reader.dead_letters()
            assert letter.times == 5
            assert letter.last_at_us > letter.first_at_us

    scene.run(scenario)


def test_late_data_is_kept_and_marked(scene: Any, event: Any, batch: Any) -> None:
    async def scenario() -> None:
        async with scene.serving():
            await scene.send(
                event(1, age_ms=60_000),
                event(2, age_ms=60_001),
                event(3, age_ms=None),
                batch(1, age_ms=3_600_000),
            )
            late = {each.event.sequence: each.late for each in scene.reader.events(0, FOREVER_US)}
            assert late == {1: False, 2: True, 3: False}
            (latest,) = scene.reader.latest(FOREVER_US)
            assert latest.late

    scene.run(scenario)


def test_an_hour_down_and_then_everything_is_there(scene: Any, event: Any, batch: Any) -> None:
    """A gateway that resends what has no receipt, and an ingest that is away for an hour."""
    events = [event(number) for number in range(1, 61)]
    batches = [batch(number) for number in range(1, 361)]

    async def scenario() -> None:
        waiting: dict[Any, Any] = {each.id: each for each in events} | {
            each.sequence: each for each in batches
        }

        async def gateway() -> None:
            while waiting:
                await scene.send(*waiting.values())
                for receipt in scene.receipts():
                    for done in receipt.ids:
                        waiting.pop(done, None)
                    for sequence in range(1, (receipt.up_to_sequence or 0) + 1):
                        waiting.pop(sequence, None)
                await scene.clock.sleep(30)

        sending = asyncio.create_task(gateway())
        await scene.clock.sleep(3_600)
        assert len(waiting) == len(events) + len(batches)
        async with scene.serving():
            await asyncio.wait_for(sending, 120)
        assert len(scene.reader.events(0, FOREVER_US)) == len(events)
        points = scene.reader.series("resident-1", "max_g", 0, FOREVER_US)
        assert len(points.values) == 3 * len(batches)

    scene.run(scenario)


def test_a_full_store_gives_no_receipt_says_so_and_recovers(
    scene: Any, event: Any, batch: Any
) -> None:
    async def scenario() -> None:
        async with scene.serving() as service:
            await scene.send(event(1))
            scene.receipts()
            scene.store.ledger.max_bytes = scene.path.stat().st_size
            scene.store.ledger.drop_connection()  # limits hold from the next opening
            large = [batch(number, points=batch().points * 100) for number in range(1, 4)]
            await scene.send(event(2), *large)
            assert scene.receipts() == []
            assert service.health.counts["unstored"] == 4
            assert FaultCause.STORE_UNWRITABLE.value in scene.statuses[-1].faults
            assert [each.event.sequence for each in scene.reader.events(0, FOREVER_US)] == [1]
            # Space is made; the heartbeat notices by itself.
            scene.store.ledger.max_bytes = None
            await scene.clock.sleep(12)
            assert scene.statuses[-1].faults == []
            await scene.send(event(2), *large)
            assert [(r.outcome, r.up_to_sequence) for r in scene.receipts()] == [
                (Outcome.STORED, None),
                (Outcome.STORED, 3),
            ]

    scene.run(scenario)


def test_a_store_that_cannot_be_opened_is_said_from_the_start(scene: Any, event: Any) -> None:
    async def scenario() -> None:
        scene.path.mkdir()  # a folder where the file should be
        async with scene.serving():
            await scene.send(event(1))
            assert scene.receipts() == []
            assert scene.statuses[-1].faults == [FaultCause.STORE_UNWRITABLE.value]
            with pytest.raises(StoreUnavailableError):
                scene.reader.events(0, FOREVER_US)
            scene.path.rmdir()
            await scene.send(event(1))
            assert [r.outcome for r in scene.receipts()] == [Outcome.STORED]
            assert scene.statuses[-1].faults == []

    scene.run(scenario)


def test_refused_receipts_are_a_fault_and_a_duplicate_gets_its_receipt(
    scene: Any, event: Any
) -> None:
    async def scenario() -> None:
        topic = topics.build("demo", "gateway-a", topics.RECEIPT)
        async with scene.serving() as service:
            scene.refused_topics.add(topic)
            await scene.send(event(1))
            assert scene.receipts() == []
            assert service.health.counts["receipts_refused"] == 1
            assert scene.statuses[-1].faults == [FaultCause.PUBLISH_REFUSED.value]
            scene.refused_topics.clear()
            await scene.send(event(1))
            assert [r.outcome for r in scene.receipts()] == [Outcome.DUPLICATE]
            assert scene.statuses[-1].faults == []

    scene.run(scenario)


def test_the_heartbeat_says_how_it_is_and_ends_with_a_goodbye(scene: Any, event: Any) -> None:
    async def scenario() -> None:
        async with scene.serving():
            await scene.send(event(1))
            await scene.clock.sleep(60)
            scene.clock.set_synced(False)
            await scene.clock.sleep(10)
        await scene.settle()
        online = [each for each in scene.statuses if each.online]
        assert [each.sequence for each in scene.statuses] == list(range(1, len(scene.statuses) + 1))
        assert 7 <= len(online) <= 9
        assert {each.session for each in scene.statuses} == {"run-1"}
        assert online[-1].counts["events_stored"] == 1
        assert online[-1].clock == "unsynced"
        assert online[-1].faults == [FaultCause.CLOCK_UNSYNCED.value]
        assert online[0].faults == []
        assert [each.online for each in scene.statuses[-2:]] == [True, False]
        retained = scene.broker.retained[topics.build("demo", "ingest", topics.STATUS)]
        assert wire.decode(retained, type(online[0])).online is False

    scene.run(scenario)


def test_the_last_will_comes_after_every_heartbeat_of_its_session(scene: Any) -> None:
    async def scenario() -> None:
        async with scene.serving():
            scene.ingest_bus.kill()
            await scene.settle()
            will = scene.statuses[-1]
            assert not will.online
            assert will.session == "run-1"
            assert will.sequence > max(each.sequence for each in scene.statuses[:-1])
        async with scene.serving():
            assert scene.statuses[-1].online
            assert scene.statuses[-1].session == "run-2"

    scene.run(scenario)


def test_a_cancelled_service_ends_although_the_broker_never_answers(scene: Any) -> None:
    async def scenario() -> None:
        async with scene.serving():
            hanging = asyncio.Event()

            async def never(*_: object, **__: object) -> None:
                await hanging.wait()

            scene.ingest_bus.publish = never
            before_ns = scene.clock.monotonic_ns()
        assert (scene.clock.monotonic_ns() - before_ns) / 1e9 <= 1.1

    scene.run(scenario)
