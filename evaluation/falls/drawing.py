"""Drawings as SVG, by hand: axes, lines, bands. Colours are the page's, so that they follow its
light and dark; every number has been rounded to a tenth of a unit.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import Final, NamedTuple

WIDTH: Final = 360
"""Of a drawing's own units: a phone's width in CSS pixels, so that text stays readable there."""
LEFT: Final = 40
RIGHT: Final = 8
TOP: Final = 18
BOTTOM: Final = 30


class Scale(NamedTuple):
    """From values to units of the drawing."""

    least: float
    greatest: float
    begin: float
    end: float

    def __call__(self, value: float) -> float:
        share = (value - self.least) / (self.greatest - self.least)
        return self.begin + share * (self.end - self.begin)


class Drawing:
    """An SVG with two axes.

    Parameters
    ----------
    x, y
        Least and greatest value of each axis.
    height
        In units.
    says
        What it shows, for those who do not see it.
    """

    def __init__(
        self, x: tuple[float, float], y: tuple[float, float], height: int, says: str
    ) -> None:
        self.x = Scale(*x, LEFT, WIDTH - RIGHT)
        self.y = Scale(*y, height - BOTTOM, TOP)
        self._height = height
        self._says = says
        self._parts: list[str] = []

    def ticks(
        self,
        across: Iterable[tuple[float, str]],
        up: Iterable[tuple[float, str]],
        names: tuple[str, str],
    ) -> None:
        """Grid lines with their labels, and the names of both axes."""
        floor, side = self.y.begin, self.x.begin
        for value, label in across:
            at = self.x(value)
            self._parts.append(_line("grid", (at, TOP), (at, floor)))
            self.text((at, floor + 12), label, "middle")
        for value, label in up:
            at = self.y(value)
            self._parts.append(_line("grid", (side, at), (self.x.end, at)))
            self.text((side - 4, at + 3), label, "end")
        self.text((self.x.end, self._height - 4), names[0], "end")
        self.text((4, TOP - 8), names[1], "start")

    def curve(self, points: Iterable[tuple[float, float]], kind: str) -> None:
        """Points, in values, joined by straight lines."""
        path = " ".join(f"{self.x(x):.1f},{self.y(y):.1f}" for x, y in points)
        self._parts.append(f'<polyline class="{kind}" points="{path}"/>')

    def band(self, begin: float, end: float, kind: str) -> None:
        """A stretch of the horizontal axis."""
        left, right = (min(max(self.x(each), LEFT), self.x.end) for each in (begin, end))
        self._parts.append(
            f'<rect class="{kind}" x="{left:.1f}" y="{TOP}" width="{max(right - left, 1):.1f}" '
            f'height="{self.y.begin - TOP:.1f}"/>'
        )

    def upright(self, at: float, kind: str) -> None:
        """A vertical line."""
        self._parts.append(_line(kind, (self.x(at), TOP), (self.x(at), self.y.begin)))

    def level(self, at: float, kind: str) -> None:
        """A horizontal line."""
        self._parts.append(_line(kind, (LEFT, self.y(at)), (self.x.end, self.y(at))))

    def dot(self, x: float, y: float, kind: str, says: str) -> None:
        """A point that says what it is when it is pointed at."""
        self._parts.append(
            f'<circle class="{kind}" cx="{self.x(x):.1f}" cy="{self.y(y):.1f}" r="3.5">'
            f"<title>{escape(says)}</title></circle>"
        )

    def text(self, at: tuple[float, float], words: str, anchor: str) -> None:
        """Words at a place, in units."""
        self._parts.append(
            f'<text x="{at[0]:.1f}" y="{at[1]:.1f}" text-anchor="{anchor}">{escape(words)}</text>'
        )

    def svg(self) -> str:
        """The drawing."""
        says = escape(self._says, quote=True)
        return (
            f'<svg viewBox="0 0 {WIDTH} {self._height}" role="img" aria-label="{says}">'
            f"{''.join(self._parts)}</svg>"
        )


def _line(kind: str, begin: tuple[float, float], end: tuple[float, float]) -> str:
    return (
        f'<line class="{kind}" x1="{begin[0]:.1f}" y1="{begin[1]:.1f}" '
        f'x2="{end[0]:.1f}" y2="{end[1]:.1f}"/>'
    )


def even_ticks(least: float, greatest: float, steps: Sequence[float]) -> list[tuple[float, str]]:
    """Whole multiples of the first of `steps` that gives at most eight of them."""
    step = next((each for each in steps if (greatest - least) / each <= 8), steps[-1])
    first = int(-(-least // step))
    return [
        (number * step, f"{number * step:g}") for number in range(first, int(greatest // step) + 1)
    ]
