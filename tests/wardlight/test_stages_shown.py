"""Work of several parts says how far each is, to whoever watches."""

from __future__ import annotations

import io

from wardlight.reports import Stages


class Screen(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_each_part_has_a_line_of_its_own():
    screen = Screen()
    stages = Stages(screen)
    stages.show("Playing hours", 1, 2)
    stages.show("Playing hours", 2, 2)
    stages.show("Playing pacing", 0, 5)
    stages.end()
    assert screen.getvalue() == (
        "\rPlaying hours: 1 of 2\rPlaying hours: 2 of 2\n\rPlaying pacing: 0 of 5\n"
    )


def test_nobody_is_told_where_nobody_watches():
    paper = io.StringIO()
    stages = Stages(paper)
    stages.show("Playing hours", 1, 2)
    stages.end()
    assert not paper.getvalue()
