"""Work of several parts says how far each is, to whoever watches."""

from __future__ import annotations

import io

from contract.clock import VirtualClock
from wardlight.reports import Progress, Stages


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


def test_long_work_says_how_much_is_left():
    async def work() -> None:
        for done, seconds in ((24, 0), (25, 84), (30, 456), (719, 600), (720, 1)):
            await clock.sleep(seconds)
            progress.show(done, 720)

    screen, clock = Screen(), VirtualClock()
    progress = Progress("Living hours", screen, clock)
    clock.run(work())
    assert [line.rstrip() for line in screen.getvalue().split("\r")[1:]] == [
        "Living hours: 24 of 720",
        "Living hours: 25 of 720, about 973 min left",
        "Living hours: 30 of 720, about 1035 min left",
        "Living hours: 719 of 720",
        "Living hours: 720 of 720",
    ]
    assert len({len(line) for line in screen.getvalue().split("\r")[3:5]}) == 1, "nothing stays"
