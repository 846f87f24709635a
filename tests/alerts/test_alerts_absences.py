"""Bathing, charging, leave: what is expected is held, what is an alarm alarms, and it ends."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import select

from alerts import UnknownStaffError
from alerts.absences import DEFAULT_S, LONGEST_S
from alerts.checks import GRACE_S
from alerts.cover import ABSENCE_OVER, REMIND_S
from alerts.desk import BadEndError, UnknownAbsenceError, UnknownResidentError
from alerts.records.models import AbsenceLog
from alerts.views import ResidentState
from contract import topics
from contract.clock import now_us
from contract.events import EventKind, FaultCause
from contract.messages import MESSAGE_SCHEMA, AbsenceKind, Presence
from contract.units import US_PER_S
from contract.wire import encode

BATH_S = DEFAULT_S[AbsenceKind.BATHING]
TICK_S = 10
"""The service looks every two seconds, and commits on a disk that others use."""


def tap(ward, kind=AbsenceKind.BATHING, staff="mei", resident="r1", in_s=None):
    def act():
        until_us = None if in_s is None else now_us(ward.clock) + round(in_s * US_PER_S)
        return ward.desk.absent(resident, kind, staff, until_us)

    return act


def resident(ward, number=0):
    return ward.desk.board().residents[number]


def back(ward, staff="mei"):
    return lambda: ward.desk.back(resident(ward).absence.id, staff)


def fault(ward, cause=FaultCause.NOT_WORN, device="w1"):
    return ward.say(EventKind.FAULT, cause=cause, device=device)


def looks(ward, into):
    return lambda: into.append(ward.desk.board())


def beats(ward, until):
    return [(at_s, ward.heartbeat()) for at_s in range(0, until, 30)]


def hears(ward, *devices):
    def publish():
        presence = Presence(
            schema=MESSAGE_SCHEMA,
            gateway="gateway-a",
            session="gateway-run-1",
            sequence=next(ward.sequence),
            at_us=now_us(ward.clock),
            heard=dict.fromkeys(devices, -60.0),
        )
        topic = topics.build("demo", "gateway-a", topics.PRESENCE)
        ward.broker.publish(topic, encode(presence))

    return publish


def log_of(ward):
    with ward.database.session() as session:
        rows = session.scalars(select(AbsenceLog).order_by(AbsenceLog.id))
        return [(row.what, row.by) for row in rows]


def absence_told(ward, device="w1"):
    config = ward.configs[-1]
    return next(each.absence for each in config.wearables if each.device == device)


@pytest.mark.parametrize("database_kind", ["sqlite", "postgresql"])
def test_one_tap_holds_what_is_to_be_expected_and_tells_the_gateways(ward):
    seen = []
    ward.play(
        *beats(ward, 200),
        (10, tap(ward)),
        (20, fault(ward)),
        (21, fault(ward, FaultCause.WEARABLE_NOT_HEARD)),
        (22, fault(ward, FaultCause.BATTERY_LOW)),
        (40, looks(ward, seen)),
        (41, lambda: seen.append(absence_told(ward))),
        until=60,
    )
    board, told = seen
    assert [fault.cause for fault in board.faults] == ["battery_low"]
    assert board.checks == [], "no task for what was said"
    view = board.residents[0]
    assert view.absence.kind is AbsenceKind.BATHING
    assert (view.absence.by, view.absence.over) == ("Mei", False)
    assert ward.seconds(view.absence.until_us) == pytest.approx(10 + BATH_S, abs=0.1)
    assert (told.kind, told.until_us) == (AbsenceKind.BATHING, view.absence.until_us)
    assert view.state is ResidentState.FAULT, "an empty battery is not to be expected"


def test_who_is_away_and_else_well_is_shown_so(ward):
    seen = []
    ward.play(
        *beats(ward, 100),
        (5, fault(ward)),
        (8, looks(ward, seen)),
        (10, tap(ward)),
        (20, looks(ward, seen)),
        (25, back(ward)),
        (30, looks(ward, seen)),
        until=35,
    )
    before, during, after = seen
    assert before.residents[0].state is ResidentState.FAULT
    assert [check.cause for check in before.checks] == ["not_worn"]
    assert during.residents[0].state is ResidentState.ABSENT
    assert during.checks == []
    assert after.residents[0].state is ResidentState.FAULT, "still off: it is a fault again"
    assert after.residents[0].absence is None
    assert absence_told(ward) is None


@pytest.mark.parametrize("kind", list(AbsenceKind))
@pytest.mark.parametrize("alarm", [EventKind.FALL_DETECTED, EventKind.HELP_REQUESTED])
def test_a_fall_and_a_button_alarm_as_ever(ward, kind, alarm):
    ward.play(
        *beats(ward, 60),
        (5, tap(ward, kind)),
        (10, ward.say(alarm, fall_id="f1")),
        until=12,
    )
    assert [who for _, who in ward.rings()] == ["mei"]
    assert ward.last_board.residents[0].state is ResidentState.ALERT


def test_when_it_is_over_somebody_is_asked_and_then_the_person_in_charge_is_told(ward):
    seen = []
    over_s = 10 + BATH_S
    ward.play(
        *beats(ward, over_s + REMIND_S + GRACE_S + 60),
        (1, lambda: ward.directory.set_on_duty("boss", True)),
        (10, tap(ward)),
        (20, fault(ward)),
        (over_s - TICK_S, looks(ward, seen)),
        (over_s + TICK_S, looks(ward, seen)),
        until=over_s + REMIND_S + GRACE_S + TICK_S,
    )
    during, after = seen
    assert during.checks == []
    (check,) = after.checks
    assert (check.cause, check.beds, check.floor) == (ABSENCE_OVER, ["2/F 211"], "2/F")
    assert check.due_at_us - check.since_us == pytest.approx(REMIND_S * 1e6, abs=TICK_S * 1e6)
    assert after.residents[0].absence.over
    assert after.residents[0].state is ResidentState.FAULT, "not worn is a fault again"
    assert [fault.cause for fault in after.faults] == ["not_worn"]
    assert absence_told(ward) is not None, "gateways say in the fault since when she was expected"
    assert [who for _, who in ward.rings()] == ["boss"]


def test_what_a_gateway_says_that_knows_of_the_absence_counts(ward):
    """She was back early, and took it off again: the gateway has seen both."""
    ward.play(
        *beats(ward, 700),
        (5, fault(ward)),
        (10, tap(ward)),
        (300, ward.say(EventKind.FAULT_CLEARED, cause=FaultCause.NOT_WORN, device="w1")),
        (600, fault(ward)),
        until=620,
    )
    assert [each.cause for each in ward.last_board.faults] == ["not_worn"]
    assert [each.cause for each in ward.last_board.checks] == ["not_worn"]
    assert ward.last_board.residents[0].state is ResidentState.FAULT


def test_nobody_is_sent_to_the_bed_of_who_is_on_leave(ward):
    ward.play(
        (0, ward.heartbeat()),
        (5, tap(ward, AbsenceKind.LEAVE)),
        (6, tap(ward, resident="r2")),
        until=80,
    )
    (check,) = ward.last_board.checks
    assert (check.cause, check.beds) == ("gateway_silent", ["2/F 212"]), "who bathes is at home"


def test_is_back_ends_the_task(ward):
    over_s = 10 + BATH_S
    seen = []
    ward.play(
        *beats(ward, over_s + 100),
        (10, tap(ward)),
        (over_s + 20, back(ward, "wai")),
        (over_s + 30, looks(ward, seen)),
        until=over_s + 40,
    )
    assert seen[0].checks == []
    assert log_of(ward) == [("begun", "mei"), ("ended", "wai")]


def test_a_restart_forgets_neither_the_end_nor_the_task(ward):
    over_s = 10 + BATH_S

    async def restart():
        await ward.stop_service(kill=True)
        await ward.start_service()

    ward.play(
        *beats(ward, over_s + 100),
        (10, tap(ward)),
        (600, restart),
        until=over_s + TICK_S,
    )
    assert [check.cause for check in ward.last_board.checks] == [ABSENCE_OVER]


def test_the_clock_jumps_and_the_bath_is_as_long_as_before(ward):
    ward.play(
        (0, ward.heartbeat()),
        (10, tap(ward)),
        (20, tap(ward, AbsenceKind.LEAVE, resident="r2")),
        (60, ward.jump(-3_600)),
        until=90,
    )
    bath, leave = (view.absence for view in ward.last_board.residents[:2])
    assert ward.seconds(bath.until_us) == pytest.approx(10 + BATH_S - 3_600, abs=3)
    leaves_s = 20 + DEFAULT_S[AbsenceKind.LEAVE]
    assert ward.seconds(leave.until_us) == pytest.approx(leaves_s, abs=3), "a time of day stays"


@pytest.mark.parametrize("database_kind", ["sqlite", "postgresql"])
def test_leave_ends_when_her_wearable_is_heard_again(ward):
    hearing = [(at_s, hears(ward, "w1")) for at_s in (*range(1, 300, 20), *range(2_000, 2_200, 20))]
    seen = []
    ward.play(
        *beats(ward, 2_200),
        *hearing,
        (100, tap(ward, AbsenceKind.LEAVE)),
        (300, lambda: seen.append(resident(ward).absence)),
        (1_900, lambda: seen.append(resident(ward).absence)),
        until=2_150,
    )
    assert None not in seen, "while she goes, and while she is away"
    assert resident(ward).absence is None
    assert log_of(ward) == [("begun", "mei"), ("ended", "wearable")]


def test_a_wearable_that_stays_at_home_ends_no_leave(ward):
    ward.play(
        *beats(ward, 2_000),
        *((at_s, hears(ward, "w1")) for at_s in range(1, 2_000, 60)),
        (100, tap(ward, AbsenceKind.LEAVE)),
        until=2_000,
    )
    assert resident(ward).absence is not None


def test_two_people_say_the_same_and_the_first_has_said_it(ward):
    ward.play(
        (1, tap(ward, staff="mei")),
        (2, tap(ward, staff="wai")),
        (3, back(ward, "mei")),
        until=5,
    )
    assert log_of(ward) == [("begun", "mei"), ("ended", "mei")]


def test_something_else_takes_its_place_and_an_end_may_be_moved(ward):
    first = tap(ward)()
    second = tap(ward, AbsenceKind.LEAVE, "wai")()
    assert first.id != second.id
    later_us = second.until_us + 3_600 * US_PER_S
    for _ in range(2):
        assert ward.desk.back_at(second.id, "mei", later_us).until_us == later_us
    ended = ward.desk.back(second.id, "mei")
    again = ward.desk.back(second.id, "wai")
    assert (ended.ended_by, again.ended_by) == ("Mei", "Mei")
    assert ward.desk.absence(second.id).ended_at_us is not None
    assert log_of(ward) == [
        ("begun", "mei"),
        ("replaced", "wai"),
        ("begun", "wai"),
        ("moved", "mei"),
        ("ended", "mei"),
    ]


@pytest.mark.parametrize("database_kind", ["sqlite", "postgresql"])
def test_many_hands_at_once_leave_one_absence(ward):
    taps = [tap(ward, staff=staff) for staff in ("mei", "wai", "ka", "boss")] * 3
    with ThreadPoolExecutor(4) as pool:
        views = list(pool.map(lambda act: act(), taps))
    assert len({view.id for view in views}) == 1
    assert len(log_of(ward)) == 1


@pytest.mark.parametrize(
    ("work", "error"),
    [
        (lambda d, _: d.absent("nobody", AbsenceKind.BATHING, "mei"), UnknownResidentError),
        (lambda d, _: d.absent("r1", AbsenceKind.BATHING, "nobody"), UnknownStaffError),
        (lambda d, now: d.absent("r1", AbsenceKind.BATHING, "mei", now), BadEndError),
        (
            lambda d, now: d.absent(
                "r1",
                AbsenceKind.BATHING,
                "mei",
                now + (LONGEST_S[AbsenceKind.BATHING] + 60) * US_PER_S,
            ),
            BadEndError,
        ),
        (lambda d, now: d.back_at("none", "mei", now), UnknownAbsenceError),
        (lambda d, _: d.back("none", "mei"), UnknownAbsenceError),
    ],
)
def test_what_cannot_be_is_refused_and_nothing_is_held(ward, work, error):
    with pytest.raises(error):
        work(ward.desk, now_us(ward.clock))
    assert resident(ward).absence is None


def test_a_wearable_that_nobody_wears_leaves_nobody_without_cover(ward):
    ward.directory.unpair("w1")
    ward.play(
        *beats(ward, 60),
        (5, ward.say(EventKind.FAULT, cause=FaultCause.WEARABLE_NOT_HEARD, device="w1")),
        until=20,
    )
    assert [fault.cause for fault in ward.last_board.faults] == ["wearable_not_heard"]
    assert ward.last_board.checks == []
