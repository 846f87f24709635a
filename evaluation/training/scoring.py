"""What scores mean at an operating point: falls found, daily trials alarmed, false alarms."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from detectors.fall import ONE_FALL_S
from evaluation.intervals import share_by_person
from evaluation.training.labels import Placed, in_mark
from evaluation.training.table import TrialTable


@dataclass(frozen=True, kw_only=True)
class SetFigures:
    """One set at one operating point."""

    falls: int
    found: int
    sensitivity: float | None
    """None without falls, as the four below."""
    low: float | None
    high: float | None
    """95 % interval, see `evaluation.intervals`: the falls of one person are alike."""
    worst_person: float | None
    by_person: dict[str, float]
    """Sensitivity of each who falls."""
    daily_trials: int
    daily_alarmed: int
    older_trials: int
    older_alarmed: int
    hours: float
    """Of daily trials and long recordings."""
    false_alarms: int
    """In these hours; impacts within the time of one fall are one alarm."""


Figures = dict[str, SetFigures]


def greatest_scores(
    table: TrialTable, impacts: Placed, score: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Greatest score in each trial, and the greatest among impacts that count as its fall.

    Both of shape (trials,); −∞ where a trial has no such impact.
    """
    greatest = np.full(len(table), -np.inf)
    found = np.full(len(table), -np.inf)
    np.maximum.at(greatest, impacts.trial, score)
    inside = in_mark(table, impacts)
    np.maximum.at(found, impacts.trial[inside], score[inside])
    return greatest, found


def figures(
    table: TrialTable,
    impacts: Placed,
    score: NDArray[np.float64],
    threshold: NDArray[np.float64] | float,
    which: NDArray[np.bool_] | None = None,
) -> Figures:
    """Figures of each set.

    Parameters
    ----------
    table
        The trials.
    impacts
        All that passed the screen.
    score
        Of each impact.
    threshold
        One for all, or for each trial: those of its fold.
    which
        Trials to look at, shape (trials,); None: all.
    """
    among = np.ones(len(table), np.bool_) if which is None else which
    limit = np.broadcast_to(np.asarray(threshold, np.float64), len(table))
    greatest, found = greatest_scores(table, impacts, score)
    alarms = _alarms(impacts, score >= limit[impacts.trial], len(table))
    return {
        dataset: _of_set(table, among & (table.dataset == dataset), found >= limit,
                         greatest >= limit, alarms)
        for dataset in table.datasets
        if (among & (table.dataset == dataset)).any()
    }  # fmt: skip


def _of_set(
    table: TrialTable,
    chosen: NDArray[np.bool_],
    found: NDArray[np.bool_],
    alarmed: NDArray[np.bool_],
    alarms: NDArray[np.intp],
) -> SetFigures:
    falls, daily = chosen & table.is_fall, chosen & ~table.is_fall
    trials = daily & ~table.is_long
    persons, person = np.unique(table.person[falls], return_inverse=True)
    of = np.bincount(person, minlength=len(persons))
    hits = np.bincount(person[found[falls]], minlength=len(persons))
    by_person = {str(name): float(share) for name, share in zip(persons, hits / of, strict=True)}
    low, high, _ = share_by_person(hits.tolist(), of.tolist()) if len(of) else (None, None, None)
    return SetFigures(
        falls=int(falls.sum()),
        found=int(found[falls].sum()),
        sensitivity=float(found[falls].mean()) if falls.any() else None,
        low=low,
        high=high,
        worst_person=min(by_person.values(), default=None),
        by_person=by_person,
        daily_trials=int(trials.sum()),
        daily_alarmed=int(alarmed[trials].sum()),
        older_trials=int((trials & table.is_older).sum()),
        older_alarmed=int(alarmed[trials & table.is_older].sum()),
        hours=float(table.duration_s[daily].sum() / 3600),
        false_alarms=int(alarms[daily].sum()),
    )


def _alarms(impacts: Placed, over: NDArray[np.bool_], trials: int) -> NDArray[np.intp]:
    """Alarms of each trial, when those soon after one belong to it; shape (trials,)."""
    count = np.zeros(trials, np.intp)
    last: dict[int, float] = {}
    for each in np.flatnonzero(over)[np.argsort(impacts.at_s[over], kind="stable")]:
        trial, at_s = int(impacts.trial[each]), float(impacts.at_s[each])
        if at_s - last.get(trial, -np.inf) >= ONE_FALL_S:
            count[trial] += 1
            last[trial] = at_s
    return count


def as_plain(table_of_figures: Figures) -> dict[str, dict[str, object]]:
    """Figures as JSON takes them."""
    return {dataset: asdict(each) for dataset, each in table_of_figures.items()}


def in_words(dataset: str, each: SetFigures) -> str:
    """One line of figures for a person."""
    words = [f"{dataset}:"]
    if each.falls:
        words.append(
            f"{each.found} of {each.falls} falls found ({each.sensitivity:.3f}, 95 % by person "
            f"{each.low:.3f} to {each.high:.3f}; worst person {each.worst_person:.2f});"
        )
    if each.daily_trials:
        words.append(
            f"{each.daily_alarmed} of {each.daily_trials} daily trials alarmed "
            f"(older people's {each.older_alarmed} of {each.older_trials});"
        )
    words.append(f"{each.false_alarms} false alarms in {each.hours:.2f} h")
    return " ".join(words)
