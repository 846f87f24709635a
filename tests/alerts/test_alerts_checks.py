"""Loss of cover: its beds are named, looked after every half hour, and raised when nobody does."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import select

from alerts import UnknownCheckError, UnknownStaffError, faults
from alerts.checks import CHECK_EVERY_S, FLAP_S, GRACE_S, CheckLogKind
from alerts.clockwatch import ClockWatch
from alerts.records.models import ManualCheckLog
from alerts.rounds import Rounds
from contract.clock import now_us
from contract.events import EventKind, FaultCause

SILENT_S = 60
"""A gateway that was last heard at 0 is a fault a minute later."""
OVERDUE_S = SILENT_S + CHECK_EVERY_S + GRACE_S
PULSE_S = 2.6
"""While nothing is pending the service looks every two seconds."""


def fault(ward, cause, device="w1", *, clear=False, **fields):
    kind = EventKind.FAULT_CLEARED if clear else EventKind.FAULT
    return ward.say(kind, cause=cause, device=device, **fields)


def beats(ward, start, until, **fields):
    return [(at_s, ward.heartbeat(**fields)) for at_s in range(start, until, 30)]


def checks(ward):
    return ward.desk.board().checks


def log_of(ward):
    with ward.database.session() as session:
        rows = session.scalars(select(ManualCheckLog).order_by(ManualCheckLog.id))
        return [(CheckLogKind(row.what), row.by) for row in rows]


def only(ward):
    (check,) = checks(ward)
    return check


def tap(ward, staff="wai"):
    return lambda: ward.desk.checked(only(ward).id, staff)


def on_duty(ward, *names):
    def change():
        for name in ("mei", "wai", "ka", "boss"):
            ward.directory.set_on_duty(name, name in names)

    return change


def test_a_silent_gateway_opens_one_check_for_a_floor_and_cover_ends_it(ward):
    seen = []
    ward.play(
        (0, ward.heartbeat()),
        (70, lambda: seen.append(checks(ward))),
        (100, ward.heartbeat()),
        until=104,
    )
    ((check,),) = seen
    assert check.cause == FaultCause.GATEWAY_SILENT
    assert check.beds == ["2/F 211", "2/F 212"]
    assert ward.seconds(check.since_us) == pytest.approx(SILENT_S, abs=3)
    assert check.due_at_us - check.since_us == pytest.approx(CHECK_EVERY_S * 1e6, abs=3e6)
    assert not check.overdue
    assert checks(ward) == []
    assert [what for what, _ in log_of(ward)] == [CheckLogKind.OPENED, CheckLogKind.ENDED]
    assert ward.rings() == [], "a task on the board, and no page"


def test_each_look_is_written_down_and_the_next_is_due_half_an_hour_later(ward):
    seen = []
    ward.play(
        (0, ward.heartbeat()),
        (600, tap(ward)),
        (605, tap(ward, "mei")),
        (610, lambda: seen.append(only(ward))),
        until=700,
    )
    (check,) = seen
    assert (check.checked_by, ward.seconds(check.checked_at_us)) == ("Wai", 600)
    assert ward.seconds(check.due_at_us) == 600 + CHECK_EVERY_S
    looks = [who for what, who in log_of(ward) if what is CheckLogKind.CHECKED]
    assert looks == ["wai"], "a second finger is the same look"


def test_nobody_looks_so_the_person_in_charge_is_told_once_in_half_an_hour(ward):
    seen = []
    ward.play(
        (0, ward.heartbeat()),
        (1, on_duty(ward, "mei", "wai", "ka")),
        (SILENT_S + CHECK_EVERY_S + 10, lambda: seen.append(only(ward))),
        until=OVERDUE_S + CHECK_EVERY_S + 20,
    )
    assert seen[0].overdue
    assert seen[0].raised == 0
    raised = [(OVERDUE_S, "wai"), (OVERDUE_S + CHECK_EVERY_S, "wai")]
    ward.want_rings(*raised, tolerance=3 * PULSE_S)
    assert only(ward).raised == 2
    notice = ward.pagers.rung[0][2]
    assert (notice.kind, notice.bed) == ("manual_check", None), "no bed leaves the home"


@pytest.mark.parametrize(
    ("there", "told"),
    [(("mei", "boss"), "boss"), (("ka",), "ka"), ((), "boss")],
)
def test_in_charge_is_the_most_senior_on_duty(ward, there, told):
    ward.play((0, ward.heartbeat()), (1, on_duty(ward, *there)), until=OVERDUE_S + 10)
    assert [who for _, who in ward.rings()] == [told]


def test_a_look_in_time_tells_nobody(ward):
    ward.play(
        (0, ward.heartbeat()),
        (SILENT_S + CHECK_EVERY_S + 200, tap(ward)),
        until=OVERDUE_S + CHECK_EVERY_S,
    )
    assert ward.rings() == []


@pytest.mark.parametrize("database_kind", ["postgresql"])
def test_on_postgresql_it_is_the_same(ward):
    seen = []
    ward.play(
        (0, ward.heartbeat()),
        (66, tap(ward)),
        (67, lambda: seen.append(only(ward))),
        (68, ward.heartbeat()),
        until=71,
    )
    assert seen[0].checked_by == "Wai"
    whats = [what for what, _ in log_of(ward)]
    assert whats == [CheckLogKind.OPENED, CheckLogKind.CHECKED, CheckLogKind.ENDED]


def test_a_restart_goes_on_with_what_was_due(ward):
    async def restart():
        await ward.stop_service(kill=True)
        await ward.start_service()

    ward.play((0, ward.heartbeat()), (900, restart), (OVERDUE_S - 5, restart), until=OVERDUE_S + 70)
    # After a restart the gateway has a minute to be heard again; the look is due when it was.
    ward.want_rings((OVERDUE_S + 54, "wai"), tolerance=3 * PULSE_S)
    assert ward.seconds(only(ward).due_at_us) == pytest.approx(SILENT_S + CHECK_EVERY_S, abs=3)


@pytest.mark.parametrize("jump_s", [-3_600, 3_600])
def test_a_jump_of_the_clock_moves_no_check(ward, jump_s):
    ward.play((0, ward.heartbeat()), (300, ward.jump(jump_s)), until=OVERDUE_S + 10)
    ward.want_rings((OVERDUE_S, "wai"), tolerance=3 * PULSE_S)


def test_wearables_that_cannot_be_counted_on_are_one_task_for_a_floor(ward):
    ward.play(
        *beats(ward, 0, 200),
        (10, fault(ward, FaultCause.WEARABLE_NOT_HEARD, "w1")),
        (20, fault(ward, FaultCause.WEARABLE_NOT_HEARD, "w2")),
        (30, fault(ward, FaultCause.WEARABLE_NOT_HEARD, "w3")),
        (40, fault(ward, FaultCause.BATTERY_LOW, "w2")),
        (45, fault(ward, FaultCause.NOT_WORN, "w2")),
        (100, fault(ward, FaultCause.WEARABLE_NOT_HEARD, "w1", clear=True)),
        until=110,
    )
    stand = {(each.floor, each.cause): each.beds for each in checks(ward)}
    assert stand == {
        ("2/F", "wearable_not_heard"): ["2/F 212"],
        ("3/F", "wearable_not_heard"): ["3/F 213"],
    }
    whats = [what for what, _ in log_of(ward)]
    assert whats.count(CheckLogKind.OPENED) == 2
    assert whats.count(CheckLogKind.BEDS_CHANGED) == 2


def test_a_bed_that_changes_its_cause_is_not_looked_after_later_for_it(ward):
    """First her wearable is lost, then the gateway: the half hour runs from the first."""
    seen = []
    ward.play(
        *beats(ward, 0, 1_000),
        (10, fault(ward, FaultCause.WEARABLE_NOT_HEARD, "w1")),
        (1_100, lambda: seen.extend(checks(ward))),
        until=1_110,
    )
    (check,) = seen
    assert check.cause == FaultCause.GATEWAY_SILENT
    assert check.beds == ["2/F 211", "2/F 212"]
    assert ward.seconds(check.due_at_us) == pytest.approx(10 + CHECK_EVERY_S, abs=3)


def test_cover_that_comes_for_seconds_puts_off_no_look(ward):
    seen = []
    ward.play(
        *beats(ward, 0, 2_000),
        (10, fault(ward, FaultCause.SENSOR_FAULT)),
        (1_000, fault(ward, FaultCause.SENSOR_FAULT, clear=True)),
        (1_000 + FLAP_S - 10, fault(ward, FaultCause.SENSOR_FAULT)),
        (1_400, lambda: seen.extend(checks(ward))),
        until=1_410,
    )
    (check,) = seen
    assert ward.seconds(check.due_at_us) == pytest.approx(10 + CHECK_EVERY_S, abs=3)


def test_the_neighbour_never_claims_the_beds_of_a_zone_whose_gateway_is_out(ward):
    """gateway-b says that every bed is its own too, as each gateway does."""
    everywhere = ("2/F 211", "2/F 212", "3/F 213")
    ward.play(
        (0, ward.heartbeat(beds=everywhere)),
        *beats(ward, 0, 120, name="gateway-b", session="b", beds=everywhere),
        until=100,
    )
    assert only(ward).beds == ["2/F 211"], "its own zone's; the others are heard elsewhere"
    (silent,) = ward.desk.board().faults
    assert "Not watched: 2/F 211." in silent.detail


def test_a_deaf_radio_is_a_loss_of_cover_as_a_silent_gateway_is(ward):
    ward.play(
        *beats(ward, 0, 60),
        (5, fault(ward, FaultCause.RADIO_SILENT, None, resident=None, zone=None)),
        until=20,
    )
    check = only(ward)
    assert (check.cause, check.beds) == ("radio_silent", ["2/F 211", "2/F 212"])


def test_a_look_at_a_check_that_has_ended_is_written_down_all_the_same(ward):
    known = []
    ward.play(
        (0, ward.heartbeat()),
        (70, lambda: known.append(only(ward).id)),
        (100, ward.heartbeat()),
        (110, lambda: ward.desk.checked(known[0], "wai")),
        until=112,
    )
    view = ward.desk.check(known[0])
    assert view.ended_at_us is not None
    assert view.checked_by == "Wai"
    assert checks(ward) == []


def test_nobody_looks_in_nobodys_name_and_at_nothing(ward):
    def nobody():
        with pytest.raises(UnknownStaffError):
            ward.desk.checked(only(ward).id, "nobody")
        with pytest.raises(UnknownCheckError):
            ward.desk.checked("no-such-check", "wai")

    ward.play((0, ward.heartbeat()), (70, nobody), until=71)
    assert only(ward).checked_at_us is None


def test_a_page_that_fails_is_a_fault_and_is_not_forgotten(ward):
    ward.pagers.broken.add("wai")
    ward.play((0, ward.heartbeat()), until=OVERDUE_S + 10)
    assert FaultCause.CHANNEL_FAILED in {each.cause for each in ward.desk.board().faults}
    assert (CheckLogKind.NOT_NOTIFIED, "wai") in log_of(ward)


@pytest.mark.parametrize("database_kind", ["postgresql"])
def test_of_several_workers_one_opens_it_and_one_raises_it(ward):
    """Both look at the same moment, each by a door of its own, again and again."""

    def worker():
        door = ward.open_database()
        watch = ClockWatch("demo", ward.clock, door)
        rounds = Rounds(
            "demo", ward.clock, ward.ids, door, [ward.pagers], watch,
            every_s=CHECK_EVERY_S, counts=Counter(),
        )  # fmt: skip
        return door, rounds

    with ward.database.transaction("demo") as session:
        faults.report(
            session,
            "demo",
            FaultCause.NOT_WORN,
            faults.About("device:w1", "w1", "r1"),
            detail=None,
            now_us=now_us(ward.clock),
        )
    workers = [worker() for _ in range(3)]
    raised = []
    with ThreadPoolExecutor(len(workers)) as threads:
        for _ in range(3):
            looks = [threads.submit(rounds._look) for _, rounds in workers]
            raised.append(sum(len(look.result()) for look in looks))
            ward.clock.pass_time((CHECK_EVERY_S + GRACE_S) * 10**9)
    for door, _ in workers:
        door.close()
    assert [what for what, _ in log_of(ward)] == [CheckLogKind.OPENED]
    assert raised == [0, 1, 1], "and once more after the claim of one that never came back"
