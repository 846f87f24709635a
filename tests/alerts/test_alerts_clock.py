"""The wall clock jumps: pages neither wait for it nor rush because of it."""

from __future__ import annotations

import pytest

from contract.events import EventKind, FaultCause

FALL = EventKind.FALL_DETECTED
HOUR_S = 3_600


def causes(ward):
    return [fault.cause for fault in ward.desk.board().faults]


@pytest.mark.parametrize("jump_s", [-HOUR_S, HOUR_S, -30, 30, -20 * 365 * 86_400])
def test_a_jump_moves_no_call(ward, jump_s):
    ward.play(
        (0, ward.say(FALL, fall_id="f1")),
        (30, ward.jump(jump_s)),
        (31, ward.heartbeat()),
        until=185,
    )
    ward.want_rings((0, "mei"), (60, "mei wai"), (120, "mei wai ka"), (180, "boss"))


@pytest.mark.parametrize("jump_s", [-HOUR_S, HOUR_S])
def test_a_jump_moves_no_deadline_and_no_arrival_clock(ward, jump_s):
    ward.play(
        (0, ward.say(EventKind.FALL_SUSPECTED, fall_id="f1")),
        (20, ward.jump(jump_s)),
        (46, ward.acknowledge()),
        (60, ward.jump(jump_s)),
        until=170,
    )
    ward.want_rings((45, "mei"), (166, "mei wai"))


@pytest.mark.parametrize("jump_s", [-HOUR_S, HOUR_S])
def test_a_tap_of_another_process_right_after_the_jump(ward, jump_s):
    """Its arrival clock was set by the new time; it must not be carried an hour away. (That
    it may come early is the safe side.)"""

    def jump_and_tap():
        ward.clock.jump_wall(jump_s)
        ward.acknowledge()()

    ward.play((0, ward.say(FALL, fall_id="f1")), (30, jump_and_tap), until=155)
    assert min(at_s for at_s, who in ward.rings() if who == "wai") <= 30 + 120.5


@pytest.mark.parametrize("jump_s", [-HOUR_S, HOUR_S])
def test_a_jump_while_it_was_down(ward, jump_s):
    async def restart():
        await ward.stop_service(kill=True)
        ward.clock.jump_wall(jump_s)
        await ward.start_service()

    ward.play((0, ward.say(FALL, fall_id="f1")), (30, restart), until=215)
    first_rings = {}
    for at_s, who in ward.rings():
        first_rings.setdefault(who, at_s)
    assert first_rings["wai"] <= 30 + 60.5  # never later than a step's own length
    assert first_rings["ka"] <= 30 + 120.5


def test_it_is_a_fault_for_ten_minutes(ward):
    seen = []
    ward.play(
        (10, ward.jump(-HOUR_S)),
        *[(at_s, ward.heartbeat()) for at_s in range(0, 640, 30)],
        (300, lambda: seen.append(causes(ward))),
        until=640,
    )
    assert seen == [[FaultCause.CLOCK_JUMPED]]
    assert causes(ward) == []


def test_a_slow_drift_is_no_jump(ward):
    drift = [(at_s, ward.jump(0.5)) for at_s in range(1, 100, 2)]
    ward.play(*drift, (0, ward.heartbeat()), (50, ward.heartbeat()), until=101)
    assert causes(ward) == []


def test_word_after_the_jump_is_not_taken_for_late(ward):
    """A fall settled before the clock went back an hour speaks again: that is news."""
    ward.play(
        (0, ward.say(FALL, fall_id="f1")),
        (10, ward.arrive()),
        (20, ward.resolve("false_alarm")),
        (30, ward.jump(-HOUR_S)),
        (300, ward.say(EventKind.LONG_LIE, fall_id="f1", ago_s=300, took_s=300)),
        until=301,
    )
    assert len(ward.incidents()) == 2
