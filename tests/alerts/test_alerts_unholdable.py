"""What a stranger may put into an event keeps no alarm back that comes with it."""

from __future__ import annotations

import json

import msgspec
import pytest

from contract import topics
from contract.events import Event, EventKind
from contract.messages import IncidentState
from contract.wire import encode

TEXTS = ("\0", "x" * 1_000)
NUMBERS = (-(2**63), 2**63 - 1, 2**64)


def hostile(event: Event):
    """The event with each of its fields as it should not be."""
    good = json.loads(encode(event))
    for field in msgspec.structs.fields(Event):
        if field.name in {"schema", "home", "gateway", "kind"}:
            continue
        for value in (*TEXTS, *NUMBERS):
            yield json.dumps(good | {"id": f"bad-{field.name}", field.name: value}).encode()


@pytest.mark.parametrize("database_kind", ["sqlite", "postgresql"])
@pytest.mark.parametrize("kind", [EventKind.FAULT, EventKind.FALL_DETECTED])
def test_one_bad_field_keeps_no_alarm_back(ward, kind):
    def say():
        bad = ward.event(kind, device="w9", resident="r9", cause="radio_silent")
        topic = topics.event_topic("demo", "gateway-a", kind)
        for payload in hostile(bad):
            ward.broker.publish(topic, payload)
        ward.send(ward.event(EventKind.FALL_DETECTED, resident="r2", device="w2"))

    ward.play((1, say), until=5)
    open_ = [each for each in ward.incidents() if each.state is IncidentState.OPEN]
    assert "r2" in {each.resident_id for each in open_}
