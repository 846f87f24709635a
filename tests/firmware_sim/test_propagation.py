"""Strengths of a whole home: what distance, walls, bodies and rest do to them."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from firmware_sim.propagation import (
    ADVERTS_A_SECOND,
    BODY_DB,
    STOREY_DB,
    WALL_DB,
    Building,
    Points,
    Propagation,
    Walkers,
)

SIZE_M = (24.0, 12.0)


def _walls(one: Points, other: Points) -> NDArray[np.int64]:
    """One wall each six metres eastwards."""
    crossed: NDArray[np.int64] = np.abs(one[:, None, 0] // 6 - other[None, :, 0] // 6).astype(int)
    return crossed


def _building(receivers: list[tuple[float, float, float]]) -> Building:
    return Building(np.array(receivers, np.float32), SIZE_M, 2, _walls)


def _stand(x_m: float, y_m: float, seconds: int, *, people: int = 1, floor: int = 0) -> Walkers:
    shape = (people, seconds)
    return Walkers(
        x_m=np.full(shape, x_m, np.float32),
        y_m=np.full(shape, y_m, np.float32),
        floor=np.full(shape, floor, np.int8),
        moving=np.zeros(shape, np.bool_),
        asleep=np.zeros(shape, np.bool_),
        on_air=np.ones(shape, np.bool_),
    )


def _walk(seconds: int, people: int = 20) -> Walkers:
    """Along the middle of the home and back, each a second behind the one before."""
    way = np.abs((np.arange(seconds) + np.arange(people)[:, None]) % 40 - 20.0)
    still = _stand(0.0, 6.0, seconds, people=people)
    return still._replace(x_m=(2 + way).astype(np.float32), moving=np.ones_like(still.moving))


def test_same_seed_hears_the_same_and_another_does_not() -> None:
    home = _building([(2, 2, 0), (20, 10, 1)])
    heard = [Propagation(home, 20, seed).hear(_walk(300)) for seed in (1, 1, 2)]
    np.testing.assert_array_equal(heard[0], heard[1])
    assert not np.array_equal(heard[0], heard[2], equal_nan=True)


def test_a_walk_goes_on_where_the_block_before_has_ended() -> None:
    # One who rests from one block into the next keeps her spot: no jump at the seam.
    home = _building([(3, 6, 0)])
    air = Propagation(home, 400, 3)
    asleep = _stand(4.0, 6.0, 60, people=400)
    asleep = asleep._replace(asleep=np.ones_like(asleep.asleep))
    first, then = air.hear(asleep)[0], air.hear(asleep)[0]
    seam = np.nanstd(then[:, 0] - first[:, -1])
    within = np.nanstd(first[:, 1:] - first[:, :-1])
    assert seam < 1.3 * within


def test_walls_and_storeys_take_what_they_are_said_to() -> None:
    # Many homes, so that furniture and spots average out.
    def level(x_m: float, floor: int, seed: int) -> float:
        air = Propagation(_building([(5, 6, 0)]), 1, seed)
        return float(np.nanmean(air.hear(_stand(x_m, 6.0, 600, floor=floor))))

    seeds = range(40)
    near = np.mean([level(3.0, 0, seed) for seed in seeds])
    beyond = np.mean([level(7.0, 0, seed) for seed in seeds])
    above = np.mean([level(3.0, 1, seed) for seed in seeds])
    assert near - beyond == pytest.approx(WALL_DB, abs=2.0)
    # The way through the floor is longer, too: 3.9 m for 2.3 m.
    assert near - above == pytest.approx(STOREY_DB + 18 * np.log10(3.96 / 2.33), abs=4.0)


def test_who_walks_towards_a_receiver_is_heard_better_than_who_turns_her_back() -> None:
    air = Propagation(_building([(22, 6, 0)]), 60, 5)
    walkers = _walk(400, people=60)
    heard = air.hear(walkers)[0]
    there = (walkers.x_m[:, 1:] == 18) & (walkers.x_m[:, 1:] > walkers.x_m[:, :-1])
    back = (walkers.x_m[:, 1:] == 18) & (walkers.x_m[:, 1:] < walkers.x_m[:, :-1])
    gained = np.nanmean(heard[:, 1:][there]) - np.nanmean(heard[:, 1:][back])
    assert 0.7 * BODY_DB < gained < 1.1 * BODY_DB


def test_who_rests_sounds_alike_from_second_to_second_and_who_walks_does_not() -> None:
    air = Propagation(_building([(4, 6, 0)]), 200, 6)
    rests = np.nanstd(np.diff(air.hear(_stand(6.0, 6.0, 300, people=200))[0]))
    still = _stand(6.0, 6.0, 300, people=200)
    paces = np.nanstd(np.diff(air.hear(still._replace(moving=~still.moving))[0]))
    assert rests / np.sqrt(2) == pytest.approx(2.1, abs=0.8)
    assert paces > 1.2 * rests


def test_strengths_are_halves_of_a_db_and_the_weak_are_lost() -> None:
    air = Propagation(_building([(1, 1, 0)]), 300, 7)
    near = air.hear(_stand(2.0, 1.0, 60, people=300))[0]
    far = air.hear(_stand(23.0, 11.0, 60, people=300, floor=1))[0]
    known = near[np.isfinite(near)]
    np.testing.assert_array_equal(known * ADVERTS_A_SECOND, np.rint(known * ADVERTS_A_SECOND))
    assert np.isnan(near).mean() < 0.01
    assert np.isnan(far).mean() > 0.95
    # What arrives of the far is what was strong by chance.
    assert not (far < -103).any()


def test_who_is_not_on_air_is_not_heard() -> None:
    air = Propagation(_building([(4, 6, 0)]), 2, 8)
    walkers = _stand(5.0, 6.0, 50, people=2)
    walkers.on_air[1, 20:] = False
    heard = air.hear(walkers)[0]
    assert np.isfinite(heard[1, :20]).any()
    assert np.isnan(heard[1, 20:]).all()
    assert np.isfinite(heard[0]).mean() > 0.95
