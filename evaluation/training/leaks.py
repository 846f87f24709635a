"""What could be told without looking at the motion: how a set was cut gives its falls away.

A detector that saw the length of a trial, its rate, or where in it the impact stands would score
well and know nothing. Two probes, run with every training. First, classifiers that are given only
these quantities: what is there to be stolen. Second, how the model's own scores go with them among
falls alone and among daily trials alone: whether it was.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from evaluation.training.labels import Placed
from evaluation.training.network import NetworkRecipe, Taught, train_heads
from evaluation.training.scoring import greatest_scores
from evaluation.training.table import TrialTable

BINS: Final = 16
"""A quantity is told by which of so many quantiles it lies in, so that the probe can learn any
dependence on it."""

PROBE: Final = NetworkRecipe(hidden=16, epochs=150.0, dropout=0.0)
"""Enough to separate SisFall's falls by their length without an error."""

DAILY_SHARE: Final = 0.01
"""Of daily trials alarmed, where a probe's sensitivity is read: that of the bar."""

LEAST_TRIALS: Final = 20
"""Fewer of a class say nothing."""


@dataclass(frozen=True, kw_only=True)
class Probe:
    """What one set's cutting tells."""

    dataset: str
    given: str
    """The quantity, or ``all`` of them."""
    area: float
    """Under the curve of sensitivity over false alarms, out of fold by person; 0.5: nothing."""
    sensitivity: float
    """At `DAILY_SHARE`."""
    score_among_falls: float | None
    score_among_daily: float | None
    """Spearman's correlation of the model's out-of-fold score with the quantity; None where it
    does not vary, and for ``all``."""


def quantities(table: TrialTable, impacts: Placed, peak_g: NDArray[np.floating]) -> dict[
    str, NDArray[np.float64]
]:  # fmt: skip
    """What a detector must not know, for each trial; NaN where no impact came through."""
    at_s = np.full(len(table), np.nan)
    order = np.argsort(peak_g, kind="stable")
    at_s[impacts.trial[order]] = impacts.at_s[order]
    return {
        "length": table.duration_s,
        "rate": table.rate_hz,
        "peak_to_end": table.duration_s - at_s,
        "start_to_peak": at_s,
    }


def leak_probes(
    table: TrialTable,
    impacts: Placed,
    peak_g: NDArray[np.floating],
    score: NDArray[np.float64],
    fold: NDArray[np.intp],
) -> list[Probe]:
    """Both probes for every set that has falls and daily trials.

    Parameters
    ----------
    table
        The trials.
    impacts, peak_g
        Those that passed the screen, and how high they were.
    score
        Of the model, each from the fold in which the person was held out, shape (impacts,).
    fold
        Of each trial, by person.
    """
    given = quantities(table, impacts, peak_g)
    greatest, _ = greatest_scores(table, impacts, score)
    probes: list[Probe] = []
    for dataset in table.datasets:
        chosen = (table.dataset == dataset) & ~table.is_long
        falls, daily = chosen & table.is_fall, chosen & ~table.is_fall
        if min(falls.sum(), daily.sum()) < LEAST_TRIALS:
            continue
        for name, columns in {
            **{n: [v] for n, v in given.items()},
            "all": [*given.values()],
        }.items():
            told = _told_by(columns, table, np.flatnonzero(chosen), fold)
            of_fall, of_daily = told[table.is_fall[chosen]], told[~table.is_fall[chosen]]
            probes.append(
                Probe(
                    dataset=dataset,
                    given=name,
                    area=_area(of_fall, of_daily),
                    sensitivity=_at_share(of_fall, of_daily),
                    score_among_falls=_together(columns, greatest, falls),
                    score_among_daily=_together(columns, greatest, daily),
                )
            )
    return probes


def _told_by(
    columns: list[NDArray[np.float64]],
    table: TrialTable,
    rows: NDArray[np.intp],
    fold: NDArray[np.intp],
) -> NDArray[np.float64]:
    """Log odds of a fall for some trials, each by a network of other people; shape (rows,)."""
    coded = np.concatenate([_coded(column[rows]) for column in columns], axis=1)
    is_fall, out = table.is_fall[rows], np.zeros(len(rows))
    for held_out in np.unique(fold[rows]):
        learn = np.flatnonzero(fold[rows] != held_out)
        asked = np.flatnonzero(fold[rows] == held_out)
        labels = is_fall[learn]
        if labels.all() or not labels.any():
            continue
        weight = np.where(labels, 0.5 / labels.sum(), 0.5 / (~labels).sum())
        head = train_heads(Taught(coded, learn, labels, weight), PROBE, (0,))
        out[asked] = head.log_odds(coded[asked])
    return out


def _coded(column: NDArray[np.float64]) -> NDArray[np.float32]:
    """A quantity as one column for each of its quantiles' bins, and one for not known."""
    known = np.isfinite(column)
    if not known.any():
        return np.ones((len(column), 1), np.float32)
    edges = np.unique(np.quantile(column[known], np.linspace(0, 1, BINS + 1)[1:-1]))
    place = np.where(known, np.searchsorted(edges, column, side="right"), len(edges) + 1)
    columns: NDArray[np.float32] = np.eye(len(edges) + 2, dtype=np.float32)[place]
    return columns


def _area(falls: NDArray[np.float64], daily: NDArray[np.float64]) -> float:
    """Probability that a fall scores above a daily trial, ties counted half."""
    ranks = stats.rankdata(np.concatenate([falls, daily]))
    over = ranks[: len(falls)].sum() - len(falls) * (len(falls) + 1) / 2
    return float(over / (len(falls) * len(daily)))


def _at_share(falls: NDArray[np.float64], daily: NDArray[np.float64]) -> float:
    limit = np.sort(daily)[::-1][int(DAILY_SHARE * len(daily))]
    return float((falls > limit).mean())


def _together(
    columns: list[NDArray[np.float64]], greatest: NDArray[np.float64], chosen: NDArray[np.bool_]
) -> float | None:
    if len(columns) > 1:
        return None
    (column,) = columns
    seen = chosen & np.isfinite(greatest) & np.isfinite(column)
    if seen.sum() < LEAST_TRIALS or np.ptp(column[seen]) == 0 or np.ptp(greatest[seen]) == 0:
        return None
    return float(stats.spearmanr(column[seen], greatest[seen]).statistic)


def in_words(probe: Probe) -> str:
    """One line of a probe for a person."""
    words = (
        f"{probe.dataset}: a model given only {probe.given}: area {probe.area:.3f}, sensitivity "
        f"{probe.sensitivity:.3f} at {DAILY_SHARE:.0%} of daily trials"
    )
    among = {"falls": probe.score_among_falls, "daily life": probe.score_among_daily}
    told = [f"{value:+.2f} among {name}" for name, value in among.items() if value is not None]
    return f"{words}; our score goes with it by {', '.join(told)}" if told else words
