"""Who is heard, what gateways are told, and faults: shown once, cleared, never paged."""

from __future__ import annotations

import itertools

import msgspec
import pytest

from alerts import ResidentState
from contract import topics
from contract.clock import now_us
from contract.events import EventKind, FaultCause
from contract.messages import (
    LAST_SEQUENCE,
    MESSAGE_SCHEMA,
    IncidentState,
    Presence,
    Role,
    Status,
)
from contract.wire import decode, encode

FALL = EventKind.FALL_DETECTED


def causes(ward):
    return [fault.cause for fault in ward.desk.board().faults]


def beats(ward, until, *, start=0, **fields):
    return [(at_s, ward.heartbeat(**fields)) for at_s in range(start, until, 5)]


def test_a_silent_gateway_is_a_fault_that_names_its_beds(ward):
    seen = []
    ward.play(*beats(ward, 31), (88, lambda: seen.append(causes(ward))), until=93)
    assert seen == [[]]
    (fault,) = ward.desk.board().faults
    assert fault.cause == FaultCause.GATEWAY_SILENT
    assert fault.gateway == "gateway-a"
    assert "2/F 211" in fault.detail
    assert "2/F 212" in fault.detail
    assert ward.rings() == []


def test_its_beds_are_unknown_and_the_others_keep_theirs(ward):
    ward.play(
        *beats(ward, 31),
        *beats(ward, 100, name="gateway-b", session="b", beds=("3/F 213",)),
        until=100,
    )
    states = {each.id: each.state for each in ward.last_board.residents}
    assert states == {
        "r1": ResidentState.UNKNOWN,
        "r2": ResidentState.UNKNOWN,
        "r3": ResidentState.OK,
    }


def test_back_again_clears_it(ward):
    ward.play(*beats(ward, 11), *beats(ward, 151, start=120), until=151)
    assert causes(ward) == []
    assert {each.name: each.online for each in ward.last_board.services} == {
        "alerts": True,
        "gateway-a": True,
    }


def test_a_gateway_that_was_entered_and_never_heard_is_missed(ward):
    ward.play(until=65)
    assert causes(ward) == [FaultCause.GATEWAY_SILENT]
    assert "2/F 211" in ward.desk.board().faults[0].detail


def test_a_will_of_the_present_session_counts_at_once(ward):
    ward.play(
        (0, ward.heartbeat(session="s1")), (5, ward.heartbeat(session="s1", online=False)), until=6
    )
    assert causes(ward) == [FaultCause.GATEWAY_SILENT]


def test_a_late_will_of_the_session_before_counts_for_nothing(ward):
    """ESPresense #1256: the old session's will arrives after the new "online"."""
    ward.play(
        (0, ward.heartbeat(session="s1")),
        (3, ward.heartbeat(session="s2")),
        (4, ward.heartbeat(session="s1", online=False)),
        until=10,
    )
    assert causes(ward) == []


def test_a_gateway_whose_connection_alone_was_lost_is_heard_again(ward):
    """A cut cable: the broker speaks the will, and the same run of the gateway comes back."""
    seen = []
    ward.play(
        *beats(ward, 11, session="s1"),
        (12, ward.heartbeat(session="s1", online=False)),
        (13, lambda: seen.append(causes(ward))),
        (15, ward.heartbeat(session="s1")),
        (16, lambda: seen.append(causes(ward))),
        until=17,
    )
    assert seen == [[FaultCause.GATEWAY_SILENT], []]


def test_an_old_heartbeat_cannot_undo_a_will(ward):
    ward.play(
        (0, ward.heartbeat(session="s1", sequence=7)),
        (1, ward.heartbeat(session="s1", online=False)),
        (2, ward.heartbeat(session="s1", sequence=6)),
        until=3,
    )
    assert causes(ward) == [FaultCause.GATEWAY_SILENT]


def test_a_silent_service_is_a_fault_of_its_own(ward):
    ward.play(
        *beats(ward, 100),
        (0, ward.heartbeat(name="ingest", role=Role.INGEST, session="i", beds=())),
        until=70,
    )
    assert causes(ward) == [FaultCause.SERVICE_SILENT]


def test_a_service_of_several_workers_is_silent_when_all_of_them_are(ward):
    """They speak by turns, each with its own session; none ends the others'."""
    ingest = {"name": "ingest", "role": Role.INGEST, "beds": ()}
    seen = []

    def look():
        seen.append(causes(ward))

    ward.play(
        *beats(ward, 200),
        *beats(ward, 20, session="one", **ingest),
        *beats(ward, 101, start=2, session="two", **ingest),
        (25, ward.heartbeat(session="one", online=False, **ingest)),
        (26, look),
        (90, look),
        (104, ward.heartbeat(session="two", online=False, **ingest)),
        (106, look),
        (108, ward.heartbeat(session="one", sequence=1, **ingest)),
        (110, look),
        (112, ward.heartbeat(session="three", **ingest)),
        (114, look),
        until=115,
    )
    silent = [FaultCause.SERVICE_SILENT]
    assert seen == [[], [], silent, silent, []]


def test_a_worker_whose_connection_alone_was_lost_is_heard_again(ward):
    """The broker speaks its will, it connects again and beats on, under the same session."""
    ingest = {"name": "ingest", "role": Role.INGEST, "beds": ()}
    seen = []

    def look():
        seen.append(causes(ward))

    ward.play(
        *beats(ward, 60),
        *beats(ward, 20, session="one", **ingest),
        (25, ward.heartbeat(session="one", sequence=LAST_SEQUENCE, online=False, **ingest)),
        (27, look),
        (30, ward.heartbeat(session="one", sequence=1_000, **ingest)),
        (32, look),
        until=33,
    )
    assert seen == [[FaultCause.SERVICE_SILENT], []]


def test_silence_is_still_missed_after_a_restart(ward):
    async def restart():
        await ward.stop_service(kill=True)
        await ward.start_service()

    ward.play((0, ward.heartbeat(name="gateway-b", session="b")), (30, restart), until=100)
    assert {fault.gateway for fault in ward.desk.board().faults} == {"gateway-a", "gateway-b"}


def test_presence_says_when_a_wearable_was_heard(ward):
    def presence():
        message = Presence(
            schema=MESSAGE_SCHEMA,
            gateway="gateway-a",
            session="s",
            sequence=1,
            at_us=now_us(ward.clock),
            heard={"w2": -60.0},
        )
        topic = topics.build("demo", "gateway-a", topics.PRESENCE)
        ward.broker.publish(topic, encode(message))

    ward.play((10, presence), until=45)
    heard = {each.id: each.last_heard_us for each in ward.desk.board().residents}
    assert ward.seconds(heard["r2"]) == 10
    assert heard["r1"] is None


def test_alert_state_is_said_to_every_known_gateway_at_each_change_and_every_5_s(ward):
    ward.play(
        (2, ward.say(FALL, fall_id="f1", key="k1")),
        (7, ward.acknowledge()),
        (8, ward.arrive()),
        (9, ward.resolve("drill")),
        until=100,
    )
    states = ward.states
    assert [each.sequence for each in states] == sorted({each.sequence for each in states})
    item = next(each.alerts[0] for each in states if each.alerts)
    assert (item.fall_ids, item.keys, item.bed, item.device) == (["f1"], ["k1"], "2/F 211", "w1")
    assert len(item.event_ids) == 1
    gaps = [b.at_us - a.at_us for a, b in itertools.pairwise(states)]
    assert max(gaps) <= 5_050_000
    shown = [each.alerts[0].state for each in states if each.alerts]
    assert list(dict.fromkeys(shown)) == [
        IncidentState.OPEN,
        IncidentState.ACKNOWLEDGED,
        IncidentState.ARRIVED,
        IncidentState.RESOLVED,
    ]
    last_shown = max(each.at_us for each in states if each.alerts)
    assert 60 <= ward.seconds(last_shown) <= 70  # a minute after it was resolved
    assert states[-1].alerts == []


def test_a_gateway_that_was_never_entered_is_told_all_the_same(ward):
    heard = []

    def look():
        branches = (topics.CONFIG, topics.ALERT_STATE)
        heard.extend(topics.build("demo", "gateway-new", branch) in seen for branch in branches)

    seen = set()
    publish = ward.broker.publish

    def spy(topic, payload, **options):
        seen.add(topic)
        publish(topic, payload, **options)

    ward.broker.publish = spy
    ward.play((1, ward.heartbeat(name="gateway-new", session="n")), (2, look), until=3)
    assert heard == [True, True]


def test_configuration_is_retained_and_grows_with_each_change(ward):
    ward.play(
        (0, lambda: None),
        (5, lambda: ward.directory.add_resident("r1", name="N", bed="2/F 999", floor="2/F")),
        (8, lambda: ward.directory.add_resident("r1", name="N", bed="2/F 999", floor="2/F")),
        until=10,
    )
    assert [config.wearables[0].bed for config in ward.configs][-1] == "2/F 999"
    revisions = [config.revision for config in ward.configs]
    assert revisions == sorted(revisions)
    assert len(set(revisions)) == 2
    retained = ward.broker.retained[topics.build("demo", "gateway-a", topics.CONFIG)]
    assert b"2/F 999" in retained
    assert b"Resident" not in retained  # no names travel


def test_own_status_is_retained_and_a_will_stands_behind_it(ward):
    topic = topics.build("demo", "alerts", topics.STATUS)
    seen = []

    def look():
        seen.append(decode(ward.broker.retained[topic], Status))

    async def kill():
        await ward.stop_service(kill=True)
        look()
        await ward.start_service()
        look()

    ward.play((1, look), (2, kill), until=3)
    look()
    assert [each.online for each in seen] == [True, False, True, False]
    assert seen[1].sequence == LAST_SEQUENCE
    assert seen[3].sequence < LAST_SEQUENCE  # a farewell, not a will


# --- faults --------------------------------------------------------------------------------


def fault(ward, kind=EventKind.FAULT, **fields):
    defaults = {"cause": FaultCause.NOT_WORN, "detail": "not worn for 20 min", "device": "w1"}
    return ward.event(kind, **(defaults | fields))


def test_a_fault_is_shown_once_with_its_bed_and_pages_nobody(ward):
    ward.play(
        *beats(ward, 10),
        (0, lambda: ward.send(fault(ward))),
        (1, lambda: ward.send(fault(ward, gateway="gateway-b", session="b"))),
        until=5,
    )
    (shown,) = ward.desk.board().faults
    assert (shown.cause, shown.bed, shown.resident_name) == ("not_worn", "2/F 211", "Resident 1")
    assert ward.rings() == []
    states = {each.id: each.state for each in ward.last_board.residents}
    assert (states["r1"], states["r2"]) == (ResidentState.FAULT, ResidentState.OK)


def test_its_end_clears_it_and_it_may_come_again(ward):
    seen = []
    ward.play(
        (0, lambda: ward.send(fault(ward))),
        (1, lambda: ward.send(fault(ward, EventKind.FAULT_CLEARED))),
        (2, lambda: seen.append(causes(ward))),
        (3, lambda: ward.send(fault(ward))),
        until=5,
    )
    assert seen == [[]]
    assert causes(ward) == [FaultCause.NOT_WORN]


def test_an_end_that_overtakes_its_beginning_leaves_nothing_open(ward):
    first = fault(ward)
    second = fault(ward, EventKind.FAULT_CLEARED)
    assert second.sequence > first.sequence
    ward.play((0, lambda: ward.send(second)), (1, lambda: ward.send(first)), until=2)
    assert causes(ward) == []
    assert ward.outcomes(first.id)


def test_different_devices_and_causes_stay_apart(ward):
    ward.play(
        (0, lambda: ward.send(fault(ward))),
        (0, lambda: ward.send(fault(ward, device="w2"))),
        (0, lambda: ward.send(fault(ward, cause=FaultCause.BATTERY_LOW))),
        (0, lambda: ward.send(fault(ward, device=None, resident=None, zone=None))),
        until=1,
    )
    assert len(causes(ward)) == 4


def test_nonsense_beside_events_is_counted_and_does_no_harm(ward):
    def nonsense():
        for branch in (topics.STATUS, topics.PRESENCE, topics.TELEMETRY):
            ward.broker.publish(topics.build("demo", "gateway-a", branch), b"{")
        lying = Status(
            schema=MESSAGE_SCHEMA,
            role=Role.GATEWAY,
            name="gateway-z",
            session="s",
            sequence=1,
            online=True,
            at_us=0,
        )
        ward.broker.publish(topics.build("demo", "gateway-a", topics.STATUS), encode(lying))

    ward.play((0, nonsense), (1, ward.say(FALL)), until=20)
    status = msgspec.json.decode(
        ward.broker.retained[topics.build("demo", "alerts", topics.STATUS)]
    )
    assert status["counts"]["messages_rejected"] == 3
    assert ward.only().state is IncidentState.OPEN


HOSTILE = (
    {"session": "\0"},
    {"session": "s" * 501},
    {"beds": ("2/F \0",)},
    {"beds": ("x" * 65,)},
    {"beds": tuple(f"bed {number}" for number in range(1_001))},
)


@pytest.mark.parametrize("database_kind", ["sqlite", "postgresql"])
def test_what_the_records_cannot_hold_keeps_nobody_elses_silence_back(ward):
    """A stolen gateway's heartbeats and presence are no reason to miss a silent one."""

    def presence(name, *heard):
        message = Presence(
            schema=MESSAGE_SCHEMA, gateway=name, session="x", sequence=1,
            at_us=now_us(ward.clock), heard=dict.fromkeys(heard, -60.0),
        )  # fmt: skip
        where = topics.build("demo", name, topics.PRESENCE)
        return lambda: ward.broker.publish(where, encode(message))

    ward.play(
        *beats(ward, 31),
        *((20, ward.heartbeat(name=f"gateway-x{n}", **said)) for n, said in enumerate(HOSTILE)),
        # A floor of its own that no column holds.
        *beats(ward, 31, name="gateway-y", session="y", beds=("y" * 40 + " 1",)),
        (28, presence("gateway-x1", "\0")),
        (28, presence("gateway-x2", "w" * 65)),
        (29, presence("gateway-a", "w1")),
        until=100,
    )
    board = ward.last_board
    silent = {each.gateway for each in board.faults if each.cause == FaultCause.GATEWAY_SILENT}
    assert silent == {"gateway-a", "gateway-y"}
    assert [check.beds for check in board.checks if check.floor == "2/F"] == [
        ["2/F 211", "2/F 212"]
    ]
    (first,) = (each for each in board.residents if each.id == "r1")
    assert first.last_heard_us is not None
    (own,) = (each for each in board.services if each.role == Role.ALERTS)
    assert ward.seconds(own.heard_at_us) > 60
