"""Encoding and decoding: version first, unknown fields ignored, everything else said."""

from __future__ import annotations

import json
import tracemalloc
import zlib
from contextlib import suppress
from typing import Any, get_type_hints

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract import wire
from contract.events import (
    EVENT_CLASS,
    RECEIPTS_NEEDED,
    Event,
    EventClass,
    EventKind,
    Evidence,
    FaultCause,
    Receiver,
    Waveform,
)
from contract.messages import (
    LAST_SEQUENCE,
    Absence,
    AbsenceKind,
    AlertState,
    AlertStateItem,
    Command,
    CommandName,
    Discovered,
    DiscoveredDevice,
    GatewayConfig,
    IncidentState,
    Outcome,
    Presence,
    Priority,
    Receipt,
    ReceiverConfig,
    Role,
    SensorConfig,
    SirenMessage,
    Status,
    Tone,
    VitalLimits,
    VolumeHours,
    WearableConfig,
)
from contract.telemetry import SummaryPoint, TelemetryBatch
from contract.whereabouts import Place, SensorChange, Whereabouts

EVENT = Event(
    schema=1,
    id="01900000-0000-7000-8000-000000000001",
    kind=EventKind.FALL_DETECTED,
    home="demo",
    gateway="gateway-a",
    session="session-1",
    sequence=1,
    boot="boot-1",
    clock="synced",
    at_us=1_767_297_600_000_000,
    emitted_at_us=1_767_297_604_000_000,
    age_ms=12,
    resident="resident-1",
    evidence=Evidence(
        detector="fall_convolution/1",
        score=0.5,
        features={"peak_g": 3.25},
        waveform=Waveform(start_us=1, rate_hz=25.0, counts_per_g=1000, samples="AAAA"),
    ),
)
MESSAGES: list[msgspec.Struct] = [
    EVENT,
    TelemetryBatch(
        schema=1,
        home="demo",
        gateway="gateway-a",
        session="s",
        sequence=1,
        boot="b",
        clock="unsynced",
        sent_at_us=5,
        points=[SummaryPoint(at_us=1, device="wearable-1", max_g=1.5, worn=False)],
    ),
    Receipt(schema=1, by=Receiver.INGEST, outcome=Outcome.STORED, at_us=1, ids=["x"]),
    Status(
        schema=1, role=Role.INGEST, name="ingest", session="s", sequence=LAST_SEQUENCE,
        online=False, at_us=1, counts={"x": 2.0}, faults=["broker_lost"],
    ),
    AlertState(
        schema=1,
        session="s",
        sequence=1,
        at_us=1,
        alerts=[
            AlertStateItem(
                incident="i", state=IncidentState.UNPAGED, priority=Priority.HIGH,
                kind="fall_suspected", opened_at_us=1, sound=True,
            )
        ],
    ),
    GatewayConfig(
        schema=1,
        home="demo",
        revision=3,
        wearables=[
            WearableConfig(device="wearable-1", address="AA:BB", identity=1),
            WearableConfig(
                device="strap-1", address="AA:BC", kind="polar", vitals=VitalLimits(high_bpm=120),
                absence=Absence(kind=AbsenceKind.BATHING, since_us=1, until_us=2),
            ),
        ],
        sensors=[SensorConfig(device="door-1", address="AA:BD", zone="entrance", key="00")],
        receivers=[ReceiverConfig(name="lounge-esp32", zone="lounge")],
        siren_volume=[VolumeHours(from_hour=7, volume_percent=80)],
    ),
    Command(schema=1, id="c", name=CommandName.VIBRATE, expires_at_us=5, device="wearable-1"),
    Discovered(
        schema=1, gateway="gateway-a", command="c", at_us=1,
        devices=[
            DiscoveredDevice(
                address="AA:BB", kind="polar", model="Polar H10", rssi_dbm=-60, adverts=3
            )
        ],
    ),
    Presence(schema=1, gateway="gateway-a", session="s", sequence=1, at_us=1, heard={"w": -60.5}),
    Presence(
        schema=1, gateway="gateway-b", session="s", sequence=1, at_us=1, heard={},
        strengths={"": {"w": -61.5}, "lounge": {"w": -80.0}}, movement_g={"w": 0.02},
        states={"door-1": {"opening": 1.0}}, told=["elopement:resident-1:1"],
        changes=[SensorChange(number=3, device="door-1", quantity="opening", value=1.0, age_ms=9)],
    ),
    Whereabouts(
        schema=1, gateway="gateway-a", session="s", sequence=1, at_us=1,
        places={"resident-1": Place(zone="lounge", probability=0.9, since_us=1)},
    ),
    SirenMessage(schema=1, gateway="gateway-a", sounding=True, tone=Tone.ALARM, reason="r"),
]  # fmt: skip


def changed(message: msgspec.Struct, **changes: object) -> bytes:
    return json.dumps(msgspec.to_builtins(message) | changes).encode()


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: type(message).__name__)
def test_every_message_comes_back_as_it_was(message: Any) -> None:
    payload = wire.encode(message)
    assert wire.decode(payload, type(message)) == message
    assert wire.encode(wire.decode(payload, type(message))) == payload
    assert len(payload) < 1_000, "and is short: what is at its default is not sent"


def test_every_message_of_the_vocabulary_is_tried_here() -> None:
    assert {type(message) for message in MESSAGES} == set(wire.SCHEMA_VERSIONS)


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: type(message).__name__)
def test_unknown_fields_are_ignored_also_inside(message: Any) -> None:
    payload = changed(message, from_the_future={"deep": [1, None, "x"]}, another=2)
    assert wire.decode(payload, type(message)) == message


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: type(message).__name__)
@pytest.mark.parametrize("version", [0, 2, -1, 10**6])
def test_an_unknown_version_is_refused_before_anything_else(message: Any, version: int) -> None:
    # Nothing else of it can be trusted to mean what we think.
    payload = json.dumps({"schema": version, "id": "the-id", "session": "s", "sequence": 4})
    with pytest.raises(wire.RejectedMessageError, match=f"version {version}") as caught:
        wire.decode(payload.encode(), type(message))
    assert caught.value.message_id == "the-id"
    assert (caught.value.session, caught.value.sequence) == ("s", 4)


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: type(message).__name__)
def test_each_missing_field_is_named(message: Any) -> None:
    whole = msgspec.to_builtins(message)
    required = [field.name for field in msgspec.structs.fields(type(message)) if field.required]
    assert "schema" in required
    for name in required:
        payload = json.dumps({key: value for key, value in whole.items() if key != name})
        with pytest.raises(wire.RejectedMessageError, match=name):
            wire.decode(payload.encode(), type(message))


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"null",
        b"1",
        b'"text"',
        b"[]",
        b"{}",
        b"{",
        b'{"schema": 1',
        b'{"schema": "1"}',
        b'{"schema": 1.5}',
        b'{"schema": null}',
        b'{"schema": true}',
        b'{"schema": NaN}',
        b"\xff\xfe",
        b'{"schema": 1, "id": "\xff"}',
        b'{"schema": 1, "id": "\\ud800"}',
        b'{"schema": 1} trailing',
    ],
)
def test_what_is_no_message_is_refused(payload: bytes) -> None:
    with pytest.raises(wire.RejectedMessageError, match=r"."):
        wire.decode(payload, Event)


@pytest.mark.parametrize("number", [b"NaN", b"Infinity", b"-Infinity", b"1e999", b'"NaN"', b"null"])
def test_a_number_that_is_none_is_refused(number: bytes) -> None:
    payload = wire.encode(EVENT).replace(b"3.25", number)
    assert number in payload
    with pytest.raises(wire.RejectedMessageError):
        wire.decode(payload, Event)


def test_nan_is_not_sent_as_a_number_either() -> None:
    """msgspec writes null for it, which no reader takes for a measured value."""
    point = SummaryPoint(at_us=1, device="wearable-1", max_g=float("nan"))
    assert b'"max_g":null' in wire.encode(point)


def test_a_payload_at_the_limit_is_read_and_one_byte_more_is_not() -> None:
    empty = len(wire.encode(msgspec.structs.replace(EVENT, detail="")))
    room = wire.MAX_PAYLOAD_BYTES - empty
    at_limit = wire.encode(msgspec.structs.replace(EVENT, detail="x" * room))
    assert len(at_limit) == wire.MAX_PAYLOAD_BYTES
    assert wire.decode(at_limit, Event).detail == "x" * room
    with pytest.raises(wire.RejectedMessageError, match=str(wire.MAX_PAYLOAD_BYTES)):
        wire.decode(at_limit + b" ", Event)


def test_a_payload_nested_too_deeply_is_refused_not_a_crash() -> None:
    deep = b'{"schema": 1, "x": ' + b"[" * 50_000 + b"]" * 50_000 + b"}"
    with pytest.raises(wire.RejectedMessageError):
        wire.decode(deep, Event)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"kind": "fault"}, "without its cause"),
        ({"kind": "fault_cleared"}, "without its cause"),
        ({"kind": "acknowledged"}, "names no incident"),
        ({"clock": "maybe"}, "clock"),
        ({"at_us": -1}, "absurd"),
        ({"at_us": 4_102_444_800_000_000}, "absurd"),
        ({"emitted_at_us": -1}, "absurd"),
        ({"emitted_at_us": 10**18}, "absurd"),
        ({"age_ms": -1}, "age"),
    ],
)
def test_rules_between_fields(changes: dict[str, object], reason: str) -> None:
    with pytest.raises(wire.RejectedMessageError, match=reason) as caught:
        wire.decode(changed(EVENT, **changes), Event)
    assert caught.value.message_id == EVENT.id


@pytest.mark.parametrize(
    "changes",
    [
        {"kind": "fault", "cause": "battery_low"},
        {"kind": "acknowledged", "incident": "i"},
        {"at_us": 0, "clock": "unsynced"},
        {"age_ms": 0},
        {"age_ms": None},
    ],
)
def test_what_keeps_the_rules_is_read(changes: dict[str, object]) -> None:
    assert wire.decode(changed(EVENT, **changes), Event)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=6,
)


@given(
    name=st.sampled_from(sorted(get_type_hints(Event))),
    value=JSON,
    message=st.sampled_from(MESSAGES),
)
def test_any_value_in_any_field_is_read_or_refused(
    name: str, value: Any, message: msgspec.Struct
) -> None:
    with suppress(wire.RejectedMessageError):
        read = wire.decode(changed(message, **{name: value}), type(message))
        assert isinstance(read, type(message))


@given(st.binary(max_size=200), st.sampled_from(sorted(wire.SCHEMA_VERSIONS, key=str)))
def test_any_bytes_are_read_or_refused(payload: bytes, kind: type[msgspec.Struct]) -> None:
    with pytest.raises(wire.RejectedMessageError):
        wire.decode(payload, kind)


def test_every_kind_has_its_class_and_its_receipts() -> None:
    assert set(EVENT_CLASS) == set(RECEIPTS_NEEDED) == set(EventKind)
    for kind in EventKind:
        event = msgspec.structs.replace(EVENT, kind=kind)
        assert event.event_class is EVENT_CLASS[kind]
        assert event.receipts_needed is RECEIPTS_NEEDED[kind]
        if event.event_class is EventClass.ALARM:
            assert event.receipts_needed == {Receiver.INGEST, Receiver.ALERTS}
        assert Receiver.INGEST in event.receipts_needed
    assert EVENT_CLASS[EventKind.FALL_SUSPECTED] is EventClass.ALARM
    assert EVENT_CLASS[EventKind.FAULT] is EventClass.NOTICE


def test_names_on_the_wire_are_lower_case_words() -> None:
    for names in (EventKind, FaultCause, Receiver, Outcome, Priority, IncidentState, CommandName):
        for each in names:
            assert each.value == each.name.lower()


def telemetry(points: int) -> TelemetryBatch:
    return TelemetryBatch(
        schema=1,
        home="demo",
        gateway="gateway-a",
        session="session-1",
        sequence=1,
        boot="boot-1",
        clock="synced",
        sent_at_us=1,
        points=[
            SummaryPoint(at_us=second, device="wearable-1", mean_x_g=second / 7, min_g=0.98)
            for second in range(points)
        ],
    )


@pytest.mark.parametrize("points", [1, 600])
def test_a_long_payload_travels_compressed_and_is_read_like_a_plain_one(points: int) -> None:
    plain = wire.encode(telemetry(points))
    sent = wire.compress(plain)
    assert len(sent) < len(plain) / 3 if points > 1 else sent == plain
    assert wire.decode(sent, TelemetryBatch) == wire.decode(plain, TelemetryBatch)
    assert wire.decompress(sent) == plain


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (zlib.compress(b"0" * 100_000_000), "when decompressed"),
        (zlib.compress(wire.encode(telemetry(600)))[:-10], "ends too soon"),
        (b"x\x00nothing", "not what was compressed"),
        (zlib.compress(b"[1]"), "schema version"),
        (b"0" * (wire.MAX_PAYLOAD_BYTES + 1), "bytes; at most"),
    ],
)
def test_what_was_not_compressed_by_us_is_refused_with_a_reason(
    payload: bytes, reason: str
) -> None:
    tracemalloc.start()
    with pytest.raises(wire.RejectedMessageError, match=reason):
        wire.decode(payload, TelemetryBatch)
    assert tracemalloc.get_traced_memory()[1] < 4 * wire.MAX_PAYLOAD_BYTES, "a bomb is not set off"
    tracemalloc.stop()
