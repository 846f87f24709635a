"""The model card: what a model was made of, how it was judged, and what it must not be asked."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, Final

import numpy as np

from detectors.fall_model import FallModel
from evaluation.training import leaks, scoring
from evaluation.training.leaks import Probe
from evaluation.training.protocol import OutOfFold, trade_off
from evaluation.training.recipe import Recipe
from evaluation.training.scoring import Figures
from evaluation.training.table import TrialTable

Card = dict[str, Any]

PROTOCOL: Final = (
    "Every person is held out once; kernels, labels of unmarked falls, scales, weights and the "
    "threshold come from the others alone, the threshold from folds by person among them.",
    "Trials are played through the gateway's grid in real time stamps at a random phase, with 22 s "
    "of rest in each end's own posture before and after, the same for falls and daily life.",
    "A fall is found when an impact over the threshold lies in its mark ± 0.5 s (in the trial "
    "where there is no mark); a daily trial is alarmed when any impact of it is. These are figures "
    "of the suspicion, before the confirmation in time.",
    "Intervals are 95 %, by resampling persons, and not narrower than Wilson's.",
)

LIMITS: Final = (
    "All falls are acted, nearly all by young people on mattresses: the sensitivity for older "
    "people's real falls is not known, and published detectors lose 20 to 40 points there.",
    "Hours of daily life are few and much of it acted to provoke; no rate of false alarms per day "
    "can be claimed from them.",
    "A fall whose low-passed peak stays below the screen is never judged: slides, and falls "
    "broken by the arms.",
    "A set that is left out of training is alarmed more often than the operating point says: "
    "expect the same of a wearable or a population that is in none of the sets.",
)


def make_card(
    table: TrialTable,
    recipe: Recipe,
    model: FallModel,
    *,
    result: OutOfFold,
    unseen: Figures | None,
    probes: Sequence[Probe],
    sha256: str,
    seed: int,
    is_quick: bool,
    skipped: Sequence[str],
) -> Card:
    """The card as JSON takes it; `in_words` gives it to a person.

    Parameters
    ----------
    table, recipe, model
        What was trained on, how, and what came of it.
    result, unseen, probes
        What was measured; `unseen` is None where no set could be left out.
    sha256
        Of the model's file.
    seed, is_quick
        Of the training.
    skipped
        Why trials were left out.
    """
    return {
        "model": f"falls_{recipe.placement}",
        "placement": recipe.placement,
        "sha256": sha256,
        "threshold": model.threshold,
        "screen_g": model.screen_g,
        "seed": seed,
        "folds": len(result.thresholds),
        "quick": is_quick,
        "data": [_of_set(table, dataset) for dataset in table.datasets],
        "people": sorted({str(person) for person in table.person}),
        "skipped": list(skipped),
        "protocol": list(PROTOCOL),
        "out_of_fold": scoring.as_plain(result.figures),
        "out_of_fold_as_other_wearables": {
            name: scoring.as_plain(each) for name, each in result.as_other.items()
        },
        "set_left_out": None if unseen is None else scoring.as_plain(unseen),
        "thresholds_of_folds": list(result.thresholds),
        "trade_off": trade_off(table, result),
        "leak_probes": [asdict(probe) for probe in probes],
        "recipe": _plain(asdict(recipe)),
        "limits": list(LIMITS),
    }


def _of_set(table: TrialTable, dataset: str) -> Card:
    of_set = np.flatnonzero(table.dataset == dataset)
    digest = hashlib.sha256()
    for row in of_set:
        trial = table.trials[int(row)]
        digest.update(f"{trial.trial}/{trial.person}/{trial.is_fall}/{trial.mark_s}".encode())
        digest.update(np.ascontiguousarray(trial.samples_g).tobytes())
    persons = np.unique(table.person[of_set])
    return {
        "dataset": dataset,
        "people": len(persons),
        "older_people": len(np.unique(table.person[of_set][table.is_older[of_set]])),
        "trials": len(of_set),
        "falls": int(table.is_fall[of_set].sum()),
        "hours": float(table.duration_s[of_set].sum() / 3600),
        "rate_hz": [float(table.rate_hz[of_set].min()), float(table.rate_hz[of_set].max())],
        "sha256": digest.hexdigest(),
    }


def _plain(value: Any) -> Any:
    """A value as JSON has it: no infinity, which here always means none."""
    if isinstance(value, dict):
        return {name: _plain(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return None if isinstance(value, float) and math.isinf(value) else value


def in_words(card: Card) -> str:
    """The card for a person at a terminal."""
    lines = [f"Model {card['model']}, SHA-256 {card['sha256']}"]
    if card["quick"]:
        lines.append("QUICK: trained to see that everything works, not to be used.")
    lines.append(
        f"  {len(card['people'])} people, {card['folds']} folds by person, seed {card['seed']}, "
        f"threshold {card['threshold']:.3f} (of the folds: "
        f"{', '.join(f'{each:.3f}' for each in card['thresholds_of_folds'])})"
    )
    lines += [f"  left out: {reason}" for reason in card["skipped"]]
    lines.append("Out of fold:")
    lines += _figures(card["out_of_fold"])
    lines.append("The same trials as other wearables would have measured them:")
    for name, each in card["out_of_fold_as_other_wearables"].items():
        lines += [f"  {name}", *(f"  {line}" for line in _figures(each))]
    if card["set_left_out"]:
        lines.append("Each set by a model that has seen none of it:")
        lines += _figures(card["set_left_out"])
    lines.append("What the cutting of the trials gives away:")
    lines += [f"  {leaks.in_words(Probe(**probe))}" for probe in card["leak_probes"]]
    lines.append("Limits:")
    lines += [f"  {limit}" for limit in card["limits"]]
    return "\n".join(lines)


def _figures(each: Card) -> list[str]:
    return [
        f"  {scoring.in_words(dataset, scoring.SetFigures(**of_set))}"
        for dataset, of_set in each.items()
    ]
