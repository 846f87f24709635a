"""Where everybody is at a moment of a simulated day, as a drawing; for eyes and for documents.

``python -m firmware_sim.life.view --at 15:30`` shows the example home.
"""

from __future__ import annotations

import argparse
import sys
from typing import Final

import numpy as np

from firmware_sim.behaviour import Activity, Day, live_day, residents_of
from firmware_sim.floor import OUTSIDE, WALL, Floor, example_home

ASLEEP: Final = "z"
RESIDENT: Final = "r"
WALKS: Final = "R"
CARER: Final = "c"
VISITOR: Final = "v"
KEY: Final = (
    f"{ASLEEP} asleep  {RESIDENT} resident  {WALKS} walks  {CARER} carer  {VISITOR} visitor"
)


def where_everybody_is(floor: Floor, day: Day, second: int) -> str:
    """Draw each storey with who is there, and say who is outside or away.

    Parameters
    ----------
    second
        After midnight.
    """
    pictures = [_walls(floor, storey) for storey in range(len(floor.cell_zone))]
    # Residents last: where two stand in one cell, theirs is the mark that is seen.
    for row in reversed(range(len(day.names))):
        if not np.isnan(day.x_m[row, second]) and _is_there(day, row, second):
            x_m, y_m = day.x_m[row, second], day.y_m[row, second]
            line, column = floor.cells_of(np.array(x_m), np.array(y_m))
            pictures[int(day.storey[row, second])][int(line)][int(column)] = _mark(day, row, second)
    out = [
        name
        for name, zone in zip(
            day.names[: day.residents], day.zone[: day.residents, second], strict=True
        )
        if zone == OUTSIDE
    ]
    lines = [["".join(line).rstrip() for line in picture] for picture in pictures]
    drawn = ["\n".join(line for line in storey if line) for storey in lines]
    head = f"{second // 3600:02d}:{second // 60 % 60:02d}   {KEY}"
    return "\n\n".join([head, *drawn, f"outside or away: {', '.join(out) or 'nobody'}"]) + "\n"


def _is_there(day: Day, row: int, second: int) -> bool:
    """A carer's tag that nobody wears is no carer."""
    is_carer = day.residents <= row < day.residents + day.carers
    return not is_carer or bool(day.worn[row, second])


def _mark(day: Day, row: int, second: int) -> str:
    if row >= day.residents:
        return CARER if row < day.residents + day.carers else VISITOR
    if day.activity[row, second] == Activity.ASLEEP:
        return ASLEEP
    return WALKS if day.activity[row, second] == Activity.WALKING else RESIDENT


def _walls(floor: Floor, storey: int) -> list[list[str]]:
    zone = floor.cell_zone[storey]
    is_wall = np.pad(zone == WALL, 1)
    upright = is_wall[:-2, 1:-1] | is_wall[2:, 1:-1]
    level = is_wall[1:-1, :-2] | is_wall[1:-1, 2:]
    marks = np.where(upright & level, "+", np.where(level, "-", "|"))
    door = np.where(floor.cell_door[storey] >= 0, "=", " ")
    picture: list[list[str]] = np.where(zone == WALL, marks, door).tolist()
    return picture


def main(arguments: list[str] | None = None) -> int:
    """Print a moment of a day of the example home."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--day", type=int, default=0, help="from 0")
    parser.add_argument("--at", default="15:30", metavar="HH:MM")
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args(arguments)
    hour, colon, minute = chosen.at.partition(":")
    if not (colon and hour.isdecimal() and minute.isdecimal()):
        parser.error(f"{chosen.at!r} is no time of day; 15:30 is one")
    second = (int(hour) * 60 + int(minute)) * 60
    if int(hour) > 23 or int(minute) > 59:
        parser.error(f"{chosen.at!r} is no time of day; a day ends at 23:59")
    if chosen.day < 0:
        parser.error("days count from 0")
    floor = example_home()
    day = live_day(floor, residents_of(floor, chosen.seed), chosen.day, chosen.seed)
    sys.stdout.write(where_everybody_is(floor, day, second))
    return 0


if __name__ == "__main__":
    sys.exit(main())
