"""Who is called when: a timeline in, a timeline out."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from alerts import StaffRole
from alerts.policy import LogKind
from contract.events import EventKind, FaultCause
from contract.messages import IncidentState, Priority

pytestmark = pytest.mark.parametrize("database_kind", ["sqlite", "postgresql"])

FALL = EventKind.FALL_DETECTED


def causes(ward):
    return [fault.cause for fault in ward.desk.board().faults]


def what(incident):
    return [line.what for line in incident.log]


def test_unanswered_fall_goes_through_every_step_and_repeats(ward):
    ward.play((0, ward.say(FALL, fall_id="f1")), until=430)
    ward.want_rings(
        (0, "mei"),
        (60, "mei wai"),
        (120, "mei wai ka"),
        (180, "boss"),
        (300, "mei wai ka boss"),
        (420, "mei wai ka boss"),
    )
    incident = ward.only()
    assert incident.state is IncidentState.OPEN
    assert incident.sound
    assert incident.escalation_step == "repeat"
    assert incident.case_id is not None
    assert (incident.bed, incident.resident_name) == ("2/F 211", "Resident 1")


def test_the_sounder_begins_with_the_whole_home_and_ends_with_the_answer(ward):
    ward.play(
        (0, ward.say(FALL, fall_id="f1")),
        (119, lambda: ward.states.append("quiet")),
        (121, lambda: ward.states.append("loud")),
        (130, ward.acknowledge()),
        until=131,
    )
    before = ward.states[ward.states.index("quiet") - 1]
    during = ward.states[ward.states.index("loud") - 1]
    assert [item.sound for item in before.alerts] == [False]
    assert [item.sound for item in during.alerts] == [True]
    assert [item.sound for item in ward.states[-1].alerts] == [False]


def test_acknowledging_ends_the_calls_and_arriving_ends_the_arrival_clock(ward):
    ward.play(
        (0, ward.say(FALL, fall_id="f1")),
        (30, ward.acknowledge()),
        (100, ward.arrive()),
        (400, ward.resolve("true_fall_no_injury")),
        until=600,
    )
    ward.want_rings((0, "mei"))
    incident = ward.only()
    assert incident.state is IncidentState.RESOLVED
    stages = (
        incident.opened_at_us,
        incident.paged_at_us,
        incident.acknowledged_at_us,
        incident.arrived_at_us,
        incident.resolved_at_us,
    )
    assert [round(ward.seconds(each)) for each in stages] == [0, 0, 30, 100, 400]
    assert incident.acknowledged_by == incident.arrived_by == incident.resolved_by == "Mei"
    assert what(incident) == [
        LogKind.OPENED,
        LogKind.PAGED,
        LogKind.STEP_REACHED,
        LogKind.NOTIFIED,
        LogKind.ACKNOWLEDGED,
        LogKind.ARRIVED,
        LogKind.RESOLVED,
    ]


def test_no_arrival_raises_the_alarm_again_at_the_floor(ward):
    ward.play(
        (0, ward.say(FALL, fall_id="f1")),
        (10, ward.acknowledge()),
        until=400,
    )
    ward.want_rings(
        (0, "mei"),
        (130, "mei wai"),
        (190, "mei wai ka"),
        (250, "boss"),
        (370, "mei wai ka boss"),
    )
    assert ward.only().acknowledged_by is None
    assert LogKind.NO_ARRIVAL in what(ward.only())


def test_medium_priority_is_slower_and_never_sounds(ward):
    ward.play((0, ward.say(EventKind.EXIT_SEEKING)), until=700)
    ward.want_rings(
        (0, "mei"), (120, "mei wai"), (240, "mei wai ka"), (360, "boss"), (660, "mei wai ka boss")
    )
    assert not any(item.sound for state in ward.states for item in state.alerts)
    assert ward.only().priority is Priority.MEDIUM


def test_nobody_assigned_calls_everyone_on_duty(ward):
    ward.play((0, ward.say(FALL, resident="r2", device="w2")), until=1)
    ward.want_rings((0, "mei wai ka"))


def test_the_assigned_carer_is_off_duty_so_everyone_is_called(ward):
    ward.directory.set_on_duty("mei", False)
    ward.play((0, ward.say(FALL)), until=1)
    ward.want_rings((0, "wai ka"))


def test_no_rota_at_all_calls_everyone(ward):
    for staff in ("mei", "wai", "ka"):
        ward.directory.set_on_duty(staff, False)
    ward.play((0, ward.say(FALL)), until=1)
    ward.want_rings((0, "mei wai ka boss"))


def test_a_carer_without_a_phone_does_not_keep_the_call_from_the_others(ward):
    ward.directory.add_staff("mei", name="Mei", floor="2/F", contact=None)
    ward.play((0, ward.say(FALL)), until=1)
    ward.want_rings((0, "wai ka"))


def test_without_any_contact_the_board_is_the_channel_and_steps_keep_their_pace(ward):
    for staff in ("mei", "wai", "ka", "boss"):
        ward.directory.add_staff(staff, name=staff, role=StaffRole.CARE_WORKER, contact=None)
    ward.play((0, ward.say(FALL)), until=125)
    assert ward.rings() == []
    assert ward.only().escalation_step == "home"
    assert ward.only().sound
    assert causes(ward) == [FaultCause.GATEWAY_SILENT]


def test_an_alarm_of_an_unknown_wearable_calls_everyone(ward):
    ward.play((0, ward.say(EventKind.HELP_REQUESTED, device="w99", zone="lounge")), until=1)
    ward.want_rings((0, "mei wai ka"))
    incident = ward.only()
    assert (incident.resident_id, incident.case_id) == (None, None)
    assert (incident.device, incident.zone) == ("w99", "lounge")


def test_a_failed_call_goes_to_the_next_step_at_once_and_is_a_fault(ward):
    ward.pagers.broken = {"mei"}
    ward.play((0, ward.say(FALL)), until=50)
    ward.want_rings((0, "wai"))  # the floor, a minute early
    assert causes(ward) == [FaultCause.CHANNEL_FAILED]
    assert "mei" in ward.desk.board().faults[0].detail


def test_a_channel_that_works_again_ends_its_fault(ward):
    ward.pagers.broken = {"mei"}
    seen = []
    ward.play(
        (0, ward.say(FALL)),
        (10, lambda: seen.append(causes(ward))),
        (11, ward.pagers.broken.clear),
        (12, ward.heartbeat()),
        until=121,
    )
    assert seen == [[FaultCause.CHANNEL_FAILED]]
    assert FaultCause.CHANNEL_FAILED not in causes(ward)


def test_every_channel_broken_is_no_busy_loop(ward):
    ward.pagers.broken = {"mei", "wai", "ka", "boss"}
    ward.play((0, ward.say(FALL)), until=300)
    reached = [line for line in ward.only().log if line.what == LogKind.STEP_REACHED]
    assert len(reached) == 4 + 2  # four steps at once, then a repeat after 120 and 240 s
    assert ward.only().sound


def test_a_hanging_channel_keeps_nobody_else_waiting(ward):
    ward.pagers.hanging = {"mei"}
    ward.play((0, ward.say(FALL)), (1, ward.say(FALL, resident="r3", device="w3")), until=30)
    rings = ward.rings()
    assert (1.0, "wai") in [(round(at), who) for at, who in rings]  # the other resident
    assert (9.0, "wai") in [(round(at), who) for at, who in rings]  # mei given up: her floor


def test_a_contact_that_no_channel_takes_is_a_failed_call(ward):
    ward.directory.add_staff("mei", name="Mei", floor="2/F", contact="carrier-pigeon:7")
    ward.play((0, ward.say(FALL)), until=5)
    ward.want_rings((0, "wai"))
    assert causes(ward) == [FaultCause.CHANNEL_FAILED]


def test_a_restart_goes_on_where_it_was(ward):
    async def restart():
        await ward.stop_service(kill=True)
        await ward.clock.sleep(20)
        await ward.start_service()

    ward.play((0, ward.say(FALL)), (30, restart), until=185)
    ward.want_rings((0, "mei"), (60, "mei wai"), (120, "mei wai ka"), (180, "boss"))


def test_steps_that_came_due_while_it_was_down_are_done_at_once(ward):
    async def restart():
        await ward.stop_service(kill=True)
        await ward.clock.sleep(100)
        await ward.start_service()

    ward.play((0, ward.say(FALL)), (30, restart), until=131)
    ward.want_rings((0, "mei"), (130, "mei wai mei wai ka"))


def test_killed_while_sending_sends_again(ward):
    ward.pagers.delay_s = 3.0

    async def restart():
        await ward.stop_service(kill=True)
        ward.pagers.delay_s = 0.0
        await ward.start_service()

    ward.play((0, ward.say(FALL)), (1, restart), until=30)
    ward.want_rings((15, "mei"))
    ward_log = [line.what for line in ward.only().log]
    assert ward_log.count(LogKind.STEP_REACHED) == 2


def test_the_siren_button_acknowledges(ward):
    ward.play(
        (0, ward.say(FALL, fall_id="f1")),
        (
            20,
            lambda: ward.send(
                ward.event(
                    EventKind.ACKNOWLEDGED, incident=ward.only().id, by="siren-button", ago_s=1.0
                )
            ),
        ),
        until=100,
    )
    ward.want_rings((0, "mei"))
    assert ward.only().state is IncidentState.ACKNOWLEDGED
    assert ward.only().acknowledged_by == "siren-button"


def test_a_button_pressed_before_the_alarm_was_raised_again_does_not_answer_it(ward):
    def late_press():
        ward.send(
            ward.event(EventKind.ACKNOWLEDGED, incident=ward.only().id, by="siren-button", ago_s=60)
        )

    ward.play(
        (0, ward.say(FALL, fall_id="f1")),
        (10, ward.acknowledge()),
        (135, late_press),
        until=195,
    )
    ward.want_rings((0, "mei"), (130, "mei wai"), (190, "mei wai ka"))
    assert LogKind.LATE_ACKNOWLEDGEMENT in what(ward.only())


def test_an_acknowledgement_that_overtook_its_alarm_waits_for_it(ward):
    alarm = ward.event(FALL, fall_id="f1")

    def press():
        ward.send(ward.event(EventKind.ACKNOWLEDGED, incident=alarm.id, by="siren-button"))

    ward.play((0, press), (5, lambda: ward.send(alarm)), until=100)
    assert ward.only().state is IncidentState.ACKNOWLEDGED
    assert ward.rings() == []


def test_a_broken_record_keeps_no_other_from_being_paged_and_is_repaired(ward):
    seen = []
    damage = "UPDATE escalation_steps SET step = 'unheard of' WHERE done_at_us IS NULL"

    def break_it():
        with ward.database.transaction("demo") as session:
            session.execute(text(damage))

    ward.play(
        (0, ward.say(FALL)),
        (5, break_it),
        (70, ward.say(FALL, resident="r3", device="w3")),
        (85, lambda: seen.extend(causes(ward))),
        until=95,
    )
    repaired_s = 79.9  # the floor at 60 s, more than 10 s of grace, and the audit after that
    ward.want_rings((0, "mei"), (70, "mei wai ka"), (repaired_s, "mei wai"))
    assert LogKind.STALL_REPAIRED in what(ward.incidents()[0])
    assert FaultCause.ESCALATION_STALLED in seen
    assert FaultCause.ESCALATION_STALLED not in causes(ward)
