from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from detectors.travel import STAY_S, TravelDay, TravelPatterns, WanderingEpisode
from detectors.travel_shape import count_hops, rooms_between

ROOM, CORRIDOR, HALL, TOILET, LOUNGE, GARDEN, ATTIC = range(7)
UNKNOWN = -1

Visits = list[tuple[int, int]]


def _near() -> NDArray[np.bool_]:
    """A room and a toilet off a round of corridor, hall, lounge and garden; nothing leads up."""
    near = np.zeros((7, 7), np.bool_)
    doors = (
        (ROOM, CORRIDOR),
        (TOILET, CORRIDOR),
        (CORRIDOR, HALL),
        (HALL, LOUNGE),
        (LOUNGE, GARDEN),
        (GARDEN, CORRIDOR),
    )
    for one, other in doors:
        near[one, other] = near[other, one] = True
    return near


def walk(*visits: tuple[int, int]) -> tuple[list[WanderingEpisode], TravelDay]:
    """Seconds in each room, one resident, from rest to rest."""
    first, last = visits[0][0], visits[-1][0]
    told = [(first, STAY_S + 60), *visits, (last, STAY_S + 60)]
    zones = np.repeat([zone for zone, _ in told], [stay for _, stay in told])
    patterns = TravelPatterns(_near(), 1)
    said = [
        each
        for second, zone in enumerate(zones)
        for each in patterns.step(np.array([zone]), second)
    ]
    return said, patterns.close_day()


def there_and_back(*rooms: int, times: int, each_s: int = 12) -> Visits:
    way = list(rooms)
    whole = way + (way[-2::-1] + way[1:]) * times
    return [(room, each_s) for room in whole]


def test_an_errand_is_direct() -> None:
    said, day = walk((CORRIDOR, 10), (TOILET, 300), (CORRIDOR, 10), (ROOM, 5))
    assert said == []
    assert day.episodes[:, 0].tolist() == [2, 0, 0, 0]


def test_an_errand_with_a_short_stay_is_direct_twice() -> None:
    out = [(ROOM, 12), (CORRIDOR, 10), (TOILET, 60), (CORRIDOR, 10)]
    said, day = walk(*out, *out, (ROOM, 5))
    assert said == []
    assert day.episodes[:, 0].tolist() == [1, 0, 0, 0]


def test_a_far_errand_straight_back_is_direct_and_needs_every_step() -> None:
    said, day = walk(*there_and_back(ROOM, CORRIDOR, HALL, LOUNGE, times=1)[:-3])
    assert said == []
    assert day.tortuosity[0] == pytest.approx(1.0)


@pytest.mark.parametrize("rooms", [(ROOM, CORRIDOR), (ROOM, CORRIDOR, HALL, LOUNGE)])
def test_back_and_forth_is_pacing(rooms: tuple[int, ...]) -> None:
    said, day = walk(*there_and_back(*rooms, times=4))
    assert [each.kind for each in said] == ["pacing", "pacing"]
    assert day.episodes[:, 0].tolist() == [0, 0, 1, 0]
    assert day.tortuosity[0] > 2.0


def test_rounds_are_lapping() -> None:
    ring = [(room, 12) for room in (CORRIDOR, HALL, LOUNGE, GARDEN)]
    said, _ = walk((ROOM, 10), *ring * 3, (CORRIDOR, 12))
    assert said[-1].kind == "lapping"


def test_walking_through_a_home_without_a_plan_is_random() -> None:
    rooms = (ROOM, CORRIDOR, TOILET, CORRIDOR, HALL, LOUNGE, HALL, CORRIDOR, GARDEN, CORRIDOR)
    rooms += (ROOM, CORRIDOR, HALL, LOUNGE, GARDEN)
    said, _ = walk(*((room, 12) for room in rooms))
    assert said[-1].kind == "random"


def test_an_episode_is_told_when_certain_and_when_over_with_one_key() -> None:
    first, last = walk(*there_and_back(ROOM, CORRIDOR, HALL, times=5))[0]
    assert (first.row, first.begun_s) == (last.row, last.begun_s)
    assert first.ended_s is None
    assert last.ended_s is not None
    assert last.ended_s - last.begun_s > 60
    assert last.path[: len(first.path)] == first.path
    assert last.path[0] == ROOM
    assert last.visits > last.revisits > first.revisits


def test_a_missed_room_is_put_in_and_a_glimpse_left_out() -> None:
    said, _ = walk(
        (CORRIDOR, 12),
        *((room, 12) for room in (LOUNGE, CORRIDOR, HALL) * 4),
        (TOILET, 2),
        (HALL, 12),
    )
    assert TOILET not in said[-1].path
    assert walk(*there_and_back(ROOM, HALL, times=4))[0][-1].path[:4] == (
        ROOM,
        CORRIDOR,
        HALL,
        CORRIDOR,
    )


def test_who_halts_at_the_end_of_a_walk_has_wandered_all_the_same() -> None:
    """Each halt takes a fifth of the signs; what was certain stays so."""
    walked = there_and_back(ROOM, CORRIDOR, HALL, times=3)
    said, _ = walk(*walked, *[(room, 50) for room in (LOUNGE, GARDEN, CORRIDOR, HALL) * 3])
    assert [each.ended_s is None for each in said] == [True, False]


def test_who_sits_between_two_rooms_keeps_to_one() -> None:
    said, day = walk((CORRIDOR, 10), *[(ROOM, 40), (CORRIDOR, 12)] * 8)
    assert not any(each.keeps_walking for each in said if each.ended_s is not None)
    assert day.episodes[1:].sum() == 0
    assert walk(*there_and_back(ROOM, CORRIDOR, HALL, times=5))[0][-1].keeps_walking


def test_a_minute_of_walking_is_needed() -> None:
    said, _ = walk(*there_and_back(ROOM, CORRIDOR, times=3, each_s=6))
    assert said == []


def test_silence_ends_a_walk_and_is_none() -> None:
    walked = there_and_back(ROOM, CORRIDOR, HALL, times=4)
    said, day = walk(*walked, (UNKNOWN, STAY_S + 60), (ROOM, 10))
    assert [each.ended_s is None for each in said] == [True, False]
    assert day.episodes[:, 0].tolist() == [0, 0, 1, 0]


def test_seconds_that_are_left_out_end_a_walk_as_silence_does() -> None:
    patterns = TravelPatterns(_near(), 1)
    second = 0
    for room, stay in [(ROOM, 200), *there_and_back(ROOM, CORRIDOR, HALL, times=4)]:
        for _ in range(stay):
            patterns.step(np.array([room]), second)
            second += 1
    assert patterns.wandering.tolist() == [True]
    (over,) = patterns.step(np.array([ROOM]), second + 1000)
    assert over.ended_s == second - 1
    assert patterns.wandering.tolist() == [False]


def test_a_zone_that_nothing_leads_to_is_walked_into_all_the_same() -> None:
    assert walk((CORRIDOR, 20), (ATTIC, 20), (CORRIDOR, 20))[0] == []


def test_a_zone_that_is_none_is_an_error() -> None:
    with pytest.raises(ValueError, match="from 0 to 6"):
        TravelPatterns(_near(), 1).step(np.array([7]), 0)


def test_the_entropy_of_changes() -> None:
    """From the corridor half of the steps go either way: one bit; from elsewhere none."""
    both = [(CORRIDOR, 20), (TOILET, 300), (CORRIDOR, 20), (ROOM, 300)]
    _, day = walk((ROOM, 10), *both * 3)
    assert day.entropy_bits[0] == pytest.approx(0.5)


def test_a_day_without_a_step_has_no_figures() -> None:
    day = walk((ROOM, 10))[1]
    assert np.isnan(day.tortuosity[0])
    assert np.isnan(day.entropy_bits[0])


def test_the_ways_of_a_graph() -> None:
    hops = count_hops(_near())
    assert hops[ROOM, LOUNGE] == 3
    assert hops[ROOM, ATTIC] == 1
    between = rooms_between(_near(), hops)
    assert between[ROOM, HALL] == CORRIDOR
    assert between[CORRIDOR, LOUNGE] == UNKNOWN
    assert between[ROOM, CORRIDOR] == UNKNOWN


@settings(max_examples=15, deadline=None)
@given(
    st.lists(
        st.lists(st.tuples(st.integers(-1, 5), st.integers(1, 40)), min_size=8, max_size=14),
        min_size=2,
        max_size=4,
    )
)
def test_nobody_changes_what_is_told_of_another(walks: list[Visits]) -> None:
    longest = max(sum(stay for _, stay in each) for each in walks)
    zone = np.full((len(walks), longest), UNKNOWN)
    for row, visits in enumerate(walks):
        told = np.repeat([each for each, _ in visits], [stay for _, stay in visits])
        zone[row, : len(told)] = told
    together, alone = TravelPatterns(_near(), len(walks)), TravelPatterns(_near(), 1)
    said, said_alone = [], []
    for second in range(longest):
        said += [
            each._replace(row=0) for each in together.step(zone[:, second], second) if each.row == 1
        ]
        said_alone += alone.step(zone[1:2, second], second)
    assert said == said_alone
