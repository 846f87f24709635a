"""A receipt is proof: after the commit, never without, and never lost for good."""

from __future__ import annotations

import json

import pytest
from sqlalchemy import event as hook

from alerts.records.models import ReceivedEvent
from contract import topics
from contract.events import EventKind, FaultCause
from contract.messages import Outcome, Receipt
from contract.wire import decode, encode
from messaging import LocalBroker

FALL = EventKind.FALL_DETECTED


def causes(ward):
    return [fault.cause for fault in ward.desk.board().faults]


def test_stored_then_duplicate_and_one_incident(ward):
    event = ward.event(FALL, fall_id="f1")
    ward.play((0, lambda: ward.send(event)), (1, lambda: ward.send(event)), until=2)
    assert ward.outcomes(event.id) == [Outcome.STORED, Outcome.DUPLICATE]
    assert len(ward.only().events) == 1
    ward.want_rings((0, "mei"))


def test_killed_between_the_commit_and_the_receipt(ward):
    """The gateway hears nothing, sends again to the next run, and one incident stands."""
    event = ward.event(FALL, fall_id="f1")
    store = ward.database.run

    async def commit_and_die(work, *args, **kwargs):
        result = await store(work, *args, **kwargs)
        if getattr(work, "__name__", "") == "_store":
            ward.service_bus.kill()
        return result

    async def restart():
        ward.database.run = store
        await ward.stop_service(kill=True)
        await ward.start_service()
        ward.send(event)

    def send():
        ward.database.run = commit_and_die
        ward.send(event)

    ward.play((0, send), (10, restart), until=20)
    assert ward.outcomes(event.id) == [Outcome.DUPLICATE]
    assert len(ward.only().events) == 1


def test_no_receipt_while_the_records_cannot_be_written(ward):
    """A full disk: nothing is promised; when there is room again the events are taken."""
    limit = {}

    def apply_limit(connection, _record, _proxy):
        if limit:
            connection.execute(f"PRAGMA max_page_count={limit['pages']}")

    hook.listen(ward.database.engine, "checkout", apply_limit)
    events = [ward.event(FALL, fall_id=f"f{n}", detail="x" * 30_000) for n in range(3)]
    promised = []

    def send():
        for event in events:
            ward.send(event)

    def receipts():
        return [ward.outcomes(event.id) for event in events]

    ward.play(
        (0, lambda: limit.update(pages=1)),
        (1, send),
        (15, lambda: promised.extend(receipts())),
        (20, lambda: limit.update(pages=1_000_000)),
        (22, send),
        until=30,
    )
    assert promised == [[], [], []]
    assert receipts() == [[Outcome.STORED]] * 3
    with ward.database.session() as session:
        assert session.query(ReceivedEvent).count() == 3


def payload(event, **changes):
    return json.dumps(json.loads(encode(event)) | changes).encode()


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"schema": 99}, "schema version 99"),
        ({"home": "other"}, "home"),
        ({"gateway": "gateway-z"}, "gateway"),
        ({"kind": "long_lie"}, "kind"),
        ({"device": "W 1"}, "device"),
        ({"sequence": 2**60}, "sequence"),
        ({"age_ms": 10**15}, "age"),
        ({"age_ms": -1}, "age"),
        ({"at_us": 10**18}, "time"),
        ({"detail": "a\x00b"}, "detail"),
        ({"fall_id": "x" * 1_000}, "fall_id"),
        ({"at_us": "yesterday"}, "at_us"),
    ],
)
def test_what_will_never_be_accepted_is_rejected_with_its_reason(ward, changes, reason):
    event = ward.event(FALL, fall_id="f1")
    topic = topics.event_topic("demo", "gateway-a", FALL)
    good = ward.event(FALL, fall_id="f2")
    ward.play(
        (0, lambda: ward.broker.publish(topic, payload(event, **changes))),
        (1, lambda: ward.send(good)),
        until=2,
    )
    (rejected,) = [each for each in ward.receipts if each.outcome is Outcome.REJECTED]
    assert rejected.ids == [event.id]
    assert reason in rejected.reason
    assert ward.outcomes(good.id) == [Outcome.STORED]


@pytest.mark.parametrize("garbage", [b"", b"{", b"\xff\xfe", b"[]", b"null", b"{}", b"x" * 300_000])
def test_what_has_no_id_is_a_fault_until_the_sender_is_understood_again(ward, garbage):
    topic = topics.event_topic("demo", "gateway-a", FALL)
    seen = []
    ward.play(
        (0, lambda: ward.broker.publish(topic, garbage)),
        (1, lambda: seen.append(causes(ward))),
        (2, ward.say(FALL, fall_id="f1")),
        until=3,
    )
    assert seen == [[FaultCause.PACKET_REJECTED]]
    assert causes(ward) == []
    assert [each.outcome for each in ward.receipts] == [Outcome.STORED]


def test_receipts_go_to_the_gateway_that_sent(ward):
    heard = []
    ward.broker.publish_before = ward.broker.publish

    def spy(topic, payload, **options):
        if topic.endswith(topics.RECEIPT):
            heard.append((topics.parse(topic).sender, decode(payload, Receipt).ids))
        ward.broker.publish_before(topic, payload, **options)

    ward.broker.publish = spy
    first, second = ward.event(FALL), ward.event(FALL, gateway="gateway-b", session="b")

    def both():
        ward.send(first)
        ward.send(second)

    ward.play((0, both), until=1)
    assert sorted(heard) == [("gateway-a", [first.id]), ("gateway-b", [second.id])]


def test_a_broker_that_refuses_us_is_a_fault(ward):
    ward.broker = LocalBroker(
        lambda client, topic: "not allowed" if topic.endswith("/receipt") else None
    )
    seen = []
    ward.play(
        (0, ward.heartbeat()),
        (1, ward.say(FALL)),
        (9, lambda: seen.append(causes(ward))),
        until=20,
    )
    assert seen == [[FaultCause.PUBLISH_REFUSED]]
    assert causes(ward) == []  # no refusal since
    assert ward.receipts == []


def test_a_broker_outage_loses_nothing(ward):
    event = ward.event(FALL, fall_id="f1")
    ward.play(
        (0, ward.broker.stop),
        (30, ward.broker.start),
        (60, lambda: ward.send(event)),
        until=121,
    )
    assert ward.outcomes(event.id) == [Outcome.STORED]
    ward.want_rings((60, "mei"), (120, "mei wai"))
