"""The day that is replayed for its speed: that it comes true, and comes true again."""

from __future__ import annotations

from wardlight.bench_day import DAY_H, Played, play, rows_of, scene_of
from wardlight.scenes import What, as_text
from wardlight.testing import quiet_logs

BEGINNING_H = 0.21
"""With a fall and a press of the button, and short enough for a test."""


def test_the_beginning_of_the_day_is_the_same_day_twice() -> None:
    with quiet_logs():
        first, second = play(BEGINNING_H), play(BEGINNING_H)
    assert first.outcome.passed, as_text(first.outcome)
    alerts = [(line.value, line.resident) for line in first.outcome.only(What.ALERT)]
    assert alerts == [("help_requested", "cara"), ("fall_detected", "ada")]
    assert first.outcome.lines == second.outcome.lines
    assert first.digest == second.digest
    speed, _, alike = rows_of(first, second, BEGINNING_H)
    assert speed["value"] == min(first.cpu_s, second.cpu_s) > 0
    assert speed["ratio"] == speed["value"] / (60.0 * BEGINNING_H / 24)
    assert alike["ok"]
    another = Played(second.cpu_s, second.outcome._replace(seed=9))
    assert not rows_of(first, another, BEGINNING_H)[2]["ok"], "one that differs is told"


def test_the_day_has_everything_that_a_day_has() -> None:
    day = scene_of(DAY_H)
    words = [happening.word for happening in day.happens]
    assert day.end_s() == 86_400
    assert words.count("fall") == 6
    assert words.count("press_button") == 5
    assert words.count("take_off") == words.count("put_on") == 1
    assert len(day.expects) == 12
