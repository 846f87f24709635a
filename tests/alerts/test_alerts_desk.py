"""Two people, two processes, wrong buttons."""

from __future__ import annotations

import sqlite3
import threading

import pytest

from alerts import (
    Database,
    Desk,
    Directory,
    ResidentState,
    ResolutionOutcome,
    StaffRole,
    UnknownHomeError,
    UnknownIncidentError,
    UnknownStaffError,
    WrongStateError,
)
from contract.clock import SystemClock
from contract.events import EventKind
from contract.ids import UuidSource
from contract.messages import IncidentState, Priority

pytestmark = pytest.mark.parametrize("database_kind", ["sqlite", "postgresql"])

FALL = EventKind.FALL_DETECTED


def test_two_desks_in_two_processes_acknowledge_at_once(ward):
    """Two doors to one file and a barrier: exactly one acts, both see who it was."""
    ward.play((0, ward.say(FALL)), until=1)
    incident = ward.only()
    clock = SystemClock()
    doors = [ward.open_database() for _ in range(2)]
    barrier = threading.Barrier(2)
    views = {}

    def tap(door, staff):
        desk = Desk(door, clock, UuidSource(clock), "demo")
        barrier.wait()
        views[staff] = desk.acknowledge(incident.id, staff)

    threads = [
        threading.Thread(target=tap, args=(door, staff))
        for door, staff in zip(doors, ("mei", "wai"), strict=True)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for door in doors:
        door.close()
    assert views["mei"].acknowledged_by == views["wai"].acknowledged_by
    lines = [line for line in ward.only().log if line.what == "acknowledged"]
    assert [line.by for line in lines] == [views["mei"].acknowledged_by]


def test_the_second_sees_that_the_first_did(ward):
    second = []
    ward.play(
        (0, ward.say(FALL)),
        (1, ward.acknowledge("mei")),
        (2, lambda: second.append(ward.desk.acknowledge(ward.only().id, "wai"))),
        until=3,
    )
    assert second[0].acknowledged_by == "Mei"
    assert second[0].state is IncidentState.ACKNOWLEDGED


def test_a_desk_in_another_process_stops_the_calls(ward):
    """It shares nothing with the service but the file."""
    door = ward.open_database()
    desk = Desk(door, ward.clock, ward.ids)  # the only home there is
    ward.play(
        (0, ward.say(FALL)),
        (59, lambda: desk.acknowledge(ward.only().id, "wai")),
        (59.5, lambda: ward.states.append("heard by now")),
        until=100,
    )
    door.close()
    ward.want_rings((0, "mei"))
    told = ward.states[ward.states.index("heard by now") - 1]
    assert told.alerts[0].state is IncidentState.ACKNOWLEDGED


def test_arriving_without_a_word_is_acknowledging_too(ward):
    ward.play((0, ward.say(FALL)), (5, ward.arrive("wai")), until=200)
    incident = ward.only()
    assert (incident.acknowledged_by, incident.arrived_by) == ("Wai", "Wai")
    ward.want_rings((0, "mei"))


def test_everything_twice_is_everything_once(ward):
    ward.play(
        (0, ward.say(FALL)),
        (1, ward.acknowledge()),
        (2, ward.acknowledge()),
        (3, ward.arrive()),
        (4, ward.arrive()),
        (5, ward.resolve("other")),
        (6, ward.resolve("other")),
        until=7,
    )
    incident = ward.only()
    times = (incident.acknowledged_at_us, incident.arrived_at_us, incident.resolved_at_us)
    assert [round(ward.seconds(each)) for each in times] == [1, 3, 5]
    assert [line.what for line in incident.log][-3:] == ["acknowledged", "arrived", "resolved"]


def test_refusals(ward):
    ward.play((0, ward.say(FALL)), until=1)
    desk, incident = ward.desk, ward.only()
    before = desk.revision()
    with pytest.raises(UnknownIncidentError):
        desk.incident("nothing")
    with pytest.raises(UnknownIncidentError):
        desk.acknowledge("nothing", "mei")
    for act in (desk.acknowledge, desk.arrive):
        with pytest.raises(UnknownStaffError):
            act(incident.id, "nobody")
    with pytest.raises(UnknownStaffError):
        desk.resolve(incident.id, "nobody", ResolutionOutcome.OTHER)
    with pytest.raises(WrongStateError):
        desk.resolve(incident.id, "mei", ResolutionOutcome.FALSE_ALARM)  # nobody went
    with pytest.raises(ValueError, match="nonsense"):
        desk.resolve(incident.id, "mei", "nonsense")
    assert desk.revision() == before
    desk.arrive(incident.id, "mei")
    desk.resolve(incident.id, "mei", ResolutionOutcome.DRILL)
    with pytest.raises(WrongStateError, match=r"drill.*Mei"):
        desk.resolve(incident.id, "wai", ResolutionOutcome.ASSISTED)
    with pytest.raises(WrongStateError):
        desk.acknowledge(incident.id, "wai")
    with pytest.raises(WrongStateError):
        desk.arrive(incident.id, "wai")


@pytest.mark.parametrize("outcome", list(ResolutionOutcome))
def test_every_outcome_takes_the_same_taps(ward, outcome):
    ward.play((0, ward.say(FALL)), (1, ward.arrive()), (2, ward.resolve(outcome)), until=3)
    assert ward.only().outcome is outcome


def test_a_home_must_be_named_where_there_are_several(ward):
    Directory(ward.database, "second", ward.clock)
    with pytest.raises(UnknownHomeError):
        Desk(ward.database, ward.clock, ward.ids).board()


def test_another_homes_incident_is_unknown_here(ward):
    ward.play((0, ward.say(FALL)), until=1)
    Directory(ward.database, "second", ward.clock).add_staff("mei", name="Mei")
    other = Desk(ward.database, ward.clock, ward.ids, "second")
    with pytest.raises(UnknownIncidentError):
        other.acknowledge(ward.only().id, "mei")
    assert other.board().incidents == []


def test_the_board_at_a_glance(ward):
    ward.play(
        (0, ward.say(EventKind.EXIT_SEEKING, resident="r3")),
        (1, ward.say(FALL, resident="r1")),
        (2, ward.say(EventKind.FALL_SUSPECTED, resident="r2", fall_id="f2")),
        (3, ward.heartbeat()),
        until=5,
    )
    board = ward.desk.board()
    assert [each.priority for each in board.incidents] == [Priority.HIGH, Priority.MEDIUM]
    assert [each.resident_id for each in board.watching] == ["r2"]
    assert {each.id: each.state for each in board.residents} == dict.fromkeys(
        ("r1", "r2", "r3"), ResidentState.ALERT
    )
    assert board.revision == ward.desk.revision() > 0
    assert {each.role for each in ward.desk.staff()} >= {StaffRole.MANAGER}


def test_the_board_says_when_the_alert_service_is_gone(ward):
    seen = []

    def die():
        """As kill -9 does: no goodbye."""
        ward.service_bus.kill()
        ward.database.run = lost
        ward.service.cancel()

    async def lost(*_args, **_options):
        raise sqlite3.OperationalError("the process is gone")

    def look():
        (service,) = [each for each in ward.desk.board().services if each.name == "alerts"]
        seen.append(service.online)

    ward.play((0, ward.heartbeat()), (10, look), (11, die), (12, look), until=13)
    ward.clock.pass_time(200 * 1_000_000_000)
    look()
    assert seen == [True, True, False]
    board = ward.desk.board()
    assert {each.state for each in board.residents} == {ResidentState.UNKNOWN}


def test_the_revision_grows_with_what_is_shown_and_not_with_heartbeats(ward):
    seen = []

    def look():
        seen.append(ward.desk.revision())

    ward.play(
        (0, ward.heartbeat()),
        (1, look),
        *[(at_s, ward.heartbeat()) for at_s in range(5, 100, 5)],
        (99, look),
        (100, ward.say(FALL)),
        (101, look),
        (102, ward.acknowledge()),
        (103, look),
        until=104,
    )
    assert seen[0] == seen[1] < seen[2] < seen[3]


def test_entering_the_same_again_changes_nothing_and_strangers_are_refused(ward, people):
    directory, database = ward.directory, ward.database
    before = database.revision("demo")
    people(directory)
    assert database.revision("demo") == before
    for refused in (
        lambda: directory.add_wearable("w9", address="a", identity=1, resident="nobody"),
        lambda: directory.add_wearable("w9", address="a", identity=2**32),
        lambda: directory.assign("nobody", "r1"),
        lambda: directory.add_resident("R 1", name="x", bed="y", floor="z"),
        lambda: directory.add_gateway("alerts"),
        lambda: directory.set_on_duty("nobody", True),
        lambda: Directory(Database("sqlite://"), "No Home", ward.clock),
    ):
        with pytest.raises(ValueError, match=r".+"):
            refused()
    assert database.revision("demo") == before
    config = directory.gateway_config("gateway-a")
    assert config.zone == "room-1"
    assert next(each.address for each in config.wearables) == "AA:00:00:00:00:01"
