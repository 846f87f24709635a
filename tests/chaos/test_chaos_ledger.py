"""The ledger of chaos can fail: whatever is lost or doubled on purpose is seen."""

from __future__ import annotations

from collections import Counter

import pytest

from alerts import Database, Directory
from alerts.lateness import LATE_S
from alerts.policy import LogKind, NotificationOutcome, StepName, StepOutcome
from alerts.records.models import EscalationStep, Incident, IncidentLog, Notification
from contract.clock import VirtualClock, now_us
from contract.telemetry import SummaryPoint, TelemetryBatch
from contract.units import US_PER_S
from edge.telemetry_outbox import TelemetryOutbox
from firmware_sim import TruthEntry
from ingest import SqliteStore
from tools.chaos import judge, stored, witness
from tools.chaos.judge import What

CLOCK = VirtualClock()
NOW_US = now_us(CLOCK)


def truth(resident="r1", what="presses_button", at_us=NOW_US):
    return TruthEntry(at_us, resident, what, "room")


def incident(number, *, resident="r1", family="help", kind="help_requested", after_s=3, paged=True):
    opened_us = NOW_US + after_s * US_PER_S
    return Incident(
        id=f"incident-{number}",
        home="h",
        resident=resident,
        family=family,
        kind=kind,
        state="open",
        priority="high",
        subject=f"resident:{resident}",
        at_us=opened_us,
        opened_at_us=opened_us,
        last_event_at_us=opened_us,
        paged_at_us=opened_us if paged else None,
    )


def whats(losses):
    return [loss.what for loss in losses]


def test_an_alarm_that_one_incident_answers_is_no_loss():
    found = judge.judge_alarms([truth()], [incident(1)])
    assert (found.losses, found.answered) == ([], 1)


@pytest.mark.parametrize(
    ("incidents", "wanted"),
    [
        ([], What.ALARM_LOST),
        ([incident(1, paged=False)], What.ALARM_LOST),
        ([incident(1, resident="r2")], What.ALARM_LOST),
        ([incident(1, family="fall")], What.ALARM_LOST),
        ([incident(1, after_s=-60)], What.ALARM_LOST),
        ([incident(1), incident(2, after_s=40)], What.ALARM_DOUBLED),
    ],
)
def test_a_lost_or_doubled_alarm_is_seen(incidents, wanted):
    assert wanted in whats(judge.judge_alarms([truth()], incidents).losses)


def test_two_alarms_of_one_resident_need_two_incidents():
    later = truth(at_us=NOW_US + 1_500 * US_PER_S)
    found = judge.judge_alarms([truth(), later], [incident(1)])
    assert whats(found.losses) == [What.ALARM_LOST]


def test_an_alert_about_nothing_is_told_and_no_loss():
    found = judge.judge_alarms([], [incident(1)])
    assert (found.losses, len(found.invented)) == ([], 1)


def test_an_alarm_that_is_not_in_the_store_is_seen():
    nothing = stored.Stored(Counter(), Counter())
    assert whats(judge.judge_events([truth()], nothing)) == [What.ALARM_LOST]
    event = ("e1", "help_requested", "r1")
    assert whats(judge.judge_events([truth()], stored.Stored(Counter(), Counter([event])))) == []
    twice = stored.Stored(Counter(), Counter([event, event]))
    assert whats(judge.judge_events([truth()], twice)) == [What.ALARM_DOUBLED]


# --- telemetry, with a real outbox and a real store ----------------------------------------


def batch(sequence):
    at_us = NOW_US + sequence * 10 * US_PER_S
    return TelemetryBatch(
        schema=1,
        home="h",
        gateway="gateway-a",
        session="s",
        sequence=sequence,
        boot="b",
        clock="synced",
        sent_at_us=at_us,
        points=[SummaryPoint(at_us=at_us + n * US_PER_S, device="w1") for n in range(10)],
    )


def make_and_store(tmp_path, stored_batches, *, sabotage=False):
    """Five batches through an outbox that is witnessed; those that were named reach the store."""
    folder = tmp_path / "gateway-a"
    folder.mkdir()

    async def main():
        outbox = TelemetryOutbox(folder, "h", "gateway-a")
        await outbox.open(0)
        await witness.install(folder, CLOCK)
        for _ in range(5):
            await outbox.put(batch(outbox.next_sequence("s")), 0)
        await outbox.close()
        if sabotage:
            witness.forget_waiting(folder)
        store = SqliteStore.open(tmp_path / "store.sqlite")
        await store.write([], [batch(sequence) for sequence in stored_batches], NOW_US)
        await store.close()

    CLOCK.run(main())
    return judge.judge_points(witness.read(folder), stored.read_sqlite(tmp_path / "store.sqlite"))


def test_points_that_all_arrived_are_no_loss(tmp_path):
    found = make_and_store(tmp_path, [1, 2, 3, 4, 5])
    assert (found.losses, found.made, found.stored) == ([], 50, 50)


@pytest.mark.parametrize("sabotage", [False, True])
def test_a_batch_that_is_missing_is_seen_also_when_the_outbox_was_emptied(tmp_path, sabotage):
    found = make_and_store(tmp_path, [1, 2, 4, 5], sabotage=sabotage)
    assert whats(found.losses) == [What.POINT_LOST] * 10


def test_a_point_that_is_stored_twice_is_seen(tmp_path):
    make_and_store(tmp_path, [1, 2, 3, 4, 5])
    content = stored.read_sqlite(tmp_path / "store.sqlite")
    content.points["gateway-a", "w1", batch(3).points[0].at_us // 1_000] += 1
    made = witness.read(tmp_path / "gateway-a")
    assert whats(judge.judge_points(made, content).losses) == [What.POINT_DOUBLED]


# --- the records ---------------------------------------------------------------------------


@pytest.fixture
def session(tmp_path):
    database = Database(f"sqlite:///{tmp_path / 'records.sqlite'}")
    database.upgrade()
    Directory(database, "h", CLOCK).set_home(time_zone="UTC")
    with database.transaction("h") as session:
        session.add(incident(1))
        session.flush()
        yield session
    database.close()


def add_step(session, *, done_after_s):
    step = EscalationStep(
        home="h",
        incident_id="incident-1",
        round=1,
        step=StepName.ASSIGNED,
        next_at_us=NOW_US,
        done_at_us=None if done_after_s is None else NOW_US + done_after_s * US_PER_S,
        outcome=None if done_after_s is None else StepOutcome.SENT,
    )
    session.add(step)
    session.flush()
    return step


def add_line(session, what, after_s):
    at_us = NOW_US + after_s * US_PER_S
    detail = "assigned: Mei" if what is LogKind.STEP_REACHED else "late: a reason"
    session.add(
        IncidentLog(home="h", incident_id="incident-1", at_us=at_us, what=what, detail=detail)
    )
    session.flush()


@pytest.mark.parametrize(
    ("reached_s", "has_reason", "wanted"),
    [(1, False, []), (30, False, [What.LATE]), (30, True, [])],
)
def test_a_late_step_needs_its_reason(session, reached_s, has_reason, wanted):
    add_step(session, done_after_s=reached_s + 1)
    if has_reason:
        add_line(session, LogKind.STEP_LATE, reached_s)
    add_line(session, LogKind.STEP_REACHED, reached_s)
    assert whats(judge.judge_steps(session, NOW_US + 60 * US_PER_S)) == wanted


def test_a_step_that_nobody_took_is_seen(session):
    add_step(session, done_after_s=None)
    assert whats(judge.judge_steps(session, NOW_US + US_PER_S)) == []
    late_us = NOW_US + round((LATE_S + 1) * US_PER_S)
    assert whats(judge.judge_steps(session, late_us)) == [What.LATE]


@pytest.mark.parametrize(
    ("outcomes", "came", "wanted"),
    [
        ([NotificationOutcome.SENT], 1, []),
        ([NotificationOutcome.SENT], 0, [What.PAGE_LOST]),
        ([NotificationOutcome.SENT], 2, [What.PAGE_DOUBLED]),
        ([NotificationOutcome.SENT, NotificationOutcome.IN_DOUBT], 1, []),
        ([NotificationOutcome.SENT, NotificationOutcome.IN_DOUBT], 2, []),
        ([], 1, [What.PAGE_DOUBLED]),
    ],
)
def test_telephones_ring_as_often_as_the_records_say(session, outcomes, came, wanted):
    step = add_step(session, done_after_s=1)
    for outcome in outcomes:
        session.add(
            Notification(
                home="h",
                incident_id="incident-1",
                step_id=step.id,
                recipient="mei",
                channel="apprise",
                begun_at_us=NOW_US,
                outcome=outcome,
            )
        )
    session.flush()
    assert whats(judge.judge_pages(session, Counter(mei=came))) == wanted
