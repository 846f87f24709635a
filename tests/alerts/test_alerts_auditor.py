"""When the machinery itself fails: it is seen, repaired, and otherwise others take over."""

from __future__ import annotations

import asyncio
import sqlite3

import pytest
from sqlalchemy import event as hook
from sqlalchemy import text

from alerts.escalation import EscalationWorker
from alerts.policy import LogKind
from contract.events import EventKind, FaultCause

FALL = EventKind.FALL_DETECTED


def causes(ward):
    return [fault.cause for fault in ward.desk.board().faults]


def change(ward, statement):
    def apply():
        with ward.database.transaction("demo") as session:
            session.execute(text(statement))

    return apply


def test_a_quiet_home_has_no_stall(ward):
    ward.play((0, ward.say(FALL)), (0, ward.heartbeat()), (50, ward.heartbeat()), until=100)
    assert causes(ward) == []


@pytest.mark.parametrize(
    ("kind", "answer"),
    [(FALL, False), (EventKind.FALL_SUSPECTED, False), (FALL, True)],
    ids=["open", "unpaged", "acknowledged"],
)
def test_a_lost_timer_is_replaced(ward, kind, answer):
    timeline = [(0, ward.say(kind, fall_id="f1")), (5, change(ward, "DELETE FROM notifications"))]
    if answer:
        timeline.append((4, ward.acknowledge()))
    ward.play(
        *timeline,
        (6, change(ward, "DELETE FROM escalation_steps WHERE done_at_us IS NULL")),
        until=25,
    )
    assert LogKind.STALL_REPAIRED in [line.what for line in ward.only().log]
    assert ward.only().state == "open"
    assert max(at_s for at_s, _ in ward.rings()) >= 9  # somebody was called by the repair


def test_a_stopped_worker_is_a_fault_and_silences_our_heartbeat(ward, monkeypatch):
    """Then the gateways miss us and their sirens take over."""

    async def stopped(_self):
        await asyncio.Event().wait()

    monkeypatch.setattr(EscalationWorker, "run", stopped)
    seen = []
    ward.play(
        (0, ward.say(FALL)),
        (25, lambda: seen.append(causes(ward))),
        (60, lambda: seen.append(len(ward.states))),
        until=120,
    )
    assert ward.rings() == []
    assert seen[0] == [FaultCause.ESCALATION_STALLED]
    changes = [state.at_us for state in ward.states]
    assert ward.seconds(changes[-1]) < 70  # a fault may still be told; heartbeats are not
    assert "2/F 211" in ward.desk.board().faults[0].detail


def test_records_that_cannot_be_read_silence_our_heartbeat_until_they_can(ward):
    read = ward.database.revision

    def fail(_home):
        raise sqlite3.OperationalError("disk I/O error")

    ward.play(
        (0, lambda: setattr(ward.database, "revision", fail)),
        (100, lambda: setattr(ward.database, "revision", read)),
        until=120,
    )
    times = [ward.seconds(state.at_us) for state in ward.states]
    assert not [at_s for at_s in times if 66 < at_s < 100]
    assert [at_s for at_s in times if at_s > 100]


def test_a_defect_in_what_listens_ends_the_service(ward):
    """A service that hears nothing must not go on looking alive."""
    poison = (1, lambda: ward.service_bus._session.inbox.append(None))
    with pytest.raises(ExceptionGroup):
        ward.play(poison, (2, ward.say(FALL)), until=5)


def test_a_quiet_hour_costs_next_to_nothing(ward):
    """Counted, not timed: a day of a quiet home must replay in seconds. What is asked several
    times a second goes past the mapper and is not among these."""
    counted = {"statements": 0, "commits": 0}

    def statement(*_):
        counted["statements"] += 1

    def commit(*_):
        counted["commits"] += 1

    hook.listen(ward.database.engine, "before_cursor_execute", statement)
    hook.listen(ward.database.engine, "commit", commit)
    ward.play(*[(at_s, ward.heartbeat()) for at_s in range(0, 3_600, 5)], until=3_600)
    assert counted["commits"] <= 3_600 / 30 + 10
    # Of four one asks, with each writing of what was heard, whether anybody is back from leave.
    assert counted["statements"] <= 4 * counted["commits"] + 90
