"""What the rules tell of a recorded home: of its ordinary days, and of episodes put into them."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Final, NamedTuple

import numpy as np

from evaluation.whereabouts.injecting import (
    SCENARIOS,
    Episode,
    NothingFitsError,
    Scenario,
    put_in,
)
from evaluation.whereabouts.playing import Kept, Told, between, go_on, play
from evaluation.whereabouts.recorded import RecordedHome, RecordedHomeError

LEARN_DAYS: Final = 0
"""First days whose events are not counted. None: until habits are known the home's stand in, and
the rules say that they are learning, so these days have to be quiet, too."""

COPIES: Final = 40
"""Of each scenario. With all of so many found the share is .91 or more (Wilson, 95 %)."""

KNOWN_DAYS: Final = 1
"""So many days at least are played before an episode is put in."""

Progress = Callable[[str, int, int], None]


class Asked(NamedTuple):
    """What is to be evaluated, and how."""

    learn_days: int = LEARN_DAYS
    scenarios: Sequence[str] = ()
    copies: int = COPIES
    seed: int = 0
    at_risk: bool = False
    """Judge the ordinary days as those of one who may not leave alone."""


class Injected(NamedTuple):
    """What came of one copy."""

    episode: Episode
    found: Told | None
    others: list[Told]
    """What paged since it began and is not true of it."""


class LifeResult(NamedTuple):
    """What came of all."""

    home: RecordedHome
    asked: Asked
    days: int
    """Dates that were judged."""
    judged_s: int
    """From this second on."""
    told: list[Told]
    """On them."""
    injected: dict[str, list[Injected]]
    unreadable: list[str]
    """Lines, with their numbers and reasons."""


def evaluate_life(
    home: RecordedHome,
    asked: Asked,
    unreadable: Sequence[str] = (),
    progress: Progress = lambda _what, _done, _all: None,
) -> LifeResult:
    """Play the recording, and copies of its hours with something put in.

    Raises
    ------
    RecordedHomeError
        If there are too few days, or an episode cannot be put into this home.
    """
    first = home.wall(home.first_s).date()
    recorded = (home.wall(home.end_s - 1).date() - first).days + 1
    if asked.learn_days >= recorded:
        raise RecordedHomeError(
            f"{home.name} has {recorded} days: {asked.learn_days} to learn from leave none to judge"
        )
    judged_s = _midnight(home, asked.learn_days) if asked.learn_days else home.first_s
    known_s = max(judged_s, _midnight(home, KNOWN_DAYS))
    if asked.scenarios and known_s >= home.end_s:
        raise RecordedHomeError(
            f"{home.name} has {recorded} days: too few to learn before episodes are put in"
        )
    hours: list[Kept] = []
    told = play(
        home,
        at_risk=asked.at_risk,
        keep=hours.append,
        progress=lambda done, of: progress("Playing hours", done, of),
    )
    injected: dict[str, list[Injected]] = {}
    for name in asked.scenarios:
        rng = np.random.default_rng((asked.seed, list(SCENARIOS).index(name)))
        try:
            episodes = put_in(home, SCENARIOS[name], asked.copies, known_s, rng)
        except NothingFitsError as error:
            raise RecordedHomeError(f"{home.name}: {name} cannot be put in: {error}") from error
        injected[name] = []
        for number, episode in enumerate(episodes):
            progress(f"Playing {name}", number, len(episodes))
            injected[name].append(_inject(home, SCENARIOS[name], episode, hours))
    counted = [each for each in told if each.at >= judged_s]
    days = recorded - asked.learn_days
    return LifeResult(home, asked, days, judged_s, counted, injected, list(unreadable))


def _midnight(home: RecordedHome, days: int) -> int:
    """The second in which so many dates are over."""
    wall = home.wall(home.first_s).replace(hour=0, minute=0, second=0, microsecond=0)
    return int((wall + timedelta(days=days)).timestamp())


def _inject(
    home: RecordedHome, scenario: Scenario, episode: Episode, hours: Sequence[Kept]
) -> Injected:
    kept = hours[bisect_right(hours, episode.begun_s, key=lambda each: each.second) - 1]
    before = between(home.happenings, kept.second, episode.begun_s)
    told = go_on(
        home, kept, [*before, *episode.happenings], episode.end_s, at_risk=scenario.at_risk
    )
    since = [each for each in told if each.at >= episode.begun_s]
    found = next((each for each in since if each.kind in scenario.found_by), None)
    true = scenario.found_by | scenario.goes_with
    others = [each for each in since if each.pages and each.kind not in true]
    return Injected(episode, found, others)
