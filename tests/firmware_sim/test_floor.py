"""A home's plan is read from a drawing, and what is wrong in it is said by line and column."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from contract.devices import Quantity
from contract.whereabouts import ZoneUse
from firmware_sim.floor import OUTSIDE, WALL, FloorError, example_home, read_floor, read_plan

SMALL = """\
home: small
cell: 1.0 x 1.0 m
storey: ground

  +----+------+-----+
  |A b = B g  = C p 1
  | o  |   m  |     |
  +----+------+-----+
rooms:
  B  corridor  corridor
  A  ward      bedroom
  C  porch     exit
doors:
  1  front
"""


def changed(before: str, after: str) -> str:
    assert SMALL.count(before) == 1
    return SMALL.replace(before, after)


def test_a_drawing_becomes_rooms_doors_and_things_in_metres() -> None:
    floor = read_plan(SMALL)
    assert floor.zones == ("corridor", "ward", "porch")
    assert floor.uses == (ZoneUse.CORRIDOR, ZoneUse.BEDROOM, ZoneUse.EXIT)
    assert np.argwhere(floor.near).tolist() == [[0, 1], [0, 2], [1, 0], [2, 0]]
    assert [(door.name, door.zones) for door in floor.doors if door.has_contact] == [
        ("front", (2, OUTSIDE))
    ]
    assert [(bed.label, bed.sensor) for bed in floor.beds] == [
        ("ward-1", ""),
        ("ward-2", "bed-ward-2"),
    ]
    assert [(each.name, each.zone) for each in floor.receivers] == [
        ("gateway-1", 0),
        ("proxy-1", 2),
    ]
    kinds = {each.device: each.quantity for each in floor.sensors}
    assert kinds == {
        "motion-corridor": Quantity.MOTION,
        "door-front": Quantity.OPENING,
        "bed-ward-2": Quantity.OCCUPIED,
    }
    bed, gateway = floor.beds[0], floor.receivers[0]
    assert gateway.x_m - bed.x_m == pytest.approx(6.0)
    assert bed.y_m - floor.beds[1].y_m == pytest.approx(1.0)  # the second is further down: south


def test_every_bed_and_receiver_stands_in_the_zone_that_it_is_said_to() -> None:
    home = example_home()
    things = [(each.x_m, each.y_m, each.storey, each.zone) for each in home.beds]
    things += [(each.x_m, each.y_m, each.storey, each.zone) for each in home.receivers]
    things += [(each.x_m, each.y_m, each.storey, each.zone) for each in home.sensors]
    x_m, y_m, storey, zone = np.array(things).T
    assert (home.zone_at(x_m, y_m, storey.astype(int)) == zone).all()


def test_the_example_home_has_sixty_beds_and_two_ways_out_with_two_doors_each() -> None:
    home = example_home()
    assert len(home.beds) == 60
    wards = [sum(bed.zone == zone for bed in home.beds) for zone in home.zones_of(ZoneUse.BEDROOM)]
    assert set(wards) == {4, 6, 8}
    outer = [door for door in home.doors if door.leads_out]
    assert len(outer) == 2
    for door in outer:
        lobby = door.zones[0]
        inner = [each for each in home.doors if each.zones[1] == lobby]
        assert len(inner) == 1
        assert inner[0].has_contact
        assert np.flatnonzero(home.near[lobby]).tolist() == [inner[0].zones[0]]


def test_walls_are_counted_along_the_straight_line() -> None:
    floor = read_plan(SMALL)
    points = np.array([[4.5, 2.5], [6.5, 2.5], [12.5, 2.5], [17.5, 2.5], [17.5, 5.5]])
    storey = np.zeros(5, np.int64)
    assert (floor.zone_at(points[:, 0], points[:, 1], storey) == [1, 1, 0, 2, OUTSIDE]).all()
    walls = floor.walls_between(points, storey, points, storey)
    assert (walls == walls.T).all()
    assert walls[:4, :4].tolist() == [[0, 0, 1, 2], [0, 0, 1, 2], [1, 1, 0, 1], [2, 2, 1, 0]]
    assert walls[3, 4] == 1


@pytest.mark.parametrize(
    ("plan", "problem"),
    [
        (changed("  | o  |   m  |     |", "  | o  |   m  |      "), "7:21: the wall is open"),
        (changed("  | o  |   m  |     |", "  | o  |   m  | A   |"), "7:17: two rooms are called A"),
        (changed("|A b = B g", "|A b   B g"), "6:10: no wall stands between rooms A and B"),
        (changed("|A b = B g", "|A b | B g"), "6:4: no door leads from outside to room A"),
        (changed("|A b = B g", "|  b = B g"), "11:1: A (ward) is not in the drawing"),
        (changed("|A b = B g", "|AZb = B g"), "6:5: room Z is not listed"),
        (changed("|A b = B g", "|A?b = B g"), "6:5: '?' means nothing"),
        (changed("|A b = B g", "|A^b = B g"), "6:5: this lift has no other end"),
        (
            changed("C p 1", "C p =").replace("  1  front", ""),
            "6:21: a door that leads out needs a digit",
        ),
        (changed("C p 1", "C p |"), "14:1: 1 (front) is not in the drawing"),
        (changed("  1  front", "  1  Front Door"), "14:3: this should be a digit and name"),
        (changed("porch     exit", "porch     way-out"), "12:3: 'way-out' is no use of a room"),
        (changed("porch     exit", "ward      exit"), "12:1: ward is taken already, in line 11"),
        (changed("1.0 x 1.0 m", "9 x 9 m"), "2:1: '9 x 9 m' is no size of a cell"),
        (changed("1.0 x 1.0 m", "1.1.1 x 1 m"), "2:1: '1.1.1 x 1 m' is no size"),
        (changed("  | o  |", "\t| o  |"), "7:1: a tab has no width"),
        (
            changed("  +----+------+-----+\nrooms", "  b----+------+-----+\nrooms"),
            "8:3: 'b' stands out",
        ),
        (changed("C p 1", "C p |").replace("  1  front", ""), "4:1: no door leads out"),
        ("", "1:1: there is no 'storey:'"),
        ("rooms:\n", "1:1: 'rooms:' stands before any 'storey:'"),
    ],
)
def test_what_is_wrong_is_said_with_line_and_column(plan: str, problem: str) -> None:
    with pytest.raises(FloorError) as told:
        read_plan(plan)
    assert any(each.startswith(problem) for each in told.value.problems), told.value.problems


def test_a_door_in_the_air_is_refused() -> None:
    upper = SMALL.split("storey: ground\n")[1].replace("  C  porch", "  C  balcony")
    for name in ("corridor ", "ward ", "front"):
        upper = upper.replace(f"  {name}", f"  up-{name}")
    with pytest.raises(FloorError, match="leads out into the air"):
        read_plan(SMALL + "storey: upper\n" + upper)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(FloorError, match=r"none\.txt: cannot be read"):
        read_floor(tmp_path / "none.txt")
    wrong = tmp_path / "wrong.txt"
    wrong.write_text(changed("|A b", "|Q b"), "utf-8")
    with pytest.raises(FloorError, match=r"wrong\.txt:6:4: room Q is not listed"):
        read_floor(wrong)


def test_walls_of_the_drawing_are_no_place_to_be() -> None:
    home = example_home()
    assert (home.cell_zone[:, 0] == OUTSIDE).all()
    assert (home.cell_zone == WALL).any()
    assert set(np.unique(home.cell_zone)) == {WALL, OUTSIDE, *range(len(home.zones))}
