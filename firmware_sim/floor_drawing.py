"""Reads a home that was drawn with letters, and says by line and column what is wrong with it.

    home: example
    cell: 0.5 x 1.0 m

    storey: ground
    +---------+------+
    |A b   o  =B     1
    |  b m g  |  p   |
    +---------+------+
    rooms:
      A  ward-1  bedroom
      B  porch   exit
    doors:
      1  front-door

Each character is a cell, by default half a metre wide and one metre deep, as it looks on a screen.
``# + - |`` are walls; a capital is the room around it (it may stand there more than once); ``=`` is
a door, a digit one with a contact sensor (every door that leads out has one); ``b`` a bed, ``o`` a
bed with an occupancy sensor, ``g`` a gateway, ``p`` a proxy receiver, ``m`` a motion sensor, and
``^`` a lift or stair, which stands in the same cell of another storey. Everything else is blank. A
door's cells belong to that of its two rooms which the list of rooms has first.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from contract.ids import check_identifier
from contract.whereabouts import ZoneUse

CELL_M: Final = (0.5, 1.0)
"""Width and depth of a cell: characters are about twice as high as they are wide."""
CELL_M_AT_MOST: Final = 3.0
"""Wider than a door is: a plan of such cells shows none."""
CELLS_AT_MOST: Final = 250_000
"""Of one storey: a hundred times the example home's; a text that is larger is no plan."""

WALLS: Final = frozenset("#+-|")
DOOR: Final = "="
LIFT: Final = "^"
THINGS: Final = frozenset("bogpm" + LIFT)
WALL: Final = -2
OUTSIDE: Final = -1
"""In the place of a zone's number: out of the building."""

_CELL: Final = re.compile(r"([0-9.]+)\s*x\s*([0-9.]+)\s*m")


class FloorError(ValueError):
    """A plan that cannot be a home.

    Attributes
    ----------
    problems
        Each as ``line:column: what is wrong``, counted from 1.
    """

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))


class Named(NamedTuple):
    """A room or door of a storey's lists."""

    name: str
    use: ZoneUse
    line: int


class StoreyText(NamedTuple):
    """A storey as it is written."""

    name: str
    first_line: int
    """Of the drawing, from 1."""
    lines: list[str]
    rooms: dict[str, Named]
    doors: dict[str, Named]

    def at(self, row: int, column: int) -> str:
        """Where a cell stands in the text; rows and columns are padded by one."""
        return f"{self.first_line + row - 1}:{column}"


class HomeText(NamedTuple):
    """A home as it is written."""

    home: str
    cell_m: tuple[float, float]
    storeys: list[StoreyText]


class DrawnDoor(NamedTuple):
    """A door between two rooms of one storey."""

    mark: str
    """Its digit, or ``=``."""
    rooms: tuple[str, str]
    """Letters; the second is empty where it leads out."""
    cells: NDArray[np.int64]
    """(cells, 2) row and column."""


class Drawing(NamedTuple):
    """A storey, cell by cell, padded by one on each side."""

    text: StoreyText
    cells: NDArray[np.str_]
    """(rows, columns) characters."""
    room: NDArray[np.str_]
    """(rows, columns) letter of the room, empty on walls, doors and outside."""
    is_outside: NDArray[np.bool_]
    """(rows, columns)"""
    letter_at: dict[str, tuple[int, int]]
    """Where each room's letter stands first."""
    doors: list[DrawnDoor]


def read_text(text: str) -> HomeText:
    """Take a plan's text apart.

    Raises
    ------
    FloorError
        If it is not in the form that this module's docstring shows.
    """
    reader = _Reader()
    for number, line in enumerate(text.splitlines(), start=1):
        reader.take(number, line.rstrip())
    if reader.problems:
        raise FloorError(reader.problems)
    if not reader.storeys:
        raise FloorError(["1:1: there is no 'storey:' in this plan"])
    return HomeText(reader.home, reader.cell_m, reader.storeys)


class _Reader:
    """Goes through the lines; what a line means depends on the heading above it."""

    def __init__(self) -> None:
        self.home = "home"
        self.cell_m = CELL_M
        self.storeys: list[StoreyText] = []
        self.problems: list[str] = []
        self._part = ""

    def take(self, number: int, line: str) -> None:
        heading, colon, rest = line.partition(":")
        if colon and heading in _HEADINGS:
            self._begin(heading, rest.strip(), number)
        elif self._part == "storey":
            self.storeys[-1].lines.append(line)
            if "\t" in line:
                at = line.index("\t") + 1
                self.problems.append(f"{number}:{at}: a tab has no width here; use spaces")
        elif line.strip() and not line.startswith("%"):
            self._name(number, line)

    def _begin(self, heading: str, rest: str, number: int) -> None:
        if heading == "home":
            self.home = rest
        elif heading == "cell":
            self._measure(rest, number)
        elif heading == "storey":
            if rest in {storey.name for storey in self.storeys}:
                self.problems.append(f"{number}:1: there are two storeys {rest!r}")
            self.storeys.append(StoreyText(rest, number + 1, [], {}, {}))
            self._part = "storey"
        elif not self.storeys:
            self.problems.append(f"{number}:1: '{heading}:' stands before any 'storey:'")
        else:
            self._part = heading

    def _measure(self, rest: str, number: int) -> None:
        found = _CELL.fullmatch(rest)
        try:
            width, depth = (float(each) for each in found.groups()) if found else (0.0, 0.0)
        except ValueError:  # such as 1.2.3
            width, depth = 0.0, 0.0
        if not (0 < width <= CELL_M_AT_MOST and 0 < depth <= CELL_M_AT_MOST):
            self.problems.append(
                f"{number}:1: {rest!r} is no size of a cell; it is written '0.5 x 1.0 m', "
                f"each at most {CELL_M_AT_MOST:g} m"
            )
            return
        self.cell_m = (width, depth)

    def _name(self, number: int, line: str) -> None:
        column = len(line) - len(line.lstrip()) + 1
        words = line.split()
        if self._part not in {"rooms", "doors"}:
            self.problems.append(f"{number}:{column}: {words[0]!r} is under no heading")
            return
        storey = self.storeys[-1]
        listed, wanted = (storey.rooms, 3) if self._part == "rooms" else (storey.doors, 2)
        try:
            if len(words) != wanted:
                shape = "letter, name and use" if wanted == 3 else "digit and name"
                raise ValueError(f"this should be a {shape}")
            mark, name = words[:2]
            if not (_is_room(mark) if wanted == 3 else _is_digit(mark)):
                raise ValueError(f"{mark!r} is no {'capital' if wanted == 3 else 'digit'}")
            use = _use(words[2]) if wanted == 3 else ZoneUse.OTHER
            if mark in listed:
                raise ValueError(f"{mark} is listed twice, here and in line {listed[mark].line}")
            listed[mark] = Named(check_identifier(name, "name"), use, number)
        except ValueError as error:
            self.problems.append(f"{number}:{column}: {error}")


_HEADINGS: Final = frozenset({"home", "cell", "storey", "rooms", "doors"})


def _use(word: str) -> ZoneUse:
    try:
        return ZoneUse(word)
    except ValueError:
        known = ", ".join(ZoneUse)
        raise ValueError(f"{word!r} is no use of a room; there are {known}") from None


def _is_room(mark: str) -> bool:
    return len(mark) == 1 and "A" <= mark <= "Z"


def _is_digit(mark: str) -> bool:
    return len(mark) == 1 and "0" <= mark <= "9"


def draw(text: StoreyText, rows: int, columns: int) -> Drawing:
    """Find the rooms and doors of a storey.

    Parameters
    ----------
    rows, columns
        Size of the largest storey; the drawing is padded to it, and by one on each side.

    Raises
    ------
    FloorError
        If a wall is open, a room has no letter or two, two rooms have one, a letter is not listed
        or not drawn, a door is not between two rooms, or a character means nothing.
    """
    cells = np.full((rows + 2, columns + 2), " ")
    for row, line in enumerate(text.lines, start=1):
        cells[row, 1 : len(line) + 1] = list(line)
    problems = _strange(text, cells)
    if problems:
        raise FloorError(problems)
    is_wall = np.isin(cells, list(WALLS))
    is_door = (cells == DOOR) | np.isin(cells, list("0123456789"))
    region, _ = ndimage.label(~is_wall & ~is_door)
    is_outside = region == region[0, 0]
    problems, letter_of = _letters(text, cells, region, is_outside)
    if problems:
        raise FloorError(problems)
    room = np.full(cells.shape, "")
    for number, letter in letter_of.items():
        room[region == number] = letter
    first = {letter: _first(cells == letter) for letter in letter_of.values()}
    problems, doors = _doors(text, cells, room, is_outside)
    if problems:
        raise FloorError(problems)
    return Drawing(text, cells, room, is_outside, first, doors)


def _strange(text: StoreyText, cells: NDArray[np.str_]) -> list[str]:
    problems = []
    for row, column in np.argwhere(cells != " ").tolist():
        mark = str(cells[row, column])
        if _is_room(mark) and mark not in text.rooms:
            problems.append(f"{text.at(row, column)}: room {mark} is not listed under 'rooms:'")
        elif _is_digit(mark) and mark not in text.doors:
            problems.append(f"{text.at(row, column)}: door {mark} is not listed under 'doors:'")
        elif not (_is_room(mark) or _is_digit(mark) or mark in WALLS | THINGS | {DOOR}):
            problems.append(f"{text.at(row, column)}: {mark!r} means nothing in a drawing")
    for listed in (text.rooms, text.doors):
        for mark, named in listed.items():
            if not (cells == mark).any():
                problems.append(f"{named.line}:1: {mark} ({named.name}) is not in the drawing")
    return problems


def _letters(
    text: StoreyText,
    cells: NDArray[np.str_],
    region: NDArray[np.signedinteger],
    is_outside: NDArray[np.bool_],
) -> tuple[list[str], dict[int, str]]:
    """Problems, and the letter of each region that is a room."""
    problems: list[str] = []
    letter_of: dict[int, str] = {}
    region_of: dict[str, tuple[int, str]] = {}
    for row, column in np.argwhere(np.char.isupper(cells)).tolist():
        letter, number, at = str(cells[row, column]), int(region[row, column]), text.at(row, column)
        if is_outside[row, column]:
            gap = text.at(*_gap(is_outside, (row, column)))
            problems.append(
                f"{gap}: the wall is open: one walks out here from room {letter} ({at})"
            )
            continue
        other, where = region_of.setdefault(letter, (number, at))
        if other != number:
            problems.append(f"{at}: two rooms are called {letter}; the other stands at {where}")
        if letter_of.setdefault(number, letter) != letter:
            before = letter_of[number]
            problems.append(f"{at}: no wall stands between rooms {before} and {letter}")
    for row, column in np.argwhere(np.isin(cells, list(THINGS))).tolist():
        if is_outside[row, column] and not problems:
            mark = cells[row, column]
            problems.append(f"{text.at(row, column)}: {str(mark)!r} stands outside of the building")
    for number in range(1, int(region.max()) + 1):
        if number not in letter_of and not is_outside[region == number][0]:
            row, column = _first(region == number)
            problems.append(f"{text.at(row, column)}: the room around this has no letter")
    return problems, letter_of


def _gap(free: NDArray[np.bool_], start: tuple[int, int]) -> tuple[int, int]:
    """The narrowest cell of the shortest way from `start` to the drawing's edge."""
    came_from: dict[tuple[int, int], tuple[int, int]] = {start: start}
    waiting = deque([start])
    here = start
    while waiting:
        here = waiting.popleft()
        if here[0] in {0, free.shape[0] - 1} or here[1] in {0, free.shape[1] - 1}:
            break
        for step in ((0, 1), (1, 0), (0, -1), (-1, 0)):
            there = (here[0] + step[0], here[1] + step[1])
            if free[there] and there not in came_from:
                came_from[there] = here
                waiting.append(there)
    way = [here]
    while way[-1] != start:
        way.append(came_from[way[-1]])
    return min(reversed(way), key=lambda cell: _width(free, cell))


def _width(free: NDArray[np.bool_], cell: tuple[int, int]) -> int:
    """Free cells in the narrower of a row and a column through `cell`."""
    row, column = cell
    spans = []
    for line, at in ((free[row], column), (free[:, column], row)):
        blocked = np.flatnonzero(~line)
        left, right = blocked[blocked < at], blocked[blocked > at]
        if len(left) and len(right):
            spans.append(int(right[0] - left[-1]))
    return min(spans, default=free.size)


def _doors(
    text: StoreyText,
    cells: NDArray[np.str_],
    room: NDArray[np.str_],
    is_outside: NDArray[np.bool_],
) -> tuple[list[str], list[DrawnDoor]]:
    problems: list[str] = []
    doors: list[DrawnDoor] = []
    order = list(text.rooms)
    for mark in (DOOR, *text.doors):
        label, count = ndimage.label(cells == mark)
        if count > 1 and mark != DOOR:
            row, column = _first(label == 2)
            problems.append(f"{text.at(row, column)}: door {mark} stands there twice")
        for number in range(1, count + 1):
            around = ndimage.binary_dilation(label == number) & (label != number)
            at = text.at(*_first(label == number))
            beside = sorted(set(room[around].tolist()) - {""}, key=order.index)
            leads_out = bool(is_outside[around].any())
            if len(beside) + leads_out != 2 or not beside:
                problems.append(f"{at}: this door is not between two rooms, or one and outside")
            elif leads_out and mark == DOOR:
                problems.append(f"{at}: a door that leads out needs a digit and its name")
            else:
                rooms = (beside[0], "" if leads_out else beside[1])
                doors.append(DrawnDoor(mark, rooms, np.argwhere(label == number)))
    return problems, doors


def _first(mask: NDArray[np.bool_]) -> tuple[int, int]:
    row, column = np.argwhere(mask)[0].tolist()
    return row, column
