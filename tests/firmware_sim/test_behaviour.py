"""A day of a home agrees with its plan, with itself, and with what is known of such homes."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray

from contract.whereabouts import ZoneUse
from firmware_sim.behaviour import (
    DAY_S,
    Activity,
    Day,
    Episode,
    Happening,
    Profile,
    live_day,
    movement_g,
    residents_of,
)
from firmware_sim.floor import OUTSIDE, example_home, read_plan
from firmware_sim.life.carers import assign
from firmware_sim.life.episodes import Escort
from firmware_sim.life.figures import figures
from firmware_sim.life.incidents import BLOCK_DAYS, PER_30_DAYS, Incident, plan_of
from firmware_sim.life.view import main as show
from firmware_sim.life.view import where_everybody_is

FASTEST_M_S = 1.5
HOUR = 3600
WANDERS = (Happening.PACING, Happening.LAPPING, Happening.RANDOM)

HOME = example_home()
PEOPLE = residents_of(HOME)

SMALL = """\
home: small
cell: 0.5 x 1.0 m
storey: ground


      +----------+----------+--------+-------+
      |A b  b    |L         |T       |S      |
      |   g      |          |   m    |       |
      |  b  b    |   m      |        |       |
      +-----==---+---==-----+---==---+--==---+---+
      2  p  1     C                              |
      | E   |           m        g               |
      +-----+------------------------------------+


rooms:
  C  corridor  corridor
  E  porch     exit
  A  ward      bedroom
  L  lounge    common
  T  toilet    toilet
  S  office    other
doors:
  1  inner
  2  outer
"""


SMALL_HOME = read_plan(SMALL)

SEED, NUMBER = 27, 9
"""Two days on which much happens: on the first somebody slips out, and others go out with a carer;
on the second somebody slips out behind a visitor, one is away, one comes back, and one lays her tag
down."""


@pytest.fixture(scope="module")
def alone() -> Day:
    return live_day(HOME, PEOPLE, NUMBER, SEED)


@pytest.fixture(scope="module")
def behind() -> Day:
    return live_day(HOME, PEOPLE, NUMBER + 1, SEED)


@pytest.fixture(scope="module")
def small() -> Day:
    return live_day(SMALL_HOME, residents_of(SMALL_HOME, 7), 0, 7)


def hour_of(day: Day, row: int, hour: float) -> int:
    return int(day.zone[row, int(hour * HOUR)])


def steps(day: Day) -> NDArray[np.float32]:
    return np.hypot(np.diff(day.x_m, axis=1), np.diff(day.y_m, axis=1))


def test_the_same_seed_gives_the_same_day_and_another_does_not(small: Day) -> None:
    again = live_day(SMALL_HOME, residents_of(SMALL_HOME, 7), 0, 7)
    other = live_day(SMALL_HOME, residents_of(SMALL_HOME, 7), 0, 8)
    for one, two in zip(small, again, strict=True):
        if isinstance(one, np.ndarray):
            np.testing.assert_array_equal(one, two)
        else:
            assert one == two
    assert other.zone.shape != small.zone.shape or (other.zone != small.zone).any()


def test_a_small_home_has_a_day_too(small: Day) -> None:
    assert small.residents == 4
    assert small.in_bed[:, 3 * HOUR].all()
    lounge = SMALL_HOME.zone_number("lounge")
    at_lunch = [int(small.zone[row, int(12.5 * HOUR)]) == lounge for row in range(4)]
    assert sum(at_lunch) >= 3  # the only common room is the dining room, too


def test_nobody_runs_and_nobody_is_in_two_places(alone: Day, behind: Day, small: Day) -> None:
    for day in (alone, behind, small):
        assert np.nanmax(steps(day)) < FASTEST_M_S


def test_the_zone_is_the_one_of_the_position_and_no_wall(behind: Day, small: Day) -> None:
    for home, day in ((HOME, behind), (SMALL_HOME, small)):
        is_near = ~np.isnan(day.x_m)
        at = home.zone_at(day.x_m[is_near], day.y_m[is_near], day.storey[is_near])
        np.testing.assert_array_equal(at, day.zone[is_near])
        assert (day.zone[~is_near] == OUTSIDE).all()


def test_each_change_of_zone_is_to_a_neighbour(alone: Day, behind: Day) -> None:
    way_out = {door.zones[0] for door in HOME.doors if door.leads_out}
    for day in (alone, behind):
        was, now = day.zone[:, :-1], day.zone[:, 1:]
        changed = (was != now) & ~np.isnan(day.x_m[:, :-1]) & ~np.isnan(day.x_m[:, 1:])
        for before, after in set(zip(was[changed].tolist(), now[changed].tolist(), strict=True)):
            if OUTSIDE in {before, after}:
                assert max(before, after) in way_out
            else:
                assert HOME.near[before, after], (HOME.zones[before], HOME.zones[after])


def test_the_exits_doors_are_open_whenever_somebody_goes_through(behind: Day) -> None:
    is_open = np.zeros((len(HOME.doors), DAY_S), np.bool_)
    for door in HOME.exit_doors:
        changes = [each for each in behind.openings if each.door == door]
        assert [each.is_open for each in changes] == [True, False] * (len(changes) // 2)
        for opened, closed in pairwise(changes):
            if opened.is_open:
                assert opened.second < closed.second
                is_open[door, opened.second : closed.second] = True
    for door in HOME.exit_doors:
        one, other = HOME.doors[door].zones
        was, now = behind.zone[:, :-1], behind.zone[:, 1:]
        through = ((was == one) & (now == other)) | ((was == other) & (now == one))
        through &= ~np.isnan(behind.x_m[:, 1:]) & ~np.isnan(behind.x_m[:, :-1])
        _, seconds = np.nonzero(through)
        assert len(seconds) > 10
        assert is_open[door, seconds].all()


def test_the_next_day_goes_on_where_this_one_ends(alone: Day, behind: Day) -> None:
    tags = alone.residents + alone.carers
    for one, other in ((alone.x_m, behind.x_m), (alone.y_m, behind.y_m)):
        np.testing.assert_array_equal(one[:tags, -1], other[:tags, 0])
    np.testing.assert_array_equal(alone.absent[:, -1], behind.absent[:, 0])
    np.testing.assert_array_equal(alone.in_bed[:, -1], behind.in_bed[:, 0])


def test_who_is_away_is_nowhere_and_who_comes_back_is_brought(behind: Day) -> None:
    plan = plan_of(PEOPLE, NUMBER + 1, SEED)
    (away,), (returns,) = plan.away, plan.returns
    assert behind.absent[away].all()
    assert np.isnan(behind.x_m[away]).all()
    back = int(np.flatnonzero(~np.isnan(behind.x_m[returns]))[0])
    assert 15 * HOUR < back < 17 * HOUR
    assert behind.zone[returns, back] == OUTSIDE
    assert behind.absent[returns, back]
    assert not behind.absent[returns, back + 600]
    assert behind.in_bed[returns, -1]


def only(day: Day, kind: Happening) -> Episode:
    return day.of_kind(kind)[0]


def with_her(day: Day, episode: Episode, second: int) -> list[int]:
    """Rows of carers within five metres of her."""
    carers = np.arange(day.residents, day.residents + day.carers)
    apart = np.hypot(
        day.x_m[carers, second] - day.x_m[episode.row, second],
        day.y_m[carers, second] - day.y_m[episode.row, second],
    )
    near = (apart < 5) & (day.storey[carers, second] == day.storey[episode.row, second])
    found: list[int] = carers[near & day.worn[carers, second]].tolist()
    return found


def test_who_slips_out_opens_both_doors_alone_and_is_brought_back(alone: Day) -> None:
    episode = only(alone, Happening.ELOPEMENT)
    assert PEOPLE[episode.row].policy.at_risk
    (inner, at_s), (outer, out_s) = episode.doors
    assert HOME.doors[inner].zones[0] == episode.zone
    assert HOME.doors[outer].leads_out
    assert at_s == episode.begun_s
    assert 3 < out_s - at_s < 40
    by = {each.by for each in alone.openings if each.is_open and 0 <= at_s - each.second <= 8}
    assert episode.row in by
    zones = alone.zone[episode.row, at_s : episode.ended_s]
    assert zones[0] == episode.zone
    assert (zones == OUTSIDE).sum() > 300
    assert zones[-1] != OUTSIDE
    brings = alone.zone[episode.row, episode.ended_s - 60 : episode.ended_s]
    assert (brings != OUTSIDE).any()
    assert with_her(alone, episode, episode.ended_s - 5)


def test_who_slips_out_behind_a_visitor_opens_no_door(behind: Day) -> None:
    episode = next(each for each in behind.of_kind(Happening.ELOPEMENT) if each.is_behind_somebody)
    for door, second in episode.doors:
        opened = [
            each
            for each in behind.openings
            if each.door == door and each.is_open and each.second <= second
        ]
        assert opened[-1].by >= behind.residents + behind.carers
    assert (behind.zone[episode.row, episode.begun_s : episode.ended_s] == OUTSIDE).sum() > 300


def test_on_an_outing_a_carer_is_with_her_all_the_way(alone: Day) -> None:
    day = alone
    assert day.of_kind(Happening.OUTING)
    for episode in day.of_kind(Happening.OUTING):
        span = slice(episode.begun_s, episode.ended_s)
        apart = np.hypot(
            day.x_m[episode.row, span] - day.x_m[episode.escort, span],
            day.y_m[episode.row, span] - day.y_m[episode.escort, span],
        )
        assert apart.max() < 3
        assert day.worn[episode.escort, span].all()
        assert (day.zone[episode.row, span] == OUTSIDE).any()


def test_a_wearable_that_was_put_down_stays_where_it_is(behind: Day) -> None:
    day = behind
    x_m, y_m, storey = day.tags_m()
    assert day.tags_off
    for off in day.tags_off:
        span = slice(off.begun_s, off.ended_s)
        assert not day.worn[off.row, span].any()
        assert (x_m[off.row, span] == np.float32(off.x_m)).all()
        at = HOME.zone_at(x_m[off.row, span], y_m[off.row, span], storey[off.row, span])
        assert (at == off.zone).all()
        for edge in (off.begun_s, off.ended_s):  # she is there when she puts it down and on again
            here = slice(edge - 3, edge + 3)
            assert np.hypot(*(np.diff(each[off.row, here]) for each in (x_m, y_m))).max() < 1.5
    moves = movement_g(day)
    off = day.tags_off[0]
    assert moves[off.row, off.begun_s : off.ended_s].max() < 0.02
    walking = moves[: day.residents][day.activity[: day.residents] == Activity.WALKING]
    asleep = moves[: day.residents][day.activity[: day.residents] == Activity.ASLEEP]
    assert np.median(walking) > 20 * np.median(asleep)


def test_days_are_like_those_of_homes(alone: Day) -> None:
    residents = slice(0, alone.residents)
    hours_in_bed = alone.in_bed.sum(axis=1) / HOUR
    assert 8 < np.median(hours_in_bed) < 12
    dining = set(HOME.zones_of(ZoneUse.COMMON))
    at_lunch = sum(hour_of(alone, row, 12.4) in dining for row in range(alone.residents))
    assert at_lunch > 0.7 * alone.residents
    toilets = np.array(HOME.zones_of(ZoneUse.TOILET))
    is_there = np.isin(alone.zone[residents], toilets)
    visits = (is_there[:, 1:] & ~is_there[:, :-1]).sum(axis=1)
    assert 4 < np.median(visits) < 14
    night = is_there[:, : 5 * HOUR]
    at_night = (night[:, 1:] & ~night[:, :-1]).sum(axis=1)
    assert 0.2 < at_night.mean() < 3
    walked = (alone.activity[residents] == Activity.WALKING).sum(axis=1) / 60
    assert 5 < np.median(walked) < 60


def test_who_wanders_does_so_some_twenty_times_a_day_and_nobody_else(
    alone: Day, behind: Day
) -> None:
    wanderers = {row for row, person in enumerate(PEOPLE) if person.profile.wanders}
    assert len(wanderers) == 10
    counts: Counter[int] = Counter()
    for day in (alone, behind):
        episodes = day.of_kind(*WANDERS)
        counts.update(each.row for each in episodes)
        for each in episodes:
            rooms = day.zone[each.row, each.begun_s : each.ended_s]
            assert (np.diff(rooms) != 0).sum() >= 3
        minutes = sum(each.ended_s - each.begun_s for each in episodes) / 60
        assert 25 < minutes / len(wanderers) < 70  # 43.9 min a day (Algase 1997)
    away = plan_of(PEOPLE, NUMBER, SEED).away | plan_of(PEOPLE, NUMBER + 1, SEED).away
    assert wanderers - away <= set(counts) <= wanderers
    assert 14 < sum(counts.values()) / 2 / len(wanderers) < 28
    kinds = Counter(each.kind for each in alone.of_kind(*WANDERS))
    assert kinds[Happening.LAPPING] > max(kinds[Happening.PACING], kinds[Happening.RANDOM])


def test_carers_work_in_shifts_and_their_tags_lie_in_the_staff_room_between(alone: Day) -> None:
    carers = slice(alone.residents, alone.residents + alone.carers)
    worn = alone.worn[carers]
    assert [int(worn[:, hour * HOUR].sum()) for hour in (3, 10, 18, 23)] == [4, 8, 6, 4]
    staff = HOME.zones_of(ZoneUse.OTHER)
    lies = ~worn & (alone.activity[carers] == Activity.STILL)
    assert np.isin(alone.zone[carers][lies], staff).all()
    at_three = {hour_of(alone, row, 2.6) for row in range(carers.start, carers.stop)}
    assert at_three - set(staff)  # a round


def test_what_seldom_happens_happens_as_often_as_is_said() -> None:
    counts: Counter[Incident] = Counter()
    for day in range(BLOCK_DAYS):
        plan = plan_of(PEOPLE, day, 5)
        counts.update(each.kind for each in plan.planned.values())
        assert not plan.away & (plan.returns | set(plan.planned))
        for each in plan.planned.values():
            person = PEOPLE[each.row]
            if each.kind in {Incident.ELOPEMENT, Incident.ELOPEMENT_BEHIND_VISITOR}:
                assert person.policy.at_risk
            assert each.kind is not Incident.OUTING or person.profile is not Profile.INDEPENDENT
    assert counts == PER_30_DAYS


def test_no_carer_goes_with_two_residents_at_once() -> None:
    escorts = [Escort(row, 10.0 * HOUR, 10.3 * HOUR) for row in range(8)]
    assert sorted(assign(escorts).values()) == list(range(8))
    with pytest.raises(ValueError, match=r"at 10\.1 h no carer is free"):
        assign([*escorts, Escort(8, 10.1 * HOUR, 10.2 * HOUR)])


def test_a_home_without_a_room_to_sit_in_is_refused() -> None:
    floor = read_plan(SMALL.replace("lounge    common", "lounge    other"))
    with pytest.raises(ValueError, match="no room of the use 'common'"):
        residents_of(floor)


def test_it_can_be_looked_at(alone: Day) -> None:
    seen = where_everybody_is(HOME, alone, 3 * HOUR)
    drawn = "".join(line for line in seen.splitlines() if line.startswith((" ", "|", "+")))
    asleep = int(alone.in_bed[:, 3 * HOUR].sum())
    assert asleep > 50
    assert drawn.count("z") >= asleep
    assert "03:00" in seen


@pytest.mark.parametrize("arguments", [["--at", "noon"], ["--at", "24:00"], ["--day", "-1"]])
def test_a_moment_that_does_not_exist_is_refused(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        show(arguments)
    assert "error: " in capsys.readouterr().err


def test_its_figures_count_what_happened(small: Day) -> None:
    told = dict(line.split(": ") for line in figures(SMALL_HOME, 1, 7))
    for kind in Happening:
        assert int(told[kind]) == len(small.of_kind(kind))
    assert float(told["hours in bed"]) == pytest.approx(small.in_bed.sum() / 4 / HOUR, abs=0.06)
    with pytest.raises(ValueError, match="0 days"):
        figures(SMALL_HOME, 0, 7)
