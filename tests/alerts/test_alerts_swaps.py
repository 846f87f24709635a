"""Two residents wear each other's wearables: one tap gives each to who wears it."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from alerts.desk import UnknownFaultError, UnknownStaffError
from alerts.records.models import DeviceLog
from contract.events import EventKind, FaultCause

SAID = "w1 sleeps in room-2 and w2 in room-1 for two nights"


def swapped(ward, detail=SAID):
    def say():
        for device in ("w1", "w2"):
            ward.send(
                ward.event(
                    EventKind.FAULT,
                    cause=FaultCause.WEARABLES_SWAPPED,
                    device=device,
                    detail=detail,
                )
            )

    return say


def faults(ward):
    return ward.desk.board().faults


@pytest.mark.parametrize("database_kind", ["sqlite", "postgresql"])
def test_both_are_named_and_one_tap_exchanges_them(ward):
    seen = []
    ward.play(
        (0, swapped(ward)),
        (1, lambda: seen.append(faults(ward))),
        (2, lambda: seen.append(ward.desk.exchange(seen[0][0].id, "mei"))),
        (3, lambda: seen.append(ward.desk.exchange(seen[0][1].id, "wai"))),
        until=10,
    )
    (one, other), first, second = seen
    assert (one.bed, one.other_bed, one.other_name) == ("2/F 211", "2/F 212", "Resident 2")
    assert (other.bed, other.other_bed) == ("2/F 212", "2/F 211")
    assert (first.devices, first.beds, first.by) == (["w1", "w2"], ["2/F 212", "2/F 211"], "Mei")
    assert second.by == "Mei", "the second tap does not exchange them back"
    assert ward.last_board.faults == []
    told = {each.device: each.resident for each in ward.configs[-1].wearables}
    assert (told["w1"], told["w2"], told["w3"]) == ("r2", "r1", "r3")
    with ward.database.session() as session:
        log = [(row.device, row.by) for row in session.scalars(select(DeviceLog))]
    assert log[-2:] == [("w1", "mei"), ("w2", "mei")]


def test_a_fall_after_it_is_its_new_wearers(ward):
    ward.play(
        (0, swapped(ward)),
        (1, lambda: ward.desk.exchange(faults(ward)[0].id, "mei")),
        (2, ward.say(EventKind.FALL_DETECTED, device="w1", zone="room-2")),
        until=3,
    )
    assert ward.last_board.incidents[0].resident_id == "r2"


def test_what_cannot_be_exchanged_is_refused_with_what_to_do(ward):
    def alone():
        ward.send(
            ward.event(EventKind.FAULT, cause=FaultCause.WEARABLES_SWAPPED, device="w3", detail="x")
        )

    def tries():
        board = {fault.device: fault.id for fault in faults(ward)}
        with pytest.raises(UnknownFaultError, match="wardlight devices pair"):
            ward.desk.exchange(board["w3"], "mei")
        with pytest.raises(UnknownStaffError):
            ward.desk.exchange(board["w3"], "nobody")
        with pytest.raises(UnknownFaultError):
            ward.desk.exchange(board["w2"], "mei")
        with pytest.raises(UnknownFaultError):
            ward.desk.exchange(10**17, "mei")

    ward.play(
        (0, alone),
        (0, ward.say(EventKind.FAULT, cause=FaultCause.BATTERY_LOW, device="w2")),
        (1, tries),
        until=2,
    )
    assert len(ward.last_board.faults) == 2


def test_what_has_ended_by_itself_is_not_exchanged(ward):
    seen = []

    def ended():
        ward.send(
            ward.event(EventKind.FAULT_CLEARED, cause=FaultCause.WEARABLES_SWAPPED, device="w1")
        )

    def late_tap():
        with pytest.raises(UnknownFaultError, match="ended by itself"):
            ward.desk.exchange(seen[0], "mei")

    ward.play(
        (0, swapped(ward)),
        (1, lambda: seen.append(next(each.id for each in faults(ward) if each.device == "w1"))),
        (2, ended),
        (3, late_tap),
        until=4,
    )
    assert ward.configs[-1].wearables[0].resident == "r1"
