"""Several workers on the same records: everyone is called once, and one of them speaks."""

from __future__ import annotations

import asyncio
import itertools
import threading

import pytest
from sqlalchemy.exc import OperationalError, SQLAlchemyError

from alerts import AlertService, Database
from alerts.directory import enter_home
from alerts.records.models import Worker
from alerts.service import HEARTBEAT_S
from alerts.speaker import DEAD_AFTER_S, LOOK_S, Speaker
from contract import topics
from contract.events import EventKind
from contract.messages import Outcome, Status
from contract.wire import decode
from messaging import LocalBus

pytestmark = pytest.mark.parametrize("database_kind", ["postgresql"])

FALL = EventKind.FALL_DETECTED
SILENCE_S = HEARTBEAT_S + DEAD_AFTER_S + LOOK_S + 1
"""The longest that gateways may hear nothing while a worker lives."""


class Team:
    """Workers on the ward's records, each with doors of its own, in the ward's time."""

    def __init__(self, ward):
        self.ward = ward
        self.tasks = {}
        self.services = {}
        self.buses = {}
        self.doors = {}
        self.seen = []
        self.nowhere = Database("sqlite://")

    def look(self, what):
        """For a timeline: keep what is to be seen now."""
        return lambda: self.seen.append(what())

    def start(self, name):
        def go():
            ward = self.ward
            door = self.doors[name] = ward.open_database()
            bus = self.buses[name] = LocalBus(ward.broker, name, ward.clock)
            service = self.services[name] = AlertService(
                "demo", ward.clock, ward.ids, bus, door, [ward.pagers], f"run-of-{name}"
            )
            self.tasks[name] = asyncio.create_task(service.run())

        return go

    def stop(self, name):
        async def go():
            self.tasks[name].cancel()
            await asyncio.gather(self.tasks[name], return_exceptions=True)
            self.doors[name].close()

        return go

    def kill(self, name):
        """As kill -9 does: no farewell, and the broker publishes the will."""

        async def go():
            self.services[name]._speaker.leave = lambda: True
            self.buses[name].kill()
            await self.stop(name)()

        return go

    def cut(self, name):
        """Its connection to the broker, for good."""

        def go():
            self.buses[name].kill()

        return go

    def freeze(self, name):
        """It goes on with what it has in memory and reaches no records, as after a cut."""

        def go():
            door = self.doors[name]
            self.healthy = door.engine
            door.engine = self.nowhere.engine

        return go

    def thaw(self, name):
        def go():
            self.doors[name].engine = self.healthy

        return go

    async def end(self):
        for name, task in self.tasks.items():
            if not task.done():
                await self.stop(name)()
        self.nowhere.close()

    def status(self):
        """What the broker keeps as the alert service's status."""
        topic = topics.build("demo", "alerts", topics.STATUS)
        return decode(self.ward.broker.retained[topic], Status)

    def is_online(self):
        """Whether the service is, on the board and at the broker."""
        (service,) = (each for each in self.ward.desk.board().services if each.name == "alerts")
        return service.online, self.status().online


@pytest.fixture
def team(ward):
    made = Team(ward)

    async def begin():
        """The ward's own service stays out of it."""

    ward.start_service = begin
    play = ward.play

    def play_and_end(*timeline, until):
        play(*timeline, (until, made.end), until=until)

    ward.play = play_and_end
    return made


def both(team):
    return (0, team.start("one")), (0.1, team.start("two"))


def sessions(ward):
    """Sessions of alert state in the order in which a gateway heard them."""
    return [session for session, _ in itertools.groupby(state.session for state in ward.states)]


def longest_silence_s(ward):
    times = [ward.seconds(state.at_us) for state in ward.states]
    return max(later - before for before, later in itertools.pairwise(times))


def test_each_step_calls_once_and_both_give_receipts(ward, team):
    event = ward.event(FALL, fall_id="f1")
    ward.play(*both(team), (5, lambda: ward.send(event)), until=190)
    ward.want_rings((5, "mei"), (65, "mei wai"), (125, "mei wai ka"), (185, "boss"))
    assert sorted(ward.outcomes(event.id)) == [Outcome.DUPLICATE, Outcome.STORED]
    assert len(ward.only().events) == 1
    assert len(sessions(ward)) == 1


def test_a_gateway_is_never_left_with_a_session_that_has_ended(ward, team):
    """Gateways never come back to a session of alert state that they have left."""
    ward.play(
        *both(team),
        (30, team.kill("one")),
        (60, team.start("three")),
        (90, team.stop("two")),
        (120, team.start("four")),
        (150, team.kill("three")),
        (160, ward.say(FALL)),
        until=200,
    )
    heard = sessions(ward)
    assert len(heard) == len(set(heard)) == 4
    assert longest_silence_s(ward) < SILENCE_S
    assert ward.states[-1].alerts[0].kind == FALL
    ward.want_rings((160, "mei"))


@pytest.mark.parametrize("leaver", ["one", "two"])
def test_one_that_stops_is_not_the_service_that_stops(ward, team, leaver):
    looks = [(at_s, team.look(team.is_online)) for at_s in (39, 40.5, 41, 42, 43, 45, 60)]
    ward.play(*both(team), (40, team.stop(leaver)), *looks, until=70)
    assert team.seen == [(True, True)] * len(looks)
    assert longest_silence_s(ward) < SILENCE_S


def test_the_last_one_to_stop_says_that_the_service_stops(ward, team):
    ward.play(*both(team), (20, team.stop("one")), (40, team.stop("two")), until=50)
    assert team.is_online() == (False, False)


def test_the_will_of_a_silent_worker_does_not_stand(ward, team):
    ward.play(*both(team), (40, team.kill("two")), (40.5, team.look(team.status)), until=41)
    (status,) = team.seen
    assert (status.session, status.online) == ("run-of-one", True)


def test_one_that_is_cut_off_from_the_records_loses_the_word(ward, team):
    ward.play(
        *both(team),
        (30, team.freeze("one")),
        (50, ward.say(FALL)),
        (60, team.thaw("one")),
        until=80,
    )
    at_55 = [state for state in ward.states if 53 < ward.seconds(state.at_us) < 60]
    assert any(state.alerts for state in at_55), "the other one tells of the fall"
    assert ward.states[-1].session == "run-of-two"
    ward.want_rings((50, "mei"))


def test_one_without_a_broker_yields_to_one_with(ward, team):
    """What it does not hear is not silent: the other one hears it."""
    ward.play(
        *both(team),
        *((at_s, ward.heartbeat()) for at_s in range(0, 150, 5)),
        (30, team.cut("one")),
        (140, team.look(lambda: ward.desk.board().faults)),
        until=150,
    )
    assert team.seen == [[]]
    assert sessions(ward) == ["run-of-one", "run-of-two"]


def test_a_worker_that_starts_after_a_crash_speaks_in_time(ward, team):
    ward.play((0, team.start("one")), (30, team.kill("one")), (35, team.start("two")), until=60)
    assert sessions(ward) == ["run-of-one", "run-of-two"]
    assert longest_silence_s(ward) < 5 + SILENCE_S


@pytest.mark.parametrize("seconds", [-3_600, 3_600])
def test_a_jump_of_the_clock_moves_the_timers_once(ward, team, seconds):
    """Both workers see the jump: moved twice, the floor would be called late."""
    ward.play(*both(team), (5, ward.say(FALL)), (30, ward.jump(seconds)), until=100)
    ward.want_rings((5, "mei"), (65, "mei wai"))


def test_who_is_heard_is_written_by_the_one_who_speaks(ward, team):
    ward.play(
        *both(team),
        *((at_s, ward.heartbeat()) for at_s in range(0, 40, 5)),
        (50, team.kill("one")),
        *((at_s, ward.heartbeat()) for at_s in range(130, 200, 5)),
        (125, team.look(lambda: ward.desk.board().faults)),
        until=190,
    )
    assert [fault.cause for fault in team.seen[0]] == ["gateway_silent"]
    assert ward.desk.board().faults == []


def test_speakers_agree_whoever_looks_when(ward, team):
    clock = ward.clock
    speakers = [Speaker("demo", clock, ward.database, f"run-{n}") for n in range(3)]

    async def main():
        for round_ in range(40):
            spoke = [each.look(well=(round_ + n) % 7 != 0) for n, each in enumerate(speakers)]
            with ward.database.session() as session:
                rows = session.query(Worker).filter_by(speaks=True).all()
            assert len(rows) == 1, "never two, never none"
            assert sum(spoke) >= 1
            await clock.sleep(LOOK_S)
        assert [each.leave() for each in speakers] == [True, True, False]

    clock.run(main())


def test_several_enter_the_home_at_once(ward):
    doors = [ward.open_database() for _ in range(6)]
    barrier = threading.Barrier(len(doors))
    failures = []

    def enter(door):
        barrier.wait()
        try:
            for number in range(10):
                enter_home(door, f"home-{number}")
        except SQLAlchemyError as error:
            failures.append(error)

    threads = [threading.Thread(target=enter, args=(door,)) for door in doors]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for door in doors:
        door.close()
    assert failures == []
    assert len(ward.database.homes()) == 11


def test_one_whose_records_go_away_as_it_starts_waits_for_them(ward, team, monkeypatch):
    """Found by the hour of kills: PostgreSQL died between the look at the records and the start."""
    look, away = Speaker.look, iter((True, True))

    def gone(speaker, **how):
        if next(away, False):
            raise OperationalError("UPDATE alert_workers", {}, Exception("the server went away"))
        return look(speaker, **how)

    def start_in_vain():
        monkeypatch.setattr(Speaker, "look", gone)
        team.start("second")()

    ward.play(
        (1, start_in_vain),
        (3, team.look(lambda: team.tasks["second"].done())),  # noqa: PLW0108 - made later
        (4, team.look(lambda: team.buses["second"].connected)),
        (9, team.look(lambda: team.buses["second"].connected)),
        (10, team.stop("second")),
        until=12,
    )
    assert team.seen == [False, False, True]
