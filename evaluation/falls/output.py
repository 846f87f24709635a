"""The figures as JSON and as a table for people, the detections as JSON lines."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

import msgspec

from evaluation.falls.evaluation import Evaluation
from evaluation.falls.hearing import Heard
from evaluation.falls.scoring import SetFigures, Tier
from evaluation.falls.words import about_model, about_set

_MILLISECONDS: Final = 3
"""Decimals of a time in seconds: a wearable's clock counts milliseconds."""
_SCORE_DECIMALS: Final = 6


def figures_json(evaluation: Evaluation) -> str:
    """All figures, indented."""
    whole = {
        "sets": evaluation.sets,
        "model": evaluation.model,
        "options": evaluation.asked.plain(),
        "unreadable": evaluation.unreadable,
        "skipped": evaluation.skipped,
        "doubts": evaluation.doubts,
    }
    return msgspec.json.format(msgspec.json.encode(whole), indent=2).decode() + "\n"


def detection_lines(heard: Iterable[Heard]) -> Iterator[str]:
    """One JSON object for each event about a fall, in the order of the trials and of emission.

    What becomes of a suspicion weighs nothing of its own and has the suspicion's score; a long lie
    without an impact has none.
    """
    for each in heard:
        for said in sorted(each.said, key=lambda said: said.emitted_s):
            score = said.score
            line: dict[str, Any] = {
                "dataset": each.trial.dataset,
                "trial": each.trial.trial,
                "kind": said.kind.value,
                "impact_at": round(said.impact_s, _MILLISECONDS),
                "emitted_at": round(said.emitted_s, _MILLISECONDS),
                "score": None if score is None else round(score, _SCORE_DECIMALS),
            }
            yield json.dumps(line, ensure_ascii=False)


def table(evaluation: Evaluation) -> str:
    """The figures that are looked at first, a line for each set and tier."""
    remarks = list(about_model(evaluation.model))
    lines: list[Sequence[str]] = [
        ("set", "tier", "falls found", "share (95 %)", "worst", "daily alarmed", "older", "false/h",
         "delay p50/p95")
    ]  # fmt: skip
    for name, figures in evaluation.sets.items():
        if figures.trials:
            lines += [_line(name, tier, each) for tier, each in figures.tiers.items()]
        training = figures.in_training
        if training is not None:
            lines += [_line(f"{name} (*)", tier, each) for tier, each in training.tiers.items()]
        remarks += _remarks(name, figures)
    if len(lines) == 1:
        return "\n".join(remarks)
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    rows = [
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    ]
    return "\n".join([*rows, *remarks])


def _line(name: str, tier: str, each: Tier) -> Sequence[str]:
    rate = "-"
    if each.false_alarms_per_hour is not None:
        bound = f"< {each.false_alarms_per_hour_bound:.2f}"
        rate = bound if each.false_alarms == 0 else f"{each.false_alarms_per_hour:.2f}"
        rate = f"{rate} ({each.false_alarms} in {each.hours:.2f} h)"
    interval = "-"
    if each.sensitivity is not None:
        interval = f"{each.sensitivity:.3f} ({each.low:.3f} to {each.high:.3f})"
    return (
        name,
        tier,
        f"{each.found} of {each.falls}",
        interval,
        "-" if each.worst_person is None else f"{each.worst_person:.2f} {each.worst_person_is}",
        f"{each.daily_alarmed} of {each.daily_trials}",
        f"{each.older_alarmed} of {each.older_trials}",
        rate,
        "-" if each.delay_p50_s is None else f"{each.delay_p50_s:.1f} / {each.delay_p95_s:.1f} s",
    )


def _remarks(name: str, figures: SetFigures) -> Iterator[str]:
    if figures.in_training is not None:
        yield (
            f"(*) {name}: {len(figures.in_training.people)} people were used in training; these "
            "figures count them in and are no estimate for others."
        )
    yield from (f"{name}: {remark}" for remark in about_set(figures))
