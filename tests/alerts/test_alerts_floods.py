"""A gateway that says too much is on the board, and its alarms are paged all the same."""

from __future__ import annotations

from contract import topics
from contract.events import EventKind
from contract.flood import Allowance

SMALL = Allowance(messages_per_s=10.0, burst_messages=100.0, bytes_per_s=1e6, burst_bytes=1e7)


def test_a_flood_is_a_fault_while_it_lasts_and_alarms_pass(ward) -> None:
    ward.allowance = SMALL
    causes: dict[str, set[str]] = {}

    def flood() -> None:
        for _ in range(2_000):
            ward.broker.publish(
                topics.build("demo", "gateway-a", topics.PRESENCE), b"junk", retain=False
            )

    def look(when: str):
        def note() -> None:
            causes[when] = {each.cause for each in ward.desk.board().faults}

        return note

    ward.play(
        (1, flood),
        (2, ward.say(EventKind.FALL_DETECTED)),
        (12, look("during")),
        (100, look("after")),
        until=101,
    )
    assert ward.rings()[0][0] < 5
    assert "gateway_floods" in causes["during"]
    assert "gateway_floods" not in causes["after"]
