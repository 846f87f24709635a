"""``wardlight train falls``: from files of trials to models with their cards."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from detectors.fall_model import FallModel, encode_model, save_model
from evaluation.fingerprints import Fingerprints, fingerprints_of_all, save_fingerprints
from evaluation.training.card import Card, make_card
from evaluation.training.fitting import fit
from evaluation.training.kept import FoldKeeper
from evaluation.training.leaks import leak_probes
from evaluation.training.protocol import (
    Tell,
    as_shipped,
    lessons_of,
    out_of_fold,
    without_each_set,
)
from evaluation.training.recipe import RECIPES, quick
from evaluation.training.table import TrialTable, UnfitDataError
from evaluation.trials import Trial, read_trials

FOLDS: Final = 7
"""With nine persons who fall in each wrist set, every model still learns from seven or eight."""

QUICK_FOLDS: Final = 3

_THREADS: Final = ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS")


@dataclass(frozen=True, kw_only=True)
class TrainingOptions:
    """What the command line asks for."""

    placement: str | None = None
    """Name of a model, from `RECIPES`; None: every one that the data has trials for."""
    seed: int = 0
    folds: int | None = None
    """By person, for the figures; None: `FOLDS`, or `QUICK_FOLDS`."""
    is_quick: bool = False
    keep_folds: Path | None = None
    """Folder for the models of the folds, each with the people whom it has seen; None: they are
    not kept."""


@dataclass(frozen=True)
class Trained:
    """A model and what is known of it."""

    model: FallModel
    card: Card
    fingerprints: Fingerprints
    """Of the trials that it has seen."""


def train_falls(paths: Sequence[Path], options: TrainingOptions, tell: Tell) -> list[Trained]:
    """Train a model for each placement that was asked for.

    The same data, seed, NumPy and kind of processor give the same file, bit by bit.

    Parameters
    ----------
    paths
        Parquet files or folders, see `evaluation.trials.read_trials`.
    options
        What to train.
    tell
        Takes lines of progress.

    Raises
    ------
    RecordingError
        If a file cannot be read.
    UnfitDataError
        If there is no trial of a placement, or too little to learn from.
    """
    _one_thread()
    skipped: list[str] = []
    trials = list(read_trials(paths, skipped.append))
    tell(f"{len(trials)} trials read, {len(skipped)} left out")
    asked = tuple(RECIPES) if options.placement is None else (options.placement,)
    by_model = {name: [trial for trial in trials if trial.placement == name] for name in asked}
    chosen = {name: of_model for name, of_model in by_model.items() if of_model}
    if not chosen:
        worn = ", ".join(sorted({trial.placement for trial in trials})) or "none at all"
        raise UnfitDataError(f"no trial was worn at the {' or '.join(asked)}; there are: {worn}")
    return [_train(of_model, name, options, skipped, tell) for name, of_model in chosen.items()]


def _train(
    trials: Sequence[Trial], name: str, options: TrainingOptions, skipped: list[str], tell: Tell
) -> Trained:
    recipe = quick(RECIPES[name]) if options.is_quick else RECIPES[name]
    folds = options.folds or (QUICK_FOLDS if options.is_quick else FOLDS)
    table, seed = TrialTable.of(trials), options.seed

    def tell_of(line: str) -> None:
        tell(f"{name}: {line}")

    lessons = lessons_of(table, recipe, seed, tell_of)
    keep = None if options.keep_folds is None else FoldKeeper(options.keep_folds, table)
    result = out_of_fold(table, lessons, recipe, folds=folds, seed=seed, tell=tell_of, keep=keep)
    several = len(table.datasets) > 1 and not options.is_quick
    unseen = without_each_set(table, lessons, recipe, seed=seed, tell=tell_of) if several else None
    tell_of("probes for leaks")
    peak_g = result.impacts.peak_g
    probes = leak_probes(table, result.impacts, peak_g, result.score, result.fold)
    tell_of("the model of everyone")
    everyone = table.is_fall | ~table.is_fall
    model = as_shipped(fit(table, lessons, everyone, recipe, seed))
    digest = hashlib.sha256(encode_model(model)).hexdigest()
    card = make_card(
        table,
        recipe,
        model,
        result=result,
        unseen=unseen,
        probes=probes,
        sha256=digest,
        seed=seed,
        is_quick=options.is_quick,
        skipped=skipped,
    )
    return Trained(model, card, fingerprints_of_all(trials))


def write(trained: Trained, folder: Path) -> Path:
    """Write a model, its card, the fingerprints of its trials and all hashes into a folder; returns
    the model's file.

    Raises
    ------
    OSError
        If the folder cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{trained.card['model']}.npz"
    digest = save_model(path, trained.model)
    if digest != trained.card["sha256"]:
        raise RuntimeError(f"{path} has SHA-256 {digest}, its card {trained.card['sha256']}")
    text = json.dumps(trained.card, indent=1, ensure_ascii=False) + "\n"
    path.with_suffix(".json").write_text(text, "utf-8")
    save_fingerprints(path, trained.fingerprints)
    return path


def write_fingerprints(paths: Sequence[Path], folder: Path, tell: Tell) -> None:
    """Write the fingerprints of a training's data beside the models of a folder, without training.

    Raises
    ------
    RecordingError, OSError
        If a file cannot be read or written.
    """
    trials = list(read_trials(paths, tell))
    for name in RECIPES:
        model = folder / f"falls_{name}.npz"
        of_model = [trial for trial in trials if trial.placement == name]
        if model.exists() and of_model:
            written = save_fingerprints(model, fingerprints_of_all(of_model))
            tell(f"{written.name}: of {len(of_model)} trials")


def _one_thread() -> None:
    """Refuse to train where sums may be split among threads, as their order would change."""
    for name in _THREADS:
        if os.environ.get(name, "1") != "1":
            raise UnfitDataError(
                f"{name} is {os.environ[name]}: with several threads the same data and seed give "
                "other roundings; unset it or set it to 1"
            )
