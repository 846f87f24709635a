"""What the report draws: the trade-off of a set, and the motion of one trial."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import special

from evaluation.falls.curve import Impact, Point
from evaluation.falls.drawing import Drawing, even_ticks
from evaluation.falls.hearing import Heard
from evaluation.falls.scoring import Tier, fall_place_s

CURVE_HEIGHT: Final = 280
WAVE_HEIGHT: Final = 150

SHARES: Final = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.4, 0.8)
"""Ticks of the trade-off, on a normal-deviate scale (Martin et al. 1997, "The DET curve"): a
detector whose scores are normal in both classes draws a straight line, and where it matters,
below one per cent, there is room."""

FLOOR_ALARMS: Final = 0.5
"""No alarm at all is drawn as half a one: a logarithm has no zero."""

LONGEST_S: Final = 40.0
"""Of a longer trial only the surroundings are drawn."""
AROUND_S: Final = (-10.0, 20.0)
"""Before and after the first moment of interest: a window, and what came of it."""

MOST_BINS: Final = 330
"""Columns of a waveform, about one for each unit of its width: of each the least and greatest."""

LEAST_TOP_G: Final = 3.0


def trade_off_picture(name: str, points: Sequence[Point], tier: Tier) -> str:
    """Misses against daily trials alarmed; a dot where the gateway was at its shipped point."""
    limits = (_deviate(SHARES[0]), _deviate(SHARES[-1]))
    drawing = Drawing(
        limits, limits, CURVE_HEIGHT, f"Detection-error trade-off of {name}: misses against alarms"
    )
    ticks = [(_deviate(share), f"{share * 100:g}") for share in SHARES]
    drawing.ticks(ticks, ticks, ("daily trials alarmed, %", "falls missed, %"))
    known = [
        (_deviate(each.alarmed), _deviate(1 - each.sensitivity))
        for each in points
        if each.alarmed is not None and each.sensitivity is not None
    ]
    drawing.curve(known, "curve")
    if tier.sensitivity is not None and tier.daily_trials:
        alarmed = tier.daily_alarmed / tier.daily_trials
        missed = 1 - tier.sensitivity
        says = f"operating point: {missed:.1%} missed, {alarmed:.1%} of daily trials alarmed"
        drawing.dot(_deviate(alarmed), _deviate(missed), "point", says)
    return drawing.svg()


def alarms_picture(name: str, points: Sequence[Point], hours: float, tier: Tier) -> str:
    """For a set without falls: alarms per hour against the threshold; a line where the gateway
    was at its shipped point.
    """
    floor = math.log10(FLOOR_ALARMS / hours)
    rates = [(each.threshold, max(_logarithm(each.false_alarms / hours), floor)) for each in points]
    least, greatest = rates[-1][0], max(rates[0][0], rates[-1][0] + 1e-6)
    top = max(0.0, *(rate for _, rate in rates))
    drawing = Drawing(
        (least, greatest), (floor, top), CURVE_HEIGHT, f"False alarms per hour of {name}"
    )
    powers = range(math.ceil(floor), math.floor(top) + 1)
    drawing.ticks(
        even_ticks(least, greatest, (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1)),
        [(power, f"{10.0**power:g}") for power in powers],
        ("threshold of the score", "alarms per hour"),
    )
    drawing.curve(rates, "curve")
    if tier.false_alarms_per_hour is not None:
        drawing.level(max(_logarithm(tier.false_alarms_per_hour), floor), "said")
    return drawing.svg()


def waveform(heard: Heard, impacts: Sequence[Impact]) -> str:
    """|a| of a trial as recorded, with its mark, its candidates and their scores, and what was
    said.
    """
    trial = heard.trial
    begin_s, end_s = _stretch(heard)
    first, last = (round(each * trial.rate_hz) for each in (begin_s, end_s))
    magnitude = np.sqrt(np.square(trial.samples_g[:, first:last]).sum(axis=0))
    known = magnitude[np.isfinite(magnitude)]
    top = max(LEAST_TOP_G, float(known.max()) if len(known) else 0.0) * 1.05
    drawing = Drawing(
        (begin_s, end_s), (0, top), WAVE_HEIGHT, f"Motion of {trial.trial}: |a| in g over seconds"
    )
    place = fall_place_s(trial)
    if place is not None and trial.mark_s is not None:
        drawing.band(*trial.mark_s, "mark")
    drawing.ticks(
        even_ticks(begin_s, end_s, (1, 2, 5, 10)),
        even_ticks(0, top, (1, 2, 4, 8)),
        ("s after the trial's start", "|a| in g"),
    )
    for piece in _pieces(magnitude):
        drawing.curve(
            [(begin_s + index / trial.rate_hz, float(value)) for index, value in piece], "wave"
        )
    for said in heard.said:
        if begin_s <= said.impact_s <= end_s:
            drawing.upright(said.impact_s, "said")
    for impact in impacts:
        if begin_s <= impact.at_s <= end_s:
            index = min(max(round(impact.at_s * trial.rate_hz) - first, 0), len(magnitude) - 1)
            height = float(np.nan_to_num(magnitude[index], nan=1.0))
            says = f"candidate at {impact.at_s:.2f} s, score {impact.score:.3f}"
            drawing.dot(impact.at_s, height, "candidate", says)
    return drawing.svg()


def _stretch(heard: Heard) -> tuple[float, float]:
    """Which seconds of a trial are drawn."""
    trial = heard.trial
    if trial.duration_s <= LONGEST_S:
        return 0.0, trial.duration_s
    if trial.mark_s is not None:
        centre_s = trial.mark_s[0]
    elif heard.said:
        centre_s = heard.said[0].impact_s
    else:
        square = np.square(trial.samples_g).sum(axis=0)
        centre_s = float(np.nanargmax(square)) / trial.rate_hz
    begin_s = min(max(centre_s + AROUND_S[0], 0.0), trial.duration_s - AROUND_S[1])
    return begin_s, min(begin_s + AROUND_S[1] - AROUND_S[0], trial.duration_s)


def _pieces(magnitude: NDArray[np.float32]) -> list[list[tuple[int, float]]]:
    """Runs without holes as (index, value), thinned so that peaks stay."""
    holes = np.flatnonzero(~np.isfinite(magnitude))
    runs = np.split(np.arange(len(magnitude)), holes)
    size = max(1, -(-len(magnitude) // MOST_BINS))
    pieces = []
    for run in runs:
        kept = run[np.isfinite(magnitude[run])]
        piece: list[tuple[int, float]] = []
        for begin in range(0, len(kept), size):
            part = kept[begin : begin + size]
            ends = sorted({part[magnitude[part].argmin()], part[magnitude[part].argmax()]})
            piece += [(int(index), float(magnitude[index])) for index in ends]
        if piece:
            pieces.append(piece)
    return pieces


def _logarithm(rate: float) -> float:
    """Base 10; minus infinity of nothing."""
    return math.log10(rate) if rate > 0 else -math.inf


def _deviate(share: float) -> float:
    """The standard normal deviate of a share, kept within the ticks."""
    return float(special.ndtri(min(max(share, SHARES[0]), SHARES[-1])))
